//! What expressions see: the documented `employee` value.

use super::employee::{Employee, UserStatus};
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

pub(super) const MANAGER_FIELDS: &[&str] = &["id", "name", "email", "login"];

/// A profile and what else expressions see of its person.
pub struct Seen<'a> {
    pub employee: &'a Employee,
    pub tenant: &'a str,
    pub org: &'a str,
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

/// The `employee` value of the documentation.
pub(super) fn view(seen: &Seen) -> Cel {
    let e = seen.employee;
    let mut map: HashMap<Key, Cel> = HashMap::with_capacity(FIELDS.len());
    let mut text = |name: &'static str, value: &str| {
        map.insert(name.into(), Cel::String(Arc::new(value.to_owned())));
    };
    text("id", &e.id);
    text("tenant", seen.tenant);
    text("org", seen.org);
    text("login", seen.login);
    text("email", &e.email);
    text("first_name", &e.first_name);
    text("last_name", &e.last_name);
    text("middle_name", &e.middle_name);
    text("preferred_name", &e.preferred_name);
    text("full_name", &e.display());
    text("user_status", &e.user_status.to_string());
    text("start_date", &e.start_date.map(|d| d.to_string()).unwrap_or_default());
    text("departure_date", &e.departure_date.map(|d| d.to_string()).unwrap_or_default());
    text("employee_id", &e.employee_id);
    text("employee_type", &e.employee_type);
    text("job_title", &e.job_title);
    text("job_tier", &e.job_tier);
    text("department", e.departments.first().map_or("", String::as_str));
    text("office", e.offices.first().map_or("", String::as_str));
    text("office_main_number", &e.office_main_number);
    text("office_direct_dial", &e.office_direct_dial);
    text("office_phone", &e.office_phone);
    text("office_company_mobile", &e.office_company_mobile);
    text("linkedin_url", &e.linkedin_url);
    text("office_city", &e.office_city);
    text("office_state", &e.office_state);
    text("office_country", &e.office_country);
    text("team", e.teams.first().map_or("", String::as_str));
    text("pay_group", &e.pay_group);
    map.insert("teams".into(), texts(&e.teams));
    map.insert("departments".into(), texts(&e.departments));
    map.insert("offices".into(), texts(&e.offices));
    let groups: HashMap<Key, Cel> = e.groups.iter().map(|(k, v)| (k.clone().into(), texts(v))).collect();
    map.insert("groups".into(), Cel::Map(groups.into()));
    let manager = e.manager.clone().unwrap_or_default();
    let manager: HashMap<Key, Cel> = BTreeMap::from([
        ("id", manager.id),
        ("name", manager.name),
        ("email", manager.email),
        ("login", seen.manager_login.to_owned()),
    ])
    .into_iter()
    .map(|(k, v)| (k.into(), Cel::String(Arc::new(v))))
    .collect();
    map.insert("manager".into(), Cel::Map(manager.into()));
    let custom: HashMap<Key, Cel> = e.custom.iter().map(|(k, v)| (k.clone().into(), from_json(v))).collect();
    map.insert("custom".into(), Cel::Map(custom.into()));
    Cel::Map(map.into())
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
        Value::Object(fields) => {
            let fields: HashMap<Key, Cel> = fields.iter().map(|(k, v)| (k.clone().into(), from_json(v))).collect();
            Cel::Map(fields.into())
        }
    }
}

/// An ordinary profile and an empty one, by which the types of expressions are guessed.
pub(super) fn samples(custom: &BTreeSet<String>) -> [Employee; 2] {
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
