//! What goes wrong on purpose: rules of whom they strike and what they do, seeded, so that a run can be repeated.
//!
//! Tests add them to `core().faults`; whoever uses a simulator over HTTP posts the same as JSON to `/_faults` (`http.rs`).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that happens to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Answer with this status and body instead of doing anything.
    Answer {
        /// Of HTTP.
        status: u16,
        /// The exact text.
        body: String,
    },
    /// Okta: refuse with this status and error code, in Okta's envelope.
    Refuse {
        /// Of HTTP.
        status: u16,
        /// Okta's `errorCode`.
        code: String,
    },
    /// Okta: 429 as something in between says it: no rate limit headers, and no word about when it is over but `Retry-After` in
    /// seconds, if any.
    Throttle {
        /// `Retry-After` in seconds; the header is missing without it.
        retry_after: Option<u64>,
    },
    /// Do it, then close the connection without an answer.
    LoseReply,
    /// Do nothing and close the connection.
    Reset,
    /// Answer later than usual by this much (of the clock's time).
    Slow(#[serde(with = "millis")] Duration),
    /// Show the page without what is on it from this one on.
    CutPage(usize),
    /// Break the JSON off in the middle.
    BrokenJson,
    /// Lists and searches lack these people, groups or members: by id, anchor, login, email or name.
    Hide(Vec<String>),
    /// A page comes without anybody on it; its links stay.
    EmptyPage,
    /// A page comes without its link to the next one.
    NoNext,
    /// A page's link to the next one leads elsewhere.
    Next(Next),
    /// Every page has a link to one more page, which shows the first again.
    EndlessPages,
    /// The body begins as JSON and does not end.
    EndlessBody,
    /// The body is a gzip stream that unpacks to so many bytes.
    GzipBomb(u64),
    /// What was asked is done, and the answer shows this user (by id, login or anchor) instead.
    AboutAnother(String),
    /// The answer is that of success, and nothing is done.
    NoEffect,
    /// Okta: something in between sends it once more, and the second answer is what comes back.
    Twice,
    /// These attributes are dropped from what is sent; the answer is that of success.
    IgnoreAttributes(Vec<String>),
    /// Namely: every page is the first one.
    IgnorePage,
    /// Namely: `total_count` says this, whatever there is.
    TotalCount(usize),
    /// Namely: this key of profiles (of the person of the fault, or of all) has this value.
    Field {
        /// Which.
        key: String,
        /// What it has in the answer.
        value: serde_json::Value,
    },
}

/// Where a link to the next page leads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// The same path at another origin, as `https://other.example.com`.
    Origin(String),
    /// To the page it is on.
    Itself,
    /// To the first page.
    First,
    /// This text in place of a URL.
    Text(String),
}

/// A fault and when it strikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only this method; any if empty.
    #[serde(default)]
    pub method: String,
    /// Only paths (with query) that contain this. With a `*` in it: only paths (without query) that are like this as a
    /// whole, where `*` stands for anything within a segment and `**` for anything at all.
    #[serde(default)]
    pub path: String,
    /// Only requests about this person: by id, anchor, login or email.
    #[serde(default)]
    pub person: Option<String>,
    /// What happens.
    pub kind: Kind,
    /// Part of the matching requests that it strikes.
    #[serde(default = "always")]
    pub chance: f64,
    /// How often it strikes at most.
    #[serde(default)]
    pub times: Option<u32>,
}

const fn always() -> f64 {
    1.0
}

impl Fault {
    /// A fault that strikes the first `times` matching requests.
    pub fn first(times: u32, method: &str, path: &str, kind: Kind) -> Self {
        Self { method: method.into(), path: path.into(), person: None, kind, chance: 1.0, times: Some(times) }
    }

    /// A fault that strikes a part of all matching requests.
    pub fn some(chance: f64, method: &str, path: &str, kind: Kind) -> Self {
        Self { method: method.into(), path: path.into(), person: None, kind, chance, times: None }
    }

    /// A fault that strikes every matching request.
    pub fn always(method: &str, path: &str, kind: Kind) -> Self {
        Self::some(1.0, method, path, kind)
    }

    /// Every matching call is refused as by an administrator without the permission (403 E0000006).
    pub fn denied(method: &str, path: &str) -> Self {
        Self::always(method, path, Kind::refusal(403, "E0000006"))
    }

    /// The same, for requests about one person only: by id, anchor, login or email.
    pub fn about(self, person: &str) -> Self {
        Self { person: Some(person.to_owned()), ..self }
    }

    fn matches(&self, method: &str, target: &str, about: &[String]) -> bool {
        let path_matches = if self.path.contains('*') {
            let path = target.split('?').next().unwrap_or_default();
            is_like(&self.path, path)
        } else {
            target.contains(&self.path)
        };
        let person = self.person.as_ref().filter(|_| !self.kind.finds_its_person());
        path_matches
            && (self.method.is_empty() || self.method == method)
            && person.is_none_or(|person| about.iter().any(|name| name.eq_ignore_ascii_case(person)))
    }
}

impl Kind {
    /// A refusal of Okta.
    pub fn refusal(status: u16, code: &str) -> Self {
        Kind::Refuse { status, code: code.to_owned() }
    }

    /// Lists lack whoever is named.
    pub fn hide(names: &[&str]) -> Self {
        Kind::Hide(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// Strikes lists in which its person is, too.
    const fn finds_its_person(&self) -> bool {
        matches!(self, Kind::Field { .. })
    }
}

/// Whether `text` is like `pattern`, in which `*` stands for anything but a slash and `**` for anything.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some(star) = pattern.find('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(&pattern[..star]) else { return false };
    let (any, after) = match pattern[star..].strip_prefix("**") {
        Some(after) => (true, after),
        None => (false, &pattern[star + 1..]),
    };
    let reach = if any { rest.len() } else { rest.find('/').unwrap_or(rest.len()) };
    (0..=reach).filter(|end| rest.is_char_boundary(*end)).any(|end| is_like(after, &rest[end..]))
}

/// All faults of one simulator.
#[derive(Debug)]
pub struct Faults {
    /// By the numbers that they got when they were added.
    plan: BTreeMap<u64, Fault>,
    added: u64,
    random: ChaCha8Rng,
}

impl Faults {
    /// No faults; `seed` drives those that are added.
    pub fn new(seed: u64) -> Self {
        Self { plan: BTreeMap::new(), added: 0, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Adds a fault; the number takes it away again. Of several that match a request the oldest strikes.
    pub fn add(&mut self, fault: Fault) -> u64 {
        self.added += 1;
        self.plan.insert(self.added, fault);
        self.added
    }

    /// Takes a fault away; whether it was there.
    pub fn remove(&mut self, number: u64) -> bool {
        self.plan.remove(&number).is_some()
    }

    /// Removes all faults.
    pub fn clear(&mut self) {
        self.plan.clear();
    }

    /// Every fault with its number, spent ones too.
    pub fn all(&self) -> &BTreeMap<u64, Fault> {
        &self.plan
    }

    /// Whether every fault has struck as often as it may.
    pub fn are_spent(&self) -> bool {
        self.plan.values().all(|fault| fault.times == Some(0))
    }

    /// The fault that strikes this request, if any; `about` names the person it is about.
    pub fn strike(&mut self, method: &str, target: &str, about: &[String]) -> Option<Fault> {
        for fault in self.plan.values_mut() {
            let matches = fault.times != Some(0) && fault.matches(method, target, about);
            if matches && self.random.random_bool(fault.chance.clamp(0.0, 1.0)) {
                fault.times = fault.times.map(|times| times - 1);
                return Some(fault.clone());
            }
        }
        None
    }

    /// Whether whom a request is about has to be found out at all.
    pub fn ask_for_people(&self) -> bool {
        self.plan.values().any(|fault| fault.person.is_some())
    }
}

/// Durations as milliseconds.
mod millis {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_what_it_matches_as_often_as_it_may() {
        let mut faults = Faults::new(1);
        faults.add(Fault::first(2, "POST", "/users", Kind::LoseReply));
        let mut strike = |method: &str| faults.strike(method, "/api/v1/users", &[]).map(|fault| fault.kind);
        assert_eq!(strike("GET"), None);
        assert_eq!(strike("POST"), Some(Kind::LoseReply));
        assert_eq!(strike("POST"), Some(Kind::LoseReply));
        assert_eq!(strike("POST"), None);
        assert!(faults.are_spent());
    }

    #[test]
    fn the_same_seed_strikes_the_same_requests() {
        let strikes = |seed| {
            let mut faults = Faults::new(seed);
            faults.add(Fault::some(0.3, "", "", Kind::Reset));
            (0..100).map(|_| faults.strike("GET", "/x", &[]).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
    }

    #[test]
    fn a_star_stands_for_one_segment_and_two_for_any_number() {
        let like = |pattern: &str, path: &str| Fault::denied("", pattern).matches("GET", path, &[]);
        assert!(like("/api/v1/users/*", "/api/v1/users/00u1?x=1"));
        assert!(!like("/api/v1/users/*", "/api/v1/users/00u1/groups"));
        assert!(like("/api/v1/users/*/lifecycle/deactivate", "/api/v1/users/00u1/lifecycle/deactivate"));
        assert!(!like("/api/v1/users/*/lifecycle/deactivate", "/api/v1/users/00u1/lifecycle/suspend"));
        assert!(like("/api/v1/iam/**", "/api/v1/iam/assignees/users?limit=100"));
        assert!(like("/api/v1/groups/*/users/00u*", "/api/v1/groups/00g1/users/00u9"));
        assert!(!like("/api/v1/groups/*", "/api/v1/users/1"));
    }

    #[test]
    fn a_fault_about_somebody_strikes_nobody_else() {
        let mut faults = Faults::new(1);
        let number = faults.add(Fault::denied("POST", "/lifecycle/").about("ada@example.com"));
        let mut struck = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            faults.strike("POST", "/api/v1/users/00u1/lifecycle/deactivate", &names).is_some()
        };
        assert!(struck(&["00u1", "Ada@example.com"]) && !struck(&["00u2", "bo@example.com"]) && !struck(&[]));
        assert!(faults.remove(number) && !faults.remove(number));
    }

    #[test]
    fn faults_are_written_as_json_in_few_words() {
        let text = r#"{"method":"POST","path":"/lifecycle/deactivate","times":2,"kind":{"refuse":{"status":403,"code":"E0000006"}}}"#;
        let read: Fault = serde_json::from_str(text).expect("a fault");
        assert_eq!(read, Fault::first(2, "POST", "/lifecycle/deactivate", Kind::refusal(403, "E0000006")));
        let slow: Fault = serde_json::from_str(r#"{"kind":{"slow":250}}"#).expect("a fault");
        assert_eq!(slow, Fault::always("", "", Kind::Slow(Duration::from_millis(250))));
        let next: Fault = serde_json::from_str(r#"{"kind":{"next":"itself"}}"#).expect("a fault");
        assert_eq!(next.kind, Kind::Next(Next::Itself));
        assert!(serde_json::from_str::<Fault>(r#"{"kind":"no_such"}"#).is_err());
    }
}
