//! Marking people dirty: every use case that has something new about somebody ends here.

use super::StoreError;
use super::engine::Tx;
use super::rows::link::InOrg;
use super::rows::{link, work};
use crate::clock::Moment;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::{Dirt, Work};
use std::collections::BTreeMap;

/// Raises the revision of `target`; returns the new one.
pub(super) fn mark_dirty(c: &Tx, target: i64, org: &str, dirt: &Dirt, now: Moment) -> Result<i64, StoreError> {
    let work = Work::dirtied(work::load(c, target)?, dirt, now);
    work::save(c, target, org, &work)?;
    Ok(work.dirty_rev)
}

/// Marks people dirty because what they are told of their manager, or of those who report to them, has changed; each once.
pub(super) fn wake(c: &Tx, people: impl IntoIterator<Item = InOrg>, now: Moment) -> Result<(), StoreError> {
    let people: BTreeMap<i64, String> = people.into_iter().collect();
    let targets: Vec<i64> = people.keys().copied().collect();
    let mut before = work::load_all(c, &targets)?;
    let dirt = Dirt::describe(Cause::Manager);
    let woken: Vec<(i64, &str, Work)> = people
        .iter()
        .map(|(target, org)| (*target, org.as_str(), Work::dirtied(before.remove(target), &dirt, now)))
        .collect();
    work::save_all(c, woken.iter().map(|(target, org, work)| (*target, *org, work)))
}

/// Marks those dirty who report to a person: all of them, or only those who wait for the person's account.
pub(super) fn wake_reports(c: &Tx, org: &str, target: i64, only_waiting: bool, now: Moment) -> Result<(), StoreError> {
    let reports = link::reports_of(c, target, only_waiting)?;
    wake(c, reports.into_iter().map(|report| (report, org.to_owned())), now)
}
