//! The table `rejection`: what somebody has rejected, and how that ended.

use crate::clock::Moment;
use crate::domain::ChangeKind;
use crate::domain::guard::rejection::{Fact, Rejection};
use crate::store::StoreError;
use crate::store::engine::{Optional, Row, SqlError, Tx, params};
use std::collections::BTreeSet;

/// Somebody's change was rejected, as it was evaluated.
pub fn put(
    c: &Tx,
    target: i64,
    change: ChangeKind,
    hold: i64,
    (by, principal): (&str, &str),
    now: Moment,
) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO rejection (target, change, objects, fact, shown, hold, by, principal, at)
         SELECT target, change, objects, fact, shown, ?3, ?4, ?5, ?6 FROM risk WHERE target = ?1 AND change = ?2",
    )?
    .execute(params![target, change.as_str(), hold, by, principal, now.millis()])?;
    Ok(())
}

/// What was rejected of somebody and was not ended, in order.
pub fn of(c: &Tx, target: i64) -> Result<Vec<Rejection>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, change, objects, fact, hold, by, at FROM rejection WHERE target = ?1 AND ended_at IS NULL ORDER BY id",
    )?;
    let rows: Vec<Stored> = select.query_map([target], |row| Stored::read(row, 0))?.collect::<Result<_, _>>()?;
    rows.into_iter().map(Stored::understood).collect()
}

/// A rejection as it stands in the store.
pub struct Stored {
    id: i64,
    change: String,
    objects: String,
    fact: String,
    hold: i64,
    by: String,
    at: i64,
}

impl Stored {
    /// What stands in the seven columns from this one on.
    pub fn read(row: &Row, first: usize) -> Result<Self, SqlError> {
        Ok(Self {
            id: row.get(first)?,
            change: row.get(first + 1)?,
            objects: row.get(first + 2)?,
            fact: row.get(first + 3)?,
            hold: row.get(first + 4)?,
            by: row.get(first + 5)?,
            at: row.get(first + 6)?,
        })
    }

    pub fn understood(self) -> Result<Rejection, StoreError> {
        let fact: Fact = serde_json::from_str(&self.fact)?;
        Ok(Rejection {
            id: self.id,
            change: ChangeKind::parse(&self.change),
            objects: serde_json::from_str(&self.objects)?,
            fact,
            hold: self.hold,
            by: self.by,
            at: Moment::from_millis(self.at),
        })
    }
}

/// The hold of the newest rejection of a kind of change of somebody that was not ended, and who it was.
pub fn newest(c: &Tx, target: i64, change: ChangeKind) -> Result<Option<(i64, String)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT hold, by FROM rejection WHERE target = ?1 AND change = ?2 AND ended_at IS NULL ORDER BY id DESC LIMIT 1",
    )?;
    Ok(select.query_row(params![target, change.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Of whom the end of access was rejected, as far as that was not ended.
pub fn of_ends(c: &Tx) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT DISTINCT target FROM rejection WHERE change IN ('deactivate', 'suspend') AND ended_at IS NULL",
    )?;
    Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// How many people of each org are held by what was rejected alone: no decision about them is open.
pub fn keeps(c: &Tx) -> Result<Vec<(String, i64)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT w.org, count(*) FROM work w WHERE w.dirty_rev > w.done_rev AND w.state = 2
         AND EXISTS (SELECT 1 FROM rejection r WHERE r.target = w.target AND r.ended_at IS NULL)
         AND NOT EXISTS (SELECT 1 FROM risk k JOIN hold h ON h.id = k.hold WHERE k.target = w.target AND h.verdict IS NULL)
         GROUP BY w.org",
    )?;
    Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// What was rejected in a hold and was not ended: each with its target.
pub fn in_hold(c: &Tx, hold: i64) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT id, target FROM rejection WHERE hold = ?1 AND ended_at IS NULL ORDER BY id")?;
    Ok(select.query_map([hold], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// Whose changes were rejected in this hold, as far as that was not ended.
pub fn members(c: &Tx, hold: i64) -> Result<BTreeSet<i64>, StoreError> {
    Ok(in_hold(c, hold)?.into_iter().map(|(_, target)| target).collect())
}

/// A rejection that has ended.
pub struct Ended {
    pub target: i64,
    pub change: String,
    pub hold: i64,
    pub org: String,
    pub shown: String,
}

/// Ends one.
pub fn end(c: &Tx, id: i64, why: &str, now: Moment) -> Result<Ended, StoreError> {
    let mut update = c.prepare_cached(
        "UPDATE rejection SET ended = ?2, ended_at = ?3 WHERE id = ?1
         RETURNING target, change, hold, (SELECT org FROM target WHERE id = rejection.target), shown",
    )?;
    Ok(update.query_row(params![id, why, now.millis()], |row| {
        Ok(Ended { target: row.get(0)?, change: row.get(1)?, hold: row.get(2)?, org: row.get(3)?, shown: row.get(4)? })
    })?)
}

/// Two targets are one person: what was rejected of either was rejected of them.
pub fn merge(c: &Tx, from: i64, into: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE rejection SET target = ?2 WHERE target = ?1")?.execute([from, into])?;
    Ok(())
}
