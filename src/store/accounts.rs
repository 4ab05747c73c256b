//! What Okta holds, as last observed.

use super::{Store, StoreError};
use crate::clock::Moment;
use crate::identity::{Account, login_key};
use rusqlite::{Connection, OptionalExtension, params};

/// What priming changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Primed {
    pub accounts: usize,
    /// Accounts that were known and are no longer in Okta.
    pub vanished: usize,
}

pub(super) fn put(connection: &Connection, account: &Account, now: Moment) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO account (okta_id, login_key, anchor, status, doc, observed_at) VALUES (?1,?2,?3,?4,?5,?6)
             ON CONFLICT (okta_id) DO UPDATE SET login_key = excluded.login_key, anchor = excluded.anchor,
               status = excluded.status, doc = excluded.doc, observed_at = excluded.observed_at",
        )?
        .execute(params![
            account.id,
            login_key(&account.login),
            account.anchor,
            account.status.word(),
            serde_json::to_string(account)?,
            now.millis()
        ])?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, okta_id: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM account WHERE okta_id = ?1")?.execute([okta_id])?;
    Ok(())
}

pub(super) fn by_id(connection: &Connection, okta_id: &str) -> Result<Option<Account>, StoreError> {
    one(connection, "SELECT doc FROM account WHERE okta_id = ?1", okta_id)
}

pub(super) fn by_anchor(connection: &Connection, anchor: &str) -> Result<Option<Account>, StoreError> {
    one(connection, "SELECT doc FROM account WHERE anchor = ?1", anchor)
}

pub(super) fn by_login(connection: &Connection, login: &str) -> Result<Option<Account>, StoreError> {
    one(connection, "SELECT doc FROM account WHERE login_key = ?1", &login_key(login))
}

fn one(connection: &Connection, sql: &str, key: &str) -> Result<Option<Account>, StoreError> {
    let doc: Option<String> = connection.prepare_cached(sql)?.query_row([key], |row| row.get(0)).optional()?;
    doc.map(|doc| Ok(serde_json::from_str(&doc)?)).transpose()
}

impl Store {
    /// Replaces everything known about the org's accounts by what priming has read.
    pub async fn prime(&self, accounts: Vec<Account>, now: Moment) -> Result<Primed, StoreError> {
        self.run(move |c| {
            let before: i64 = c.query_row("SELECT count(*) FROM account", [], |row| row.get(0))?;
            let mut known = 0;
            for mut account in accounts.iter().cloned() {
                if let Some(old) = by_id(c, &account.id)? {
                    known += 1;
                    // Lists show managed groups only: whoever is in the middle of leaving is listed again.
                    account.exit = old.exit.filter(|_| !account.is_live()).map(|mut proof| {
                        proof.groups_listed = false;
                        proof
                    });
                }
                put(c, &account, now)?;
            }
            c.execute("DELETE FROM account WHERE observed_at < ?1", [now.millis()])?;
            let vanished = usize::try_from(before).unwrap_or(0).saturating_sub(known);
            Ok(Primed { accounts: accounts.len(), vanished })
        })
        .await
    }

    /// The account with this id, as last observed.
    pub async fn account(&self, okta_id: &str) -> Result<Option<Account>, StoreError> {
        let okta_id = okta_id.to_owned();
        self.run(move |c| by_id(c, &okta_id)).await
    }
}
