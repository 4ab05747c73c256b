//! One Okta org: its writers, its directory, its dispatcher, and what must be known before anything is written to it.
//!
//! **Invariant:** nothing is written before somebody has accepted the adopt report, and nobody is created before every
//! company whose people go there was walked completely.

use super::directory::SharedDirectory;
use super::dispatcher::{Dispatcher, Open, Openness};
use super::employee::Tools;
use super::forecast::Forecaster;
use super::prime::{read_accounts, read_directory, read_links, read_schema};
use super::readiness::Readiness;
use super::reconciler::Reconciler;
use super::topology::Start;
use super::traffic::{Traffic, Tuning};
use super::writer::Writers;
use crate::clock::Clock;
use crate::config::{self, OktaOrg, Reconciling};
use crate::identity::rulebook::OrgRules;
use crate::identity::{Class, Directory, Rulebook};
use crate::mailbox::Gate;
use crate::metrics::Metrics;
use crate::okta::schema::misfits;
use crate::okta::{Ledger, OktaClient};
use crate::retry;
use crate::store::{Store, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often it is looked whether somebody has accepted the adopt report.
const TICK: Duration = Duration::from_secs(5);

/// Whoever accepts where the configuration says that nobody is asked.
const NOBODY_ASKED: &str = "the configuration (adopt = \"automatic\")";

/// An org before it is primed.
pub(super) struct Org {
    name: Arc<str>,
    rulebook: Arc<Rulebook>,
    ask_to_adopt: bool,
    clock: Clock,
    store: Store,
    metrics: Metrics,
    readiness: Readiness,
    walked: Arc<Notify>,
    writers: Writers,
    traffic: Traffic,
    mapped: Arc<BTreeSet<String>>,
    reconcile: Reconciling,
}

/// An org whose accounts and groups are known.
pub(super) struct PrimedOrg {
    org: Org,
    directory: SharedDirectory,
}

impl Org {
    /// Starts the writers of an org.
    pub fn new(okta: &OktaOrg, start: &Start) -> Result<Self, String> {
        let name: Arc<str> = okta.name.as_str().into();
        start.readiness.missing(&missing(&name), "not primed yet");
        let client = OktaClient::new(&okta.url, okta.credentials.clone(), &start.clock, okta.timeout)?;
        let traffic = Traffic::new(tuning(okta, &start.config.service));
        let ledger = Ledger::new(okta.shares);
        let writers = Writers::start(&name, &client, &ledger, &traffic, &start.clock, &start.metrics, &start.readiness);
        Ok(Self {
            name,
            ask_to_adopt: okta.ask_to_adopt,
            mapped: Arc::new(start.config.rulebook.account_attributes()),
            rulebook: start.config.rulebook.clone(),
            clock: start.clock.clone(),
            store: start.store.clone(),
            metrics: start.metrics.clone(),
            readiness: start.readiness.clone(),
            walked: start.walked.clone(),
            reconcile: start.config.reconcile.clone(),
            writers,
            traffic,
        })
    }

    /// What its writers and its dispatcher share.
    pub fn traffic(&self) -> (String, Traffic) {
        (self.name.to_string(), self.traffic.clone())
    }

    /// Reads all of the org; gives the org back if that is not possible now.
    pub async fn prime_once(self) -> Result<PrimedOrg, Org> {
        match self.try_prime().await {
            Ok(directory) => {
                self.readiness.have(&missing(&self.name));
                Ok(PrimedOrg { directory: SharedDirectory::new(directory), org: self })
            }
            Err(why) => {
                tracing::error!(org = %self.name, %why, "Okta could not be read; it will be tried again");
                self.readiness.missing(&missing(&self.name), why);
                Err(self)
            }
        }
    }

    /// Reads all of the org, for as long as it takes, and compares it with everybody who was seen meanwhile.
    pub async fn prime_late(mut self) -> PrimedOrg {
        let mut attempt = 0;
        loop {
            self.clock.sleep(retry::delay(attempt)).await;
            attempt += 1;
            self = match self.prime_once().await {
                Err(org) => org,
                Ok(primed) => match primed.org.store.relink_org(&primed.org.name, primed.org.clock.now()).await {
                    Ok(()) => return primed,
                    Err(e) => {
                        tracing::error!(org = %primed.org.name, error = %e, "the org could not be compared with Namely");
                        primed.org
                    }
                },
            };
        }
    }

    async fn try_prime(&self) -> Result<Directory, String> {
        let mapping = &self.rulebook.mapping;
        let rules = self.rules().ok_or("the org is not configured")?;
        let directory = read_directory(&self.writers, mapping, rules, Class::Inspect).await?;
        self.compare_schema().await;
        let (accounts, _) = read_accounts(&self.writers, &directory, &self.rulebook, &self.mapped).await?;
        let primed = self.store.prime(&self.name, accounts, self.clock.now()).await.map_err(|e| e.to_string())?;
        self.store.put_directory(&self.name, &directory).await.map_err(|e| e.to_string())?;
        tracing::info!(org = %self.name, accounts = primed.accounts, vanished = primed.vanished, "Okta is primed");
        Ok(directory)
    }

    /// Says what of the mapping does not fit the org. Nobody waits for that but those whom it concerns.
    async fn compare_schema(&self) {
        let what = format!("mapping {}", self.name);
        match read_schema(&self.writers).await {
            Ok(schema) => match misfits(&schema, &self.rulebook).as_slice() {
                [] => self.readiness.have(&what),
                found => {
                    let why = found.join("; ");
                    tracing::warn!(org = %self.name, %why, "the mapping does not fit the org");
                    self.readiness.missing(&what, why);
                }
            },
            Err(why) => {
                tracing::warn!(org = %self.name, %why, "the user schema cannot be read: the mapping is not compared")
            }
        }
    }

    fn rules(&self) -> Option<&OrgRules> {
        self.rulebook.org(&self.name)
    }
}

fn missing(org: &str) -> String {
    format!("okta {org}")
}

/// The pace of an org, as it is configured.
pub(super) fn tuning(okta: &OktaOrg, service: &config::Service) -> Tuning {
    Tuning { in_flight: okta.in_flight, lanes: service.lanes, shares: okta.shares, waits: okta.waits }
}

impl PrimedOrg {
    /// Starts the dispatcher, which opens by itself when it may, and what forecasts its backlog.
    pub fn start(&self) -> (Gate<Dispatcher>, Forecaster) {
        let org = &self.org;
        let keep = self.directory.clone().keep(org.writers.clone(), org.name.clone(), org.store.clone());
        tokio::spawn(keep);
        let forecaster = Forecaster {
            org: org.name.clone(),
            rules: org.store.rules(),
            clock: org.clock.clone(),
            store: org.store.clone(),
            directory: self.directory.clone(),
            traffic: org.traffic.clone(),
            metrics: org.metrics.clone(),
        };
        let tools = Tools {
            org: org.name.clone(),
            rules: org.store.rules(),
            clock: org.clock.clone(),
            store: org.store.clone(),
            writers: org.writers.clone(),
            directory: self.directory.clone(),
            metrics: org.metrics.clone(),
            mapped: org.mapped.clone(),
            traffic: org.traffic.clone(),
        };
        let dispatcher = Dispatcher::start_with(tools, org.traffic.clone());
        let opener = Opener {
            name: org.name.clone(),
            rulebook: org.rulebook.clone(),
            ask: org.ask_to_adopt,
            clock: org.clock.clone(),
            store: org.store.clone(),
            readiness: org.readiness.clone(),
            walked: org.walked.clone(),
            writers: org.writers.clone(),
            dispatcher: dispatcher.clone(),
        };
        tokio::spawn(opener.open());
        let reconciler = Reconciler {
            org: org.name.clone(),
            settings: org.reconcile.clone(),
            clock: org.clock.clone(),
            store: org.store.clone(),
            writers: org.writers.clone(),
            directory: self.directory.clone(),
            mapped: org.mapped.clone(),
            dispatcher: dispatcher.clone(),
        };
        tokio::spawn(reconciler.keep());
        (dispatcher, forecaster)
    }
}

/// Opens an org step by step, as it becomes known that it may be written to.
struct Opener {
    name: Arc<str>,
    rulebook: Arc<Rulebook>,
    ask: bool,
    clock: Clock,
    store: Store,
    readiness: Readiness,
    walked: Arc<Notify>,
    writers: Writers,
    dispatcher: Gate<Dispatcher>,
}

impl Opener {
    async fn open(self) {
        let adopt = format!("adopt {}", self.name);
        let mut told = Openness::Closed;
        while told != Openness::All {
            // Registered before the store is asked: a walk that ends in between is not missed.
            let walked = self.walked.notified();
            match self.openness().await {
                Ok(Openness::Closed) => self.readiness.missing(
                    &adopt,
                    format!(
                        "nothing is written before the adopt report is accepted: look at `adopt`, then `adopt --accept {}`",
                        self.name
                    ),
                ),
                Ok(openness) if openness > told => {
                    self.readiness.have(&adopt);
                    self.dispatcher.send(Open(openness)).await;
                    told = openness;
                    continue;
                }
                Ok(_) => {}
                Err(e) => tracing::error!(error = %e, "the store cannot be read"),
            }
            tokio::select! {
                () = walked => {}
                () = self.clock.sleep(TICK) => {}
            }
        }
    }

    async fn openness(&self) -> Result<Openness, StoreError> {
        let tenants = self.rulebook.org(&self.name).map(|org| org.tenants.clone()).unwrap_or_default();
        if !self.ask {
            self.store.adopt(&self.name, NOBODY_ASKED).await?;
        }
        if !self.store.is_adopted(&self.name, self.clock.now()).await? {
            return Ok(Openness::Closed);
        }
        if !self.store.all_walked(tenants).await? {
            return Ok(Openness::Terminations);
        }
        self.learn_links().await?;
        Ok(Openness::All)
    }

    /// Reads the manager links of the org once, after it is known who is a manager: from then on they are kept by our own
    /// writes.
    async fn learn_links(&self) -> Result<(), StoreError> {
        let relation = self.rulebook.org(&self.name).and_then(|org| org.manager_relation.clone());
        let Some(relation) = relation else { return Ok(()) };
        if self.store.links_known(&self.name).await? {
            return Ok(());
        }
        let managers = self.store.managers(&self.name).await?;
        match read_links(&self.writers, &relation, &managers).await {
            Ok(links) => {
                tracing::info!(org = %self.name, managers = managers.len(), links = links.len(), "manager links are known");
                self.store.learn_links(&self.name, links).await
            }
            Err(why) => {
                tracing::warn!(org = %self.name, %why, "manager links could not be read: each is written once more");
                Ok(())
            }
        }
    }
}
