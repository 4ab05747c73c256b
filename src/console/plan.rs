//! Plan: what would be done, in numbers first and what is taken away on top; then by kind, department and rule; then the people, and
//! what of each; as a file, and on paper for a signature.

use super::entry::{Content, Screen, asked, enter, onward, posted, show};
use super::form::Form;
use super::holds::file;
use super::list::{Export, Heading, List, SIZE, column, fixed, numbers, page};
use super::shared::Console;
use crate::admin::decisions::Refusal;
use crate::admin::routes::Ask;
use crate::config::Permission;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// Fields of the address that say which people of a plan are meant.
pub const CHOICE: [&str; 7] = ["text", "department", "change", "rule", "what", "takes", "blocked"];
/// Sorts of changes that the page counts one by one, of what is taken and of the rest.
const SORTS: usize = 25;
/// Departments and rules that are counted one by one.
const COUNTED: usize = 12;
/// People on paper: more than anybody reads.
const PRINTED: usize = 2000;

const COLUMNS: &[Heading] = &[
    column("Who", "name"),
    column("Login", "login"),
    column("Department", "department"),
    fixed("In Namely"),
    fixed("What would be done"),
    numbers("Calls", "calls"),
];

/// Which people are meant by an address or a form, as the API is asked for them.
pub fn choice(form: &Form) -> Value {
    let mut query = json!({});
    for name in CHOICE {
        match (name, form.text(name)) {
            (_, None) => {}
            ("takes" | "blocked", Some(said)) => query[name] = json!(said == "true"),
            (_, Some(said)) => query[name] = json!(said),
        }
    }
    query
}

/// Plans that were made, and where a new one begins.
pub async fn plans(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    show(&console, &visitor, Screen::new("plans", "Plan", "plans.html").still(), |served| {
        let mut seen = served.read(Ask::Plans, &[], &json!({}))?.unwrap_or_default();
        let mode = served.rules.load().safeguards.mode.as_str();
        Ok(json!({ "plans": seen["plans"].take(), "orgs": served.orgs, "mode": mode }))
    })
    .await
}

/// Begins a new one, and goes there.
pub async fn make(console: Data<Console>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let mut body = json!({});
    if let Some(org) = form.text("org") {
        body["org"] = json!(org);
    }
    if form.text("everybody") == Some("true") {
        body["everybody"] = json!(true);
    }
    match console.served.decide(Ask::MakePlan, &visitor.asker(), Vec::new(), body).await {
        Ok(made) => {
            let to = format!("/plans/{}", made["plan"].as_str().unwrap_or_default());
            super::respond::redirect(console.settings.encrypted, &to, None)
        }
        Err(why) => onward(&console, &visitor, "/plans", Err(why.to_string())),
    }
}

/// Links that show only those whom a number counts.
fn linked(id: &str, rows: Vec<(String, u64)>, by: &str) -> Value {
    let more = rows.len().saturating_sub(COUNTED);
    let line = |(name, people): &(String, u64)| {
        let href = Form::default().address(&format!("/plans/{id}"), &[], &[(by, name)]);
        json!({ "name": name, "people": people, "href": (!name.is_empty()).then(|| format!("{href}#people")) })
    };
    json!({ "rows": rows.iter().take(COUNTED).map(line).collect::<Vec<_>>(), "more": more })
}

fn counts(summary: &Value, name: &str) -> Vec<(String, u64)> {
    let all = summary[name].as_object().into_iter().flatten();
    let mut rows: Vec<(String, u64)> =
        all.map(|(name, people)| (name.clone(), people.as_u64().unwrap_or_default())).collect();
    rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    rows
}

/// What is done, in the two parts of a page: what is taken, and what else; each with how many sorts are not shown.
fn sorts(id: &str, summary: &Value) -> (Value, Value) {
    let all = summary["what"].as_array().cloned().unwrap_or_default();
    let (takes, gives): (Vec<Value>, Vec<Value>) = all.into_iter().partition(|sort| sort["takes"] == true);
    let part = |sorts: Vec<Value>| {
        let more = sorts.len().saturating_sub(SORTS);
        let lines = sorts.into_iter().take(SORTS).map(|mut sort| {
            let word = |key: &str| sort[key].as_str().unwrap_or_default().to_owned();
            let (change, what, rule) = (word("change"), word("what"), word("rule"));
            let mut by = vec![("change", change.as_str()), ("what", what.as_str())];
            if !rule.is_empty() {
                by.push(("rule", &rule));
            }
            let href = Form::default().address(&format!("/plans/{id}"), &[], &by);
            sort["href"] = json!(format!("{href}#people"));
            sort
        });
        json!({ "rows": lines.collect::<Vec<_>>(), "more": more })
    };
    (part(takes), part(gives))
}

/// The words of what would be done to somebody, one by one; why nothing is, where nothing is.
fn words(person: &Value) -> Vec<String> {
    if let Some(why) = person["obstacle"].as_str() {
        return vec![why.to_owned()];
    }
    let of = |words: &Value| -> Vec<String> {
        words.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    let changes = person["changes"].as_object().into_iter().flatten().flat_map(|(_, words)| of(words));
    changes.chain(of(&person["by_okta"])).collect()
}

/// What all pages of a plan are made of.
fn context(id: &str, seen: &mut Value) -> Value {
    let summary = seen["summary"].take();
    let (takes, gives) = sorts(id, &summary);
    let kinds: Vec<Value> = counts(&summary, "kinds").into_iter().map(|(name, people)| json!([name, people])).collect();
    let mut rows: Vec<Value> = seen["people"].as_array().cloned().unwrap_or_default();
    for row in &mut rows {
        row["words"] = json!(words(row));
    }
    json!({
        "plan": seen["plan"].take(), "mode": seen["mode"].take(), "by_decision": seen["by_decision"].take(), "waits": seen["waits"].take(),
        "windows": seen["windows"].take(), "calls": seen["calls"].take(), "can": seen["can"].take(), "takes": takes, "gives": gives,
        "kinds": kinds, "departments": linked(id, counts(&summary, "departments"), "department"),
        "rules": linked(id, counts(&summary, "rules"), "rule"), "by_okta": counts(&summary, "by_okta"), "summary": summary, "rows": rows,
    })
}

/// One of them.
pub async fn plan(console: Data<Console>, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let (form, id, may_decide) = (asked(&request), id.into_inner(), visitor.role.may(Permission::Decide));
    show(&console, &visitor, Screen::new("plans", "Plan", "plan.html").still(), move |served| {
        let export = Export::asked(&form);
        let mut query = choice(&form);
        let (page, size) = if export.is_some() { (1, 100_000) } else { (page(&form), SIZE) };
        (query["page"], query["size"]) = (json!(page), json!(size));
        if let Some(sort) = form.text("sort") {
            query["sort"] = json!(sort);
        }
        let mut seen = served.read(Ask::Plan, std::slice::from_ref(&id), &query)?.unwrap_or_default();
        let count = |name: &str| seen[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let (total, of) = (count("total"), count("of"));
        let mut context = context(&id, &mut seen);
        if let Some(export) = export {
            let mut rows: Vec<Value> = serde_json::from_value(context["rows"].take())?;
            for row in &mut rows {
                row["would_be_done"] = json!(words(row).join("; "));
            }
            let fields = [
                "name",
                "login",
                "department",
                "tenant",
                "profile",
                "target",
                "org",
                "entitlement",
                "would_be_done",
                "obstacle",
                "calls",
            ];
            return file(export, &format!("plan-{id}"), &rows, &fields);
        }
        let kept: Vec<[&str; 2]> = CHOICE.iter().filter_map(|name| Some([*name, form.text(name)?])).collect();
        context["list"] = json!(List::new(&format!("/plans/{id}"), &form, COLUMNS, (total, of)));
        context["choice"] = json!(kept);
        context["chosen"] = json!(chosen(&form));
        context["decidable"] = json!(may_decide && count_of(&context["can"]) > 0);
        Ok(Content::Page(context))
    })
    .await
}

fn count_of(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Whom an address means, in words.
pub fn chosen(form: &Form) -> Vec<String> {
    let said = |name: &str, words: &str| form.text(name).map(|said| format!("{words} {said}"));
    let flag = |name: &str, words: &str| (form.text(name) == Some("true")).then(|| words.to_owned());
    let all = [
        said("text", "name, login or department with"),
        said("department", "department"),
        form.text("change").map(|change| format!("kind of change {}", change.replace('_', " "))),
        said("what", "what is done:"),
        said("rule", "rule"),
        flag("takes", "from whom something is taken"),
        flag("blocked", "for whom nothing can be done"),
    ];
    all.into_iter().flatten().collect()
}

/// What it says of one person.
pub async fn person(console: Data<Console>, request: HttpRequest, path: Path<(String, i64)>) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let ((id, target), may_decide) = (path.into_inner(), visitor.role.may(Permission::Decide));
    show(&console, &visitor, Screen::new("plans", "Plan of one person", "plan_person.html").still(), move |served| {
        let mut seen = served.read(Ask::PlannedPerson, &[id, target.to_string()], &json!({}))?.unwrap_or_default();
        for key in ["obstacle", "by_okta", "remarks", "rules", "rejected", "unfilled", "ungoverned"] {
            if seen["person"].get(key).is_none() {
                seen["person"][key] = Value::Null;
            }
        }
        let can = seen["person"]["obstacle"].is_null()
            && seen["person"]["changes"].as_object().is_some_and(|all| !all.is_empty());
        seen["decidable"] = json!(may_decide && can);
        seen["parts"] = json!(parts(&seen["person"]));
        Ok(seen)
    })
    .await
}

/// What would be done to somebody: by kind, each word with what it is before and after, where it says that.
fn parts(person: &Value) -> Vec<Value> {
    let by_kind = person["changes"].as_object().into_iter().flatten();
    by_kind
        .map(|(kind, words)| {
            let risky = crate::domain::ChangeKind::parse(kind).is_some_and(|kind| kind.is_risky());
            json!({ "kind": kind, "words": words, "risky": risky })
        })
        .collect()
}

/// The file that `apply` takes.
pub async fn saved(console: Data<Console>, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let id = id.into_inner();
    show(&console, &visitor, Screen::new("plans", "Plan", "plan.html").still(), move |served| {
        let plan = served.read(Ask::PlanFile, std::slice::from_ref(&id), &json!({}))?.unwrap_or_default();
        let text = serde_json::to_vec_pretty(&plan)?;
        Ok::<_, Refusal>(Content::File("application/json", format!("plan-{id}.json"), text))
    })
    .await
}

/// The whole plan on paper, for a signature.
pub async fn print(console: Data<Console>, request: HttpRequest, id: Path<String>) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let (form, id) = (asked(&request), id.into_inner());
    show(&console, &visitor, Screen::new("plans", "Plan on paper", "plan_print.html").still(), move |served| {
        let mut query = choice(&form);
        query["size"] = json!(PRINTED);
        let mut seen = served.read(Ask::Plan, std::slice::from_ref(&id), &query)?.unwrap_or_default();
        let (total, of) = (seen["total"].take(), seen["of"].take());
        let mut context = context(&id, &mut seen);
        context["chosen"] = json!(chosen(&form));
        (context["total"], context["of"]) = (total, of);
        Ok(context)
    })
    .await
}
