//! Who has left and still has access, for `status`, metrics, alerts and `attention` alike: found here, decided in
//! `identity/leaver.rs`.

use super::lanes::HELD;
use super::{StoreError, cases, pause, previews};
use crate::clock::Moment;
use crate::identity::leaver::{Known, OnHold, WhyAccess, Work, leaver_access};
use crate::identity::{Change, Directory, Rulebook};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Somebody who has left and still has access.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaverWithAccess {
    pub target: i64,
    pub org: String,
    pub tenant: String,
    pub profile: String,
    pub name: String,
    /// The login of the account, if one is known.
    pub login: Option<String>,
    pub why: WhyAccess,
    /// Since when access should be over, in milliseconds.
    pub since: i64,
    pub told: String,
    /// The command that shows more.
    pub command: String,
}

/// Everybody who has left and still has access for longer than the configuration allows: the most urgent first.
pub fn leavers_with_access(c: &Connection, rules: &Rulebook, now: Moment) -> Result<Vec<LeaverWithAccess>, StoreError> {
    let after = rules.safeguards.leaver_access;
    let before = now.millis() - i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
    // Whose record ends access, or a date does: who is not done, and whose account is there whatever was said of them.
    let mut select = c.prepare_cached(
        "SELECT t.id, t.conflict, w.state, w.reason, w.dirty_rev > w.done_rev,
           max(coalesce(t.ended_at, w.changes_at), CASE WHEN w.dirty_rev > w.done_rev THEN w.dirty_at ELSE 0 END) AS since
         FROM target t JOIN work w ON w.target = t.id LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         WHERE (t.ended_at IS NOT NULL OR w.changes_at <= ?1) AND since <= ?2
           AND (w.dirty_rev > w.done_rev OR a.status NOT IN ('DEPROVISIONED', 'SUSPENDED'))
         ORDER BY t.id",
    )?;
    type Row = (i64, Option<String>, i64, Option<String>, bool, i64);
    let rows: Vec<Row> = select
        .query_map(params![now.millis(), before], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })?
        .collect::<Result<_, _>>()?;
    let (mut found, mut directories) = (Vec::new(), BTreeMap::new());
    for (target, conflict, state, reason, is_dirty, since) in rows {
        let Some(case) = cases::brief(c, rules, target, now)? else { continue };
        let standing = rules.standing(&case, now);
        if !standing.entitlement.is_over() {
            continue;
        }
        if !directories.contains_key(&case.org) {
            let directory: Directory = previews::directory(c, &case.org)?.unwrap_or_default();
            directories.insert(case.org.clone(), directory);
        }
        let directory = &directories[&case.org];
        let protected = case.account.as_ref().and_then(|account| rules.safeguards.protected.why(account, directory));
        let work = match state {
            _ if !is_dirty => Work::Done,
            HELD => Work::Held,
            0 => Work::Ready,
            _ => Work::Quarantined,
        };
        let known = Known {
            entitlement: &standing.entitlement,
            pins: &case.pins,
            account: case.account.as_ref(),
            since: Moment::from_millis(since),
            work,
            reason: reason.as_deref(),
            conflict: conflict.as_deref(),
            hold: on_hold(c, target)?,
            protected,
            paused: pause::paused(c, &case.org, Some(Change::Deactivate))?,
        };
        let Some(said) = leaver_access(&known, after, now) else { continue };
        let position = case.person.primary();
        found.push(LeaverWithAccess {
            target,
            org: case.org.clone(),
            tenant: position.tenant.clone(),
            profile: position.employee.id.clone(),
            name: position.employee.display(),
            login: case.account.as_ref().map(|account| account.login.clone()),
            why: said.why,
            since,
            told: said.told,
            command: said.command,
        });
    }
    found.sort_by_key(|leaver| (!leaver.why.pages(), leaver.since, leaver.target));
    Ok(found)
}

/// The hold on the end of somebody's access, open or rejected.
fn on_hold(c: &Connection, target: i64) -> Result<Option<OnHold>, StoreError> {
    let mut find = c.prepare_cached(
        "SELECT h.id, h.verdict, h.at, (SELECT by FROM vote v WHERE v.hold = h.id AND v.approve = 0 ORDER BY v.id DESC)
         FROM risk r JOIN hold h ON h.id = r.hold
         WHERE r.target = ?1 AND r.change IN ('deactivate', 'suspend') ORDER BY h.verdict IS NOT NULL LIMIT 1",
    )?;
    let found = find.query_row([target], |row| {
        let (verdict, at, by): (Option<String>, Option<i64>, Option<String>) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let rejected = verdict.filter(|verdict| verdict == "rejected").and(at);
        let rejected = rejected.map(|at| (Moment::from_millis(at), by.unwrap_or_else(|| "somebody".into())));
        Ok(OnHold { id: row.get(0)?, rejected })
    });
    Ok(found.optional()?)
}
