//! The table `target`: a person in one org; and `login`: what was chosen for them before they have an account.

use crate::clock::Moment;
use crate::domain::Step;
use crate::domain::plan::doubt::is_then;
use crate::domain::text::login_key;
use crate::store::StoreError;
use crate::store::engine::{Many, Of, Optional, Tx, Value, params};
use crate::store::rows::known::numbers;
use std::collections::BTreeMap;

/// A target, as far as a plan needs it.
pub struct Target {
    pub org: String,
    pub okta_id: Option<String>,
    pub ended_at: Option<Moment>,
    /// The word of the entitlement that the last finished plan was made for.
    pub was: Option<String>,
}

pub fn load(c: &Tx, target: i64) -> Result<Option<Target>, StoreError> {
    let found = c
        .prepare_cached("SELECT org, okta_id, ended_at, was FROM target WHERE id = ?1")?
        .query_row([target], |row| {
            Ok(Target {
                org: row.get(0)?,
                okta_id: row.get(1)?,
                ended_at: row.get::<Option<i64>>(2)?.map(Moment::from_millis),
                was: row.get(3)?,
            })
        })
        .optional()?;
    Ok(found)
}

/// Makes a target in an org; returns its id.
pub fn create(c: &Tx, org: &str) -> Result<i64, StoreError> {
    Ok(c.prepare_cached("INSERT INTO target (org) VALUES (?1) RETURNING id")?.insert([org])?)
}

/// Makes a target of an account that is nobody's; returns its id.
pub fn of_account(c: &Tx, org: &str, okta_id: &str) -> Result<i64, StoreError> {
    let mut insert = c.prepare_cached("INSERT INTO target (org, okta_id) VALUES (?1, ?2) RETURNING id")?;
    Ok(insert.insert(params![org, okta_id])?)
}

/// The account of a target is nobody's again.
pub fn let_go(c: &Tx, target: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE target SET okta_id = NULL WHERE id = ?1")?.execute([target])?;
    Ok(())
}

/// The org of a target that is there.
pub fn org(c: &Tx, target: i64) -> Result<String, StoreError> {
    Ok(c.prepare_cached("SELECT org FROM target WHERE id = ?1")?.query_row([target], |row| row.get(0))?)
}

/// The org and the account of a target.
pub fn account_of(c: &Tx, target: i64) -> Result<Option<(String, Option<String>)>, StoreError> {
    Ok(c.prepare_cached("SELECT org, okta_id FROM target WHERE id = ?1")?
        .query_row([target], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

/// The target that has an account.
pub fn owner(c: &Tx, org: &str, okta_id: &str) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT id FROM target WHERE org = ?1 AND okta_id = ?2")?;
    Ok(select.query_row([org, okta_id], |row| row.get(0)).optional()?)
}

/// Who somebody is, as far as that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub account: Option<String>,
    /// Why correlation could not decide.
    pub conflict: Option<String>,
}

pub fn identity(c: &Tx, target: i64) -> Result<Identity, StoreError> {
    let mut select = c.prepare_cached("SELECT okta_id, conflict FROM target WHERE id = ?1")?;
    Ok(select.query_row([target], |row| Ok(Identity { account: row.get(0)?, conflict: row.get(1)? }))?)
}

/// Why a person must decide which account is theirs, if one must.
pub fn conflict(c: &Tx, target: i64) -> Result<Option<String>, StoreError> {
    let mut select = c.prepare_cached("SELECT conflict FROM target WHERE id = ?1")?;
    Ok(select.query_row([target], |row| row.get(0)).optional()?.flatten())
}

/// A target has an account that a rule has found.
pub fn give(c: &Tx, target: i64, okta_id: &str, rule: &str) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE target SET okta_id = ?2, rule = ?3 WHERE id = ?1")?
        .execute(params![target, okta_id, rule])?;
    Ok(())
}

/// A target has this account, whatever was known of how it came to it.
pub fn set_account(c: &Tx, target: i64, okta_id: &str) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE target SET okta_id = ?2 WHERE id = ?1 AND okta_id IS DISTINCT FROM ?2")?
        .execute(params![target, okta_id])?;
    Ok(())
}

/// The login under which an account is made for a target.
pub fn set_tried_login(c: &Tx, target: i64, login: &str) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE target SET login = ?2 WHERE id = ?1")?.execute(params![target, login])?;
    Ok(())
}

/// The word of the entitlement that is carried out for a target from the moment a call is announced, if it is one that does.
pub fn becomes(c: &Tx, target: i64, step: &Step) -> Result<(), StoreError> {
    if is_then(step, None).is_none() {
        return Ok(());
    }
    let was: Option<String> =
        c.prepare_cached("SELECT was FROM target WHERE id = ?1")?.query_row([target], |row| row.get(0))?;
    if let Some(word) = is_then(step, was.as_deref()) {
        c.prepare_cached("UPDATE target SET was = ?2 WHERE id = ?1")?.execute(params![target, word])?;
    }
    Ok(())
}

/// The word of the entitlement that was carried out for a target, and whether its link waits for the manager's account.
pub fn set_end(c: &Tx, target: i64, was: &str, awaits_manager: bool) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE target SET was = ?2, waits = ?3 WHERE id = ?1 AND (was IS DISTINCT FROM ?2 OR waits <> ?3)",
    )?
    .execute(params![target, was, awaits_manager])?;
    Ok(())
}

/// A target has no account any more, and nothing is said of how it came to one.
pub fn take_away(c: &Tx, target: i64) -> Result<(), StoreError> {
    c.execute("UPDATE target SET okta_id = NULL, rule = NULL WHERE id = ?1", [target])?;
    Ok(())
}

/// The account of a target, if it has one, is that of another, if that one has none.
pub fn hand_over(c: &Tx, from: i64, into: i64) -> Result<(), StoreError> {
    let Some((_, Some(account))) = account_of(c, from)? else { return Ok(()) };
    c.prepare_cached("UPDATE target SET okta_id = NULL WHERE id = ?1")?.execute([from])?;
    c.prepare_cached("UPDATE target SET okta_id = ?2 WHERE id = ?1 AND okta_id IS NULL")?
        .execute(params![into, account])?;
    Ok(())
}

/// Why correlation could not decide, if it could not.
pub fn set_conflict(c: &Tx, target: i64, conflict: Option<&str>) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE target SET conflict = ?2 WHERE id = ?1 AND conflict IS DISTINCT FROM ?2")?
        .execute(params![target, conflict])?;
    Ok(())
}

const SET_ENDED: Many = Many {
    given: &[("target", Of::Int), ("ended_at", Of::Int)],
    sql: "UPDATE target SET ended_at = (SELECT min(ended_at) FROM given) WHERE id IN (SELECT target FROM given)
          AND ended_at IS DISTINCT FROM (SELECT min(ended_at) FROM given)",
};

/// Since when access of these targets is over, if it is.
pub fn set_all_ended_at(c: &Tx, all: &[(i64, Option<Moment>)]) -> Result<(), StoreError> {
    let mut of_time: BTreeMap<Option<i64>, Vec<i64>> = BTreeMap::new();
    for (target, ended_at) in all {
        of_time.entry(ended_at.map(Moment::millis)).or_default().push(*target);
    }
    for (ended_at, targets) in of_time {
        let ended_at = ended_at.map_or(Value::Null, Value::Int);
        let rows: Vec<_> = targets.into_iter().map(|target| [Value::Int(target), ended_at]).collect();
        c.put(&SET_ENDED, &rows)?;
    }
    Ok(())
}

/// Since when access is over, if it is.
pub fn set_ended_at(c: &Tx, target: i64, ended_at: Option<Moment>) -> Result<(), StoreError> {
    set_all_ended_at(c, &[(target, ended_at)])
}

/// Whether access of somebody is over.
pub fn has_left(c: &Tx, target: i64) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached("SELECT ended_at IS NOT NULL FROM target WHERE id = ?1")?;
    Ok(select.query_row([target], |row| row.get(0)).optional()?.unwrap_or(false))
}

const FORGET_PROOF: Many = Many {
    given: &[("target", Of::Int)],
    sql:
        "UPDATE target SET searched_at = NULL, searched_first = NULL, lost = NULL WHERE id IN (SELECT target FROM given)
          AND (searched_at IS NOT NULL OR searched_first IS NOT NULL OR lost IS NOT NULL)",
};

/// Nothing is proved any more of whether these have an account.
pub fn forget_proofs(c: &Tx, targets: &[i64]) -> Result<(), StoreError> {
    c.put(&FORGET_PROOF, &numbers(targets))?;
    Ok(())
}

const UNPROVE: Many = Many {
    given: &[("target", Of::Int)],
    sql: "UPDATE target SET searched_at = NULL WHERE id IN (SELECT target FROM given)",
};

/// Okta must be asked for these again; what is known of former searches stays.
pub fn unprove_all(c: &Tx, targets: &[i64]) -> Result<(), StoreError> {
    c.put(&UNPROVE, &numbers(targets))?;
    Ok(())
}

/// Okta must be asked for somebody again; what is known of former searches stays.
pub fn unprove(c: &Tx, target: i64) -> Result<(), StoreError> {
    unprove_all(c, &[target])
}

const COVER: Many = Many {
    given: &[("target", Of::Int), ("at", Of::Int)],
    sql: "UPDATE target SET searched_at = (SELECT min(at) FROM given) WHERE id IN (SELECT target FROM given)
          AND ended_at IS NOT NULL AND searched_at IS NULL AND lost IS NULL",
};

/// A list covers those of these who have left, and of whose account nothing else is known.
pub fn cover_all(c: &Tx, targets: &[i64], now: Moment) -> Result<(), StoreError> {
    let rows: Vec<_> = targets.iter().map(|target| [Value::Int(*target), Value::Int(now.millis())]).collect();
    c.put(&COVER, &rows)?;
    Ok(())
}

/// A list covers somebody who has left, and of whose account nothing else is known.
pub fn cover(c: &Tx, target: i64, now: Moment) -> Result<(), StoreError> {
    cover_all(c, &[target], now)
}

/// Okta has said that it does not have the account of somebody.
pub fn lose(c: &Tx, target: i64, okta_id: &str) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE target SET okta_id = NULL, searched_at = NULL, searched_first = NULL, lost = ?2 WHERE id = ?1",
    )?
    .execute(params![target, okta_id])?;
    Ok(())
}

/// The login that was tried last for somebody, and the account that they had and Okta has no more.
pub fn traces(c: &Tx, target: i64) -> Result<(Option<String>, Option<String>), StoreError> {
    Ok(c.prepare_cached("SELECT login, lost FROM target WHERE id = ?1")?
        .query_row([target], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// When Okta was asked for somebody for the first of two times.
pub fn searched_first(c: &Tx, target: i64) -> Result<Option<Moment>, StoreError> {
    let mut select = c.prepare_cached("SELECT searched_first FROM target WHERE id = ?1")?;
    let found = select.query_row([target], |row| row.get::<Option<i64>>(0)).optional()?;
    Ok(found.flatten().map(Moment::from_millis))
}

/// Okta was asked for somebody for the first of two times, unless it was before.
pub fn set_searched_first(c: &Tx, target: i64, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE target SET searched_first = coalesce(searched_first, ?2) WHERE id = ?1")?
        .execute(params![target, now.millis()])?;
    Ok(())
}

/// It is proved that somebody has no account.
pub fn prove(c: &Tx, target: i64, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE target SET searched_at = ?2, searched_first = NULL, lost = NULL WHERE id = ?1")?
        .execute(params![target, now.millis()])?;
    Ok(())
}

/// At most so many leavers of an org of whom a list alone has proved that they have no account: of whom a search has, there is a
/// row in the audit as old as the proof.
pub fn covered_by_list(c: &Tx, org: &str, most: usize) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT t.id FROM target t WHERE t.org = ?1 AND t.ended_at IS NOT NULL AND t.okta_id IS NULL AND t.conflict IS NULL
         AND t.searched_at IS NOT NULL AND EXISTS (SELECT 1 FROM link l WHERE l.target = t.id) AND NOT EXISTS
           (SELECT 1 FROM audit a WHERE a.target = t.id AND a.kind = 'searched' AND a.at >= t.searched_at) LIMIT ?2",
    )?;
    let rows = select.query_map(params![org, i64::try_from(most).unwrap_or(i64::MAX)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whom time alone has changed: target, why correlation could not decide, and when it was due, in milliseconds.
pub fn due(c: &Tx, now: Moment) -> Result<Vec<(i64, Option<String>, i64)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT w.target, t.conflict, w.changes_at FROM work w JOIN target t ON t.id = w.target WHERE w.changes_at <= ?1",
    )?;
    let rows = select.query_map([now.millis()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Somebody of an org, as a report of first contact needs them.
pub struct OfOrg {
    pub target: i64,
    /// The rule that gave them their account.
    pub rule: Option<String>,
    /// Why correlation could not decide.
    pub conflict: Option<String>,
}

/// Everybody of an org.
pub fn of_org(c: &Tx, org: &str) -> Result<Vec<OfOrg>, StoreError> {
    let mut select = c.prepare("SELECT id, rule, conflict FROM target WHERE org = ?1 ORDER BY id")?;
    let rows =
        select.query_map([org], |row| Ok(OfOrg { target: row.get(0)?, rule: row.get(1)?, conflict: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// For whom a login of an org is reserved.
pub fn reserved_login(c: &Tx, org: &str, login: &str) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT target FROM login WHERE org = ?1 AND key = ?2")?;
    Ok(select.query_row(params![org, login_key(login)], |row| row.get(0)).optional()?)
}

/// A login of an org is reserved for a target, and no other one.
pub fn reserve_login(c: &Tx, org: &str, login: &str, target: i64) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM login WHERE org = ?1 AND target = ?2")?.execute(params![org, target])?;
    c.prepare_cached(
        "INSERT INTO login VALUES (?1, ?2, ?3) ON CONFLICT (org, key) DO UPDATE SET target = excluded.target",
    )?
    .execute(params![org, login_key(login), target])?;
    Ok(())
}

/// No login is reserved for a target any more.
pub fn free_logins(c: &Tx, target: i64) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM login WHERE target = ?1")?.execute([target])?;
    Ok(())
}
