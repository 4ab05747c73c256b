//! Carrying out a match: a profile gets an account, or joins a person.
//!
//! **Invariant:** a target has at most one account, and an account at most one target.

use super::engine::Tx;
use super::rows::matched::Match;
use super::rows::{approval, intent, link, matched, pin, review, risk, target, unanswered, work};
use super::{StoreError, append, orders, rejections};
use crate::audit::details::{Correlated, Owner};
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::matching::correlation::Counterpart;
use crate::domain::record::person::Position;
use crate::domain::work::machine::Work;

/// A target and whom a profile of it has turned out to be are one person; returns the target that stays.
pub(super) fn adopt(
    c: &Tx,
    org: &str,
    position: &Position,
    (target, counterpart): (i64, &Counterpart),
    found: &Match,
    now: Moment,
) -> Result<i64, StoreError> {
    let (stays, owner) = match counterpart {
        Counterpart::Account(id) => {
            target::give(c, target, id, found.rule)?;
            (target, Owner::Account(id.clone()))
        }
        Counterpart::Target(other) => {
            merge(c, target, *other, now)?;
            (*other, Owner::Joined(target))
        }
    };
    matched::save(c, org, position, found, now)?;
    let (rule, evidence) = (found.rule.to_owned(), Some(found.evidence.to_owned()));
    let correlated = Event::Correlated(Correlated { owner, rule, evidence });
    append(
        c,
        &Record {
            tenant: Some(position.tenant.clone()),
            profile: Some(position.employee.id.clone()),
            ..Record::about(stays, org.to_owned(), now, correlated)
        },
    )?;
    Ok(stays)
}

/// Everything of `from` belongs to `into`: running runs of both lose their claims.
pub(super) fn merge(c: &Tx, from: i64, into: i64, now: Moment) -> Result<(), StoreError> {
    link::relink_all(c, from, into)?;
    target::hand_over(c, from, into)?;
    target::free_logins(c, from)?;
    // What was said about one of the two holds for both.
    review::hand_over(c, from, into)?;
    unanswered::hand_over(c, from, into)?;
    intent::hand_over(c, from, into)?;
    work::change(c, from, Work::absorbed)?;
    work::change(c, into, Work::joined)?;
    risk::remove_all(c, from)?;
    rejections::merge(c, from, into)?;
    orders::merge(c, from, into, now)?;
    approval::remove_all(c, from)?;
    approval::remove_all(c, into)?;
    pin::forget(c, from)?;
    pin::forget(c, into)
}
