//! The table `approval`: what somebody has approved of a saved plan.

use super::change::change_of;
use crate::clock::Moment;
use crate::domain::ChangeKind;
use crate::domain::guard::approval::{Approved, Binding};
use crate::store::StoreError;
use crate::store::engine::{Tx, params};
use std::collections::BTreeSet;

/// An approval, as somebody gives it.
pub struct Given<'a> {
    pub target: i64,
    pub change: ChangeKind,
    pub principal: &'a str,
    pub by: &'a str,
    pub words: &'a [String],
    /// The checksum of the saved plan.
    pub plan: &'a str,
    pub binding: &'a Binding,
}

/// Writes it down, in the place of what they have approved before; the service has not taken it yet.
pub fn put(c: &Tx, given: &Given) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO approval (target, change, principal, words, plan, by, at, expires, rev, rules)
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)
         ON CONFLICT (target, change, principal) DO UPDATE SET words = excluded.words, plan = excluded.plan,
           by = excluded.by, at = excluded.at, expires = excluded.expires, rev = excluded.rev,
           rules = excluded.rules, told = 0",
    )?
    .execute(params![
        given.target,
        given.change.as_str(),
        given.principal,
        serde_json::to_string(given.words)?,
        given.plan,
        given.by,
        given.binding.at.millis(),
        given.binding.expires.millis(),
        given.binding.rev,
        given.binding.rules,
    ])?;
    Ok(())
}

/// Approvals of one kind of change of somebody that the service has taken.
pub fn taken(c: &Tx, target: i64, change: ChangeKind) -> Result<Vec<Approved>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT principal, by, at, words, rev, rules, expires FROM approval WHERE target = ?1 AND change = ?2 AND told = 1
         ORDER BY principal",
    )?;
    let mut rows = select.query(params![target, change.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (at, words): (i64, String) = (row.get(2)?, row.get(3)?);
        let (at, expires) = (Moment::from_millis(at), Moment::from_millis(row.get(6)?));
        found.push(Approved {
            principal: row.get(0)?,
            by: row.get(1)?,
            words: serde_json::from_str(&words)?,
            binding: Binding { rev: row.get(4)?, rules: row.get(5)?, at, expires },
        });
    }
    Ok(found)
}

/// The kinds of change of somebody of which the service has taken an approval.
pub fn kinds(c: &Tx, target: i64) -> Result<Vec<ChangeKind>, StoreError> {
    let mut select = c.prepare_cached("SELECT DISTINCT change FROM approval WHERE target = ?1 AND told = 1")?;
    let words: Vec<String> = select.query_map([target], |row| row.get(0))?.collect::<Result<_, _>>()?;
    words.iter().map(|word| change_of(word)).collect()
}

/// Whether any of these people has an approval of this kind that the service has taken.
pub fn any(c: &Tx, targets: &BTreeSet<i64>, change: ChangeKind) -> Result<bool, StoreError> {
    let mut find =
        c.prepare_cached("SELECT 1 FROM approval WHERE change = ?1 AND told = 1 AND target IN json_ints(?2)")?;
    Ok(find.exists(params![change.as_str(), serde_json::to_string(targets)?])?)
}

/// An approval, with the person whom it is about as they are now.
pub struct Living {
    pub target: i64,
    pub org: String,
    pub change: ChangeKind,
    pub binding: Binding,
    /// Their newest revision; 0 of whom nothing was ever to be done.
    pub newest: i64,
}

/// Every approval that nobody has ended.
pub fn living(c: &Tx) -> Result<Vec<Living>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT a.target, t.org, a.change, a.rev, a.rules, a.at, a.expires, coalesce(w.dirty_rev, 0) FROM approval a
         JOIN target t ON t.id = a.target LEFT JOIN work w ON w.target = a.target ORDER BY a.target",
    )?;
    let rows = select.query_map([], |row| {
        let word: String = row.get(2)?;
        let (target, org, newest) = (row.get(0)?, row.get(1)?, row.get(7)?);
        let (at, expires) = (Moment::from_millis(row.get(5)?), Moment::from_millis(row.get(6)?));
        let binding = Binding { rev: row.get(3)?, rules: row.get(4)?, at, expires };
        Ok((word, target, org, binding, newest))
    })?;
    rows.map(|row| {
        let (word, target, org, binding, newest) = row?;
        Ok(Living { target, org, change: change_of(&word)?, binding, newest })
    })
    .collect()
}

/// An approval that the service has not taken yet.
pub struct New {
    pub target: i64,
    pub org: String,
    pub change: String,
    pub principal: String,
    /// A document.
    pub words: String,
    pub plan: String,
    pub by: String,
    pub rev: i64,
}

/// Approvals that the service has not taken yet.
pub fn new(c: &Tx) -> Result<Vec<New>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT a.target, t.org, a.change, a.principal, a.words, a.plan, a.by, a.rev FROM approval a
         JOIN target t ON t.id = a.target WHERE a.told = 0 ORDER BY a.target, a.change",
    )?;
    let rows = select.query_map([], |row| {
        Ok(New {
            target: row.get(0)?,
            org: row.get(1)?,
            change: row.get(2)?,
            principal: row.get(3)?,
            words: row.get(4)?,
            plan: row.get(5)?,
            by: row.get(6)?,
            rev: row.get(7)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The service has taken an approval.
pub fn take(c: &Tx, new: &New, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE approval SET told = 1, at = ?4 WHERE target = ?1 AND change = ?2 AND principal = ?3")?
        .execute(params![new.target, new.change, new.principal, now.millis()])?;
    Ok(())
}

/// What was approved of somebody is about this revision.
pub fn rebind(c: &Tx, target: i64, rev: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE approval SET rev = ?2 WHERE target = ?1")?.execute([target, rev])?;
    Ok(())
}

/// Removes approvals of one kind of change of somebody; returns who had given them, of which plan, and as which principal.
pub fn remove(c: &Tx, target: i64, change: ChangeKind) -> Result<Vec<(String, String, String)>, StoreError> {
    let mut delete =
        c.prepare_cached("DELETE FROM approval WHERE target = ?1 AND change = ?2 RETURNING by, plan, principal")?;
    let rows = delete.query_map(params![target, change.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes every approval of somebody.
pub fn remove_all(c: &Tx, target: i64) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM approval WHERE target = ?1")?.execute([target])?;
    Ok(())
}
