//! How access ends, in steps: a termination, the grace before it, and what of it is left when somebody comes back.
//!
//! **Invariant:** whatever Okta refuses, everything else is taken all the same, and the plan is not finished before access
//! is proved to be over.

use crate::domain::account::directory::Group;
use crate::domain::account::user::{Account, AccountStatus, ExitProof, Scope};
use crate::domain::plan::resolve::{removals, resolve, wanted};
use crate::domain::plan::second_thoughts::stays_in;
use crate::domain::plan::situation::{Obstacle, Plan, Situation};
use crate::domain::plan::step::Step;
use crate::domain::record::lifecycle::{LeaverGroups, Rehire};
use std::time::Duration;

/// When a leaver is tried again the first time; doubled each time, up to the longest wait.
const FIRST_WAIT: Duration = Duration::from_secs(5);
/// No leaver waits longer for the next try, whatever ended the run before.
pub const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// How long a leaver waits for the next try after `attempt` others: one rule, whatever keeps their access from ending.
pub fn next_try(attempt: i64) -> Duration {
    let doublings = u32::try_from(attempt.clamp(0, 16)).unwrap_or(16);
    (FIRST_WAIT * (1 << doublings)).min(LONGEST_WAIT)
}

/// The group of everybody, which nobody can leave.
const EVERYONE: &str = "Everyone";

/// The steps that end access: sessions and deactivation go out without a prior read; then it is proved, and the
/// memberships are removed. Where Okta does not deactivate, the account is suspended and everything else is taken.
pub(in crate::domain) fn end_access(situation: &Situation) -> Plan {
    let mut plan = Plan { exit: true, ..Plan::default() };
    if !situation.case.subordinates.is_empty() {
        let names = situation.case.subordinates.join(", ");
        plan.remarks.push(format!("still the manager of {names} in Namely; name another one for them"));
    }
    let Some(account) = &situation.case.account else { return plan };
    let id = || account.id.clone();
    let mut proof = account.marks.exit.clone().unwrap_or_default();
    if !account.is_live() && account.marks.exit.is_none() && !account.marks.unsure.memberships {
        return plan; // ended before we came: priming has seen it
    }
    if account.is_live() && proof.read_back {
        proof = ExitProof::default(); // somebody re-activated the account since
    }
    let mut stays_open = false;
    if account.is_live() {
        if !proof.sessions_revoked {
            plan.steps.push(Step::RevokeSessions { id: id() });
        }
        let deactivate = Step::Deactivate { id: id() };
        stays_open = situation.refused.contains(&deactivate);
        plan.steps.push(deactivate);
    }
    if stays_open {
        plan.steps.extend(lesser_end(account));
    }
    if !proof.sessions_revoked_again {
        plan.steps.push(Step::RevokeSessionsAgain { id: id() });
    }
    if !proof.read_back && !stays_open {
        plan.steps.push(Step::ReadBack { id: id() });
    }
    let list = Step::ListGroups { id: id(), page: None };
    if !proof.groups_listed {
        let is_refused = situation.refused.contains(&list);
        plan.steps.push(list);
        if !is_refused {
            return plan; // what to remove is known after this one
        }
    }
    let is_shown = proof.taken.is_empty();
    let directory = situation.directory;
    plan.steps.extend(removals(account, directory, |group| goes(group, situation)));
    // Once for all that were taken: what the list shows still is taken again.
    plan.steps.extend((!is_shown).then(|| Step::ListGroups { id: id(), page: None }));
    let named = |which: &dyn Fn(&Group) -> bool| {
        let stay = account.groups.iter().filter_map(|group| directory.find(group)).filter(|group| which(group));
        stay.map(|group| group.name.clone()).collect::<Vec<_>>().join(", ")
    };
    let by_rule = named(&|group| directory.is_rule_owned(&group.id));
    if !by_rule.is_empty() {
        plan.remarks.push(format!("still a member, by a group rule of Okta, of {by_rule}"));
    }
    let of_apps = named(&|group| !group.writable && !directory.is_rule_owned(&group.id) && group.name != EVERYONE);
    if !of_apps.is_empty() {
        plan.remarks.push(format!(
            "still a member of {of_apps}: an app or Okta itself fills these groups, nobody can be taken out of them here"
        ));
    }
    plan
}

/// Whether a leaver is taken out of a group.
fn goes(group: &str, situation: &Situation) -> bool {
    let (directory, rulebook) = (situation.directory, situation.rulebook);
    let all = rulebook.policies.termination.groups == LeaverGroups::All;
    let given = situation.case.account.as_ref().is_some_and(|account| account.marks.given.contains(group));
    directory.is_ours_to_write(group)
        && (all || given || directory.find(group).is_some_and(|g| rulebook.mapping.manages(g)))
}

/// What is taken where Okta does not deactivate: the account is suspended if it can be, and apps of the person go.
fn lesser_end(account: &Account) -> Vec<Step> {
    let suspends = account.is_awake() && account.marks.not_suspended_in != Some(account.status);
    let mut steps = if suspends { suspend(account) } else { Vec::new() };
    let own = account.apps.iter().filter(|(_, scope)| **scope == Scope::User);
    steps.extend(own.map(|(app, _)| Step::UnassignApp { id: account.id.clone(), app: app.clone(), name: app.clone() }));
    steps
}

/// Access is withheld and nothing else is taken. What cannot be suspended is deactivated: a leaver never keeps access.
pub(in crate::domain) fn withhold(situation: &Situation) -> Plan {
    let Some(account) = &situation.case.account else { return Plan::default() };
    if !account.is_live() || account.status == AccountStatus::Suspended {
        return Plan::default();
    }
    // An account that was never activated cannot be suspended (okta-api.md §2.1).
    if account.status == AccountStatus::Staged || account.marks.not_suspended_in == Some(account.status) {
        let mut plan = end_access(situation);
        plan.remarks.push(format!("Okta suspends nobody who is {}: deactivated at once", account.status.as_str()));
        return plan;
    }
    let revoked = account.marks.exit.as_ref().is_some_and(|proof| proof.sessions_revoked);
    let revoke = (!revoked).then(|| Step::RevokeSessions { id: account.id.clone() });
    Plan { steps: revoke.into_iter().chain(suspend(account)).collect(), ..Plan::default() }
}

/// The steps that suspend an account; a locked one must be unlocked before.
pub(in crate::domain) fn suspend(account: &Account) -> Vec<Step> {
    let (id, locked) = (account.id.clone(), account.status == AccountStatus::LockedOut);
    let status = if locked { AccountStatus::Active } else { account.status };
    let unlock = locked.then(|| Step::Unlock { id: id.clone() });
    unlock.into_iter().chain([Step::Suspend { id, status }]).collect()
}

/// What the termination was to take and has not: it goes before access comes back, but for what the person gets now.
pub(in crate::domain) fn left_over(situation: &Situation, account: &Account) -> Result<Vec<Step>, Obstacle> {
    let Some(proof) = &account.marks.exit else { return Ok(Vec::new()) };
    let directory = situation.directory;
    let gets = resolve(&wanted(situation)?, &situation.rulebook.mapping, directory)?.ids;
    let is_shown = proof.groups_listed && proof.taken.is_empty();
    let list = (!is_shown).then(|| Step::ListGroups { id: account.id.clone(), page: None });
    let stays = |group: &str| {
        gets.contains(group)
            || stays_in(group, situation, account)
            || situation.rulebook.policies.rehire == Rehire::RestorePrevious && proof.had.contains(group)
    };
    let removed = removals(account, directory, |group| goes(group, situation) && !stays(group));
    Ok(list.into_iter().chain(removed).collect())
}

/// What Okta has refused is left out, and the rest goes all the same. Without it the plan is not finished, but for sessions
/// of an account that is closed: those end with it.
pub(in crate::domain) fn leave_out_refused(plan: &mut Plan, situation: &Situation) {
    let is_refused = |step: &Step| situation.refused.contains(step);
    let is_needed = |step: &Step| {
        !step.is_inquiry() && !matches!(step, Step::RevokeSessions { .. } | Step::RevokeSessionsAgain { .. })
    };
    let missing: Vec<&str> =
        plan.steps.iter().filter(|step| is_refused(step) && is_needed(step)).map(Step::name).collect();
    if !missing.is_empty() {
        plan.unfinished = Some(format!("Okta refuses {}", missing.join(", ")));
    }
    plan.steps.retain(|step| !is_refused(step));
}
