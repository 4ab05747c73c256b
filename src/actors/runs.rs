//! The runs in flight, and the watchdog over them: a run of which nothing is heard is let go by rule.
//!
//! **Invariant:** nobody is claimed for longer than the longest call takes after the last sign of their run. Only silence
//! counts: an order that waits for a window gives a sign as long as its writer lives, and what waits for the store waits with
//! everybody else.

use super::person_run::{Overdue, PersonRun};
use crate::clock::{Clock, Moment};
use crate::domain::work::run::{Lease, Release};
use crate::mailbox::Gate;
use crate::metrics::Metrics;
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often it is looked, in real time.
const TICK: Duration = Duration::from_secs(2);
/// How often claims are compared with runs: one that has none twice in a row is nobody's.
const CLAIMS_EVERY: u32 = 8;
/// A store that answers later than this is in trouble, and no run is to blame for waiting.
const PROMPT: Duration = Duration::from_secs(1);
/// Beyond what the calls of a step take: a start of the process that lasted, a machine that does something else.
const SLACK: Duration = Duration::from_secs(10);
/// HTTP requests that one call can be at most: a token twice, the call twice, and a proof that is asked for.
const REQUESTS_OF_A_CALL: u32 = 5;

/// How long a call can take whose requests end after `timeout` (real time).
pub fn longest_call(timeout: Duration) -> Duration {
    timeout * REQUESTS_OF_A_CALL
}

/// For how long nothing can be heard of a run whose requests end after `timeout` (real time).
pub fn longest_silence(timeout: Duration) -> Duration {
    longest_call(timeout) + SLACK
}

/// When a run was last heard of. Shared with whoever does something for it.
#[derive(Clone)]
pub struct Progress(Arc<Signs>);

struct Signs {
    last: AtomicI64,
    given_up: AtomicBool,
}

impl Progress {
    /// Of a run that begins.
    pub fn new(clock: &Clock) -> Self {
        let last = AtomicI64::new(clock.monotonic().micros());
        Self(Arc::new(Signs { last, given_up: AtomicBool::new(false) }))
    }

    /// A sign of life.
    pub fn heard(&self, clock: &Clock) {
        self.0.last.store(clock.monotonic().micros(), Ordering::Relaxed);
    }

    /// Whether the run was let go of: nothing may be sent for it any more.
    pub fn is_given_up(&self) -> bool {
        self.0.given_up.load(Ordering::SeqCst)
    }

    fn since(&self, clock: &Clock) -> Duration {
        let last = Moment::from_micros(self.0.last.load(Ordering::Relaxed));
        clock.real(clock.monotonic().since(last))
    }
}

/// A run in flight.
struct Run {
    lease: Lease,
    progress: Progress,
    /// Who it is for, as in the log.
    person: String,
    actor: Gate<PersonRun>,
}

/// The runs in flight in one org, by target and token.
#[derive(Clone, Default)]
pub struct Runs(Arc<Mutex<BTreeMap<(i64, i64), Run>>>);

impl Runs {
    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<(i64, i64), Run>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A run begins.
    pub fn begin(&self, lease: Lease, progress: Progress, person: String, actor: Gate<PersonRun>) {
        self.with(|runs| runs.insert(key(lease), Run { lease, progress, person, actor }));
    }

    /// A run is over.
    pub fn end(&self, lease: Lease) {
        self.with(|runs| runs.remove(&key(lease)));
    }

    fn all_heard(&self, clock: &Clock) {
        self.with(|runs| runs.values().for_each(|run| run.progress.heard(clock)));
    }
}

const fn key(lease: Lease) -> (i64, i64) {
    (lease.target, lease.token)
}

/// Lets go of runs of which nothing is heard.
#[derive(Clone)]
pub struct Watchdog {
    pub org: Arc<str>,
    pub runs: Runs,
    pub store: Store,
    pub clock: Clock,
    pub metrics: Metrics,
    /// In real time.
    pub longest: Duration,
}

impl Watchdog {
    /// Watches until the task is dropped.
    pub async fn keep(self) -> Result<(), String> {
        self.metrics.runs_overdue.with_label_values(&[&self.org]); // an increase begins at 0
        let (mut reads, mut alone) = (0_u32, BTreeSet::new());
        loop {
            tokio::time::sleep(TICK).await;
            if self.store.is_draining() {
                continue; // whoever is in flight is waited for, and looked at after the next start
            }
            if !self.store_is_prompt().await {
                self.runs.all_heard(&self.clock);
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
        let begun = self.clock.monotonic();
        let answered = self.store.run(|_| Ok(())).await.is_ok();
        answered && self.store.trouble().is_none() && self.clock.real(self.clock.monotonic().since(begun)) < PROMPT
    }

    async fn release_overdue(&self) {
        let overdue: Vec<(Lease, Progress, String, Gate<PersonRun>)> = self.runs.with(|runs| {
            let silent = runs.values().filter(|run| run.progress.since(&self.clock) > self.longest);
            silent.map(|run| (run.lease, run.progress.clone(), run.person.clone(), run.actor.clone())).collect()
        });
        for (lease, progress, person, actor) in overdue {
            let seconds = progress.since(&self.clock).as_secs();
            progress.0.given_up.store(true, Ordering::SeqCst);
            if self.release(lease, &person, seconds).await {
                actor.signal(Overdue);
            }
        }
    }

    /// Claims that no run holds: a message with them was lost, or they could not be given back.
    async fn release_claims_without_runs(&self, before: &BTreeSet<(i64, i64)>) -> BTreeSet<(i64, i64)> {
        let Ok(claims) = self.store.claims(&self.org).await else { return BTreeSet::new() };
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
        let (org, target, now) = (&self.org, lease.target, self.clock.now());
        let why = format!(
            "nothing was heard of the run of this person for {seconds} s, so it was let go of; the account is read and the plan is \
             made anew"
        );
        match self.store.abandon(lease, Release::ReadFirst { at: now, why }, now).await {
            Ok(()) => {
                tracing::error!(%org, target, person, seconds, "a run made no progress and was released; please report it");
                self.metrics.runs_overdue.with_label_values(&[org]).inc();
                true
            }
            Err(e) => {
                tracing::error!(%org, target, person, error = %e, "a run that makes no progress could not be released yet");
                false
            }
        }
    }
}
