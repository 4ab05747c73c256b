//! Signing in with an admin token, which is exchanged for a session; what every way of signing in shares; and signing out.

use super::entry::{alone, enter, home, posted};
use super::form::Form;
use super::request::{comes_from_here, cookie, host, onward, session};
use super::respond::redirect;
use super::session::By;
use super::shared::Console;
use crate::admin::auth;
use crate::audit::sign_in::{SignIn, SignInRefused};
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::config::Role;
use crate::domain::Decider;
use crate::store::{Store, StoreError, append};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};

/// Failures of an address of which each is written down; then every tenth.
const EACH: u32 = 3;

/// Who asks, by address: behind something that does TLS everybody has the same.
pub(super) fn address(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip())
}

/// What the page that asks who somebody is says.
pub(super) fn page(console: &Console, to: &str, flash: Option<&str>) -> Value {
    let provider = console.settings.provider.as_ref().map(|provider| &provider.name);
    json!({ "title": "Sign in", "sign_in": true, "to": to, "flash": flash, "provider": provider })
}

/// The page that asks for a token.
pub async fn ask(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    if let Err(why) = host(&request, &console.settings) {
        return alone(
            &console,
            StatusCode::MISDIRECTED_REQUEST,
            json!({ "title": "Not served under this name", "flash": why }),
        );
    }
    let form = Form::parse(request.query_string()).unwrap_or_default();
    let to = onward(form.text("to").unwrap_or("/")).to_owned();
    if session(&request, console.settings.encrypted).is_some() && enter(&console, &request).is_ok() {
        return redirect(console.settings.encrypted, &to, None);
    }
    alone(&console, StatusCode::OK, page(&console, &to, None))
}

/// Lets somebody in who has a token.
pub async fn sign_in(console: Data<Console>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let refused = |why: &str| alone(&console, StatusCode::FORBIDDEN, page(&console, "/", Some(why)));
    let host = match host(&request, &console.settings) {
        Ok(host) => host,
        Err(why) => {
            return alone(
                &console,
                StatusCode::MISDIRECTED_REQUEST,
                json!({ "title": "Not served under this name", "flash": why }),
            );
        }
    };
    if let Err(why) = comes_from_here(request.headers(), &host) {
        return refused(why);
    }
    let form = match Form::read(payload).await {
        Ok(form) => form,
        Err(why) => return refused(&why),
    };
    let served = &console.served;
    let (from, now) = (address(&request), served.clock.now());
    let given = format!("Bearer {}", form.text("token").unwrap_or_default());
    let Some(token) = auth::who(&served.tokens.load(), Some(&given)).cloned() else {
        not_let_in(&console, from, now, "a sign-in to the console was refused: no such token").await;
        let to = onward(form.text("to").unwrap_or("/")).to_owned();
        let why = "No such token. It is one of [[admin.tokens]] in the configuration, whole and without quotes.";
        return alone(&console, StatusCode::FORBIDDEN, page(&console, &to, Some(why)));
    };
    console.sessions.succeeded(from);
    if let Some(former) = session(&request, console.settings.encrypted) {
        console.sessions.end(&former);
    }
    let secret = match let_in(&console, from, token.decider(), token.role, By::Token(token.badge()), now).await {
        Ok(secret) => secret,
        Err(why) => return refused(&why),
    };
    begin_list(&console);
    let to = beginning(token.role, onward(form.text("to").unwrap_or("/")));
    redirect(console.settings.encrypted, to, Some(cookie(console.settings.encrypted, &secret)))
}

/// Where somebody goes on who has signed in: whoever wants nothing else begins with the first screen of their role.
pub(super) fn beginning(role: Role, to: &str) -> &str {
    if to == "/" { home(role) } else { to }
}

/// Somebody at an address was not let in: counted, written down, and answered the later the oftener it happens.
pub(super) async fn not_let_in(console: &Console, from: IpAddr, now: Moment, why: &str) {
    console.served.metrics.parts.admin_refused.with_label_values(&["sign_in"]).inc();
    let (late, times) = console.sessions.failed(from, now);
    tracing::warn!(%from, times, "{why}");
    if times <= EACH || times.is_multiple_of(10) {
        let event = Event::SignInRefused(SignInRefused { from: from.to_string(), times });
        written(console, Record::general(now, event)).await;
    }
    tokio::time::sleep(late).await;
}

/// Begins the session of somebody; its secret is the browser's.
pub(super) async fn let_in(
    console: &Console,
    from: IpAddr,
    who: Decider,
    role: Role,
    by: By,
    now: Moment,
) -> Result<String, String> {
    console.sessions.succeeded(from);
    let event = Event::SignedIn(SignIn {
        by: who.name.clone(),
        principal: who.voice(),
        role: role.as_str().to_owned(),
        with: by.as_str().to_owned(),
        from: from.to_string(),
    });
    tracing::info!(by = who.name, role = role.as_str(), with = by.as_str(), %from, "somebody has signed in to the console");
    let secret = console.sessions.begin(who, role, by, now)?;
    written(console, Record::general(now, event)).await;
    Ok(secret)
}

/// Writes a row; a store that cannot be written keeps nobody from looking why.
async fn written(console: &Console, record: Record) {
    let written = match &console.served.keeper {
        Some(keeper) => keeper.run(move |c| append(c, &record).map(|_| ())).await,
        None => {
            let place = console.served.store.clone();
            let beside = move || Store::operator(&place)?.together(|c| append(c, &record).map(|_| ()));
            console.threads.run(beside).await.unwrap_or(Err(StoreError::Stopped))
        }
    };
    if let Err(e) = written {
        tracing::error!(error = %e, "a sign-in could not be written to the audit");
    }
}

/// Has the list of people read that is asked for next, so that nobody waits for it.
pub(super) fn begin_list(console: &Data<Console>) {
    let console = console.clone();
    actix_web::rt::spawn(async move {
        let served = console.served.clone();
        // What keeps it from being read is told to whoever opens it.
        let _ = console.threads.run(move || served.people.list(&served.store, served.clock.now()).map(|_| ())).await;
    });
}

/// Ends the session.
pub async fn sign_out(console: Data<Console>, request: HttpRequest, payload: Payload) -> HttpResponse {
    if let Err(answer) = posted(&console, &request, payload).await {
        return answer;
    }
    if let Some(secret) = session(&request, console.settings.encrypted) {
        console.sessions.end(&secret);
    }
    redirect(console.settings.encrypted, "/sign-in", Some(cookie(console.settings.encrypted, "")))
}
