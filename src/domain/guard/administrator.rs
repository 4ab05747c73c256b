//! Who holds an admin role of an Okta org, as far as it is known, and what that means for changes of theirs.
//!
//! **Invariant:** what could not be read is unknown, never "nobody". Whoever may be an administrator loses access at once in a
//! way that can be undone; what cannot be undone waits for two people.

use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::account::user::{Account, AccountStatus};
use crate::domain::guard::change::{ChangeKind, by_kind};
use crate::domain::guard::safeguard::Protected;
use crate::domain::plan::planner::{Plan, Situation};
use crate::domain::plan::step::Step;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long it holds what Okta has said about the roles of one person, while the list cannot be read.
const ROLES_AGE: Duration = Duration::from_secs(15 * 60);
/// How long it holds which groups somebody was seen in, before something is taken from them.
const GROUPS_AGE: Duration = Duration::from_secs(60);
/// So many others must be left who can undo whatever goes wrong.
pub const SUPERS_LEFT: u32 = 2;

/// What is known of the roles of one administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminLevel {
    Super,
    Lesser,
    /// The roles could not be read.
    Unknown,
}

/// What is known of all administrators of an org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administrators {
    /// Everybody of the last list that was read, by id; `None` before the first.
    pub listed: Option<BTreeMap<String, AdminLevel>>,
    /// Why the list could not be read the last time: then `listed` is older.
    #[serde(default)]
    pub unread: Option<String>,
    /// Whether groups carry a role, by id, as far as it was read.
    #[serde(default)]
    pub groups: BTreeMap<String, bool>,
    /// Groups, by id, of which Okta did not say it when it was asked: a role may come with them.
    #[serde(default)]
    pub unsaid: BTreeSet<String>,
    /// Why the roles of groups could not be read the last time.
    #[serde(default)]
    pub groups_unread: Option<String>,
}

impl Default for Administrators {
    /// The list was read, and there is nobody on it.
    fn default() -> Self {
        Self { listed: Some(BTreeMap::new()), ..Self::never_read() }
    }
}

impl Administrators {
    /// Nobody has asked yet.
    pub const fn never_read() -> Self {
        Self { listed: None, unread: None, groups: BTreeMap::new(), unsaid: BTreeSet::new(), groups_unread: None }
    }

    /// Whether the list is what Okta said when it was asked last.
    pub const fn is_current(&self) -> bool {
        self.listed.is_some() && self.unread.is_none()
    }

    /// Whether this user is on the last list that was read.
    pub fn lists(&self, id: &str) -> bool {
        self.listed.as_ref().is_some_and(|listed| listed.contains_key(id))
    }

    /// Ids of everybody known as a super administrator.
    pub fn supers(&self) -> impl Iterator<Item = &str> {
        let all = self.listed.iter().flatten();
        all.filter(|(_, level)| **level == AdminLevel::Super).map(|(id, _)| id.as_str())
    }

    /// Whether this user may be a super administrator.
    pub fn may_be_super(&self, id: &str) -> bool {
        self.listed.as_ref().and_then(|listed| listed.get(id)).is_some_and(|level| *level != AdminLevel::Lesser)
    }

    /// What somebody has to mend so that it can be told who is an administrator; nothing if it can.
    pub fn missing(&self) -> Option<String> {
        let list = self.unread.as_ref().map(|why| format!("the list of administrators cannot be read ({why})"));
        let groups = self.groups_unread.as_ref().map(|why| format!("admin roles of groups cannot be read ({why})"));
        let message: Vec<String> = list.into_iter().chain(groups).collect();
        (!message.is_empty()).then(|| format!("{}; {PERMISSION}", message.join("; ")))
    }
}

/// What the token needs.
pub const PERMISSION: &str =
    "give the token's owner a role with the permission okta.iam.read, and a service app the scope okta.roles.read";

/// What Okta has said when it was asked for the roles of one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolesRead {
    /// Whether they hold one; `None` if Okta did not say.
    pub holds: Option<bool>,
    /// In milliseconds.
    pub at: i64,
}

/// Whether somebody is an administrator, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Knowledge {
    /// They hold a role, by themselves or by a group.
    Holder,
    /// They hold none.
    #[default]
    Nobody,
    /// It is not known. `asked`: Okta was asked about this person, and did not say.
    Unknown { asked: bool },
}

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
                ) || change.lets_in()
            }
            Knowledge::Unknown { asked: true } => {
                matches!(change, ChangeKind::Deactivate | ChangeKind::Activate) || change.lets_in()
            }
            Knowledge::Nobody | Knowledge::Unknown { asked: false } => false,
        }
    }

    /// Whether two people decide about it, whatever the limits and the mode. A suspension can be undone; of what gives access
    /// it is so where access was over (`Counterpart::regains`).
    pub const fn needs_two(self, change: ChangeKind) -> bool {
        self.sets_apart(change) && !matches!(change, ChangeKind::Suspend)
    }

    /// The number of it in the store, of what was evaluated.
    pub const fn number(self) -> i64 {
        match self {
            Knowledge::Nobody | Knowledge::Unknown { asked: false } => 0,
            Knowledge::Holder => 1,
            Knowledge::Unknown { asked: true } => 2,
        }
    }
}

impl Directory {
    /// Whether the owner of an account is an administrator, as far as it is known.
    pub fn administrator(&self, account: &Account, now: Moment) -> Knowledge {
        let all = self.administrators();
        let by_group = || account.groups.iter().any(|group| all.groups.get(group) == Some(&true));
        if all.lists(&account.id) || by_group() {
            return Knowledge::Holder;
        }
        let asked = account.marks.roles.as_ref();
        let asked = asked.filter(|read| now.since(Moment::from_millis(read.at)) < ROLES_AGE);
        let unsaid = account.marks.groups_unsaid_at.map(Moment::from_millis);
        match asked.map(|read| read.holds) {
            Some(Some(true)) => Knowledge::Holder,
            _ if unsaid.is_some_and(|at| now.since(at) < ROLES_AGE) => Knowledge::Unknown { asked: true },
            _ if all.is_current() => Knowledge::Nobody,
            Some(Some(false)) => Knowledge::Nobody,
            Some(None) => Knowledge::Unknown { asked: true },
            None => Knowledge::Unknown { asked: false },
        }
    }

    /// Whether Okta did not say who somebody is when it was asked: no time that passes is an answer.
    pub fn is_in_doubt(&self, account: &Account) -> bool {
        let unsaid = account.marks.roles.as_ref().is_some_and(|read| read.holds.is_none());
        account.marks.groups_unsaid_at.is_some() || unsaid && !self.administrators().is_current()
    }

    /// Whether an admin role comes with a group, or may; `None` if nobody has asked.
    pub fn carries_role(&self, group: &str) -> Option<bool> {
        let all = self.administrators();
        all.groups.get(group).copied().or_else(|| all.unsaid.contains(group).then_some(true))
    }
}

/// Whether it must be known in which groups somebody is before something is taken from them.
pub fn needs_groups(protected: &Protected, directory: &Directory) -> bool {
    !protected.groups.is_empty() || directory.administrators().groups.values().any(|carries| *carries)
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

/// Groups that carry a role are given by a step of their own, also to somebody whose account is made.
fn mark_grants(plan: &mut Plan, situation: &Situation) {
    let carries = |group: &String| situation.directory.carries_role(group) == Some(true);
    let mut grants = BTreeSet::new();
    for step in &mut plan.steps {
        match step {
            Step::AddGroup { group, .. } if carries(group) => {
                grants.insert(group.clone());
            }
            Step::CreateUser { groups, .. } => groups.retain(|group| !carries(group)),
            _ => {}
        }
    }
    plan.grants = grants;
}

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
    if (takes && !is_over || regains) && knowledge == (Knowledge::Unknown { asked: false }) {
        reads.push(Step::ReadRoles { id: account.id.clone() });
    }
    // Groups that rules give are read with the directory; others come back with somebody who returns, or by an undo.
    let managed = |group: &str| directory.find(group).is_some_and(|known| situation.rulebook.mapping.manages(known));
    let added = plan.steps.iter().filter_map(|step| match step {
        Step::AddGroup { group, .. } => Some(group),
        _ => None,
    });
    let unread = added.filter(|group| directory.carries_role(group).is_none() && !managed(group));
    reads.extend(unread.map(|group| Step::ReadGroupRoles { group: group.clone() }));
    reads
}

#[cfg(test)]
#[path = "administrator_tests.rs"]
mod tests;
