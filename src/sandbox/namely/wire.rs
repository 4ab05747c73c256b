//! Namely's JSON, with the mess of types that recorded traffic shows (`namely-api.md §3.4`).

use super::super::http::Response;
use super::super::population::{Person, Status, Words};
use serde_json::{Map, Value, json};

/// Every list and single answer: the resource, `meta`, `links`, `linked`.
pub fn envelope(resource: &str, rows: Vec<Value>, meta: Value) -> Response {
    Response::json(200, &json!({ resource: rows, "meta": meta, "links": {}, "linked": {} }))
}

/// Profiles with exactly the objects that they refer to. Job titles have numbers for ids here and the title's own id as
/// `guid` (`namely-api.md §3.6`).
pub fn profiles_envelope(rows: Vec<Value>, meta: Value) -> Response {
    let mut titles: Map<String, Value> = Map::new();
    let mut groups: Map<String, Value> = Map::new();
    let mut teams: Map<String, Value> = Map::new();
    for row in &rows {
        if let Some(id) = row["job_title"]["id"].as_str() {
            let number = id.rsplit('-').next().and_then(|n| n.parse::<i64>().ok()).unwrap_or(0) + 21_000;
            let title = json!({ "id": number, "guid": id, "title": row["job_title"]["title"], "order": 0, "company_id": 170,
                "is_default": false, "parent_id": null, "created_at": "2014-05-20T15:41:05.866-04:00" });
            titles.insert(id.to_owned(), title);
        }
        for (kind, into) in [("groups", &mut groups), ("teams", &mut teams)] {
            for item in row["links"][kind].as_array().into_iter().flatten() {
                into.insert(item["id"].as_str().unwrap_or_default().to_owned(), item.clone());
            }
        }
    }
    let list = |map: Map<String, Value>| map.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
    let linked = json!({ "job_titles": list(titles), "files": [], "groups": list(groups), "teams": list(teams) });
    let links = json!({ "profiles.job_title": { "type": "job_titles" }, "profiles.groups": { "type": "groups" } });
    Response::json(200, &json!({ "profiles": rows, "meta": meta, "links": links, "linked": linked }))
}

/// The keys that every token sees (`namely-api.md §3.1`).
pub const GUARANTEED: [&str; 10] = [
    "id",
    "email",
    "first_name",
    "last_name",
    "user_status",
    "updated_at",
    "created_at",
    "preferred_name",
    "full_name",
    "job_title",
];

/// The answer to a write that means nothing, as recorded.
pub fn refused(doing: &str, errors: &[String]) -> Response {
    Response::json(422, &json!({ "message": format!("error {doing} profile"), "errors": errors }))
}

/// The answer about an object that is not there, as recorded.
pub fn not_found(what: &str) -> Response {
    Response::json(404, &json!({ "message": format!("{what} not found"), "errors": [] }))
}

/// A path that is none: 401, as recorded.
pub fn not_a_route() -> Response {
    Response::json(401, &json!({ "error": "" }))
}

/// The same page without its profiles from `keep` on.
pub fn cut(response: Response, keep: usize) -> Response {
    let mut value: Value = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    if let Some(profiles) = value.get_mut("profiles").and_then(Value::as_array_mut) {
        profiles.truncate(keep);
    }
    Response { body: value.to_string().into_bytes(), ..response }
}

/// Namely's word for it.
pub fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "active",
        Status::Inactive => "inactive",
        Status::Pending => "pending",
    }
}

/// Id of the group of a department.
pub fn department_id(index: usize) -> String {
    format!("d0000000-0000-4000-8000-{index:012}")
}

pub(super) fn office_id(index: usize) -> String {
    format!("0ff1ce00-0000-4000-8000-{index:012}")
}

pub(super) fn title_id(index: usize) -> String {
    format!("71713000-0000-4000-8000-{index:012}")
}

pub(super) fn tier_names(words: &Words) -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for (_, tier) in words.titles {
        if !names.contains(tier) {
            names.push(tier);
        }
    }
    names
}

pub(super) fn tier_id(words: &Words, tier: &str) -> String {
    let index = tier_names(words).iter().position(|name| *name == tier).unwrap_or(0);
    format!("71e20000-0000-4000-8000-{index:012}")
}

/// Never set is `null`, cleared is `""`: both occur, here by the index of the person's number.
fn unset(person: &Person) -> Value {
    if person.employee_id.ends_with(['0', '3', '7']) { json!("") } else { Value::Null }
}

/// A whole profile, sensitive fields included: a client must not keep them.
pub fn profile(
    person: &Person,
    manager: Option<&Person>,
    departments: &[&str],
    times: (i64, i64),
    legacy: bool,
) -> Value {
    let (created_at, updated_at) = times;
    let date = |day: jiff::civil::Date| if legacy { day.strftime("%m/%d/%Y").to_string() } else { day.to_string() };
    let text = |value: &str| if value.is_empty() { unset(person) } else { json!(value) };
    let title = json!({ "id": title_id(person.title), "title": person.title() });
    let groups = json!([
        { "id": department_id(person.department), "name": departments[person.department] },
        { "id": office_id(person.office), "name": person.office() }
    ]);
    let reports_to = match manager {
        Some(m) => {
            json!([{ "id": m.id, "first_name": m.first_name, "last_name": m.last_name, "email": m.email, "preferred_name": m.preferred_name }])
        }
        None => json!([{ "id": "no_guid", "first_name": "Nobody", "last_name": "Nobody", "email": "None" }]),
    };
    let mut fields = json!({
        "id": person.id, "email": person.email, "first_name": person.first_name, "last_name": person.last_name,
        "user_status": status(person.status), "updated_at": updated_at, "created_at": created_at,
        "preferred_name": text(&person.preferred_name), "full_name": format!("{}  {}", person.first_name, person.last_name),
        "links": { "job_title": title, "groups": groups, "teams": [] },
        "image": null, "middle_name": unset(person), "job_title": title, "job_change_reason": null,
        "reports_to": reports_to, "employee_type": if legacy { json!(person.employee_type) } else { json!({ "title": person.employee_type }) }, "access_role": "Employee",
        "start_date": date(person.start_date),
        "departure_date": person.departure_date.map(date).unwrap_or_default(),
        "employee_id": person.employee_id, "bio": "", "office_main_number": unset(person),
        "office_direct_dial": text(&person.direct_dial), "office_phone": unset(person), "office_company_mobile": unset(person),
        "leave_status": if person.on_leave { json!("On leave") } else { Value::Null },
        "office_fax": "", "linkedin_url": unset(person), "asset_management": [],
        "office": { "address1": "1 Main Street", "address2": null, "city": person.office(), "state_id": null, "zip": "", "country_id": "US" }
    });
    let private = json!({
        "personal_email": "someone@example.org", "home_phone": "", "mobile_phone": "5550100", "marital_status": "Single",
        "gender": null, "dob": "1980-01-01", "ssn": "000-00-0000", "ethnicity": null,
        "home": { "address1": "2 Side Street", "address2": null, "city": "Home City", "state_id": "CA", "zip": "90210", "country_id": "US" },
        "salary": { "yearly_amount": 12345.0, "currency_type": "USD", "date": "2024-01-01", "rate": "annually", "guid": "56b7e362-0000-4000-8000-000000000000" },
        "healthcare": { "beneficiary": null, "amount": "0.0", "currency_type": "USD" }, "2012_grant_date": "03/1/2012"
    });
    if let (Some(all), Value::Object(private)) = (fields.as_object_mut(), private) {
        all.extend(private);
        apply_raw(all, person);
    }
    fields
}

fn apply_raw(fields: &mut Map<String, Value>, person: &Person) {
    for (key, value) in &person.raw {
        match value {
            Some(value) => {
                fields.insert(key.clone(), value.clone());
            }
            None => {
                fields.remove(key);
            }
        }
    }
}
