//! The table `hold`: changes of one kind that wait for somebody's decision.

use super::change::change_of;
use crate::clock::Moment;
use crate::domain::ChangeKind;
use crate::store::StoreError;
use crate::store::engine::{Optional, Row, SqlError, Tx, params};

/// Stands between the rule of a hold and what has made its people change.
const AFTER: char = '\n';

/// The rule of a hold, and what has made its people change, of what is stored as its reason.
pub fn parts(why: &str) -> (&str, Option<&str>) {
    why.split_once(AFTER).map_or((why, None), |(rule, cause)| (rule, Some(cause)))
}

/// The rule of a hold, of what is stored as its reason.
pub fn rule(why: String) -> String {
    parts(&why).0.to_owned()
}

/// The people of a hold have changed because of this, as far as is known.
pub fn explain(c: &Tx, hold: i64, rule: &str, cause: &str) -> Result<(), StoreError> {
    let why = format!("{rule}{AFTER}{cause}");
    c.prepare_cached("UPDATE hold SET why = ?2 WHERE id = ?1 AND verdict IS NULL")?.execute(params![hold, why])?;
    Ok(())
}

/// How many holds of this kind and scope began in the days before one that begins at that time.
pub fn earlier(c: &Tx, (org, change, scope): (&str, &str, &str), at: Moment, days: i64) -> Result<i64, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT count(*) FROM hold WHERE org = ?1 AND change = ?2 AND scope = ?3 AND since < ?4 AND since > ?5",
    )?;
    let since = at.millis() - days * 86_400_000;
    Ok(select.query_row(params![org, change, scope, at.millis(), since], |row| row.get(0))?)
}

/// A hold that nobody has decided.
pub struct Open {
    pub id: i64,
    pub org: String,
    pub change: ChangeKind,
    pub needs: i64,
    pub scope: String,
    /// When what the only approver has said is carried out, unless somebody cancels.
    pub until: Option<Moment>,
}

/// The hold with this number, unless it was decided.
pub fn open(c: &Tx, id: i64) -> Result<Option<Open>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT org, change, needs, scope, until FROM hold WHERE id = ?1 AND verdict IS NULL")?;
    let found = select.query_row([id], |row| {
        let word: String = row.get(1)?;
        let (org, needs, scope) = (row.get(0)?, row.get(2)?, row.get(3)?);
        let until = row.get::<Option<i64>>(4)?.map(Moment::from_millis);
        Ok((word, org, needs, scope, until))
    });
    let Some((word, org, needs, scope, until)) = found.optional()? else { return Ok(None) };
    Ok(Some(Open { id, org, change: change_of(&word)?, needs, scope, until }))
}

/// The number of the open hold of this kind and scope.
pub fn find(c: &Tx, org: &str, change: ChangeKind, scope: &str) -> Result<Option<i64>, StoreError> {
    let mut find = c.prepare_cached(
        "SELECT id FROM hold WHERE org = ?1 AND change = ?2 AND scope = ?3 AND verdict IS NULL ORDER BY id LIMIT 1",
    )?;
    Ok(find.query_row([org, change.as_str(), scope], |row| row.get(0)).optional()?)
}

/// When the oldest hold began that nobody has decided.
pub fn oldest(c: &Tx) -> Result<Option<Moment>, StoreError> {
    let mut select = c.prepare_cached("SELECT min(since) FROM hold WHERE verdict IS NULL")?;
    Ok(select.query_row([], |row| row.get::<Option<i64>>(0))?.map(Moment::from_millis))
}

/// Opens one; returns its number.
pub fn insert(
    c: &Tx,
    org: &str,
    change: ChangeKind,
    (scope, why): (&str, &str),
    needs: i64,
    now: Moment,
) -> Result<i64, StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO hold (org, change, scope, why, needs, since, reminded) VALUES (?1,?2,?3,?4,?5,?6,?6) RETURNING id",
    )?;
    Ok(insert.insert(params![org, change.as_str(), scope, why, needs, now.millis()])?)
}

/// A hold of its own, rejected, for those of a hold who were rejected alone; returns its number.
pub fn split_off_rejected(c: &Tx, hold: i64, now: Moment) -> Result<i64, StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO hold (org, change, scope, why, needs, since, reminded, verdict, at)
         SELECT org, change, scope, why, needs, since, reminded, 'rejected', ?2 FROM hold WHERE id = ?1 RETURNING id",
    )?;
    Ok(insert.insert(params![hold, now.millis()])?)
}

/// It is decided, unless it was before.
pub fn close(c: &Tx, hold: i64, verdict: &str, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE hold SET verdict = ?2, at = ?3, until = NULL WHERE id = ?1 AND verdict IS NULL")?
        .execute(params![hold, verdict, now.millis()])?;
    Ok(())
}

/// When what the only approver has said is carried out.
pub fn wait(c: &Tx, hold: i64, until: Option<Moment>) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE hold SET until = ?2 WHERE id = ?1")?.execute(params![hold, until.map(Moment::millis)])?;
    Ok(())
}

/// Open holds about which the only approver has said something that is not carried out yet.
pub fn waiting(c: &Tx) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT id FROM hold WHERE verdict IS NULL AND until IS NOT NULL ORDER BY id")?;
    Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Open holds take at least so many people.
pub fn need_at_least(c: &Tx, eyes: i64) -> Result<(), StoreError> {
    c.execute("UPDATE hold SET needs = ?1 WHERE verdict IS NULL AND needs < ?1", [eyes])?;
    Ok(())
}

/// The org and the kind of change of a hold, decided or not.
pub fn about(c: &Tx, hold: i64) -> Result<Option<(String, String)>, StoreError> {
    let mut select = c.prepare_cached("SELECT org, change FROM hold WHERE id = ?1")?;
    Ok(select.query_row([hold], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Whom a hold is about, in words.
pub fn scope(c: &Tx, hold: i64) -> Result<String, StoreError> {
    Ok(c.prepare_cached("SELECT scope FROM hold WHERE id = ?1")?.query_row([hold], |row| row.get(0))?)
}

/// A hold that somebody is reminded of.
pub struct Overdue {
    pub id: i64,
    pub org: String,
    pub change: String,
    pub scope: String,
    pub since: Moment,
}

/// Takes down that people are reminded now of the holds of which they were not since then; returns these.
pub fn remind(c: &Tx, since: Moment, now: Moment) -> Result<Vec<Overdue>, StoreError> {
    let mut update = c.prepare_cached(
        "UPDATE hold SET reminded = ?1 WHERE verdict IS NULL AND reminded <= ?2 RETURNING id, org, change, scope, since",
    )?;
    let rows = update.query_map([now.millis(), since.millis()], |row| {
        let since = Moment::from_millis(row.get(4)?);
        Ok(Overdue { id: row.get(0)?, org: row.get(1)?, change: row.get(2)?, scope: row.get(3)?, since })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A hold as people see it.
pub struct Listed {
    pub id: i64,
    pub org: String,
    pub change: String,
    pub scope: String,
    pub why: String,
    pub needs: i64,
    pub since: i64,
    pub verdict: Option<String>,
    /// Who waits in it, and whose rejection in it still holds.
    pub people: i64,
    pub until: Option<i64>,
}

fn listed(row: &Row) -> Result<Listed, SqlError> {
    Ok(Listed {
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
    })
}

/// The open holds, or all that ever were.
pub fn list(c: &Tx, all: bool) -> Result<Vec<Listed>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT h.id, h.org, h.change, h.scope, h.why, h.needs, h.since, h.verdict,
           (SELECT count(*) FROM risk r WHERE r.hold = h.id)
             + (SELECT count(*) FROM rejection r WHERE r.hold = h.id AND r.ended_at IS NULL), h.until
         FROM hold h WHERE ?1 = 1 OR h.verdict IS NULL ORDER BY h.id",
    )?;
    Ok(select.query_map([all], listed)?.collect::<Result<_, _>>()?)
}

/// What waits in a hold, and what of it was rejected and still is: target, kind of change, and words.
pub fn shown(c: &Tx, hold: i64) -> Result<Vec<(i64, String, String)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT target, change, shown FROM risk WHERE hold = ?1
         UNION ALL SELECT target, change, shown FROM rejection WHERE hold = ?1 AND ended_at IS NULL ORDER BY 1, 2, 3",
    )?;
    let rows = select.query_map([hold], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Somebody of a hold, with one of their profiles.
pub struct Member {
    pub target: i64,
    pub tenant: String,
    pub profile: String,
    /// The document of that profile.
    pub doc: String,
    pub login: Option<String>,
    pub department: String,
    pub shown: String,
}

/// Who waits in a hold, and whose rejection in it still holds: each once, with their first profile.
pub fn people(c: &Tx, hold: i64) -> Result<Vec<Member>, StoreError> {
    let mut select = c.prepare_cached(
        "WITH r AS (SELECT m.target, max(m.department) AS department, min(m.shown) AS shown FROM
           (SELECT target, department, shown FROM risk WHERE hold = ?1
            UNION ALL SELECT target, '', shown FROM rejection WHERE hold = ?1 AND ended_at IS NULL) m GROUP BY m.target)
         SELECT r.target, l.tenant, l.profile, s.doc, json_text(a.doc, 'login'), r.department, r.shown FROM r
         JOIN target t ON t.id = r.target JOIN link l ON l.target = t.id AND (l.tenant, l.profile) =
           (SELECT o.tenant, o.profile FROM link o WHERE o.target = t.id ORDER BY o.tenant, o.profile LIMIT 1)
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         ORDER BY r.department, r.target",
    )?;
    let rows = select.query_map([hold], |row| {
        Ok(Member {
            target: row.get(0)?,
            tenant: row.get(1)?,
            profile: row.get(2)?,
            doc: row.get(3)?,
            login: row.get(4)?,
            department: row.get(5)?,
            shown: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
