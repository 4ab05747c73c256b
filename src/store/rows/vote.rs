//! The table `vote`: what people have said about holds, each bound to what they were shown.

use crate::clock::Moment;
use crate::domain::guard::vote::{Approval, Said, Says};
use crate::store::StoreError;
use crate::store::engine::{Tx, params};
use std::collections::BTreeSet;

/// What `vote.state` says of a vote that counts.
pub const COUNTED: &str = "counted";

/// A vote that the service has not looked at yet.
pub struct New {
    pub id: i64,
    pub hold: i64,
    pub says: Says,
    /// The code of what they were shown.
    pub seen: String,
    /// A document.
    only: Option<String>,
    pub by: String,
    pub principal: String,
}

impl New {
    /// The people whom they mean; all without it.
    pub fn only(&self) -> Result<Option<BTreeSet<i64>>, StoreError> {
        Ok(self.only.as_deref().map(serde_json::from_str).transpose()?)
    }
}

/// Votes that the service has not looked at yet, in order.
pub fn new(c: &Tx) -> Result<Vec<New>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, hold, approve, seen, \"only\", by, principal FROM vote WHERE state IS NULL ORDER BY id",
    )?;
    let rows = select.query_map([], |row| {
        Ok(New {
            id: row.get(0)?,
            hold: row.get(1)?,
            says: Says::from_number(row.get(2)?),
            seen: row.get(3)?,
            only: row.get(4)?,
            by: row.get(5)?,
            principal: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Holds that nobody has decided yet, about which somebody has said something that counts.
pub fn open(c: &Tx) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare(
        "SELECT DISTINCT v.hold FROM vote v JOIN hold h ON h.id = v.hold
         WHERE v.state = 'counted' AND v.approve IN (0, 1) AND h.verdict IS NULL ORDER BY v.hold",
    )?;
    Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Writes down what somebody says.
pub fn insert(c: &Tx, hold: i64, says: Says, seen: &str, approval: &Approval) -> Result<(), StoreError> {
    let only = approval.only.as_ref().map(serde_json::to_string).transpose()?;
    c.prepare_cached(
        "INSERT INTO vote (hold, approve, seen, \"only\", by, at, principal) VALUES (?1,?2,?3,?4,?5,?6,?7)",
    )?
    .execute(params![hold, says.number(), seen, only, approval.by, approval.at.millis(), approval.principal])?;
    Ok(())
}

/// Approvals and rejections of what this code stands for that count, in order; what the service has not looked at yet too, if
/// `pending`.
pub fn said(c: &Tx, hold: i64, code: &str, pending: bool) -> Result<Vec<Said>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT approve, principal, by, at, \"only\" FROM vote WHERE hold = ?1 AND approve IN (0, 1) AND seen = ?2
           AND (state = 'counted' OR (?3 = 1 AND state IS NULL)) ORDER BY id",
    )?;
    let mut rows = select.query(params![hold, code, pending])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let only: Option<String> = row.get(4)?;
        let approval = Approval {
            principal: row.get(1)?,
            by: row.get(2)?,
            at: Moment::from_millis(row.get(3)?),
            only: only.as_deref().map(serde_json::from_str).transpose()?,
        };
        found.push(Said { says: Says::from_number(row.get(0)?), approval });
    }
    Ok(found)
}

/// The service has looked at a vote: whether it counts, or why not.
pub fn acknowledge(c: &Tx, id: i64, state: &str, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE vote SET state = ?2, at = ?3 WHERE id = ?1")?.execute(params![id, state, now.millis()])?;
    Ok(())
}

/// A vote could not be counted.
pub fn failed(c: &Tx, id: i64, why: &str) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE vote SET state = ?2 WHERE id = ?1")?.execute(params![id, why])?;
    Ok(())
}

/// What was said about a hold so far does not count any more.
pub fn cancel(c: &Tx, hold: i64, why: &str) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE vote SET state = ?2 WHERE hold = ?1 AND approve IN (0, 1) AND state = 'counted'")?
        .execute(params![hold, why])?;
    Ok(())
}
