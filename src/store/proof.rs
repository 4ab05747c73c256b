//! The proof that somebody who has left has no account: when it holds, and when it falls.

use super::engine::Tx;
use super::rows::{account, org, target, work};
use super::{StoreError, coverage};
use crate::clock::Moment;
use crate::domain::matching::search::{Proof, has_other_names, proof};
use crate::domain::plan::case::Case;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::lifecycle::Entitlement;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::Work;
use crate::domain::work::revision::News;

/// What a new revision means for the proof that somebody has no account. Returns whether they must be asked for.
pub(super) fn follow(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    case: &Case,
    entitlement: &Entitlement,
    news: &News,
    now: Moment,
) -> Result<bool, StoreError> {
    match proof(entitlement, case.account.is_some(), case.searched_at.is_some()) {
        Proof::Stays => return Ok(false),
        Proof::Falls => return target::forget_proof(c, target).map(|()| false),
        Proof::Needed => {}
    }
    // Seen for the first time in the first walk: inactive before first contact, and covered by the lists of the org.
    if news.cause == Cause::Profile
        && news.before.is_none()
        && rules.org(&case.org).is_some()
        && !org::is_walked(c, &news.after.tenant)?
        && org::is_compared(c, &case.org)?
        && org::void(c, &case.org)?.is_none()
    {
        is_covered(c, &case.org, target, now)?;
        return Ok(false);
    }
    let other_names = has_other_names(news.before, &news.after.employee);
    if other_names {
        target::unprove(c, target)?;
    }
    Ok(other_names || case.searched_at.is_none())
}

/// The lists of the org were proved, and show no account of somebody who was inactive before first contact.
pub(super) fn is_covered(c: &Tx, org: &str, target: i64, now: Moment) -> Result<(), StoreError> {
    if coverage::is_void(c, org)? {
        return Ok(());
    }
    target::cover(c, target, now)?;
    work::change(c, target, Work::covered)
}

/// Okta has said that it does not have the account of a target: nothing is proved of them any more.
pub(super) fn lose(c: &Tx, org: &str, target: i64, okta_id: &str) -> Result<(), StoreError> {
    account::remove(c, org, okta_id)?;
    target::lose(c, target, okta_id)
}
