//! The difference between what somebody should have and what they have, as steps.
//!
//! **Invariant:** a plan costs exactly its difference. A person whose account is as it should be has an empty plan.
//! Plans are cheap and are made anew from the newest snapshot each time; a plan's position is never stored.

use super::account::{Account, AccountStatus, ExitProof, Scope};
use super::apps;
use super::class::Class;
use super::directory::Directory;
use super::employee::{Employee, FieldChange};
use super::lifecycle::Entitlement;
use super::mapping::{Desired, Mapping, REQUIRED};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// `POST /users` takes at most this many groups (`okta-api.md §3.1`).
pub const MAX_GROUPS_IN_CREATE: usize = 20;

/// One call to Okta that a plan asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// Read the account, because what became of an earlier call is unknown. By id, or by login before there is an id.
    Look {
        id_or_login: String,
    },
    /// Make a group that a rule may create.
    CreateGroup {
        name: String,
    },
    /// Make the account, activated, in its groups.
    CreateUser {
        profile: BTreeMap<String, Value>,
        groups: Vec<String>,
    },
    /// Write the attributes that differ, and only these.
    UpdateUser {
        id: String,
        changes: Vec<FieldChange>,
    },
    /// End Okta sessions and revoke OAuth tokens.
    RevokeSessions {
        id: String,
    },
    Deactivate {
        id: String,
    },
    /// Once more after the deactivation: closes the race of a sign-in between the two. Its failure is tolerated.
    RevokeSessionsAgain {
        id: String,
    },
    /// Prove that the account is deactivated.
    ReadBack {
        id: String,
    },
    /// Learn every membership, so that all can be removed.
    ListGroups {
        id: String,
    },
    RemoveGroup {
        id: String,
        group: String,
        name: String,
    },
    AddGroup {
        id: String,
        group: String,
        name: String,
    },
    /// Assign an app to the person.
    AssignApp {
        id: String,
        app: String,
        name: String,
        user_name: Option<String>,
    },
    UnassignApp {
        id: String,
        app: String,
        name: String,
    },
}

impl Step {
    /// How urgent this one call is; a plan may hold steps of several classes.
    pub fn class(&self) -> Class {
        match self {
            Step::Look { .. } => Class::Restore,
            Step::RevokeSessions { .. } | Step::Deactivate { .. } => Class::Revoke,
            Step::RevokeSessionsAgain { .. }
            | Step::ReadBack { .. }
            | Step::ListGroups { .. }
            | Step::RemoveGroup { .. }
            | Step::UnassignApp { .. } => Class::Remove,
            Step::CreateGroup { .. } | Step::CreateUser { .. } | Step::AddGroup { .. } | Step::AssignApp { .. } => {
                Class::Grant
            }
            Step::UpdateUser { .. } => Class::Describe,
        }
    }

    /// Whether the call changes something in Okta.
    pub fn is_write(&self) -> bool {
        !matches!(self, Step::Look { .. } | Step::ReadBack { .. } | Step::ListGroups { .. })
    }

    /// The word for it in audit rows, metrics and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Look { .. } => "look",
            Step::CreateGroup { .. } => "create_group",
            Step::CreateUser { .. } => "create_user",
            Step::UpdateUser { .. } => "update_user",
            Step::RevokeSessions { .. } => "revoke_sessions",
            Step::Deactivate { .. } => "deactivate",
            Step::RevokeSessionsAgain { .. } => "revoke_sessions_again",
            Step::ReadBack { .. } => "read_back",
            Step::ListGroups { .. } => "list_groups",
            Step::RemoveGroup { .. } => "remove_group",
            Step::AddGroup { .. } => "add_group",
            Step::AssignApp { .. } => "assign_app",
            Step::UnassignApp { .. } => "unassign_app",
        }
    }
}

/// Everything a plan is made from.
pub struct Situation<'a> {
    pub employee: &'a Employee,
    pub entitlement: &'a Entitlement,
    /// What Okta holds; `None` where there is no account.
    pub account: Option<&'a Account>,
    pub mapping: &'a Mapping,
    pub directory: &'a Directory,
}

/// The verdict on a situation.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Do these steps in this order; nothing to do if empty.
    Steps(Vec<Step>),
    /// Nothing can be done for this person until somebody changes something. The reason says what.
    SetAside(String),
}

/// Makes the plan for one person.
pub fn plan(situation: &Situation) -> Plan {
    match situation.entitlement {
        Entitlement::Ended(_) => Plan::Steps(match situation.account {
            Some(account) => leave(account, situation.directory),
            None => Vec::new(),
        }),
        Entitlement::NotYet => Plan::Steps(Vec::new()),
        Entitlement::Unclear(why) => Plan::SetAside(why.clone()),
        Entitlement::Entitled => entitled(situation).unwrap_or_else(Plan::SetAside),
    }
}

/// The steps that end access: sessions and deactivation go out without a prior read; then it is proved, and every
/// membership that is ours to write is removed.
fn leave(account: &Account, directory: &Directory) -> Vec<Step> {
    let id = || account.id.clone();
    let mut proof = account.exit.clone().unwrap_or_default();
    if !account.is_live() && account.exit.is_none() {
        return Vec::new(); // ended before we came: priming has seen it
    }
    if account.is_live() && proof.read_back {
        proof = ExitProof::default(); // somebody re-activated the account since
    }
    let mut steps = Vec::new();
    if account.is_live() {
        if !proof.sessions_revoked {
            steps.push(Step::RevokeSessions { id: id() });
        }
        steps.push(Step::Deactivate { id: id() });
    }
    if !proof.sessions_revoked_again {
        steps.push(Step::RevokeSessionsAgain { id: id() });
    }
    if !proof.read_back {
        steps.push(Step::ReadBack { id: id() });
    }
    if !proof.groups_listed {
        steps.push(Step::ListGroups { id: id() });
        return steps; // what to remove is known after this one
    }
    steps.extend(removals(account, directory, |group| directory.is_ours_to_write(group)));
    steps
}

fn removals<'a>(
    account: &'a Account,
    directory: &'a Directory,
    which: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = Step> + 'a {
    account.groups.iter().filter(move |group| which(group)).map(|group| Step::RemoveGroup {
        id: account.id.clone(),
        group: group.clone(),
        name: directory.find(group).map_or_else(|| group.clone(), |g| g.name.clone()),
    })
}

fn entitled(situation: &Situation) -> Result<Plan, String> {
    if situation.account.is_some_and(|a| a.status == AccountStatus::Deprovisioned) {
        return Err("active in Namely, but the Okta account is deactivated: somebody who comes back is not \
                    re-activated by this version; activate the account in Okta, then the rest follows"
            .into());
    }
    let desired = situation.mapping.desired(situation.employee).map_err(|e| e.to_string())?;
    for name in REQUIRED {
        if desired.attributes.get(name).is_none_or(Value::is_null) {
            return Err(format!(
                "{name} is empty; fill the field in Namely that it is mapped from (login and email come from the \
                 company email unless the configuration says otherwise)"
            ));
        }
    }
    let groups = resolve(&desired, situation.directory)?;
    if !groups.missing.is_empty() {
        return Ok(Plan::Steps(groups.missing.into_iter().map(|name| Step::CreateGroup { name }).collect()));
    }
    Ok(Plan::Steps(match situation.account {
        None => vec![join(desired, &groups.ids)],
        Some(account) => {
            let mut steps = adjust(account, &desired, &groups.ids, situation);
            let apps = apps::steps(account, &desired, situation.mapping, situation.directory)?;
            // What goes goes first.
            let (taken, given): (Vec<_>, Vec<_>) = apps.into_iter().partition(|s| s.class() == Class::Remove);
            steps.splice(0..0, taken);
            steps.extend(given);
            steps
        }
    }))
}

/// Desired groups as ids; those a rule fills are left to the rule.
struct Resolved {
    ids: BTreeSet<String>,
    missing: Vec<String>,
}

fn resolve(desired: &Desired, directory: &Directory) -> Result<Resolved, String> {
    let mut resolved = Resolved { ids: BTreeSet::new(), missing: Vec::new() };
    for (name, wish) in &desired.groups {
        match directory.find(name) {
            Some(group) if directory.is_rule_owned(&group.id) => {}
            Some(group) if group.writable => {
                resolved.ids.insert(group.id.clone());
            }
            Some(group) => {
                return Err(format!(
                    "{}: Okta does not let anybody write memberships of group {:?}; name another group",
                    wish.rule, group.name
                ));
            }
            None if wish.create => resolved.missing.push(name.clone()),
            None => {
                return Err(format!(
                    "{}: there is no group {name:?} in Okta; create it there, or set create = true on the rule",
                    wish.rule
                ));
            }
        }
    }
    Ok(resolved)
}

fn join(desired: Desired, groups: &BTreeSet<String>) -> Step {
    Step::CreateUser {
        profile: desired.attributes.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        groups: groups.iter().take(MAX_GROUPS_IN_CREATE).cloned().collect(),
    }
}

fn adjust(account: &Account, desired: &Desired, groups: &BTreeSet<String>, situation: &Situation) -> Vec<Step> {
    let directory = situation.directory;
    let no_longer = |group: &str| {
        directory.is_ours_to_write(group)
            && !groups.contains(group)
            && directory.find(group).is_some_and(|g| situation.mapping.manages(g))
    };
    let mut steps: Vec<Step> = removals(account, directory, no_longer).collect();
    steps.extend(groups.difference(&account.groups).map(|group| Step::AddGroup {
        id: account.id.clone(),
        group: group.clone(),
        name: directory.find(group).map_or_else(|| group.clone(), |g| g.name.clone()),
    }));
    let changes: Vec<FieldChange> = desired
        .attributes
        .iter()
        .filter_map(|(field, after)| {
            let before = account.profile.get(field).unwrap_or(&Value::Null);
            (before != after).then(|| FieldChange {
                field: field.clone(),
                before: before.clone(),
                after: after.clone(),
            })
        })
        .collect();
    if !changes.is_empty() {
        steps.push(Step::UpdateUser { id: account.id.clone(), changes });
    }
    steps
}

/// What Okta answered to a step that was carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Done, with nothing to learn from the body.
    Done,
    /// The account as Okta shows it now. Its `groups` are not in the body and stay as they were known.
    User(Account),
    /// Every group the person is in.
    Groups(Vec<String>),
    /// The group that was made.
    Group(super::directory::Group),
    /// The app cannot be taken from the person: a group grants it.
    HeldByGroup,
    /// There is no such account.
    NoAccount,
}

/// The account as it is known after `step` was answered by `answer`.
pub fn observe(account: Option<&Account>, step: &Step, answer: &Answer) -> Option<Account> {
    let mut now = match answer {
        Answer::NoAccount => return None,
        Answer::User(user) => Account {
            groups: account.map(|a| a.groups.clone()).unwrap_or_default(),
            apps: account.map(|a| a.apps.clone()).unwrap_or_default(),
            exit: account.and_then(|a| a.exit.clone()),
            ..user.clone()
        },
        _ => account?.clone(),
    };
    let exit = |now: &mut Account, mark: fn(&mut ExitProof)| mark(now.exit.get_or_insert_default());
    match step {
        Step::CreateUser { groups, .. } => now.groups.extend(groups.iter().cloned()),
        Step::RevokeSessions { .. } => exit(&mut now, |proof| {
            *proof = ExitProof { sessions_revoked: true, ..ExitProof::default() };
        }),
        Step::Deactivate { .. } => {
            now.status = AccountStatus::Deprovisioned;
            now.apps.clear(); // Okta takes them with the deactivation (okta-api.md §2.2)
            exit(&mut now, |proof| proof.deactivated = true);
        }
        Step::RevokeSessionsAgain { .. } => exit(&mut now, |proof| proof.sessions_revoked_again = true),
        Step::ReadBack { .. } if !now.is_live() => exit(&mut now, |proof| proof.read_back = true),
        Step::ListGroups { .. } => {
            if let Answer::Groups(groups) = answer {
                now.groups = groups.iter().cloned().collect();
                exit(&mut now, |proof| proof.groups_listed = true);
            }
        }
        Step::RemoveGroup { group, .. } => {
            now.groups.remove(group);
        }
        Step::AddGroup { group, .. } => {
            now.groups.insert(group.clone());
        }
        Step::AssignApp { app, .. } => {
            now.apps.insert(app.clone(), Scope::User);
        }
        Step::UnassignApp { app, .. } if *answer == Answer::HeldByGroup => {
            now.apps.insert(app.clone(), Scope::Group);
        }
        Step::UnassignApp { app, .. } => {
            now.apps.remove(app);
        }
        Step::Look { .. } | Step::ReadBack { .. } | Step::CreateGroup { .. } | Step::UpdateUser { .. } => {}
    }
    Some(now)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
