//! A profile that a rule would join with a person who is known already: it becomes an owner of their account, and is counted with
//! the accounts that rules take over, against the same limits.
//!
//! **Invariant:** whoever waits because of a limit has joined nobody yet: the person goes on, and leaves, without the profile.

use crate::domain::account::user::Account;
use crate::domain::guard::safeguard::Count;
use crate::domain::plan::kind::ChangeKind;
use crate::domain::plan::limits::{Limit, Mode, Safeguards, Scope};

/// The limits that joining counts against.
pub fn limits(safeguards: &Safeguards) -> Vec<&Limit> {
    safeguards.limits_of(ChangeKind::Adopt, Scope::Tenant)
}

/// Why no rule joins a profile of a tenant with a living person at all for now; `paused` says why adopting is paused.
pub fn why_not_living(safeguards: &Safeguards, paused: Option<String>) -> Option<String> {
    match safeguards.mode {
        Mode::Approve => Some("the service asks before it changes anything (mode = \"approve\")".into()),
        Mode::Auto | Mode::Observe => paused,
    }
}

/// Why no rule joins one more profile of a tenant of which rules have matched `so_far` within the span of a limit.
pub fn why_not_more(limit: &Limit, so_far: u32, tenant: &str) -> Option<String> {
    limit.trips(Count { so_far, batch: 1, to_come: 0, population: 0 }, tenant)
}

/// Whom a profile would join.
#[derive(Clone, Copy, Debug)]
pub enum Whom<'a> {
    /// A person already known, and their account, if they have one.
    Person(Option<&'a Account>),
    /// An account that nobody has; `may_follow`: it may come after the person's own one, which is closed, because they have left.
    Account { account: &'a Account, may_follow: bool },
    /// An account that is not in Okta any more.
    Gone,
}

/// Whether an account that nobody has may be that of somebody who has `own`: a second account with the anchor of somebody who has
/// left is theirs to end, after the first one.
pub fn may_follow(has_left: bool, own: Option<&Account>) -> bool {
    has_left && own.is_some_and(|own| !own.is_live())
}

/// Why a person who has `own` cannot be joined with somebody, if they cannot.
pub fn refused(own: Option<&Account>, whom: Whom) -> Option<String> {
    match whom {
        Whom::Person(theirs) => (own.is_some() && theirs.is_some())
            .then(|| "each of the two has an account of its own: split one first with `links split`".into()),
        Whom::Account { account, may_follow } => {
            let other = own.filter(|own| own.id != account.id && !may_follow)?;
            Some(format!("the person has {} already; if that is the wrong one: `links split`", other.described()))
        }
        Whom::Gone => Some("the account is not in Okta any more".into()),
    }
}

/// How many people must agree to a match.
pub const fn needs(four_eyes: bool, may_be_administrator: bool, are_twins: bool) -> i64 {
    if four_eyes || may_be_administrator || are_twins { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::AccountStatus;
    use crate::domain::account::user::tests::bare;
    use crate::domain::plan::limits::Span;

    #[test]
    fn a_service_that_asks_joins_nobody_and_a_pause_holds_joining_back() {
        let asks = Safeguards { mode: Mode::Approve, ..Safeguards::default() };
        assert!(why_not_living(&asks, None).is_some_and(|why| why.contains("approve")));
        let auto = Safeguards { mode: Mode::Auto, ..Safeguards::default() };
        assert_eq!(why_not_living(&auto, None), None);
        assert_eq!(why_not_living(&auto, Some("paused by ada".into())).as_deref(), Some("paused by ada"));
    }

    #[test]
    fn the_last_that_fits_a_limit_joins_and_the_next_waits() {
        let limit = Limit { change: ChangeKind::Adopt, people: 2, share: 0.5, per: Span::Hour, scope: Scope::Tenant };
        assert_eq!(why_not_more(&limit, 1, "acme"), None);
        let why = why_not_more(&limit, 2, "acme").expect("waits");
        assert!(
            why.contains("at most 2 an hour") && why.contains("2 people were"),
            "a share of nobody is nobody: {why}"
        );
    }

    #[test]
    fn nobody_gets_two_accounts_by_joining() {
        let (own, other) = (bare("00u1", "a@example.com", None), bare("00u2", "b@example.com", None));
        assert!(refused(Some(&own), Whom::Person(Some(&other))).is_some_and(|why| why.contains("each of the two")));
        assert_eq!(refused(Some(&own), Whom::Person(None)), None);
        let account = |may_follow| Whom::Account { account: &other, may_follow };
        assert!(refused(Some(&own), account(false)).is_some_and(|why| why.contains("00u1")));
        assert_eq!(refused(Some(&own), account(true)), None);
        assert_eq!(refused(Some(&other), account(false)), None, "it is the same account");
        assert_eq!(refused(None, account(false)), None);
        assert!(refused(None, Whom::Gone).is_some());
    }

    #[test]
    fn a_second_account_follows_the_closed_one_of_somebody_who_has_left() {
        let mut own = bare("00u1", "a@example.com", None);
        assert!(!may_follow(true, Some(&own)) && !may_follow(true, None));
        own.status = AccountStatus::Deprovisioned;
        assert!(may_follow(true, Some(&own)) && !may_follow(false, Some(&own)));
    }

    #[test]
    fn two_agree_where_it_weighs_more() {
        assert_eq!(needs(false, false, false), 1);
        assert_eq!([needs(true, false, false), needs(false, true, false), needs(false, false, true)], [2, 2, 2]);
    }
}
