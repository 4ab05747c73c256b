//! What the lists of a whole org show at a start.
//!
//! **Invariant:** a list adds and corrects, and never removes: what it lacks is unknown until the account's own id says so.
//! Nobody who is being worked on is disturbed, and nobody's termination waits for the whole of it.

use super::drifted::{self, Drifted};
use super::engine::Tx;
use super::rows::account::Owner;
use super::rows::meta::number;
use super::rows::{account, org, work};
use super::{Store, StoreError, accounts, anchors, append, cases, coverage, dirty, proof, restoring};
use crate::audit::details::ListAccepted;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::account::list::{LAG, is_another_org, is_too_fresh};
use crate::domain::account::user::Account;
use crate::domain::guard::decider::Decider;
use crate::domain::plan::drift::{drift, merge, shows_new_name};
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::employee::FieldChange;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::{Dirt, USER_READ, Work};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Accounts that are written in one transaction.
const BATCH: usize = 500;

/// The key of when this run of the service began, in milliseconds.
pub(super) const BEGAN: &str = "run began";

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

/// Writes down from beside the service that an org has fewer accounts than are known, because they were deleted.
pub fn accept_list(c: &Tx, org: &str, by: &Decider) -> Result<(), StoreError> {
    org::accept_list(c, org, &by.name, by.principal())
}

/// What of the accounts that a list of `started` shows is believed.
struct List<'a> {
    rules: &'a Rulebook,
    matched: &'a [String],
    org: &'a str,
    read: &'a BTreeSet<String>,
    started: Moment,
    /// How what differs from what was known is followed up; nothing where it is not.
    compared: Option<Comparing<'a>>,
}

/// How what lists show is compared with what was known when the service was started.
#[derive(Clone, Copy)]
struct Comparing<'a> {
    directory: &'a Directory,
    /// Whether whatever differs is corrected, and not only what decides about access.
    correct: bool,
    /// When this run of the service began.
    began: Moment,
}

impl Store {
    /// Writes down what the lists of an org have shown that were begun at `started`, with the people of the groups and apps in `read`.
    pub async fn prime(
        &self,
        org: &str,
        accounts: Vec<Account>,
        read: BTreeSet<String>,
        started: Moment,
    ) -> Result<Primed, StoreError> {
        self.prime_and_compare(org, accounts, read, started, None).await
    }

    /// The same, and follows up what differs from what was known: the store may be a copy of before, and whoever looks after the
    /// org may have been busy while nobody looked. With the directory of the org, and whether whatever differs is corrected.
    pub async fn prime_and_compare(
        &self,
        org: &str,
        accounts: Vec<Account>,
        read: BTreeSet<String>,
        started: Moment,
        compared: Option<(Arc<Directory>, bool)>,
    ) -> Result<Primed, StoreError> {
        let listed: BTreeSet<String> = accounts.iter().map(|account| account.id.clone()).collect();
        let (read, mut rest, mut new) = (Arc::new(read), accounts, 0);
        while !rest.is_empty() {
            let batch: Vec<Account> = rest.drain(..BATCH.min(rest.len())).collect();
            let (rules, matched, org, read) = (self.rules(), self.matched(), org.to_owned(), read.clone());
            let compared = compared.clone();
            new += self
                .run(move |c| {
                    let (rules, mut new) = (rules.load(), 0);
                    let began = Moment::from_millis(number(c, BEGAN)?);
                    let compared = compared.as_ref();
                    let compared =
                        compared.map(|(directory, correct)| Comparing { directory, correct: *correct, began });
                    let list = List { rules: &rules, matched: &matched, org: &org, read: &read, started, compared };
                    for account in batch {
                        new += usize::from(list.take(c, account)?);
                    }
                    Ok(new)
                })
                .await?;
        }
        let org = org.to_owned();
        self.run(move |c| {
            org::set_read(c, &org, started)?;
            let missing = missing(c, &org, &listed, started)?;
            let known = account::count(c, &org)?.saturating_sub(new);
            Ok(Primed { accounts: listed.len(), new, known, missing })
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

    /// How many accounts are known of an org, if these ids of its list show that it is another one.
    pub async fn known_of_another_org(&self, org: &str, listed: Vec<String>) -> Result<Option<usize>, StoreError> {
        let org = org.to_owned();
        self.run(move |c| {
            let known = account::count(c, &org)?;
            if !is_another_org(known, listed.len(), false) {
                return Ok(None);
            }
            for id in listed {
                if account::by_id(c, &org, &id)?.is_some() {
                    return Ok(None);
                }
            }
            Ok(Some(known))
        })
        .await
    }

    /// Whether somebody has accepted that the org has fewer accounts than are known. That is said once, for one list.
    pub async fn take_accepted_list(&self, org: &str, now: Moment) -> Result<bool, StoreError> {
        let org = org.to_owned();
        self.run(move |c| {
            let Some([by, principal]) = org::take_accepted_list(c, &org)? else { return Ok(false) };
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
    let read = &BTreeSet::new();
    let compared = None;
    List { rules, matched, org, read, started: now + LAG, compared }.take(c, account.found_alone()).map(drop)
}

impl List<'_> {
    /// Returns whether the account was not known.
    fn take(&self, c: &Tx, mut found: Account) -> Result<bool, StoreError> {
        // What a list shows was so a while before it was begun.
        let as_of = self.started - LAG;
        let Some((known, observed)) = account::with_time(c, self.org, &found.id)? else {
            coverage::weigh(c, self.org, &found)?;
            accounts::put(c, self.org, &found, self.matched, as_of)?;
            anchors::seen(c, self.rules, self.org, &found, self.started)?;
            return Ok(true);
        };
        let owner = account::owner(c, self.org, &found.id)?;
        if owner.as_ref().is_some_and(|owner| owner.is_busy) {
            return Ok(false);
        }
        // Whoever is dirty is planned anew whatever differs.
        let compared = self.compared.zip(owner.as_ref().filter(|owner| owner.is_done));
        let changes = compared.map(|(by, _)| drift(&known, &found, by.directory, self.read)).unwrap_or_default();
        if is_too_fresh(observed, self.started) {
            // What this run has seen itself is newer than the list. What one before it has seen may be, or the store is a copy of
            // before: the account says which.
            if let Some((_, owner)) = compared.filter(|(by, _)| observed < by.began && !changes.is_empty()) {
                self.ask(c, owner)?;
            }
            return Ok(false);
        }
        let desired = match &owner {
            Some(owner) if !changes.is_empty() => {
                let case = cases::whole(c, self.rules, owner.target, self.started)?;
                case.and_then(|case| self.rules.desired(&case, self.started).ok())
            }
            _ => None,
        };
        let is_named = shows_new_name(&known, &found);
        found = merge(&known, &found, self.read, &self.rules.mapping, desired.as_ref());
        if found.is_awake() {
            found.is_let_in_after(&known);
            found.marks.exit = None; // what was proved of an end does not hold any more
        }
        accounts::put(c, self.org, &found, self.matched, as_of)?;
        if found.anchor != known.anchor {
            anchors::seen(c, self.rules, self.org, &found, self.started)?;
        }
        match owner {
            Some(owner) if is_in_use_by_leaver(&owner, &found) => {
                self.end_again(c, &owner, &known, &found, observed)?
            }
            owner if changes.is_empty() && is_named => drifted::plan_anew(c, self.org, owner.as_ref(), self.started)?,
            Some(owner) if !changes.is_empty() => self.follow(c, &owner, &found, changes, observed)?,
            _ => {}
        }
        Ok(false)
    }

    /// The account is read before anything follows from what a list shows of it.
    fn ask(&self, c: &Tx, owner: &Owner) -> Result<(), StoreError> {
        let priority = if owner.has_left { Priority::Revoke } else { Priority::Describe };
        dirty::mark_dirty(
            c,
            owner.target,
            self.org,
            &Dirt { priority, bucket: USER_READ, cause: Cause::OrgRead },
            self.started,
        )?;
        work::change(c, owner.target, Work::read_again)
    }

    /// Somebody else has changed the account of somebody who was as planned. What decides about access is planned anew in any case:
    /// whoever may not have it is ended, and whoever should have it and has not is told of.
    fn follow(
        &self,
        c: &Tx,
        owner: &Owner,
        found: &Account,
        changes: Vec<FieldChange>,
        known_at: Moment,
    ) -> Result<(), StoreError> {
        let is_of_access = changes.iter().any(|change| change.field == "status");
        let correct = is_of_access || self.compared.is_some_and(|by| by.correct);
        let drifted = Drifted {
            okta_id: found.id.clone(),
            login: found.login.clone(),
            target: Some(owner.target),
            changes,
            known_at,
            actor: None,
            deleted: false,
        };
        drifted::note(c, self.org, &drifted, correct, self.started)?;
        let fields: Vec<&str> = drifted.changes.iter().map(|change| change.field.as_str()).collect();
        let who = match restoring::is_of_copy(c, known_at)? {
            true => "since the copy was made that the store was restored from, somebody (perhaps this service) has",
            false => "somebody else has",
        };
        let why = format!(
            "{who} changed in Okta: {}; `[reconcile] drift = \"correct\"` has such things corrected",
            fields.join(", ")
        );
        work::change(c, owner.target, |work| work.remarked(why))
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
        drifted::note(c, self.org, &drifted, true, self.started)
    }
}

/// Whether the owner of an account has left, is believed to be done, and could sign in with it.
fn is_in_use_by_leaver(owner: &Owner, account: &Account) -> bool {
    owner.is_done && owner.has_left && account.is_in_use_after(owner.was.as_deref())
}

/// Accounts that are known for longer than lists lag, and that a list lacks.
pub(super) fn missing(
    c: &Tx,
    org: &str,
    listed: &BTreeSet<String>,
    started: Moment,
) -> Result<Vec<String>, StoreError> {
    let lacks = |(id, at): &(String, Moment)| !listed.contains(id) && !is_too_fresh(*at, started);
    Ok(account::times(c, org)?.into_iter().filter(lacks).map(|(id, _)| id).collect())
}

fn vanished(c: &Tx, org: &str, okta_id: &str) -> Result<Option<Drifted>, StoreError> {
    let Some((account, known_at)) = account::with_time(c, org, okta_id)? else { return Ok(None) };
    let owner = account::owner(c, org, okta_id)?;
    if owner.as_ref().is_some_and(|owner| owner.is_busy) {
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
    match account::owner(c, org, &one.okta_id)? {
        Some(owner) if owner.is_busy => return Ok(false),
        Some(owner) => proof::lose(c, org, owner.target, &one.okta_id)?,
        None => account::remove(c, org, &one.okta_id)?,
    }
    Ok(true)
}
