//! The difference between what somebody should have and what they have, as steps.
//!
//! **Invariant:** a plan costs exactly its difference. A person whose account is as it should be has an empty plan.
//! Plans are cheap and are made anew from the newest snapshot each time; a plan's position is never stored.

use crate::domain::account::directory::{Directory, Group};
use crate::domain::account::user::{Account, AccountStatus, Closed, FirstSignIn, Link};
use crate::domain::mapping::desired::{Desired, LOGIN, Mapping};
use crate::domain::mapping::login::{Chosen, before_temporary};
use crate::domain::plan::apps;
use crate::domain::plan::awaited::Awaited;
use crate::domain::plan::case::{Case, ManagerLink};
use crate::domain::plan::left_alone::LeftAlone;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::reasons::reasons;
use crate::domain::plan::resolve::{Lacking, group_name, pinned, removals, resolve, user_type, wanted};
use crate::domain::plan::second_thoughts;
use crate::domain::plan::situation::{Obstacle, Plan, Situation};
use crate::domain::plan::step::{MAX_GROUPS_IN_CREATE, Step};
use crate::domain::plan::termination::{end_access, left_over, suspend, withhold};
use crate::domain::record::employee::{FieldChange, UserStatus};
use crate::domain::record::lifecycle::{Entitlement, Rehire};
use serde_json::Value;
use std::collections::BTreeSet;

/// Attributes by which an account may be protected.
const IDENTIFYING: [&str; 3] = [LOGIN, "email", "secondEmail"];

/// What is remarked of a leaver without an account, as a proved list or a search has shown.
pub const NO_ACCOUNT: &str = "no account in Okta";

/// Makes the plan for one person, without what follows from their being an administrator, or protected. Nobody acts on it as it is
/// (`guard::planned`).
pub(in crate::domain) fn draft(situation: &Situation) -> Result<Plan, Obstacle> {
    let entitlement = case_entitlement(situation);
    let mut plan = match &entitlement {
        Entitlement::Ended(_) => end_access(situation),
        Entitlement::Suspended(_) => withhold(situation),
        Entitlement::OnLeave(_) => on_leave(situation)?,
        Entitlement::Prehire { due } => prehire(situation, *due)?,
        Entitlement::NotYet => not_yet(situation)?,
        Entitlement::Unclear(why) => return Err(why.clone().into()),
        Entitlement::Entitled => entitled(situation)?,
    };
    if entitlement.is_over() && situation.case.account.is_none() {
        let left_alone = &situation.case.left_alone;
        match situation.case.searched_at {
            Some(_) if !left_alone.is_empty() => plan.remarks.extend(left_alone.iter().map(LeftAlone::remark)),
            Some(at) => plan.remarks.push(format!("{NO_ACCOUNT}, as of {at}")),
            None => plan.unsearched = true,
        }
    }
    plan.remarks.extend(situation.lifecycle.remarks.iter().cloned());
    Ok(plan)
}

/// On leave: suspended first, and otherwise kept up to date without waking the account.
fn on_leave(situation: &Situation) -> Result<Plan, Obstacle> {
    let Some(account) = &situation.case.account else {
        return Ok(remark("on leave and without an account: one is made when they return"));
    };
    if !account.is_live() {
        return Ok(remark("on leave and deactivated: activated when they return"));
    }
    let mut plan = Plan::default();
    if account.is_awake() && account.marks.not_suspended_in == Some(account.status) {
        plan.unfinished = Some(format!(
            "on leave, but Okta did not suspend the account, which is {}: tried again later",
            account.status.as_str()
        ));
    } else if account.is_awake() {
        plan.steps = suspend(account);
    }
    adjust(situation, account, &mut plan)?;
    Ok(plan)
}

/// Starts soon: the account is made and kept up to date, and activated when the moment has come.
fn prehire(situation: &Situation, due: bool) -> Result<Plan, Obstacle> {
    match (&situation.case.account, due) {
        (None, false) => create(situation, false),
        (None, true) => Ok(remark("still pending in Namely although the start date has come: no account is made")),
        (Some(account), true) if !account.is_awake() => wake_and_adjust(situation, account),
        (Some(account), false) if !account.is_live() => Ok(Plan::default()),
        (Some(account), _) => keep(situation, account),
    }
}

/// Too early to prepare anything.
fn not_yet(situation: &Situation) -> Result<Plan, Obstacle> {
    match &situation.case.account {
        Some(account) if account.is_live() => keep(situation, account),
        _ => Ok(Plan::default()),
    }
}

/// An account that is there already, of somebody who has not begun: it is never put to sleep because of that. Whoever is
/// active in Namely, and whoever is not activated yet, is kept up to date.
fn keep(situation: &Situation, account: &Account) -> Result<Plan, Obstacle> {
    let is_active = situation.case.person.primary().employee.user_status == UserStatus::Active;
    let is_staged = account.status == AccountStatus::Staged;
    let mut plan = Plan::default();
    if !is_staged {
        let state = if is_active { "starts later" } else { "is pending" };
        plan.remarks.push(format!("{state} in Namely, but the account is in use: kept as it is"));
    }
    if is_active || is_staged {
        adjust(situation, account, &mut plan)?;
    }
    Ok(plan)
}

fn entitled(situation: &Situation) -> Result<Plan, Obstacle> {
    match &situation.case.account {
        None => create(situation, true),
        Some(account) => wake_and_adjust(situation, account),
    }
}

/// Activates or unsuspends what is ours to wake, then brings it up to date.
fn wake_and_adjust(situation: &Situation, account: &Account) -> Result<Plan, Obstacle> {
    let case = situation.case;
    let mut plan = Plan::default();
    let activate =
        || Step::Activate { id: account.id.clone(), send_email: situation.rulebook.policies.onboarding.sends_mail() };
    match account.status {
        AccountStatus::Staged => plan.steps.push(activate()),
        AccountStatus::Suspended if account.is_suspended_by_us(case.was.as_deref()) => {
            plan.steps.push(Step::Unsuspend { id: account.id.clone() });
        }
        AccountStatus::Suspended => {
            plan.remarks.push("suspended in Okta by somebody else: kept suspended, otherwise up to date".into());
        }
        AccountStatus::Deprovisioned if account.is_deactivated_by_us(case.was.as_deref()) => {
            // What was seen long ago is no reason to give access: it is read first.
            if !situation.fresh {
                plan.steps.push(Step::ReadAccount { id_or_login: account.id.clone() });
                return Ok(plan);
            }
            plan.steps.extend(left_over(situation, account)?);
            plan.steps.push(activate());
        }
        AccountStatus::Deprovisioned => {
            const MEND: &str = "activate it in Okta if they should have it, then the rest follows";
            let (done, mend) = match account.marks.closed_by_others {
                Some(Closed::Suspended) => ("somebody else had suspended the Okta account before access ended", MEND),
                Some(Closed::SinceCopy) => (
                    "since the copy was made that the store was restored from, somebody (perhaps this service) has deactivated the \
                     Okta account",
                    "where access was ended by hand (`restore` has named them, the sinks of the audit have `access_ended`), end it \
                     again with `end-access`; give it back in Okta only if nobody here has ended it",
                ),
                Some(Closed::Deactivated) | None => ("somebody else has deactivated the Okta account", MEND),
            };
            return Err(Obstacle {
                why: format!("active in Namely, but {done}: {mend}"),
                read_again: true,
                awaits: Vec::new(),
            });
        }
        _ => {}
    }
    adjust(situation, account, &mut plan)?;
    give_sign_in(situation, account, &mut plan);
    Ok(plan)
}

/// Who was activated without a mail of Okta's is given something to sign in with, last of all; once, as far as it is known.
fn give_sign_in(situation: &Situation, account: &Account, plan: &mut Plan) {
    let Some(means) = situation.rulebook.policies.onboarding.means.clone() else { return };
    let activates = plan.steps.iter().any(|step| matches!(step, Step::Activate { .. }));
    let waits = account.status == AccountStatus::Provisioned
        && (account.marks.sign_in == Some(FirstSignIn::Owed) || account.marks.unsure.sign_in);
    if account.marks.unsure.sign_in && waits {
        plan.remarks.push(
            "a link or code for the first sign-in was made, and may have reached nobody: a new one makes it void"
                .into(),
        );
    }
    if !(activates || waits) {
        return;
    }
    // What is sent cannot be taken back: whoever was their manager when the service stopped may have left since.
    if !situation.case.is_current {
        let tenant = situation.case.person.primary().tenant.clone();
        let why =
            format!("they get a link or code for the first sign-in once {tenant} is read as a whole, after the start");
        return lack(plan, [Lacking { why, awaited: Awaited::Walk(tenant) }]);
    }
    let to = situation.case.manager.reached_at().map(str::to_owned);
    plan.steps.push(Step::MakeSignIn { id: account.id.clone(), means, to });
}

/// What the plan is made for: what the record grants, or what an undo has pinned.
pub(in crate::domain) fn case_entitlement(situation: &Situation) -> Entitlement {
    situation.case.entitlement(&situation.lifecycle.entitlement)
}

fn remark(text: &str) -> Plan {
    Plan { remarks: vec![text.to_owned()], ..Plan::default() }
}

/// The deactivated account that holds the chosen login gives it up. What was seen long ago is no reason to write it: it is read
/// first.
fn free_login(case: &Case) -> Vec<Step> {
    let Some(chosen) = case.login.as_ref().ok() else { return Vec::new() };
    let Some(id) = chosen.deactivated_holder.clone() else { return Vec::new() };
    let renamed = match chosen.login.split_once('@') {
        Some((local, domain)) => format!("{local}.{id}@{domain}"),
        None => format!("{}.{id}", chosen.login),
    };
    let login = chosen.login.clone();
    vec![Step::ReadHolder { id: id.clone(), login: login.clone() }, Step::FreeLogin { id, login, renamed }]
}

fn create(situation: &Situation, activate: bool) -> Result<Plan, Obstacle> {
    // Okta sends its mail with an account that is made active: where another way is configured, it is activated by itself.
    let activate = activate && situation.rulebook.policies.onboarding.means.is_none();
    let mut desired = wanted(situation)?;
    if let Some(why) = leave_out_protecting(situation, None, &mut desired) {
        return Err(why.into());
    }
    let mut plan = Plan { unfinished: leave_out_protected_groups(situation, None, &mut desired), ..Plan::default() };
    let groups = resolve(&desired, &situation.rulebook.mapping, situation.directory)?;
    let kind = user_type(&desired, situation.directory)?;
    if !groups.missing.is_empty() {
        plan.steps = groups.missing.into_iter().map(|name| Step::CreateGroup { name }).collect();
        return Ok(plan);
    }
    plan.rules = reasons(&groups.ids, &desired, situation);
    plan.steps.extend(free_login(situation.case));
    plan.steps.push(Step::CreateUser {
        profile: desired.attributes.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        groups: groups.ids.iter().take(MAX_GROUPS_IN_CREATE).cloned().collect(),
        activate,
        user_type: kind.map(|(id, _)| id),
    });
    Ok(plan)
}

/// Brings an account up to date: what goes goes first, unless the person changes sides (another user type or login):
/// then what comes comes first, so that there is no minute without access.
fn adjust(situation: &Situation, account: &Account, plan: &mut Plan) -> Result<(), Obstacle> {
    let (directory, rulebook) = (situation.directory, situation.rulebook);
    let mut desired = wanted(situation)?;
    let attributes = leave_out_protecting(situation, Some(account), &mut desired);
    if let Some(why) = attributes.or(leave_out_protected_groups(situation, Some(account), &mut desired)) {
        plan.unfinished.get_or_insert(why);
    }
    let groups = resolve(&desired, &rulebook.mapping, directory)?;
    let kind = user_type(&desired, directory)?.filter(|(id, _)| *id != account.user_type);
    let groups = pinned(groups, situation);
    if !groups.missing.is_empty() {
        // Groups that are made change nothing for anybody yet; suspending comes before them.
        plan.steps.extend(groups.missing.into_iter().map(|name| Step::CreateGroup { name }));
        return Ok(());
    }
    let no_longer = |group: &str| {
        directory.is_ours_to_write(group)
            && !groups.ids.contains(group)
            // What an undo takes back goes whatever the rules govern now.
            && (situation.case.pins.not_member.contains(group)
                || directory.find(group).is_some_and(|g| rulebook.mapping.manages(g)))
    };
    let removed: Vec<Step> = removals(account, directory, no_longer).collect();
    let (mut apps, without) =
        apps::steps(account, &desired, &rulebook.mapping, directory, &situation.case.names_of_others);
    let mut returning = second_thoughts::returning(situation, account, &groups.ids, &apps);
    apps.append(&mut returning.apps);
    plan.remarks.extend(second_thoughts::remark(&returning.lost));
    let mut once = BTreeSet::new();
    let added: Vec<Step> = (groups.ids.iter().chain(restored(situation, account)).chain(&returning.groups))
        .filter(|group| once.insert(*group))
        .filter(|group| !account.groups.contains(*group) || account.marks.unsure.groups.contains(*group))
        .map(|group| Step::AddGroup {
            id: account.id.clone(),
            group: group.clone(),
            name: group_name(directory, group),
        })
        .collect();
    lack(plan, groups.lacking.into_iter().chain(without));
    await_login(situation, account, plan);
    let touched = removed.iter().chain(&added).chain(&apps).filter_map(Step::touches);
    plan.rules = reasons(touched, &desired, situation);
    let (taken, given): (Vec<_>, Vec<_>) = apps.into_iter().partition(|step| step.priority() == Priority::Remove);
    let changes = changes(situation, account, &desired);
    let converts = kind.is_some() || changes.iter().any(|change| change.field == LOGIN);
    let frees = changes.iter().any(|change| change.field == LOGIN).then(|| free_login(situation.case));
    let written = frees.into_iter().flatten().chain(write(account, kind, changes));
    if converts {
        plan.steps.extend(written.chain(added).chain(removed).chain(taken));
    } else {
        plan.steps.extend(taken.into_iter().chain(removed).chain(added).chain(written));
    }
    // Whether an app can be assigned to somebody suspended is not known (okta-api.md §2.3), and nobody suspended is named in one:
    // both wait for the return.
    let wakes = plan.steps.iter().any(|step| matches!(step, Step::Unsuspend { .. }));
    let asleep = matches!(case_entitlement(situation), Entitlement::OnLeave(_))
        || account.status == AccountStatus::Suspended && !wakes;
    plan.steps.extend(given.into_iter().filter(|_| !asleep));
    link(situation, account, plan);
    Ok(())
}

/// Leaves out what would make an account one that no plan touches: nobody becomes protected by what Namely says. Returns what is
/// left out, and why.
fn leave_out_protecting(situation: &Situation, account: Option<&Account>, desired: &mut Desired) -> Option<String> {
    let protected = &situation.rulebook.safeguards.protected;
    let mut left_out = Vec::new();
    desired.attributes.retain(|field, value| {
        let found = value.as_str().filter(|_| IDENTIFYING.contains(&field.as_str()));
        let found = found.and_then(|text| Some((text, protected.of_login(text)?)));
        let is_held = account.is_some_and(|account| account.profile.get(field) == Some(value));
        let Some((text, pattern)) = found.filter(|_| !is_held) else { return true };
        left_out.push(format!("{field} {text} (protected: {pattern})"));
        false
    });
    beyond_every_plan(&left_out)
}

/// The same of groups that protect whoever is in them. Who is in one already is protected by whoever has put them there.
fn leave_out_protected_groups(
    situation: &Situation,
    account: Option<&Account>,
    desired: &mut Desired,
) -> Option<String> {
    let (protected, directory) = (&situation.rulebook.safeguards.protected, situation.directory);
    let mut left_out = Vec::new();
    desired.groups.retain(|word, _| {
        let group = directory.find(word);
        let name = group.map_or(word.as_str(), |group| group.name.as_str());
        let is_in = group.is_some_and(|group| account.is_some_and(|account| account.groups.contains(&group.id)));
        if is_in || !protected.names(name) {
            return true;
        }
        left_out.push(format!("the protected group {name:?}"));
        false
    });
    beyond_every_plan(&left_out)
}

fn beyond_every_plan(left_out: &[String]) -> Option<String> {
    (!left_out.is_empty()).then(|| {
        format!(
            "Namely asks for {}, which would put the account beyond every plan: not written; correct the profile in Namely, or \
             [protected] if it is meant",
            left_out.join(", ")
        )
    })
}

/// Memberships that this service has given and that no rule gives or governs any more: nothing takes them by itself.
pub fn ungoverned<'a>(
    account: &'a Account,
    mapping: &'a Mapping,
    directory: &'a Directory,
) -> impl Iterator<Item = &'a Group> {
    let given = account.marks.given.intersection(&account.groups).filter_map(|id| directory.find(id));
    given.filter(|group| !mapping.manages(group) && directory.is_ours_to_write(&group.id))
}

/// What the org does not have is waited for when everything else is done.
fn lack(plan: &mut Plan, lacking: impl IntoIterator<Item = Lacking>) {
    for Lacking { why, awaited } in lacking {
        plan.unfinished = Some(plan.unfinished.take().map_or(why.clone(), |before| format!("{before}; {why}")));
        plan.awaits.push(awaited);
    }
}

/// Who has a temporary login so that others can have theirs gets the right one when it is free; and so does who has theirs of before
/// back, since the other one cannot give it up for now.
fn await_login(situation: &Situation, account: &Account, plan: &mut Plan) {
    let Ok(Chosen { login, until: Some(wanted), .. }) = &situation.case.login else { return };
    let whose = match before_temporary(login, &account.id) {
        Some(_) => "who gets another one, and so on back to this person",
        None => "who keeps it for now",
    };
    let why = format!("{wanted} is the login of somebody {whose}: {login} is theirs until {wanted} is free");
    lack(plan, [Lacking { why, awaited: Awaited::Login(wanted.clone()) }]);
}

/// Memberships that a return brings back, besides what the mapping gives.
fn restored<'a>(situation: &'a Situation, account: &'a Account) -> impl Iterator<Item = &'a String> {
    let (directory, rulebook) = (situation.directory, situation.rulebook);
    let restores = rulebook.policies.rehire == Rehire::RestorePrevious;
    account.marks.restore.iter().filter(move |group| {
        restores
            && directory.is_ours_to_write(group)
            && directory.find(group).is_some_and(|g| !rulebook.mapping.manages(g))
    })
}

/// The attributes that differ; a login that is given up goes where the configuration keeps old ones.
fn changes(situation: &Situation, account: &Account, desired: &Desired) -> Vec<FieldChange> {
    let mut changes: Vec<FieldChange> = desired
        .attributes
        .iter()
        .filter_map(|(field, after)| {
            let before = account.profile.get(field).unwrap_or(&Value::Null);
            let is_left =
                account.marks.left.get(field).is_some_and(|left| left.found == *before && left.wanted == *after);
            (before != after && !is_left).then(|| FieldChange {
                field: field.clone(),
                before: before.clone(),
                after: after.clone(),
            })
        })
        .collect();
    let given_up = changes.iter().find(|change| change.field == LOGIN).map(|change| change.before.clone());
    let former = situation.rulebook.login.former.as_ref();
    if let (Some(field), Some(after)) = (former, given_up.filter(|login| !login.is_null())) {
        let before = account.profile.get(field).cloned().unwrap_or_default();
        changes.push(FieldChange { field: field.clone(), before, after });
    }
    changes
}

/// The user type can only be written together with the whole profile (`okta-api.md §3.1`).
fn write(account: &Account, kind: Option<(String, String)>, changes: Vec<FieldChange>) -> Vec<Step> {
    let id = account.id.clone();
    match kind {
        Some((user_type, name)) => {
            vec![Step::ReadProfile { id: id.clone() }, Step::ChangeType { id, user_type, name, changes }]
        }
        None if changes.is_empty() => Vec::new(),
        None => vec![Step::UpdateUser { id, changes }],
    }
}

/// The manager link of an account, which exists whether or not the manager's attributes are mapped.
fn link(situation: &Situation, account: &Account, plan: &mut Plan) {
    let org = situation.rulebook.org(&situation.case.org);
    let Some(relation) = org.and_then(|org| org.manager_relation.clone()) else { return };
    if !situation.directory.has_relation(&relation) {
        return; // told once, for the whole org
    }
    let id = account.id.clone();
    match &situation.case.manager {
        // The links of the org are not read yet: whoever has another one than in Namely is planned anew then.
        ManagerLink::Account { .. } if account.marks.manager == Link::Unknown && !account.marks.unsure.manager => {}
        ManagerLink::Account { id: manager, .. }
            if account.marks.unsure.manager || account.marks.manager != Link::To(manager.clone()) =>
        {
            plan.steps.push(Step::SetManager { id, relation, manager: manager.clone() });
        }
        ManagerLink::Account { .. } => {}
        ManagerLink::Nobody if account.marks.unsure.manager || matches!(account.marks.manager, Link::To(_)) => {
            plan.steps.push(Step::ClearManager { id, relation });
        }
        ManagerLink::Nobody => {}
        ManagerLink::Awaited(name) => {
            plan.awaits_manager = true;
            plan.remarks.push(format!("the manager {name} has no account yet: linked when it is there"));
        }
        ManagerLink::Broken(why) => plan.remarks.push(why.clone()),
    }
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
