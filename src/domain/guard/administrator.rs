//! What it means for changes of somebody that they hold an admin role of the org, or may.
//!
//! **Invariant:** whoever may be an administrator loses access at once in a
//! way that can be undone; what cannot be undone waits for two people.

use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::account::knowledge::{Knowledge, ROLES_AGE, UNSAID_AGE};
use crate::domain::account::user::{Account, AccountStatus};
use crate::domain::guard::change::by_kind;
use crate::domain::guard::okta_rules::admits;
use crate::domain::plan::kind::ChangeKind;
use crate::domain::plan::limits::Protected;
use crate::domain::plan::situation::{Plan, Situation};
use crate::domain::plan::step::Step;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long it holds which groups somebody was seen in, before something is taken from them.
const GROUPS_AGE: Duration = Duration::from_secs(60);
/// So many others must be left who can undo whatever goes wrong.
pub const SUPERS_LEFT: u32 = 2;

impl Knowledge {
    /// Whether a change of theirs of this kind is evaluated apart from those of everybody else.
    pub const fn sets_apart(self, change: ChangeKind) -> bool {
        match self {
            Knowledge::Holder => {
                matches!(
                    change,
                    ChangeKind::Deactivate
                        | ChangeKind::Suspend
                        | ChangeKind::Activate
                        | ChangeKind::RemoveGroup
                        | ChangeKind::AddGroup
                        | ChangeKind::Adopt
                ) || change.lets_in()
            }
            Knowledge::Unknown { asked: true } => {
                matches!(change, ChangeKind::Deactivate | ChangeKind::Activate | ChangeKind::Adopt) || change.lets_in()
            }
            Knowledge::Nobody | Knowledge::Unknown { asked: false } => false,
        }
    }

    /// Whether two people decide about it, whatever the limits and the mode. A suspension can be undone; of what gives access
    /// it is so where access was over (`Counterpart::regains`).
    pub const fn needs_two(self, change: ChangeKind) -> bool {
        self.sets_apart(change) && !matches!(change, ChangeKind::Suspend)
    }
}

/// Whether it must be known in which groups somebody is before something is taken from them.
pub fn needs_groups(protected: &Protected, directory: &Directory) -> bool {
    !protected.groups.is_empty() || directory.has_powerful_groups()
}

/// The plan as it may be begun: what must be known before something is taken is read first, whoever may be an administrator
/// is suspended before the deactivation that waits, and admin roles do not come in among other groups.
pub(in crate::domain) fn guarded(mut plan: Plan, situation: &Situation) -> Plan {
    mark_grants(&mut plan, situation);
    let Some(account) = &situation.case.account else { return plan };
    let knowledge = situation.directory.administrator(account, situation.now);
    if plan.exit && situation.case.end_rejected {
        lift(&mut plan, situation, account);
    } else if plan.exit && knowledge.needs_two(ChangeKind::Deactivate) {
        secure_first(&mut plan, account);
    }
    let reads = inquiries(&plan, situation, account, knowledge);
    plan.steps.splice(0..0, reads);
    plan
}

/// Whether nobody knows yet if a role comes with a group, and Okta says it of groups when it is asked.
fn is_to_be_asked(directory: &Directory, group: &str) -> bool {
    let all = directory.administrators();
    directory.carries_role(group).is_none() && all.listed.is_some() && all.groups_unread.is_none()
}

/// Whether a group that no rule governs, and that is not read with the others therefore, was not asked about lately. One that carries a
/// role is not given.
fn is_long_unasked(situation: &Situation, group: &str) -> bool {
    let asked = situation.directory.role_asked_at(group);
    situation.directory.carries_role(group) != Some(true)
        && asked.is_none_or(|at| situation.now.since(at) >= GROUPS_AGE)
}

/// Groups that carry a role are given by a step of their own, also to somebody whose account is made; and so is what makes one of
/// Okta's own rules put them into such a group.
fn mark_grants(plan: &mut Plan, situation: &Situation) {
    let directory = situation.directory;
    let carries = |group: &String| directory.carries_role(group) == Some(true);
    let may_carry = |group: &str| directory.carries_role(group) == Some(true) || is_to_be_asked(directory, group);
    // A protected account is beyond every plan: whoever makes one of somebody keeps them from ever being ended.
    let protects = |group: &str| {
        let protected = &situation.rulebook.safeguards.protected;
        directory.find(group).is_some_and(|group| protected.names(&group.name))
    };
    let admits = admits(situation.case.account.as_ref(), situation.rulebook, directory, plan, |group| {
        may_carry(group) || protects(group)
    });
    let mut grants = admits.groups;
    for step in &mut plan.steps {
        match step {
            Step::AddGroup { group, .. } if carries(group) => {
                grants.insert(group.clone());
            }
            Step::CreateUser { groups, profile, .. } => {
                groups.retain(|group| !may_carry(group) && !grants.contains(group));
                // What an account cannot be made without makes the whole of it wait.
                let apart: BTreeSet<&String> =
                    admits.attributes.iter().filter(|name| !FIRST.contains(&name.as_str())).collect();
                profile.retain(|name, _| !apart.contains(name));
            }
            _ => {}
        }
    }
    plan.grants = grants;
    plan.admits = admits.attributes;
    plan.admits_awake = admits.by_activation;
}

/// Attributes that every account is made with.
const FIRST: [&str; 4] = ["login", "email", "firstName", "lastName"];

/// Sessions and suspension are no part of the deactivation that waits for two people.
fn secure_first(plan: &mut Plan, account: &Account) {
    plan.secures_first = true;
    let suspends = account.is_awake() && account.marks.not_suspended_in != Some(account.status);
    if !suspends || plan.steps.iter().any(|step| matches!(step, Step::Suspend { .. })) {
        return;
    }
    let at = plan.steps.iter().position(|step| matches!(step, Step::Deactivate { .. })).unwrap_or(plan.steps.len());
    plan.steps.splice(at..at, crate::domain::plan::termination::suspend(account));
}

/// Somebody has rejected the end for which the account was suspended: the suspension goes. That of a grace has its own reason.
fn lift(plan: &mut Plan, situation: &Situation, account: &Account) {
    if account.is_suspended_for_end() && !situation.case.was("suspended") {
        plan.steps.insert(0, Step::Unsuspend { id: account.id.clone() });
        plan.remarks.push("suspended for an end that was rejected: the suspension is lifted".into());
    }
}

/// What must be read before the first call that takes something.
fn inquiries(plan: &Plan, situation: &Situation, account: &Account, knowledge: Knowledge) -> Vec<Step> {
    let (directory, protected) = (situation.directory, &situation.rulebook.safeguards.protected);
    // Of every part of a call: a title that is written with a phone does not hide the phone.
    let kinds = by_kind(plan, situation.rulebook.login.former.as_deref());
    let takes = kinds.keys().any(|kind| {
        matches!(kind, ChangeKind::Deactivate | ChangeKind::Suspend | ChangeKind::RemoveGroup) || kind.lets_in()
    });
    let is_recent = |at: Option<i64>| at.is_some_and(|at| situation.now.since(Moment::from_millis(at)) < GROUPS_AGE);
    let is_over = account.status == AccountStatus::Deprovisioned;
    let mut reads = Vec::new();
    if takes && !is_over && needs_groups(protected, directory) && !is_recent(account.marks.groups_read_at) {
        reads.push(Step::ReadGroups { id: account.id.clone(), page: None });
    }
    let regains = is_over && kinds.contains_key(&ChangeKind::Activate);
    let asked_at = account.marks.roles.as_ref().map(|read| Moment::from_millis(read.at));
    let is_long_ago = asked_at.is_none_or(|at| situation.now.since(at) >= UNSAID_AGE);
    let is_unsaid = match knowledge {
        Knowledge::Unknown { asked } => !asked || is_long_ago,
        Knowledge::Holder | Knowledge::Nobody => false,
    };
    let is_unknown = (takes && !is_over || regains) && is_unsaid;
    if is_unknown || !is_over && is_taken_over_unasked(plan, situation, account, knowledge, takes) {
        reads.push(Step::ReadRoles { id: account.id.clone() });
    }
    // Groups that rules give are read with the directory, if roles can be read at all; one that has come since is asked about, as are
    // those that come back with somebody who returns, or by an undo.
    let managed = |group: &str| directory.find(group).is_some_and(|known| situation.rulebook.mapping.manages(known));
    let added = plan.steps.iter().filter_map(|step| match step {
        Step::AddGroup { group, .. } => Some(group),
        _ => None,
    });
    let unread =
        added.filter(|group| is_to_be_asked(directory, group) || !managed(group) && is_long_unasked(situation, group));
    reads.extend(unread.map(|group| Step::ReadGroupRoles { group: group.clone() }));
    reads
}

/// Whether a rule has given somebody their account, and Okta was not asked lately whether a role comes with it: the list may
/// lack who holds one by a group. It is asked before the account is theirs, and while that is fresh before anything is taken.
fn is_taken_over_unasked(
    plan: &Plan,
    situation: &Situation,
    account: &Account,
    knowledge: Knowledge,
    takes: bool,
) -> bool {
    let Some(adopted) = &situation.case.adopted else { return false };
    let until = adopted.fresh_until(situation.rulebook.safeguards.fresh_adoption);
    let is_fresh = takes && until.is_some_and(|until| situation.now < until);
    let asked = account.marks.roles.as_ref().map(|read| Moment::from_millis(read.at));
    let is_asked = asked.is_some_and(|at| situation.now.since(at) < ROLES_AGE);
    knowledge == Knowledge::Nobody && !is_asked && !plan.steps.is_empty() && (is_fresh || adopted.pending.is_some())
}

#[cfg(test)]
#[path = "administrator_tests.rs"]
mod tests;
