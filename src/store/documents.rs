//! What a page of profiles changes, in one transaction: of each profile the document, whose it is, and whoever is told of it.
//!
//! **Invariant:** no lost change. A profile's new document and its dirty mark are committed together, before the next
//! page counts as read. Of a profile that cannot be read as a whole, what it says about access is followed and the rest stays as
//! it was known: an end of access waits for no field beside it, and what such a profile would give waits.

use super::engine::{Trouble, Tx, alone};
use super::missing_news::is_back;
use super::pins::Because;
use super::relink::{Visit, What, relink_each};
use super::rows::source::{Receipt, Source};
use super::rows::{link, pin, source, target as targets};
use super::{Store, StoreError, append, cases, dirty, links, mass, pins, renamed};
use crate::audit::details::Unreadable;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::guard::safeguard::is_mass;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::document::{Changed, Document, Heard, Held, Ripples, ShownAgain};
use crate::domain::record::employee::{ContentHash, Employee};
use crate::domain::record::facts::ProfileProblem;
use crate::domain::record::person::Position;
use crate::domain::text::login_key;
use crate::domain::work::cause::Cause;
use std::collections::{BTreeMap, BTreeSet};

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
    fn document(&self, held: &Receipt, hash: Option<ContentHash>) -> Document {
        Document::beside(hash == Some(held.hash), held.run == self.run, self.sent, Moment::from_millis(held.seen_at))
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
    let mut gone = BTreeSet::new();
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
    let is_there = |one: &&Changed| !gone.contains(one.employee.id.as_str());
    let changed: Vec<&Changed> = page.changed.iter().filter(is_there).collect();
    let refused = commit_changed(c, rules, page, &changed, &mut outcome)?;
    let kept = changed.iter().map(|one| one.employee.id.as_str()).filter(|id| !refused.contains(id));
    for (profile, why) in source::why_all_unreadable(c, &page.tenant, &kept.collect::<Vec<_>>())? {
        if why.starts_with(REFUSED) {
            source::is_mended(c, &page.tenant, &profile, Some(REFUSED))?;
        }
    }
    let leave = outcome.dirtied.iter().filter(|priority| **priority == Priority::Revoke).count();
    if page.walked.is_some_and(|profiles| is_mass(leave, profiles)) {
        mass::saw(c, &page.tenant, page.now)?;
    }
    Ok(outcome)
}

/// Follows profiles as a page shows them, all or none of them together; of a page of which the store refuses some, all others. Returns
/// those that it refuses.
fn commit_changed<'p>(
    c: &Tx,
    rules: &Rulebook,
    page: &PageCommit,
    changed: &[&'p Changed],
    outcome: &mut PageOutcome,
) -> Result<BTreeSet<&'p str>, StoreError> {
    match alone(c, |c| commit_profiles(c, rules, page, changed)) {
        Ok(seen) => outcome.add(seen),
        // A profile that the store refuses waits; the rest of the page does not.
        Err(e) if e.trouble() == Trouble::Refused => {
            let [Changed { employee, .. }] = changed else {
                let (some, others) = changed.split_at(changed.len() / 2);
                let mut refused = commit_changed(c, rules, page, some, outcome)?;
                refused.extend(commit_changed(c, rules, page, others, outcome)?);
                return Ok(refused);
            };
            let why = format!("{REFUSED} ({e})");
            tracing::error!(tenant = page.tenant, profile = employee.id, %why, "a profile cannot be kept");
            note(c, page, &employee.id, &why)?;
            return Ok(BTreeSet::from([employee.id.as_str()]));
        }
        Err(e) => return Err(e),
    }
    Ok(BTreeSet::new())
}

/// Follows profiles as a page shows them.
fn commit_profiles(
    c: &Tx,
    rules: &Rulebook,
    page: &PageCommit,
    changed: &[&Changed],
) -> Result<PageOutcome, StoreError> {
    let mut outcome = PageOutcome::default();
    // What a page shows twice comes one after the other.
    let mut once = BTreeSet::new();
    let (now, again): (Vec<&Changed>, Vec<_>) = changed.iter().partition(|one| once.insert(one.employee.id.as_str()));
    let profiles: Vec<&str> = now.iter().map(|one| one.employee.id.as_str()).collect();
    let held = source::receipts(c, &page.tenant, &profiles)?;
    let mut new = Vec::with_capacity(now.len());
    for one in now {
        match held.get(&one.employee.id).map(|held| page.document(held, Some(one.hash))) {
            Some(Document::Same) => outcome.accepted.push((one.employee.id.clone(), one.held())),
            // The next pass shows it again.
            Some(Document::MayBeOlder) => {}
            Some(Document::New) | None => new.push(one),
        }
    }
    let ids = new.iter().map(|one| one.employee.id.as_str());
    let known: Vec<&str> = ids.filter(|id| held.contains_key(*id)).collect();
    let mut before = source::documents(c, &page.tenant, &known)?;
    let differs = |one: &Changed| Differs {
        before: before.remove(&one.employee.id),
        document: Source {
            employee: one.employee.clone(),
            held: one.held(),
            seen_at: page.received.millis(),
            run: page.run,
        },
        cause: Cause::Profile,
    };
    let differs: Vec<Differs> = new.into_iter().map(differs).collect();
    outcome.add(follow_all(c, rules, &page.tenant, &differs, page.now)?);
    if !again.is_empty() {
        outcome.add(commit_profiles(c, rules, page, &again)?);
    }
    Ok(outcome)
}

/// A document of a profile that differs from the one that was held.
pub(super) struct Differs {
    pub before: Option<Employee>,
    pub document: Source,
    pub cause: Cause,
}

/// Writes documents of a tenant down, each of another profile, and marks everybody dirty whom they concern.
pub(super) fn follow_all(
    c: &Tx,
    rules: &Rulebook,
    tenant: &str,
    differs: &[Differs],
    now: Moment,
) -> Result<PageOutcome, StoreError> {
    let mut outcome = PageOutcome::default();
    if differs.is_empty() {
        return Ok(outcome);
    }
    let heard = heard(c, tenant, differs)?;
    source::save_all(c, tenant, differs.iter().map(|one| &one.document))?;
    let position = |one: &Differs| Position { tenant: tenant.to_owned(), employee: one.document.employee.clone() };
    let positions: Vec<Position> = differs.iter().map(position).collect();
    links::put_all_keys(c, rules, tenant, &positions)?;
    let profiles: Vec<&str> = positions.iter().map(|one| one.employee.id.as_str()).collect();
    let linked = link::of_profiles(c, tenant, &profiles)?;
    for (target, org) in targets_of(&profiles, &linked) {
        if rules.org(org).is_none() {
            pins::unpin(c, target, Because::News(NEWS), now)?;
            beyond(c, rules, target, now)?;
        }
    }
    let known: Vec<i64> = targets_of(&profiles, &linked).map(|(target, _)| target).collect();
    for target in pin::pinned(c, &known)? {
        pins::unpin(c, target, Because::News(NEWS), now)?;
    }
    follow_names(c, tenant, differs, now)?;
    wake_concerned(c, tenant, &heard, now)?;
    let mut visits = Vec::with_capacity(differs.len());
    for (one, position) in differs.iter().zip(&positions) {
        let linked = linked.get(&position.employee.id);
        // Also where the profile is known from before its tenant was taken out of the org: who leaves, leaves everywhere.
        for org in &rules.orgs {
            let known = linked.and_then(|linked| linked.get(&org.name)).copied();
            if known.is_some() || org.tenants.iter().any(|of| of == tenant) {
                let what = What { before: one.before.as_ref(), cause: one.cause };
                visits.push(Visit { org: &org.name, position, known, what });
            }
        }
    }
    outcome.dirtied.extend(relink_each(c, rules, &visits, now)?.into_iter().flatten());
    outcome.accepted.extend(differs.iter().map(|one| (one.document.employee.id.clone(), one.document.held)));
    Ok(outcome)
}

/// Why nothing is pinned any more of whom a document is about.
const NEWS: &str = "Namely says something new";

/// The targets of these profiles in their order, each with its org.
fn targets_of<'a>(
    profiles: &'a [&str],
    linked: &'a BTreeMap<String, link::InEachOrg>,
) -> impl Iterator<Item = (i64, &'a str)> {
    let of = |profile: &&str| linked.get(*profile);
    profiles.iter().filter_map(of).flatten().map(|(org, (target, _))| (*target, org.as_str()))
}

/// Whom documents concern besides those whom they are about.
fn heard(c: &Tx, tenant: &str, differs: &[Differs]) -> Result<Heard, StoreError> {
    let documents = || differs.iter().map(|one| (one.before.as_ref(), &one.document.employee));
    let moved = documents().filter(|(before, after)| Ripples::of(*before, after).has_moved);
    let both =
        |(_, after): (_, &'_ Employee)| [Some(after.id.clone()), after.manager.as_ref().map(|one| one.id.clone())];
    let above: BTreeSet<String> = moved.flat_map(both).flatten().collect();
    let above: Vec<&str> = above.iter().map(String::as_str).collect();
    Ok(Heard::of(documents(), source::above(c, tenant, &above)?))
}

/// Wakes those who are told of something by documents that are about others.
fn wake_concerned(c: &Tx, tenant: &str, heard: &Heard, now: Moment) -> Result<(), StoreError> {
    let mut woken = link::people_under(c, tenant, &each(&heard.first))?;
    woken.extend(link::people_of(c, tenant, &each(&heard.in_circles))?);
    woken.extend(link::inactive_people_of(c, tenant, &each(&heard.managers))?);
    dirty::wake(c, woken, now)
}

/// Each of them once.
fn each(profiles: &[String]) -> BTreeSet<&str> {
    profiles.iter().map(String::as_str).collect()
}

/// Remembers the addresses that people had, and counts those who are seen under the new name of a group.
fn follow_names(c: &Tx, tenant: &str, differs: &[Differs], now: Moment) -> Result<(), StoreError> {
    let both = || differs.iter().filter_map(|one| Some((one.before.as_ref()?, &one.document.employee)));
    let has_other = |(before, after): &(&Employee, &Employee)| {
        !before.email.is_empty() && login_key(&before.email) != login_key(&after.email)
    };
    let former = both().filter(has_other).map(|(before, after)| (after.id.as_str(), before.email.as_str()));
    source::had_emails(c, tenant, &former.collect(), now)?;
    renamed::follow_renames(c, tenant, both())
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
    let receipt = Receipt { hash: held.held.hash, seen_at: held.seen_at, run: held.run };
    page.document(&receipt, None) == Document::MayBeOlder
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
        outcome.add(commit_profiles(c, rules, page, &[&problem.changed(position.employee)])?);
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
        outcome.add(commit_profiles(c, rules, page, &[&problem.changed(followed)])?);
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
