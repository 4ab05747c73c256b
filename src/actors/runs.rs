//! The runs in flight, and the watchdog over them: a run of which nothing is heard is let go by rule.
//!
//! **Invariant:** nobody is claimed for longer than the longest call takes after the last sign of their run. Only silence
//! counts: an order that waits for a window gives a sign as long as its writer lives, and what waits for the store waits with
//! everybody else.

use super::org::shared::Org;
use super::progress::Progress;
use super::wiring::supervisor::TaskError;
use crate::clock::Clock;
use crate::domain::work::run::{Lease, Release};
use crate::mailbox::Bell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often it is looked, in real time.
const TICK: Duration = Duration::from_secs(2);
/// How often claims are compared with runs: one that has none twice in a row is nobody's.
const CLAIMS_EVERY: u32 = 8;
/// A store that answers later than this is in trouble, and no run is to blame for waiting.
const PROMPT: Duration = Duration::from_secs(1);
/// A run in flight.
struct Run {
    lease: Lease,
    progress: Progress,
    /// Who it is for, as in the log.
    person: String,
    /// Has its actor stop.
    overdue: Bell,
}

/// The runs in flight in one org, by target and token.
#[derive(Clone, Default)]
pub struct Runs(Arc<Mutex<BTreeMap<(i64, i64), Run>>>);

impl Runs {
    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<(i64, i64), Run>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A run begins; it is in flight until what is returned is dropped.
    pub fn begin(&self, lease: Lease, progress: Progress, person: String, overdue: Bell) -> InFlight {
        self.with(|runs| runs.insert(key(lease), Run { lease, progress, person, overdue }));
        InFlight { runs: self.clone(), lease }
    }

    fn all_heard(&self, clock: &Clock) {
        self.with(|runs| runs.values().for_each(|run| run.progress.heard(clock)));
    }
}

/// That a run is in flight.
pub struct InFlight {
    runs: Runs,
    lease: Lease,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.runs.with(|runs| runs.remove(&key(self.lease)));
    }
}

const fn key(lease: Lease) -> (i64, i64) {
    (lease.target, lease.token)
}

/// Lets go of runs of which nothing is heard.
#[derive(Clone)]
pub struct Watchdog {
    pub org: Org,
    pub runs: Runs,
    /// For how long nothing can be heard of a run, in real time.
    pub longest: Duration,
}

impl Watchdog {
    /// Watches until the task is dropped.
    pub async fn keep(self) -> Result<(), TaskError> {
        self.org.shared.metrics.parts.runs_overdue.with_label_values(&[&self.org.name]); // an increase begins at 0
        let (mut reads, mut alone) = (0_u32, BTreeSet::new());
        loop {
            tokio::time::sleep(TICK).await;
            if self.org.shared.store.is_draining() {
                continue; // whoever is in flight is waited for, and looked at after the next start
            }
            if !self.store_is_prompt().await {
                self.runs.all_heard(&self.org.shared.clock);
                alone.clear();
                continue;
            }
            self.release_overdue().await;
            reads = reads.wrapping_add(1);
            if reads.is_multiple_of(CLAIMS_EVERY) {
                alone = self.release_claims_without_runs(&alone).await;
            }
        }
    }

    /// Whether whatever runs have asked of the store before was answered: it answers in the order in which it is asked.
    async fn store_is_prompt(&self) -> bool {
        let begun = self.org.shared.clock.monotonic();
        let answered = self.org.shared.store.run(|_| Ok(())).await.is_ok();
        answered
            && self.org.shared.store.trouble().is_none()
            && self.org.shared.clock.real(self.org.shared.clock.monotonic().since(begun)) < PROMPT
    }

    async fn release_overdue(&self) {
        let overdue: Vec<(Lease, Progress, String, Bell)> = self.runs.with(|runs| {
            let silent = runs.values().filter(|run| run.progress.since(&self.org.shared.clock) > self.longest);
            silent.map(|run| (run.lease, run.progress.clone(), run.person.clone(), run.overdue.clone())).collect()
        });
        for (lease, progress, person, bell) in overdue {
            let seconds = progress.since(&self.org.shared.clock).as_secs();
            progress.give_up();
            if self.release(lease, &person, seconds).await {
                bell.ring();
            }
        }
    }

    /// Claims that no run holds: a message with them was lost, or they could not be given back.
    async fn release_claims_without_runs(&self, before: &BTreeSet<(i64, i64)>) -> BTreeSet<(i64, i64)> {
        let Ok(claims) = self.org.shared.store.claims(&self.org.name).await else { return BTreeSet::new() };
        let mut alone = BTreeSet::new();
        for lease in claims.into_iter().filter(|lease| self.runs.with(|runs| !runs.contains_key(&key(*lease)))) {
            let again = before.contains(&key(lease));
            if !again || !self.release(lease, "", (TICK * CLAIMS_EVERY).as_secs()).await {
                alone.insert(key(lease));
            }
        }
        alone
    }

    async fn release(&self, lease: Lease, person: &str, seconds: u64) -> bool {
        let (org, target, now) = (&self.org.name, lease.target, self.org.shared.clock.now());
        let why = format!(
            "nothing was heard of the run of this person for {seconds} s, so it was let go of; the account is read and the plan is \
             made anew"
        );
        match self.org.shared.store.abandon(lease, Release::ReadFirst { at: now, why }, now).await {
            Ok(()) => {
                tracing::error!(%org, target, person, seconds, "a run made no progress and was released; please report it");
                self.org.shared.metrics.parts.runs_overdue.with_label_values(&[org]).inc();
                true
            }
            Err(e) => {
                tracing::error!(%org, target, person, error = %e, "a run that makes no progress could not be released yet");
                false
            }
        }
    }
}
