//! Pins in the store: what undos have restored, and how that ends.

use super::engine::{Optional, Tx, params};
use super::{StoreError, append, pages};
use crate::audit::details::{Undone, Unpinned};
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::plan::pins::Pins;
use crate::domain::{Cause, Priority};
use std::collections::BTreeMap;

/// What is pinned of somebody.
pub(super) fn pins(c: &Tx, target: i64) -> Result<Pins, StoreError> {
    let found: Option<String> =
        c.prepare_cached("SELECT pins FROM pin WHERE target = ?1")?.query_row([target], |row| row.get(0)).optional()?;
    found.map_or_else(|| Ok(Pins::default()), |text| Ok(serde_json::from_str(&text)?))
}

/// Those of these targets of whom an undo has pinned something.
pub fn pinned(c: &Tx, targets: &[i64]) -> Result<Vec<i64>, StoreError> {
    let mut find = c.prepare_cached("SELECT 1 FROM pin WHERE target = ?1")?;
    let mut found = Vec::new();
    for target in targets {
        if find.exists([target])? {
            found.push(*target);
        }
    }
    Ok(found)
}

/// Who has pinned something of somebody, and when.
pub(super) fn pinned_by(c: &Tx, target: i64) -> Result<Option<(String, Moment)>, StoreError> {
    let mut find = c.prepare_cached("SELECT by, at FROM pin WHERE target = ?1")?;
    Ok(find.query_row([target], |row| Ok((row.get(0)?, Moment::from_millis(row.get(1)?)))).optional()?)
}

/// Pins what an undo has restored, and makes its people dirty.
pub(super) fn pin(
    c: &Tx,
    org: &str,
    all: &BTreeMap<i64, Pins>,
    why: &str,
    (by, principal): (&str, &str),
    now: Moment,
) -> Result<(), StoreError> {
    for (target, pins) in all {
        c.prepare_cached(
            "INSERT INTO pin (target, pins, why, by, at, principal) VALUES (?1,?2,?3,?4,?5,?6)
             ON CONFLICT (target) DO UPDATE SET pins = excluded.pins, why = excluded.why, by = excluded.by,
               at = excluded.at, principal = excluded.principal",
        )?
        .execute(params![target, serde_json::to_string(pins)?, why, by, now.millis(), principal])?;
        pages::mark_dirty(c, *target, org, Priority::Restore, super::ANY_BUCKET, Cause::Undo, now)?;
        let undone = Undone { pins: pins.clone(), why: why.to_owned(), author: Author::new(by, principal) };
        append(c, &Record::about(*target, org.to_owned(), now, Event::Undone(undone)))?;
    }
    Ok(())
}

/// Why something is not pinned any more.
#[derive(Clone, Copy)]
pub(super) enum Because<'a> {
    /// Namely or the rules say something new.
    News(&'a str),
    /// Somebody lets go by hand.
    Person { by: &'a str, principal: &'a str },
}

/// Namely or the mapping has something new to say, or somebody lets go by hand: what was pinned is not any more.
pub(super) fn unpin(c: &Tx, target: i64, because: Because, now: Moment) -> Result<bool, StoreError> {
    let org: Option<String> = c
        .prepare_cached("DELETE FROM pin WHERE target = ?1 RETURNING (SELECT org FROM target WHERE id = pin.target)")?
        .query_row([target], |row| row.get(0))
        .optional()?;
    let Some(org) = org else { return Ok(false) };
    let unpinned = match because {
        Because::News(because) => Unpinned { because: because.to_owned(), by: None, principal: None },
        Because::Person { by, principal } => Unpinned {
            because: format!("let go by {by}"),
            by: Some(by.to_owned()),
            principal: Some(principal.to_owned()),
        },
    };
    append(c, &Record::about(target, org, now, Event::Unpinned(unpinned)))?;
    Ok(true)
}

/// The rules have changed: nothing is pinned any more.
pub(super) fn unpin_all(c: &Tx, because: &str, now: Moment) -> Result<(), StoreError> {
    let mut select = c.prepare("SELECT target FROM pin")?;
    let targets: Vec<i64> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for target in targets {
        unpin(c, target, Because::News(because), now)?;
    }
    Ok(())
}
