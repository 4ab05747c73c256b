//! What a page of profiles changes: documents, the dirty set and the audit, in one transaction.
//!
//! **Invariant:** no lost change. A profile's new document and its dirty mark are committed together, before the next
//! page counts as read.

use super::{Store, StoreError, accounts, append};
use crate::audit::{Kind, Record};
use crate::clock::Moment;
use crate::identity::correlation::{Candidates, Correlation, correlate};
use crate::identity::employee::{ContentHash, field_changes};
use crate::identity::lifecycle::standing;
use crate::identity::{Account, Class, Employee, Entitlement, Standing};
use crate::namely::wire::ProfileProblem;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

/// A page that was fetched and examined.
pub struct PageCommit {
    pub tenant: String,
    /// The zone this tenant's dates are meant in.
    pub zone: TimeZone,
    /// When the request left, and when its answer was complete (both monotonic): an answer that was under way while a
    /// newer document arrived may be older than that one, and is not believed.
    pub sent: Moment,
    pub received: Moment,
    /// The run of the service; monotonic times of another run mean nothing.
    pub run: i64,
    pub now: Moment,
    pub changed: Vec<(Employee, ContentHash)>,
    pub problems: Vec<ProfileProblem>,
    pub mended: Vec<String>,
}

/// What became of a page.
#[derive(Debug, Default, PartialEq)]
pub struct PageOutcome {
    /// Documents that the store now holds.
    pub accepted: Vec<(String, ContentHash)>,
    /// Classes of the people who became dirty.
    pub dirtied: Vec<Class>,
}

/// What waits, for gauges and for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backlog {
    /// People who are dirty and ready or in a lane, by class.
    pub ready: [i64; 6],
    pub set_aside: i64,
    pub unreadable: i64,
    /// When the oldest ready person became dirty, in milliseconds.
    pub oldest_dirty_at: Option<i64>,
}

impl Backlog {
    /// Everybody who is ready or in a lane.
    pub fn total(&self) -> i64 {
        self.ready.iter().sum()
    }
}

impl Store {
    /// Commits a page.
    pub async fn commit_page(&self, page: PageCommit) -> Result<PageOutcome, StoreError> {
        self.run(move |c| commit_page(c, &page)).await
    }

    /// Marks everybody dirty for whom time alone has changed what the profile means; returns their classes.
    pub async fn wake_due(&self, now: Moment, zones: Vec<(String, TimeZone)>) -> Result<Vec<Class>, StoreError> {
        self.run(move |c| wake_due(c, now, &zones)).await
    }

    /// The next moment at which time alone changes what somebody's profile means.
    pub async fn next_change(&self) -> Result<Option<Moment>, StoreError> {
        self.run(|c| {
            let at: Option<i64> = c.query_row("SELECT min(changes_at) FROM work", [], |row| row.get(0))?;
            Ok(at.map(Moment::from_millis))
        })
        .await
    }

    /// A walk over `tenant` ended; a complete one is remembered for ever.
    pub async fn walk_ended(&self, tenant: String, complete: bool, record: Record) -> Result<(), StoreError> {
        self.run(move |c| {
            let known = super::meta(c, &walked_key(&tenant))?.is_some();
            // One row when it matters: the first complete walk, and every incomplete one.
            if !complete || !known {
                append(c, &record)?;
            }
            if complete && !known {
                super::set_meta(c, &walked_key(&tenant), &record.at.to_string())?;
            }
            Ok(())
        })
        .await
    }

    /// Whether every one of `tenants` was ever walked completely. Before that nobody is created.
    pub async fn all_walked(&self, tenants: Vec<String>) -> Result<bool, StoreError> {
        self.run(move |c| {
            for tenant in &tenants {
                if super::meta(c, &walked_key(tenant))?.is_none() {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// How many wait, and `most` of them at random.
    pub async fn sample_backlog(&self, most: usize) -> Result<(usize, Vec<Waiting>), StoreError> {
        self.run(move |c| sample_backlog(c, most)).await
    }

    /// What waits.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.run(backlog).await
    }
}

/// Somebody of the backlog, as far as a plan needs them.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub tenant: String,
    pub employee: Employee,
    pub account: Option<Account>,
}

fn sample_backlog(c: &Connection, most: usize) -> Result<(usize, Vec<Waiting>), StoreError> {
    let total: i64 = c
        .prepare_cached("SELECT count(*) FROM work WHERE dirty_rev > done_rev AND state = 0")?
        .query_row([], |row| row.get(0))?;
    let mut select = c.prepare_cached(
        "SELECT s.tenant, s.doc, t.okta_id FROM (SELECT target FROM work WHERE dirty_rev > done_rev AND state = 0
           ORDER BY random() LIMIT ?1) w JOIN source s ON s.target = w.target JOIN target t ON t.id = w.target",
    )?;
    type Row = (String, String, Option<String>);
    let rows: Vec<Row> = select
        .query_map([i64::try_from(most).unwrap_or(i64::MAX)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut sample = Vec::with_capacity(rows.len());
    for (tenant, doc, okta_id) in rows {
        let account = okta_id.map(|id| accounts::by_id(c, &id)).transpose()?.flatten();
        sample.push(Waiting { tenant, employee: serde_json::from_str(&doc)?, account });
    }
    Ok((usize::try_from(total).unwrap_or(0), sample))
}

fn walked_key(tenant: &str) -> String {
    format!("walked {tenant}")
}

/// Content hashes of all profiles of `tenant` that the store holds.
pub fn known_hashes(c: &Connection, tenant: &str) -> Result<Vec<(String, ContentHash)>, StoreError> {
    let mut select = c.prepare("SELECT profile, hash FROM source WHERE tenant = ?1")?;
    let rows = select.query_map([tenant], |row| Ok((row.get(0)?, ContentHash(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What waits.
pub fn backlog(c: &Connection) -> Result<Backlog, StoreError> {
    let mut backlog = Backlog::default();
    let mut select = c.prepare_cached(
        "SELECT class, state, count(*), min(dirty_at) FROM work WHERE dirty_rev > done_rev GROUP BY class, state",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (class, state, count, oldest): (i64, i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        if state == 0 {
            backlog.ready[usize::from(Class::from_number(class).number())] += count;
            backlog.oldest_dirty_at = Some(backlog.oldest_dirty_at.map_or(oldest, |known| known.min(oldest)));
        } else {
            backlog.set_aside += count;
        }
    }
    backlog.unreadable = c.prepare_cached("SELECT count(*) FROM unreadable")?.query_row([], |row| row.get(0))?;
    Ok(backlog)
}

fn commit_page(c: &Connection, page: &PageCommit) -> Result<PageOutcome, StoreError> {
    let mut outcome = PageOutcome::default();
    for profile in &page.mended {
        c.prepare_cached("DELETE FROM unreadable WHERE tenant = ?1 AND profile = ?2")?
            .execute([&page.tenant, profile])?;
    }
    for problem in &page.problems {
        note_problem(c, page, problem)?;
    }
    for (employee, hash) in &page.changed {
        commit_profile(c, page, employee, *hash, &mut outcome)?;
    }
    Ok(outcome)
}

fn note_problem(c: &Connection, page: &PageCommit, problem: &ProfileProblem) -> Result<(), StoreError> {
    let profile = problem.profile.clone().unwrap_or_else(|| "(no id)".into());
    c.prepare_cached(
        "INSERT INTO unreadable VALUES (?1, ?2, ?3, ?4) ON CONFLICT (tenant, profile) DO UPDATE SET why = excluded.why",
    )?
    .execute(params![page.tenant, profile, problem.why, page.now.millis()])?;
    append(
        c,
        &Record {
            tenant: Some(page.tenant.clone()),
            profile: Some(profile),
            ..Record::general(page.now, Kind::Unreadable, json!({ "why": problem.why }))
        },
    )?;
    Ok(())
}

/// What the store holds of one profile.
struct Held {
    target: i64,
    employee: Employee,
    hash: ContentHash,
    seen_at: i64,
    run: i64,
}

fn held(c: &Connection, tenant: &str, profile: &str) -> Result<Option<Held>, StoreError> {
    let found = c
        .prepare_cached("SELECT target, doc, hash, seen_at, run FROM source WHERE tenant = ?1 AND profile = ?2")?
        .query_row([tenant, profile], |row| {
            let columns: (i64, String, [u8; 16], i64, i64) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(columns)
        })
        .optional()?;
    found
        .map(|(target, doc, hash, seen_at, run)| {
            Ok(Held { target, employee: serde_json::from_str(&doc)?, hash: ContentHash(hash), seen_at, run })
        })
        .transpose()
}

fn commit_profile(
    c: &Connection,
    page: &PageCommit,
    employee: &Employee,
    hash: ContentHash,
    outcome: &mut PageOutcome,
) -> Result<(), StoreError> {
    let held = held(c, &page.tenant, &employee.id)?;
    if let Some(held) = &held {
        if held.hash == hash {
            outcome.accepted.push((employee.id.clone(), hash));
            return Ok(());
        }
        if held.run == page.run && page.sent.millis() < held.seen_at {
            return Ok(()); // may be older than what we hold; the next pass shows it again
        }
    }
    let target = match &held {
        Some(held) => held.target,
        None => {
            c.prepare_cached("INSERT INTO target DEFAULT VALUES")?.execute([])?;
            c.last_insert_rowid()
        }
    };
    c.prepare_cached(
        "INSERT INTO source (tenant, profile, target, doc, hash, seen_at, run) VALUES (?1,?2,?3,?4,?5,?6,?7)
         ON CONFLICT (tenant, profile) DO UPDATE SET doc = excluded.doc, hash = excluded.hash,
           seen_at = excluded.seen_at, run = excluded.run",
    )?
    .execute(params![
        page.tenant,
        employee.id,
        target,
        serde_json::to_string(employee)?,
        hash.0,
        page.received.millis(),
        page.run
    ])?;
    let before = held.as_ref().map(|h| &h.employee);
    let (account, conflict) = account_of(c, target, employee)?;
    let standing = standing(employee, &page.zone, page.now);
    let class = Class::of_revision(&standing.entitlement, account.as_ref(), before, employee);
    let rev = mark_dirty(c, target, class, first_bucket(&standing.entitlement, account.as_ref()), page.now)?;
    after_marking(c, target, &standing, conflict.as_deref())?;
    append(
        c,
        &Record {
            at: page.now,
            kind: Kind::Observed,
            target: Some(target),
            tenant: Some(page.tenant.clone()),
            profile: Some(employee.id.clone()),
            rev: Some(rev),
            detail: json!({
                "changes": field_changes(before, employee),
                "standing": standing.entitlement,
                "class": class,
                "remark": standing.remark,
                "conflict": conflict,
            }),
        },
    )?;
    outcome.accepted.push((employee.id.clone(), hash));
    outcome.dirtied.push(class);
    Ok(())
}

/// The account of a target. While there is none, correlation looks for one, each time the profile changes.
fn account_of(
    c: &Connection,
    target: i64,
    employee: &Employee,
) -> Result<(Option<Account>, Option<String>), StoreError> {
    let okta_id: Option<String> =
        c.prepare_cached("SELECT okta_id FROM target WHERE id = ?1")?.query_row([target], |row| row.get(0))?;
    if let Some(okta_id) = okta_id {
        return Ok((accounts::by_id(c, &okta_id)?, None));
    }
    let by_login = if employee.email.is_empty() { None } else { accounts::by_login(c, &employee.email)? };
    let candidates = Candidates { by_anchor: accounts::by_anchor(c, &employee.id)?, by_login };
    let (okta_id, conflict) = match correlate(employee, &candidates) {
        Correlation::Nobody => (None, None),
        Correlation::Conflict(why) => (None, Some(why)),
        Correlation::Account(id) => match owner(c, &id)? {
            None => (Some(id), None),
            Some(profile) => {
                let why = format!(
                    "the Okta account {id} already belongs to Namely profile {profile}; merge the two in Namely, or give one another email"
                );
                (None, Some(why))
            }
        },
    };
    c.prepare_cached("UPDATE target SET okta_id = ?2, conflict = ?3 WHERE id = ?1")?
        .execute(params![target, okta_id, conflict])?;
    let account = okta_id.map(|id| accounts::by_id(c, &id)).transpose()?.flatten();
    Ok((account, conflict))
}

/// The profile whose target has this account.
fn owner(c: &Connection, okta_id: &str) -> Result<Option<String>, StoreError> {
    Ok(c.prepare_cached(
        "SELECT coalesce((SELECT profile FROM source WHERE source.target = target.id), '?') FROM target WHERE okta_id = ?1",
    )?
    .query_row([okta_id], |row| row.get(0))
    .optional()?)
}

/// The counter that the first call will spend, where that is plain before there is a plan.
fn first_bucket(entitlement: &Entitlement, account: Option<&Account>) -> &'static str {
    match (entitlement, account) {
        (Entitlement::Ended(_), Some(_)) | (Entitlement::Entitled, None) => "users",
        _ => super::lanes::ANY_BUCKET,
    }
}

/// Raises the revision of `target`; returns the new one.
pub(super) fn mark_dirty(
    c: &Connection,
    target: i64,
    class: Class,
    bucket: &str,
    now: Moment,
) -> Result<i64, StoreError> {
    let found: Option<(i64, i64, i64, i64)> = c
        .prepare_cached("SELECT class, dirty_at, dirty_rev, done_rev FROM work WHERE target = ?1")?
        .query_row([target], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let (class, dirty_at, rev) = match found {
        Some((old, dirty_at, dirty, done)) if dirty > done => (class.min(Class::from_number(old)), dirty_at, dirty + 1),
        Some((.., dirty, _)) => (class, now.millis(), dirty + 1),
        None => (class, now.millis(), 1),
    };
    c.prepare_cached(
        "INSERT INTO work (target, class, rank, bucket, due_at, dirty_at, dirty_rev) VALUES (?1,?2,?3,?4,?5,?6,?7)
         ON CONFLICT (target) DO UPDATE SET class = excluded.class, rank = excluded.rank, bucket = excluded.bucket,
           due_at = excluded.due_at, dirty_at = excluded.dirty_at, dirty_rev = excluded.dirty_rev,
           state = 0, attempt = 0, reason = NULL",
    )?
    .execute(params![target, class.number(), class.rank(dirty_at), bucket, now.millis(), dirty_at, rev])?;
    Ok(rev)
}

fn after_marking(c: &Connection, target: i64, standing: &Standing, conflict: Option<&str>) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE work SET changes_at = ?2, state = ?3, reason = ?4 WHERE target = ?1")?
        .execute(params![target, standing.changes_at.map(Moment::millis), i64::from(conflict.is_some()), conflict])?;
    Ok(())
}

fn wake_due(c: &Connection, now: Moment, zones: &[(String, TimeZone)]) -> Result<Vec<Class>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT w.target, s.tenant, s.doc, t.okta_id FROM work w JOIN source s ON s.target = w.target
         JOIN target t ON t.id = w.target WHERE w.changes_at <= ?1",
    )?;
    type Due = (i64, String, String, Option<String>);
    let due: Vec<Due> = select
        .query_map([now.millis()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_, _>>()?;
    // Set aside for something that does not show when it changes: tried again now and then.
    let mut classes: Vec<Class> = c
        .prepare_cached("UPDATE work SET state = 0 WHERE state = 1 AND due_at <= ?1 RETURNING class")?
        .query_map([now.millis()], |row| Ok(Class::from_number(row.get(0)?)))?
        .collect::<Result<_, _>>()?;
    for (target, tenant, doc, okta_id) in due {
        let employee: Employee = serde_json::from_str(&doc)?;
        let zone = zones.iter().find(|(name, _)| *name == tenant).map_or(TimeZone::UTC, |(_, zone)| zone.clone());
        let standing = standing(&employee, &zone, now);
        let account = okta_id.map(|id| accounts::by_id(c, &id)).transpose()?.flatten();
        let class = Class::of_revision(&standing.entitlement, account.as_ref(), Some(&employee), &employee);
        let rev = mark_dirty(c, target, class, first_bucket(&standing.entitlement, account.as_ref()), now)?;
        after_marking(c, target, &standing, None)?;
        append(
            c,
            &Record {
                at: now,
                kind: Kind::Observed,
                target: Some(target),
                tenant: Some(tenant),
                profile: Some(employee.id.clone()),
                rev: Some(rev),
                detail: json!({ "changes": [], "because": "a date passed", "standing": standing.entitlement, "class": class }),
            },
        )?;
        classes.push(class);
    }
    Ok(classes)
}
