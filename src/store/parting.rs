//! Giving a profile a target of its own: nobody's access ends by it, and the account stays where it is.

use super::engine::Tx;
use super::rows::{anchored, link, matched, target, work};
use super::{StoreError, orders};
use crate::clock::Moment;
use crate::domain::record::person::Position;
use crate::domain::work::machine::Work;

/// Takes a profile out of the target `from`, whose account is `account`; returns its new one.
pub(super) fn take_out(
    c: &Tx,
    org: &str,
    position: &Position,
    from: i64,
    account: Option<&str>,
    now: Moment,
) -> Result<i64, StoreError> {
    let new = target::create(c, org)?;
    link::relink(c, org, position, new)?;
    // Access that somebody has ended is ended for the profile, and stays so for the account.
    orders::copy(c, from, new, now)?;
    // A run that works on the whole has no lease any more.
    work::change(c, from, Work::taken_apart)?;
    // The anchor that the account still carries vouches for nobody any more.
    if let Some(account) = account {
        anchored::revoke(c, org, &position.employee.id, account)?;
    }
    matched::forget(c, org, position)?;
    Ok(new)
}
