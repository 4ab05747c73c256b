//! How the store and what waits in it are, for those who watch: read beside the writer, never in its way.

use super::StoreError;
use super::engine::Tx;
use super::leavers::{LeaverWithAccess, leavers_with_access};
use super::rows::{population, risk};
use crate::clock::Moment;
use crate::domain::plan::limits::{Limit, Scope, Span};
use crate::domain::work::machine::State;
use crate::domain::{ChangeKind, Priority, Rulebook};
use std::collections::BTreeMap;

/// One look at it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// People who wait, by org.
    pub orgs: BTreeMap<String, OrgVitals>,
    /// Who has left and still has access, the most urgent first.
    pub leavers: Vec<LeaverWithAccess>,
    /// Profiles that cannot be read, by tenant.
    pub unreadable: BTreeMap<String, i64>,
    /// Open holds by org and kind: how many, and since when.
    pub holds: BTreeMap<(String, String), (i64, Moment)>,
    /// What is paused: org and kind, `all` for every one.
    pub pauses: Vec<(String, String)>,
    /// What part of each limit is used, of each tenant in each org.
    pub safeguards: Vec<Used>,
    /// Number of the newest audit row, and of the last one that a checkpoint seals.
    pub audit_rows: i64,
    pub sealed_rows: i64,
    /// Of each reader of the audit: rows that it has not delivered, and when the oldest of them was written.
    pub sinks: BTreeMap<String, (i64, Option<Moment>)>,
}

/// People of one org.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OrgVitals {
    /// Who waits to be worked on: how many, and since when the oldest.
    pub backlog: BTreeMap<&'static str, (i64, Moment)>,
    pub quarantined: i64,
    pub held: i64,
}

/// How much of one safeguard is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Used {
    pub org: String,
    pub tenant: String,
    pub change: ChangeKind,
    pub per: Span,
    /// People so far, by those allowed: 1 and more holds whoever comes next.
    pub ratio: f64,
}

/// Takes a look.
pub fn vitals(c: &Tx, rules: &Rulebook, now: Moment) -> Result<Vitals, StoreError> {
    let mut vitals = Vitals::default();
    backlog(c, &mut vitals)?;
    let mut select = c.prepare_cached("SELECT tenant, count(*) FROM unreadable GROUP BY tenant")?;
    vitals.unreadable = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut select =
        c.prepare_cached("SELECT org, change, count(*), min(since) FROM hold WHERE verdict IS NULL GROUP BY 1, 2")?;
    vitals.holds = select
        .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, Moment::from_millis(row.get(3)?)))))?
        .collect::<Result<_, _>>()?;
    let mut select = c.prepare_cached(
        "SELECT DISTINCT coalesce(org, 'all'), coalesce(change, 'all') FROM pause WHERE ended_at IS NULL",
    )?;
    vitals.pauses = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    vitals.safeguards = used(c, &vitals.orgs, &rules.safeguards.limits, now)?;
    vitals.leavers = leavers_with_access(c, rules, now)?;
    audit(c, &mut vitals)?;
    Ok(vitals)
}

fn backlog(c: &Tx, vitals: &mut Vitals) -> Result<(), StoreError> {
    let mut orgs = c.prepare_cached("SELECT DISTINCT org FROM target")?;
    for org in orgs.query_map([], |row| row.get::<String>(0))? {
        vitals.orgs.entry(org?).or_default();
    }
    let mut select = c.prepare_cached(
        "SELECT org, class, state, count(*), min(dirty_at) FROM work WHERE dirty_rev > done_rev GROUP BY 1, 2, 3",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let org = vitals.orgs.entry(row.get(0)?).or_default();
        let (priority, state, count, oldest): (i64, i64, i64, i64) =
            (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        match State::from_number(state) {
            State::Ready => {
                org.backlog.insert(Priority::from_number(priority).as_str(), (count, Moment::from_millis(oldest)));
            }
            State::Held => org.held += count,
            State::Quarantined => org.quarantined += count,
        }
    }
    Ok(())
}

fn audit(c: &Tx, vitals: &mut Vitals) -> Result<(), StoreError> {
    let last = |sql: &'static str| c.prepare_cached(sql)?.query_row([], |row| row.get::<Option<i64>>(0));
    vitals.audit_rows = last("SELECT max(seq) FROM audit")?.unwrap_or(0);
    vitals.sealed_rows = last("SELECT max(seq) FROM checkpoint")?.unwrap_or(0);
    let mut select = c.prepare_cached(
        "SELECT name, seq, (SELECT at FROM audit WHERE seq > sink.seq ORDER BY seq LIMIT 1) FROM sink",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, oldest): (i64, Option<i64>) = (row.get(1)?, row.get(2)?);
        let waits = (vitals.audit_rows - seq).max(0);
        vitals.sinks.insert(row.get(0)?, (waits, oldest.filter(|_| waits > 0).map(Moment::from_millis)));
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
            let so_far = rows.get(&(org.to_owned(), tenant.to_owned())).copied().unwrap_or(0);
            let allowed = limit.allows(population);
            let ratio = if allowed == 0 { 1.0 } else { f64::from(so_far) / f64::from(allowed) };
            let (org, tenant) = (org.to_owned(), tenant.to_owned());
            all.push(Used { org, tenant, change: limit.change, per: limit.per, ratio });
        }
    }
    Ok(all)
}
