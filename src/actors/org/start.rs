//! One Okta org, from its writers to its dispatcher: begun with what is known of it, and read as a whole.
//!
//! **Invariant:** until the org was read as a whole and compared, only access of people is ended who were known before the
//! start; what is open after that is said by the opener.

use super::administrators::read_administrators;
use super::directory::{SharedDirectory, beside, say_who_is_unknown};
use super::lists::Lists;
use super::opener::{NOBODY_ASKED, Opener};
use super::prime::{Listed, read_accounts, read_directory, read_schema};
use super::shared::Org;
use crate::actors::dispatcher::{Dispatcher, Open, Openness, Wake};
use crate::actors::forecaster::Forecaster;
use crate::actors::person_run::Tools;
use crate::actors::prober::Prober;
use crate::actors::progress::longest_silence;
use crate::actors::reconciler::Reconciler;
use crate::actors::runs::{Runs, Watchdog};
use crate::actors::searcher::Searcher;
use crate::actors::wiring::live::tuning;
use crate::actors::wiring::shared::Shared;
use crate::actors::wiring::traffic::Traffic;
use crate::actors::writer::Writers;
use crate::config::{Config, OktaOrg, Reconciling};
use crate::domain::account::administrators::Administrators;
use crate::domain::plan::rulebook::OrgRules;
use crate::domain::{Directory, Priority, Rulebook};
use crate::mailbox::{Bell, Gate};
use crate::okta::schema::misfits;
use crate::okta::{Bucket, ClientError, Ledger, OktaClient};
use crate::retry;
use crate::store::{Primed, StoreError, directory, is_read};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// An org, before it works.
pub(crate) struct Beginning {
    org: Org,
    rulebook: Arc<Rulebook>,
    ask_to_adopt: bool,
    /// Told when a walk was complete.
    walked: Arc<Notify>,
    reconcile: Reconciling,
    lists: Lists,
    /// For how long nothing can be heard of a run, in real time.
    longest_silence: Duration,
}

/// An org at work: what its people are done with, and what wakes it.
struct Begun {
    directory: SharedDirectory,
    dispatcher: Gate<Dispatcher>,
}

impl Beginning {
    /// Starts the writers of an org.
    pub fn new(okta: &OktaOrg, config: &Config, shared: &Shared, walked: &Arc<Notify>) -> Result<Self, ClientError> {
        shared.readiness.missing(&missing(&okta.name), "not primed yet");
        let client = OktaClient::new(&okta.url, okta.credentials.clone(), &shared.clock, okta.transport.clone())?;
        let (name, traffic): (Arc<str>, _) = (okta.name.as_str().into(), Traffic::new(tuning(okta, &config.service)));
        let writers = Writers::start(&name, &client, &Ledger::new(okta.shares), &traffic, shared);
        let mapped = Arc::new(config.rulebook.account_attributes());
        let org = Org { name, shared: shared.clone(), writers, traffic, mapped };
        Ok(Self {
            lists: Lists::new(org.clone()),
            org,
            rulebook: config.rulebook.clone(),
            ask_to_adopt: okta.ask_to_adopt,
            walked: walked.clone(),
            reconcile: config.reconcile.clone(),
            longest_silence: longest_silence(okta.transport.timeout),
        })
    }

    /// What all parts of it share.
    pub fn org(&self) -> &Org {
        &self.org
    }

    /// Works for the life of the service. Whoever was known before the start and has an account can be ended at once: that
    /// needs the account's id and nothing of what is read first, however long that takes. Everything else waits until the
    /// org was read as a whole and compared with whom Namely has shown.
    pub async fn work(self) {
        let prober = Prober { org: self.org.clone() };
        self.org.shared.supervisor.keep("prober", &self.org.name, move || prober.clone().keep());
        let known = self.known().await;
        // Somebody may have become an administrator meanwhile: who ends before the list is read is asked about.
        let early = known.map(|directory| self.begin(directory.with_old_administrators()));
        if let Some(begun) = &early {
            begun.dispatcher.send(Open(Openness::Terminations)).await;
        }
        let mut early = early;
        let (directory, primed) = self.prime(&mut early).await;
        let begun = match early {
            Some(begun) => {
                begun.directory.replace(directory);
                if let Err(e) = self
                    .org
                    .shared
                    .store
                    .administrators_changed(&self.org.name, false, self.org.shared.clock.now())
                    .await
                {
                    tracing::warn!(error = %e, "who waits as an administrator could not be evaluated anew");
                }
                begun
            }
            None => self.begin(directory),
        };
        self.go_on(&begun, primed);
    }

    /// What the org had besides people when it was read last, if somebody has accepted its report: then its people are
    /// known too.
    async fn known(&self) -> Option<Directory> {
        let org = self.org.name.to_string();
        let known = self.org.shared.store.run(move |c| if is_read(c, &org)? { directory(c, &org) } else { Ok(None) });
        let (known, adopted) =
            (known.await, self.org.shared.store.is_adopted(&self.org.name, self.org.shared.clock.now()).await);
        match (known, adopted) {
            (Ok(known), Ok(true)) => known,
            (Ok(_), Ok(false)) => None,
            (Err(e), _) | (_, Err(e)) => {
                tracing::error!(org = %self.org.name, error = %e, "what is known of the org cannot be read: it waits for Okta's lists");
                None
            }
        }
    }

    /// Reads all of the org, for as long as it takes, and compares it with everybody who was seen meanwhile.
    ///
    /// Where nobody may read its groups, access is ended all the same, from the first start on: `early` is what does it.
    async fn prime(&self, early: &mut Option<Begun>) -> (Directory, Primed) {
        let mut attempt = 0;
        loop {
            match self.try_prime().await {
                Ok(primed) => {
                    self.org.shared.readiness.have(&missing(&self.org.name));
                    return primed;
                }
                Err(why) => {
                    tracing::error!(org = %self.org.name, %why, "Okta could not be read; it will be tried again");
                    self.org.shared.readiness.missing(&missing(&self.org.name), why);
                    if early.is_none() {
                        *early = self.begin_without_groups().await;
                    }
                }
            }
            self.org.shared.clock.sleep(retry::delay(attempt)).await;
            attempt += 1;
        }
    }

    /// Begins an org whose accounts can be read and whose groups cannot, for want of a scope, with what ends access: that needs no
    /// group, and what it asks of groups is asked for each person.
    async fn begin_without_groups(&self) -> Option<Begun> {
        if !self.org.traffic.health(|health| health.is_refused(Bucket::Groups, false)) {
            return None;
        }
        match self.read_without_groups().await {
            Ok(directory) => {
                let begun = self.begin(directory?);
                begun.dispatcher.send(Open(Openness::Terminations)).await;
                Some(begun)
            }
            Err(why) => {
                tracing::error!(org = %self.org.name, %why, "the accounts of the org could not be read either");
                None
            }
        }
    }

    /// Reads the accounts of the org; nothing where somebody has to accept its report first.
    async fn read_without_groups(&self) -> Result<Option<Directory>, String> {
        let (Org { name, shared, writers, mapped, .. }, error) = (&self.org, |e: StoreError| e.to_string());
        let (store, clock) = (&shared.store, &shared.clock);
        if self.ask_to_adopt && !store.is_adopted(name, clock.now()).await.map_err(error)? {
            return Ok(None);
        }
        let (mapping, rules) = (&self.rulebook.mapping, self.rules().ok_or("the org is not configured")?);
        let (nothing, known) = (Directory::default(), self.last_known().await?);
        let found = read_administrators(writers, mapping, &nothing, &known, Priority::Inspect).await;
        let directory = nothing.with_administrators(found);
        let started = clock.now();
        let Listed { accounts, read, lacks_some } = read_accounts(writers, &directory, &self.rulebook, mapped).await?;
        if lacks_some {
            store.distrust_lists(name).await.map_err(error)?;
        }
        store.prime(name, accounts, read, started).await.map_err(error)?;
        store.correlate_org(name, clock.now()).await.map_err(error)?;
        if !self.ask_to_adopt {
            store.accept_unasked(name, &rules.tenants, NOBODY_ASKED, clock.now()).await.map_err(error)?;
        }
        Ok(Some(directory))
    }

    async fn try_prime(&self) -> Result<(Directory, Primed), String> {
        let mapping = &self.rulebook.mapping;
        let rules = self.rules().ok_or("the org is not configured")?;
        let before = self.last_read().await?.unwrap_or_default();
        let known = self.last_known().await?;
        let directory = read_directory(&self.org.writers, mapping, rules, &known, Priority::Inspect).await?;
        let directory = beside(&self.org, &before, directory, self.reconcile.correct, |_| ()).await;
        say_who_is_unknown(&self.org.shared.readiness, &self.org.name, &directory);
        self.compare_schema().await;
        let started = self.org.shared.clock.now();
        let Listed { accounts, read, lacks_some } =
            read_accounts(&self.org.writers, &directory, &self.rulebook, &self.org.mapped).await?;
        let error = |e: StoreError| e.to_string();
        let ids = accounts.iter().map(|account| account.id.clone()).collect();
        if let Some(known) = self.org.shared.store.known_of_another_org(&self.org.name, ids).await.map_err(error)? {
            return Err(format!(
                "none of the {known} accounts that are known of {name} is there: this is another org, or the \
                 credentials see other people than before, and nothing new is written. Correct its url, or give the role its people back; \
                 if it is another org, give it another name in [[okta]], so that its report is accepted first",
                name = self.org.name
            ));
        }
        if lacks_some {
            self.org.shared.store.distrust_lists(&self.org.name).await.map_err(error)?;
        }
        // Before the accounts: who is an administrator must be known when somebody is matched.
        let now = self.org.shared.clock.now();
        self.org.shared.store.put_directory(&self.org.name, &directory, now).await.map_err(error)?;
        let compared = Some((Arc::new(directory.clone()), self.reconcile.correct));
        let primed: Primed = self
            .org
            .shared
            .store
            .prime_and_compare(&self.org.name, accounts, read, started, compared)
            .await
            .map_err(error)?;
        self.org.shared.store.correlate_org(&self.org.name, self.org.shared.clock.now()).await.map_err(error)?;
        tracing::info!(org = %self.org.name, accounts = primed.accounts, new = primed.new, missing = primed.missing.len(), "Okta is primed");
        Ok((directory, primed))
    }

    /// Who was an administrator when that was read last.
    async fn last_known(&self) -> Result<Administrators, String> {
        let before = self.last_read().await?;
        Ok(before.map_or(Administrators::never_read(), |before| before.administrators().clone()))
    }

    /// What the org had besides people when that was read last.
    async fn last_read(&self) -> Result<Option<Directory>, String> {
        let name = self.org.name.clone();
        self.org.shared.store.run(move |c| directory(c, &name)).await.map_err(|e| e.to_string())
    }

    /// Says what of the mapping does not fit the org. Nobody waits for that but those whom it concerns.
    async fn compare_schema(&self) {
        let what = format!("mapping {}", self.org.name);
        match read_schema(&self.org.writers).await {
            Ok(schema) => match misfits(&schema, &self.rulebook).as_slice() {
                [] => self.org.shared.readiness.have(&what),
                found => {
                    let why = found.join("; ");
                    tracing::warn!(org = %self.org.name, %why, "the mapping does not fit the org");
                    self.org.shared.readiness.missing(&what, why);
                }
            },
            Err(why) => {
                tracing::warn!(org = %self.org.name, %why, "the user schema cannot be read: the mapping is not compared")
            }
        }
    }

    fn rules(&self) -> Option<&OrgRules> {
        self.rulebook.org(&self.org.name)
    }
}

fn missing(org: &str) -> String {
    format!("okta {org}")
}

impl Beginning {
    /// Starts the dispatcher, closed, and what forecasts its backlog.
    fn begin(&self, directory: Directory) -> Begun {
        let deciding = self.rulebook.safeguards.deciding(&self.org.name);
        let directory = SharedDirectory::new(directory, self.reconcile.correct, deciding);
        let (org, runs) = (&self.org, Runs::default());
        let (lists, supervisor) = (self.lists.clone(), &org.shared.supervisor);
        let tools = Tools { org: org.clone(), directory: directory.clone(), lists, runs: runs.clone() };
        let dispatcher = Dispatcher::start_with(tools);
        let watchdog = Watchdog { org: org.clone(), runs, longest: self.longest_silence };
        supervisor.keep("watchdog", &org.name, move || watchdog.clone().keep());
        let forecaster = Forecaster { org: org.clone(), directory: directory.clone() };
        supervisor.keep("forecaster", &org.name, move || forecaster.clone().keep());
        org.shared.orgs.add(dispatcher.bell(Wake));
        Begun { directory, dispatcher }
    }

    /// Starts what needs the org to have been read.
    fn go_on(self, begun: &Begun, primed: Primed) {
        let (org, lists, wake) = (self.org, self.lists, begun.dispatcher.bell(Wake));
        let (supervisor, name) = (&org.shared.supervisor, &org.name);
        let (directory, of) = (begun.directory.clone(), org.clone());
        supervisor.keep("groups of the org", name, move || directory.clone().keep(of.clone()));
        let (directory, of) = (begun.directory.clone(), org.clone());
        supervisor.keep("admin roles of groups", name, move || directory.clone().keep_roles(of.clone()));
        lists.weigh(primed.known, &primed.missing);
        let opener = Opener {
            org: org.clone(),
            rulebook: self.rulebook,
            ask: self.ask_to_adopt,
            walked: self.walked,
            dispatcher: begun.dispatcher.clone(),
        };
        supervisor.keep("opener", name, move || opener.clone().open());
        let searcher = Searcher { lists: lists.clone(), wake: wake.clone() };
        supervisor.keep("searcher", name, move || searcher.clone().keep());
        let looking = missing_at_start(lists.clone(), primed, self.reconcile.correct, wake.clone());
        supervisor.once("proof of the lists", name, looking);
        let reconciler = Reconciler { settings: self.reconcile, directory: begun.directory.clone(), lists, wake };
        supervisor.keep("reconciler", name, move || reconciler.clone().keep());
    }
}

/// Asks for what is known and the lists of the start lack.
async fn missing_at_start(lists: Lists, primed: Primed, correct: bool, wake: Bell) {
    let gone = match lists.prove(primed.known, &primed.missing).await {
        Ok(gone) => lists
            .org
            .shared
            .store
            .note_drift(&lists.org.name, gone, correct, lists.org.shared.clock.now())
            .await
            .map_err(|e| e.to_string()),
        Err(why) => Err(why),
    };
    match gone {
        Ok(0) => {}
        Ok(_) => wake.ring(),
        Err(why) => {
            tracing::error!(org = %lists.org.name, %why, "what the lists lack could not be looked up; it is kept as it was known");
        }
    }
}
