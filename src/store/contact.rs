//! First contact: whose report was accepted, for each tenant and org by itself.
//!
//! **Invariant:** nobody of a tenant whose report was not accepted is adopted, made or ended.

use super::engine::Tx;
use super::links::Asked;
use super::relink::spread;
use super::rows::{link, matched, org, work};
use super::{Store, StoreError, append, dirty};
use crate::audit::details::Adopted;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::guard::decider::Decider;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::Dirt;

/// Why somebody waits whose tenant is not accepted yet begins with this.
const WAITS: &str = "first contact";

/// Nobody can be claimed all of whose profiles are of tenants that are not accepted.
pub(super) fn park(c: &Tx, org: &str) -> Result<(), StoreError> {
    if !matched::has_any_accepted(c, org)? {
        return Ok(());
    }
    let why = format!("{WAITS}: nothing is done before the report of their tenant is accepted; see `adopt`");
    work::park(c, org, &why)
}

/// Writes down that somebody accepted the reports of these tenants. False if all had been accepted before.
pub fn accept(c: &Tx, org: &str, tenants: &[String], by: &Decider, now: Moment) -> Result<bool, StoreError> {
    let mut new = false;
    for tenant in tenants {
        new |= matched::accept(c, org, tenant, by, now)?;
    }
    Ok(new)
}

impl Store {
    /// Acts upon what was accepted for an org; returns whether any tenant is.
    pub async fn is_adopted(&self, org: &str, now: Moment) -> Result<bool, StoreError> {
        let name = org.to_owned();
        for (tenant, by, principal) in self.run(move |c| matched::newly_accepted(c, &name)).await? {
            let name = org.to_owned();
            let is_added = self.run(move |c| matched::has_acted(c, &name)).await?;
            if is_added {
                self.join_accepted(org, &tenant, now).await?;
            }
            let org = org.to_owned();
            self.run(move |c| {
                matched::acted(c, &org, &tenant)?;
                // What was matched until then was shown; what came since was not.
                matched::were_shown(c, &org, &tenant)?;
                if is_added {
                    wake(c, &org, &tenant, now)?;
                }
                let adopted = Event::Adopted(Adopted { author: Author::new(by, principal) });
                let record = Record::general(now, adopted);
                append(c, &Record { org: Some(org), tenant: Some(tenant), ..record })?;
                Ok(())
            })
            .await?;
        }
        let org = org.to_owned();
        self.run(move |c| matched::has_any_accepted(c, &org)).await
    }

    /// Whoever of a tenant is somebody whom another tenant knows already joins them, as the report said.
    async fn join_accepted(&self, org: &str, tenant: &str, now: Moment) -> Result<(), StoreError> {
        let (org, tenant) = (org.to_owned(), tenant.to_owned());
        self.in_parts(move |c, rules: &Rulebook, positions| {
            for position in positions.iter().filter(|one| one.tenant == tenant && rules.org(&org).is_some()) {
                if let Some(stays) = (Asked { c, rules, org: &org, position, now }).join_accepted()? {
                    spread(c, rules, stays, now)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Accepts within the service what can be accepted by now, where the configuration says that nobody is asked.
    pub async fn accept_unasked(&self, org: &str, tenants: &[String], by: &str, now: Moment) -> Result<(), StoreError> {
        let (org, tenants, by) = (org.to_owned(), tenants.to_vec(), Decider::of_service(by));
        self.run(move |c| {
            if !org::is_compared(c, &org)? {
                return Ok(());
            }
            let mut walked = Vec::new();
            for tenant in tenants {
                if org::is_walked(c, &tenant)? {
                    walked.push(tenant);
                } else if !matched::has_any_accepted(c, &org)? {
                    return Ok(()); // the first time all tenants are one report
                }
            }
            accept(c, &org, &walked, &by, now).map(|_| ())
        })
        .await
    }

    /// The tenants of an org that are accepted.
    pub async fn accepted(&self, org: &str) -> Result<Vec<String>, StoreError> {
        let org = org.to_owned();
        self.run(move |c| matched::accepted(c, &org)).await
    }
}

/// Whoever waited for the acceptance goes on, and whoever is of several tenants is looked at anew.
fn wake(c: &Tx, org: &str, tenant: &str, now: Moment) -> Result<(), StoreError> {
    work::unpark(c, org, tenant, WAITS, now)?;
    for target in link::shared(c, org, tenant)? {
        dirty::mark_dirty(c, target, org, &Dirt::describe(Cause::TenantRead), now)?;
    }
    Ok(())
}
