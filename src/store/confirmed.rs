//! Access that somebody has ended, and that HR's own record ends too by now.

use super::engine::Tx;
use super::rows::end_access as row;
use super::{StoreError, append};
use crate::audit::access::AccessEndConfirmed;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::record::lifecycle::Entitlement;

/// The record says by itself what somebody has asked for: it decides again from now on.
pub(super) fn confirm(c: &Tx, target: i64, org: &str, says: &Entitlement, now: Moment) -> Result<bool, StoreError> {
    let Some(open) = row::open(c, target)?.filter(|open| open.asked.is_confirmed_by(says)) else { return Ok(false) };
    row::close(c, open.id, "confirmed", None, now)?;
    let confirmed = AccessEndConfirmed { asked_by: open.asked.by, says: says.clone() };
    append(c, &Record::about(target, org.to_owned(), now, Event::AccessEndConfirmed(confirmed)))?;
    Ok(true)
}
