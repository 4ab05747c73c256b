//! Ending somebody's access before HR has said so, and giving it back: shown first, with why.

use super::entry::{Screen, enter, onward, posted, show};
use super::seen::Seen;
use super::session::Visitor;
use super::shared::Console;
use crate::admin::decisions::Refusal;
use crate::admin::routes::Ask;
use crate::store::EndedAccess;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// Whether somebody may end access: their role, or a token that may whatever its role.
pub fn may_end(visitor: &Visitor) -> bool {
    visitor.asker().may(Ask::EndAccess).is_ok()
}

fn read(served: &Seen, target: i64) -> Result<Value, Refusal> {
    Ok(served.read(Ask::Target, &[target.to_string()], &json!({}))?.unwrap_or_default())
}

/// What would end, or by whom it was ended.
pub async fn ask(console: Data<Console>, request: HttpRequest, target: Path<i64>) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let (target, may) = (target.into_inner(), may_end(&visitor));
    show(&console, &visitor, Screen::new("people", "End access", "ending.html").still(), move |served| {
        let person = read(served, target)?;
        let mut seen = served.read(Ask::EndedAccess, &[], &json!({}))?.unwrap_or_default();
        let ended: Vec<EndedAccess> = serde_json::from_value(seen["people"].take())?;
        let ended = ended.into_iter().find(|one| one.target == target);
        let groups = person["account"]["groups"].as_array().map_or(0, Vec::len);
        let message = ended.as_ref().map(EndedAccess::message);
        Ok(json!({ "person": person, "groups": groups, "ended": ended, "message": message, "may": may, "orgs": served.orgs.len() }))
    })
    .await
}

/// Ends it.
pub async fn end(console: Data<Console>, request: HttpRequest, target: Path<i64>, payload: Payload) -> HttpResponse {
    asked(console, request, target.into_inner(), payload, Ask::EndAccess).await
}

/// Gives it back.
pub async fn restore(
    console: Data<Console>,
    request: HttpRequest,
    target: Path<i64>,
    payload: Payload,
) -> HttpResponse {
    asked(console, request, target.into_inner(), payload, Ask::RestoreAccess).await
}

async fn asked(console: Data<Console>, request: HttpRequest, target: i64, payload: Payload, ask: Ask) -> HttpResponse {
    let (visitor, form) = match posted(&console, &request, payload).await {
        Ok(posted) => posted,
        Err(answer) => return answer,
    };
    let done = async {
        visitor.asker().may(ask).map_err(|e| e.to_string())?;
        let why = form.text("why").ok_or("say why: it stands in the audit, and is shown to everybody who wonders")?;
        let served = Seen::new(console.served.clone(), visitor.asker());
        let person = console.threads.run(move || read(&served, target)).await;
        let person = person.map_err(|_| "more is asked than can be answered: try again in a moment".to_owned())?;
        let person = person.map_err(|e| e.to_string())?;
        let profile = &person["plan"]["profile"];
        let mut body = match ask {
            Ask::EndAccess => json!({ "people": [profile], "why": why }),
            _ => json!({ "person": profile, "why": why }),
        };
        if form.text("here") == Some("true") {
            body["org"] = person["org"].clone();
        }
        if ask == Ask::EndAccess && form.text("suspend") == Some("true") {
            body["suspend"] = json!(true);
        }
        let said = console.served.decide(ask, &visitor.asker(), Vec::new(), body).await.map_err(|e| e.to_string())?;
        Ok::<_, String>(match ask {
            Ask::EndAccess if said["waits"] == true => {
                "Asked for. This is beyond what one person may within an hour: somebody else must ask for the same."
                    .to_owned()
            }
            Ask::EndAccess => "Access ends now: the service does it before anything else.".to_owned(),
            _ => "Given back: what Namely says counts again.".to_owned(),
        })
    };
    let done = done.await;
    onward(&console, &visitor, &format!("/people/{target}"), done)
}
