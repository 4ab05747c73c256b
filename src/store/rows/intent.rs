//! The table `intent`: calls that were announced and have no outcome yet.

use crate::audit::Call;
use crate::clock::Moment;
use crate::domain::Step;
use crate::domain::work::run::Lease;
use crate::store::StoreError;
use crate::store::engine::{Optional, Row, SqlError, Tx, params};

/// Announces a call; returns its number.
pub fn insert(c: &Tx, lease: Lease, call: &Call, now: Moment) -> Result<i64, StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO intent (target, token, rev, step, method, path, body_hash, attempt, sent_at)
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9) RETURNING id",
    )?;
    Ok(insert.insert(params![
        lease.target,
        lease.token,
        lease.rev,
        serde_json::to_string(&call.step)?,
        call.method,
        call.path,
        call.body_hash,
        call.attempt,
        now.millis()
    ])?)
}

/// A call has its outcome; whose it is by now, and when it was announced.
pub fn remove(c: &Tx, id: i64) -> Result<Option<(i64, Moment)>, StoreError> {
    let mut delete = c.prepare_cached("DELETE FROM intent WHERE id = ?1 RETURNING target, sent_at")?;
    Ok(delete.query_row([id], |row| Ok((row.get(0)?, Moment::from_millis(row.get(1)?)))).optional()?)
}

/// What is under way for one target is under way for another, which is the same person.
pub fn hand_over(c: &Tx, from: i64, into: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE intent SET target = ?2 WHERE target = ?1")?.execute([from, into])?;
    Ok(())
}

/// The call for a target that is under way, and when it was announced.
pub fn last_sent(c: &Tx, target: i64) -> Result<Option<(Step, Moment)>, StoreError> {
    let mut select = c.prepare_cached("SELECT step, sent_at FROM intent WHERE target = ?1 ORDER BY id DESC LIMIT 1")?;
    let found: Option<(String, i64)> = select.query_row([target], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    found.map(|(step, at)| Ok((serde_json::from_str(&step)?, Moment::from_millis(at)))).transpose()
}

/// Calls that are under way for others in the same org and give somebody a name in an app, with whom each is for.
pub fn names_for_others(c: &Tx, org: &str, target: i64) -> Result<Vec<(i64, Step)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT i.target, i.step FROM intent i JOIN target t ON t.id = i.target
         WHERE t.org = ?1 AND i.target <> ?2 AND i.step LIKE '%user_name%' ORDER BY i.id",
    )?;
    let found: Vec<(i64, String)> =
        select.query_map(params![org, target], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    found.into_iter().map(|(other, step)| Ok((other, serde_json::from_str(&step)?))).collect()
}

/// How many have no outcome yet.
pub fn count(c: &Tx) -> Result<i64, StoreError> {
    Ok(c.prepare_cached("SELECT count(*) FROM intent")?.query_row([], |row| row.get(0))?)
}

/// The number of the last one that has no outcome yet; 0 without any.
pub fn last(c: &Tx) -> Result<i64, StoreError> {
    Ok(c.prepare_cached("SELECT coalesce(max(id), 0) FROM intent")?.query_row([], |row| row.get(0))?)
}

/// How many up to this number have no outcome yet.
pub fn count_until(c: &Tx, last: i64) -> Result<i64, StoreError> {
    Ok(c.prepare_cached("SELECT count(*) FROM intent WHERE id <= ?1")?.query_row([last], |row| row.get(0))?)
}

/// A call that was announced.
pub struct Announced {
    pub id: i64,
    pub target: i64,
    pub rev: i64,
    pub call: Call,
    pub sent_at: Moment,
}

type Columns = (i64, i64, i64, String, String, String, String, i64, i64);

fn columns(row: &Row) -> Result<Columns, SqlError> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
        row.get(6)?,
        row.get(7)?,
        row.get(8)?,
    ))
}

fn announced(
    (id, target, rev, step, method, path, body_hash, attempt, sent_at): Columns,
) -> Result<Announced, StoreError> {
    let step = serde_json::from_str(&step)?;
    let sent_at = Moment::from_millis(sent_at);
    Ok(Announced { id, target, rev, call: Call { step, method, path, body_hash, attempt }, sent_at })
}

/// Those of a lease, in order, whoever they are for by now.
pub fn of_lease(c: &Tx, lease: Lease) -> Result<Vec<Announced>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, target, rev, step, method, path, body_hash, attempt, sent_at FROM intent WHERE token = ?1 ORDER BY id",
    )?;
    let rows: Vec<Columns> = select.query_map([lease.token], columns)?.collect::<Result<_, _>>()?;
    rows.into_iter().map(announced).collect()
}

/// All of them, in order.
pub fn all(c: &Tx) -> Result<Vec<Announced>, StoreError> {
    let mut select =
        c.prepare("SELECT id, target, rev, step, method, path, body_hash, attempt, sent_at FROM intent ORDER BY id")?;
    let rows: Vec<Columns> = select.query_map([], columns)?.collect::<Result<_, _>>()?;
    rows.into_iter().map(announced).collect()
}
