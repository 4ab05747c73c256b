//! The timekeeper: marks people dirty for whom a date has passed, acts upon decisions of operators, and has the
//! backlog forecast.

use super::board::Board;
use crate::clock::{Clock, Moment};
use crate::store::{Store, StoreError};
use actix::{Actor, AsyncContext, Context};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How late a date may be noticed.
const TICK: Duration = Duration::from_secs(5);
const SHORTEST_TICK: Duration = Duration::from_millis(100);
/// Planning a sample costs some milliseconds.
const SHORTEST_FORECAST: Duration = Duration::from_secs(1);

/// The actor.
pub struct Timekeeper {
    pub clock: Clock,
    pub store: Store,
    pub board: Board,
    /// Told when somebody has decided something: that is looked at at once.
    pub decided: Arc<Notify>,
}

impl Actor for Timekeeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.look();
        let tick = self.clock.real(TICK).max(SHORTEST_TICK);
        ctx.run_interval(tick, |timekeeper, _| timekeeper.look());
        let (clock, store, board, decided) =
            (self.clock.clone(), self.store.clone(), self.board.clone(), self.decided.clone());
        ctx.spawn(actix::fut::wrap_future(async move {
            loop {
                decided.notified().await;
                look(&store, &board, clock.now()).await;
            }
        }));
        let tick = self.clock.real(TICK).max(SHORTEST_FORECAST);
        ctx.run_interval(tick, |timekeeper, _| timekeeper.forecast());
    }
}

impl Timekeeper {
    fn forecast(&self) {
        let forecasters = self.board.forecasters();
        tokio::spawn(async move {
            for forecaster in forecasters {
                if let Err(e) = forecaster.look().await {
                    tracing::warn!(error = %e, org = %forecaster.org, "the backlog could not be forecast");
                }
            }
        });
    }

    fn look(&self) {
        let (store, board, now) = (self.store.clone(), self.board.clone(), self.clock.now());
        tokio::spawn(async move { look(&store, &board, now).await });
    }
}

async fn look(store: &Store, board: &Board, now: Moment) {
    let remind = store.rules().load().safeguards.remind;
    let woken = tend(store, remind, now).await.unwrap_or_else(|e| {
        tracing::error!(error = %e, "due dates and decisions could not be looked up");
        0
    });
    if woken > 0 {
        board.wake();
    }
}

/// Acts upon what time and people have changed; returns how many people may be worked on because of it.
async fn tend(store: &Store, remind: Duration, now: Moment) -> Result<usize, StoreError> {
    let due = store.wake_due(now).await?.len();
    let decided = store.apply_verdicts(now).await?.len();
    let freed = store.apply_votes(now).await? + store.apply_pauses(now).await? + store.apply_approvals(now).await?;
    store.remind(remind, now).await?;
    let asked = store.apply_requests(now).await?;
    Ok(due + decided + freed + asked)
}
