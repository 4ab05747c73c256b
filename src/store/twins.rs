//! Two profiles of one tenant that a rule has made one person: while one of them is inactive that is a rehire; when both are
//! active, two people say whether they are the same person.
//!
//! **Invariant:** after first contact no rule keeps two active profiles of one tenant together. Until people have answered, the
//! profile that became active gives nothing, changes nothing, and is given nothing.

use super::engine::{Optional, Tx, params};
use super::links::{account_of, find, key_of, message};
use super::{StoreError, append, cases, contact, pages, reviews, split};
use crate::audit::details::Split;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::matching::correlation::{BEFORE, Candidate, Contact, Counterpart};
use crate::domain::work::machine::ANY_BUCKET;
use crate::domain::{Cause, Decider, Employee, Position, Priority, UserStatus};

/// Whether a profile counts as somebody who works there, or is to begin: such people are not asked about again on that day.
pub(super) fn is_active(employee: &Employee) -> bool {
    employee.user_status != UserStatus::Inactive
}

/// One of `theirs` that is active in a tenant in which one of `mine` is.
pub(super) fn twin<'a>(mine: &[Position], theirs: &'a [Position]) -> Option<&'a Position> {
    let is_twin = |other: &&Position| {
        let is_same = |one: &&Position| one.tenant == other.tenant && one.employee.id != other.employee.id;
        is_active(&other.employee) && mine.iter().filter(|one| is_active(&one.employee)).any(|one| is_same(&one))
    };
    theirs.iter().find(is_twin)
}

/// A profile that was inactive and is active now leaves the person with whom a rule has joined it, if another active profile of
/// its tenant is there: it gets a target of its own, and people are asked.
pub(super) fn part(
    c: &Tx,
    org: &str,
    position: &Position,
    before: Option<&Employee>,
    now: Moment,
) -> Result<(), StoreError> {
    let returns = before.is_some_and(|before| !is_active(before)) && is_active(&position.employee);
    // At first contact everybody who was matched is accepted with the report.
    if !returns || contact::of(c, org, &position.tenant)? == Contact::First {
        return Ok(());
    }
    let Some((target, _)) = find(c, org, &position.tenant, &position.employee.id)? else { return Ok(()) };
    let mut others = cases::profiles(c, target)?.all();
    others.retain(|other| other.tenant == position.tenant && other.employee.id != position.employee.id);
    let mut twin = None;
    for other in others.iter().filter(|other| is_active(&other.employee)) {
        if !is_decided(c, org, target, position, other)? {
            twin = Some(other);
            break;
        }
    }
    let Some(twin) = twin else { return Ok(()) };
    let account = account_of(c, target)?.map(|account| account.id);
    split::take_out(c, org, position, target, account.as_deref())?;
    let why = format!("both are active in {} now, and only a rule has made them one person", position.tenant);
    let counterpart = Counterpart::Target(target);
    let candidate = Candidate { rule: BEFORE.into(), counterpart, described: message(twin), ..Candidate::default() };
    reviews::ask(c, org, position, &[candidate], &why, now)?;
    pages::mark_dirty(c, target, org, Priority::Describe, ANY_BUCKET, Cause::Profile, now)?;
    let service = Decider::of_service("the service");
    let event = Event::Split(Split {
        profile: position.employee.id.clone(),
        from: target,
        account,
        kept: true,
        why,
        author: Author::new(service.name.clone(), service.principal()),
    });
    let record = Record::about(target, org.to_owned(), now, event);
    append(
        c,
        &Record { tenant: Some(position.tenant.clone()), profile: Some(position.employee.id.clone()), ..record },
    )?;
    Ok(())
}

/// Targets of whom a profile was a part, and about whom people are asked since.
pub(super) fn asked_about(c: &Tx, org: &str, position: &Position) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT subject FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND rule = ?4 AND verdict IS NULL",
    )?;
    let counterparts = select.query_map([org, &position.tenant, &position.employee.id, BEFORE], |row| row.get(0))?;
    let counterparts: Vec<String> = counterparts.collect::<Result<_, _>>()?;
    let target = |counterpart: &String| counterpart.strip_prefix("target ").and_then(|id| id.parse().ok());
    Ok(counterparts.iter().filter_map(target).collect())
}

/// Whether two people have said that two profiles of a target are the same person: about one of them, when the other one was
/// there already.
fn is_decided(c: &Tx, org: &str, target: i64, one: &Position, other: &Position) -> Result<bool, StoreError> {
    for (said_of, there) in [(one, other), (other, one)] {
        if let Some(at) = said_at(c, org, target, said_of)?
            && joined_at(c, org, there)?.is_none_or(|joined| joined <= at)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// When two people said, with their reasons, that a profile is somebody of a target.
fn said_at(c: &Tx, org: &str, target: i64, position: &Position) -> Result<Option<i64>, StoreError> {
    let account = account_of(c, target)?.map(|account| key_of(&Counterpart::Account(account.id)));
    let mut select = c.prepare_cached(
        "SELECT max(r.at) FROM review r WHERE r.org = ?1 AND r.tenant = ?2 AND r.profile = ?3 AND r.verdict = 'accept'
         AND r.subject IN (?4, ?5) AND EXISTS (SELECT 1 FROM review_vote v WHERE v.review = r.id
           AND trim(coalesce(v.why, '')) <> '' GROUP BY v.code HAVING count(*) > 1)",
    )?;
    let counterpart = key_of(&Counterpart::Target(target));
    Ok(select
        .query_row(params![org, position.tenant, position.employee.id, counterpart, account], |row| row.get(0))
        .optional()?
        .flatten())
}

/// When a profile was matched with whom it belongs to; `None` if it never was.
fn joined_at(c: &Tx, org: &str, position: &Position) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT at FROM matched WHERE org = ?1 AND tenant = ?2 AND profile = ?3")?;
    Ok(select.query_row([org, &position.tenant, &position.employee.id], |row| row.get(0)).optional()?)
}
