//! What Okta holds, as last observed.

use super::{Store, StoreError};
use crate::clock::Moment;
use crate::identity::mapping::LOGIN;
use crate::identity::{Account, Link, login_key};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// What priming changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Primed {
    pub accounts: usize,
    /// Accounts that were known and are no longer in Okta.
    pub vanished: usize,
}

/// Writes down an account; `matched` are the attributes that correlation looks accounts up by.
pub(super) fn put(
    connection: &Connection,
    org: &str,
    account: &Account,
    matched: &[String],
    now: Moment,
) -> Result<(), StoreError> {
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
            account.status.word(),
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

pub(super) fn remove(connection: &Connection, org: &str, okta_id: &str) -> Result<(), StoreError> {
    for table in ["account", "account_key"] {
        connection
            .prepare_cached(&format!("DELETE FROM {table} WHERE org = ?1 AND okta_id = ?2"))?
            .execute([org, okta_id])?;
    }
    Ok(())
}

/// The account with this id.
pub fn by_id(connection: &Connection, org: &str, okta_id: &str) -> Result<Option<Account>, StoreError> {
    one(connection, "SELECT doc FROM account WHERE org = ?1 AND okta_id = ?2", org, okta_id)
}

pub(super) fn by_anchor(connection: &Connection, org: &str, anchor: &str) -> Result<Option<Account>, StoreError> {
    one(connection, "SELECT doc FROM account WHERE org = ?1 AND anchor = ?2", org, anchor)
}

pub(super) fn by_login(connection: &Connection, org: &str, login: &str) -> Result<Option<Account>, StoreError> {
    one(connection, "SELECT doc FROM account WHERE org = ?1 AND login_key = ?2", org, &login_key(login))
}

/// Accounts whose attribute has this value, by the comparison of logins.
pub(super) fn by_attribute(
    c: &Connection,
    org: &str,
    attribute: &str,
    value: &str,
) -> Result<Vec<Account>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT a.doc FROM account_key k JOIN account a ON a.org = k.org AND a.okta_id = k.okta_id
         WHERE k.org = ?1 AND k.attribute = ?2 AND k.value = ?3 ORDER BY a.okta_id",
    )?;
    let docs: Vec<String> = select.query_map([org, attribute, value], |row| row.get(0))?.collect::<Result<_, _>>()?;
    docs.iter().map(|doc| Ok(serde_json::from_str(doc)?)).collect()
}

fn one(connection: &Connection, sql: &str, org: &str, key: &str) -> Result<Option<Account>, StoreError> {
    let doc: Option<String> = connection.prepare_cached(sql)?.query_row([org, key], |row| row.get(0)).optional()?;
    doc.map(|doc| Ok(serde_json::from_str(&doc)?)).transpose()
}

/// An account was renamed for somebody else's sake.
pub(super) fn rename(c: &Connection, org: &str, okta_id: &str, login: &str) -> Result<(), StoreError> {
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

impl Store {
    /// Replaces everything known about an org's accounts by what priming has read.
    pub async fn prime(&self, org: &str, accounts: Vec<Account>, now: Moment) -> Result<Primed, StoreError> {
        let (org, matched) = (org.to_owned(), self.matched());
        self.run(move |c| {
            let before: i64 = c.query_row("SELECT count(*) FROM account WHERE org = ?1", [&org], |row| row.get(0))?;
            let mut known = 0;
            for mut account in accounts.iter().cloned() {
                if let Some(old) = by_id(c, &org, &account.id)? {
                    known += 1;
                    account.marks = old.marks;
                    // Lists show managed groups only: whoever is in the middle of leaving is listed again.
                    if account.is_awake() {
                        account.marks.exit = None;
                    }
                    if let Some(proof) = &mut account.marks.exit {
                        proof.groups_listed = false;
                    }
                }
                put(c, &org, &account, &matched, now)?;
            }
            super::set_meta(c, &super::findings::read_key(&org), &now.to_string())?;
            let gone = "FROM account WHERE org = ?1 AND observed_at < ?2";
            c.execute(
                &format!("DELETE FROM account_key WHERE org = ?1 AND okta_id IN (SELECT okta_id {gone})"),
                params![org, now.millis()],
            )?;
            c.execute(&format!("DELETE {gone}"), params![org, now.millis()])?;
            let vanished = usize::try_from(before).unwrap_or(0).saturating_sub(known);
            Ok(Primed { accounts: accounts.len(), vanished })
        })
        .await
    }

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

    /// Writes down whom accounts are linked to: account to manager.
    pub async fn learn_links(&self, org: &str, links: BTreeMap<String, String>) -> Result<(), StoreError> {
        let org = org.to_owned();
        self.run(move |c| {
            for (okta_id, manager) in &links {
                let Some(mut account) = by_id(c, &org, okta_id)? else { continue };
                if account.marks.manager == Link::Unknown {
                    account.marks.manager = Link::To(manager.clone());
                    c.prepare_cached("UPDATE account SET doc = ?3 WHERE org = ?1 AND okta_id = ?2")?.execute([
                        &org,
                        okta_id,
                        &serde_json::to_string(&account)?,
                    ])?;
                }
            }
            super::set_meta(c, &format!("links known {org}"), "1")
        })
        .await
    }

    /// Whether the manager links of an org were ever read.
    pub async fn links_known(&self, org: &str) -> Result<bool, StoreError> {
        let key = format!("links known {org}");
        self.run(move |c| Ok(super::meta(c, &key)?.is_some())).await
    }
}
