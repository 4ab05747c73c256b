//! Approving a plan, or a part of it: shown once more in words and numbers, then exactly that.

use super::entry::{Screen, may, onward, posted, show};
use super::form::Form;
use super::plan::{CHOICE, choice, chosen};
use super::shared::Console;
use crate::admin::decisions::Refusal;
use crate::admin::routes::Ask;
use crate::config::Permission;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// From so many people on, their number is typed to confirm a decision.
const TYPED: usize = 25;
/// People whom the confirmation names.
const NAMED: usize = 100;
/// Refusals that are named in the sentence of what came of it.
const SAID: usize = 3;

/// Whom a form means, as the API is asked for them: who is ticked is named, whatever the filter of their page was.
fn asked_for(form: &Form) -> Value {
    let ticked = form.numbers("target");
    if ticked.is_empty() { choice(form) } else { json!({ "targets": ticked }) }
}

fn back(id: &str, form: &Form) -> String {
    let kept: Vec<(&str, &str)> = CHOICE.iter().filter_map(|name| Some((*name, form.text(name)?))).collect();
    Form::default().address(&format!("/plans/{id}"), &[], &kept)
}

/// What would be approved, once more: nothing counts yet.
pub async fn decide(console: Data<Console>, request: HttpRequest, id: Path<String>, payload: Payload) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let id = id.into_inner();
    let from = back(&id, &form);
    let refused = |why: String| onward(&console, &visitor, &from, Err(why));
    if let Err(why) = may(&visitor, Permission::Decide) {
        return refused(why);
    }
    let is_part = form.text("do") == Some("ticked");
    if is_part && form.numbers("target").is_empty() {
        return refused("nobody is ticked: tick those who are meant".into());
    }
    // Ticks of a page count only where the ticked are meant.
    let form = if is_part { form } else { form.without("target") };
    let changes = form.texts("changes");
    if form.text("parts") == Some("true") && changes.is_empty() {
        return refused("no part is ticked: tick what is meant".into());
    }
    let screen = Screen::new("plans", "Approve a plan", "plan_decide.html").still();
    let to = back(&id, &form);
    show(&console, &visitor, screen, move |served| {
        let targets = form.numbers("target");
        let mut query = asked_for(&form);
        query["size"] = json!(NAMED);
        if !targets.is_empty() {
            query["targets"] = json!(targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
        }
        let mut seen = served.read(Ask::Plan, std::slice::from_ref(&id), &query)?.unwrap_or_default();
        if seen["plan"]["code"].as_str() != form.text("code") {
            return Err(Refusal::Conflict("this plan is not what was shown any more: open it again".into()));
        }
        let number = |name: &str| seen[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let (count, takes) = (number("can"), number("taking"));
        if count < targets.len() {
            let why = "somebody who was ticked is not in this plan, or nothing can be done for them";
            return Err(Refusal::Conflict(why.into()));
        }
        if count == 0 {
            return Err(Refusal::Conflict("nothing of this plan can be done for whom is meant".into()));
        }
        let can = seen["people"].as_array().into_iter().flatten().filter(|one| one["obstacle"].is_null());
        let rows: Vec<Value> = can
            .map(|one| {
                let mut row = one.clone();
                let kept = one["changes"].as_object().into_iter().flatten();
                let kept = kept.filter(|(kind, _)| changes.is_empty() || changes.contains(*kind));
                row["words"] = kept.flat_map(|(_, words)| words.as_array().cloned().unwrap_or_default()).collect();
                row
            })
            .collect();
        let kept: Vec<[&str; 2]> = CHOICE.iter().filter_map(|name| Some([*name, form.text(name)?])).collect();
        Ok(json!({
            "plan": seen["plan"].take(), "mode": seen["mode"].take(), "waits": seen["waits"].take(), "count": count, "takes": takes,
            "calls": seen["calls"].take(), "rows": rows, "typed": count >= TYPED, "targets": targets, "changes": changes, "back": to,
            "choice": if targets.is_empty() { kept } else { Vec::new() }, "chosen": chosen(&form),
        }))
    })
    .await
}

/// Approves exactly what was shown.
pub async fn approve(console: Data<Console>, request: HttpRequest, id: Path<String>, payload: Payload) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let id = id.into_inner();
    let done = async {
        may(&visitor, Permission::Decide)?;
        let count = form.number("people").and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        if count >= TYPED && form.number("number") != form.number("people") {
            return Err(format!("nothing was approved: this is about {count} people, and their number was not typed"));
        }
        let mut body = asked_for(&form);
        body["code"] = json!(form.text("code").unwrap_or_default());
        body["people"] = json!(count);
        let changes = form.texts("changes");
        if !changes.is_empty() {
            body["changes"] = json!(changes);
        }
        let said = console.served.decide(Ask::ApproveKept, &visitor.asker(), vec![id.clone()], body).await;
        said.map(|said| came_of(&said)).map_err(|e| e.to_string())
    };
    let done = done.await;
    onward(&console, &visitor, &format!("/plans/{id}"), done)
}

/// What came of an approval, in a sentence or two.
fn came_of(said: &Value) -> String {
    let people = |count: u64| if count == 1 { "1 person".to_owned() } else { format!("{count} people") };
    let mut text = match said["approved"].as_u64().unwrap_or(0) {
        0 => "Nothing was approved.".to_owned(),
        approved => format!("Approved for {}: the service does exactly this in some seconds.", people(approved)),
    };
    let refused = said["refused"].as_array().cloned().unwrap_or_default();
    if !refused.is_empty() {
        let line = |one: &Value| {
            format!("{} {}", one["name"].as_str().unwrap_or_default(), one["why"].as_str().unwrap_or_default())
        };
        let named: Vec<String> = refused.iter().take(SAID).map(line).collect();
        text += &format!(" {} left out: {}", people(refused.len() as u64), named.join("; "));
        text += if refused.len() > SAID { "; and more, below." } else { "." };
    }
    for waits in said["waits"].as_array().into_iter().flatten().filter_map(Value::as_str).take(SAID) {
        text += &format!(" {waits}.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_an_approval_names_who_was_left_out_and_why() {
        let refused = |n: usize| json!({ "name": format!("P{n}"), "why": "has moved" });
        let said = json!({ "approved": 2, "refused": (0..5).map(refused).collect::<Vec<_>>(), "waits": [] });
        let text = came_of(&said);
        assert!(
            text.starts_with("Approved for 2 people") && text.contains("5 people left out: P0 has moved"),
            "{text}"
        );
        assert!(text.contains("P2") && !text.contains("P3") && text.ends_with("and more, below."), "{text}");
        assert!(
            came_of(&json!({ "approved": 0, "refused": [refused(1)] })).starts_with("Nothing was approved. 1 person")
        );
    }
}
