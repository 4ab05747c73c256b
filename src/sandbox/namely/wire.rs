//! Namely's JSON, with the mess of types that recorded traffic shows (`namely-api.md §3.4`).

use super::super::company::{OFFICES, Person, Status, TITLES};
use super::super::http::Response;
use serde_json::{Map, Value, json};

/// Every list and single answer: the resource, `meta`, `links`, `linked`.
pub fn envelope(resource: &str, rows: Vec<Value>, meta: Value) -> Response {
    Response::json(200, &json!({ resource: rows, "meta": meta, "links": {}, "linked": {} }))
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

fn office_id(index: usize) -> String {
    format!("0ff1ce00-0000-4000-8000-{index:012}")
}

fn title_id(index: usize) -> String {
    format!("71713000-0000-4000-8000-{index:012}")
}

fn tier_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = TITLES.iter().map(|(_, tier)| *tier).collect();
    names.dedup();
    names
}

fn tier_id(tier: &str) -> String {
    let index = tier_names().iter().position(|name| *name == tier).unwrap_or(0);
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
    created_at: i64,
    updated_at: i64,
) -> Value {
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
        "reports_to": reports_to, "employee_type": { "title": person.employee_type }, "access_role": "Employee",
        "start_date": person.start_date.to_string(),
        "departure_date": person.departure_date.map(|d| d.to_string()).unwrap_or_default(),
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

pub fn company_info(base: &str) -> Response {
    let link = json!([{ "type": "email_password", "init_url": format!("{base}/users/sign_in") }]);
    Response::json(
        200,
        &json!({ "name": "Sandbox", "permalink": "sandbox", "background_url": null, "logo_url": null, "authentications": link }),
    )
}

/// Groups name the title of their type in `type`; its id is in `links`.
pub fn groups(departments: &[&str]) -> Response {
    let group = |id: String, title: &str, kind: &str, kind_id: &str| {
        json!({ "id": id, "title": title, "type": kind, "is_team": false, "count": 0,
                "address": { "address1": null, "city": null, "country_id": null }, "links": { "group_type": kind_id } })
    };
    let departments = departments.iter().enumerate().map(|(n, d)| group(department_id(n), d, "Department", "7"));
    let offices = OFFICES.iter().enumerate().map(|(n, o)| group(office_id(n), o, "Office Location", "8"));
    let rows: Vec<Value> = departments.chain(offices).collect();
    let meta = json!({ "response": 200, "count": rows.len() });
    envelope("groups", rows, meta)
}

pub fn group_types() -> Response {
    let kind = |id: &str, title: &str, field: &str, kind: &str| json!({ "id": id, "title": title, "field_name": field, "deletable": false, "type": kind, "x_groups_as_teams": false });
    let rows = vec![
        kind("7", "Department", "department", "department"),
        kind("8", "Office Location", "office_location", "office location"),
    ];
    envelope("group_types", rows, json!({ "count": 2, "response": 200 }))
}

pub fn job_titles() -> Response {
    let rows: Vec<Value> = TITLES
        .iter()
        .enumerate()
        .map(|(n, (title, tier))| json!({ "id": title_id(n), "title": title, "parent_id": null, "links": { "job_tier": tier_id(tier) } }))
        .collect();
    let tiers: Vec<Value> = tier_names().iter().map(|tier| json!({ "id": tier_id(tier), "title": tier })).collect();
    let meta = json!({ "count": rows.len(), "status": 200 });
    Response::json(200, &json!({ "job_titles": rows, "meta": meta, "links": {}, "linked": { "job_tiers": tiers } }))
}

pub fn job_tiers() -> Response {
    let rows: Vec<Value> = tier_names()
        .iter()
        .enumerate()
        .map(|(n, tier)| json!({ "id": tier_id(tier), "title": tier, "numerical_id": n }))
        .collect();
    let meta = json!({ "count": rows.len(), "status": 200 });
    envelope("job_tiers", rows, meta)
}

/// The catalogue of fields, as far as the profiles of this tenant have them.
pub fn fields() -> Response {
    let kinds = [
        ("first_name", "text"),
        ("last_name", "text"),
        ("middle_name", "text"),
        ("preferred_name", "text"),
        ("email", "email"),
        ("personal_email", "email"),
        ("user_status", "referenceselect"),
        ("job_title", "referencehistory"),
        ("start_date", "date"),
        ("departure_date", "date"),
        ("employee_id", "text"),
        ("employee_type", "select"),
        ("office_main_number", "text"),
        ("office_direct_dial", "text"),
        ("office_phone", "text"),
        ("office_company_mobile", "text"),
        ("linkedin_url", "text"),
        ("leave_status", "select"),
        ("home", "address"),
        ("salary", "salary"),
        ("ssn", "text"),
        ("dob", "date"),
        ("asset_management", "checkboxes"),
        ("2012_grant_date", "text"),
    ];
    let rows: Vec<Value> = kinds
        .iter()
        .map(|(name, kind)| json!({ "id": name, "name": name, "label": name, "type": kind, "default": true, "valid_format_info": null, "links": { "section": "1" } }))
        .collect();
    let meta = json!({ "count": rows.len(), "status": 200 });
    envelope("fields", rows, meta)
}
