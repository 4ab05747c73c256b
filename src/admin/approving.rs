//! Approving what a plan says of people, word by word: of a plan that somebody has saved, or of one that is kept here.

use super::decisions::{Decisions, Refusal, change};
use super::saved::SavedPlan;
use crate::clock::Moment;
use crate::domain::guard::preview::Preview;
use crate::domain::{ChangeKind, Decider};
use crate::store::{Approval, Operator, Planned, StoreError, Tx, Unfit, approve, held_people, holds, identity};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What somebody approves of a plan that is kept.
pub struct Approving<'a> {
    pub plan: &'a SavedPlan,
    pub people: &'a [&'a Preview],
    /// Nothing at all, if anything of it is refused.
    pub strict: bool,
    /// Only these kinds of change.
    pub only: Option<&'a BTreeSet<ChangeKind>>,
}

/// The kinds of change that a body names; nothing where all are meant.
pub fn kinds(body: &Value) -> Result<Option<BTreeSet<ChangeKind>>, Refusal> {
    let words = body["changes"].as_array();
    words.map(|words| words.iter().filter_map(Value::as_str).map(change).collect()).transpose()
}

impl Decisions {
    /// Approves what a saved plan says of people, as far as the same would be done now.
    pub(super) fn approve_plan(&self, c: &Operator, by: &Decider, body: &Value, now: Moment) -> Result<Value, Refusal> {
        let people: Vec<Approval> = serde_json::from_value(body["people"].clone())
            .map_err(|e| Refusal::Bad(format!("people cannot be read: {e}")))?;
        let mut targets = BTreeSet::new();
        if let Some(twice) = people.iter().find(|person| !targets.insert(person.target)) {
            let message = format!("target {} stands in the plan more than once: name each person once", twice.target);
            return Err(Refusal::Bad(message));
        }
        let text = |key: &str| body[key].as_str().unwrap_or_default();
        if body["store"].as_str().is_some_and(|named| identity(c).map_or(true, |known| known != named)) {
            return Err(Refusal::Conflict("the plan was made of another store; make it anew of this one".into()));
        }
        let expires = body["expires"].as_str().map(str::parse::<jiff::Timestamp>).transpose();
        let no_time = |_| Refusal::Bad("expires is no time that can come; write 2026-05-04T06:00:00Z".into());
        let expires = expires.map_err(no_time)?.map(Moment::from);
        let only = kinds(body)?;
        let strict = body["strict"].as_bool().unwrap_or(false);
        let (checksum, rules) = (text("plan"), text("rules"));
        self.taken(c, &Planned { checksum, rules, expires, people: &people, strict, only: only.as_ref() }, by, now)
    }

    /// The same of a plan that is kept here.
    pub(super) fn approve_kept(
        &self,
        c: &Operator,
        approving: &Approving,
        by: &Decider,
        now: Moment,
    ) -> Result<Value, Refusal> {
        let plan = approving.plan;
        let approval = |person: &&Preview| Approval {
            target: person.target,
            basis: person.basis.clone(),
            changes: person.changes.clone(),
        };
        let people: Vec<Approval> = approving.people.iter().map(approval).collect();
        let planned = Planned {
            checksum: plan.code(),
            rules: &plan.rules,
            expires: Some(plan.expires_at.into()),
            people: &people,
            strict: approving.strict,
            only: approving.only,
        };
        self.taken(c, &planned, by, now)
    }

    fn taken(&self, c: &Operator, plan: &Planned, by: &Decider, now: Moment) -> Result<Value, Refusal> {
        if plan.expires.is_some_and(|expires| expires <= now) {
            return Err(Refusal::Conflict("the plan has expired; make it anew".into()));
        }
        let taken = approve(c, self.rules()?, plan, by, now).map_err(|e| match e {
            Unfit::Unknown(_) => Refusal::NotFound(e.to_string()),
            Unfit::OtherRules | Unfit::NotRead(_) => Refusal::Conflict(e.to_string()),
            Unfit::Store(e) => e.into(),
        })?;
        Ok(json!({
            "approved": taken.approved.len(), "targets": taken.approved, "refused": taken.refused,
            "expires": taken.expires, "waits": waits(c, &taken.approved)?, "by": by.name,
        }))
    }
}

/// What one approval of these people does not decide.
fn waits(c: &Tx, approved: &[i64]) -> Result<Vec<String>, StoreError> {
    let approved: BTreeSet<i64> = approved.iter().copied().collect();
    let mut message = Vec::new();
    for hold in holds(c, false)?.into_iter().filter(|hold| hold.needs > 1) {
        let held = held_people(c, hold.id)?.into_iter().filter(|held| approved.contains(&held.target));
        message.extend(held.map(|held| {
            let (change, needs, id) = (&hold.change, hold.needs, hold.id);
            format!(
                "{}: {change} needs {needs} people; each applies this plan, or decides with `holds approve {id}`",
                held.name
            )
        }));
    }
    Ok(message)
}
