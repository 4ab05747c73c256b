//! What Okta holds, as last observed.

use super::engine::{Optional, Tx, params};
use super::{Store, StoreError, pages};
use crate::clock::Moment;
use crate::domain::mapping::desired::LOGIN;
use crate::domain::plan::doubt::{self, Ending};
use crate::domain::{Account, Cause, Link, Priority, Step, login_key};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Accounts whose links are written down in one transaction.
const PART: i64 = 500;

/// Writes down an account; `matched` are the attributes that correlation looks accounts up by.
pub(super) fn put(
    connection: &Tx,
    org: &str,
    account: &Account,
    matched: &[String],
    now: Moment,
) -> Result<(), StoreError> {
    let mut account = Cow::Borrowed(account);
    if account.marks.manager == Link::Unknown {
        // Whoever writes may have begun before the links of the org were read: what these have shown stays. After that, an
        // account that nobody knew has no link that is known: it is written when it is wanted.
        let known = by_id(connection, org, &account.id)?.map(|known| known.marks.manager);
        account.to_mut().marks.manager = match known {
            Some(known) if known != Link::Unknown => known,
            _ if super::meta(connection, &links_key(org))?.is_some() => Link::Nobody,
            _ => Link::Unknown,
        };
    }
    let account = account.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO account (org, okta_id, login_key, anchor, status, doc, observed_at) VALUES (?1,?2,?3,?4,?5,?6,?7)
             ON CONFLICT (org, okta_id) DO UPDATE SET login_key = excluded.login_key, anchor = excluded.anchor,
               status = excluded.status, doc = excluded.doc, observed_at = excluded.observed_at",
        )?
        .execute(params![
            org,
            account.id,
            login_key(&account.login),
            account.anchor,
            account.status.as_str(),
            serde_json::to_string(account)?,
            now.millis()
        ])?;
    connection
        .prepare_cached("DELETE FROM account_key WHERE org = ?1 AND okta_id = ?2")?
        .execute([org, &account.id])?;
    for attribute in matched {
        let value = match account.profile.get(attribute) {
            _ if attribute == LOGIN => account.login.clone(),
            Some(value) => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            None => continue,
        };
        connection.prepare_cached("INSERT OR IGNORE INTO account_key VALUES (?1, ?2, ?3, ?4)")?.execute([
            org,
            attribute,
            &login_key(&value),
            &account.id,
        ])?;
    }
    Ok(())
}

pub(super) fn remove(connection: &Tx, org: &str, okta_id: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM account WHERE org = ?1 AND okta_id = ?2")?.execute([org, okta_id])?;
    connection.prepare_cached("DELETE FROM account_key WHERE org = ?1 AND okta_id = ?2")?.execute([org, okta_id])?;
    Ok(())
}

/// The account with this id.
pub fn by_id(connection: &Tx, org: &str, okta_id: &str) -> Result<Option<Account>, StoreError> {
    one(connection, "SELECT doc FROM account WHERE org = ?1 AND okta_id = ?2", org, okta_id)
}

/// Every account that carries an anchor: Okta does not keep it unique.
pub(super) fn by_anchor(c: &Tx, org: &str, anchor: &str) -> Result<Vec<Account>, StoreError> {
    let mut select = c.prepare_cached("SELECT doc FROM account WHERE org = ?1 AND anchor = ?2 ORDER BY okta_id")?;
    let docs: Vec<String> = select.query_map([org, anchor], |row| row.get(0))?.collect::<Result<_, _>>()?;
    docs.iter().map(|doc| Ok(serde_json::from_str(doc)?)).collect()
}

pub(super) fn by_login(connection: &Tx, org: &str, login: &str) -> Result<Option<Account>, StoreError> {
    one(connection, "SELECT doc FROM account WHERE org = ?1 AND login_key = ?2", org, &login_key(login))
}

/// Accounts whose attribute has this value, by the comparison of logins.
pub(super) fn by_attribute(c: &Tx, org: &str, attribute: &str, value: &str) -> Result<Vec<Account>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT a.doc FROM account_key k JOIN account a ON a.org = k.org AND a.okta_id = k.okta_id
         WHERE k.org = ?1 AND k.attribute = ?2 AND k.value = ?3 ORDER BY a.okta_id",
    )?;
    let docs: Vec<String> = select.query_map([org, attribute, value], |row| row.get(0))?.collect::<Result<_, _>>()?;
    docs.iter().map(|doc| Ok(serde_json::from_str(doc)?)).collect()
}

fn one(connection: &Tx, sql: &'static str, org: &str, key: &str) -> Result<Option<Account>, StoreError> {
    let doc: Option<String> = connection.prepare_cached(sql)?.query_row([org, key], |row| row.get(0)).optional()?;
    doc.map(|doc| Ok(serde_json::from_str(&doc)?)).transpose()
}

/// An account was renamed for somebody else's sake.
pub(super) fn rename(c: &Tx, org: &str, okta_id: &str, login: &str) -> Result<(), StoreError> {
    let Some(mut account) = by_id(c, org, okta_id)? else { return Ok(()) };
    account.login = login.to_owned();
    account.profile.insert("login".into(), login.into());
    c.prepare_cached("UPDATE account SET login_key = ?3, doc = ?4 WHERE org = ?1 AND okta_id = ?2")?.execute([
        org,
        okta_id,
        &login_key(login),
        &serde_json::to_string(&account)?,
    ])?;
    c.prepare_cached("UPDATE account_key SET value = ?3 WHERE org = ?1 AND okta_id = ?2 AND attribute = 'login'")?
        .execute([org, okta_id, &login_key(login)])?;
    Ok(())
}

fn links_key(org: &str) -> String {
    format!("links known {org}")
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
    let mut select =
        c.prepare_cached("SELECT okta_id, doc FROM account WHERE org = ?1 AND okta_id > ?2 ORDER BY okta_id LIMIT ?3")?;
    let rows: Vec<(String, String)> =
        select.query_map(params![org, after, PART], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let (mut last, mut differ) = (None, 0);
    for (okta_id, doc) in rows {
        let mut account: Account = serde_json::from_str(&doc)?;
        if account.marks.manager == Link::Unknown {
            let manager = links.get(&okta_id).cloned();
            account.marks.manager = manager.clone().map_or(Link::Nobody, Link::To);
            c.prepare_cached("UPDATE account SET doc = ?3 WHERE org = ?1 AND okta_id = ?2")?.execute([
                org,
                &okta_id,
                &serde_json::to_string(&account)?,
            ])?;
            if let Some(target) = reports_elsewhere(c, org, &okta_id, manager.as_deref())? {
                pages::mark_dirty(c, target, org, Priority::Describe, super::ANY_BUCKET, Cause::Manager, now)?;
                differ += 1;
            }
        }
        last = Some(okta_id);
    }
    Ok(last.map(|last| (last, differ)))
}

/// Whether the link of every account is written down; from then on the links of the org are known.
fn all_learned(c: &Tx, org: &str) -> Result<bool, StoreError> {
    let mut find = c.prepare_cached(
        "SELECT 1 FROM account WHERE org = ?1 AND json_extract(doc, '$.marks.manager') IS NULL LIMIT 1",
    )?;
    let rest = find.exists([org])?;
    if !rest {
        super::set_meta(c, &links_key(org), "1")?;
    }
    Ok(!rest)
}

/// Whose account this is, if none of their profiles reports to whom it is linked to.
fn reports_elsewhere(c: &Tx, org: &str, okta_id: &str, manager: Option<&str>) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT t.id, m.okta_id FROM target t JOIN link l ON l.target = t.id AND l.routed = 1
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         LEFT JOIN link k ON k.org = t.org AND k.tenant = s.tenant AND k.profile = s.manager
         LEFT JOIN target m ON m.id = k.target
         WHERE t.org = ?1 AND t.okta_id = ?2 AND t.ended_at IS NULL",
    )?;
    let wanted: Vec<(i64, Option<String>)> =
        select.query_map([org, okta_id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let agrees = wanted.iter().any(|(_, wanted)| wanted.as_deref() == manager);
    Ok(wanted.first().filter(|_| !agrees).map(|(target, _)| *target))
}

/// A call for somebody has ended like this, and nothing else is written of it: what it may have changed is in doubt.
pub(super) fn doubt(c: &Tx, target: i64, step: &Step, ending: Ending) -> Result<(), StoreError> {
    if !ending.is_doubtful(step) {
        return Ok(());
    }
    let found: Option<(String, String)> = c
        .prepare_cached("SELECT org, okta_id FROM target WHERE id = ?1 AND okta_id IS NOT NULL")?
        .query_row([target], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((org, okta_id)) = found else { return Ok(()) };
    let Some(known) = by_id(c, &org, &okta_id)? else { return Ok(()) };
    let mut account = known.clone();
    doubt::doubt(&mut account, step, ending);
    if account != known {
        c.prepare_cached("UPDATE account SET doc = ?3 WHERE org = ?1 AND okta_id = ?2")?.execute([
            &org,
            &okta_id,
            &serde_json::to_string(&account)?,
        ])?;
    }
    Ok(())
}

impl Store {
    /// The account with this id, as last observed.
    pub async fn account(&self, org: &str, okta_id: &str) -> Result<Option<Account>, StoreError> {
        let (org, okta_id) = (org.to_owned(), okta_id.to_owned());
        self.run(move |c| by_id(c, &org, &okta_id)).await
    }

    /// The accounts of everybody who is somebody's manager.
    pub async fn managers(&self, org: &str) -> Result<Vec<String>, StoreError> {
        let org = org.to_owned();
        self.run(move |c| {
            let mut select = c.prepare(
                "SELECT DISTINCT t.okta_id FROM source s
                 JOIN link l ON l.org = ?1 AND l.tenant = s.tenant AND l.profile = s.manager
                 JOIN target t ON t.id = l.target WHERE s.manager IS NOT NULL AND t.okta_id IS NOT NULL",
            )?;
            Ok(select.query_map([&org], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
        .await
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
        let key = links_key(org);
        self.run(move |c| Ok(super::meta(c, &key)?.is_some())).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::domain::account::user::tests::bare;
    use std::collections::BTreeSet;

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
