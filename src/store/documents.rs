//! What a new document of one profile changes: the document, whose it is, and whoever is told of it.
//!
//! **Invariant:** no lost change. A profile's new document and its dirty mark are committed together, before the next
//! page counts as read.

use super::engine::Tx;
use super::pins::Because;
use super::relink::{What, relink_known};
use super::rows::source::Source;
use super::rows::{link, source};
use super::{StoreError, circles, dirty, links, pins, renamed};
use crate::clock::Moment;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::document::{Document, Ripples};
use crate::domain::record::employee::{ContentHash, Employee};
use crate::domain::record::facts::ProfileProblem;
use crate::domain::record::person::Position;
use crate::domain::work::cause::Cause;

/// A page that was fetched and examined.
pub struct PageCommit {
    pub tenant: String,
    /// When the request left, and when its answer was complete (both monotonic): an answer that was under way while a
    /// newer document arrived may be older than that one, and is not believed.
    pub sent: Moment,
    pub received: Moment,
    /// The run of the service; monotonic times of another run mean nothing.
    pub run: i64,
    pub now: Moment,
    /// Profiles that the page showed, changed or not, if it is one of a walk: on a page of whoever was edited last everybody
    /// may be a leaver.
    pub walked: Option<usize>,
    pub changed: Vec<(Employee, ContentHash)>,
    pub problems: Vec<ProfileProblem>,
    pub mended: Vec<String>,
    /// Profiles that complete walks had not shown, and that this page shows.
    pub back: Vec<String>,
    /// Whose access ends, of a page that is otherwise of no use.
    pub endings: Vec<ProfileProblem>,
}

/// What became of a page.
#[derive(Debug, Default, PartialEq)]
pub struct PageOutcome {
    /// Documents that the store now holds.
    pub accepted: Vec<(String, ContentHash)>,
    /// Classes of the people who became dirty.
    pub dirtied: Vec<Priority>,
    /// Problems that are written down, and acted upon as far as they say something.
    pub message: Vec<ProfileProblem>,
}

impl PageOutcome {
    pub(super) fn add(&mut self, other: PageOutcome) {
        self.accepted.extend(other.accepted);
        self.dirtied.extend(other.dirtied);
        self.message.extend(other.message);
    }
}

impl PageCommit {
    /// What a profile of this page is beside what the store holds of it.
    pub(super) fn document(&self, held: &Source, hash: Option<ContentHash>) -> Document {
        Document::beside(hash == Some(held.hash), held.run == self.run, self.sent, Moment::from_millis(held.seen_at))
    }
}

/// Follows a profile as a page shows it.
pub(super) fn commit_profile(
    c: &Tx,
    rules: &Rulebook,
    page: &PageCommit,
    employee: &Employee,
    hash: ContentHash,
    outcome: &mut PageOutcome,
) -> Result<(), StoreError> {
    let tenant = &page.tenant;
    let held = source::load(c, tenant, &employee.id)?;
    match held.as_ref().map(|held| page.document(held, Some(hash))) {
        Some(Document::Same) => {
            outcome.accepted.push((employee.id.clone(), hash));
            return Ok(());
        }
        // The next pass shows it again.
        Some(Document::MayBeOlder) => return Ok(()),
        Some(Document::New) | None => {}
    }
    let before = held.as_ref().map(|held| &held.employee);
    let document = Source { employee: employee.clone(), hash, seen_at: page.received.millis(), run: page.run };
    follow(c, rules, Differs { tenant, before, document, cause: Cause::Profile, now: page.now }, outcome)
}

/// A document of a profile that differs from the one that was held.
pub(super) struct Differs<'a> {
    pub tenant: &'a str,
    pub before: Option<&'a Employee>,
    pub document: Source,
    pub cause: Cause,
    pub now: Moment,
}

/// Writes a document down, and marks everybody dirty whom it concerns.
pub(super) fn follow(c: &Tx, rules: &Rulebook, differs: Differs, outcome: &mut PageOutcome) -> Result<(), StoreError> {
    let Differs { tenant, before, document, cause, now } = differs;
    let (employee, hash) = (document.employee.clone(), document.hash);
    let ripples = Ripples::of(before, &employee);
    let mut circle = match ripples.has_moved {
        true => circles::circle_of(c, tenant, &employee.id)?,
        false => Vec::new(),
    };
    source::save(c, tenant, &document)?;
    let position = Position { tenant: tenant.to_owned(), employee: document.employee };
    links::put_keys(c, rules, &position)?;
    for target in link::targets_of(c, tenant, &employee.id)? {
        pins::unpin(c, target, Because::News("Namely says something new"), now)?;
    }
    if let Some(before) = before {
        renamed::follow_rename(c, tenant, &before.groups, &employee.groups)?;
    }
    // Also where the profile is known from before its tenant was taken out of the org: who leaves, leaves everywhere.
    for org in &rules.orgs {
        let known = link::find(c, &org.name, tenant, &employee.id)?;
        if known.is_some() || org.tenants.iter().any(|of| of == tenant) {
            let what = What { before, cause };
            outcome.dirtied.extend(relink_known(c, rules, &org.name, &position, known, &what, now)?);
        }
    }
    if ripples.is_first {
        dirty::wake(c, link::people_under(c, tenant, &employee.id)?, now)?;
    }
    if ripples.has_moved {
        circle.extend(circles::circle_of(c, tenant, &employee.id)?);
        // Whoever stands in a circle that was closed or broken up has another manager to be told of.
        for other in circle.iter().filter(|other| **other != employee.id) {
            dirty::wake(c, link::people_of(c, tenant, other)?, now)?;
        }
    }
    for manager in ripples.managers {
        dirty::wake(c, link::inactive_people_of(c, tenant, manager)?, now)?;
    }
    outcome.accepted.push((employee.id.clone(), hash));
    Ok(())
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
