//! What the lists of a whole org show at a start.
//!
//! **Invariant:** a list adds and corrects, and never removes: what it lacks is unknown until the account's own id says so.
//! Nobody who is being worked on is disturbed, and nobody's termination waits for the whole of it.

use super::engine::{Optional, Tx};
use super::{Drifted, Store, StoreError, accounts, append, coverage, findings, meta, reconcile, search, set_meta};
use crate::audit::details::ListAccepted;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::plan::drift::{LAG, is_too_fresh, merge};
use crate::domain::record::employee::FieldChange;
use crate::domain::{Account, Decider, Rulebook};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Accounts that are written in one transaction.
const BATCH: usize = 500;

/// What priming found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Primed {
    /// How many accounts the lists showed.
    pub accounts: usize,
    /// How many of them were not known.
    pub new: usize,
    /// How many were known before.
    pub known: usize,
    /// Ids of those that were known and that the lists lack.
    pub missing: Vec<String>,
}

/// Whether the accounts of an org were ever read as a whole. Before that, that somebody has no account says nothing.
pub fn is_read(c: &Tx, org: &str) -> Result<bool, StoreError> {
    Ok(meta(c, &findings::read_key(org))?.is_some())
}

fn accepted_key(org: &str) -> String {
    format!("list accepted {org}")
}

/// Writes down from beside the service that an org has fewer accounts than are known, because they were deleted.
pub fn accept_list(c: &Tx, org: &str, by: &Decider) -> Result<(), StoreError> {
    set_meta(c, &accepted_key(org), &serde_json::to_string(&[&by.name, by.principal()])?)
}

/// What of the accounts that a list of `started` shows is believed.
struct List<'a> {
    rules: &'a Rulebook,
    matched: &'a [String],
    org: &'a str,
    groups: &'a BTreeSet<String>,
    started: Moment,
}

impl Store {
    /// Writes down what the lists of an org have shown that were begun at `started`, with the memberships of `groups`.
    pub async fn prime(
        &self,
        org: &str,
        accounts: Vec<Account>,
        groups: BTreeSet<String>,
        started: Moment,
    ) -> Result<Primed, StoreError> {
        let listed: BTreeSet<String> = accounts.iter().map(|account| account.id.clone()).collect();
        let (groups, mut rest, mut new) = (Arc::new(groups), accounts, 0);
        while !rest.is_empty() {
            let batch: Vec<Account> = rest.drain(..BATCH.min(rest.len())).collect();
            let (rules, matched, org, groups) = (self.rules(), self.matched(), org.to_owned(), groups.clone());
            new += self
                .run(move |c| {
                    let (rules, mut new) = (rules.load(), 0);
                    let list = List { rules: &rules, matched: &matched, org: &org, groups: &groups, started };
                    for account in batch {
                        new += usize::from(list.take(c, account)?);
                    }
                    Ok(new)
                })
                .await?;
        }
        let org = org.to_owned();
        self.run(move |c| {
            set_meta(c, &findings::read_key(&org), &started.to_string())?;
            let missing = missing(c, &org, &listed, started)?;
            let known: i64 = c.query_row("SELECT count(*) FROM account WHERE org = ?1", [&org], |row| row.get(0))?;
            Ok(Primed {
                accounts: listed.len(),
                new,
                known: usize::try_from(known).unwrap_or(0).saturating_sub(new),
                missing,
            })
        })
        .await
    }

    /// The account itself was read: it exists, although a list lacks it.
    pub async fn exists(&self, org: &str, account: Account, now: Moment) -> Result<(), StoreError> {
        let (rules, matched, org) = (self.rules(), self.matched(), org.to_owned());
        self.run(move |c| {
            coverage::void(c, &org, &account)?;
            believe(c, &rules.load(), &matched, &org, account, now)
        })
        .await
    }

    /// Whether somebody has accepted that the org has fewer accounts than are known. That is said once, for one list.
    pub async fn take_accepted_list(&self, org: &str, now: Moment) -> Result<bool, StoreError> {
        let org = org.to_owned();
        self.run(move |c| {
            let Some(accepted) = meta(c, &accepted_key(&org))? else { return Ok(false) };
            c.execute("DELETE FROM meta WHERE key = ?1", [accepted_key(&org)])?;
            let [by, principal]: [String; 2] = serde_json::from_str(&accepted)?;
            let accepted = Event::ListAccepted(ListAccepted { author: Author::new(by, principal) });
            let record = Record::general(now, accepted);
            append(c, &Record { org: Some(org), ..record })?;
            Ok(true)
        })
        .await
    }

    /// Okta has answered that there is no account of this id, to reads by that id: what is to be noted of it. Nothing if somebody
    /// is at work on it, and finds out.
    pub async fn vanished(&self, org: &str, okta_id: &str) -> Result<Option<Drifted>, StoreError> {
        let (org, okta_id) = (org.to_owned(), okta_id.to_owned());
        self.run(move |c| vanished(c, &org, &okta_id)).await
    }
}

/// An account was read by its id or login: it exists, whatever lists show. Such a read does not lag: it is as good as a list
/// that began long after.
pub(super) fn believe(
    c: &Tx,
    rules: &Rulebook,
    matched: &[String],
    org: &str,
    account: Account,
    now: Moment,
) -> Result<(), StoreError> {
    let groups = &BTreeSet::new();
    List { rules, matched, org, groups, started: now + LAG }.take(c, account.found_alone()).map(drop)
}

impl List<'_> {
    /// Returns whether the account was not known.
    fn take(&self, c: &Tx, mut found: Account) -> Result<bool, StoreError> {
        // What a list shows was so a while before it was begun.
        let as_of = self.started - LAG;
        let Some((known, observed)) = known(c, self.org, &found.id)? else {
            coverage::weigh(c, self.org, &found)?;
            accounts::put(c, self.org, &found, self.matched, as_of)?;
            return Ok(true);
        };
        let owner = owner(c, self.org, &found.id)?;
        if owner.as_ref().is_some_and(|owner| owner.busy) || is_too_fresh(observed, self.started) {
            return Ok(false);
        }
        found = merge(&known, &found, self.groups, &self.rules.mapping, None);
        if found.is_awake() {
            found.marks.exit = None; // what was proved of an end does not hold any more
        }
        accounts::put(c, self.org, &found, self.matched, as_of)?;
        if let Some(owner) = owner.filter(|owner| owner.has_left_with(&found)) {
            self.end_again(c, &owner, &known, &found, observed)?;
        }
        Ok(false)
    }

    /// Somebody who has left, and whose account was proved to be closed, has one that is in use.
    fn end_again(
        &self,
        c: &Tx,
        owner: &Owner,
        known: &Account,
        found: &Account,
        known_at: Moment,
    ) -> Result<(), StoreError> {
        let (before, after) = (known.status.as_str().into(), found.status.as_str().into());
        let drifted = Drifted {
            okta_id: found.id.clone(),
            login: found.login.clone(),
            target: Some(owner.target),
            changes: vec![FieldChange { field: "status".into(), before, after }],
            known_at,
            actor: None,
            deleted: false,
        };
        reconcile::note(c, self.org, &drifted, true, self.started)
    }
}

/// Whose an account is.
struct Owner {
    target: i64,
    /// Somebody is at work on them, or about to read the account.
    busy: bool,
    /// Nothing is to be done for them, as far as is known.
    done: bool,
    has_left: bool,
    was: Option<String>,
}

impl Owner {
    /// Whether they have left, are believed to be done, and could sign in with this account.
    fn has_left_with(&self, account: &Account) -> bool {
        let in_use = if self.was.as_deref() == Some("ended") { account.is_live() } else { account.is_awake() };
        self.done && self.has_left && in_use
    }
}

fn known(c: &Tx, org: &str, okta_id: &str) -> Result<Option<(Account, Moment)>, StoreError> {
    let row: Option<(String, i64)> = c
        .prepare_cached("SELECT doc, observed_at FROM account WHERE org = ?1 AND okta_id = ?2")?
        .query_row([org, okta_id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    row.map(|(doc, at)| Ok((serde_json::from_str(&doc)?, Moment::from_millis(at)))).transpose()
}

fn owner(c: &Tx, org: &str, okta_id: &str) -> Result<Option<Owner>, StoreError> {
    Ok(c.prepare_cached(
        "SELECT t.id, coalesce(w.token IS NOT NULL OR w.look <> 0, 0), coalesce(w.dirty_rev = w.done_rev, 1),
           t.ended_at IS NOT NULL, t.was
         FROM target t LEFT JOIN work w ON w.target = t.id WHERE t.org = ?1 AND t.okta_id = ?2",
    )?
    .query_row([org, okta_id], |row| {
        Ok(Owner { target: row.get(0)?, busy: row.get(1)?, done: row.get(2)?, has_left: row.get(3)?, was: row.get(4)? })
    })
    .optional()?)
}

/// Accounts that are known for longer than lists lag, and that a list lacks.
pub(super) fn missing(
    c: &Tx,
    org: &str,
    listed: &BTreeSet<String>,
    started: Moment,
) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare("SELECT okta_id, observed_at FROM account WHERE org = ?1")?;
    let rows: Vec<(String, i64)> =
        select.query_map([org], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let lacks = |(id, at): &(String, i64)| !listed.contains(id) && !is_too_fresh(Moment::from_millis(*at), started);
    Ok(rows.into_iter().filter(lacks).map(|(id, _)| id).collect())
}

fn vanished(c: &Tx, org: &str, okta_id: &str) -> Result<Option<Drifted>, StoreError> {
    let Some((account, known_at)) = known(c, org, okta_id)? else { return Ok(None) };
    let owner = owner(c, org, okta_id)?;
    if owner.as_ref().is_some_and(|owner| owner.busy) {
        return Ok(None);
    }
    let target = owner.map(|owner| owner.target);
    let change =
        FieldChange { field: "account".into(), before: account.status.as_str().into(), after: "deleted".into() };
    let login = account.login;
    let (okta_id, changes) = (okta_id.to_owned(), vec![change]);
    Ok(Some(Drifted { okta_id, login, target, changes, known_at, actor: None, deleted: true }))
}

/// What is known of an account that was deleted goes; returns false if somebody is at work on it meanwhile.
pub(super) fn forget(c: &Tx, org: &str, one: &Drifted) -> Result<bool, StoreError> {
    match owner(c, org, &one.okta_id)? {
        Some(owner) if owner.busy => return Ok(false),
        Some(owner) => search::lose(c, org, owner.target, &one.okta_id)?,
        None => accounts::remove(c, org, &one.okta_id)?,
    }
    Ok(true)
}
