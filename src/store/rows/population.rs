//! How many people there are, over the tables of links, targets, profiles and accounts.

use crate::clock::Moment;
use crate::store::StoreError;
use crate::store::engine::{Tx, params};

/// Live accounts of a tenant's people.
pub fn of_tenant(c: &Tx, org: &str, tenant: &str) -> Result<u32, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT count(DISTINCT t.id) FROM link l JOIN target t ON t.id = l.target
         JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         WHERE l.org = ?1 AND l.tenant = ?2 AND l.routed = 1 AND a.status <> 'DEPROVISIONED'",
    )?;
    Ok(select.query_row([org, tenant], |row| row.get(0))?)
}

/// Live accounts of the people of a department: whose profile names it first.
pub fn of_department(c: &Tx, org: &str, tenant: &str, department: &str) -> Result<u32, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT count(DISTINCT t.id) FROM link l JOIN target t ON t.id = l.target
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         WHERE l.org = ?1 AND l.tenant = ?2 AND l.routed = 1 AND a.status <> 'DEPROVISIONED'
           AND coalesce(json_text(s.doc, 'departments[0]'), '') = ?3",
    )?;
    Ok(select.query_row([org, tenant, department], |row| row.get(0))?)
}

/// Groups of a tenant that are called so since then, with how many people are still to be seen under the new name.
pub fn to_come(c: &Tx, tenant: &str, since: Moment) -> Result<Vec<(String, u32)>, StoreError> {
    let mut select = c.prepare_cached("SELECT name, to_come FROM renamed WHERE tenant = ?1 AND at > ?2")?;
    let rows = select.query_map(params![tenant, since.millis()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Orgs and tenants whose people are counted now and then, by what is kept of that.
pub fn counted(c: &Tx) -> Result<Vec<(String, String)>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT substr(key, 12), value FROM meta WHERE key LIKE 'population %' ORDER BY key")?;
    Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}
