//! The table `pause`: writes that somebody has stopped, and when they went on.

use super::change::change_of;
use crate::clock::Moment;
use crate::domain::{ChangeKind, Decider};
use crate::store::StoreError;
use crate::store::engine::{Tx, params};
use serde::{Deserialize, Serialize};

/// A pause that lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Its number, by which it is ended.
    pub id: i64,
    /// Every org without it.
    pub org: Option<String>,
    /// Every kind of change without it.
    pub change: Option<String>,
    /// Why, as whoever paused it wrote.
    pub why: String,
    /// Who has paused it.
    pub by: String,
    /// When it began, in milliseconds.
    pub at: i64,
}

impl Pause {
    /// What is stopped, by whom and why, in words.
    pub fn message(&self) -> String {
        let what = self.change.as_deref().unwrap_or("write");
        let org = self.org.as_ref().map_or_else(|| "every org".to_owned(), |org| format!("org {org}"));
        format!("every {what} in {org} is paused by {}: {}", self.by, self.why)
    }
}

/// The pauses that last. One of a kind of change that is not known stops nobody knows what: nothing goes on before it is ended.
pub fn pauses(c: &Tx) -> Result<Vec<Pause>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT id, org, change, why, by, at FROM pause WHERE ended_at IS NULL ORDER BY id")?;
    let rows = select.query_map([], |row| {
        let (org, change) = (row.get(1)?, row.get(2)?);
        Ok(Pause { id: row.get(0)?, org, change, why: row.get(3)?, by: row.get(4)?, at: row.get(5)? })
    })?;
    let pauses = rows.collect::<Result<Vec<Pause>, _>>()?;
    pauses.iter().filter_map(|pause| pause.change.as_deref()).try_for_each(|word| change_of(word).map(drop))?;
    Ok(pauses)
}

/// Writes one down; returns its number.
pub fn insert(
    c: &Tx,
    org: Option<&str>,
    change: Option<ChangeKind>,
    why: &str,
    by: &Decider,
    now: Moment,
) -> Result<i64, StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO pause (org, change, why, by, at, principal) VALUES (?1,?2,?3,?4,?5,?6) RETURNING id",
    )?;
    let change = change.map(ChangeKind::as_str);
    Ok(insert.insert(params![org, change, why, by.name, now.millis(), by.principal()])?)
}

/// Ends one that lasts, or all; returns how many.
pub fn end(c: &Tx, id: Option<i64>, by: &Decider, now: Moment) -> Result<usize, StoreError> {
    let mut update = c.prepare_cached(
        "UPDATE pause SET ended_by = ?2, ended_at = ?3, ended_principal = ?4
         WHERE ended_at IS NULL AND (CAST(?1 AS BIGINT) IS NULL OR id = ?1)",
    )?;
    Ok(update.execute(params![id, by.name, now.millis(), by.principal()])?)
}

/// When changes of a kind were paused in an org: begin and end of each pause.
pub fn times(c: &Tx, org: &str, change: ChangeKind) -> Result<Vec<(Moment, Option<Moment>)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT at, ended_at FROM pause WHERE (org IS NULL OR org = ?1) AND (change IS NULL OR change = ?2)",
    )?;
    let rows = select.query_map([org, change.as_str()], |row| {
        Ok((Moment::from_millis(row.get(0)?), row.get::<Option<i64>>(1)?.map(Moment::from_millis)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A pause of which the audit does not say everything yet.
pub struct Unaudited {
    pub id: i64,
    pub org: Option<String>,
    pub change: Option<String>,
    pub why: String,
    pub by: String,
    pub principal: String,
    pub ended_by: Option<String>,
    pub ended_principal: Option<String>,
    /// The audit says that it has begun.
    pub has_begun: bool,
}

/// Pauses of which the audit does not say everything yet.
pub fn unaudited(c: &Tx) -> Result<Vec<Unaudited>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, org, change, why, by, principal, ended_by, ended_principal, told > 0 FROM pause
         WHERE told = 0 OR (told = 1 AND ended_at IS NOT NULL)",
    )?;
    let rows = select.query_map([], |row| {
        Ok(Unaudited {
            id: row.get(0)?,
            org: row.get(1)?,
            change: row.get(2)?,
            why: row.get(3)?,
            by: row.get(4)?,
            principal: row.get(5)?,
            ended_by: row.get(6)?,
            ended_principal: row.get(7)?,
            has_begun: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The audit says that it has begun, and also how it ended, if it `has_ended`.
pub fn audited(c: &Tx, id: i64, has_ended: bool) -> Result<(), StoreError> {
    let state: i64 = if has_ended { 2 } else { 1 };
    c.prepare_cached("UPDATE pause SET told = ?2 WHERE id = ?1")?.execute([id, state])?;
    Ok(())
}
