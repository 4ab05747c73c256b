//! What the lists of an org are taken to prove: that whoever was inactive before first contact, and is on none of them, has no
//! account. And what speaks against them.
//!
//! **Invariant:** once a list was shown to lack an account that was there when it was read, the lists of that org cover nobody any
//! more: everybody whom they covered is asked for, some at a time, before they are done again.

use super::cases::describe;
use super::engine::{Tx, params};
use super::{Store, StoreError, findings, meta, pages, set_meta};
use crate::clock::Moment;
use crate::domain::plan::drift::LAG;
use crate::domain::work::machine::SEARCH;
use crate::domain::{Account, Cause, Priority};

/// Some of those who were covered are still to be asked for.
const TO_MARK: &str = "covered";
/// All of them are.
const MARKED: &str = "asked for";

fn key(org: &str) -> String {
    format!("lists lack somebody {org}")
}

/// Whether the lists of an org cover nobody any more.
pub(super) fn is_void(c: &Tx, org: &str) -> Result<bool, StoreError> {
    Ok(meta(c, &key(org))?.is_some())
}

/// An account is seen now. If it was not known, and the last list of the org should have shown it, that list was not whole.
pub(super) fn weigh(c: &Tx, org: &str, account: &Account) -> Result<(), StoreError> {
    let is_known =
        c.prepare_cached("SELECT 1 FROM account WHERE org = ?1 AND okta_id = ?2")?.exists([org, &account.id])?;
    let Some(read) = meta(c, &findings::read_key(org))?.filter(|_| !is_known) else { return Ok(()) };
    let read = read.parse::<jiff::Timestamp>().ok().map(Moment::from);
    // Whose age is not known may have been there.
    let is_newer = match (account.created_at, read) {
        (Some(at), Some(read)) => Moment::from_millis(at) + LAG > read,
        _ => false,
    };
    if is_newer { Ok(()) } else { void(c, org, account) }
}

/// A list lacks an account that Okta has.
pub(super) fn void(c: &Tx, org: &str, account: &Account) -> Result<(), StoreError> {
    if is_void(c, org)? {
        return Ok(());
    }
    let who = describe(account);
    tracing::warn!(org, %who, "a list of Okta has lacked this account: whoever such a list seemed to cover is asked for");
    set_meta(c, &key(org), TO_MARK)
}

impl Store {
    /// Has at most so many of those asked for whom lists of the org have covered that were not whole; returns how many.
    pub async fn uncover(&self, org: &str, most: usize, now: Moment) -> Result<usize, StoreError> {
        let org = org.to_owned();
        self.run(move |c| uncover(c, &org, most, now)).await
    }
}

fn uncover(c: &Tx, org: &str, most: usize, now: Moment) -> Result<usize, StoreError> {
    if meta(c, &key(org))?.as_deref() != Some(TO_MARK) {
        return Ok(0);
    }
    // Of whom a search has proved it, there is a row in the audit as old as the proof.
    let mut select = c.prepare_cached(
        "SELECT t.id FROM target t WHERE t.org = ?1 AND t.ended_at IS NOT NULL AND t.okta_id IS NULL AND t.conflict IS NULL
         AND t.searched_at IS NOT NULL AND EXISTS (SELECT 1 FROM link l WHERE l.target = t.id) AND NOT EXISTS
           (SELECT 1 FROM audit a WHERE a.target = t.id AND a.kind = 'searched' AND a.at >= t.searched_at) LIMIT ?2",
    )?;
    let covered: Vec<i64> = select
        .query_map(params![org, i64::try_from(most).unwrap_or(i64::MAX)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    if covered.is_empty() {
        set_meta(c, &key(org), MARKED)?;
    }
    for target in &covered {
        c.prepare_cached("UPDATE target SET searched_at = NULL WHERE id = ?1")?.execute([target])?;
        pages::mark_dirty(c, *target, org, Priority::Inspect, SEARCH, Cause::OrgRead, now)?;
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
