//! Reads the manager links of an org once, after it is open: one call a manager, which nothing and nobody waits for.

use super::prime::read_links;
use super::shared::Org;
use crate::mailbox::Bell;
use crate::retry;
use crate::store::StoreError;

/// What is needed to read them.
pub struct LinkReader {
    pub org: Org,
    /// Wakes the dispatcher.
    pub wake: Bell,
}

impl LinkReader {
    /// Reads the links if they were never read; from then on they are kept by our own writes.
    pub async fn read(self) {
        let rules = self.org.shared.store.rules().load();
        let Some(relation) = rules.org(&self.org.name).and_then(|org| org.manager_relation.clone()) else { return };
        let what = format!("links {}", self.org.name);
        match self.learn(&relation, &what).await {
            Ok(differ) => {
                self.org.shared.readiness.have(&what);
                if differ > 0 {
                    self.wake.ring();
                }
            }
            Err(e) => {
                tracing::error!(org = %self.org.name, error = %e, "manager links could not be written down; the next start reads them");
            }
        }
    }

    /// Returns how many people have another manager in Okta than in Namely.
    async fn learn(&self, relation: &str, what: &str) -> Result<usize, StoreError> {
        if self.org.shared.store.links_known(&self.org.name).await? {
            return Ok(0);
        }
        let clock = &self.org.shared.clock;
        let mut attempt = 0;
        loop {
            let managers = self.org.shared.store.managers(&self.org.name).await?;
            if attempt == 0 {
                self.org
                    .shared
                    .readiness
                    .missing(what, format!("the links of {} managers are being read", managers.len()));
            }
            match read_links(&self.org.writers, relation, &managers).await {
                Ok(links) => {
                    tracing::info!(org = %self.org.name, managers = managers.len(), links = links.len(), "manager links are known");
                    return self.org.shared.store.learn_links(&self.org.name, links, clock.now()).await;
                }
                // What cannot be read is unknown, for as long as it takes: nobody is taken to have no manager.
                Err(why) => {
                    tracing::warn!(org = %self.org.name, %why, "manager links could not be read; it is tried again");
                    self.org.shared.readiness.missing(what, format!("manager links are not known: {why}"));
                    clock.sleep(retry::delay(attempt)).await;
                    attempt += 1;
                }
            }
        }
    }
}
