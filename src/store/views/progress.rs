//! How far the work on somebody is.

use crate::domain::work::machine::Work;
use crate::store::StoreError;
use crate::store::engine::Tx;
use crate::store::rows::{target, work};
use crate::store::unanswered::messages;

/// How far the work on somebody is.
pub struct Progress {
    /// Why a person must decide which account is theirs, if one must.
    pub conflict: Option<String>,
    /// Nothing of whom there was never anything to do.
    pub work: Option<Work>,
    /// Calls of which nobody knows what became, and when they are looked at again because of them.
    pub unanswered: Vec<String>,
}

/// How far it is on a target.
pub fn progress(c: &Tx, target: i64) -> Result<Progress, StoreError> {
    let unanswered = messages(c, target)?;
    Ok(Progress { conflict: target::conflict(c, target)?, work: work::load(c, target)?, unanswered })
}
