//! Holds: changes that wait for somebody's decision, and what people have said about them.
//!
//! **Invariant:** an approval lets go exactly what was shown: whose hold has changed since must be looked at again. A hold
//! never turns into an action by itself.

use super::{Store, StoreError, Trouble, append};
use crate::audit::{Kind, Record};
use crate::clock::Moment;
use crate::identity::{Change, Employee};
use aws_lc_rs::digest::{Context, SHA256};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
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

/// What came of a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Voted {
    /// The service acts upon it soon.
    Decided,
    /// So many more people must approve.
    Needs { more: i64 },
    /// There is no such hold, or it was decided already.
    NothingToDecide,
    /// What is shown has changed since; its code now.
    Changed { code: String },
    /// The same person has approved already.
    Again,
}

/// The open hold of this kind and scope, made if there is none.
pub(super) fn open(
    c: &Connection,
    org: &str,
    change: Change,
    scope: &str,
    why: &str,
    needs: i64,
    now: Moment,
) -> Result<Hold, StoreError> {
    let found: Option<i64> = c
        .prepare_cached("SELECT id FROM hold WHERE org = ?1 AND change = ?2 AND scope = ?3 AND verdict IS NULL")?
        .query_row([org, change.word(), scope], |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(Hold { id, why: why.to_owned() });
    }
    c.prepare_cached(
        "INSERT INTO hold (org, change, scope, why, needs, since, reminded) VALUES (?1,?2,?3,?4,?5,?6,?6)",
    )?
    .execute(params![org, change.word(), scope, why, needs, now.millis()])?;
    let id = c.last_insert_rowid();
    tracing::warn!(
        org,
        hold = id,
        change = change.word(),
        scope,
        why,
        "held: somebody must decide; everything else goes on"
    );
    let detail = json!({ "hold": id, "change": change, "scope": scope, "why": why, "needs": needs });
    append(c, &Record { org: Some(org.to_owned()), ..Record::general(now, Kind::Held, detail) })?;
    Ok(Hold { id, why: why.to_owned() })
}

/// Somebody's change is not asked for any more, or is another one: the hold goes on without them.
pub(super) fn withdraw(c: &Connection, org: &str, target: i64, change: Change, now: Moment) -> Result<(), StoreError> {
    let hold: Option<i64> = c
        .prepare_cached("DELETE FROM risk WHERE target = ?1 AND change = ?2 RETURNING hold")?
        .query_row(params![target, change.word()], |row| row.get(0))
        .optional()?
        .flatten();
    let Some(hold) = hold else { return Ok(()) };
    let detail = json!({ "hold": hold, "change": change, "verdict": "withdrawn", "why": "the change is not asked for any more" });
    let record = Record::general(now, Kind::HoldEnded, detail);
    append(c, &Record { target: Some(target), org: Some(org.to_owned()), ..record })?;
    let empty = !c.prepare_cached("SELECT 1 FROM risk WHERE hold = ?1")?.exists([hold])?;
    if empty {
        let scope: String = c.query_row("SELECT scope FROM hold WHERE id = ?1", [hold], |row| row.get(0))?;
        super::judge::forget_mass(c, &scope)?;
        c.execute(
            "UPDATE hold SET verdict = 'withdrawn', at = ?2 WHERE id = ?1 AND verdict IS NULL",
            params![hold, now.millis()],
        )?;
    }
    Ok(())
}

/// Nothing of somebody's is held any more: they are as they should be.
pub(super) fn withdraw_all(c: &Connection, org: &str, target: i64, now: Moment) -> Result<(), StoreError> {
    let mut select = c.prepare_cached("SELECT change FROM risk WHERE target = ?1 AND hold IS NOT NULL")?;
    let words: Vec<String> = select.query_map([target], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for change in words.iter().filter_map(|word| Change::from_word(word)) {
        withdraw(c, org, target, change, now)?;
    }
    Ok(())
}

/// Names exactly who is in a hold and what would be done to them.
fn code(c: &Connection, hold: i64) -> Result<String, StoreError> {
    let mut select =
        c.prepare_cached("SELECT target, change, shown FROM risk WHERE hold = ?1 ORDER BY target, change")?;
    let mut rows = select.query([hold])?;
    let mut context = Context::new(&SHA256);
    while let Some(row) = rows.next()? {
        let (target, change, shown): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        context.update(format!("{target}\u{1f}{change}\u{1f}{shown}\u{1e}").as_bytes());
    }
    Ok(crate::identity::hex(&context.finish().as_ref()[..4]))
}

/// What waits for a decision, or everything that ever did too.
pub fn holds(c: &Connection, all: bool) -> Result<Vec<HeldChanges>, StoreError> {
    let mut select = c.prepare(
        "SELECT h.id, h.org, h.change, h.scope, h.why, h.needs, h.since, h.verdict,
           (SELECT count(*) FROM risk r WHERE r.hold = h.id) FROM hold h WHERE ?1 OR h.verdict IS NULL ORDER BY h.id",
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
            approved_by: Vec::new(),
            code: String::new(),
        })
    })?;
    let mut found: Vec<HeldChanges> = rows.collect::<Result<_, _>>()?;
    for hold in &mut found {
        hold.code = code(c, hold.id)?;
        hold.approved_by = approvers(c, hold.id, &hold.code)?;
    }
    Ok(found)
}

/// The org that a hold is about.
pub fn org_of_hold(c: &Connection, hold: i64) -> Result<Option<String>, StoreError> {
    Ok(c.query_row("SELECT org FROM hold WHERE id = ?1", [hold], |row| row.get(0)).optional()?)
}

/// Everybody in a hold.
pub fn held_people(c: &Connection, hold: i64) -> Result<Vec<HeldPerson>, StoreError> {
    let mut select = c.prepare(
        "SELECT r.target, l.tenant, l.profile, s.doc, a.doc ->> '$.login', r.department, r.shown FROM risk r
         JOIN target t ON t.id = r.target JOIN link l ON l.target = t.id
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         WHERE r.hold = ?1 GROUP BY r.target ORDER BY r.department, r.target",
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

fn approvers(c: &Connection, hold: i64, code: &str) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT DISTINCT by FROM vote WHERE hold = ?1 AND approve = 1 AND seen = ?2
           AND (state IS NULL OR state = 'counted') ORDER BY by",
    )?;
    Ok(select.query_map(params![hold, code], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Writes down what somebody says about a hold, from beside the service. `seen` is the code of what they were shown; `only`
/// are the people whom they mean, all without it.
pub fn vote(
    c: &Connection,
    hold: i64,
    approve: bool,
    seen: &str,
    only: Option<&BTreeSet<i64>>,
    by: &str,
    now: Moment,
) -> Result<Voted, StoreError> {
    let needs: Option<i64> =
        c.query_row("SELECT needs FROM hold WHERE id = ?1 AND verdict IS NULL", [hold], |row| row.get(0)).optional()?;
    let Some(needs) = needs else { return Ok(Voted::NothingToDecide) };
    let code = code(c, hold)?;
    if code != seen {
        return Ok(Voted::Changed { code });
    }
    let before = approvers(c, hold, &code)?;
    if approve && before.iter().any(|known| known == by) {
        return Ok(Voted::Again);
    }
    let only = only.map(serde_json::to_string).transpose()?;
    c.execute(
        "INSERT INTO vote (hold, approve, seen, only, by, at) VALUES (?1,?2,?3,?4,?5,?6)",
        params![hold, approve, seen, only, by, now.millis()],
    )?;
    let more = needs - i64::try_from(before.len()).unwrap_or(0) - 1;
    Ok(if approve && more > 0 { Voted::Needs { more } } else { Voted::Decided })
}

/// What was said since the service looked last.
struct Said {
    id: i64,
    hold: i64,
    org: String,
    change: String,
    needs: i64,
    approve: bool,
    seen: String,
    only: Option<String>,
    by: String,
}

impl Store {
    /// Acts upon what people have said about holds; returns how many people may go on.
    pub async fn apply_votes(&self, now: Moment) -> Result<usize, StoreError> {
        self.run(move |c| apply_votes(c, now)).await
    }

    /// Reminds of holds that nobody has decided for so long.
    pub async fn remind(&self, after: Duration, now: Moment) -> Result<usize, StoreError> {
        self.run(move |c| remind(c, after, now)).await
    }
}

fn apply_votes(c: &Connection, now: Moment) -> Result<usize, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT v.id, h.id, h.org, h.change, h.needs, v.approve, v.seen, v.only, v.by FROM vote v
         JOIN hold h ON h.id = v.hold WHERE v.state IS NULL ORDER BY v.id",
    )?;
    let said: Vec<Said> = select
        .query_map([], |row| {
            Ok(Said {
                id: row.get(0)?,
                hold: row.get(1)?,
                org: row.get(2)?,
                change: row.get(3)?,
                needs: row.get(4)?,
                approve: row.get(5)?,
                seen: row.get(6)?,
                only: row.get(7)?,
                by: row.get(8)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let mut freed = 0;
    for vote in said {
        match super::alone(c, |c| apply_vote(c, &vote, now)) {
            // One that cannot be counted holds up no other.
            Err(e) if e.trouble() == Trouble::Refused => {
                tracing::error!(hold = vote.hold, by = vote.by, error = %e, "a vote could not be counted");
                c.execute("UPDATE vote SET state = ?2 WHERE id = ?1", params![vote.id, format!("failed: {e}")])?;
            }
            counted => freed += counted?,
        }
    }
    Ok(freed)
}

fn apply_vote(c: &Connection, vote: &Said, now: Moment) -> Result<usize, StoreError> {
    let is_open = c.prepare_cached("SELECT 1 FROM hold WHERE id = ?1 AND verdict IS NULL")?.exists([vote.hold])?;
    let state = if !is_open {
        "the hold was decided already"
    } else if code(c, vote.hold)? == vote.seen {
        "counted"
    } else {
        "what was shown has changed since"
    };
    c.execute("UPDATE vote SET state = ?2 WHERE id = ?1", params![vote.id, state])?;
    let record = |target, detail| Record {
        target,
        org: Some(vote.org.clone()),
        ..Record::general(now, Kind::HoldEnded, detail)
    };
    let word = if vote.approve { "approved" } else { "rejected" };
    let mut detail =
        json!({ "hold": vote.hold, "change": vote.change, "said": word, "by": vote.by, "seen": vote.seen });
    if state != "counted" {
        detail["why_not"] = state.into();
        append(c, &record(None, detail))?;
        return Ok(0);
    }
    let mut select = c.prepare_cached(
        "SELECT DISTINCT by FROM vote WHERE hold = ?1 AND approve = 1 AND seen = ?2 AND only IS ?3 AND state = 'counted'",
    )?;
    let by: Vec<String> =
        select.query_map(params![vote.hold, vote.seen, vote.only], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if vote.approve && i64::try_from(by.len()).unwrap_or(0) < vote.needs {
        append(c, &record(None, detail))?;
        return Ok(0);
    }
    let by = if vote.approve { by } else { vec![vote.by.clone()] };
    let only: Option<BTreeSet<i64>> = vote.only.as_deref().map(serde_json::from_str).transpose()?;
    let mut members: BTreeMap<i64, String> = BTreeMap::new();
    let mut select = c.prepare_cached("SELECT target, shown FROM risk WHERE hold = ?1 ORDER BY target")?;
    for row in select.query_map([vote.hold], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (target, shown): (i64, String) = row?;
        members.insert(target, shown);
    }
    let total = members.len();
    members.retain(|target, _| only.as_ref().is_none_or(|only| only.contains(target)));
    detail["verdict"] = word.into();
    detail["people"] = members.len().into();
    detail["by"] = json!(by);
    append(c, &record(None, detail))?;
    let whole = members.len() == total;
    let rejected = (!vote.approve && !whole).then(|| split(c, vote, now)).transpose()?;
    for (target, shown) in &members {
        let detail = json!({ "hold": vote.hold, "change": vote.change, "verdict": word, "by": by, "shown": shown });
        append(c, &record(Some(*target), detail))?;
        if vote.approve {
            c.prepare_cached("UPDATE risk SET hold = NULL, approved = 1, at = ?3 WHERE target = ?1 AND change = ?2")?
                .execute(params![target, vote.change, now.millis()])?;
        } else if let Some(rejected) = rejected {
            c.prepare_cached("UPDATE risk SET hold = ?3 WHERE target = ?1 AND change = ?2")?.execute(params![
                target,
                vote.change,
                rejected
            ])?;
        }
        c.prepare_cached("UPDATE work SET state = 0, due_at = ?2 WHERE target = ?1 AND state = 2")?
            .execute(params![target, now.millis()])?;
    }
    if whole {
        let scope: String = c.query_row("SELECT scope FROM hold WHERE id = ?1", [vote.hold], |row| row.get(0))?;
        super::judge::forget_mass(c, &scope)?;
        c.execute("UPDATE hold SET verdict = ?2, at = ?3 WHERE id = ?1", params![vote.hold, word, now.millis()])?;
    }
    Ok(if vote.approve { members.len() } else { 0 })
}

/// A hold of its own, rejected, for those of a hold who were rejected alone.
fn split(c: &Connection, vote: &Said, now: Moment) -> Result<i64, StoreError> {
    c.execute(
        "INSERT INTO hold (org, change, scope, why, needs, since, reminded, verdict, at)
         SELECT org, change, scope, why, needs, since, reminded, 'rejected', ?2 FROM hold WHERE id = ?1",
        params![vote.hold, now.millis()],
    )?;
    Ok(c.last_insert_rowid())
}

fn remind(c: &Connection, after: Duration, now: Moment) -> Result<usize, StoreError> {
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
        let detail = json!({ "hold": id, "change": change, "scope": scope, "waits_seconds": waits });
        append(c, &Record { org: Some(org.clone()), ..Record::general(now, Kind::Reminded, detail) })?;
    }
    Ok(rows.len())
}
