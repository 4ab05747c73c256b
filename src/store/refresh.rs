//! A new revision of a person: how urgent it is, what is asked because of it, and why, in the audit.

use super::engine::Tx;
use super::rows::{target, work};
use super::{StoreError, anchors, append, cases, keepers, proof};
use crate::audit::details::Observed;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::work::machine::{Dirt, Work};
use crate::domain::work::revision::{Known, News, Revision, may_end_sessions, revision};

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
