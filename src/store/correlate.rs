//! Looking once more for whose an account is: because an org or a tenant was read, or an account was found.

use super::engine::Tx;
use super::pages::News;
use super::{StoreError, links, pages, runs, search};
use crate::clock::Moment;
use crate::domain::{Cause, Position, Priority, Rulebook};

/// Correlates a profile that has no account in an org whose accounts were read after it was seen; whoever nothing new is known
/// of stays as they are. `first`: nobody was ever compared with the org before.
pub(super) fn late(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    first: bool,
    now: Moment,
) -> Result<Option<Priority>, StoreError> {
    let (tenant, profile) = (&position.tenant, &position.employee.id);
    let found = |c| -> Result<_, StoreError> {
        let Some((target, _)) = links::find(c, org, tenant, profile)? else { return Ok(None) };
        let mut select = c.prepare_cached("SELECT okta_id, conflict FROM target WHERE id = ?1")?;
        let (account, conflict) = select.query_row([target], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok::<_, StoreError>(Some((target, account, conflict)))
    };
    type Found = Option<(i64, Option<String>, Option<String>)>;
    let known: Found = found(c)?;
    if matches!(&known, Some((_, Some(_), _))) {
        return Ok(None);
    }
    let Some(rules_of_org) = rules.org(org) else { return Ok(None) };
    let Some((known_target, _, known_conflict)) = &known else {
        // Seen while the org was not configured: as if it were seen now.
        return match rules_of_org.tenants.contains(tenant) {
            true => pages::relink(c, rules, org, position, Some(&position.employee), Cause::OrgRead, now),
            false => Ok(None),
        };
    };
    let routed = links::find(c, org, tenant, profile)?.is_some_and(|(_, routed)| routed);
    let (target, conflict) = links::link(c, rules, org, position, routed, now)?;
    let linked: Found = found(c)?;
    let has_account = linked.is_some_and(|(_, account, _)| account.is_some());
    if !has_account && target == *known_target && conflict == *known_conflict {
        if first || !pages::is_walked(c, tenant)? {
            search::is_covered(c, org, target, now)?;
        }
        return Ok(None);
    }
    if has_account {
        runs::wake_waiting(c, org, target, true, now)?;
    }
    let before = Some(&position.employee);
    let news = News { cause: Cause::OrgRead, changes: Vec::new(), before, after: position, as_of: now };
    pages::refresh(c, rules, target, &news, conflict.as_deref(), now)
}

/// Looks once more for everybody of a tenant, or of all, who could not be correlated.
pub(super) fn again(c: &Tx, rules: &Rulebook, tenant: Option<&str>, now: Moment) -> Result<Vec<Priority>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT t.org, l.tenant, s.doc FROM target t JOIN link l ON l.target = t.id
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         WHERE t.conflict IS NOT NULL AND (?1 IS NULL OR l.tenant = ?1)",
    )?;
    let waiting: Vec<(String, String, String)> =
        select.query_map([tenant], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let mut priorities = Vec::new();
    for (org, tenant, doc) in waiting {
        let position = Position { tenant, employee: serde_json::from_str(&doc)? };
        if links::would_settle(c, rules, &org, &position, now)? {
            priorities.extend(pages::relink(c, rules, &org, &position, None, Cause::TenantRead, now)?);
        }
    }
    Ok(priorities)
}
