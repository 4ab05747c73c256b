//! When an org may be written to: opened step by step, as it becomes known.
//!
//! **Invariant:** nothing is written before somebody has accepted the adopt report, and nobody is created before every
//! tenant whose people go there was walked completely.

use super::links::LinkReader;
use crate::actors::dispatcher::{Dispatcher, Open, Openness};
use crate::actors::wiring::readiness::Readiness;
use crate::actors::writer::Writers;
use crate::clock::Clock;
use crate::domain::Rulebook;
use crate::mailbox::Gate;
use crate::store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often it is looked whether somebody has accepted the adopt report.
const TICK: Duration = Duration::from_secs(5);

/// Whoever accepts where the configuration says that nobody is asked.
const NOBODY_ASKED: &str = "the configuration (adopt = \"automatic\")";

/// Opens an org step by step, as it becomes known that it may be written to.
#[derive(Clone)]
pub struct Opener {
    pub name: Arc<str>,
    pub rulebook: Arc<Rulebook>,
    pub ask: bool,
    pub clock: Clock,
    pub store: Store,
    pub readiness: Readiness,
    pub walked: Arc<Notify>,
    pub writers: Writers,
    pub dispatcher: Gate<Dispatcher>,
}

impl Opener {
    /// Works until the task is dropped.
    pub async fn open(self) -> Result<(), String> {
        let adopt = format!("adopt {}", self.name);
        let mut message = Openness::Closed;
        // Also after that: a tenant that comes later is asked about by itself.
        loop {
            // Registered before the store is asked: a walk that ends in between is not missed.
            let walked = self.walked.notified();
            match self.openness(message).await {
                Ok(Openness::Closed) if self.ask => self.readiness.missing(
                    &adopt,
                    format!(
                        "nothing is written before the adopt report is accepted: look at `adopt`, then `adopt --accept {} --code CODE`",
                        self.name
                    ),
                ),
                Ok(openness) => {
                    self.report_waiting(&adopt).await;
                    if openness > message {
                        self.dispatcher.send(Open(openness)).await;
                        message = openness;
                        if message == Openness::All {
                            tokio::spawn(self.links().read());
                        }
                        continue;
                    }
                }
                Err(e) => tracing::error!(error = %e, "the store cannot be read"),
            }
            tokio::select! {
                () = walked => {}
                () = self.clock.sleep(TICK) => {}
            }
        }
    }

    fn links(&self) -> LinkReader {
        LinkReader {
            org: self.name.clone(),
            store: self.store.clone(),
            writers: self.writers.clone(),
            readiness: self.readiness.clone(),
            dispatcher: self.dispatcher.clone(),
        }
    }

    /// Says whose first contact waits while others go on.
    async fn report_waiting(&self, adopt: &str) {
        let tenants = self.rulebook.org(&self.name).map(|org| org.tenants.clone()).unwrap_or_default();
        match self.store.accepted(&self.name).await {
            Ok(accepted) => {
                let waiting: Vec<String> = tenants.into_iter().filter(|tenant| !accepted.contains(tenant)).collect();
                if waiting.is_empty() || !self.ask {
                    self.readiness.have(adopt);
                } else {
                    let message = format!(
                        "nothing is done for the people of {} before their report is accepted: look at `adopt`, then `adopt --accept {} --code CODE`",
                        waiting.join(", "),
                        self.name
                    );
                    self.readiness.missing(adopt, message);
                }
            }
            Err(e) => tracing::error!(error = %e, "the store cannot be read"),
        }
    }

    async fn openness(&self, message: Openness) -> Result<Openness, StoreError> {
        let tenants = self.rulebook.org(&self.name).map(|org| org.tenants.clone()).unwrap_or_default();
        if !self.ask {
            self.store.accept_unasked(&self.name, &tenants, NOBODY_ASKED, self.clock.now()).await?;
        }
        if !self.store.is_adopted(&self.name, self.clock.now()).await? {
            return Ok(if self.ask { Openness::Closed } else { Openness::Terminations });
        }
        if message == Openness::All {
            return Ok(message);
        }
        if !self.store.all_walked(tenants).await? {
            return Ok(Openness::Terminations);
        }
        Ok(Openness::All)
    }
}
