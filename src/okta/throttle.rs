//! 429 without a word about when the window ends, as a proxy or a limiter in between says it: how long to wait, and how to
//! find out that it is over.
//!
//! **Invariant:** after such an answer one call at a time tries it, at growing intervals up to a whole window; only answers let
//! more leave at once.

use super::bucket::WINDOW;
use crate::clock::Moment;
use crate::domain::Priority;
use std::time::Duration;

/// How long the first wait is.
const FIRST: Duration = Duration::from_secs(1);
/// How much later everybody else may try it than what ends access.
const HEAD_START: Duration = Duration::from_millis(250);

/// What is known of a counter that has refused calls without saying for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Throttle {
    /// How long the present wait is; longer with each try that is refused.
    wait: Duration,
    until: Moment,
    /// When a call was refused last.
    last: Moment,
    /// Calls that may be under way at the same time.
    at_once: u32,
}

impl Throttle {
    /// A call was refused; `asked` is how long the server wants it to wait, where it says so.
    pub fn refused(known: Option<Self>, asked: Option<Duration>, received: Moment) -> Self {
        let asked = asked.unwrap_or_default().min(WINDOW);
        let (wait, until) = match &known {
            // What left together is refused together.
            Some(known) if received < known.until => (known.wait, known.until),
            Some(known) => ((known.wait * 2).min(WINDOW), received),
            None => (FIRST, received),
        };
        let until = if until > received { until } else { received + wait };
        Self { wait, until: until.max(received + asked), last: received, at_once: 1 }
    }

    /// A call was not refused; `None` if the counter is open again.
    pub fn served(self, received: Moment) -> Option<Self> {
        if received < self.until {
            return Some(self); // it left before the refusal
        }
        if received.since(self.last) >= WINDOW {
            return None;
        }
        Some(Self { wait: (self.wait / 2).max(FIRST), at_once: self.at_once.saturating_mul(2), ..self })
    }

    /// Which of two counters that turn out to be one is waited for.
    pub fn later(self, other: Self) -> Self {
        if other.until > self.until { other } else { self }
    }

    /// How many calls of `priority` may leave beside those in flight.
    pub fn permits(&self, now: Moment, priority: Priority, in_flight: u32) -> u32 {
        if now < self.opens(priority) { 0 } else { self.at_once.saturating_sub(in_flight) }
    }

    /// When a call of `priority` may try it.
    pub fn opens(&self, priority: Priority) -> Moment {
        if priority == Priority::Revoke { self.until } else { self.until + HEAD_START }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::from_secs(1000) + Duration::from_millis(millis)
    }

    #[test]
    fn a_refusal_without_a_time_is_tried_after_a_second_and_then_at_growing_intervals_up_to_a_window() {
        let (mut now, mut known, mut waits) = (at(0), None, Vec::new());
        for _ in 0..9 {
            let throttle = Throttle::refused(known, None, now);
            let opens = throttle.opens(Priority::Revoke);
            waits.push(opens.since(now).as_secs());
            assert_eq!(throttle.permits(opens, Priority::Revoke, 0), 1);
            assert_eq!(throttle.permits(opens, Priority::Revoke, 1), 0, "one at a time");
            assert_eq!(throttle.permits(opens, Priority::Grant, 0), 0, "what ends access tries it first");
            (now, known) = (opens, Some(throttle));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn what_left_together_is_refused_together_and_an_answer_to_it_opens_nothing() {
        let first = Throttle::refused(None, None, at(0));
        let second = Throttle::refused(Some(first.clone()), None, at(900));
        assert_eq!(second.opens(Priority::Revoke), first.opens(Priority::Revoke));
        assert_eq!(first.clone().served(at(900)), Some(first));
    }

    #[test]
    fn what_the_server_asks_for_is_waited_for_up_to_a_window() {
        let opens = |seconds| {
            Throttle::refused(None, Some(Duration::from_secs(seconds)), at(0)).opens(Priority::Revoke).since(at(0))
        };
        assert_eq!([0, 1, 7, 600].map(opens).map(|wait| wait.as_secs()), [1, 1, 7, 60]);
    }

    #[test]
    fn answers_open_it_step_by_step_and_wholly_when_nothing_was_refused_for_a_window() {
        let mut throttle = Throttle::refused(None, None, at(0));
        for most in [2, 4, 8] {
            throttle = throttle.served(at(2000)).expect("watched still");
            assert_eq!(throttle.permits(at(2000), Priority::Grant, 0), most);
        }
        assert_eq!(throttle.clone().served(at(60_000)), None);
        let again = Throttle::refused(Some(throttle), None, at(3000));
        assert_eq!(again.permits(at(30_000), Priority::Grant, 0), 1, "it begins anew");
    }

    proptest! {
        /// Whoever stands in between serves nobody for a while: it is asked seldom, and found open soon after.
        #[test]
        fn a_closed_counter_is_asked_a_few_times_a_window_and_found_open_about_as_long_after_as_it_was_closed(closed in 1u64..600_000) {
            let (mut now, mut known, mut tries) = (at(0), None, 0u64);
            while now < at(closed) {
                let throttle = Throttle::refused(known, None, now);
                (now, known, tries) = (throttle.opens(Priority::Revoke), Some(throttle), tries + 1);
            }
            let late = now.since(at(closed));
            prop_assert!(late <= (Duration::from_millis(closed) + FIRST).min(WINDOW), "{late:?}");
            prop_assert!(tries <= 7 + closed / 60_000, "{tries} tries");
        }
    }
}
