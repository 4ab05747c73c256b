//! The tables `account` and `account_key`: what Okta holds, as last observed, and what correlation looks it up by.

use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::mapping::desired::LOGIN;
use crate::domain::text::login_key;
use crate::store::StoreError;
use crate::store::engine::{Optional, Tx, params};

/// Names in apps are looked up under this: no attribute of Okta is written so.
pub const APP_NAME: &str = "name in an app";

/// Writes an account, observed at `at`; `matched` are the attributes that correlation looks accounts up by.
pub fn save(c: &Tx, org: &str, account: &Account, matched: &[String], at: Moment) -> Result<(), StoreError> {
    c.prepare_cached(
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
        at.millis()
    ])?;
    c.prepare_cached("DELETE FROM account_key WHERE org = ?1 AND okta_id = ?2")?.execute([org, account.id.as_str()])?;
    for attribute in matched {
        let value = match account.profile.get(attribute) {
            _ if attribute == LOGIN => account.login.clone(),
            Some(value) => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            None => continue,
        };
        c.prepare_cached("INSERT INTO account_key VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
            .execute(params![org, attribute, login_key(&value), account.id])?;
    }
    for name in account.app_names.values() {
        c.prepare_cached("INSERT INTO account_key VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
            .execute(params![org, APP_NAME, login_key(name), account.id])?;
    }
    Ok(())
}

/// Of every account it is known only what a copy says: a file of SQLite, with nobody else at work on it.
pub fn are_copied(c: &Tx) -> Result<(), StoreError> {
    let mut select = c.prepare("SELECT org, okta_id, doc FROM account")?;
    let rows = select.query_map([], |row| Ok((row.get::<String>(0)?, row.get::<String>(1)?, row.get::<String>(2)?)))?;
    for (org, okta_id, doc) in rows.collect::<Result<Vec<_>, _>>()? {
        let mut account: Account = serde_json::from_str(&doc)?;
        account.marks.copied = true;
        c.prepare_cached("UPDATE account SET doc = ?3 WHERE org = ?1 AND okta_id = ?2")?.execute(params![
            org,
            okta_id,
            serde_json::to_string(&account)?
        ])?;
    }
    Ok(())
}

/// Writes what is known of an account beside what is looked up; when it was observed stays.
pub fn save_document(c: &Tx, org: &str, account: &Account) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE account SET doc = ?3 WHERE org = ?1 AND okta_id = ?2")?.execute(params![
        org,
        account.id,
        serde_json::to_string(account)?
    ])?;
    Ok(())
}

/// Writes the login of an account; when it was observed stays.
pub fn save_login(c: &Tx, org: &str, account: &Account) -> Result<(), StoreError> {
    let key = login_key(&account.login);
    c.prepare_cached("UPDATE account SET login_key = ?3, doc = ?4 WHERE org = ?1 AND okta_id = ?2")?
        .execute(params![org, account.id, key, serde_json::to_string(account)?])?;
    c.prepare_cached("UPDATE account_key SET value = ?3 WHERE org = ?1 AND okta_id = ?2 AND attribute = ?4")?
        .execute(params![org, account.id, key, LOGIN])?;
    Ok(())
}

/// An account is as it was known.
pub fn observed(c: &Tx, org: &str, okta_id: &str, at: Moment) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE account SET observed_at = ?3 WHERE org = ?1 AND okta_id = ?2")?.execute(params![
        org,
        okta_id,
        at.millis()
    ])?;
    Ok(())
}

pub fn remove(c: &Tx, org: &str, okta_id: &str) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM account WHERE org = ?1 AND okta_id = ?2")?.execute([org, okta_id])?;
    c.prepare_cached("DELETE FROM account_key WHERE org = ?1 AND okta_id = ?2")?.execute([org, okta_id])?;
    Ok(())
}

/// The account with this id.
pub fn by_id(c: &Tx, org: &str, okta_id: &str) -> Result<Option<Account>, StoreError> {
    let mut select = c.prepare_cached("SELECT doc FROM account WHERE org = ?1 AND okta_id = ?2")?;
    read(select.query_row([org, okta_id], |row| row.get(0)).optional()?)
}

/// The account with this id, and when it was observed.
pub fn with_time(c: &Tx, org: &str, okta_id: &str) -> Result<Option<(Account, Moment)>, StoreError> {
    let row: Option<(String, i64)> = c
        .prepare_cached("SELECT doc, observed_at FROM account WHERE org = ?1 AND okta_id = ?2")?
        .query_row([org, okta_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    row.map(|(doc, at)| Ok((serde_json::from_str(&doc)?, Moment::from_millis(at)))).transpose()
}

/// The account that a target has.
pub fn of_target(c: &Tx, target: i64) -> Result<Option<Account>, StoreError> {
    match super::target::account_of(c, target)? {
        Some((org, Some(okta_id))) => by_id(c, &org, &okta_id),
        _ => Ok(None),
    }
}

/// Whether an account is known.
pub fn is_known(c: &Tx, org: &str, okta_id: &str) -> Result<bool, StoreError> {
    Ok(c.prepare_cached("SELECT 1 FROM account WHERE org = ?1 AND okta_id = ?2")?.exists([org, okta_id])?)
}

/// Every account that carries an anchor: Okta does not keep it unique.
pub fn by_anchor(c: &Tx, org: &str, anchor: &str) -> Result<Vec<Account>, StoreError> {
    let mut select = c.prepare_cached("SELECT doc FROM account WHERE org = ?1 AND anchor = ?2 ORDER BY okta_id")?;
    let docs: Vec<String> = select.query_map([org, anchor], |row| row.get(0))?.collect::<Result<_, _>>()?;
    read_all(&docs)
}

/// Whose account is a member of a group, as far as it is known.
pub fn members_of(c: &Tx, org: &str, group: &str) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT t.id, a.doc FROM account a JOIN target t ON t.org = a.org AND t.okta_id = a.okta_id \
         WHERE a.org = ?1 AND a.doc LIKE ?2 ORDER BY t.id",
    )?;
    let like = format!("%\"{group}\"%");
    let found: Vec<(i64, String)> =
        select.query_map([org, like.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut members = Vec::new();
    for (target, doc) in found {
        let account: Account = serde_json::from_str(&doc)?;
        if account.groups.contains(group) {
            members.push(target);
        }
    }
    Ok(members)
}

/// The account with this login, as Okta compares logins.
pub fn by_login(c: &Tx, org: &str, login: &str) -> Result<Option<Account>, StoreError> {
    let mut select = c.prepare_cached("SELECT doc FROM account WHERE org = ?1 AND login_key = ?2")?;
    read(select.query_row([org, login_key(login).as_str()], |row| row.get(0)).optional()?)
}

/// An account whose attribute has exactly this value, whatever attribute it is: every account is looked at.
pub fn with_value(c: &Tx, org: &str, attribute: &str, value: &str) -> Result<Option<Account>, StoreError> {
    let is_name = attribute.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        return Ok(None);
    }
    let of = format!("json_text(doc, 'profile.{attribute}')");
    let mut select =
        c.prepare_cached(&format!("SELECT doc FROM account WHERE org = ?1 AND {of} = ?2 ORDER BY okta_id LIMIT 1"))?;
    read(select.query_row([org, value], |row| row.get(0)).optional()?)
}

/// Accounts whose attribute has this value, by the comparison of logins.
pub fn by_attribute(c: &Tx, org: &str, attribute: &str, value: &str) -> Result<Vec<Account>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT a.doc FROM account_key k JOIN account a ON a.org = k.org AND a.okta_id = k.okta_id
         WHERE k.org = ?1 AND k.attribute = ?2 AND k.value = ?3 ORDER BY a.okta_id",
    )?;
    let docs: Vec<String> = select.query_map([org, attribute, value], |row| row.get(0))?.collect::<Result<_, _>>()?;
    read_all(&docs)
}

/// At most so many accounts of an org after an id, in the order of ids.
pub fn after(c: &Tx, org: &str, okta_id: &str, most: i64) -> Result<Vec<Account>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT doc FROM account WHERE org = ?1 AND okta_id > ?2 ORDER BY okta_id LIMIT ?3")?;
    let docs: Vec<String> =
        select.query_map(params![org, okta_id, most], |row| row.get(0))?.collect::<Result<_, _>>()?;
    read_all(&docs)
}

/// Accounts of an org that no target has, in the order of logins.
pub fn of_nobody(c: &Tx, org: &str) -> Result<Vec<Account>, StoreError> {
    let mut select = c.prepare(
        "SELECT a.doc FROM account a LEFT JOIN target t ON t.org = a.org AND t.okta_id = a.okta_id
         WHERE a.org = ?1 AND t.id IS NULL ORDER BY a.login_key",
    )?;
    let docs: Vec<String> = select.query_map([org], |row| row.get(0))?.collect::<Result<_, _>>()?;
    read_all(&docs)
}

/// Whether of any account of an org nobody has looked yet whom it is linked to.
pub fn has_unknown_link(c: &Tx, org: &str) -> Result<bool, StoreError> {
    let mut find =
        c.prepare_cached("SELECT 1 FROM account WHERE org = ?1 AND json_text(doc, 'marks.manager') IS NULL LIMIT 1")?;
    Ok(find.exists([org])?)
}

/// When each account of an org was observed, by id.
pub fn times(c: &Tx, org: &str) -> Result<Vec<(String, Moment)>, StoreError> {
    let mut select = c.prepare("SELECT okta_id, observed_at FROM account WHERE org = ?1")?;
    let rows = select.query_map([org], |row| Ok((row.get(0)?, Moment::from_millis(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many accounts of an org are known.
pub fn count(c: &Tx, org: &str) -> Result<usize, StoreError> {
    let count: i64 = c.query_row("SELECT count(*) FROM account WHERE org = ?1", [org], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Every anchor that several accounts carry, with its org.
pub fn doubled_anchors(c: &Tx) -> Result<Vec<(String, String)>, StoreError> {
    let mut select = c.prepare(
        "SELECT org, anchor FROM account WHERE anchor IS NOT NULL GROUP BY org, anchor HAVING count(*) > 1 ORDER BY 1, 2",
    )?;
    Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// Whose an account is.
pub struct Owner {
    pub target: i64,
    /// Somebody is at work on them, or about to read the account.
    pub is_busy: bool,
    /// Nothing is to be done for them, as far as is known.
    pub is_done: bool,
    pub has_left: bool,
    /// The word of the entitlement that the last finished plan was made for.
    pub was: Option<String>,
}

pub fn owner(c: &Tx, org: &str, okta_id: &str) -> Result<Option<Owner>, StoreError> {
    Ok(c.prepare_cached(
        "SELECT t.id, coalesce(w.token IS NOT NULL OR w.look <> 0, FALSE), coalesce(w.dirty_rev = w.done_rev, TRUE),
           t.ended_at IS NOT NULL, t.was
         FROM target t LEFT JOIN work w ON w.target = t.id WHERE t.org = ?1 AND t.okta_id = ?2",
    )?
    .query_row([org, okta_id], |row| {
        Ok(Owner {
            target: row.get(0)?,
            is_busy: row.get(1)?,
            is_done: row.get(2)?,
            has_left: row.get(3)?,
            was: row.get(4)?,
        })
    })
    .optional()?)
}

fn read(doc: Option<String>) -> Result<Option<Account>, StoreError> {
    doc.map(|doc| Ok(serde_json::from_str(&doc)?)).transpose()
}

fn read_all(docs: &[String]) -> Result<Vec<Account>, StoreError> {
    docs.iter().map(|doc| Ok(serde_json::from_str(doc)?)).collect()
}
