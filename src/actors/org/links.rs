//! Reads the manager links of an org once, after it is open: one call a manager, which nothing and nobody waits for.

use super::prime::read_links;
use crate::actors::dispatcher::{Dispatcher, Wake};
use crate::actors::wiring::readiness::Readiness;
use crate::actors::writer::Writers;
use crate::mailbox::Gate;
use crate::retry;
use crate::store::{Store, StoreError};
use std::sync::Arc;

/// What is needed to read them.
pub struct LinkReader {
    pub org: Arc<str>,
    pub store: Store,
    pub writers: Writers,
    pub readiness: Readiness,
    pub dispatcher: Gate<Dispatcher>,
}

impl LinkReader {
    /// Reads the links if they were never read; from then on they are kept by our own writes.
    pub async fn read(self) {
        let rules = self.store.rules().load();
        let Some(relation) = rules.org(&self.org).and_then(|org| org.manager_relation.clone()) else { return };
        let what = format!("links {}", self.org);
        match self.learn(&relation, &what).await {
            Ok(differ) => {
                self.readiness.have(&what);
                if differ > 0 {
                    self.dispatcher.signal(Wake);
                }
            }
            Err(e) => {
                tracing::error!(org = %self.org, error = %e, "manager links could not be written down; the next start reads them");
            }
        }
    }

    /// Returns how many people have another manager in Okta than in Namely.
    async fn learn(&self, relation: &str, what: &str) -> Result<usize, StoreError> {
        if self.store.links_known(&self.org).await? {
            return Ok(0);
        }
        let clock = self.writers.clock();
        let mut attempt = 0;
        loop {
            let managers = self.store.managers(&self.org).await?;
            if attempt == 0 {
                self.readiness.missing(what, format!("the links of {} managers are being read", managers.len()));
            }
            match read_links(&self.writers, relation, &managers).await {
                Ok(links) => {
                    tracing::info!(org = %self.org, managers = managers.len(), links = links.len(), "manager links are known");
                    return self.store.learn_links(&self.org, links, clock.now()).await;
                }
                // What cannot be read is unknown, for as long as it takes: nobody is taken to have no manager.
                Err(why) => {
                    tracing::warn!(org = %self.org, %why, "manager links could not be read; it is tried again");
                    self.readiness.missing(what, format!("manager links are not known: {why}"));
                    clock.sleep(retry::delay(attempt)).await;
                    attempt += 1;
                }
            }
        }
    }
}
