//! The table `refused`: the last call that Okta refused for somebody, and how often in a row it has done so in the same words.

use crate::store::StoreError;
use crate::store::engine::{Tx, params};

/// `what` was refused for a target: how often in a row that is.
pub fn again(c: &Tx, target: i64, what: &str) -> Result<i64, StoreError> {
    let mut upsert = c.prepare_cached(
        "INSERT INTO refused (target, what, times) VALUES (?1,?2,1) ON CONFLICT (target) DO UPDATE SET
           times = CASE WHEN refused.what = excluded.what THEN refused.times + 1 ELSE 1 END, what = excluded.what
         RETURNING times",
    )?;
    Ok(upsert.insert(params![target, what])?)
}
