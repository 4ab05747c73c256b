//! What a plan makes Okta's own group rules do.
//!
//! **Invariant:** whoever gets into a group with power over others by one of Okta's rules waits for two people, as if this program
//! had put them in: what it writes is what the rule looks at.

use crate::domain::account::directory::Directory;
use crate::domain::account::group_rule::{Foretold, OktaRule, Prospect, RuledAccount, foretell};
use crate::domain::account::user::{Account, AccountStatus};
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::situation::Plan;
use crate::domain::plan::step::Step;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What an account consists of once a plan is carried out, as far as rules look at it.
struct After {
    attributes: BTreeMap<String, Value>,
    groups: BTreeSet<String>,
    /// Attributes that the plan writes.
    written: BTreeSet<String>,
    /// Groups that the plan gives or takes.
    moved: BTreeSet<String>,
    /// Whether the account is activated, suspended or deactivated, or the reverse.
    status_moves: bool,
    /// Whether it is activated.
    activates: bool,
}

impl After {
    fn of(account: Option<&Account>, plan: &Plan) -> Self {
        let attributes = account.map(|account| account.profile.clone()).unwrap_or_default();
        let groups = account.map(|account| account.groups.clone()).unwrap_or_default();
        let (written, moved) = (BTreeSet::new(), BTreeSet::new());
        let mut after = Self { attributes, groups, written, moved, status_moves: false, activates: false };
        for step in &plan.steps {
            after.activates |= matches!(step, Step::Activate { .. });
            match step {
                Step::Activate { .. } | Step::Suspend { .. } | Step::Unsuspend { .. } | Step::Deactivate { .. } => {
                    after.status_moves = true;
                }
                // A deactivation runs none of the rules that look at anything else.
                _ if plan.exit => {}
                Step::CreateUser { profile, groups, .. } => {
                    after.written.extend(profile.keys().cloned());
                    after.attributes.extend(profile.clone());
                    after.moved.extend(groups.iter().cloned());
                    after.groups.extend(groups.iter().cloned());
                }
                Step::UpdateUser { changes, .. } | Step::ChangeType { changes, .. } => {
                    after.written.extend(changes.iter().map(|change| change.field.clone()));
                    let values = changes.iter().map(|change| (change.field.clone(), change.after.clone()));
                    after.attributes.extend(values);
                }
                Step::AddGroup { group, .. } if after.groups.insert(group.clone()) => {
                    after.moved.insert(group.clone());
                }
                Step::RemoveGroup { group, .. } if after.groups.remove(group) => {
                    after.moved.insert(group.clone());
                }
                _ => {}
            }
        }
        after
    }
}

/// What each rule of the org will do when a plan is carried out, of those for which it changes something.
pub(super) fn foretold<'d>(
    account: Option<&Account>,
    rulebook: &Rulebook,
    directory: &'d Directory,
    plan: &Plan,
) -> Vec<(&'d OktaRule, Foretold)> {
    if directory.rules().is_empty() {
        return Vec::new();
    }
    foretold_of(account, rulebook, directory, &After::of(account, plan))
}

fn foretold_of<'d>(
    account: Option<&Account>,
    rulebook: &Rulebook,
    directory: &'d Directory,
    after: &After,
) -> Vec<(&'d OktaRule, Foretold)> {
    if after.written.is_empty() && after.moved.is_empty() && !after.status_moves {
        return Vec::new();
    }
    let read = rulebook.account_attributes();
    let knows = |name: &str| {
        // A new account is nothing but what is sent.
        account.is_none()
            || read.contains(name)
            || after.moved.contains(name)
            || directory.find(name).is_some_and(|group| group.writable && rulebook.mapping.manages(group))
    };
    // No rule holds of a deactivated account; all are evaluated when it is activated, and none before.
    if is_closed(account) && !after.activates {
        return Vec::new();
    }
    let before = account.filter(|_| !is_closed(account)).map(|account| RuledAccount {
        attributes: &account.profile,
        groups: &account.groups,
        knows: &knows,
    });
    let then = RuledAccount { attributes: &after.attributes, groups: &after.groups, knows: &knows };
    let user = account.map(|account| account.id.as_str());
    foretell(directory.rules(), &Prospect { user, before, after: then, status_moves: after.status_moves })
}

fn is_closed(account: Option<&Account>) -> bool {
    account.is_some_and(|account| account.status == AccountStatus::Deprovisioned)
}

/// By what of a plan one of Okta's own rules gives somebody a power over others, or may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Admits {
    /// Names of attributes that are written.
    pub attributes: BTreeSet<String>,
    /// Ids of groups that are given or taken.
    pub groups: BTreeSet<String>,
    /// Ids of the groups that the rules fill.
    pub into: BTreeSet<String>,
    /// Whether the activation of a deactivated account is what they wait for.
    pub by_activation: bool,
}

/// What of a plan lets one of Okta's rules put somebody into a group that is `powerful`, or may be.
pub(super) fn admits(
    account: Option<&Account>,
    rulebook: &Rulebook,
    directory: &Directory,
    plan: &Plan,
    powerful: impl Fn(&str) -> bool,
) -> Admits {
    let is_in = |group: &str| !is_closed(account) && account.is_some_and(|account| account.groups.contains(group));
    let mut admits = Admits::default();
    if !directory.rules().iter().any(|rule| rule.active && rule.groups.iter().any(|group| powerful(group))) {
        return admits;
    }
    let after = After::of(account, plan);
    let all = foretold_of(account, rulebook, directory, &after);
    for (rule, _) in all.iter().filter(|(_, will)| *will != Foretold::Leaves) {
        admits.into.extend(rule.groups.iter().filter(|group| powerful(group) && !is_in(group)).cloned());
    }
    if admits.into.is_empty() {
        return admits;
    }
    admits.by_activation = is_closed(account);
    // What one rule does may be what another looks at: whatever moves any of them is a part of it.
    let changes = |name: &&String| {
        let before = account.and_then(|account| account.profile.get(*name)).unwrap_or(&Value::Null);
        account.is_none() || after.attributes.get(*name).unwrap_or(&Value::Null) != before
    };
    let is_read = |name: &&String| all.iter().any(|(rule, _)| rule.reads(name));
    admits.attributes = after.written.iter().filter(changes).filter(is_read).cloned().collect();
    if all.iter().any(|(rule, _)| rule.reads_groups()) {
        admits.groups = after.moved;
    }
    admits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::directory::Group;
    use crate::domain::account::user::tests::bare;
    use crate::domain::plan::rulebook::tests::rulebook;
    use crate::domain::record::employee::FieldChange;

    fn rule(expression: &str) -> OktaRule {
        OktaRule {
            name: "rule".into(),
            active: true,
            expression: expression.into(),
            groups: vec!["00gAdmins".into()],
            excluded: BTreeSet::new(),
        }
    }

    fn moves(department: &str) -> Plan {
        let field =
            |field: &str, after: &str| FieldChange { field: field.into(), before: Value::Null, after: after.into() };
        let changes = vec![field("department", department), field("title", "Clerk")];
        let add = Step::AddGroup { id: "00u1".into(), group: "00gFinance".into(), name: "Finance".into() };
        Plan { steps: vec![Step::UpdateUser { id: "00u1".into(), changes }, add], ..Plan::default() }
    }

    fn of(expression: &str, plan: &Plan, account: Option<&Account>) -> (Vec<String>, Vec<String>) {
        let group = |id: &str, name: &str, writable| Group { id: id.into(), name: name.into(), writable };
        let groups = [group("00gAdmins", "Admins", true), group("00gFinance", "Department Finance", true)];
        let directory = Directory::new(groups, ["00gAdmins".to_owned()].into()).with_rules(vec![rule(expression)]);
        let found = admits(account, &rulebook(), &directory, plan, |group| group == "00gAdmins");
        (found.attributes.into_iter().collect(), found.groups.into_iter().collect())
    }

    #[test]
    fn what_makes_somebody_fit_a_rule_that_fills_a_group_of_administrators_is_named() {
        let account = bare("00u1", "ada@example.com", Some("p1"));
        let by = |expression: &str, department: &str| of(expression, &moves(department), Some(&account));
        let (department, none) = (vec!["department".to_owned()], Vec::<String>::new());
        assert_eq!(by("user.department==\"Legal\"", "Legal"), (department.clone(), none.clone()));
        assert_eq!(by("user.department==\"Legal\"", "Sales"), (none.clone(), none.clone()));
        let unread = "user.department==\"Legal\" && user.city==\"Berlin\"";
        assert_eq!(by(unread, "Legal"), (department.clone(), none.clone()), "nobody has read the city: it may be so");
        assert_eq!(by(unread, "Sales"), (none.clone(), none.clone()));
        let unclear = "String.toUpperCase(user.department)==\"LEGAL\"";
        assert_eq!(by(unclear, "Sales"), (department, none.clone()), "what cannot be foretold is unknown");
        assert_eq!(by("String.toUpperCase(user.city)==\"BERLIN\"", "Legal"), (none.clone(), none.clone()));
        let group = vec!["00gFinance".to_owned()];
        assert_eq!(by("isMemberOfAnyGroup(\"00gFinance\")", "Sales"), (none.clone(), group.clone()));
        assert_eq!(by("isMemberOfGroupNameStartsWith(\"Department\")", "Sales"), (none.clone(), group));
        let is_in = Account { groups: ["00gAdmins".to_owned()].into(), ..account.clone() };
        assert_eq!(of("user.department==\"Legal\"", &moves("Legal"), Some(&is_in)), (none.clone(), none));
    }

    #[test]
    fn whoever_is_activated_again_fits_what_a_rule_has_come_to_look_at_while_they_were_away() {
        let profile = BTreeMap::from([("department".to_owned(), Value::from("Legal"))]);
        let account = bare("00u1", "ada@example.com", Some("p1"));
        let away = Account { profile, status: AccountStatus::Deprovisioned, ..account };
        let back = Plan { steps: vec![Step::Activate { id: "00u1".into(), send_email: true }], ..Plan::default() };
        let group = |id: &str| Group { id: id.into(), name: id.into(), writable: true };
        let admitted = |expression: &str, plan: &Plan| {
            let rules = vec![rule(expression)];
            let directory = Directory::new([group("00gAdmins")], ["00gAdmins".to_owned()].into()).with_rules(rules);
            admits(Some(&away), &rulebook(), &directory, plan, |group| group == "00gAdmins").by_activation
        };
        assert!(admitted("user.department==\"Legal\"", &back));
        assert!(admitted("user.city==\"Berlin\"", &back), "nobody has read the city: it may be so");
        assert!(!admitted("user.department==\"Sales\"", &back));
        assert!(!admitted("user.department==\"Legal\"", &moves("Legal")), "nothing is evaluated while they are away");
    }

    #[test]
    fn a_new_account_is_nothing_but_what_is_sent() {
        let profile = BTreeMap::from([("department".to_owned(), Value::from("Legal"))]);
        let step = Step::CreateUser { profile, groups: Vec::new(), activate: true, user_type: None };
        let plan = Plan { steps: vec![step], ..Plan::default() };
        assert_eq!(of("user.department==\"Legal\"", &plan, None).0, ["department"]);
        assert!(of("user.department==\"Legal\" && user.city==\"Berlin\"", &plan, None).0.is_empty());
    }
}
