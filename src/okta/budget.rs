//! The rate limit of one counter as a pure state machine (`okta-api.md §4.3, §4.7`).
//!
//! Okta counts in fixed windows of 60 seconds. A window opens at the first request after the one before has ended; the
//! headers name its end rounded down to seconds. Exactly `limit` requests pass.
//!
//! **Invariant:** never permits a request that could be the one after the last: what is in flight counts as spent
//! until its answer says otherwise.

use super::outcome::RateHeaders;
use crate::clock::Moment;
use crate::identity::Class;
use std::time::Duration;

/// Length of Okta's windows.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Added to the end of a window before the next is used.
const MARGIN: Duration = Duration::from_millis(20);
/// How long before its end a window's reserve for terminations is released to everybody.
const RELEASE: Duration = Duration::from_secs(15);

/// Which part of a counter is ours, and which part of that only terminations may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Part of each window that this product uses at most; the rest is left to other clients. 1.0 uses all.
    pub share: f64,
    /// Part of each window kept for `Class::Revoke` until its last seconds.
    pub reserve: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self { share: 1.0, reserve: 0.1 }
    }
}

#[derive(Clone, Copy, Debug)]
struct Window {
    /// Names the window; the true end lies in the second that begins here, on the server's clock.
    reset: i64,
    /// Fewest remaining requests that any answer of this window has shown.
    remaining: u32,
    /// When the first answer of this window arrived here: the window was open by then, so it ends within 60 s of it.
    first_answer: Moment,
}

/// The ledger of one counter. All times are of the monotonic clock.
#[derive(Clone, Debug)]
pub struct Budget {
    shares: Shares,
    limit: Option<u32>,
    window: Option<Window>,
    in_flight: u32,
    /// Lower bounds of how far the server's clock is ahead of ours (in µs): of this window and of the one before.
    ahead: [Option<i64>; 2],
}

/// What the ledger shows to people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub limit: Option<u32>,
    pub remaining: u32,
    pub in_flight: u32,
}

impl Budget {
    /// A ledger that knows nothing yet: it permits one request, and learns from the answer.
    pub fn new(shares: Shares) -> Self {
        Self { shares, limit: None, window: None, in_flight: 0, ahead: [None, None] }
    }

    /// How many requests of `class` may be sent right now.
    pub fn permits(&self, now: Moment, class: Class) -> u32 {
        let Some(limit) = self.limit else { return u32::from(self.in_flight == 0) };
        let spendable = match self.window {
            Some(window) if now < self.end(&window) => window.remaining,
            _ => limit, // the next request opens a window; stragglers that open it first are in flight
        };
        let others = self.part(limit, 1.0 - self.shares.share);
        let reserved = if class == Class::Revoke || self.is_released(now) { 0 } else { self.reserve(limit) };
        spendable.saturating_sub(self.in_flight).saturating_sub(others + reserved)
    }

    /// When `permits` may grow without an answer arriving; `None` if only an answer can tell.
    pub fn next_wake(&self, now: Moment, class: Class) -> Option<Moment> {
        let window = self.window?;
        let end = self.end(&window);
        let released = end - RELEASE;
        if now >= end {
            return None;
        }
        Some(if class != Class::Revoke && now < released { released } else { end })
    }

    /// A request leaves now.
    pub fn on_send(&mut self) {
        self.in_flight += 1;
    }

    /// An answer arrived at `received`.
    pub fn on_answer(&mut self, headers: Option<RateHeaders>, received: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let Some(headers) = headers.filter(|h| !h.is_concurrency()) else { return };
        self.limit = Some(headers.limit);
        match &mut self.window {
            Some(window) if headers.reset < window.reset => return, // a straggler of a window that is gone
            Some(window) if headers.reset == window.reset => {
                window.remaining = window.remaining.min(headers.remaining);
                window.first_answer = window.first_answer.min(received);
            }
            _ => {
                self.window =
                    Some(Window { reset: headers.reset, remaining: headers.remaining, first_answer: received });
                self.ahead = [None, self.ahead[0]];
            }
        }
        if let Some(date) = headers.date {
            let ahead = date * 1_000_000 - received.micros();
            self.ahead[0] = Some(self.ahead[0].map_or(ahead, |known| known.max(ahead)));
        }
    }

    /// A request that was sent brought no answer: it may have been counted.
    pub fn on_lost(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(window) = &mut self.window {
            window.remaining = window.remaining.saturating_sub(1);
        }
    }

    /// A request that was announced never left.
    pub fn on_not_sent(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// What the ledger holds at `now`.
    pub fn status(&self, now: Moment) -> Status {
        let remaining = match (self.window, self.limit) {
            (Some(window), _) if now < self.end(&window) => window.remaining,
            (_, limit) => limit.unwrap_or(0),
        };
        Status { limit: self.limit, remaining, in_flight: self.in_flight }
    }

    /// The first moment at which the window is certainly over, by the tighter of two bounds that are both safe: 60 s
    /// after its first answer, or one second after `reset` on the server's clock as far as we can tell.
    fn end(&self, window: &Window) -> Moment {
        let by_first_answer = window.first_answer + WINDOW;
        let by_reset = self.ahead.iter().flatten().max().map(|ahead| {
            let micros = (window.reset + 1) * 1_000_000 - ahead;
            Moment::from_secs(0) + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
        });
        by_reset.map_or(by_first_answer, |end| end.min(by_first_answer)) + MARGIN
    }

    fn is_released(&self, now: Moment) -> bool {
        self.window.is_some_and(|window| {
            let end = self.end(&window);
            now < end && now >= end - RELEASE
        })
    }

    fn reserve(&self, limit: u32) -> u32 {
        self.part(limit, self.shares.share * self.shares.reserve)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a u32 fits one")]
    fn part(&self, limit: u32, part: f64) -> u32 {
        (f64::from(limit) * part.clamp(0.0, 1.0)).round() as u32
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
