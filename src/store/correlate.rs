//! Looking once more for whose an account is: because an org or a tenant was read, or an account was found.

use super::engine::Tx;
use super::links::Asked;
use super::relink::{Visit, What, refresh, relink, relink_known};
use super::rows::{link, org, target};
use super::{StoreError, dirty, proof};
use crate::clock::Moment;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::person::Position;
use crate::domain::work::cause::Cause;
use crate::domain::work::revision::News;

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
    let Some(rules_of_org) = rules.org(org) else { return Ok(None) };
    let Some((known, routed)) = link::find(c, org, tenant, profile)? else {
        // Seen while the org was not configured: as if it were seen now.
        if !rules_of_org.tenants.contains(tenant) {
            return Ok(None);
        }
        let what = What { before: Some(&position.employee), cause: Cause::OrgRead };
        return relink_known(c, rules, Visit { org, position, known: None, what }, now);
    };
    let before = target::identity(c, known)?;
    if before.account.is_some() {
        return Ok(None);
    }
    let (target, conflict) = Asked { c, rules, org, position, now }.link(Some(known), routed)?;
    super::relink::spread(c, rules, target, now)?;
    let has_account = target::identity(c, target)?.account.is_some();
    if !has_account && target == known && conflict == before.conflict {
        if first || !org::is_walked(c, tenant)? {
            proof::is_covered(c, org, target, now)?;
        }
        return Ok(None);
    }
    if has_account {
        dirty::wake_reports(c, org, target, true, now)?;
    }
    refresh(c, rules, target, &News::none(position, Cause::OrgRead, now), conflict.as_deref(), now)
}

/// Looks once more for everybody of a tenant, or of all, who could not be correlated.
pub(super) fn again(c: &Tx, rules: &Rulebook, tenant: Option<&str>, now: Moment) -> Result<Vec<Priority>, StoreError> {
    let mut priorities = Vec::new();
    for (org, position) in link::undecided(c, tenant)? {
        if (Asked { c, rules, org: &org, position: &position, now }).would_settle()? {
            let what = What { before: None, cause: Cause::TenantRead };
            priorities.extend(relink(c, rules, &org, &position, &what, now)?);
        }
    }
    Ok(priorities)
}
