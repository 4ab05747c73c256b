//! The table `end_access`: access that somebody has ended before HR has, and how that was over.

use crate::clock::Moment;
use crate::domain::Decider;
use crate::domain::plan::end_now::EndNow;
use crate::store::StoreError;
use crate::store::engine::{Optional, Row, SqlError, Tx, params};
use std::collections::BTreeSet;

/// One that is not over.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    pub id: i64,
    pub target: i64,
    pub asked: EndNow,
    /// A second person must agree first.
    pub waits: bool,
}

/// The columns that `read` reads, in this order.
const OPEN: &str =
    "SELECT id, target, by, principal, why, at, begins, suspends, waits FROM end_access WHERE over_at IS NULL";

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
    })
}

/// That of somebody.
pub fn open(c: &Tx, target: i64) -> Result<Option<Open>, StoreError> {
    let mut select = c.prepare_cached(&format!("{OPEN} AND target = ?1"))?;
    Ok(select.query_row([target], read).optional()?)
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
pub fn insert(c: &Tx, target: i64, asked: &EndNow, waits: bool) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO end_access (target, by, principal, why, at, begins, suspends, waits) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
    )?
    .execute(params![
        target,
        asked.by,
        asked.principal,
        asked.why,
        asked.at.millis(),
        asked.begins.millis(),
        asked.suspends,
        waits
    ])?;
    Ok(())
}

/// A second person has agreed.
pub fn agree(c: &Tx, id: i64, by: &Decider) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE end_access SET waits = 0, agreed_by = ?2, agreed_principal = ?3 WHERE id = ?1")?
        .execute(params![id, by.name, by.principal()])?;
    Ok(())
}

/// It is over: `restored` by somebody, or `confirmed` by HR.
pub fn close(c: &Tx, id: i64, how: &str, by: Option<(&str, &str)>, now: Moment) -> Result<(), StoreError> {
    let (name, principal) = by.unzip();
    c.prepare_cached("UPDATE end_access SET over = ?2, over_at = ?3, over_by = ?4, over_principal = ?5 WHERE id = ?1")?
        .execute(params![id, how, now.millis(), name, principal])?;
    Ok(())
}

/// Of how many people a principal has ended the access since then, whatever became of it. What a second person has agreed to does
/// not count.
pub fn asked_since(c: &Tx, principal: &str, since: Moment) -> Result<usize, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT count(DISTINCT target) FROM end_access WHERE principal = ?1 AND at > ?2 AND agreed_by IS NULL",
    )?;
    let people: i64 = select.query_row(params![principal, since.millis()], |row| row.get(0))?;
    Ok(usize::try_from(people).unwrap_or(usize::MAX))
}
