//! `simulate`: one simulator alone, for any client that wants to talk to it.

use crate::clock::Clock;
use crate::sandbox::data::{Contents, Format, LARGEST_FILE};
use crate::sandbox::http::Simulator;
use crate::sandbox::namely::{self, Namely};
use crate::sandbox::okta::{self, Okta, ServiceApp};
use crate::sandbox::ui::PAGES;
use crate::sandbox::world::{org_of_contents, population};
use anyhow::{Context, anyhow, bail};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What both simulators are told.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Address to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// People of the tenant; the same seed gives the same tenant on both sides
    #[arg(long, default_value_t = 0)]
    pub employees: usize,
    /// A company of your own in place of made-up people: lines of JSON, or an HR table whose name ends with .csv
    #[arg(long, value_name = "FILE", conflicts_with = "employees")]
    pub data: Option<PathBuf>,
    /// Seed of the tenant and of everything random
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Token that is accepted
    #[arg(long)]
    pub token: Option<String>,
    /// Switch rate limits off
    #[arg(long)]
    pub no_limits: bool,
    /// Factor on every latency; 0 answers at once
    #[arg(long, default_value_t = 1.0)]
    pub latency: f64,
    /// Serve pages for people at /_ui: who is there, what was asked, and buttons that hire, transfer, terminate and break things
    #[arg(long)]
    pub ui: bool,
}

/// What the Okta simulator is told besides.
#[derive(clap::Args, Clone, Debug)]
pub struct OktaOptions {
    /// Address, people, token, limits and latency, as for the Namely simulator
    #[command(flatten)]
    pub common: Options,
    /// Also accept an OAuth service app with this client id
    #[arg(long, value_name = "ID", requires = "jwks")]
    pub client_id: Option<String>,
    /// Its public keys: a file with a JSON Web Key Set
    #[arg(long, value_name = "FILE", requires = "client_id")]
    pub jwks: Option<PathBuf>,
    /// Scopes that are granted to it
    #[arg(
        long,
        value_name = "SCOPE",
        value_delimiter = ',',
        default_value = "okta.users.manage,okta.groups.manage,okta.apps.manage,okta.roles.read,okta.linkedObjects.read,okta.userTypes.read,okta.schemas.read,okta.logs.read"
    )]
    pub scopes: Vec<String>,
    /// The service app must prove possession of a key with every call
    #[arg(long, requires = "client_id")]
    pub dpop: bool,
}

/// The company of a file, or the one that the seed makes up.
fn contents(options: &Options, clock: &Clock) -> anyhow::Result<Contents> {
    match &options.data {
        Some(path) => read_contents(path),
        None => {
            let people = population(options.employees, options.seed, clock.now());
            Ok(Contents { people, ..Contents::default() })
        }
    }
}

/// Reads a company from a file, or says everything that is wrong with it.
pub(super) fn read_contents(path: &Path) -> anyhow::Result<Contents> {
    let unread = || format!("{} cannot be read", path.display());
    let size = std::fs::metadata(path).with_context(unread)?.len();
    if size > LARGEST_FILE {
        bail!("{} is larger than {} MiB: it is not read", path.display(), LARGEST_FILE / 1024 / 1024);
    }
    let text = std::fs::read_to_string(path).with_context(unread)?;
    Contents::read(&text, Format::of(path)).map_err(|bad| anyhow!("{} is no company:\n{bad}", path.display()))
}

/// Where its pages are, if it has some.
fn pages(options: &Options, url: &str) -> String {
    if options.ui { format!("\npages: {url}{PAGES}") } else { String::new() }
}

/// Serves Namely until interrupted.
pub async fn namely(options: Options) -> anyhow::Result<()> {
    let clock = Clock::system();
    let defaults = namely::Options::default();
    let tenant = namely::Options {
        seed: options.seed,
        token: options.token.clone().unwrap_or(defaults.token.clone()),
        per_minute: defaults.per_minute.filter(|_| !options.no_limits),
        latency: options.latency,
        ui: options.ui,
        ..defaults
    };
    let contents = contents(&options, &clock)?;
    let words = contents.people.first().map_or(tenant.words, |person| person.words);
    let tenant = namely::Options { fields: contents.fields.iter().cloned().collect(), ..tenant.in_words(words) };
    let (token, size) = (tenant.token.clone(), contents.people.len());
    let core = Namely::new(tenant, contents.people, clock.now());
    let simulator = Simulator::start(core, options.listen, clock)?;
    let url = format!("{}/api/v1", simulator.url());
    println!(
        "Namely is simulated at {url} with {size} people\nit accepts the token {token}\n\
         try: curl -H 'Authorization: Bearer {token}' '{url}/profiles?per_page=2'\n\
         faults: {}/_faults{}",
        simulator.url(),
        pages(&options, &simulator.url())
    );
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// Serves Okta until interrupted.
pub async fn okta(okta: OktaOptions) -> anyhow::Result<()> {
    let (options, clock) = (&okta.common, Clock::system());
    let defaults = okta::Options::default();
    let org = okta::Options {
        seed: options.seed,
        token: options.token.clone().unwrap_or(defaults.token.clone()),
        limits: defaults.limits.filter(|_| !options.no_limits),
        latency: options.latency,
        ui: options.ui,
        service_apps: service_app(&okta)?.into_iter().collect(),
        ..defaults
    };
    let token = org.token.clone();
    let contents = contents(options, &clock)?;
    let size = if contents.accounts.is_empty() { contents.people.len() } else { contents.accounts.len() };
    let core = match size {
        0 if contents.groups.is_empty() => Okta::new(org, clock.now()),
        _ => org_of_contents(org, &contents, clock.now()),
    };
    let simulator = Simulator::start(core, options.listen, clock)?;
    let url = simulator.url();
    println!(
        "Okta is simulated at {url} with {size} people, an administrator and the group Everyone\n\
         it accepts the token {token}\n\
         try: curl -H 'Authorization: SSWS {token}' '{url}/api/v1/users?limit=2'\n\
         faults: {url}/_faults{}",
        pages(options, &url)
    );
    tokio::signal::ctrl_c().await?;
    Ok(())
}

fn service_app(options: &OktaOptions) -> anyhow::Result<Option<ServiceApp>> {
    let (Some(client_id), Some(file)) = (&options.client_id, &options.jwks) else { return Ok(None) };
    let jwks = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let (client_id, scopes) = (client_id.clone(), options.scopes.clone());
    Ok(Some(ServiceApp { client_id, jwks, scopes, dpop: options.dpop }))
}
