//! What was decided about somebody before their run begins.

use super::engine::Tx;
use super::rows::risk::{self, OfRevision};
use super::{StoreError, approved, evaluation, pause, rejections};
use crate::clock::Moment;
use crate::domain::guard::restraint::Decision;
use crate::domain::guard::safeguard::Restraint;
use crate::domain::{Case, Rulebook};

/// What was decided about a revision of somebody, and what is paused.
pub(super) fn restraint(
    c: &Tx,
    rules: &Rulebook,
    case: &Case,
    (target, rev): (i64, i64),
    now: Moment,
) -> Result<Restraint, StoreError> {
    let mut restraint = Restraint::default();
    for OfRevision { change, hold, why, is_decided, as_administrator } in risk::of_revision(c, target, rev)? {
        let decision = match hold {
            None => Decision::Passes,
            Some(hold) if is_decided => Decision::Rejected { hold },
            Some(hold) => Decision::Waits { hold, why: why.unwrap_or_default() },
        };
        restraint.note(change, decision, as_administrator);
    }
    restraint.paused = pause::paused_changes(c, &case.org)?.into_iter().collect();
    restraint.approved = approved::passing(c, rules, &case.org, target, now)?;
    restraint.rejected = rejections::of(c, target, case, now)?;
    restraint.adopting = case.adopted.as_ref().is_some_and(|adopted| adopted.pending.is_some());
    restraint.fresh = evaluation::is_fresh(rules, case, now);
    Ok(restraint)
}
