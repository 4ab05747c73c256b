//! The table `target`: a person in an org.

use crate::store::StoreError;
use crate::store::engine::{Optional, Tx};

/// Why a person must decide which account is theirs, if one must.
pub fn conflict(c: &Tx, target: i64) -> Result<Option<String>, StoreError> {
    let mut select = c.prepare_cached("SELECT conflict FROM target WHERE id = ?1")?;
    Ok(select.query_row([target], |row| row.get(0)).optional()?.flatten())
}
