//! What somebody should have, in terms of the org: groups and user types by id, or why there is none.

use crate::domain::account::directory::Directory;
use crate::domain::account::user::Account;
use crate::domain::mapping::desired::{Desired, REQUIRED};
use crate::domain::plan::situation::{Obstacle, Situation};
use crate::domain::plan::step::Step;
use serde_json::Value;
use std::collections::BTreeSet;

pub(in crate::domain) fn group_name(directory: &Directory, group: &str) -> String {
    directory.find(group).map_or_else(|| group.to_owned(), |g| g.name.clone())
}

pub(in crate::domain) fn removals<'a>(
    account: &'a Account,
    directory: &'a Directory,
    which: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = Step> + 'a {
    account.groups.union(&account.marks.unsure.groups).filter(move |group| which(group)).map(|group| {
        Step::RemoveGroup { id: account.id.clone(), group: group.clone(), name: group_name(directory, group) }
    })
}

/// What the mapping wants, checked: nobody can have an account without its required attributes.
pub(in crate::domain) fn wanted(situation: &Situation) -> Result<Desired, Obstacle> {
    let mut desired = situation.rulebook.desired(situation.case, situation.now)?;
    situation.case.pins.overlay(&mut desired, |name| situation.rulebook.writes(name));
    for name in REQUIRED {
        if desired.attributes.get(name).is_none_or(Value::is_null) {
            return Err(format!(
                "{name} is empty; fill the field in Namely that it is mapped from (login and email come from the \
                 company email unless the configuration says otherwise)"
            )
            .into());
        }
    }
    Ok(desired)
}

/// Desired groups as ids; those a rule fills are left to the rule.
pub(in crate::domain) struct Resolved {
    pub(in crate::domain) ids: BTreeSet<String>,
    pub(in crate::domain) missing: Vec<String>,
}

pub(in crate::domain) fn resolve(desired: &Desired, directory: &Directory) -> Result<Resolved, String> {
    let mut resolved = Resolved { ids: BTreeSet::new(), missing: Vec::new() };
    for (name, wanted) in &desired.groups {
        match directory.find(name) {
            Some(group) if directory.is_rule_owned(&group.id) => {}
            Some(group) if group.writable => {
                resolved.ids.insert(group.id.clone());
            }
            Some(group) => {
                return Err(format!(
                    "{}: Okta does not let anybody write memberships of group {:?}; name another group",
                    wanted.rule, group.name
                ));
            }
            None if wanted.create => resolved.missing.push(name.clone()),
            None => {
                return Err(format!(
                    "{}: there is no group {name:?} in Okta; create it there, or set create = true on the rule",
                    wanted.rule
                ));
            }
        }
    }
    Ok(resolved)
}

/// The groups with what an undo has restored; only memberships that are ours to write.
pub(in crate::domain) fn pinned(mut groups: Resolved, situation: &Situation) -> Resolved {
    let pins = &situation.case.pins;
    let ours = |group: &&String| situation.directory.is_ours_to_write(group);
    groups.ids.extend(pins.member.iter().filter(ours).cloned());
    groups.ids.retain(|group| !pins.not_member.contains(group));
    groups
}

/// The id of the wanted user type.
pub(in crate::domain) fn user_type(
    desired: &Desired,
    directory: &Directory,
) -> Result<Option<(String, String)>, String> {
    let Some(name) = &desired.user_type else { return Ok(None) };
    match directory.user_type(name) {
        Some(id) => Ok(Some((id.to_owned(), name.clone()))),
        None => Err(format!(
            "user_type: there is no user type {name:?} in Okta; add it under Directory > Profile Editor, or correct the name"
        )),
    }
}
