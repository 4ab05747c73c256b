//! Pages of lists (`okta-api.md §3.2`).

use super::super::http::{Request, Response};
use serde_json::{Value, json};

pub(super) fn is_newest_first(request: &Request) -> bool {
    request.param("sortOrder").as_deref() == Some("desc")
}

/// One page of a list, with `Link` lines as Okta sends them: `self`, and `next` while there is more.
pub(super) fn page(
    listed: impl Iterator<Item = (String, Value)>,
    request: &Request,
    default: usize,
    most: usize,
) -> Response {
    let limit = request.param("limit").and_then(|l| l.parse().ok()).unwrap_or(default).clamp(1, most);
    let after = request.param("after");
    let newest_first = is_newest_first(request);
    let is_before = |id: &String, after: &String| if newest_first { id >= after } else { id <= after };
    let mut following = listed.skip_while(|(id, _)| after.as_ref().is_some_and(|after| is_before(id, after)));
    let items: Vec<(String, Value)> = following.by_ref().take(limit).collect();
    let body: Vec<&Value> = items.iter().map(|(_, value)| value).collect();
    let this = format!("{}{}", request.base, request.target());
    let response = Response::json(200, &json!(body)).with("link", format!("<{this}>; rel=\"self\""));
    match (following.next(), items.last()) {
        (Some(_), Some((last, _))) => {
            let mut pairs: Vec<&str> =
                request.query.split('&').filter(|p| !p.is_empty() && !p.starts_with("after=")).collect();
            let cursor = format!("after={last}");
            pairs.push(&cursor);
            let next = format!("{}{}?{}", request.base, request.path, pairs.join("&"));
            response.with("link", format!("<{next}>; rel=\"next\""))
        }
        _ => response,
    }
}
