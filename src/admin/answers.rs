//! What is answered: read beside the writer, and decisions as rows that the service acts upon, as from the command line.

use super::Served;
use super::auth::Token;
use super::routes::Ask;
use crate::audit::tell;
use crate::clock::Moment;
use crate::identity::Change;
use crate::store::{
    Filter, Store, StoreError, Voted, Wish, aside, filter_audit, find, held_people, holds, name_of, pause, pauses,
    request, resume, retry, vitals, vote, waiting,
};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// People who are listed at most.
const LISTED: usize = 500;
/// Audit rows of somebody that are told, the newest.
const ROWS: usize = 200;

/// Why there is no answer.
#[derive(Debug)]
pub enum Refusal {
    Bad(String),
    NotFound(String),
    Conflict(String),
    Failed(String),
}

impl From<StoreError> for Refusal {
    fn from(e: StoreError) -> Self {
        Refusal::Failed(e.to_string())
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(e: serde_json::Error) -> Self {
        Refusal::Failed(e.to_string())
    }
}

/// Answers `ask` of `who`; `parts` stand for the braces of the path, `body` was checked.
pub fn answer(
    served: &Served,
    ask: Ask,
    who: &Token,
    parts: &[String],
    body: &Value,
    now: Moment,
) -> Result<Value, Refusal> {
    let reader = || Store::reader(&served.store);
    let operator = || Store::operator(&served.store);
    match ask {
        Ask::Status => status(served, &reader()?, now),
        Ask::Backlog => Ok(json!({ "people": waiting(&reader()?, LISTED)? })),
        Ask::Person => person(served, &reader()?, &parts[0]),
        Ask::Holds => Ok(json!({ "holds": holds(&reader()?, false)? })),
        Ask::Hold => {
            let (c, id) = (reader()?, number(&parts[0])?);
            let found = holds(&c, true)?.into_iter().find(|hold| hold.id == id);
            let hold = found.ok_or_else(|| Refusal::NotFound(format!("there is no hold {id}")))?;
            Ok(json!({ "hold": hold, "people": held_people(&c, id)? }))
        }
        Ask::Approve | Ask::Reject => decide(&operator()?, ask == Ask::Approve, who, number(&parts[0])?, body, now),
        Ask::Quarantine => Ok(json!({ "people": aside(&reader()?)? })),
        Ask::Retry => try_again(served, &operator()?, who, body, now),
        Ask::Pauses => Ok(json!({ "pauses": pauses(&reader()?)? })),
        Ask::Pause => {
            let (org, change) = (org(served, body)?, body["change"].as_str());
            let change = change.map(|word| {
                let words: Vec<&str> = Change::ALL.iter().map(|change| change.word()).collect();
                let unknown = || format!("{word:?} is not a kind of change; there are {}", words.join(", "));
                Change::from_word(word).ok_or_else(|| Refusal::Bad(unknown()))
            });
            let why = body["why"].as_str().unwrap_or_default();
            let id = pause(&operator()?, org.as_deref(), change.transpose()?, why, &who.name, now)?;
            Ok(json!({ "pause": id, "by": who.name }))
        }
        Ask::Resume => match resume(&operator()?, body["id"].as_i64(), &who.name, now)? {
            0 => Err(Refusal::NotFound("nothing to resume; see /api/v1/pauses".into())),
            ended => Ok(json!({ "resumed": ended, "by": who.name })),
        },
        Ask::Reload | Ask::Poll => Err(Refusal::Failed("is answered by the service itself".into())),
        Ask::Reconcile => {
            let orgs = org(served, body)?.map_or_else(|| served.orgs.clone(), |org| vec![org]);
            let c = operator()?;
            let asked: Result<BTreeMap<String, i64>, StoreError> = orgs
                .into_iter()
                .map(|org| Ok((org.clone(), request(&c, &org, &Wish::Reread, &who.name, now)?)))
                .collect();
            Ok(json!({ "requests": asked? }))
        }
    }
}

fn number(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| Refusal::Bad(format!("{text:?} is not a number")))
}

/// The org that a body names, which must be there.
fn org(served: &Served, body: &Value) -> Result<Option<String>, Refusal> {
    match body["org"].as_str() {
        None => Ok(None),
        Some(name) if served.orgs.iter().any(|org| org == name) => Ok(Some(name.to_owned())),
        Some(name) => Err(Refusal::NotFound(format!("there is no org {name:?}; there are {}", served.orgs.join(", ")))),
    }
}

fn status(served: &Served, c: &Connection, now: Moment) -> Result<Value, Refusal> {
    let seen = vitals(c, &[], now)?;
    let orgs: BTreeMap<&String, Value> = seen
        .orgs
        .iter()
        .map(|(org, people)| {
            let waiting: i64 = people.backlog.values().map(|(count, _)| count).sum();
            let oldest = people.backlog.values().map(|(_, since)| *since).min();
            let eta = served.metrics.backlog_eta_seconds.with_label_values(&[org]).get();
            let told = json!({
                "waiting": waiting,
                "terminations_waiting": people.backlog.get("revoke").map_or(0, |(count, _)| *count),
                "oldest_seconds": oldest.map_or(0.0, |since| now.since(since).as_secs_f64()),
                "eta_seconds": eta,
                "held": people.held,
                "set_aside": people.quarantined,
            });
            (org, told)
        })
        .collect();
    let missing = served.readiness.reasons();
    Ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "at": now.to_string(),
        "ready": missing.is_empty(),
        "missing": missing,
        "orgs": orgs,
        "unreadable": seen.unreadable,
        "holds": holds(c, false)?.len(),
        "pauses": pauses(c)?,
        "audit": {
            "rows": seen.audit_rows,
            "sealed": seen.sealed_rows,
            "broken": served.metrics.audit_chain_broken.get() == 1,
            "undelivered": seen.sinks.iter().map(|(sink, (rows, _))| (sink, rows)).collect::<BTreeMap<_, _>>(),
        },
    }))
}

fn targets(served: &Served, c: &Connection, person: &str) -> Result<Vec<(String, i64)>, Refusal> {
    let mut found = Vec::new();
    for org in &served.orgs {
        found.extend(find(c, org, person)?.into_iter().map(|target| (org.clone(), target)));
    }
    if found.is_empty() {
        let how = "give a profile UUID, an email, a login or a full name";
        return Err(Refusal::NotFound(format!("nobody is called {person:?}; {how}")));
    }
    Ok(found)
}

fn person(served: &Served, c: &Connection, person: &str) -> Result<Value, Refusal> {
    let mut people = Vec::new();
    for (org, target) in targets(served, c, person)? {
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

fn decide(c: &Connection, approve: bool, who: &Token, hold: i64, body: &Value, now: Moment) -> Result<Value, Refusal> {
    let code = body["code"].as_str().unwrap_or_default();
    let only: Option<BTreeSet<i64>> =
        body["targets"].as_array().map(|targets| targets.iter().filter_map(Value::as_i64).collect());
    if let Some(only) = &only {
        let members: BTreeSet<i64> = held_people(c, hold)?.into_iter().map(|person| person.target).collect();
        if let Some(stray) = only.difference(&members).next() {
            return Err(Refusal::NotFound(format!("target {stray} is not in hold {hold}")));
        }
    }
    match vote(c, hold, approve, code, only.as_ref(), &who.name, now)? {
        Voted::NothingToDecide => Err(Refusal::NotFound(format!("there is no hold {hold} that waits for a decision"))),
        Voted::Changed { .. } => {
            Err(Refusal::Conflict(format!("hold {hold} is not what {code:?} stands for: look at it again")))
        }
        Voted::Again => {
            Err(Refusal::Conflict(format!("{} has approved hold {hold} already: somebody else must", who.name)))
        }
        voted => Ok(json!({ "hold": hold, "approved": approve, "by": who.name, "result": voted })),
    }
}

fn try_again(served: &Served, c: &Connection, who: &Token, body: &Value, now: Moment) -> Result<Value, Refusal> {
    let meant = body["person"].as_str().map(|person| targets(served, c, person)).transpose()?;
    let meant: Option<Vec<i64>> = meant.map(|found| found.into_iter().map(|(_, target)| target).collect());
    let people = retry(c, meant.as_deref(), &who.name, now)?;
    if people == 0 {
        return Err(Refusal::NotFound("nobody of that name is set aside; see /api/v1/quarantine".into()));
    }
    Ok(json!({ "retried": people, "by": who.name }))
}
