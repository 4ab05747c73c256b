//! How the actors hang together, and in which order they start.

use super::gauges::{keep_reading, keep_verifying, seconds};
use super::live::{Live, LivePace};
use super::readiness::{Readiness, Said};
use super::shared::Shared;
use super::sinks::Sink;
use super::supervisor::Supervisor;
use crate::actors::audit_sink::AuditSink;
use crate::actors::core::skew::Skew;
use crate::actors::notifier::Notifier;
use crate::actors::org::start::Beginning;
use crate::actors::poller::{Poller, PollerTools, Pollers, read_catalogue};
use crate::actors::sealer::keep_sealing;
use crate::actors::timekeeper::Timekeeper;
use crate::clock::Clock;
use crate::config::{Admin, Audit, Channel, Config, Http, NamelyTenant};
use crate::domain::guard::alarm::Alarm;
use crate::domain::record::document::Held;
use crate::http::{self, CallError, authorization, client, describe};
use crate::metrics::Metrics;
use crate::namely::{Detector, NamelyClient, Reader};
use crate::okta;
use crate::retry;
use crate::store::{Receiver, Store, StoreError, known_documents, missing_profiles, unreadable};
use arc_swap::ArcSwap;
use reqwest::header::HeaderMap;
use std::collections::BTreeMap;
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
    /// The file is not there, not ours, or another process has it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An org cannot be asked at all.
    #[error("the HTTP client could not be made: {0}")]
    Okta(#[from] okta::ClientError),
    /// A receiver of audit rows or messages cannot be reached at all.
    #[error("the HTTP client could not be made: {0}")]
    Http(#[from] http::ClientError),
}

/// A running service.
pub struct Service {
    /// What everything is remembered in.
    pub store: Store,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// What is not ready yet, and why.
    pub readiness: Readiness,
    /// What every part takes `now` from.
    pub clock: Clock,
    /// Names of the orgs.
    pub orgs: Vec<String>,
    /// Who may ask over HTTP.
    pub admin: Admin,
    /// Who reads one profile at once.
    pub pollers: Pollers,
    /// Told when somebody has decided something, so that it is acted upon at once.
    pub decided: Arc<Notify>,
    pub(super) supervisor: Supervisor,
    pub(super) live: Live,
}

impl Service {
    /// Opens the store, recovers it, and starts every actor on the current actix system. The orgs are primed and the
    /// tenants are walked in the background: `readiness` tells how far that is.
    pub async fn start(config: Config, clock: Clock, metrics: Metrics) -> Result<Self, StartError> {
        let store = Store::open(&config.service.store, config.rulebook.clone(), metrics.store.clone())?;
        Self::start_on(store, config, clock, metrics).await
    }

    /// The same on a store that was opened with the rules of the configuration.
    pub async fn start_on(store: Store, config: Config, clock: Clock, metrics: Metrics) -> Result<Self, StartError> {
        store.take_up(config.addresses(), config.service.renamed.clone(), clock.now()).await?;
        let recovered = store.recover(config.rules.clone(), clock.now()).await?;
        tracing::info!(
            run = recovered.run,
            void_claims = recovered.claims,
            unknown_calls = recovered.unknown,
            rules_changed = recovered.rules_changed,
            "the store is open"
        );
        let shared = Shared::new(clock, store, metrics);
        shared.metrics.parts.serves.set(1);
        let says = shared.readiness.clone();
        shared.store.seat().says(Box::new(move || Said::of(&says).text()));
        let (watched, paused) = (shared.store.clone(), shared.store.stops().clone());
        shared.readiness.watch("store", move || watched.trouble());
        let acts = shared.store.clone();
        shared.readiness.watch("node", move || acts.may_act().err());
        shared.readiness.watch("pause", move || Some(paused.unwritten().first()?.message()));
        let paces: BTreeMap<String, LivePace> =
            config.namely.iter().map(|t| (t.name.clone(), Arc::new(ArcSwap::from_pointee(t.pace)))).collect();
        let walked = Arc::new(Notify::new());
        let orgs = config.okta.iter().map(|okta| Beginning::new(okta, &config, &shared, &walked));
        let orgs = orgs.collect::<Result<Vec<_>, _>>()?;
        start_reporting(&config, &shared).await?;
        keep_watching(&config, &shared);
        for tenant in &config.namely {
            if let Some(at) = tenant.token_expires {
                shared.metrics.parts.credential_expiry.with_label_values(&["namely", &tenant.name]).set(seconds(at));
            }
            shared.readiness.missing(&format!("walk {}", tenant.name), "no complete walk yet");
        }
        let traffics = orgs.iter().map(|org| (org.org().name.to_string(), org.org().traffic.clone())).collect();
        let (pollers, decided) = (Pollers::default(), Arc::new(Notify::new()));
        let service = Self {
            store: shared.store.clone(),
            metrics: shared.metrics.clone(),
            readiness: shared.readiness.clone(),
            clock: shared.clock.clone(),
            orgs: config.okta.iter().map(|org| org.name.clone()).collect(),
            admin: config.admin.clone(),
            pollers: pollers.clone(),
            decided: decided.clone(),
            supervisor: shared.supervisor.clone(),
            live: Live {
                paces: paces.clone(),
                traffics,
                tokens: config.admin.tokens.clone().into(),
                config: Mutex::new(config.clone()),
            },
        };
        let skew = Skew::new(shared.clock.monotonic());
        let timekeeper = Timekeeper { shared: shared.clone(), skew: skew.clone(), decided };
        shared.supervisor.keep("timekeeper", "", move || timekeeper.clone().keep());
        // Side by side: an org or a tenant that cannot be read holds nobody up who does not depend on it.
        for org in orgs {
            let name = org.org().name.clone();
            shared.supervisor.must("org", &name, org.work());
        }
        let reading = Arc::new(Reading { shared, skew, walked, run: recovered.run, paces, pollers, config });
        for tenant in reading.config.namely.clone() {
            let name = tenant.name.clone();
            reading.shared.supervisor.must("tenant", &name, reading.clone().read_tenant(tenant));
        }
        Ok(service)
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

    /// Brings everything into the one file and closes it, after whatever would only ask a store that has stopped has ended.
    pub fn close(&self) -> impl Future<Output = Result<(), String>> + Send + 'static + use<> {
        self.supervisor.end();
        let store = self.store.clone();
        async move { store.close().await }
    }
}

/// The places where audit rows go.
fn sinks(audit: &Audit, network: &Http) -> Result<Vec<Sink>, http::ClientError> {
    let file = audit.file.path.clone().map(|path| Sink::File(audit.file.clone(), path));
    let mut sinks: Vec<Sink> = file.into_iter().chain(audit.stdout.then_some(Sink::Stdout)).collect();
    for http in &audit.http {
        // One that no request can carry is refused at the start.
        http.token.as_ref().map(|token| authorization(&http.scheme, &token.current())).transpose()?;
        let client = client(HeaderMap::new(), &network.transport(SINK_TIMEOUT)).map_err(CallError::from)?;
        sinks.push(Sink::Http(http.clone(), client));
    }
    Ok(sinks)
}

/// Whom a channel tells, each by itself: nobody waits for another one, and what does not wait not for a digest.
fn receivers(channel: &Channel) -> impl Iterator<Item = (&Channel, Receiver)> {
    channel.kind.recipients().into_iter().flat_map(move |recipient| {
        let of =
            move |urgent| (channel, Receiver { channel: channel.name.clone(), recipient: recipient.clone(), urgent });
        [true, false].map(of)
    })
}

/// Starts what tells others: audit sinks and notifiers, each from where it was.
async fn start_reporting(config: &Config, shared: &Shared) -> Result<(), StartError> {
    let sinks = sinks(&config.audit, &config.http)?;
    let receivers: Vec<(&Channel, Receiver)> = config.notify.iter().flat_map(receivers).collect();
    let kept = receivers.iter().map(|(_, receiver)| receiver.clone()).collect();
    shared.store.keep_readers(sinks.iter().map(Sink::name).collect(), kept).await?;
    let former_words = config.audit.former_words;
    for sink in sinks {
        let name = sink.name();
        let sink = AuditSink { sink, former_words, shared: shared.clone() };
        shared.supervisor.keep("audit sink", &name, move || sink.clone().keep());
    }
    for (channel, receiver) in receivers {
        let client = client(HeaderMap::new(), &config.http.transport(SINK_TIMEOUT))
            .map_err(|e| http::ClientError::from(CallError::from(e)))?;
        shared.channels.add(&channel.name, channel.kind.clone(), client.clone());
        let name = receiver.cursor();
        let notifier = Notifier { channel: channel.clone(), receiver, client, shared: shared.clone() };
        shared.supervisor.keep("notifier", &name, move || notifier.clone().keep());
    }
    Ok(())
}

/// Starts what seals and looks at the store.
fn keep_watching(config: &Config, shared: &Shared) {
    let (sealing, of) = (config.audit.sealing.clone(), shared.clone());
    shared.supervisor.keep("sealer", "", move || keep_sealing(sealing.clone(), of.clone()));
    let of = shared.clone();
    shared.supervisor.keep("gauges", "", move || keep_reading(of.clone()));
    let (of, outside) = (shared.clone(), config.audit.sealing.file.clone());
    shared.supervisor.keep("verifier", "", move || keep_verifying(of.clone(), outside.clone()));
}

/// What reads the tenants.
struct Reading {
    shared: Shared,
    config: Config,
    skew: Skew,
    /// Told when a walk was complete.
    walked: Arc<Notify>,
    run: i64,
    paces: BTreeMap<String, LivePace>,
    pollers: Pollers,
}

impl Reading {
    /// Starts the poller of one tenant, as soon as its groups can be read.
    async fn read_tenant(self: Arc<Self>, tenant: NamelyTenant) {
        let Shared { clock, store, readiness, .. } = &self.shared;
        let what = format!("namely {}", tenant.name);
        let client = match NamelyClient::new(&tenant.url, tenant.token.clone(), tenant.transport.clone()) {
            Ok(client) => client,
            Err(e) => {
                let why = format!("the HTTP client could not be made ({}); correct its url or token", describe(&e));
                tracing::error!(tenant = tenant.name, %why, "this tenant is not read");
                return readiness.missing(&what, why);
            }
        };
        let Known { held, unread, missing } = self.until_known(&tenant.name).await;
        let mut attempt = 0;
        let catalogue = loop {
            match read_catalogue(&client, &tenant.group_types).await {
                Ok(catalogue) => break catalogue,
                Err(why) => {
                    tracing::error!(tenant = tenant.name, %why, attempt, "Namely's groups could not be read; it will be tried again");
                    readiness.ill(Alarm::of_namely(&tenant.name, &why, clock.now()));
                    clock.sleep(retry::delay(attempt)).await;
                    attempt += 1;
                }
            }
        };
        readiness.have(&what);
        let learnt = store.learn_titles(tenant.name.clone(), catalogue.titles(), clock.now()).await;
        if let Err(e) = learnt {
            tracing::error!(error = %e, "the names of Namely's groups could not be written down");
        }
        let (name, pace) = (tenant.name.clone(), self.paces[&tenant.name].clone());
        let tools = PollerTools {
            tenant,
            pace,
            client,
            reader: Reader::new(&self.config.rulebook.reads()),
            shared: self.shared.clone(),
            skew: self.skew.clone(),
            walked: self.walked.clone(),
            run: self.run,
        };
        let mut detector = Detector::new(held);
        detector.could_not_read(unread);
        detector.are_missing(missing);
        self.pollers.add(&name, Poller::start_with(tools, detector, catalogue));
    }

    /// What the store holds of a tenant, and which profiles could not be read, however long it takes to be told.
    async fn until_known(&self, tenant: &str) -> Known {
        let mut attempt = 0;
        loop {
            let name = tenant.to_owned();
            let read = self.shared.store.run(move |c| {
                let (held, unread) = (known_documents(c, &name)?, unreadable(c, &name)?);
                Ok(Known { held, unread, missing: missing_profiles(c, &name)? })
            });
            match read.await {
                Ok(known) => return known,
                Err(e) => {
                    tracing::error!(tenant, error = %e, "the store cannot tell what it holds; it is asked again");
                    self.shared.clock.sleep(retry::delay(attempt)).await;
                    attempt += 1;
                }
            }
        }
    }
}

/// What the store holds of a tenant: its profiles, those that could not be read, and those that complete walks did not show.
struct Known {
    held: Vec<(String, Held)>,
    unread: Vec<String>,
    missing: Vec<String>,
}
