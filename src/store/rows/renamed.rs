//! The table `renamed`: groups of Namely that are called something else since.

use crate::clock::Moment;
use crate::store::StoreError;
use crate::store::engine::{Tx, params};

/// A group is called something else: `to_come` people whose profile still shows the old name will follow.
pub fn save(c: &Tx, tenant: &str, (was, name): (&str, &str), to_come: i64, now: Moment) -> Result<(), StoreError> {
    c.execute(
        "INSERT INTO renamed VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (tenant, was, name) DO UPDATE SET at = excluded.at, to_come = excluded.to_come",
        params![tenant, was, name, now.millis(), to_come],
    )?;
    Ok(())
}

/// So many more have followed.
pub fn followed(c: &Tx, tenant: &str, (was, name): (&str, &str), people: i64) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE renamed SET to_come = CASE WHEN to_come > ?4 THEN to_come - ?4 ELSE 0 END
         WHERE tenant = ?1 AND was = ?2 AND name = ?3",
    )?
    .execute(params![tenant, was, name, people])?;
    Ok(())
}
