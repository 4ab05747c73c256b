//! Pages of lists (`okta-api.md §3.2`).

use super::super::http::{Request, Response};
use super::errors::{Problem, problem};
use super::projection::Projection;
use serde_json::{Value, json};

pub(super) fn is_newest_first(request: &Request) -> bool {
    request.param("sortOrder").is_some_and(|order| order.eq_ignore_ascii_case("desc"))
}

/// The attribute that a list is to be sorted by, if that is not the age: ids sort by age.
fn sorted_by(request: &Request) -> Option<String> {
    request.param("sortBy").filter(|name| !matches!(name.as_str(), "created" | "id"))
}

/// A list in the order that was asked for; it comes in the order of ids, the newest first if that was asked for.
pub(super) fn in_order(mut listed: Vec<(String, Value)>, request: &Request) -> Vec<(String, Value)> {
    let Some(name) = sorted_by(request) else { return listed };
    let key = |value: &Value| {
        let found = name.split('.').try_fold(value, |value, part| value.get(part)).filter(|found| !found.is_null());
        found.map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_lowercase))
    };
    listed.sort_by(|(a, first), (b, second)| {
        (key(first).is_none(), key(first), a).cmp(&(key(second).is_none(), key(second), b))
    });
    if is_newest_first(request) {
        listed.reverse();
    }
    listed
}

/// What `fields` asks for. Whether a part that is named twice is an internal error is a matter of the org's age.
pub(super) fn projection(request: &Request, twice_fails: bool) -> Result<Option<Projection>, Problem> {
    let Some(text) = request.param("fields") else { return Ok(None) };
    let bad = || problem::validation("fields", &["fields: Invalid value".to_owned()]);
    let found = Projection::parse(&text).ok_or_else(bad)?;
    if twice_fails && found.names_one_twice() { Err(problem::internal()) } else { Ok(Some(found)) }
}

/// Refuses an `expand` that is none of `known`; what stands behind a slash is looked at by nobody.
pub(super) fn check_expand(request: &Request, known: &[&str]) -> Result<Vec<String>, Problem> {
    let asked = request.param("expand").unwrap_or_default();
    let asked: Vec<String> = asked.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    match asked.iter().find(|part| !known.contains(&part.split('/').next().unwrap_or_default())) {
        Some(unknown) => Err(problem::validation("expand", &[format!("expand: Invalid value {unknown:?}")])),
        None => Ok(asked),
    }
}

/// One page of a list, with `Link` lines as Okta sends them: `self`, and `next` while there is more. A cursor that this org
/// has not given is refused.
pub(super) fn page(
    listed: impl Iterator<Item = (String, Value)>,
    request: &Request,
    default: usize,
    most: usize,
) -> Result<Response, Problem> {
    let limit = request.param("limit").and_then(|l| l.parse().ok()).unwrap_or(default).clamp(1, most);
    let after = request.param("after");
    if after.as_ref().is_some_and(|after| after.len() != 20 || !after.chars().all(|c| c.is_ascii_alphanumeric())) {
        return Err(problem::bad_cursor());
    }
    let newest_first = is_newest_first(request);
    let by_age = sorted_by(request).is_none();
    let mut passed = false;
    let is_before = |id: &String, after: &String| match (by_age, newest_first) {
        (true, true) => id >= after,
        (true, false) => id <= after,
        (false, _) => {
            let before = !passed;
            passed |= id == after;
            before
        }
    };
    let mut is_before = is_before;
    let mut following = listed.skip_while(|(id, _)| after.as_ref().is_some_and(|after| is_before(id, after)));
    let items: Vec<(String, Value)> = following.by_ref().take(limit).collect();
    let body: Vec<&Value> = items.iter().map(|(_, value)| value).collect();
    let this = format!("{}{}", request.base, request.target());
    let response = Response::json(200, &json!(body)).with("link", format!("<{this}>; rel=\"self\""));
    Ok(match (following.next(), items.last()) {
        (Some(_), Some((last, _))) => {
            let mut pairs: Vec<&str> =
                request.query.split('&').filter(|p| !p.is_empty() && !p.starts_with("after=")).collect();
            let cursor = format!("after={last}");
            pairs.push(&cursor);
            let next = format!("{}{}?{}", request.base, request.path, pairs.join("&"));
            response.with("link", format!("<{next}>; rel=\"next\""))
        }
        _ => response,
    })
}
