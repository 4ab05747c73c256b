//! What was decided about somebody before their run begins.

use super::engine::Tx;
use super::{StoreError, approvals, evaluation, rejections};
use crate::clock::Moment;
use crate::domain::guard::safeguard::Restraint;
use crate::domain::{Case, ChangeKind, Rulebook};

/// What was decided about a revision of somebody, and what is paused.
pub(super) fn restraint(
    c: &Tx,
    rules: &Rulebook,
    case: &Case,
    (target, rev): (i64, i64),
    now: Moment,
) -> Result<Restraint, StoreError> {
    let mut restraint = Restraint::default();
    let mut select = c.prepare_cached(
        "SELECT r.change, h.id, h.why, h.verdict, r.administrator > 0 FROM risk r LEFT JOIN hold h ON h.id = r.hold
         WHERE r.target = ?1 AND r.rev = ?2",
    )?;
    let mut rows = select.query([target, rev])?;
    while let Some(row) = rows.next()? {
        let word: String = row.get(0)?;
        let Some(change) = ChangeKind::parse(&word) else { continue };
        let (hold, why, verdict): (Option<i64>, Option<String>, Option<String>) =
            (row.get(1)?, row.get(2)?, row.get(3)?);
        if row.get(4)? {
            restraint.as_administrator.insert(change);
        }
        match (hold, verdict.as_deref()) {
            (None, _) => {
                restraint.passed.insert(change);
            }
            (Some(hold), None) => {
                let why = why.unwrap_or_default();
                restraint.held.insert(change, format!("{word} waits for a decision: {why}; see `holds show {hold}`"));
            }
            // Rejected by a version that has bound nothing.
            (Some(hold), Some(_)) => {
                let why =
                    format!("{word} was rejected (hold {hold}): it waits until Namely or the mapping says otherwise");
                restraint.held.insert(change, why);
            }
        }
    }
    restraint.paused = super::pause::paused_changes(c, &case.org)?.into_iter().collect();
    restraint.approved = approvals::approved(c, rules, &case.org, target, now)?;
    restraint.rejected = rejections::of(c, target, case, now)?;
    restraint.adopting = case.adopted.as_ref().is_some_and(|adopted| adopted.pending.is_some());
    restraint.fresh = evaluation::is_fresh(rules, case, now);
    Ok(restraint)
}
