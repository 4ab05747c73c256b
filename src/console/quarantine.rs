//! Quarantine: who waits for somebody to change something, by cause; and what else waits for a person.

use super::entry::{Content, Screen, asked, enter, may, onward, posted, show};
use super::form::Form;
use super::holds::{file, sorted};
use super::list::{Export, Heading, List, column, fixed, numbers};
use super::seen::Seen;
use super::session::Visitor;
use super::shared::Console;
use crate::admin::causes::{cause, causes};
use crate::admin::routes::Ask;
use crate::config::Permission;
use crate::store::{AttentionItem, QuarantinedPerson};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Lines of what else waits.
const OTHERS: usize = 200;

const COLUMNS: &[Heading] = &[
    column("Who", "name"),
    column("Org", "org"),
    numbers("For", "since"),
    numbers("Tries", "attempts"),
    fixed("Why, and what mends it"),
];

/// The screen.
pub async fn quarantine(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let form = asked(&request);
    show(&console, &visitor, Screen::new("quarantine", "Quarantine", "quarantine.html"), move |served| {
        let mut seen = served.read(Ask::Quarantine, &[], &json!({}))?.unwrap_or_default();
        let people: Vec<QuarantinedPerson> = serde_json::from_value(seen["people"].take())?;
        let mut seen = served.read(Ask::Attention, &[], &json!({}))?.unwrap_or_default();
        let items: Vec<AttentionItem> = serde_json::from_value(seen["items"].take())?;
        let others: Vec<&AttentionItem> =
            items.iter().filter(|item| !["quarantined", "held"].contains(&item.what.as_str())).take(OTHERS).collect();
        let causes: Vec<Value> = causes(&people)
            .iter()
            .map(|cause| {
                let mut line = json!(cause);
                line["why"] = json!(cause.cause);
                line["href"] = json!(Form::default().address("/quarantine", &[], &[("cause", &cause.cause)]));
                line
            })
            .collect();
        let wanted = form.text("cause");
        let mut rows: Vec<Value> =
            people.iter().filter(|p| wanted.is_none_or(|wanted| cause(&p.why) == wanted)).map(|p| json!(p)).collect();
        sorted(&mut rows, &form);
        if let Some(export) = Export::asked(&form) {
            return file(
                export,
                "quarantine",
                &rows,
                &["name", "org", "profile", "target", "why", "since", "attempts"],
            );
        }
        let list = List::new("/quarantine", &form, COLUMNS, (rows.len(), people.len()));
        Ok(Content::Page(json!({
            "causes": causes, "rows": list.shown(&rows), "list": list, "others": others, "total": people.len(),
        })))
    })
    .await
}

/// Has everybody tried once more, or everybody of one cause.
pub async fn retry(console: Data<Console>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let done = tried(&console, &visitor, &form).await;
    onward(&console, &visitor, "/quarantine", done)
}

async fn tried(console: &Data<Console>, visitor: &Visitor, form: &Form) -> Result<String, String> {
    may(visitor, Permission::Operate)?;
    let Some(wanted) = form.text("cause").map(str::to_owned) else {
        let said = console
            .served
            .decide(Ask::Retry, &visitor.asker(), Vec::new(), json!({}))
            .await
            .map_err(|e| e.to_string())?;
        return Ok(format!("{} are tried once more in some seconds.", said["retried"]));
    };
    let served = Seen::new(console.served.clone(), visitor.asker());
    let read = console.threads.run(move || served.read(Ask::Quarantine, &[], &json!({}))).await;
    let read =
        read.map_err(|_| "more is asked than can be answered: try again in a moment")?.map_err(|e| e.to_string())?;
    let people = read.unwrap_or_default()["people"].take();
    let people: Vec<QuarantinedPerson> = serde_json::from_value(people).map_err(|e| e.to_string())?;
    let mut meant: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for person in people.into_iter().filter(|person| cause(&person.why) == wanted) {
        meant.entry(person.org).or_default().push(person.target);
    }
    let count: usize = meant.values().map(Vec::len).sum();
    if count == 0 {
        return Err("nobody waits for this any more".into());
    }
    for (org, targets) in meant {
        let body = json!({ "org": org, "targets": targets });
        console.served.decide(Ask::Fix, &visitor.asker(), Vec::new(), body).await.map_err(|e| e.to_string())?;
    }
    Ok(format!("{count} are tried once more in some seconds."))
}
