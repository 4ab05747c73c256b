//! The tables `matched` and `acceptance`: how a profile came to its account or person, and which first contacts were accepted.

use crate::clock::Moment;
use crate::domain::guard::decider::Decider;
use crate::domain::matching::correlation::{ANCHOR, Contact, REVIEW};
use crate::domain::record::person::Position;
use crate::store::StoreError;
use crate::store::engine::{Optional, Tx, params};

/// How a match came about.
pub struct Match<'a> {
    pub rule: &'a str,
    pub evidence: &'a str,
    /// What is taken over, where the safeguards decide about it.
    pub pending: Option<String>,
    pub by: Option<&'a str>,
}

pub fn save(c: &Tx, org: &str, position: &Position, found: &Match, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO matched (org, tenant, profile, rule, evidence, at, pending, by) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)
         ON CONFLICT (org, tenant, profile) DO UPDATE SET rule = excluded.rule, evidence = excluded.evidence,
           at = excluded.at, pending = excluded.pending, by = excluded.by",
    )?
    .execute(params![
        org,
        position.tenant,
        position.employee.id,
        found.rule,
        found.evidence,
        now.millis(),
        found.pending,
        found.by
    ])?;
    Ok(())
}

/// A person has said that a match is right.
pub fn confirm(c: &Tx, org: &str, position: &Position, evidence: &str, by: &str) -> Result<(), StoreError> {
    c.execute(
        "UPDATE matched SET rule = ?4, evidence = ?5, by = ?6, pending = NULL
         WHERE org = ?1 AND tenant = ?2 AND profile = ?3",
        params![org, position.tenant, position.employee.id, REVIEW, evidence, by],
    )?;
    Ok(())
}

/// A profile was matched with nobody.
pub fn forget(c: &Tx, org: &str, position: &Position) -> Result<(), StoreError> {
    c.execute(
        "DELETE FROM matched WHERE org = ?1 AND tenant = ?2 AND profile = ?3",
        [org, &position.tenant, &position.employee.id],
    )?;
    Ok(())
}

/// What was taken over by the matches of a target was carried out.
pub fn carried_out(c: &Tx, target: i64) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE matched SET pending = NULL WHERE pending IS NOT NULL
         AND (org, tenant, profile) IN (SELECT org, tenant, profile FROM link WHERE target = ?1)",
    )?
    .execute([target])?;
    Ok(())
}

/// Whether a match of a target is not carried out yet.
pub fn is_pending(c: &Tx, target: i64) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT 1 FROM link l JOIN matched m USING (org, tenant, profile) WHERE l.target = ?1 AND m.pending IS NOT NULL",
    )?;
    Ok(select.exists([target])?)
}

/// When a profile was matched with whom it belongs to, in milliseconds; `None` if it never was.
pub fn at(c: &Tx, org: &str, position: &Position) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT at FROM matched WHERE org = ?1 AND tenant = ?2 AND profile = ?3")?;
    Ok(select.query_row([org, &position.tenant, &position.employee.id], |row| row.get(0)).optional()?)
}

/// How many profiles of a tenant rules alone have matched after `since`, and after its first contact was accepted.
pub fn count_by_rule(c: &Tx, org: &str, tenant: &str, since: Option<Moment>) -> Result<u32, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT count(*) FROM matched m JOIN acceptance a ON a.org = m.org AND a.tenant = m.tenant
         WHERE m.org = ?1 AND m.tenant = ?2 AND m.at > ?3 AND m.at > a.at AND m.by IS NULL AND m.rule <> ?4",
    )?;
    let since = since.map_or(i64::MIN, Moment::millis);
    Ok(select.query_row(params![org, tenant, since, ANCHOR], |row| row.get(0))?)
}

/// Whether only a rule says that a profile is the person of a target, whose account others had before, and nobody was shown it.
pub fn is_joined_by_rule(c: &Tx, org: &str, target: i64, position: &Position) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM link l LEFT JOIN matched o USING (org, tenant, profile)
           WHERE l.target = ?4 AND NOT (l.tenant = ?2 AND l.profile = ?3) AND (o.at IS NULL OR o.at < m.at))
         FROM matched m JOIN acceptance a ON a.org = m.org AND a.tenant = m.tenant
         WHERE m.org = ?1 AND m.tenant = ?2 AND m.profile = ?3 AND m.by IS NULL AND m.rule <> ?5 AND m.at > a.at",
    )?;
    let found = select.query_row(params![org, position.tenant, position.employee.id, target, ANCHOR], |row| row.get(0));
    Ok(found.optional()?.unwrap_or(false))
}

/// A profile was shown in a report that was accepted: its match is as old as that, and counts against no limit.
pub fn was_shown(c: &Tx, org: &str, position: &Position) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE matched SET at = (SELECT a.at FROM acceptance a WHERE a.org = ?1 AND a.tenant = ?2)
         WHERE org = ?1 AND tenant = ?2 AND profile = ?3",
    )?
    .execute([org, &position.tenant, &position.employee.id])?;
    Ok(())
}

/// What rules have matched of a tenant until its first contact was accepted was shown: it is as old as that.
pub fn were_shown(c: &Tx, org: &str, tenant: &str) -> Result<(), StoreError> {
    c.execute(
        "UPDATE matched AS m SET pending = NULL, at = a.at FROM acceptance a
         WHERE m.org = ?1 AND m.tenant = ?2 AND m.by IS NULL AND m.at <= a.at AND a.org = ?1 AND a.tenant = ?2",
        [org, tenant],
    )?;
    Ok(())
}

/// Who accepted the report of a tenant, if somebody did.
pub fn accepted_by(c: &Tx, org: &str, tenant: &str) -> Result<Option<String>, StoreError> {
    let mut select = c.prepare_cached("SELECT by FROM acceptance WHERE org = ?1 AND tenant = ?2")?;
    Ok(select.query_row([org, tenant], |row| row.get(0)).optional()?)
}

/// How a profile of a tenant is correlated in an org now.
pub fn contact(c: &Tx, org: &str, tenant: &str) -> Result<Contact, StoreError> {
    Ok(if accepted_by(c, org, tenant)?.is_some() { Contact::Later } else { Contact::First })
}

/// Whether anything of an org was accepted.
pub fn has_any_accepted(c: &Tx, org: &str) -> Result<bool, StoreError> {
    Ok(c.prepare_cached("SELECT 1 FROM acceptance WHERE org = ?1")?.exists([org])?)
}

/// Whether a tenant came to an org that others have been accepted for: it waits while they go on.
pub fn is_added(c: &Tx, org: &str, tenant: &str) -> Result<bool, StoreError> {
    Ok(accepted_by(c, org, tenant)?.is_none() && has_any_accepted(c, org)?)
}

/// Writes down that somebody accepted the report of a tenant. False if it had been accepted before.
pub fn accept(c: &Tx, org: &str, tenant: &str, by: &Decider, now: Moment) -> Result<bool, StoreError> {
    let sql =
        "INSERT INTO acceptance (org, tenant, by, at, principal) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    Ok(c.execute(sql, params![org, tenant, by.name, now.millis(), by.principal()])? == 1)
}

/// Tenants of an org whose report somebody accepted and that nobody has acted upon yet: tenant, name, principal.
pub fn newly_accepted(c: &Tx, org: &str) -> Result<Vec<(String, String, String)>, StoreError> {
    let mut select = c.prepare_cached("SELECT tenant, by, principal FROM acceptance WHERE org = ?1 AND told = 0")?;
    let rows = select.query_map([org], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether an acceptance for an org was acted upon before.
pub fn has_acted(c: &Tx, org: &str) -> Result<bool, StoreError> {
    Ok(c.prepare_cached("SELECT 1 FROM acceptance WHERE org = ?1 AND told = 1")?.exists([org])?)
}

/// An acceptance is acted upon.
pub fn acted(c: &Tx, org: &str, tenant: &str) -> Result<(), StoreError> {
    c.execute("UPDATE acceptance SET told = 1 WHERE org = ?1 AND tenant = ?2", [org, tenant])?;
    Ok(())
}

/// The tenants of an org that are accepted.
pub fn accepted(c: &Tx, org: &str) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare_cached("SELECT tenant FROM acceptance WHERE org = ?1 ORDER BY tenant")?;
    Ok(select.query_map([org], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
