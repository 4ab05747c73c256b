//! What happens to the store before anything else happens: claims of the run before are void, calls without an outcome
//! are unknown.
//!
//! **Invariant:** an intent without outcome is never sent again; its target is read first.

use super::engine::{Optional, Tx};
use super::rows::{hold, work};
use super::{Store, StoreError, accounts, append, everybody, meta, set_meta};
use crate::audit::details::Started;
use crate::audit::{Call, Effect, Event, Outcome, Record};
use crate::clock::Moment;
use crate::domain::plan::doubt::Ending;
use crate::domain::{Rulebook, Step};
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
    let run = meta(c, "run")?.and_then(|r| r.parse().ok()).unwrap_or(0) + 1;
    set_meta(c, "run", &run.to_string())?;
    if meta(c, "identity")?.is_none() {
        set_meta(c, "identity", &uuid::Uuid::now_v7().to_string())?;
    }
    // Whoever was made dirty under a clock that was ahead would wait until this one gets there.
    let last: Option<i64> =
        c.query_row("SELECT at FROM audit ORDER BY seq DESC LIMIT 1", [], |row| row.get(0)).optional()?;
    let back = last.map_or(Duration::ZERO, |last| Moment::from_millis(last).since(now));
    if back > Duration::ZERO {
        tracing::warn!(seconds = back.as_secs_f64(), "this machine's clock is behind what the store has seen");
        work::set_back(c, back)?;
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
    set_meta(c, "rules", rules)?;
    let recovered = Recovered { run, claims, unknown, rules_changed };
    let started = Started { run, void_claims: claims, unknown_calls: unknown, rules_changed };
    append(c, &Record::general(now, Event::Started(started)))?;
    Ok(recovered)
}

fn close_intents(c: &Tx, now: Moment) -> Result<usize, StoreError> {
    type Row = (i64, i64, String, String, String, String, i64);
    let mut select = c.prepare("SELECT target, rev, step, method, path, body_hash, attempt FROM intent ORDER BY id")?;
    let open: Vec<Row> = select
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
        })?
        .collect::<Result<_, _>>()?;
    for (target, rev, step, method, path, body_hash, attempt) in &open {
        let step: Step = serde_json::from_str(step)?;
        accounts::doubt(c, *target, &step, Ending::Untold)?;
        let call =
            Call { step, method: method.clone(), path: path.clone(), body_hash: body_hash.clone(), attempt: *attempt };
        let effect = Effect {
            call,
            outcome: Outcome::Unknown,
            why: Some("the service stopped before the answer was written down".into()),
            request_id: None,
        };
        let org = c.query_row("SELECT org FROM target WHERE id = ?1", [target], |row| row.get(0))?;
        append(c, &Record { rev: Some(*rev), ..Record::about(*target, org, now, Event::Effect(effect)) })?;
        work::change(c, *target, |work| work.unanswered(now))?;
    }
    c.execute("DELETE FROM intent", [])?;
    Ok(open.len())
}
