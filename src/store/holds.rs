//! Holds: changes that wait for somebody's decision.
//!
//! **Invariant:** an approval lets go exactly what was shown: whose hold has changed since must be looked at again. A hold
//! never turns into an action by itself.

use super::engine::Tx;
use super::hold_causes::{About, cause, sentence};
use super::receivers::unhear;
use super::rows::change::change_of;
use super::rows::{hold, risk};
use super::{Store, StoreError, append, mass};
use crate::audit::details::{Held, HoldEnded, Reminded, Verdict};
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::ChangeKind;
use crate::domain::guard::decider;
use std::collections::BTreeSet;
use std::time::Duration;

/// A hold as it was opened or found.
pub(super) struct Hold {
    pub id: i64,
    pub why: String,
}

/// The open hold of this kind and scope, made if there is none.
pub(super) fn open(
    c: &Tx,
    org: &str,
    change: ChangeKind,
    (scope, why): (&str, &str),
    (needs, people): (i64, &BTreeSet<i64>),
    now: Moment,
) -> Result<Hold, StoreError> {
    if let Some(id) = hold::find(c, org, change, scope)? {
        return Ok(Hold { id, why: why.to_owned() });
    }
    let id = hold::insert(c, org, change, (scope, why), needs, now)?;
    let (word, cause) = (change.as_str(), cause(c, people)?);
    let (people, cause, rule) = (people.len() as u64, cause.as_deref(), why);
    let message = sentence(c, &About { org, change, scope, rule, cause, people, since: now })?;
    tracing::warn!(org, hold = id, change = word, scope, why, "held: somebody must decide; everything else goes on");
    let held = Event::Held(Held {
        hold: id,
        change,
        why: why.to_owned(),
        scope: Some(scope.to_owned()),
        needs: Some(needs),
        shown: None,
        message: Some(message),
    });
    append(c, &Record { org: Some(org.to_owned()), ..Record::general(now, held) })?;
    Ok(Hold { id, why: why.to_owned() })
}

/// Somebody's change is not asked for any more, or is another one: the hold goes on without them.
pub(super) fn withdraw(c: &Tx, org: &str, target: i64, change: ChangeKind, now: Moment) -> Result<(), StoreError> {
    withdraw_because(c, org, (target, change), "the change is not asked for any more", now)
}

/// The same, for a reason of its own.
pub(super) fn withdraw_because(
    c: &Tx,
    org: &str,
    (target, change): (i64, ChangeKind),
    why: &str,
    now: Moment,
) -> Result<(), StoreError> {
    let Some(hold) = risk::remove(c, target, change)? else { return Ok(()) };
    let ended =
        HoldEnded { verdict: Some(Verdict::Withdrawn), why: Some(why.to_owned()), ..HoldEnded::new(hold, change) };
    append(c, &Record::about(target, org.to_owned(), now, Event::HoldEnded(ended)))?;
    if !risk::has_members(c, hold)? {
        mass::forget(c, &hold::scope(c, hold)?)?;
        unhear(c, hold)?;
        hold::close(c, hold, "withdrawn", now)?;
        // Whoever was told of it is told again.
        let ended = HoldEnded {
            verdict: Some(Verdict::Withdrawn),
            why: Some("nobody waits in it any more".to_owned()),
            ..HoldEnded::new(hold, change)
        };
        append(c, &Record { org: Some(org.to_owned()), ..Record::general(now, Event::HoldEnded(ended)) })?;
    }
    Ok(())
}

/// Nothing of somebody's is held any more: they are as they should be.
pub(super) fn withdraw_all(c: &Tx, org: &str, target: i64, now: Moment) -> Result<(), StoreError> {
    for change in risk::held(c, target)? {
        withdraw(c, org, target, change, now)?;
    }
    Ok(())
}

/// Names exactly who is in a hold and what would be done to them, or what of them was rejected.
pub(super) fn code(c: &Tx, hold: i64) -> Result<String, StoreError> {
    let shown = hold::shown(c, hold)?.into_iter();
    Ok(decider::code(shown.map(|(target, change, shown)| format!("{target}\u{1f}{change}\u{1f}{shown}"))))
}

/// The org that a hold is about.
pub fn org_of_hold(c: &Tx, hold: i64) -> Result<Option<String>, StoreError> {
    Ok(hold::about(c, hold)?.map(|(org, _)| org))
}

fn remind(c: &Tx, after: Duration, now: Moment) -> Result<usize, StoreError> {
    let before = now.millis() - i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
    let overdue = hold::remind(c, Moment::from_millis(before), now)?;
    for hold::Overdue { id, org, change, scope, since } in &overdue {
        let waits = (now.millis() - since.millis()) / 1000;
        tracing::warn!(org, hold = id, change, scope, waits_seconds = waits, "a hold still waits for a decision");
        let (change, scope) = (change_of(change)?, scope.clone());
        let reminded = Event::Reminded(Reminded { hold: *id, change, scope, waits_seconds: waits });
        append(c, &Record { org: Some(org.clone()), ..Record::general(now, reminded) })?;
    }
    Ok(overdue.len())
}

impl Store {
    /// Reminds of holds that nobody has decided for so long.
    pub async fn remind(&self, after: Duration, now: Moment) -> Result<usize, StoreError> {
        self.run(move |c| remind(c, after, now)).await
    }
}
