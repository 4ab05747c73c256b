//! The configuration: read from TOML, checked as a whole, compiled.
//!
//! **Invariant:** a `Config` is valid. Whoever gets one need not check anything; whoever does not gets every problem.

mod admin;
mod audit;
pub(crate) mod contents;
pub(crate) mod edited;
mod expressions;
pub mod files;
mod former;
mod location;
pub mod manual;
mod mapping;
mod net;
mod notify;
pub(crate) mod place;
pub(crate) mod provider;
mod reader;
pub(crate) mod reload;
mod role;
mod rules;
mod safeguards;
mod scopes;
mod secret;
mod telemetry;
mod token;

pub use admin::ConsoleSettings;
pub(crate) use admin::{Admin, TlsFiles};
pub use audit::Audit;
pub(crate) use audit::{AuditFile, HttpSink, Sealing};
pub(crate) use net::Http;
pub(crate) use notify::Channel;
pub use provider::Provider;
pub(crate) use reader::{Problem, Problems};
pub use role::{Permission, Role};
#[cfg(any(test, fuzzing))]
pub(crate) use rules::read_table;
pub use scopes::{scopes, uses, with_scopes};
pub(crate) use telemetry::{Logs, Telemetry};
pub(crate) use token::approvers;
pub use token::{Token, Tokens};

use crate::clock::Moment;
use crate::domain::guard::renamed::{Addresses, Renaming};
use crate::domain::mapping::desired::{DEFAULT_ATTRIBUTES, DEFAULT_LOGIN};
use crate::domain::mapping::expr::Engine;
use crate::domain::plan::limits::Mode;
use crate::domain::plan::rulebook::{OrgRules, TenantRules, Unrouted};
use crate::domain::{Decider, Rulebook};
use crate::http::Transport;
use crate::http::address::{self, Shape};
use crate::http::live::Live;
use crate::namely::catalogue::GroupTypes;
use crate::namely::walk::Pace;
use crate::okta::auth::{Credentials, Key, ServiceApp};
use crate::okta::budget::Shares;
use crate::retry::Waits;
use crate::schedule::Schedule;
use crate::store::Location;
use aws_lc_rs::digest::{SHA256, digest};
use files::{DEFAULT_LISTEN, DEFAULT_STORE};
use jiff::tz::TimeZone;
use reader::{At, Reader, Section, size, unique_names};
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Years after which a personal access token of Namely dies of age.
const TOKEN_YEARS: i64 = 2;

/// Everything the service is told.
#[derive(Clone)]
pub struct Config {
    /// `[service]`
    pub service: Service,
    /// `[http]`: how everything that is asked is reached.
    pub http: Http,
    /// `[telemetry]`
    pub telemetry: Telemetry,
    /// `[admin]`: who may ask the service, and what for.
    pub admin: Admin,
    /// `[audit]`
    pub audit: Audit,
    /// `[reconcile]`
    pub reconcile: Reconciling,
    /// `[[notify]]`, one for each receiver.
    pub notify: Vec<Channel>,
    /// `[[namely]]`, at least one; no two have one name.
    pub namely: Vec<NamelyTenant>,
    /// `[[okta]]`, at least one; no two have one name.
    pub okta: Vec<OktaOrg>,
    /// Everything that decides about people.
    pub rulebook: Arc<Rulebook>,
    /// Identifies the rules: another value means everybody is looked at again.
    pub rules: String,
    /// As it was written; secrets are references.
    pub document: toml::Table,
    /// What stands in the files that it names, as checksums.
    pub(crate) contents: contents::Contents,
}

/// The process itself.
#[derive(Clone, Debug)]
pub struct Service {
    /// Where metrics and health are served.
    pub listen: SocketAddr,
    /// A file, whose folder must be on this machine, or a database of a server.
    pub store: Location,
    /// People worked on at the same time, at most.
    pub runs: usize,
    /// How long calls under way are waited for when the service is told to end, in real time.
    pub drain: Duration,
    /// Names that somebody has confirmed when the service was started, and who did; never in the file.
    pub renamed: Option<(Vec<Renaming>, Decider)>,
}

/// When and how the orgs are read again as a whole and compared.
#[derive(Clone, Debug)]
pub struct Reconciling {
    /// When; only on request without it.
    pub schedule: Option<Schedule>,
    /// Where reports are written; nowhere without it.
    pub folder: Option<PathBuf>,
    /// Whether what somebody else has changed is brought back at once, through the safeguards.
    pub correct: bool,
}

/// One Namely company that is read.
#[derive(Clone, Debug)]
pub struct NamelyTenant {
    /// Its name in the configuration, in messages and in metrics.
    pub name: String,
    /// The base of its API, without a slash at its end: `https://acme.namely.com/api/v1`.
    pub url: String,
    /// A personal access token: it can what its maker can, and lives two years (`namely-api.md §1.6`).
    pub token: Live<SecretString>,
    /// The zone in which this tenant's dates are meant.
    pub zone: TimeZone,
    /// Which groups are departments and offices.
    pub group_types: GroupTypes,
    /// How fast it is read.
    pub pace: Pace,
    /// How requests travel; the timeout is the total of one call.
    pub transport: Transport,
    /// When the token dies of age, if the configuration says when it was made (`namely-api.md §1.6`).
    pub token_expires: Option<Moment>,
}

/// One Okta organization that is written to.
#[derive(Clone, Debug)]
pub struct OktaOrg {
    /// Its name in the configuration, in messages and in metrics.
    pub name: String,
    /// Scheme and host: `https://acme.okta.com`.
    pub url: String,
    /// Who we are to it, with the scopes that the rules need.
    pub credentials: Live<Credentials>,
    /// How much of each rate limit window is ours.
    pub shares: Shares,
    /// Simultaneous calls, at most.
    pub in_flight: usize,
    /// How long to wait before somebody is tried again.
    pub waits: Waits,
    /// How requests travel; the timeout is the total of one call.
    pub transport: Transport,
    /// Whether somebody must accept the adopt report before anything is written for the first time.
    pub ask_to_adopt: bool,
}

impl Config {
    /// Where each org and tenant is.
    pub(crate) fn addresses(&self) -> Addresses {
        let tenants = self.namely.iter().map(|tenant| (tenant.name.clone(), tenant.url.clone()));
        let orgs = self.okta.iter().map(|org| (org.name.clone(), org.url.clone()));
        Addresses { orgs: orgs.collect(), tenants: tenants.collect() }
    }

    /// Loads and checks the file at `path`, with every secret that it names.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        Self::read(path, true)
    }

    /// The same for whoever calls nobody: secrets that cannot be read are absent.
    pub fn without_secrets(path: &Path) -> Result<Self, Problems> {
        Self::read(path, false)
    }

    fn read(path: &Path, needed: bool) -> Result<Self, Problems> {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let config = Self::parsed(path, &text, &secret::environment, needed)?;
                config.has_moved(path, &text).map_or(Ok(config), |problem| Err(Problems(vec![problem])))
            }
            Err(e) => Err(Problems(vec![Problem {
                file: path.to_owned(),
                line: 1,
                column: 1,
                message: format!("cannot be read ({e}); give the path of a configuration with --config"),
            }])),
        }
    }

    /// Checks `text` as the contents of `path`; `environment` looks up the variables of `env:` references.
    pub fn parse(path: &Path, text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        Self::parsed(path, text, environment, true)
    }

    fn parsed(
        path: &Path,
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
        needed: bool,
    ) -> Result<Self, Problems> {
        let (mut reader, mut root) = Reader::parse(path, text);
        let r = &mut reader;
        let secrets = secret::Secrets { folder: path.parent().unwrap_or(Path::new(".")), environment, needed };
        let state = files::state_folder(path);
        let (services, admins, audits) =
            (root.section(r, "service"), root.section(r, "admin"), root.section(r, "audit"));
        let reconcile = {
            let section = root.section(r, "reconcile");
            reconcile(r, section, &state)
        };
        let service = service(r, services, &secrets, &state);
        let http = root.section(r, "http");
        let http = net::http(r, http);
        let telemetry = root.section(r, "telemetry");
        let telemetry = telemetry::read(r, telemetry, &http);
        let mut admin = admin::read(r, admins, &secrets, service.listen, &http);
        let audit = audit::read(r, audits, &secrets, &state);
        let notify: Vec<Channel> =
            root.sections(r, "notify").into_iter().filter_map(|s| notify::channel(r, s, &secrets)).collect();
        unique_names(r, "notify", notify.iter().map(|channel| channel.name.as_str()));
        let namely: Vec<Option<NamelyTenant>> =
            root.sections(r, "namely").into_iter().map(|s| tenant(r, s, &secrets, &http)).collect();
        let names: Vec<String> = namely.iter().flatten().map(|tenant| tenant.name.clone()).collect();
        let mut rules = root.section(r, "mapping");
        let engine = Engine::new(rules::tables(r, &mut rules, secrets.folder));
        let source = fingerprint(text, engine.tables());
        let okta: Vec<Option<(OktaOrg, OrgRules)>> =
            root.sections(r, "okta").into_iter().map(|s| org(r, s, &secrets, &engine, &names, &http)).collect();
        let policies = rules::policies(r, &mut root, &notify);
        let matching = rules::correlation(r, &mut root, &engine);
        let mut safeguards = safeguards::read(r, &mut root);
        let leave = expression(r, &mut root, &engine, "leave", "when");
        let primary = expression(r, &mut root, &engine, "positions", "primary");
        let mapping = mapping::read(r, rules, engine);
        root.finish(r);
        count(r, namely.len(), okta.len());
        unique_names(r, "namely", namely.iter().flatten().map(|tenant| tenant.name.as_str()));
        unique_names(r, "okta", okta.iter().flatten().map(|(org, _)| org.name.as_str()));
        let hears = notify.iter().filter(|channel| channel.events.contains(&crate::notify::Event::Hold));
        safeguards.hears_holds = hears.map(|channel| channel.name.clone()).collect();
        if let Some(provider) = &mut admin.console.provider {
            let orgs = okta.iter().flatten().map(|(org, _)| (org.name.as_str(), org.url.as_str()));
            provider::settle(r, provider, &admin.tokens, orgs, mapping.as_ref().map(|read| &read.mapping));
            safeguards.sign_in = provider.sign_in();
            safeguards.voices.provider = Some(provider.provided());
        }
        safeguards.voices.holders = admin.tokens.iter().map(token::Token::holder).collect();
        let problems = reader.finish();
        let namely = namely.into_iter().collect::<Option<Vec<_>>>();
        let okta = okta.into_iter().collect::<Option<Vec<_>>>();
        let (Some(namely), Some(okta), Some(read), Some(matching), Ok(leave), Ok(primary), true) =
            (namely, okta, mapping, matching, leave, primary, problems.is_empty())
        else {
            return Err(Problems(problems));
        };
        let (okta, orgs): (Vec<OktaOrg>, Vec<OrgRules>) = okta.into_iter().unzip();
        let tenants = namely.iter().map(|t| TenantRules { name: t.name.clone(), zone: t.zone.clone() }).collect();
        let mapping::Read { mapping, login, zone } = read;
        let mapping = mapping.with_source(edited::written(text));
        let rulebook = Rulebook { tenants, orgs, policies, leave, zone, primary, matching, login, mapping, safeguards };
        let okta = okta
            .into_iter()
            .map(|org| {
                let scopes = scopes(&rulebook, &org.name);
                let credentials = with_scopes((*org.credentials.current()).clone(), &scopes);
                OktaOrg { credentials: credentials.into(), ..org }
            })
            .collect();
        let rules = crate::domain::hex(digest(&SHA256, source.as_bytes()).as_ref());
        let (rulebook, document) = (Arc::new(rulebook), text.parse::<toml::Table>().unwrap_or_default());
        let contents = contents::read(&document, secrets.folder);
        Ok(Self {
            service,
            http,
            telemetry,
            admin,
            audit,
            reconcile,
            notify,
            namely,
            okta,
            rulebook,
            rules,
            document,
            contents,
        })
    }
}

impl Config {
    /// Secret files that every user of this machine may read; `path` is the file that it was read from.
    pub fn exposed_secrets(&self, path: &Path) -> Vec<String> {
        contents::exposed(&self.document, path.parent().unwrap_or(Path::new(".")))
    }

    /// That its store still is where paths were relative to before: another one must not be begun beside it.
    fn has_moved(&self, path: &Path, text: &str) -> Option<Problem> {
        let named = self.document.get("service").and_then(|service| service.get("store")?.as_str());
        let former = Path::new(named.unwrap_or(DEFAULT_STORE));
        let now = self.service.store.file()?;
        if former.is_absolute()
            || !former.exists()
            || now.exists()
            || std::path::absolute(now).ok() == std::path::absolute(former).ok()
        {
            return None;
        }
        let line = text.lines().position(|line| line.trim_start().starts_with("store")).unwrap_or(0) + 1;
        let message = format!(
            "service.store: paths are relative to this file, so the store is {}, which is not there; but {} is, where they were \
             relative to the working directory: move it, or write its whole path",
            now.display(),
            former.display()
        );
        Some(Problem { file: path.to_owned(), line, column: 1, message })
    }

    /// From now on the service only observes. Nobody else may hold the rulebook yet.
    pub fn observe(&mut self) {
        let rulebook = Arc::get_mut(&mut self.rulebook).expect("a configuration that was just read is nobody else's");
        rulebook.safeguards.mode = Mode::Observe;
    }
}

/// The rules as a text: whatever it says differently means that everybody is looked at again. Comments and the order of
/// keys do not count, the contents of tables do.
fn fingerprint(text: &str, tables: &crate::domain::mapping::functions::Tables) -> String {
    let all: toml::Table = text.parse().unwrap_or_default();
    let parts = ["mapping", "onboarding", "termination", "leave", "rehire", "positions", "correlation"];
    let mut kept: toml::Table =
        all.iter().filter(|(k, _)| parts.contains(&k.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
    for (table, keys) in [
        ("namely", &["name", "time_zone", "departments", "offices"][..]),
        ("okta", &["name", "from", "people", "unrouted", "manager_link"][..]),
    ] {
        let rows = all.get(table).and_then(toml::Value::as_array).into_iter().flatten();
        let row = |row: &toml::Value| {
            let row = row.as_table().cloned().unwrap_or_default();
            toml::Value::Table(row.into_iter().filter(|(key, _)| keys.contains(&key.as_str())).collect())
        };
        kept.insert(table.to_owned(), toml::Value::Array(rows.map(row).collect()));
    }
    format!("{kept}{tables:?}{DEFAULT_ATTRIBUTES:?}{DEFAULT_LOGIN}")
}

/// A condition that stands alone in a table.
fn expression(
    r: &mut Reader,
    root: &mut Section,
    engine: &Engine,
    table: &'static str,
    key: &'static str,
) -> Result<Option<crate::domain::mapping::expr::Expr>, expressions::Wrong> {
    let mut s = root.section(r, table);
    let read = s.text(r, key).map(|at| expressions::condition(r, engine, &format!("{table}.{key}"), &at));
    s.finish(r);
    expressions::optional(read)
}

fn count(r: &mut Reader, namely: usize, okta: usize) {
    if namely == 0 {
        r.problem(0..0, "no Namely tenant is configured; add a [[namely]] table with name, url and token");
    }
    if okta == 0 {
        r.problem(0..0, "no Okta org is configured; add an [[okta]] table with name, url and token");
    }
}

fn service(r: &mut Reader, mut s: Section, secrets: &secret::Secrets, state: &Path) -> Service {
    let listen = s.text(r, "listen").and_then(|at| {
        let parsed = at.value.parse().ok();
        if parsed.is_none() {
            r.problem(at.span, format!("service.listen: {:?} is not an address; write \"127.0.0.1:9464\"", at.value));
        }
        parsed
    });
    let service = Service {
        listen: listen.unwrap_or(DEFAULT_LISTEN),
        store: s
            .text(r, "store")
            .and_then(|at| location::read(r, at, secrets, state))
            .unwrap_or_else(|| state.join(DEFAULT_STORE).into()),
        runs: size(s.number(r, "runs", 1..=1000, 64)),
        drain: s.duration(r, "drain", Duration::from_secs(20)),
        renamed: None,
    };
    s.finish(r);
    service
}

fn reconcile(r: &mut Reader, mut s: Section, state: &Path) -> Reconciling {
    let text = s.text(r, "schedule");
    let zone = s.text(r, "time_zone").and_then(|at| {
        let zone = TimeZone::get(&at.value);
        zone.map_err(|_| r.problem(at.span, format!("reconcile.time_zone: {:?} is not a zone", at.value))).ok()
    });
    let schedule = text.and_then(|at| {
        let read = Schedule::read(&at.value, zone.unwrap_or(TimeZone::UTC));
        let how = "write \"0 3 * * *\" for three o'clock at night";
        read.map_err(|e| r.problem(at.span, format!("reconcile.schedule: {e}; {how}"))).ok()
    });
    let reconciling = Reconciling {
        schedule,
        folder: s.text(r, "folder").map(|at| state.join(at.value)),
        correct: s.choice(r, "drift", &[("report", false), ("correct", true)]),
    };
    s.finish(r);
    reconciling
}

fn tenant(r: &mut Reader, mut s: Section, secrets: &secret::Secrets, http: &Http) -> Option<NamelyTenant> {
    let name = s.required_text(r, "name", "acme");
    let url = s.required_text(r, "url", "https://acme.namely.com/api/v1");
    let url = url.and_then(|at| net::url(r, &s.path, at, Shape::Base)).map(|url| address::base(&url));
    let key = format!("{}.token", s.path);
    let token = s.required_text(r, "token", "env:NAMELY_TOKEN").and_then(|at| secrets.token(r, &key, at));
    let zone = s.required_text(r, "time_zone", "America/New_York").and_then(|at| {
        let zone = TimeZone::get(&at.value).ok();
        if zone.is_none() {
            r.problem(
                at.span,
                format!("{}.time_zone: {:?} is not a zone; write one such as \"Europe/Berlin\"", s.path, at.value),
            );
        }
        zone
    });
    let defaults = GroupTypes::default();
    let group_types = GroupTypes {
        department: s.texts(r, "departments").map_or(defaults.department, |at| at.value),
        office: s.texts(r, "offices").map_or(defaults.office, |at| at.value),
    };
    let transport = http.transport(s.duration(r, "timeout", Duration::from_secs(90)));
    let token_expires = s.text(r, "token_made").and_then(|at| token_expires(r, &s.path, &at));
    let mut poll = s.section(r, "poll");
    let pace = Pace {
        per_minute: size(poll.number(r, "per_minute", 1..=1_000_000, 90)),
        hot_interval: poll.duration(r, "hot_interval", Pace::default().hot_interval),
        walk_interval: poll.duration(r, "walk_interval", Pace::default().walk_interval),
        pages_in_flight: size(poll.number(r, "pages_in_flight", 1..=64, 8)),
    };
    poll.finish(r);
    s.finish(r);
    let (name, url, token, zone) = (name?.value, url?, token?, zone?);
    Some(NamelyTenant { name, url, token: token.into(), zone, group_types, pace, transport, token_expires })
}

/// When a token that was made on a day dies of age.
fn token_expires(r: &mut Reader, path: &str, made: &At<String>) -> Option<Moment> {
    let day: Result<jiff::civil::Date, _> = made.value.parse();
    let end = day.ok().and_then(|day| day.checked_add(jiff::Span::new().years(TOKEN_YEARS)).ok());
    let end = end.and_then(|end| TimeZone::UTC.to_timestamp(end.to_datetime(jiff::civil::Time::midnight())).ok());
    if end.is_none() {
        let message = format!("{path}.token_made: {:?} is not a day; write it like \"2026-11-30\"", made.value);
        r.problem(made.span.clone(), message);
    }
    end.map(Moment::from)
}

fn org(
    r: &mut Reader,
    mut s: Section,
    secrets: &secret::Secrets,
    engine: &Engine,
    all_tenants: &[String],
    http: &Http,
) -> Option<(OktaOrg, OrgRules)> {
    let path = s.path.clone();
    let name = s.required_text(r, "name", "acme");
    let url = s.required_text(r, "url", "https://acme.okta.com");
    let url = url.and_then(|at| net::url(r, &path, at, Shape::Origin)).map(|url| address::base(&url));
    let credentials = credentials(r, &mut s, secrets);
    let transport = http.transport(s.duration(r, "timeout", Duration::from_secs(30)));
    let tenants = s.texts(r, "from").map(|at| {
        for unknown in at.value.iter().filter(|name| !all_tenants.contains(name)) {
            r.problem(
                at.span.clone(),
                format!("{path}.from: there is no [[namely]] called {unknown:?}; there are {}", all_tenants.join(", ")),
            );
        }
        at.value
    });
    let people = s.text(r, "people").map(|at| expressions::condition(r, engine, &format!("{path}.people"), &at));
    let unrouted = s.choice(r, "unrouted", &[("keep", Unrouted::Keep), ("end", Unrouted::End)]);
    let ask_to_adopt = s.choice(r, "adopt", &[("ask", true), ("automatic", false)]);
    let manager_relation = s.text_or_off(r, "manager_link", "manager");
    let mut budget = s.section(r, "budget");
    let shares = Shares {
        share: budget.part(r, "share", 0.01..=1.0, Shares::default().share),
        reserve: budget.part(r, "reserve", 0.0..=0.9, Shares::default().reserve),
    };
    let in_flight = size(budget.number(r, "in_flight", 1..=1000, 16));
    budget.finish(r);
    let mut retry = s.section(r, "retry");
    let usual = Waits::default();
    let waits =
        Waits { first: retry.duration(r, "first", usual.first), longest: retry.duration(r, "longest", usual.longest) };
    if waits.first > waits.longest {
        r.problem(retry.location(), format!("{}: first is longer than longest", retry.path));
    }
    retry.finish(r);
    s.finish(r);
    let name = name?.value;
    let people = expressions::optional(people).ok()?;
    let tenants = tenants.unwrap_or_else(|| all_tenants.to_vec());
    let rules = OrgRules { name: name.clone(), tenants, people, unrouted, manager_relation };
    Some((
        OktaOrg {
            name,
            url: url?,
            credentials: credentials?.into(),
            shares,
            in_flight,
            waits,
            transport,
            ask_to_adopt,
        },
        rules,
    ))
}

/// An API token, or a service app.
fn credentials(r: &mut Reader, s: &mut Section, secrets: &secret::Secrets) -> Option<Credentials> {
    let (token, has_app) = (s.text(r, "token"), s.has("service_app"));
    let mut app = s.section(r, "service_app");
    let (key_name, token_name) = (format!("{}.key", app.path), format!("{}.token", s.path));
    let credentials = match (token, has_app) {
        (Some(at), false) => secrets.token(r, &token_name, at).map(Credentials::Token),
        (None, true) => {
            let client_id = app.required_text(r, "client_id", "0oa1b2c3d4e5f6g7h8i9");
            let id = app.text(r, "key_id").map(|at| at.value);
            let key = app.required_text(r, "key", "file:okta-key.pem").and_then(|at| {
                let span = at.span.clone();
                let text = secrets.resolve(r, &key_name, at)?;
                if secret::is_absent(&text) {
                    return Some(None);
                }
                let key = Key::read(text.expose_secret(), id);
                key.map_err(|why| r.problem(span, format!("{key_name}: {why}"))).ok().map(Some)
            });
            let dpop = app.flag(r, "dpop").unwrap_or(false);
            match (client_id, key) {
                (Some(_), Some(None)) => Some(Credentials::Token(String::new().into())),
                (Some(id), Some(Some(key))) => {
                    Some(Credentials::ServiceApp(ServiceApp { client_id: id.value, key, dpop, scopes: Vec::new() }))
                }
                _ => None,
            }
        }
        (Some(at), true) => {
            r.problem(at.span, format!("{}: give either token or service_app, not both", s.path));
            app.rest();
            None
        }
        (None, false) => {
            let at = s.location();
            r.problem(
                at,
                format!(
                    "{}: who are we to Okta? Set token = \"env:OKTA_TOKEN\", or add [okta.service_app] with client_id and key",
                    s.path
                ),
            );
            None
        }
    };
    app.finish(r);
    credentials
}

#[cfg(test)]
mod tests;
