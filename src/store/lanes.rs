//! Claims, intents and outcomes: what one lane writes.
//!
//! **Invariant:** at most one lane holds a target, by its token; what comes under an older token changes nothing. No
//! call leaves without its intent on disk, and no intent goes without its outcome in the audit.

use super::{Store, StoreError, accounts, append};
use crate::audit::{Call, Effect, Kind, Record};
use crate::clock::Moment;
use crate::identity::{Account, Class, Employee, Step};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};

/// The bucket of work whose first call is not known yet.
pub const ANY_BUCKET: &str = "any";

const READY: i64 = 0;
const SET_ASIDE: i64 = 1;
const NEVER: Moment = Moment::from_micros(i64::MAX);

/// How many lanes there is room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// For work of any class, over all counters.
    pub lanes: usize,
    /// For `Class::Revoke`, over all counters, whatever room they have.
    pub urgent: usize,
    /// For work whose first call spends this counter, as far as that is known.
    pub rooms: Vec<(&'static str, usize)>,
}

/// The right to work on one revision of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub target: i64,
    /// Fencing token: a later claim has a higher one.
    pub token: i64,
    pub rev: i64,
}

/// One target under one token, with everything a plan is made from.
#[derive(Clone, Debug)]
pub struct Claim {
    pub lease: Lease,
    pub class: Class,
    pub attempt: i64,
    /// What became of an earlier call is unknown: read Okta first.
    pub look: bool,
    pub dirty_at: Moment,
    pub tenant: String,
    pub employee: Employee,
    pub okta_id: Option<String>,
    /// Login of the last create that was sent.
    pub login: Option<String>,
    pub account: Option<Account>,
    /// Why correlation could not decide, if it could not.
    pub conflict: Option<String>,
}

/// The answer to `begin_step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The intent is on disk under this id; the call may leave.
    Intent(i64),
    /// The person changed meanwhile, or the lane lost its claim: plan anew.
    Stale,
}

/// How a lane lets go of its target.
#[derive(Clone, Debug, PartialEq)]
pub enum Release {
    /// Okta holds the planned revision.
    Done { remark: Option<String> },
    /// Try again at this time; counts as an attempt.
    Retry { at: Moment, why: String },
    /// Try again at this time; nothing was attempted.
    Wait { at: Moment, why: String },
    /// Read Okta first, then plan anew.
    Look { at: Moment, why: String },
    /// Plan anew at once.
    Stale,
    /// The counter of the next call is spent for now; that call is of this class.
    Yield { bucket: &'static str, class: Class },
    /// Somebody must change something first: on one side, or, where a change would not show, tried `again` then.
    SetAside { why: String, again: Option<Moment> },
}

/// What follows an outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The lane goes on with its plan.
    Continue,
    Release(Release),
}

/// The outcome of a call, and what is known because of it.
#[derive(Clone, Debug)]
pub struct EndStep {
    pub lease: Lease,
    pub intent: i64,
    pub effect: Effect,
    /// What Okta holds now, if the call told; `Some(None)` says there is no account.
    pub account: Option<Option<Account>>,
    pub next: Next,
}

impl Store {
    /// Takes claims on up to as many targets as there is room for, in the order of service.
    pub async fn claim(&self, now: Moment, want: Want) -> Result<Vec<Claim>, StoreError> {
        self.run(move |c| claim(c, now, &want)).await
    }

    /// Announces a call. `planned` is the whole plan if this is its first call: it is audited with it.
    pub async fn begin_step(
        &self,
        lease: Lease,
        call: Call,
        planned: Option<Value>,
        now: Moment,
    ) -> Result<Begun, StoreError> {
        self.run(move |c| begin_step(c, lease, &call, planned, now)).await
    }

    /// Writes the outcome of a call, what it taught, and what follows, in one transaction.
    pub async fn end_step(&self, end: EndStep, now: Moment) -> Result<(), StoreError> {
        self.run(move |c| {
            c.prepare_cached("DELETE FROM intent WHERE id = ?1")?.execute([end.intent])?;
            append(c, &about(end.lease, now, Kind::Effect, end.effect.detail()))?;
            if !holds(c, end.lease)? {
                return Ok(());
            }
            match &end.account {
                Some(Some(account)) => {
                    accounts::put(c, account, now)?;
                    own(c, end.lease.target, &account.id)?;
                }
                Some(None) => forget(c, end.lease.target)?,
                None => {}
            }
            match &end.next {
                Next::Continue => Ok(()),
                Next::Release(how) => release(c, end.lease, how, now),
            }
        })
        .await
    }

    /// Lets go of a target.
    pub async fn release(&self, lease: Lease, how: Release, now: Moment) -> Result<(), StoreError> {
        self.run(move |c| release(c, lease, &how, now)).await
    }
}

fn about(lease: Lease, now: Moment, kind: Kind, detail: Value) -> Record {
    Record { target: Some(lease.target), rev: Some(lease.rev), ..Record::general(now, kind, detail) }
}

/// Whether the lease is the present one, whatever revision came meanwhile.
fn holds(c: &Connection, lease: Lease) -> Result<bool, StoreError> {
    let mut find = c.prepare_cached("SELECT 1 FROM work WHERE target = ?1 AND token = ?2")?;
    Ok(find.exists([lease.target, lease.token])?)
}

/// Whether the revision is still the newest.
fn is_newest(c: &Connection, lease: Lease) -> Result<bool, StoreError> {
    let mut find = c.prepare_cached("SELECT 1 FROM work WHERE target = ?1 AND dirty_rev = ?2")?;
    Ok(find.exists([lease.target, lease.rev])?)
}

fn begin_step(
    c: &Connection,
    lease: Lease,
    call: &Call,
    planned: Option<Value>,
    now: Moment,
) -> Result<Begun, StoreError> {
    if !holds(c, lease)? || !is_newest(c, lease)? {
        return Ok(Begun::Stale);
    }
    if let Some(steps) = planned {
        append(c, &about(lease, now, Kind::Planned, json!({ "steps": steps })))?;
    }
    if let Step::CreateUser { profile, .. } = &call.step {
        let login = profile.get("login").and_then(Value::as_str).unwrap_or_default();
        c.prepare_cached("UPDATE target SET login = ?2 WHERE id = ?1")?.execute(params![lease.target, login])?;
    }
    c.prepare_cached(
        "INSERT INTO intent (target, token, rev, step, method, path, body_hash, attempt, sent_at)
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)",
    )?
    .execute(params![
        lease.target,
        lease.token,
        lease.rev,
        serde_json::to_string(&call.step)?,
        call.method,
        call.path,
        call.body_hash,
        call.attempt,
        now.millis()
    ])?;
    Ok(Begun::Intent(c.last_insert_rowid()))
}

/// The target has this account from now on.
fn own(c: &Connection, target: i64, okta_id: &str) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE target SET okta_id = ?2 WHERE id = ?1 AND okta_id IS NOT ?2")?
        .execute(params![target, okta_id])?;
    Ok(())
}

fn forget(c: &Connection, target: i64) -> Result<(), StoreError> {
    let okta_id: Option<String> =
        c.prepare_cached("SELECT okta_id FROM target WHERE id = ?1")?.query_row([target], |row| row.get(0))?;
    if let Some(okta_id) = okta_id {
        c.prepare_cached("UPDATE target SET okta_id = NULL WHERE id = ?1")?.execute([target])?;
        accounts::remove(c, &okta_id)?;
    }
    Ok(())
}

fn claim(c: &Connection, now: Moment, want: &Want) -> Result<Vec<Claim>, StoreError> {
    let mut ready: Vec<(i64, i64, bool)> = Vec::new();
    for (bucket, room) in &want.rooms {
        let room = (*room).min(want.lanes);
        let limit = i64::try_from(room.max(want.urgent)).unwrap_or(i64::MAX);
        let worst = if room == 0 { i64::from(Class::Revoke.number()) } else { i64::MAX };
        let mut select = c.prepare_cached(
            "SELECT rank, target, class FROM work WHERE bucket = ?1 AND dirty_rev > done_rev AND state = 0
             AND token IS NULL AND class <= ?2 AND due_at <= ?3 ORDER BY rank LIMIT ?4",
        )?;
        let urgent = i64::from(Class::Revoke.number());
        let rows = select.query_map(params![bucket, worst, now.millis(), limit], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)? == urgent))
        })?;
        // Ordered by rank, terminations stand first: `room` counts the others.
        let (mut others, mut found) = (0, Vec::new());
        for row in rows {
            let row: (i64, i64, bool) = row?;
            others += usize::from(!row.2);
            if others <= room {
                found.push(row);
            }
        }
        ready.extend(found);
    }
    ready.sort_unstable();
    let (mut lanes, mut urgent) = (want.lanes, want.urgent.max(want.lanes));
    let mut claims = Vec::new();
    for (_, target, is_urgent) in ready {
        let slots = if is_urgent { &mut urgent } else { &mut lanes };
        if *slots > 0 {
            *slots -= 1;
            claims.extend(take(c, target)?);
        }
    }
    Ok(claims)
}

fn take(c: &Connection, target: i64) -> Result<Option<Claim>, StoreError> {
    let token: i64 = super::meta(c, "fence")?.and_then(|t| t.parse().ok()).unwrap_or(0) + 1;
    super::set_meta(c, "fence", &token.to_string())?;
    c.prepare_cached("UPDATE work SET token = ?2 WHERE target = ?1")?.execute([target, token])?;
    type Row = (i64, i64, i64, i64, i64, String, String, Option<String>, Option<String>, Option<String>);
    let row: Option<Row> = c
        .prepare_cached(
            "SELECT w.dirty_rev, w.class, w.attempt, w.look, w.dirty_at, s.tenant, s.doc, t.okta_id, t.login, t.conflict
             FROM work w JOIN target t ON t.id = w.target JOIN source s ON s.target = w.target WHERE w.target = ?1",
        )?
        .query_row([target], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
                row.get(7)?,
                row.get(8)?,
                row.get(9)?,
            ))
        })
        .optional()?;
    let Some((rev, class, attempt, look, dirty_at, tenant, doc, okta_id, login, conflict)) = row else {
        return Ok(None);
    };
    let account = okta_id.as_deref().map(|id| accounts::by_id(c, id)).transpose()?.flatten();
    Ok(Some(Claim {
        lease: Lease { target, token, rev },
        class: Class::from_number(class),
        attempt,
        look: look != 0,
        dirty_at: Moment::from_millis(dirty_at),
        tenant,
        employee: serde_json::from_str(&doc)?,
        okta_id,
        login,
        account,
        conflict,
    }))
}

fn release(c: &Connection, lease: Lease, how: &Release, now: Moment) -> Result<(), StoreError> {
    if !holds(c, lease)? {
        return Ok(());
    }
    let target = lease.target;
    let set = |state: i64, due_at: Moment, bucket: &str, attempts: i64, look: Option<bool>, reason: Option<&str>| {
        c.prepare_cached(
            "UPDATE work SET token = NULL, state = ?2, due_at = ?3, bucket = ?4, attempt = attempt + ?5,
               look = coalesce(?6, look), reason = ?7 WHERE target = ?1",
        )?
        .execute(params![target, state, due_at.millis(), bucket, attempts, look, reason])?;
        Ok::<_, StoreError>(())
    };
    match how {
        Release::Done { remark } => done(c, lease, remark.as_deref(), now),
        Release::Retry { at, why } => set(READY, *at, ANY_BUCKET, 1, None, Some(why)),
        Release::Wait { at, why } => set(READY, *at, ANY_BUCKET, 0, None, Some(why)),
        Release::Look { at, why } => set(READY, *at, "user_read", 1, Some(true), Some(why)),
        Release::Stale => set(READY, now, ANY_BUCKET, 0, None, None),
        Release::Yield { bucket, class } => {
            set(READY, now, bucket, 0, None, None)?;
            // What is left to do may be less urgent than what began it: a termination whose account is closed. A
            // revision that came meanwhile has its own urgency.
            if is_newest(c, lease)? {
                let dirty_at = dirty_at(c, target)?;
                c.prepare_cached("UPDATE work SET class = ?2, rank = ?3 WHERE target = ?1")?.execute(params![
                    target,
                    class.number(),
                    class.rank(dirty_at)
                ])?;
            }
            Ok(())
        }
        Release::SetAside { why, again } => {
            // A newer revision may be what the person was waiting for: then it is tried at once.
            let (state, at) = if is_newest(c, lease)? { (SET_ASIDE, again.unwrap_or(NEVER)) } else { (READY, now) };
            set(state, at, ANY_BUCKET, i64::from(again.is_some()), None, Some(why))?;
            append(c, &about(lease, now, Kind::SetAside, json!({ "why": why })))?;
            Ok(())
        }
    }
}

fn dirty_at(c: &Connection, target: i64) -> Result<i64, StoreError> {
    let mut find = c.prepare_cached("SELECT dirty_at FROM work WHERE target = ?1")?;
    Ok(find.query_row([target], |row| row.get(0))?)
}

fn done(c: &Connection, lease: Lease, remark: Option<&str>, now: Moment) -> Result<(), StoreError> {
    let dirty_at = dirty_at(c, lease.target)?;
    c.prepare_cached(
        "UPDATE work SET token = NULL, done_rev = ?2, attempt = 0, state = 0, look = 0, reason = ?3, bucket = 'any',
           class = CASE WHEN dirty_rev > ?2 THEN class ELSE 5 END WHERE target = ?1",
    )?
    .execute(params![lease.target, lease.rev, remark])?;
    let detail = json!({ "remark": remark, "took_ms": now.millis() - dirty_at });
    append(c, &about(lease, now, Kind::Done, detail))?;
    Ok(())
}
