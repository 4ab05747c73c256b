//! Whether those who have come by an account of an org that is written to may decide here still.

use crate::clock::Moment;
use crate::domain::plan::rulebook::Rulebook;
use crate::store::StoreError;
use crate::store::cases::is_entitled;
use crate::store::engine::Tx;
use crate::store::rows::{account, target};

/// Whether the owner of an account is to have access, and Okta is not known to have closed it. An account that is nobody's in Namely is
/// judged by its status alone; one that nobody has read yet was let in by the provider a moment ago.
pub fn may_decide(c: &Tx, rules: &Rulebook, org: &str, okta_id: &str, now: Moment) -> Result<bool, StoreError> {
    let is_open = account::by_id(c, org, okta_id)?.is_none_or(|account| account.is_awake());
    let entitled = target::owner(c, org, okta_id)?.map(|target| is_entitled(c, rules, target, now)).transpose()?;
    Ok(is_open && entitled.unwrap_or(true))
}
