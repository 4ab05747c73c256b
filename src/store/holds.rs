//! Holds: changes that wait for somebody's decision, and what people have said about them.
//!
//! **Invariant:** an approval lets go exactly what was shown: whose hold has changed since must be looked at again. A hold
//! never turns into an action by itself.

use super::engine::{Optional, Tx, params};
use super::votes::{LETS_IN, let_in_by_rejection, who_said};
use super::{Store, StoreError, append, change_of};
use crate::audit::details::{Held, HoldEnded, Reminded, Verdict};
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::guard::vote::Says;
use crate::domain::{ChangeKind, Employee};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A hold as it was opened or found.
pub(super) struct Hold {
    pub id: i64,
    pub why: String,
}

/// Changes of one kind that wait for a decision, or that were decided about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeldChanges {
    pub id: i64,
    pub org: String,
    pub change: String,
    /// Whom it is about.
    pub scope: String,
    pub why: String,
    /// How many people must approve.
    pub needs: i64,
    /// In milliseconds.
    pub since: i64,
    pub verdict: Option<String>,
    pub people: i64,
    /// Who has approved so far, of what is shown now.
    pub approved_by: Vec<String>,
    /// Names exactly what is shown; an approval must give it back.
    pub code: String,
    /// When it is carried out because the only approver has approved it, unless somebody cancels; in milliseconds.
    #[serde(default)]
    pub until: Option<i64>,
    /// How many people must reject it: more than one where that lets somebody in again who has left.
    #[serde(default = "one")]
    pub reject_needs: i64,
    /// Who has rejected so far what is shown now, where it takes several.
    #[serde(default)]
    pub rejected_by: Vec<String>,
}

const fn one() -> i64 {
    1
}

/// One person of a hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeldPerson {
    pub target: i64,
    pub tenant: String,
    pub profile: String,
    pub name: String,
    pub login: Option<String>,
    pub department: String,
    /// What would be done, in words.
    pub shown: String,
}

/// The open hold of this kind and scope, made if there is none.
pub(super) fn open(
    c: &Tx,
    org: &str,
    change: ChangeKind,
    scope: &str,
    why: &str,
    needs: i64,
    now: Moment,
) -> Result<Hold, StoreError> {
    let found: Option<i64> = c
        .prepare_cached("SELECT id FROM hold WHERE org = ?1 AND change = ?2 AND scope = ?3 AND verdict IS NULL")?
        .query_row([org, change.as_str(), scope], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(Hold { id, why: why.to_owned() });
    }
    let mut insert = c.prepare_cached(
        "INSERT INTO hold (org, change, scope, why, needs, since, reminded) VALUES (?1,?2,?3,?4,?5,?6,?6) RETURNING id",
    )?;
    let id = insert.insert(params![org, change.as_str(), scope, why, needs, now.millis()])?;
    tracing::warn!(
        org,
        hold = id,
        change = change.as_str(),
        scope,
        why,
        "held: somebody must decide; everything else goes on"
    );
    let held = Event::Held(Held {
        hold: id,
        change,
        why: why.to_owned(),
        scope: Some(scope.to_owned()),
        needs: Some(needs),
        shown: None,
    });
    append(c, &Record { org: Some(org.to_owned()), ..Record::general(now, held) })?;
    Ok(Hold { id, why: why.to_owned() })
}

/// Somebody's change is not asked for any more, or is another one: the hold goes on without them.
pub(super) fn withdraw(c: &Tx, org: &str, target: i64, change: ChangeKind, now: Moment) -> Result<(), StoreError> {
    let hold: Option<i64> = c
        .prepare_cached("DELETE FROM risk WHERE target = ?1 AND change = ?2 RETURNING hold")?
        .query_row(params![target, change.as_str()], |row| row.get(0))
        .optional()?
        .flatten();
    let Some(hold) = hold else { return Ok(()) };
    let ended = HoldEnded {
        verdict: Some(Verdict::Withdrawn),
        why: Some("the change is not asked for any more".into()),
        ..HoldEnded::new(hold, change)
    };
    append(c, &Record::about(target, org.to_owned(), now, Event::HoldEnded(ended)))?;
    let empty = !c.prepare_cached("SELECT 1 FROM risk WHERE hold = ?1")?.exists([hold])?;
    if empty {
        let scope: String = c.query_row("SELECT scope FROM hold WHERE id = ?1", [hold], |row| row.get(0))?;
        super::evaluation::forget_mass(c, &scope)?;
        c.execute(
            "UPDATE hold SET verdict = 'withdrawn', at = ?2 WHERE id = ?1 AND verdict IS NULL",
            params![hold, now.millis()],
        )?;
    }
    Ok(())
}

/// Nothing of somebody's is held any more: they are as they should be.
pub(super) fn withdraw_all(c: &Tx, org: &str, target: i64, now: Moment) -> Result<(), StoreError> {
    let mut select = c.prepare_cached("SELECT change FROM risk WHERE target = ?1 AND hold IS NOT NULL")?;
    let words: Vec<String> = select.query_map([target], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for change in words.iter().filter_map(|word| ChangeKind::parse(word)) {
        withdraw(c, org, target, change, now)?;
    }
    Ok(())
}

/// What is held already takes as many people as the rules want from now on, if these are more.
pub(super) fn need_at_least(c: &Tx, eyes: i64) -> Result<(), StoreError> {
    c.execute("UPDATE hold SET needs = ?1 WHERE verdict IS NULL AND needs < ?1", [eyes])?;
    Ok(())
}

/// Names exactly who is in a hold and what would be done to them, or what of them was rejected.
pub(super) fn code(c: &Tx, hold: i64) -> Result<String, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT target, change, shown FROM risk WHERE hold = ?1
         UNION ALL SELECT target, change, shown FROM rejection WHERE hold = ?1 AND ended_at IS NULL ORDER BY 1, 2, 3",
    )?;
    let rows = select.query_map([hold], |row| {
        let (target, change, shown): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(format!("{target}\u{1f}{change}\u{1f}{shown}"))
    })?;
    Ok(crate::domain::guard::decider::code(rows.collect::<Result<Vec<_>, _>>()?))
}

/// What waits for a decision, or everything that ever did too.
pub fn holds(c: &Tx, all: bool) -> Result<Vec<HeldChanges>, StoreError> {
    let mut select = c.prepare(
        "SELECT h.id, h.org, h.change, h.scope, h.why, h.needs, h.since, h.verdict,
           (SELECT count(*) FROM risk r WHERE r.hold = h.id)
             + (SELECT count(*) FROM rejection r WHERE r.hold = h.id AND r.ended_at IS NULL), h.until FROM hold h WHERE ?1 OR h.verdict IS NULL ORDER BY h.id",
    )?;
    let rows = select.query_map([all], |row| {
        Ok(HeldChanges {
            id: row.get(0)?,
            org: row.get(1)?,
            change: row.get(2)?,
            scope: row.get(3)?,
            why: row.get(4)?,
            needs: row.get(5)?,
            since: row.get(6)?,
            verdict: row.get(7)?,
            people: row.get(8)?,
            until: row.get(9)?,
            approved_by: Vec::new(),
            code: String::new(),
            reject_needs: 1,
            rejected_by: Vec::new(),
        })
    })?;
    let mut found: Vec<HeldChanges> = rows.collect::<Result<_, _>>()?;
    for hold in &mut found {
        hold.code = code(c, hold.id)?;
        hold.approved_by = who_said(c, hold.id, &hold.code, Says::Approves)?;
        if hold.verdict.is_none() && !let_in_by_rejection(c, hold.id)?.is_empty() {
            hold.reject_needs = LETS_IN;
            hold.rejected_by = who_said(c, hold.id, &hold.code, Says::Rejects)?;
        }
    }
    Ok(found)
}

/// The org that a hold is about.
pub fn org_of_hold(c: &Tx, hold: i64) -> Result<Option<String>, StoreError> {
    Ok(c.query_row("SELECT org FROM hold WHERE id = ?1", [hold], |row| row.get(0)).optional()?)
}

/// Everybody in a hold.
pub fn held_people(c: &Tx, hold: i64) -> Result<Vec<HeldPerson>, StoreError> {
    let mut select = c.prepare(
        "WITH r AS (SELECT target, department, shown FROM risk WHERE hold = ?1
           UNION ALL SELECT target, '', shown FROM rejection WHERE hold = ?1 AND ended_at IS NULL)
         SELECT r.target, l.tenant, l.profile, s.doc, a.doc ->> '$.login', r.department, r.shown FROM r
         JOIN target t ON t.id = r.target JOIN link l ON l.target = t.id
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         GROUP BY r.target ORDER BY r.department, r.target",
    )?;
    let rows = select.query_map([hold], |row| {
        let doc: String = row.get(3)?;
        let name = serde_json::from_str(&doc).map(|e: Employee| e.display()).unwrap_or_default();
        Ok(HeldPerson {
            target: row.get(0)?,
            tenant: row.get(1)?,
            profile: row.get(2)?,
            name,
            login: row.get(4)?,
            department: row.get(5)?,
            shown: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn remind(c: &Tx, after: Duration, now: Moment) -> Result<usize, StoreError> {
    let before = now.millis() - i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
    let mut select = c.prepare_cached(
        "UPDATE hold SET reminded = ?1 WHERE verdict IS NULL AND reminded <= ?2 RETURNING id, org, change, scope, since",
    )?;
    let rows: Vec<(i64, String, String, String, i64)> = select
        .query_map(params![now.millis(), before], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?
        .collect::<Result<_, _>>()?;
    for (id, org, change, scope, since) in &rows {
        let waits = (now.millis() - since) / 1000;
        tracing::warn!(org, hold = id, change, scope, waits_seconds = waits, "a hold still waits for a decision");
        let (change, scope) = (change_of(change)?, scope.clone());
        let reminded = Event::Reminded(Reminded { hold: *id, change, scope, waits_seconds: waits });
        append(c, &Record { org: Some(org.clone()), ..Record::general(now, reminded) })?;
    }
    Ok(rows.len())
}

impl Store {
    /// Reminds of holds that nobody has decided for so long.
    pub async fn remind(&self, after: Duration, now: Moment) -> Result<usize, StoreError> {
        self.run(move |c| remind(c, after, now)).await
    }
}
