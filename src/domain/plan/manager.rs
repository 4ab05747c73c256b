//! Whom somebody reports to, as seen from their org, and who reports to them.

use crate::domain::account::user::{Account, AccountStatus};
use crate::domain::plan::case::{Case, ManagerLink};
use crate::domain::record::employee::{Employee, UserStatus};
use serde_json::Value;

/// Subordinates of a leaver who are named.
const NAMED: usize = 20;

/// What is known of the manager whom somebody's first profile names.
pub struct Manager<'a> {
    pub profile: &'a Employee,
    /// Whether the managers above lead back to the person.
    pub is_in_circle: bool,
    /// Whether the manager's profile is of the same person.
    pub is_themselves: bool,
    /// Their account in the org, if they have one.
    pub account: Option<Account>,
    /// Whether they are entitled to that account now: by the record's status and dates, and by what people have decided.
    pub is_entitled: bool,
}

/// The name of the manager whom somebody's first profile names, and their profile.
pub fn named(case: &Case) -> Option<(&str, &str)> {
    let manager = case.person.primary().employee.manager.as_ref()?;
    let name = if manager.name.is_empty() { &manager.id } else { &manager.name };
    Some((name, &manager.id))
}

/// The link that follows for a person whose first profile names a manager; `None` is a manager who is no profile of the tenant.
pub fn link(name: &str, manager: Option<Manager>) -> ManagerLink {
    let Some(manager) = manager else {
        return ManagerLink::Broken(format!("the manager {name} is no profile of this tenant; correct it in Namely"));
    };
    if manager.is_themselves {
        return ManagerLink::Broken("reports to themselves; correct the manager in Namely".into());
    }
    if manager.is_in_circle {
        return ManagerLink::Broken(format!(
            "reports to {name}, who reports to them in the end: no link is written; correct the manager in Namely"
        ));
    }
    match manager.account {
        Some(account) if account.is_live() => {
            let reached_at = reached_at(&account, manager.profile, manager.is_entitled);
            ManagerLink::Account { id: account.id, login: account.login, reached_at }
        }
        _ if manager.profile.user_status == UserStatus::Inactive => {
            ManagerLink::Broken(format!("the manager {name} is inactive in Namely; name another one"))
        }
        Some(_) => ManagerLink::Broken(format!("the manager {name} has a deactivated account")),
        None => ManagerLink::Awaited(name.to_owned()),
    }
}

/// Where a manager can be told something in confidence: as Okta has it, whatever Namely says, since an address that waits for a decision,
/// or was rejected, may be anybody's. Nothing is told to whoever is to lose access, also while that waits or Okta refuses it.
fn reached_at(account: &Account, profile: &Employee, is_entitled: bool) -> Option<String> {
    let works = profile.user_status == UserStatus::Active && is_entitled;
    let is_there = account.status == AccountStatus::Active && works && !account.is_suspended_for_end();
    let email = account.profile.get("email").and_then(Value::as_str).filter(|email| !email.is_empty());
    is_there.then(|| email.unwrap_or(&account.login).to_owned())
}

/// Names of those who report to a person and have not left, some of them if they are many.
pub fn subordinates(reports: impl IntoIterator<Item = Employee>) -> Vec<String> {
    let is_there = |employee: &Employee| employee.user_status != UserStatus::Inactive;
    let mut names: Vec<String> = reports.into_iter().filter(is_there).map(|one| one.display()).collect();
    names.sort();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::tests::bare;
    use crate::domain::record::employee::tests::an_employee;

    fn of(account: Option<Account>, user_status: UserStatus) -> ManagerLink {
        let profile = Employee { user_status, ..an_employee() };
        link(
            "Boss",
            Some(Manager { profile: &profile, is_in_circle: false, is_themselves: false, account, is_entitled: true }),
        )
    }

    fn is_broken(link: ManagerLink, because: &str) -> bool {
        matches!(link, ManagerLink::Broken(why) if why.contains(because))
    }

    #[test]
    fn a_manager_with_a_live_account_is_linked_whatever_namely_says_of_their_status() {
        let account = bare("00uBoss", "boss@example.com", None);
        let linked = |reached_at: Option<&str>| ManagerLink::Account {
            id: "00uBoss".into(),
            login: "boss@example.com".into(),
            reached_at: reached_at.map(str::to_owned),
        };
        assert_eq!(of(Some(account.clone()), UserStatus::Active), linked(Some("boss@example.com")));
        assert_eq!(
            of(Some(account.clone()), UserStatus::Inactive),
            linked(None),
            "nothing is told to whoever has left"
        );
        let suspended = Account { status: AccountStatus::Suspended, ..account.clone() };
        assert_eq!(of(Some(suspended), UserStatus::Active), linked(None));
        let profile = [("email".to_owned(), Value::from("ada@example.com"))].into();
        let other = Account { profile, ..account.clone() };
        assert_eq!(of(Some(other), UserStatus::Active), linked(Some("ada@example.com")), "as Okta has it");
        let dead = Account { status: AccountStatus::Deprovisioned, ..account };
        assert!(is_broken(of(Some(dead.clone()), UserStatus::Active), "deactivated account"));
        assert!(is_broken(of(Some(dead), UserStatus::Inactive), "inactive in Namely"));
    }

    #[test]
    fn a_manager_without_account_is_waited_for_unless_they_have_left() {
        assert_eq!(of(None, UserStatus::Active), ManagerLink::Awaited("Boss".into()));
        assert!(is_broken(of(None, UserStatus::Inactive), "inactive in Namely"));
        assert!(is_broken(link("Boss", None), "no profile of this tenant"));
    }

    #[test]
    fn nobody_is_linked_to_themselves_or_into_a_circle() {
        let profile = an_employee();
        let account = Some(bare("00uBoss", "boss@example.com", None));
        let manager = |is_in_circle, is_themselves| {
            Some(Manager {
                profile: &profile,
                is_in_circle,
                is_themselves,
                account: account.clone(),
                is_entitled: true,
            })
        };
        assert!(is_broken(link("Boss", manager(true, false)), "in the end"));
        assert!(is_broken(link("Boss", manager(true, true)), "reports to themselves"));
    }

    #[test]
    fn whoever_reports_to_a_leaver_is_named_and_of_many_some() {
        let report = |n: usize, user_status| Employee { first_name: format!("R{n:02}"), user_status, ..an_employee() };
        let named = subordinates((0..25).map(|n| report(n, UserStatus::Active)));
        assert_eq!((named.len(), named.last().map(String::as_str)), (NAMED + 1, Some("5 more")));
        assert_eq!(subordinates([report(1, UserStatus::Inactive)]), Vec::<String>::new());
    }
}
