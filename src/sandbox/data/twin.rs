//! The twin of a contents: as many people in the same places, and none of what is theirs alone (`docs/simulators.md`).
//!
//! **Invariant:** what a person is called, where they are reached and every other value that is not a word of the company is
//! replaced by one that says nothing: the same one wherever the same value stands, so that who shares an address, a manager or a
//! login still does. What is kept is named here; everything else is replaced.

use super::line::{ACCOUNT, GROUP, PROFILE};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Attributes of Okta that hold words of the company or settings, and are kept as they are.
const KEPT: [&str; 10] = [
    "title",
    "department",
    "division",
    "organization",
    "userType",
    "costCenter",
    "countryCode",
    "locale",
    "timezone",
    "preferredLanguage",
];
/// What is written where a real profile has nothing, and a line has to have something.
const NOTHING: &str = "None";
/// The first day of those who have none.
const NO_DAY: &str = "2000-01-01";

/// What stands for what, by the kind of value.
#[derive(Debug, Default)]
struct Veil {
    given: HashMap<Sort, HashMap<String, usize>>,
    /// Full names, each with what it has become.
    full: HashMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sort {
    Id,
    FirstName,
    LastName,
    Local,
    Domain,
    Number,
    Phone,
    Other,
}

impl Veil {
    /// The number of a value among those of its kind. Values that differ by case only are one.
    fn place(&mut self, sort: Sort, value: &str) -> usize {
        let known = self.given.entry(sort).or_default();
        let next = known.len() + 1;
        *known.entry(value.trim().to_lowercase()).or_insert(next)
    }

    fn of(&mut self, sort: Sort, value: &str) -> String {
        if value.trim().is_empty() {
            return String::new();
        }
        let n = self.place(sort, value);
        match sort {
            Sort::Id => format!("00000000-0000-4000-8000-{n:012}"),
            Sort::FirstName => format!("First{n}"),
            Sort::LastName => format!("Last{n}"),
            Sort::Local => format!("person{n}"),
            Sort::Domain => format!("domain{n}.example.com"),
            Sort::Number => format!("{}", 10_000 + n),
            Sort::Phone => format!("+1 555 {n:07}"),
            Sort::Other => format!("value{n}"),
        }
    }

    fn address(&mut self, value: &str) -> String {
        match value.rsplit_once('@') {
            Some((local, domain)) => format!("{}@{}", self.of(Sort::Local, local), self.of(Sort::Domain, domain)),
            None => self.of(Sort::Local, value),
        }
    }

    fn names(&mut self, first: &str, last: &str) -> (String, String) {
        let veiled = (self.of(Sort::FirstName, first), self.of(Sort::LastName, last));
        self.full.insert(format!("{first} {last}"), format!("{} {}", veiled.0, veiled.1));
        veiled
    }

    fn full_name(&mut self, value: &str) -> String {
        let known = self.full.get(value).cloned();
        known.unwrap_or_else(|| self.of(Sort::Other, value))
    }

    /// Any other value: what is neither true nor false is replaced, item by item.
    fn other(&mut self, value: &Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::String(text) => json!(self.of(Sort::Other, text)),
            Value::Number(number) => json!(self.place(Sort::Number, &number.to_string())),
            Value::Array(items) => items.iter().map(|item| self.other(item)).collect(),
            Value::Object(_) => Value::Null,
        }
    }
}

/// A real profile, as far as a twin has something of it.
#[derive(Clone, Debug, Default)]
pub struct RealProfile {
    /// The UUID.
    pub id: String,
    /// At work.
    pub email: String,
    /// The legal one.
    pub first_name: String,
    /// The legal one.
    pub last_name: String,
    /// Empty for most.
    pub preferred_name: String,
    /// Of HR.
    pub employee_id: String,
    /// Namely's word.
    pub user_status: String,
    /// As Namely writes it; empty where there is none.
    pub start_date: String,
    /// As Namely writes it; empty where there is none.
    pub departure_date: String,
    /// Kept.
    pub job_title: String,
    /// Kept.
    pub job_tier: String,
    /// Kept.
    pub department: String,
    /// Kept.
    pub office: String,
    /// Kept.
    pub employee_type: String,
    /// Of the office.
    pub direct_dial: String,
    /// The profile of the manager, if they have one.
    pub manager: Option<String>,
    /// Custom fields that the mapping reads.
    pub custom: BTreeMap<String, Value>,
}

/// A real account, as far as a twin has something of it.
#[derive(Clone, Debug, Default)]
pub struct RealAccount {
    /// Okta's word.
    pub status: String,
    /// Attributes that the mapping writes.
    pub profile: BTreeMap<String, Value>,
    /// Names of groups that the mapping governs.
    pub groups: BTreeSet<String>,
}

/// A twin while it is made: profiles first, then accounts.
#[derive(Debug, Default)]
pub struct Twin {
    veil: Veil,
    /// The attribute that holds a profile's UUID.
    anchor: String,
    /// Custom fields that are kept as they are, because somebody has said so.
    kept_fields: BTreeSet<String>,
    profiles: BTreeSet<String>,
    lines: Vec<Value>,
}

impl Twin {
    /// An empty one.
    pub fn new(anchor: &str, kept_fields: impl IntoIterator<Item = String>) -> Self {
        Self { anchor: anchor.to_owned(), kept_fields: kept_fields.into_iter().collect(), ..Self::default() }
    }

    /// Adds everybody of a tenant, in one go: who reports to nobody of it reports to nobody.
    pub fn add_profiles(&mut self, real: &[RealProfile]) {
        self.profiles.extend(real.iter().map(|profile| profile.id.clone()));
        for profile in real {
            self.add_profile(profile);
        }
    }

    fn add_profile(&mut self, real: &RealProfile) {
        let veil = &mut self.veil;
        if !real.preferred_name.is_empty() {
            veil.names(&real.preferred_name, &real.last_name);
        }
        let (first, last) = veil.names(&real.first_name, &real.last_name);
        let or = |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
        let mut line = json!({
            "id": veil.of(Sort::Id, &real.id), "email": veil.address(&real.email), "first_name": or(&first, NOTHING),
            "last_name": or(&last, NOTHING), "user_status": real.user_status, "start_date": or(&real.start_date, NO_DAY),
            "job_title": or(&real.job_title, NOTHING), "department": or(&real.department, NOTHING),
            "office": or(&real.office, NOTHING), "employee_type": or(&real.employee_type, NOTHING)
        });
        let manager = real.manager.as_ref().filter(|id| self.profiles.contains(*id) && **id != real.id);
        let more = [
            ("preferred_name", veil.of(Sort::FirstName, &real.preferred_name)),
            ("employee_id", veil.of(Sort::Number, &real.employee_id)),
            ("departure_date", real.departure_date.clone()),
            ("job_tier", real.job_tier.clone()),
            ("office_direct_dial", veil.of(Sort::Phone, &real.direct_dial)),
            ("reports_to", manager.map(|id| veil.of(Sort::Id, id)).unwrap_or_default()),
        ];
        for (key, value) in more.into_iter().filter(|(_, value)| !value.is_empty()) {
            line[key] = json!(value);
        }
        for (key, value) in &real.custom {
            line[key] = if self.kept_fields.contains(key) { value.clone() } else { veil.other(value) };
        }
        self.lines.push(json!({ PROFILE: line }));
    }

    /// Adds groups that are there, whoever is in them.
    pub fn add_groups<'g>(&mut self, names: impl IntoIterator<Item = &'g String>) {
        self.lines.extend(names.into_iter().map(|name| json!({ GROUP: name })));
    }

    /// Adds an account.
    pub fn add_account(&mut self, real: &RealAccount) {
        let text = |name: &str| real.profile.get(name).and_then(Value::as_str).unwrap_or_default();
        let (first, last) = self.veil.names(text("firstName"), text("lastName"));
        let mut profile = Map::new();
        for (name, value) in &real.profile {
            let veil = &mut self.veil;
            let veiled = match (name.as_str(), value) {
                ("firstName", _) => json!(first),
                ("lastName", _) => json!(last),
                ("login" | "email" | "secondEmail", Value::String(address)) => json!(veil.address(address)),
                ("managerId", Value::String(address)) if address.contains('@') => json!(veil.address(address)),
                ("displayName" | "manager", Value::String(name)) => json!(veil.full_name(name)),
                ("primaryPhone" | "mobilePhone", Value::String(phone)) => json!(veil.of(Sort::Phone, phone)),
                ("employeeNumber", Value::String(number)) => json!(veil.of(Sort::Number, number)),
                (name, Value::String(id)) if name == self.anchor => json!(veil.of(Sort::Id, id)),
                (name, value) if KEPT.contains(&name) => value.clone(),
                (_, value) => veil.other(value),
            };
            profile.insert(name.clone(), veiled);
        }
        let account = json!({ "status": real.status, "profile": profile, "groups": real.groups });
        self.lines.push(json!({ ACCOUNT: account }));
    }

    /// The file: one line each.
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}
