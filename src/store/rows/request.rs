//! The table `request`: what people ask the service for, from beside it.

use crate::clock::Moment;
use crate::domain::Decider;
use crate::store::StoreError;
use crate::store::engine::{Optional, Tx, params};

/// Writes it down; returns its number. `what` is a document.
pub fn insert(c: &Tx, org: &str, what: &str, by: &Decider, now: Moment) -> Result<i64, StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO request (org, what, by, at, principal) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
    )?;
    Ok(insert.insert(params![org, what, by.name, now.millis(), by.principal()])?)
}

/// A request that nobody has acted upon yet.
pub struct Open {
    pub id: i64,
    pub org: String,
    /// A document.
    pub what: String,
}

/// Requests that nobody has acted upon yet, in order.
pub fn open(c: &Tx) -> Result<Vec<Open>, StoreError> {
    let mut select = c.prepare_cached("SELECT id, org, what FROM request WHERE done IS NULL ORDER BY id")?;
    let rows = select.query_map([], |row| Ok(Open { id: row.get(0)?, org: row.get(1)?, what: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Who has asked: the name, and the principal.
pub fn asked_by(c: &Tx, id: i64) -> Result<(String, String), StoreError> {
    let mut select = c.prepare_cached("SELECT by, principal FROM request WHERE id = ?1")?;
    Ok(select.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// What came of a request, if anything did yet.
pub fn outcome(c: &Tx, id: i64) -> Result<Option<String>, StoreError> {
    let mut select = c.prepare_cached("SELECT done FROM request WHERE id = ?1")?;
    Ok(select.query_row([id], |row| row.get(0)).optional()?.flatten())
}

/// It was acted upon.
pub fn done(c: &Tx, id: i64, outcome: &str) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE request SET done = ?2 WHERE id = ?1")?.execute(params![id, outcome])?;
    Ok(())
}
