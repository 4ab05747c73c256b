//! What people say about a hold or a match, and what it comes to.
//!
//! **Invariant:** an approval counts for what was shown, for those who are meant, and once for each principal.

use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::guard::decider::{Tally, is_provided, people, principal_of, tally};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a vote about a hold says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Rejects,
    Approves,
    /// The approvals so far are taken back.
    Cancels,
    /// A rejection is taken back.
    Reverses,
}

impl Says {
    /// The number in the store.
    pub const fn number(self) -> i64 {
        match self {
            Says::Rejects => 0,
            Says::Approves => 1,
            Says::Cancels => 2,
            Says::Reverses => 3,
        }
    }

    /// What a stored number says; one that no version has written lets nothing through.
    pub const fn from_number(number: i64) -> Self {
        match number {
            1 => Says::Approves,
            2 => Says::Cancels,
            3 => Says::Reverses,
            _ => Says::Rejects,
        }
    }
}

/// Whether a vote counts: `is_open` says that nobody has decided the hold yet, `is_as_shown` that what is held is what the
/// person was shown. The error says why it does not.
pub const fn counts(says: Says, is_open: bool, is_as_shown: bool) -> Result<(), &'static str> {
    match (is_open, says) {
        (true, Says::Cancels) => Ok(()),
        (false, Says::Approves | Says::Rejects | Says::Cancels) => Err("the hold was decided already"),
        _ if is_as_shown => Ok(()),
        _ => Err("what was shown has changed since"),
    }
}

/// An approval of what is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Whose voice it is (`Decider::voice`).
    pub principal: String,
    pub by: String,
    pub at: Moment,
    /// The targets that are meant; all without it.
    pub only: Option<BTreeSet<i64>>,
}

impl Approval {
    /// Whether a target is meant.
    pub fn covers(&self, target: i64) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&target))
    }
}

/// What a hold takes: how many principals, and for how long everybody can say no where there is only one approver.
#[derive(Clone, Copy, Debug)]
pub struct Takes {
    pub needs: i64,
    pub alone: Option<Duration>,
    /// Whether one at least must not have come over an identity provider: whoever has the org that it belongs to could be anybody.
    pub beside_provider: bool,
    /// From when everybody has the time for saying no, where it is not from the approval on (`alone_from`).
    pub alone_from: Option<Moment>,
}

impl Takes {
    /// What approvals come to: whose voice each is, and when it was given.
    pub fn tally(self, approvals: &[(&str, Moment)], now: Moment) -> Tally {
        let heard = |at: Moment| self.alone_from.map_or(at, |from| at.max(from));
        let found = tally(self.needs, approvals.iter().map(|(voice, at)| (*voice, heard(*at))), self.alone, now);
        match found {
            Tally::Decided | Tally::Alone { .. } if self.lacks_token(approvals.iter().map(|(voice, _)| *voice)) => {
                Tally::Needs(1)
            }
            found => found,
        }
    }

    /// Whether a token is missing among these voices, however many they are.
    pub fn lacks_token<'a>(self, mut voices: impl Iterator<Item = &'a str>) -> bool {
        self.beside_provider && voices.all(is_provided)
    }
}

/// From when everybody has the time for saying no to the only approver, who was told to end at `until`: what was announced holds, and is
/// over only if any receiver has taken the announcement by then. Otherwise it begins anew.
pub fn alone_from(delay: Duration, until: Moment, is_heard: bool, now: Moment) -> Option<Moment> {
    match (until <= now, is_heard) {
        (false, _) => Some(until - delay),
        (true, false) => Some(until),
        (true, true) => None,
    }
}

/// What the approvals of one target come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub tally: Tally,
    /// Whether the one that is missing must have a token.
    pub lacks_token: bool,
    /// The names of those who have approved, by principal.
    pub by: BTreeMap<String, String>,
}

/// Counts the approvals of one target: votes about the hold, and saved plans that were approved in the same words.
pub fn count(takes: Takes, votes: &[Approval], plans: &[Approval], target: i64, now: Moment) -> Count {
    let all: Vec<&Approval> = votes.iter().chain(plans).filter(|approval| approval.covers(target)).collect();
    let who: Vec<_> = all.iter().map(|approval| (approval.principal.as_str(), approval.at)).collect();
    let by = all.iter().map(|approval| (principal_of(&approval.principal).to_owned(), approval.by.clone()));
    let lacks_token = takes.lacks_token(who.iter().map(|(voice, _)| *voice));
    Count { tally: takes.tally(&who, now), lacks_token, by: by.collect() }
}

/// What the approvals of a hold come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Who is let go.
    pub approved: Vec<i64>,
    /// When the next of the others is let go, unless somebody says no.
    pub until: Option<Moment>,
    /// The names of those who have approved, by principal.
    pub by: BTreeMap<String, String>,
}

/// Settles a hold by what was counted for each of its targets.
pub fn settled(counts: impl IntoIterator<Item = (i64, Count)>) -> Settled {
    let mut settled = Settled::default();
    for (target, Count { tally, by, .. }) in counts {
        match tally {
            Tally::Decided => settled.approved.push(target),
            Tally::Alone { until } => settled.until = Some(settled.until.map_or(until, |first| first.min(until))),
            Tally::Needs(_) => continue,
        }
        settled.by.extend(by);
    }
    settled
}

/// What is still missing for all of these: the most that is, and `Decided` for nobody.
pub fn missing(tallies: impl IntoIterator<Item = Tally>) -> Tally {
    tallies.into_iter().fold(Tally::Decided, |worst, found| match (found, worst) {
        (Tally::Needs(more), Tally::Needs(most)) => Tally::Needs(most.max(more)),
        (Tally::Needs(more), _) => Tally::Needs(more),
        (Tally::Alone { until }, Tally::Decided) => Tally::Alone { until },
        (_, worst) => worst,
    })
}

/// A match as it is shown now.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    pub code: &'a str,
    /// Why it cannot be accepted.
    pub refused: Option<&'a str>,
    /// The tenant in which both profiles are active: then it must be said that they are one person.
    pub twins_in: Option<&'a str>,
    pub needs: i64,
    /// As of a hold (`Takes`).
    pub beside_provider: bool,
}

/// What somebody says about a match.
#[derive(Clone, Copy, Debug)]
pub struct Opinion<'a> {
    pub accept: bool,
    /// The code of what the person was shown.
    pub code: &'a str,
    /// The person says that both profiles are one person, and why.
    pub says_why: bool,
    /// Whose voice it is.
    pub principal: &'a str,
}

/// What an opinion comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Rejected,
    /// It counts, and is the last that it takes.
    Accepted,
    /// It counts, and so many more principals must agree.
    Needs(i64),
    Changed,
    Refused(String),
    SayWhy(String),
    /// The same principal has agreed already.
    Again,
}

/// Whether a voice adds nothing to one that was heard: it is the same person, and not the first time with a token.
pub fn says_no_more(heard: &str, voice: &str) -> bool {
    principal_of(heard) == principal_of(voice) && (is_provided(voice) || !is_provided(heard))
}

/// Hears an opinion about a match; `agreed` are the principals who have accepted what is shown now.
pub fn heard(shown: &Shown, opinion: &Opinion, agreed: &[String]) -> Heard {
    let is_as_shown = opinion.code == shown.code;
    if !opinion.accept {
        return if is_as_shown { Heard::Rejected } else { Heard::Changed };
    }
    if let Some(why) = shown.refused {
        return Heard::Refused(why.to_owned());
    }
    if !is_as_shown {
        return Heard::Changed;
    }
    if let Some(tenant) = shown.twins_in.filter(|_| !opinion.says_why) {
        return Heard::SayWhy(tenant.to_owned());
    }
    if agreed.iter().any(|known| says_no_more(known, opinion.principal)) {
        return Heard::Again;
    }
    let voices = agreed.iter().map(String::as_str).chain([opinion.principal]);
    let more = shown.needs - i64::try_from(people(voices.clone())).unwrap_or(i64::MAX);
    let takes = Takes { needs: shown.needs, alone: None, beside_provider: shown.beside_provider, alone_from: None };
    let more = if takes.lacks_token(voices) { more.max(1) } else { more };
    if more > 0 { Heard::Needs(more) } else { Heard::Accepted }
}

/// So many people must reject what ends the access of somebody who is suspended for it: rejecting lets them in again.
pub const LETS_IN: i64 = 2;

/// Whether rejecting the end of somebody's access gives it back: they are suspended for it, or are about to be.
pub fn lets_in(may_be_administrator: bool, account: Option<&Account>) -> bool {
    may_be_administrator || account.is_some_and(Account::is_suspended_for_end)
}

/// An approval or a rejection that counts so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub says: Says,
    pub approval: Approval,
}

/// Of what was said about one thing shown, in order, what says this, and nobody has contradicted themselves since.
pub fn not_taken_back(said: &[Said], says: Says) -> Vec<Approval> {
    let taken_back = |at: usize, one: &Said| {
        said[at..].iter().any(|later| {
            later.says != says && principal_of(&later.approval.principal) == principal_of(&one.approval.principal)
        })
    };
    let stands = said.iter().enumerate().filter(|(at, one)| one.says == says && !taken_back(*at, one));
    stands.map(|(_, one)| one.approval.clone()).collect()
}

/// Names of those who have said something, each principal once.
pub fn names(said: &[Approval]) -> Vec<String> {
    let by: BTreeMap<&str, &str> = said.iter().map(|said| (principal_of(&said.principal), said.by.as_str())).collect();
    let mut names: Vec<String> = by.into_values().map(str::to_owned).collect();
    names.sort();
    names
}

/// What a hold comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// These go on. Nobody is left in it, if it `closes`.
    LetsGo { targets: Vec<i64>, by: BTreeMap<String, String>, closes: bool },
    /// It waits: until then, where the only approver has approved.
    Waits { until: Option<Moment>, by: BTreeMap<String, String> },
    /// It waits for the only approver's rejection to take effect, which was told already.
    Announced,
}

/// What comes of the approvals of a hold of so many people; `rejected` is when what the only approver has rejected is carried
/// out.
pub fn comes_to(approved: Settled, rejected: Option<Moment>, people: usize) -> Outcome {
    let Settled { approved: targets, until, by } = approved;
    if !targets.is_empty() {
        let closes = targets.len() == people;
        return Outcome::LetsGo { targets, by, closes };
    }
    if rejected.is_some() && until.is_none() { Outcome::Announced } else { Outcome::Waits { until, by } }
}

/// Whether somebody's rejection is carried out: at once, but where it lets somebody in who has left when enough people agree.
pub fn is_rejected(target: i64, lets_in: &BTreeSet<i64>, agreed: &[i64]) -> bool {
    !lets_in.contains(&target) || agreed.contains(&target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::option::of;
    use proptest::prelude::*;

    const NOW: Moment = Moment::from_secs(1_000);
    const DELAY: Duration = Duration::from_secs(500);

    fn approvals() -> impl Strategy<Value = Vec<Approval>> {
        let only = of(proptest::collection::btree_set(0..5i64, 0..4));
        let one = (0..4u8, 0..1_000i64, only).prop_map(|(who, at, only)| Approval {
            principal: format!("token:{who}"),
            by: format!("name {who}"),
            at: Moment::from_secs(at),
            only,
        });
        proptest::collection::vec(one, 0..12)
    }

    fn takes() -> impl Strategy<Value = Takes> {
        (1..4i64, of(Just(DELAY))).prop_map(|(needs, alone)| Takes {
            needs,
            alone,
            beside_provider: false,
            alone_from: None,
        })
    }

    fn principals(approvals: &[Approval], target: i64) -> BTreeSet<&str> {
        approvals.iter().filter(|one| one.covers(target)).map(|one| one.principal.as_str()).collect()
    }

    proptest! {
        #[test]
        fn nobody_is_let_go_by_fewer_principals_than_it_takes(
            votes in approvals(), plans in approvals(), takes in takes(), target in 0..5i64,
        ) {
            let found = count(takes, &votes, &plans, target, NOW);
            let mut who = principals(&votes, target);
            who.extend(principals(&plans, target));
            prop_assert_eq!(found.by.len(), who.len());
            let enough = i64::try_from(who.len()).expect("few") >= takes.needs;
            prop_assert!(!enough || found.tally == Tally::Decided);
            if found.tally == Tally::Decided && !enough {
                prop_assert!(takes.alone.is_some() && !who.is_empty(), "one alone, after the delay");
            }
        }

        #[test]
        fn what_was_said_about_others_changes_nothing(
            votes in approvals(), more in approvals(), takes in takes(), target in 0..5i64,
        ) {
            let others = more.into_iter().filter(|one| !one.covers(target));
            let all: Vec<Approval> = votes.iter().cloned().chain(others).collect();
            prop_assert_eq!(count(takes, &all, &[], target, NOW), count(takes, &votes, &[], target, NOW));
        }

        #[test]
        fn the_order_of_votes_and_the_repetition_of_one_count_for_nothing(
            votes in approvals(), takes in takes(), target in 0..5i64,
        ) {
            let expected = count(takes, &votes, &[], target, NOW);
            let reversed: Vec<Approval> = votes.iter().rev().cloned().collect();
            prop_assert_eq!(count(takes, &reversed, &[], target, NOW), expected.clone());
            prop_assert_eq!(count(takes, &votes, &votes, target, NOW), expected);
        }

        #[test]
        fn a_hold_lets_go_whoever_is_decided_and_waits_for_the_first_of_the_others(
            votes in approvals(), takes in takes(),
        ) {
            let all: Vec<(i64, Count)> = (0..5).map(|one| (one, count(takes, &votes, &[], one, NOW))).collect();
            let found = settled(all.clone());
            let decided = all.iter().filter(|(_, one)| one.tally == Tally::Decided).map(|(target, _)| *target);
            prop_assert_eq!(&found.approved, &decided.collect::<Vec<_>>());
            let waits = all.iter().filter_map(|(_, one)| match one.tally {
                Tally::Alone { until } => Some(until),
                _ => None,
            });
            prop_assert_eq!(found.until, waits.min());
            let lacks = missing(all.iter().map(|(_, one)| one.tally));
            prop_assert_eq!(lacks == Tally::Decided, found.approved.len() == all.len());
        }
    }

    proptest! {
        #[test]
        fn a_match_is_accepted_by_as_many_principals_as_it_takes_each_of_whom_was_shown_it(
            votes in proptest::collection::vec((0..4u8, any::<bool>(), any::<bool>()), 0..12),
            refused in of(Just("it cannot be done")), twins_in in of(Just("acme")), needs in 1..4i64,
        ) {
            let shown = Shown { code: "now", refused, twins_in, needs, beside_provider: false };
            let mut agreed: Vec<String> = Vec::new();
            for (who, was_shown, says_why) in votes {
                let principal = format!("token:{who}");
                let code = if was_shown { "now" } else { "before" };
                let opinion = Opinion { accept: true, code, says_why, principal: &principal };
                let found = heard(&shown, &opinion, &agreed);
                let may = was_shown && refused.is_none() && (says_why || twins_in.is_none());
                let is_new = !agreed.contains(&principal);
                prop_assert_eq!(matches!(found, Heard::Accepted | Heard::Needs(_)), may && is_new, "{:?}", found);
                prop_assert_eq!(found == Heard::Again, may && !is_new);
                if may && is_new {
                    agreed.push(principal.clone());
                    let missing = needs - i64::try_from(agreed.len()).expect("few");
                    let expected = if missing > 0 { Heard::Needs(missing) } else { Heard::Accepted };
                    prop_assert_eq!(found, expected);
                }
                let no = Opinion { accept: false, ..opinion };
                let expected = if was_shown { Heard::Rejected } else { Heard::Changed };
                prop_assert_eq!(heard(&shown, &no, &agreed), expected, "one no is enough");
            }
        }
    }

    #[test]
    fn whoever_says_the_opposite_takes_back_what_they_have_said_and_nobody_else_does() {
        let one = |says, principal: &str, at| Said {
            says,
            approval: Approval {
                principal: principal.into(),
                by: principal.into(),
                at: Moment::from_secs(at),
                only: None,
            },
        };
        let (yes, no) = (Says::Approves, Says::Rejects);
        let said = [one(yes, "ann", 1), one(yes, "ben", 2), one(no, "ann", 3), one(yes, "ann", 4), one(no, "cat", 5)];
        let at = |says| not_taken_back(&said, says).iter().map(|one| one.at.millis() / 1000).collect::<Vec<_>>();
        assert_eq!((at(yes), at(no)), (vec![2, 4], vec![5]));
        assert_eq!(names(&not_taken_back(&said, yes)), ["ann", "ben"]);
    }

    proptest! {
        #[test]
        fn a_hold_closes_when_everybody_goes_on_and_a_no_that_was_announced_is_not_announced_again(
            votes in approvals(), takes in takes(), people in 0..6usize, rejected in of(Just(NOW)),
        ) {
            let all = (0..5).map(|one| (one, count(takes, &votes, &[], one, NOW)));
            let so_far = settled(all);
            match comes_to(so_far.clone(), rejected, people) {
                Outcome::LetsGo { targets, closes, .. } => {
                    prop_assert_eq!(&targets, &so_far.approved);
                    prop_assert!(!targets.is_empty());
                    prop_assert_eq!(closes, targets.len() == people);
                }
                Outcome::Waits { until, .. } => {
                    prop_assert!(so_far.approved.is_empty());
                    prop_assert_eq!(until, so_far.until);
                }
                Outcome::Announced => {
                    prop_assert!(so_far.approved.is_empty() && so_far.until.is_none() && rejected.is_some());
                }
            }
        }
    }

    #[test]
    fn one_no_is_enough_but_where_it_lets_somebody_in_who_has_left() {
        let lets_in = BTreeSet::from([2, 3]);
        let rejected = |target| is_rejected(target, &lets_in, &[3]);
        assert_eq!([1, 2, 3].map(rejected), [true, false, true]);
        assert!(super::lets_in(true, None) && !super::lets_in(false, None));
    }

    #[test]
    fn a_vote_counts_for_what_was_shown_and_while_nobody_has_decided() {
        let all = [Says::Rejects, Says::Approves, Says::Cancels, Says::Reverses];
        for says in all {
            assert_eq!(Says::from_number(says.number()), says);
            assert_eq!(counts(says, true, true), Ok(()));
            assert_eq!(counts(says, true, false).is_ok(), says == Says::Cancels, "{says:?}: a no needs no code");
            assert_eq!(counts(says, false, true).is_ok(), says == Says::Reverses, "{says:?}: what is decided stays");
            assert!(counts(says, false, false).is_err(), "{says:?}");
        }
    }
}
