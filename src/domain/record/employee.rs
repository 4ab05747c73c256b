//! A Namely profile as the rest of the product sees it: normalised, and without anything sensitive.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// `user_status` of a profile (`namely-api.md §4.1`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// Employed; the dates say from when, and until when.
    Active,
    /// Has left, whatever the dates say.
    Inactive,
    /// Hired, and not taken on yet: Namely has this status where its onboarding is used.
    Pending,
    /// A status this version does not know: access is not changed because of it.
    Other(String),
}

impl UserStatus {
    /// Reads Namely's word; case does not count.
    pub fn parse(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "active" => Self::Active,
            "inactive" => Self::Inactive,
            "pending" => Self::Pending,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for UserStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Other(word) => word,
        })
    }
}

/// Who somebody reports to, as far as the profile itself says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manager {
    /// The UUID of the manager's profile, in the same tenant.
    pub id: String,
    /// Preferred name before first name, then last name.
    pub name: String,
    /// As the profile that reports to them has it; it may be out of date.
    pub email: String,
}

/// One Namely profile, normalised: `null`, `""` and a missing optional value are all "absent" (an empty string, an
/// empty list or `None`).
///
/// **Invariant:** holds only standard, non-sensitive keys and the custom keys the mapping names; never ssn, date of
/// birth, salary, ethnicity, home address or bank data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Employee {
    /// Namely's profile UUID: the anchor.
    pub id: String,
    /// What access follows from first of all.
    pub user_status: UserStatus,
    /// The work address; empty before it is given.
    pub email: String,
    /// The legal one.
    pub first_name: String,
    /// The legal one.
    pub last_name: String,
    /// In full or an initial, as it is written.
    pub middle_name: String,
    /// In place of the first name, where one is set.
    pub preferred_name: String,
    /// The first day at work, in the time zone of the tenant.
    pub start_date: Option<Date>,
    /// The last day, in the time zone of the tenant: access lasts through it.
    pub departure_date: Option<Date>,
    /// Not unique in Namely (`namely-api.md §7.2`); never used to tell people apart.
    pub employee_id: String,
    /// The title of the type: `Full Time`, `Contractor` …
    pub employee_type: String,
    /// The title of the job.
    pub job_title: String,
    /// The tier that the catalogue puts the job title into.
    pub job_tier: String,
    /// Names of the groups whose group type is the department type.
    pub departments: Vec<String>,
    /// Names of the groups whose group type is the office location type.
    pub offices: Vec<String>,
    /// Names of all groups by the title of their group type.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Names of teams; a team may also be a group (`namely-api.md §2.9`).
    pub teams: Vec<String>,
    /// Id of the pay group: the only thing ever read of the salary object.
    pub pay_group: String,
    /// Where the office is; the address of the tenant, never a home address.
    pub office_city: String,
    /// The state's code (`state_id`), as Namely has it.
    pub office_state: String,
    /// ISO 3166 alpha-2.
    pub office_country: String,
    /// The first that is named; nobody where Namely says so.
    pub manager: Option<Manager>,
    /// As it is written; the office's own number.
    pub office_main_number: String,
    /// As it is written; it leads to the person.
    pub office_direct_dial: String,
    /// As it is written.
    pub office_phone: String,
    /// As it is written; the one of the company, not a private one.
    pub office_company_mobile: String,
    /// As it is written.
    pub linkedin_url: String,
    /// Custom fields, only those the mapping names.
    pub custom: BTreeMap<String, serde_json::Value>,
}

impl Employee {
    /// A profile of which nothing else is known.
    pub fn bare(id: &str, user_status: UserStatus) -> Self {
        let empty = String::new;
        Self {
            id: id.to_owned(),
            user_status,
            email: empty(),
            first_name: empty(),
            last_name: empty(),
            middle_name: empty(),
            preferred_name: empty(),
            start_date: None,
            departure_date: None,
            employee_id: empty(),
            employee_type: empty(),
            job_title: empty(),
            job_tier: empty(),
            departments: Vec::new(),
            offices: Vec::new(),
            groups: BTreeMap::new(),
            teams: Vec::new(),
            pay_group: empty(),
            office_city: empty(),
            office_state: empty(),
            office_country: empty(),
            manager: None,
            office_main_number: empty(),
            office_direct_dial: empty(),
            office_phone: empty(),
            office_company_mobile: empty(),
            linkedin_url: empty(),
            custom: BTreeMap::new(),
        }
    }

    /// A name for messages to people: what they would recognise, without anything sensitive.
    pub fn display(&self) -> String {
        let first = if self.preferred_name.is_empty() { &self.first_name } else { &self.preferred_name };
        let name = format!("{first} {}", self.last_name);
        match name.trim() {
            "" => self.id.clone(),
            name => name.to_owned(),
        }
    }

    /// A profile that stands for none, of an account that is nobody's: it says nothing about access.
    pub fn of_nobody(okta_id: &str, first_name: &str, last_name: &str, email: &str) -> Self {
        Self {
            id: okta_id.to_owned(),
            user_status: UserStatus::Other("no profile in Namely".into()),
            email: email.to_owned(),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
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
            custom: BTreeMap::new(),
        }
    }

    /// The content hash: equal documents have equal hashes, whatever Namely's `updated_at` says
    /// (`namely-api.md §5.3`: it is not a content version).
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&serde_json::to_vec(self).expect("an employee is always serialisable"))
    }
}

/// The first 16 bytes of SHA-256 over a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; 16]);

impl ContentHash {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let mut half = [0; 16];
        half.copy_from_slice(&digest.as_ref()[..16]);
        Self(half)
    }
}

/// One field that differs between two looks at a profile; goes into the audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Namely's key, or the mapped attribute of Okta.
    pub field: String,
    /// `null` where there was nothing.
    pub before: serde_json::Value,
    /// `null` where there is nothing any more.
    pub after: serde_json::Value,
}

/// The fields in which `after` differs from `before` (all set fields of a newly seen profile), in the order of names.
pub fn field_changes(before: Option<&Employee>, after: &Employee) -> Vec<FieldChange> {
    let object = |e: &Employee| match serde_json::to_value(e) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let old = before.map(object).unwrap_or_default();
    object(after)
        .into_iter()
        .filter_map(|(field, after)| {
            let before = old.get(&field).cloned().unwrap_or(serde_json::Value::Null);
            let unset = old.is_empty() && is_absent(&after);
            (before != after && !unset).then_some(FieldChange { field, before, after })
        })
        .collect()
}

fn is_absent(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::Null => true,
        Value::String(s) => s.is_empty(),
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Somebody ordinary, for the tests of this room.
    pub(crate) fn an_employee() -> Employee {
        Employee {
            id: "5f0c7a4e-0000-4000-8000-000000000001".into(),
            user_status: UserStatus::Active,
            email: "ines.duval@example.com".into(),
            first_name: "Ines".into(),
            last_name: "Duval".into(),
            middle_name: String::new(),
            preferred_name: String::new(),
            start_date: Some("2024-03-01".parse().expect("a date")),
            departure_date: None,
            employee_id: "1042".into(),
            employee_type: "Full Time".into(),
            job_title: "Accountant".into(),
            job_tier: "Staff".into(),
            departments: vec!["Finance".into()],
            offices: vec!["Lyon".into()],
            groups: BTreeMap::from([
                ("Department".to_owned(), vec!["Finance".to_owned()]),
                ("Office Location".to_owned(), vec!["Lyon".to_owned()]),
            ]),
            teams: Vec::new(),
            pay_group: String::new(),
            office_city: "Lyon".into(),
            office_state: String::new(),
            office_country: "FR".into(),
            manager: None,
            office_main_number: String::new(),
            office_direct_dial: String::new(),
            office_phone: String::new(),
            office_company_mobile: String::new(),
            linkedin_url: String::new(),
            custom: BTreeMap::new(),
        }
    }

    #[test]
    fn a_changed_title_is_one_field_change() {
        let before = an_employee();
        let after = Employee { job_title: "Senior Accountant".into(), ..before.clone() };
        let changes = field_changes(Some(&before), &after);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].field, "job_title");
        assert_eq!(changes[0].before, "Accountant");
        assert_ne!(before.hash(), after.hash());
    }

    #[test]
    fn a_newly_seen_profile_lists_what_is_set_and_nothing_else() {
        let fields: Vec<_> = field_changes(None, &an_employee()).into_iter().map(|c| c.field).collect();
        assert!(fields.contains(&"email".to_owned()));
        assert!(!fields.contains(&"middle_name".to_owned()), "{fields:?}");
        assert!(!fields.contains(&"departure_date".to_owned()), "{fields:?}");
    }

    #[test]
    fn status_words_are_read_without_regard_to_case_and_unknown_ones_are_kept() {
        assert_eq!(UserStatus::parse("Active"), UserStatus::Active);
        assert_eq!(UserStatus::parse("sabbatical"), UserStatus::Other("sabbatical".into()));
    }
}
