//! A new revision of a person: how urgent it is, which call comes first, and when it means something else.

use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::plan::case::Case;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::employee::{Employee, FieldChange};
use crate::domain::record::lifecycle::{Entitlement, Lifecycle};
use crate::domain::record::person::Position;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::{ANY_BUCKET, SEARCH};

/// The bucket of calls that write an account.
const USERS: &str = "users";

/// What is new about somebody.
#[derive(Clone)]
pub struct News<'a> {
    pub cause: Cause,
    pub changes: Vec<FieldChange>,
    pub before: Option<&'a Employee>,
    pub after: &'a Position,
    /// The last moment at which what was before was so.
    pub as_of: Moment,
}

impl<'a> News<'a> {
    /// Nothing new is known of the profile itself.
    pub fn none(after: &'a Position, cause: Cause, as_of: Moment) -> Self {
        Self { cause, changes: Vec::new(), before: Some(&after.employee), after, as_of }
    }

    /// Whether access by a profile was over before; of one that nothing new is known of, whether it is.
    pub fn was_over(&self, rules: &Rulebook, position: &Position) -> bool {
        let is_it = position.tenant == self.after.tenant && position.employee.id == self.after.employee.id;
        let before = self.before.filter(|_| is_it).unwrap_or(&position.employee).clone();
        rules.is_over(&Position { tenant: position.tenant.clone(), employee: before }, self.as_of)
    }
}

/// What a revision comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Since when access is over, if it is.
    pub ended_at: Option<Moment>,
    pub priority: Priority,
    pub bucket: &'static str,
    /// When time alone changes what the record means.
    pub changes_at: Option<Moment>,
}

/// What else is known when a revision comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// It cannot be told which account is a leaver's: the sessions of all of them end.
    pub ends_sessions: bool,
    /// Okta must be asked for their account first.
    pub is_sought: bool,
}

/// What a revision of somebody comes to, whose record means this now.
pub fn revision(
    rules: &Rulebook,
    case: &Case,
    lifecycle: &Lifecycle,
    news: &News,
    known: Known,
    now: Moment,
) -> Revision {
    let (entitlement, account) = (&lifecycle.entitlement, case.account.as_ref());
    let priority = match known.ends_sessions {
        true => Priority::Revoke,
        false => Priority::of_revision(entitlement, account, news.before, &news.after.employee),
    };
    let bucket = match known.is_sought && !known.ends_sessions {
        true => SEARCH,
        false => first_bucket(entitlement, account),
    };
    // What waits because a rule has given them the account just now waits until then.
    let fresh = case.adopted.as_ref().and_then(|adopted| adopted.fresh_until(rules.safeguards.fresh_adoption));
    let changes_at = [lifecycle.changes_at, fresh.filter(|until| *until > now)].into_iter().flatten().min();
    Revision { ended_at: ended_at(entitlement, case.ended_at, now), priority, bucket, changes_at }
}

/// Since when access is over: what cannot be told changes nothing, and whoever has yet to begin is not back.
const fn ended_at(entitlement: &Entitlement, before: Option<Moment>, now: Moment) -> Option<Moment> {
    match (entitlement.is_over(), entitlement, before) {
        (true, _, None) => Some(now),
        (true, ..)
        | (false, Entitlement::Unclear(_) | Entitlement::NotYet | Entitlement::Prehire { due: false }, _) => before,
        _ => None,
    }
}

/// Whether sessions may have to be ended of somebody of whom it cannot be told which account is theirs.
pub fn may_end_sessions(case: &Case, entitlement: &Entitlement, is_stopped: bool) -> bool {
    is_stopped && entitlement.is_over() && case.account.is_none()
}

/// The bucket that the first call will spend, where that is plain before there is a plan.
fn first_bucket(entitlement: &Entitlement, account: Option<&Account>) -> &'static str {
    match (entitlement, account) {
        (Entitlement::Ended(_), Some(_)) | (Entitlement::Entitled | Entitlement::Prehire { .. }, None) => USERS,
        (Entitlement::Suspended(_) | Entitlement::OnLeave(_), Some(account)) if account.is_awake() => USERS,
        _ => ANY_BUCKET,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::AccountStatus;
    use crate::domain::account::user::tests::bare;
    use crate::domain::matching::adoption::Adopted;
    use crate::domain::plan::rulebook::tests::rulebook;
    use crate::domain::record::employee::UserStatus;
    use crate::domain::record::employee::tests::an_employee;
    use crate::domain::record::person::Person;
    use jiff::tz::TimeZone;
    use std::time::Duration;

    const NOW: Moment = Moment::from_secs(1_800_000_000);

    fn case(user_status: UserStatus, account: Option<Account>) -> Case {
        let employee = Employee { user_status, ..an_employee() };
        Case { account, ..Case::new("main", Person::of("acme", employee)) }
    }

    fn of(case: &Case, known: Known) -> Revision {
        let rules = rulebook();
        let news = News::none(case.person.primary(), Cause::Profile, NOW);
        revision(&rules, case, &rules.lifecycle(case, NOW), &news, known, NOW)
    }

    #[test]
    fn a_leaver_with_an_account_goes_first_and_to_the_writes_of_accounts() {
        let found = of(&case(UserStatus::Inactive, Some(bare("00u1", "a@example.com", None))), Known::default());
        assert_eq!((found.priority, found.bucket, found.ended_at), (Priority::Revoke, USERS, Some(NOW)));
        let before = NOW - Duration::from_secs(9);
        let known = Case { ended_at: Some(before), ..case(UserStatus::Inactive, None) };
        assert_eq!(of(&known, Known::default()).ended_at, Some(before), "they left when they left");
        assert_eq!(of(&case(UserStatus::Active, None), Known::default()).ended_at, None);
        let pending = Employee { user_status: UserStatus::Pending, start_date: None, ..an_employee() };
        let not_yet = Case { ended_at: Some(before), ..Case::new("main", Person::of("acme", pending)) };
        assert_eq!(of(&not_yet, Known::default()).ended_at, Some(before), "pending without a start is no return");
        let soon = NOW + Duration::from_secs(3 * 86_400);
        let start_date = Some(TimeZone::UTC.to_datetime(soon.timestamp()).date());
        let pending = Employee { user_status: UserStatus::Pending, start_date, ..an_employee() };
        let soon = Case { ended_at: Some(before), ..Case::new("main", Person::of("acme", pending)) };
        assert_eq!(of(&soon, Known::default()).ended_at, Some(before), "a start that lies ahead is none yet");
    }

    #[test]
    fn whom_okta_is_asked_for_waits_for_the_search_unless_sessions_can_end_at_once() {
        let left = case(UserStatus::Inactive, None);
        let sought = Known { is_sought: true, ..Known::default() };
        assert_eq!((of(&left, sought).priority, of(&left, sought).bucket), (Priority::Inspect, SEARCH));
        let doubtful = Known { ends_sessions: true, is_sought: true };
        assert_eq!((of(&left, doubtful).priority, of(&left, doubtful).bucket), (Priority::Revoke, ANY_BUCKET));
        let rules = rulebook();
        let entitlement = rules.lifecycle(&left, NOW).entitlement;
        assert!(may_end_sessions(&left, &entitlement, true) && !may_end_sessions(&left, &entitlement, false));
    }

    #[test]
    fn what_a_rule_gave_just_now_is_looked_at_again_when_it_is_not_fresh_any_more() {
        let mut fresh = case(UserStatus::Active, Some(bare("00u1", "a@example.com", None)));
        let rules = rulebook();
        let adopted = |at| Some(Adopted { rule: "login".into(), at, pending: None, rejected: None });
        fresh.adopted = adopted(NOW);
        assert_eq!(of(&fresh, Known::default()).changes_at, Some(NOW + rules.safeguards.fresh_adoption));
        fresh.adopted = adopted(NOW - rules.safeguards.fresh_adoption);
        assert_eq!(of(&fresh, Known::default()).changes_at, None);
    }

    #[test]
    fn who_is_suspended_already_spends_what_the_plan_will_say() {
        let mut account = bare("00u1", "a@example.com", None);
        let leave = Entitlement::OnLeave("leave".into());
        assert_eq!(first_bucket(&leave, Some(&account)), USERS);
        account.status = AccountStatus::Suspended;
        assert_eq!(first_bucket(&leave, Some(&account)), ANY_BUCKET);
    }

    #[test]
    fn of_several_profiles_only_the_one_with_news_was_otherwise() {
        let rules = rulebook();
        let before = an_employee();
        let after = Position {
            tenant: "acme".into(),
            employee: Employee { user_status: UserStatus::Inactive, ..an_employee() },
        };
        let changes = Vec::new();
        let news = News { cause: Cause::Profile, changes, before: Some(&before), after: &after, as_of: NOW };
        assert!(!news.was_over(&rules, &after), "it has ended just now");
        let mut other = after.clone();
        other.employee.id = "other".into();
        assert!(news.was_over(&rules, &other), "nothing new is known of that one");
    }
}
