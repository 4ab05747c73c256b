//! What a page of profiles changes, in one transaction: of each profile the document, whose it is, and whoever is told of it.
//!
//! **Invariant:** no lost change. A profile's new document and its dirty mark are committed together, before the next
//! page counts as read. Of a profile that cannot be read as a whole, what it says about access is followed and the rest stays as
//! it was known: an end of access waits for no field beside it, and what such a profile would give waits.

use super::engine::{Trouble, Tx, alone};
use super::missing_news::is_back;
use super::pins::Because;
use super::relink::{What, relink_known};
use super::rows::source::Source;
use super::rows::{link, source, target as targets};
use super::{Store, StoreError, append, cases, circles, dirty, links, mass, pins, renamed};
use crate::audit::details::Unreadable;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::guard::safeguard::is_mass;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::document::{Changed, Document, Held, Ripples, ShownAgain};
use crate::domain::record::employee::{ContentHash, Employee};
use crate::domain::record::facts::ProfileProblem;
use crate::domain::record::person::Position;
use crate::domain::text::login_key;
use crate::domain::work::cause::Cause;
use std::collections::HashSet;

/// A page that was fetched and examined.
pub struct PageCommit {
    /// The tenant, by its name in the configuration.
    pub tenant: String,
    /// When the request left, and when its answer was complete (both monotonic): an answer that was under way while a
    /// newer document arrived may be older than that one, and is not believed.
    pub sent: Moment,
    /// When the answer was complete.
    pub received: Moment,
    /// The run of the service; monotonic times of another run mean nothing.
    pub run: i64,
    /// By the calendar, for rows and dates.
    pub now: Moment,
    /// Profiles that the page showed, changed or not, if it is one of a walk: on a page of whoever was edited last everybody
    /// may be a leaver.
    pub walked: Option<usize>,
    /// Profiles that differ from what the detector knew, as they are now.
    pub changed: Vec<Changed>,
    /// Profiles that cannot be read.
    pub problems: Vec<ProfileProblem>,
    /// Profiles that could not be read before, and now can.
    pub mended: Vec<String>,
    /// Profiles that complete walks had not shown, and that this page shows.
    pub back: Vec<ShownAgain>,
    /// Whose access ends, of a page that is otherwise of no use.
    pub endings: Vec<ProfileProblem>,
}

/// What became of a page.
#[derive(Debug, Default, PartialEq)]
pub struct PageOutcome {
    /// Documents that the store now holds.
    pub accepted: Vec<(String, Held)>,
    /// Classes of the people who became dirty.
    pub dirtied: Vec<Priority>,
    /// Problems that are written down, and acted upon as far as they say something.
    pub message: Vec<ProfileProblem>,
    /// Profiles that are not missing any more.
    pub back: Vec<String>,
}

impl PageOutcome {
    pub(super) fn add(&mut self, other: PageOutcome) {
        self.accepted.extend(other.accepted);
        self.dirtied.extend(other.dirtied);
        self.message.extend(other.message);
        self.back.extend(other.back);
    }
}

impl PageCommit {
    /// What a profile of this page is beside what the store holds of it.
    fn document(&self, held: &Source, hash: Option<ContentHash>) -> Document {
        Document::beside(
            hash == Some(held.held.hash),
            held.run == self.run,
            self.sent,
            Moment::from_millis(held.seen_at),
        )
    }
}

impl Store {
    /// Commits a page.
    pub async fn commit_page(&self, page: PageCommit) -> Result<PageOutcome, StoreError> {
        let rules = self.rules.clone();
        self.run(move |c| commit_page(c, &rules.load(), &page)).await
    }
}

/// How it is told that the store refuses a profile.
const REFUSED: &str = "the store refuses what Namely says of them";

fn commit_page(c: &Tx, rules: &Rulebook, page: &PageCommit) -> Result<PageOutcome, StoreError> {
    let mut outcome = PageOutcome::default();
    let mut gone = HashSet::new();
    for shown in &page.back {
        if is_back(c, &page.tenant, shown, page.sent, page.now)? {
            outcome.back.push(shown.profile.clone());
        } else {
            gone.insert(shown.profile.as_str());
        }
    }
    for profile in &page.mended {
        source::is_mended(c, &page.tenant, profile, None)?;
    }
    for (problem, only_ends) in page.problems.iter().map(|p| (p, false)).chain(page.endings.iter().map(|p| (p, true))) {
        let mut seen = PageOutcome::default();
        let how = if only_ends { follow_problem } else { commit_problem };
        match alone(c, |c| how(c, rules, page, problem, &mut seen)) {
            Ok(()) => outcome.add(seen),
            Err(e) if e.trouble() == Trouble::Refused => {
                let profile = problem.profile.as_deref().unwrap_or("(no id)");
                note(c, page, profile, &format!("{REFUSED} ({e})"))?;
            }
            Err(e) => return Err(e),
        }
    }
    for changed in page.changed.iter().filter(|changed| !gone.contains(changed.employee.id.as_str())) {
        let (mut seen, employee) = (PageOutcome::default(), &changed.employee);
        match alone(c, |c| commit_profile(c, rules, page, changed, &mut seen)) {
            Ok(()) => {
                outcome.add(seen);
                source::is_mended(c, &page.tenant, &employee.id, Some(REFUSED))?;
            }
            // A profile that the store refuses waits; the rest of the page does not.
            Err(e) if e.trouble() == Trouble::Refused => {
                let why = format!("{REFUSED} ({e})");
                tracing::error!(tenant = page.tenant, profile = employee.id, %why, "a profile cannot be kept");
                note(c, page, &employee.id, &why)?;
            }
            Err(e) => return Err(e),
        }
    }
    let leave = outcome.dirtied.iter().filter(|priority| **priority == Priority::Revoke).count();
    if page.walked.is_some_and(|profiles| is_mass(leave, profiles)) {
        mass::saw(c, &page.tenant, page.now)?;
    }
    Ok(outcome)
}

/// Follows a profile as a page shows it.
fn commit_profile(
    c: &Tx,
    rules: &Rulebook,
    page: &PageCommit,
    changed: &Changed,
    outcome: &mut PageOutcome,
) -> Result<(), StoreError> {
    let tenant = &page.tenant;
    let held = source::load(c, tenant, &changed.employee.id)?;
    match held.as_ref().map(|held| page.document(held, Some(changed.hash))) {
        Some(Document::Same) => {
            outcome.accepted.push((changed.employee.id.clone(), changed.held()));
            return Ok(());
        }
        // The next pass shows it again.
        Some(Document::MayBeOlder) => return Ok(()),
        Some(Document::New) | None => {}
    }
    let before = held.as_ref().map(|held| &held.employee);
    let (employee, new) = (changed.employee.clone(), changed.held());
    let document = Source { employee, held: new, seen_at: page.received.millis(), run: page.run };
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
    let (employee, held) = (document.employee.clone(), document.held);
    let ripples = Ripples::of(before, &employee);
    let mut circle = match ripples.has_moved {
        true => circles::circle_of(c, tenant, &employee.id)?,
        false => Vec::new(),
    };
    source::save(c, tenant, &document)?;
    let position = Position { tenant: tenant.to_owned(), employee: document.employee };
    links::put_keys(c, rules, &position)?;
    for (org, target) in link::in_orgs(c, tenant, &employee.id)? {
        pins::unpin(c, target, Because::News("Namely says something new"), now)?;
        if rules.org(&org).is_none() {
            beyond(c, rules, target, now)?;
        }
    }
    if let Some(before) = before {
        if !before.email.is_empty() && login_key(&before.email) != login_key(&employee.email) {
            source::had_email(c, tenant, &employee.id, &before.email, now)?;
        }
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
    outcome.accepted.push((employee.id.clone(), held));
    Ok(())
}

/// A person of an org that is not in the configuration: since when their access should be over is known all the same.
fn beyond(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<(), StoreError> {
    let Some(case) = cases::brief(c, rules, target, now)? else { return Ok(()) };
    let is_over = rules.lifecycle(&case, now).entitlement.is_over();
    targets::set_ended_at(c, target, is_over.then_some(case.ended_at.unwrap_or(now)))
}

/// Writes a problem down, and follows what the profile says about access all the same.
fn commit_problem(
    c: &Tx,
    rules: &Rulebook,
    page: &PageCommit,
    problem: &ProfileProblem,
    outcome: &mut PageOutcome,
) -> Result<(), StoreError> {
    let known = match &problem.profile {
        Some(profile) => source::load(c, &page.tenant, profile)?,
        None => None,
    };
    if known.as_ref().is_some_and(|held| may_be_older(page, held)) {
        return Ok(()); // the next pass shows it again
    }
    let ends = match &known {
        Some(known) => follow_known(c, rules, page, problem, known, outcome)?,
        None => first_seen(c, rules, page, problem, outcome)?,
    };
    let name = problem.name().or_else(|| known.as_ref().map(|held| held.employee.display()));
    let what_follows = match (&known, ends) {
        (_, true) => "; access ends all the same, as status and dates say",
        (None, false) if problem.facts.may_end() => "; by a last day access ends once the rest can be read",
        _ => "",
    };
    let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
    note(c, page, problem.profile.as_deref().unwrap_or("(no id)"), &format!("{name}{}{what_follows}", problem.why))?;
    outcome.message.push(problem.clone());
    Ok(())
}

/// Follows what a profile says about access.
fn follow_problem(
    c: &Tx,
    rules: &Rulebook,
    page: &PageCommit,
    problem: &ProfileProblem,
    outcome: &mut PageOutcome,
) -> Result<(), StoreError> {
    let Some(profile) = &problem.profile else { return Ok(()) };
    match source::load(c, &page.tenant, profile)? {
        Some(held) if may_be_older(page, &held) => Ok(()),
        Some(known) => follow_known(c, rules, page, problem, &known, outcome).map(drop),
        None => first_seen(c, rules, page, problem, outcome).map(drop),
    }
}

/// Whether what a page says is older than what is held, as far as can be told.
fn may_be_older(page: &PageCommit, held: &Source) -> bool {
    page.document(held, None) == Document::MayBeOlder
}

/// Whether access is over by a profile of which nothing was known before: then it is known from now on, as far as it can be read,
/// and whatever account it has is looked for and ended.
fn first_seen(
    c: &Tx,
    rules: &Rulebook,
    page: &PageCommit,
    problem: &ProfileProblem,
    outcome: &mut PageOutcome,
) -> Result<bool, StoreError> {
    let Some(profile) = problem.profile.as_ref().filter(|_| problem.facts.may_end()) else { return Ok(false) };
    let position = Position { tenant: page.tenant.clone(), employee: problem.facts.alone(profile, &problem.names) };
    let is_over = rules.is_over(&position, page.now);
    if is_over {
        commit_profile(c, rules, page, &problem.changed(position.employee), outcome)?;
    }
    Ok(is_over)
}

/// Whether access of the profile is over by what it says now.
fn follow_known(
    c: &Tx,
    rules: &Rulebook,
    page: &PageCommit,
    problem: &ProfileProblem,
    known: &Source,
    outcome: &mut PageOutcome,
) -> Result<bool, StoreError> {
    let position = Position { tenant: page.tenant.clone(), employee: known.employee.clone() };
    let followed = rules.follow(&position, &problem.facts, page.now);
    let is_over = rules.is_over(&Position { employee: followed.clone(), ..position }, page.now);
    if followed != known.employee {
        commit_profile(c, rules, page, &problem.changed(followed), outcome)?;
    }
    Ok(is_over)
}

/// One row a profile, and one in the audit whenever the reason is another one.
fn note(c: &Tx, page: &PageCommit, profile: &str, why: &str) -> Result<(), StoreError> {
    if source::why_unreadable(c, &page.tenant, profile)?.as_deref() == Some(why) {
        return Ok(());
    }
    source::is_unreadable(c, &page.tenant, profile, why, page.now.millis())?;
    append(
        c,
        &Record {
            tenant: Some(page.tenant.clone()),
            profile: Some(profile.to_owned()),
            ..Record::general(page.now, Event::Unreadable(Unreadable { why: why.to_owned() }))
        },
    )?;
    Ok(())
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
