//! Profiles that cannot be read as a whole: what they say about access is followed, the rest stays as it was known.
//!
//! **Invariant:** an end of access waits for no field beside it; what a profile that cannot be read would give waits.

use super::engine::{Optional, Tx, params};
use super::pages::{Held, PageCommit, PageOutcome, commit_profile, held};
use super::{StoreError, append};
use crate::audit::details::Unreadable;
use crate::audit::{Event, Record};
use crate::domain::record::facts::ProfileProblem;
use crate::domain::{Position, Rulebook};

/// Profiles of `tenant` that could not be read.
pub fn unreadable(c: &Tx, tenant: &str) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare("SELECT profile FROM unreadable WHERE tenant = ?1")?;
    Ok(select.query_map([tenant], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Writes a problem down, and follows what the profile says about access all the same.
pub(super) fn commit(
    c: &Tx,
    rules: &Rulebook,
    page: &PageCommit,
    problem: &ProfileProblem,
    outcome: &mut PageOutcome,
) -> Result<(), StoreError> {
    let known = match &problem.profile {
        Some(profile) => held(c, &page.tenant, profile)?,
        None => None,
    };
    if known.as_ref().is_some_and(|held| held.is_newer_than(page)) {
        return Ok(()); // the next pass shows it again
    }
    let ends = match &known {
        Some(known) => follow_known(c, rules, page, problem, known, outcome)?,
        None => false,
    };
    let name = problem.name.clone().or_else(|| known.as_ref().map(|held| held.employee.display()));
    let what_follows = match (&known, ends) {
        (Some(_), true) => "; access ends all the same, as status and dates say",
        (None, _) if problem.facts.may_end() => "; nothing was known of them before, so there is nothing to end",
        _ => "",
    };
    let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
    note(c, page, problem.profile.as_deref().unwrap_or("(no id)"), &format!("{name}{}{what_follows}", problem.why))?;
    outcome.message.push(problem.clone());
    Ok(())
}

/// Follows what a profile says about access, if it is known.
pub(super) fn follow(
    c: &Tx,
    rules: &Rulebook,
    page: &PageCommit,
    problem: &ProfileProblem,
    outcome: &mut PageOutcome,
) -> Result<(), StoreError> {
    let Some(profile) = &problem.profile else { return Ok(()) };
    if let Some(known) = held(c, &page.tenant, profile)?.filter(|held| !held.is_newer_than(page)) {
        follow_known(c, rules, page, problem, &known, outcome)?;
    }
    Ok(())
}

/// Whether access of the profile is over by what it says now.
fn follow_known(
    c: &Tx,
    rules: &Rulebook,
    page: &PageCommit,
    problem: &ProfileProblem,
    known: &Held,
    outcome: &mut PageOutcome,
) -> Result<bool, StoreError> {
    let position = Position { tenant: page.tenant.clone(), employee: known.employee.clone() };
    let followed = rules.follow(&position, &problem.facts, page.now);
    let is_over = rules.is_over(&Position { employee: followed.clone(), ..position }, page.now);
    if followed != known.employee {
        commit_profile(c, rules, page, &followed, followed.hash(), outcome)?;
    }
    Ok(is_over)
}

/// One row a profile, and one in the audit whenever the reason is another one.
pub(super) fn note(c: &Tx, page: &PageCommit, profile: &str, why: &str) -> Result<(), StoreError> {
    let before: Option<String> = c
        .prepare_cached("SELECT why FROM unreadable WHERE tenant = ?1 AND profile = ?2")?
        .query_row([page.tenant.as_str(), profile], |row| row.get(0))
        .optional()?;
    if before.as_deref() == Some(why) {
        return Ok(());
    }
    c.prepare_cached(
        "INSERT INTO unreadable VALUES (?1, ?2, ?3, ?4) ON CONFLICT (tenant, profile) DO UPDATE SET why = excluded.why",
    )?
    .execute(params![page.tenant, profile, why, page.now.millis()])?;
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
