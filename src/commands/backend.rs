//! Where a command looks and asks: at a running service over its admin API, or in the store of one that does not run.

use super::failure::{cannot_say, usage};
use super::place::{ConfigFile, found, shown};
use super::store::{Opened, decider, reader, remark};
use crate::admin::decisions::{Decisions, Refusal, Rules};
use crate::admin::fields;
use crate::admin::people::People;
use crate::admin::routes::{Ask, route_of};
use crate::admin::state::Running;
use crate::admin::tls;
use crate::clock::{Clock, Moment};
use crate::config::place::{Known, Place};
use crate::domain::guard::alarm::{Alarm, AlarmKind};
use crate::domain::plan::limits::Mode;
use crate::http::address::{self, Shape};
use crate::http::{LARGEST_OWN_ANSWER, describe, read_body};
use crate::store::nodes;
use anyhow::{Context, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

/// Where the command line finds the token of whoever uses it.
const TOKEN: &str = "NAMELY_OKTA_SYNC_TOKEN";
/// The same as `--service`.
const SERVICE: &str = "NAMELY_OKTA_SYNC_SERVICE";
/// A file with the certificates that are trusted, where those of this machine do not do.
const CA: &str = "NAMELY_OKTA_SYNC_CA";
const TIMEOUT: Duration = Duration::from_secs(30);
/// Whoever does not answer within this does not run.
const READ: Duration = Duration::from_secs(2);

/// Where to look and ask.
#[derive(clap::Args, Clone, Debug)]
pub struct At {
    /// The configuration; without it that of NAMELY_OKTA_SYNC_CONFIG, ./namely-okta-sync.toml, or
    /// /etc/namely-okta-sync/config.toml
    #[arg(long, value_name = "FILE", conflicts_with = "service")]
    config: Option<PathBuf>,
    /// A running service, asked without its configuration and its store: https://HOST:PORT. NAMELY_OKTA_SYNC_SERVICE says
    /// the same, NAMELY_OKTA_SYNC_TOKEN who asks, NAMELY_OKTA_SYNC_CA names a file of certificates to trust
    #[arg(long, value_name = "URL")]
    service: Option<String>,
}

/// What every command is told that can ask a service.
#[derive(clap::Args, Clone, Debug)]
pub struct Asking {
    /// The service or the configuration that was named
    #[command(flatten)]
    pub at: At,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// One of the two.
pub enum Backend {
    /// The service runs, and asks who we are.
    Service(Api),
    /// It does not, or its admin API is closed: whoever can read the store may look, and whoever can write it may decide.
    Store {
        /// Writes decisions into the store, and answers from it, as the service would.
        decisions: Decisions,
        /// Where the configuration has the store and the service.
        place: Box<Place>,
        /// Who decides, as `--by` names them; `None` without it.
        by: Option<String>,
        /// When the command was given.
        now: Moment,
    },
}

/// The admin API of a running service.
pub struct Api {
    client: reqwest::Client,
    base: String,
    token: SecretString,
    /// What to look at if no connection comes about.
    hint: &'static str,
}

/// A client for what the service of a configuration serves, and where that is.
fn client(place: &Place, timeout: Duration) -> anyhow::Result<(reqwest::Client, String)> {
    let builder = crate::http::builder(HeaderMap::new(), &timeout.into());
    Ok(match &place.tls {
        None => (builder.build()?, format!("http://{}", place.listen)),
        Some(files) => {
            let pinned = tls::client(files).map_err(anyhow::Error::msg)?;
            (builder.tls_backend_preconfigured(pinned).build()?, format!("https://{}", place.listen))
        }
    })
}

fn token() -> Option<SecretString> {
    std::env::var(TOKEN).ok().filter(|token| !token.trim().is_empty()).map(SecretString::from)
}

impl At {
    fn service(&self) -> Option<String> {
        let named = || std::env::var(SERVICE).ok().filter(|url| !url.trim().is_empty());
        self.service.clone().or_else(|| if self.config.is_some() { None } else { named() })
    }

    /// The configuration, unless a service is asked without it.
    pub fn file(&self) -> Option<ConfigFile> {
        self.service().is_none().then(|| ConfigFile::of(self.config.clone()))
    }

    /// As it stands in a command.
    pub fn shown(&self) -> String {
        match &self.service {
            Some(url) => format!(" --service {url}"),
            None => shown(self.config.as_deref()),
        }
    }

    fn known(&self) -> anyhow::Result<Known> {
        Ok(Known::read(&found(self.config.as_deref(), "--config FILE, or --service URL of a running service")?)?)
    }

    /// The way to what can be seen: the service if it runs and whoever asks has a token, its store otherwise.
    pub fn to_read(&self) -> anyhow::Result<Backend> {
        if let Some(url) = self.service() {
            return Ok(Backend::Service(Api::at(&url)?));
        }
        // The service answers for a store that cannot be opened from here.
        let known = self.known()?;
        match token() {
            Some(token) if runs(&known.place) => Ok(Backend::Service(Api::of(&known.place, token)?)),
            _ => Backend::beside(known, None),
        }
    }

    /// The way to a decision. `by` is who decides where nobody asks for a token.
    pub fn to_decide(&self, by: Option<&String>) -> anyhow::Result<Backend> {
        match self.service() {
            Some(url) => Ok(Backend::Service(Api::at(&url)?)),
            None => {
                let known = self.known()?;
                if runs(&known.place) { Backend::of_running(&known.place) } else { Backend::beside(known, by) }
            }
        }
    }
}

/// Whether the service of a configuration runs and can be asked. Whoever listens there is asked: one that shows another
/// certificate must not make us go around it.
fn runs(place: &Place) -> bool {
    place.tokens > 0 && TcpStream::connect_timeout(&place.listen, READ).is_ok()
}

impl Api {
    fn of(place: &Place, token: SecretString) -> anyhow::Result<Self> {
        let (client, base) = client(place, TIMEOUT)?;
        let hint = if place.tls.is_some() { "; was its certificate renewed without a reload?" } else { "" };
        Ok(Self { client, base, token, hint })
    }

    fn at(url: &str) -> anyhow::Result<Self> {
        let parsed = address::read(url, Shape::Origin)
            .map_err(|why| usage(format!("--service (or {SERVICE}): {why}; it is https://HOST:PORT of a service")))?;
        let Some(token) = token() else { bail!("set {TOKEN} to your token of [[admin.tokens]] of that service") };
        let mut builder = crate::http::builder(HeaderMap::new(), &TIMEOUT.into());
        if let Ok(file) = std::env::var(CA) {
            let pem = std::fs::read(&file).with_context(|| format!("{CA}: {file} cannot be read"))?;
            let trusted = reqwest::Certificate::from_pem_bundle(&pem).ok().filter(|trusted| !trusted.is_empty());
            let trusted = trusted.with_context(|| format!("{CA}: {file} holds no certificates as PEM"))?;
            builder = builder.tls_certs_only(trusted);
        }
        let base = address::base(&parsed);
        let hint = if base.starts_with("https") {
            "; does this machine trust its certificate, or the file of NAMELY_OKTA_SYNC_CA?"
        } else {
            ""
        };
        Ok(Self { client: builder.build()?, base, token, hint })
    }

    async fn send(&self, ask: Ask, parts: &[&str], query: &Value, body: Option<Value>) -> anyhow::Result<Value> {
        let route = route_of(ask).context("the admin API has no such route")?;
        let parts: Vec<String> =
            parts.iter().map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let url = format!("{}/api/v1{}", self.base, route.path_of(&parts));
        let mut request = match &body {
            None => self.client.get(url),
            Some(body) => self.client.post(url).json(body),
        };
        for (name, value) in query.as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            request = request.query(&[(name, text)]);
        }
        let sent = request.bearer_auth(self.token.expose_secret()).send().await;
        let answer = sent.map_err(|e| {
            cannot_say(format!("the service at {} does not answer: {}{}", self.base, describe(&e), self.hint))
        })?;
        let status = answer.status();
        let message = read_body(answer, LARGEST_OWN_ANSWER).await;
        let message = message
            .map_err(|why| cannot_say(format!("the answer of the service at {} cannot be read: {why}", self.base)))?;
        let message: Value = serde_json::from_slice(&message).map_err(|_| {
            cannot_say(format!("{} answers HTTP {status} with no JSON; is a service there?", self.base))
        })?;
        match message["error"].as_str() {
            Some(why) if status.as_u16() == 400 => Err(usage(why)),
            Some(why) if status.is_server_error() => Err(cannot_say(why)),
            Some(why) => bail!("{why}"),
            None if !status.is_success() => Err(cannot_say(format!("the service answers HTTP {status}"))),
            None => Ok(message),
        }
    }
}

/// Whether another node serves the store.
fn is_served_elsewhere(place: &Place) -> bool {
    let seen = reader(&place.store).and_then(|c| Ok(nodes(&c)?));
    seen.is_ok_and(|nodes| nodes.iter().any(|node| node.serves && node.lives))
}

/// What the service of a configuration says of itself to everybody; `None` if none answers.
pub(super) async fn running(place: &Place) -> Option<Running> {
    let (client, base) = client(place, READ).ok()?;
    let get = async |path: &str| {
        let answer = client.get(format!("{base}{path}")).send().await.ok()?;
        String::from_utf8(read_body(answer, LARGEST_OWN_ANSWER).await.ok()?).ok()
    };
    let ready: Value = serde_json::from_str(&get("/readyz").await?).unwrap_or_default();
    if ready["role"] == "standby" {
        return None; // it knows no more than the store
    }
    if ready["store"].as_str().zip(place.store.mark()).is_some_and(|(theirs, ours)| theirs != ours) {
        eprintln!(
            "warning: what answers at {base} is the service of another store: nothing that it says is about this one. Choose another \
             service.listen for one of them"
        );
        return None;
    }
    let map = |name: &str| serde_json::from_value(ready[name].clone()).unwrap_or_default();
    let mode = ready["mode"].as_str().and_then(Mode::from_name);
    // Who takes no messages stands in the store, with whom it is about.
    let alarms = serde_json::from_value::<Vec<Alarm>>(ready["alarms"].clone()).unwrap_or_default();
    let alarms = alarms.into_iter().filter(|alarm| alarm.kind() != AlarmKind::Channel).collect();
    let metrics = get("/metrics").await.unwrap_or_default();
    Some(Running::new(map("missing"), map("notices"), &metrics).in_mode(mode).with_alarms(alarms))
}

impl Backend {
    /// The way to a decision about what was opened. `by` is who decides where nobody asks for a token.
    pub fn find(opened: &Opened, by: Option<&String>) -> anyhow::Result<Self> {
        let place = Place::of(&opened.config);
        if runs(&place) {
            return Backend::of_running(&place);
        }
        let rules = Rules::Known(opened.config.rulebook.clone());
        Ok(Backend::store(place, rules, by, opened.now))
    }

    /// The way to a decision where the service runs: it is asked, whatever state its store is in.
    fn of_running(place: &Place) -> anyhow::Result<Self> {
        match token() {
            Some(token) => Ok(Backend::Service(Api::of(place, token)?)),
            None => bail!("the service runs and asks who you are: set {TOKEN} to your token of [[admin.tokens]]"),
        }
    }

    /// The way to the store of a configuration, whatever else is wrong with it.
    fn beside(known: Known, by: Option<&String>) -> anyhow::Result<Self> {
        let rules = match known.config {
            Ok(config) => Rules::Known(config.rulebook),
            Err(problems) => {
                remark(&problems);
                Rules::Unknown(problems.to_string())
            }
        };
        // What is found damaged is not answered from.
        reader(&known.place.store)?;
        Ok(Backend::store(known.place, rules, by, Clock::system().now()))
    }

    fn store(place: Place, rules: Rules, by: Option<&String>, now: Moment) -> Self {
        let (store, orgs, approvers) = (place.store.clone(), place.orgs.clone(), place.approvers);
        let decisions = Decisions { store, orgs, rules, approvers, people: People::default() };
        Backend::Store { decisions, place: Box::new(place), by: by.cloned(), now }
    }

    /// Asks for something to be done; `parts` stand for the braces of the path. What is answered is the same on both ways.
    pub async fn ask(&self, ask: Ask, parts: &[&str], body: Value) -> anyhow::Result<Value> {
        match self {
            Backend::Service(api) => api.send(ask, parts, &json!({}), Some(body)).await,
            Backend::Store { decisions, place, by, now } => {
                if let Some(route) = route_of(ask) {
                    fields::said(route.body, &body).map_err(Refusal::Bad)?;
                }
                let by = decider(by.as_ref())?;
                let mut message = decisions
                    .decide(ask, &by, &owned(parts), &body, *now)?
                    .context("this can only be asked of a running service")?;
                if let Some(next) = message.get_mut("next").and_then(Value::as_array_mut)
                    && running(place).await.is_none()
                    && !is_served_elsewhere(place)
                {
                    next.push("it waits: no service answers; it is done once one runs, with `run`".into());
                }
                Ok(message)
            }
        }
    }

    /// Asks how things are, likewise.
    pub async fn read(&self, ask: Ask, parts: &[&str], query: Value) -> anyhow::Result<Value> {
        match self {
            Backend::Service(api) => api.send(ask, parts, &query, None).await,
            Backend::Store { decisions, place, now, .. } => {
                if let Some(route) = route_of(ask) {
                    fields::sought(route.query, &query).map_err(Refusal::Bad)?;
                }
                let is_live = matches!(ask, Ask::Status | Ask::Attention);
                let running = if is_live { running(place).await } else { None };
                decisions.read(ask, &owned(parts), &query, || running, *now)?.context("there is nothing to be seen")
            }
        }
    }
}

fn owned(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// A part of an answer; a service of another version may say it otherwise.
pub fn part<T: DeserializeOwned>(mut message: Value, name: &str) -> anyhow::Result<T> {
    serde_json::from_value(message[name].take()).with_context(|| {
        format!(
            "the answer holds no {name} of the kind that is known here: is the service of version {}?",
            env!("CARGO_PKG_VERSION")
        )
    })
}

/// Says what becomes of what was asked for: what it waits for, or that it begins by itself.
pub fn say_what_is_next(message: &Value) {
    let waits = message["next"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let lines: Vec<&str> = waits.collect();
    match lines.is_empty() {
        true => println!("a running service begins in some seconds; `timeline` shows it"),
        false => lines.iter().for_each(|line| println!("{line}")),
    }
}

/// Who has decided, as it was answered.
pub fn by(message: &Value) -> &str {
    message["by"].as_str().unwrap_or_default()
}
