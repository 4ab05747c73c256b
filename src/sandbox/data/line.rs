//! One line of a company's file: a profile, or an account.

use crate::sandbox::population::{Person, Status, Words};
use jiff::civil::Date;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The key of a line that is a profile of Namely.
pub const PROFILE: &str = "profile";
/// The key of a line that is an account of Okta.
pub const ACCOUNT: &str = "account";
/// The key of a line that is the name of a group of Okta.
pub const GROUP: &str = "group";

/// What nobody should write into such a file.
const SENSITIVE: [&str; 17] = [
    "ssn",
    "dob",
    "salary",
    "home",
    "personal_email",
    "home_phone",
    "mobile_phone",
    "marital_status",
    "gender",
    "ethnicity",
    "healthcare",
    "dependents",
    "bank",
    "passport",
    "visa",
    "emergency_contact",
    "password",
];
/// What Namely says by itself.
const KEPT_BY_NAMELY: [&str; 6] = ["created_at", "updated_at", "full_name", "image", "access_role", "asset_management"];
/// What HR enters for a leave of absence, as the simulated company has it.
const ON_LEAVE: &str = "On leave";
/// Okta's words for the status of an account.
const STATUSES: [&str; 8] =
    ["STAGED", "PROVISIONED", "ACTIVE", "RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT", "SUSPENDED", "DEPROVISIONED"];

/// An account of the org.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Okta's word for its status.
    pub status: String,
    /// Attributes that are set.
    pub profile: Map<String, Value>,
    /// Names of its groups.
    pub groups: Vec<String>,
    /// The login of whom it is linked to as a manager.
    pub manager: Option<String>,
}

/// Whom somebody reports to: an id or an address.
#[derive(Default)]
pub(super) struct Reports(pub(super) Option<String>);

/// A profile as a line has it.
pub(super) struct Draft {
    pub(super) id: String,
    first_name: String,
    last_name: String,
    preferred_name: String,
    pub(super) email: String,
    employee_id: String,
    status: Status,
    start_date: Date,
    departure_date: Option<Date>,
    pub(super) job_title: String,
    pub(super) job_tier: String,
    pub(super) department: String,
    pub(super) office: String,
    pub(super) employee_type: String,
    direct_dial: String,
    on_leave: bool,
    pub(super) reports_to: Reports,
    pub(super) custom: BTreeMap<String, Value>,
}

/// The name of a column as a profile calls it: `First Name` is `first_name`.
pub(super) fn column(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

impl Draft {
    /// Reads a profile, or says everything that is wrong with it.
    pub(super) fn read(fields: &Map<String, Value>) -> Result<Self, Vec<String>> {
        let mut taking = Taking { fields: fields.clone(), bad: Vec::new() };
        let email = taking.required("email");
        let id = taking.text("id");
        let status = match taking.required("user_status").as_str() {
            "active" => Status::Active,
            "inactive" => Status::Inactive,
            "pending" => Status::Pending,
            "" => Status::Pending,
            other => {
                taking.bad.push(format!("user_status is active, inactive or pending, not {other:?}"));
                Status::Pending
            }
        };
        let start_date = taking.date("start_date");
        if start_date.is_none() && fields.get("start_date").is_none_or(|value| value == "" || value.is_null()) {
            taking.bad.push("start_date is missing".to_owned());
        }
        let draft = Self {
            id: if id.is_empty() { id_of(&email) } else { id },
            first_name: taking.required("first_name"),
            last_name: taking.required("last_name"),
            preferred_name: taking.text("preferred_name"),
            employee_id: taking.text("employee_id"),
            status,
            start_date: start_date.unwrap_or_default(),
            departure_date: taking.date("departure_date"),
            job_title: taking.required("job_title"),
            job_tier: taking.text("job_tier"),
            department: taking.required("department"),
            office: taking.required("office"),
            employee_type: taking.required("employee_type"),
            direct_dial: taking.text("office_direct_dial"),
            on_leave: fields.get("leave_status").is_some_and(|value| value == ON_LEAVE),
            reports_to: taking.reports_to(),
            custom: taking.rest(),
            email,
        };
        if !draft.email.is_empty() && !draft.email.contains('@') {
            taking.bad.push(format!("email is no address: {:?}", draft.email));
        }
        if uuid::Uuid::parse_str(&draft.id).is_err() {
            taking.bad.push(format!("id is no UUID: {:?}", draft.id));
        }
        if taking.bad.is_empty() { Ok(draft) } else { Err(taking.bad) }
    }

    /// The person, in the words of their contents.
    pub(super) fn person(self, words: Words, manager: Option<usize>) -> Person {
        let place = |list: &[&str], word: &str| list.iter().position(|known| *known == word).unwrap_or(0);
        let kind = place(words.employee_types, &self.employee_type);
        Person {
            title: words.titles.iter().position(|(title, _)| *title == self.job_title).unwrap_or(0),
            department: place(words.departments, &self.department),
            office: place(words.offices, &self.office),
            employee_type: words.employee_types[kind],
            id: self.id,
            first_name: self.first_name,
            last_name: self.last_name,
            preferred_name: self.preferred_name,
            email: self.email,
            employee_id: self.employee_id,
            status: self.status,
            start_date: self.start_date,
            departure_date: self.departure_date,
            words,
            direct_dial: self.direct_dial,
            on_leave: self.on_leave,
            manager,
            raw: self.custom.into_iter().map(|(key, value)| (key, Some(value))).collect(),
        }
    }
}

/// Who has no id gets one that is made of the address: the same on both sides, and each time.
fn id_of(email: &str) -> String {
    // FNV-1a, of both halves: these ids need to differ, and to hide nothing.
    let half = |seed: u64| {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        email.to_lowercase().bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, step)
    };
    uuid::Builder::from_random_bytes((u128::from(half(1)) << 64 | u128::from(half(2))).to_be_bytes())
        .into_uuid()
        .to_string()
}

/// Takes what is known out of the fields of a line.
struct Taking {
    fields: Map<String, Value>,
    bad: Vec<String>,
}

impl Taking {
    /// A text, or what has a title; empty where there is none.
    fn text(&mut self, key: &str) -> String {
        let value = self.fields.remove(key).unwrap_or_default();
        let named = value.as_object().and_then(|object| object.get("title")).cloned();
        match named.unwrap_or(value) {
            Value::Null => String::new(),
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => {
                self.bad.push(format!("{key} is a text"));
                String::new()
            }
        }
    }

    fn required(&mut self, key: &str) -> String {
        let before = self.bad.len();
        let text = self.text(key);
        if text.is_empty() && self.bad.len() == before {
            self.bad.push(format!("{key} is missing"));
        }
        text
    }

    fn date(&mut self, key: &str) -> Option<Date> {
        let text = self.text(key);
        let date = text.parse().ok();
        if date.is_none() && !text.is_empty() {
            self.bad.push(format!("{key} is no date like 2026-05-31: {text:?}"));
        }
        date
    }

    /// An address or an id, alone or in the list of objects that Namely shows.
    fn reports_to(&mut self) -> Reports {
        let value = self.fields.remove("reports_to").unwrap_or_default();
        let first = match &value {
            Value::Array(list) => list.first().cloned().unwrap_or_default(),
            other => other.clone(),
        };
        let named = first.as_str().or(first["id"].as_str()).or(first["email"].as_str()).map(str::to_owned);
        if named.is_none() && !first.is_null() {
            self.bad.push("reports_to is an email or an id".to_owned());
        }
        Reports(named.filter(|name| !name.is_empty() && name != "no_guid"))
    }

    /// Everything else is a custom field, if it can be one.
    fn rest(&mut self) -> BTreeMap<String, Value> {
        let mut custom = BTreeMap::new();
        for (key, value) in std::mem::take(&mut self.fields) {
            let plain =
                key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') && !key.is_empty();
            let is_plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
            let simple = is_plain(&value) || value.as_array().is_some_and(|list| list.iter().all(is_plain));
            match value {
                _ if KEPT_BY_NAMELY.contains(&key.as_str()) => {}
                value if key == "leave_status" && value == ON_LEAVE => {}
                _ if SENSITIVE.contains(&key.as_str()) => {
                    self.bad.push(format!("{key} is sensitive and does not belong into such a file: take it out"));
                }
                _ if key == "links" => self.bad.push("links: name department and office in its place".to_owned()),
                _ if !plain => self.bad.push(format!("{key:?} is no name of a field: a-z, 0-9 and _")),
                Value::Null => {}
                value if simple => {
                    custom.insert(key, value);
                }
                _ => self.bad.push(format!("{key} is no text, number, true, false or list of those")),
            }
        }
        custom
    }
}

/// An account of Okta, or everything that is wrong with it.
pub(super) fn account(fields: &Map<String, Value>) -> Result<Account, Vec<String>> {
    let mut bad = Vec::new();
    for key in fields.keys().filter(|key| !["status", "profile", "groups", "manager"].contains(&key.as_str())) {
        bad.push(format!("an account has no {key}"));
    }
    let text = |key: &str| fields.get(key).and_then(Value::as_str);
    let status = text("status").unwrap_or_default();
    if !STATUSES.contains(&status) {
        bad.push(format!("status is one of {}, not {status:?}", STATUSES.join(", ")));
    }
    let profile = fields.get("profile").and_then(Value::as_object).cloned().unwrap_or_default();
    for key in ["login", "email", "firstName", "lastName"] {
        if profile.get(key).and_then(Value::as_str).is_none_or(str::is_empty) {
            bad.push(format!("profile.{key} is missing"));
        }
    }
    let mut groups = Vec::new();
    for group in fields.get("groups").and_then(Value::as_array).into_iter().flatten() {
        match group.as_str() {
            Some(name) => groups.push(name.to_owned()),
            None => bad.push("groups are names".to_owned()),
        }
    }
    let manager = text("manager").map(str::to_owned);
    let account = Account { status: status.to_owned(), profile, groups, manager };
    if bad.is_empty() { Ok(account) } else { Err(bad) }
}
