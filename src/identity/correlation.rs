//! Which Okta account belongs to a profile: the anchor first, then the address. A conflict is never guessed.

use super::account::Account;
use super::employee::Employee;

/// What is known when a profile is seen for the first time.
#[derive(Debug, Default)]
pub struct Candidates {
    /// The account whose anchor attribute holds the profile's UUID.
    pub by_anchor: Option<Account>,
    /// The account whose login is the profile's email, by Okta's comparison.
    pub by_login: Option<Account>,
}

/// The verdict on a newly seen profile.
#[derive(Clone, Debug, PartialEq)]
pub enum Correlation {
    /// This account is theirs: its anchor says so, or its login is theirs and it carries no anchor.
    Account(String),
    /// Nobody in Okta is theirs.
    Nobody,
    /// Something contradicts; a person must decide. The reason in words.
    Conflict(String),
}

/// Correlates `employee` with what Okta holds.
pub fn correlate(employee: &Employee, candidates: &Candidates) -> Correlation {
    match (&candidates.by_anchor, &candidates.by_login) {
        (Some(account), _) => Correlation::Account(account.id.clone()),
        (None, None) => Correlation::Nobody,
        (None, Some(account)) => match account.anchor.as_deref() {
            None => Correlation::Account(account.id.clone()),
            Some(anchor) if anchor == employee.id => Correlation::Account(account.id.clone()),
            Some(anchor) => Correlation::Conflict(format!(
                "the Okta account {} with login {} belongs to Namely profile {anchor}; give one of the two another \
                 email in Namely, or correct the anchor attribute in Okta",
                account.id, account.login
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::account::AccountStatus;
    use super::super::employee::tests::somebody;
    use super::*;

    fn account(id: &str, anchor: Option<&str>) -> Account {
        Account {
            id: id.into(),
            login: "ines.duval@example.com".into(),
            anchor: anchor.map(str::to_owned),
            status: AccountStatus::Active,
            profile: Default::default(),
            groups: Default::default(),
            apps: Default::default(),
            exit: None,
        }
    }

    #[test]
    fn the_anchor_wins_over_the_address() {
        let employee = somebody();
        let candidates = Candidates {
            by_anchor: Some(account("00u1", Some(&employee.id))),
            by_login: Some(account("00u2", Some("someone else"))),
        };
        assert_eq!(correlate(&employee, &candidates), Correlation::Account("00u1".into()));
    }

    #[test]
    fn an_account_without_anchor_is_adopted_by_its_login() {
        let candidates = Candidates { by_anchor: None, by_login: Some(account("00u2", None)) };
        assert_eq!(correlate(&somebody(), &candidates), Correlation::Account("00u2".into()));
    }

    #[test]
    fn an_account_of_somebody_else_is_a_conflict_and_never_guessed() {
        let candidates = Candidates { by_anchor: None, by_login: Some(account("00u2", Some("other-uuid"))) };
        assert!(
            matches!(correlate(&somebody(), &candidates), Correlation::Conflict(why) if why.contains("other-uuid"))
        );
    }
}
