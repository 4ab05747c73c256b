//! Access that somebody has ended before HR has: what it means beside the record.
//!
//! **Invariant:** no edit in Namely, no undo and no rejection gives it back, in no org; HR's own end of all profiles of the person
//! takes its place once it has stood for a week, and a person takes it back.

use crate::clock::Moment;
use crate::domain::record::lifecycle::{Entitlement, Lifecycle};
use std::time::Duration;

/// Who has asked for the end of access may take it back for so long; then somebody else must.
const SECOND_THOUGHTS: Duration = Duration::from_secs(600);
/// How long the record must say as much by itself before it decides again: one edit and its opposite are no decision of HR's.
pub const STANDS: Duration = Duration::from_secs(7 * 86_400);
/// People of one asker are counted over this.
pub const COUNTED_OVER: Duration = Duration::from_secs(3600);

/// The end of somebody's access, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndNow {
    pub by: String,
    pub principal: String,
    pub why: String,
    pub at: Moment,
    /// From when on.
    pub begins: Moment,
    /// Only suspended, and nothing else is taken.
    pub suspends: bool,
}

impl EndNow {
    /// Whether it has begun.
    pub fn has_begun(&self, now: Moment) -> bool {
        self.begins <= now
    }

    /// Whether nothing is given where this stands and `other` does not.
    pub fn takes_as_much_as(&self, other: &EndNow) -> bool {
        (!self.suspends || other.suspends) && self.begins <= other.begins
    }

    /// Why whether somebody is this person is asked, in place of what a rule says.
    pub fn binds(&self) -> String {
        format!(
            "access was ended by {} on {} ({}): accept if this is the same person, whose access stays ended; reject if it is \
             somebody else",
            self.by, self.at, self.why
        )
    }

    /// Whether the record says as much by itself.
    pub const fn is_confirmed_by(&self, says: &Entitlement) -> bool {
        match says {
            Entitlement::Ended(_) => true,
            Entitlement::Suspended(_) => self.suspends,
            _ => false,
        }
    }

    /// What somebody is entitled to whose record `says` this.
    pub fn over(&self, says: Lifecycle, now: Moment) -> Lifecycle {
        if !self.has_begun(now) {
            let changes_at = says.changes_at.into_iter().chain([self.begins]).min();
            return Lifecycle { changes_at, ..says };
        }
        if self.is_confirmed_by(&says.entitlement) {
            return says;
        }
        let why = format!("access was ended by {}: {}", self.by, self.why);
        let entitlement = if self.suspends { Entitlement::Suspended(why) } else { Entitlement::Ended(why) };
        Lifecycle { entitlement, ..says }
    }

    /// Why somebody may not take it back alone, if they may not: `is_own` says that they may be who has asked for it. `alone`: how
    /// long everybody has for saying no where the configuration says that there is only one approver.
    pub fn keeps_from(&self, is_own: bool, alone: Option<Duration>, now: Moment) -> Option<String> {
        let since = now.since(self.at);
        let may = !is_own || since <= SECOND_THOUGHTS || alone.is_some_and(|delay| since >= delay);
        (!may).then(|| {
            let minutes = SECOND_THOUGHTS.as_secs() / 60;
            let later = alone.map_or_else(String::new, |delay| {
                format!(" before {}, because there is no other approver", self.at + delay)
            });
            format!(
                "{} has asked for it more than {minutes} minutes ago: only somebody else may take it back{later}",
                self.by
            )
        })
    }
}

/// What the record means for an end of access that it says, or does not say any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Nothing new.
    AsBefore,
    /// From now on the record says as much by itself.
    Begins,
    /// It has said so, not for long enough, and does not any more.
    Breaks,
    /// It has said so for long enough, and does so still: from now on it decides again.
    Decides,
}

impl Followed {
    /// `since`: from when on the record has said as much, if it has; `says_so`: whether it does now.
    pub fn of(since: Option<Moment>, says_so: bool, now: Moment) -> Self {
        match since {
            Some(_) if !says_so => Self::Breaks,
            Some(since) if has_stood(since, now) => Self::Decides,
            None if says_so => Self::Begins,
            _ => Self::AsBefore,
        }
    }
}

/// Whether what the record has said since then has stood for long enough to take the place of what somebody has asked for.
pub fn has_stood(since: Moment, now: Moment) -> bool {
    now.since(since) >= STANDS
}

/// Whether a second person must agree, because one has ended the access of more people than they may within an hour: `before`
/// these `people`, of `allowed`.
pub const fn needs_second(before: usize, people: usize, allowed: usize) -> bool {
    before + people > allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_secs(1_800_000_000);

    fn asked(suspends: bool) -> EndNow {
        let (by, principal, why) = ("Ann".into(), "token:ann".into(), "stolen laptop".into());
        EndNow { by, principal, why, at: NOW, begins: NOW, suspends }
    }

    fn says(entitlement: Entitlement) -> Lifecycle {
        Lifecycle { entitlement, changes_at: None, remarks: Vec::new() }
    }

    #[test]
    fn no_record_gives_access_back_that_somebody_has_ended() {
        for entitlement in [
            Entitlement::Entitled,
            Entitlement::OnLeave(String::new()),
            Entitlement::Prehire { due: true },
            Entitlement::NotYet,
            Entitlement::Unclear(String::new()),
            Entitlement::Suspended(String::new()),
        ] {
            let means = asked(false).over(says(entitlement.clone()), NOW).entitlement;
            assert_eq!(means, Entitlement::Ended("access was ended by Ann: stolen laptop".into()), "{entitlement:?}");
            assert!(!asked(false).is_confirmed_by(&entitlement));
        }
        let ended = Entitlement::Ended("user status is inactive".into());
        assert_eq!(asked(false).over(says(ended.clone()), NOW).entitlement, ended, "HR says so itself");
        assert_eq!(asked(true).over(says(ended.clone()), NOW).entitlement, ended);
        let grace = Entitlement::Suspended("grace".into());
        assert_eq!(asked(true).over(says(grace.clone()), NOW).entitlement, grace);
        let suspended = asked(true).over(says(Entitlement::Entitled), NOW).entitlement;
        assert!(matches!(suspended, Entitlement::Suspended(_)));
    }

    #[test]
    fn the_record_decides_again_once_it_has_said_so_for_a_week() {
        let at = |days: u64| NOW + Duration::from_secs(days * 86_400);
        assert_eq!(Followed::of(None, false, NOW), Followed::AsBefore);
        assert_eq!(Followed::of(None, true, NOW), Followed::Begins);
        assert_eq!(Followed::of(Some(NOW), true, at(6)), Followed::AsBefore);
        assert_eq!(Followed::of(Some(NOW), false, at(6)), Followed::Breaks);
        assert_eq!(Followed::of(Some(NOW), true, at(7)), Followed::Decides);
        assert_eq!(Followed::of(Some(NOW), false, at(8)), Followed::Breaks, "nobody has seen how long it stood");
    }

    #[test]
    fn what_takes_more_stands_where_two_meet() {
        let later = EndNow { begins: NOW + Duration::from_secs(60), ..asked(false) };
        assert!(asked(false).takes_as_much_as(&asked(true)) && !asked(true).takes_as_much_as(&asked(false)));
        assert!(asked(false).takes_as_much_as(&later) && !later.takes_as_much_as(&asked(false)));
        assert!(asked(true).takes_as_much_as(&asked(true)));
    }

    #[test]
    fn an_end_that_is_to_come_is_waited_for() {
        let later = EndNow { begins: NOW + Duration::from_secs(60), ..asked(false) };
        let before = later.over(says(Entitlement::Entitled), NOW);
        assert_eq!((before.entitlement, before.changes_at), (Entitlement::Entitled, Some(later.begins)));
        let sooner = Lifecycle { changes_at: Some(NOW + Duration::from_secs(5)), ..says(Entitlement::Entitled) };
        assert_eq!(later.over(sooner, NOW).changes_at, Some(NOW + Duration::from_secs(5)));
        assert!(later.over(says(Entitlement::Entitled), later.begins).entitlement.is_over());
    }

    #[test]
    fn whoever_has_asked_takes_it_back_within_ten_minutes_and_afterwards_somebody_else_must() {
        let minutes = |n: u64| NOW + Duration::from_secs(60 * n);
        let keeps = |is_own, alone, at| asked(false).keeps_from(is_own, alone, at);
        assert_eq!(keeps(true, None, minutes(10)), None);
        assert!(keeps(true, None, minutes(11)).is_some_and(|why| why.contains("somebody else")));
        assert_eq!(keeps(false, None, minutes(11)), None);
        let hour = Some(Duration::from_secs(3600));
        assert!(keeps(true, hour, minutes(59)).is_some_and(|why| why.contains("no other approver")));
        assert_eq!(keeps(true, hour, minutes(60)), None);
    }

    #[test]
    fn one_person_ends_the_access_of_so_many_and_no_more_alone() {
        assert!(!needs_second(0, 10, 10) && !needs_second(9, 1, 10));
        assert!(needs_second(10, 1, 10) && needs_second(0, 11, 10) && needs_second(0, 1, 0));
    }
}
