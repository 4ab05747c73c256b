//! How long the approval of a saved plan holds, and what ends it.
//!
//! An approval is bound to the revision of the person that the plan was made for and to the rules that it was made by: as soon
//! as either is another one, it is over. It lives 72 hours in which it could have been carried out, and 14 days in all.

use crate::clock::Moment;
use crate::domain::guard::change::BETWEEN;
use crate::domain::guard::decider::Tally;
use crate::domain::guard::preview::Preview;
use crate::domain::guard::vote::Takes;
use crate::domain::plan::kind::ChangeKind;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long an approval lives, without the time in which writes were paused.
pub const LIFE: Duration = Duration::from_secs(72 * 3600);
/// How long it lives whatever happens, and whatever was asked for.
pub const LONGEST: Duration = Duration::from_secs(14 * 86_400);

/// What an approval is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The revision of the person.
    pub rev: i64,
    /// The fingerprint of the rules.
    pub rules: String,
    pub at: Moment,
    pub expires: Moment,
}

/// How things are when an approval is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Present<'a> {
    pub rev: i64,
    pub rules: &'a str,
    pub now: Moment,
    /// When writes of this kind were paused: begin and end.
    pub pauses: &'a [(Moment, Option<Moment>)],
}

impl Binding {
    /// The binding of an approval that is given at `at`, and may be asked to end earlier than it would.
    pub fn new(rev: i64, rules: &str, at: Moment, asked: Option<Moment>) -> Self {
        let latest = at + LONGEST;
        Self { rev, rules: rules.to_owned(), at, expires: asked.map_or(latest, |asked| asked.min(latest)) }
    }

    /// Why it does not hold any more, if it does not.
    pub fn ended(&self, present: &Present) -> Option<&'static str> {
        if self.rev != present.rev {
            Some("the person has moved since: another revision")
        } else if self.rules != present.rules {
            Some("the rules have changed since")
        } else if present.now >= self.expires || present.now >= self.at + LONGEST {
            Some("it has expired")
        } else if unpaused(self.at, present.now, present.pauses) >= LIFE {
            Some("it was not carried out within 72 hours")
        } else {
            None
        }
    }
}

/// How much of the time from `from` to `to` was in none of these pauses; they may overlap, and one without end lasts.
fn unpaused(from: Moment, to: Moment, pauses: &[(Moment, Option<Moment>)]) -> Duration {
    let mut within: Vec<(Moment, Moment)> =
        pauses.iter().map(|(begin, end)| ((*begin).max(from), end.unwrap_or(to).min(to))).collect();
    within.retain(|(begin, end)| begin < end);
    within.sort_unstable();
    let (mut free, mut at) = (Duration::ZERO, from);
    for (begin, end) in within {
        free += begin.since(at);
        at = at.max(end);
    }
    free + to.since(at)
}

/// An approval that the service has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    pub principal: String,
    pub by: String,
    /// What was approved, as it was shown.
    pub words: Vec<String>,
    pub binding: Binding,
}

impl Approved {
    /// Whether it is about exactly what is held of the person, for the revision and the rules of now.
    pub fn is_about(&self, rev: i64, rules: &str, shown: &str) -> bool {
        self.binding.rev == rev && self.binding.rules == rules && self.words.join(BETWEEN) == shown
    }
}

/// What of one kind of change enough people have approved, in the words in which it was shown.
pub fn passes(approvals: Vec<Approved>, takes: Takes, present: &Present) -> BTreeSet<String> {
    let mut by_words: BTreeMap<Vec<String>, Vec<(String, Moment)>> = BTreeMap::new();
    for one in approvals.into_iter().filter(|one| one.binding.ended(present).is_none()) {
        by_words.entry(one.words).or_default().push((one.principal, one.binding.at));
    }
    let decided = by_words.into_iter().filter(|(_, who)| {
        let who: Vec<_> = who.iter().map(|(principal, at)| (principal.as_str(), *at)).collect();
        takes.tally(&who, present.now) == Tally::Decided
    });
    decided.flat_map(|(words, _)| words).collect()
}

/// Why what a saved plan says of somebody may not be approved, if it may not: what would be done now, by what they are now.
pub fn unfit(found: Option<&Preview>, changes: &BTreeMap<ChangeKind, Vec<String>>, basis: &str) -> Option<String> {
    let Some(found) = found else { return Some("is not known any more".into()) };
    if let Some(obstacle) = &found.obstacle {
        return Some(obstacle.clone());
    }
    // What was rejected is refused by itself, kind by kind.
    let left: BTreeMap<_, _> = changes.iter().filter(|(change, _)| !found.rejected.contains_key(change)).collect();
    if found.changes.is_empty() && !left.is_empty() {
        return Some("is as they should be already".into());
    }
    if !left.into_iter().eq(&found.changes) {
        let would: Vec<&str> = found.changes.values().flatten().map(String::as_str).collect();
        return Some(format!("now it would be: {}", would.join("; ")));
    }
    let moved = "their profile or their account has changed, although the same would be done";
    (found.basis != basis).then(|| moved.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3600;

    fn at(hours: i64) -> Moment {
        Moment::from_secs(hours * HOUR)
    }

    fn read(binding: &Binding, hours: i64, pauses: &[(Moment, Option<Moment>)]) -> Option<&'static str> {
        binding.ended(&Present { rev: 7, rules: "r", now: at(hours), pauses })
    }

    #[test]
    fn an_approval_ends_with_the_revision_and_with_the_rules() {
        let binding = Binding::new(7, "r", at(0), None);
        let present = Present { rev: 7, rules: "r", now: at(1), pauses: &[] };
        assert_eq!(binding.ended(&present), None);
        assert!(binding.ended(&Present { rev: 8, ..present }).is_some_and(|why| why.contains("moved")));
        assert!(binding.ended(&Present { rules: "s", ..present }).is_some_and(|why| why.contains("rules")));
    }

    #[test]
    fn it_lives_72_hours_without_pauses_and_14_days_in_all_whatever_was_asked_for() {
        let asked = Binding::new(7, "r", at(0), Some(at(24 * 365 * 8000)));
        assert_eq!((read(&asked, 71, &[]), asked.expires), (None, at(14 * 24)));
        assert!(read(&asked, 72, &[]).is_some_and(|why| why.contains("72 hours")));
        let paused = [(at(10), Some(at(60))), (at(20), Some(at(70))), (at(-5), Some(at(-1)))];
        assert_eq!(read(&asked, 131, &paused), None, "60 hours of it do not count");
        assert!(read(&asked, 132, &paused).is_some());
        let lasting = [(at(1), None)];
        assert_eq!(read(&asked, 335, &lasting), None);
        assert!(read(&asked, 336, &lasting).is_some_and(|why| why.contains("expired")));
        assert!(read(&Binding::new(7, "r", at(0), Some(at(2))), 2, &[]).is_some(), "earlier, if asked for");
    }

    #[test]
    fn only_the_same_words_approved_by_enough_people_while_they_are_bound_pass() {
        let one = |principal: &str, words: &[&str], rev| Approved {
            principal: principal.into(),
            by: principal.into(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            binding: Binding::new(rev, "r", at(0), None),
        };
        let present = Present { rev: 7, rules: "r", now: at(1), pauses: &[] };
        let two = Takes { needs: 2, alone: None, beside_provider: false, alone_from: None };
        let passed = |all: &[Approved]| passes(all.to_vec(), two, &present).into_iter().collect::<Vec<_>>();
        let (ann, ben) = (one("ann", &["in", "out"], 7), one("ben", &["in", "out"], 7));
        assert_eq!(passed(&[ann.clone(), ben.clone()]), ["in", "out"]);
        assert!(passed(&[ann.clone(), ann.clone()]).is_empty(), "each principal once");
        assert!(passed(&[ann.clone(), one("ben", &["in"], 7)]).is_empty(), "other words");
        assert!(passed(&[ann.clone(), one("ben", &["in", "out"], 6)]).is_empty(), "another revision");
        assert!(ann.is_about(7, "r", "in; out"));
        assert!(!ann.is_about(8, "r", "in; out") && !ann.is_about(7, "s", "in; out") && !ann.is_about(7, "r", "in"));
    }

    proptest! {
        #[test]
        fn free_time_is_what_no_pause_covers(
            pauses in proptest::collection::vec((0..100i64, proptest::option::of(0..100i64)), 0..8),
            from in 0..50i64, length in 0..50i64,
        ) {
            let to = from + length;
            let covered = |hour: i64| pauses.iter().any(|(begin, end)| *begin <= hour && end.is_none_or(|end| hour < end));
            let free = (from..to).filter(|hour| !covered(*hour)).count();
            let pauses: Vec<_> = pauses.iter().map(|(begin, end)| (at(*begin), end.map(at))).collect();
            let found = unpaused(at(from), at(to), &pauses);
            prop_assert_eq!(found.as_secs(), u64::try_from(free).expect("fits") * 3600);
        }
    }
}
