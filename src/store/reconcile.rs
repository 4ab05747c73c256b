//! What a later read of a whole org shows: drift is noticed, what is known follows, and nobody who is being worked on is
//! disturbed.

use super::engine::{Optional, Tx, params};
use super::{Store, StoreError, accounts, append, cases, coverage, pages, prime};
use crate::audit::{Event, Record, details};
use crate::clock::Moment;
use crate::domain::plan::drift::{LAG, drift, is_too_fresh, merge};
use crate::domain::record::employee::FieldChange;
use crate::domain::{Account, Cause, Directory, Priority, Rulebook};
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
    /// Okta has the account no more: what is known of it goes when this is noted.
    pub deleted: bool,
}

/// A read of a whole org.
pub struct OrgRead {
    pub org: String,
    pub accounts: Vec<Account>,
    /// Groups whose members were read.
    pub groups: BTreeSet<String>,
    pub directory: Arc<Directory>,
    /// When it began.
    pub started: Moment,
    pub now: Moment,
}

/// What a comparison has found.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// What somebody else has changed.
    pub drifted: Vec<Drifted>,
    /// How many accounts were not known.
    pub new: usize,
    /// How many are known.
    pub known: usize,
    /// Ids of those that are known and that the lists lack.
    pub missing: Vec<String>,
}

impl Store {
    /// Compares what is known with what was read. What a list lacks is unknown, and stays as it was.
    pub async fn reconcile(&self, read: OrgRead) -> Result<Compared, StoreError> {
        let (mut drifted, mut new) = (Vec::new(), 0);
        let listed: BTreeSet<String> = read.accounts.iter().map(|account| account.id.clone()).collect();
        let OrgRead { org, accounts, groups, directory, started, now } = read;
        let groups = Arc::new(groups);
        let mut rest = accounts;
        while !rest.is_empty() {
            let batch: Vec<Account> = rest.drain(..BATCH.min(rest.len())).collect();
            let (rules, matched, org) = (self.rules.clone(), self.matched(), org.clone());
            let (groups, directory) = (groups.clone(), directory.clone());
            let (found, unknown) = self
                .run(move |c| {
                    let rules = rules.load();
                    let comparison =
                        Comparison { rules: &rules, directory: &directory, groups: &groups, org: &org, started, now };
                    let (mut found, mut unknown) = (Vec::new(), 0);
                    for account in &batch {
                        match comparison.compare(c, account, &matched)? {
                            Some(drifted) => found.extend(drifted),
                            None => unknown += 1,
                        }
                    }
                    Ok((found, unknown))
                })
                .await?;
            drifted.extend(found);
            new += unknown;
        }
        let (known, missing) = self
            .run(move |c| {
                super::set_meta(c, &super::findings::read_key(&org), &started.to_string())?;
                let known: i64 =
                    c.query_row("SELECT count(*) FROM account WHERE org = ?1", [&org], |row| row.get(0))?;
                Ok((usize::try_from(known).unwrap_or(0), prime::missing(c, &org, &listed, started)?))
            })
            .await?;
        Ok(Compared { drifted, new, known, missing })
    }

    /// Writes drift into the audit, and forgets accounts that were deleted with it; where `correct` says so, whoever is concerned is brought back to what Namely says.
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
                if !one.deleted || prime::forget(c, &org, one)? {
                    note(c, &org, one, correct, now)?;
                }
            }
            Ok(drifted.len())
        })
        .await
    }
}

struct Comparison<'a> {
    rules: &'a Rulebook,
    directory: &'a Directory,
    groups: &'a BTreeSet<String>,
    org: &'a str,
    started: Moment,
    now: Moment,
}

impl Comparison<'_> {
    /// What has changed; nothing at all if the account was not known.
    fn compare(&self, c: &Tx, found: &Account, matched: &[String]) -> Result<Option<Option<Drifted>>, StoreError> {
        let known = accounts::by_id(c, self.org, &found.id)?;
        let Some(known) = known else {
            coverage::weigh(c, self.org, found)?;
            accounts::put(c, self.org, found, matched, self.started - LAG)?;
            return Ok(None);
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
            return Ok(Some(None));
        }
        let changes = drift(&known, found, self.directory, self.groups);
        if changes.is_empty() {
            self.seen(c, &found.id, observed.max(self.started - LAG))?;
            return Ok(Some(None));
        }
        let target = target.map(|(target, _)| target);
        let case = target.map(|target| cases::whole(c, self.rules, target, self.now)).transpose()?.flatten();
        let desired = case.and_then(|case| self.rules.desired(&case, self.now).ok());
        let merged = merge(&known, found, self.groups, &self.rules.mapping, desired.as_ref());
        accounts::put(c, self.org, &merged, matched, self.started - LAG)?;
        let login = merged.login;
        Ok(Some(Some(Drifted {
            okta_id: merged.id,
            login,
            target,
            changes,
            known_at: observed,
            actor: None,
            deleted: false,
        })))
    }

    fn seen(&self, c: &Tx, okta_id: &str, at: Moment) -> Result<(), StoreError> {
        c.prepare_cached("UPDATE account SET observed_at = ?3 WHERE org = ?1 AND okta_id = ?2")?.execute(params![
            self.org,
            okta_id,
            at.millis()
        ])?;
        Ok(())
    }
}

/// Writes drift into the audit. Whoever has left is always looked at: nobody leaves it to others whether a leaver has access.
pub(super) fn note(c: &Tx, org: &str, one: &Drifted, correct: bool, now: Moment) -> Result<(), StoreError> {
    let drifted = Event::Drifted(details::Drifted {
        account: one.okta_id.clone(),
        login: one.login.clone(),
        changes: one.changes.clone(),
        actor: one.actor.clone(),
        known_at: one.known_at,
    });
    append(c, &Record { target: one.target, org: Some(org.to_owned()), ..Record::general(now, drifted) })?;
    let Some(target) = one.target else { return Ok(()) };
    let has_left = c
        .prepare_cached("SELECT ended_at IS NOT NULL FROM target WHERE id = ?1")?
        .query_row([target], |row| row.get(0))
        .optional()?
        .unwrap_or(false);
    let account = accounts::by_id(c, org, &one.okta_id)?;
    let (priority, bucket) = match has_left && account.is_some_and(|account| account.is_awake()) {
        true => (Priority::Revoke, "users"),
        false => (Priority::Describe, super::ANY_BUCKET),
    };
    if correct || has_left {
        pages::mark_dirty(c, target, org, priority, bucket, Cause::Drift, now)?;
    }
    Ok(())
}
