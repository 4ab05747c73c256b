//! What expressions see: the documented `employee` value.

use crate::domain::record::employee::{Employee, Manager, UserStatus};
use cel::Value as Cel;
use cel::objects::Key;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The fields of `employee`, in the order of the documentation, each with what it holds.
pub const FIELDS: &[(&str, &str)] = &[
    ("id", "Namely's profile UUID"),
    ("tenant", "the Namely company, by its name in the configuration"),
    ("org", "the Okta org, by its name in the configuration"),
    ("login", "the login that was chosen; empty in the expressions that choose it"),
    ("email", "company email"),
    ("first_name", "first name"),
    ("last_name", "last name"),
    ("middle_name", "middle name"),
    ("preferred_name", "preferred first name"),
    ("full_name", "preferred or first name, and last name"),
    ("user_status", "active, inactive or pending"),
    ("start_date", "YYYY-MM-DD or empty"),
    ("departure_date", "YYYY-MM-DD or empty"),
    ("employee_id", "the company's own number; not unique"),
    ("employee_type", "Full Time, Part Time, Contractor, Intern, ..."),
    ("job_title", "job title"),
    ("job_tier", "tier of the job title"),
    ("department", "the first department, or empty"),
    ("departments", "list of departments"),
    ("office", "the first office location, or empty"),
    ("offices", "list of office locations"),
    ("office_city", "city of the office"),
    ("office_state", "state of the office"),
    ("office_country", "country of the office, ISO 3166 alpha-2"),
    ("groups", "map: title of a group type to the list of its groups"),
    ("team", "the first team, or empty"),
    ("teams", "list of teams"),
    ("pay_group", "id of the pay group"),
    ("manager", "id, name, email and login of the manager; all empty without one"),
    ("office_main_number", "office main number"),
    ("office_direct_dial", "office direct dial"),
    ("office_phone", "office phone"),
    ("office_company_mobile", "company mobile"),
    ("linkedin_url", "LinkedIn URL"),
    ("custom", "map of the custom fields that expressions name"),
];

pub(in crate::domain) const MANAGER_FIELDS: &[&str] = &["id", "name", "email", "login"];

/// A profile and what else expressions see of its person.
pub struct Seen<'a> {
    /// `employee` in expressions.
    pub employee: &'a Employee,
    /// `tenant`: its name in the configuration.
    pub tenant: &'a str,
    /// `org`: its name in the configuration.
    pub org: &'a str,
    /// `login`: the one that was chosen; empty in the expressions that choose it.
    pub login: &'a str,
    /// Login of the manager in this org; their email where it is not known.
    pub manager_login: &'a str,
}

impl<'a> Seen<'a> {
    /// An employee of whom nothing else is known.
    pub fn of(employee: &'a Employee) -> Self {
        let manager_login = employee.manager.as_ref().map_or("", |m| m.email.as_str());
        Self { employee, tenant: "", org: "", login: "", manager_login }
    }
}

/// What an expression reads of the profile: the keys that must be visible to our token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Standard fields of `employee`.
    pub fields: BTreeSet<String>,
    /// Custom fields of Namely.
    pub custom: BTreeSet<String>,
    /// `employee` is used as a whole, or asked for a field whose name is computed: anything may be read.
    pub whole: bool,
}

impl Reads {
    /// Adds what another expression reads.
    pub fn add(&mut self, other: &Reads) {
        self.fields.extend(other.fields.iter().cloned());
        self.custom.extend(other.custom.iter().cloned());
        self.whole |= other.whole;
    }
}

/// The `employee` value of the documentation, as far as it is read.
pub(in crate::domain) fn view(seen: &Seen, reads: &Reads) -> Cel {
    let mut map: HashMap<Key, Cel> = HashMap::with_capacity(reads.fields.len());
    for (name, _) in FIELDS {
        if reads.whole || reads.fields.contains(*name) {
            map.insert((*name).into(), field(seen, name));
        }
    }
    Cel::Map(map.into())
}

fn field(seen: &Seen, name: &str) -> Cel {
    let e = seen.employee;
    let first = |items: &[String]| text(items.first().map_or("", String::as_str));
    match name {
        "id" => text(&e.id),
        "tenant" => text(seen.tenant),
        "org" => text(seen.org),
        "login" => text(seen.login),
        "email" => text(&e.email),
        "first_name" => text(&e.first_name),
        "last_name" => text(&e.last_name),
        "middle_name" => text(&e.middle_name),
        "preferred_name" => text(&e.preferred_name),
        "full_name" => text(&e.display()),
        "user_status" => text(&e.user_status.to_string()),
        "start_date" => text(&e.start_date.map(|d| d.to_string()).unwrap_or_default()),
        "departure_date" => text(&e.departure_date.map(|d| d.to_string()).unwrap_or_default()),
        "employee_id" => text(&e.employee_id),
        "employee_type" => text(&e.employee_type),
        "job_title" => text(&e.job_title),
        "job_tier" => text(&e.job_tier),
        "department" => first(&e.departments),
        "departments" => texts(&e.departments),
        "office" => first(&e.offices),
        "offices" => texts(&e.offices),
        "office_city" => text(&e.office_city),
        "office_state" => text(&e.office_state),
        "office_country" => text(&e.office_country),
        "groups" => map(e.groups.iter().map(|(title, groups)| (title.clone(), texts(groups)))),
        "team" => first(&e.teams),
        "teams" => texts(&e.teams),
        "pay_group" => text(&e.pay_group),
        "manager" => {
            let manager = e.manager.as_ref();
            let of = |field: fn(&Manager) -> &String| text(manager.map_or("", |manager| field(manager).as_str()));
            map([
                ("id", of(|manager| &manager.id)),
                ("name", of(|manager| &manager.name)),
                ("email", of(|manager| &manager.email)),
                ("login", text(seen.manager_login)),
            ])
        }
        "office_main_number" => text(&e.office_main_number),
        "office_direct_dial" => text(&e.office_direct_dial),
        "office_phone" => text(&e.office_phone),
        "office_company_mobile" => text(&e.office_company_mobile),
        "linkedin_url" => text(&e.linkedin_url),
        "custom" => map(e.custom.iter().map(|(name, value)| (name.clone(), from_json(value)))),
        other => unreachable!("{other} is no field of the documentation"),
    }
}

fn text(value: &str) -> Cel {
    Cel::String(Arc::new(value.to_owned()))
}

fn map<K: Into<Key>>(entries: impl IntoIterator<Item = (K, Cel)>) -> Cel {
    let entries: HashMap<Key, Cel> = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
    Cel::Map(entries.into())
}

fn texts(items: &[String]) -> Cel {
    Cel::List(Arc::new(items.iter().map(|s| Cel::String(Arc::new(s.clone()))).collect()))
}

fn from_json(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(b) => Cel::Bool(*b),
        Value::Number(n) => n.as_i64().map_or_else(|| Cel::Float(n.as_f64().unwrap_or_default()), Cel::Int),
        Value::String(s) => Cel::String(Arc::new(s.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(from_json).collect())),
        Value::Object(fields) => map(fields.iter().map(|(name, value)| (name.clone(), from_json(value)))),
    }
}

/// An ordinary profile and an empty one, by which the types of expressions are guessed.
pub(in crate::domain) fn samples(custom: &BTreeSet<String>) -> [Employee; 2] {
    let with = |value: Value| custom.iter().map(|name| (name.clone(), value.clone())).collect();
    let text = |text: &str| text.to_owned();
    let empty = Employee {
        id: text("00000000-0000-4000-8000-000000000000"),
        user_status: UserStatus::Active,
        email: String::new(),
        first_name: String::new(),
        last_name: String::new(),
        middle_name: String::new(),
        preferred_name: String::new(),
        start_date: None,
        departure_date: None,
        employee_id: String::new(),
        employee_type: String::new(),
        job_title: String::new(),
        job_tier: String::new(),
        departments: Vec::new(),
        offices: Vec::new(),
        groups: BTreeMap::new(),
        teams: Vec::new(),
        pay_group: String::new(),
        office_city: String::new(),
        office_state: String::new(),
        office_country: String::new(),
        manager: None,
        office_main_number: String::new(),
        office_direct_dial: String::new(),
        office_phone: String::new(),
        office_company_mobile: String::new(),
        linkedin_url: String::new(),
        custom: with(Value::Null),
    };
    let ordinary = Employee {
        email: text("first.last@example.com"),
        first_name: text("First"),
        last_name: text("Last"),
        start_date: Some(jiff::civil::date(2020, 1, 1)),
        employee_id: text("1"),
        employee_type: text("Full Time"),
        job_title: text("Title"),
        job_tier: text("Tier"),
        departments: vec![text("Department")],
        offices: vec![text("Office")],
        teams: vec![text("Team")],
        pay_group: text("1"),
        office_city: text("City"),
        office_country: text("US"),
        custom: with(Value::String(text("1"))),
        ..empty.clone()
    };
    [ordinary, empty]
}
