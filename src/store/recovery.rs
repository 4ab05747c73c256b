//! What happens to the store before anything else happens: claims of the run before are void, calls without an outcome
//! are unknown.
//!
//! **Invariant:** an intent without outcome is never sent again; its target is read first.

use super::engine::{Tx, nodes};
use super::rows::meta::{meta, number, set_meta};
use super::rows::{audit, hold, intent, unanswered as row, work};
use super::views::unconfigured::unconfigured;
use super::{Store, StoreError, accounts, append, everybody, pause, prime, unanswered};
use crate::audit::details::Started;
use crate::audit::{Effect, Event, Outcome, Record};
use crate::clock::Moment;
use crate::domain::Rulebook;
use crate::domain::plan::doubt::Ending;
use std::time::Duration;

/// What a start found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Number of this run, counted from 1.
    pub run: i64,
    /// Claims that were held when the run before ended.
    pub claims: usize,
    /// Calls whose outcome is unknown.
    pub unknown: usize,
    /// Whether the rules differ from those of the run before: then everybody is looked at again.
    pub rules_changed: bool,
}

impl Store {
    /// Prepares the store for a new run. `rules` identifies the mapping: when it changes, everybody is dirty.
    pub async fn recover(&self, rules: String, now: Moment) -> Result<Recovered, StoreError> {
        let rulebook = self.rules.clone();
        self.run(move |c| recover(c, &rulebook.load(), &rules, now)).await
    }
}

fn recover(c: &Tx, rulebook: &Rulebook, rules: &str, now: Moment) -> Result<Recovered, StoreError> {
    let run = number(c, "run")? + 1;
    set_meta(c, "run", &run.to_string())?;
    set_meta(c, prime::BEGAN, &now.millis().to_string())?;
    if meta(c, "identity")?.is_none() {
        set_meta(c, "identity", &uuid::Uuid::now_v7().to_string())?;
    }
    // Whoever was made dirty under a clock that was ahead would wait until this one gets there.
    let back = audit::last_at(c)?.map_or(Duration::ZERO, |last| last.since(now));
    if back > Duration::ZERO {
        tracing::warn!(seconds = back.as_secs_f64(), "this machine's clock is behind what the store has seen");
        work::set_back(c, back)?;
        row::set_back(c, back)?;
    }
    // Whoever was held is evaluated again under the safeguards of this run; what was decided about them stays decided.
    let claims = work::recover(c, now)?;
    let unknown = close_intents(c, now)?;
    let rules_changed = meta(c, "rules")?.is_some_and(|old| old != rules);
    if rules_changed {
        everybody::relink_all(c, rulebook, now)?;
    }
    // An org that is no longer configured is nobody's work; what is known of it stays.
    hold::need_at_least(c, rulebook.safeguards.eyes())?;
    work::keep_orgs(c, &rulebook.orgs.iter().map(|org| org.name.as_str()).collect::<Vec<_>>())?;
    for one in unconfigured(c, rulebook)? {
        tracing::error!(name = one.name, people = one.people, "{}", one.message());
    }
    for org in &rulebook.orgs {
        pause::set_stopped_by_org(c, &org.name, None)?; // it is found out anew
    }
    set_meta(c, "rules", rules)?;
    let recovered = Recovered { run, claims, unknown, rules_changed };
    let node = nodes(c)?.into_iter().find(|node| node.serves).map(|node| node.name);
    let started = Started { run, void_claims: claims, unknown_calls: unknown, rules_changed, node };
    append(c, &Record::general(now, Event::Started(started)))?;
    Ok(recovered)
}

fn close_intents(c: &Tx, now: Moment) -> Result<usize, StoreError> {
    let open = intent::all(c)?;
    let unknown = open.len();
    for intent::Announced { id, target, rev, call, sent_at } in open {
        unanswered::note(c, target, &call.step, sent_at, now)?;
        accounts::doubt(c, target, &call.step, Ending::Untold)?;
        let why = Some("the service stopped before the answer was written down".into());
        let effect = Effect { call, outcome: Outcome::Unknown, why, request_id: None };
        let org = work::org(c, target)?;
        append(c, &Record { rev: Some(rev), ..Record::about(target, org, now, Event::Effect(effect)) })?;
        work::change(c, target, |work| work.unanswered(now))?;
        intent::remove(c, id)?;
    }
    Ok(unknown)
}
