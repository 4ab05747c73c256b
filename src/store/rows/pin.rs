//! The table `pin`: what undos have restored.

use crate::clock::Moment;
use crate::domain::plan::pins::Pins;
use crate::store::StoreError;
use crate::store::engine::{Many, Of, Optional, Tx, params};
use crate::store::rows::known::numbers;

/// What is pinned of somebody.
pub fn load(c: &Tx, target: i64) -> Result<Pins, StoreError> {
    let found: Option<String> =
        c.prepare_cached("SELECT pins FROM pin WHERE target = ?1")?.query_row([target], |row| row.get(0)).optional()?;
    found.map_or_else(|| Ok(Pins::default()), |text| Ok(serde_json::from_str(&text)?))
}

/// Pins something of somebody in place of what was pinned.
pub fn save(
    c: &Tx,
    target: i64,
    pins: &Pins,
    why: &str,
    (by, principal): (&str, &str),
    now: Moment,
) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO pin (target, pins, why, by, at, principal) VALUES (?1,?2,?3,?4,?5,?6)
         ON CONFLICT (target) DO UPDATE SET pins = excluded.pins, why = excluded.why, by = excluded.by,
           at = excluded.at, principal = excluded.principal",
    )?
    .execute(params![target, serde_json::to_string(pins)?, why, by, now.millis(), principal])?;
    Ok(())
}

/// What is pinned of somebody is as it is now; who pinned it, when and why stays.
pub fn change(c: &Tx, target: i64, pins: &Pins) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE pin SET pins = ?2 WHERE target = ?1")?
        .execute(params![target, serde_json::to_string(pins)?])?;
    Ok(())
}

/// Nothing of somebody is pinned any more; returns their org if something was.
pub fn remove(c: &Tx, target: i64) -> Result<Option<String>, StoreError> {
    let mut delete =
        c.prepare_cached("DELETE FROM pin WHERE target = ?1 RETURNING (SELECT org FROM target WHERE id = pin.target)")?;
    Ok(delete.query_row([target], |row| row.get(0)).optional()?)
}

/// Nothing of somebody is pinned any more, and nobody is told.
pub fn forget(c: &Tx, target: i64) -> Result<(), StoreError> {
    c.execute("DELETE FROM pin WHERE target = ?1", [target])?;
    Ok(())
}

/// Everybody of whom something is pinned.
pub fn everybody(c: &Tx) -> Result<Vec<i64>, StoreError> {
    Ok(c.prepare("SELECT target FROM pin")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

const PINNED: Many = Many {
    given: &[("target", Of::Int)],
    sql: "SELECT p.target FROM given g CROSS JOIN pin p WHERE p.target = g.target",
};

/// Those of these targets, each named once, of whom something is pinned.
pub fn pinned(c: &Tx, targets: &[i64]) -> Result<Vec<i64>, StoreError> {
    Ok(c.find(&PINNED, &numbers(targets), |row| row.get(0))?)
}

/// Who has pinned something of somebody, and when.
pub fn pinned_by(c: &Tx, target: i64) -> Result<Option<(String, Moment)>, StoreError> {
    let mut find = c.prepare_cached("SELECT by, at FROM pin WHERE target = ?1")?;
    Ok(find.query_row([target], |row| Ok((row.get(0)?, Moment::from_millis(row.get(1)?)))).optional()?)
}
