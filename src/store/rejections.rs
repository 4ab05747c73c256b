//! What people have rejected: rows of their own, which outlive holds, plans, configurations and restarts.
//!
//! **Invariant:** what was rejected is not done while Namely says what it said, unless an approver takes the rejection back;
//! the audit says how it ended.

use super::engine::{Optional, Tx, params};
use super::rows::work;
use super::{StoreError, append, change_of};
use crate::audit::details::RejectionEnded;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::guard::rejection::{Fact, Rejected, stands};
use crate::domain::{Case, ChangeKind};
use std::collections::BTreeSet;

/// Somebody's change was rejected, as it was evaluated: it is not held any more, it is over.
pub(super) fn put(
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
    c.prepare_cached("DELETE FROM risk WHERE target = ?1 AND change = ?2")?
        .execute(params![target, change.as_str()])?;
    Ok(())
}

/// What was rejected of somebody and still holds. What stood on something that Namely does not say any more is ended.
pub(super) fn of(c: &Tx, target: i64, case: &Case, now: Moment) -> Result<Rejected, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, change, objects, fact, hold, by FROM rejection WHERE target = ?1 AND ended_at IS NULL ORDER BY id",
    )?;
    let mut rows = select.query([target])?;
    let (mut rejected, mut over) = (Rejected::default(), Vec::new());
    while let Some(row) = rows.next()? {
        let (id, word, objects, fact): (i64, String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let (hold, by): (i64, String) = (row.get(4)?, row.get(5)?);
        let fact: Fact = serde_json::from_str(&fact)?;
        if !stands(&fact, case) {
            over.push(id);
            continue;
        }
        let Some(change) = ChangeKind::parse(&word) else { continue };
        let objects: BTreeSet<String> = serde_json::from_str(&objects)?;
        let why = message(change, hold, &by);
        rejected.0.entry(change).or_default().extend(objects.into_iter().map(|object| (object, why.clone())));
    }
    for id in over {
        end(c, id, "Namely says something else since", None, now)?;
    }
    Ok(rejected)
}

/// The newest rejection of a kind of change of somebody that still holds: its hold, who, and when. Ends nothing.
pub(super) fn lifecycle(
    c: &Tx,
    target: i64,
    case: &Case,
    change: ChangeKind,
) -> Result<Option<(i64, String, Moment)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT hold, by, at, fact FROM rejection WHERE target = ?1 AND change = ?2 AND ended_at IS NULL ORDER BY id DESC",
    )?;
    let mut rows = select.query(params![target, change.as_str()])?;
    while let Some(row) = rows.next()? {
        let fact: Fact = serde_json::from_str(&row.get::<String>(3)?)?;
        if stands(&fact, case) {
            return Ok(Some((row.get(0)?, row.get(1)?, Moment::from_millis(row.get(2)?))));
        }
    }
    Ok(None)
}

pub(super) fn message(change: ChangeKind, hold: i64, by: &str) -> String {
    format!(
        "{} was rejected by {by} (hold {hold}): it waits until Namely says something else, or for `holds reverse {hold}`",
        change.as_str()
    )
}

/// Why a saved plan cannot have this kind of change of somebody, if it was rejected.
pub(super) fn words_of(c: &Tx, target: i64, change: ChangeKind) -> Result<Option<String>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT hold, by FROM rejection WHERE target = ?1 AND change = ?2 AND ended_at IS NULL ORDER BY id DESC LIMIT 1",
    )?;
    let found: Option<(i64, String)> =
        select.query_row(params![target, change.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map(|(hold, by)| message(change, hold, &by)))
}

/// Whose changes were rejected in this hold, as far as that still holds.
pub(super) fn members(c: &Tx, hold: i64) -> Result<BTreeSet<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT target FROM rejection WHERE hold = ?1 AND ended_at IS NULL")?;
    Ok(select.query_map([hold], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn end(c: &Tx, id: i64, why: &str, by: Option<(&str, &str)>, now: Moment) -> Result<(), StoreError> {
    let (target, change, hold, org, shown): (i64, String, i64, String, String) = c
        .prepare_cached(
            "UPDATE rejection SET ended = ?2, ended_at = ?3 WHERE id = ?1
             RETURNING target, change, hold, (SELECT org FROM target WHERE id = rejection.target), shown",
        )?
        .query_row(params![id, why, now.millis()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?;
    let (by, principal) = by.map(|(by, principal)| (by.to_owned(), principal.to_owned())).unzip();
    let change = change_of(&change)?;
    let ended = RejectionEnded { hold, change, shown, why: why.to_owned(), by, principal };
    append(c, &Record::about(target, org, now, Event::RejectionEnded(ended)))?;
    Ok(())
}

/// An approver has taken rejections of a hold back: the people are evaluated as if it were asked for the first time. Returns how
/// many they are.
pub(super) fn reverse(
    c: &Tx,
    hold: i64,
    only: Option<&BTreeSet<i64>>,
    (by, principal): (&str, &str),
    now: Moment,
) -> Result<usize, StoreError> {
    let mut select = c.prepare_cached("SELECT id, target FROM rejection WHERE hold = ?1 AND ended_at IS NULL")?;
    let rows: Vec<(i64, i64)> =
        select.query_map([hold], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut people = 0;
    for (id, target) in rows.into_iter().filter(|(_, target)| only.is_none_or(|only| only.contains(target))) {
        end(c, id, &format!("taken back by {by}"), Some((by, principal)), now)?;
        work::change(c, target, |work| if work.is_dirty() { work.unevaluated() } else { work }.decided(now))?;
        people += 1;
    }
    Ok(people)
}

/// Two targets are one person: what was rejected of either was rejected of them.
pub(super) fn merge(c: &Tx, from: i64, into: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE rejection SET target = ?2 WHERE target = ?1")?.execute([from, into])?;
    Ok(())
}
