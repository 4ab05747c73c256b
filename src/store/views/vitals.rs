//! How the store and what waits in it are, for those who watch: read beside the writer, never in its way.

use super::leavers::{LeaverWithAccess, leavers_with_access};
use super::unconfigured::{Unconfigured, unconfigured};
use crate::clock::Moment;
use crate::domain::guard::alarm::Alarm;
use crate::domain::plan::limits::{Limit, Scope, Span};
use crate::domain::work::machine::State;
use crate::domain::{ChangeKind, Rulebook};
use crate::store::StoreError;
use crate::store::alarms::alarms;
use crate::store::engine::Tx;
use crate::store::receivers::{Unreached, reader_of, unreached};
use crate::store::rows::audit as audit_rows;
use crate::store::rows::{matched, missing, people, population, rejection, risk};
use std::collections::BTreeMap;

/// One look at it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// People who wait, by org.
    pub orgs: BTreeMap<String, OrgVitals>,
    /// Who has left and still has access, the most urgent first.
    pub leavers: Vec<LeaverWithAccess>,
    /// Orgs and tenants that the configuration does not have, of people with live accounts.
    pub unconfigured: Vec<Unconfigured>,
    /// Who has accepted the reports of first contact, of each org whose tenants all were accepted.
    pub accepted: BTreeMap<String, String>,
    /// Profiles that cannot be read, by tenant.
    pub unreadable: BTreeMap<String, i64>,
    /// People who are missing and about whom nobody has decided, by tenant; every tenant has its number.
    pub missing: BTreeMap<String, i64>,
    /// Open holds by org and kind: how many, and since when.
    pub holds: BTreeMap<(String, String), (i64, Moment)>,
    /// What is paused: org and kind, `all` for every one.
    pub pauses: Vec<(String, String)>,
    /// What part of each limit is used, of each tenant in each org.
    pub safeguards: Vec<Used>,
    /// Number of the newest audit row; 0 where there is none.
    pub audit_rows: i64,
    /// Number of the last row that a checkpoint seals; 0 before the first.
    pub sealed_rows: i64,
    /// Of each reader of the audit: rows that it has not delivered, and when the oldest of them was written.
    pub sinks: BTreeMap<String, (i64, Option<Moment>)>,
    /// Channels of messages, and recipients of mail, that take none.
    pub unreached: Vec<Unreached>,
    /// Alarms that people were told of and that are not over.
    pub alarms: Vec<Alarm>,
}

/// People of one org.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrgVitals {
    /// Who waits to be worked on: how many, and since when the oldest.
    pub backlog: BTreeMap<&'static str, (i64, Moment)>,
    /// People who cannot go on until somebody changes something.
    pub quarantined: i64,
    /// Since when the first of them.
    pub quarantined_since: Option<Moment>,
    /// People of whose changes some wait for a decision.
    pub held: i64,
    /// People of whom nothing is left but what somebody has rejected.
    pub rejected: i64,
}

/// How much of one safeguard is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Used {
    /// The org, by its name in the configuration.
    pub org: String,
    /// The tenant whose people are counted, by its name in the configuration.
    pub tenant: String,
    /// The kind of change that is limited.
    pub change: ChangeKind,
    /// Over what time it counts.
    pub per: Span,
    /// People who count in that time: let through or held, without those about whom somebody has decided.
    pub so_far: u32,
    /// Of these, who wait in a hold: nothing of it was done.
    pub held: u32,
    /// People allowed in that time, by the limit and how many live accounts the tenant has in the org.
    pub allowed: u32,
    /// `so_far` divided by `allowed`, 1 where nobody is allowed: 1 and more holds whoever comes next.
    pub ratio: f64,
}

/// Takes a look.
pub fn vitals(c: &Tx, rules: &Rulebook, now: Moment) -> Result<Vitals, StoreError> {
    let mut vitals = Vitals::default();
    backlog(c, &mut vitals)?;
    vitals.unreadable = people::count_unreadable(c)?.into_iter().collect();
    vitals.accepted = accepted(c, rules)?;
    let tenants = rules.orgs.iter().flat_map(|org| &org.tenants);
    vitals.missing = tenants.map(|tenant| (tenant.clone(), 0)).chain(missing::counts(c)?).collect();
    let holds = people::open_holds(c)?.into_iter();
    vitals.holds = holds.map(|(org, change, count, since)| ((org, change), (count, since))).collect();
    vitals.pauses = people::paused(c)?;
    vitals.safeguards = used(c, &vitals.orgs, &rules.safeguards.limits, now)?;
    vitals.leavers = leavers_with_access(c, rules, now)?;
    vitals.unconfigured = unconfigured(c, rules)?;
    vitals.unreached = unreached(c)?;
    vitals.alarms = alarms(c)?;
    audit(c, &mut vitals)?;
    Ok(vitals)
}

fn accepted(c: &Tx, rules: &Rulebook) -> Result<BTreeMap<String, String>, StoreError> {
    let mut found = BTreeMap::new();
    for org in &rules.orgs {
        let mut by = Vec::new();
        for tenant in &org.tenants {
            by.push(matched::accepted_by(c, &org.name, tenant)?);
        }
        if let Some(by) = by.into_iter().collect::<Option<Vec<String>>>().and_then(|mut by| by.pop()) {
            found.insert(org.name.clone(), by);
        }
    }
    Ok(found)
}

fn backlog(c: &Tx, vitals: &mut Vitals) -> Result<(), StoreError> {
    for org in people::orgs(c)? {
        vitals.orgs.entry(org).or_default();
    }
    for dirty in people::dirty(c)? {
        let org = vitals.orgs.entry(dirty.org).or_default();
        match dirty.state {
            State::Ready => {
                org.backlog.insert(dirty.priority.as_str(), (dirty.people, dirty.oldest));
            }
            State::Held => org.held += dirty.people,
            State::Quarantined => {
                org.quarantined += dirty.people;
                org.quarantined_since = org.quarantined_since.into_iter().chain([dirty.oldest]).min();
            }
        }
    }
    for (org, people) in rejection::keeps(c)? {
        let org = vitals.orgs.entry(org).or_default();
        (org.held, org.rejected) = (org.held - people, people);
    }
    Ok(())
}

fn audit(c: &Tx, vitals: &mut Vitals) -> Result<(), StoreError> {
    vitals.audit_rows = audit_rows::last(c)?.map_or(0, |(seq, _)| seq);
    vitals.sealed_rows = audit_rows::sealed(c)?.unwrap_or(0);
    for (sink, seq, oldest) in audit_rows::sinks(c)? {
        let waits = (vitals.audit_rows - seq).max(0);
        let all = vitals.sinks.entry(reader_of(&sink)).or_default();
        *all = (all.0.max(waits), all.1.into_iter().chain(oldest.filter(|_| waits > 0)).min());
    }
    Ok(())
}

/// What part of each limit on a whole tenant is used.
fn used(c: &Tx, orgs: &BTreeMap<String, OrgVitals>, limits: &[Limit], now: Moment) -> Result<Vec<Used>, StoreError> {
    let populations = population::counted(c)?;
    let mut all = Vec::new();
    for limit in limits.iter().filter(|limit| limit.scope == Scope::Tenant) {
        let rows = risk::counts(c, limit.change, limit.per.begin(now))?;
        for (key, value) in &populations {
            let named =
                orgs.keys().filter_map(|org| Some((org.as_str(), key.strip_prefix(org.as_str())?.strip_prefix(' ')?)));
            let Some((org, tenant)) = named.max_by_key(|(org, _)| org.len()) else { continue };
            let population = value.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            let (so_far, held) = rows.get(&(org.to_owned(), tenant.to_owned())).copied().unwrap_or_default();
            let allowed = limit.allows(population);
            let ratio = if allowed == 0 { 1.0 } else { f64::from(so_far) / f64::from(allowed) };
            let (org, tenant) = (org.to_owned(), tenant.to_owned());
            all.push(Used { org, tenant, change: limit.change, per: limit.per, so_far, held, allowed, ratio });
        }
    }
    Ok(all)
}
