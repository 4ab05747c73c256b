//! What profiles refer to: groups and their types, titles and tiers, teams, countries, the catalogue of fields.

use super::super::http::Response;
use super::super::population::Words;
use super::wire::{department_id, envelope, not_found, office_id, tier_id, tier_names, title_id};
use serde_json::{Value, json};

pub fn company_info(base: &str) -> Response {
    let link = json!([{ "type": "email_password", "init_url": format!("{base}/users/sign_in") }]);
    Response::json(
        200,
        &json!({ "name": "Sandbox", "permalink": "sandbox", "background_url": null, "logo_url": null, "authentications": link }),
    )
}

/// Groups name the title of their type in `type`; its id is in `links`. Two groups may have one name.
pub fn groups(departments: &[&str], words: &Words) -> Response {
    let rows = group_rows(departments, words);
    let meta = json!({ "response": 200, "count": rows.len() });
    envelope("groups", rows, meta)
}

pub(super) fn group_rows(departments: &[&str], words: &Words) -> Vec<Value> {
    let group = |id: String, title: &str, kind: &str, kind_id: &str| {
        json!({ "id": id, "title": title, "type": kind, "is_team": false, "count": 0,
                "address": { "address1": null, "city": null, "country_id": null }, "links": { "group_type": kind_id } })
    };
    let departments = departments.iter().enumerate().map(|(n, d)| group(department_id(n), d, "Department", "7"));
    let offices = words.offices.iter().enumerate().map(|(n, o)| group(office_id(n), o, "Office Location", "8"));
    let clubs = ["Corporate", "Corporate"].iter().enumerate();
    let clubs = clubs.map(|(n, c)| group(format!("c1b00000-0000-4000-8000-{n:012}"), c, "Divisions", "9"));
    departments.chain(offices).chain(clubs).collect()
}

pub fn group_types() -> Response {
    let kind = |id: &str, title: &str, field: &str, kind: &str| json!({ "id": id, "title": title, "field_name": field, "deletable": false, "type": kind, "x_groups_as_teams": false });
    let rows = vec![
        kind("7", "Department", "department", "department"),
        kind("8", "Office Location", "office_location", "office location"),
        json!({ "id": "9", "title": "Divisions", "field_name": "divisions", "deletable": true, "type": "custom", "x_groups_as_teams": true }),
    ];
    envelope("group_types", rows, json!({ "count": 3, "response": 200 }))
}

pub fn job_titles(words: &Words) -> Response {
    let rows: Vec<Value> = words
        .titles
        .iter()
        .enumerate()
        .map(|(n, (title, tier))| json!({ "id": title_id(n), "title": title, "parent_id": null, "links": { "job_tier": tier_id(words, tier) } }))
        .collect();
    let tiers: Vec<Value> =
        tier_names(words).iter().map(|tier| json!({ "id": tier_id(words, tier), "title": tier })).collect();
    let meta = json!({ "count": rows.len(), "status": 200 });
    Response::json(200, &json!({ "job_titles": rows, "meta": meta, "links": {}, "linked": { "job_tiers": tiers } }))
}

pub fn job_tiers(words: &Words) -> Response {
    let rows: Vec<Value> = tier_names(words)
        .iter()
        .enumerate()
        .map(|(n, tier)| json!({ "id": tier_id(words, tier), "title": tier, "numerical_id": n }))
        .collect();
    let meta = json!({ "count": rows.len(), "status": 200 });
    envelope("job_tiers", rows, meta)
}

/// The catalogue of fields, as far as the profiles of this tenant have them.
pub fn fields(custom: &[String]) -> Response {
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
        .map(|(name, kind)| (*name, *kind, true))
        .chain(custom.iter().filter(|name| kinds.iter().all(|(known, _)| known != name)).map(|name| (name.as_str(), "text", false)))
        .map(|(name, kind, default)| json!({ "id": name, "name": name, "label": name, "type": kind, "default": default, "valid_format_info": null, "links": { "section": "1" } }))
        .collect();
    let meta = json!({ "count": rows.len(), "status": 200 });
    envelope("fields", rows, meta)
}

/// One group, with its members; here `type` is the id of the type (`namely-api.md §2.7`).
pub fn group((departments, words): (&[&str], &Words), id: &str, members: &[&str]) -> Response {
    let found = group_rows(departments, words).into_iter().find(|group| group["id"] == id);
    let Some(mut found) = found else { return not_found("Group") };
    found["type"] = found["links"]["group_type"].clone();
    found["count"] = json!(members.len());
    found["links"]["profiles"] = json!(members);
    envelope("groups", vec![found], json!({ "count": 1, "response": 200 }))
}

/// Teams: an envelope without `meta`.
pub fn teams() -> Response {
    let team = json!({ "id": "2a8616bf-0000-4000-8000-000000000000", "name": "Dotted Line", "email": null,
        "created_at": 1_400_611_216, "updated_at": 1_400_611_216, "links": { "team_categories": [] } });
    Response::json(200, &json!({ "teams": [team], "linked": { "categories": [] } }))
}

/// Countries: only their own key.
pub fn countries() -> Response {
    let country = |id: &str, name: &str| json!({ "id": id, "name": name });
    Response::json(
        200,
        &json!({ "countries": [country("DE", "Germany"), country("PT", "Portugal"), country("US", "United States")] }),
    )
}

pub fn currencies() -> Response {
    Response::json(200, &json!({ "currency_types": [{ "iso": "USD", "name": "US Dollar", "symbol": "$" }] }))
}
