//! Who has left and has no account that is known: whether Okta is to be asked for one, by what, and what nothing found proves.
//!
//! **Invariant:** that somebody has no account is proved by a list that covers them or by a search, and dated; what could not be
//! asked is unknown. Whose account was known is asked for twice, longer apart than lists lag.

use crate::clock::Moment;
use crate::domain::account::list::LAG;
use crate::domain::record::employee::Employee;
use crate::domain::record::lifecycle::Entitlement;
use crate::domain::record::person::Position;
use crate::domain::text::login_key;
use std::collections::{BTreeMap, BTreeSet};

/// What a new revision means for the proof that somebody has no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It stays as it is.
    Stays,
    /// Nothing is proved of them any more, and nothing needs to be.
    Falls,
    /// They have left without an account that is known: it must be there.
    Needed,
}

/// What a new revision of somebody means for the proof that they have no account.
pub const fn proof(entitlement: &Entitlement, has_account: bool, is_proved: bool) -> Proof {
    if matches!(entitlement, Entitlement::Unclear(_)) {
        return Proof::Stays;
    }
    match entitlement.is_over() && !has_account {
        true => Proof::Needed,
        false if is_proved || !has_account => Proof::Falls,
        false => Proof::Stays,
    }
}

/// Whether somebody may have an account under other names since: what was proved by the names of before proves nothing.
pub fn has_other_names(before: Option<&Employee>, after: &Employee) -> bool {
    before.is_some_and(|before| before.email != after.email || before.user_status != after.user_status)
}

/// What Okta is asked by for somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Profiles, any of which may stand in the anchor.
    pub anchors: BTreeSet<String>,
    /// Logins they may have, or had: of those that Okta takes for the same, one.
    pub logins: BTreeSet<String>,
    pub emails: BTreeSet<String>,
}

/// What Okta is asked by for a person of these profiles, who had the addresses `former` before, would like the login `wanted`, and
/// for whom `created` was tried.
pub fn names(positions: &[Position], former: Vec<String>, wanted: Option<String>, created: Option<String>) -> Names {
    let present = positions.iter().map(|p| p.employee.email.clone());
    let emails: BTreeSet<String> = present.chain(former).filter(|email| !email.is_empty()).collect();
    let logins = wanted.into_iter().chain(created).chain(emails.iter().cloned());
    let logins: BTreeMap<String, String> =
        logins.filter(|login| !login.is_empty()).map(|login| (login_key(&login), login)).collect();
    Names {
        anchors: positions.iter().map(|p| p.employee.id.clone()).collect(),
        logins: logins.into_values().collect(),
        emails,
    }
}

/// When somebody whose account was known must be asked for once more, whom nobody was found for at `now`, the first time at
/// `first`; `None` if it is proved now.
pub fn once_more(was_known: bool, first: Option<Moment>, now: Moment) -> Option<Moment> {
    let again = first.unwrap_or(now) + LAG;
    (was_known && again > now).then_some(again)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::employee::UserStatus;
    use crate::domain::record::employee::tests::an_employee;
    use std::time::Duration;

    #[test]
    fn a_proof_is_needed_of_leavers_without_account_and_of_nobody_else() {
        let ended = Entitlement::Ended("left".into());
        assert_eq!(proof(&ended, false, false), Proof::Needed);
        assert_eq!(proof(&ended, false, true), Proof::Needed, "the caller sees whether it still holds");
        assert_eq!(proof(&ended, true, true), Proof::Falls, "an account was found");
        assert_eq!(proof(&ended, true, false), Proof::Stays);
        assert_eq!(proof(&Entitlement::Entitled, false, false), Proof::Falls);
        assert_eq!(proof(&Entitlement::Unclear("?".into()), false, true), Proof::Stays);
    }

    #[test]
    fn a_new_email_or_status_makes_an_old_search_worthless() {
        let before = an_employee();
        let other = Employee { email: "new@example.com".into(), ..an_employee() };
        let left = Employee { user_status: UserStatus::Inactive, ..an_employee() };
        assert!(has_other_names(Some(&before), &other) && has_other_names(Some(&before), &left));
        assert!(!has_other_names(Some(&before), &before) && !has_other_names(None, &other));
    }

    #[test]
    fn somebody_is_asked_for_by_every_name_once() {
        let position = |id: &str, email: &str| Position {
            tenant: "acme".into(),
            employee: Employee { id: id.into(), email: email.into(), ..an_employee() },
        };
        let all = [position("a", "Ada@example.com"), position("b", "")];
        let found = names(&all, Vec::new(), Some("ada@example.com".into()), Some("ada2@example.com".into()));
        assert_eq!(found.anchors, ["a", "b"].map(str::to_owned).into());
        assert_eq!(found.emails, ["Ada@example.com".to_owned()].into());
        assert_eq!(found.logins.len(), 2, "what Okta takes for one login is asked once: {:?}", found.logins);
        let former = names(&all, vec!["ada.king@example.com".into()], None, None);
        assert!(former.logins.contains("ada.king@example.com") && former.emails.contains("ada.king@example.com"));
    }

    #[test]
    fn whose_account_was_known_is_asked_for_twice_longer_apart_than_lists_lag() {
        let now = Moment::from_secs(1000);
        assert_eq!(once_more(false, None, now), None);
        assert_eq!(once_more(true, None, now), Some(now + LAG));
        assert_eq!(once_more(true, Some(now), now + Duration::from_secs(1)), Some(now + LAG));
        assert_eq!(once_more(true, Some(now), now + LAG), None);
    }
}
