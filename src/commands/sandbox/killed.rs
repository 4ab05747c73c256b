//! A node that serves is killed in the middle of a run, at a moment of the seed; another one takes over, and the killed one comes
//! back. What the simulators have seen meanwhile says how long nobody worked, and how long leavers had access across it.

use super::nodes::{Nodes, Shared};
use crate::clock::Moment;
use crate::sandbox::oracle::Spread;
use crate::sandbox::scenario::{Kind, Scenario};
use crate::sandbox::world::World;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;
use std::time::Duration;

/// How long after somebody's edit at most.
const SOON_MS: u64 = 3000;
/// So long after a kill no call of the killed node arrives any more, and nobody else serves yet.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// A take-over, as the report has it.
#[derive(Clone, Debug, Serialize)]
pub struct TakeOver {
    /// The node that served, and was killed with SIGKILL.
    pub killed: String,
    /// The one that served after it.
    pub next: String,
    /// From the beginning of the scenario to the kill.
    pub killed_after_seconds: f64,
    /// From the kill until the next one was seen to serve.
    pub serves_after_seconds: f64,
    /// From the kill to the next one's first call to Okta.
    pub first_call_after_seconds: f64,
    /// People who had left before that call, and whose access had not ended when the node was killed.
    pub leavers: usize,
    /// Of these: from HR's edit to Okta's answer that the account is deactivated.
    pub revoke_ms: Spread,
}

enum Stage {
    /// Not yet: this long after the beginning, and not before somebody was written to Okta.
    Before(Duration),
    /// Nobody serves, or the next one does not call yet.
    Down {
        killed: String,
        at: Moment,
    },
    /// The killed one is started again.
    ComesBack {
        killed: String,
        at: Moment,
        next: String,
        served: Moment,
    },
    Over {
        killed: String,
        at: Moment,
        next: String,
        served: Moment,
    },
}

/// One kill and what follows.
pub struct Interruption {
    stage: Stage,
}

impl Interruption {
    /// Soon after somebody of the scenario has left, if anybody leaves.
    pub fn of(scenario: &Scenario, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0xdead);
        let mut times: Vec<Duration> =
            scenario.changes.iter().filter(|change| change.kind == Kind::Leaver).map(|change| change.at).collect();
        if times.is_empty() {
            times = scenario.changes.iter().map(|change| change.at).collect();
        }
        let chosen = if times.is_empty() { Duration::ZERO } else { times[random.random_range(0..times.len())] };
        Self { stage: Stage::Before(chosen + Duration::from_millis(random.random_range(0..SOON_MS))) }
    }

    /// Whether nothing of it is left to happen.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over { .. })
    }

    /// Goes on with it; `since` is when the scenario began.
    pub async fn go_on(
        &mut self,
        nodes: &mut Nodes,
        shared: &Shared,
        world: &World,
        since: Moment,
    ) -> anyhow::Result<()> {
        let now = world.clock.now();
        match &self.stage {
            Stage::Before(after) if now.since(since) >= *after && has_written(world, since) => {
                if let Some(serves) = shared.serves() {
                    nodes.kill(&serves.name)?;
                    self.stage = Stage::Down { killed: serves.name.clone(), at: world.clock.now() };
                }
            }
            Stage::Down { killed, at } => {
                if let Some(next) = shared.serves().filter(|serves| serves.name != *killed)
                    && first_call(world, *at).is_some()
                {
                    // It has served since before its first call: as it was seen, at the latest.
                    let served = Moment::from_millis(next.since).min(now);
                    let (killed, at, next) = (killed.clone(), *at, next.name.clone());
                    nodes.start_again()?;
                    self.stage = Stage::ComesBack { killed, at, next, served };
                }
            }
            Stage::ComesBack { killed, at, next, served } if nodes.stands_by(killed).await => {
                let (killed, at, next, served) = (killed.clone(), *at, next.clone(), *served);
                self.stage = Stage::Over { killed, at, next, served };
            }
            Stage::Before(_) | Stage::ComesBack { .. } | Stage::Over { .. } => {}
        }
        Ok(())
    }

    /// What came of it.
    pub fn found(&self, scenario: &Scenario, world: &World, since: Moment) -> Option<TakeOver> {
        let Stage::Over { killed, at, next, served } = &self.stage else { return None };
        let first = first_call(world, *at)?;
        let okta = world.okta.core();
        let left = scenario.changes.iter().filter(|change| change.kind == Kind::Leaver);
        let took = left.filter_map(|change| {
            let (left, user) = (since + change.at, okta.user_by_anchor(&change.after.id)?);
            let ends = okta.history().exchanges().iter().filter(|exchange| {
                exchange.applied
                    && exchange.path.ends_with("/lifecycle/deactivate")
                    && exchange.user.as_deref() == Some(&user.id)
            });
            let ended = ends.filter_map(|exchange| exchange.answered).find(|answered| *answered > left)?;
            (left < first && ended > *at).then(|| ended.millis() - left.millis())
        });
        let took: Vec<i64> = took.collect();
        Some(TakeOver {
            killed: killed.clone(),
            next: next.clone(),
            killed_after_seconds: at.since(since).as_secs_f64(),
            serves_after_seconds: served.since(*at).as_secs_f64(),
            first_call_after_seconds: first.since(*at).as_secs_f64(),
            leavers: took.len(),
            revoke_ms: Spread::of(took),
        })
    }
}

/// Whether anything was written to Okta since then.
fn has_written(world: &World, since: Moment) -> bool {
    let okta = world.okta.core();
    okta.history().exchanges().iter().rev().take_while(|e| e.arrived > since).any(|e| e.applied && e.method != "GET")
}

/// When the first call to Okta arrived of whoever serves after a kill.
fn first_call(world: &World, killed: Moment) -> Option<Moment> {
    let okta = world.okta.core();
    okta.history().exchanges().iter().map(|e| e.arrived).find(|arrived| *arrived > killed + LAST_CALLS)
}
