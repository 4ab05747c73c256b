//! Two profiles of one tenant that a rule has made one person: while one of them is inactive that is a rehire; when both are
//! active, two people say whether they are the same person.
//!
//! **Invariant:** after first contact no rule keeps two active profiles of one tenant together. Until people have answered, the
//! profile that became active gives nothing, changes nothing, and is given nothing.

use super::engine::Tx;
use super::rows::{account, link, matched, review};
use super::{StoreError, append, dirty, parting};
use crate::audit::details::Split;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::guard::decider::Decider;
use crate::domain::matching::correlation::{BEFORE, Candidate, Contact, Counterpart};
use crate::domain::matching::twins::{self, Decided};
use crate::domain::record::employee::Employee;
use crate::domain::record::person::Position;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::Dirt;

/// A profile that was inactive and is active now leaves the person with whom a rule has joined it, if another active profile of
/// its tenant is there: it gets a target of its own, and people are asked. Returns whether it does.
pub(super) fn part(
    c: &Tx,
    org: &str,
    position: &Position,
    before: Option<&Employee>,
    now: Moment,
) -> Result<bool, StoreError> {
    // At first contact everybody who was matched is accepted with the report.
    let returns = twins::returns(before, &position.employee);
    if !returns || matched::contact(c, org, &position.tenant)? == Contact::First {
        return Ok(false);
    }
    let Some((target, _)) = link::find(c, org, &position.tenant, &position.employee.id)? else { return Ok(false) };
    let account = account::of_target(c, target)?.map(|account| account.id);
    let decided = |one: &Position| decided(c, org, (target, account.clone()), one);
    let all = link::profiles(c, target)?.all();
    let mut twin = None;
    for other in twins::rivals(position, &all) {
        if !twins::are_decided(decided(position)?, decided(other)?) {
            twin = Some(other);
            break;
        }
    }
    let Some(twin) = twin else { return Ok(false) };
    parting::take_out(c, org, position, target, account.as_deref(), now)?;
    let why = format!("both are active in {} now, and only a rule has made them one person", position.tenant);
    let counterpart = Counterpart::Target(target);
    let candidate = Candidate { rule: BEFORE.into(), counterpart, described: twin.described(), ..Candidate::default() };
    review::ask_all(c, org, position, &[candidate], &why, now)?;
    dirty::mark_dirty(c, target, org, &Dirt::describe(Cause::Profile), now)?;
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
    Ok(true)
}

/// Whether people have said that two profiles of a target are one person.
pub(super) fn are_one_by_people(
    c: &Tx,
    org: &str,
    target: i64,
    one: &Position,
    other: &Position,
) -> Result<bool, StoreError> {
    let account = account::of_target(c, target)?.map(|account| account.id);
    let decided = |profile: &Position| decided(c, org, (target, account.clone()), profile);
    Ok(twins::are_decided(decided(one)?, decided(other)?))
}

/// What was decided about a profile of a target and its account.
fn decided(
    c: &Tx,
    org: &str,
    (target, account): (i64, Option<String>),
    position: &Position,
) -> Result<Decided, StoreError> {
    let (target, account) = (Counterpart::Target(target), account.map(Counterpart::Account));
    Ok(Decided {
        said_at: review::said_at(c, org, position, (&target, account.as_ref()))?,
        joined_at: matched::at(c, org, position)?,
    })
}
