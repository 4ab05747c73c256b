//! The proof that somebody who has left has no account: when it holds, and when it falls.

use super::engine::Tx;
use super::rows::{account, org, target, work};
use super::{StoreError, coverage};
use crate::clock::Moment;
use crate::domain::work::machine::Work;

/// Whether the lists of an org cover a leaver without account who is seen for the first time: in the first walk of their tenant they were
/// inactive before first contact.
pub(super) fn covers(c: &Tx, org: &str, tenant: &str) -> Result<bool, StoreError> {
    Ok(!org::is_walked(c, tenant)? && org::is_compared(c, org)? && !coverage::is_void(c, org)?)
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
