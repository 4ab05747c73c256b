//! Profiles that cannot be read as a whole: what they say about access is followed, the rest stays as it was known.
//!
//! **Invariant:** an end of access waits for no field beside it; what a profile that cannot be read would give waits.

use super::documents::{PageCommit, PageOutcome, commit_profile};
use super::engine::Tx;
use super::rows::source;
use super::rows::source::Source;
use super::{StoreError, append};
use crate::audit::details::Unreadable;
use crate::audit::{Event, Record};
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::document::Document;
use crate::domain::record::facts::ProfileProblem;
use crate::domain::record::person::Position;

/// Writes a problem down, and follows what the profile says about access all the same.
pub(super) fn commit(
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
    if let Some(known) = source::load(c, &page.tenant, profile)?.filter(|held| !may_be_older(page, held)) {
        follow_known(c, rules, page, problem, &known, outcome)?;
    }
    Ok(())
}

/// Whether what a page says is older than what is held, as far as can be told.
fn may_be_older(page: &PageCommit, held: &Source) -> bool {
    page.document(held, None) == Document::MayBeOlder
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
        commit_profile(c, rules, page, &followed, followed.hash(), outcome)?;
    }
    Ok(is_over)
}

/// One row a profile, and one in the audit whenever the reason is another one.
pub(super) fn note(c: &Tx, page: &PageCommit, profile: &str, why: &str) -> Result<(), StoreError> {
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
