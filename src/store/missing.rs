//! Profiles that complete walks of their tenant do not show any more: who, since when, and what people decide about them.
//!
//! **Invariant:** absence ends nobody's access. It ends by the word of a person, or where people have said that the profile is one
//! person with another one of its tenant, which Namely shows. Whoever is shown again is as if they had never been missing.

use super::documents::{Differs, PageOutcome, follow_all};
use super::engine::Tx;
use super::missing_news::note_news;
use super::rows::missing::{self as row, Verdict};
use super::rows::source::Source;
use super::rows::{link, source};
use super::{StoreError, twins};
use crate::audit::Author;
use crate::audit::details::MissingNews;
use crate::clock::Moment;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::document::Held;
use crate::domain::record::employee::{Employee, UserStatus};
use crate::domain::record::person::Position;
use crate::domain::work::cause::Cause;

/// What somebody has decided about a profile that is missing.
pub(super) struct Decided<'a> {
    pub tenant: &'a str,
    pub profile: &'a str,
    pub verdict: Verdict,
    pub author: &'a Author,
    pub why: &'a str,
}

/// Two complete walks in a row have not shown these profiles, since the times that are given. Whose access is over already is
/// nobody to ask about.
pub(super) fn note(
    c: &Tx,
    rules: &Rulebook,
    tenant: &str,
    absent: &[(String, Moment)],
    now: Moment,
) -> Result<PageOutcome, StoreError> {
    let mut outcome = PageOutcome::default();
    for (profile, since) in absent {
        let Some(position) = source::position(c, tenant, profile)? else { continue };
        if rules.is_over(&position, now) || !row::insert(c, tenant, &position.employee, *since)? {
            continue;
        }
        note_news(c, (tenant, profile), (MissingNews::Gone, Some(*since)), None, now)?;
        if let Some(other) = made_anew_by_people(c, rules, &position, now)? {
            outcome.add(replaced_by(c, rules, &position, &other, now)?);
        }
    }
    Ok(outcome)
}

/// People have said that `position` is the person of a target: profiles of its tenant that are missing there were made anew as it.
pub(super) fn made_anew(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    position: &Position,
    now: Moment,
) -> Result<PageOutcome, StoreError> {
    let mut outcome = PageOutcome::default();
    for other in link::profiles(c, target)?.all() {
        let is_other = other.tenant == position.tenant && other.employee.id != position.employee.id;
        if is_other && row::since(c, &other.tenant, &other.employee.id)?.is_some() {
            outcome.add(replaced_by(c, rules, &other, position, now)?);
        }
    }
    Ok(outcome)
}

/// Acts upon what somebody has decided; nothing if the profile is shown again meanwhile.
pub(super) fn decide(
    c: &Tx,
    rules: &Rulebook,
    decided: &Decided,
    now: Moment,
) -> Result<Option<PageOutcome>, StoreError> {
    let Decided { tenant, profile, verdict, author, why } = *decided;
    let Some(missing) = row::find(c, tenant, profile)? else { return Ok(None) };
    // What has ended comes back with the profile, and not because of a second thought about it.
    if missing.verdict == Some(Verdict::End) {
        return Ok(None);
    }
    row::decide(c, (tenant, profile), verdict, (&author.by, author.principal.as_deref()), why, now)?;
    let news = match verdict {
        Verdict::Keep => MissingNews::Kept,
        Verdict::End => MissingNews::Ended,
    };
    note_news(c, (tenant, profile), (news, Some(missing.since)), Some((author, why)), now)?;
    match verdict {
        Verdict::Keep => Ok(Some(PageOutcome::default())),
        Verdict::End => end(c, rules, tenant, profile, now).map(Some),
    }
}

/// The profile is inactive from now on, through the safeguards like every other one. Namely showing it again is news.
fn end(c: &Tx, rules: &Rulebook, tenant: &str, profile: &str, now: Moment) -> Result<PageOutcome, StoreError> {
    let Some(held) = source::load(c, tenant, profile)? else { return Ok(PageOutcome::default()) };
    let employee = Employee { user_status: UserStatus::Inactive, ..held.employee.clone() };
    let before = Some(held.employee.clone());
    let document = Source { held: Held { hash: employee.hash(), ..held.held }, employee, ..held };
    follow_all(c, rules, tenant, &[Differs { before, document, cause: Cause::Request }], now)
}

/// Another active profile of the tenant that people have said is the same person.
fn made_anew_by_people(
    c: &Tx,
    rules: &Rulebook,
    position: &Position,
    now: Moment,
) -> Result<Option<Position>, StoreError> {
    for (org, target) in link::in_orgs(c, &position.tenant, &position.employee.id)? {
        for other in link::profiles(c, target)?.all() {
            let is_other = other.tenant == position.tenant && other.employee.id != position.employee.id;
            let is_there =
                is_other && !rules.is_over(&other, now) && row::since(c, &other.tenant, &other.employee.id)?.is_none();
            if is_there && twins::are_one_by_people(c, &org, target, position, &other)? {
                return Ok(Some(other));
            }
        }
    }
    Ok(None)
}

fn replaced_by(
    c: &Tx,
    rules: &Rulebook,
    gone: &Position,
    other: &Position,
    now: Moment,
) -> Result<PageOutcome, StoreError> {
    let author = Author::new("the service", "service");
    let why = format!("people have said that it is one person with {}, which Namely shows", other.described());
    let decided =
        Decided { tenant: &gone.tenant, profile: &gone.employee.id, verdict: Verdict::End, author: &author, why: &why };
    Ok(decide(c, rules, &decided, now)?.unwrap_or_default())
}
