//! What a termination that is taken back soon has taken, derived from the audit.

use super::audit_log::filter_audit;
use super::engine::Tx;
use super::rows::{account, work};
use super::{Filter, StoreError};
use crate::audit::details::Outcome;
use crate::audit::{Event, Row};
use crate::clock::Moment;
use crate::domain::Directory;
use crate::domain::account::taken_back::TakenBack;
use crate::domain::plan::case::Case;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::second_thoughts::{Entry, is_back, outlook, taken_back};
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::Work;

/// What was taken from somebody who is back and whose access is not given again yet stands with their account. Until it is given it
/// is derived each time: what stood there may be of a return that has come to nothing, long ago.
pub(super) fn recall(c: &Tx, rules: &Rulebook, target: i64, case: &mut Case, now: Moment) -> Result<(), StoreError> {
    let window = rules.policies.termination.second_thoughts;
    // Who is let in already has been given what there was to give.
    let is_ended =
        |case: &Case| case.account.as_ref().is_some_and(|account| account.marks.exit.is_some() && !account.is_awake());
    if window.is_zero() || !is_ended(case) || !is_back(&rules.lifecycle(case, now).entitlement) {
        return Ok(());
    }
    // They are back since they are dirty, or later: what was taken longer before does not come back.
    let (rev, dirty_at) = work::load(c, target)?.map_or((0, now), |work| (work.dirty_rev, work.dirty_at.min(now)));
    let kept = case.account.as_ref().and_then(|account| account.marks.taken_back.as_ref());
    if kept.is_some_and(|kept| kept.rev != 0 && kept.rev == rev) {
        return Ok(()); // derived for this very news
    }
    let since = dirty_at - window;
    let found = history(c, target, since)?.and_then(|history| taken_back(&history, window, now));
    if let Some(account) = &mut case.account {
        let kept = account.marks.taken_back.take();
        // What is the same was told already.
        let rev = kept.as_ref().map_or(0, |kept| kept.rev);
        account.marks.taken_back = found.map(|found| TakenBack { rev, ..found }).map(|found| match kept {
            Some(kept) if kept == found => kept,
            _ => TakenBack { rev: 0, ..found },
        });
    }
    Ok(())
}

/// What was written down of somebody, as far as it says what was taken; nothing if it cannot be told when.
fn history(c: &Tx, target: i64, since: Moment) -> Result<Option<Vec<Entry>>, StoreError> {
    let kinds = ["observed", "planned", "effect"].map(str::to_owned).to_vec();
    let (mut entries, mut are_dated) = (Vec::new(), true);
    filter_audit(c, &Filter { targets: vec![target], since: Some(since), kinds, ..Filter::default() }, |row| {
        let Row { at, event, .. } = Row::read(&row.text)?;
        let Ok(at) = at.parse::<jiff::Timestamp>().map(Moment::from) else {
            are_dated = false;
            return Ok(());
        };
        entries.extend(match event {
            Event::Observed(it) => Some(Entry::Means { at, entitlement: it.entitlement }),
            Event::Planned(it) => {
                let is_over = matches!(it.entitlement.as_deref(), Some("ended" | "suspended"));
                Some(Entry::Plans { is_over })
            }
            Event::Effect(it) if it.outcome.is_done() || it.outcome == Outcome::Unknown => {
                Some(Entry::Carried { at, step: it.call.step })
            }
            _ => None,
        });
        Ok(())
    })?;
    Ok(are_dated.then_some(entries))
}

/// A run begins: what it gives back is kept with the account until it has come back, and told until Namely says something new.
pub(super) fn keep(
    c: &Tx,
    rules: &Rulebook,
    directory: &Directory,
    case: &mut Case,
    work: &Work,
    now: Moment,
) -> Result<(), StoreError> {
    let marks = case.account.as_ref().map(|account| &account.marks);
    let Some(marks) = marks.filter(|marks| marks.taken_back.is_some()) else { return Ok(()) };
    let rev = marks.taken_back.as_ref().map_or(0, |taken| taken.rev);
    let is_news = work.cause == Cause::Profile.as_str() && rev != work.dirty_rev && marks.exit.is_none();
    let ends =
        rev != 0 && is_news && outlook(case, rules, directory, now).is_some_and(|(restores, _)| restores.is_empty());
    let Some(account) = case.account.as_mut().filter(|_| rev == 0 || ends) else { return Ok(()) };
    match &mut account.marks.taken_back {
        Some(taken) if rev == 0 => taken.rev = work.dirty_rev,
        taken => *taken = None,
    }
    account::save_document(c, &case.org, account)
}
