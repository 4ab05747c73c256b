//! A world of its own for each test: simulators, store, ports, clock and seed.

use super::patience::PATIENCE;
use super::quick::{quick_namely, quick_okta};
use namely_okta_sync::actors::Service;
use namely_okta_sync::clock::Clock;
use namely_okta_sync::commands::sandbox;
use namely_okta_sync::config::{Audit, Config};
use namely_okta_sync::domain::Decider;
use namely_okta_sync::metrics::Metrics;
use namely_okta_sync::okta::auth::Credentials;
use namely_okta_sync::sandbox::http::Simulator;
use namely_okta_sync::sandbox::namely::{self, Namely};
use namely_okta_sync::sandbox::okta::{self, Okta};
use namely_okta_sync::sandbox::population::Person;
use namely_okta_sync::sandbox::world::{World, any_port, org_of, population};
use namely_okta_sync::store::Store;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Somebody who decides, over a token of that name.
pub fn decider(name: &str) -> Decider {
    Decider::of_token(name, None)
}

/// Runs a test on an actix system of its own.
pub fn on_a_system(test: impl Future<Output = ()>) {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    actix::System::with_tokio_rt(runtime).block_on(test);
}

/// Whether something comes true while there is patience.
pub async fn comes_true(holds: impl AsyncFn() -> bool) -> bool {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.is_ok()
}

/// What a rig is made of.
pub struct Setup {
    pub people: Vec<Person>,
    /// How many of `people`, from the first on, have accounts in Okta already.
    pub in_okta: usize,
    pub namely: namely::Options,
    pub okta: okta::Options,
    pub clock: Clock,
    /// Changes the text of the configuration before it is read.
    pub rewrite: fn(String) -> String,
}

impl Setup {
    /// `n` people who are on both sides, in agreement.
    pub fn of(n: usize) -> Self {
        let clock = Clock::scaled_from_today(20.0);
        Self {
            people: population(n, 1, clock.now()),
            in_okta: n,
            namely: quick_namely(),
            okta: quick_okta(),
            clock,
            rewrite: |text| text,
        }
    }
}

/// Both simulators, and the service in this process.
pub struct Rig {
    pub world: World,
    pub folder: tempfile::TempDir,
    pub setup: Setup,
    /// Who the service is to Okta, if not the owner of the token.
    pub credentials: Option<Credentials>,
    /// Where the service looks for Okta, if not at the simulator.
    pub okta_url: Option<String>,
    pub service: Option<Service>,
    /// Variables that the configuration refers to.
    pub variables: Vec<(String, String)>,
    /// Put at the end of the configuration.
    pub extra: String,
    /// Where the audit file goes, if not into the folder.
    pub audit_file: Option<PathBuf>,
    /// How often Namely is looked at, if not as in the sandbox.
    pub poll_every: Option<Duration>,
}

impl Rig {
    /// Starts the simulators; the service waits for `run`.
    pub fn new(setup: Setup) -> Self {
        let now = setup.clock.now();
        let org = org_of(setup.okta.clone(), &setup.people[..setup.in_okta], now);
        let tenant = Namely::new(setup.namely.clone(), setup.people.clone(), now);
        let world = World {
            namely: Simulator::start(tenant, any_port(), setup.clock.clone()).expect("a port"),
            okta: Simulator::start(org, any_port(), setup.clock.clone()).expect("a port"),
            clock: setup.clock.clone(),
        };
        Self {
            world,
            folder: tempfile::tempdir().expect("a folder"),
            setup,
            credentials: None,
            okta_url: None,
            service: None,
            variables: Vec::new(),
            extra: String::new(),
            audit_file: None,
            poll_every: None,
        }
    }

    /// The configuration, as it says now.
    pub fn config(&self) -> Config {
        let base = sandbox::config(&self.world, self.folder.path()).expect("the sandbox's configuration");
        let text = (self.setup.rewrite)(include_str!("../../config/sandbox.toml").to_owned()) + "\n" + &self.extra;
        let variables = &self.variables;
        let token = |name: &str| {
            if let Some(value) = variables.iter().find(|(known, _)| known == name) {
                return Some(value.1.clone());
            }
            Some(if name.starts_with("NAMELY") {
                namely::Options::default().token
            } else {
                okta::Options::default().token
            })
        };
        let mut config = Config::parse(Path::new("test.toml"), &text, &token).unwrap_or_else(|e| panic!("{e}"));
        config.service = base.service;
        let http = std::mem::take(&mut config.audit.http);
        config.audit = Audit { http, ..base.audit };
        config.audit.sealing.every = Duration::from_secs(10);
        if let Some(file) = &self.audit_file {
            config.audit.file.path = Some(file.clone());
        }
        config.namely[0].url = base.namely[0].url.clone();
        config.namely[0].pace.per_minute = 10_000;
        config.namely[0].pace.walk_interval = Duration::from_secs(10);
        if let Some(every) = self.poll_every {
            (config.namely[0].pace.hot_interval, config.namely[0].pace.walk_interval) = (every, every);
        }
        config.okta[0].url = self.okta_url.clone().unwrap_or(base.okta[0].url.clone());
        if let Some(credentials) = &self.credentials {
            config.okta[0].credentials = credentials.clone().into();
        }
        config
    }

    /// Starts the service.
    pub async fn run(&mut self) {
        let config = self.config();
        self.service = Some(Service::start(config, self.world.clock.clone(), Metrics::new()).await.expect("starts"));
    }

    /// Starts a world and its service, and waits until both sides agree.
    pub async fn settled(setup: Setup) -> Self {
        let mut rig = Self::new(setup);
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        rig
    }

    pub fn service(&self) -> &Service {
        self.service.as_ref().expect("the service runs")
    }

    pub fn store(&self) -> &Store {
        &self.service().store
    }

    pub async fn backlog(&self) -> i64 {
        self.store().backlog().await.expect("reads").total()
    }

    /// HR edits somebody.
    pub fn edit(&self, person: usize, edit: impl FnOnce(&mut Person)) {
        self.world.namely.core().edit(person, self.world.clock.now(), edit);
    }

    /// HR hires somebody.
    pub fn hire(&self, person: Person) {
        self.world.namely.core().hire(person, self.world.clock.now());
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, holds: impl AsyncFn(&Self) -> bool) {
        if !comes_true(async || holds(self).await).await {
            let quarantined = self.quarantined().await;
            panic!("waited in vain until {what}; backlog {}, quarantined {quarantined:?}", self.backlog().await);
        }
    }

    /// Waits until that much of the world's time has passed: for what must not happen meanwhile.
    pub async fn until_later(&self, what: &str, time: Duration) {
        let later = self.world.clock.now() + time;
        self.until(&format!("{what} has passed"), async |rig| rig.world.clock.now() >= later).await;
    }

    /// Waits until something holds of the Okta org.
    pub async fn until_okta(&self, what: &str, holds: impl Fn(&Okta) -> bool) {
        self.until(what, async |rig| {
            let mut okta = rig.world.okta.core();
            okta.settle(rig.world.clock.now());
            holds(&okta)
        })
        .await;
    }

    /// Waits until nothing is dirty that could be worked on, and Namely was walked twice more.
    pub async fn quiet(&self) {
        let pages = || self.world.namely.core().history().exchanges().len();
        let before = pages();
        self.until("Namely was looked at again", async |_| pages() > before + 12).await;
        self.until("nothing is dirty", async |rig| rig.backlog().await == 0).await;
    }

    /// Reasons of those who are quarantined, by profile.
    pub async fn quarantined(&self) -> Vec<(String, String)> {
        let sql = "SELECT l.profile, w.reason FROM work w JOIN link l ON l.target = w.target WHERE w.state = 1";
        self.pairs(sql).await
    }

    /// What the store says in two columns.
    pub async fn pairs(&self, sql: &'static str) -> Vec<(String, String)> {
        let read = self.store().run(move |c| {
            let mut select = c.prepare(sql)?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        });
        read.await.expect("reads")
    }

    /// Calls to Okta that changed something, as `METHOD /path`, since the start.
    pub fn effects(&self) -> Vec<String> {
        let okta = self.world.okta.core();
        let applied = okta.history().exchanges().iter().filter(|e| e.applied);
        applied.map(|e| format!("{} {}", e.method, e.path)).collect()
    }
}
