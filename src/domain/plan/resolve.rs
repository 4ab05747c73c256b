//! What somebody should have, in terms of the org: groups and user types by id, or why there is none.

use crate::domain::account::directory::{Directory, Group};
use crate::domain::account::user::Account;
use crate::domain::mapping::desired::{Desired, Mapping, REQUIRED};
use crate::domain::plan::awaited::Awaited;
use crate::domain::plan::case::Case;
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
    let desired = situation.rulebook.desired(situation.case, situation.now);
    let mut desired = desired.map_err(|why| Obstacle { awaits: login_awaited(situation), ..Obstacle::from(why) })?;
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

/// The login that somebody waits for who gets none.
fn login_awaited(situation: &Situation) -> Vec<Awaited> {
    let Case { org, person, login, .. } = situation.case;
    let wanted = || situation.rulebook.wanted_logins(org, person).unwrap_or_default();
    if login.is_err() { wanted().into_iter().map(Awaited::Login).collect() } else { Vec::new() }
}

/// Characters that the name of a group has at most (`okta-api.md §3.3`).
const LONGEST_NAME: usize = 255;

/// Why Okta makes no group of this name, or nobody could tell it from another one.
fn unfit(name: &str) -> Option<String> {
    let length = name.chars().count();
    if name.chars().any(char::is_control) {
        Some("the name has control characters; correct it in Namely, or in the rule".into())
    } else if length > LONGEST_NAME {
        Some(format!("the name has {length} characters, and Okta takes {LONGEST_NAME}"))
    } else {
        None
    }
}

/// As much of a name as is shown.
fn cut(name: &str) -> String {
    const SHOWN: usize = 60;
    let shown: String = name.chars().take(SHOWN).collect();
    if shown.len() < name.len() { shown + "…" } else { shown }
}

/// Something that the org lacks, which costs nothing but itself.
pub(in crate::domain) struct Lacking {
    pub(in crate::domain) why: String,
    pub(in crate::domain) awaited: Awaited,
}

/// Desired groups as ids; those a rule fills are left to the rule.
pub(in crate::domain) struct Resolved {
    pub(in crate::domain) ids: BTreeSet<String>,
    pub(in crate::domain) missing: Vec<String>,
    /// Groups that are not there, or into which nobody can be put, and that no rule makes.
    pub(in crate::domain) lacking: Vec<Lacking>,
}

/// Why a group whose name is the same to Okta is not taken for the one that a rule would make, if it is not.
fn not_taken_over(name: &str, group: &Group, mapping: &Mapping, directory: &Directory) -> Option<String> {
    let why = if !mapping.manages(group) {
        "and no `owns` governs it"
    } else if !group.writable {
        "and Okta does not let anybody write its memberships"
    } else if directory.administrators().groups.get(&group.id) == Some(&true) {
        "and it carries an admin role"
    } else {
        return None;
    };
    Some(format!(
        "a group that is called {name:?} cannot be made: to Okta {:?} has the same name, {why}; rename that one, or let the rule name \
         it",
        group.name
    ))
}

/// What cannot be had costs the group, and not the account, unless its rule says that nobody works without it.
pub(in crate::domain) fn resolve(
    desired: &Desired,
    mapping: &Mapping,
    directory: &Directory,
) -> Result<Resolved, Obstacle> {
    let mut resolved = Resolved { ids: BTreeSet::new(), missing: Vec::new(), lacking: Vec::new() };
    for (name, wanted) in &desired.groups {
        // To Okta two names that differ in case are one: what a rule would make is there already.
        let found = directory.find(name);
        let alike = directory.find_alike(name).filter(|_| found.is_none() && wanted.create);
        let why_not = alike.and_then(|group| not_taken_over(name, group, mapping, directory));
        let alike = alike.filter(|_| why_not.is_none());
        // What somebody else has deleted is not made again without a decision.
        let gone = directory.gone().called(name);
        let is_made_again = gone.is_some_and(|gone| gone.again == Some(true));
        let why = match (found.or(alike), gone) {
            (None, _) if why_not.is_some() => format!("{}: {}", wanted.rule, why_not.unwrap_or_default()),
            (Some(group), _) if directory.is_rule_owned(&group.id) => continue,
            (Some(group), _) if group.writable => {
                resolved.ids.insert(group.id.clone());
                continue;
            }
            (Some(group), _) => format!(
                "{}: Okta does not let anybody write memberships of group {:?}; name another group",
                wanted.rule, group.name
            ),
            (None, Some(gone)) if !is_made_again => {
                if gone.again == Some(false) && !wanted.required {
                    continue;
                }
                format!("{}: {}", wanted.rule, gone.message())
            }
            (None, _) if wanted.create || is_made_again => match unfit(name) {
                None => {
                    resolved.missing.push(name.clone());
                    continue;
                }
                Some(why) => format!("{}: a group that is called {:?} cannot be made: {why}", wanted.rule, cut(name)),
            },
            (None, _) => format!(
                "{}: there is no group {name:?} in Okta; create it there, or set create = true on the rule",
                wanted.rule
            ),
        };
        let awaited = Awaited::Group(name.clone());
        if wanted.required {
            return Err(Obstacle { why, read_again: false, awaits: vec![awaited] });
        }
        resolved.lacking.push(Lacking { why, awaited });
    }
    Ok(resolved)
}

/// The groups with what an undo has restored; only memberships that are ours to write.
pub(in crate::domain) fn pinned(mut groups: Resolved, situation: &Situation) -> Resolved {
    let pins = &situation.case.pins;
    if pins.is_empty() {
        return groups;
    }
    let pins = pins.of_now(situation.directory);
    let ours = |group: &&String| situation.directory.is_ours_to_write(group);
    groups.ids.extend(pins.member.iter().filter(ours).cloned());
    groups.ids.retain(|group| !pins.not_member.contains(group));
    groups
}

/// The id of the wanted user type.
pub(in crate::domain) fn user_type(
    desired: &Desired,
    directory: &Directory,
) -> Result<Option<(String, String)>, Obstacle> {
    let Some(name) = &desired.user_type else { return Ok(None) };
    match directory.user_type(name) {
        Some(id) => Ok(Some((id.to_owned(), name.clone()))),
        None => Err(Obstacle {
            why: format!(
                "user_type: there is no user type {name:?} in Okta; add it under Directory > Profile Editor, or correct the \
                 name"
            ),
            read_again: false,
            awaits: vec![Awaited::UserType(name.clone())],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mapping::desired::tests::usual;

    #[test]
    fn a_group_whose_name_is_the_same_to_okta_is_taken_over_only_if_it_is_governed_and_carries_no_role() {
        let group = |name: &str, writable| Group { id: "00g1".into(), name: name.into(), writable };
        let why = |found: &Group, carries: bool| {
            let mut directory = Directory::new([found.clone()], BTreeSet::new());
            directory.learn_role("00g1", Some(carries));
            not_taken_over("Department Finance", found, &usual(), &directory)
        };
        assert_eq!(why(&group("Department FINANCE", true), false), None);
        let ours = group("Department FINANCE", false);
        assert!(why(&ours, false).is_some());
        assert!(why(&group("Other", true), false).is_some_and(|why| why.contains("no `owns` governs it")));
        assert!(why(&group("Department FINANCE", true), true).is_some_and(|why| why.contains("admin role")));
    }

    #[test]
    fn a_name_that_no_group_can_have_costs_the_group_only() {
        assert_eq!(unfit("Department Finance"), None);
        assert!(unfit("Department\nFinance").is_some_and(|why| why.contains("control characters")));
        assert!(unfit(&"x".repeat(300)).is_some_and(|why| why.contains("300 characters")));
        assert_eq!(cut(&"x".repeat(300)).chars().count(), 61);
    }
}
