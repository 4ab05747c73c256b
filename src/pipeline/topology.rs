//! How the actors hang together, and in which order they start.

use super::audit_sink::AuditSink;
use super::directory::SharedDirectory;
use super::dispatcher::{Dispatcher, Open};
use super::employee::Tools;
use super::forecast::Forecaster;
use super::poller::{Poller, PollerTools, read_catalogue};
use super::prime::{read_accounts, read_directory};
use super::readiness::Readiness;
use super::timekeeper::Timekeeper;
use super::traffic::Traffic;
use super::writer::Writers;
use crate::clock::Clock;
use crate::config::{Config, NamelyTenant};
use crate::identity::Class;
use crate::mailbox::Gate;
use crate::metrics::Metrics;
use crate::namely::{Detector, NamelyClient, Reader};
use crate::okta::{Ledger, OktaClient};
use crate::retry;
use crate::store::{Store, StoreError, known_hashes};
use actix::Actor;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Notify;

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the HTTP client could not be made: {0}")]
    Http(String),
}

/// A running service.
pub struct Service {
    pub store: Store,
    pub metrics: Metrics,
    pub readiness: Readiness,
}

impl Service {
    /// Opens the store, recovers it, and starts every actor on the current actix system. Okta is primed and the tenants
    /// are walked in the background: `readiness` tells how far that is.
    pub async fn start(config: Config, clock: Clock, metrics: Metrics) -> Result<Self, StartError> {
        let store = Store::open(Path::new(&config.service.store), metrics.store.clone())?;
        let recovered = store.recover(config.rules.clone(), clock.now()).await?;
        tracing::info!(
            run = recovered.run,
            void_claims = recovered.claims,
            unknown_calls = recovered.unknown,
            rules_changed = recovered.rules_changed,
            "the store is open"
        );
        let readiness = Readiness::default();
        readiness.missing("okta", "not primed yet");
        let okta = &config.okta;
        let client =
            OktaClient::new(&okta.url, okta.credentials.clone(), &clock, okta.timeout).map_err(StartError::Http)?;
        let traffic = Traffic::new(okta.in_flight);
        let ledger = Ledger::new(okta.shares);
        let writers = Writers::start(&client, &ledger, &traffic, &clock, &metrics, &readiness);
        AuditSink {
            file: config.audit.clone(),
            clock: clock.clone(),
            store: store.clone(),
            metrics: metrics.clone(),
            busy: false,
        }
        .start();
        let mapped: BTreeSet<String> = config.mapping.attribute_names().map(str::to_owned).collect();
        let start = Start {
            config,
            clock,
            store: store.clone(),
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            writers,
            traffic,
            mapped: Arc::new(mapped),
            run: recovered.run,
        };
        for tenant in &start.config.namely {
            start.readiness.missing(&format!("walk {}", tenant.name), "no complete walk yet");
        }
        actix::spawn(start.go());
        Ok(Self { store, metrics, readiness })
    }
}

/// What is needed from the opening of the store until everything runs.
struct Start {
    config: Config,
    clock: Clock,
    store: Store,
    metrics: Metrics,
    readiness: Readiness,
    writers: Writers,
    traffic: Traffic,
    mapped: Arc<BTreeSet<String>>,
    run: i64,
}

impl Start {
    async fn go(self) {
        let directory = SharedDirectory::new(self.prime().await);
        tokio::spawn(directory.clone().keep(self.writers.clone(), self.config.mapping.clone()));
        let forecaster = Forecaster {
            config: self.config.clone(),
            clock: self.clock.clone(),
            store: self.store.clone(),
            directory: directory.clone(),
            traffic: self.traffic.clone(),
            metrics: self.metrics.clone(),
        };
        let tools = Tools {
            config: self.config.clone(),
            clock: self.clock.clone(),
            store: self.store.clone(),
            writers: self.writers.clone(),
            directory,
            metrics: self.metrics.clone(),
            mapped: self.mapped.clone(),
        };
        let dispatcher = Dispatcher::start_with(tools, self.traffic.clone());
        Timekeeper {
            clock: self.clock.clone(),
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            zones: self.config.zones(),
            dispatcher: dispatcher.clone(),
            forecaster,
        }
        .start();
        let walked = Arc::new(Notify::new());
        for tenant in &self.config.namely {
            self.start_poller(tenant, &dispatcher, &walked).await;
        }
        self.open_when_walked(&dispatcher, &walked).await;
    }

    /// Reads all of Okta, for as long as it takes.
    async fn prime(&self) -> crate::identity::Directory {
        let mut attempt = 0;
        loop {
            match self.try_prime().await {
                Ok(directory) => {
                    self.readiness.have("okta");
                    return directory;
                }
                Err(why) => {
                    tracing::error!(%why, attempt, "Okta could not be read; it will be tried again");
                    self.readiness.missing("okta", why);
                    self.clock.sleep(retry::delay(attempt)).await;
                    attempt += 1;
                }
            }
        }
    }

    async fn try_prime(&self) -> Result<crate::identity::Directory, String> {
        let directory = read_directory(&self.writers, &self.config.mapping, Class::Inspect).await?;
        let accounts = read_accounts(&self.writers, &directory, &self.config.mapping, &self.mapped).await?;
        let primed = self.store.prime(accounts, self.clock.now()).await.map_err(|e| e.to_string())?;
        tracing::info!(accounts = primed.accounts, vanished = primed.vanished, "Okta is primed");
        Ok(directory)
    }

    async fn start_poller(&self, tenant: &NamelyTenant, dispatcher: &Gate<Dispatcher>, walked: &Arc<Notify>) {
        let Ok(client) = NamelyClient::new(&tenant.url, &tenant.token, tenant.timeout) else { return };
        let name = tenant.name.clone();
        let known = self.store.run(move |c| known_hashes(c, &name)).await.unwrap_or_default();
        let mut attempt = 0;
        let catalogue = loop {
            match read_catalogue(&client, &tenant.group_types).await {
                Ok(catalogue) => break catalogue,
                Err(why) => {
                    tracing::error!(tenant = tenant.name, %why, attempt, "Namely's groups could not be read; it will be tried again");
                    self.readiness.missing(&format!("namely {}", tenant.name), why);
                    self.clock.sleep(retry::delay(attempt)).await;
                    attempt += 1;
                }
            }
        };
        self.readiness.have(&format!("namely {}", tenant.name));
        let tools = PollerTools {
            tenant: tenant.clone(),
            client,
            reader: Reader::new(&self.config.mapping.reads()),
            clock: self.clock.clone(),
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            readiness: self.readiness.clone(),
            dispatcher: dispatcher.clone(),
            walked: walked.clone(),
            run: self.run,
        };
        Poller::start_with(tools, Detector::new(known), catalogue);
    }

    /// Nobody is created before every tenant was walked completely once.
    async fn open_when_walked(&self, dispatcher: &Gate<Dispatcher>, walked: &Notify) {
        let tenants: Vec<String> = self.config.namely.iter().map(|t| t.name.clone()).collect();
        loop {
            match self.store.all_walked(tenants.clone()).await {
                Ok(true) => return dispatcher.send(Open).await,
                Ok(false) => walked.notified().await,
                Err(e) => {
                    tracing::error!(error = %e, "the store cannot be read");
                    return;
                }
            }
        }
    }
}
