//! The table `meta`: single values by their key.

use crate::store::StoreError;
use crate::store::engine::{Optional, Tx};

/// A value of `meta`.
pub fn meta(c: &Tx, key: &str) -> Result<Option<String>, StoreError> {
    let mut find = c.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(find.query_row([key], |row| row.get(0)).optional()?)
}

pub fn set_meta(c: &Tx, key: &str, value: &str) -> Result<(), StoreError> {
    c.prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")?
        .execute([key, value])?;
    Ok(())
}

pub fn forget(c: &Tx, key: &str) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// A number of `meta`; 0 before it is first written. One that cannot be read is not 0: tokens and runs would begin again.
pub fn number(c: &Tx, key: &str) -> Result<i64, StoreError> {
    let Some(text) = meta(c, key)? else { return Ok(0) };
    text.parse().map_err(|e| damaged(key, &format!("{text:?} is no number: {e}")))
}

/// A value of `meta` that cannot be read.
pub fn damaged(key: &str, why: &str) -> StoreError {
    StoreError::Document(serde::de::Error::custom(format!("meta {key:?}: {why}; restore a backup")))
}

/// The number of this run of the service; 0 before the first.
pub fn run(c: &Tx) -> Result<i64, StoreError> {
    number(c, "run")
}

/// Alarms that are not over, in order of their keys.
pub fn of_alarms(c: &Tx) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare_cached("SELECT value FROM meta WHERE key LIKE 'alarm %' ORDER BY key")?;
    let rows = select.query_map([], |row| row.get(0))?;
    rows.collect::<Result<_, _>>().map_err(Into::into)
}

/// What is kept of receivers of messages: values whose key begins with a word, by the rest of it.
pub fn of_receivers(c: &Tx, word: &str) -> Result<Vec<(String, String)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT key, value FROM meta WHERE key LIKE 'sending %' OR key LIKE 'unreached %' ORDER BY key",
    )?;
    let rows = select.query_map([], |row| Ok((row.get::<String>(0)?, row.get(1)?)))?;
    let rows: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    let of = |(key, value): (String, String)| Some((key.strip_prefix(word)?.strip_prefix(' ')?.to_owned(), value));
    Ok(rows.into_iter().filter_map(of).collect())
}
