//! Matches: whose account is whose, where a person must say so.

use super::entry::{Content, Screen, asked, enter, may, onward, posted, show};
use super::holds::{file, sorted};
use super::list::{Export, Heading, List, column, fixed, numbers};
use super::shared::Console;
use crate::admin::routes::Ask;
use crate::config::Permission;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

const COLUMNS: &[Heading] = &[
    numbers("Match", "id"),
    column("Profile of", "name"),
    column("May be", "who"),
    column("Org", "org"),
    fixed("Why it is asked"),
    numbers("Waits for", "since"),
    column("State", "verdict"),
];

/// All of them.
pub async fn matches(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let form = asked(&request);
    show(&console, &visitor, Screen::new("matches", "Matches", "matches.html"), move |served| {
        let all = form.text("all") == Some("true");
        let mut seen = served.read(Ask::Reviews, &[], &json!({ "all": all }))?.unwrap_or_default();
        let mut rows: Vec<Value> = serde_json::from_value(seen["reviews"].take())?;
        sorted(&mut rows, &form);
        if let Some(export) = Export::asked(&form) {
            return file(
                export,
                "matches",
                &rows,
                &["id", "org", "tenant", "profile", "name", "who", "rule", "why", "since", "verdict"],
            );
        }
        let list = List::new("/matches", &form, COLUMNS, (rows.len(), rows.len()));
        Ok(Content::Page(json!({ "rows": list.shown(&rows), "list": list })))
    })
    .await
}

/// One of them, with the plans of both before and after it.
pub async fn one(console: Data<Console>, request: HttpRequest, id: Path<i64>) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let id = id.into_inner();
    show(&console, &visitor, Screen::new("matches", format!("Match {id}"), "match.html"), move |served| {
        Ok(served.read(Ask::Review, &[id.to_string()], &json!({}))?.unwrap_or_default())
    })
    .await
}

async fn said(console: Data<Console>, request: HttpRequest, id: i64, payload: Payload, ask: Ask) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let done = async {
        may(&visitor, Permission::Decide)?;
        let mut body = json!({ "code": form.text("code").unwrap_or_default() });
        if ask == Ask::AcceptReview {
            if form.text("same_person") == Some("true") {
                body["same_person"] = json!(true);
            }
            if let Some(why) = form.text("why") {
                body["why"] = json!(why);
            }
        }
        let said = console
            .served
            .decide(ask, &visitor.asker(), vec![id.to_string()], body)
            .await
            .map_err(|e| e.to_string())?;
        Ok(match (said["result"]["more"].as_i64(), ask) {
            (Some(more), _) => format!("Your word counts. {more} more must agree."),
            (None, Ask::AcceptReview) => "They are one person: the service acts upon it now.".to_owned(),
            (None, _) => "They are different people: no rule asks about them again.".to_owned(),
        })
    };
    let done = done.await;
    onward(&console, &visitor, &format!("/matches/{id}"), done)
}

/// They are one person.
pub async fn accept(console: Data<Console>, request: HttpRequest, id: Path<i64>, payload: Payload) -> HttpResponse {
    said(console, request, id.into_inner(), payload, Ask::AcceptReview).await
}

/// They are not.
pub async fn reject(console: Data<Console>, request: HttpRequest, id: Path<i64>, payload: Payload) -> HttpResponse {
    said(console, request, id.into_inner(), payload, Ask::RejectReview).await
}
