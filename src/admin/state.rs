//! The state of things for machines and people: the same over HTTP and from the command line.

use crate::clock::Moment;
use crate::domain::Priority;
use crate::store::{HeldChanges, LeaverWithAccess, OrgVitals, Pause, StoreError, Tx, Used, Vitals, holds, pauses};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a running service knows of itself, beyond its store.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// What is missing, and why.
    pub missing: BTreeMap<String, String>,
    /// Samples of its metrics by name and labels, as they are written, without what all names begin with.
    samples: BTreeMap<String, f64>,
}

impl Running {
    /// From what is missing, and the text of its metrics.
    pub fn new(missing: BTreeMap<String, String>, metrics: &str) -> Self {
        let sample = |line: &str| {
            let (name, value) = line.strip_prefix("namely_okta_sync_")?.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self { missing, samples: metrics.lines().filter_map(sample).collect() }
    }

    fn audit_is_broken(&self) -> bool {
        self.samples.get("audit_chain_broken") == Some(&1.0)
    }

    /// When the backlog of an org is done, in seconds.
    fn eta(&self, org: &str) -> Option<f64> {
        self.samples.get(&format!("backlog_eta_seconds{{org=\"{org}\"}}")).copied()
    }

    /// Counters of an org that were used.
    fn budget(&self, org: &str) -> Vec<Budget> {
        let limits = self.samples.iter().filter_map(|(name, limit)| {
            let bucket = name.strip_prefix("okta_rate_limit{bucket=\"")?;
            let (bucket, rest) = bucket.split_once('"')?;
            (rest == format!(",org=\"{org}\"}}") && *limit > 0.0).then_some((bucket, *limit))
        });
        limits
            .map(|(bucket, limit)| {
                let left = format!("okta_rate_limit_remaining{{bucket=\"{bucket}\",org=\"{org}\"}}");
                let left = self.samples.get(&left).copied().unwrap_or(0.0);
                Budget { bucket: bucket.to_owned(), left, limit }
            })
            .collect()
    }
}

/// What is left of one of Okta's counters in its present window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    pub bucket: String,
    pub left: f64,
    pub limit: f64,
}

/// All of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    pub version: String,
    pub at: String,
    /// Whether a service answers.
    pub running: bool,
    /// Whether nothing is missing.
    pub ready: bool,
    pub missing: Option<BTreeMap<String, String>>,
    /// Who has left and still has access, the most urgent first.
    #[serde(default)]
    pub leavers_with_access: Vec<LeaverWithAccess>,
    pub orgs: BTreeMap<String, OrgState>,
    /// Profiles that cannot be read, by tenant.
    pub unreadable: BTreeMap<String, i64>,
    /// People whom complete walks do not show any more and about whom nobody has decided, by tenant.
    #[serde(default)]
    pub missing_people: BTreeMap<String, i64>,
    pub holds: Vec<HeldChanges>,
    pub pauses: Vec<Pause>,
    pub safeguards: Vec<Headroom>,
    /// How many people can approve over the admin API, and what waits for ever if these are too few.
    #[serde(default)]
    pub approvers: Approvers,
    pub audit: AuditState,
}

/// Who can approve over the admin API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvers {
    pub people: usize,
    /// What waits for ever, and how to add somebody; nothing where there are enough.
    pub lacking: Option<String>,
}

/// People of one org.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrgState {
    pub waiting: i64,
    pub waiting_by_priority: BTreeMap<String, i64>,
    pub terminations_waiting: i64,
    pub oldest_seconds: f64,
    /// Nothing where no service answers.
    pub eta_seconds: Option<f64>,
    pub held: i64,
    pub quarantined: i64,
    pub budget: Vec<Budget>,
}

/// How much of one safeguard is used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Headroom {
    pub org: String,
    pub tenant: String,
    pub change: String,
    pub per: String,
    /// People so far, by those allowed: 1 and more holds whoever comes next.
    pub used: f64,
}

/// The audit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditState {
    pub rows: i64,
    /// Up to this row a checkpoint seals it.
    pub sealed: i64,
    /// Whether it is not as it was written, as far as a running service has verified it.
    pub broken: Option<bool>,
    /// Rows that each reader has not delivered.
    pub undelivered: BTreeMap<String, i64>,
}

impl State {
    /// What was `seen` in the store, and what a service says of itself; `None` where none answers.
    pub fn of(
        c: &Tx,
        seen: &Vitals,
        running: Option<&Running>,
        approvers: Approvers,
        now: Moment,
    ) -> Result<Self, StoreError> {
        let org = |(name, people): (&String, &OrgVitals)| {
            let by_priority: BTreeMap<String, i64> =
                people.backlog.iter().map(|(priority, (count, _))| ((*priority).to_owned(), *count)).collect();
            let oldest = people.backlog.values().map(|(_, since)| *since).min();
            let state = OrgState {
                waiting: by_priority.values().sum(),
                terminations_waiting: by_priority.get(Priority::Revoke.as_str()).copied().unwrap_or(0),
                waiting_by_priority: by_priority,
                oldest_seconds: oldest.map_or(0.0, |since| now.since(since).as_secs_f64()),
                eta_seconds: running.and_then(|running| running.eta(name)),
                held: people.held,
                quarantined: people.quarantined,
                budget: running.map(|running| running.budget(name)).unwrap_or_default(),
            };
            (name.clone(), state)
        };
        let headroom = |used: &Used| Headroom {
            org: used.org.clone(),
            tenant: used.tenant.clone(),
            change: used.change.as_str().to_owned(),
            per: used.per.as_str().to_owned(),
            used: used.ratio,
        };
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: now.to_string(),
            running: running.is_some(),
            ready: running.is_some_and(|running| running.missing.is_empty()),
            missing: running.map(|running| running.missing.clone()),
            leavers_with_access: seen.leavers.clone(),
            orgs: seen.orgs.iter().map(org).collect(),
            unreadable: seen.unreadable.clone(),
            missing_people: seen.missing.clone(),
            holds: holds(c, false)?,
            pauses: pauses(c)?,
            safeguards: seen.safeguards.iter().map(headroom).collect(),
            approvers,
            audit: AuditState {
                rows: seen.audit_rows,
                sealed: seen.sealed_rows,
                broken: running.map(Running::audit_is_broken),
                undelivered: seen.sinks.iter().map(|(sink, (rows, _))| (sink.clone(), *rows)).collect(),
            },
        })
    }
}
