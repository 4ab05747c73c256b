//! What people have rejected: it outlives holds, plans, configurations and restarts.
//!
//! **Invariant:** what was rejected is not done while Namely says what it said, unless an approver takes the rejection back;
//! the audit says how it ended.

use super::engine::Tx;
use super::rows::change::change_of;
use super::rows::{rejection, risk, work};
use super::{StoreError, append};
use crate::audit::details::RejectionEnded;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::guard::rejection::{Rejected, newest_binding, still_rejected};
use crate::domain::{Case, ChangeKind};
use std::collections::BTreeSet;

pub(super) use super::rows::rejection::merge;
pub(super) use crate::domain::guard::rejection::message;

/// Somebody's change was rejected, as it was evaluated: it is not held any more, it is over.
pub(super) fn put(
    c: &Tx,
    target: i64,
    change: ChangeKind,
    hold: i64,
    by: (&str, &str),
    now: Moment,
) -> Result<(), StoreError> {
    rejection::put(c, target, change, hold, by, now)?;
    risk::remove(c, target, change).map(|_| ())
}

/// What was rejected of somebody and still holds. What stood on something that Namely does not say any more is ended.
pub(super) fn of(c: &Tx, target: i64, case: &Case, now: Moment) -> Result<Rejected, StoreError> {
    let (rejected, over) = still_rejected(rejection::of(c, target)?, case);
    for id in over {
        end(c, id, "Namely says something else since", None, now)?;
    }
    Ok(rejected.under(case, now))
}

/// What was rejected of somebody and binds now. Ends nothing: for whoever only looks.
pub fn binding(c: &Tx, target: i64, case: &Case, now: Moment) -> Result<Rejected, StoreError> {
    Ok(still_rejected(rejection::of(c, target)?, case).0.under(case, now))
}

/// The newest rejection of a kind of change of somebody that still holds: its hold, who, and when. Ends nothing.
pub(super) fn lifecycle(
    c: &Tx,
    target: i64,
    case: &Case,
    change: ChangeKind,
) -> Result<Option<(i64, String, Moment)>, StoreError> {
    let all = rejection::of(c, target)?;
    Ok(newest_binding(&all, change, case).map(|one| (one.hold, one.by.clone(), one.at)))
}

/// Why a saved plan cannot have this kind of change of somebody, if it was rejected.
pub(super) fn why(c: &Tx, target: i64, change: ChangeKind) -> Result<Option<String>, StoreError> {
    Ok(rejection::newest(c, target, change)?.map(|(hold, by)| message(change, hold, &by)))
}

fn end(c: &Tx, id: i64, why: &str, by: Option<(&str, &str)>, now: Moment) -> Result<(), StoreError> {
    let rejection::Ended { target, change, hold, org, shown } = rejection::end(c, id, why, now)?;
    let (by, principal) = by.map(|(by, principal)| (by.to_owned(), principal.to_owned())).unzip();
    let ended = RejectionEnded { hold, change: change_of(&change)?, shown, why: why.to_owned(), by, principal };
    append(c, &Record::about(target, org, now, Event::RejectionEnded(ended)))?;
    Ok(())
}

/// An approver has taken rejections of a hold back: the people are evaluated as if it were asked for the first time. Returns how
/// many they are.
pub(super) fn reverse(
    c: &Tx,
    hold: i64,
    only: Option<&BTreeSet<i64>>,
    (by, principal): (&str, &str),
    now: Moment,
) -> Result<usize, StoreError> {
    let mut people = 0;
    let meant = |target: &i64| only.is_none_or(|only| only.contains(target));
    for (id, target) in rejection::in_hold(c, hold)?.into_iter().filter(|(_, target)| meant(target)) {
        end(c, id, &format!("taken back by {by}"), Some((by, principal)), now)?;
        work::change(c, target, |work| if work.is_dirty() { work.unevaluated() } else { work }.decided(now))?;
        people += 1;
    }
    Ok(people)
}
