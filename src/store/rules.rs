//! Exchanging the rules while the service runs.

use super::live::LiveRules;
use super::rows::meta::meta;
use super::rows::{hold, work};
use super::{Store, StoreError, append, everybody};
use crate::audit::details::Reconfigured;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::Rulebook;
use std::sync::Arc;

impl Store {
    /// The rules, as they are exchanged.
    pub fn rules(&self) -> LiveRules {
        self.rules.clone()
    }

    /// The configuration was exchanged, and nothing of it decides about people.
    pub async fn note_reconfigured(&self, changes: Reconfigured, now: Moment) -> Result<(), StoreError> {
        let record = Record::general(now, Event::Reconfigured(changes));
        self.run(move |c| append(c, &record).map(|_| ())).await
    }

    /// From this transaction on `rules` hold, for everybody at once: runs of before find that the revision has moved, and
    /// whoever waits is evaluated anew. `fingerprint` says whether anything differs for anybody: if so, `relink_everybody` must
    /// follow, which is answered. `changes` stands in the audit.
    pub async fn exchange_rules(
        &self,
        rules: Arc<Rulebook>,
        fingerprint: String,
        changes: Reconfigured,
        now: Moment,
    ) -> Result<bool, StoreError> {
        let live = self.rules.clone();
        let before = live.load();
        let exchanged = self
            .run(move |c| {
                live.exchange(rules);
                let differs = meta(c, "rules")?.is_none_or(|known| known != fingerprint);
                if differs {
                    everybody::begin(c, &fingerprint, now)?;
                }
                // Whoever waits may have waited for exactly this.
                work::exchange_rules(c, now)?;
                hold::need_at_least(c, live.load().safeguards.eyes())?;
                append(c, &Record::general(now, Event::Reconfigured(changes)))?;
                Ok(differs)
            })
            .await;
        if exchanged.is_err() {
            self.rules.exchange(before);
        }
        exchanged
    }
}
