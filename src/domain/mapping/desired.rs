//! From profiles to what Okta should hold: attributes, groups and apps, by the rules of the configuration.

use crate::domain::account::directory::Group;
use crate::domain::mapping::expr::{Bound, Engine, Expr, MappingError};
use crate::domain::mapping::rules::{
    AppRule, Assigned, AttributeRule, GroupRule, Positions, WhenEmpty, evaluate, reads,
};
use crate::domain::mapping::view::Reads;
use crate::domain::mapping::view::Seen;
use crate::domain::record::person::Position;
use crate::domain::text::trimmed_ends;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Attributes without which Okta has no user (`okta-api.md §6`).
pub const REQUIRED: [&str; 3] = ["login", "email", "firstName"];

/// The attribute that the login rules give, and no attribute rule.
pub const LOGIN: &str = "login";

/// What the login is made from when the configuration says nothing else.
pub const DEFAULT_LOGIN: &str = "employee.email";

/// The attributes that are mapped when the configuration says nothing else, each with its expression.
pub const DEFAULT_ATTRIBUTES: &[(&str, &str)] = &[
    ("email", "employee.email"),
    ("firstName", "employee.preferred_name != '' ? employee.preferred_name : employee.first_name"),
    ("lastName", "employee.last_name"),
    ("middleName", "employee.middle_name"),
    ("displayName", "employee.full_name"),
    ("title", "employee.job_title"),
    ("department", "employee.department"),
    ("userType", "employee.employee_type"),
    ("employeeNumber", "employee.employee_id"),
    ("primaryPhone", "employee.office_direct_dial != '' ? employee.office_direct_dial : employee.office_main_number"),
    ("manager", "employee.manager.name"),
    ("managerId", "employee.manager.login"),
];

/// The whole mapping, compiled.
///
/// **Invariant:** decides from what it is shown alone; the same person always gives the same wish.
pub struct Mapping {
    engine: Engine,
    anchor: String,
    attributes: Vec<AttributeRule>,
    groups: Vec<GroupRule>,
    apps: Vec<AppRule>,
    user_type: Option<Expr>,
    /// How it was written; empty where it was not read of a file.
    source: String,
    /// What all of these read of a profile.
    reads: Reads,
}

/// A person as the mapping sees them: the positions that count, the primary one first.
pub struct Shown<'a> {
    pub org: &'a str,
    pub login: &'a str,
    /// Login of the manager in this org, where it is known; else the manager's email.
    pub manager_login: Option<&'a str>,
    /// Never empty.
    pub positions: &'a [&'a Position],
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From these fields of the profile: HR can change it.
    Namely(Vec<String>),
    /// From the rule alone, whoever it is about.
    Rule,
}

/// What Okta should hold for one entitled person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// Every mapped attribute; `null` where it should not be set. An attribute that is to be left alone is missing.
    pub attributes: BTreeMap<String, Value>,
    /// Groups by name or id.
    pub groups: BTreeMap<String, WantedGroup>,
    /// Apps by label or id.
    pub apps: BTreeMap<String, WantedApp>,
    /// Name of the user type, where the mapping gives one.
    pub user_type: Option<String>,
}

/// Why somebody should be in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedGroup {
    /// The label of the first rule that gave it.
    pub rule: String,
    /// Whether the group may be created if it does not exist.
    pub create: bool,
    /// Whether nobody has an account without it.
    pub required: bool,
}

/// Why somebody should have an app, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedApp {
    /// The label of the rule.
    pub rule: String,
    /// The user's name in the app; Okta's own choice without it.
    pub user_name: Option<String>,
}

impl Mapping {
    /// A mapping of compiled rules; `anchor` is the attribute that holds the profile's UUID.
    pub fn new(engine: Engine, anchor: &str, attributes: Vec<AttributeRule>, groups: Vec<GroupRule>) -> Self {
        let (anchor, reads) = (anchor.to_owned(), Reads::default());
        let (apps, user_type, source) = (Vec::new(), None, String::new());
        Self { engine, anchor, attributes, groups, apps, user_type, source, reads }.with_reads()
    }

    /// The same with rules that assign apps.
    pub fn with_apps(self, apps: Vec<AppRule>) -> Self {
        Self { apps, ..self }.with_reads()
    }

    /// The same with the expression that names the user type.
    pub fn with_user_type(self, user_type: Option<Expr>) -> Self {
        Self { user_type, ..self }.with_reads()
    }

    /// The same with the text that it was read of.
    pub fn with_source(self, source: String) -> Self {
        Self { source, ..self }
    }

    /// The text that it was read of.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What compiles and binds.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The rules that give attributes.
    pub fn attribute_rules(&self) -> &[AttributeRule] {
        &self.attributes
    }

    /// The rules that give groups.
    pub fn group_rules(&self) -> &[GroupRule] {
        &self.groups
    }

    /// The rules that assign apps.
    pub fn app_rules(&self) -> &[AppRule] {
        &self.apps
    }

    /// The expression that names the user type.
    pub fn user_type(&self) -> Option<&Expr> {
        self.user_type.as_ref()
    }

    /// Whether a rule names this app.
    pub fn manages_app(&self, id: &str, label: &str) -> bool {
        self.apps.iter().any(|rule| rule.app == id || rule.app == label)
    }

    /// The attribute that holds the profile's UUID.
    pub fn anchor(&self) -> &str {
        &self.anchor
    }

    /// Names of all attributes that are written, the login and the anchor included.
    pub fn attribute_names(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|rule| rule.name.as_str()).chain([LOGIN, self.anchor.as_str()])
    }

    /// Where the value of an attribute that this mapping writes comes from.
    pub fn source_of(&self, attribute: &str) -> Source {
        let rule = self.attributes.iter().find(|rule| rule.name == attribute);
        let reads = match rule {
            Some(rule) => rule.value.reads(),
            None => return Source::Namely(vec![attribute.to_owned()]), // the login and the anchor are the profile's own
        };
        let fields: Vec<String> = reads.fields.iter().chain(&reads.custom).cloned().collect();
        match fields.is_empty() {
            true if reads.whole => Source::Namely(vec!["the profile".to_owned()]),
            true => Source::Rule,
            false => Source::Namely(fields),
        }
    }

    /// Groups named outright, which must exist unless their rule may create them.
    pub fn listed_groups(&self) -> impl Iterator<Item = (&str, &GroupRule)> {
        self.groups.iter().flat_map(|rule| rule.named().into_iter().map(move |name| (name, rule)))
    }

    /// Whether memberships of this group are governed by the mapping: it is named in a rule, or matches what a
    /// computed rule owns. Only such memberships are removed from somebody who moves.
    pub fn manages(&self, group: &Group) -> bool {
        self.owner(group).is_some()
    }

    /// Every rule that governs memberships of this group.
    pub fn owners<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a GroupRule> {
        self.groups.iter().filter(|rule| rule.governs(&group.id, &group.name))
    }

    /// The first rule that governs memberships of this group.
    pub fn owner(&self, group: &Group) -> Option<&GroupRule> {
        self.groups.iter().find(|rule| rule.governs(&group.id, &group.name))
    }

    /// Everything the mapping reads of a profile.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    fn with_reads(self) -> Self {
        let attributes = self.attributes.iter().map(|rule| &rule.value).chain(&self.user_type);
        let groups = self.groups.iter().flat_map(GroupRule::exprs);
        let reads = reads(attributes.chain(groups).chain(self.apps.iter().flat_map(AppRule::exprs)));
        Self { reads, ..self }
    }

    /// Binds each position of `shown`, in order.
    pub fn bind<'a>(&self, shown: &Shown<'a>) -> Vec<(&'a Position, Bound<'_>)> {
        let bound = |position: &&'a Position| {
            let manager_login = position.employee.manager.as_ref().map_or("", |m| m.email.as_str());
            let seen = Seen {
                employee: &position.employee,
                tenant: &position.tenant,
                org: shown.org,
                login: shown.login,
                manager_login: shown.manager_login.unwrap_or(manager_login),
            };
            (*position, self.engine.bind(&seen, &self.reads))
        };
        shown.positions.iter().map(bound).collect()
    }

    /// What Okta should hold for the person of `shown`.
    pub fn desired(&self, shown: &Shown) -> Result<Desired, MappingError> {
        let bound = self.bind(shown);
        let mut desired = Desired::default();
        for rule in &self.attributes {
            let value = attribute(rule, &bound)?;
            if !value.is_null() || rule.empty == WhenEmpty::Clear {
                desired.attributes.insert(rule.name.clone(), value);
            }
        }
        let login = Some(shown.login).filter(|login| !login.is_empty());
        desired.attributes.insert(LOGIN.to_owned(), login.map_or(Value::Null, Value::from));
        for rule in &self.groups {
            let counted = if rule.primary_only { 1 } else { bound.len() };
            for (_, bound) in &bound[..counted] {
                for name in rule.give(bound, self.engine.tables())?.into_iter().flatten() {
                    // What nobody sees at the ends of a name makes no second group; between words it may be meant.
                    let name = trimmed_ends(&name).to_owned();
                    if name.is_empty() {
                        continue;
                    }
                    let wanted = WantedGroup { rule: rule.label.clone(), create: rule.create, required: rule.required };
                    let wanted = desired.groups.entry(name).or_insert(wanted);
                    (wanted.create, wanted.required) = (wanted.create | rule.create, wanted.required | rule.required);
                }
            }
        }
        for rule in &self.apps {
            for (_, bound) in &bound {
                if let Some(Assigned { user_name }) = rule.give(bound)? {
                    let wanted = WantedApp { rule: rule.label.clone(), user_name };
                    desired.apps.entry(rule.app.clone()).or_insert(wanted);
                }
            }
        }
        if let (Some(expr), Some((_, bound))) = (&self.user_type, bound.first()) {
            let name = expr.text(bound).map_err(|message| MappingError::of("user_type", expr, message))?;
            desired.user_type = Some(name).filter(|name| !name.is_empty());
        }
        Ok(desired)
    }
}

/// The value of one attribute, from the positions that its rule looks at.
pub(in crate::domain) fn attribute(rule: &AttributeRule, bound: &[(&Position, Bound)]) -> Result<Value, MappingError> {
    let label = || format!("attribute {}", rule.name);
    let value = |bound: &Bound| evaluate(&rule.value, bound, &label());
    match &rule.positions {
        Positions::Primary => bound.first().map_or(Ok(Value::Null), |(_, bound)| value(bound)),
        Positions::First { tenants } => {
            let order_of = |position: &Position| tenants.iter().position(|t| *t == position.tenant);
            let mut ordered: Vec<&(&Position, Bound)> = bound.iter().collect();
            ordered.sort_by_key(|(position, _)| order_of(position).unwrap_or(tenants.len()));
            for (_, bound) in ordered {
                let found = value(bound)?;
                if !found.is_null() {
                    return Ok(found);
                }
            }
            Ok(Value::Null)
        }
        Positions::All { join } => {
            let mut all: Vec<Value> = Vec::new();
            for (_, bound) in bound {
                let items = match value(bound)? {
                    Value::Array(items) => items,
                    one => vec![one],
                };
                for item in items.into_iter().filter(|item| !item.is_null()) {
                    if !all.contains(&item) {
                        all.push(item);
                    }
                }
            }
            Ok(match join {
                _ if all.is_empty() => Value::Null,
                None => Value::Array(all),
                Some(join) => {
                    let texts: BTreeSet<String> =
                        all.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
                    Value::String(texts.into_iter().collect::<Vec<_>>().join(join))
                }
            })
        }
    }
}

#[cfg(test)]
#[path = "desired_tests.rs"]
pub(crate) mod tests;
