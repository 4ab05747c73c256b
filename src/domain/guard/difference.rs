//! What a changed mapping would change for a whole population: what the planner makes of both, counted and grouped.

use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::guard::planned::foresee;
use crate::domain::plan::case::Case;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::step::Step;
use crate::domain::record::employee::FieldChange;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Examples that are kept of each kind.
const EXAMPLES: usize = 3;

/// Everything that differs between two mappings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// People who were compared.
    pub people: usize,
    /// People for whom anything differs.
    pub changed: usize,
    pub attributes: BTreeMap<String, AttributeChange>,
    pub groups: BTreeMap<String, GroupChange>,
    pub apps: BTreeMap<String, GroupChange>,
    /// People by what happens to their user type.
    pub user_types: BTreeMap<String, usize>,
    /// People whom the new mapping fails for and the old one does not, by the error.
    pub broken: BTreeMap<String, Failure>,
    /// People who would wait for something that they do not wait for now, by what that is: a group that is not there.
    pub waits: BTreeMap<String, Failure>,
    /// People whom the old mapping fails for and the new one does not.
    pub mended: usize,
}

/// What happens to an attribute.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AttributeChange {
    pub people: usize,
    /// How often each pair of values occurs; the most frequent ones are worth a look.
    pub values: BTreeMap<String, usize>,
    pub examples: Vec<String>,
}

/// What happens to the members of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GroupChange {
    pub added: usize,
    pub removed: usize,
    pub examples: Vec<String>,
}

/// An error of the new mapping.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Failure {
    pub people: usize,
    pub examples: Vec<String>,
}

fn example(examples: &mut Vec<String>, who: &str) {
    if examples.len() < EXAMPLES {
        examples.push(who.to_owned());
    }
}

/// A rulebook, and the org as its plans find it: groups that they make are there for whoever comes next.
pub struct Side<'a> {
    rules: &'a Rulebook,
    directory: Cow<'a, Directory>,
}

impl<'a> Side<'a> {
    pub fn new(rules: &'a Rulebook, directory: &'a Directory) -> Self {
        Self { rules, directory: Cow::Borrowed(directory) }
    }

    /// What somebody has when the plan of now is carried out; the error says why none can be made.
    fn reached(&mut self, case: &Case, now: Moment) -> Result<Reached, String> {
        let lifecycle = self.rules.lifecycle(case, now);
        if !lifecycle.entitlement.counts() {
            return Ok(Reached::default());
        }
        let plan = foresee(case, &lifecycle, self.rules, &mut self.directory, now).map_err(|obstacle| obstacle.why)?;
        let mut reached = Reached { waits: plan.unfinished.clone(), ..Reached::default() };
        if let Some(account) = &case.account {
            reached.attributes.clone_from(&account.profile);
            reached.groups = account.groups.iter().map(|id| self.called(id)).collect();
            let apps =
                account.apps.keys().map(|id| self.directory.find_app(id).map_or(id.as_str(), |(_, label)| label));
            reached.apps = apps.map(str::to_owned).collect();
        }
        for step in &plan.steps {
            self.carry_out(step, &mut reached);
        }
        Ok(reached)
    }

    fn called(&self, group: &str) -> String {
        self.directory.find(group).map_or(group, |found| &found.name).to_owned()
    }

    fn carry_out(&self, step: &Step, reached: &mut Reached) {
        match step {
            Step::CreateUser { profile, groups, user_type, .. } => {
                reached.attributes.clone_from(profile);
                reached.groups = groups.iter().map(|id| self.called(id)).collect();
                reached.user_type.clone_from(user_type);
            }
            Step::UpdateUser { changes, .. } => reached.write(changes),
            Step::ChangeType { changes, name, .. } => {
                reached.write(changes);
                reached.user_type = Some(name.clone());
            }
            Step::AddGroup { name, .. } => drop(reached.groups.replace(name.clone())),
            Step::RemoveGroup { name, .. } => drop(reached.groups.take(name)),
            Step::AssignApp { name, .. } => drop(reached.apps.replace(name.clone())),
            Step::UnassignApp { name, .. } => drop(reached.apps.take(name)),
            Step::NameInApp { .. }
            | Step::MakeSignIn { .. }
            | Step::CreateGroup { .. }
            | Step::FreeLogin { .. }
            | Step::Activate { .. }
            | Step::Suspend { .. }
            | Step::Unsuspend { .. }
            | Step::Unlock { .. }
            | Step::Deactivate { .. }
            | Step::RevokeSessions { .. }
            | Step::RevokeSessionsAgain { .. }
            | Step::SetManager { .. }
            | Step::ClearManager { .. }
            | Step::ReadAccount { .. }
            | Step::ReadHolder { .. }
            | Step::ReadProfile { .. }
            | Step::ReadBack { .. }
            | Step::ReadGroups { .. }
            | Step::ReadRoles { .. }
            | Step::ReadGroupRoles { .. }
            | Step::ListGroups { .. } => {}
        }
    }
}

/// What somebody has after a plan.
#[derive(Default, PartialEq)]
struct Reached {
    attributes: BTreeMap<String, Value>,
    groups: BTreeSet<String>,
    apps: BTreeSet<String>,
    /// The user type, where the plan gives another one.
    user_type: Option<String>,
    /// What they wait for all the same.
    waits: Option<String>,
}

impl Reached {
    fn write(&mut self, changes: &[FieldChange]) {
        for FieldChange { field, after, .. } in changes {
            match after {
                Value::Null => drop(self.attributes.remove(field)),
                value => drop(self.attributes.insert(field.clone(), value.clone())),
            }
        }
    }
}

impl Difference {
    /// Compares what the plans of two rulebooks come to for one person; `before` and `after` are the same person as each sees them.
    pub fn add(&mut self, old: &mut Side, before: &Case, new: &mut Side, after: &Case, now: Moment) {
        self.people += 1;
        let who = before.person.display();
        match (old.reached(before, now), new.reached(after, now)) {
            (Err(_), Err(_)) => {}
            (Err(_), Ok(_)) => {
                self.mended += 1;
                self.changed += 1;
            }
            (Ok(_), Err(why)) => {
                self.changed += 1;
                failed(&mut self.broken, why, &who);
            }
            (Ok(before), Ok(after)) => self.changed += usize::from(self.compare(&who, &before, &after)),
        }
    }

    fn compare(&mut self, who: &str, before: &Reached, after: &Reached) -> bool {
        if before == after {
            return false;
        }
        let names: BTreeSet<&String> = before.attributes.keys().chain(after.attributes.keys()).collect();
        for name in names {
            let (old, new) = (before.attributes.get(name), after.attributes.get(name));
            if old != new {
                let change = self.attributes.entry(name.clone()).or_default();
                change.people += 1;
                *change.values.entry(format!("{} -> {}", shown(old), shown(new))).or_default() += 1;
                example(&mut change.examples, who);
            }
        }
        members(&mut self.groups, who, &before.groups, &after.groups);
        members(&mut self.apps, who, &before.apps, &after.apps);
        if before.user_type != after.user_type {
            let word = |kind: &Option<String>| kind.clone().unwrap_or_else(|| "(as it is)".into());
            let pair = format!("{} -> {}", word(&before.user_type), word(&after.user_type));
            *self.user_types.entry(pair).or_default() += 1;
        }
        if let Some(why) = after.waits.clone().filter(|_| before.waits != after.waits) {
            failed(&mut self.waits, why, who);
        }
        true
    }

    /// Adds what another part of the population gave.
    pub fn merge(&mut self, other: Difference) {
        self.people += other.people;
        self.changed += other.changed;
        self.mended += other.mended;
        for (name, change) in other.attributes {
            let here = self.attributes.entry(name).or_default();
            here.people += change.people;
            change.values.into_iter().for_each(|(pair, n)| *here.values.entry(pair).or_default() += n);
            change.examples.iter().for_each(|who| example(&mut here.examples, who));
        }
        for (here, there) in [(&mut self.groups, other.groups), (&mut self.apps, other.apps)] {
            for (name, change) in there {
                let here = here.entry(name).or_default();
                (here.added, here.removed) = (here.added + change.added, here.removed + change.removed);
                change.examples.iter().for_each(|who| example(&mut here.examples, who));
            }
        }
        other.user_types.into_iter().for_each(|(pair, n)| *self.user_types.entry(pair).or_default() += n);
        for (here, there) in [(&mut self.broken, other.broken), (&mut self.waits, other.waits)] {
            for (why, failure) in there {
                let here = here.entry(why).or_default();
                here.people += failure.people;
                failure.examples.iter().for_each(|who| example(&mut here.examples, who));
            }
        }
    }
}

fn failed(into: &mut BTreeMap<String, Failure>, why: String, who: &str) {
    let failure = into.entry(why).or_default();
    failure.people += 1;
    example(&mut failure.examples, who);
}

fn members(into: &mut BTreeMap<String, GroupChange>, who: &str, old: &BTreeSet<String>, new: &BTreeSet<String>) {
    for name in old.symmetric_difference(new) {
        let change = into.entry(name.clone()).or_default();
        match new.contains(name) {
            true => change.added += 1,
            false => change.removed += 1,
        }
        example(&mut change.examples, who);
    }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "(empty)".into(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::directory::Group;
    use crate::domain::mapping::desired::Mapping;
    use crate::domain::mapping::desired::tests::{default_attributes, plain};
    use crate::domain::mapping::expr::Engine;
    use crate::domain::plan::rulebook::tests::rulebook;
    use crate::domain::record::employee::Employee;
    use crate::domain::record::employee::tests::an_employee;
    use crate::domain::record::person::Person;

    #[test]
    fn a_changed_mapping_is_counted_by_attribute_group_and_error() {
        let old = rulebook();
        let mut new = rulebook();
        let engine = Engine::default();
        let mut rules = default_attributes(&engine);
        rules.retain(|rule| rule.name != "title");
        rules.push(plain(&engine, "title", "employee.departments[0] + ' ' + employee.job_title"));
        new.mapping = Mapping::new(engine, "namelyId", rules, Vec::new());
        let now = Moment::from_secs(1_800_000_000);
        let group = Group { id: "00gStaff".into(), name: "Staff".into(), writable: true };
        let mut directory = Directory::new([group], BTreeSet::new());
        directory.learn_role("00gStaff", Some(false));
        let (mut before, mut after) = (Side::new(&old, &directory), Side::new(&new, &directory));
        let mut difference = Difference::default();
        let unsorted = Employee { departments: Vec::new(), ..an_employee() };
        for employee in [an_employee(), an_employee(), unsorted] {
            let case = Case::new("main", Person::of("acme", employee));
            difference.add(&mut before, &case, &mut after, &case, now);
        }
        assert_eq!((difference.people, difference.changed), (3, 3));
        assert_eq!(difference.attributes["title"].values["Accountant -> Finance Accountant"], 2);
        assert_eq!(difference.groups["Staff"].removed, 2);
        let (why, failure) = difference.broken.first_key_value().expect("a failure");
        assert!(why.contains("attribute title") && failure.people == 1, "{why}");
        let mut twice = difference.clone();
        twice.merge(difference);
        assert_eq!((twice.people, twice.attributes["title"].people, twice.groups["Staff"].removed), (6, 4, 4));
    }
}
