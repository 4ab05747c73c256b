//! Tonight: is it safe, in one sentence; who has left and still has access; what is held, quarantined and paused; when it is done.

use super::entry::{Screen, enter, may, onward, posted, show};
use super::pages::span;
use super::shared::Console;
use crate::admin::concerns::Weight;
use crate::admin::decisions::Refusal;
use crate::admin::routes::Ask;
use crate::admin::state::State;
use crate::config::Permission;
use crate::domain::ChangeKind;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::time::Duration;

/// Leavers that are listed.
const LISTED: usize = 50;
/// From here on it is said how much of a safeguard is used.
const REMARKABLE: f64 = 0.25;

/// The screen.
pub async fn tonight(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let screen = Screen::new("tonight", "Tonight", "tonight.html");
    show(&console, &visitor, screen, |served| {
        let seen = served.read(Ask::Status, &[], &json!({}))?.unwrap_or_default();
        let state: State = serde_json::from_value(seen)?;
        let allowed = span(served.rules.load().safeguards.leaver_access);
        context(&state, &allowed)
    })
    .await
}

fn context(state: &State, allowed: &str) -> Result<Value, Refusal> {
    let concerns = state.concerns();
    let (tone, mark, word) = match concerns.first().map(|concern| concern.weight) {
        Some(Weight::Bad) => ("bad", "✕", "Not safe:"),
        Some(Weight::Warn) => ("warn", "▲", "Somebody is needed:"),
        None => ("good", "✓", "Safe:"),
    };
    let sentence =
        concerns.first().map_or("the service runs, and nothing is missing.", |concern| concern.message.as_str());
    let open: Vec<_> = state.leavers_with_access.iter().filter(|leaver| leaver.why.pages()).collect();
    let now = state.at.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond).unwrap_or_default();
    let oldest = open.iter().map(|leaver| leaver.since).min();
    let sum = |of: fn(&crate::admin::state::OrgState) -> i64| state.orgs.values().map(of).sum::<i64>();
    let waiting = sum(|org| org.waiting);
    let etas = state.orgs.values().filter(|org| org.waiting > 0).map(|org| org.eta_seconds);
    let done_in = match etas.collect::<Option<Vec<f64>>>() {
        _ if waiting == 0 => "done".to_owned(),
        None if state.orgs.values().any(|org| org.waiting > 0 && org.paused_since.is_some()) => "paused".to_owned(),
        None => "not known yet".to_owned(),
        Some(all) => seconds(all.into_iter().fold(0.0, f64::max)),
    };
    let orgs: Vec<Value> = state
        .orgs
        .iter()
        .map(|(name, org)| {
            let mut line = json!(org);
            line["name"] = json!(name);
            line
        })
        .collect();
    let used = state.safeguards.iter().filter(|limit| limit.used >= REMARKABLE);
    let used: Vec<_> = used.map(|limit| json!({ "message": limit.message(), "used": limit.used })).collect();
    let kinds = ChangeKind::ALL.map(|change| change.as_str());
    Ok(json!({
        "state": state, "verdict": { "tone": tone, "mark": mark, "word": word, "sentence": sentence },
        "concerns": concerns.iter().map(|concern| json!({ "message": concern.message })).collect::<Vec<_>>(),
        "leavers": state.leavers_with_access.iter().take(LISTED).collect::<Vec<_>>(), "orgs": orgs, "safeguards": used, "kinds": kinds, "allowed": allowed,
        "numbers": {
            "leavers": open.len(), "waiting": waiting, "done_in": done_in, "held": sum(|org| org.held),
            "oldest": oldest.map(|since| span(Duration::from_millis(u64::try_from(now - since).unwrap_or(0)))),
            "quarantined": sum(|org| org.quarantined),
        },
    }))
}

fn seconds(seconds: f64) -> String {
    span(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

/// Stops writes.
pub async fn pause(console: Data<Console>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let done = match (may(&visitor, Permission::Operate), form.text("why")) {
        (Err(why), _) => Err(why),
        (_, None) => Err("say why: it stands in the audit, and is shown to everybody who wonders".into()),
        (Ok(()), Some(why)) => {
            let mut body = json!({ "why": why });
            for name in ["org", "change"] {
                if let Some(value) = form.text(name) {
                    body[name] = json!(value);
                }
            }
            let asked = console.served.decide(Ask::Pause, &visitor.asker(), Vec::new(), body).await;
            asked.map_err(|e| e.to_string()).map(|said| match said["unwritten"].as_str() {
                Some(why) => format!("Paused: {why}"),
                None => format!("Paused. {} calls were under way and end by themselves.", said["in_flight"]),
            })
        }
    };
    onward(&console, &visitor, "/#pauses", done)
}

/// Lets writes go on.
pub async fn resume(console: Data<Console>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let done = match (may(&visitor, Permission::Operate), form.number("id")) {
        (Err(why), _) => Err(why),
        (_, None) => Err("say which pause: each has a number".into()),
        (Ok(()), Some(id)) => {
            let asked = console.served.decide(Ask::Resume, &visitor.asker(), Vec::new(), json!({ "id": id })).await;
            asked.map_err(|e| e.to_string()).map(|_| "Writes go on.".to_owned())
        }
    };
    onward(&console, &visitor, "/#pauses", done)
}
