//! What people are shown of several tables at once: read, never written.

use crate::clock::Moment;
use crate::domain::Priority;
use crate::domain::work::machine::State;
use crate::store::StoreError;
use crate::store::engine::{Row, SqlError, Tx, params};

/// Somebody with one of their profiles, and what is said of the work on them.
pub struct Remarked {
    pub state: State,
    pub org: String,
    pub tenant: String,
    pub profile: String,
    /// The document of the profile.
    pub doc: String,
    pub reason: String,
}

/// Who waits for a person, and what is remarkable about whom who is done; without those whose account nobody can tell.
pub fn remarked(c: &Tx) -> Result<Vec<Remarked>, StoreError> {
    let mut select = c.prepare(
        "SELECT w.state, t.org, l.tenant, l.profile, s.doc, w.reason FROM work w JOIN target t ON t.id = w.target
         JOIN link l ON l.target = w.target JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         WHERE w.reason IS NOT NULL AND t.conflict IS NULL AND (w.state > 0 OR w.dirty_rev = w.done_rev)
         ORDER BY w.state DESC, t.org, w.target",
    )?;
    let rows = select.query_map([], |row| {
        Ok(Remarked {
            state: State::from_number(row.get(0)?),
            org: row.get(1)?,
            tenant: row.get(2)?,
            profile: row.get(3)?,
            doc: row.get(4)?,
            reason: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Profiles that cannot be read: tenant, profile, and why.
pub fn unreadable(c: &Tx) -> Result<Vec<(String, String, String)>, StoreError> {
    let mut select = c.prepare("SELECT tenant, profile, why FROM unreadable ORDER BY tenant, profile")?;
    Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?)
}

/// How many those are, by tenant.
pub fn count_unreadable(c: &Tx) -> Result<Vec<(String, i64)>, StoreError> {
    let mut select = c.prepare_cached("SELECT tenant, count(*) FROM unreadable GROUP BY tenant")?;
    Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// Somebody who is quarantined.
pub struct Quarantined {
    pub target: i64,
    pub org: String,
    pub profile: String,
    /// The document of the profile.
    pub doc: String,
    pub why: String,
    pub since: i64,
    pub attempts: i64,
}

/// Everybody who is quarantined, each once, with one of their profiles.
pub fn quarantined(c: &Tx) -> Result<Vec<Quarantined>, StoreError> {
    let mut select = c.prepare(
        "SELECT w.target, w.org, l.profile, s.doc, coalesce(w.reason, ''), w.dirty_at, w.attempt FROM work w
         JOIN link l ON l.target = w.target AND (l.tenant, l.profile) =
           (SELECT o.tenant, o.profile FROM link o WHERE o.target = w.target ORDER BY o.tenant, o.profile LIMIT 1)
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile WHERE w.state = 1 ORDER BY w.org, w.target",
    )?;
    let rows = select.query_map([], |row| {
        Ok(Quarantined {
            target: row.get(0)?,
            org: row.get(1)?,
            profile: row.get(2)?,
            doc: row.get(3)?,
            why: row.get(4)?,
            since: row.get(5)?,
            attempts: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Somebody who waits to be worked on.
pub struct Waiting {
    pub target: i64,
    pub org: String,
    pub priority: Priority,
    pub since: i64,
    pub in_flight: bool,
}

/// The first of those who wait to be worked on, in the order of service.
pub fn waiting(c: &Tx, most: usize) -> Result<Vec<Waiting>, StoreError> {
    let mut select = c.prepare(
        "SELECT target, org, class, dirty_at, token IS NOT NULL FROM work WHERE dirty_rev > done_rev AND state = 0
         ORDER BY rank LIMIT ?1",
    )?;
    let rows = select.query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| {
        Ok(Waiting {
            target: row.get(0)?,
            org: row.get(1)?,
            priority: Priority::from_number(row.get(2)?),
            since: row.get(3)?,
            in_flight: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Every org of which a person is known.
pub fn orgs(c: &Tx) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare_cached("SELECT DISTINCT org FROM target")?;
    Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Every tenant of which a profile is linked.
pub fn tenants(c: &Tx) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare_cached("SELECT DISTINCT tenant FROM link")?;
    Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// How many people of an org have an account that was live when it was last seen.
pub fn live_in_org(c: &Tx, org: &str) -> Result<i64, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT count(*) FROM target t JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         WHERE t.org = ?1 AND a.status <> 'DEPROVISIONED' AND EXISTS (SELECT 1 FROM link l WHERE l.target = t.id)",
    )?;
    Ok(select.query_row([org], |row| row.get(0))?)
}

/// How many profiles of a tenant are of somebody with an account that was live when it was last seen.
pub fn live_of_tenant(c: &Tx, tenant: &str) -> Result<i64, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT count(DISTINCT l.profile) FROM link l JOIN target t ON t.id = l.target
         JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id WHERE l.tenant = ?1 AND a.status <> 'DEPROVISIONED'",
    )?;
    Ok(select.query_row([tenant], |row| row.get(0))?)
}

/// People of an org with an account that was live when it was last seen, and a profile that does not say that they simply work here,
/// or whose access somebody has ended; with since when access of theirs is over, in any org.
pub fn may_have_left(c: &Tx, org: &str) -> Result<Vec<(i64, Option<Moment>)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT t.id, coalesce(t.ended_at, (SELECT min(o.ended_at) FROM link x
             JOIN link y ON y.tenant = x.tenant AND y.profile = x.profile JOIN target o ON o.id = y.target WHERE x.target = t.id))
         FROM target t JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         WHERE t.org = ?1 AND a.status <> 'DEPROVISIONED' AND (
           EXISTS (SELECT 1 FROM link l JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile WHERE l.target = t.id
             AND (json_text(s.doc, 'user_status') <> 'active' OR json_text(s.doc, 'departure_date') IS NOT NULL))
           OR EXISTS (SELECT 1 FROM end_access e WHERE e.target = t.id AND e.over_at IS NULL AND e.waits = 0)) ORDER BY t.id",
    )?;
    let rows = select.query_map([org], |row| Ok((row.get(0)?, row.get::<Option<i64>>(1)?.map(Moment::from_millis))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many people of an org are dirty, of one priority and state, and since when the first of them.
pub struct Dirty {
    pub org: String,
    pub priority: Priority,
    pub state: State,
    pub people: i64,
    pub oldest: Moment,
}

/// Who is dirty, by org, priority and state.
pub fn dirty(c: &Tx) -> Result<Vec<Dirty>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT org, class, state, count(*), min(dirty_at) FROM work WHERE dirty_rev > done_rev GROUP BY org, class, state",
    )?;
    let rows = select.query_map([], |row| {
        Ok(Dirty {
            org: row.get(0)?,
            priority: Priority::from_number(row.get(1)?),
            state: State::from_number(row.get(2)?),
            people: row.get(3)?,
            oldest: Moment::from_millis(row.get(4)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Open holds by org and kind of change: how many, and since when the first.
pub fn open_holds(c: &Tx) -> Result<Vec<(String, String, i64, Moment)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT org, change, count(*), min(since) FROM hold WHERE verdict IS NULL GROUP BY org, change",
    )?;
    let rows =
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, Moment::from_millis(row.get(3)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What is paused: org and kind of change, `all` for every one.
pub fn paused(c: &Tx) -> Result<Vec<(String, String)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT DISTINCT coalesce(org, 'all'), coalesce(change, 'all') FROM pause WHERE ended_at IS NULL",
    )?;
    Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// Somebody who may have left and still have access.
pub struct Leaver {
    pub target: i64,
    pub conflict: Option<String>,
    pub state: State,
    pub reason: Option<String>,
    pub is_dirty: bool,
    pub since: Moment,
}

fn leaver(row: &Row) -> Result<Leaver, SqlError> {
    Ok(Leaver {
        target: row.get(0)?,
        conflict: row.get(1)?,
        state: State::from_number(row.get(2)?),
        reason: row.get(3)?,
        is_dirty: row.get(4)?,
        since: Moment::from_millis(row.get(5)?),
    })
}

/// Whose record ends access, or a date does: who is not done, and whose account is there whatever was said of them, or who is one
/// of `doubled`; all of it since `before`, but for those of `decided`.
///
/// They are found by indexes that hold nobody else: it is asked every few seconds, and most who have left are closed for good.
pub fn leavers(
    c: &Tx,
    doubled: &[i64],
    decided: &[i64],
    (before, now): (Moment, Moment),
) -> Result<Vec<Leaver>, StoreError> {
    let mut select = c.prepare_cached(
        "WITH one(id) AS (
           SELECT target FROM work WHERE dirty_rev > done_rev INTERSECT SELECT id FROM target WHERE ended_at IS NOT NULL
           UNION SELECT t.id FROM target t JOIN account a by_index(account_awake) ON a.org = t.org AND a.okta_id = t.okta_id
             WHERE t.ended_at IS NOT NULL AND a.status NOT IN ('DEPROVISIONED', 'SUSPENDED')
           UNION SELECT id FROM target WHERE ended_at IS NOT NULL AND id IN json_ints(?3)
           UNION SELECT target FROM work WHERE changes_at <= ?1)
         SELECT t.id, t.conflict, w.state, w.reason, w.dirty_rev > w.done_rev,
           CASE WHEN w.dirty_rev > w.done_rev AND w.dirty_at > coalesce(t.ended_at, w.changes_at) THEN w.dirty_at
             ELSE coalesce(t.ended_at, w.changes_at) END
         FROM one CROSS JOIN target t CROSS JOIN work w
         LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         WHERE t.id = one.id AND w.target = t.id AND (t.id IN json_ints(?4)
           OR (coalesce(t.ended_at, w.changes_at) <= ?2 AND NOT (w.dirty_rev > w.done_rev AND w.dirty_at > ?2)))
         AND (w.dirty_rev > w.done_rev OR a.status NOT IN ('DEPROVISIONED', 'SUSPENDED')
           OR t.id IN json_ints(?3))
         ORDER BY t.id",
    )?;
    let (doubled, decided) = (serde_json::to_string(doubled)?, serde_json::to_string(decided)?);
    let rows = select.query_map(params![now.millis(), before.millis(), doubled, decided], leaver)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The hold on the end of somebody's access that waits for a decision.
pub fn hold_on_end(c: &Tx, target: i64) -> Result<Option<i64>, StoreError> {
    let mut find = c.prepare_cached(
        "SELECT min(h.id) FROM risk r JOIN hold h ON h.id = r.hold
         WHERE r.target = ?1 AND r.change IN ('deactivate', 'suspend') AND h.verdict IS NULL",
    )?;
    Ok(find.query_row([target], |row| row.get(0))?)
}

/// Those who have left whose profile is the anchor of several accounts: target, org, and profile.
pub fn leavers_with_doubles(c: &Tx) -> Result<Vec<(i64, String, String)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT t.id, t.org, l.profile FROM target t JOIN link l ON l.target = t.id WHERE t.ended_at IS NOT NULL
         AND (SELECT count(*) FROM account a WHERE a.org = t.org AND a.anchor = l.profile) > 1",
    )?;
    Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?)
}

/// An account of an org that is nobody's.
pub struct Unlinked {
    pub okta_id: String,
    pub login: String,
    pub name: String,
    pub anchor: Option<String>,
    /// Namely shows the profile of the anchor, also if not all of it can be read.
    pub is_shown: bool,
}

/// The accounts of an org that are nobody's and not deactivated.
pub fn unlinked(c: &Tx, org: &str) -> Result<Vec<Unlinked>, StoreError> {
    let mut select = c.prepare(
        "SELECT a.okta_id, json_text(a.doc, 'login'), trim(coalesce(json_text(a.doc, 'profile.firstName'), '') || ' ' ||
           coalesce(json_text(a.doc, 'profile.lastName'), '')), a.anchor,
           EXISTS (SELECT 1 FROM source s WHERE s.profile = a.anchor)
             OR EXISTS (SELECT 1 FROM unreadable u WHERE u.profile = a.anchor)
         FROM account a LEFT JOIN target t ON t.org = a.org AND t.okta_id = a.okta_id
         WHERE a.org = ?1 AND t.id IS NULL AND a.status <> 'DEPROVISIONED' ORDER BY a.okta_id",
    )?;
    let rows = select.query_map([org], |row| {
        Ok(Unlinked {
            okta_id: row.get(0)?,
            login: row.get(1)?,
            name: row.get(2)?,
            anchor: row.get(3)?,
            is_shown: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The people of an org who became dirty at `since` or later, whenever that is, in order; without `all` only who is dirty.
pub fn to_preview(c: &Tx, org: &str, all: bool, since: Option<Moment>) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare(
        "SELECT target FROM work WHERE org = ?1 AND (?2 = 1 OR dirty_rev > done_rev) AND dirty_at >= ?3 ORDER BY target",
    )?;
    Ok(select
        .query_map(params![org, all, since.map_or(i64::MIN, Moment::millis)], |row| row.get(0))?
        .collect::<Result<_, _>>()?)
}
