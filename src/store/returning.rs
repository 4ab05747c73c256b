//! What is written down when an end of access is taken back soon.

use super::directories::directory_of;
use super::engine::Tx;
use super::{StoreError, cases};
use crate::audit::Event;
use crate::audit::details::TakenBack;
use crate::clock::Moment;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::second_thoughts::outlook;

/// What comes back of what the end of somebody's access has taken, and what does not; nothing if it took nothing, or was not taken
/// back soon.
pub(super) fn event(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    org: &str,
    now: Moment,
) -> Result<Option<Event>, StoreError> {
    let Some(case) = cases::whole(c, rules, target, now)? else { return Ok(None) };
    if case.account.as_ref().is_none_or(|account| account.marks.taken_back.is_none()) {
        return Ok(None);
    }
    // Of an org that was never read nothing can be said yet: the plan remarks upon what does not come back.
    let Some(directory) = directory_of(c, org)? else { return Ok(None) };
    let found = outlook(&case, rules, &directory, now);
    Ok(found.map(|(restores, lost)| Event::TakenBack(TakenBack { restores, lost })))
}
