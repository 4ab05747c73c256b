//! The HTTP shell towards one Namely tenant: one request out, one reply back.

use crate::http::live::Live;
use crate::http::{self, Transport, describe};
use reqwest::header::HeaderMap;
use secrecy::SecretString;

/// Profiles per page: the maximum (`namely-api.md §2.2`).
pub const PER_PAGE: usize = 50;

/// An answer, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Namely said something, whatever the status.
    Answered {
        /// The HTTP status. 406 is Namely's throttle (`namely-api.md §6.1`).
        status: u16,
        /// At most [`http::LARGEST_PAGE`]; empty where a throttle's could not be read.
        body: Vec<u8>,
        /// The server's clock, in seconds, where it tells.
        date: Option<i64>,
    },
    /// No whole answer came, and why.
    Failed(String),
}

/// Sends requests to one Namely tenant.
#[derive(Clone)]
pub struct NamelyClient {
    http: reqwest::Client,
    base: String,
    token: Live<SecretString>,
}

impl NamelyClient {
    /// A client for the API at `base` (`https://example.namely.com/api/v1`). Namely can take 8 s for a page
    /// (`namely-api.md §6.6`): the timeout should be a minute, in real time.
    pub fn new(
        base: &str,
        token: impl Into<Live<SecretString>>,
        transport: impl Into<Transport>,
    ) -> Result<Self, reqwest::Error> {
        let http = http::client(HeaderMap::new(), &transport.into())?;
        Ok(Self { http, token: token.into(), base: base.trim_end_matches('/').to_owned() })
    }

    /// `GET base + target`.
    pub async fn get(&self, target: &str) -> Reply {
        // A token that is no header value is refused by Namely like any wrong one.
        let headers = http::authorization("Bearer", &self.token.current()).unwrap_or_default();
        let answer = match self.http.get(format!("{}{target}", self.base)).headers(headers).send().await {
            Ok(answer) => answer,
            Err(e) => return Reply::Failed(describe(&e)),
        };
        let status = answer.status().as_u16();
        // Namely's support asks for it (namely-api.md §1.8); the span of whoever asks may have a place for it.
        let request_id = answer.headers().get("x-request-id").and_then(|id| id.to_str().ok());
        tracing::Span::current().record("status", status).record("request_id", request_id);
        let date = http::date(answer.headers());
        match http::read_body(answer, http::LARGEST_PAGE).await {
            Ok(body) => Reply::Answered { status, body, date },
            // A throttle is one whatever came with it.
            Err(_) if matches!(status, 406 | 429) => Reply::Answered { status, body: Vec::new(), date },
            Err(why) => Reply::Failed(why.to_string()),
        }
    }
}
