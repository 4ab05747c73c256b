//! Single fields of a profile, read with patience: values that are `null` here and `""` there, dates in two notations,
//! objects where others have texts (`namely-api.md §3.4`). What is of another type is an error, never an empty value.

use crate::domain::Manager;
use crate::domain::text::{is_invisible, is_uuid, trimmed};
use jiff::civil::Date;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A raw profile.
pub type Profile = Map<String, Value>;

/// Dates before this year are mistakes of typing.
const EARLIEST_YEAR: i16 = 1900;

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Why a field cannot be read. `key` is its path in the profile.
#[derive(Debug, thiserror::Error)]
pub(super) enum FieldError {
    #[error("field {key}: {wanted} was expected, {found} was found")]
    Kind { key: String, wanted: &'static str, found: &'static str },
    #[error("field {key}: {text:?} is not a date such as 2026-03-31 or 03/31/2026")]
    Date { key: String, text: String },
}

impl FieldError {
    /// The same of a member of the object at `outer`.
    fn within(self, outer: &str) -> Self {
        match self {
            Self::Kind { key, wanted, found } => Self::Kind { key: format!("{outer}.{key}"), wanted, found },
            Self::Date { key, text } => Self::Date { key: format!("{outer}.{key}"), text },
        }
    }
}

fn mismatch(key: &str, wanted: &'static str, found: &Value) -> FieldError {
    FieldError::Kind { key: key.to_owned(), wanted, found: kind(found) }
}

/// Text; `null`, missing and blank are all empty. Runs of blanks become one.
pub(super) fn text(fields: &Profile, key: &str) -> Result<String, FieldError> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(String::new()),
        // Inside a name some of what nobody sees belongs to how it is written.
        Some(Value::String(s)) => Ok(trimmed(s)),
        Some(other) => Err(mismatch(key, "text", other)),
    }
}

/// Text without characters that nobody sees: a word, an address or a date that was pasted with one means what it looks like.
pub(super) fn visible(fields: &Profile, key: &str) -> Result<String, FieldError> {
    Ok(text(fields, key)?.replace(is_invisible, "").trim().to_owned())
}

pub(super) fn number_or_text(fields: &Profile, key: &str) -> Result<String, FieldError> {
    match fields.get(key) {
        Some(Value::Number(n)) => Ok(n.to_string()),
        _ => text(fields, key),
    }
}

/// `{"title": "…"}`, a bare text, or nothing (`namely-api.md §3.3`, employee_type).
pub(super) fn titled(fields: &Profile, key: &str) -> Result<String, FieldError> {
    match fields.get(key) {
        Some(Value::Object(object)) => text(object, "title").map_err(|e| e.within(key)),
        _ => text(fields, key),
    }
}

/// One member of an address; the address of the office, never another one.
pub(super) fn part(fields: &Profile, key: &str, member: &str) -> Result<String, FieldError> {
    match fields.get(key) {
        Some(Value::Object(object)) => text(object, member).map_err(|e| e.within(key)),
        None | Some(Value::Null | Value::String(_)) => Ok(String::new()),
        Some(other) => Err(mismatch(key, "an address", other)),
    }
}

/// The id of the pay group: the only thing that is ever read of the salary object.
pub(super) fn pay_group(fields: &Profile) -> Result<String, FieldError> {
    match fields.get("salary") {
        Some(Value::Object(salary)) => number_or_text(salary, "pay_group_id"),
        _ => Ok(String::new()),
    }
}

/// What a profile is linked to; what is not an object is not an empty one.
pub(super) fn links(fields: &Profile) -> Result<Option<&Profile>, FieldError> {
    match fields.get("links") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(links)) => Ok(Some(links)),
        Some(other) => Err(mismatch("links", "an object", other)),
    }
}

/// Names of the teams in `links.teams`, in Namely's order.
pub(super) fn teams(fields: &Profile) -> Result<Vec<String>, FieldError> {
    let list = match links(fields)?.and_then(|links| links.get("teams")) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(mismatch("links.teams", "a list", other)),
    };
    list.iter()
        .map(|team| match team.as_object() {
            Some(team) => text(team, "name"),
            None => Err(mismatch("links.teams", "a list of objects", team)),
        })
        .collect()
}

/// A date without the midnight that some exports put behind it; any other time is no date.
fn without_midnight(text: &str) -> &str {
    let is_midnight = |time: &str| {
        let bare = time.strip_suffix('Z').or_else(|| time.strip_suffix("+00:00")).unwrap_or(time);
        bare.starts_with("00:00") && bare.chars().all(|c| matches!(c, '0' | ':' | '.'))
    };
    text.split_once('T').filter(|(_, time)| is_midnight(time)).map_or(text, |(day, _)| day)
}

/// `YYYY-MM-DD`, the older `MM/DD/YYYY`, or nothing (`namely-api.md §3.4`, dates). A year has four digits and is one of
/// somebody's working life: `12/31/25` is no day of the year 25.
pub(super) fn date(fields: &Profile, key: &str) -> Result<Option<Date>, FieldError> {
    let text = visible(fields, key)?;
    let text = without_midnight(&text).to_owned();
    if text.is_empty() {
        return Ok(None);
    }
    let parts: Vec<&str> = text.split(['-', '/']).collect();
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let read = match parts.as_slice() {
        all if !all.iter().all(digits) => None,
        [year, month, day] if text.contains('-') && (year.len(), month.len(), day.len()) == (4, 2, 2) => {
            text.parse().ok()
        }
        [month, day, year] if !text.contains('-') && year.len() == 4 && month.len() <= 2 && day.len() <= 2 => {
            Date::strptime("%m/%d/%Y", &text).ok()
        }
        _ => None,
    };
    match read.filter(|date: &Date| date.year() >= EARLIEST_YEAR) {
        Some(date) => Ok(Some(date)),
        None => Err(FieldError::Date { key: key.to_owned(), text }),
    }
}

/// The manager, of a list, of an object or of an id alone: the first element that is not the "Nobody" sentinel (`namely-api.md §3.3`, reports_to).
pub(super) fn manager(fields: &Profile) -> Result<Option<Manager>, FieldError> {
    let list = match fields.get("reports_to") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(list)) => list.as_slice(),
        // One where others have a list of one.
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        Some(Value::String(id)) if id.is_empty() || id == "no_guid" => return Ok(None),
        Some(one @ Value::String(id)) if is_uuid(id) => std::slice::from_ref(one),
        Some(other) => return Err(mismatch("reports_to", "a list", other)),
    };
    for entry in list {
        let entry = match entry {
            Value::Object(entry) => entry,
            // Name and address are those of the profile.
            Value::String(id) if is_uuid(id) => {
                return Ok(Some(Manager { id: id.clone(), ..Manager::default() }));
            }
            Value::String(id) if id == "no_guid" => continue,
            other => return Err(mismatch("reports_to", "a list of objects", other)),
        };
        let id = text(entry, "id").map_err(|e| e.within("reports_to"))?;
        if id.is_empty() || id == "no_guid" {
            continue;
        }
        let preferred = text(entry, "preferred_name")?;
        let first = if preferred.is_empty() { text(entry, "first_name")? } else { preferred };
        let name = format!("{first} {}", text(entry, "last_name")?).trim().to_owned();
        return Ok(Some(Manager { id, name, email: visible(entry, "email")? }));
    }
    Ok(None)
}

/// Groups in `links.groups`: id, and the name there, which is empty where there is none.
pub(super) fn named_groups(profile: &Value) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let list = profile["links"]["groups"].as_array();
    list.into_iter().flatten().filter_map(|group| {
        let id = match &group["id"] {
            Value::String(id) => Cow::Borrowed(id.as_str()),
            Value::Number(id) => Cow::Owned(id.to_string()),
            _ => return None,
        };
        Some((id, group["name"].as_str().unwrap_or_default().trim()))
    })
}

/// Ids of the groups in `links.groups`, without duplicates, in Namely's order.
pub(super) fn groups(fields: &Profile) -> Result<Vec<String>, FieldError> {
    let list = match links(fields)?.and_then(|links| links.get("groups")) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(mismatch("links.groups", "a list", other)),
    };
    let mut ids: Vec<String> = Vec::with_capacity(list.len());
    for group in list {
        match group.get("id") {
            Some(Value::String(id)) if !ids.contains(id) => ids.push(id.clone()),
            Some(Value::String(_)) => {}
            Some(Value::Number(id)) => ids.push(id.to_string()),
            _ => return Err(mismatch("links.groups", "a list of objects with an id", group)),
        }
    }
    Ok(ids)
}
