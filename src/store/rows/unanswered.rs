//! The table `unanswered`: calls of which nobody knows what became, and when whoever they were for is looked at next.

use crate::clock::Moment;
use crate::domain::Step;
use crate::store::StoreError;
use crate::store::engine::{Row, SqlError, Tx, params};
use std::time::Duration;

/// Looks that are begun in one transaction.
const MOST: i64 = 500;

/// A call that was never answered, or may land once more although it was.
pub struct Unanswered {
    pub id: i64,
    pub target: i64,
    pub step: Step,
    pub sent_at: Moment,
    /// The next look.
    pub due_at: Moment,
}

impl Unanswered {
    /// What is said of it. What was answered is watched too where access has ended so soon after it that it may land once more.
    pub fn message(&self, is_answered: bool) -> String {
        let (step, sent, due) = (self.step.name(), self.sent_at, self.due_at);
        match is_answered {
            true => format!(
                "looked at again at {due}, because access has ended soon after {step} of {sent}, which Okta has carried out: it may \
                 land once more"
            ),
            false => format!("looked at again at {due}, because the answer to {step} of {sent} was never received"),
        }
    }
}

/// A call for a target was not answered, the first time or once more.
pub fn insert(c: &Tx, target: i64, step: &Step, sent_at: Moment, due_at: Moment) -> Result<(), StoreError> {
    let (text, sent_at, due_at) = (serde_json::to_string(step)?, sent_at.millis(), due_at.millis());
    let mut again =
        c.prepare_cached("UPDATE unanswered SET sent_at = ?3, due_at = ?4 WHERE target = ?1 AND step = ?2")?;
    if again.execute(params![target, text, sent_at, due_at])? == 0 {
        c.prepare_cached("INSERT INTO unanswered (target, step, sent_at, due_at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![target, text, sent_at, due_at])?;
    }
    Ok(())
}

type Columns = (i64, i64, String, i64, i64);

fn columns(row: &Row) -> Result<Columns, SqlError> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn unanswered((id, target, step, sent_at, due_at): Columns) -> Result<Unanswered, StoreError> {
    let (sent_at, due_at) = (Moment::from_millis(sent_at), Moment::from_millis(due_at));
    Ok(Unanswered { id, target, step: serde_json::from_str(&step)?, sent_at, due_at })
}

/// Those whose next look is due, the oldest first, but for people in a run.
pub fn due(c: &Tx, now: Moment) -> Result<Vec<Unanswered>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT u.id, u.target, u.step, u.sent_at, u.due_at FROM unanswered u LEFT JOIN work w ON w.target = u.target
         WHERE u.due_at <= ?1 AND w.token IS NULL ORDER BY u.due_at, u.id LIMIT ?2",
    )?;
    let rows: Vec<Columns> = select.query_map(params![now.millis(), MOST], columns)?.collect::<Result<_, _>>()?;
    rows.into_iter().map(unanswered).collect()
}

/// Those of a target, in order.
pub fn of(c: &Tx, target: i64) -> Result<Vec<Unanswered>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT id, target, step, sent_at, due_at FROM unanswered WHERE target = ?1 ORDER BY id")?;
    let rows: Vec<Columns> = select.query_map([target], columns)?.collect::<Result<_, _>>()?;
    rows.into_iter().map(unanswered).collect()
}

/// The next look at anybody, in milliseconds.
pub fn next(c: &Tx) -> Result<Option<i64>, StoreError> {
    Ok(c.query_row("SELECT min(due_at) FROM unanswered", [], |row| row.get(0))?)
}

/// Whoever it was for is looked at again then.
pub fn set_due(c: &Tx, id: i64, due_at: Moment) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE unanswered SET due_at = ?2 WHERE id = ?1")?.execute(params![id, due_at.millis()])?;
    Ok(())
}

/// It can land no more.
pub fn remove(c: &Tx, id: i64) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM unanswered WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// What was sent for one target was sent for another, which is the same person.
pub fn hand_over(c: &Tx, from: i64, into: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE unanswered SET target = ?2 WHERE target = ?1")?.execute([from, into])?;
    Ok(())
}

/// The calendar was set back.
pub fn set_back(c: &Tx, back: Duration) -> Result<(), StoreError> {
    let millis = i64::try_from(back.as_millis()).unwrap_or(i64::MAX);
    c.execute("UPDATE unanswered SET due_at = due_at - ?1, sent_at = sent_at - ?1", [millis])?;
    Ok(())
}
