//! A profile as Namely sends it, read with patience: values that are `null` here and `""` there, dates in two
//! notations, objects where others have texts (`namely-api.md §3.4`).
//!
//! **Invariant:** keeps only the standard, non-sensitive keys and the custom keys that are asked for. Never ssn, date
//! of birth, salary, ethnicity, home address or bank data.

use super::catalogue::{Catalogue, GroupKind};
pub use super::fields::Profile;
use super::fields::{FieldError, date, groups, manager, number_or_text, part, pay_group, teams, text, titled, visible};
use crate::domain::mapping::view::Reads;
use crate::domain::record::facts::{DateFact, Facts, Names, ProfileProblem};
use crate::domain::{Employee, UserStatus};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Keys that are read of every profile, whether or not the mapping needs them.
const READ_KEYS: &[&str] = &[
    "first_name",
    "last_name",
    "middle_name",
    "preferred_name",
    "employee_id",
    "employee_type",
    "job_title",
    "links",
    "office",
    "reports_to",
    "office_main_number",
    "office_direct_dial",
    "office_phone",
    "office_company_mobile",
    "linkedin_url",
];

/// Keys that are never read, whatever the configuration asks for.
const SENSITIVE: &[&str] = &[
    "ssn",
    "dob",
    "date_of_birth",
    "birth_date",
    "birthday",
    "salary",
    "ethnicity",
    "race",
    "gender",
    "marital_status",
    "home",
    "home_phone",
    "healthcare",
    "dental",
    "personal_email",
    "bank",
    "bank_account",
    "routing_number",
    "iban",
    "religion",
    "disability",
    "veteran_status",
    "tax_id",
    "national_id",
    "passport_number",
    "bonus",
    "target_bonus",
];

/// Whether `key` holds what must never be kept, logged or sent.
pub fn is_sensitive(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SENSITIVE
        .iter()
        .any(|word| key == *word || key.starts_with(&format!("{word}_")) || key.ends_with(&format!("_{word}")))
}

/// One answer of `GET /profiles`.
#[derive(Debug, Default)]
pub struct ProfilesPage {
    pub profiles: Vec<Value>,
    /// How many profiles the tenant has, as the answer says.
    pub total_count: Option<u64>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    profiles: Vec<&'a RawValue>,
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Meta {
    total_count: Value,
}

/// Stands among the keys of a profile for those whose value could not be read: nested too deeply, say. No key of Namely's
/// begins like this.
const BROKEN_KEYS: &str = "\u{0}broken";

/// What came in place of a page of profiles.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    #[error("the answer has no list \"profiles\"")]
    NoList,
    #[error("the answer is not JSON ({0})")]
    NoJson(serde_json::Error),
}

impl ProfilesPage {
    /// Reads the envelope. A profile, or a key of one, that cannot be read spoils nothing beside it.
    pub fn read(body: &[u8]) -> Result<Self, PageError> {
        let envelope: Envelope = serde_json::from_slice(body)
            .map_err(|e| if e.is_data() { PageError::NoList } else { PageError::NoJson(e) })?;
        let meta = envelope.meta.and_then(|meta| serde_json::from_str::<Meta>(meta.get()).ok());
        Ok(Self {
            profiles: envelope.profiles.into_iter().map(read_loosely).collect(),
            total_count: meta.and_then(|meta| meta.total_count.as_u64()),
        })
    }
}

/// A profile with all keys that can be read; the others are named under [`BROKEN_KEYS`].
fn read_loosely(raw: &RawValue) -> Value {
    if let Ok(value) = serde_json::from_str(raw.get()) {
        return value;
    }
    let Ok(keys) = serde_json::from_str::<BTreeMap<String, &RawValue>>(raw.get()) else { return Value::Null };
    let (mut fields, mut broken) = (Map::new(), Map::new());
    for (key, raw) in keys {
        match serde_json::from_str::<Value>(raw.get()) {
            Ok(value) => {
                fields.insert(key, value);
            }
            Err(e) => {
                broken.insert(key, e.to_string().into());
            }
        }
    }
    fields.insert(BROKEN_KEYS.to_owned(), Value::Object(broken));
    Value::Object(fields)
}

/// Reads raw profiles; knows which keys must be visible.
#[derive(Clone, Debug)]
pub struct Reader {
    custom: BTreeSet<String>,
    required: BTreeSet<String>,
}

impl Reader {
    /// A reader for what the mapping reads.
    pub fn new(reads: &Reads) -> Self {
        let mut required: BTreeSet<String> = ["id", "email", "user_status", "start_date", "departure_date"]
            .map(str::to_owned)
            .into_iter()
            .chain(reads.custom.iter().cloned())
            .collect();
        for field in &reads.fields {
            match field.as_str() {
                "full_name" => required.extend(["first_name".to_owned(), "last_name".to_owned()]),
                "department" | "departments" | "office" | "offices" | "groups" | "team" | "teams" => {
                    required.insert("links".into());
                }
                "office_city" | "office_state" | "office_country" => {
                    required.insert("office".into());
                }
                "pay_group" => {
                    required.insert("salary".into());
                }
                "manager" => {
                    required.insert("reports_to".into());
                }
                "job_tier" => {
                    required.insert("job_title".into());
                }
                "custom" | "tenant" | "org" | "login" => {}
                other => {
                    required.insert(other.to_owned());
                }
            }
        }
        Self { custom: reads.custom.clone(), required }
    }

    /// The keys of Namely's profiles that must be visible to the token.
    pub fn required(&self) -> &BTreeSet<String> {
        &self.required
    }

    /// Required keys that no profile of a page carries: the token does not see them. A missing key means "not visible",
    /// never "cleared" (`namely-api.md §7.3`), so nothing of such a page may be used.
    pub fn invisible_keys(&self, profiles: &[Value]) -> Vec<String> {
        if profiles.is_empty() {
            return Vec::new();
        }
        self.required.iter().filter(|key| profiles.iter().all(|p| p.get(key.as_str()).is_none())).cloned().collect()
    }

    /// Reads one profile.
    pub fn read(&self, profile: &Value, catalogue: &Catalogue) -> Result<Employee, ProfileProblem> {
        let id = profile.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let problem = |why: String| ProfileProblem { why, ..unread(profile) };
        let Some(fields) = profile.as_object() else { return Err(problem("is not an object".into())) };
        let Some(id) = id else { return Err(problem("has no id".into())) };
        if let Some(broken) = fields.get(BROKEN_KEYS).and_then(Value::as_object) {
            let read = |key: &&String| self.required.contains(*key) || READ_KEYS.contains(&key.as_str());
            if let Some(key) = broken.keys().find(read) {
                let why = broken[key.as_str()].as_str().unwrap_or_default();
                return Err(problem(format!("field {key}: its value cannot be read ({why})")));
            }
        }
        if let Some(key) = self.required.iter().find(|key| !fields.contains_key(*key)) {
            return Err(problem(format!("field {key} is missing; is it hidden from the token for this profile?")));
        }
        let mut employee = self.plain(id, fields).map_err(|e| problem(e.to_string()))?;
        for group in groups(fields).map_err(|e| problem(e.to_string()))? {
            let Some(known) = catalogue.group(&group) else {
                let why = format!(
                    "is in group {group}, which Namely's /groups does not list; give the group a type in Namely"
                );
                return Err(ProfileProblem { unknown_group: true, ..problem(why) });
            };
            match known.kind {
                GroupKind::Department => employee.departments.push(known.title.clone()),
                GroupKind::Office => employee.offices.push(known.title.clone()),
                GroupKind::Custom => {}
            }
            employee.groups.entry(known.group_type.clone()).or_default().push(known.title.clone());
        }
        employee.job_tier =
            catalogue.tier(fields.get("job_title").and_then(|t| t["id"].as_str()).unwrap_or("")).to_owned();
        Ok(employee)
    }

    fn plain(&self, id: &str, fields: &Profile) -> Result<Employee, FieldError> {
        let text = |key: &str| text(fields, key);
        Ok(Employee {
            id: id.to_owned(),
            user_status: UserStatus::parse(&visible(fields, "user_status")?),
            email: visible(fields, "email")?,
            first_name: text("first_name")?,
            last_name: text("last_name")?,
            middle_name: text("middle_name")?,
            preferred_name: text("preferred_name")?,
            start_date: date(fields, "start_date")?,
            departure_date: date(fields, "departure_date")?,
            employee_id: number_or_text(fields, "employee_id")?,
            employee_type: titled(fields, "employee_type")?,
            job_title: titled(fields, "job_title")?,
            job_tier: String::new(),
            departments: Vec::new(),
            offices: Vec::new(),
            groups: BTreeMap::new(),
            teams: teams(fields)?,
            pay_group: pay_group(fields)?,
            office_city: part(fields, "office", "city")?,
            office_state: part(fields, "office", "state_id")?,
            office_country: part(fields, "office", "country_id")?,
            manager: manager(fields)?,
            office_main_number: number_or_text(fields, "office_main_number")?,
            office_direct_dial: number_or_text(fields, "office_direct_dial")?,
            office_phone: number_or_text(fields, "office_phone")?,
            office_company_mobile: number_or_text(fields, "office_company_mobile")?,
            linkedin_url: text("linkedin_url")?,
            custom: self.custom.iter().map(|key| (key.clone(), fields.get(key).cloned().unwrap_or_default())).collect(),
        })
    }
}

/// What can be said of a profile that cannot be read as a whole.
pub fn unread(profile: &Value) -> ProfileProblem {
    let mut problem = ProfileProblem {
        profile: None,
        why: String::new(),
        facts: Facts::default(),
        names: Box::default(),
        edited: profile["updated_at"].as_i64(),
        unknown_group: false,
    };
    let Some(fields) = profile.as_object() else { return problem };
    problem.profile = fields.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
    let name = |key: &str| text(fields, key).unwrap_or_default();
    problem.names = Box::new(Names {
        email: visible(fields, "email").unwrap_or_default(),
        first_name: name("first_name"),
        last_name: name("last_name"),
        preferred_name: name("preferred_name"),
    });
    let date = |key: &str| {
        let read = if fields.contains_key(key) { date(fields, key).ok() } else { None };
        read.map_or(DateFact::Unreadable, DateFact::from)
    };
    problem.facts = Facts {
        user_status: visible(fields, "user_status").ok().filter(|word| !word.is_empty()).map(|w| UserStatus::parse(&w)),
        start_date: date("start_date"),
        departure_date: date("departure_date"),
    };
    problem
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::tests::small;
    use super::*;
    use serde_json::json;

    fn reader() -> Reader {
        let mut reads = Reads::default();
        reads.fields.extend(["email", "job_title", "department", "manager", "full_name"].map(str::to_owned));
        reads.custom.insert("cost_center".into());
        Reader::new(&reads)
    }

    fn profile() -> Value {
        json!({
            "id": "u-1", "email": "ines.duval@example.com", "first_name": "Ines", "last_name": "Duval", "user_status": "active",
            "updated_at": 1_415_905_802, "middle_name": "", "preferred_name": null, "start_date": "2024-03-01", "departure_date": "",
            "employee_id": "1042", "job_title": { "id": "j1", "title": "Accountant" }, "employee_type": { "title": "Full Time" },
            "reports_to": [{ "id": "no_guid", "first_name": "Nobody", "last_name": "Nobody", "email": "None" }],
            "links": { "groups": [{ "id": "g1", "name": "Finance" }, { "id": "g2", "name": "Lyon" }, { "id": "g1" }] },
            "cost_center": "CC-7", "ssn": "000-00-0000", "dob": "1979-09-01", "salary": { "yearly_amount": 1.0 }, "home": { "city": "X" }
        })
    }

    fn with(key: &str, value: Value) -> Result<Employee, ProfileProblem> {
        let mut changed = profile();
        changed[key] = value;
        reader().read(&changed, &small())
    }

    #[test]
    fn a_profile_becomes_an_employee_without_anything_sensitive() {
        let employee = reader().read(&profile(), &small()).expect("reads");
        assert_eq!(
            (employee.departments.as_slice(), employee.offices.as_slice()),
            (&["Finance".to_owned()][..], &["Lyon".to_owned()][..])
        );
        assert_eq!((employee.job_title.as_str(), employee.job_tier.as_str()), ("Accountant", "Staff"));
        assert_eq!(employee.manager, None, "nobody is no manager");
        assert_eq!(employee.custom["cost_center"], "CC-7");
        let kept = serde_json::to_string(&employee).expect("serialises");
        for secret in ["000-00-0000", "1979-09-01", "yearly_amount", "home"] {
            assert!(!kept.contains(secret), "{secret} was kept: {kept}");
        }
    }

    #[test]
    fn absent_has_many_forms_and_dates_have_two() {
        for absent in [json!(null), json!(""), json!("  ")] {
            assert_eq!(with("middle_name", absent).expect("reads").middle_name, "");
        }
        let expected: jiff::civil::Date = "2024-03-01".parse().expect("a date");
        assert_eq!(with("start_date", json!("03/01/2024")).expect("reads").start_date, Some(expected));
        assert_eq!(with("employee_type", json!("Contractor")).expect("reads").employee_type, "Contractor");
        assert_eq!(with("employee_type", json!(null)).expect("reads").employee_type, "");
        assert_eq!(with("first_name", json!("Ana  Maria")).expect("reads").first_name, "Ana Maria");
        let manager = json!([{ "id": "u-9", "first_name": "Ada", "last_name": "Byron", "email": "ada@example.com" }]);
        assert_eq!(with("reports_to", manager).expect("reads").manager.map(|m| m.name), Some("Ada Byron".into()));
    }

    #[test]
    fn wrong_types_name_the_person_and_the_field() {
        for (key, value, field) in [
            ("email", json!(7), "field email"),
            ("start_date", json!("soon"), "field start_date"),
            ("reports_to", json!("Ada"), "field reports_to"),
            ("job_title", json!([1]), "field job_title"),
            ("job_title", json!({ "title": 4 }), "field job_title.title"),
            ("links", json!({ "groups": [null] }), "links.groups"),
        ] {
            let problem = with(key, value).expect_err(key);
            assert_eq!(problem.profile.as_deref(), Some("u-1"));
            assert!(problem.why.contains(field), "{}", problem.why);
        }
    }

    #[test]
    fn a_manager_is_read_from_a_list_an_object_or_an_id_and_a_phone_from_a_number() {
        let id = "0e9f4a10-0000-4000-8000-000000000021";
        let object = json!({ "id": id, "first_name": "Ada", "last_name": "Byron", "email": "ada@example.com" });
        for manager in [json!([object.clone()]), object, json!(id), json!([id])] {
            let found = with("reports_to", manager.clone()).expect("reads").manager.expect("a manager");
            assert_eq!(found.id, id, "{manager}");
        }
        for nobody in [json!(null), json!([]), json!("no_guid"), json!("")] {
            assert_eq!(with("reports_to", nobody).expect("reads").manager, None);
        }
        assert_eq!(with("office_direct_dial", json!(5_550_100)).expect("reads").office_direct_dial, "5550100");
    }

    #[test]
    fn a_year_has_four_digits_and_is_not_guessed() {
        for wrong in [
            "12/31/25",
            "31/10/2026",
            "2026-02-30",
            "26-12-31",
            "0025-12-31",
            "12/31/0025",
            "2026-1-2",
            "2026/12/31",
            "12-31-2026",
            "2026-12-31T17:30:00Z",
        ] {
            let problem = with("departure_date", json!(wrong)).expect_err(wrong);
            assert!(problem.why.contains(wrong) && problem.why.contains("such as 2026-03-31"), "{}", problem.why);
            assert_eq!(problem.facts.departure_date, DateFact::Unreadable);
        }
        let expected: jiff::civil::Date = "2026-12-31".parse().expect("a date");
        let midnight = ["2026-12-31T00:00:00Z", "2026-12-31T00:00:00.000+00:00", "2026-12-31T00:00"];
        for right in ["2026-12-31", "12/31/2026", " 2026-12-31\u{200b}"].into_iter().chain(midnight) {
            assert_eq!(with("departure_date", json!(right)).expect("reads").departure_date, Some(expected), "{right}");
        }
    }

    #[test]
    fn status_and_dates_are_read_whatever_else_of_the_profile_cannot_be() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let day: jiff::civil::Date = "2026-10-31".parse().expect("a date");
        for (key, value) in [
            ("email", "7"),
            ("start_date", "\"31/10/2026\""),
            ("reports_to", "{\"id\":9}"),
            ("job_title", "[1]"),
            ("links", "true"),
            ("links", "{\"groups\":[{\"id\":\"g99\"}]}"),
            ("office_phone", "true"),
            ("last_name", "\"\\ud800\""),
            ("office", "1e999"),
            ("links", &deep),
            ("cost_center", &deep),
            ("links", ""),
            ("cost_center", ""),
        ] {
            let mut fields = profile();
            fields["user_status"] = json!("Inactive\u{200b}");
            fields["departure_date"] = json!("10/31/2026");
            let all = fields.as_object_mut().expect("an object");
            all.remove(key);
            let rest = serde_json::to_string(all).expect("serialises");
            let wrong = if value.is_empty() { String::new() } else { format!(",{key:?}:{value}") };
            let body = format!("{{\"profiles\":[{}{wrong}}},{}]}}", rest.trim_end_matches('}'), profile());
            let page = ProfilesPage::read(body.as_bytes()).unwrap_or_else(|e| panic!("{key}: {e}"));
            assert!(reader().read(&page.profiles[1], &small()).is_ok(), "{key}: who stands beside them can be read");
            let problem = reader().read(&page.profiles[0], &small()).expect_err(key);
            assert!(problem.why.contains(key) || problem.why.contains("g99"), "{key}: {}", problem.why);
            assert_eq!(problem.profile.as_deref(), Some("u-1"));
            assert!(problem.name().is_some_and(|name| name.contains("Ines")));
            assert_eq!(problem.facts.user_status, Some(UserStatus::Inactive), "{key}");
            assert_eq!(problem.facts.departure_date, DateFact::On(day), "{key}");
        }
    }

    #[test]
    fn a_status_that_cannot_be_read_says_nothing() {
        for status in [json!(3), json!(null), json!(""), json!({ "is": "inactive" })] {
            let mut fields = profile();
            fields["user_status"] = status.clone();
            assert_eq!(unread(&fields).facts.user_status, None, "{status}");
        }
    }

    #[test]
    fn what_nobody_reads_may_be_broken() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let body =
            format!("{{\"profiles\":[{},\"asset_management\":{deep}}}]}}", profile().to_string().trim_end_matches('}'));
        let page = ProfilesPage::read(body.as_bytes()).expect("reads");
        assert!(reader().read(&page.profiles[0], &small()).is_ok());
    }

    #[test]
    fn an_unknown_department_quarantines_the_person_and_asks_for_a_fresh_catalogue() {
        let problem = with("links", json!({ "groups": [{ "id": "g99", "name": "New" }] })).expect_err("unknown");
        assert!(problem.unknown_group && problem.why.contains("g99"));
    }

    #[test]
    fn a_key_that_no_profile_shows_is_invisible_and_never_cleared() {
        let mut hidden = profile();
        hidden.as_object_mut().expect("an object").remove("departure_date");
        assert_eq!(reader().invisible_keys(&[hidden.clone(), hidden.clone()]), ["departure_date"]);
        assert!(reader().invisible_keys(&[hidden.clone(), profile()]).is_empty());
        assert!(reader().read(&hidden, &small()).is_err_and(|p| p.why.contains("departure_date")));
    }

    #[test]
    fn sensitive_keys_are_recognised_in_their_usual_spellings() {
        for key in ["ssn", "SSN", "home", "bank_account", "salary_band", "annual_salary", "target_bonus___general"] {
            assert!(is_sensitive(key), "{key}");
        }
        for key in ["cost_center", "homepage", "office", "division"] {
            assert!(!is_sensitive(key), "{key}");
        }
    }

    #[test]
    fn an_answer_without_profiles_is_said_to_be_so() {
        assert!(ProfilesPage::read(b"{\"profiles\":").is_err_and(|e| e.to_string().contains("not JSON")));
        for other in ["{}", "[]", "null", "42", "\"profiles\"", r#"{"profiles":{}}"#] {
            assert!(ProfilesPage::read(other.as_bytes()).is_err_and(|e| e.to_string().contains("no list")), "{other}");
        }
        assert_eq!(
            ProfilesPage::read(b"{\"profiles\":[],\"meta\":{\"total_count\":3}}").expect("reads").total_count,
            Some(3)
        );
    }
}
