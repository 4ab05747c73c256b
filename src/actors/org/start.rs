//! One Okta org, from its writers to its dispatcher: begun with what is known of it, and read as a whole.
//!
//! **Invariant:** until the org was read as a whole and compared, only access of people is ended who were known before the
//! start; what is open after that is said by the opener.

use super::directory::{SharedDirectory, say_who_is_unknown};
use super::lists::Lists;
use super::opener::Opener;
use super::prime::{read_accounts, read_directory, read_schema};
use super::registry::OrgRegistry;
use crate::actors::dispatcher::{Dispatcher, Open, Openness, Wake};
use crate::actors::forecaster::Forecaster;
use crate::actors::person_run::Tools;
use crate::actors::reconciler::Reconciler;
use crate::actors::runs::{Runs, Watchdog, longest_silence};
use crate::actors::searcher::Searcher;
use crate::actors::wiring::readiness::Readiness;
use crate::actors::wiring::supervisor::Supervisor;
use crate::actors::wiring::topology::Start;
use crate::actors::wiring::traffic::{Traffic, Tuning};
use crate::actors::writer::Writers;
use crate::clock::Clock;
use crate::config::{self, OktaOrg, Reconciling};
use crate::domain::account::administrators::Administrators;
use crate::domain::plan::rulebook::OrgRules;
use crate::domain::{Directory, Priority, Rulebook};
use crate::mailbox::Gate;
use crate::metrics::Metrics;
use crate::okta::schema::misfits;
use crate::okta::{Ledger, OktaClient};
use crate::retry;
use crate::store::{Primed, Store, StoreError, directory, is_read};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::Notify;

/// An org, before it works.
pub(crate) struct Org {
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
    lists: Lists,
    supervisor: Supervisor,
    /// For how long nothing can be heard of a run, in real time.
    longest_silence: Duration,
}

/// An org at work: what its people are done with, and what wakes it.
struct Begun {
    directory: SharedDirectory,
    dispatcher: Gate<Dispatcher>,
}

impl Org {
    /// Starts the writers of an org.
    pub fn new(okta: &OktaOrg, start: &Start) -> Result<Self, String> {
        let name: Arc<str> = okta.name.as_str().into();
        start.readiness.missing(&missing(&name), "not primed yet");
        let client = OktaClient::new(&okta.url, okta.credentials.clone(), &start.clock, okta.transport.clone())?;
        let traffic = Traffic::new(tuning(okta, &start.config.service));
        let ledger = Ledger::new(okta.shares);
        let writers = Writers::start(&name, &client, &ledger, &traffic, &start.readiness, &start.supervisor);
        let mapped = Arc::new(start.config.rulebook.account_attributes());
        let lists = Lists {
            org: name.clone(),
            clock: start.clock.clone(),
            store: start.store.clone(),
            writers: writers.clone(),
            readiness: start.readiness.clone(),
            mapped: mapped.clone(),
            believed: Arc::new(AtomicBool::new(true)),
        };
        Ok(Self {
            name,
            ask_to_adopt: okta.ask_to_adopt,
            mapped,
            lists,
            supervisor: start.supervisor.clone(),
            longest_silence: longest_silence(okta.transport.timeout),
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

    /// Works for the life of the service. Whoever was known before the start and has an account can be ended at once: that
    /// needs the account's id and nothing of what is read first, however long that takes. Everything else waits until the
    /// org was read as a whole and compared with whom Namely has shown.
    pub async fn work(self, registry: OrgRegistry) {
        let known = self.known().await;
        // Somebody may have become an administrator meanwhile: who ends before the list is read is asked about.
        let early = known.map(|directory| self.begin(directory.with_old_administrators(), &registry));
        if let Some(begun) = &early {
            begun.dispatcher.send(Open(Openness::Terminations)).await;
        }
        let (directory, primed) = self.prime().await;
        let begun = match early {
            Some(begun) => {
                begun.directory.replace(directory);
                if let Err(e) = self.store.administrators_changed(&self.name, false, self.clock.now()).await {
                    tracing::warn!(error = %e, "who waits as an administrator could not be evaluated anew");
                }
                begun
            }
            None => self.begin(directory, &registry),
        };
        self.go_on(&begun, primed);
    }

    /// What the org had besides people when it was read last, if somebody has accepted its report: then its people are
    /// known too.
    async fn known(&self) -> Option<Directory> {
        let org = self.name.to_string();
        let known = self.store.run(move |c| if is_read(c, &org)? { directory(c, &org) } else { Ok(None) });
        let (known, adopted) = (known.await, self.store.is_adopted(&self.name, self.clock.now()).await);
        match (known, adopted) {
            (Ok(known), Ok(true)) => known,
            (Ok(_), Ok(false)) => None,
            (Err(e), _) | (_, Err(e)) => {
                tracing::error!(org = %self.name, error = %e, "what is known of the org cannot be read: it waits for Okta's lists");
                None
            }
        }
    }

    /// Reads all of the org, for as long as it takes, and compares it with everybody who was seen meanwhile.
    async fn prime(&self) -> (Directory, Primed) {
        let mut attempt = 0;
        loop {
            match self.try_prime().await {
                Ok(primed) => {
                    self.readiness.have(&missing(&self.name));
                    return primed;
                }
                Err(why) => {
                    tracing::error!(org = %self.name, %why, "Okta could not be read; it will be tried again");
                    self.readiness.missing(&missing(&self.name), why);
                }
            }
            self.clock.sleep(retry::delay(attempt)).await;
            attempt += 1;
        }
    }

    async fn try_prime(&self) -> Result<(Directory, Primed), String> {
        let mapping = &self.rulebook.mapping;
        let rules = self.rules().ok_or("the org is not configured")?;
        let known = self.last_known().await?;
        let directory = read_directory(&self.writers, mapping, rules, &known, Priority::Inspect).await?;
        say_who_is_unknown(&self.readiness, &self.name, &directory);
        self.compare_schema().await;
        let started = self.clock.now();
        let (accounts, groups) = read_accounts(&self.writers, &directory, &self.rulebook, &self.mapped).await?;
        let error = |e: StoreError| e.to_string();
        // Before the accounts: who is an administrator must be known when somebody is matched.
        self.store.put_directory(&self.name, &directory).await.map_err(error)?;
        let primed: Primed = self.store.prime(&self.name, accounts, groups, started).await.map_err(error)?;
        self.store.correlate_org(&self.name, self.clock.now()).await.map_err(error)?;
        tracing::info!(org = %self.name, accounts = primed.accounts, new = primed.new, missing = primed.missing.len(), "Okta is primed");
        Ok((directory, primed))
    }

    /// Who was an administrator when that was read last.
    async fn last_known(&self) -> Result<Administrators, String> {
        let name = self.name.clone();
        let before = self.store.run(move |c| directory(c, &name)).await.map_err(|e| e.to_string())?;
        Ok(before.map_or(Administrators::never_read(), |before| before.administrators().clone()))
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
pub(crate) fn tuning(okta: &OktaOrg, service: &config::Service) -> Tuning {
    Tuning { in_flight: okta.in_flight, runs: service.runs, shares: okta.shares, waits: okta.waits }
}

impl Org {
    /// Starts the dispatcher, closed, and what forecasts its backlog.
    fn begin(&self, directory: Directory, registry: &OrgRegistry) -> Begun {
        let directory = SharedDirectory::new(directory);
        let forecaster = Forecaster {
            org: self.name.clone(),
            rules: self.store.rules(),
            clock: self.clock.clone(),
            store: self.store.clone(),
            directory: directory.clone(),
            traffic: self.traffic.clone(),
            metrics: self.metrics.clone(),
        };
        let runs = Runs::default();
        let tools = Tools {
            org: self.name.clone(),
            rules: self.store.rules(),
            clock: self.clock.clone(),
            store: self.store.clone(),
            writers: self.writers.clone(),
            directory: directory.clone(),
            metrics: self.metrics.clone(),
            mapped: self.mapped.clone(),
            traffic: self.traffic.clone(),
            lists: self.lists.clone(),
            supervisor: self.supervisor.clone(),
            runs: runs.clone(),
        };
        let dispatcher = Dispatcher::start_with(tools, self.traffic.clone());
        let watchdog = Watchdog {
            org: self.name.clone(),
            runs,
            store: self.store.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            longest: self.longest_silence,
        };
        self.supervisor.keep("watchdog", &self.name, move || watchdog.clone().keep());
        registry.post(dispatcher.clone(), forecaster);
        Begun { directory, dispatcher }
    }

    /// Starts what needs the org to have been read.
    fn go_on(self, begun: &Begun, primed: Primed) {
        let (supervisor, name) = (self.supervisor.clone(), self.name.clone());
        let parts = (self.writers.clone(), self.name.clone(), self.store.clone(), self.readiness.clone());
        let directory = begun.directory.clone();
        let keep = move || directory.clone().keep(parts.0.clone(), parts.1.clone(), parts.2.clone(), parts.3.clone());
        supervisor.keep("groups of the org", &name, keep);
        let opener = Opener {
            name: self.name.clone(),
            rulebook: self.rulebook.clone(),
            ask: self.ask_to_adopt,
            clock: self.clock.clone(),
            store: self.store.clone(),
            readiness: self.readiness.clone(),
            walked: self.walked.clone(),
            writers: self.writers.clone(),
            dispatcher: begun.dispatcher.clone(),
        };
        self.lists.weigh(primed.known, &primed.missing);
        supervisor.keep("opener", &name, move || opener.clone().open());
        let searcher = Searcher { lists: self.lists.clone(), dispatcher: begun.dispatcher.clone() };
        supervisor.keep("searcher", &name, move || {
            let searcher = searcher.clone();
            async move {
                searcher.keep().await;
                Ok(())
            }
        });
        let correct = self.reconcile.correct;
        let lists = self.lists.clone();
        let looking = missing_at_start(lists.clone(), primed, correct, begun.dispatcher.clone());
        let (watched, org) = (supervisor.clone(), name.clone());
        tokio::spawn(async move { watched.attempt_async("proof of the lists", &org, looking).await });
        let reconciler = Reconciler {
            org: self.name,
            settings: self.reconcile,
            clock: self.clock,
            store: self.store,
            writers: self.writers,
            directory: begun.directory.clone(),
            mapped: self.mapped,
            lists,
            dispatcher: begun.dispatcher.clone(),
        };
        supervisor.keep("reconciler", &name, move || reconciler.clone().keep());
    }
}

/// Asks for what is known and the lists of the start lack.
async fn missing_at_start(lists: Lists, primed: Primed, correct: bool, dispatcher: Gate<Dispatcher>) {
    let gone = match lists.prove(primed.known, &primed.missing).await {
        Ok(gone) => {
            lists.store.note_drift(&lists.org, gone, correct, lists.clock.now()).await.map_err(|e| e.to_string())
        }
        Err(why) => Err(why),
    };
    match gone {
        Ok(0) => {}
        Ok(_) => dispatcher.signal(Wake),
        Err(why) => {
            tracing::error!(org = %lists.org, %why, "what the lists lack could not be looked up; it is kept as it was known");
        }
    }
}
