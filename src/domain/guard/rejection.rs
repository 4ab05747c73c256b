//! What somebody has rejected, and what ends that.
//!
//! A rejection is about a person, a kind of change and its **objects** (which group, which attribute), and stands on a
//! **fact**: what Namely said behind it. It does not ask how the mapping came to want the change: another configuration that
//! is taken back again finds the rejection where it was. It ends when the fact becomes another one, or by a reversal.
//!
//! The fact behind the begin or end of access is the status and the dates of each profile, and what the rule of leaves reads.
//! Behind a group, an app or an attribute it is the fields that the rules about it read; of a person with several profiles
//! their status and dates too, because these say which profile counts. What Namely does not say (the login of a manager, a
//! name in the configuration) is no fact.

use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::mapping::desired::LOGIN;
use crate::domain::mapping::expr::Expr;
use crate::domain::mapping::view::Reads;
use crate::domain::plan::case::Case;
use crate::domain::plan::kind::ChangeKind;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::step::Step;
use crate::domain::record::employee::Employee;
use crate::domain::record::person::Position;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Status and dates: what begins and ends access.
const LIFE: [&str; 3] = ["user_status", "start_date", "departure_date"];

/// The object of an adoption, which no call is about.
pub const ADOPTION: &str = "adoption";
/// What a match stands on.
const WHO: [&str; 5] = ["email", "employee_id", "first_name", "last_name", "preferred_name"];

/// What one profile said behind a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub tenant: String,
    pub profile: String,
    pub fields: BTreeMap<String, Value>,
}

/// What Namely said behind a change, of every profile of the person.
pub type Fact = Vec<Said>;

/// What a call of a kind is about.
pub fn objects(change: ChangeKind, step: &Step) -> Vec<String> {
    match change {
        ChangeKind::Deactivate | ChangeKind::Suspend | ChangeKind::Activate => return vec!["access".into()],
        ChangeKind::Create => return vec!["account".into()],
        ChangeKind::LinkManager => return vec!["manager".into()],
        ChangeKind::Adopt => return vec![ADOPTION.into()],
        ChangeKind::RemoveGroup
        | ChangeKind::ChangeLogin
        | ChangeKind::ChangeContact
        | ChangeKind::AddGroup
        | ChangeKind::GrantAdmin
        | ChangeKind::ChangeAttributes => {}
    }
    match step {
        // By its id, and by the name that one which is made anew has too.
        Step::AddGroup { group, name, .. } | Step::RemoveGroup { group, name, .. } => {
            let named = (!name.is_empty() && name != group).then(|| format!("group {name}"));
            [format!("group {group}")].into_iter().chain(named).collect()
        }
        Step::CreateGroup { name } => vec![format!("group {name}")],
        Step::AssignApp { app, .. } | Step::NameInApp { app, .. } | Step::UnassignApp { app, .. } => {
            vec![format!("app {app}")]
        }
        Step::UpdateUser { changes, .. } => changes.iter().map(|one| format!("attribute {}", one.field)).collect(),
        Step::FreeLogin { .. } => vec![format!("attribute {LOGIN}")],
        // The type is written together with the attributes that differ.
        Step::ChangeType { .. } | Step::ReadProfile { .. } => vec!["user type".into()],
        other => vec![other.name().to_owned()],
    }
}

/// What Namely says behind a change of these objects, in all profiles of the person, whatever their routes.
pub fn fact(
    change: ChangeKind,
    objects: &BTreeSet<String>,
    case: &Case,
    directory: &Directory,
    rules: &Rulebook,
) -> Fact {
    let (mut reads, profiles) = (Reads::default(), profiles(case));
    let life = |reads: &mut Reads| reads.fields.extend(LIFE.map(str::to_owned));
    for object in objects {
        let (kind, name) = object.split_once(' ').unwrap_or((object, ""));
        match kind {
            "access" | "account" => {
                life(&mut reads);
                let routes = rules
                    .org(&case.org)
                    .and_then(|org| org.people.as_ref())
                    .filter(|_| !case.routed || profiles.len() > 1);
                add(&mut reads, rules.leave.iter().chain(routes));
            }
            "manager" => {
                reads.fields.insert("manager".into());
            }
            ADOPTION => reads.fields.extend(WHO.map(str::to_owned)),
            "group" => {
                let known = directory.find(name).map_or(name, |group| group.name.as_str());
                behind_group(&mut reads, name, known, rules);
            }
            "app" => {
                let label = directory.find_app(name).map_or(name, |(_, label)| label);
                let about = rules.mapping.app_rules().iter().filter(|rule| rule.app == name || rule.app == label);
                add(&mut reads, about.flat_map(|rule| rule.exprs()));
            }
            "attribute" if name == LOGIN || rules.login.former.as_deref() == Some(name) => {
                reads.add(&rules.login.reads());
            }
            "attribute" => {
                let of_attribute = rules.mapping.attribute_rules().iter().filter(|rule| rule.name == name);
                add(&mut reads, of_attribute.map(|rule| &rule.value));
            }
            _ => add(&mut reads, rules.mapping.user_type()),
        }
    }
    if profiles.len() > 1 || change == ChangeKind::Create {
        life(&mut reads);
    }
    let said = |position: &Position| Said {
        tenant: position.tenant.clone(),
        profile: position.employee.id.clone(),
        fields: reads
            .fields
            .iter()
            .filter_map(|name| Some((name.clone(), field(&position.employee, name)?)))
            .chain(reads.custom.iter().map(|name| (custom(name), custom_field(&position.employee, name))))
            .collect(),
    };
    profiles.into_iter().map(said).collect()
}

fn add<'a>(reads: &mut Reads, exprs: impl IntoIterator<Item = &'a Expr>) {
    exprs.into_iter().for_each(|expr| reads.add(expr.reads()));
}

/// What the rules about a group read; what all of them read, if none says that it is about this one.
fn behind_group(reads: &mut Reads, id: &str, name: &str, rules: &Rulebook) {
    let all = rules.mapping.group_rules();
    let about: Vec<_> = all.iter().filter(|rule| rule.governs(id, name)).collect();
    let about = if about.is_empty() { all.iter().collect() } else { about };
    add(reads, about.into_iter().flat_map(|rule| rule.exprs()));
}

fn custom(name: &str) -> String {
    format!("custom.{name}")
}

fn custom_field(employee: &Employee, name: &str) -> Value {
    employee.custom.get(name).cloned().unwrap_or(Value::Null)
}

/// A field of `employee` as Namely says it; `None` for what it does not say.
fn field(employee: &Employee, name: &str) -> Option<Value> {
    let e = employee;
    Some(match name {
        "id" | "tenant" | "org" | "login" | "custom" => return None,
        "full_name" => json!([e.preferred_name, e.first_name, e.last_name]),
        "department" | "departments" => json!(e.departments),
        "office" | "offices" => json!(e.offices),
        "team" | "teams" => json!(e.teams),
        "manager" => json!(e.manager.as_ref().map(|manager| &manager.id)),
        "user_status" => json!(e.user_status.to_string()),
        name => serde_json::to_value(e).ok()?.get(name)?.clone(),
    })
}

/// All profiles of somebody, whatever their routes: another configuration may route them otherwise.
fn profiles(case: &Case) -> Vec<&Position> {
    case.person.positions().iter().chain(&case.elsewhere).collect()
}

/// Whether Namely still says what it said.
pub fn stands(fact: &Fact, case: &Case) -> bool {
    let profiles = profiles(case);
    let same = |said: &Said| {
        let is_it = |p: &&&Position| p.tenant == said.tenant && p.employee.id == said.profile;
        profiles.iter().find(is_it).is_some_and(|position| {
            said.fields.iter().all(|(name, value)| match name.strip_prefix("custom.") {
                // A custom field that no expression names now is not read, which says nothing about it.
                Some(name) => position.employee.custom.get(name).is_none_or(|now| now == value),
                None => field(&position.employee, name).as_ref() == Some(value),
            })
        })
    };
    fact.len() == profiles.len() && fact.iter().all(same)
}

/// What was rejected of one person and still holds: why, by kind of change and object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected(pub BTreeMap<ChangeKind, BTreeMap<String, String>>);

impl Rejected {
    /// Why a kind may not be done, if anything of it was rejected.
    pub fn of_kind(&self, change: ChangeKind) -> Option<&str> {
        self.0.get(&change)?.values().next().map(String::as_str)
    }

    /// Why a call of a kind may not be made, if it was rejected.
    pub fn why(&self, change: ChangeKind, step: &Step) -> Option<&str> {
        let of = self.0.get(&change)?;
        objects(change, step).iter().find_map(|object| of.get(object)).map(String::as_str)
    }

    /// What binds of it: whoever has ended access since has decided anew about that.
    #[must_use]
    pub fn under(mut self, case: &Case, now: Moment) -> Self {
        if case.ends_now(now) {
            self.0.retain(|change, _| !matches!(change, ChangeKind::Deactivate | ChangeKind::Suspend));
        }
        self
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What somebody has rejected of one person.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    pub id: i64,
    /// Nothing where this version does not know the kind.
    pub change: Option<ChangeKind>,
    pub objects: BTreeSet<String>,
    pub fact: Fact,
    /// Where it was held.
    pub hold: i64,
    pub by: String,
    pub at: Moment,
}

/// Why a rejected change is not done.
pub fn message(change: ChangeKind, hold: i64, by: &str) -> String {
    format!(
        "{} was rejected by {by} (hold {hold}): it waits until Namely says something else, or for `holds reverse {hold}`",
        change.as_str()
    )
}

/// The newest rejection of a kind of change, among all of a person in order, that still holds.
pub fn newest_binding<'a>(all: &'a [Rejection], change: ChangeKind, case: &Case) -> Option<&'a Rejection> {
    all.iter().rev().filter(|one| one.change == Some(change)).find(|one| stands(&one.fact, case))
}

/// What was rejected of one person and still holds; and the numbers of those rejections that stood on something that Namely
/// does not say any more.
pub fn still_rejected(all: Vec<Rejection>, case: &Case) -> (Rejected, Vec<i64>) {
    let (lasting, over): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| stands(&one.fact, case));
    let mut rejected = Rejected::default();
    for one in lasting {
        let Some(change) = one.change else { continue };
        let why = message(change, one.hold, &one.by);
        rejected.0.entry(change).or_default().extend(one.objects.into_iter().map(|object| (object, why.clone())));
    }
    (rejected, over.into_iter().map(|one| one.id).collect())
}

#[cfg(test)]
#[path = "rejection_tests.rs"]
mod tests;
