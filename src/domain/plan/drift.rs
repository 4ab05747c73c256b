//! What somebody else has changed in Okta: the difference between what was known of an account and what a later read shows.

use crate::domain::account::directory::Directory;
use crate::domain::account::user::{Account, AccountStatus, Left, Scope};
use crate::domain::mapping::desired::{Desired, Mapping};
use crate::domain::mapping::rules::OnDrift;
use crate::domain::record::employee::FieldChange;
use serde_json::Value;
use std::collections::BTreeSet;

/// What differs. `read` are the groups and apps whose people were read; of others nothing is known.
pub fn drift(known: &Account, found: &Account, directory: &Directory, read: &BTreeSet<String>) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let mut compare = |field: &str, before: Value, after: Value| {
        if before != after {
            changes.push(FieldChange { field: field.to_owned(), before, after });
        }
    };
    // A first sign-in, an expired password, a lockout are not somebody else's doing.
    if state(known) != state(found) {
        compare("status", known.status.as_str().into(), found.status.as_str().into());
    }
    let names: BTreeSet<&String> = known.profile.keys().chain(found.profile.keys()).collect();
    for name in names {
        let value = |account: &Account| account.profile.get(name).cloned().unwrap_or_default();
        compare(name, value(known), value(found));
    }
    if !known.user_type.is_empty() && !found.user_type.is_empty() {
        compare("user type", known.user_type.clone().into(), found.user_type.clone().into());
    }
    let called = |id: &str| directory.find(id).map_or_else(|| id.to_owned(), |group| group.name.clone());
    let (apps, groups): (Vec<&String>, Vec<&String>) = read.iter().partition(|id| label(directory, id).is_some());
    for id in groups {
        let field = format!("group {:?}", called(id));
        let word = |account: &Account| if account.groups.contains(id) { "member" } else { "no member" };
        compare(&field, word(known).into(), word(found).into());
    }
    // Okta takes apps with a deactivation by itself, and gives and takes those of groups.
    let by_group = |account: &Account, app: &String| account.apps.get(app) == Some(&Scope::Group);
    let is_own = |app: &&String| found.is_live() && !by_group(known, app) && !by_group(found, app);
    for app in apps.into_iter().filter(is_own) {
        let app_label = label(directory, app).unwrap_or(app);
        let word = |account: &Account| if account.apps.contains_key(app) { "assigned" } else { "not assigned" };
        compare(&format!("app {app_label:?}"), word(known).into(), word(found).into());
        if let (Some(before), Some(after)) = (known.app_names.get(app), found.app_names.get(app)) {
            compare(&format!("name in app {app_label:?}"), before.as_str().into(), after.as_str().into());
        }
    }
    changes
}

/// The label of the app with this id.
fn label<'a>(directory: &'a Directory, id: &str) -> Option<&'a str> {
    directory.find_app(id).filter(|(found, _)| *found == id).map(|(_, label)| label)
}

/// Whether a read shows for the first time what the person is called in an app: what the rule says was not compared with it yet.
pub fn shows_new_name(known: &Account, found: &Account) -> bool {
    found.app_names.keys().any(|app| known.apps.contains_key(app) && !known.app_names.contains_key(app))
}

/// The statuses that mean the same for access.
fn state(account: &Account) -> (bool, bool, bool) {
    (account.is_live(), account.is_awake(), account.status == AccountStatus::Staged)
}

/// What is known after the read: what the read did not show stays as it was known. Attributes that the mapping leaves to
/// whoever changed them are marked, until Namely says something else.
pub fn merge(
    known: &Account,
    found: &Account,
    read: &BTreeSet<String>,
    mapping: &Mapping,
    desired: Option<&Desired>,
) -> Account {
    let mut merged = Account { marks: known.marks.clone(), ..found.clone() };
    merged.is_read_after(known);
    // Their groups were read with this list, if any were.
    merged.marks.unsure.memberships &= read.is_empty();
    for (app, scope) in known.apps.iter().filter(|(app, _)| found.is_live() && !read.contains(*app)) {
        merged.apps.insert(app.clone(), *scope);
        merged.app_names.extend(known.app_names.get_key_value(app).map(|(app, name)| (app.clone(), name.clone())));
    }
    merged.marks.unsure.app_names.retain(|app| !read.contains(app));
    merged.groups.extend(known.groups.iter().filter(|id| !read.contains(*id)).cloned());
    // Somebody who was deactivated and is in use again has an end that was proved no more.
    if merged.is_awake() && !known.is_awake() {
        merged.marks.exit = None;
    }
    let Some(desired) = desired else { return merged };
    for rule in mapping.attribute_rules().iter().filter(|rule| rule.drift != OnDrift::Correct) {
        let value = |account: &Account| account.profile.get(&rule.name).cloned().unwrap_or_default();
        let (before, after) = (value(known), value(found));
        let Some(wanted) = desired.attributes.get(&rule.name) else { continue };
        if after == *wanted {
            merged.marks.left.remove(&rule.name);
        } else if before != after {
            merged.marks.left.insert(rule.name.clone(), Left { found: after, wanted: wanted.clone() });
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::directory::Group;
    use crate::domain::account::user::tests::bare;
    use crate::domain::mapping::desired::tests::{usual, with_drift};
    use std::collections::BTreeMap;

    fn world() -> (Account, Directory, BTreeSet<String>) {
        let mut known = bare("00u1", "ada@example.com", Some("p1"));
        known.profile.insert("title".into(), "Clerk".into());
        known.groups = ["00g1", "00g9"].map(str::to_owned).into();
        let group = |id: &str, name: &str| Group { id: id.into(), name: name.into(), writable: true };
        let directory = Directory::new([group("00g1", "Finance"), group("00g2", "Sales")], BTreeSet::new());
        (known, directory, ["00g1", "00g2"].map(str::to_owned).into())
    }

    #[test]
    fn every_kind_of_difference_is_named_and_what_was_not_read_is_not() {
        let (known, directory, read) = world();
        let mut found = Account { status: AccountStatus::Suspended, ..known.clone() };
        found.profile.insert("title".into(), "Boss".into());
        found.groups = ["00g2".to_owned()].into();
        let fields: Vec<String> = drift(&known, &found, &directory, &read).into_iter().map(|c| c.field).collect();
        assert_eq!(fields, ["status", "title", "group \"Finance\"", "group \"Sales\""]);
        let merged = merge(&known, &found, &read, &usual(), None);
        assert_eq!(merged.groups, ["00g2", "00g9"].map(str::to_owned).into(), "00g9 was not read");
    }

    #[test]
    fn what_did_not_change_is_no_drift() {
        let (known, directory, read) = world();
        let found = Account { groups: ["00g1".to_owned()].into(), ..known.clone() };
        assert_eq!(drift(&known, &found, &directory, &read), []);
    }

    #[test]
    fn an_attribute_that_is_left_to_others_is_marked_until_it_agrees_again() {
        let (known, _, read) = world();
        let mapping = with_drift("title", OnDrift::Adopt);
        let desired =
            Desired { attributes: BTreeMap::from([("title".to_owned(), Value::from("Clerk"))]), ..Desired::default() };
        let mut found = known.clone();
        found.profile.insert("title".into(), "Boss".into());
        let merged = merge(&known, &found, &read, &mapping, Some(&desired));
        assert_eq!(merged.marks.left["title"], Left { found: "Boss".into(), wanted: "Clerk".into() });
        let back = merge(&merged, &known, &read, &mapping, Some(&desired));
        assert!(back.marks.left.is_empty());
    }
}
