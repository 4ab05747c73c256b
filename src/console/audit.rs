//! The audit: searched by text, kind and time from its newest row back; routine is hidden unless it is asked for.

use super::access::millis;
use super::entry::{Content, Screen, asked, enter, show};
use super::form::Form;
use super::holds::file;
use super::list::Export;
use super::shared::Console;
use crate::admin::routes::Ask;
use crate::audit::Event;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// Rows of a page.
const SIZE: usize = 100;
/// Rows of a file.
const EXPORTED: usize = 10_000;

/// The screen.
pub async fn audit(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let form = asked(&request);
    show(&console, &visitor, Screen::new("audit", "Audit", "audit.html").still(), move |served| {
        let export = Export::asked(&form);
        let mut query = json!({ "size": if export.is_some() { EXPORTED } else { SIZE }, "routine": form.text("routine") == Some("true") });
        for name in ["text", "kind"] {
            if let Some(value) = form.text(name) {
                query[name] = json!(value);
            }
        }
        for name in ["from", "to"] {
            if let Some(day) = form.text(name) {
                query[name] = json!(if day.contains('T') { day.to_owned() } else { format!("{day}T00:00:00Z") });
            }
        }
        if let Some(before) = form.number("before") {
            query["before"] = json!(before);
        }
        let mut found = served.read(Ask::Audit, &[], &query)?.unwrap_or_default();
        let mut rows: Vec<Value> = serde_json::from_value(found["rows"].take())?;
        if let Some(export) = export {
            return file(export, "audit", &rows, &["seq", "at", "kind", "org", "target", "name", "message", "text"]);
        }
        for row in &mut rows {
            for key in ["target", "org", "name"] {
                if row.get(key).is_none() {
                    row[key] = Value::Null;
                }
            }
        }
        let metrics = &served.metrics.audit;
        let verified = metrics.verified.get();
        Ok(Content::Page(json!({
            "rows": rows, "kinds": Event::KINDS, "asked": shown(&form),
            "next": found["next"].as_i64().map(|next| form.address("/audit", &["before"], &[("before", &next.to_string())])),
            "first": form.text("before").map(|_| form.address("/audit", &["before"], &[])),
            "csv": form.address("/audit", &[], &[("format", "csv")]), "json": form.address("/audit", &[], &[("format", "json")]),
            "chain": { "broken": metrics.chain_broken.get() > 0, "verified": (verified > 0.0).then(|| millis(verified)) },
        })))
    })
    .await
}

fn shown(form: &Form) -> Value {
    let text = |name: &str| form.text(name).unwrap_or_default();
    json!({ "text": text("text"), "kind": text("kind"), "from": text("from"), "to": text("to"), "routine": text("routine") == "true" })
}
