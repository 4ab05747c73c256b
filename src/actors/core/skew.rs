//! Whether this machine's calendar can be believed: compared with the `Date` that Namely's servers answer with, and with the
//! time line that never jumps.
//!
//! **Invariant:** no date is acted upon by a clock that every server contradicts: a wrong clock neither ends nor gives access.

use crate::clock::{Clock, Moment};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How far off a calendar may be, in seconds: dates are days.
const TOLERATED: i64 = 300;
/// How long an answer says something about the clock.
const FRESH: Duration = Duration::from_secs(600);
/// A step back by less is a correction that nobody notices.
const STEP: Duration = Duration::from_secs(2);

/// How long the first answer of a run is waited for before the calendar is believed all the same.
const FIRST_ANSWER: Duration = Duration::from_secs(60);

/// How far this machine was ahead of a tenant's servers, if they told, and when on the monotonic time line they answered.
type Seen = BTreeMap<String, (Option<i64>, Moment)>;

/// What the servers say. Shared and cheap to clone.
#[derive(Clone)]
pub struct Skew {
    seen: Arc<Mutex<Seen>>,
    since: Moment,
}

/// Whether the calendar can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// Nobody contradicts it.
    Right,
    /// The run has only begun, and nobody was asked yet.
    NotAskedYet,
    /// Every server that has answered lately says that it is off, by so many seconds ahead.
    Off(i64),
}

impl Skew {
    /// Nobody has answered in a run that begins at `now`.
    pub fn new(now: Moment) -> Self {
        Self { seen: Arc::default(), since: now }
    }

    /// A tenant's server has answered, this machine being `ahead` by so many seconds, if it told.
    pub fn saw(&self, tenant: &str, ahead: Option<i64>, now: Moment) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.to_owned(), (ahead, now));
    }

    /// Whether the calendar can be believed at `now`, on the monotonic time line.
    pub fn belief(&self, now: Moment) -> Belief {
        belief(&self.seen.lock().unwrap_or_else(PoisonError::into_inner), self.since, now)
    }
}

fn belief(seen: &Seen, since: Moment, now: Moment) -> Belief {
    if seen.is_empty() && now.since(since) < FIRST_ANSWER {
        return Belief::NotAskedYet;
    }
    let fresh = seen.values().filter(|(_, at)| now.since(*at) < FRESH).filter_map(|(ahead, _)| *ahead);
    let least = fresh.min_by_key(|ahead| ahead.abs()).filter(|ahead| ahead.abs() > TOLERATED);
    least.map_or(Belief::Right, Belief::Off)
}

/// For people.
pub fn message(ahead: i64) -> String {
    let word = if ahead > 0 { "ahead of" } else { "behind" };
    format!(
        "this machine's clock is {} s {word} Namely's; correct it (is NTP running?): until then no date is acted upon, changes are",
        ahead.abs()
    )
}

/// The calendar and the time line that never jumps, at the same time.
#[derive(Clone, Copy)]
pub struct Both {
    calendar: Moment,
    monotonic: Moment,
}

impl Both {
    /// At this moment.
    pub fn now(clock: &Clock) -> Self {
        Self { calendar: clock.now(), monotonic: clock.monotonic() }
    }

    /// By how much the calendar was set back since `before`, if it was.
    pub fn set_back_since(&self, before: &Both) -> Option<Duration> {
        let expected = before.calendar + self.monotonic.since(before.monotonic);
        Some(expected.since(self.calendar)).filter(|back| *back >= STEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_secs(10_000);

    #[test]
    fn one_server_that_agrees_is_enough_and_old_answers_say_nothing() {
        let ago = |seconds: u64| NOW - Duration::from_secs(seconds);
        let seen = |all: &[(&str, i64, u64)]| {
            let seen: Seen = all.iter().map(|(t, ahead, s)| ((*t).to_owned(), (Some(*ahead), ago(*s)))).collect();
            belief(&seen, ago(61), NOW)
        };
        assert_eq!(seen(&[]), Belief::Right, "nobody says anything");
        assert_eq!(seen(&[("a", 299, 5)]), Belief::Right);
        assert_eq!(seen(&[("a", -3600, 5)]), Belief::Off(-3600));
        assert_eq!(seen(&[("a", 3600, 5), ("b", 3605, 5)]), Belief::Off(3600));
        assert_eq!(seen(&[("a", 3600, 5), ("b", 2, 500)]), Belief::Right, "one of the servers is wrong");
        assert_eq!(
            seen(&[("a", 3600, 5), ("b", 2, 601)]),
            Belief::Off(3600),
            "what was said too long ago does not count"
        );
        assert_eq!(belief(&Seen::new(), ago(59), NOW), Belief::NotAskedYet, "the first answer is waited for");
        let silent = Seen::from([("a".to_owned(), (None, ago(5)))]);
        assert_eq!(belief(&silent, ago(10), NOW), Belief::Right, "a server that does not tell");
        assert!(message(-90).contains("90 s behind"));
    }

    #[test]
    fn a_calendar_that_is_set_back_is_noticed_by_how_much() {
        let at = |calendar: i64, monotonic: i64| Both {
            calendar: Moment::from_secs(calendar),
            monotonic: Moment::from_secs(monotonic),
        };
        let before = at(50_000, 100);
        assert_eq!(at(50_005, 105).set_back_since(&before), None);
        assert_eq!(at(46_405, 105).set_back_since(&before), Some(Duration::from_secs(3600)));
        assert_eq!(at(50_004, 105).set_back_since(&before), None, "a correction");
        assert_eq!(at(60_000, 105).set_back_since(&before), None, "forward is what servers are asked about");
    }
}
