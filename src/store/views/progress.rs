//! How far the work on somebody is.

use crate::domain::work::machine::Work;
use crate::store::StoreError;
use crate::store::engine::Tx;
use crate::store::rows::{target, work};

/// How far the work on somebody is.
pub struct Progress {
    /// Why a person must decide which account is theirs, if one must.
    pub conflict: Option<String>,
    /// Nothing of whom there was never anything to do.
    pub work: Option<Work>,
}

/// How far it is on a target.
pub fn progress(c: &Tx, target: i64) -> Result<Progress, StoreError> {
    Ok(Progress { conflict: target::conflict(c, target)?, work: work::load(c, target)? })
}
