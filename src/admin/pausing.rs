//! The kill switch over HTTP: it works in the memory of the service first, so that no trouble of the store holds it up.

use super::decisions::{Decisions, Refusal, change};
use super::routes::Ask;
use crate::clock::Moment;
use crate::domain::Decider;
use crate::store::{Paused, Store};
use serde_json::{Value, json};

/// Pauses or resumes; `None` if `ask` is about something else.
pub async fn decide(
    store: &Store,
    decisions: &Decisions,
    ask: Ask,
    by: &Decider,
    body: &Value,
    now: Moment,
) -> Option<Result<Value, Refusal>> {
    match ask {
        Ask::Pause => Some(pause(store, decisions, by, body, now).await),
        Ask::Resume => Some(resume(store, by, body, now).await),
        _ => None,
    }
}

async fn pause(
    store: &Store,
    decisions: &Decisions,
    by: &Decider,
    body: &Value,
    now: Moment,
) -> Result<Value, Refusal> {
    let org = body["org"].as_str().map(|name| decisions.org(name)).transpose()?;
    let kind = body["change"].as_str().map(change).transpose()?;
    let why = body["why"].as_str().unwrap_or_default();
    let mut message =
        json!({ "pause": null, "org": org, "change": kind.map(|kind| kind.as_str()), "why": why, "by": by.name });
    let Paused { written, in_flight } = store.pause(org.map(str::to_owned), kind, why, by, now).await;
    message["in_flight"] = in_flight.into();
    match written {
        Ok(id) => message["pause"] = id.into(),
        Err(because) => {
            message["unwritten"] = format!(
                "it holds from now on, but is not written down yet: a service that starts again before that does not know of \
                 it. {because}"
            )
            .into();
        }
    }
    Ok(message)
}

async fn resume(store: &Store, by: &Decider, body: &Value, now: Moment) -> Result<Value, Refusal> {
    match store.resume(body["id"].as_i64(), by, now).await {
        Ok(0) => Err(Refusal::NotFound("nothing to resume: no such pause lasts".into())),
        Ok(ended) => Ok(json!({ "resumed": ended, "by": by.name })),
        Err(e) => Err(e.into()),
    }
}

/// Adds the pauses that no row says yet to an answer that lists pauses.
pub fn complete(store: &Store, seen: &mut Value) {
    if let Some(pauses) = seen.get_mut("pauses").and_then(Value::as_array_mut) {
        let unwritten = store.stops().unwritten();
        pauses.extend(unwritten.iter().filter_map(|pause| serde_json::to_value(pause).ok()));
    }
}
