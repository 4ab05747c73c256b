//! How many calls bring somebody to where they should be: the plan carried out in thought, with an Okta that grants each call.
//!
//! **Invariant:** what follows from an answer is counted too: what a leaver's list of groups leads to, and whatever a new account
//! gets once it is there.

use crate::clock::Moment;
use crate::domain::account::directory::{Directory, Group};
use crate::domain::account::user::{Account, AccountStatus, Marks};
use crate::domain::guard::planned::foresee;
use crate::domain::plan::case::Case;
use crate::domain::plan::observe::{Answer, FullProfile, observe};
use crate::domain::plan::planner::case_entitlement;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::situation::{Plan, Situation};
use crate::domain::plan::step::Step;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Plans that follow one another at most: what is not finished then is not counted on.
const PLANS: usize = 20;
/// Names of steps that are sent besides those of a plan.
const READ_ACCOUNT: &str = "read_account";
const LIST_GROUPS: &str = "list_groups";
const SET_MANAGER: &str = "set_manager";
/// What a new account is called before Okta has named it.
const NEW: &str = "new account";

/// Calls, by the name of their step.
pub type Calls = BTreeMap<&'static str, usize>;

/// What a plan leads to.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// The calls that it and all that follows from it take.
    pub calls: Calls,
    /// What follows once the account is there that it makes: the writes, and the rules behind them.
    pub later: Plan,
}

/// Where `first` leads, carried out in thought. `directory` has the groups that it makes.
pub fn course(case: &Case, first: &Plan, rulebook: &Rulebook, directory: &mut Cow<Directory>, now: Moment) -> Course {
    let joins = case.account.is_none();
    let mut later = Plan::default();
    let mut case = case.clone();
    let mut asked: Vec<Step> = Vec::new();
    let mut calls = before(&case, rulebook, directory, now);
    let mut plan = first.clone();
    for nth in 0..PLANS {
        if joins && nth > 0 {
            let writes = plan.steps.iter().filter(|step| step.is_write() && !first.steps.contains(step));
            let new: Vec<Step> = writes.filter(|step| !later.steps.contains(step)).cloned().collect();
            later.steps.extend(new);
            later.rules.extend(plan.rules.clone());
            later.grants.extend(plan.grants.iter().cloned());
            later.admits.extend(plan.admits.iter().cloned());
        }
        let mut sent = 0;
        let mut steps = plan.steps.iter().cloned().peekable();
        while let Some(step) = steps.next() {
            if step.is_inquiry() {
                if asked.contains(&step) {
                    continue;
                }
                asked.push(step.clone());
            }
            let exit = case.account.as_ref().and_then(|account| account.marks.exit.as_ref());
            if matches!(step, Step::Activate { .. }) && exit.is_some_and(|exit| !exit.taken.is_empty()) {
                break; // what was to be taken before is shown to be gone first
            }
            sent += 1;
            *calls.entry(step.name()).or_default() += 1;
            if matches!(step, Step::Activate { .. }) && steps.peek().is_some() {
                // Okta activates after its answer: it is read before anything else.
                *calls.entry(READ_ACCOUNT).or_default() += 1;
            }
            let granted = granted(&step, case.account.as_ref(), directory);
            case.account = observe(case.account.as_ref(), &step, &granted).or(case.account);
        }
        let lifecycle = rulebook.lifecycle(&case, now);
        match foresee(&case, &lifecycle, rulebook, directory, now) {
            // What changes nothing is not sent without end.
            Ok(next) if sent > 0 && next.steps != plan.steps => plan = next,
            // The link of somebody whose manager has no account yet is written once there is one.
            Ok(last) if last.awaits_manager => {
                *calls.entry(SET_MANAGER).or_default() += 1;
                later.awaits_manager = joins;
                return Course { calls, later };
            }
            Ok(_) | Err(_) => return Course { calls, later },
        }
    }
    Course { calls, later }
}

/// What a run reads before it plans anything: whoever comes back is looked at first, and memberships that nobody is sure of.
fn before(case: &Case, rulebook: &Rulebook, directory: &Directory, now: Moment) -> Calls {
    let mut calls = Calls::new();
    let Some(account) = &case.account else { return calls };
    let lifecycle = rulebook.lifecycle(case, now);
    let situation = Situation { case, lifecycle: &lifecycle, rulebook, directory, now, fresh: false, refused: &[] };
    if case_entitlement(&situation).is_over() {
        return calls;
    }
    let comes_back =
        account.status == AccountStatus::Deprovisioned && account.is_deactivated_by_us(case.was.as_deref());
    if comes_back {
        calls.insert(READ_ACCOUNT, 1);
    }
    if account.is_live() && account.marks.unsure.memberships {
        calls.insert(LIST_GROUPS, 1);
    }
    calls
}

/// The answer of an Okta that does as it is asked, and holds what it is known to hold.
fn granted(step: &Step, account: Option<&Account>, directory: &Directory) -> Answer {
    let written = |changes: &[crate::domain::FieldChange]| {
        let mut account = account?.clone();
        for change in changes {
            match &change.after {
                Value::Null => account.profile.remove(&change.field),
                value => account.profile.insert(change.field.clone(), value.clone()),
            };
        }
        account.login = text(&account, "login").unwrap_or(account.login);
        Some(account)
    };
    match (step, account) {
        (Step::CreateUser { profile, activate, user_type, .. }, _) => {
            let status = if *activate { AccountStatus::Active } else { AccountStatus::Staged };
            let login = profile.get("login").and_then(Value::as_str).unwrap_or_default().to_owned();
            Answer::User(Account {
                id: NEW.to_owned(),
                login,
                anchor: None,
                status,
                profile: profile.clone(),
                groups: Default::default(),
                apps: Default::default(),
                app_names: Default::default(),
                user_type: user_type.clone().unwrap_or_default(),
                provider: String::new(),
                created_at: None,
                status_since: None,
                marks: Marks::default(),
            })
        }
        (Step::UpdateUser { changes, .. }, _) => written(changes).map_or(Answer::Done, Answer::User),
        (Step::ChangeType { changes, .. }, _) => {
            let read = |account| Answer::Profile(account, FullProfile { profile: Map::new(), etag: None });
            written(changes).map_or(Answer::Done, read)
        }
        (Step::ListGroups { .. } | Step::ReadGroups { .. }, Some(account)) => {
            let known = |id: &String| {
                let unknown = || Group { id: id.clone(), name: id.clone(), writable: false };
                directory.find(id).cloned().unwrap_or_else(unknown)
            };
            Answer::Groups { groups: account.groups.iter().map(known).collect(), next: None }
        }
        _ => Answer::Done,
    }
}

fn text(account: &Account, field: &str) -> Option<String> {
    account.profile.get(field).and_then(Value::as_str).map(str::to_owned)
}
