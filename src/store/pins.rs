//! Pins in the store: what undos have restored, and how that ends.

use super::engine::Tx;
use super::rows::pin;
use super::{StoreError, append, dirty};
use crate::audit::details::{Undone, Unpinned};
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::plan::doubt::gives_access;
use crate::domain::plan::pins::Pins;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::step::Step;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::{ANY_BUCKET, Dirt};
use std::collections::BTreeMap;

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
        pin::save(c, *target, pins, why, (by, principal), now)?;
        dirty::mark_dirty(
            c,
            *target,
            org,
            &Dirt { priority: Priority::Restore, bucket: ANY_BUCKET, cause: Cause::Undo },
            now,
        )?;
        let undone = Undone { pins: pins.clone(), why: why.to_owned(), author: Author::new(by, principal) };
        append(c, &Record::about(*target, org.to_owned(), now, Event::Undone(undone)))?;
    }
    Ok(())
}

/// A call leaves: whoever had to approve what gives access against the record has.
pub(super) fn carries_out(c: &Tx, target: i64, step: &Step) -> Result<(), StoreError> {
    if !gives_access(step) {
        return Ok(());
    }
    let mut pins = pin::load(c, target)?;
    if pins.carries_out(step) { pin::change(c, target, &pins) } else { Ok(()) }
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
    let Some(org) = pin::remove(c, target)? else { return Ok(false) };
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
    for target in pin::everybody(c)? {
        unpin(c, target, Because::News(because), now)?;
    }
    Ok(())
}
