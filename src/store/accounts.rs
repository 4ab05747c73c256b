//! What Okta holds, as last observed.

use super::engine::Tx;
use super::rows::{account, awaited, link, org, target, work};
use super::{Drifted, Store, StoreError, awaiting, dirty, drifted, proof};
use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::account::user::{Account, Link};
use crate::domain::plan::doubt::{self, Ending};
use crate::domain::plan::drift::{drift, merge};
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::step::Step;
use crate::domain::text::login_key;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::{Dirt, Work};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Accounts whose links are written down in one transaction.
const PART: i64 = 500;

impl Store {
    /// Which account of an org has a value, in words, as far as it is known; looked up beside the service, for all are looked at.
    pub async fn who_has(&self, org: String, (name, value): (String, Value)) -> Result<Option<String>, StoreError> {
        let place = self.place().clone();
        let looking = tokio::task::spawn_blocking(move || {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let found = account::with_value(&*Store::reader(place)?, &org, &name, &value)?;
            Ok(found.map(|account| account.described()))
        });
        looking.await.unwrap_or(Ok(None))
    }
}

/// Writes down an account; `matched` are the attributes that correlation looks accounts up by.
pub(super) fn put(c: &Tx, org: &str, account: &Account, matched: &[String], now: Moment) -> Result<(), StoreError> {
    free_login(c, org, account, now)?;
    let mut account = Cow::Borrowed(account);
    if account.marks.manager == Link::Unknown {
        let known = account::by_id(c, org, &account.id)?.map(|known| known.marks.manager);
        let are_known = matches!(known, None | Some(Link::Unknown)) && org::knows_links(c, org)?;
        account.to_mut().marks.manager = Link::as_known(known, are_known);
    }
    account::save(c, org, &account, matched, now)
}

/// Who waits for the login of an account, or for a name of it in an app, is tried again when it has another one, or is not live any more.
fn free_login(c: &Tx, org: &str, account: &Account, now: Moment) -> Result<(), StoreError> {
    if !awaited::is_name(c, org)? {
        return Ok(());
    }
    let Some(before) = account::by_id(c, org, &account.id)? else { return Ok(()) };
    let ends = before.is_live() && !account.is_live();
    if ends || login_key(&before.login) != login_key(&account.login) {
        awaiting::login_freed(c, org, &before.login, now)?;
    }
    let freed = before.app_names.iter().filter(|(app, name)| ends || account.app_names.get(*app) != Some(*name));
    for (_, name) in freed {
        awaiting::app_name_freed(c, org, name, now)?;
    }
    Ok(())
}

/// An account was renamed for somebody else's sake.
pub(super) fn rename(c: &Tx, org: &str, okta_id: &str, login: &str, now: Moment) -> Result<(), StoreError> {
    let Some(mut account) = account::by_id(c, org, okta_id)? else { return Ok(()) };
    awaiting::login_freed(c, org, &account.login, now)?;
    account.login = login.to_owned();
    account.profile.insert("login".into(), login.into());
    account::save_login(c, org, &account)
}

/// An account that is somebody else's, or nobody's, was read, and is otherwise than was known: whose it is is looked at.
pub(super) fn seen_otherwise(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    found: &Account,
    now: Moment,
) -> Result<(), StoreError> {
    let matched: Vec<String> = rules.matching.iter().map(|rule| rule.attribute.clone()).collect();
    let Some((known, known_at)) = account::with_time(c, org, &found.id)? else {
        return put(c, org, found, &matched, now);
    };
    let nothing_read = BTreeSet::new();
    put(c, org, &merge(&known, found, &nothing_read, &rules.mapping, None), &matched, now)?;
    let owner = target::owner(c, org, &found.id)?;
    if let Some(owner) = owner {
        work::change(c, owner, Work::read_again)?;
    }
    let drifted = Drifted {
        okta_id: found.id.clone(),
        login: found.login.clone(),
        target: owner,
        changes: drift(&known, found, &Directory::default(), &nothing_read),
        known_at,
        actor: None,
        deleted: false,
    };
    drifted::note(c, org, &drifted, true, now)
}

/// Okta has no account of this id any more.
pub(super) fn gone(c: &Tx, org: &str, okta_id: &str) -> Result<(), StoreError> {
    match target::owner(c, org, okta_id)? {
        Some(target) => proof::lose(c, org, target, okta_id),
        None => account::remove(c, org, okta_id),
    }
}

/// Writes down the links of the accounts after `after`, in the order of their ids; the last of them, and how many people report
/// to somebody else in Namely.
fn learn_part(
    c: &Tx,
    org: &str,
    links: &BTreeMap<String, String>,
    after: &str,
    now: Moment,
) -> Result<Option<(String, usize)>, StoreError> {
    let (mut last, mut differ) = (None, 0);
    for mut account in account::after(c, org, after, PART)? {
        if account.marks.manager == Link::Unknown {
            let manager = links.get(&account.id).cloned();
            account.marks.manager = manager.clone().map_or(Link::Nobody, Link::To);
            account::save_document(c, org, &account)?;
            if let Some(target) = reports_elsewhere(c, org, &account.id, manager.as_deref())? {
                dirty::mark_dirty(c, target, org, &Dirt::describe(Cause::Manager), now)?;
                differ += 1;
            }
        }
        last = Some(account.id);
    }
    Ok(last.map(|last| (last, differ)))
}

/// Whether the link of every account is written down; from then on the links of the org are known.
fn all_learned(c: &Tx, org: &str) -> Result<bool, StoreError> {
    let rest = account::has_unknown_link(c, org)?;
    if !rest {
        org::set_knows_links(c, org)?;
    }
    Ok(!rest)
}

/// Whose account this is, if none of their profiles reports to whom it is linked to.
fn reports_elsewhere(c: &Tx, org: &str, okta_id: &str, manager: Option<&str>) -> Result<Option<i64>, StoreError> {
    let wanted = link::owner_and_managers(c, org, okta_id)?;
    let agrees = wanted.iter().any(|(_, wanted)| wanted.as_deref() == manager);
    Ok(wanted.first().filter(|_| !agrees).map(|(target, _)| *target))
}

/// A call for somebody has ended like this, and nothing else is written of it: what it may have changed is in doubt.
pub(super) fn doubt(c: &Tx, target: i64, step: &Step, ending: Ending) -> Result<(), StoreError> {
    if !ending.is_doubtful(step) {
        return Ok(());
    }
    let Some((org, Some(okta_id))) = target::account_of(c, target)? else { return Ok(()) };
    let Some(known) = account::by_id(c, &org, &okta_id)? else { return Ok(()) };
    let mut account = known.clone();
    doubt::doubt(&mut account, step, ending);
    if account != known {
        account::save_document(c, &org, &account)?;
    }
    Ok(())
}

impl Store {
    /// The account with this id, as last observed.
    pub async fn account(&self, org: &str, okta_id: &str) -> Result<Option<Account>, StoreError> {
        let (org, okta_id) = (org.to_owned(), okta_id.to_owned());
        self.run(move |c| account::by_id(c, &org, &okta_id)).await
    }

    /// The accounts of everybody who is somebody's manager.
    pub async fn managers(&self, org: &str) -> Result<Vec<String>, StoreError> {
        let org = org.to_owned();
        self.run(move |c| link::managers(c, &org)).await
    }

    /// Writes down whom accounts are linked to (account to manager), part by part, and marks those dirty who report to somebody
    /// else in Namely; returns how many.
    pub async fn learn_links(
        &self,
        org: &str,
        links: BTreeMap<String, String>,
        now: Moment,
    ) -> Result<usize, StoreError> {
        let (links, org) = (Arc::new(links), org.to_owned());
        let (mut after, mut differ) = (String::new(), 0);
        loop {
            let (links, from, name) = (links.clone(), after, org.clone());
            let part = self.run(move |c| learn_part(c, &name, &links, &from, now)).await?;
            if let Some((last, found)) = part {
                (after, differ) = (last, differ + found);
                continue;
            }
            let name = org.clone();
            if self.run(move |c| all_learned(c, &name)).await? {
                return Ok(differ);
            }
            after = String::new(); // accounts were written down behind the walk
        }
    }

    /// Whether the manager links of an org were ever read.
    pub async fn links_known(&self, org: &str) -> Result<bool, StoreError> {
        let org = org.to_owned();
        self.run(move |c| org::knows_links(c, &org)).await
    }
}

/// The login of the account that a target has, as it is known now.
pub fn login_of(c: &Tx, target: i64) -> Result<Option<String>, StoreError> {
    let Some((org, Some(okta_id))) = target::account_of(c, target)? else { return Ok(None) };
    Ok(account::by_id(c, &org, &okta_id)?.map(|account| account.login))
}

/// The name of the person whose account it is, if it is known whose.
pub fn name_of_account(c: &Tx, org: &str, okta_id: &str) -> Result<Option<String>, StoreError> {
    target::owner(c, org, okta_id)?.map_or(Ok(None), |target| super::name_of(c, target))
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::domain::account::user::tests::bare;
    use std::collections::BTreeSet;

    #[tokio::test]
    async fn who_has_a_value_that_must_be_unique_is_named_whatever_attribute_it_is() {
        let world = World::new().await;
        let mut known = bare("00u1", "ada@example.com", None);
        known.profile.insert("badge".into(), "SAME".into());
        world.store.prime("main", vec![known], BTreeSet::new(), world.now).await.expect("primes");
        let who = |name: &str, value: &str| world.store.who_has("main".into(), (name.into(), value.into()));
        assert!(who("badge", "SAME").await.expect("reads").is_some_and(|who| who.contains("00u1 (ada@example.com")));
        assert_eq!(who("badge", "OTHER").await.expect("reads"), None);
        assert_eq!(who("bad'ge", "SAME").await.expect("reads"), None);
    }

    #[tokio::test]
    async fn a_run_that_began_before_the_links_were_read_does_not_forget_them() {
        let world = World::new().await;
        let account = bare("00u1", "ada@example.com", None);
        let prime = |account: &Account| world.store.prime("main", vec![account.clone()], BTreeSet::new(), world.now);
        prime(&account).await.expect("writes");
        let links = BTreeMap::from([("00u1".to_owned(), "00uBoss".to_owned())]);
        world.store.learn_links("main", links, world.now).await.expect("learns");
        let now = world.now;
        world.store.run(move |c| put(c, "main", &account, &[], now)).await.expect("writes");
        let known = world.store.account("main", "00u1").await.expect("reads").expect("is there");
        assert_eq!(known.marks.manager, Link::To("00uBoss".into()));
        prime(&bare("00u2", "ben@example.com", None)).await.expect("writes");
        let later = world.store.account("main", "00u2").await.expect("reads").expect("is there");
        assert_eq!(later.marks.manager, Link::Nobody, "what comes later has no link that is known");
    }
}
