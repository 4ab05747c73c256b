//! When an org may be written to: opened step by step, as it becomes known.
//!
//! **Invariant:** nothing is written before somebody has accepted the adopt report, and nobody is created before every
//! tenant whose people go there was walked completely.

use super::links::LinkReader;
use super::shared::Org;
use crate::actors::dispatcher::{Dispatcher, Open, Openness, Wake};
use crate::actors::wiring::supervisor::TaskError;
use crate::domain::Rulebook;
use crate::mailbox::Gate;
use crate::store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often it is looked whether somebody has accepted the adopt report.
const TICK: Duration = Duration::from_secs(5);

/// Whoever accepts where the configuration says that nobody is asked.
pub(super) const NOBODY_ASKED: &str = "the configuration (adopt = \"automatic\")";

/// Opens an org step by step, as it becomes known that it may be written to.
#[derive(Clone)]
pub struct Opener {
    pub org: Org,
    pub rulebook: Arc<Rulebook>,
    pub ask: bool,
    pub walked: Arc<Notify>,
    pub dispatcher: Gate<Dispatcher>,
}

impl Opener {
    /// Works until the task is dropped.
    pub async fn open(self) -> Result<(), TaskError> {
        let adopt = format!("adopt {}", self.org.name);
        let mut message = Openness::Closed;
        // Also after that: a tenant that comes later is asked about by itself.
        loop {
            // Registered before the store is asked: a walk that ends in between is not missed.
            let walked = self.walked.notified();
            match self.openness(message).await {
                Ok(Openness::Closed) if self.ask => self.org.shared.readiness.missing(
                    &adopt,
                    format!(
                        "nothing is written before the adopt report is accepted: look at `adopt`, then `adopt --accept {} --code CODE`",
                        self.org.name
                    ),
                ),
                Ok(openness) => {
                    self.report_waiting(&adopt).await;
                    if openness > message {
                        self.dispatcher.send(Open(openness)).await;
                        message = openness;
                        if message == Openness::All {
                            self.org.shared.supervisor.once("manager links", &self.org.name, self.links().read());
                        }
                        continue;
                    }
                }
                Err(e) => tracing::error!(error = %e, "the store cannot be read"),
            }
            tokio::select! {
                () = walked => {}
                () = self.org.shared.clock.sleep(TICK) => {}
            }
        }
    }

    fn links(&self) -> LinkReader {
        LinkReader { org: self.org.clone(), wake: self.dispatcher.bell(Wake) }
    }

    /// The tenants that are routed to the org.
    fn tenants(&self) -> Option<Vec<String>> {
        Some(self.rulebook.org(&self.org.name)?.tenants.clone())
    }

    /// Says whose first contact waits while others go on.
    async fn report_waiting(&self, adopt: &str) {
        let Some(tenants) = self.tenants() else { return };
        match self.org.shared.store.accepted(&self.org.name).await {
            Ok(accepted) => {
                let waiting: Vec<String> = tenants.into_iter().filter(|tenant| !accepted.contains(tenant)).collect();
                if waiting.is_empty() || !self.ask {
                    self.org.shared.readiness.have(adopt);
                } else {
                    let message = format!(
                        "nothing is done for the people of {} before their report is accepted: look at `adopt`, then `adopt --accept {} --code CODE`",
                        waiting.join(", "),
                        self.org.name
                    );
                    self.org.shared.readiness.missing(adopt, message);
                }
            }
            Err(e) => tracing::error!(error = %e, "the store cannot be read"),
        }
    }

    async fn openness(&self, message: Openness) -> Result<Openness, StoreError> {
        // An org that no rule names would be one of no tenant, all of which have been walked.
        let Some(tenants) = self.tenants() else { return Ok(Openness::Closed) };
        if !self.ask {
            self.org
                .shared
                .store
                .accept_unasked(&self.org.name, &tenants, NOBODY_ASKED, self.org.shared.clock.now())
                .await?;
        }
        if !self.org.shared.store.is_adopted(&self.org.name, self.org.shared.clock.now()).await? {
            return Ok(if self.ask { Openness::Closed } else { Openness::Terminations });
        }
        if message == Openness::All {
            return Ok(message);
        }
        if !self.org.shared.store.all_walked(tenants).await? {
            return Ok(Openness::Terminations);
        }
        Ok(Openness::All)
    }
}
