//! What the lists of an org are taken to prove: that whoever was inactive before first contact, and is on none of them, has no
//! account. And what speaks against them.
//!
//! **Invariant:** once a list was shown to lack an account that was there when it was read, the lists of that org cover nobody any
//! more: everybody whom they covered is asked for, some at a time, before they are done again.

use super::engine::Tx;
use super::rows::org::{Lists, Void};
use super::rows::{account, org, target};
use super::{Store, StoreError, dirty};
use crate::clock::Moment;
use crate::domain::account::list::should_have_shown;
use crate::domain::account::user::Account;
use crate::domain::plan::priority::Priority;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::{Dirt, SEARCH};

/// Whether the lists of an org cover nobody any more.
pub(super) fn is_void(c: &Tx, org: &str) -> Result<bool, StoreError> {
    Ok(org::void(c, org)?.is_some())
}

/// An account is seen now. If it was not known, and the last list of the org should have shown it, that list was not whole.
pub(super) fn weigh(c: &Tx, org: &str, account: &Account) -> Result<(), StoreError> {
    if account::is_known(c, org, &account.id)? {
        return Ok(());
    }
    let Lists::Read { begun } = org::lists(c, org)? else { return Ok(()) };
    if should_have_shown(begun, account.created_at) { void(c, org, account) } else { Ok(()) }
}

/// A list lacks an account that Okta has.
pub(super) fn void(c: &Tx, org: &str, account: &Account) -> Result<(), StoreError> {
    if is_void(c, org)? {
        return Ok(());
    }
    let who = account.described();
    tracing::warn!(org, %who, "a list of Okta has lacked this account: whoever such a list seemed to cover is asked for");
    org::set_void(c, org, Void::ToMark)
}

impl Store {
    /// A list of the org has accounts that cannot be read: whoever is not on it may have one of them.
    pub async fn distrust_lists(&self, org: &str) -> Result<(), StoreError> {
        let org = org.to_owned();
        self.run(move |c| if is_void(c, &org)? { Ok(()) } else { org::set_void(c, &org, Void::ToMark) }).await
    }

    /// Has at most so many of those asked for whom lists of the org have covered that were not whole; returns how many.
    pub async fn uncover(&self, org: &str, most: usize, now: Moment) -> Result<usize, StoreError> {
        let org = org.to_owned();
        self.run(move |c| uncover(c, &org, most, now)).await
    }
}

fn uncover(c: &Tx, org: &str, most: usize, now: Moment) -> Result<usize, StoreError> {
    if org::void(c, org)? != Some(Void::ToMark) {
        return Ok(0);
    }
    let covered = target::covered_by_list(c, org, most)?;
    if covered.is_empty() {
        org::set_void(c, org, Void::Marked)?;
    }
    for target in &covered {
        target::unprove(c, *target)?;
        dirty::mark_dirty(
            c,
            *target,
            org,
            &Dirt { priority: Priority::Inspect, bucket: SEARCH, cause: Cause::OrgRead },
            now,
        )?;
    }
    Ok(covered.len())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, account, done};
    use super::*;
    use crate::domain::record::employee::tests::an_employee;
    use crate::domain::{Employee, UserStatus};
    use std::collections::BTreeSet;

    fn left(id: &str) -> Employee {
        Employee {
            id: id.into(),
            email: format!("{id}@example.com"),
            user_status: UserStatus::Inactive,
            ..an_employee()
        }
    }

    #[tokio::test]
    async fn whom_a_list_covered_is_asked_for_once_and_behind_those_who_are_waited_for_when_it_was_not_whole() {
        let world = World::new().await;
        let sought = async |world: &World| {
            // Who is searched for is evaluated before, and whoever is not is done.
            for claim in world.claim().await {
                world.store.release(claim.lease, done(), world.now).await.expect("done");
            }
            world.store.to_search("main", 20, world.now).await.expect("reads")
        };
        let other = Account { created_at: Some(0), ..account(Some("somebody-else")) };
        let mut listed = other.clone();
        listed.id = "00u2".into();
        world.store.prime("main", vec![listed], BTreeSet::new(), world.now).await.expect("primes");
        world.see(left("gone")).await;
        world.store.correlate_org("main", world.now).await.expect("correlates");
        assert_eq!(sought(&world).await, [], "the list covers them");
        assert_eq!(world.store.uncover("main", 500, world.now).await.expect("asks"), 0);
        world.store.exists("main", other, world.now).await.expect("writes");
        assert_eq!(world.store.uncover("main", 500, world.now).await.expect("asks"), 1);
        let found = sought(&world).await;
        assert!(found.len() == 1 && !found[0].urgent, "{found:?}");
        assert_eq!(world.store.uncover("main", 500, world.now).await.expect("asks"), 0, "once");
        world.see(left("later")).await;
        world.store.correlate_org("main", world.now).await.expect("correlates");
        let found = sought(&world).await;
        assert_eq!(found.len(), 2, "no list covers anybody any more: {found:?}");
    }
}
