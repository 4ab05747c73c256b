//! Whom an end of access by hand covers: it is of the person, so of every target that shares a profile with theirs, in every org,
//! and of those that come later.
//!
//! **Invariant:** while it stands, no target of the person is without it, however it came to them: a new route or org, a match, a
//! join, a split. Only one that was asked for in one org alone stays there.

use super::engine::Tx;
use super::pins::{self, Because};
use super::rows::end_access::{self as row, Open, Place};
use super::rows::{link, target as targets};
use super::{StoreError, append};
use crate::audit::access::AccessEnded;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::guard::decider::Decider;
use crate::domain::plan::end_now::EndNow;
use std::collections::BTreeSet;

/// The targets of a person, this one among them: those that share a profile with it, by themselves or through others.
pub(super) fn person(c: &Tx, target: i64) -> Result<BTreeSet<i64>, StoreError> {
    let (mut found, mut next) = (BTreeSet::from([target]), vec![target]);
    while let Some(one) = next.pop() {
        for other in link::sharing(c, one)? {
            if found.insert(other) {
                next.push(other);
            }
        }
    }
    Ok(found)
}

/// Everybody whom these ends of access are about, themselves among them: their people, and what was parted from them meanwhile.
pub(super) fn everywhere(c: &Tx, of: &[i64]) -> Result<Vec<Open>, StoreError> {
    let all = row::all(c)?;
    let (mut found, mut roots) = (BTreeSet::new(), BTreeSet::new());
    for one in of {
        found.extend(person(c, *one)?);
        roots.extend(all.iter().filter(|open| open.target == *one && !open.place.only_here).map(Open::root));
    }
    let is_meant = |open: &Open| match open.place.only_here {
        true => of.contains(&open.target),
        false => found.contains(&open.target) || roots.contains(&open.root()),
    };
    Ok(all.into_iter().filter(is_meant).collect())
}

/// What stands for these targets, or waits for a second person.
pub(super) fn open_of(c: &Tx, of: &BTreeSet<i64>) -> Result<Vec<Open>, StoreError> {
    let mut found = Vec::new();
    for one in of {
        found.extend(row::open(c, *one)?);
    }
    Ok(found)
}

/// What stands for a target stands for another one too, and for as long: what the record has said of it counts there as well.
fn add(c: &Tx, open: &Open, to: i64, place: Place) -> Result<(), StoreError> {
    row::insert(c, to, &open.asked, open.waits, place)?;
    match row::open(c, to)? {
        Some(new) if open.followed_at.is_some() => row::set_followed(c, new.id, open.followed_at),
        _ => Ok(()),
    }
}

/// Extends what stands for a person to all targets of theirs. Returns those for whom it is new.
pub(super) fn spread(c: &Tx, target: i64, now: Moment) -> Result<Vec<i64>, StoreError> {
    if !row::is_any(c)? {
        return Ok(Vec::new());
    }
    let of = person(c, target)?;
    let open = open_of(c, &of)?;
    let orders = open.iter().filter(|open| !open.waits && !open.place.only_here);
    let Some(order) = orders.min_by_key(|open| (open.asked.suspends, open.asked.begins, open.id)) else {
        return Ok(Vec::new());
    };
    let mut new = Vec::new();
    for one in of {
        let own = open.iter().find(|open| open.target == one);
        if own.is_some_and(|own| !own.waits && own.asked.takes_as_much_as(&order.asked)) {
            continue;
        }
        if let Some(own) = own {
            row::close(c, own.id, "joined", None, now)?;
        }
        add(c, order, one, Place { follows: Some(order.root()), only_here: false })?;
        begins(c, one, &order.asked, None, now)?;
        new.push(one);
    }
    Ok(new)
}

/// What stands for a target stands for another one too, to which a profile or an account of it goes.
pub(super) fn copy(c: &Tx, from: i64, to: i64, now: Moment) -> Result<(), StoreError> {
    let Some(open) = row::open(c, from)? else { return Ok(()) };
    let place = Place { follows: Some(open.root()), only_here: open.place.only_here };
    add(c, &open, to, place)?;
    append(c, &record(c, to, &open.asked, None, open.waits, now)?)?;
    Ok(())
}

/// Two targets are one from now on: what takes more stands.
pub(super) fn merge(c: &Tx, from: i64, into: i64, now: Moment) -> Result<(), StoreError> {
    let Some(theirs) = row::open(c, from)? else { return Ok(()) };
    let stays = row::open(c, into)?;
    if let Some(stays) = &stays {
        let is_enough = !stays.waits && stays.asked.takes_as_much_as(&theirs.asked);
        if is_enough || theirs.waits {
            return row::close(c, theirs.id, "joined", None, now);
        }
        row::close(c, stays.id, "joined", None, now)?;
    }
    row::give(c, theirs.id, into)?;
    if !theirs.waits {
        begins(c, into, &theirs.asked, None, now)?;
    }
    Ok(())
}

/// From now on it is so: no pin gives access.
pub(super) fn begins(
    c: &Tx,
    target: i64,
    asked: &EndNow,
    agreed: Option<&Decider>,
    now: Moment,
) -> Result<(), StoreError> {
    pins::unpin(c, target, Because::Person { by: &asked.by, principal: &asked.principal }, now)?;
    append(c, &record(c, target, asked, agreed, false, now)?)?;
    Ok(())
}

/// What the audit says of it.
pub(super) fn record(
    c: &Tx,
    target: i64,
    asked: &EndNow,
    agreed: Option<&Decider>,
    waits: bool,
    now: Moment,
) -> Result<Record, StoreError> {
    let org = targets::org(c, target)?;
    let ended = AccessEnded {
        why: asked.why.clone(),
        asked_at: asked.at.to_string(),
        begins: (asked.begins > asked.at).then(|| asked.begins.to_string()),
        suspends: asked.suspends,
        waits,
        agreed_by: agreed.map(|decider| decider.name.clone()),
        author: Author::new(&asked.by, &asked.principal),
    };
    Ok(Record::about(target, org, now, Event::AccessEnded(ended)))
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
