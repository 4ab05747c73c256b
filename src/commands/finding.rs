//! What `check` finds: one thing that was looked at, and what came of it.

use crate::http::links::Pages;
use crate::okta::outcome::{Answered, Outcome, Reply, classify};
use crate::okta::{OktaClient, Request};
use crate::privileges;
use serde::Serialize;
use serde_json::Value;

/// The code of a refusal for want of a permission.
const FORBIDDEN: &str = "E0000006";

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub ok: bool,
    /// Nothing is wrong, and something will not work as it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub warning: bool,
    pub what: String,
    pub found: String,
}

pub(super) fn good(what: &str, found: impl Into<String>) -> Finding {
    Finding { ok: true, warning: false, what: what.to_owned(), found: found.into() }
}

pub(super) fn warning(what: &str, found: impl Into<String>) -> Finding {
    Finding { warning: true, ..good(what, found) }
}

pub(super) fn bad(what: &str, found: impl Into<String>) -> Finding {
    Finding { ok: false, warning: false, what: what.to_owned(), found: found.into() }
}

/// The document that Okta has answered with, or why there is none.
pub(super) fn value(reply: Reply) -> Result<Value, String> {
    match (classify(&reply, false), reply) {
        (Outcome::Applied, Reply::Answered(Answered { body, .. })) => {
            serde_json::from_slice(&body).map_err(|e| format!("the answer is not JSON ({e})"))
        }
        (Outcome::Missing, _) => Err("not found".into()),
        (outcome, _) => Err(outcome.why().unwrap_or("no answer").to_owned()),
    }
}

/// The document that Okta answers with to a read. Where the role does not permit it, the permission is named.
pub(super) async fn get(client: &OktaClient, target: &str) -> Result<Value, String> {
    value(client.send(&Request::get(target)).await).map_err(|why| permission(target, why))
}

/// Why a read has failed, with the permission that it needs where that is why.
fn permission(target: &str, why: String) -> String {
    let needed = privileges::kind("GET", target).map(|call| call.permissions).unwrap_or_default();
    match why.contains(FORBIDDEN) && !needed.is_empty() {
        true => format!("{why}; the role needs {}", needed.join(" and ")),
        false => why,
    }
}

/// The items of all pages of a list of Okta, or why it cannot be read as a whole.
pub(super) async fn all(client: &OktaClient, target: &str) -> Result<Value, String> {
    let (mut items, mut pages, mut next) = (Vec::new(), Pages::new(target), Some(target.to_owned()));
    while let Some(target) = next {
        let reply = client.send(&Request::get(&target)).await;
        let following = match &reply {
            Reply::Answered(Answered { next, .. }) => next.clone(),
            _ => None,
        };
        let page = value(reply).map_err(|why| permission(&target, why))?;
        let Value::Array(mut page) = page else { return Err("the answer is no list".into()) };
        next = pages.read(page.len(), following).map_err(|e| e.to_string())?;
        items.append(&mut page);
    }
    Ok(Value::Array(items))
}
