//! Everything a simulator was asked, in order: what the oracle goes by.

use super::http::Request;
use crate::clock::Moment;
use serde_json::{Value, json};

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When the request had come as a whole.
    pub arrived: Moment,
    /// `None` while the answer is under way, or if none was given.
    pub answered: Option<Moment>,
    /// Of HTTP.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// What stood behind the question mark, as it came.
    pub query: String,
    /// SHA-256 of the body, in hexadecimal.
    pub body_hash: String,
    /// As JSON; `null` where there was none or it was no JSON.
    pub body: Value,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Whether it changed the simulator's state (a repeat that found it so already counts too).
    pub applied: bool,
    /// The user it was about, once known.
    pub user: Option<String>,
    /// The rate limit counter it spent, and the number of the window.
    pub window: Option<(&'static str, u64)>,
    /// A 429, and whose doing it was.
    pub rejected: Option<Rejection>,
    /// Whether a fault was injected.
    pub faulty: bool,
}

impl Exchange {
    /// A request that has just arrived.
    pub fn arriving(request: &Request, now: Moment) -> Self {
        Self {
            arrived: now,
            answered: None,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            body_hash: body_hash(&request.body),
            body: serde_json::from_slice(&request.body).unwrap_or(Value::Null),
            status: 0,
            applied: false,
            user: None,
            window: None,
            rejected: None,
            faulty: false,
        }
    }

    /// As whoever asks a simulator over HTTP is shown it; times are milliseconds of the simulator's clock.
    fn shown(&self) -> Value {
        json!({
            "arrived": self.arrived.millis(), "answered": self.answered.map(Moment::millis), "method": self.method,
            "path": self.path, "query": self.query, "body": self.body, "status": self.status, "applied": self.applied,
            "user": self.user, "bucket": self.window.map(|(bucket, _)| bucket),
            "window": self.window.map(|(_, number)| number), "rejected": self.rejected.map(Rejection::as_str),
            "faulty": self.faulty,
        })
    }
}

/// Why a 429 was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The principal had used up its own counter.
    Principal,
    /// The org's counter was used up by somebody else too.
    Foreign,
    /// Too many simultaneous requests of the principal.
    Concurrency,
}

impl Rejection {
    /// Its name for machines.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Foreign => "foreign",
            Self::Concurrency => "concurrency",
        }
    }
}

/// The exchanges so far.
#[derive(Clone, Debug, Default)]
pub struct History {
    exchanges: Vec<Exchange>,
}

impl History {
    /// Notes an arrival; returns its number.
    pub fn arrive(&mut self, exchange: Exchange) -> usize {
        self.exchanges.push(exchange);
        self.exchanges.len() - 1
    }

    /// The exchange with this number.
    pub fn get_mut(&mut self, number: usize) -> &mut Exchange {
        &mut self.exchanges[number]
    }

    /// All exchanges in the order of arrival.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// What arrived from number `from` on, and the number that the next one will have: whoever asks again with that is
    /// shown the rest. An exchange that was under way is shown as it was then.
    pub fn shown(&self, from: usize) -> Value {
        let exchanges: Vec<Value> = self.exchanges.iter().skip(from).map(Exchange::shown).collect();
        json!({ "next": self.exchanges.len(), "exchanges": exchanges })
    }

    /// All but the question who holds a role, which a service asks every minute for as long as it runs: whoever waits until
    /// nothing is asked any more does not wait for that.
    pub fn of_work(&self) -> impl DoubleEndedIterator<Item = &Exchange> {
        let lasting = |exchange: &&Exchange| exchange.path.starts_with("/api/v1/iam/assignees");
        self.exchanges.iter().filter(move |exchange| !lasting(exchange))
    }
}

/// SHA-256 of `bytes` in hexadecimal, computed here and not by the service's code.
pub fn body_hash(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
