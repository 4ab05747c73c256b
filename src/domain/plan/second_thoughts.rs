//! Second thoughts: a termination that is taken back soon gives back what it has taken, and not only what the mapping gives.
//!
//! **Invariant:** only what this termination has taken comes back, never what carries an admin role, protects whoever has it, or is
//! filled by Okta or an app; what the mapping governs follows the mapping.

use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::account::taken_back::{DirectApp, TakenBack};
use crate::domain::account::user::Account;
use crate::domain::plan::apps;
use crate::domain::plan::case::Case;
use crate::domain::plan::pins::invert;
use crate::domain::plan::resolve::{group_name, resolve, wanted};
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::situation::Situation;
use crate::domain::plan::step::Step;
use crate::domain::record::lifecycle::Entitlement;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// One row of somebody's history, as far as it says what a termination took.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// From here on the record means this.
    Means { at: Moment, entitlement: Entitlement },
    /// A plan begins, which takes access or does not.
    Plans { is_over: bool },
    /// A call that was carried out, or may have been.
    Carried { at: Moment, step: Step },
}

/// The end of access that the newest rows are about.
struct Termination {
    /// When it took something first.
    began: Moment,
    /// When it was taken back.
    back: Option<Moment>,
    /// Whether something was carried out since for whoever was back.
    is_taken_back: bool,
    /// What it has taken and was not given back, in order.
    steps: Vec<Step>,
    apps: BTreeMap<String, DirectApp>,
}

impl Termination {
    /// A call for whoever is back: what it gives does not have to come back any more, and what it takes is none of this.
    fn gives(&mut self, step: &Step) {
        self.is_taken_back = true;
        match step {
            Step::AddGroup { group, .. } => self.steps.retain(|taken| taken.touches() != Some(group)),
            Step::AssignApp { app, .. } => drop(self.apps.remove(app)),
            Step::Activate { .. } => self.steps.retain(|taken| !matches!(taken, Step::Deactivate { .. })),
            _ => {}
        }
    }
}

/// Whether who has this now is back: nobody is by a record that does not say clearly, or that prepares another start.
pub const fn is_back(entitlement: &Entitlement) -> bool {
    entitlement.counts() && !matches!(entitlement, Entitlement::Prehire { due: false })
}

/// What the newest termination in the history of somebody has taken, if it was taken back within `window`; `now` where the history
/// does not say yet that it was.
pub fn taken_back(history: &[Entry], window: Duration, now: Moment) -> Option<TakenBack> {
    let (mut direct, mut is_over) = (BTreeMap::new(), false);
    let mut newest: Option<Termination> = None;
    for entry in history {
        match entry {
            Entry::Plans { is_over: ends } => is_over = *ends,
            Entry::Means { at, entitlement } => {
                if let Some(it) = &mut newest {
                    match entitlement {
                        over if over.is_over() => it.back = None,
                        back if is_back(back) => it.back = it.back.or(Some(*at)),
                        _ => {}
                    }
                }
            }
            Entry::Carried { at, step } if is_over => {
                // What one of before still had to give back is part of this one, within the time for it.
                newest = newest.filter(|it| !it.is_taken_back || at.since(it.began) <= window);
                takes(&mut newest, &mut direct, step, *at);
            }
            Entry::Carried { step, .. } => {
                gives(&mut direct, step);
                if let Some(it) = newest.as_mut().filter(|_| step.is_write()) {
                    it.gives(step);
                }
            }
        }
    }
    // Who was let in again is given what is left to give by the mark of their account.
    let newest = newest.filter(|it| !it.is_taken_back);
    let it = newest.filter(|it| it.back.unwrap_or(now).since(it.began) <= window)?;
    let (taken, _) = invert(it.steps.iter().rev());
    let names = it.steps.iter().filter_map(|step| match step {
        Step::RemoveGroup { group, name, .. } => Some((group.clone(), name.clone())),
        _ => None,
    });
    Some(TakenBack {
        groups: names.filter(|(group, _)| taken.member.contains(group)).collect(),
        apps: it.apps,
        deactivated: it.steps.iter().any(|step| matches!(step, Step::Deactivate { .. })),
        rev: 0,
    })
}

/// A call of an end of access.
fn takes(newest: &mut Option<Termination>, direct: &mut BTreeMap<String, DirectApp>, step: &Step, at: Moment) {
    if !matches!(step, Step::Deactivate { .. } | Step::RemoveGroup { .. } | Step::UnassignApp { .. }) {
        return;
    }
    let it = newest.get_or_insert_with(|| Termination {
        began: at,
        back: None,
        is_taken_back: false,
        steps: Vec::new(),
        apps: BTreeMap::new(),
    });
    it.is_taken_back = false;
    match step {
        Step::Deactivate { .. } => it.apps.append(direct),
        Step::UnassignApp { app, .. } => it.apps.extend(direct.remove_entry(app)),
        _ => {}
    }
    it.steps.push(step.clone());
}

/// What apps this service has given somebody directly.
fn gives(direct: &mut BTreeMap<String, DirectApp>, step: &Step) {
    match step {
        Step::AssignApp { app, name, user_name, .. } => {
            direct.insert(app.clone(), DirectApp { name: name.clone(), user_name: user_name.clone() });
        }
        Step::NameInApp { app, user_name, .. } => {
            if let Some(given) = direct.get_mut(app) {
                given.user_name = Some(user_name.clone());
            }
        }
        Step::UnassignApp { app, .. } => drop(direct.remove(app)),
        _ => {}
    }
}

/// What comes back of it now, and what does not.
#[derive(Default)]
pub(in crate::domain) struct Returning {
    pub(in crate::domain) groups: Vec<String>,
    pub(in crate::domain) apps: Vec<Step>,
    /// Each with its reason.
    pub(in crate::domain) lost: Vec<String>,
}

/// What of what was taken comes back to somebody who gets these groups and these apps by the mapping.
pub(in crate::domain) fn returning(
    situation: &Situation,
    account: &Account,
    gets: &BTreeSet<String>,
    given: &[Step],
) -> Returning {
    let Some(taken) = &account.marks.taken_back else { return Returning::default() };
    let mut found = Returning::default();
    for (group, name) in taken.groups.iter().filter(|(group, _)| !gets.contains(*group)) {
        match stays_out(group, situation) {
            None => found.groups.push(group.clone()),
            Some(why) => found.lost.push(format!("out of group {name:?}: {why}")),
        }
    }
    let (mapping, directory) = (&situation.rulebook.mapping, situation.directory);
    for (app, of) in &taken.apps {
        let is_given = given.iter().any(|step| step.touches() == Some(app));
        if account.apps.contains_key(app) || is_given {
            continue;
        }
        let why = match directory.find_app(app) {
            None => "it is not among the apps of Okta that are read",
            Some(_) if apps::governs(mapping, directory, app) => "no rule of the mapping gives it any more",
            Some(_) => {
                let DirectApp { name, user_name } = of.clone();
                found.apps.push(Step::AssignApp { id: account.id.clone(), app: app.clone(), name, user_name });
                continue;
            }
        };
        found.lost.push(format!("without app {:?}: {why}", of.name));
    }
    if taken.deactivated {
        found
            .lost
            .push("apps that somebody else had assigned directly went with the deactivation, unknown which".into());
    }
    found
}

/// What comes back of what was taken, in words, and what does not; nothing where it cannot be told what the mapping gives.
pub fn outlook(
    case: &Case,
    rulebook: &Rulebook,
    directory: &Directory,
    now: Moment,
) -> Option<(Vec<String>, Vec<String>)> {
    let account = case.account.as_ref()?;
    let lifecycle = rulebook.lifecycle(case, now);
    let situation = Situation { case, lifecycle: &lifecycle, rulebook, directory, now, fresh: true, refused: &[] };
    let desired = wanted(&situation).ok()?;
    let gets = resolve(&desired, &rulebook.mapping, directory).ok()?.ids;
    let (given, _) = apps::steps(account, &desired, &rulebook.mapping, directory, &case.names_of_others);
    let found = returning(&situation, account, &gets, &given);
    let groups = found.groups.iter().map(|group| {
        let unless = if directory.carries_role(group).is_none() { ", if no admin role comes with it" } else { "" };
        format!("into group {:?}{unless}", group_name(directory, group))
    });
    let apps = found.apps.iter().filter_map(|step| match step {
        Step::AssignApp { name, .. } => Some(format!("app {name:?} given")),
        _ => None,
    });
    Some((groups.chain(apps).collect(), found.lost))
}

/// What is said of it.
pub(in crate::domain) fn remark(lost: &[String]) -> Option<String> {
    let what = lost.join("; ");
    (!lost.is_empty()).then(|| format!("the termination was taken back, and this does not come back by itself: {what}"))
}

/// Whether a membership that a termination would still take stays, because it was taken back.
pub(in crate::domain) fn stays_in(group: &str, situation: &Situation, account: &Account) -> bool {
    account.marks.taken_back.is_some() && stays_out(group, situation).is_none()
}

/// Why a group does not come back by itself, if it does not.
fn stays_out(group: &str, situation: &Situation) -> Option<&'static str> {
    let (directory, rulebook) = (situation.directory, situation.rulebook);
    let Some(known) = directory.find(group) else { return Some("it is not there any more") };
    if directory.is_rule_owned(group) {
        Some("a group rule of Okta fills it")
    } else if !known.writable {
        Some("an app or Okta itself fills it")
    } else if rulebook.safeguards.protected.names(&known.name) {
        Some("whoever is in it is protected")
    } else if directory.carries_role(group) == Some(true) {
        Some("it carries an admin role, or may")
    } else if rulebook.mapping.manages(known) {
        Some("no rule of the mapping gives it any more")
    } else if situation.case.pins.not_member.contains(group) {
        Some("an undo has taken it")
    } else {
        None
    }
}

#[cfg(test)]
#[path = "second_thoughts_tests.rs"]
mod tests;
