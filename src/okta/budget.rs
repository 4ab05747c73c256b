//! The rate limit of one counter as a pure state machine (`okta-api.md §4.3, §4.7`).
//!
//! Okta counts in fixed windows of 60 seconds. A window opens at the first request after the one before has ended; the
//! headers name its end rounded down to seconds. Exactly `limit` requests pass.
//!
//! **Invariant:** never permits a request that could be the one after the last: what is in flight counts as spent
//! until its answer says otherwise.

use super::bucket::WINDOW;
use super::outcome::RateHeaders;
use super::throttle::Throttle;
use crate::clock::Moment;
use crate::domain::Priority;
use std::collections::VecDeque;
use std::time::Duration;

/// Added to the end of a window before the next is used.
const MARGIN: Duration = Duration::from_millis(20);
/// How long before its end a window's reserve for terminations is released to everybody, but for what terminations are
/// likely to need of the rest.
const RELEASE: Duration = Duration::from_secs(8);
/// Terminations of this long are looked back at to know what they are likely to need.
const PAST_WINDOW: Duration = Duration::from_secs(60);
/// How many times what was needed lately is kept.
const CAUTION: f64 = 2.0;
/// Terminations that Namely shows on one page come within so long: as many may come again.
const BURST: Duration = Duration::from_secs(5);
/// Terminations do not wait for the first answer, which may take long: no limit of Okta's is so low.
const UNKNOWN_LIMIT: u32 = 5;
/// What one termination needs, though nobody has left lately: the sessions and the deactivation.
const ONE: u32 = 2;
/// So long before the end of a window these are released too: what is left then can still be spent where calls are slow.
const ONE_UNTIL: Duration = Duration::from_secs(3);
/// At the very end everything is released: a termination that comes now is served by the next window as soon.
const LAST: Duration = Duration::from_millis(1500);
/// While the reserve shrinks, how often it is looked at again.
const SHRINKING: Duration = Duration::from_millis(500);

/// Which part of a counter is ours, and which part of that only terminations may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Part of each window that this product uses at most; the rest is left to other clients. 1.0 uses all.
    pub share: f64,
    /// Part of each window kept for `Priority::Revoke` until its last seconds.
    pub reserve: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self { share: 1.0, reserve: 0.1 }
    }
}

/// Answers whose `reset` lies this much apart or less are of one window; windows of one counter never overlap.
const SAME_WINDOW: i64 = 1;
/// The resets of two windows of one counter that follow each other lie at least this far apart.
const NEXT_WINDOW: i64 = 59;

#[derive(Clone, Copy, Debug)]
struct Window {
    /// Names the window; the true end lies in the second that begins here, on the server's clock.
    reset: i64,
    /// Fewest remaining requests that any answer of this window has shown.
    remaining: u32,
    /// When the first answer of this window arrived here: the window was open by then, so it ends within 60 s of it.
    first_answer: Moment,
    /// Answers of ours that were counted in it.
    answers: u32,
}

/// The ledger of one counter. All times are of the monotonic clock.
///
/// Usually there is one window at a time. Where headers show now the token's counter and now the tighter one of the org
/// (`okta-api.md §4.3`: not known), two that overlap are kept, and every call spends both.
#[derive(Clone, Debug)]
pub struct Budget {
    shares: Shares,
    limit: Option<u32>,
    windows: Vec<Window>,
    in_flight: u32,
    /// Lower bounds of how far the server's clock is ahead of ours (in µs): of this window and of the one before.
    ahead: [Option<i64>; 2],
    /// A 429 said that nothing goes before this.
    rejected_until: Option<Moment>,
    /// A 429 said that nothing goes now, and not until when.
    throttle: Option<Throttle>,
    /// When calls of terminations left, lately.
    terminations: VecDeque<Moment>,
}

/// What the ledger shows to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub limit: Option<u32>,
    pub remaining: u32,
    pub in_flight: u32,
    /// Kept for terminations for now.
    pub reserved: u32,
    /// When the open window ends.
    pub ends: Option<Moment>,
}

impl Budget {
    /// A ledger that knows nothing yet: it permits one request, some of terminations, and learns from the answer.
    pub fn new(shares: Shares) -> Self {
        Self {
            shares,
            limit: None,
            windows: Vec::new(),
            in_flight: 0,
            ahead: [None, None],
            rejected_until: None,
            throttle: None,
            terminations: VecDeque::new(),
        }
    }

    /// Other shares from now on.
    pub fn set_shares(&mut self, shares: Shares) {
        self.shares = shares;
    }

    /// How many requests of `priority` may be sent right now.
    pub fn permits(&self, now: Moment, priority: Priority) -> u32 {
        let throttle = self.throttle.as_ref();
        let most = throttle.map_or(u32::MAX, |throttle| throttle.permits(now, priority, self.in_flight));
        self.permits_by_window(now, priority).min(most)
    }

    fn permits_by_window(&self, now: Moment, priority: Priority) -> u32 {
        let Some(limit) = self.limit else {
            let most = if priority == Priority::Revoke { UNKNOWN_LIMIT } else { 1 };
            return most.saturating_sub(self.in_flight);
        };
        if self.rejected_until.is_some_and(|until| now < until) {
            return 0;
        }
        // Without an open window the next request opens one; stragglers that open it first are in flight.
        let spendable = self.open(now).map(|w| w.remaining).fold(limit, u32::min);
        let others = self.part(limit, 1.0 - self.shares.share);
        spendable.saturating_sub(self.in_flight).saturating_sub(others + self.reserved(now, priority))
    }

    /// When `permits` may grow without an answer arriving; `None` if only an answer can tell.
    pub fn next_wake(&self, now: Moment, priority: Priority) -> Option<Moment> {
        let tried = self.throttle.as_ref().map(|throttle| throttle.opens(priority));
        if let Some(until) = self.rejected_until.into_iter().chain(tried).filter(|until| now < *until).max() {
            return Some(until);
        }
        let released = self.open(now).map(|w| self.end(w) - RELEASE).max().map(|at| at.max(now + SHRINKING));
        let released = released.filter(|_| self.reserved(now, priority) > 0);
        let end = self.open(now).map(|w| self.end(w)).min();
        released.into_iter().chain(end).min()
    }

    /// A request of `priority` leaves now.
    pub fn on_send(&mut self, priority: Priority, now: Moment) {
        self.in_flight += 1;
        if priority == Priority::Revoke {
            self.terminations.push_back(now);
        }
        while self.terminations.front().is_some_and(|at| now.since(*at) > PAST_WINDOW) {
            self.terminations.pop_front();
        }
    }

    /// An answer arrived at `received`. Without headers it may have been counted all the same.
    pub fn on_answer(&mut self, headers: Option<RateHeaders>, received: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.throttle = self.throttle.take().and_then(|throttle| throttle.served(received));
        match headers {
            None => self.spend_unseen(),
            Some(headers) if headers.is_concurrency() => {}
            Some(headers) => self.learn(headers, received),
        }
    }

    /// A 429 arrived: its reset is to be trusted (`okta-api.md §4.7`); without one it is tried when the server asks for it
    /// (`Retry-After`), or soon. True if we had spent the window ourselves: then this ledger has failed.
    pub fn on_rejected(&mut self, headers: Option<RateHeaders>, asked: Option<Duration>, received: Moment) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(headers) = headers else {
            self.throttle = Some(Throttle::refused(self.throttle.take(), asked, received));
            return false;
        };
        if headers.is_concurrency() {
            return false;
        }
        self.saw_date(headers, received);
        let until = self.end(&Window { reset: headers.reset, remaining: 0, first_answer: received, answers: 0 });
        self.rejected_until = self.rejected_until.max(Some(until));
        self.windows.iter().any(|w| (w.reset - headers.reset).abs() <= SAME_WINDOW && w.answers >= headers.limit)
    }

    /// Whether this answer cannot be of this counter, if the counter is one and not two inside each other.
    pub fn contradicts(&self, headers: RateHeaders, received: Moment) -> bool {
        self.open(received).any(|w| (SAME_WINDOW + 1..NEXT_WINDOW).contains(&(w.reset - headers.reset).abs()))
    }

    /// Whether this is the open window of this counter.
    pub fn knows(&self, headers: RateHeaders, received: Moment) -> bool {
        self.limit == Some(headers.limit) && self.open(received).any(|w| (w.reset - headers.reset).abs() <= SAME_WINDOW)
    }

    /// Requests in flight turn out to spend another counter.
    pub fn hand_over(&mut self, in_flight: u32, to: &mut Budget) {
        self.in_flight = self.in_flight.saturating_sub(in_flight);
        to.in_flight += in_flight;
    }

    /// Two ledgers turn out to watch one counter inside another: every call spends both.
    pub fn merge(&mut self, other: Budget) {
        self.in_flight += other.in_flight;
        self.limit = self.limit.into_iter().chain(other.limit).min();
        self.rejected_until = self.rejected_until.max(other.rejected_until);
        self.throttle = self.throttle.take().into_iter().chain(other.throttle).reduce(Throttle::later);
        for window in other.windows {
            match self.windows.iter_mut().find(|w| w.reset == window.reset) {
                Some(known) => known.remaining = known.remaining.min(window.remaining),
                None => self.windows.push(window),
            }
        }
    }

    fn learn(&mut self, headers: RateHeaders, received: Moment) {
        if self.windows.iter().any(|w| w.reset >= headers.reset + NEXT_WINDOW) {
            return; // a straggler of a window that is gone
        }
        let before = self.windows.len();
        self.windows.retain(|w| headers.reset < w.reset + NEXT_WINDOW);
        if before > self.windows.len() {
            self.ahead = [None, self.ahead[0]];
        }
        let mut found = false;
        for window in &mut self.windows {
            if (window.reset - headers.reset).abs() <= SAME_WINDOW {
                window.remaining = window.remaining.min(headers.remaining);
                window.first_answer = window.first_answer.min(received);
                window.answers += 1;
                found = true;
            } else {
                window.remaining = window.remaining.saturating_sub(1);
            }
        }
        self.limit = match self.limit {
            Some(limit) if !self.windows.is_empty() => Some(limit.min(headers.limit)),
            _ => Some(headers.limit),
        };
        if !found {
            let (reset, remaining) = (headers.reset, headers.remaining);
            self.windows.push(Window { reset, remaining, first_answer: received, answers: 1 });
        }
        self.saw_date(headers, received);
    }

    fn saw_date(&mut self, headers: RateHeaders, received: Moment) {
        if let Some(date) = headers.date {
            let ahead = date * 1_000_000 - received.micros();
            self.ahead[0] = Some(self.ahead[0].map_or(ahead, |known| known.max(ahead)));
        }
    }

    fn spend_unseen(&mut self) {
        for window in &mut self.windows {
            window.remaining = window.remaining.saturating_sub(1);
        }
    }

    /// A request that was sent brought no answer: it may have been counted.
    pub fn on_lost(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.spend_unseen();
    }

    /// A request that was announced never left.
    pub fn on_not_sent(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// What the ledger holds at `now`.
    pub fn status(&self, now: Moment) -> Status {
        let remaining = match self.limit {
            Some(limit) => self.open(now).map(|w| w.remaining).fold(limit, u32::min),
            None => 0,
        };
        let ends = self.open(now).map(|w| self.end(w)).min();
        Status {
            limit: self.limit,
            remaining,
            in_flight: self.in_flight,
            reserved: self.reserved(now, Priority::Grant),
            ends,
        }
    }

    fn open(&self, now: Moment) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(move |window| now < self.end(window))
    }

    /// The first moment at which the window is certainly over, by the tighter of two bounds that are both safe: 60 s
    /// after its first answer, or one second after `reset` on the server's clock as far as we can tell.
    fn end(&self, window: &Window) -> Moment {
        let by_first_answer = window.first_answer + WINDOW;
        let by_reset = self.ahead.iter().flatten().max().map(|ahead| {
            let micros = (window.reset + 1) * 1_000_000 - ahead;
            Moment::from_micros(micros.max(0))
        });
        by_reset.map_or(by_first_answer, |end| end.min(by_first_answer)) + MARGIN
    }

    /// What is kept from calls of `priority`. The reserve shrinks in the last seconds of a window: to what one termination needs if
    /// nobody left lately, else to what more of the same would need until its end; and to nothing at the very end.
    fn reserved(&self, now: Moment, priority: Priority) -> u32 {
        let Some(limit) = self.limit.filter(|_| priority != Priority::Revoke) else { return 0 };
        let whole = self.part(limit, self.shares.share * self.shares.reserve);
        let left = self.open(now).map(|w| self.end(w).since(now)).max();
        match left.filter(|left| *left <= RELEASE) {
            None => whole,
            Some(left) => whole.min(self.likely(now, left)),
        }
    }

    /// Calls that terminations will need within `left`, if they go on as they did.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a window's calls")]
    fn likely(&self, now: Moment, left: Duration) -> u32 {
        if left <= LAST {
            return 0;
        }
        let lately = || self.terminations.iter().filter(|at| now.since(**at) <= PAST_WINDOW);
        let need = lately().count() as f64 / PAST_WINDOW.as_secs_f64() * left.as_secs_f64() * CAUTION;
        let burst = lately().map(|first| lately().filter(|at| **at >= *first && at.since(*first) <= BURST).count());
        (need.ceil() as u32).max(u32::try_from(burst.max().unwrap_or(0)).unwrap_or(u32::MAX)).max(if left > ONE_UNTIL {
            ONE
        } else {
            0
        })
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a u32 fits one")]
    fn part(&self, limit: u32, part: f64) -> u32 {
        (f64::from(limit) * part.clamp(0.0, 1.0)).round() as u32
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
