//! From a profile to what Okta should hold: attributes and groups, by the rules of the configuration.

use super::apps::AppWish;
use super::directory::Group;
use super::employee::Employee;
use super::expr::{Bound, Engine, Expr, Reads};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Attributes without which Okta has no user (`okta-api.md §6`).
pub const REQUIRED: [&str; 3] = ["login", "email", "firstName"];

/// The attributes that are mapped when the configuration says nothing else, each with its expression.
pub const DEFAULT_ATTRIBUTES: &[(&str, &str)] = &[
    ("login", "employee.email"),
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
    ("managerId", "employee.manager.email"),
];

/// A group rule of the configuration, already compiled.
pub struct GroupRule {
    /// How messages call it: its place and name in the configuration.
    pub label: String,
    /// Applies only where this is true; always without it.
    pub when: Option<Expr>,
    pub grants: Grants,
    /// Whether a group that does not exist in Okta may be created.
    pub create: bool,
}

/// A rule that assigns an app directly.
pub struct AppRule {
    /// How messages call it.
    pub label: String,
    /// The app, by label or id.
    pub app: String,
    /// Applies only where this is true; always without it.
    pub when: Option<Expr>,
    /// The user's name in the app.
    pub user_name: Option<Expr>,
}

/// What a group rule gives.
pub enum Grants {
    /// These groups, by name or id.
    Listed(Vec<String>),
    /// The groups whose names the expression gives (a text or a list); every name must match `owns`.
    Computed { names: Expr, owns: Pattern },
}

/// A group name with `*` for any run of characters; case counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern from its text.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether `name` matches as a whole.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The whole mapping, compiled.
///
/// **Invariant:** decides from the profile alone; the same profile always gives the same wish.
pub struct Mapping {
    engine: Engine,
    anchor: String,
    attributes: Vec<(String, Expr)>,
    groups: Vec<GroupRule>,
    apps: Vec<AppRule>,
}

/// What Okta should hold for one entitled person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// Every mapped attribute; `null` where it should not be set.
    pub attributes: BTreeMap<String, Value>,
    /// Groups by name or id.
    pub groups: BTreeMap<String, Wish>,
    /// Apps by label or id.
    pub apps: BTreeMap<String, AppWish>,
}

/// Why somebody should be in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The label of the first rule that gave it.
    pub rule: String,
    /// Whether the group may be created if it does not exist.
    pub create: bool,
}

/// An expression that could not be evaluated for one person: that person is set aside, everybody else goes on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{rule}: expression `{expression}` failed: {message}; correct it in the configuration, or the profile in Namely"
)]
pub struct MappingError {
    pub rule: String,
    pub expression: String,
    pub message: String,
}

impl Mapping {
    /// A mapping of compiled rules; `anchor` is the attribute that holds the profile's UUID.
    pub fn new(engine: Engine, anchor: &str, attributes: Vec<(String, Expr)>, groups: Vec<GroupRule>) -> Self {
        Self { engine, anchor: anchor.to_owned(), attributes, groups, apps: Vec::new() }
    }

    /// The same with rules that assign apps.
    pub fn with_apps(self, apps: Vec<AppRule>) -> Self {
        Self { apps, ..self }
    }

    /// The rules that assign apps.
    pub fn app_rules(&self) -> &[AppRule] {
        &self.apps
    }

    /// Whether a rule names this app.
    pub fn manages_app(&self, id: &str, label: &str) -> bool {
        self.apps.iter().any(|rule| rule.app == id || rule.app == label)
    }

    /// The attribute that holds the profile's UUID.
    pub fn anchor(&self) -> &str {
        &self.anchor
    }

    /// Names of all attributes that are written, the anchor included.
    pub fn attribute_names(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|(name, _)| name.as_str()).chain([self.anchor.as_str()])
    }

    /// Groups named outright, which must exist unless their rule may create them.
    pub fn listed_groups(&self) -> impl Iterator<Item = (&str, &GroupRule)> {
        self.groups.iter().flat_map(|rule| match &rule.grants {
            Grants::Listed(names) => names.iter().map(|n| (n.as_str(), rule)).collect::<Vec<_>>(),
            Grants::Computed { .. } => Vec::new(),
        })
    }

    /// Whether memberships of this group are governed by the mapping: it is named in a rule, or matches what a
    /// computed rule owns. Only such memberships are removed from somebody who moves.
    pub fn manages(&self, group: &Group) -> bool {
        self.groups.iter().any(|rule| match &rule.grants {
            Grants::Listed(names) => names.iter().any(|n| *n == group.name || *n == group.id),
            Grants::Computed { owns, .. } => owns.matches(&group.name),
        })
    }

    /// Everything the mapping reads of a profile.
    pub fn reads(&self) -> Reads {
        let mut all = Reads::default();
        let grants = self.groups.iter().filter_map(|rule| match &rule.grants {
            Grants::Listed(_) => None,
            Grants::Computed { names, .. } => Some(names),
        });
        let whens = self.groups.iter().filter_map(|rule| rule.when.as_ref());
        let apps = self.apps.iter().flat_map(|rule| rule.when.iter().chain(&rule.user_name));
        for expr in self.attributes.iter().map(|(_, e)| e).chain(grants).chain(whens).chain(apps) {
            all.fields.extend(expr.reads().fields.iter().cloned());
            all.custom.extend(expr.reads().custom.iter().cloned());
        }
        all
    }

    /// What Okta should hold for `employee`.
    pub fn desired(&self, employee: &Employee) -> Result<Desired, MappingError> {
        let bound = self.engine.bind(employee);
        let mut desired = Desired::default();
        for (name, expr) in &self.attributes {
            let value = evaluate(expr, &bound, || format!("attribute {name}"))?;
            desired.attributes.insert(name.clone(), value);
        }
        desired.attributes.insert(self.anchor.clone(), Value::String(employee.id.clone()));
        for rule in &self.groups {
            rule.collect(&bound, &mut desired.groups)?;
        }
        for rule in &self.apps {
            if let Some(wish) = rule.wish(&bound)? {
                desired.apps.entry(rule.app.clone()).or_insert(wish);
            }
        }
        Ok(desired)
    }
}

/// Whether a rule applies.
fn applies(when: Option<&Expr>, bound: &Bound, label: &str) -> Result<bool, MappingError> {
    let Some(when) = when else { return Ok(true) };
    match evaluate(when, bound, || label.to_owned())? {
        Value::Bool(applies) => Ok(applies),
        other => Err(MappingError {
            rule: label.to_owned(),
            expression: when.source().to_owned(),
            message: format!("`when` gives {other}, not true or false"),
        }),
    }
}

impl AppRule {
    fn wish(&self, bound: &Bound) -> Result<Option<AppWish>, MappingError> {
        if !applies(self.when.as_ref(), bound, &self.label)? {
            return Ok(None);
        }
        let user_name = match &self.user_name {
            None => None,
            Some(expr) => match evaluate(expr, bound, || self.label.clone())? {
                Value::Null => None,
                Value::String(name) => Some(name).filter(|name| !name.is_empty()),
                other => {
                    let message = format!("`user_name` gives {other}, not a text");
                    let (rule, expression) = (self.label.clone(), expr.source().to_owned());
                    return Err(MappingError { rule, expression, message });
                }
            },
        };
        Ok(Some(AppWish { rule: self.label.clone(), user_name }))
    }
}

impl GroupRule {
    fn collect(&self, bound: &Bound, into: &mut BTreeMap<String, Wish>) -> Result<(), MappingError> {
        let label = || self.label.clone();
        if !applies(self.when.as_ref(), bound, &self.label)? {
            return Ok(());
        }
        let names: BTreeSet<String> = match &self.grants {
            Grants::Listed(names) => names.iter().cloned().collect(),
            Grants::Computed { names: expr, owns } => {
                let value = evaluate(expr, bound, label)?;
                let names = group_names(&value)
                    .ok_or_else(|| self.error(expr, format!("gives {value}; a name or a list of names is needed")))?;
                if let Some(stray) = names.iter().find(|name| !owns.matches(name)) {
                    let message = format!("gives the group {stray:?}, which does not match owns = {:?}", owns.0);
                    return Err(self.error(expr, message));
                }
                names
            }
        };
        for name in names {
            let wish = Wish { rule: self.label.clone(), create: self.create };
            into.entry(name).or_insert(wish).create |= self.create;
        }
        Ok(())
    }

    fn error(&self, expr: &Expr, message: String) -> MappingError {
        MappingError { rule: self.label.clone(), expression: expr.source().to_owned(), message }
    }
}

fn group_names(value: &Value) -> Option<BTreeSet<String>> {
    match value {
        Value::Null => Some(BTreeSet::new()),
        Value::String(name) => Some(BTreeSet::from([name.clone()])),
        Value::Array(items) => {
            items.iter().filter(|item| !item.is_null()).map(|item| item.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    }
}

fn evaluate(expr: &Expr, bound: &Bound, rule: impl Fn() -> String) -> Result<Value, MappingError> {
    expr.evaluate(bound).map_err(|message| MappingError { rule: rule(), expression: expr.source().to_owned(), message })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::employee::tests::somebody;
    use super::*;

    /// Default attributes, one listed group, one group per department.
    pub(crate) fn usual() -> Mapping {
        let engine = Engine::default();
        let compile = |source: &str| engine.compile(source).expect("compiles");
        let attributes = DEFAULT_ATTRIBUTES.iter().map(|(n, e)| ((*n).to_owned(), compile(e))).collect();
        let groups = vec![
            GroupRule {
                label: "groups[1] \"everybody\"".into(),
                when: None,
                grants: Grants::Listed(vec!["Staff".into()]),
                create: false,
            },
            GroupRule {
                label: "groups[2] \"departments\"".into(),
                when: Some(compile("employee.employee_type != 'Contractor'")),
                grants: Grants::Computed {
                    names: compile("employee.departments.map(d, 'Department ' + d)"),
                    owns: Pattern::new("Department *"),
                },
                create: true,
            },
        ];
        Mapping::new(engine, "namelyId", attributes, groups)
    }

    #[test]
    fn the_default_mapping_describes_an_ordinary_person() {
        let desired = usual().desired(&somebody()).expect("maps");
        assert_eq!(desired.attributes["login"], "ines.duval@example.com");
        assert_eq!(desired.attributes["displayName"], "Ines Duval");
        assert_eq!(desired.attributes["department"], "Finance");
        assert_eq!(desired.attributes["namelyId"], somebody().id.as_str());
        assert_eq!(desired.attributes["middleName"], Value::Null, "an empty field is an attribute that is not set");
        assert_eq!(desired.groups.keys().collect::<Vec<_>>(), ["Department Finance", "Staff"]);
    }

    #[test]
    fn a_condition_keeps_a_rule_from_people_it_is_not_for() {
        let contractor = Employee { employee_type: "Contractor".into(), ..somebody() };
        let desired = usual().desired(&contractor).expect("maps");
        assert_eq!(desired.groups.keys().collect::<Vec<_>>(), ["Staff"]);
    }

    #[test]
    fn a_failing_expression_names_the_rule_the_expression_and_the_error() {
        let engine = Engine::default();
        let attributes = vec![("nickName".to_owned(), engine.compile("employee.departments[3]").expect("compiles"))];
        let mapping = Mapping::new(engine, "namelyId", attributes, Vec::new());
        let error = mapping.desired(&somebody()).expect_err("there is no fourth department");
        assert_eq!(error.rule, "attribute nickName");
        assert!(error.to_string().contains("employee.departments[3]"), "{error}");
    }

    #[test]
    fn a_computed_group_outside_what_its_rule_owns_is_refused() {
        let engine = Engine::default();
        let names = engine.compile("'Domain Admins'").expect("compiles");
        let rule = GroupRule {
            label: "groups[1]".into(),
            when: None,
            grants: Grants::Computed { names, owns: Pattern::new("Department *") },
            create: true,
        };
        let mapping = Mapping::new(engine, "namelyId", Vec::new(), vec![rule]);
        assert!(mapping.desired(&somebody()).is_err_and(|e| e.message.contains("Domain Admins")));
    }

    #[test]
    fn patterns_match_whole_names() {
        let matches = |pattern: &str, name: &str| Pattern::new(pattern).matches(name);
        assert!(matches("Department *", "Department Finance"));
        assert!(matches("*-team-*", "emea-team-7"));
        assert!(matches("Staff", "Staff"));
        assert!(!matches("Staff", "Staffing"));
        assert!(!matches("Department *", "Old Department Finance"));
        assert!(!matches("a*b*c", "a-c"));
        assert!(matches("*", ""));
    }
}
