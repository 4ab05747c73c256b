//! What is answered about how things are: read beside the writer.

use super::Served;
use super::decisions::{Desk, Refusal};
use super::routes::Ask;
use crate::audit::tell;
use crate::clock::Moment;
use crate::identity::Class;
use crate::store::{
    Filter, Store, StoreError, Vitals, adoption, aside, filter_audit, held_people, holds, name_of, pauses, reviews,
    vitals, waiting,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// People who are listed at most.
const LISTED: usize = 500;
/// Audit rows of somebody that are told, the newest.
const ROWS: usize = 200;

/// Answers what was asked to be seen; `None` if `ask` is about doing something. `parts` stand for the braces of the path.
pub fn answer(served: &Served, desk: &Desk, ask: Ask, parts: &[String], now: Moment) -> Result<Option<Value>, Refusal> {
    let reader = || Store::reader(&desk.store);
    Ok(Some(match ask {
        Ask::Status => {
            let c = reader()?;
            status(&c, &vitals(&c, &[], now)?, Some(&running(served)), now)?
        }
        Ask::Backlog => json!({ "people": waiting(&reader()?, LISTED)? }),
        Ask::Person => person(desk, &reader()?, &parts[0])?,
        Ask::Holds => json!({ "holds": holds(&reader()?, false)? }),
        Ask::Hold => {
            let (c, id) = (reader()?, desk.number(&parts[0])?);
            let found = holds(&c, true)?.into_iter().find(|hold| hold.id == id);
            let hold = found.ok_or_else(|| Refusal::NotFound(format!("there is no hold {id}")))?;
            json!({ "hold": hold, "people": held_people(&c, id)? })
        }
        Ask::Quarantine => json!({ "people": aside(&reader()?)? }),
        Ask::Pauses => json!({ "pauses": pauses(&reader()?)? }),
        Ask::Reviews => json!({ "reviews": reviews(&reader()?, false)? }),
        Ask::Adoption => json!(adoption(&reader()?, &desk.rules, desk.org(&parts[0])?, now)?),
        _ => return Ok(None),
    }))
}

/// What a running service knows of itself, beyond its store.
pub struct Running {
    /// What is missing, and why.
    pub missing: BTreeMap<String, String>,
    /// Whether the audit is not as it was written, as far as it was verified.
    pub audit_is_broken: bool,
    /// When the backlog of each org is done, in seconds.
    pub eta_seconds: BTreeMap<String, f64>,
}

fn running(served: &Served) -> Running {
    let eta = |org: &String| served.metrics.backlog_eta_seconds.with_label_values(&[org]).get();
    Running {
        missing: served.readiness.reasons(),
        audit_is_broken: served.metrics.audit_chain_broken.get() == 1,
        eta_seconds: served.orgs.iter().map(|org| (org.clone(), eta(org))).collect(),
    }
}

/// The state of things for machines: the same over HTTP and from the command line; `running` is nothing where no service
/// answers.
pub fn status(c: &Connection, seen: &Vitals, running: Option<&Running>, now: Moment) -> Result<Value, StoreError> {
    let orgs: BTreeMap<&String, Value> = seen
        .orgs
        .iter()
        .map(|(org, people)| {
            let by_class: BTreeMap<_, _> = people.backlog.iter().map(|(class, (count, _))| (class, count)).collect();
            let oldest = people.backlog.values().map(|(_, since)| *since).min();
            let told = json!({
                "waiting": by_class.values().copied().sum::<i64>(),
                "waiting_by_class": by_class,
                "terminations_waiting": people.backlog.get(Class::Revoke.label()).map_or(0, |(count, _)| *count),
                "oldest_seconds": oldest.map_or(0.0, |since| now.since(since).as_secs_f64()),
                "eta_seconds": running.and_then(|running| running.eta_seconds.get(org)),
                "held": people.held,
                "set_aside": people.quarantined,
            });
            (org, told)
        })
        .collect();
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "at": now.to_string(),
        "running": running.is_some(),
        "ready": running.is_some_and(|running| running.missing.is_empty()),
        "missing": running.map(|running| &running.missing),
        "orgs": orgs,
        "unreadable": seen.unreadable,
        "holds": holds(c, false)?,
        "pauses": pauses(c)?,
        "audit": {
            "rows": seen.audit_rows,
            "sealed": seen.sealed_rows,
            "broken": running.map(|running| running.audit_is_broken),
            "undelivered": seen.sinks.iter().map(|(sink, (rows, _))| (sink, rows)).collect::<BTreeMap<_, _>>(),
        },
    }))
}

fn person(desk: &Desk, c: &Connection, person: &str) -> Result<Value, Refusal> {
    let mut people = Vec::new();
    for (org, target) in desk.targets(c, person)? {
        let mut rows: Vec<Value> = Vec::new();
        filter_audit(c, &Filter { targets: vec![target], newest: Some(ROWS), ..Filter::default() }, |row| {
            let row: Value = serde_json::from_str(&row.text)?;
            rows.push(json!({ "seq": row["seq"], "at": row["at"], "kind": row["kind"], "told": tell(&row) }));
            Ok(())
        })?;
        people.push(json!({ "org": org, "target": target, "name": name_of(c, target)?, "timeline": rows }));
    }
    Ok(json!({ "people": people }))
}
