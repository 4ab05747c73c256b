//! What a run has to write down before it ends, as often as it takes.

use crate::audit::details::Effect;
use crate::clock::{Clock, Moment};
use crate::domain::work::run::Lease;
use crate::retry::Waits;
use crate::store::{Store, StoreError, Trouble};
use std::time::Duration;

/// Between tries to write something down that has happened.
const UNWRITTEN: Waits = Waits { first: Duration::from_secs(1), longest: Duration::from_secs(5) };

/// Writes something down, as often as it takes while the store cannot be written; not what it refuses, and not into a file
/// that is damaged or closed.
pub(super) async fn insist<T, F>(clock: &Clock, mut write: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut attempt = 0;
    loop {
        match write().await {
            Err(e) if matches!(e.trouble(), Trouble::Unwritable | Trouble::Locked) => {
                tracing::error!(error = %e, attempt, "what has happened cannot be written down yet; it is tried again");
                clock.sleep(UNWRITTEN.delay(attempt)).await;
                attempt += 1;
            }
            other => return other,
        }
    }
}

/// A last word of a run that the store did not take.
pub(super) struct Lost {
    pub lease: Lease,
    /// What became of a call, with the announcement of that call.
    pub effect: Option<(i64, Effect)>,
    /// What people are told.
    pub why: String,
    pub again: Moment,
}

/// Ends a run whose last word the store did not take, because of `e`.
pub(super) async fn give_up(clock: &Clock, store: &Store, lost: Lost, e: &StoreError) {
    let Lost { lease, effect, why, again } = lost;
    let target = lease.target;
    if e.trouble() != Trouble::Refused {
        tracing::error!(error = %e, target, "what has happened could not be written; the next start reads the person again");
        return;
    }
    tracing::error!(target, %why, "quarantined");
    let refused = || store.refuse(lease, effect.clone(), why.clone(), again, clock.now());
    if let Err(e) = insist(clock, refused).await {
        tracing::error!(error = %e, target, "a claim could not be given back; it is tried again in a while");
    }
}
