//! What HR tools write (`namely-api.md §2.5`).
//!
//! **Invariant:** only the keys that are sent change, and a key that cannot be changed is refused by its name, never
//! ignored: who tries a transfer by hand sees it happen, or sees why not.

use super::super::http::{Request, Response};
use super::super::population::{Person, Status, Words};
use super::{Namely, Record, catalogue, wire};
use crate::clock::Moment;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

/// Keys that Namely keeps itself.
const KEPT: [&str; 5] = ["id", "created_at", "updated_at", "full_name", "image"];
/// What a new profile cannot do without.
const REQUIRED: [&str; 5] = ["first_name", "last_name", "email", "start_date", "user_status"];

/// A profile as it will be.
struct Draft {
    person: Person,
    groups: Option<Vec<String>>,
}

impl Namely {
    /// `POST` and `PUT` of profiles.
    pub(super) fn write(&mut self, request: &Request, now: Moment) -> Response {
        let segments = request.segments();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let sent = body["profiles"][0].as_object();
        match (request.method.as_str(), segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) {
            ("POST", ["api", "v1", "profiles" | "profiles.json"]) => {
                let sent = sent.cloned().unwrap_or_default();
                match REQUIRED.iter().find(|key| sent.get(**key).and_then(Value::as_str).is_none_or(str::is_empty)) {
                    Some(missing) => wire::refused("creating", &[format!("{missing} is a required field")]),
                    None => self.create(&sent, now),
                }
            }
            ("PUT", ["api", "v1", "profiles", id]) => {
                let id = id.trim_end_matches(".json");
                let Some(index) = self.people.iter().position(|record| record.person.id == id) else {
                    return wire::not_found("Profile");
                };
                match sent {
                    Some(sent) => self.update(index, sent, now),
                    None => wire::refused("updating", &["profiles is a required field".to_owned()]),
                }
            }
            _ => wire::not_a_route(),
        }
    }

    fn create(&mut self, sent: &Map<String, Value>, now: Moment) -> Response {
        let id = uuid::Builder::from_u128(u128::from(self.requests) + (1 << 100)).into_uuid().to_string();
        // Nobody's report, in no group, with the first title.
        let person = Person {
            id,
            first_name: String::new(),
            last_name: String::new(),
            preferred_name: String::new(),
            email: String::new(),
            employee_id: String::new(),
            status: Status::Active,
            start_date: Date::default(),
            departure_date: None,
            words: self.options.words,
            title: 0,
            department: 0,
            office: 0,
            employee_type: self.options.words.employee_types[0],
            direct_dial: String::new(),
            on_leave: false,
            manager: None,
            raw: Default::default(),
        };
        let record = Record {
            person,
            groups: Some(Vec::new()),
            created_at: now.secs(),
            updated_at: now.secs(),
            vanished: false,
        };
        match self.changed(&record, sent) {
            Err(errors) => wire::refused("creating", &errors),
            Ok(draft) => {
                let index = self.hire(draft.person, now);
                self.people[index].groups = draft.groups;
                wire::profiles_envelope(vec![self.profile(index)], json!({ "count": 1, "status": 200 }))
            }
        }
    }

    fn update(&mut self, index: usize, sent: &Map<String, Value>, now: Moment) -> Response {
        match self.changed(&self.people[index], sent) {
            Err(errors) => wire::refused("updating", &errors),
            Ok(draft) => {
                self.edit(index, now, |person| *person = draft.person);
                self.people[index].groups = draft.groups;
                wire::profiles_envelope(vec![self.profile(index)], json!({ "count": 1, "status": 200 }))
            }
        }
    }

    /// A record with what was sent, or everything that is wrong with that. What is as it was may always be sent: a
    /// profile that was read can be written back.
    fn changed(&self, record: &Record, sent: &Map<String, Value>) -> Result<Draft, Vec<String>> {
        let shown = self.whole_profile(record);
        let mut draft = Draft { person: record.person.clone(), groups: record.groups.clone() };
        let mut errors = Vec::new();
        for (key, value) in sent.iter().filter(|(key, value)| shown.get(key.as_str()) != Some(value)) {
            let before = draft.person.raw.remove(key);
            let known = before.is_some() || shown.get(key.as_str()).is_some();
            if let Err(why) = self.set(&mut draft, key, value, known) {
                errors.push(format!("{key} {why}"));
            }
        }
        if errors.is_empty() { Ok(draft) } else { Err(errors) }
    }

    fn set(&self, draft: &mut Draft, key: &str, value: &Value, known: bool) -> Result<(), String> {
        let person = &mut draft.person;
        match key {
            _ if KEPT.contains(&key) => return Err("cannot be written".to_owned()),
            "first_name" => person.first_name = required(value)?,
            "last_name" => person.last_name = required(value)?,
            "email" => person.email = required(value)?,
            "preferred_name" => person.preferred_name = text(value)?,
            "employee_id" => person.employee_id = text(value)?,
            "office_direct_dial" => person.direct_dial = text(value)?,
            "user_status" => person.status = status(value)?,
            "start_date" => person.start_date = self.date(value)?.ok_or("is a required field")?,
            "departure_date" => person.departure_date = self.date(value)?,
            "employee_type" => {
                match self.options.words.employee_types.iter().find(|known| titled(value) == Some(**known)) {
                    Some(known) => person.employee_type = known,
                    None => keep(person, key, value),
                }
            }
            "leave_status" => {
                person.on_leave = value.as_str() == Some("On leave");
                if !person.on_leave && !value.is_null() && value != "" {
                    keep(person, key, value);
                }
            }
            "job_title" => person.title = title(&self.options.words, value)?,
            "reports_to" => person.manager = self.manager(value)?,
            "links" => self.set_links(draft, value)?,
            _ if known || self.options.fields.iter().any(|field| field == key) => keep(person, key, value),
            _ => return Err("is not a field of this company: /profiles/fields has those that are".to_owned()),
        }
        Ok(())
    }

    fn set_links(&self, draft: &mut Draft, value: &Value) -> Result<(), String> {
        for (key, value) in value.as_object().ok_or("is an object")? {
            match key.as_str() {
                "job_title" => draft.person.title = title(&self.options.words, value)?,
                "groups" => {
                    let ids = value.as_array().ok_or(".groups is a list")?;
                    let ids = ids.iter().map(|group| self.group_id(group)).collect::<Result<Vec<_>, _>>()?;
                    let at = |id_of: &dyn Fn(usize) -> String, of: usize| {
                        (0..of).filter(|n| ids.contains(&id_of(*n))).collect::<Vec<_>>()
                    };
                    let departments = at(&wire::department_id, self.options.words.departments.len());
                    let offices = at(&wire::office_id, self.options.words.offices.len());
                    draft.person.department = departments.first().copied().unwrap_or(draft.person.department);
                    draft.person.office = offices.first().copied().unwrap_or(draft.person.office);
                    let is_plain = (departments.len(), offices.len(), ids.len()) == (1, 1, 2);
                    draft.groups = (!is_plain).then_some(ids);
                }
                "teams" if value == &json!([]) => {}
                _ => return Err(format!(".{key} cannot be written")),
            }
        }
        Ok(())
    }

    /// The id of a group that is named by its id or, where no other is called so, by its name.
    fn group_id(&self, group: &Value) -> Result<String, String> {
        let rows = catalogue::group_rows(self.options.departments, &self.options.words);
        let named = group.as_str().or(group["id"].as_str()).or(group["name"].as_str()).ok_or(".groups are ids")?;
        let found: Vec<&str> = rows
            .iter()
            .filter(|row| row["id"] == named || row["title"] == named)
            .filter_map(|row| row["id"].as_str())
            .collect();
        match found.as_slice() {
            [id] => Ok((*id).to_owned()),
            [] => Err(format!(".groups: there is no group {named:?}")),
            _ => Err(format!(".groups: several groups are called {named:?}, say which by its id")),
        }
    }

    fn manager(&self, value: &Value) -> Result<Option<usize>, String> {
        let first = value.as_array().map_or(value, |list| list.first().unwrap_or(&Value::Null));
        match first.as_str().or(first["id"].as_str()) {
            None | Some("" | "no_guid") => Ok(None),
            Some(id) => match self.people.iter().position(|record| record.person.id == id) {
                Some(index) => Ok(Some(index)),
                None => Err(format!("names no profile: {id:?}")),
            },
        }
    }

    fn date(&self, value: &Value) -> Result<Option<Date>, String> {
        let day = text(value)?;
        if day.is_empty() {
            return Ok(None);
        }
        let parsed = if self.options.legacy { Date::strptime("%m/%d/%Y", &day) } else { day.parse() };
        parsed.map(Some).map_err(|_| format!("is not a date: {day:?}"))
    }
}

/// A value that nothing else goes by is shown again as it was sent.
fn keep(person: &mut Person, key: &str, value: &Value) {
    person.raw.insert(key.to_owned(), Some(value.clone()));
}

fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        _ => Err("is a text".to_owned()),
    }
}

fn required(value: &Value) -> Result<String, String> {
    match text(value)? {
        empty if empty.is_empty() => Err("is a required field".to_owned()),
        text => Ok(text),
    }
}

fn status(value: &Value) -> Result<Status, String> {
    match value.as_str() {
        Some("active") => Ok(Status::Active),
        Some("inactive") => Ok(Status::Inactive),
        Some("pending") => Ok(Status::Pending),
        _ => Err("is active, inactive or pending".to_owned()),
    }
}

/// What is written as a text, or as an object with a title.
fn titled(value: &Value) -> Option<&str> {
    value.as_str().or(value["title"].as_str())
}

/// A title by its id or, in exactly these letters, by its name.
fn title(words: &Words, value: &Value) -> Result<usize, String> {
    let named = value["id"].as_str().or(titled(value)).unwrap_or_default();
    let found = (0..words.titles.len()).find(|n| wire::title_id(*n) == named || words.titles[*n].0 == named);
    found.ok_or_else(|| format!("is not one of /job_titles: {named:?}"))
}
