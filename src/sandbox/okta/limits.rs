//! The org's rate limits: fixed windows of 60 seconds that open at their first request, for the token and for the whole
//! org, one inside the other (`okta-api.md §4`).

use super::super::history::Rejection;
use crate::clock::Moment;
use std::collections::{BTreeMap, HashMap};

const WINDOW_MICROS: i64 = 60_000_000;
/// How far ahead the meaningless reset of a concurrency 429 lies.
const BOGUS_RESET_SECS: i64 = 110;

/// Limits per minute by bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    pub users: u32,
    pub user_write: u32,
    pub user_read: u32,
    pub groups: u32,
    pub group: u32,
    pub other: u32,
}

/// The published defaults of Workforce orgs (`okta-api.md §4.2`).
pub const WORKFORCE: Table =
    Table { users: 600, user_write: 600, user_read: 2000, groups: 500, group: 1000, other: 1200 };

impl Table {
    fn of(&self, bucket: &str) -> u32 {
        match bucket {
            "/api/v1/users" => self.users,
            "/api/v1/users/{id}" => self.user_write,
            "/api/v1/users/{id:.+}" => self.user_read,
            "/api/v1/groups" => self.groups,
            "/api/v1/groups/{id}" => self.group,
            _ => self.other,
        }
    }
}

/// The bucket of a call, by Okta's own names.
pub fn bucket_of(method: &str, path: &str) -> &'static str {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    match parts.as_slice() {
        ["api", "v1", "users", _] if method == "GET" => "/api/v1/users/{id:.+}",
        ["api", "v1", "users", _] => "/api/v1/users/{id}",
        ["api", "v1", "users", ..] => "/api/v1/users",
        ["api", "v1", "groups", id] if *id != "rules" => "/api/v1/groups/{id}",
        ["api", "v1", "groups", ..] => "/api/v1/groups",
        _ => "/api/v1",
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    opened: Option<i64>,
    used: u32,
    number: u64,
}

impl Window {
    fn count(&mut self, now: Moment) {
        let now = now.micros();
        if self.opened.is_none_or(|opened| now >= opened + WINDOW_MICROS) {
            *self = Self { opened: Some(now), used: 0, number: self.number + 1 };
        }
        self.used += 1;
    }

    fn end_secs(&self) -> i64 {
        (self.opened.unwrap_or(0) + WINDOW_MICROS).div_euclid(1_000_000)
    }
}

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Rejected(Rejection),
}

/// What counting a request came to.
#[derive(Clone, Debug)]
pub struct Counted {
    pub verdict: Verdict,
    pub headers: Vec<(&'static str, String)>,
    /// Number of the principal's window.
    pub window: Option<u64>,
}

/// All counters of the org.
#[derive(Debug)]
pub struct Limits {
    table: Option<Table>,
    share: f64,
    concurrency: usize,
    in_flight: usize,
    principal: BTreeMap<&'static str, Window>,
    org: BTreeMap<&'static str, Window>,
    /// Requests of other clients in the org's present window, by bucket.
    foreign: BTreeMap<&'static str, (u64, u32)>,
    kept: HashMap<usize, Vec<(&'static str, String)>>,
}

impl Limits {
    /// Counters of an org of which one token may use `share`.
    pub fn new(table: Option<Table>, share: f64, concurrency: usize) -> Self {
        Self {
            table,
            share,
            concurrency,
            in_flight: 0,
            principal: BTreeMap::new(),
            org: BTreeMap::new(),
            foreign: BTreeMap::new(),
            kept: HashMap::new(),
        }
    }

    /// The limit of a bucket as the token sees it.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32")]
    pub fn principal_limit(&self, bucket: &str) -> u32 {
        self.table.map_or(1_000_000, |table| (f64::from(table.of(bucket)) * self.share).floor() as u32)
    }

    /// Windows that the token has opened in a bucket.
    pub fn windows_used(&self, bucket: &str) -> u64 {
        self.principal.get(bucket).map_or(0, |w| w.number)
    }

    /// Counts a request of the token.
    pub fn count(&mut self, bucket: &'static str, now: Moment) -> Counted {
        let limit = self.principal_limit(bucket);
        let org_limit = self.table.map_or(u32::MAX, |t| t.of(bucket));
        if self.table.is_some() && self.in_flight as f64 >= (self.concurrency as f64 * self.share).max(1.0) {
            let reset = now.secs() + BOGUS_RESET_SECS;
            let rejected = Verdict::Rejected(Rejection::Concurrency);
            return Counted { verdict: rejected, headers: headers(0, 0, reset), window: None };
        }
        let principal = self.principal.entry(bucket).or_default();
        principal.count(now);
        let (used, reset, number) = (principal.used, principal.end_secs(), principal.number);
        let org = self.org.entry(bucket).or_default();
        org.count(now);
        let others = self.foreign.get(bucket).filter(|(window, _)| *window == org.number).map_or(0, |(_, n)| *n);
        let verdict = match (used > limit, org.used > org_limit) {
            (true, _) => Verdict::Rejected(Rejection::Principal),
            (false, true) if others > 0 => Verdict::Rejected(Rejection::Foreign),
            (false, true) => Verdict::Rejected(Rejection::Principal),
            (false, false) => Verdict::Passed,
        };
        Counted { verdict, headers: headers(limit, limit.saturating_sub(used), reset), window: Some(number) }
    }

    /// Another client of the org makes a request.
    pub fn count_foreign(&mut self, bucket: &'static str, now: Moment) {
        let org = self.org.entry(bucket).or_default();
        org.count(now);
        let foreign = self.foreign.entry(bucket).or_default();
        *foreign = if foreign.0 == org.number { (org.number, foreign.1 + 1) } else { (org.number, 1) };
    }

    pub fn enter(&mut self) {
        self.in_flight += 1;
    }

    pub fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Headers are made when a request arrives and sent with its answer.
    pub fn keep_headers(&mut self, ticket: usize, headers: Vec<(&'static str, String)>) {
        self.kept.insert(ticket, headers);
    }

    pub fn take_headers(&mut self, ticket: usize) -> Vec<(&'static str, String)> {
        self.kept.remove(&ticket).unwrap_or_default()
    }
}

fn headers(limit: u32, remaining: u32, reset: i64) -> Vec<(&'static str, String)> {
    vec![
        ("x-rate-limit-limit", limit.to_string()),
        ("x-rate-limit-remaining", remaining.to_string()),
        ("x-rate-limit-reset", reset.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn exactly_the_limit_passes_and_a_window_opens_at_its_first_request() {
        let mut limits = Limits::new(Some(Table { users: 10, ..WORKFORCE }), 1.0, 75);
        let start = Moment::from_millis(1_000_300);
        for n in 0..10 {
            assert_eq!(limits.count("/api/v1/users", start).verdict, Verdict::Passed, "{n}");
        }
        let over = limits.count("/api/v1/users", start + Duration::from_secs(59));
        assert_eq!(over.verdict, Verdict::Rejected(Rejection::Principal));
        assert_eq!(over.headers[2].1, "1060", "the end is 1060.3: headers show it rounded down");
        let after = start + Duration::from_millis(60_000);
        assert_eq!(limits.count("/api/v1/users", after).verdict, Verdict::Passed);
        assert_eq!(limits.windows_used("/api/v1/users"), 2);
    }

    #[test]
    fn a_token_sees_its_share_and_others_spend_the_org() {
        let mut limits = Limits::new(Some(Table { users: 10, ..WORKFORCE }), 0.5, 75);
        let now = Moment::from_secs(1000);
        assert_eq!(limits.principal_limit("/api/v1/users"), 5);
        for _ in 0..9 {
            limits.count_foreign("/api/v1/users", now);
        }
        assert_eq!(limits.count("/api/v1/users", now).verdict, Verdict::Passed);
        assert_eq!(limits.count("/api/v1/users", now).verdict, Verdict::Rejected(Rejection::Foreign));
    }

    #[test]
    fn too_many_at_once_get_a_429_with_zeros_and_a_reset_that_means_nothing() {
        let mut limits = Limits::new(Some(WORKFORCE), 0.5, 4);
        let now = Moment::from_secs(1000);
        for _ in 0..2 {
            assert_eq!(limits.count("/api/v1/users", now).verdict, Verdict::Passed);
            limits.enter();
        }
        let third = limits.count("/api/v1/users", now);
        assert_eq!(third.verdict, Verdict::Rejected(Rejection::Concurrency));
        assert_eq!(third.headers.iter().map(|(_, v)| v.as_str()).collect::<Vec<_>>(), ["0", "0", "1110"]);
    }
}
