//! What a page of profiles changes: documents, the dirty set and the audit, in one transaction.
//!
//! **Invariant:** no lost change. A profile's new document and its dirty mark are committed together, before the next
//! page counts as read.

use super::engine::{Optional, Tx, params};
use super::pins::Because;
use super::rows::work;
use super::{
    Store, StoreError, Trouble, anchors, append, cases, circles, correlate, evaluation, forced, keepers, links, pins,
    renamed, reviews, search, twins, unreadable, unrouted,
};
use crate::audit::details::Observed;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::guard::safeguard::is_mass;
use crate::domain::record::employee::{ContentHash, FieldChange, field_changes};
use crate::domain::record::facts::ProfileProblem;
use crate::domain::work::machine::{ANY_BUCKET, Dirt, SEARCH, State, Work};
use crate::domain::{Account, Case, Cause, Employee, Entitlement, Position, Priority, Rulebook};
use std::collections::BTreeMap;
use std::time::Duration;

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

/// What waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backlog {
    /// People who are dirty and ready or in a run, by class.
    pub ready: [i64; 6],
    pub quarantined: i64,
    /// People of whose changes some wait for a decision; everything else was done.
    pub held: i64,
}

impl Backlog {
    /// Everybody who is ready or in a run.
    pub fn total(&self) -> i64 {
        self.ready.iter().sum()
    }
}

impl Store {
    /// Commits a page.
    pub async fn commit_page(&self, page: PageCommit) -> Result<PageOutcome, StoreError> {
        let rules = self.rules.clone();
        self.run(move |c| commit_page(c, &rules.load(), &page)).await
    }

    /// The calendar was set back by `back`: whoever was due is due still.
    pub async fn clock_was_set_back(&self, back: Duration) -> Result<(), StoreError> {
        self.run(move |c| work::set_back(c, back)).await
    }

    /// Marks everybody dirty for whom time alone has changed what the record means; returns their classes.
    pub async fn wake_due(&self, now: Moment) -> Result<Vec<Priority>, StoreError> {
        let rules = self.rules.clone();
        self.run(move |c| wake_due(c, &rules.load(), now)).await
    }

    /// Acts upon the verdicts of people that came in beside the service; returns the classes of those who became dirty.
    pub async fn apply_verdicts(&self, now: Moment) -> Result<Vec<Priority>, StoreError> {
        let rules = self.rules.clone();
        self.run(move |c| {
            let (mut priorities, mut decided) = (Vec::new(), false);
            for pending in reviews::apply_verdicts(c, &rules.load(), now)? {
                let cause = Cause::Review(pending.review);
                priorities.extend(relink(c, &rules.load(), &pending.org, &pending.position, None, cause, now)?);
                decided = true;
            }
            // Whoever waited for what was decided goes on at once.
            if decided {
                priorities.extend(correlate::again(c, &rules.load(), None, now)?);
            }
            Ok(priorities)
        })
        .await
    }

    /// The groups of a tenant as they are called now, by id.
    pub async fn learn_titles(
        &self,
        tenant: String,
        titles: BTreeMap<String, String>,
        now: Moment,
    ) -> Result<(), StoreError> {
        self.run(move |c| renamed::learn_titles(c, &tenant, &titles, now)).await
    }

    /// The next moment at which `wake_due` has something to do.
    pub async fn next_change(&self) -> Result<Option<Moment>, StoreError> {
        self.run(|c| {
            let at: Option<i64> = c.query_row("SELECT min(changes_at) FROM work", [], |row| row.get(0))?;
            Ok(at.into_iter().chain(unrouted::next(c)?).min().map(Moment::from_millis))
        })
        .await
    }

    /// A walk over `tenant` ended; a complete one is remembered for ever. Whoever could not be correlated is looked for
    /// once more after it: what contradicted may have been a profile that had not been seen yet.
    pub async fn walk_ended(
        &self,
        tenant: String,
        complete: bool,
        record: Record,
    ) -> Result<Vec<Priority>, StoreError> {
        let rules = self.rules.clone();
        self.run(move |c| {
            let known = super::meta(c, &walked_key(&tenant))?.is_some();
            // One row when it matters: the first complete walk, and every incomplete one.
            if !complete || !known {
                append(c, &record)?;
            }
            if complete && !known {
                super::set_meta(c, &walked_key(&tenant), &record.at.to_string())?;
            }
            if complete { correlate::again(c, &rules.load(), Some(&tenant), record.at) } else { Ok(Vec::new()) }
        })
        .await
    }

    /// Whether every one of `tenants` was ever walked completely. Before that nobody is created.
    pub async fn all_walked(&self, tenants: Vec<String>) -> Result<bool, StoreError> {
        self.run(move |c| {
            for tenant in &tenants {
                if !is_walked(c, tenant)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// How many people of an org wait, and `most` of them at random.
    pub async fn sample_backlog(&self, org: &str, most: usize, now: Moment) -> Result<(usize, Vec<Case>), StoreError> {
        let (org, rules) = (org.to_owned(), self.rules.clone());
        self.run(move |c| sample_backlog(c, &rules.load(), &org, most, now)).await
    }

    /// What waits.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.run(backlog).await
    }
}

fn sample_backlog(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    most: usize,
    now: Moment,
) -> Result<(usize, Vec<Case>), StoreError> {
    let waiting = "FROM work WHERE org = ?1 AND dirty_rev > done_rev AND state = 0";
    let total: i64 = c.prepare_cached(&format!("SELECT count(*) {waiting}"))?.query_row([org], |row| row.get(0))?;
    let mut select = c.prepare_cached(&format!("SELECT target {waiting} ORDER BY random() LIMIT ?2"))?;
    let targets: Vec<i64> = select
        .query_map(params![org, i64::try_from(most).unwrap_or(i64::MAX)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut sample = Vec::with_capacity(targets.len());
    for target in targets {
        sample.extend(cases::whole(c, rules, target, now)?);
    }
    Ok((usize::try_from(total).unwrap_or(0), sample))
}

/// Whether a tenant was ever walked completely.
pub(super) fn is_walked(c: &Tx, tenant: &str) -> Result<bool, StoreError> {
    Ok(super::meta(c, &walked_key(tenant))?.is_some())
}

fn walked_key(tenant: &str) -> String {
    format!("walked {tenant}")
}

/// Content hashes of all profiles of `tenant` that the store holds.
pub fn known_hashes(c: &Tx, tenant: &str) -> Result<Vec<(String, ContentHash)>, StoreError> {
    let mut select = c.prepare("SELECT profile, hash FROM source WHERE tenant = ?1")?;
    let rows = select.query_map([tenant], |row| Ok((row.get(0)?, ContentHash(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What waits.
pub fn backlog(c: &Tx) -> Result<Backlog, StoreError> {
    let mut backlog = Backlog::default();
    let mut select =
        c.prepare_cached("SELECT class, state, count(*) FROM work WHERE dirty_rev > done_rev GROUP BY class, state")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (priority, state, count): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let state = State::from_number(state);
        if state == State::Ready {
            backlog.ready[usize::from(Priority::from_number(priority).number())] += count;
        } else if state == State::Held {
            backlog.held += count;
        } else {
            backlog.quarantined += count;
        }
    }
    Ok(backlog)
}

fn commit_page(c: &Tx, rules: &Rulebook, page: &PageCommit) -> Result<PageOutcome, StoreError> {
    let mut outcome = PageOutcome::default();
    for profile in &page.mended {
        c.prepare_cached("DELETE FROM unreadable WHERE tenant = ?1 AND profile = ?2")?
            .execute([&page.tenant, profile])?;
    }
    for (problem, only_ends) in page.problems.iter().map(|p| (p, false)).chain(page.endings.iter().map(|p| (p, true))) {
        let mut seen = PageOutcome::default();
        let how = if only_ends { unreadable::follow } else { unreadable::commit };
        match super::alone(c, |c| how(c, rules, page, problem, &mut seen)) {
            Ok(()) => outcome.add(seen),
            Err(e) if e.trouble() == Trouble::Refused => {
                let profile = problem.profile.as_deref().unwrap_or("(no id)");
                unreadable::note(c, page, profile, &format!("{REFUSED} ({e})"))?;
            }
            Err(e) => return Err(e),
        }
    }
    for (employee, hash) in &page.changed {
        let mut seen = PageOutcome::default();
        match super::alone(c, |c| commit_profile(c, rules, page, employee, *hash, &mut seen)) {
            Ok(()) => {
                outcome.add(seen);
                c.prepare_cached("DELETE FROM unreadable WHERE tenant = ?1 AND profile = ?2 AND why LIKE ?3 || '%'")?
                    .execute([&page.tenant, &employee.id, REFUSED])?;
            }
            // A profile that the store refuses waits; the rest of the page does not.
            Err(e) if e.trouble() == Trouble::Refused => {
                let why = format!("{REFUSED} ({e})");
                tracing::error!(tenant = page.tenant, profile = employee.id, %why, "a profile cannot be kept");
                unreadable::note(c, page, &employee.id, &why)?;
            }
            Err(e) => return Err(e),
        }
    }
    let leave = outcome.dirtied.iter().filter(|priority| **priority == Priority::Revoke).count();
    if page.walked.is_some_and(|profiles| is_mass(leave, profiles)) {
        evaluation::saw_mass(c, &page.tenant, page.now)?;
    }
    Ok(outcome)
}

/// How it is told that the store refuses a profile.
const REFUSED: &str = "the store refuses what Namely says of them";

impl PageOutcome {
    fn add(&mut self, other: PageOutcome) {
        self.accepted.extend(other.accepted);
        self.dirtied.extend(other.dirtied);
        self.message.extend(other.message);
    }
}

/// What the store holds of one profile.
pub(super) struct Held {
    pub employee: Employee,
    hash: ContentHash,
    seen_at: i64,
    run: i64,
}

impl Held {
    /// Whether this is newer than what a page shows, as far as can be told.
    pub fn is_newer_than(&self, page: &PageCommit) -> bool {
        self.run == page.run && page.sent.millis() < self.seen_at
    }
}

pub(super) fn held(c: &Tx, tenant: &str, profile: &str) -> Result<Option<Held>, StoreError> {
    let found = c
        .prepare_cached("SELECT doc, hash, seen_at, run FROM source WHERE tenant = ?1 AND profile = ?2")?
        .query_row([tenant, profile], |row| {
            let columns: (String, [u8; 16], i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok(columns)
        })
        .optional()?;
    found
        .map(|(doc, hash, seen_at, run)| {
            Ok(Held { employee: serde_json::from_str(&doc)?, hash: ContentHash(hash), seen_at, run })
        })
        .transpose()
}

pub(super) fn commit_profile(
    c: &Tx,
    rules: &Rulebook,
    page: &PageCommit,
    employee: &Employee,
    hash: ContentHash,
    outcome: &mut PageOutcome,
) -> Result<(), StoreError> {
    let held = held(c, &page.tenant, &employee.id)?;
    if let Some(held) = &held {
        if held.hash == hash {
            outcome.accepted.push((employee.id.clone(), hash));
            return Ok(());
        }
        if held.is_newer_than(page) {
            return Ok(()); // may be older than what we hold; the next pass shows it again
        }
    }
    let reports_to = |e: &Employee| e.manager.as_ref().map(|m| m.id.clone());
    let (old, new) = (held.as_ref().and_then(|held| reports_to(&held.employee)), reports_to(employee));
    let moved = old != new;
    let mut circle = if moved { circles::circle_of(c, &page.tenant, &employee.id)? } else { Vec::new() };
    c.prepare_cached(
        "INSERT INTO source (tenant, profile, doc, hash, manager, seen_at, run) VALUES (?1,?2,?3,?4,?5,?6,?7)
         ON CONFLICT (tenant, profile) DO UPDATE SET doc = excluded.doc, hash = excluded.hash,
           manager = excluded.manager, seen_at = excluded.seen_at, run = excluded.run",
    )?
    .execute(params![
        page.tenant,
        employee.id,
        serde_json::to_string(employee)?,
        hash.0,
        employee.manager.as_ref().map(|m| m.id.as_str()),
        page.received.millis(),
        page.run
    ])?;
    let position = Position { tenant: page.tenant.clone(), employee: employee.clone() };
    links::put_keys(c, rules, &position)?;
    for target in links::targets_of(c, &page.tenant, &employee.id)? {
        pins::unpin(c, target, Because::News("Namely says something new"), page.now)?;
    }
    let before = held.as_ref().map(|h| &h.employee);
    if let Some(before) = before {
        renamed::follow_rename(c, &page.tenant, &before.groups, &employee.groups)?;
    }
    // Also where the profile is known from before its tenant was taken out of the org: who leaves, leaves everywhere.
    for org in &rules.orgs {
        if org.tenants.contains(&page.tenant) || links::find(c, &org.name, &page.tenant, &employee.id)?.is_some() {
            outcome.dirtied.extend(relink(c, rules, &org.name, &position, before, Cause::Profile, page.now)?);
        }
    }
    if before.is_none() {
        wake_subordinates(c, &page.tenant, &employee.id, page.now)?;
    }
    if moved {
        circle.extend(circles::circle_of(c, &page.tenant, &employee.id)?);
        // Whoever stands in a circle that was closed or broken up has another manager to be told of.
        for other in circle.iter().filter(|other| **other != employee.id) {
            wake(c, "s.profile = ?2", &page.tenant, other, page.now)?;
        }
    }
    if moved || before.map(|b| &b.user_status) != Some(&employee.user_status) {
        for manager in old.iter().chain(new.iter()) {
            wake_gone_manager(c, &page.tenant, manager, page.now)?;
        }
    }
    outcome.accepted.push((employee.id.clone(), hash));
    Ok(())
}

/// Routes and correlates a profile in one org, and marks its person dirty; the class of what changed, if it concerns the
/// org at all.
pub(super) fn relink(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    before: Option<&Employee>,
    cause: Cause,
    now: Moment,
) -> Result<Option<Priority>, StoreError> {
    let Some(org) = rules.org(org) else { return Ok(None) };
    let (tenant, profile) = (&position.tenant, &position.employee.id);
    let known = links::find(c, &org.name, tenant, profile)?;
    let (routed, failed) = match rules.routes(org, position) {
        Ok(routed) => (routed && org.tenants.contains(tenant), None),
        // Whoever cannot be routed stays where they are, and waits for somebody to correct the expression.
        Err(e) => (known.is_none_or(|(_, routed)| routed), Some(e.to_string())),
    };
    if known.is_none() && !routed {
        let is_of_it = org.tenants.contains(tenant);
        if !is_of_it || !links::has_left_an_account(c, rules, &org.name, position, now)? {
            if is_of_it {
                unrouted::expect(c, rules, &org.name, position, now)?;
            }
            return Ok(None);
        }
    }
    twins::part(c, &org.name, position, before, now)?;
    let (target, conflict) = links::link(c, rules, &org.name, position, routed, now)?;
    let changes = field_changes(before, &position.employee);
    let news = News { cause, changes, before, after: position, as_of: now };
    let stopped = failed.or(conflict);
    refresh(c, rules, target, &news, stopped.as_deref(), now)
}

/// What is new about somebody.
pub(super) struct News<'a> {
    pub cause: Cause,
    pub changes: Vec<FieldChange>,
    pub before: Option<&'a Employee>,
    pub after: &'a Position,
    /// The last moment at which what was before was so.
    pub as_of: Moment,
}

impl News<'_> {
    /// Whether access by a profile was over before; of one that nothing new is known of, whether it is.
    fn was_over(&self, rules: &Rulebook, position: &Position) -> bool {
        let is_it = position.tenant == self.after.tenant && position.employee.id == self.after.employee.id;
        let before = self.before.filter(|_| is_it).unwrap_or(&position.employee).clone();
        rules.is_over(&Position { tenant: position.tenant.clone(), employee: before }, self.as_of)
    }
}

/// Raises the revision of a person, as urgent as what their record means now, and writes down why.
pub(super) fn refresh(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    news: &News,
    stopped: Option<&str>,
    now: Moment,
) -> Result<Option<Priority>, StoreError> {
    let Some(case) = cases::brief(c, rules, target, now)? else { return Ok(None) };
    let lifecycle = rules.lifecycle(&case, now);
    let entitlement = &lifecycle.entitlement;
    let ended_at = match entitlement {
        over if over.is_over() => Some(case.ended_at.unwrap_or(now)),
        Entitlement::Unclear(_) => case.ended_at,
        _ => None,
    };
    keepers::follow(c, rules, target, &case, |position| news.was_over(rules, position), now)?;
    // A leaver of whom it cannot be told which account is theirs: what can be taken from all of them is taken.
    let ends_sessions = stopped.is_some()
        && entitlement.is_over()
        && case.account.is_none()
        && !anchors::doubtful(c, &case)?.is_empty();
    let priority = match ends_sessions {
        true => Priority::Revoke,
        false => Priority::of_revision(entitlement, case.account.as_ref(), news.before, &news.after.employee),
    };
    let bucket = match !ends_sessions && search::follow(c, rules, target, &case, entitlement, news, now)? {
        true => SEARCH,
        false => first_bucket(entitlement, case.account.as_ref()),
    };
    // What waits because a rule has given them the account just now waits until then.
    let fresh = case.adopted.as_ref().and_then(|adopted| adopted.fresh_until(rules.safeguards.fresh_adoption));
    let changes_at = [lifecycle.changes_at, fresh.filter(|until| *until > now)].into_iter().flatten().min();
    let dirt = Dirt { priority, bucket, cause: news.cause };
    let dirty = Work::dirtied(work::load(c, target)?, &dirt, now).expects(changes_at, stopped, ends_sessions);
    work::save(c, target, &case.org, &dirty)?;
    c.prepare_cached("UPDATE target SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NOT ?2")?
        .execute(params![target, ended_at.map(Moment::millis)])?;
    let observed = Event::Observed(Observed {
        changes: news.changes.clone(),
        because: news.cause.because(),
        entitlement: entitlement.clone(),
        priority,
        remarks: lifecycle.remarks,
        conflict: stopped.map(str::to_owned),
    });
    append(
        c,
        &Record {
            tenant: Some(news.after.tenant.clone()),
            profile: Some(news.after.employee.id.clone()),
            rev: Some(dirty.dirty_rev),
            ..Record::about(target, case.org, now, observed)
        },
    )?;
    Ok(Some(priority))
}

/// The counter that the first call will spend, where that is plain before there is a plan.
fn first_bucket(entitlement: &Entitlement, account: Option<&Account>) -> &'static str {
    match (entitlement, account) {
        (Entitlement::Ended(_), Some(_)) | (Entitlement::Entitled | Entitlement::Prehire { .. }, None) => "users",
        (Entitlement::Suspended(_) | Entitlement::OnLeave(_), Some(account)) if account.is_awake() => "users",
        _ => ANY_BUCKET,
    }
}

/// Raises the revision of `target`; returns the new one.
pub(super) fn mark_dirty(
    c: &Tx,
    target: i64,
    org: &str,
    priority: Priority,
    bucket: &str,
    cause: Cause,
    now: Moment,
) -> Result<i64, StoreError> {
    let dirt = Dirt { priority, bucket, cause };
    let work = Work::dirtied(work::load(c, target)?, &dirt, now);
    work::save(c, target, org, &work)?;
    Ok(work.dirty_rev)
}

/// Marks those dirty who report to a profile: what they are told of their manager has changed.
pub(super) fn wake_subordinates(c: &Tx, tenant: &str, profile: &str, now: Moment) -> Result<(), StoreError> {
    wake(c, "s.manager = ?2", tenant, profile, now)
}

/// Marks a manager dirty who has left: who still reports to them has changed.
fn wake_gone_manager(c: &Tx, tenant: &str, profile: &str, now: Moment) -> Result<(), StoreError> {
    wake(c, "s.profile = ?2 AND json_extract(s.doc, '$.user_status') = 'inactive'", tenant, profile, now)
}

/// Marks the people of those sources of a tenant dirty for which a condition about `profile` (`?2`) holds.
fn wake(c: &Tx, which: &str, tenant: &str, profile: &str, now: Moment) -> Result<(), StoreError> {
    let mut select = c.prepare_cached(&format!(
        "SELECT l.target, l.org FROM source s JOIN link l ON l.tenant = s.tenant AND l.profile = s.profile
         JOIN target t ON t.id = l.target WHERE s.tenant = ?1 AND {which} AND t.conflict IS NULL"
    ))?;
    let found: Vec<(i64, String)> =
        select.query_map([tenant, profile], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (target, org) in found {
        mark_dirty(c, target, &org, Priority::Describe, ANY_BUCKET, Cause::Manager, now)?;
    }
    Ok(())
}

fn wake_due(c: &Tx, rules: &Rulebook, now: Moment) -> Result<Vec<Priority>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT w.target, t.conflict, w.changes_at FROM work w JOIN target t ON t.id = w.target WHERE w.changes_at <= ?1",
    )?;
    let due: Vec<(i64, Option<String>, i64)> = select
        .query_map([now.millis()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    // Quarantined for something that does not show when it changes: tried again now and then.
    let mut priorities = work::wake(c, now)?;
    priorities.extend(unrouted::wake(c, rules, now)?);
    for (target, conflict, changes_at) in due {
        let as_of = Moment::from_millis(changes_at - 1);
        let woken = super::alone(c, |c| {
            let profiles = cases::profiles(c, target)?;
            let Some(position) = profiles.here.first() else { return Ok(None) };
            let before = Some(&position.employee);
            let news = News { cause: Cause::Date, changes: Vec::new(), before, after: position, as_of };
            refresh(c, rules, target, &news, conflict.as_deref(), now)
        });
        match woken {
            // Whom the store cannot read holds up nobody else.
            Err(e) if e.trouble() == Trouble::Refused => {
                forced::quarantined(c, target, &e, now)?;
                work::changes_when_due(c, target)?;
            }
            woken => priorities.extend(woken?),
        }
    }
    Ok(priorities)
}
