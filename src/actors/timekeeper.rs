//! The timekeeper: marks people dirty for whom a date has passed, and acts upon decisions of operators.

use super::core::skew::{Belief, Both, Skew, message};
use super::wiring::shared::Shared;
use super::wiring::supervisor::TaskError;
use crate::store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How late a date may be noticed.
const TICK: Duration = Duration::from_secs(5);
const SHORTEST_TICK: Duration = Duration::from_millis(100);

/// The timekeeper.
#[derive(Clone)]
pub struct Timekeeper {
    pub shared: Shared,
    /// What Namely's servers say of this machine's clock.
    pub skew: Skew,
    /// Told when somebody has decided something.
    pub decided: Arc<Notify>,
}

impl Timekeeper {
    /// Looks now and then, and at once when somebody has decided something, until the task is dropped.
    pub async fn keep(self) -> Result<(), TaskError> {
        let mut before = Both::now(&self.shared.clock);
        loop {
            let now = Both::now(&self.shared.clock);
            let back = now.set_back_since(&before);
            before = now;
            self.tick(back).await;
            tokio::select! {
                () = self.decided.notified() => {}
                () = tokio::time::sleep(self.shared.clock.real(TICK).max(SHORTEST_TICK)) => {}
            }
        }
    }

    /// Acts upon what time and people have changed; the calendar may have been set `back`.
    async fn tick(&self, back: Option<Duration>) {
        let belief = self.skew.belief(self.shared.clock.monotonic());
        match belief {
            Belief::Off(ahead) => self.shared.readiness.missing("clock", message(ahead)),
            Belief::Right | Belief::NotAskedYet => self.shared.readiness.have("clock"),
        }
        let woken = self.tend(back, belief == Belief::Right).await;
        if woken > 0 {
            self.shared.orgs.ring();
        }
    }

    /// Returns how many people may be worked on because of it. What fails keeps nothing else from being done, and the
    /// service is not ready before it works.
    async fn tend(&self, back: Option<Duration>, clock_is_right: bool) -> usize {
        let (store, now) = (&self.shared.store, self.shared.clock.now());
        let mut tended = Tended::default();
        if let Some(back) = back {
            let seconds = back.as_secs_f64();
            tracing::warn!(seconds, "this machine's clock was set back; nobody waits longer for it");
            tended.done("what is due could not be set back", store.clock_was_set_back(back).await.map(|()| 0));
        }
        tended.done("nobody could be tried for others", store.probe_permissions(now).await.map(|()| 0));
        if clock_is_right {
            tended.done("due dates could not be looked up", store.wake_due(now).await.map(|woken| woken.len()));
        }
        tended.done("nobody could be looked at again", store.read_unanswered_again(now).await);
        let reviews = store.apply_verdicts(now).await.map(|woken| woken.len());
        tended.done("decisions about matches could not be carried out", reviews);
        tended.done("votes could not be counted", store.apply_votes(now).await);
        tended.done("pauses could not be audited", store.apply_pauses(now).await);
        tended.done("approvals could not be carried out", store.apply_approvals(now).await);
        let remind = store.rules().load().safeguards.remind;
        tended.done("nobody could be reminded of holds", store.remind(remind, now).await.map(|_| 0));
        tended.done("requests could not be carried out", store.apply_requests(now).await);
        match tended.failed.as_slice() {
            [] => self.shared.readiness.have("timekeeper"),
            failed => {
                let why = failed.join("; ");
                tracing::error!(%why, "not everything that time and people ask for was done; it is tried again");
                self.shared.readiness.missing("timekeeper", why);
            }
        }
        tended.woken
    }
}

/// What came of tending to everything.
#[derive(Default)]
struct Tended {
    woken: usize,
    failed: Vec<String>,
}

impl Tended {
    fn done(&mut self, failing: &str, done: Result<usize, StoreError>) {
        match done {
            Ok(people) => self.woken += people,
            Err(e) => self.failed.push(format!("{failing}: {e}")),
        }
    }
}
