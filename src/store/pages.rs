//! What walks and time alone change, and what waits.

use super::engine::{Trouble, Tx, alone};
use super::relink::refresh;
use super::rows::{link, org, source, target, unanswered, work};
use super::{Store, StoreError, append, awaiting, cases, confirmed, correlate, missing, refused, renamed, unrouted};
use crate::audit::Record;
use crate::clock::Moment;
use crate::domain::plan::case::Case;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::document::Held;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::State;
use crate::domain::work::revision::News;
use std::collections::BTreeMap;
use std::time::Duration;

/// What waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backlog {
    /// People who are dirty and ready or in a run, by priority, the most urgent first.
    pub ready: [i64; 6],
    /// People who cannot go on until somebody changes something.
    pub quarantined: i64,
    /// People of whose changes some wait for a decision; everything else was done.
    pub held: i64,
}

impl Backlog {
    /// Everybody who is ready or in a run.
    pub fn total(&self) -> i64 {
        self.ready.iter().sum()
    }
}

impl Store {
    /// The calendar was set back by `back`: whoever was due is due still.
    pub async fn clock_was_set_back(&self, back: Duration) -> Result<(), StoreError> {
        self.run(move |c| {
            unanswered::set_back(c, back)?;
            work::set_back(c, back)
        })
        .await
    }

    /// Marks everybody dirty for whom time alone has changed what the record means; returns their classes.
    pub async fn wake_due(&self, now: Moment) -> Result<Vec<Priority>, StoreError> {
        let rules = self.rules.clone();
        self.run(move |c| wake_due(c, &rules.load(), now)).await
    }

    /// The groups of a tenant as they are called now, by id.
    pub async fn learn_titles(
        &self,
        tenant: String,
        titles: BTreeMap<String, String>,
        now: Moment,
    ) -> Result<(), StoreError> {
        self.run(move |c| renamed::learn_titles(c, &tenant, &titles, now)).await
    }

    /// The next moment at which `wake_due` or `read_unanswered_again` has something to do.
    pub async fn next_change(&self) -> Result<Option<Moment>, StoreError> {
        self.run(|c| {
            let at = work::next_change(c)?;
            Ok(at.into_iter().chain(org::next_unrouted(c)?).chain(unanswered::next(c)?).min().map(Moment::from_millis))
        })
        .await
    }

    /// A walk over `tenant` ended; a complete one is remembered for ever. `absent` are profiles that it and the complete one before
    /// have not shown, and since when. Whoever could not be correlated is looked for once more after it: what contradicted may have
    /// been a profile that had not been seen yet.
    pub async fn walk_ended(
        &self,
        tenant: String,
        complete: bool,
        absent: Vec<(String, Moment)>,
        record: Record,
    ) -> Result<Vec<Priority>, StoreError> {
        let rules = self.rules.clone();
        self.run(move |c| {
            let rules = rules.load();
            let known = org::is_walked(c, &tenant)?;
            // One row when it matters: the first complete walk, and every incomplete one.
            if !complete || !known {
                append(c, &record)?;
            }
            if complete && !known {
                org::set_walked(c, &tenant, record.at)?;
            }
            if !complete {
                return Ok(Vec::new());
            }
            if org::set_walked_now(c, &tenant)? {
                awaiting::tenant_walked(c, &rules, &tenant, record.at)?;
            }
            confirmed::stood(c, &rules, &tenant, record.at)?;
            let mut priorities = missing::note(c, &rules, &tenant, &absent, record.at)?.dirtied;
            priorities.extend(correlate::again(c, &rules, Some(&tenant), record.at)?);
            Ok(priorities)
        })
        .await
    }

    /// Whether every one of `tenants` was ever walked completely. Before that nobody is created.
    pub async fn all_walked(&self, tenants: Vec<String>) -> Result<bool, StoreError> {
        self.run(move |c| {
            for tenant in &tenants {
                if !org::is_walked(c, tenant)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// How many people of an org wait, and `most` of them at random.
    pub async fn sample_backlog(&self, org: &str, most: usize, now: Moment) -> Result<(usize, Vec<Case>), StoreError> {
        let (org, rules) = (org.to_owned(), self.rules.clone());
        self.run(move |c| sample_backlog(c, &rules.load(), &org, most, now)).await
    }

    /// What waits.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.run(backlog).await
    }
}

fn sample_backlog(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    most: usize,
    now: Moment,
) -> Result<(usize, Vec<Case>), StoreError> {
    let (total, targets) = work::sample(c, org, most)?;
    let mut sample = Vec::with_capacity(targets.len());
    for target in targets {
        sample.extend(cases::whole(c, rules, target, now)?);
    }
    Ok((total, sample))
}

/// What the store holds of the documents of all profiles of `tenant`.
pub fn known_documents(c: &Tx, tenant: &str) -> Result<Vec<(String, Held)>, StoreError> {
    source::held(c, tenant)
}

/// What waits.
pub fn backlog(c: &Tx) -> Result<Backlog, StoreError> {
    let mut backlog = Backlog::default();
    for (priority, state, count) in work::counts(c)? {
        if state == State::Ready {
            backlog.ready[usize::from(priority.number())] += count;
        } else if state == State::Held {
            backlog.held += count;
        } else {
            backlog.quarantined += count;
        }
    }
    Ok(backlog)
}

fn wake_due(c: &Tx, rules: &Rulebook, now: Moment) -> Result<Vec<Priority>, StoreError> {
    let due = target::due(c, now)?;
    // Quarantined for something that does not show when it changes: tried again now and then.
    let mut priorities = work::wake(c, now)?;
    priorities.extend(unrouted::wake(c, rules, now)?);
    for (target, conflict, changes_at) in due {
        let as_of = Moment::from_millis(changes_at - 1);
        let woken = alone(c, |c| {
            let profiles = link::profiles(c, target)?;
            let Some(position) = profiles.here.first() else { return Ok(None) };
            let news = News::none(position, Cause::Date, as_of);
            refresh(c, rules, target, &news, conflict.as_deref(), now)
        });
        match woken {
            // Whom the store cannot read holds up nobody else.
            Err(e) if e.trouble() == Trouble::Refused => {
                refused::quarantined(c, target, &e, now)?;
                work::changes_when_due(c, target)?;
            }
            woken => priorities.extend(woken?),
        }
    }
    Ok(priorities)
}
