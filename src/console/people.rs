//! People: everybody in one list, and each of them on a page of their own.

use super::entry::{Content, Screen, asked, enter, may, onward, posted, show};
use super::holds::file;
use super::list::{Export, Heading, List, SIZE, column, page};
use super::seen::Seen;
use super::session::Visitor;
use super::shared::Console;
use crate::admin::decisions::Refusal;
use crate::admin::routes::Ask;
use crate::config::Permission;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

const COLUMNS: &[Heading] = &[
    column("Name", "name"),
    column("Login", "login"),
    column("Department", "department"),
    column("Org", "org"),
    column("Namely", "status"),
    column("Okta", "account"),
    column("State", "state"),
];

fn tone(state: &str) -> &'static str {
    match state {
        "quarantined" => "bad",
        "held" | "undecided" => "warn",
        "done" => "good",
        _ => "",
    }
}

/// Everybody, searched, sorted and page by page.
pub async fn people(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let form = asked(&request);
    show(&console, &visitor, Screen::new("people", "People", "people.html").still(), move |served| {
        let export = Export::asked(&form);
        let (page, size) = if export.is_some() { (1, usize::MAX >> 1) } else { (page(&form), SIZE) };
        let mut query = json!({ "page": page, "size": size });
        for name in ["text", "org", "state", "sort"] {
            if let Some(value) = form.text(name) {
                query[name] = json!(value);
            }
        }
        let mut found = served.read(Ask::People, &[], &query)?.unwrap_or_default();
        let mut rows: Vec<Value> = serde_json::from_value(found["people"].take())?;
        if let Some(export) = export {
            let fields = [
                "name",
                "email",
                "login",
                "department",
                "title",
                "office",
                "org",
                "tenant",
                "profile",
                "employee_id",
                "status",
                "start",
                "departure",
                "account",
                "state",
                "reason",
            ];
            return file(export, "people", &rows, &fields);
        }
        for row in &mut rows {
            let tone = tone(row["state"].as_str().unwrap_or_default());
            row["tone"] = json!(tone);
        }
        let count = |name: &str| found[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let list = List::new("/people", &form, COLUMNS, (count("total"), count("of")));
        let states: Vec<Value> = found["states"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(state, people)| json!({ "state": state, "people": people }))
            .collect();
        Ok(Content::Page(
            json!({ "rows": rows, "list": list, "states": states, "orgs": served.orgs, "read_at": found["at"] }),
        ))
    })
    .await
}

fn read(served: &Seen, target: i64, all: bool) -> Result<Value, Refusal> {
    Ok(served.read(Ask::Target, &[target.to_string()], &json!({ "all": all }))?.unwrap_or_default())
}

/// One person: what Namely says, what is wanted, what Okta has, what would change, and what happened.
pub async fn person(console: Data<Console>, request: HttpRequest, target: Path<i64>) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let (target, all) = (target.into_inner(), asked(&request).text("all") == Some("true"));
    show(&console, &visitor, Screen::new("people", "Person", "person.html"), move |served| {
        Ok(shown(&read(served, target, all)?, all))
    })
    .await
}

/// The newest rows that a page shows at first.
const ROWS: usize = 200;

fn shown(person: &Value, all: bool) -> Value {
    let state = person["state"].as_str().unwrap_or_default();
    let rows = person["timeline"].as_array().map_or(0, Vec::len);
    let has = &person["account"]["profile"];
    let attributes: Vec<Value> = person["mapping"]["attributes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|attribute| {
            let name = attribute["attribute"].as_str().unwrap_or_default();
            let (wanted, has) = (&attribute["value"], &has[name]);
            let is_left_alone = wanted.is_null() && attribute["note"].is_string();
            let mut line = attribute.clone();
            line["wanted"] = json!(text(wanted));
            line["has"] = json!(text(has));
            line["differs"] = json!(person["account"].is_object() && !is_left_alone && text(wanted) != text(has));
            if !line["note"].is_string() {
                line["note"] = Value::Null;
            }
            line
        })
        .collect();
    let positions = person["positions"].as_array().into_iter().flatten();
    let coming: Vec<Value> = positions
        .flat_map(|position| {
            let date = |key: &str, what: &str| {
                position[key].as_str().map(|date| json!({ "date": date, "what": format!("{what} at {}", position["tenant"].as_str().unwrap_or_default()) }))
            };
            [date("start", "is their first day"), date("departure", "is their last day")]
        })
        .flatten()
        .collect();
    let reason = person["reason"].as_str();
    let held = person["timeline"].as_array().into_iter().flatten().rev().find(|row| row["kind"] == "held");
    let holds: Vec<&Value> =
        held.filter(|_| state == "held").map(|row| &row["row"]["detail"]["hold"]).into_iter().collect();
    let mut person = person.clone();
    person["state"] = json!(reason.map_or_else(|| state.to_owned(), |why| format!("{state}: {why}")));
    for key in ["obstacle", "remarks", "by_okta"] {
        if person["plan"].get(key).is_none() {
            person["plan"][key] = Value::Null;
        }
    }
    for group in person["mapping"]["groups"].as_array_mut().into_iter().flatten() {
        for key in ["when", "not"] {
            if group.get(key).is_none() {
                group[key] = Value::Null;
            }
        }
    }
    json!({
        "tone": tone(state), "quarantined": state == "quarantined", "attributes": attributes, "coming": coming, "holds": holds,
        "more": !all && rows >= ROWS, "person": person,
    })
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) if text.is_empty() => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Has somebody tried once more who is quarantined.
pub async fn retry(console: Data<Console>, request: HttpRequest, target: Path<i64>, payload: Payload) -> HttpResponse {
    acted(console, request, target.into_inner(), payload, async |console, visitor, person| {
        let body = json!({ "org": person["org"], "targets": [person["target"]] });
        console.served.decide(Ask::Fix, &visitor.asker(), Vec::new(), body).await?;
        Ok("They are tried once more in some seconds.".into())
    })
    .await
}

/// Has their profiles read of Namely at once.
pub async fn read_again(
    console: Data<Console>,
    request: HttpRequest,
    target: Path<i64>,
    payload: Payload,
) -> HttpResponse {
    acted(console, request, target.into_inner(), payload, async |console, visitor, person| {
        for position in person["positions"].as_array().into_iter().flatten() {
            let body = json!({ "tenant": position["tenant"], "profile": position["profile"] });
            console.served.decide(Ask::Poll, &visitor.asker(), Vec::new(), body).await?;
        }
        Ok("Namely is asked now; what differs is seen as soon as it answers.".into())
    })
    .await
}

async fn acted(
    console: Data<Console>,
    request: HttpRequest,
    target: i64,
    payload: Payload,
    act: impl AsyncFnOnce(&Console, &Visitor, &Value) -> Result<String, Refusal>,
) -> HttpResponse {
    let (visitor, _) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let done = async {
        may(&visitor, Permission::Operate)?;
        let served = Seen::new(console.served.clone(), visitor.asker());
        let person = console.threads.run(move || read(&served, target, false)).await;
        let person = person.map_err(|_| "more is asked than can be answered: try again in a moment".to_owned())?;
        let person = person.map_err(|e| e.to_string())?;
        act(&console, &visitor, &person).await.map_err(|e| e.to_string())
    };
    let done = done.await;
    onward(&console, &visitor, &format!("/people/{target}"), done)
}

/// What is asked about an undo of everything that was done to one person.
fn scope(person: &Value) -> Value {
    json!({ "org": person["org"], "person": person["plan"]["profile"] })
}

/// What an undo of somebody would restore.
pub async fn undo(console: Data<Console>, request: HttpRequest, target: Path<i64>) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let target = target.into_inner();
    show(&console, &visitor, Screen::new("people", "Undo", "undo.html").still(), move |served| {
        let person = read(served, target, false)?;
        let mut page = json!({ "target": target, "name": person["name"], "nothing": null, "undo": null });
        match served.read(Ask::UndoPreview, &[], &scope(&person)) {
            Ok(found) => page["undo"] = found.unwrap_or_default(),
            Err(Refusal::NotFound(why)) => page["nothing"] = json!(why),
            Err(e) => return Err(e),
        }
        for restored in page["undo"]["people"].as_array_mut().into_iter().flatten() {
            if restored.get("obstacle").is_none() {
                restored["obstacle"] = Value::Null;
            }
        }
        Ok(page)
    })
    .await
}

/// Takes back what was shown.
pub async fn take_back(
    console: Data<Console>,
    request: HttpRequest,
    target: Path<i64>,
    payload: Payload,
) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let target = target.into_inner();
    let done = async {
        may(&visitor, Permission::Decide)?;
        let served = Seen::new(console.served.clone(), visitor.asker());
        let person = console.threads.run(move || read(&served, target, false)).await;
        let person = person.map_err(|_| "more is asked than can be answered: try again in a moment".to_owned())?;
        let mut body = scope(&person.map_err(|e| e.to_string())?);
        body["code"] = json!(form.text("code").unwrap_or_default());
        let asked = console.served.decide(Ask::Undo, &visitor.asker(), Vec::new(), body).await;
        asked
            .map(|_| "It is taken back through the safeguards; what waits for a decision is in a hold.".to_owned())
            .map_err(|e| e.to_string())
    };
    let done = done.await;
    onward(&console, &visitor, &format!("/people/{target}"), done)
}
