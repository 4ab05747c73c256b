//! The table `anchored`: anchors that this service wrote, or proved while the account was linked.

use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::text::login_key;
use crate::store::StoreError;
use crate::store::engine::{Tx, params};

/// Whether this service wrote the anchor of an account, or proved it while the account was linked.
pub fn is_ours(c: &Tx, org: &str, anchor: &str, account: &Account) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT 1 FROM anchored WHERE org = ?1 AND anchor = ?2 AND (okta_id = ?3 OR (okta_id = '' AND login_key = ?4))",
    )?;
    Ok(select.exists(params![org, anchor, account.id, login_key(&account.login)])?)
}

/// A create is announced that carries an anchor: should its answer be lost, the account is known by it.
pub fn announce(c: &Tx, org: &str, anchor: &str, login: &str, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO anchored VALUES (?1, ?2, '', ?3, ?4)
         ON CONFLICT (org, anchor, okta_id) DO UPDATE SET login_key = excluded.login_key, at = excluded.at",
    )?
    .execute(params![org, anchor, login_key(login), now.millis()])?;
    Ok(())
}

/// The anchor that the account of a target carries is ours, if it names one of its profiles.
pub fn prove(c: &Tx, target: i64, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO anchored (org, anchor, okta_id, login_key, at)
         SELECT t.org, a.anchor, a.okta_id, '', ?2 FROM target t
         JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         JOIN link l ON l.target = t.id AND l.profile = a.anchor WHERE t.id = ?1 ON CONFLICT DO NOTHING",
    )?
    .execute(params![target, now.millis()])?;
    Ok(())
}

/// The anchor of a profile that an account carries vouches for nobody any more.
pub fn revoke(c: &Tx, org: &str, anchor: &str, okta_id: &str) -> Result<(), StoreError> {
    c.execute(
        "DELETE FROM anchored WHERE org = ?1 AND anchor = ?2 AND okta_id IN (?3, '')",
        params![org, anchor, okta_id],
    )?;
    Ok(())
}
