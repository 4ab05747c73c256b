//! Metrics, health and the admin API over HTTP, on a thread of their own: they answer while the pipeline is busy or stuck.

pub(crate) mod answers;
mod approving;
mod asked;
pub(crate) mod asker;
mod audit_rows;
pub(crate) mod auth;
pub(crate) mod causes;
pub(crate) mod concerns;
pub(crate) mod decisions;
mod ending;
pub(crate) mod explained;
pub(crate) mod fields;
mod guesses;
pub(crate) mod hook;
pub(crate) mod mapping;
mod missing;
mod next;
pub mod openapi;
mod pausing;
pub mod people;
pub(crate) mod planned;
mod plans;
mod ready;
pub mod routes;
pub(crate) mod saved;
mod sight;
pub(crate) mod state;
pub(crate) mod tls;
mod undo;

use self::asker::{Asker, Viewings};
use self::hook::Becomes;
use crate::actors::{PollRefused, Pollers, Readiness, Service};
use crate::clock::Clock;
use crate::config::reload::ChangedKey;
use crate::config::{Config, Tokens};
use crate::domain::Decider;
use crate::domain::guard::alarm::Alarm;
use crate::http::live::Live;
use crate::metrics::Metrics;
use crate::store::{LiveRules, Location, Store};
use actix_web::dev::ServerHandle;
use actix_web::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use decisions::{Decisions, Refusal, Rules};
use guesses::Guesses;
use mapping::Bench;
use people::People;
use plans::Plans;
use routes::{Ask, Lost};
use secrecy::SecretString;
use serde_json::{Value, json};
use state::{Overall, Running, overall};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tls::LiveCertificate;
use tokio::sync::{Notify, mpsc, oneshot};

/// The largest body that is read of whoever has no token.
const LARGEST_HOOK: usize = 64 << 10;
/// Whoever needs longer for the head of a request is cut off.
const SLOWEST_REQUEST: Duration = Duration::from_secs(5);
/// Whoever is being answered when another server takes the place of this one is waited for, in seconds.
const SLOWEST_END: u64 = 1;
/// The same for a body.
const SLOWEST_BODY: Duration = Duration::from_secs(10);

/// What else is served at the same address.
pub type Mount = Arc<dyn Fn(&mut web::ServiceConfig) + Send + Sync>;

/// What is served.
#[derive(Clone)]
pub struct Served {
    /// Behind `/metrics`.
    pub metrics: Metrics,
    /// Behind `/readyz`.
    pub readiness: Readiness,
    /// What `now` is taken from.
    pub clock: Clock,
    /// The file.
    pub store: Location,
    /// Who writes it: pauses go through its memory. Nobody on a node that waits until it may serve: decisions are written beside
    /// the node that does.
    pub keeper: Option<Store>,
    /// Names of the orgs.
    pub orgs: Vec<String>,
    /// As they are when somebody asks.
    pub rules: LiveRules,
    /// Who may use the admin API; nobody without any.
    pub tokens: Tokens,
    /// What the hook of the HR system signs with; without it there is none.
    pub hook_secret: Option<Live<SecretString>>,
    /// Who has shown what is not right.
    pub guesses: Guesses,
    /// What the hook has heard.
    pub heard: hook::Heard,
    /// Who reads one profile at once.
    pub pollers: Pollers,
    /// Told of decisions.
    pub decided: Arc<Notify>,
    /// What is shown to whoever connects; without it nothing is encrypted.
    pub certificate: Option<LiveCertificate>,
    /// Who reads the configuration again; nobody where there is no file.
    pub reload: Option<mpsc::Sender<Reload>>,
    /// Everybody, for searches.
    pub people: People,
    /// Whether names of groups are hidden from HR.
    pub hide_groups_from_hr: bool,
    /// At whom was looked in the last minutes.
    pub viewings: Viewings,
    /// Plans that were made to be looked at.
    pub plans: Plans,
    /// What is kept of the mapping between two looks.
    pub bench: Bench,
    /// Pages for people; nothing but the API without it.
    pub mount: Option<Mount>,
}

/// Somebody asks for the configuration to be read again; what came of it is answered.
pub struct Reload {
    /// Whoever asks: they stand in the audit.
    pub by: Decider,
    /// What has changed, or why nothing was exchanged.
    pub answer: oneshot::Sender<Result<Vec<ChangedKey>, String>>,
}

impl Served {
    /// What a service has to show.
    pub fn of(service: &Service) -> Self {
        Self {
            metrics: service.metrics.clone(),
            readiness: service.readiness.clone(),
            clock: service.clock.clone(),
            store: service.store.place().clone(),
            keeper: Some(service.store.clone()),
            orgs: service.orgs.clone(),
            rules: service.store.rules(),
            tokens: service.tokens(),
            hook_secret: service.admin.hook_secret.clone(),
            guesses: Guesses::default(),
            heard: hook::Heard::default(),
            pollers: service.pollers.clone(),
            decided: service.decided.clone(),
            certificate: None,
            reload: None,
            people: People::default(),
            hide_groups_from_hr: service.admin.hide_groups_from_hr,
            viewings: Viewings::default(),
            plans: Plans::default(),
            bench: Bench::default(),
            mount: None,
        }
    }

    /// What a node has to show that waits until it may serve.
    pub fn waiting(config: &Config, metrics: Metrics, readiness: Readiness) -> Self {
        Self {
            metrics,
            readiness,
            clock: Clock::system(),
            store: config.service.store.clone(),
            keeper: None,
            orgs: config.okta.iter().map(|org| org.name.clone()).collect(),
            rules: LiveRules::new(config.rulebook.clone()),
            tokens: config.admin.tokens.clone().into(),
            hook_secret: config.admin.hook_secret.clone(),
            guesses: Guesses::default(),
            heard: hook::Heard::default(),
            pollers: Pollers::default(),
            decided: Arc::default(),
            certificate: None,
            reload: None,
            people: People::default(),
            hide_groups_from_hr: config.admin.hide_groups_from_hr,
            viewings: Viewings::default(),
            plans: Plans::default(),
            bench: Bench::default(),
            mount: None,
        }
    }

    /// The same, with pages for people.
    #[must_use]
    pub fn with(self, mount: Option<Mount>) -> Self {
        Self { mount, ..self }
    }

    /// What the service says of itself, if it is this process that serves.
    fn running(&self) -> Option<Running> {
        self.keeper.as_ref()?;
        let running = Running::new(self.readiness.reasons(), self.readiness.notices(), &self.metrics.text());
        Some(running.with_alarms(self.readiness.alarms()))
    }

    fn decisions(&self) -> Decisions {
        Decisions {
            store: self.store.clone(),
            orgs: self.orgs.clone(),
            rules: Rules::Known(self.rules.load()),
            approvers: auth::approvers(&self.tokens.load()),
            people: self.people.clone(),
        }
    }

    /// Where the database of the store does not answer, nobody is kept waiting for what it would say.
    fn store_answers(&self) -> Result<(), Refusal> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let why = |why| format!("{why}. Nothing is sent until its database answers this node");
        keeper.may_act().map_err(|unanswered| Refusal::Failed(keeper.trouble().unwrap_or_else(|| why(unanswered))))
    }

    /// Answers what was asked to be seen, as the role of who asks lets them see it; `None` if `ask` is about doing something. Reads
    /// the store: for threads that may wait.
    pub fn read(&self, asker: &Asker, ask: Ask, parts: &[String], query: &Value) -> Result<Option<Value>, Refusal> {
        asker.may(ask)?;
        self.store_answers()?;
        let (decisions, now) = (self.decisions(), self.clock.now());
        self.viewings.written(&decisions, asker, (ask, parts, query), now)?;
        if let Some(seen) = self.plans.read(&decisions, ask, (parts, query), now)? {
            return Ok(Some(seen));
        }
        let rules = (self.rules.load(), now);
        if let Some(seen) = self.bench.read(&decisions, ask, (parts, query), rules)? {
            return Ok(Some(seen));
        }
        let mut seen = decisions.read(ask, parts, query, || self.running(), now)?;
        if let (Some(seen), Some(keeper)) = (&mut seen, &self.keeper) {
            pausing::complete(keeper, seen);
        }
        seen.map(|seen| decisions.seen_by(asker.role, self.hide_groups_from_hr, ask, seen)).transpose()
    }

    /// Does what somebody asks, if they may; answers what came of it.
    pub async fn decide(&self, ask: Ask, asker: &Asker, parts: Vec<String>, body: Value) -> Result<Value, Refusal> {
        asker.may(ask)?;
        let by = &asker.who;
        if self.rules.load().safeguards.voices.org().is_some() {
            let (decisions, who, now) = (self.decisions(), by.clone(), self.clock.now());
            let is_there = web::block(move || decisions.is_there(&who, now)).await;
            match is_there.map_err(|e| Refusal::Failed(e.to_string())) {
                Ok(Ok(())) => {}
                // Stopping everything waits for no store.
                Ok(Err(Refusal::Failed(_))) | Err(_) if ask == Ask::Pause => {}
                Ok(Err(refusal)) | Err(refusal) => return Err(refusal),
            }
        }
        tracing::info!(by = by.name, ?ask, "asked for by an operator");
        match ask {
            Ask::Reload | Ask::Poll if self.keeper.is_none() => {
                let why = "this node waits until it may serve: ask the one that serves (`nodes`)";
                return Err(Refusal::Conflict(why.into()));
            }
            Ask::Reload => return reload(self, by.clone()).await,
            Ask::Poll => return poll(self, &body).await,
            Ask::DiffMapping => {
                return self.bench.diff(self.decisions(), self.rules.load(), by, (&body, self.clock.now()));
            }
            Ask::MakePlan => return self.plans.make(self.decisions(), self.running(), by, (&body, self.clock.now())),
            _ => {}
        }
        let (decisions, now) = (self.decisions(), self.clock.now());
        let paused = match &self.keeper {
            Some(keeper) => pausing::decide(keeper, &decisions, ask, by, &body, now).await,
            None => None,
        };
        let decided = match paused {
            Some(decided) => decided?,
            None => {
                self.store_answers()?;
                let (asker, by, plans, viewings) =
                    (asker.clone(), by.clone(), self.plans.clone(), self.viewings.clone());
                let decided = web::block(move || match ask {
                    Ask::ApproveKept => plans.approve(&decisions, &by, (&parts[0], &body), now).map(Some),
                    Ask::TestMapping => {
                        viewings.written(&decisions, &asker, (ask, &parts, &body), now)?;
                        decisions.tested(&body, body["mapping"].as_str(), now).map(Some)
                    }
                    _ => decisions.decide(ask, &by, &parts, &body, now),
                })
                .await;
                let decided = decided.map_err(|e| Refusal::Failed(e.to_string()))??;
                decided.ok_or_else(|| Refusal::NotFound("nothing is decided here".into()))?
            }
        };
        self.decided.notify_one();
        Ok(decided)
    }
}

/// Serves at `listen`, over TLS where there is a certificate; returns the address, useful when the port was 0.
pub fn serve(listen: SocketAddr, served: Served) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen)?;
    let address = listener.local_addr()?;
    serve_at(listener, served)?;
    Ok(address)
}

/// What is served at an address, until something else is.
pub struct Door {
    handle: oneshot::Receiver<ServerHandle>,
    ended: oneshot::Receiver<()>,
}

impl Door {
    /// Answers what has been asked, and ends.
    pub async fn close(self) {
        if let Ok(handle) = self.handle.await {
            handle.stop(true).await;
        }
        // Whoever has gone has ended.
        let _ = self.ended.await;
    }
}

/// The same where somebody listens already.
pub fn serve_at(listener: TcpListener, served: Served) -> std::io::Result<Door> {
    let tls = served.certificate.as_ref().map(LiveCertificate::server).transpose().map_err(std::io::Error::other)?;
    let ((shown, handle), (over, door_ended)) = (oneshot::channel(), oneshot::channel());
    std::thread::Builder::new().name("admin".into()).spawn(move || {
        let ended = actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                let mount = served.mount.clone();
                App::new()
                    .app_data(web::Data::new(served.clone()))
                    .route("/metrics", web::get().to(metrics_text))
                    .route("/healthz", web::get().to(healthz))
                    .route("/readyz", web::get().to(readyz))
                    .route("/api/v1/openapi.json", web::get().to(document))
                    .route("/hooks/poll", web::post().to(poll_for_hr))
                    .route("/api/v1{path:/.*}", web::to(api))
                    .configure(|app| mount.iter().for_each(|mount| mount(app)))
                    .default_service(web::to(not_here))
            })
            .workers(1)
            .client_request_timeout(SLOWEST_REQUEST)
            .shutdown_timeout(SLOWEST_END)
            .disable_signals();
            let server = match tls {
                Some(tls) => server.listen_rustls_0_23(listener, tls)?,
                None => server.listen(listener)?,
            };
            let running = server.run();
            let _ = shown.send(running.handle());
            running.await
        });
        if let Err(e) = ended {
            // Nobody could see or stop the service any more: a start serves them again.
            tracing::error!(error = %e, "metrics, health and the admin API are not served any more; the process ends");
            std::process::exit(70);
        }
        let _ = over.send(());
    })?;
    Ok(Door { handle, ended: door_ended })
}

async fn metrics_text(served: web::Data<Served>) -> HttpResponse {
    served.metrics.parts.ready.set(i64::from(served.readiness.is_ready()));
    let text = if served.keeper.is_some() { served.metrics.text() } else { served.metrics.text_of_waiting() };
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}

/// Alive: the process answers, and the file of its store is where it was. A server that is away is no reason to end the process.
async fn healthz(served: web::Data<Served>) -> HttpResponse {
    match served.store.file().map_or(Ok(()), |file| std::fs::metadata(file).map(|_| ())) {
        Ok(()) => HttpResponse::Ok().json(json!({ "status": "ok" })),
        Err(e) => HttpResponse::ServiceUnavailable().json(json!({ "status": "store", "why": e.to_string() })),
    }
}

/// Whether nothing is missing for keeping Okta true to Namely, and whether somebody must act. Another status than 200 says only that
/// this process can serve nobody: what a person must mend takes no process out of service.
async fn readyz(served: web::Data<Served>) -> HttpResponse {
    let (reasons, leavers, waits) = (
        served.readiness.reasons(),
        ready::leavers_with_access(&served.metrics),
        ready::waits(&served.metrics, &served.orgs),
    );
    let mut attention = json!({});
    if !leavers.is_empty() {
        attention["leavers_with_access"] = json!(leavers);
    }
    for (what, count) in &waits {
        attention[*what] = json!(count);
    }
    let alarms: Vec<Alarm> = served.readiness.alarms().into_iter().chain(served.readiness.unreached()).collect();
    let trouble = match &served.keeper {
        Some(keeper) => keeper.trouble(),
        None => reasons.get("store").cloned(),
    };
    let state = match (&trouble, &served.keeper) {
        // Whether all is well is counted by the node that serves: another one has nothing of it, which is not "nobody".
        (Some(_), _) | (None, None) => Overall::CannotSay,
        (None, Some(_)) => {
            let must_mend = alarms.iter().any(Alarm::needs_a_person);
            overall(&reasons, must_mend || !leavers.is_empty() || !waits.is_empty())
        }
    };
    let mut answer = if trouble.is_some() { HttpResponse::ServiceUnavailable() } else { HttpResponse::Ok() };
    let status = if reasons.is_empty() && served.keeper.is_some() { "ready" } else { "not ready" };
    let role = if served.keeper.is_some() { "serves" } else { "standby" };
    let (notices, now) = (served.readiness.notices(), served.clock.now());
    answer.json(json!({
        "state": state, "role": role, "status": status, "mode": served.rules.load().safeguards.mode.as_str(), "missing": reasons,
        "attention": attention, "alarms": alarms.iter().map(|alarm| ready::shown(alarm, now)).collect::<Vec<_>>(), "notices": notices,
        "store": served.store.mark(),
    }))
}

async fn document() -> HttpResponse {
    HttpResponse::Ok().json(openapi::openapi())
}

fn error(mut response: actix_web::HttpResponseBuilder, message: impl Into<String>) -> HttpResponse {
    response.json(json!({ "error": message.into() }))
}

/// A whole body: not more than `largest` bytes, and not slower than anybody needs for it.
async fn read(payload: web::Payload, largest: usize) -> Result<web::Bytes, HttpResponse> {
    match tokio::time::timeout(SLOWEST_BODY, payload.to_bytes_limited(largest)).await {
        Ok(Ok(Ok(bytes))) => Ok(bytes),
        Ok(Ok(Err(e))) => Err(error(HttpResponse::BadRequest(), e.to_string())),
        Ok(Err(_)) => Err(error(HttpResponse::PayloadTooLarge(), format!("a body has at most {largest} bytes here"))),
        Err(_) => Err(error(HttpResponse::RequestTimeout(), "the body did not arrive in time; send it again")),
    }
}

/// The admin API: who asks, whether they may, what they ask, the answer.
async fn api(
    served: web::Data<Served>,
    request: HttpRequest,
    path: web::Path<String>,
    payload: web::Payload,
) -> HttpResponse {
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let tokens = served.tokens.load();
    let Some(who) = auth::who(&tokens, authorization).cloned() else {
        // Who sends none guesses nothing.
        if authorization.is_some() {
            let from = request.peer_addr().map(|from| from.ip());
            served.guesses.wrong(&served.metrics, "token", from, served.clock.now()).await;
        }
        let message = if tokens.is_empty() {
            "the admin API is closed: no [[admin.tokens]] is configured"
        } else {
            "no such token; send Authorization: Bearer TOKEN with a token of [[admin.tokens]]"
        };
        let mut refused = error(HttpResponse::Unauthorized(), message);
        refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return refused;
    };
    let (route, parts) = match routes::find(request.method().as_str(), &path) {
        Ok((route, parts)) => (route, parts.into_iter().map(str::to_owned).collect::<Vec<_>>()),
        Err(Lost::NotHere) => return error(HttpResponse::NotFound(), "not here; see /api/v1/openapi.json"),
        Err(Lost::OtherMethods(methods)) => {
            return error(HttpResponse::MethodNotAllowed(), format!("only {} is here", methods.join(", ")));
        }
    };
    let asker = Asker::of(&who);
    if let Err(why) = asker.may(route.ask) {
        return refused(why);
    }
    let largest = route.largest_body();
    let bytes = match read(payload, largest).await {
        Ok(bytes) => bytes,
        Err(refused) => return refused,
    };
    let given = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let asked = given.map_err(|e| e.to_string()).and_then(|given| fields::query(route.query, &given));
    let (query, body) = match asked.and_then(|query| Ok((query, fields::body(route.body, &bytes)?))) {
        Ok(asked) => asked,
        Err(why) => return error(HttpResponse::BadRequest(), why),
    };
    let answered = if route.method == "POST" {
        served.decide(route.ask, &asker, parts, body).await
    } else {
        let served = served.clone();
        let read = web::block(move || served.read(&asker, route.ask, &parts, &query)).await;
        let read = read.map_err(|e| Refusal::Failed(e.to_string())).and_then(|read| read);
        read.and_then(|seen| seen.ok_or_else(|| Refusal::NotFound("there is nothing to be seen".into())))
    };
    answered.map_or_else(refused, |value| HttpResponse::Ok().json(value))
}

fn refused(refusal: Refusal) -> HttpResponse {
    match refusal {
        Refusal::Bad(why) => error(HttpResponse::BadRequest(), why),
        Refusal::Forbidden(why) => error(HttpResponse::Forbidden(), why),
        Refusal::NotFound(why) => error(HttpResponse::NotFound(), why),
        Refusal::Conflict(why) => error(HttpResponse::Conflict(), why),
        Refusal::Failed(why) => error(HttpResponse::InternalServerError(), why),
        Refusal::Ending(why) => error(HttpResponse::ServiceUnavailable(), why),
    }
}

/// Has one profile read; it is seen as soon as Namely answers.
async fn poll(served: &Served, body: &Value) -> Result<Value, Refusal> {
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    served.pollers.poll(text("tenant"), text("profile")).await.map_err(|e| match e {
        PollRefused::Unknown(why) => Refusal::NotFound(why),
        PollRefused::NotNow(why) => Refusal::Conflict(why),
    })?;
    Ok(json!({ "asked": text("profile") }))
}

/// A hook of the HR system: as `poll`, for whoever signs the time and the body with the secret of the configuration.
async fn poll_for_hr(served: web::Data<Served>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let body = match read(payload, LARGEST_HOOK).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let (signature, time) = (header("x-signature-256"), header("x-timestamp").unwrap_or_default());
    let message = [time.as_bytes(), b".", &body].concat();
    let secret = served.hook_secret.as_ref().map(Live::current);
    if !auth::is_signed(secret.as_deref(), &message, signature) {
        let from = request.peer_addr().map(|from| from.ip());
        served.guesses.wrong(&served.metrics, "hook", from, served.clock.now()).await;
        let why = "not signed: X-Timestamp with the seconds since 1970, and X-Signature-256: sha256=HEX with the HMAC of \
                   timestamp, a dot and the body under admin.hook_secret";
        return error(HttpResponse::Unauthorized(), why);
    }
    let now = served.clock.now();
    let becomes = served.heard.hear(signature.unwrap_or_default(), time.parse().ok(), now);
    match becomes {
        Becomes::Believed => {}
        Becomes::Stale => {
            let why = format!(
                "X-Timestamp is not within {} s of this service's clock ({}): sign each hook when it is sent",
                hook::STALE.as_secs(),
                now.secs()
            );
            return error(HttpResponse::Unauthorized(), why);
        }
        Becomes::Repeated => {
            return error(HttpResponse::Conflict(), "this hook has arrived before, and was acted upon");
        }
        Becomes::TooMany => {
            let why = "more hooks arrive than are remembered; passes see every change by themselves";
            return error(HttpResponse::TooManyRequests(), why);
        }
    }
    let Ok((route, _)) = routes::find("POST", "/poll") else { return not_here().await };
    let body = match fields::body(route.body, &body) {
        Ok(body) => body,
        Err(why) => return error(HttpResponse::BadRequest(), why),
    };
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let (tenant, profile) = (text("tenant"), text("profile"));
    if !served.heard.is_due(&tenant, &profile, now) {
        return HttpResponse::Ok().json(json!({ "asked": profile, "just_read": true }));
    }
    match poll(&served, &body).await {
        Ok(value) => HttpResponse::Ok().json(value),
        Err(why) => {
            served.heard.forget(&tenant, &profile);
            refused(why)
        }
    }
}

async fn reload(served: &Served, by: Decider) -> Result<Value, Refusal> {
    let Some(asked) = &served.reload else {
        return Err(Refusal::Conflict("this service was not started with a configuration file".into()));
    };
    let (answer, answered) = oneshot::channel();
    // Whoever is gone has dropped the answer, which is told below.
    let _ = asked.send(Reload { by, answer }).await;
    match answered.await {
        Ok(Ok(changes)) => Ok(json!({ "changes": changes })),
        Ok(Err(why)) => Err(Refusal::Conflict(why)),
        Err(_) => Err(Refusal::Ending("the service is about to end".into())),
    }
}

async fn not_here() -> HttpResponse {
    error(HttpResponse::NotFound(), "not here; there are /metrics, /healthz, /readyz and /api/v1/openapi.json")
}
