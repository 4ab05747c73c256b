//! The table `risk`: what the safeguards have evaluated, one row for each kind of change of a person's plan.
//!
//! **Invariant:** what counts and who is held back is decided by `domain::guard::evaluation`; a statement over many rows says
//! here which of its functions it stands for, and a test compares the two.

use super::change::change_of;
use super::hold::rule;
use crate::clock::Moment;
use crate::domain::ChangeKind;
use crate::store::StoreError;
use crate::store::engine::{Many, Of, Optional, Tx, params};
use crate::store::rows::known::numbers;
use std::collections::{BTreeMap, BTreeSet};

/// What was evaluated of one kind of change of somebody.
pub struct Risk<'a> {
    pub target: i64,
    pub change: ChangeKind,
    pub org: &'a str,
    pub tenant: &'a str,
    pub department: &'a str,
    pub rev: i64,
    /// In words.
    pub shown: &'a str,
    pub at: Moment,
    /// The run of the service that has evaluated it.
    pub run: i64,
    /// Where it waits; let through without one.
    pub hold: Option<i64>,
    /// The number of what is known of the person as an administrator.
    pub administrator: i64,
    /// What it is about, and what Namely says behind it; documents.
    pub objects: &'a str,
    pub fact: &'a str,
}

/// Writes it down in the place of what was evaluated before: nobody has approved it.
pub fn put(c: &Tx, risk: &Risk) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO risk (target, change, org, tenant, department, rev, shown, at, run, hold, approved, administrator, objects,
           fact)
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,0,?11,?12,?13)
         ON CONFLICT (target, change) DO UPDATE SET tenant = excluded.tenant, department = excluded.department,
           rev = excluded.rev, shown = excluded.shown, at = excluded.at, run = excluded.run,
           hold = excluded.hold, approved = 0, administrator = excluded.administrator, objects = excluded.objects,
           fact = excluded.fact",
    )?
    .execute(params![
        risk.target,
        risk.change.as_str(),
        risk.org,
        risk.tenant,
        risk.department,
        risk.rev,
        risk.shown,
        risk.at.millis(),
        risk.run,
        risk.hold,
        risk.administrator,
        risk.objects,
        risk.fact,
    ])?;
    Ok(())
}

/// A living person whom a rule has joined with a profile.
pub struct Joined<'a> {
    pub target: i64,
    pub org: &'a str,
    pub tenant: &'a str,
    /// In words.
    pub shown: &'a str,
    pub objects: &'a [&'a str],
}

/// Counts them with those whose accounts rules take over, whatever of them was let through before; who waits in a hold stays there.
pub fn joined(c: &Tx, joined: &Joined, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO risk (target, change, org, tenant, department, rev, shown, at, run, hold, objects)
         VALUES (?1, ?2, ?3, ?4, '', 0, ?5, ?6, ?7, NULL, ?8)
         ON CONFLICT (target, change) DO UPDATE SET tenant = excluded.tenant, rev = 0, shown = excluded.shown,
           at = excluded.at, run = excluded.run, approved = 0 WHERE risk.hold IS NULL",
    )?
    .execute(params![
        joined.target,
        ChangeKind::Adopt.as_str(),
        joined.org,
        joined.tenant,
        joined.shown,
        now.millis(),
        super::meta::run(c)?,
        serde_json::to_string(joined.objects)?,
    ])?;
    Ok(())
}

/// What was evaluated before holds for another revision too.
pub fn renew(
    c: &Tx,
    target: i64,
    change: ChangeKind,
    rev: i64,
    (objects, fact): (&str, &str),
) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE risk SET rev = ?3, objects = ?4, fact = ?5 WHERE target = ?1 AND change = ?2")?
        .execute(params![target, change.as_str(), rev, objects, fact])?;
    Ok(())
}

const LAPSE: Many = Many {
    given: &[("target", Of::Int)],
    sql: "UPDATE risk SET rev = 0 WHERE target IN (SELECT target FROM given) AND hold IS NULL AND rev > 0",
};

/// These have moved since: what was let through and is not carried out is evaluated anew if it is asked for again.
pub fn lapse_all(c: &Tx, targets: &[i64]) -> Result<(), StoreError> {
    c.put(&LAPSE, &numbers(targets))?;
    Ok(())
}

/// It waits in this hold from now on.
pub fn hold(c: &Tx, target: i64, change: ChangeKind, hold: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE risk SET hold = ?3 WHERE target = ?1 AND change = ?2")?.execute(params![
        target,
        change.as_str(),
        hold
    ])?;
    Ok(())
}

/// Enough people have approved it.
pub fn approve(c: &Tx, target: i64, change: ChangeKind, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE risk SET hold = NULL, approved = 1, at = ?3 WHERE target = ?1 AND change = ?2")?
        .execute(params![target, change.as_str(), now.millis()])?;
    Ok(())
}

/// It is over; returns the hold that it waited in, if it did.
pub fn remove(c: &Tx, target: i64, change: ChangeKind) -> Result<Option<i64>, StoreError> {
    let mut delete = c.prepare_cached("DELETE FROM risk WHERE target = ?1 AND change = ?2 RETURNING hold")?;
    let mut rows = delete.query_map(params![target, change.as_str()], |row| row.get::<Option<i64>>(0))?;
    let removed = rows.next().transpose()?.flatten();
    rows.try_for_each(|row| row.map(|_| ()))?;
    Ok(removed)
}

/// Everything that was evaluated of somebody is over.
pub fn remove_all(c: &Tx, target: i64) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM risk WHERE target = ?1")?.execute([target])?;
    Ok(())
}

/// What was decided about one kind of change of somebody.
pub struct Known {
    pub rev: i64,
    pub shown: String,
    pub hold: Option<i64>,
    /// Why that hold was opened.
    pub why: Option<String>,
    /// The number of what was known of them as an administrator.
    pub administrator: i64,
}

/// What was decided about somebody, by kind of change.
pub fn known(c: &Tx, target: i64) -> Result<BTreeMap<ChangeKind, Known>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT r.change, r.rev, r.shown, r.hold, r.administrator, h.why
         FROM risk r LEFT JOIN hold h ON h.id = r.hold AND h.verdict IS NULL WHERE r.target = ?1",
    )?;
    let rows = select.query_map([target], |row| {
        let word: String = row.get(0)?;
        let (rev, shown, hold, administrator) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        let why: Option<String> = row.get(5)?;
        Ok((word, Known { rev, shown, hold, why: why.map(rule), administrator }))
    })?;
    rows.map(|row| row.map_err(Into::into).and_then(|(word, known)| Ok((change_of(&word)?, known)))).collect()
}

/// The kinds of change of somebody that wait in a hold.
pub fn held(c: &Tx, target: i64) -> Result<Vec<ChangeKind>, StoreError> {
    let mut select = c.prepare_cached("SELECT change FROM risk WHERE target = ?1 AND hold IS NOT NULL")?;
    let words: Vec<String> = select.query_map([target], |row| row.get(0))?.collect::<Result<_, _>>()?;
    words.iter().map(|word| change_of(word)).collect()
}

/// The holds that somebody waits in.
pub fn holds(c: &Tx, target: i64) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT DISTINCT hold FROM risk WHERE target = ?1 AND hold IS NOT NULL")?;
    Ok(select.query_map([target], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The people of a hold, with what is held of them in words.
pub fn members(c: &Tx, hold: i64) -> Result<BTreeMap<i64, String>, StoreError> {
    let mut select = c.prepare_cached("SELECT target, shown FROM risk WHERE hold = ?1")?;
    Ok(select.query_map([hold], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// Whether anybody waits in a hold.
pub fn has_members(c: &Tx, hold: i64) -> Result<bool, StoreError> {
    Ok(c.prepare_cached("SELECT 1 FROM risk WHERE hold = ?1")?.exists([hold])?)
}

/// Somebody whose end waits in a hold.
pub struct Ending {
    pub target: i64,
    pub may_be_administrator: bool,
    pub org: String,
    pub okta_id: Option<String>,
}

/// The people of a hold whose end waits in it.
pub fn endings(c: &Tx, hold: i64) -> Result<Vec<Ending>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT r.target, r.administrator > 0, t.org, t.okta_id FROM risk r JOIN target t ON t.id = r.target
         WHERE r.hold = ?1 AND r.change = 'deactivate'",
    )?;
    let rows = select.query_map([hold], |row| {
        Ok(Ending { target: row.get(0)?, may_be_administrator: row.get(1)?, org: row.get(2)?, okta_id: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether a change of somebody was evaluated as that of an administrator, or of somebody who may be one.
pub fn may_be_administrator(c: &Tx, target: i64, change: ChangeKind) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached("SELECT administrator > 0 FROM risk WHERE target = ?1 AND change = ?2")?;
    Ok(select.query_row(params![target, change.as_str()], |row| row.get(0)).optional()?.unwrap_or(false))
}

/// What was evaluated of a revision of somebody.
pub struct OfRevision {
    pub change: ChangeKind,
    pub hold: Option<i64>,
    /// Why that hold was opened.
    pub why: Option<String>,
    pub is_decided: bool,
    /// It was evaluated as a change of an administrator, or of somebody who may be one.
    pub as_administrator: bool,
}

/// What was evaluated of a revision of somebody.
pub fn of_revision(c: &Tx, target: i64, rev: i64) -> Result<Vec<OfRevision>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT r.change, h.id, h.why, h.verdict IS NOT NULL, r.administrator > 0
         FROM risk r LEFT JOIN hold h ON h.id = r.hold WHERE r.target = ?1 AND r.rev = ?2",
    )?;
    let rows = select.query_map([target, rev], |row| {
        let word: String = row.get(0)?;
        let (hold, why, is_decided, as_administrator) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok((word, hold, why, is_decided, as_administrator))
    })?;
    rows.map(|row| {
        let (word, hold, why, is_decided, as_administrator) = row?;
        let why: Option<String> = why;
        let why = why.map(rule);
        Ok(OfRevision { change: change_of(&word)?, hold, why, is_decided, as_administrator })
    })
    .collect()
}

/// Whose rows are counted.
pub struct Counted<'a> {
    pub org: &'a str,
    pub change: ChangeKind,
    pub tenant: &'a str,
    /// The whole tenant without it.
    pub department: Option<&'a str>,
    /// Whoever is evaluated just now is counted by themselves.
    pub without: &'a BTreeSet<i64>,
    /// When the span of the limit began; without it, what this run of the service has evaluated.
    pub since: Option<Moment>,
}

/// `evaluation::counts`, over everybody of one kind of change and tenant.
pub fn count(c: &Tx, whom: &Counted) -> Result<u32, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT count(*) FROM risk WHERE approved = 0
           AND (hold IS NULL OR EXISTS (SELECT 1 FROM hold h WHERE h.id = risk.hold AND h.verdict IS NULL))
           AND at > coalesce(CAST(?1 AS BIGINT), -1) AND (CAST(?1 AS BIGINT) IS NOT NULL OR run = ?7)
           AND org = ?2 AND change = ?3 AND tenant = ?4 AND (CAST(?5 AS TEXT) IS NULL OR department = ?5)
           AND target NOT IN json_ints(?6)",
    )?;
    let params = params![
        whom.since.map(Moment::millis),
        whom.org,
        whom.change.as_str(),
        whom.tenant,
        whom.department,
        serde_json::to_string(whom.without)?,
        super::meta::run(c)?,
    ];
    Ok(select.query_row(params, |row| row.get(0))?)
}

/// By org and tenant: how many count, and how many of these wait in a hold.
type Counts = BTreeMap<(String, String), (u32, u32)>;

/// `evaluation::counts`, over everybody: how many of each org and tenant, and how many of these wait in a hold.
pub fn counts(c: &Tx, change: ChangeKind, since: Option<Moment>) -> Result<Counts, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT org, tenant, count(*), count(hold) FROM risk WHERE approved = 0
           AND (hold IS NULL OR EXISTS (SELECT 1 FROM hold h WHERE h.id = risk.hold AND h.verdict IS NULL))
           AND at > coalesce(CAST(?1 AS BIGINT), -1) AND (CAST(?1 AS BIGINT) IS NOT NULL OR run = ?3)
           AND change = ?2 GROUP BY org, tenant",
    )?;
    let params = params![since.map(Moment::millis), change.as_str(), super::meta::run(c)?];
    let rows = select.query_map(params, |row| Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// `evaluation::is_held_back`, over everybody of one kind of change and tenant: target, revision, and what is shown.
pub fn let_through(
    c: &Tx,
    org: &str,
    change: ChangeKind,
    tenant: &str,
    department: Option<&str>,
) -> Result<Vec<(i64, i64, String)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT r.target, r.rev, r.shown FROM risk r JOIN work w ON w.target = r.target
         WHERE r.org = ?1 AND r.change = ?2 AND r.tenant = ?3 AND r.hold IS NULL AND r.approved = 0
           AND (CAST(?4 AS TEXT) IS NULL OR r.department = ?4)
           AND w.dirty_rev > w.done_rev AND r.rev > w.done_rev AND w.token IS NULL",
    )?;
    let rows = select.query_map(params![org, change.as_str(), tenant, department], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether something of a person is held who was known by this number as an administrator.
pub fn waits_as(c: &Tx, target: i64, administrator: i64) -> Result<bool, StoreError> {
    let mut find =
        c.prepare_cached("SELECT 1 FROM risk WHERE target = ?1 AND administrator = ?2 AND hold IS NOT NULL")?;
    Ok(find.exists([target, administrator])?)
}

/// How many administrators of an org besides `batch` were let go into suspension since then, without anybody's decision.
pub fn suspended_administrators(
    c: &Tx,
    org: &str,
    batch: &BTreeSet<i64>,
    since: Option<Moment>,
) -> Result<u32, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT count(*) FROM risk WHERE org = ?1 AND change = 'suspend' AND administrator = 1 AND hold IS NULL
           AND approved = 0 AND at > ?2 AND target NOT IN json_ints(?3)",
    )?;
    let params = params![org, since.map(Moment::millis), serde_json::to_string(batch)?];
    Ok(select.query_row(params, |row| row.get(0))?)
}

#[cfg(test)]
#[path = "risk_tests.rs"]
mod tests;
