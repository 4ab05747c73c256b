//! What somebody else has changed in Okta, as it is noted.

use super::engine::Tx;
use super::rows::account::Owner;
use super::rows::{account, target};
use super::{StoreError, append, dirty, restoring};
use crate::audit::{Event, Record, details};
use crate::clock::Moment;
use crate::domain::plan::priority::Priority;
use crate::domain::record::employee::FieldChange;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::{ANY_BUCKET, Dirt};

/// An account that somebody else has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Drifted {
    /// Okta's id of the account.
    pub okta_id: String,
    /// Its login, as it was read last.
    pub login: String,
    /// The target whose account it is; `None` if it is nobody's.
    pub target: Option<i64>,
    /// What differs, field by field; where the account was deleted, one change of `account`.
    pub changes: Vec<FieldChange>,
    /// When the account was last known to be otherwise.
    pub known_at: Moment,
    /// Who did it, by Okta's system log.
    pub actor: Option<String>,
    /// Okta has the account no more: what is known of it goes when this is noted.
    pub deleted: bool,
}

/// Somebody who was as planned is planned anew, because a read shows what nobody has compared yet; whoever is dirty is so anyhow.
pub(super) fn plan_anew(c: &Tx, org: &str, owner: Option<&Owner>, now: Moment) -> Result<(), StoreError> {
    let Some(owner) = owner.filter(|owner| owner.is_done) else { return Ok(()) };
    dirty::mark_dirty(c, owner.target, org, &Dirt::describe(Cause::OrgRead), now).map(drop)
}

/// Writes drift into the audit. Whoever has left is always looked at: nobody leaves it to others whether a leaver has access.
pub(super) fn note(c: &Tx, org: &str, one: &Drifted, correct: bool, now: Moment) -> Result<(), StoreError> {
    let drifted = Event::Drifted(details::Drifted {
        account: one.okta_id.clone(),
        login: one.login.clone(),
        changes: one.changes.clone(),
        actor: one.actor.clone(),
        known_at: one.known_at,
        since_copy: restoring::is_of_copy(c, one.known_at)?,
    });
    append(c, &Record { target: one.target, org: Some(org.to_owned()), ..Record::general(now, drifted) })?;
    let Some(target) = one.target else { return Ok(()) };
    let has_left = target::has_left(c, target)?;
    let account = account::by_id(c, org, &one.okta_id)?;
    let (priority, bucket) = match has_left && account.is_some_and(|account| account.is_awake()) {
        true => (Priority::Revoke, "users"),
        false => (Priority::Describe, ANY_BUCKET),
    };
    if correct || has_left {
        dirty::mark_dirty(c, target, org, &Dirt { priority, bucket, cause: Cause::Drift }, now)?;
    }
    Ok(())
}
