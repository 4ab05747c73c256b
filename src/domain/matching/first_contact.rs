//! What a report of first contact says of somebody: where they stand in it, and how both sides differ about who they are.

use crate::domain::account::user::Account;
use crate::domain::mapping::functions::slug;
use crate::domain::record::employee::Employee;
use crate::domain::record::lifecycle::Entitlement;
use crate::domain::text::login_key;

/// Where somebody stands in the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A person must decide about them; why.
    Review(String),
    /// They have left, and the access of their account would end; why.
    Ended(String),
    /// Their account is kept true to Namely from now on; its status.
    Matched(&'static str),
    /// An account would be made, now.
    Created,
    /// An account would be made before their start.
    Staged,
    /// Nothing is done.
    Nothing,
}

/// Where somebody stands in the report who is entitled to this, and has this account.
pub fn place(entitlement: &Entitlement, account: Option<&Account>, conflict: Option<String>) -> Place {
    match (entitlement, account, conflict) {
        (_, _, Some(conflict)) => Place::Review(conflict),
        (Entitlement::Ended(why) | Entitlement::Suspended(why), Some(account), _) if account.is_awake() => {
            Place::Ended(why.clone())
        }
        (_, Some(account), _) => Place::Matched(account.status.as_str()),
        (Entitlement::Entitled, None, _) => Place::Created,
        (Entitlement::Prehire { .. }, None, _) => Place::Staged,
        _ => Place::Nothing,
    }
}

/// How much a match differs: another name weighs more than everything else together.
pub fn weight(differs: &[String]) -> usize {
    differs.iter().map(|one| if one.starts_with("name ") { 10 } else { 1 }).sum()
}

/// What both sides say otherwise of one who was matched.
pub fn differs(employee: &Employee, account: &Account) -> Vec<String> {
    let text = |key: &str| account.profile.get(key).and_then(|v| v.as_str()).unwrap_or_default();
    let mut found = Vec::new();
    // A name of which a part is not known is no name that agrees.
    let full = |first: &str, last: &str| {
        let both = [first, last].map(slug);
        both.iter().all(|part| !part.is_empty()).then(|| both.join("-"))
    };
    let theirs = full(text("firstName"), text("lastName"));
    let first_names = [&employee.first_name, &employee.preferred_name];
    if theirs.is_none() || !first_names.iter().any(|first| full(first, &employee.last_name) == theirs) {
        found.push(format!("name {:?} in Okta", format!("{} {}", text("firstName"), text("lastName")).trim()));
    }
    if let Some(master) = account.mastered_by() {
        found.push(format!("mastered by {master}"));
    }
    if !employee.email.is_empty() {
        if login_key(&account.login) != login_key(&employee.email) {
            found.push(format!("login {} in Okta", account.login));
        }
        let email = text("email");
        if !email.is_empty() && login_key(email) != login_key(&employee.email) {
            found.push(format!("email {email} in Okta"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::AccountStatus;
    use crate::domain::account::user::tests::bare;
    use crate::domain::record::employee::tests::an_employee;

    #[test]
    fn whoever_has_left_stands_among_the_ended_while_their_account_is_in_use() {
        let ended = Entitlement::Ended("left".into());
        let mut account = bare("00u1", "a@example.com", None);
        assert_eq!(place(&ended, Some(&account), None), Place::Ended("left".into()));
        account.status = AccountStatus::Deprovisioned;
        assert_eq!(place(&ended, Some(&account), None), Place::Matched("DEPROVISIONED"));
        assert_eq!(place(&ended, None, None), Place::Nothing);
        assert_eq!(place(&ended, Some(&account), Some("two".into())), Place::Review("two".into()));
        assert_eq!(place(&Entitlement::Entitled, None, None), Place::Created);
        assert_eq!(place(&Entitlement::Prehire { due: false }, None, None), Place::Staged);
    }

    #[test]
    fn another_name_weighs_more_than_everything_else_together() {
        let employee = an_employee();
        let mut account = bare("00u1", "else@example.com", None);
        account.profile.insert("firstName".into(), employee.first_name.clone().into());
        account.profile.insert("lastName".into(), employee.last_name.clone().into());
        account.profile.insert("email".into(), "else@example.com".into());
        account.provider = "LDAP".into();
        let same_name = differs(&employee, &account);
        assert_eq!(same_name.len(), 3, "{same_name:?}");
        let nameless = Employee { first_name: String::new(), preferred_name: String::new(), ..employee.clone() };
        assert!(weight(&differs(&nameless, &account)) > 9, "a name that is not known agrees with no other one");
        account.profile.insert("firstName".into(), "Zoe".into());
        let other_name = differs(&employee, &account);
        assert!(weight(&other_name) > 2 * weight(&same_name), "{other_name:?}");
    }
}
