//! Calls of which nobody knows what became: whoever they were for is looked at again for as long as they may land.
//!
//! **Invariant:** nobody is believed to be as planned for good before the last look after the last call that was not answered. It
//! outlives the run and the process, and costs no call for anybody else.

use super::engine::{Tx, alone};
use super::rows::{account, audit, end_access, link, target, unanswered, work};
use super::{Store, StoreError, Trouble, accounts, dirty, refused};
use crate::clock::Moment;
use crate::domain::plan::doubt::{Ending, LONGEST_DELAY, gives_access, may_still_suspend, next_reading};
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::{Dirt, USER_READ, Work};
use crate::domain::{Priority, Step};

/// Nobody knows what became of this call.
pub(super) fn note(c: &Tx, target: i64, step: &Step, sent_at: Moment, now: Moment) -> Result<(), StoreError> {
    match next_reading(step, sent_at, now) {
        Some(at) => unanswered::insert(c, target, step, sent_at, at),
        None => Ok(()),
    }
}

/// The access of somebody has ended to whom it was given so shortly before that the call may land once more: what stands in between
/// may deliver twice what it has delivered.
pub(super) fn ended_soon(c: &Tx, target: i64, now: Moment) -> Result<(), StoreError> {
    for (step, sent_at) in audit::applied_since(c, target, now - LONGEST_DELAY)? {
        let is_watched = || Ok::<_, StoreError>(unanswered::of(c, target)?.iter().any(|one| one.step == step));
        if gives_access(&step) && !is_watched()? {
            note(c, target, &step, sent_at, now)?;
        }
    }
    Ok(())
}

/// What is said of the calls for a target that may land still, in order.
pub(super) fn messages(c: &Tx, target: i64) -> Result<Vec<String>, StoreError> {
    let all = unanswered::of(c, target)?;
    let Some(first) = all.iter().map(|one| one.sent_at).min() else { return Ok(Vec::new()) };
    let applied = audit::applied_since(c, target, first)?;
    let is_answered =
        |one: &unanswered::Unanswered| applied.iter().any(|(step, at)| *step == one.step && *at == one.sent_at);
    Ok(all.iter().map(|one| one.message(is_answered(one))).collect())
}

impl Store {
    /// Has everybody looked at again whose time for it has come; returns how many.
    pub async fn read_unanswered_again(&self, now: Moment) -> Result<usize, StoreError> {
        self.run(move |c| read_unanswered_again(c, now)).await
    }
}

fn read_unanswered_again(c: &Tx, now: Moment) -> Result<usize, StoreError> {
    let due = unanswered::due(c, now)?;
    for one in &due {
        match alone(c, |c| doubt_again(c, one.target, &one.step, now)) {
            // Whom the store cannot read holds up nobody else.
            Err(e) if e.trouble() == Trouble::Refused => refused::quarantined(c, one.target, &e, now)?,
            other => other?,
        }
        match next_reading(&one.step, one.sent_at, now) {
            Some(at) => unanswered::set_due(c, one.id, at)?,
            None => unanswered::remove(c, one.id)?,
        }
    }
    Ok(due.len())
}

/// The account is read, and planned anew; what the call was about is in doubt again.
pub(super) fn doubt_again(c: &Tx, target: i64, step: &Step, now: Moment) -> Result<(), StoreError> {
    let Some(work) = work::load(c, target)? else { return Ok(()) };
    // Nobody's any more; an account without a profile whose access somebody has ended is still ours to end.
    if link::profiles(c, target)?.here.is_empty() && end_access::of(c, target)?.is_none() {
        return Ok(());
    }
    accounts::doubt(c, target, step, Ending::Untold)?;
    let account = account::of_target(c, target)?;
    if may_still_suspend(step, account.as_ref()) {
        target::becomes(c, target, step)?;
    }
    let has_left = target::has_left(c, target)?;
    if has_left && account.is_none() {
        target::unprove(c, target)?;
    }
    // Who is dirty is read when they are tried again, which is soon: what Okta does not answer is not asked more often. A run that
    // is under way has planned without it.
    if !work.is_dirty() || work.token.is_some() {
        let priority = if has_left { Priority::Revoke } else { Priority::Describe };
        let org = work::org(c, target)?;
        dirty::mark_dirty(c, target, &org, &Dirt { priority, bucket: USER_READ, cause: Cause::Unanswered }, now)?;
    }
    work::change(c, target, Work::read_again)
}
