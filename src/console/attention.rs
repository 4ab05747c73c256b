//! Attention: everything that waits for a person, one line for each.

use super::entry::{Content, Screen, asked, enter, show};
use super::holds::{file, sorted};
use super::list::{Export, Heading, List, column, fixed};
use super::shared::Console;
use crate::admin::routes::Ask;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

const COLUMNS: &[Heading] =
    &[column("What", "what"), column("Who", "name"), column("Where", "where"), fixed("Why, and what mends it")];

/// The screen.
pub async fn attention(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let form = asked(&request);
    show(&console, &visitor, Screen::new("attention", "Attention", "attention.html"), move |served| {
        let mut seen = served.read(Ask::Attention, &[], &json!({}))?.unwrap_or_default();
        let mut rows: Vec<Value> = serde_json::from_value(seen["items"].take())?;
        for row in &mut rows {
            let place = [&row["org"], &row["tenant"]].into_iter().find(|place| place.is_string());
            row["where"] = place.cloned().unwrap_or_default();
        }
        sorted(&mut rows, &form);
        if let Some(export) = Export::asked(&form) {
            return file(export, "attention", &rows, &["what", "name", "org", "tenant", "profile", "why"]);
        }
        let list = List::new("/attention", &form, COLUMNS, (rows.len(), rows.len()));
        Ok(Content::Page(json!({ "rows": list.shown(&rows), "list": list })))
    })
    .await
}
