//! What people ask a running service for, from beside it.

use super::end_access::{self, EndOrder};
use super::engine::{Tx, alone};
use super::pins::{self, Because};
use super::rows::missing::Verdict;
use super::rows::request as row;
use super::rows::work;
use super::undo::{self, Scope};
use super::{Store, StoreError, Trouble, append, dirty, missing};
use crate::audit::details::Requested;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::work::machine::Dirt;
use crate::domain::{Cause, Decider, Rulebook};
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "wish")]
pub enum OperatorRequest {
    /// Read the whole org again, and compare.
    #[serde(rename = "reread")]
    Reconcile,
    /// Bring these people to what Namely says, through the same safeguards as everything else.
    Fix {
        /// Whom.
        targets: Vec<i64>,
    },
    /// Take back what the audit says, if that is still what this code stands for.
    Undo {
        /// Which rows.
        scope: Scope,
        /// What was shown.
        code: String,
        /// For the audit.
        why: String,
    },
    /// A profile is somebody else than whom it is linked to.
    Split {
        /// Of the profile.
        tenant: String,
        /// Its UUID.
        profile: String,
        /// For the audit.
        why: String,
    },
    /// A profile that Namely does not show any more has left (`end`), or stays as it is.
    Missing {
        /// Of the profile.
        tenant: String,
        /// Its UUID.
        profile: String,
        /// Whether access ends.
        end: bool,
        /// For the audit.
        why: String,
    },
    /// A group of the mapping that somebody else has deleted in Okta is made and filled again, or done without.
    Group {
        /// Its name.
        name: String,
        /// Whether it is made again.
        again: bool,
    },
    /// Let go of what was pinned.
    Release {
        /// Of whom.
        targets: Vec<i64>,
    },
    /// End somebody's access before HR has.
    EndAccess {
        /// Whose, and what for.
        order: EndOrder,
    },
    /// Take that back.
    RestoreAccess {
        /// Of whom.
        targets: Vec<i64>,
        /// For the audit.
        why: String,
    },
}

/// A request that nobody has acted upon yet.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its number, by which its outcome is asked for.
    pub id: i64,
    /// The org that it is about, by its name in the configuration.
    pub org: String,
    /// What the operator asks for.
    pub asked: OperatorRequest,
    /// Whoever asks.
    pub author: Author,
}

impl OperatorRequest {
    /// Whom it is about.
    fn targets(&self) -> Vec<i64> {
        match self {
            OperatorRequest::Reconcile
            | OperatorRequest::Undo { .. } // derives its own
            | OperatorRequest::Split { .. }
            | OperatorRequest::Group { .. }
            | OperatorRequest::Missing { .. } => Vec::new(),
            OperatorRequest::Fix { targets }
            | OperatorRequest::Release { targets }
            | OperatorRequest::EndAccess { order: EndOrder { targets, .. } }
            | OperatorRequest::RestoreAccess { targets, .. } => targets.clone(),
        }
    }
}

/// Asks; returns the number of the request. Whoever is meant must be there.
pub fn request(c: &Tx, org: &str, asked: &OperatorRequest, by: &Decider, now: Moment) -> Result<i64, StoreError> {
    all_there(c, org, &asked.targets())?;
    row::insert(c, org, &serde_json::to_string(asked)?, by, now)
}

/// What came of a request, if anything did yet.
pub fn is_done(c: &Tx, id: i64) -> Result<Option<String>, StoreError> {
    row::outcome(c, id)
}

impl Store {
    /// Requests to read an org again, and decisions about groups of it that are gone.
    pub async fn reconcile_requests(&self, org: &str) -> Result<Vec<Request>, StoreError> {
        let org = org.to_owned();
        self.run(move |c| {
            let mut asked = open(c)?;
            asked.retain(|request| {
                let is_ours = matches!(request.asked, OperatorRequest::Reconcile | OperatorRequest::Group { .. });
                request.org == org && is_ours
            });
            Ok(asked)
        })
        .await
    }

    /// A request was acted upon.
    pub async fn request_done(&self, id: i64, outcome: String) -> Result<(), StoreError> {
        self.run(move |c| row::done(c, id, &outcome)).await
    }

    /// Acts upon what people have asked for, but for reading an org again; returns how many people may be worked on.
    pub async fn apply_requests(&self, now: Moment) -> Result<usize, StoreError> {
        let rules = self.rules();
        self.run(move |c| {
            let mut woken = end_access::spread_all(c, &rules.load(), now)?;
            for request in open(c)? {
                match alone(c, |c| carry_out(c, &rules.load(), &request, now)) {
                    Ok(None) => {} // the reconciler's
                    Ok(Some(people)) => {
                        woken += people;
                        row::done(c, request.id, &format!("{people} people"))?;
                    }
                    // It fails alone: whatever else was asked for is done.
                    Err(e) if e.trouble() == Trouble::Refused => {
                        tracing::error!(request = request.id, org = request.org, error = %e, "a request failed");
                        row::done(c, request.id, &format!("failed: {e}"))?;
                    }
                    Err(e) => return Err(e),
                }
            }
            Ok(woken)
        })
        .await
    }
}

/// Acts upon one request; returns how many people may be worked on because of it, nothing if somebody else acts upon it or
/// it was refused.
fn carry_out(c: &Tx, rules: &Rulebook, request: &Request, now: Moment) -> Result<Option<usize>, StoreError> {
    let (by, principal) = row::asked_by(c, request.id)?;
    let targets = request.asked.targets();
    all_there(c, &request.org, &targets)?;
    match &request.asked {
        OperatorRequest::Reconcile | OperatorRequest::Group { .. } => return Ok(None),
        OperatorRequest::Fix { targets } => fix(c, request, targets, (&by, &principal), now)?,
        OperatorRequest::Undo { scope, code, why } => {
            let done = undo::apply(c, rules, &undo::Shown { scope, code, why }, (&by, &principal), now)?;
            return match done {
                Ok(people) => Ok(Some(people)),
                Err(changed) => refuse(c, request, &changed, (&by, &principal), now).map(|()| None),
            };
        }
        OperatorRequest::EndAccess { order } => {
            let done = end_access::end(c, rules, &request.org, order, (&by, &principal), now)?;
            return match done {
                Ok(people) => Ok(Some(people)),
                Err(why) => refuse(c, request, &why, (&by, &principal), now).map(|()| None),
            };
        }
        OperatorRequest::RestoreAccess { targets, why } => {
            let done = end_access::restore(c, rules, targets, why, (&by, &principal), now)?;
            return match done {
                Ok(people) => Ok(Some(people)),
                Err(why) => refuse(c, request, &why, (&by, &principal), now).map(|()| None),
            };
        }
        OperatorRequest::Split { tenant, profile, why } => {
            let split = super::split::Split { org: &request.org, tenant, profile, why, by: &by, principal: &principal };
            return super::split::split(c, rules, &split, now).map(Some);
        }
        OperatorRequest::Missing { tenant, profile, end, why } => {
            let (verdict, author) = (if *end { Verdict::End } else { Verdict::Keep }, Author::new(&by, &principal));
            let decided = missing::Decided { tenant, profile, verdict, author: &author, why };
            return match missing::decide(c, rules, &decided, now)? {
                Some(outcome) => Ok(Some(outcome.dirtied.len())),
                None => {
                    let why =
                        format!("the profile {profile} of {tenant} is shown again, or its access has ended already");
                    refuse(c, request, &why, (&by, &principal), now).map(|()| None)
                }
            };
        }
        OperatorRequest::Release { targets } => {
            for target in targets {
                if pins::unpin(c, *target, Because::Person { by: &by, principal: &principal }, now)? {
                    dirty::mark_dirty(c, *target, &request.org, &Dirt::describe(Cause::Request), now)?;
                }
            }
        }
    }
    Ok(Some(targets.len()))
}

/// What was asked for is not what was shown: nothing is done, and the audit says so.
fn refuse(c: &Tx, request: &Request, why: &str, (by, principal): (&str, &str), now: Moment) -> Result<(), StoreError> {
    let what = format!("refused: {why}");
    let requested = Event::Requested(Requested { what, author: Author::new(by, principal) });
    let record = Record::general(now, requested);
    append(c, &Record { org: Some(request.org.clone()), ..record })?;
    row::done(c, request.id, &format!("refused: {why}"))
}

/// That these targets are all of an org: a person whom nobody knows can neither be mended nor be undone.
pub fn all_there(c: &Tx, org: &str, targets: &[i64]) -> Result<(), StoreError> {
    targets.iter().try_for_each(|target| there_is(c, org, *target))
}

fn there_is(c: &Tx, org: &str, target: i64) -> Result<(), StoreError> {
    if work::org_of(c, target)?.as_deref() == Some(org) {
        return Ok(());
    }
    Err(StoreError::NotThere(format!(
        "org {org} has no target {target}; `attention`, `quarantine list` and `explain` show the numbers of people"
    )))
}

fn fix(
    c: &Tx,
    request: &Request,
    targets: &[i64],
    (by, principal): (&str, &str),
    now: Moment,
) -> Result<(), StoreError> {
    for target in targets {
        dirty::mark_dirty(c, *target, &request.org, &Dirt::describe(Cause::Request), now)?;
        let what = "to be brought to what Namely says".to_owned();
        let requested = Event::Requested(Requested { what, author: Author::new(by, principal) });
        append(c, &Record::about(*target, request.org.clone(), now, requested))?;
    }
    Ok(())
}

fn open(c: &Tx) -> Result<Vec<Request>, StoreError> {
    let mut requests = Vec::new();
    for row::Open { id, org, what } in row::open(c)? {
        match serde_json::from_str(&what) {
            Ok(asked) => {
                let (by, principal) = row::asked_by(c, id)?;
                requests.push(Request { id, org, asked, author: Author::new(by, principal) });
            }
            // One that cannot be read holds up no other.
            Err(e) => row::done(c, id, &format!("failed: it cannot be read ({e})"))?,
        }
    }
    Ok(requests)
}
