//! Which kinds of change a plan is made of, what of it remains when some may not be done, and how it is said in words.

use crate::domain::mapping::desired::LOGIN;
use crate::domain::plan::kind::{ChangeKind, is_contact, is_login};
use crate::domain::plan::situation::Plan;
use crate::domain::plan::step::Step;
use crate::domain::record::employee::FieldChange;
use crate::domain::record::lifecycle::Means;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of change that one call is made of: an update of several attributes may be of several.
pub fn kinds_of(plan: &Plan, step: &Step, former: Option<&str>) -> BTreeSet<ChangeKind> {
    let own = ChangeKind::of(step, false).filter(|_| matches!(step, Step::CreateUser { .. }));
    split(plan, step, former).into_iter().filter_map(|(kind, _)| kind).chain(own).collect()
}

/// A call taken apart into what is of one kind each. Attributes that only follow the login, such as the one that keeps
/// the former login, go with it.
fn split(plan: &Plan, step: &Step, former: Option<&str>) -> Vec<(Option<ChangeKind>, Step)> {
    let (id, changes) = match step {
        Step::UpdateUser { id, changes } | Step::ChangeType { id, changes, .. } => (id, changes),
        _ => return vec![(plan.kind(step), step.clone())],
    };
    let mut by_kind = part(plan, changes, former);
    let mut parts = Vec::new();
    if let Step::ChangeType { id, user_type, name, .. } = step {
        let changes = by_kind.remove(&ChangeKind::ChangeAttributes).unwrap_or_default();
        let step = Step::ChangeType { id: id.clone(), user_type: user_type.clone(), name: name.clone(), changes };
        parts.push((Some(ChangeKind::ChangeAttributes), step));
    }
    for (kind, changes) in by_kind {
        parts.push((Some(kind), Step::UpdateUser { id: id.clone(), changes }));
    }
    parts
}

/// Changes of attributes by their kind.
fn part(plan: &Plan, changes: &[FieldChange], former: Option<&str>) -> BTreeMap<ChangeKind, Vec<FieldChange>> {
    let moves = changes.iter().any(is_login);
    let mut by_kind: BTreeMap<ChangeKind, Vec<FieldChange>> = BTreeMap::new();
    for change in changes {
        let kind = if plan.admits.contains(&change.field) {
            ChangeKind::GrantAdmin
        } else if is_login(change) || (moves && former == Some(change.field.as_str())) {
            ChangeKind::ChangeLogin
        } else if is_contact(change) {
            ChangeKind::ChangeContact
        } else {
            ChangeKind::ChangeAttributes
        };
        by_kind.entry(kind).or_default().push(change.clone());
    }
    by_kind
}

/// A plan of which only some kinds of change may be carried out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sifted {
    /// What may be carried out, in order.
    pub steps: Vec<Step>,
    /// What may not, by kind.
    pub withheld: BTreeMap<ChangeKind, Vec<Step>>,
}

/// Takes the kinds out of a plan that `may` does not let through.
pub fn sift(plan: &Plan, former: Option<&str>, may: impl Fn(ChangeKind) -> bool) -> Sifted {
    sift_calls(plan, former, |change, _| may(change))
}

/// Takes out of a plan what `may` does not let through: whole kinds, or single calls of a kind; of a call that writes several
/// attributes it is asked about each.
pub fn sift_calls(plan: &Plan, former: Option<&str>, may: impl Fn(ChangeKind, &Step) -> bool) -> Sifted {
    let mut sifted = Sifted::default();
    let made = plan.steps.iter().find(|step| matches!(step, Step::CreateUser { .. }));
    // What stands before an activation has to go before access comes back.
    let comes_back = plan.steps.iter().position(|step| matches!(step, Step::Activate { .. })).unwrap_or(0);
    let mut asleep = None;
    for (n, step) in plan.steps.iter().enumerate() {
        // A deactivated account takes nothing until it is activated: what comes after waits with that.
        let wakes = plan.kind(step).filter(|_| matches!(step, Step::Activate { .. }));
        if let Some(kind) = wakes.filter(|kind| asleep.is_none() && !may(*kind, step)) {
            asleep = Some(kind);
        } else if asleep.is_none() && n < comes_back && !plan.exit {
            asleep = ChangeKind::of(step, false).filter(|kind| *kind == ChangeKind::RemoveGroup && !may(*kind, step));
        }
        if let Some(kind) = asleep {
            sifted.withhold(kind, step.clone());
            continue;
        }
        let kind = made.and_then(|step| plan.kind(step)).unwrap_or(ChangeKind::ChangeLogin);
        // Nobody is read for what waits.
        if matches!(step, Step::ReadHolder { .. }) {
            sifted.steps.extend(plan.steps.get(n + 1).filter(|taken| may(kind, taken)).map(|_| step.clone()));
            continue;
        }
        // Taking a login from a deactivated account serves the one who gets it.
        if matches!(step, Step::FreeLogin { .. }) {
            if may(kind, step) {
                sifted.steps.push(step.clone())
            } else {
                sifted.withhold(kind, step.clone())
            }
            continue;
        }
        let parts = split(plan, step, former);
        let passes = |(kind, part): &(Option<ChangeKind>, Step)| {
            kind.is_none_or(|kind| singles(part).iter().all(|single| may(kind, single)))
        };
        if parts.iter().all(passes) {
            sifted.steps.push(step.clone());
            continue;
        }
        let mut passing: Option<Step> = None;
        for (kind, part) in parts {
            let (goes, stays) = match kind {
                None => (Some(part), None),
                Some(kind) => divide(part, |single| may(kind, single)),
            };
            if let (Some(kind), Some(stays)) = (kind, stays) {
                sifted.withhold(kind, stays);
            }
            match (&mut passing, goes) {
                (_, None) => {}
                // What may go of one call goes as one call.
                (
                    Some(Step::UpdateUser { changes, .. } | Step::ChangeType { changes, .. }),
                    Some(Step::UpdateUser { changes: mut more, .. }),
                ) => changes.append(&mut more),
                (_, Some(part)) => sifted.steps.extend(passing.replace(part)),
            }
        }
        sifted.steps.extend(passing);
    }
    sifted
}

/// A call as one for each attribute that it writes.
fn singles(step: &Step) -> Vec<Step> {
    match step {
        Step::UpdateUser { id, changes } if changes.len() > 1 => {
            changes.iter().map(|one| Step::UpdateUser { id: id.clone(), changes: vec![one.clone()] }).collect()
        }
        _ => vec![step.clone()],
    }
}

/// The part of a call that may go, and the part that may not.
fn divide(step: Step, may: impl Fn(&Step) -> bool) -> (Option<Step>, Option<Step>) {
    let Step::UpdateUser { id, changes } = step else {
        return if may(&step) { (Some(step), None) } else { (None, Some(step)) };
    };
    let of = |changes: Vec<FieldChange>| (!changes.is_empty()).then(|| Step::UpdateUser { id: id.clone(), changes });
    let single = |one: &FieldChange| Step::UpdateUser { id: id.clone(), changes: vec![one.clone()] };
    let (goes, stays) = changes.into_iter().partition(|one| may(&single(one)));
    (of(goes), of(stays))
}

impl Sifted {
    fn withhold(&mut self, kind: ChangeKind, step: Step) {
        self.withheld.entry(kind).or_default().push(step);
    }
}

/// The calls of a plan, by kind.
pub fn by_kind(plan: &Plan, former: Option<&str>) -> BTreeMap<ChangeKind, Vec<Step>> {
    let mut by_kind: BTreeMap<ChangeKind, Vec<Step>> = BTreeMap::new();
    let makes = plan.steps.iter().any(|step| matches!(step, Step::CreateUser { .. }));
    for step in &plan.steps {
        if makes && matches!(step, Step::FreeLogin { .. }) {
            by_kind.entry(ChangeKind::Create).or_default().push(step.clone());
            continue;
        }
        let alone = Plan { steps: vec![step.clone()], ..plan.kinds() };
        for (kind, mut steps) in sift(&alone, former, |_| false).withheld {
            by_kind.entry(kind).or_default().append(&mut steps);
        }
    }
    by_kind
}

/// The changes of a plan, by kind, each in words. The words are also what an approval is bound to.
pub fn summary(plan: &Plan, former: Option<&str>) -> BTreeMap<ChangeKind, Vec<String>> {
    by_kind(plan, former).into_iter().map(|(kind, steps)| (kind, words(kind, &steps))).collect()
}

/// What stands between the words of one kind of change.
pub const BETWEEN: &str = "; ";

/// What these calls do, in words. The calls of an exit depend on how far it has come: in words it is one thing.
pub fn words(kind: ChangeKind, steps: &[Step]) -> Vec<String> {
    match kind {
        ChangeKind::Deactivate => vec!["access ends".to_owned()],
        ChangeKind::Suspend => vec!["suspended".to_owned()],
        ChangeKind::GrantAdmin => steps
            .iter()
            .filter_map(|step| Some((step, describe(step)?)))
            .map(|(step, message)| match step {
                Step::AddGroup { .. } => format!("{message}, which carries an admin role"),
                _ => format!("{message}, by which a rule of Okta gives an admin role"),
            })
            .collect(),
        _ => steps.iter().filter_map(describe).collect(),
    }
}

/// One call in words; `None` where it only helps another one.
pub fn describe(step: &Step) -> Option<String> {
    let of = |profile: &BTreeMap<String, Value>, key: &str| {
        profile.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    Some(match step {
        Step::ReadAccount { .. } | Step::ReadHolder { .. } | Step::ReadProfile { .. } => return None,
        Step::CreateGroup { name } => format!("group {name:?} made"),
        Step::FreeLogin { id, login, .. } => format!("login {login} taken from the deactivated account {id}"),
        Step::CreateUser { profile, groups, activate, .. } => format!(
            "account {} made{}, in {} group{}",
            of(profile, LOGIN),
            if *activate { " and activated" } else { ", activated when the start has come" },
            groups.len(),
            if groups.len() == 1 { "" } else { "s" },
        ),
        Step::Activate { .. } => "activated".into(),
        Step::Suspend { .. } => "suspended".into(),
        Step::Unsuspend { .. } => "unsuspended".into(),
        Step::Unlock { .. } => "unlocked".into(),
        Step::UpdateUser { changes, .. } => fields(changes),
        Step::ChangeType { name, changes, .. } if changes.is_empty() => format!("user type {name}"),
        Step::ChangeType { name, changes, .. } => format!("user type {name}; {}", fields(changes)),
        Step::SetManager { manager, .. } => format!("linked to the manager's account {manager}"),
        Step::ClearManager { .. } => "link to the manager removed".into(),
        Step::RevokeSessions { .. } | Step::RevokeSessionsAgain { .. } => "sessions revoked".into(),
        Step::Deactivate { .. } => "deactivated".into(),
        Step::ReadBack { .. } => "deactivation read back".into(),
        Step::ListGroups { .. } | Step::ReadGroups { .. } => "memberships listed".into(),
        Step::ReadRoles { .. } | Step::ReadGroupRoles { .. } => "admin roles read".into(),
        Step::RemoveGroup { name, .. } => format!("out of group {name:?}"),
        Step::AddGroup { name, .. } => format!("into group {name:?}"),
        Step::AssignApp { name, .. } => format!("app {name:?} given"),
        Step::MakeSignIn { means, to, .. } => {
            let what = if *means == Means::Link { "activation link" } else { "temporary access code" };
            let whom = to.as_ref().map_or_else(|| "IT".to_owned(), |to| format!("the manager, {to}"));
            format!("{what} given to {whom}")
        }
        Step::NameInApp { name, before, user_name, .. } => {
            let before = before.as_ref().map_or_else(|| "unknown".to_owned(), |before| format!("{before:?}"));
            format!("name in app {name:?}: {before} → {user_name:?}")
        }
        Step::UnassignApp { name, .. } => format!("app {name:?} taken"),
    })
}

fn fields(changes: &[FieldChange]) -> String {
    let text = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    let message = changes.iter().map(|c| format!("{}: {} → {}", c.field, text(&c.before), text(&c.after)));
    message.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(field: &str) -> FieldChange {
        FieldChange { field: field.into(), before: "old".into(), after: "new".into() }
    }

    fn plan(steps: Vec<Step>) -> Plan {
        Plan { steps, ..Plan::default() }
    }

    fn update(fields: &[&str]) -> Step {
        Step::UpdateUser { id: "00u1".into(), changes: fields.iter().map(|f| change(f)).collect() }
    }

    #[test]
    fn a_login_that_is_held_leaves_the_other_attributes_to_go() {
        let sifted =
            sift(&plan(vec![update(&["title", "login", "formerLogin", "email"])]), Some("formerLogin"), |kind| {
                kind != ChangeKind::ChangeLogin
            });
        assert_eq!(sifted.steps, [update(&["title"])]);
        assert_eq!(sifted.withheld[&ChangeKind::ChangeLogin], [update(&["login", "formerLogin", "email"])]);
    }

    #[test]
    fn a_phone_that_is_held_leaves_login_and_title_to_go_in_one_call() {
        let whole = plan(vec![update(&["login", "title", "mobilePhone", "secondEmail"])]);
        let sifted = sift(&whole, None, |kind| kind != ChangeKind::ChangeContact);
        assert_eq!(sifted.steps, [update(&["login", "title"])]);
        assert_eq!(sifted.withheld[&ChangeKind::ChangeContact], [update(&["mobilePhone", "secondEmail"])]);
        let sifted = sift(&whole, None, |kind| kind == ChangeKind::ChangeAttributes);
        assert_eq!(sifted.steps, [update(&["title"])]);
    }

    #[test]
    fn what_may_go_goes_as_one_call_and_in_the_order_of_the_plan() {
        let group = Step::RemoveGroup { id: "00u1".into(), group: "00g1".into(), name: "Finance".into() };
        let whole = plan(vec![group.clone(), update(&["title", "login"])]);
        assert_eq!(sift(&whole, None, |_| true).steps, whole.steps);
        let sifted = sift(&whole, None, |kind| kind != ChangeKind::RemoveGroup);
        assert_eq!(sifted.steps, [update(&["title", "login"])]);
        assert_eq!(sifted.withheld[&ChangeKind::RemoveGroup], [group]);
    }

    #[test]
    fn every_call_of_an_exit_is_held_with_it_and_told_as_one_thing() {
        let id = || "00u1".to_owned();
        let all = vec![
            Step::RevokeSessions { id: id() },
            Step::Deactivate { id: id() },
            Step::ReadBack { id: id() },
            Step::RemoveGroup { id: id(), group: "00g1".into(), name: "Finance".into() },
        ];
        let exit = Plan { steps: all.clone(), exit: true, ..Plan::default() };
        let sifted = sift(&exit, None, |kind| kind != ChangeKind::Deactivate);
        assert!(sifted.steps.is_empty());
        assert_eq!(sifted.withheld[&ChangeKind::Deactivate], all);
        let later = Plan { steps: all[2..].to_vec(), exit: true, ..Plan::default() };
        assert_eq!(summary(&exit, None), summary(&later, None));
    }

    #[test]
    fn a_login_is_taken_from_a_deactivated_holder_only_for_somebody_who_gets_it() {
        let free = Step::FreeLogin { id: "00u9".into(), login: "x".into(), renamed: "y".into() };
        let sifted = sift(&plan(vec![free.clone(), update(&["login"])]), None, |kind| kind != ChangeKind::ChangeLogin);
        assert!(sifted.steps.is_empty());
        assert_eq!(sifted.withheld[&ChangeKind::ChangeLogin], [free, update(&["login"])]);
    }

    #[test]
    fn what_comes_after_an_activation_waits_with_it() {
        let activate = Step::Activate { id: "00u1".into(), send_email: false };
        let sifted = sift(&plan(vec![activate.clone(), update(&["title"])]), None, |kind| kind != ChangeKind::Activate);
        assert!(sifted.steps.is_empty());
        assert_eq!(sifted.withheld[&ChangeKind::Activate], [activate, update(&["title"])]);
    }

    #[test]
    fn a_changed_type_without_its_login_is_still_a_changed_type() {
        let step = |fields: &[&str]| Step::ChangeType {
            id: "00u1".into(),
            user_type: "oty1".into(),
            name: "contractor".into(),
            changes: fields.iter().map(|f| change(f)).collect(),
        };
        let sifted = sift(&plan(vec![step(&["login", "title"])]), None, |kind| kind != ChangeKind::ChangeLogin);
        assert_eq!(sifted.steps, [step(&["title"])]);
        assert_eq!(sifted.withheld[&ChangeKind::ChangeLogin], [update(&["login"])]);
    }

    #[test]
    fn every_kind_has_its_word() {
        for change in ChangeKind::ALL {
            assert_eq!(ChangeKind::parse(change.as_str()), Some(change));
        }
    }

    #[test]
    fn changes_are_told_in_words_that_name_both_values() {
        let message = summary(&plan(vec![update(&["title"])]), None);
        assert_eq!(message[&ChangeKind::ChangeAttributes], ["title: \"old\" → \"new\""]);
    }
}
