//! The table `end_access`: access that somebody has ended before HR has, and how that was over.

use crate::clock::Moment;
use crate::domain::Decider;
use crate::domain::plan::end_now::EndNow;
use crate::store::StoreError;
use crate::store::engine::{Optional, Row, SqlError, Tx, params};
use std::collections::BTreeSet;

/// Where one came from, and how far it reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The one that it follows.
    pub follows: Option<i64>,
    /// It was asked for in this org only.
    pub only_here: bool,
}

/// One that is not over.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    pub id: i64,
    pub target: i64,
    pub asked: EndNow,
    /// A second person must agree first.
    pub waits: bool,
    pub place: Place,
    /// Since when the record of the person has said as much by itself.
    pub followed_at: Option<Moment>,
}

impl Open {
    /// The first of those that follow one another.
    pub fn root(&self) -> i64 {
        self.place.follows.unwrap_or(self.id)
    }
}

/// The columns that `read` reads, in this order.
const OPEN: &str =
    "SELECT id, target, by, principal, why, at, begins, suspends, waits, follows, only_here, followed_at FROM end_access
     WHERE over_at IS NULL";

fn read(row: &Row) -> Result<Open, SqlError> {
    let moment = |column: usize| row.get(column).map(Moment::from_millis);
    Ok(Open {
        id: row.get(0)?,
        target: row.get(1)?,
        asked: EndNow {
            by: row.get(2)?,
            principal: row.get(3)?,
            why: row.get(4)?,
            at: moment(5)?,
            begins: moment(6)?,
            suspends: row.get(7)?,
        },
        waits: row.get(8)?,
        place: Place { follows: row.get(9)?, only_here: row.get(10)? },
        followed_at: row.get::<Option<i64>>(11)?.map(Moment::from_millis),
    })
}

/// That of somebody.
pub fn open(c: &Tx, target: i64) -> Result<Option<Open>, StoreError> {
    let mut select = c.prepare_cached(&format!("{OPEN} AND target = ?1"))?;
    Ok(select.query_row([target], read).optional()?)
}

/// Whether there is any, of anybody.
pub fn is_any(c: &Tx) -> Result<bool, StoreError> {
    Ok(c.prepare_cached("SELECT 1 FROM end_access WHERE over_at IS NULL LIMIT 1")?.exists([])?)
}

/// Whether one that needs nobody else, and is of the person, covers a profile.
pub fn is_of(c: &Tx, tenant: &str, profile: &str) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT 1 FROM link l JOIN end_access e ON e.target = l.target AND e.over_at IS NULL
         WHERE l.tenant = ?1 AND l.profile = ?2 AND e.waits = 0 AND e.only_here = 0",
    )?;
    Ok(select.exists([tenant, profile])?)
}

/// All of them, in order.
pub fn all(c: &Tx) -> Result<Vec<Open>, StoreError> {
    let mut select = c.prepare_cached(&format!("{OPEN} ORDER BY id"))?;
    Ok(select.query_map([], read)?.collect::<Result<_, _>>()?)
}

/// That of somebody which needs nobody else.
pub fn of(c: &Tx, target: i64) -> Result<Option<EndNow>, StoreError> {
    Ok(open(c, target)?.filter(|open| !open.waits).map(|open| open.asked))
}

/// Whose access was ended, and needs nobody else.
pub fn targets(c: &Tx) -> Result<BTreeSet<i64>, StoreError> {
    Ok(all(c)?.into_iter().filter(|open| !open.waits).map(|open| open.target).collect())
}

/// Writes one down.
pub fn insert(c: &Tx, target: i64, asked: &EndNow, waits: bool, place: Place) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO end_access (target, by, principal, why, at, begins, suspends, waits, follows, only_here)
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
    )?
    .execute(params![
        target,
        asked.by,
        asked.principal,
        asked.why,
        asked.at.millis(),
        asked.begins.millis(),
        asked.suspends,
        waits,
        place.follows,
        place.only_here
    ])?;
    Ok(())
}

/// It is of another target from now on.
pub fn give(c: &Tx, id: i64, target: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE end_access SET target = ?2 WHERE id = ?1")?.execute([id, target])?;
    Ok(())
}

/// The record says as much by itself, since then, or not any more.
pub fn set_followed(c: &Tx, id: i64, since: Option<Moment>) -> Result<(), StoreError> {
    let mut update = c.prepare_cached("UPDATE end_access SET followed_at = ?2 WHERE id = ?1")?;
    update.execute(params![id, since.map(Moment::millis)])?;
    Ok(())
}

/// What was asked for in one org is of the person from now on, in every org.
pub fn widen(c: &Tx, id: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE end_access SET only_here = 0 WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// A second person has agreed.
pub fn agree(c: &Tx, id: i64, by: &Decider) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE end_access SET waits = 0, agreed_by = ?2, agreed_principal = ?3 WHERE id = ?1")?
        .execute(params![id, by.name, by.principal()])?;
    Ok(())
}

/// It is over: `restored` by somebody, `confirmed` by HR, or `joined` with another one that stands.
pub fn close(c: &Tx, id: i64, how: &str, by: Option<(&str, &str)>, now: Moment) -> Result<(), StoreError> {
    let (name, principal) = by.unzip();
    c.prepare_cached("UPDATE end_access SET over = ?2, over_at = ?3, over_by = ?4, over_principal = ?5 WHERE id = ?1")?
        .execute(params![id, how, now.millis(), name, principal])?;
    Ok(())
}

/// Whose access was ended since then, by which principal and under which name, whatever became of it. What a second person has
/// agreed to does not count, and what follows another one counts with it.
pub fn asked_since(c: &Tx, since: Moment) -> Result<Vec<(i64, String, String)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT DISTINCT target, principal, by FROM end_access WHERE at > ?1 AND agreed_by IS NULL AND follows IS NULL",
    )?;
    let rows = select.query_map([since.millis()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
