//! The console: pages for whoever is on call, for HR and for auditors, served beside the admin API.
//!
//! **Invariant:** it shows nothing and does nothing that the admin API cannot: every screen is made of the API's own documents, and
//! every decision goes the same way. It runs on threads of its own.

mod access;
mod attention;
mod audit;
mod claims;
mod ending;
mod entry;
mod events;
mod form;
mod holds;
mod list;
mod mapping;
mod matches;
mod orgs;
mod pages;
mod people;
mod plan;
mod plan_decision;
mod provider;
mod quarantine;
mod request;
mod respond;
mod seen;
mod session;
mod shared;
mod sign_in;
mod starters;
mod threads;
mod tonight;
mod underway;

use crate::admin::{Mount, Served};
use crate::config::ConsoleSettings;
use crate::config::Role;
use actix_web::web::{Data, ServiceConfig, get, post};
use actix_web::{HttpRequest, HttpResponse};
use entry::{Screen, enter, show};
use serde_json::json;
use shared::Console;
use std::sync::Arc;

/// The pages of a service, for `Served::mount`; nothing where nobody could sign in, or they are switched off.
pub fn mount(served: &Served, settings: &ConsoleSettings) -> std::io::Result<Option<Mount>> {
    if !settings.serve || served.tokens.load().is_empty() && settings.provider.is_none() {
        return Ok(None);
    }
    let console = Data::new(Console::new(served.clone(), settings.clone())?);
    Ok(Some(Arc::new(move |app: &mut ServiceConfig| routes(app, console.clone()))))
}

fn routes(app: &mut ServiceConfig, console: Data<Console>) {
    app.app_data(console)
        .route("/", get().to(tonight::tonight))
        .route("/attention", get().to(attention::attention))
        .route("/pause", post().to(tonight::pause))
        .route("/resume", post().to(tonight::resume))
        .route("/holds", get().to(holds::holds))
        .route("/holds/{id}", get().to(holds::hold))
        .route("/holds/{id}/decide", post().to(holds::decide))
        .route("/holds/{id}/approve", post().to(holds::approve))
        .route("/holds/{id}/reject", post().to(holds::reject))
        .route("/holds/{id}/reverse", post().to(holds::reverse))
        .route("/holds/{id}/cancel", post().to(holds::cancel))
        .route("/plans", get().to(plan::plans))
        .route("/plans", post().to(plan::make))
        .route("/plans/{plan}", get().to(plan::plan))
        .route("/plans/{plan}/file", get().to(plan::saved))
        .route("/plans/{plan}/print", get().to(plan::print))
        .route("/plans/{plan}/people/{target}", get().to(plan::person))
        .route("/plans/{plan}/decide", post().to(plan_decision::decide))
        .route("/plans/{plan}/approve", post().to(plan_decision::approve))
        .route("/people", get().to(people::people))
        .route("/people/{target}", get().to(people::person))
        .route("/people/{target}/read", post().to(people::read_again))
        .route("/people/{target}/retry", post().to(people::retry))
        .route("/people/{target}/end", get().to(ending::ask))
        .route("/people/{target}/end", post().to(ending::end))
        .route("/people/{target}/restore", post().to(ending::restore))
        .route("/people/{target}/undo", get().to(people::undo))
        .route("/people/{target}/undo", post().to(people::take_back))
        .route("/quarantine", get().to(quarantine::quarantine))
        .route("/quarantine/retry", post().to(quarantine::retry))
        .route("/starters", get().to(starters::starters))
        .route("/leavers", get().to(starters::leavers))
        .route("/matches", get().to(matches::matches))
        .route("/matches/{id}", get().to(matches::one))
        .route("/matches/{id}/accept", post().to(matches::accept))
        .route("/matches/{id}/reject", post().to(matches::reject))
        .route("/mapping", get().to(mapping::mapping))
        .route("/mapping/test", post().to(mapping::test))
        .route("/mapping/diffs", post().to(mapping::compare))
        .route("/mapping/diffs/{diff}", get().to(mapping::difference))
        .route("/audit", get().to(audit::audit))
        .route("/orgs", get().to(orgs::orgs))
        .route("/access", get().to(access::access))
        .route("/reload", post().to(access::reload))
        .route("/sessions/{number}/end", post().to(access::end))
        .route("/events", get().to(events::events))
        .route("/help", get().to(help))
        .route("/sign-in", get().to(sign_in::ask))
        .route("/sign-in", post().to(sign_in::sign_in))
        .route("/sign-in/provider", get().to(provider::begin))
        .route(provider::BACK, get().to(provider::back))
        .route("/sign-out", post().to(sign_in::sign_out))
        .route("/static/style.css", get().to(style))
        .route("/static/icon.svg", get().to(icon))
        .route("/static/script.js", get().to(script));
}

async fn style(console: Data<Console>) -> HttpResponse {
    respond::file(console.settings.encrypted, "text/css; charset=utf-8", include_str!("style.css"))
}

async fn icon(console: Data<Console>) -> HttpResponse {
    respond::file(console.settings.encrypted, "image/svg+xml", include_str!("icon.svg"))
}

async fn script(console: Data<Console>) -> HttpResponse {
    respond::file(console.settings.encrypted, "text/javascript; charset=utf-8", include_str!("script.js"))
}

/// Keys, roles and words.
async fn help(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    show(&console, &visitor, Screen::new("help", "Help", "help.html").still(), |_| {
        let roles = [
            (
                Role::Hr,
                "looks at starters, leavers, people and what waits, in HR's words; whom it looks at is written down",
            ),
            (Role::Auditor, "looks at everything, decides nothing; whom it looks at is written down"),
            (Role::Viewer, "looks at everything, and can stop what one person alone has approved"),
            (Role::Operator, "pauses, resumes, has people read again and tried once more"),
            (Role::Approver, "decides about plans, holds, matches and undos, and ends access"),
        ];
        Ok(json!({ "roles": roles.map(|(role, may)| json!({ "role": role.as_str(), "may": may })) }))
    })
    .await
}
