//! Holds: what waits for a decision, why, whom it is about; and deciding about all or some of it, exactly as shown.

use super::entry::{Content, Screen, asked, enter, may, onward, posted, show};
use super::form::Form;
use super::list::{Export, Heading, List, column, fixed, numbers, order};
use super::seen::Seen;
use super::session::Visitor;
use super::shared::Console;
use crate::admin::decisions::{Refusal, WITH_TOKEN};
use crate::admin::routes::Ask;
use crate::config::Permission;
use crate::store::{HeldChanges, HeldPerson, Voted};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// From so many people on, their number is typed to confirm a decision.
const TYPED: usize = 25;
/// People whom the confirmation names.
const NAMED: usize = 100;

const HOLDS: &[Heading] = &[
    numbers("Hold", "id"),
    column("Change", "change"),
    column("Whom it is about", "org"),
    numbers("People", "people"),
    fixed("Why"),
    numbers("Waits for", "since"),
    column("State", "state"),
];
const PEOPLE: &[Heading] =
    &[column("Who", "name"), column("Login", "login"), column("Department", "department"), fixed("What would be done")];

/// How a hold stands, in words, and how that is painted.
fn stands(hold: &HeldChanges) -> (&'static str, String) {
    let votes = hold.approved_by.len();
    match &hold.verdict {
        Some(verdict) if verdict == "approved" => ("good", verdict.clone()),
        Some(verdict) => ("", verdict.clone()),
        None if hold.until.is_some() => ("warn", "decided by one person alone, carried out soon".into()),
        None if hold.needs > 1 => ("warn", format!("{votes} of {} have approved", hold.needs)),
        None => ("warn", "waits for a decision".into()),
    }
}

fn line(hold: &HeldChanges) -> Value {
    let (tone, state) = stands(hold);
    let mut line = json!(hold);
    line["tone"] = json!(tone);
    line["state"] = json!(state);
    line
}

/// Sorts the lines of a list as its address says.
pub fn sorted(rows: &mut [Value], form: &Form) {
    let (by, backwards) = order(form);
    if by.is_empty() {
        return;
    }
    let folded = |row: &Value| row[&by].as_str().map(str::to_lowercase);
    rows.sort_by(|a, b| match (a[&by].as_i64(), b[&by].as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => folded(a).cmp(&folded(b)),
    });
    if backwards {
        rows.reverse();
    }
}

/// All of them.
pub async fn holds(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let form = asked(&request);
    show(&console, &visitor, Screen::new("holds", "Holds", "holds.html"), move |served| {
        let all = form.text("all") == Some("true");
        let mut seen = served.read(Ask::Holds, &[], &json!({ "all": all }))?.unwrap_or_default();
        let found: Vec<HeldChanges> = serde_json::from_value(seen["holds"].take())?;
        let mut rows: Vec<Value> = found.iter().map(line).collect();
        sorted(&mut rows, &form);
        if let Some(export) = Export::asked(&form) {
            let fields =
                ["id", "org", "change", "scope", "people", "why", "since", "state", "needs", "approved_by", "code"];
            return file(export, "holds", &rows, &fields);
        }
        let list = List::new("/holds", &form, HOLDS, (rows.len(), rows.len()));
        Ok(Content::Page(json!({ "rows": list.shown(&rows), "list": list })))
    })
    .await
}

/// A list as a file.
pub fn file(export: Export, name: &str, rows: &[Value], fields: &[&str]) -> Result<Content, Refusal> {
    let (kind, bytes) = export.write(rows, fields).map_err(Refusal::Failed)?;
    let suffix = if export == Export::Csv { "csv" } else { "json" };
    Ok(Content::File(kind, format!("{name}.{suffix}"), bytes))
}

/// One hold, and everybody in it.
fn read(served: &Seen, id: i64) -> Result<(HeldChanges, Vec<HeldPerson>), Refusal> {
    let mut seen = served.read(Ask::Hold, &[id.to_string()], &json!({}))?.unwrap_or_default();
    Ok((serde_json::from_value(seen["hold"].take())?, serde_json::from_value(seen["people"].take())?))
}

/// One of them.
pub async fn hold(console: Data<Console>, request: HttpRequest, id: Path<i64>) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let (form, id, may_decide) = (asked(&request), id.into_inner(), visitor.role.may(Permission::Decide));
    show(&console, &visitor, Screen::new("holds", format!("Hold {id}"), "hold.html"), move |served| {
        let (hold, people) = read(served, id)?;
        let mut departments: BTreeMap<&str, usize> = BTreeMap::new();
        for person in &people {
            *departments
                .entry(if person.department.is_empty() { "no department" } else { &person.department })
                .or_default() += 1;
        }
        let mut departments: Vec<(&str, usize)> = departments.into_iter().collect();
        departments.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let wanted = form.text("text").unwrap_or_default().to_lowercase();
        let fits = |p: &&HeldPerson| {
            let in_text = |text: &str| text.to_lowercase().contains(&wanted);
            in_text(&p.name) || in_text(&p.department) || p.login.as_deref().is_some_and(in_text)
        };
        let mut rows: Vec<Value> = people.iter().filter(fits).map(|person| json!(person)).collect();
        sorted(&mut rows, &form);
        if let Some(export) = Export::asked(&form) {
            return file(
                export,
                &format!("hold-{id}"),
                &rows,
                &["name", "login", "department", "tenant", "profile", "target", "shown"],
            );
        }
        let list = List::new(&format!("/holds/{id}"), &form, PEOPLE, (rows.len(), people.len()));
        Ok(Content::Page(json!({
            "hold": line(&hold), "departments": departments, "rows": list.shown(&rows), "list": list,
            "decidable": may_decide && hold.verdict.is_none(),
        })))
    })
    .await
}

/// What would be decided, once more in words and numbers: nothing counts yet.
pub async fn decide(console: Data<Console>, request: HttpRequest, id: Path<i64>, payload: Payload) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let id = id.into_inner();
    if let Err(why) = may(&visitor, Permission::Decide) {
        return onward(&console, &visitor, &format!("/holds/{id}"), Err(why));
    }
    let (ask, extent) = form.text("do").unwrap_or_default().split_once('-').unwrap_or_default();
    let (ask, word) = match ask {
        "approve" => ("approve", "Approve"),
        "reject" => ("reject", "Reject"),
        "reverse" => ("reverse", "Ask again about"),
        _ => {
            return onward(
                &console,
                &visitor,
                &format!("/holds/{id}"),
                Err("say what to decide: approve or reject".into()),
            );
        }
    };
    let ticked: BTreeSet<i64> = form.numbers("target").into_iter().collect();
    if extent == "ticked" && ticked.is_empty() {
        return onward(
            &console,
            &visitor,
            &format!("/holds/{id}"),
            Err("nobody is ticked: tick those who are meant".into()),
        );
    }
    let is_part = extent == "ticked";
    let shown_code = form.text("code").unwrap_or_default().to_owned();
    let screen = Screen::new("holds", format!("{word}: hold {id}"), "decide.html").still();
    show(&console, &visitor, screen, move |served| {
        let (hold, people) = read(served, id)?;
        if hold.code != shown_code {
            return Err(Refusal::Conflict(format!(
                "hold {id} is not what was shown any more: open it again and look who is in it now"
            )));
        }
        let meant: Vec<&HeldPerson> = people.iter().filter(|p| !is_part || ticked.contains(&p.target)).collect();
        if is_part && meant.len() < ticked.len() {
            return Err(Refusal::Conflict(format!(
                "somebody who was ticked is not in hold {id} any more: open it again"
            )));
        }
        let change = hold.change.replace('_', " ");
        let what = match ask {
            "approve" => format!("{} will lose or get exactly what is shown below ({change}).", counted(meant.len())),
            "reject" if hold.reject_needs > 1 => format!(
                "{} can sign in again, although they have left: {} people must reject.",
                counted(meant.len()),
                hold.reject_needs
            ),
            "reject" => {
                format!("Nothing of this is done to {} until Namely says something else.", counted(meant.len()))
            }
            _ => format!(
                "What was rejected of {} is evaluated as if it were asked for the first time.",
                counted(meant.len())
            ),
        };
        let left = people.len() - meant.len();
        let rest = if left == 0 {
            "That is everybody in this hold.".to_owned()
        } else {
            format!("{} of this hold stay held.", counted(left))
        };
        Ok(json!({
            "hold": line(&hold), "ask": ask, "word": word, "what": what, "rest": rest, "count": meant.len(),
            "typed": meant.len() >= TYPED, "rows": meant.iter().take(NAMED).collect::<Vec<_>>(),
            "targets": if is_part { meant.iter().map(|p| p.target).collect() } else { Vec::new() },
        }))
    })
    .await
}

fn counted(people: usize) -> String {
    if people == 1 { "1 person".into() } else { format!("{people} people") }
}

/// Writes a decision down: what was shown, and nothing else.
async fn said(console: Data<Console>, request: HttpRequest, id: i64, payload: Payload, ask: Ask) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let done = written(&console, &visitor, &form, id, ask).await;
    onward(&console, &visitor, &format!("/holds/{id}"), done)
}

async fn written(console: &Data<Console>, visitor: &Visitor, form: &Form, id: i64, ask: Ask) -> Result<String, String> {
    if ask != Ask::Cancel {
        may(visitor, Permission::Decide)?;
    }
    let targets = form.numbers("target");
    let mut body = json!({});
    if ask != Ask::Cancel {
        body["code"] = json!(form.text("code").unwrap_or_default());
        if !targets.is_empty() {
            body["targets"] = json!(targets);
        }
        let served = Seen::new(console.served.clone(), visitor.asker());
        let whole = console.threads.run(move || read(&served, id).map(|(_, people)| people.len())).await;
        let whole = whole
            .map_err(|_| "more is asked than can be answered: try again in a moment")?
            .map_err(|e| e.to_string())?;
        let meant = if targets.is_empty() { whole } else { targets.len() };
        if meant >= TYPED && form.number("number") != i64::try_from(meant).ok() {
            return Err(format!("nothing was decided: this is about {meant} people, and their number was not typed"));
        }
    }
    let said =
        console.served.decide(ask, &visitor.asker(), vec![id.to_string()], body).await.map_err(|e| e.to_string())?;
    if ask == Ask::Cancel {
        return Ok(format!("What one person had decided about hold {id} is stopped: it waits for a decision again."));
    }
    let voted: Voted = serde_json::from_value(said["result"].clone()).map_err(|e| e.to_string())?;
    Ok(match (&voted, ask) {
        (Voted::Needs { more, .. }, Ask::Reject) => {
            format!("Your rejection counts. {more} more must reject: it lets somebody in again who has left.")
        }
        (Voted::Needs { more, with_token }, _) => {
            format!("Your approval counts. {more} more must approve{}.", if *with_token { WITH_TOKEN } else { "" })
        }
        (Voted::Alone { .. }, _) => {
            "There is no other approver: it is carried out after its delay, unless somebody says no.".into()
        }
        (_, Ask::Approve) => "Approved: the service does it now.".into(),
        (_, Ask::Reject) => "Rejected: it is not done until Namely says something else.".into(),
        _ => "It is evaluated as if it were asked for the first time.".into(),
    })
}

/// Exactly what was shown may be done.
pub async fn approve(console: Data<Console>, request: HttpRequest, id: Path<i64>, payload: Payload) -> HttpResponse {
    said(console, request, id.into_inner(), payload, Ask::Approve).await
}

/// It is not done.
pub async fn reject(console: Data<Console>, request: HttpRequest, id: Path<i64>, payload: Payload) -> HttpResponse {
    said(console, request, id.into_inner(), payload, Ask::Reject).await
}

/// What was rejected is asked for again.
pub async fn reverse(console: Data<Console>, request: HttpRequest, id: Path<i64>, payload: Payload) -> HttpResponse {
    said(console, request, id.into_inner(), payload, Ask::Reverse).await
}

/// What one person has decided alone is stopped.
pub async fn cancel(console: Data<Console>, request: HttpRequest, id: Path<i64>, payload: Payload) -> HttpResponse {
    said(console, request, id.into_inner(), payload, Ask::Cancel).await
}
