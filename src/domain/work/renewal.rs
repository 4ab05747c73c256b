//! A person who is looked at anew: what becomes of the work on them, what was proved, approved and asked about them.
//!
//! **Invariant:** a person whose record is looked at becomes dirty, with everything that the new revision means decided by the same facts.

use crate::clock::Moment;
use crate::domain::matching::correlation::Candidate;
use crate::domain::matching::keepers::{Kept, kept, question};
use crate::domain::matching::search::{Proof, has_other_names, proof};
use crate::domain::plan::case::Case;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::lifecycle::Lifecycle;
use crate::domain::record::person::Position;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::{Dirt, Work};
use crate::domain::work::revision::{Known, News, Revision, may_end_sessions, revision};

/// A person with what is new about them.
pub struct Renewal<'a> {
    rules: &'a Rulebook,
    target: i64,
    case: &'a Case,
    news: &'a News<'a>,
    /// Why they cannot be routed, or told from others.
    stopped: Option<&'a str>,
    now: Moment,
    lifecycle: Lifecycle,
    /// All their profiles.
    all: Vec<&'a Position>,
    kept: Option<Kept<'a>>,
}

/// What else must be known of somebody: of most people nothing.
#[derive(Debug, PartialEq)]
pub struct Asks<'a> {
    /// Whether only a rule has made each of these one person with the others.
    pub keepers: Vec<&'a Position>,
    /// Whether several accounts carry their anchor.
    pub is_doubtful: bool,
    /// Whether the lists of their org cover them.
    pub are_covered: bool,
}

/// What was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Only a rule has made each keeper one person with the others.
    pub are_joined_by_rule: bool,
    /// Several accounts carry their anchor.
    pub is_doubtful: bool,
    /// The lists of their org cover them.
    pub are_covered: bool,
}

/// What becomes of the proof that somebody has no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
    /// It is as it was.
    AsBefore,
    /// Nothing is proved, and nothing needs to be.
    Forgotten,
    /// It is, if nothing speaks against it.
    Covered,
    /// They are asked for again.
    Void,
}

/// What is asked about profiles that alone keep an account in use.
#[derive(Debug, PartialEq)]
pub enum Keepers {
    /// What was asked stays.
    AsBefore,
    /// Nothing any more.
    NotAsked,
    /// About these.
    Asked(Vec<(Position, Candidate, String)>),
}

/// What becomes of a person.
#[derive(Debug, PartialEq)]
pub struct Renewed {
    pub work: Work,
    pub priority: Priority,
    /// Since when access is over, if that is another time than before.
    pub ended_at: Option<Option<Moment>>,
    /// They have left or come back: what was let through was so for who they were.
    pub lapses: bool,
    pub proved: Proved,
    pub keepers: Keepers,
    /// What the record means.
    pub lifecycle: Lifecycle,
}

impl<'a> Renewal<'a> {
    pub fn new(
        rules: &'a Rulebook,
        target: i64,
        case: &'a Case,
        news: &'a News<'a>,
        stopped: Option<&'a str>,
        now: Moment,
    ) -> Renewal<'a> {
        let lifecycle = rules.lifecycle(case, now);
        let all: Vec<&Position> = case.person.positions().iter().chain(&case.elsewhere).collect();
        let is_in_use = case.account.as_ref().is_some_and(|account| account.is_live());
        let kept = kept(&all, rules.over_beside(&all, case.ended_at, now)).filter(|_| is_in_use);
        Renewal { rules, target, case, news, stopped, now, lifecycle, all, kept }
    }

    /// All profiles of the person.
    pub fn profiles(&self) -> &[&'a Position] {
        &self.all
    }

    /// The tenant of the profile that the news is about.
    pub fn tenant(&self) -> &'a str {
        &self.news.after.tenant
    }

    /// What must be known besides.
    pub fn asks(&self) -> Asks<'a> {
        let news = self.news;
        let is_first = news.cause == Cause::Profile && news.before.is_none();
        Asks {
            keepers: self.kept.iter().flat_map(|kept| kept.keepers.clone()).collect(),
            is_doubtful: self.may_end_sessions(),
            are_covered: is_first && self.proof() == Proof::Needed && self.rules.org(&self.case.org).is_some(),
        }
    }

    fn may_end_sessions(&self) -> bool {
        may_end_sessions(self.case, &self.lifecycle.entitlement, self.stopped.is_some())
    }

    fn proof(&self) -> Proof {
        proof(&self.lifecycle.entitlement, self.case.account.is_some(), self.case.searched_at.is_some())
    }

    /// What becomes of them. `work` is what there was.
    pub fn decided(self, work: Option<Work>, answers: Answers) -> Renewed {
        let (case, news, now) = (self.case, self.news, self.now);
        // A leaver of whom it cannot be told which account is theirs: what can be taken from all of them is taken.
        let ends_sessions = self.may_end_sessions() && answers.is_doubtful;
        let (proved, is_sought) = if ends_sessions { (Proved::AsBefore, false) } else { self.proved(answers) };
        let known = Known { ends_sessions, is_sought };
        let Revision { ended_at, priority, bucket, changes_at } =
            revision(self.rules, case, &self.lifecycle, news, known, now);
        let dirt = Dirt { priority, bucket, cause: news.cause };
        let work = Work::dirtied(work, &dirt, now).expects(changes_at, self.stopped, ends_sessions);
        let has_moved = |position: &Position| news.was_over(self.rules, position) != self.rules.is_over(position, now);
        Renewed {
            work,
            priority,
            ended_at: (ended_at != case.ended_at).then_some(ended_at),
            lapses: case.person.positions().iter().any(has_moved),
            proved,
            keepers: self.keepers(answers),
            lifecycle: self.lifecycle,
        }
    }

    /// What becomes of the proof that they have no account, and whether they must be asked for.
    fn proved(&self, answers: Answers) -> (Proved, bool) {
        match self.proof() {
            Proof::Stays => return (Proved::AsBefore, false),
            Proof::Falls => return (Proved::Forgotten, false),
            Proof::Needed => {}
        }
        // Seen for the first time in the first walk: inactive before first contact, and covered by the lists of the org.
        if answers.are_covered {
            return (Proved::Covered, false);
        }
        match has_other_names(self.news.before, &self.news.after.employee) {
            true => (Proved::Void, true),
            false => (Proved::AsBefore, self.case.searched_at.is_none()),
        }
    }

    /// Asks about the profiles that keep the account in use from now on, and asks no more when others do, or nobody does.
    fn keepers(&self, answers: Answers) -> Keepers {
        let Some(kept) = self.kept.as_ref().filter(|_| answers.are_joined_by_rule) else { return Keepers::NotAsked };
        let Some(left) = kept.newly_left(|one| self.news.was_over(self.rules, one)) else { return Keepers::AsBefore };
        let login = self.case.account.as_ref().map(|account| account.login.as_str()).unwrap_or_default();
        let ask = |keeper: &&Position| {
            let (candidate, why) = question(self.target, keeper, left, login);
            ((*keeper).clone(), candidate, why)
        };
        Keepers::Asked(kept.keepers.iter().map(ask).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::Account;
    use crate::domain::account::user::tests::bare;
    use crate::domain::plan::rulebook::tests::rulebook;
    use crate::domain::record::employee::tests::an_employee;
    use crate::domain::record::employee::{Employee, UserStatus};
    use crate::domain::record::person::Person;
    use crate::domain::work::machine::{SEARCH, State};
    use proptest::prelude::*;

    const NOW: Moment = Moment::from_secs(1_800_000_000);

    fn position(id: &str, user_status: UserStatus) -> Position {
        Position { tenant: "acme".into(), employee: Employee { id: id.into(), user_status, ..an_employee() } }
    }

    fn case(positions: Vec<Position>, account: Option<Account>) -> Case {
        Case { account, ..Case::new("main", Person::new(positions).expect("somebody")) }
    }

    /// What becomes of somebody of these profiles, the first of which is new, or was like this before.
    fn renewed(case: &Case, before: Option<&Employee>, stopped: Option<&str>, answers: Answers) -> Renewed {
        let (rules, after) = (rulebook(), case.person.positions()[0].clone());
        let news = News { cause: Cause::Profile, changes: Vec::new(), before, after: &after, as_of: NOW };
        Renewal::new(&rules, 7, case, &news, stopped, NOW).decided(None, answers)
    }

    fn asks(case: &Case, before: Option<&Employee>, stopped: Option<&str>) -> (usize, bool, bool) {
        let (rules, after) = (rulebook(), case.person.positions()[0].clone());
        let news = News { cause: Cause::Profile, changes: Vec::new(), before, after: &after, as_of: NOW };
        let asks = Renewal::new(&rules, 7, case, &news, stopped, NOW).asks();
        (asks.keepers.len(), asks.is_doubtful, asks.are_covered)
    }

    fn an_account() -> Option<Account> {
        Some(bare("00u1", "ines.duval@example.com", None))
    }

    #[test]
    fn a_leaver_without_account_who_is_new_is_asked_for_unless_the_lists_cover_them() {
        let left = case(vec![position("a", UserStatus::Inactive)], None);
        assert_eq!(asks(&left, None, None), (0, false, true));
        let sought = renewed(&left, None, None, Answers::default());
        assert_eq!((sought.proved, &*sought.work.bucket, sought.ended_at), (Proved::AsBefore, SEARCH, Some(Some(NOW))));
        let covered = renewed(&left, None, None, Answers { are_covered: true, ..Answers::default() });
        assert_eq!(covered.proved, Proved::Covered);
        assert_ne!(covered.work.bucket, SEARCH);
        let proved = Case { searched_at: Some(NOW), ended_at: Some(NOW), ..left };
        let other = Employee { email: "other@example.com".into(), ..an_employee() };
        assert_eq!(renewed(&proved, Some(&other), None, Answers::default()).proved, Proved::Void, "by other names");
        assert!(!asks(&proved, Some(&other), None).2, "they are not new");
        let here = case(vec![position("a", UserStatus::Active)], None);
        assert_eq!(renewed(&here, None, None, Answers::default()).proved, Proved::Forgotten);
    }

    #[test]
    fn a_leaver_of_whom_it_cannot_be_told_which_account_is_theirs_goes_on_all_the_same() {
        let left = case(vec![position("a", UserStatus::Inactive)], None);
        assert_eq!(asks(&left, Some(&an_employee()), Some("two")), (0, true, false));
        let waits = renewed(&left, Some(&an_employee()), Some("two"), Answers::default());
        assert_eq!(waits.work.state, State::Quarantined);
        let doubtful = Answers { is_doubtful: true, ..Answers::default() };
        let goes_on = renewed(&left, Some(&an_employee()), Some("two"), doubtful);
        assert_eq!(
            (goes_on.work.state, goes_on.priority, goes_on.proved),
            (State::Ready, Priority::Revoke, Proved::AsBefore)
        );
    }

    #[test]
    fn who_alone_keeps_an_account_in_use_is_asked_about_when_the_others_leave_if_only_a_rule_has_joined_them() {
        let by_rule = Answers { are_joined_by_rule: true, ..Answers::default() };
        let two = case(vec![position("a", UserStatus::Inactive), position("b", UserStatus::Active)], an_account());
        let before = position("a", UserStatus::Active).employee;
        assert_eq!(asks(&two, Some(&before), None).0, 1);
        match renewed(&two, Some(&before), None, by_rule).keepers {
            Keepers::Asked(about) => {
                assert_eq!(about.len(), 1);
                assert_eq!(about[0].0.employee.id, "b");
            }
            other => panic!("{other:?}"),
        }
        let known = two.person.positions()[0].employee.clone();
        assert_eq!(renewed(&two, Some(&known), None, by_rule).keepers, Keepers::AsBefore, "they had left before");
        assert_eq!(
            renewed(&two, Some(&before), None, Answers::default()).keepers,
            Keepers::NotAsked,
            "people have said so"
        );
        let unused = Case { account: None, ..two };
        assert_eq!(renewed(&unused, Some(&before), None, by_rule).keepers, Keepers::NotAsked);
    }

    #[test]
    fn what_was_let_through_lapses_when_somebody_leaves_or_comes_back() {
        let (here, gone) = (position("a", UserStatus::Active), position("a", UserStatus::Inactive));
        let of = |before: &Position, now: &Position| {
            renewed(&case(vec![now.clone()], an_account()), Some(&before.employee), None, Answers::default()).lapses
        };
        assert!(of(&here, &gone) && of(&gone, &here));
        assert!(!of(&here, &here) && !of(&gone, &gone));
    }

    proptest! {
        #[test]
        fn whoever_is_looked_at_is_dirty_with_one_revision_more(active in any::<bool>(), has_account in any::<bool>(),
                                                                stopped in any::<bool>(), is_doubtful in any::<bool>(),
                                                                rev in 1_i64..9, done in 0_i64..9) {
            let status = if active { UserStatus::Active } else { UserStatus::Inactive };
            let case = case(vec![position("a", status)], an_account().filter(|_| has_account));
            let (rules, after) = (rulebook(), case.person.primary().clone());
            let news = News::none(&after, Cause::Date, NOW);
            let before = Work { dirty_rev: rev, done_rev: done.min(rev), ..renewed(&case, None, None, Answers::default()).work };
            let stopped = stopped.then_some("it cannot be told");
            let answers = Answers { is_doubtful, ..Answers::default() };
            let found = Renewal::new(&rules, 7, &case, &news, stopped, NOW).decided(Some(before.clone()), answers);
            prop_assert!(found.work.is_dirty() && found.work.dirty_rev == rev + 1);
            prop_assert!(found.work.priority <= found.priority, "never less urgent than what is new");
            let goes_on = stopped.is_none() || (is_doubtful && !active && !has_account);
            prop_assert_eq!(found.work.state == State::Ready, goes_on);
            prop_assert_eq!(found.work.reason.as_deref(), stopped);
        }
    }
}
