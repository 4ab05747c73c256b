//! One profile in one org: whether it is routed there, whose it is, and what is new about that person: a revision.

use super::engine::Tx;
use super::links::{has_left_an_account, link};
use super::rows::org::Unrouted;
use super::rows::{link, org, risk, target, work};
use super::{StoreError, anchors, append, cases, confirmed, keepers, orders, proof, twins};
use crate::audit::details::Observed;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::employee::{Employee, field_changes};
use crate::domain::record::person::Position;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::{Dirt, Work};
use crate::domain::work::revision::{Known, News, Revision, may_end_sessions, revision};

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
    let known = link::find(c, org, &position.tenant, &position.employee.id)?;
    relink_known(c, rules, org, position, known, &What { before, cause }, now)
}

/// What was known of a profile before, and why it is looked at.
pub(super) struct What<'a> {
    pub before: Option<&'a Employee>,
    pub cause: Cause,
}

/// The same, of a profile whose target in the org is known, with whether it is routed there.
pub(super) fn relink_known(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    known: Option<(i64, bool)>,
    what: &What,
    now: Moment,
) -> Result<Option<Priority>, StoreError> {
    let Some(org) = rules.org(org) else { return Ok(None) };
    let is_of_it = org.tenants.contains(&position.tenant);
    let (routed, failed) = match rules.routes(org, position) {
        Ok(routed) => (routed && is_of_it, None),
        // Whoever cannot be routed stays where they are, and waits for somebody to correct the expression.
        Err(e) => (known.is_none_or(|(_, routed)| routed), Some(e.to_string())),
    };
    if known.is_none() && !routed && !(is_of_it && has_left_an_account(c, rules, &org.name, position, now)?) {
        if is_of_it {
            org::expect(c, &Unrouted::new(&org.name, position)?, rules.changes_at(position, now))?;
        }
        return Ok(None);
    }
    let mut target = known.map(|(target, _)| target);
    if twins::part(c, &org.name, position, what.before, now)? {
        target = link::find(c, &org.name, &position.tenant, &position.employee.id)?.map(|(target, _)| target);
    }
    let (target, conflict) = link(c, rules, &org.name, position, target, routed, now)?;
    spread(c, rules, target, now)?;
    let changes = field_changes(what.before, &position.employee);
    let news = News { cause: what.cause, changes, before: what.before, after: position, as_of: now };
    let stopped = failed.or(conflict);
    refresh(c, rules, target, &news, stopped.as_deref(), now)
}

/// Access that somebody has ended is ended for all targets of the person, however they came to them; each is looked at anew.
pub(super) fn spread(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<usize, StoreError> {
    let new = orders::spread(c, target, now)?;
    for one in &new {
        renew(c, rules, *one, now)?;
    }
    Ok(new.len())
}

/// A person is looked at because somebody has asked for it. What is of an org that is not in the configuration waits for that.
pub(super) fn renew(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<(), StoreError> {
    let Some(case) = cases::brief(c, rules, target, now)? else { return Ok(()) };
    if rules.org(&case.org).is_none() {
        return Ok(());
    }
    let conflict = target::conflict(c, target)?;
    let news = News::none(case.person.primary(), Cause::Request, now);
    refresh(c, rules, target, &news, conflict.as_deref(), now).map(|_| ())
}

/// Raises the revision of a person, as urgent as what their record means now, asks what must be asked because of it, and writes
/// down why.
pub(super) fn refresh(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    news: &News,
    stopped: Option<&str>,
    now: Moment,
) -> Result<Option<Priority>, StoreError> {
    let Some(mut case) = cases::brief(c, rules, target, now)? else { return Ok(None) };
    if case.end_now.is_some() && confirmed::follow(c, rules, target, &case, now)? {
        case.end_now = None;
    }
    let lifecycle = rules.lifecycle(&case, now);
    let entitlement = &lifecycle.entitlement;
    let has_moved = |position: &Position| news.was_over(rules, position) != rules.is_over(position, now);
    if case.person.positions().iter().any(has_moved) {
        risk::lapse(c, target)?; // what was approved was so for who they were
    }
    keepers::follow(c, rules, target, &case, |position| news.was_over(rules, position), now)?;
    // A leaver of whom it cannot be told which account is theirs: what can be taken from all of them is taken.
    let ends_sessions =
        may_end_sessions(&case, entitlement, stopped.is_some()) && !anchors::doubtful(c, &case)?.is_empty();
    let is_sought = !ends_sessions && proof::follow(c, rules, target, &case, entitlement, news, now)?;
    let known = Known { ends_sessions, is_sought };
    let Revision { ended_at, priority, bucket, changes_at } = revision(rules, &case, &lifecycle, news, known, now);
    let dirt = Dirt { priority, bucket, cause: news.cause };
    let dirty = Work::dirtied(work::load(c, target)?, &dirt, now).expects(changes_at, stopped, ends_sessions);
    work::save(c, target, &case.org, &dirty)?;
    if ended_at != case.ended_at {
        target::set_ended_at(c, target, ended_at)?;
    }
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
