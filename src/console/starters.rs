//! Starters and leavers: who will be ready on the first day, and who has left and what of their access is left.

use super::entry::{Content, Screen, asked, enter, show};
use super::holds::{file, sorted};
use super::list::{Export, Heading, List, column, fixed, numbers};
use super::pages::span;
use super::shared::Console;
use crate::admin::routes::Ask;
use crate::store::LeaverWithAccess;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

const STARTERS: &[Heading] = &[
    column("First day", "start"),
    column("Who", "name"),
    column("Login", "login"),
    column("Org", "org"),
    column("State", "state"),
    fixed("What happens, or what is missing"),
];
const LEAVERS: &[Heading] = &[
    column("Who", "name"),
    column("Department", "department"),
    column("Org", "org"),
    numbers("Last day", "departure"),
    numbers("Has left since", "ended"),
    column("Okta", "account"),
    column("State", "state"),
];

/// Who starts soon.
pub async fn starters(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let form = asked(&request);
    show(&console, &visitor, Screen::new("starters", "Starters", "starters.html"), move |served| {
        let days = form.number("days").unwrap_or(14).clamp(0, 365);
        let mut seen = served.read(Ask::Starters, &[], &json!({ "days": days, "listed": true }))?.unwrap_or_default();
        let mut rows: Vec<Value> = serde_json::from_value(seen["starters"].take())?;
        for row in &mut rows {
            let tone = match row["state"].as_str() {
                Some("blocked") => "bad",
                Some("ready" | "staged") => "good",
                _ => "",
            };
            row["tone"] = json!(tone);
        }
        sorted(&mut rows, &form);
        if let Some(export) = Export::asked(&form) {
            return file(export, "starters", &rows, &["start", "name", "login", "org", "profile", "state", "note"]);
        }
        let list = List::new("/starters", &form, STARTERS, (rows.len(), rows.len()));
        Ok(Content::Page(json!({
            "rows": list.shown(&rows), "list": list, "days": days, "blocked": seen["blocked"], "total": rows.len(),
        })))
    })
    .await
}

/// Who has left, or has a last day.
pub async fn leavers(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let form = asked(&request);
    show(&console, &visitor, Screen::new("leavers", "Leavers", "leavers.html"), move |served| {
        let mut seen = served.read(Ask::Leavers, &[], &json!({}))?.unwrap_or_default();
        let allowed = span(served.rules.load().safeguards.leaver_access);
        let open: Vec<LeaverWithAccess> = serde_json::from_value(seen["leavers"].take())?;
        let mut query = json!({ "size": i64::MAX, "leavers": true, "sort": "-departure" });
        for name in ["text", "sort"] {
            if let Some(value) = form.text(name) {
                query[name] = json!(value);
            }
        }
        let mut found = served.read(Ask::People, &[], &query)?.unwrap_or_default();
        let mut rows: Vec<Value> = serde_json::from_value(found["people"].take())?;
        for row in &mut rows {
            let is_over = row["ended"].is_i64() && row["state"] == "done";
            row["tone"] = json!(if is_over { "good" } else { "" });
        }
        if let Some(export) = Export::asked(&form) {
            let fields =
                ["name", "login", "department", "org", "profile", "departure", "ended", "account", "state", "reason"];
            return file(export, "leavers", &rows, &fields);
        }
        let of = found["leavers"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(rows.len());
        let list = List::new("/leavers", &form, LEAVERS, (rows.len(), of.max(rows.len())));
        Ok(Content::Page(json!({ "rows": list.shown(&rows), "list": list, "open": open, "allowed": allowed, "read_at": found["at"] })))
    })
    .await
}
