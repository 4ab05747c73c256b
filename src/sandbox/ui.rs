//! Pages of the simulators, for whoever wants to see what is simulated and to be HR by hand: without script, with the style sheet of the
//! console. They are served with `--ui` only.

use super::faults::{Fault, Faults, Kind};
use super::history::Exchange;
use super::http::{Request, Response, form};
use crate::clock::Moment;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// Where they are.
pub const PAGES: &str = "/_ui";
/// People of a page.
pub const SIZE: usize = 50;
/// Calls that are shown, the newest.
const CALLS: usize = 50;

const TEMPLATES: [(&str, &str); 4] = [
    ("frame.html", include_str!("pages/frame.html")),
    ("namely.html", include_str!("pages/namely.html")),
    ("okta.html", include_str!("pages/okta.html")),
    ("shared.html", include_str!("pages/shared.html")),
];

/// What a button sets, in words.
const PRESETS: [(&str, &str); 6] = [
    ("error", "the next 5 calls are answered 500"),
    ("slow", "the next 5 calls take 10 s longer"),
    ("lost", "the next change is made, and its answer is lost"),
    ("reset", "the next 5 calls are cut off"),
    ("empty", "the next page is empty"),
    ("away", "every call is answered 503, until this is taken away"),
];

fn preset(word: &str) -> Option<Fault> {
    let answer = |status| Kind::Answer { status, body: r#"{"error":"simulated"}"#.into() };
    Some(match word {
        "error" => Fault::first(5, "", "/api/", answer(500)),
        "slow" => Fault::first(5, "", "/api/", Kind::Slow(Duration::from_secs(10))),
        "lost" => Fault { method: "POST".into(), ..Fault::first(1, "", "/api/", Kind::LoseReply) },
        "reset" => Fault::first(5, "", "/api/", Kind::Reset),
        "empty" => Fault::first(1, "GET", "/api/", Kind::EmptyPage),
        "away" => Fault::always("", "/api/", answer(503)),
        _ => return None,
    })
}

/// A page, or what became of a form.
pub enum Shown {
    /// Fill this one.
    Page(&'static str, Value),
    /// Go on with the page, which says this.
    Done(String),
    /// There is nothing here.
    Nothing,
}

/// The form of a request, if it comes from a page of this simulator: none of another site reaches it.
fn sent(request: &Request) -> Option<HashMap<String, String>> {
    let from_here = request.header("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    (request.method == "POST" && from_here).then(|| form(&request.body))
}

/// Answers what is asked below `/_ui`; nothing where it is something else, or pages are not served. `shown` makes pages and carries
/// out forms; `changed` is what became of the faults; what all simulators share is done here.
pub fn answer(
    is_on: bool,
    request: &Request,
    changed: Option<String>,
    shown: impl FnOnce(&[&str], Option<&HashMap<String, String>>) -> Shown,
) -> Option<Response> {
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let [first, rest @ ..] = path.as_slice() else { return None };
    if *first != "_ui" || !is_on {
        return None;
    }
    let shown = match rest {
        ["style.css"] => {
            let style =
                Response { status: 200, body: include_bytes!("../console/style.css").to_vec(), ..Response::default() };
            return Some(style.with("content-type", "text/css; charset=utf-8"));
        }
        ["faults", ..] => changed.map_or(Shown::Nothing, Shown::Done),
        rest => shown(rest, sent(request).as_ref()),
    };
    Some(match shown {
        Shown::Page(template, context) => page(template, &context),
        Shown::Done(said) => Response::empty(303).with("location", format!("{PAGES}?said={}", encoded(&said))),
        Shown::Nothing => Response::empty(404),
    })
}

/// Sets or takes away a fault, if that is asked for; what came of it.
pub fn change_faults(is_on: bool, faults: &mut Faults, request: &Request) -> Option<String> {
    if !is_on || !request.path.starts_with("/_ui/faults") {
        return None;
    }
    let sent = sent(request)?;
    if let Some(number) = sent.get("remove") {
        let removed = number.parse().is_ok_and(|number| faults.remove(number));
        return Some(if removed { "the fault is taken away".into() } else { "there is no such fault any more".into() });
    }
    let fault = preset(sent.get("set")?)?;
    faults.add(fault);
    let said = PRESETS.iter().find(|(word, _)| Some(*word) == sent.get("set").map(String::as_str));
    said.map(|(_, said)| (*said).to_owned())
}

/// What every page has: faults, calls, and what was said.
pub fn common(request: &Request, faults: &Faults, calls: &[Exchange], now: Moment) -> Value {
    let line = |call: &Exchange| {
        json!({
            "at": call.arrived.timestamp().strftime("%H:%M:%S").to_string(), "method": call.method,
            "path": if call.query.is_empty() { call.path.clone() } else { format!("{}?{}", call.path, call.query) },
            "status": call.status, "faulty": call.faulty, "is_bad": call.status >= 400,
        })
    };
    let text = request.param("text").unwrap_or_default();
    let planned =
        faults.all().iter().map(|(number, fault)| json!({ "number": number, "text": json!(fault).to_string() }));
    let planned: Vec<Value> = planned.collect();
    let presets: Vec<Value> = PRESETS.iter().map(|(word, said)| json!({ "word": word, "said": said })).collect();
    json!({
        "said": request.param("said"), "text": text, "faults": planned, "presets": presets, "total_calls": calls.len(),
        "calls": calls.iter().rev().take(CALLS).map(line).collect::<Vec<_>>(),
        "now": now.timestamp().strftime("%-d %b %Y, %H:%M:%S UTC").to_string(),
    })
}

/// The lines of the page that was asked for, and the addresses of the pages beside it.
pub fn paged(request: &Request, lines: Vec<Value>, context: &mut Value) {
    let pages = lines.len().div_ceil(SIZE).max(1);
    let page = request.param("page").and_then(|page| page.parse().ok()).unwrap_or(1).clamp(1, pages);
    let text = encoded(&request.param("text").unwrap_or_default());
    let to = |page: usize| format!("{PAGES}?text={text}&page={page}");
    context["total"] = json!(lines.len());
    context["page"] = json!(page);
    context["pages_"] = json!(pages);
    context["previous"] = if page > 1 { json!(to(page - 1)) } else { Value::Null };
    context["next"] = if page < pages { json!(to(page + 1)) } else { Value::Null };
    context["people"] = lines.into_iter().skip((page - 1) * SIZE).take(SIZE).collect();
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn page(template: &str, context: &Value) -> Response {
    let mut pages = Environment::new();
    pages.set_auto_escape_callback(|_| AutoEscape::Html);
    let added = TEMPLATES.iter().try_for_each(|(name, text)| pages.add_template(name, text));
    let filled = added.and_then(|()| pages.get_template(template)?.render(minijinja::Value::from(Serde(context))));
    let (status, text) = filled.map_or_else(|e| (500, format!("{e:#}")), |text| (200, text));
    let kind = if status == 200 { "text/html; charset=utf-8" } else { "text/plain; charset=utf-8" };
    Response { status, body: text.into_bytes(), ..Response::default() }
        .with("content-type", kind)
        .with(
            "content-security-policy",
            "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'",
        )
        .with("cache-control", "no-store")
}
