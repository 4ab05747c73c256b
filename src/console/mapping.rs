//! Mapping: the rules and whom each concerns, what they say of one person, and what an edited mapping would change: for that person at
//! once, for everybody in some seconds. The file stays the truth: what was edited is copied from here into it.

use super::entry::{Content, Screen, asked, enter, onward, posted, show};
use super::form::Form;
use super::holds::file;
use super::list::Export;
use super::shared::Console;
use crate::admin::decisions::Refusal;
use crate::admin::routes::Ask;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// Lines of a comparison that are shown of each part.
const LINES: usize = 50;
/// Pairs of values that are shown of an attribute.
const PAIRS: usize = 5;

/// The rules, whom each concerns, and where one is tried.
pub async fn mapping(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let form = asked(&request);
    show(&console, &visitor, Screen::new("mapping", "Mapping", "mapping.html").still(), move |served| {
        let mut seen = served.read(Ask::Mapping, &[], &json!({}))?.unwrap_or_default();
        let mut rules: Vec<Value> = serde_json::from_value(seen["rules"].take())?;
        if let Some(export) = Export::asked(&form) {
            return file(export, "mapping", &rules, &["kind", "rule", "gives", "when", "people", "fails"]);
        }
        // Rules that concern nobody, or fail, are what somebody looks for.
        rules.sort_by_key(|rule| (rule["fails"].as_i64() <= Some(0), rule["people"] != 0));
        let mut diffs = served.read(Ask::MappingDiffs, &[], &json!({}))?.unwrap_or_default();
        Ok(Content::Page(json!({
            "rules": rules, "mapping": seen["mapping"].take(), "counted_at": seen["counted_at"].take(), "people": seen["people"].take(),
            "not_counted": seen["not_counted"].take(), "diffs": diffs["diffs"].take(), "orgs": served.orgs,
            "person": form.text("person").unwrap_or_default(),
        })))
    })
    .await
}

/// What an edited mapping, or the one that is used, says of one person.
pub async fn test(console: Data<Console>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let (person, text) = (form.text("person").unwrap_or_default().to_owned(), form.text("mapping").map(str::to_owned));
    if person.is_empty() {
        let why = "say whom to try it with: a profile, an email, a login or a full name";
        return onward(&console, &visitor, "/mapping", Err(why.into()));
    }
    let mut body = json!({ "person": person, "mapping": text.clone().unwrap_or_default() });
    if let Some(org) = form.text("org") {
        body["org"] = json!(org);
    }
    let tested = console.served.decide(Ask::TestMapping, &visitor.asker(), Vec::new(), body).await;
    let screen = Screen::new("mapping", "Mapping, tried with one person", "mapping_test.html").still();
    show(&console, &visitor, screen, move |served| {
        let mut context = json!({ "person": person, "mapping": text, "orgs": served.orgs, "people": [], "unseen": [], "wrong": null });
        match tested {
            Ok(mut seen) => {
                let people: Vec<Value> = serde_json::from_value(seen["people"].take())?;
                context["people"] = json!(people.iter().map(compared).collect::<Vec<_>>());
                context["unseen"] = seen["unseen"].take();
            }
            // What is wrong in a text is corrected in it.
            Err(Refusal::Bad(why) | Refusal::NotFound(why)) => context["wrong"] = json!(why),
            Err(e) => return Err(e),
        }
        Ok(context)
    })
    .await
}

/// One person under both mappings: a line for each attribute, rule and app, and what would be done under each.
fn compared(one: &Value) -> Value {
    let text = |value: &Value| match value {
        Value::Null => "–".to_owned(),
        Value::String(text) if text.is_empty() => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "–".to_owned(),
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().unwrap_or_default()).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    };
    let list = |side: &Value, part: &str| side["mapping"][part].as_array().cloned().unwrap_or_default();
    let lines = |part: &str, name: &str, gives: &str| -> Vec<Value> {
        let (before, after) = (list(one, part), list(&one["edited"], part));
        let key = |line: &Value| (line[name].clone(), line["profile"].clone());
        let mut all: Vec<Value> = Vec::new();
        for line in before.iter().chain(after.iter().filter(|line| !before.iter().any(|old| key(old) == key(line)))) {
            let of = |side: &[Value]| side.iter().find(|other| key(other) == key(line)).cloned();
            let (old, new) = (of(&before), of(&after));
            let said = |line: &Option<Value>| line.as_ref().map_or("–".to_owned(), |line| text(&line[gives]));
            let shown = new.as_ref().or(old.as_ref()).cloned().unwrap_or_default();
            let why = ["note", "not"].iter().find_map(|key| shown[*key].as_str());
            all.push(json!({
                "name": line[name], "before": said(&old), "after": said(&new), "differs": said(&old) != said(&new), "why": why,
                "expression": shown["expression"].as_str().or(shown["when"].as_str()), "inputs": shown["inputs"],
            }));
        }
        all.sort_by_key(|line| line["differs"] != true);
        all
    };
    let words = |plan: &Value| -> Vec<String> {
        let by_kind = plan["changes"].as_object().into_iter().flatten().filter_map(|(_, words)| words.as_array());
        let words = by_kind.flatten().filter_map(|word| word.as_str().map(str::to_owned));
        plan["obstacle"].as_str().map(str::to_owned).into_iter().chain(words).collect()
    };
    let parts = [
        ("Attributes", lines("attributes", "attribute", "value")),
        ("Groups, by rule", lines("groups", "rule", "groups")),
        ("Apps, by rule", lines("apps", "app", "assigned")),
    ];
    let parts: Vec<Value> = parts
        .into_iter()
        .filter(|(_, lines)| !lines.is_empty())
        .map(|(title, lines)| json!({ "title": title, "lines": lines }))
        .collect();
    json!({
        "name": one["name"], "org": one["org"], "target": one["target"], "login": [text(&one["login"]), text(&one["edited"]["login"])],
        "parts": parts, "before": words(&one["plans"][0]), "after": words(&one["plans"][1]),
    })
}

/// Begins a comparison for everybody.
pub async fn compare(console: Data<Console>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let mut body = json!({ "mapping": form.text("mapping").unwrap_or_default() });
    if let Some(org) = form.text("org") {
        body["org"] = json!(org);
    }
    match console.served.decide(Ask::DiffMapping, &visitor.asker(), Vec::new(), body).await {
        Ok(begun) => {
            let to = format!("/mapping/diffs/{}", begun["diff"].as_str().unwrap_or_default());
            super::respond::redirect(console.settings.encrypted, &to, None)
        }
        Err(Refusal::Bad(why)) => wrong(&console, &visitor, &form, why).await,
        Err(why) => onward(&console, &visitor, "/mapping", Err(why.to_string())),
    }
}

/// The text again, with what is wrong in it.
async fn wrong(console: &Data<Console>, visitor: &super::session::Visitor, form: &Form, why: String) -> HttpResponse {
    let screen = Screen::new("mapping", "Mapping", "mapping_test.html").still();
    let (text, person) = (form.text("mapping").map(str::to_owned), form.text("person").map(str::to_owned));
    show(console, visitor, screen, move |served| {
        Ok(json!({
            "person": person.unwrap_or_default(), "mapping": text, "orgs": served.orgs, "people": [], "unseen": [], "wrong": why,
        }))
    })
    .await
}

/// What an edited mapping would change for everybody.
pub async fn difference(console: Data<Console>, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let id = id.into_inner();
    show(&console, &visitor, Screen::new("mapping", "Mapping compared", "mapping_diff.html").still(), move |served| {
        let mut seen = served.read(Ask::MappingDiff, &[id], &json!({}))?.unwrap_or_default();
        let difference = seen["difference"].take();
        let rows = |part: &str| -> Vec<Value> {
            let all = difference[part].as_object().into_iter().flatten();
            let mut rows: Vec<Value> = all
                .map(|(name, change)| {
                    let mut row = change.clone();
                    if !row.is_object() {
                        row = json!({ "people": row, "examples": [] });
                    }
                    row["name"] = json!(name);
                    if let Some(pairs) = row["values"].as_array_mut() {
                        pairs.truncate(PAIRS);
                    }
                    row
                })
                .collect();
            rows.sort_by_key(|row| std::cmp::Reverse(["people", "removed", "added"].map(|key| row[key].as_u64().unwrap_or(0)).iter().sum::<u64>()));
            rows
        };
        let part = |name: &str| {
            let mut rows = rows(name);
            let more = rows.len().saturating_sub(LINES);
            rows.truncate(LINES);
            json!({ "rows": rows, "more": more })
        };
        Ok(json!({
            "diff": seen["diff"].take(), "mapping": seen["mapping"].take(), "unseen": seen["unseen"].take(), "people": difference["people"],
            "changed": difference["changed"], "mended": difference["mended"], "attributes": part("attributes"), "groups": part("groups"),
            "apps": part("apps"), "broken": part("broken"), "waits": part("waits"), "types": part("user_types"),
        }))
    })
    .await
}
