//! Ends of runs that no plan has led to: the store refused what they had to say, or nothing was heard of them.
//!
//! **Invariant:** whoever was let go of like this is read in Okta before anything is written for them, and no call that was
//! announced goes without a row in the audit.

use super::engine::{Tx, alone};
use super::rows::{intent, work};
use super::runs;
use super::{Store, StoreError, Trouble, accounts, append, unanswered};
use crate::audit::{Effect, Event, Outcome};
use crate::clock::Moment;
use crate::domain::plan::doubt::Ending;
use crate::domain::work::run::{Lease, Release};

impl Store {
    /// Lets go of somebody because the store refused what their run had to write. `effect` is the outcome of a call that was
    /// made: it is audited all the same. Tried `again` then.
    pub async fn refuse(
        &self,
        lease: Lease,
        effect: Option<(i64, Effect)>,
        why: String,
        again: Moment,
        now: Moment,
    ) -> Result<(), StoreError> {
        self.run(move |c| {
            let whole = alone(c, |c| {
                if let Some((number, effect)) = &effect {
                    let (whose, sent_at) = intent::remove(c, *number)?.unwrap_or((lease.target, now));
                    unanswered::note(c, whose, &effect.call.step, sent_at, now)?;
                    append(c, &runs::about(c, lease, now, Event::Effect(effect.clone()))?)?;
                    // What it has led to is not written down, whatever Okta has said.
                    accounts::doubt(c, whose, &effect.call.step, Ending::Untold)?;
                }
                let quarantined =
                    Release::Quarantined { why: why.clone(), again: Some(again), read_first: true, awaits: Vec::new() };
                runs::release(c, lease, &quarantined, now).map(|_| ())
            });
            match whole {
                Err(e) if e.trouble() == Trouble::Refused => {
                    // Not even that: an announced call stays an intent, which the next start closes with a row.
                    tracing::error!(error = %e, target = lease.target, "the end of a run could not be audited");
                    work::refused(c, lease.target, Some(lease), &why, again, now)
                }
                other => other,
            }
        })
        .await
    }

    /// Lets go of somebody of whose run nothing more will be heard: whether a call that was announced has left is unknown.
    pub async fn abandon(&self, lease: Lease, end: Release, now: Moment) -> Result<(), StoreError> {
        self.run(move |c| {
            let (Release::ReadFirst { why, .. } | Release::Quarantined { why, .. }) = &end else {
                return Err(StoreError::NotNow("a run that was lost can only be looked at".into()));
            };
            close_intents(c, lease, why, now)?;
            runs::release(c, lease, &end, now).map(|_| ())
        })
        .await
    }

    /// The claims of an org that are held right now.
    pub async fn claims(&self, org: &str) -> Result<Vec<Lease>, StoreError> {
        let org = org.to_owned();
        self.run(move |c| work::leases(c, &org)).await
    }
}

fn close_intents(c: &Tx, lease: Lease, why: &str, now: Moment) -> Result<(), StoreError> {
    for intent::Announced { id, target, call, sent_at, .. } in intent::of_lease(c, lease)? {
        unanswered::note(c, target, &call.step, sent_at, now)?;
        accounts::doubt(c, target, &call.step, Ending::Untold)?;
        let effect = Effect { call, outcome: Outcome::Unknown, why: Some(why.to_owned()), request_id: None };
        append(c, &runs::about(c, lease, now, Event::Effect(effect))?)?;
        intent::remove(c, id)?;
    }
    Ok(())
}
