//! What a later read of a whole org shows: drift is noticed, what is known follows, and nobody who is being worked on is
//! disturbed.

use super::drifted::{self, Drifted, note};
use super::engine::Tx;
use super::rows::{account, org};
use super::{Store, StoreError, accounts, anchors, cases, coverage, prime};
use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::account::list::{LAG, is_too_fresh};
use crate::domain::account::user::Account;
use crate::domain::plan::drift::{drift, merge, shows_new_name};
use crate::domain::plan::rulebook::Rulebook;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Accounts that are compared in one transaction.
const BATCH: usize = 500;

/// A read of a whole org.
pub struct OrgRead {
    /// The org, by its name in the configuration.
    pub org: String,
    /// Every account that Okta's lists have shown.
    pub accounts: Vec<Account>,
    /// Groups and apps whose people were read.
    pub read: BTreeSet<String>,
    /// Groups, apps and administrators of the org, as they are known now.
    pub directory: Arc<Directory>,
    /// When it began.
    pub started: Moment,
    /// When the comparison is made: by then the read has ended.
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
    pub async fn reconcile(&self, found: OrgRead) -> Result<Compared, StoreError> {
        let (mut drifted, mut new) = (Vec::new(), 0);
        let listed: BTreeSet<String> = found.accounts.iter().map(|account| account.id.clone()).collect();
        let OrgRead { org, accounts, read, directory, started, now } = found;
        let read = Arc::new(read);
        let mut rest = accounts;
        while !rest.is_empty() {
            let batch: Vec<Account> = rest.drain(..BATCH.min(rest.len())).collect();
            let (rules, matched, org) = (self.rules.clone(), self.matched(), org.clone());
            let (read, directory) = (read.clone(), directory.clone());
            let (found, unknown) = self
                .run(move |c| {
                    let rules = rules.load();
                    let comparison =
                        Comparison { rules: &rules, directory: &directory, read: &read, org: &org, started, now };
                    let (mut found, mut unknown) = (Vec::new(), 0);
                    for account in &batch {
                        match comparison.compare(c, account, &matched)? {
                            Beside::Drifted(drifted) => found.push(drifted),
                            Beside::Same => {}
                            Beside::New => unknown += 1,
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
                org::set_read(c, &org, started)?;
                Ok((account::count(c, &org)?, prime::missing(c, &org, &listed, started)?))
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

/// An account beside what was known of it.
enum Beside {
    /// It was not known.
    New,
    /// Nothing has changed, or somebody is at it and what was read is no proof.
    Same,
    Drifted(Drifted),
}

struct Comparison<'a> {
    rules: &'a Rulebook,
    directory: &'a Directory,
    read: &'a BTreeSet<String>,
    org: &'a str,
    started: Moment,
    now: Moment,
}

impl Comparison<'_> {
    /// How an account that was read is beside what was known of it.
    fn compare(&self, c: &Tx, found: &Account, matched: &[String]) -> Result<Beside, StoreError> {
        let Some((known, observed)) = account::with_time(c, self.org, &found.id)? else {
            coverage::weigh(c, self.org, found)?;
            accounts::put(c, self.org, found, matched, self.started - LAG)?;
            anchors::seen(c, self.rules, self.org, found, self.now)?;
            return Ok(Beside::New);
        };
        let owner = account::owner(c, self.org, &found.id)?;
        if owner.as_ref().is_some_and(|owner| owner.is_busy) || is_too_fresh(observed, self.started) {
            return Ok(Beside::Same);
        }
        let changes = drift(&known, found, self.directory, self.read);
        if changes.is_empty() && shows_new_name(&known, found) {
            let merged = merge(&known, found, self.read, &self.rules.mapping, None);
            accounts::put(c, self.org, &merged, matched, self.started - LAG)?;
            return drifted::plan_anew(c, self.org, owner.as_ref(), self.now).map(|()| Beside::Same);
        }
        if changes.is_empty() {
            account::observed(c, self.org, &found.id, observed.max(self.started - LAG))?;
            return Ok(Beside::Same);
        }
        let target = owner.map(|owner| owner.target);
        let case = target.map(|target| cases::whole(c, self.rules, target, self.now)).transpose()?.flatten();
        let desired = case.and_then(|case| self.rules.desired(&case, self.now).ok());
        let merged = merge(&known, found, self.read, &self.rules.mapping, desired.as_ref());
        accounts::put(c, self.org, &merged, matched, self.started - LAG)?;
        if merged.anchor != known.anchor {
            anchors::seen(c, self.rules, self.org, &merged, self.now)?;
        }
        let login = merged.login;
        Ok(Beside::Drifted(Drifted {
            okta_id: merged.id,
            login,
            target,
            changes,
            known_at: observed,
            actor: None,
            deleted: false,
        }))
    }
}
