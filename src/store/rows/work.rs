//! The table `work`: one row per target, as `domain::work::machine` has it.
//!
//! **Invariant:** no other file writes this table. What becomes of a row is decided by `domain::work::machine`; a statement over many
//! rows says here which of its functions it stands for, and a test compares the two.

use crate::clock::Moment;
use crate::domain::Priority;
use crate::domain::work::machine::{NEVER, State, Work, no_later};
use crate::domain::work::run::Lease;
use crate::domain::work::waiting::Share;
use crate::store::StoreError;
use crate::store::engine::{Many, Of, Optional, Row, SqlError, Tx, Value, params, params_from_iter};
use crate::store::rows::known::numbers;
use std::collections::BTreeMap;
use std::time::Duration;

/// The columns that `read` reads, in this order.
macro_rules! columns {
    () => {
        "w.state, w.class, w.rank, w.bucket, w.due_at, w.dirty_at, w.dirty_rev, w.done_rev, w.judged, w.attempt, w.look, w.token,
         w.reason, w.changes_at, w.cause"
    };
}
/// How many those are.
const COLUMNS: usize = 15;

fn read(row: &Row) -> Result<Work, SqlError> {
    let text = |column: usize| row.get::<String>(column).map(Into::into);
    Ok(Work {
        state: State::from_number(row.get(0)?),
        priority: Priority::from_number(row.get(1)?),
        deadline: row.get(2)?,
        bucket: text(3)?,
        due_at: moment(row.get(4)?),
        dirty_at: moment(row.get(5)?),
        dirty_rev: row.get(6)?,
        done_rev: row.get(7)?,
        evaluated: row.get(8)?,
        attempt: row.get(9)?,
        read_first: row.get(10)?,
        token: row.get(11)?,
        reason: row.get(12)?,
        changes_at: row.get::<Option<i64>>(13)?.map(moment),
        cause: text(14)?,
    })
}

fn moment(millis: i64) -> Moment {
    Moment::from_millis(millis.min(NEVER.millis()))
}

pub fn load(c: &Tx, target: i64) -> Result<Option<Work>, StoreError> {
    let mut select = c.prepare_cached(concat!("SELECT ", columns!(), " FROM work w WHERE w.target = ?1"))?;
    Ok(select.query_row([target], read).optional()?)
}

const LOAD_ALL: Many = Many {
    given: &[("target", Of::Int)],
    sql: concat!("SELECT ", columns!(), ", w.target FROM given g CROSS JOIN work w WHERE w.target = g.target"),
};

/// The work on these targets, as far as they have any.
pub fn load_all(c: &Tx, targets: &[i64]) -> Result<BTreeMap<i64, Work>, StoreError> {
    let found = c.find(&LOAD_ALL, &numbers(targets), |row| Ok((row.get(COLUMNS)?, read(row)?)))?;
    Ok(found.into_iter().collect())
}

/// The newest revision of somebody; 0 of whom nothing was ever to be done.
pub fn newest(c: &Tx, target: i64) -> Result<i64, StoreError> {
    let mut find = c.prepare_cached("SELECT dirty_rev FROM work WHERE target = ?1")?;
    Ok(find.query_row([target], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Whether Okta is proved to hold the newest revision of a target.
pub fn nothing_is_left(c: &Tx, target: i64) -> Result<bool, StoreError> {
    let mut find = c.prepare_cached("SELECT dirty_rev = done_rev FROM work WHERE target = ?1")?;
    Ok(find.query_row([target], |row| row.get(0))?)
}

/// The org of a target, whether there was ever anything to do or not.
pub fn org_of(c: &Tx, target: i64) -> Result<Option<String>, StoreError> {
    let mut find = c.prepare_cached("SELECT org FROM target WHERE id = ?1")?;
    Ok(find.query_row([target], |row| row.get(0)).optional()?)
}

/// The org of a target that is there.
pub fn org(c: &Tx, target: i64) -> Result<String, StoreError> {
    Ok(c.prepare_cached("SELECT org FROM target WHERE id = ?1")?.query_row([target], |row| row.get(0))?)
}

/// The work on a target, and since when the person has left, if they have.
pub fn load_with_end(c: &Tx, target: i64) -> Result<Option<(Work, Option<Moment>)>, StoreError> {
    let mut select = c.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        ", t.ended_at FROM work w JOIN target t ON t.id = w.target WHERE w.target = ?1"
    ))?;
    Ok(select
        .query_row([target], |row| Ok((read(row)?, row.get::<Option<i64>>(COLUMNS)?.map(Moment::from_millis))))
        .optional()?)
}

/// What is known of the account of a target whose run begins.
pub struct Known {
    pub okta_id: Option<String>,
    /// Login of the last create that was sent.
    pub login: Option<String>,
    pub conflict: Option<String>,
    /// When the last call was announced that has no outcome yet.
    pub sent_at: Option<Moment>,
}

/// The work on a target, and what is known of its account.
pub fn load_with_account(c: &Tx, target: i64) -> Result<Option<(Work, Known)>, StoreError> {
    let mut select = c.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        ", t.okta_id, t.login, t.conflict, (SELECT max(i.sent_at) FROM intent i WHERE i.target = w.target) FROM work w JOIN target t ON t.id = w.target WHERE w.target = ?1"
    ))?;
    let found = select.query_row([target], |row| {
        let (okta_id, login, conflict) = (row.get(COLUMNS)?, row.get(COLUMNS + 1)?, row.get(COLUMNS + 2)?);
        let sent_at = row.get::<Option<i64>>(COLUMNS + 3)?.map(Moment::from_millis);
        Ok((read(row)?, Known { okta_id, login, conflict, sent_at }))
    });
    Ok(found.optional()?)
}

const SAVE: Many = Many {
    given: &[
        ("target", Of::Int),
        ("state", Of::Int),
        ("priority", Of::Int),
        ("deadline", Of::Int),
        ("bucket", Of::Text),
        ("due_at", Of::Int),
        ("dirty_at", Of::Int),
        ("dirty_rev", Of::Int),
        ("done_rev", Of::Int),
        ("evaluated", Of::Int),
        ("attempt", Of::Int),
        ("read_first", Of::Int),
        ("token", Of::Int),
        ("reason", Of::Text),
        ("changes_at", Of::Int),
        ("cause", Of::Text),
        ("org", Of::Text),
    ],
    sql: "INSERT INTO work (target, state, class, rank, bucket, due_at, dirty_at, dirty_rev, done_rev, judged, attempt, look,
            token, reason, changes_at, cause, org) SELECT * FROM given WHERE target IS NOT NULL
          ON CONFLICT (target) DO UPDATE SET state = excluded.state, class = excluded.class, rank = excluded.rank,
            bucket = excluded.bucket, due_at = excluded.due_at, dirty_at = excluded.dirty_at, dirty_rev = excluded.dirty_rev,
            done_rev = excluded.done_rev, judged = excluded.judged, attempt = excluded.attempt, look = excluded.look,
            token = excluded.token, reason = excluded.reason, changes_at = excluded.changes_at, cause = excluded.cause",
};

/// Writes the work on targets, each of an org, which may be new.
pub fn save_all<'a>(c: &Tx, all: impl IntoIterator<Item = (i64, &'a str, &'a Work)>) -> Result<(), StoreError> {
    let row = |(target, org, work)| {
        let mut row = [Value::Text(org); COLUMNS + 2];
        row[..=COLUMNS].copy_from_slice(&values(target, work));
        row
    };
    let rows: Vec<_> = all.into_iter().map(row).collect();
    c.put(&SAVE, &rows)?;
    Ok(())
}

/// Writes the work on a target of an org, which may be new.
pub fn save(c: &Tx, target: i64, org: &str, work: &Work) -> Result<(), StoreError> {
    save_all(c, [(target, org, work)])
}

/// Writes the work on a target that has some.
pub fn update(c: &Tx, target: i64, work: &Work) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE work SET state = ?2, class = ?3, rank = ?4, bucket = ?5, due_at = ?6, dirty_at = ?7, dirty_rev = ?8,
           done_rev = ?9, judged = ?10, attempt = ?11, look = ?12, token = ?13, reason = ?14, changes_at = ?15, cause = ?16
         WHERE target = ?1",
    )?
    .execute(params_from_iter(values(target, work)))?;
    Ok(())
}

/// The columns of a row, in the order of the statements that write it.
fn values(target: i64, work: &Work) -> [Value<'_>; COLUMNS + 1] {
    [
        Value::Int(target),
        Value::Int(work.state.number()),
        Value::Int(work.priority.number().into()),
        Value::Int(work.deadline),
        Value::Text(&work.bucket),
        Value::Int(work.due_at.millis()),
        Value::Int(work.dirty_at.millis()),
        Value::Int(work.dirty_rev),
        Value::Int(work.done_rev),
        Value::Int(work.evaluated),
        Value::Int(work.attempt),
        Value::Int(work.read_first.into()),
        work.token.map_or(Value::Null, Value::Int),
        work.reason.as_deref().map_or(Value::Null, Value::Text),
        work.changes_at.map_or(Value::Null, |at| Value::Int(at.millis())),
        Value::Text(&work.cause),
    ]
}

/// Loads the work on a target, has it decided what becomes of it, and writes that if it differs. A target without work stays
/// without.
pub fn change(c: &Tx, target: i64, decide: impl FnOnce(Work) -> Work) -> Result<(), StoreError> {
    let Some(before) = load(c, target)? else { return Ok(()) };
    let after = decide(before.clone());
    if after != before {
        update(c, target, &after)?;
    }
    Ok(())
}

/// Work that may be leased now (`Work::is_claimable`), of an org and a bucket and at least as urgent as `worst`, in the order
/// of service: rank, target, class.
pub fn ready(
    c: &Tx,
    (org, bucket): (&str, &str),
    worst: Priority,
    most: usize,
    now: Moment,
) -> Result<Vec<(i64, i64, Priority)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT rank, target, class FROM work WHERE org = ?1 AND bucket = ?2 AND dirty_rev > done_rev AND state = 0
         AND token IS NULL AND judged = dirty_rev AND class <= ?3 AND due_at <= ?4 ORDER BY rank LIMIT ?5",
    )?;
    let rows = select.query_map(params![org, bucket, worst.number(), now.millis(), limit(most)], |row| {
        Ok((row.get(0)?, row.get(1)?, Priority::from_number(row.get(2)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The same, of those whose access somebody has ended by hand, whatever bucket they wait for.
pub fn ready_ordered(c: &Tx, org: &str, most: usize, now: Moment) -> Result<Vec<(i64, i64, Priority)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT w.rank, w.target, w.class FROM end_access e JOIN work w ON w.target = e.target
         WHERE e.over_at IS NULL AND e.waits = 0 AND w.org = ?1 AND w.dirty_rev > w.done_rev AND w.state = 0
         AND w.token IS NULL AND w.judged = w.dirty_rev AND w.due_at <= ?2 ORDER BY w.rank LIMIT ?3",
    )?;
    let rows = select.query_map(params![org, now.millis(), limit(most)], |row| {
        Ok((row.get(0)?, row.get(1)?, Priority::from_number(row.get(2)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// A revision that the safeguards have not evaluated.
#[derive(Debug, PartialEq, Eq)]
pub struct Unevaluated {
    pub target: i64,
    pub rev: i64,
    pub done_rev: i64,
    pub attempt: i64,
}

/// What waits for judgement in an org (`Work::waits_for_evaluation`), in the order of service.
pub fn unevaluated(c: &Tx, org: &str, most: usize) -> Result<Vec<Unevaluated>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT target, dirty_rev, done_rev, attempt FROM work WHERE org = ?1 AND dirty_rev > done_rev AND state = 0
         AND judged < dirty_rev AND NOT (judged = 0 AND token IS NOT NULL) ORDER BY rank LIMIT ?2",
    )?;
    let rows = select.query_map(params![org, limit(most)], |row| {
        Ok(Unevaluated { target: row.get(0)?, rev: row.get(1)?, done_rev: row.get(2)?, attempt: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When time alone changes what a profile means next, in milliseconds.
pub fn next_change(c: &Tx) -> Result<Option<i64>, StoreError> {
    Ok(c.query_row("SELECT min(changes_at) FROM work", [], |row| row.get(0))?)
}

/// How many people of an org are ready or in a run, and at most so many of them at random.
pub fn sample(c: &Tx, org: &str, most: usize) -> Result<(usize, Vec<i64>), StoreError> {
    let mut count =
        c.prepare_cached("SELECT count(*) FROM work WHERE org = ?1 AND dirty_rev > done_rev AND state = 0")?;
    let total: i64 = count.query_row([org], |row| row.get(0))?;
    let mut select = c.prepare_cached(
        "SELECT target FROM work WHERE org = ?1 AND dirty_rev > done_rev AND state = 0 ORDER BY random() LIMIT ?2",
    )?;
    let targets = select.query_map(params![org, limit(most)], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok((usize::try_from(total).unwrap_or(0), targets))
}

/// How many people are dirty, by class and state.
pub fn counts(c: &Tx) -> Result<Vec<(Priority, State, i64)>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT class, state, count(*) FROM work WHERE dirty_rev > done_rev GROUP BY class, state")?;
    let rows = select
        .query_map([], |row| Ok((Priority::from_number(row.get(0)?), State::from_number(row.get(1)?), row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The leases of an org that are held.
pub fn leases(c: &Tx, org: &str) -> Result<Vec<Lease>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT target, token, dirty_rev FROM work WHERE org = ?1 AND token IS NOT NULL")?;
    let rows =
        select.query_map([org], |row| Ok(Lease { target: row.get(0)?, token: row.get(1)?, rev: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// `Work::evaluated`.
pub fn evaluated(c: &Tx, target: i64, rev: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE work SET judged = ?2 WHERE target = ?1")?.execute([target, rev])?;
    Ok(())
}

/// `Work::evaluated` for everybody of an org who is ready and has no account.
pub fn evaluated_without_account(c: &Tx, org: &str) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE work SET judged = dirty_rev WHERE org = ?1 AND dirty_rev > done_rev AND state = 0
         AND judged < dirty_rev AND (SELECT okta_id FROM target WHERE id = work.target) IS NULL",
    )?
    .execute([org])?;
    Ok(())
}

/// `Work::refused`, without reading what may not be readable; `lease`, where a run has met it, must be the present one.
pub fn refused(
    c: &Tx,
    target: i64,
    lease: Option<Lease>,
    why: &str,
    again: Moment,
    now: Moment,
) -> Result<(), StoreError> {
    let mut select = c.prepare_cached(
        "SELECT w.attempt, t.ended_at IS NOT NULL FROM work w JOIN target t ON t.id = w.target WHERE t.id = ?1",
    )?;
    let found = select.query_row([target], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((attempt, over)) = found else { return Ok(()) };
    let due_at = no_later(State::Quarantined, again, attempt, over, now);
    c.prepare_cached(
        "UPDATE work SET token = NULL, state = 1, due_at = ?2, attempt = attempt + 1, look = 1, reason = ?3
         WHERE target = ?1 AND (CAST(?4 AS BIGINT) IS NULL OR token = ?4)",
    )?
    .execute(params![target, due_at.millis(), why, lease.map(|lease| lease.token)])?;
    Ok(())
}

/// A date of somebody who cannot be read is looked at again when they are.
pub fn changes_when_due(c: &Tx, target: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE work SET changes_at = due_at WHERE target = ?1")?.execute([target])?;
    Ok(())
}

/// `Work::woken` for everybody; returns the classes of those who are ready now.
pub fn wake(c: &Tx, now: Moment) -> Result<Vec<Priority>, StoreError> {
    // One statement for each index: nobody else is looked at.
    let mut priorities = Vec::new();
    for update in [
        "UPDATE work SET state = 0 WHERE state = 1 AND due_at <= ?1 RETURNING class",
        "UPDATE work SET state = 0 WHERE state = 2 AND due_at <= ?1 RETURNING class",
    ] {
        let mut update = c.prepare_cached(update)?;
        for number in update.query_map([now.millis()], |row| row.get(0))? {
            priorities.push(Priority::from_number(number?));
        }
    }
    Ok(priorities)
}

/// `Work::set_back` for everybody.
pub fn set_back(c: &Tx, back: Duration) -> Result<(), StoreError> {
    let millis = i64::try_from(back.as_millis()).unwrap_or(i64::MAX);
    c.execute("UPDATE work SET due_at = due_at - ?1 WHERE dirty_rev > done_rev", [millis])?;
    Ok(())
}

/// `Work::recovered` for everybody; returns how many leases that has ended.
pub fn recover(c: &Tx, now: Moment) -> Result<usize, StoreError> {
    let leases = c.execute("UPDATE work SET token = NULL WHERE token IS NOT NULL", [])?;
    exchange_rules(c, now)?;
    Ok(leases)
}

/// `Work::rules_exchanged` for everybody.
pub fn exchange_rules(c: &Tx, now: Moment) -> Result<(), StoreError> {
    c.execute("UPDATE work SET state = 0, due_at = ?1 WHERE state <> 0", [now.millis()])?;
    c.execute("UPDATE work SET judged = 0 WHERE dirty_rev > done_rev", [])?;
    Ok(())
}

/// Nothing is left to do for orgs that are not among these.
pub fn keep_orgs(c: &Tx, orgs: &[&str]) -> Result<(), StoreError> {
    let orgs = serde_json::to_string(orgs)?;
    c.execute("DELETE FROM work WHERE org NOT IN json_texts(?1)", [orgs])?;
    Ok(())
}

/// `Work::parked` for everybody of an org none of whose tenants is accepted.
pub fn park(c: &Tx, org: &str, why: &str) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE work SET state = 2, due_at = ?2, reason = ?3 WHERE org = ?1 AND dirty_rev > done_rev AND state = 0
         AND judged < dirty_rev AND token IS NULL AND NOT EXISTS (SELECT 1 FROM link l
           JOIN acceptance a ON a.org = l.org AND a.tenant = l.tenant WHERE l.target = work.target)
         AND NOT EXISTS (SELECT 1 FROM end_access e WHERE e.target = work.target AND e.over_at IS NULL AND e.waits = 0)",
    )?
    .execute(params![org, NEVER.millis(), why])?;
    Ok(())
}

/// `Work::unparked` for everybody of a tenant whose reason begins like this.
pub fn unpark(c: &Tx, org: &str, tenant: &str, reason: &str, now: Moment) -> Result<(), StoreError> {
    c.execute(
        "UPDATE work SET state = 0, due_at = ?3, reason = NULL, judged = 0 WHERE org = ?1 AND state = 2
         AND reason LIKE ?4 AND target IN (SELECT target FROM link WHERE org = ?1 AND tenant = ?2)",
        params![org, tenant, now.millis(), format!("{reason}%")],
    )?;
    Ok(())
}

/// `Work::decided` for everybody who is held; returns how many they are.
pub fn decided(c: &Tx, now: Moment) -> Result<usize, StoreError> {
    c.execute("UPDATE work SET judged = 0 WHERE state <> 2 AND token IS NOT NULL AND dirty_rev > done_rev", [])?;
    Ok(c.execute("UPDATE work SET state = 0, due_at = ?1 WHERE state = 2", [now.millis()])?)
}

/// `Work::evaluated_anew` for everybody of whom a hold says that they are an administrator, or may be one; `doubtful`: only who
/// may be one. Returns how many they are.
pub fn evaluated_anew_as_administrators(c: &Tx, org: &str, doubtful: bool, now: Moment) -> Result<usize, StoreError> {
    let mut update = c.prepare_cached(
        "UPDATE work SET judged = 0, due_at = CASE WHEN state = 2 THEN ?2 ELSE due_at END,
           state = CASE WHEN state = 2 THEN 0 ELSE state END
         WHERE org = ?1 AND dirty_rev > done_rev AND target IN
           (SELECT target FROM risk WHERE org = ?1 AND administrator > ?3 AND hold IS NOT NULL)",
    )?;
    Ok(update.execute(params![org, now.millis(), doubtful])?)
}

#[cfg(test)]
#[path = "work_tests.rs"]
mod tests;

/// What made these people dirty last: how many, and within what time; of edits, by Namely's own time where that is shorter.
pub fn causes(c: &Tx, people: &std::collections::BTreeSet<i64>) -> Result<Vec<Share>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT w.cause, count(DISTINCT w.target), max(w.dirty_at) - min(w.dirty_at), max(s.edited) - min(s.edited) FROM work w
         LEFT JOIN link l ON l.target = w.target LEFT JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         WHERE w.target IN json_ints(?1) GROUP BY w.cause ORDER BY w.cause",
    )?;
    let rows = select.query_map([serde_json::to_string(people)?], |row| {
        let (cause, people): (String, i64) = (row.get(0)?, row.get(1)?);
        let (seen, edited): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
        let seconds = seen.map(|millis| millis / 1000).into_iter().chain(edited).min().unwrap_or(0);
        Ok(Share { cause, people: people.unsigned_abs(), seconds: seconds.unsigned_abs() })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
