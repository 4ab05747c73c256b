//! The way of every request: the host, the session, the form's secret; then the page, made on the console's own threads.

use super::form::Form;
use super::pages;
use super::request::{comes_from_here, cookie_name, host, session};
use super::respond::{html, redirect};
use super::seen::Seen;
use super::session::{Flash, Visitor};
use super::shared::Console;
use super::threads::Undone;
use crate::admin::decisions::Refusal;
use crate::config::{Permission, Role};
use actix_web::http::Method;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::{Value, json};

/// Screens in the order of the menu: word, title, address, key, and what is needed to see it.
const SCREENS: &[(&str, &str, &str, &str, Permission)] = &[
    ("tonight", "Tonight", "/", "t", Permission::State),
    ("attention", "Attention", "/attention", "w", Permission::People),
    ("plans", "Plan", "/plans", "n", Permission::State),
    ("holds", "Holds", "/holds", "h", Permission::State),
    ("people", "People", "/people", "p", Permission::People),
    ("quarantine", "Quarantine", "/quarantine", "q", Permission::State),
    ("starters", "Starters", "/starters", "s", Permission::People),
    ("leavers", "Leavers", "/leavers", "l", Permission::People),
    ("matches", "Matches", "/matches", "m", Permission::State),
    ("mapping", "Mapping", "/mapping", "b", Permission::Configuration),
    ("audit", "Audit", "/audit", "a", Permission::Audit),
    ("orgs", "Okta and Namely", "/orgs", "o", Permission::State),
    ("access", "Access", "/access", "c", Permission::Configuration),
    ("help", "Help", "/help", "?", Permission::People),
];

/// Where a role begins: the first screen that it sees.
pub fn home(role: Role) -> &'static str {
    SCREENS.iter().find(|(.., needs)| role.may(*needs)).map_or("/help", |(_, _, href, ..)| href)
}

/// What the frame around every page says.
#[derive(Clone, Debug, Serialize)]
pub struct Frame {
    pub title: String,
    version: &'static str,
    name: String,
    role: &'static str,
    csrf: String,
    /// When the page was made, in milliseconds.
    pub at: i64,
    live: bool,
    flash: Option<Flash>,
    nav: Vec<Item>,
    /// Where the first screen of the role is.
    home: &'static str,
    pub may_operate: bool,
    pub may_approve: bool,
    sees_state: bool,
    sees_audit: bool,
    sees_configuration: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Item {
    title: &'static str,
    href: &'static str,
    key: &'static str,
    here: bool,
    /// Whether the role may see it.
    open: bool,
    tally: i64,
}

/// A page, before it is filled.
pub struct Screen {
    /// Its word in the menu.
    pub here: &'static str,
    pub title: String,
    pub template: &'static str,
    /// Whether it renews itself when something changes.
    pub live: bool,
}

impl Screen {
    pub fn new(here: &'static str, title: impl Into<String>, template: &'static str) -> Self {
        Self { here, title: title.into(), template, live: true }
    }

    /// It stays as it is: somebody is in the middle of deciding.
    pub fn still(self) -> Self {
        Self { live: false, ..self }
    }
}

fn frame(console: &Console, visitor: &Visitor, screen: &Screen) -> Frame {
    let served = &console.served;
    let sum =
        |of: &prometheus::IntGaugeVec| served.orgs.iter().map(|org| of.with_label_values(&[org]).get()).sum::<i64>();
    let tally = |word: &str| match word {
        "holds" => sum(&served.metrics.work.held),
        "quarantine" => sum(&served.metrics.work.quarantined),
        _ => 0,
    };
    let role = visitor.role;
    let nav = SCREENS.iter().map(|(word, title, href, key, needs)| {
        let open = role.may(*needs);
        Item { title, href, key, here: *word == screen.here, open, tally: if open { tally(word) } else { 0 } }
    });
    Frame {
        title: screen.title.clone(),
        version: env!("CARGO_PKG_VERSION"),
        name: visitor.who.name.clone(),
        role: visitor.role.as_str(),
        csrf: visitor.csrf.clone(),
        at: served.clock.now().millis(),
        live: screen.live,
        flash: console.sessions.said(visitor.number),
        nav: nav.collect(),
        home: home(role),
        may_operate: role.may(Permission::Operate),
        may_approve: role.may(Permission::Decide),
        sees_state: role.may(Permission::State),
        sees_audit: role.may(Permission::Audit),
        sees_configuration: role.may(Permission::Configuration),
    }
}

/// A page for somebody who is not signed in.
pub fn alone(console: &Console, status: StatusCode, context: Value) -> HttpResponse {
    match pages::fill("alone.html", context) {
        Ok(page) => html(status, console.settings.encrypted, page),
        Err(why) => broken(console, &why),
    }
}

fn broken(console: &Console, why: &str) -> HttpResponse {
    tracing::error!(why, "a page of the console could not be made");
    html(
        StatusCode::INTERNAL_SERVER_ERROR,
        console.settings.encrypted,
        "<!doctype html><title>Broken</title><p>This page could not be made; the log says why.</p>".into(),
    )
}

#[expect(clippy::result_large_err, reason = "an answer is made once for a request, and handed on at once")]
/// Who asks. Otherwise the answer: another host, or the way to signing in.
pub fn enter(console: &Console, request: &HttpRequest) -> Result<Visitor, HttpResponse> {
    let encrypted = console.settings.encrypted;
    if let Err(why) = host(request, &console.settings) {
        let context = json!({ "title": "Not served under this name", "flash": why });
        return Err(alone(console, StatusCode::MISDIRECTED_REQUEST, context));
    }
    let now = console.served.clock.now();
    let secret = session(request, encrypted);
    let renews_itself = request.headers().contains_key("x-fragment");
    let found = secret.as_deref().and_then(|secret| match renews_itself {
        true => console.sessions.watch(secret, now),
        false => console.sessions.find(secret, now),
    });
    match found {
        Some(visitor) if visitor.by.holds(&console.served.tokens.load()) => return Ok(visitor),
        // The token was taken away, or gives another role.
        Some(visitor) => drop(console.sessions.end_numbered(visitor.number)),
        None => {}
    }
    let to = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let to = if request.method() == Method::GET { to } else { "/" };
    let comes_from_elsewhere =
        request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site") && secret.is_none();
    if comes_from_elsewhere && request.method() == Method::GET && !request.query_string().contains("signed=") {
        // A link in a mail: the browser keeps the cookie back until the request comes from a page of ours.
        let onward = match to.contains('?') {
            true => format!("{to}&signed=maybe"),
            false => format!("{to}?signed=maybe"),
        };
        return Err(alone(console, StatusCode::OK, json!({ "title": "One moment", "onward": onward })));
    }
    tracing::debug!(cookie = cookie_name(encrypted), "nobody is signed in here");
    Err(redirect(encrypted, &format!("/sign-in?to={}", pages::encoded(to)), None))
}

/// Who sends a form, and what it says: only from a page of ours, and with its secret.
pub async fn posted(
    console: &Console,
    request: &HttpRequest,
    payload: Payload,
) -> Result<(Visitor, Form), HttpResponse> {
    let visitor = enter(console, request)?;
    let refused = |why: &str| {
        let context = json!({ "title": "Nothing was done", "flash": why, "back": "/" });
        alone(console, StatusCode::FORBIDDEN, context)
    };
    let host = host(request, &console.settings).map_err(|why| refused(&why))?;
    comes_from_here(request.headers(), &host).map_err(refused)?;
    let form = Form::read(payload).await.map_err(|why| refused(&why))?;
    let given = form.text("csrf").unwrap_or_default();
    if aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), visitor.csrf.as_bytes()).is_err() {
        return Err(refused("this form is of another session: open the page again and do it there"));
    }
    Ok((visitor, form))
}

/// What stands behind the question mark.
pub fn asked(request: &HttpRequest) -> Form {
    Form::parse(request.query_string()).unwrap_or_default()
}

/// What a screen is made of, as it is read on the console's threads.
pub enum Content {
    /// A page's own part of the context.
    Page(Value),
    /// A file instead: what it is, its name, the bytes.
    File(&'static str, String, Vec<u8>),
}

impl From<Value> for Content {
    fn from(context: Value) -> Self {
        Content::Page(context)
    }
}

/// Answers with a screen: `load` reads what it shows, beside everything else.
pub async fn show<C: Into<Content>>(
    console: &Data<Console>,
    visitor: &Visitor,
    screen: Screen,
    load: impl FnOnce(&Seen) -> Result<C, Refusal> + Send + 'static,
) -> HttpResponse {
    let (shared, seen, encrypted) = (console.clone(), visitor.clone(), console.settings.encrypted);
    let made = console.threads.run(move || {
        let console = shared.get_ref();
        let asker = seen.asker();
        let needs =
            SCREENS.iter().find(|(word, ..)| *word == screen.here).map_or(Permission::State, |(.., needs)| *needs);
        let allowed = asker.has(needs);
        let served = Seen::new(console.served.clone(), asker);
        let loaded = allowed.and_then(|()| load(&served)).map(Into::into);
        let mut frame = frame(console, &seen, &screen);
        match loaded {
            Ok(Content::File(kind, name, bytes)) => Ok(Made::File(kind, name, bytes)),
            Ok(Content::Page(mut context)) => {
                context["frame"] = json!(frame);
                context["hidden"] = json!(served.hidden());
                pages::fill(screen.template, context).map(|page| Made::Page(StatusCode::OK, page))
            }
            Err(refusal) => {
                let (status, title) = status_of(&refusal);
                frame.title = title.into();
                let context = json!({ "frame": frame, "message": refusal.to_string() });
                pages::fill("trouble.html", context).map(|page| Made::Page(status, page))
            }
        }
    });
    match made.await {
        Ok(Ok(Made::Page(status, page))) => html(status, encrypted, page),
        Ok(Ok(Made::File(kind, name, bytes))) => super::respond::download(encrypted, kind, &name, bytes),
        Ok(Err(why)) => broken(console, &why),
        Err(Undone::Broken) => broken(console, "its code has panicked"),
        Err(Undone::Busy) => {
            let message = "more pages are asked for than can be made at the same time: open it again in a moment";
            alone(console, StatusCode::SERVICE_UNAVAILABLE, json!({ "title": "Busy", "flash": message }))
        }
    }
}

enum Made {
    Page(StatusCode, String),
    File(&'static str, String, Vec<u8>),
}

/// How a refusal is shown.
fn status_of(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::Forbidden(_) => (StatusCode::FORBIDDEN, "Not for your role"),
        Refusal::Bad(_) => (StatusCode::BAD_REQUEST, "This cannot be understood"),
        Refusal::NotFound(_) => (StatusCode::NOT_FOUND, "Not here"),
        Refusal::Conflict(_) => (StatusCode::CONFLICT, "Not now"),
        Refusal::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "This cannot be said now"),
        Refusal::Ending(_) => (StatusCode::SERVICE_UNAVAILABLE, "The service is about to end"),
    }
}

/// Goes on at a page after something was done, or not, and says there what came of it.
pub fn onward(console: &Console, visitor: &Visitor, to: &str, done: Result<String, String>) -> HttpResponse {
    let flash = match done {
        Ok(text) => Flash { refused: false, text },
        Err(text) => Flash { refused: true, text },
    };
    console.sessions.say(visitor.number, flash);
    redirect(console.settings.encrypted, to, None)
}

/// That somebody may do something; otherwise why not.
pub fn may(visitor: &Visitor, permission: Permission) -> Result<(), String> {
    visitor.asker().has(permission).map_err(|e| e.to_string())
}
