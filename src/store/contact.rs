//! First contact: whose report was accepted, for each tenant and org by itself.
//!
//! **Invariant:** nobody of a tenant whose report was not accepted is adopted, made or ended.

use super::engine::{Optional, Tx, params};
use super::rows::work;
use super::{Store, StoreError, append, links};
use crate::audit::details::Adopted;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::matching::correlation::Contact;
use crate::domain::{Cause, Decider, Position, Priority};

/// Why somebody waits whose tenant is not accepted yet begins with this.
const WAITS: &str = "first contact";

/// Who accepted the report of a tenant, if somebody did.
pub(super) fn accepted_by(c: &Tx, org: &str, tenant: &str) -> Result<Option<String>, StoreError> {
    let mut select = c.prepare_cached("SELECT by FROM acceptance WHERE org = ?1 AND tenant = ?2")?;
    Ok(select.query_row([org, tenant], |row| row.get(0)).optional()?)
}

/// How a profile of a tenant is correlated in an org now.
pub(super) fn of(c: &Tx, org: &str, tenant: &str) -> Result<Contact, StoreError> {
    Ok(if accepted_by(c, org, tenant)?.is_some() { Contact::Later } else { Contact::First })
}

/// Whether anything of an org was accepted.
pub(super) fn has_any(c: &Tx, org: &str) -> Result<bool, StoreError> {
    Ok(c.prepare_cached("SELECT 1 FROM acceptance WHERE org = ?1")?.exists([org])?)
}

/// Whether a tenant came to an org that others have been accepted for: it waits while they go on.
pub(super) fn is_added(c: &Tx, org: &str, tenant: &str) -> Result<bool, StoreError> {
    Ok(accepted_by(c, org, tenant)?.is_none() && has_any(c, org)?)
}

/// Nobody can be claimed all of whose profiles are of tenants that are not accepted.
pub(super) fn park(c: &Tx, org: &str) -> Result<(), StoreError> {
    if !has_any(c, org)? {
        return Ok(());
    }
    let why = format!("{WAITS}: nothing is done before the report of their tenant is accepted; see `adopt`");
    work::park(c, org, &why)
}

/// Writes down that somebody accepted the reports of these tenants. False if all had been accepted before.
pub fn accept(c: &Tx, org: &str, tenants: &[String], by: &Decider, now: Moment) -> Result<bool, StoreError> {
    let mut new = false;
    for tenant in tenants {
        let sql = "INSERT OR IGNORE INTO acceptance (org, tenant, by, at, principal) VALUES (?1, ?2, ?3, ?4, ?5)";
        new |= c.execute(sql, params![org, tenant, by.name, now.millis(), by.principal()])? == 1;
    }
    Ok(new)
}

impl Store {
    /// Tenants of an org whose report somebody accepted and that nobody has acted upon yet.
    async fn newly_accepted(&self, org: &str) -> Result<Vec<(String, String, String)>, StoreError> {
        let org = org.to_owned();
        self.run(move |c| {
            let mut select =
                c.prepare_cached("SELECT tenant, by, principal FROM acceptance WHERE org = ?1 AND told = 0")?;
            let rows = select.query_map([org], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Whether the service has acted upon an acceptance for an org before.
    async fn is_added(&self, org: &str) -> Result<bool, StoreError> {
        let org = org.to_owned();
        self.run(move |c| {
            Ok(c.prepare_cached("SELECT 1 FROM acceptance WHERE org = ?1 AND told = 1")?.exists([&org])?)
        })
        .await
    }

    /// Acts upon what was accepted for an org; returns whether any tenant is.
    pub async fn is_adopted(&self, org: &str, now: Moment) -> Result<bool, StoreError> {
        for (tenant, by, principal) in self.newly_accepted(org).await? {
            let is_added = self.is_added(org).await?;
            if is_added {
                self.join_accepted(org, &tenant, now).await?;
            }
            let org = org.to_owned();
            self.run(move |c| {
                c.execute("UPDATE acceptance SET told = 1 WHERE org = ?1 AND tenant = ?2", [&org, &tenant])?;
                // What was matched until then was shown; what came since was not.
                c.execute(
                    "UPDATE matched AS m SET pending = NULL, at = a.at FROM acceptance a
                     WHERE m.org = ?1 AND m.tenant = ?2 AND m.by IS NULL AND m.at <= a.at AND a.org = ?1 AND a.tenant = ?2",
                    [&org, &tenant],
                )?;
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
        self.run(move |c| has_any(c, &org)).await
    }

    /// Whoever of a tenant is somebody whom another tenant knows already joins them, as the report said.
    async fn join_accepted(&self, org: &str, tenant: &str, now: Moment) -> Result<(), StoreError> {
        let (org, tenant) = (org.to_owned(), tenant.to_owned());
        self.in_parts(move |c, rules, position: &Position| {
            if position.tenant == tenant && rules.org(&org).is_some() {
                links::join_accepted(c, rules, &org, position, now)?;
            }
            Ok(())
        })
        .await
    }

    /// Accepts within the service what can be accepted by now, where the configuration says that nobody is asked.
    pub async fn accept_unasked(&self, org: &str, tenants: &[String], by: &str, now: Moment) -> Result<(), StoreError> {
        let (org, tenants, by) = (org.to_owned(), tenants.to_vec(), Decider::of_service(by));
        self.run(move |c| {
            if !super::relink::is_compared(c, &org)? {
                return Ok(());
            }
            let mut walked = Vec::new();
            for tenant in tenants {
                if super::pages::is_walked(c, &tenant)? {
                    walked.push(tenant);
                } else if !has_any(c, &org)? {
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
        self.run(move |c| {
            let mut select = c.prepare_cached("SELECT tenant FROM acceptance WHERE org = ?1 ORDER BY tenant")?;
            Ok(select.query_map([org], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Whoever waited for the acceptance goes on, and whoever is of several tenants is looked at anew.
fn wake(c: &Tx, org: &str, tenant: &str, now: Moment) -> Result<(), StoreError> {
    work::unpark(c, org, tenant, WAITS, now)?;
    let mut select = c.prepare(
        "SELECT DISTINCT l.target FROM link l WHERE l.org = ?1 AND l.tenant = ?2
         AND EXISTS (SELECT 1 FROM link o WHERE o.target = l.target AND o.tenant <> l.tenant)",
    )?;
    let mixed: Vec<i64> = select.query_map([org, tenant], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for target in mixed {
        let any = super::ANY_BUCKET;
        super::pages::mark_dirty(c, target, org, Priority::Describe, any, Cause::TenantRead, now)?;
    }
    Ok(())
}
