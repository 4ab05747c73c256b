//! A profile that joins a person who is known already: it becomes an owner of their account, and is counted with the accounts
//! that rules take over, against the same limits.
//!
//! **Invariant:** whoever waits because of a limit has joined nobody yet: the person goes on, and leaves, without the profile.

use super::engine::Tx;
use super::rows::{account, matched, risk};
use super::{StoreError, pause};
use crate::clock::Moment;
use crate::domain::guard::joining;
use crate::domain::guard::rejection::ADOPTION;
use crate::domain::plan::kind::ChangeKind;
use crate::domain::plan::rulebook::Rulebook;

/// Why no rule joins a profile of a tenant with a person for now, if none does.
pub(super) fn why_not(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    tenant: &str,
    person: i64,
    now: Moment,
) -> Result<Option<String>, StoreError> {
    if is_living(c, person)? {
        let paused = pause::paused_changes(c, org)?.into_iter().find(|(change, _)| *change == ChangeKind::Adopt);
        let why = joining::why_not_living(&rules.safeguards, paused.map(|(_, why)| why));
        if why.is_some() {
            return Ok(why);
        }
    }
    for limit in joining::limits(&rules.safeguards) {
        let so_far = matched::count_by_rule(c, org, tenant, limit.per.begin(now))?;
        let why = joining::why_not_more(limit, so_far, tenant);
        if why.is_some() {
            return Ok(why);
        }
    }
    Ok(None)
}

/// Whether a person has an account that is in use.
pub(super) fn is_living(c: &Tx, person: i64) -> Result<bool, StoreError> {
    Ok(account::of_target(c, person)?.is_some_and(|account| account.is_live()))
}

/// A rule has joined a profile of a tenant with a living person: what the safeguards judge next is counted with it.
pub(super) fn count(c: &Tx, org: &str, tenant: &str, person: i64, shown: &str, now: Moment) -> Result<(), StoreError> {
    let joined = risk::Joined { target: person, org, tenant, shown, objects: &[ADOPTION] };
    risk::joined(c, &joined, now)
}
