//! How the actors hang together, and in which order they start.

use super::gauges::{keep_reading, keep_verifying, seconds};
use super::readiness::Readiness;
use super::reload::Live;
use super::sinks::Sink;
use super::supervisor::Supervisor;
use crate::actors::audit_sink::AuditSink;
use crate::actors::core::skew::Skew;
use crate::actors::forecaster::keep_forecasting;
use crate::actors::notifier::Notifier;
use crate::actors::org::registry::OrgRegistry;
use crate::actors::org::start::Org;
use crate::actors::poller::{LivePace, Poller, PollerTools, Pollers, read_catalogue};
use crate::actors::sealer::keep_sealing;
use crate::actors::timekeeper;
use crate::clock::Clock;
use crate::config::{Admin, Audit, Channel, Config, Http, NamelyTenant};
use crate::domain::record::employee::ContentHash;
use crate::http::{authorization, client, describe};
use crate::metrics::Metrics;
use crate::namely::{Detector, NamelyClient, Reader};
use crate::retry;
use crate::store::{Store, StoreError, known_hashes, unreadable};
use arc_swap::ArcSwap;
use reqwest::header::HeaderMap;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// Total of one delivery of audit rows, in real time.
const SINK_TIMEOUT: Duration = Duration::from_secs(30);

/// How often calls under way are counted while the service ends.
const DRAIN_TICK: Duration = Duration::from_millis(20);

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
    pub clock: Clock,
    /// Names of the orgs.
    pub orgs: Vec<String>,
    /// Who may ask over HTTP.
    pub admin: Admin,
    /// Who reads one profile at once.
    pub pollers: Pollers,
    /// Told when somebody has decided something, so that it is acted upon at once.
    pub decided: Arc<Notify>,
    pub(crate) supervisor: Supervisor,
    pub(crate) live: Live,
}

impl Service {
    /// Opens the store, recovers it, and starts every actor on the current actix system. The orgs are primed and the
    /// tenants are walked in the background: `readiness` tells how far that is.
    pub async fn start(config: Config, clock: Clock, metrics: Metrics) -> Result<Self, StartError> {
        let store = Store::open(Path::new(&config.service.store), config.rulebook.clone(), metrics.store.clone())?;
        let recovered = store.recover(config.rules.clone(), clock.now()).await?;
        tracing::info!(
            run = recovered.run,
            void_claims = recovered.claims,
            unknown_calls = recovered.unknown,
            rules_changed = recovered.rules_changed,
            "the store is open"
        );
        let readiness = Readiness::default();
        let watched = store.clone();
        readiness.watch("store", move || watched.trouble());
        let paused = store.stops().clone();
        readiness.watch("pause", move || Some(paused.unwritten().first()?.message()));
        let supervisor = Supervisor::start(&clock, &metrics, &readiness);
        let paces: BTreeMap<String, LivePace> =
            config.namely.iter().map(|t| (t.name.clone(), Arc::new(ArcSwap::from_pointee(t.pace)))).collect();
        let pollers = Pollers::default();
        let (running, decided) = (config.clone(), Arc::new(Notify::new()));
        let start = Start {
            clock: clock.clone(),
            store: store.clone(),
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            supervisor: supervisor.clone(),
            walked: Arc::new(Notify::new()),
            decided: decided.clone(),
            skew: Skew::new(clock.monotonic()),
            run: recovered.run,
            paces: paces.clone(),
            pollers: pollers.clone(),
            config,
        };
        let orgs: Result<Vec<Org>, String> = start.config.okta.iter().map(|okta| Org::new(okta, &start)).collect();
        let orgs = orgs.map_err(StartError::Http)?;
        let sinks = sinks(&start.config.audit, &start.config.http).map_err(StartError::Http)?;
        let channels = start.config.notify.iter().map(Channel::cursor);
        store.keep_sinks(sinks.iter().map(Sink::name).chain(channels).collect()).await?;
        let former_words = start.config.audit.former_words;
        for sink in sinks {
            AuditSink::start_with(
                sink,
                former_words,
                clock.clone(),
                store.clone(),
                metrics.clone(),
                supervisor.clone(),
            );
        }
        for channel in &start.config.notify {
            store.begin_at_end(&channel.cursor()).await?;
            let client = client(HeaderMap::new(), &start.config.http.transport(SINK_TIMEOUT))
                .map_err(|e| StartError::Http(describe(&e)))?;
            Notifier::start_with(
                channel.clone(),
                client,
                clock.clone(),
                store.clone(),
                metrics.clone(),
                supervisor.clone(),
            );
        }
        let parts = (start.config.audit.sealing.clone(), store.clone(), clock.clone());
        supervisor.keep("sealer", "", move || keep_sealing(parts.0.clone(), parts.1.clone(), parts.2.clone()));
        let parts = (store.clone(), clock.clone(), metrics.clone());
        supervisor.keep("gauges", "", move || keep_reading(parts.0.clone(), parts.1.clone(), parts.2.clone()));
        let parts = (store.clone(), clock.clone(), metrics.clone());
        supervisor.keep("verifier", "", move || keep_verifying(parts.0.clone(), parts.1.clone(), parts.2.clone()));
        for tenant in &start.config.namely {
            if let Some(at) = tenant.token_expires {
                metrics.credential_expiry.with_label_values(&["namely", &tenant.name]).set(seconds(at));
            }
            readiness.missing(&format!("walk {}", tenant.name), "no complete walk yet");
        }
        let traffics = orgs.iter().map(Org::traffic).collect();
        let names = start.config.okta.iter().map(|org| org.name.clone()).collect();
        let admin = start.config.admin.clone();
        start.go(orgs);
        Ok(Self {
            store,
            metrics,
            readiness,
            clock,
            orgs: names,
            admin,
            pollers,
            decided,
            supervisor,
            live: Live { paces, traffics, config: Mutex::new(running) },
        })
    }

    /// Begins nothing more and waits until every call that was announced has its outcome in the store. Returns how many have
    /// none when `deadline` (real time) is over: they are looked at after the next start.
    pub async fn drain(&self, deadline: Duration) -> i64 {
        self.store.begin_nothing_more();
        self.readiness.missing("service", "it was told to end");
        let mut left = -1;
        let emptied = async {
            loop {
                match self.store.in_flight().await {
                    Ok(0) => return,
                    Ok(calls) => left = calls,
                    Err(e) => tracing::error!(error = %e, "the store could not be asked what is under way"),
                }
                tokio::time::sleep(DRAIN_TICK).await;
            }
        };
        if tokio::time::timeout(deadline, emptied).await.is_ok() { 0 } else { left }
    }
}

/// The places where audit rows go.
fn sinks(audit: &Audit, network: &Http) -> Result<Vec<Sink>, String> {
    let file = audit.file.path.clone().map(|path| Sink::File(audit.file.clone(), path));
    let mut sinks: Vec<Sink> = file.into_iter().chain(audit.stdout.then_some(Sink::Stdout)).collect();
    for http in &audit.http {
        let headers = http.token.as_ref().map(|token| authorization(&http.scheme, token)).transpose()?;
        let client = client(headers.unwrap_or_default(), &network.transport(SINK_TIMEOUT)).map_err(|e| describe(&e))?;
        sinks.push(Sink::Http(http.clone(), client));
    }
    Ok(sinks)
}

/// What is needed from the opening of the store until everything runs.
pub(crate) struct Start {
    pub config: Config,
    pub clock: Clock,
    pub store: Store,
    pub metrics: Metrics,
    pub readiness: Readiness,
    pub supervisor: Supervisor,
    /// Told when a walk was complete.
    pub walked: Arc<Notify>,
    decided: Arc<Notify>,
    skew: Skew,
    run: i64,
    /// How fast each tenant is asked.
    paces: BTreeMap<String, LivePace>,
    pollers: Pollers,
}

impl Start {
    /// Starts everything side by side: an org or a tenant that cannot be read holds nobody up who does not depend on it.
    fn go(self, orgs: Vec<Org>) {
        let registry = OrgRegistry::default();
        let tools = timekeeper::Tools {
            clock: self.clock.clone(),
            store: self.store.clone(),
            registry: registry.clone(),
            skew: self.skew.clone(),
            readiness: self.readiness.clone(),
        };
        let decided = self.decided.clone();
        self.supervisor.keep("timekeeper", "", move || tools.clone().keep(decided.clone()));
        let (forecast, clock) = (registry.clone(), self.clock.clone());
        self.supervisor.keep("forecaster", "", move || keep_forecasting(forecast.clone(), clock.clone()));
        // Whoever starts something must get to the end.
        for org in orgs {
            let (supervisor, name) = (self.supervisor.clone(), org.traffic().0);
            let working = org.work(registry.clone());
            actix::spawn(async move { supervisor.must("org", &name, working).await });
        }
        let start = Arc::new(self);
        for tenant in start.config.namely.clone() {
            let (supervisor, name) = (start.supervisor.clone(), tenant.name.clone());
            let reading = start.clone().read_tenant(tenant, registry.clone());
            actix::spawn(async move { supervisor.must("tenant", &name, reading).await });
        }
    }

    /// Starts the poller of one tenant, as soon as its groups can be read.
    async fn read_tenant(self: Arc<Self>, tenant: NamelyTenant, registry: OrgRegistry) {
        let what = format!("namely {}", tenant.name);
        let client = match NamelyClient::new(&tenant.url, &tenant.token, tenant.transport.clone()) {
            Ok(client) => client,
            Err(e) => {
                let why = format!("the HTTP client could not be made ({}); correct its url or token", describe(&e));
                tracing::error!(tenant = tenant.name, %why, "this tenant is not read");
                return self.readiness.missing(&what, why);
            }
        };
        let (known, unread) = self.until_known(&tenant.name).await;
        let mut attempt = 0;
        let catalogue = loop {
            match read_catalogue(&client, &tenant.group_types).await {
                Ok(catalogue) => break catalogue,
                Err(why) => {
                    tracing::error!(tenant = tenant.name, %why, attempt, "Namely's groups could not be read; it will be tried again");
                    self.readiness.missing(&what, why);
                    self.clock.sleep(retry::delay(attempt)).await;
                    attempt += 1;
                }
            }
        };
        self.readiness.have(&what);
        let learnt = self.store.learn_titles(tenant.name.clone(), catalogue.titles(), self.clock.now()).await;
        if let Err(e) = learnt {
            tracing::error!(error = %e, "the names of Namely's groups could not be written down");
        }
        let (name, pace) = (tenant.name.clone(), self.paces[&tenant.name].clone());
        let tools = PollerTools {
            tenant,
            pace,
            client,
            reader: Reader::new(&self.config.rulebook.reads()),
            clock: self.clock.clone(),
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            readiness: self.readiness.clone(),
            supervisor: self.supervisor.clone(),
            skew: self.skew.clone(),
            registry,
            walked: self.walked.clone(),
            run: self.run,
        };
        let mut detector = Detector::new(known);
        detector.could_not_read(unread);
        self.pollers.add(&name, Poller::start_with(tools, detector, catalogue));
    }

    /// What the store holds of a tenant, and which profiles could not be read, however long it takes to be told.
    async fn until_known(&self, tenant: &str) -> (Vec<(String, ContentHash)>, Vec<String>) {
        let mut attempt = 0;
        loop {
            let name = tenant.to_owned();
            match self.store.run(move |c| Ok((known_hashes(c, &name)?, unreadable(c, &name)?))).await {
                Ok(known) => return known,
                Err(e) => {
                    tracing::error!(tenant, error = %e, "the store cannot tell what it holds; it is asked again");
                    self.clock.sleep(retry::delay(attempt)).await;
                    attempt += 1;
                }
            }
        }
    }
}
