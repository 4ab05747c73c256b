//! Configuration and access: what runs, which credentials end, who is signed in; a session is ended here.

use super::entry::{Screen, enter, may, onward, posted, show};
use super::session::Visitor;
use super::shared::Console;
use crate::admin::auth;
use crate::admin::routes::Ask;
use crate::config::Permission;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// The screen.
pub async fn access(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let own = visitor.number;
    let line = |session: &Visitor| {
        json!({
            "name": session.who.name, "role": session.role.as_str(), "with": session.by.as_str(), "since": session.since.millis(),
            "seen": session.seen.millis(), "number": session.number, "own": session.number == own,
        })
    };
    let sessions: Vec<Value> = console.sessions.list(console.served.clock.now()).iter().map(line).collect();
    let screen = Screen::new("access", "Configuration and access", "access.html").still();
    show(&console, &visitor, screen, move |served| {
        let held = served.tokens.load();
        let tokens: Vec<Value> =
            held.iter().map(|token| json!({ "name": token.name, "role": token.role.as_str() })).collect();
        let ends = served.metrics.samples("credential_expiry_timestamp_seconds");
        let credentials: Vec<Value> = ends
            .into_iter()
            .map(|(labels, at)| json!({ "side": labels.get("side"), "name": labels.get("name"), "at": millis(at) }))
            .collect();
        Ok(json!({
            "sessions": sessions, "tokens": tokens, "credentials": credentials, "orgs": served.orgs,
            "store": served.store.to_string(), "approvers": auth::approvers(&held),
        }))
    })
    .await
}

/// Seconds of Prometheus as milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
pub fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}

/// Ends a session: one's own, or, for operators, anybody's.
pub async fn end(console: Data<Console>, request: HttpRequest, number: Path<u64>, payload: Payload) -> HttpResponse {
    let (visitor, _) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let number = number.into_inner();
    let allowed = if number == visitor.number { Ok(()) } else { may(&visitor, Permission::Operate) };
    let done = allowed.and_then(|()| match console.sessions.end_numbered(number) {
        Some(ended) => {
            tracing::info!(by = visitor.who.name, of = ended.who.name, "a session of the console was ended");
            Ok(format!("The session of {} is ended.", ended.who.name))
        }
        None => Err("there is no such session any more".into()),
    });
    onward(&console, &visitor, "/access", done)
}

/// Has the configuration read again.
pub async fn reload(console: Data<Console>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let (visitor, _) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let done = async {
        may(&visitor, Permission::Operate)?;
        let said = console
            .served
            .decide(Ask::Reload, &visitor.asker(), Vec::new(), json!({}))
            .await
            .map_err(|e| e.to_string())?;
        let changes = said["changes"].as_array().into_iter().flatten();
        let shown: Vec<String> = changes.filter_map(|change| change["key"].as_str().map(str::to_owned)).collect();
        Ok(match shown.is_empty() {
            true => "The configuration was read again: nothing differs.".to_owned(),
            false => format!("The configuration was exchanged: {} have changed.", shown.join(", ")),
        })
    };
    let done = done.await;
    onward(&console, &visitor, "/access", done)
}
