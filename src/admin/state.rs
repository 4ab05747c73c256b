//! The state of things for machines and people: the same over HTTP and from the command line.

use crate::actors::Said;
use crate::clock::Moment;
use crate::domain::Priority;
use crate::domain::guard::alarm::{About, Alarm};
use crate::domain::plan::limits::Mode;
use crate::store::{
    HeldChanges, LeaverWithAccess, OrgVitals, Pause, SeenNode, StoreError, Tx, Unconfigured, Unreached, Used, Vitals,
    holds, nodes, pauses,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a running service knows of itself, beyond its store.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// What is missing, and why.
    pub missing: BTreeMap<String, String>,
    /// What somebody should look at although nothing is missing.
    pub notices: BTreeMap<String, String>,
    /// What it may do, which a dry run has otherwise than its configuration; `None` of one that does not say.
    pub mode: Option<Mode>,
    /// What is ill.
    pub alarms: Vec<Alarm>,
    /// Samples of its metrics by name and labels, as they are written, without what all names begin with.
    samples: BTreeMap<String, f64>,
}

impl Running {
    /// From what is missing, and the text of its metrics.
    pub fn new(missing: BTreeMap<String, String>, notices: BTreeMap<String, String>, metrics: &str) -> Self {
        let sample = |line: &str| {
            let (name, value) = line.strip_prefix("namely_okta_sync_")?.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self { missing, notices, mode: None, alarms: Vec::new(), samples: metrics.lines().filter_map(sample).collect() }
    }

    /// The same, which says what it may do.
    pub fn in_mode(self, mode: Option<Mode>) -> Self {
        Self { mode, ..self }
    }

    /// The same, which says what is ill.
    pub fn with_alarms(self, alarms: Vec<Alarm>) -> Self {
        Self { alarms, ..self }
    }

    fn audit_is_broken(&self) -> bool {
        self.samples.get("audit_chain_broken") == Some(&1.0)
    }

    /// Since when something was so, of a time stamp among the metrics.
    fn since(&self, sample: &str, now: Moment) -> Option<f64> {
        let at = self.samples.get(sample).copied().filter(|at| *at > 0.0)?;
        Some((seconds(now) - at).max(0.0))
    }

    /// How a tenant was read.
    fn tenant(&self, name: &str, now: Moment) -> TenantState {
        let of = |metric: &str, rest: &str| format!("{metric}{{{rest}tenant=\"{name}\"}}");
        let page =
            |pass: &str| self.since(&of("namely_last_page_timestamp_seconds", &format!("pass=\"{pass}\",")), now);
        let pages = [page("hot"), page("walk")].into_iter().flatten();
        TenantState {
            read_seconds: pages.reduce(f64::min),
            walked_seconds: self.since(&of("namely_last_complete_walk_timestamp_seconds", ""), now),
            profiles: self.samples.get(&of("namely_profiles", "")).copied(),
            throttled: self.samples.get(&of("namely_throttled_total", "")).copied().unwrap_or(0.0),
        }
    }

    /// The tenants that are read.
    fn tenants(&self, now: Moment) -> BTreeMap<String, TenantState> {
        let names = self
            .samples
            .keys()
            .filter_map(|sample| sample.strip_prefix("namely_profiles{tenant=\"")?.strip_suffix("\"}"));
        names.map(|name| (name.to_owned(), self.tenant(name, now))).collect()
    }

    /// What ends by itself: credentials, by the end, as far as it is known.
    fn expiring(&self, now: Moment) -> Vec<Expiring> {
        let of = |(sample, at): (&String, &f64)| {
            let (side, name) = sample
                .strip_prefix("credential_expiry_timestamp_seconds{name=\"")?
                .strip_suffix("\"}")?
                .split_once("\",side=\"")
                .map(|(name, side)| (side, name))?;
            Some(Expiring { what: format!("{side} {name}"), seconds: *at - seconds(now) })
        };
        let mut found: Vec<Expiring> = self.samples.iter().filter_map(of).collect();
        found.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        found
    }

    /// When the backlog of an org is done, in seconds.
    fn eta(&self, org: &str) -> Option<f64> {
        self.samples.get(&format!("backlog_eta_seconds{{org=\"{org}\"}}")).copied()
    }

    /// Whether calls to an org are paused because of what Okta answers, or does not.
    fn is_paused(&self, org: &str) -> bool {
        let begins = format!("okta_paused{{org=\"{org}\",");
        self.samples.iter().any(|(sample, value)| *value > 0.0 && sample.starts_with(&begins))
    }

    /// What each counter of an org allows in a minute, as far as it was used.
    pub fn limits(&self, org: &str) -> BTreeMap<String, f64> {
        self.budget(org).into_iter().map(|budget| (budget.bucket, budget.limit)).collect()
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

/// How a tenant of Namely was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TenantState {
    /// Since any page was read.
    pub read_seconds: Option<f64>,
    /// Since every page was.
    pub walked_seconds: Option<f64>,
    pub profiles: Option<f64>,
    /// How often Namely has asked for less, since the start.
    pub throttled: f64,
}

/// A credential that ends by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expiring {
    pub what: String,
    /// Until then; less than nothing if it has ended.
    pub seconds: f64,
}

/// How things are, in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    /// All is well.
    Ok,
    /// Somebody must decide or mend something now.
    Attention,
    /// Nobody can say: it is not running, or not everything was read.
    #[default]
    CannotSay,
}

/// A credential that ends within this is somebody's business now.
pub const ENDS_SOON: f64 = 7.0 * 86_400.0;
/// What is so of a node that has not said anything yet.
fn just_began(node: &SeenNode) -> Said {
    let why = format!("{} has just begun to serve", node.name);
    Said { missing: BTreeMap::from([("service".to_owned(), why)]), ..Said::default() }
}

/// Somebody who is quarantined for longer is somebody's business too.
const QUARANTINED_LONG: f64 = 3600.0;
/// What is missing because somebody must accept it begins with this.
pub(super) const TO_ACCEPT: &str = "adopt ";

/// What reasons for not being ready come to.
pub fn overall(missing: &BTreeMap<String, String>, must_act: bool) -> Overall {
    let to_accept = |what: &String| what.starts_with(TO_ACCEPT);
    match () {
        () if must_act => Overall::Attention,
        () if !missing.keys().all(to_accept) => Overall::CannotSay,
        () if !missing.is_empty() => Overall::Attention,
        () => Overall::Ok,
    }
}

/// A moment as Prometheus writes it.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
fn seconds(at: Moment) -> f64 {
    at.millis() as f64 / 1000.0
}

/// All of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// In a word; what `status` ends with, and what `/readyz` says.
    #[serde(default)]
    pub state: Overall,
    /// `auto`, `approve` or `observe`.
    #[serde(default)]
    pub mode: String,
    pub version: String,
    pub at: String,
    /// Of a store on a server: who serves it, and who would.
    #[serde(default)]
    pub nodes: Vec<SeenNode>,
    /// Whether a service answers.
    pub running: bool,
    /// Whether nothing is missing.
    pub ready: bool,
    pub missing: Option<BTreeMap<String, String>>,
    /// What somebody should look at although nothing is missing: a reload that was refused.
    #[serde(default)]
    pub notices: BTreeMap<String, String>,
    /// What keeps the service from its work, besides leavers with access: since when, and who mends it. As the service says; of one
    /// that does not answer, as it was last written down.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
    /// Who has left and still has access, the most urgent first.
    #[serde(default)]
    pub leavers_with_access: Vec<LeaverWithAccess>,
    /// Orgs and tenants that the store knows and the configuration does not have, of people with live accounts.
    #[serde(default)]
    pub unconfigured: Vec<Unconfigured>,
    pub orgs: BTreeMap<String, OrgState>,
    /// How the tenants are read; nothing where no service answers.
    #[serde(default)]
    pub tenants: BTreeMap<String, TenantState>,
    /// Credentials by their end, as far as it is known.
    #[serde(default)]
    pub expiring: Vec<Expiring>,
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
    /// Channels of messages, and recipients of mail, that take none.
    #[serde(default)]
    pub unreached: Vec<Unreached>,
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
    /// Nothing where no service answers, while every write is paused, and while Okta lets nothing through.
    pub eta_seconds: Option<f64>,
    /// Since when every write is paused, in milliseconds, if it is.
    #[serde(default)]
    pub paused_since: Option<i64>,
    /// People of whose changes some wait for a decision.
    pub held: i64,
    /// People of whom nothing is left but what somebody has rejected.
    #[serde(default)]
    pub rejected: i64,
    pub quarantined: i64,
    /// For how long the first of them.
    #[serde(default)]
    pub quarantined_seconds: f64,
    pub budget: Vec<Budget>,
}

/// How much of one safeguard is used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Headroom {
    pub org: String,
    pub tenant: String,
    pub change: String,
    pub per: String,
    /// People who count, by those allowed: 1 and more holds whoever comes next.
    pub used: f64,
    /// How many were let through in that time, without those about whom somebody has decided.
    #[serde(default)]
    pub let_through: u32,
    /// How many wait in a hold: they count too, and nothing of it was done.
    #[serde(default)]
    pub held: u32,
    /// How many may be let through in that time.
    #[serde(default)]
    pub allowed: u32,
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

/// What a service says of itself: the one that answers, or another node, of which is known what it says beside its name.
pub(super) fn serving(running: Option<&Running>, nodes: &[SeenNode]) -> Option<Said> {
    let of = |running: &Running| Said {
        missing: running.missing.clone(),
        notices: running.notices.clone(),
        alarms: running.alarms.clone(),
    };
    let other = || nodes.iter().find(|node| node.serves && node.lives);
    let said_by = |node: &SeenNode| Said::read(&node.state).unwrap_or_else(|| just_began(node));
    running.map(of).or_else(|| other().map(said_by))
}

/// What keeps the service from its work, besides leavers with access: what it says itself, where anybody does, or what was written
/// down, and who takes no messages.
pub(super) fn alarms(said: Option<&Said>, seen: &Vitals) -> Vec<Alarm> {
    let written = || seen.alarms.iter().filter(|alarm| !matches!(alarm.about, About::Leaver { .. })).cloned().collect();
    let mut all: Vec<Alarm> = said.map_or_else(written, |said| said.alarms.clone());
    all.extend(seen.unreached.iter().map(Unreached::alarm));
    all
}

/// What is missing where the report of first contact with an org was not accepted.
fn adoption_of(org: &str) -> String {
    format!("adopt {org}")
}

impl Headroom {
    /// What counts against the limit, for people: who was let through, and who waits.
    pub fn message(&self) -> String {
        let Self { tenant, change, per, let_through, held, allowed, .. } = self;
        let waits = match held {
            0 => String::new(),
            held => format!(", and {held} held count too"),
        };
        format!("{change} per {per} in {tenant}: {let_through} of {allowed} let through{waits}")
    }
}

impl State {
    /// What was `seen` in the store, and what a service says of itself; `None` where none answers.
    pub fn of(
        c: &Tx,
        seen: &Vitals,
        running: Option<&Running>,
        approvers: Approvers,
        mode: Mode,
        now: Moment,
    ) -> Result<Self, StoreError> {
        let mode = running.and_then(|running| running.mode).unwrap_or(mode);
        let lasting = pauses(c)?;
        let org = |(name, people): (&String, &OrgVitals)| {
            let by_priority: BTreeMap<String, i64> =
                people.backlog.iter().map(|(priority, (count, _))| ((*priority).to_owned(), *count)).collect();
            let oldest = people.backlog.values().map(|(_, since)| *since).min();
            let stops = |pause: &&Pause| pause.change.is_none() && pause.org.as_ref().is_none_or(|org| org == name);
            // No end is promised of what does not go on.
            let paused_since = lasting.iter().filter(stops).map(|pause| pause.at).min();
            let writes = |running: &Running, org: &str| {
                let is_closed = running.missing.contains_key(&adoption_of(org));
                paused_since.is_none() && mode != Mode::Observe && !is_closed && !running.is_paused(org)
            };
            let state = OrgState {
                waiting: by_priority.values().sum(),
                terminations_waiting: by_priority.get(Priority::Revoke.as_str()).copied().unwrap_or(0),
                waiting_by_priority: by_priority,
                oldest_seconds: oldest.map_or(0.0, |since| now.since(since).as_secs_f64()),
                eta_seconds: running.filter(|running| writes(running, name)).and_then(|running| running.eta(name)),
                paused_since,
                held: people.held,
                rejected: people.rejected,
                quarantined: people.quarantined,
                quarantined_seconds: people.quarantined_since.map_or(0.0, |since| now.since(since).as_secs_f64()),
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
            let_through: used.so_far.saturating_sub(used.held),
            held: used.held,
            allowed: used.allowed,
        };
        let nodes = nodes(c)?;
        let said = serving(running, &nodes);
        // What was accepted is known here before the service acts on it.
        let mut missing = said.as_ref().map(|said| said.missing.clone());
        for (org, by) in &seen.accepted {
            if let Some(why) = missing.as_mut().and_then(|missing| missing.get_mut(&adoption_of(org))) {
                *why = format!("the adopt report was accepted by {by}: writing begins in some seconds");
            }
        }
        let mut state = Self {
            state: Overall::default(),
            mode: mode.as_str().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: now.to_string(),
            nodes: nodes.clone(),
            running: said.is_some(),
            ready: said.as_ref().is_some_and(|said| said.missing.is_empty()),
            missing,
            alarms: alarms(said.as_ref(), seen),
            notices: said.map(|said| said.notices).unwrap_or_default(),
            leavers_with_access: seen.leavers.clone(),
            unconfigured: seen.unconfigured.clone(),
            orgs: seen.orgs.iter().map(org).collect(),
            tenants: running.map(|running| running.tenants(now)).unwrap_or_default(),
            expiring: running.map(|running| running.expiring(now)).unwrap_or_default(),
            unreadable: seen.unreadable.clone(),
            missing_people: seen.missing.clone(),
            holds: holds(c, false)?,
            pauses: lasting.clone(),
            safeguards: seen.safeguards.iter().map(headroom).collect(),
            approvers,
            audit: AuditState {
                rows: seen.audit_rows,
                sealed: seen.sealed_rows,
                broken: running.map(Running::audit_is_broken),
                undelivered: seen.sinks.iter().map(|(sink, (rows, _))| (sink.clone(), *rows)).collect(),
            },
            unreached: seen.unreached.clone(),
        };
        state.state = state.overall();
        Ok(state)
    }

    /// How things are, in a word.
    pub fn overall(&self) -> Overall {
        match &self.missing {
            Some(missing) => overall(missing, self.must_act()),
            None if self.must_act() => Overall::Attention,
            None => Overall::CannotSay,
        }
    }

    /// Whether somebody must decide or mend something now.
    fn must_act(&self) -> bool {
        self.alarms.iter().any(Alarm::needs_a_person)
            || self.leavers_with_access.iter().any(|leaver| leaver.why.pages())
            || !self.holds.is_empty()
            || !self.pauses.is_empty()
            || !self.unconfigured.is_empty()
            || self.audit.broken == Some(true)
            || self.expiring.iter().any(|one| one.seconds < ENDS_SOON)
            || self.orgs.values().any(|org| org.quarantined_seconds > QUARANTINED_LONG)
    }
}
