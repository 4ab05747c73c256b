//! Undos over the API and from the command line: what is taken back is named, what is restored is derived.

use super::decisions::{Decisions, Refusal, targets as listed};
use crate::clock::Moment;
use crate::domain::Decider;
use crate::domain::guard::preview::{About, Preview, preview};
use crate::domain::guard::rejection::Rejected;
use crate::store::{OperatorRequest, Scope, Tx, Undo, all_there, directory, pinned, request, undo, whole_with};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

impl Decisions {
    /// What is named by a query or a body.
    fn scope(&self, c: &Tx, asked: &Value) -> Result<Scope, Refusal> {
        let orgs = match asked["org"].as_str() {
            Some(name) => vec![self.org(name)?.to_owned()],
            None => self.orgs.clone(),
        };
        let time = |key: &str| -> Result<Option<i64>, Refusal> {
            let Some(text) = asked[key].as_str() else { return Ok(None) };
            let found: jiff::Timestamp = text
                .parse()
                .map_err(|_| Refusal::Bad(format!("{key}: {text:?} is no time; write 2026-05-04T06:00:00Z")))?;
            Ok(Some(Moment::from(found).millis()))
        };
        let rows = match &asked["rows"] {
            Value::String(text) => {
                let number = |text: &str| text.trim().parse::<i64>().map_err(|_| text.to_owned());
                let rows: Result<Vec<i64>, String> = text.split(',').map(number).collect();
                rows.map_err(|text| Refusal::Bad(format!("rows: {text:?} is no number; write 4711,4712")))?
            }
            Value::Number(row) => row.as_i64().into_iter().collect(),
            listed => listed.as_array().into_iter().flatten().filter_map(Value::as_i64).collect(),
        };
        let targets = match asked["person"].as_str() {
            Some(person) => {
                let found = self.targets_in(c, person, asked["org"].as_str())?;
                found.into_iter().map(|(_, target)| target).collect()
            }
            None => Vec::new(),
        };
        let scope = Scope { orgs, rows, run: asked["run"].as_i64(), targets, since: time("from")?, until: time("to")? };
        if scope.rows.is_empty() && scope.run.is_none() && scope.targets.is_empty() && scope.since.is_none() {
            return Err(Refusal::Bad("say what to take back: rows, a run, a person, or from when on".into()));
        }
        if scope.since.zip(scope.until).is_some_and(|(since, until)| since >= until) {
            return Err(Refusal::Bad("from must lie before to".into()));
        }
        scope.is_there(c)?;
        Ok(scope)
    }

    /// What an undo would restore, what it would take to restore it, and the code that names exactly this.
    pub(super) fn what_an_undo_restores(&self, c: &Tx, asked: &Value, now: Moment) -> Result<Value, Refusal> {
        let found = undo(c, self.rules()?, &self.scope(c, asked)?)?;
        if found.people.is_empty() && found.lost.is_empty() {
            return Err(nothing());
        }
        let previews = self.previews(c, &found, now)?;
        Ok(json!({
            "code": found.code, "restores": found.people, "people": previews, "cannot_come_back": found.lost,
        }))
    }

    /// What the planner would do with what is restored.
    fn previews(&self, c: &Tx, found: &Undo, now: Moment) -> Result<Vec<Preview>, Refusal> {
        let mut previews = Vec::new();
        for (org, people) in &found.pins {
            let Some(known) = directory(c, org)? else {
                let message = format!("the groups of {org} were not read yet: start the service first");
                return Err(Refusal::Conflict(message));
            };
            let mut known = Cow::Owned(known);
            for (target, pins) in people {
                let Some(case) = whole_with(c, self.rules()?, *target, pins, now)? else { continue };
                let found = {
                    let about = About { target: *target, case: &case, conflict: None, rejected: &Rejected::default() };
                    preview(about, self.rules()?, &mut known, now)
                };
                previews.extend(Some(found).filter(|found| !found.is_empty()));
            }
        }
        Ok(previews)
    }

    /// Asks the service to take something back, if that is still what was shown.
    pub(super) fn take_back(&self, c: &Tx, by: &Decider, body: &Value, now: Moment) -> Result<Value, Refusal> {
        let scope = self.scope(c, body)?;
        let shown = body["code"].as_str().unwrap_or_default();
        let found = undo(c, self.rules()?, &scope)?;
        if found.people.is_empty() {
            return Err(nothing());
        }
        if found.code != shown {
            return Err(Refusal::Conflict(found.changed(c, shown)?));
        }
        let (org, next) = (found.people[0].org.clone(), self.undo_waits_for(c, &found, now)?);
        let asked = OperatorRequest::Undo { scope, code: found.code, why: why(body) };
        let id = request(c, &org, &asked, by, now)?;
        Ok(
            json!({ "request": id, "people": found.people.len(), "by": by.name, "principal": by.principal(), "next": next }),
        )
    }

    /// Asks the service to let go of what an undo has restored.
    pub(super) fn release(&self, c: &Tx, by: &Decider, body: &Value, now: Moment) -> Result<Value, Refusal> {
        let of_whom = || Refusal::Bad("say of whom: a person, or an org and targets of it; not both".into());
        let named = listed(body);
        if body["person"].is_string() != named.is_empty() {
            return Err(of_whom());
        }
        let mut targets: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        if let Some(person) = body["person"].as_str() {
            let only = body["org"].as_str().map(|org| self.org(org)).transpose()?;
            for (org, target) in self.targets_in(c, person, only)? {
                targets.entry(org).or_default().push(target);
            }
        } else {
            let org = self.org(body["org"].as_str().ok_or_else(of_whom)?)?;
            targets.insert(org.to_owned(), named);
        }
        for (org, targets) in &mut targets {
            all_there(c, org, targets)?;
            *targets = pinned(c, targets)?;
        }
        if targets.values().all(Vec::is_empty) {
            let message = "nothing is pinned of them: no undo has restored anything that still lasts";
            return Err(Refusal::NotFound(message.into()));
        }
        let mut requests = BTreeMap::new();
        for (org, targets) in targets.into_iter().filter(|(_, targets)| !targets.is_empty()) {
            let id = request(c, &org, &OperatorRequest::Release { targets }, by, now)?;
            requests.insert(org, id);
        }
        Ok(json!({ "requests": requests, "by": by.name }))
    }
}

fn nothing() -> Refusal {
    Refusal::NotFound("nothing to take back: what was done is not there any more, or was nothing".into())
}

/// What is taken back, for the audit.
fn why(body: &Value) -> String {
    let text = |key: &str| body[key].as_str().map(|text| format!("{key} {text}"));
    let run = body["run"].as_i64().map(|run| format!("run {run}"));
    let rows = body["rows"].as_array().filter(|rows| !rows.is_empty()).map(|rows| match rows.as_slice() {
        [row] => format!("row {row}"),
        rows => format!("{} rows from {} on", rows.len(), rows[0]),
    });
    let parts = [run, text("person"), rows, text("from"), text("to"), text("org")];
    format!("undo of {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}
