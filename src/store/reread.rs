//! What a later read of a whole org shows: drift is noticed, what is known follows, and nobody who is being worked on is
//! disturbed.

use super::{Store, StoreError, accounts, append, cases, pages};
use crate::audit::{Kind, Record};
use crate::clock::Moment;
use crate::identity::drift::{drift, is_believable, is_too_fresh, merge};
use crate::identity::employee::FieldChange;
use crate::identity::{Account, Cause, Class, Directory, Rulebook};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Accounts that are compared in one transaction.
const BATCH: usize = 500;

/// An account that somebody else has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Drifted {
    pub okta_id: String,
    pub login: String,
    pub target: Option<i64>,
    pub changes: Vec<FieldChange>,
    /// When the account was last known to be otherwise.
    pub known_at: Moment,
    /// Who did it, by Okta's system log.
    pub actor: Option<String>,
}

/// A read of a whole org.
pub struct Reread {
    pub org: String,
    pub accounts: Vec<Account>,
    /// Groups whose members were read.
    pub groups: BTreeSet<String>,
    pub directory: Arc<Directory>,
    /// When it began.
    pub started: Moment,
    pub now: Moment,
}

impl Store {
    /// Compares what is known with what was read; returns what somebody else has changed.
    pub async fn reread(&self, read: Reread) -> Result<Vec<Drifted>, StoreError> {
        let mut drifted = Vec::new();
        let Reread { org, accounts, groups, directory, started, now } = read;
        let groups = Arc::new(groups);
        let mut rest = accounts;
        while !rest.is_empty() {
            let batch: Vec<Account> = rest.drain(..BATCH.min(rest.len())).collect();
            let (rules, matched, org) = (self.rules.clone(), self.matched(), org.clone());
            let (groups, directory) = (groups.clone(), directory.clone());
            drifted.extend(
                self.run(move |c| {
                    let rules = rules.load();
                    let look = Look { rules: &rules, directory: &directory, groups: &groups, org: &org, started, now };
                    let mut found = Vec::new();
                    for account in &batch {
                        found.extend(look.compare(c, account, &matched)?);
                    }
                    Ok(found)
                })
                .await?,
            );
        }
        let gone = self
            .run(move |c| {
                super::set_meta(c, &super::findings::read_key(&org), &started.to_string())?;
                vanished(c, &org, started, now)
            })
            .await?;
        drifted.extend(gone);
        Ok(drifted)
    }

    /// Writes drift into the audit; where `correct` says so, whoever is concerned is brought back to what Namely says.
    pub async fn note_drift(
        &self,
        org: &str,
        drifted: Vec<Drifted>,
        correct: bool,
        now: Moment,
    ) -> Result<usize, StoreError> {
        let org = org.to_owned();
        self.run(move |c| {
            for one in &drifted {
                let detail = json!({
                    "account": one.okta_id, "login": one.login, "changes": one.changes, "actor": one.actor,
                    "known_at": one.known_at.to_string(),
                });
                let record = Record::general(now, Kind::Drifted, detail);
                append(c, &Record { target: one.target, org: Some(org.clone()), ..record })?;
                if let Some(target) = one.target.filter(|_| correct) {
                    pages::mark_dirty(c, target, &org, Class::Describe, super::ANY_BUCKET, Cause::Drift, now)?;
                }
            }
            Ok(drifted.len())
        })
        .await
    }
}

struct Look<'a> {
    rules: &'a Rulebook,
    directory: &'a Directory,
    groups: &'a BTreeSet<String>,
    org: &'a str,
    started: Moment,
    now: Moment,
}

impl Look<'_> {
    fn compare(&self, c: &Connection, found: &Account, matched: &[String]) -> Result<Option<Drifted>, StoreError> {
        let known = accounts::by_id(c, self.org, &found.id)?;
        let Some(known) = known else {
            accounts::put(c, self.org, found, matched, self.now)?;
            return Ok(None); // somebody new, whom nobody has linked yet
        };
        let observed: i64 = c
            .prepare_cached("SELECT observed_at FROM account WHERE org = ?1 AND okta_id = ?2")?
            .query_row([self.org, &found.id], |row| row.get(0))?;
        let observed = Moment::from_millis(observed);
        let target: Option<(i64, bool)> = c
            .prepare_cached(
                "SELECT t.id, w.token IS NOT NULL OR w.look <> 0 FROM target t JOIN work w ON w.target = t.id
                 WHERE t.org = ?1 AND t.okta_id = ?2",
            )?
            .query_row([self.org, &found.id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let is_worked_on = target.is_some_and(|(_, busy)| busy);
        if is_worked_on || is_too_fresh(observed, self.started) {
            self.seen(c, &found.id, observed.max(self.started))?;
            return Ok(None);
        }
        let changes = drift(&known, found, self.directory, self.groups);
        if changes.is_empty() {
            self.seen(c, &found.id, self.started)?;
            return Ok(None);
        }
        let target = target.map(|(target, _)| target);
        let case = target.map(|target| cases::whole(c, self.rules, target, self.now)).transpose()?.flatten();
        let desired = case.and_then(|case| self.rules.desired(&case, self.now).ok());
        let merged = merge(&known, found, self.groups, &self.rules.mapping, desired.as_ref());
        accounts::put(c, self.org, &merged, matched, self.now)?;
        let login = merged.login;
        Ok(Some(Drifted { okta_id: merged.id, login, target, changes, known_at: observed, actor: None }))
    }

    fn seen(&self, c: &Connection, okta_id: &str, at: Moment) -> Result<(), StoreError> {
        c.prepare_cached("UPDATE account SET observed_at = ?3 WHERE org = ?1 AND okta_id = ?2")?.execute(params![
            self.org,
            okta_id,
            at.millis()
        ])?;
        Ok(())
    }
}

/// Accounts that were known and are not in Okta any more: somebody has deleted them.
fn vanished(c: &Connection, org: &str, started: Moment, now: Moment) -> Result<Vec<Drifted>, StoreError> {
    let mut select = c.prepare(
        "SELECT a.okta_id, a.doc, a.observed_at, t.id FROM account a
         LEFT JOIN target t ON t.org = a.org AND t.okta_id = a.okta_id
         LEFT JOIN work w ON w.target = t.id
         WHERE a.org = ?1 AND a.observed_at < ?2 AND w.token IS NULL",
    )?;
    type Row = (String, String, i64, Option<i64>);
    let rows: Vec<Row> = select
        .query_map(params![org, started.millis()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_, _>>()?;
    let known: i64 = c.query_row("SELECT count(*) FROM account WHERE org = ?1", [org], |row| row.get(0))?;
    if !is_believable(rows.len(), usize::try_from(known).unwrap_or(0)) {
        tracing::error!(
            org,
            missing = rows.len(),
            known,
            "so many accounts are missing from Okta's list that it is not believed: nothing follows from it"
        );
        return Ok(Vec::new());
    }
    let mut gone = Vec::new();
    for (okta_id, doc, observed, target) in rows {
        let account: Account = serde_json::from_str(&doc)?;
        if let Some(target) = target {
            c.execute("UPDATE target SET okta_id = NULL WHERE id = ?1", [target])?;
        }
        accounts::remove(c, org, &okta_id)?;
        let change =
            FieldChange { field: "account".into(), before: account.status.word().into(), after: "deleted".into() };
        let known_at = Moment::from_millis(observed);
        gone.push(Drifted { okta_id, login: account.login, target, changes: vec![change], known_at, actor: None });
    }
    if !gone.is_empty() {
        tracing::warn!(org, accounts = gone.len(), at = %now, "accounts were deleted in Okta by somebody else");
    }
    Ok(gone)
}
