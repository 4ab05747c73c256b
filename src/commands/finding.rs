//! What `check` finds: one thing that was looked at, and what came of it.

use crate::okta::outcome::{Answered, Outcome, Reply, classify};
use serde::Serialize;
use serde_json::Value;

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
