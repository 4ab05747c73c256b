//! Approvals of saved plans: for exactly these words about exactly this person.

use super::{Store, StoreError, append};
use crate::audit::{Kind, Record};
use crate::clock::Moment;
use crate::identity::Change;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What somebody approves of one person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Approval {
    pub target: i64,
    pub changes: BTreeMap<Change, Vec<String>>,
}

/// Writes approvals down, from beside the service. `plan` names the saved plan.
pub fn approve(
    c: &mut Connection,
    approvals: &[Approval],
    plan: &str,
    by: &str,
    now: Moment,
    expires: Moment,
) -> Result<(), StoreError> {
    let transaction = c.transaction()?;
    for approval in approvals {
        for (change, words) in &approval.changes {
            transaction
                .prepare_cached(
                    "INSERT INTO approval (target, change, words, plan, by, at, expires) VALUES (?1,?2,?3,?4,?5,?6,?7)
                     ON CONFLICT (target, change) DO UPDATE SET words = excluded.words, plan = excluded.plan,
                       by = excluded.by, at = excluded.at, expires = excluded.expires, told = 0",
                )?
                .execute(params![
                    approval.target,
                    change.word(),
                    serde_json::to_string(words)?,
                    plan,
                    by,
                    now.millis(),
                    expires.millis()
                ])?;
        }
    }
    Ok(transaction.commit()?)
}

/// What is approved of somebody.
pub(super) fn approved(c: &Connection, target: i64) -> Result<BTreeMap<Change, BTreeSet<String>>, StoreError> {
    let mut select = c.prepare_cached("SELECT change, words FROM approval WHERE target = ?1")?;
    let mut rows = select.query([target])?;
    let mut approved = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (word, words): (String, String) = (row.get(0)?, row.get(1)?);
        if let Some(change) = Change::from_word(&word) {
            approved.insert(change, serde_json::from_str(&words)?);
        }
    }
    Ok(approved)
}

impl Store {
    /// Writes new approvals into the audit and lets those go on who waited for one; forgets what has expired. Returns how
    /// many people may go on.
    pub async fn apply_approvals(&self, now: Moment) -> Result<usize, StoreError> {
        self.run(move |c| apply(c, now)).await
    }
}

fn apply(c: &Connection, now: Moment) -> Result<usize, StoreError> {
    c.prepare_cached("DELETE FROM approval WHERE expires <= ?1")?.execute([now.millis()])?;
    let mut select = c.prepare_cached(
        "SELECT a.target, t.org, a.change, a.words, a.plan, a.by FROM approval a JOIN target t ON t.id = a.target
         WHERE a.told = 0 ORDER BY a.target, a.change",
    )?;
    type Row = (i64, String, String, String, String, String);
    let rows: Vec<Row> = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))?
        .collect::<Result<_, _>>()?;
    let mut people = BTreeSet::new();
    for (target, org, change, words, plan, by) in rows {
        let words: Vec<String> = serde_json::from_str(&words)?;
        let detail = json!({ "change": change, "shown": words, "plan": plan, "by": by });
        let record = Record { target: Some(target), org: Some(org), ..Record::general(now, Kind::Approved, detail) };
        append(c, &record)?;
        c.prepare_cached("UPDATE approval SET told = 1 WHERE target = ?1 AND change = ?2")?
            .execute(params![target, change])?;
        people.insert(target);
    }
    for target in &people {
        c.prepare_cached("UPDATE work SET state = 0, due_at = ?2 WHERE target = ?1 AND state = 2")?
            .execute(params![target, now.millis()])?;
    }
    Ok(people.len())
}
