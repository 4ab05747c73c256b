//! The org's rate limits: fixed windows of 60 seconds that open at their first request, for the token and for the whole
//! org, one inside the other (`okta-api.md §4`).

use super::super::history::Rejection;
pub use super::options::{Table, WORKFORCE};

use super::options::{HeaderView, Options};
use crate::clock::Moment;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

const WINDOW_MICROS: i64 = 60_000_000;
/// How far ahead the meaningless reset of a concurrency 429 lies.
const BOGUS_RESET_SECS: i64 = 110;
/// An answer has reached the client, and what it sent before has reached us, after so long at scale 1.
const ROUND_TRIP: Duration = Duration::from_secs(1);
/// The same on a faster clock, in real time: a busy machine keeps a thread waiting as long however fast the clock runs.
const REAL_ROUND_TRIP: Duration = Duration::from_millis(250);

impl Table {
    fn of(&self, bucket: &str) -> u32 {
        match bucket {
            "/api/v1/users" | "/api/v1/users?search" => self.users,
            "/api/v1/users/{id}" => self.user_write,
            "/api/v1/users/{id:.+}" => self.user_read,
            "/api/v1/groups" => self.groups,
            "/api/v1/groups/{id}" => self.group,
            "/api/v1/apps" => self.apps,
            "/api/v1/apps/{id}" => self.app,
            "/api/v1/logs" => self.logs,
            "/oauth2/v1/token" => self.token,
            _ => self.other,
        }
    }
}

/// The bucket of a call, by Okta's own names (`okta-api.md §4.1`).
pub fn bucket_of(method: &str, path: &str) -> &'static str {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    match parts.as_slice() {
        ["api", "v1", "users", _] if method == "GET" => "/api/v1/users/{id:.+}",
        ["api", "v1", "users", _] => "/api/v1/users/{id}",
        ["api", "v1", "users", ..] => "/api/v1/users",
        ["api", "v1", "groups", id] if *id != "rules" => "/api/v1/groups/{id}",
        ["api", "v1", "groups", ..] => "/api/v1/groups",
        ["api", "v1", "apps", _] => "/api/v1/apps/{id}",
        ["api", "v1", "apps", ..] => "/api/v1/apps",
        ["api", "v1", "logs", ..] => "/api/v1/logs",
        ["api", "v1", "iam", ..] => "/api/v1/iam",
        ["api", "v1", "principal-rate-limits", ..] => "/api/v1/principal-rate-limits",
        ["oauth2", "v1", "token"] => "/oauth2/v1/token",
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
    fn count(&mut self, micros: i64) {
        if self.opened.is_none_or(|opened| micros >= opened + WINDOW_MICROS) {
            *self = Self { opened: Some(micros), used: 0, number: self.number + 1 };
        }
        self.used += 1;
    }

    fn end(&self) -> i64 {
        self.opened.unwrap_or(0) + WINDOW_MICROS
    }

    /// As headers name it: rounded down to seconds.
    fn reset(&self) -> i64 {
        self.end().div_euclid(1_000_000)
    }
}

/// What the token knew of a counter, from answers that have reached it.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Requests under way.
    in_flight: u32,
    /// Window of the org, fewest remaining that was shown, and since when it is known.
    shown: Option<(u64, u32, i64)>,
}

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is answered.
    Passed,
    /// It is refused, and why.
    Rejected(Rejection),
}

/// What counting a request came to.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Whether it may pass.
    pub verdict: Verdict,
    /// The rate limit headers of its answer.
    pub headers: Vec<(&'static str, String)>,
    /// Number of the principal's window.
    pub window: Option<u64>,
}

/// Headers on their way to the client: bucket, the org's window, what they show.
#[derive(Clone, Debug)]
struct Kept {
    bucket: &'static str,
    org_window: u64,
    remaining: u32,
    headers: Vec<(&'static str, String)>,
}

/// All counters of the org.
#[derive(Debug)]
pub struct Limits {
    table: Option<Table>,
    pub(super) share: f64,
    pub(super) concurrency_share: f64,
    concurrency: usize,
    view: HeaderView,
    skew: i64,
    competition: Option<f64>,
    random: ChaCha8Rng,
    in_flight: usize,
    round_trip: Duration,
    principal: BTreeMap<&'static str, Window>,
    org: BTreeMap<&'static str, Window>,
    /// Requests of other clients in the org's present window, by bucket.
    foreign: BTreeMap<&'static str, (u64, u32)>,
    /// When the next request of another client arrives, by bucket.
    arrivals: BTreeMap<&'static str, i64>,
    known: BTreeMap<&'static str, Known>,
    kept: HashMap<usize, Kept>,
}

impl Limits {
    /// Counters of an org.
    pub fn new(options: &Options) -> Self {
        Self {
            table: options.limits,
            share: options.principal_share,
            concurrency_share: options.principal_share,
            concurrency: options.concurrency,
            view: options.headers,
            skew: options.skew,
            competition: options.competition.map(|c| c.share),
            random: ChaCha8Rng::seed_from_u64(options.seed ^ 0x0f_0e_0d),
            in_flight: 0,
            round_trip: ROUND_TRIP,
            principal: BTreeMap::new(),
            org: BTreeMap::new(),
            foreign: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            known: BTreeMap::new(),
            kept: HashMap::new(),
        }
    }

    /// The clock runs `scale` times as fast as real time.
    pub fn scaled(&mut self, scale: f64) {
        self.round_trip = ROUND_TRIP.max(REAL_ROUND_TRIP.mul_f64(scale));
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
        let micros = now.micros();
        self.compete(bucket, micros);
        if self.table.is_some() && self.in_flight as f64 >= (self.concurrency as f64 * self.concurrency_share).max(1.0)
        {
            let reset = micros.div_euclid(1_000_000) + BOGUS_RESET_SECS;
            let rejected = Verdict::Rejected(Rejection::Concurrency);
            return Counted { verdict: rejected, headers: self.headers(0, 0, reset, now), window: None };
        }
        let limit = self.principal_limit(bucket);
        let org_limit = self.table.map_or(u32::MAX, |t| t.of(bucket));
        let principal = self.principal.entry(bucket).or_default();
        principal.count(micros);
        let principal = *principal;
        let org = self.org.entry(bucket).or_default();
        org.count(micros);
        let org = *org;
        let verdict = if principal.used > limit {
            Verdict::Rejected(Rejection::Principal)
        } else if org.used > org_limit {
            Verdict::Rejected(self.blame(bucket, org, micros))
        } else {
            Verdict::Passed
        };
        let left = limit.saturating_sub(principal.used);
        let left_in_org = org_limit.saturating_sub(org.used);
        let (remaining, reset) = match (verdict, self.view) {
            (Verdict::Rejected(Rejection::Principal), _) => (0, principal.reset()),
            (Verdict::Rejected(_), _) => (0, org.reset()),
            (Verdict::Passed, HeaderView::Tighter) if left_in_org < left => (left_in_org, org.reset()),
            (Verdict::Passed, _) => (left, principal.reset()),
        };
        let known = self.known.entry(bucket).or_default();
        if verdict == Verdict::Passed {
            known.in_flight += 1;
        } else {
            known.learn(org.number, 0, micros);
        }
        let headers = self.headers(limit, remaining, reset, now);
        Counted { verdict, headers, window: Some(principal.number) }
    }

    /// Whose doing it is that the org's counter is spent: the token's own, if it is alone, or if what it had been shown
    /// minus what it had under way left nothing when it sent.
    fn blame(&self, bucket: &str, org: Window, micros: i64) -> Rejection {
        let others = self.foreign.get(bucket).filter(|(window, _)| *window == org.number).map_or(0, |(_, n)| *n);
        let known = self.known.get(bucket).copied().unwrap_or_default();
        let knew = known
            .shown
            .filter(|(window, _, since)| {
                *window == org.number && Moment::from_micros(micros) >= Moment::from_micros(*since) + self.round_trip
            })
            .is_some_and(|(_, remaining, _)| remaining <= known.in_flight);
        if others == 0 || knew { Rejection::Principal } else { Rejection::Foreign }
    }

    /// Other clients make the requests that were due by now.
    fn compete(&mut self, bucket: &'static str, micros: i64) {
        let (Some(share), Some(table)) = (self.competition, self.table) else { return };
        let mean_gap = 60_000_000.0 / (f64::from(table.of(bucket)) * share).max(0.001);
        let mut due = *self.arrivals.entry(bucket).or_insert(micros);
        // What they did long ago has no effect any more.
        due = due.max(micros - 2 * WINDOW_MICROS);
        while due <= micros {
            self.count_foreign(bucket, Moment::from_micros(due));
            let gap = -mean_gap * (1.0 - self.random.random::<f64>()).ln();
            #[expect(clippy::cast_possible_truncation, reason = "a gap in microseconds fits")]
            let gap = gap as i64;
            due += gap.max(1);
        }
        self.arrivals.insert(bucket, due);
    }

    /// Another client of the org makes a request.
    pub fn count_foreign(&mut self, bucket: &'static str, now: Moment) {
        let org = self.org.entry(bucket).or_default();
        org.count(now.micros());
        let foreign = self.foreign.entry(bucket).or_default();
        *foreign = if foreign.0 == org.number { (org.number, foreign.1 + 1) } else { (org.number, 1) };
    }

    /// One request more is under way.
    pub fn enter(&mut self) {
        self.in_flight += 1;
    }

    /// One request less is under way.
    pub fn done(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// A request that was counted is answered at once: its answer carries the headers.
    pub fn discard(&mut self, bucket: &'static str) {
        let known = self.known.entry(bucket).or_default();
        known.in_flight = known.in_flight.saturating_sub(1);
    }

    /// Headers are made when a request arrives and sent with its answer.
    pub fn keep_headers(&mut self, ticket: usize, bucket: &'static str, headers: Vec<(&'static str, String)>) {
        let remaining = headers.iter().find(|(n, _)| n.ends_with("remaining")).and_then(|(_, v)| v.parse().ok());
        let org_window = self.org.get(bucket).map_or(0, |w| w.number);
        self.kept.insert(ticket, Kept { bucket, org_window, remaining: remaining.unwrap_or(u32::MAX), headers });
    }

    /// The headers of an answer that leaves.
    pub fn take_headers(&mut self, ticket: usize, now: Moment) -> Vec<(&'static str, String)> {
        let Some(kept) = self.kept.remove(&ticket) else { return Vec::new() };
        let known = self.known.entry(kept.bucket).or_default();
        known.in_flight = known.in_flight.saturating_sub(1);
        if self.view == HeaderView::Tighter {
            known.learn(kept.org_window, kept.remaining, now.micros());
        }
        kept.headers
    }

    fn headers(&self, limit: u32, remaining: u32, reset: i64, now: Moment) -> Vec<(&'static str, String)> {
        let reset = reset + self.skew;
        let (limit, remaining, reset) = match self.view {
            HeaderView::Absent => return Vec::new(),
            HeaderView::Nonsense => match now.micros().rem_euclid(3) {
                0 => ("0".to_owned(), "5".to_owned(), reset.to_string()),
                1 => (limit.to_string(), (limit + 7).to_string(), "soon".to_owned()),
                _ => (limit.to_string(), remaining.to_string(), (reset + 86_400).to_string()),
            },
            _ => (limit.to_string(), remaining.to_string(), reset.to_string()),
        };
        vec![("x-rate-limit-limit", limit), ("x-rate-limit-remaining", remaining), ("x-rate-limit-reset", reset)]
    }
}

impl Known {
    fn learn(&mut self, window: u64, remaining: u32, micros: i64) {
        match &mut self.shown {
            Some((known, least, since)) if *known == window => {
                if remaining < *least {
                    (*least, *since) = (remaining, micros);
                }
            }
            _ => self.shown = Some((window, remaining, micros)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(users: u32, principal_share: f64, concurrency: usize) -> Limits {
        let limits = Some(Table { users, ..WORKFORCE });
        Limits::new(&Options { limits, principal_share, concurrency, ..Options::default() })
    }

    #[test]
    fn exactly_the_limit_passes_and_a_window_opens_at_its_first_request() {
        let mut limits = limits(10, 1.0, 75);
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
        let mut limits = limits(10, 0.5, 75);
        let now = Moment::from_secs(1000);
        assert_eq!(limits.principal_limit("/api/v1/users"), 5);
        for _ in 0..9 {
            limits.count_foreign("/api/v1/users", now);
        }
        assert_eq!(limits.count("/api/v1/users", now).verdict, Verdict::Passed);
        assert_eq!(limits.count("/api/v1/users", now).verdict, Verdict::Rejected(Rejection::Foreign));
        let later = now + Duration::from_secs(5);
        assert_eq!(
            limits.count("/api/v1/users", later).verdict,
            Verdict::Rejected(Rejection::Principal),
            "it had been shown that nothing is left"
        );
    }

    #[test]
    fn competitors_spend_their_part_of_every_window() {
        let options = Options { competition: Some(super::super::Competition { share: 0.3 }), ..Options::default() };
        let mut limits = Limits::new(&Options { principal_share: 1.0, ..options });
        let mut rejected = 0;
        for second in 0..600 {
            for n in 0..10 {
                let now = Moment::from_millis(second * 1000 + n * 100);
                rejected += u32::from(limits.count("/api/v1/users", now).verdict != Verdict::Passed);
            }
        }
        // Of 780 requests of both in a window 600 pass; ours are 600 of them.
        assert!((1200..1600).contains(&rejected), "{rejected}");
    }

    #[test]
    fn too_many_at_once_get_a_429_with_zeros_and_a_reset_that_means_nothing() {
        let mut limits = limits(600, 0.5, 4);
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
