//! Evidence: what an auditor asks for, drawn from the audit alone. Every leaver with the time until access was cut, every
//! change of access with its cause, every hold with who decided, every failure and how it ended, every reconciliation.

use super::decision::{Decision, decided_by};
use super::page::{ReportError, page};
use crate::audit::details::{Effect, HoldEnded, Names, Observed, Verdict};
use crate::audit::{Event, Row};
use crate::domain::plan::left_alone;
use crate::domain::plan::pins::Access;
use crate::domain::plan::planner::NO_ACCOUNT;
use crate::domain::{ChangeKind, Step};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Somebody whose access ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Leaver {
    pub target: i64,
    pub org: String,
    pub tenant: String,
    pub profile: String,
    pub name: String,
    /// The login of the account, as it is known now.
    pub login: String,
    /// What Namely said.
    pub cause: String,
    pub seen_at: String,
    pub revoked_at: Option<String>,
    /// From the moment it was seen until Okta accepted the deactivation, in milliseconds.
    pub time_to_revoke_ms: Option<i64>,
    /// When a read showed that the account is deactivated.
    pub proved_at: Option<String>,
    /// What held it up, if something did.
    pub held: Option<String>,
    /// Who has approved what was held.
    pub approved_by: Option<String>,
    /// Who has decided that access stays, or has given it back.
    pub kept_by: Option<String>,
    /// `revoked and proved`, `revoked`, `suspended` for as long as the account is not deactivated, `nothing to revoke`, `no account
    /// found`, `open`, `kept by decision` whatever was revoked before it, `taken back` when Namely said otherwise again, or `could not be
    /// looked at` where the org is not in the configuration.
    pub state: &'static str,
}

/// A change in Okta.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccessChange {
    pub at: String,
    pub org: String,
    pub target: i64,
    pub name: String,
    pub what: String,
    pub outcome: String,
    pub request_id: String,
    /// What Namely said, or who asked for it.
    pub cause: String,
    pub cause_at: String,
    /// The rules of the configuration that gave or took the groups and apps of this call.
    pub rule: String,
    /// Numbers of the audit rows: of the change and of its cause.
    pub seq: i64,
    pub cause_seq: i64,
}

/// A call that failed, or somebody who had to wait.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    pub at: String,
    pub org: String,
    pub target: i64,
    pub name: String,
    pub what: String,
    /// When everything was done after all.
    pub ended_at: Option<String>,
    pub seq: i64,
}

/// A row that this version cannot read, as it was stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unread {
    pub at: String,
    pub seq: i64,
    pub what: String,
}

/// All of it, for a span of time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Evidence {
    pub from: String,
    pub to: String,
    pub rows: u64,
    pub leavers: Vec<Leaver>,
    pub changes: Vec<AccessChange>,
    pub decisions: Vec<Decision>,
    pub failures: Vec<Failure>,
    pub reconciliations: Vec<Value>,
    /// What is in the audit and in none of the other lists because it cannot be read.
    pub unread: Vec<Unread>,
    /// What of the span was removed from the audit, so that all of this may be incomplete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruned: Option<String>,
}

/// The state of a leaver whose access stays because somebody has decided so.
const KEPT: &str = "kept by decision";
/// That of one who cannot sign in and whose account is not deactivated: the grace, or two people are to decide.
const SUSPENDED: &str = "suspended";

/// What is known of one target while rows pass.
#[derive(Default)]
struct Track {
    cause: String,
    cause_at: String,
    cause_seq: i64,
    /// The rules of the plan that is carried out, by group or app.
    rules: BTreeMap<String, String>,
    /// Index of the leaver that is open.
    leaver: Option<usize>,
    /// Index of the newest leaver, for as long as Namely says that access is over.
    latest: Option<usize>,
    /// When somebody has asked for the end of access, before HR has.
    asked_at: Option<String>,
    /// Whose undo gives access back although Namely says that it is over.
    given_by: Option<String>,
    /// Indices of failures that have not ended.
    failures: Vec<usize>,
}

/// Draws evidence from rows that come in order, from the first one on: causes may lie before the span.
pub struct Collector {
    evidence: Evidence,
    tracks: HashMap<i64, Track>,
    /// The decision about a hold that the rows of its people follow.
    ended: Option<usize>,
}

fn millis(at: &str) -> Option<i64> {
    at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

impl Collector {
    /// For what happened from `from` on; times are as in the rows.
    pub fn new(from: &str, to: &str) -> Self {
        let evidence = Evidence { from: from.to_owned(), to: to.to_owned(), ..Evidence::default() };
        Self { evidence, tracks: HashMap::new(), ended: None }
    }

    /// The next row; `name` tells whom a target is.
    pub fn row(&mut self, stored: &Value, name: impl Fn(i64) -> String) {
        let row = Row::of(stored);
        let inside = row.at >= self.evidence.from;
        self.evidence.rows += u64::from(inside);
        if let Some(target) = row.target {
            self.of_person(&row, target, inside, &name);
        }
        if !inside {
            return;
        }
        match &row.event {
            Event::Reconciled(_) => self.evidence.reconciliations.push(stored.clone()),
            Event::Unknown { .. } | Event::Misfit { .. } => {
                self.evidence.unread.push(Unread { at: row.at.clone(), seq: row.seq, what: row.describe() });
            }
            _ => {}
        }
        // A hold is one decision, however many people it is about: what came of it names each of them.
        let is_of_one = row.target.is_some() && matches!(row.event, Event::Held(_) | Event::HoldEnded(_));
        if let (Event::HoldEnded(_), Some(target), Some(decision)) = (&row.event, row.target, self.ended) {
            let named = &mut self.evidence.decisions[decision].name;
            let between = if named.is_empty() { "" } else { "; " };
            *named = format!("{named}{between}{}", name(target));
        }
        if let Some(by) = decided_by(&row.event).filter(|_| !is_of_one) {
            let what = row.describe();
            let name = match &row.event {
                Event::HoldEnded(HoldEnded { only: Some(only), verdict: None, .. }) => {
                    only.iter().map(|target| name(*target)).collect::<Vec<_>>().join("; ")
                }
                _ => row.target.map(name).unwrap_or_default(),
            };
            if let Event::HoldEnded(it) = &row.event {
                self.ended = it.verdict.map(|_| self.evidence.decisions.len());
            }
            let org = row.org.unwrap_or_default();
            self.evidence.decisions.push(Decision { at: row.at, org, name, what, by, seq: row.seq });
        }
    }

    fn of_person(&mut self, row: &Row, target: i64, inside: bool, name: &impl Fn(i64) -> String) {
        match &row.event {
            Event::Observed(it) => self.observed(row, it, target, inside, name),
            Event::Requested(_) | Event::Approved(_) | Event::AccessRestored(_) => self.caused(row, target),
            Event::AccessEnded(it) => {
                self.caused(row, target);
                self.tracks.entry(target).or_default().asked_at = (!it.waits).then(|| it.asked_at.clone());
            }
            Event::Undone(it) => {
                self.caused(row, target);
                let gives = it.pins.access == Some(Access::Given);
                self.tracks.entry(target).or_default().given_by = gives.then(|| it.author.by.clone());
            }
            Event::Planned(it) => self.tracks.entry(target).or_default().rules = it.rules.clone(),
            Event::Effect(it) => self.effect(row, it, target, inside, name),
            Event::Quarantined(_) if inside => self.failed(row, target, name),
            Event::Unpinned(_) | Event::RejectionEnded(_) => self.not_kept(target),
            Event::Done(it) => self.done(target, &row.at, it.remark.as_deref()),
            Event::Held(it) if inside => {
                if let Some(leaver) = self.leaver(target) {
                    leaver.held = Some(format!("hold {}: {}", it.hold, it.why));
                }
            }
            Event::HoldEnded(it) => self.hold_ended(it, target),
            // Whoever has left by then keeps the account by this decision, unless it was closed before.
            Event::Split(it) if !it.kept && self.leaver(target).is_some() => self.keep(target, it.author.by.clone()),
            Event::Split(_) => {}
            Event::Quarantined(_)
            | Event::Held(_)
            | Event::Unreadable(_)
            | Event::Missing(_)
            | Event::Correlated(_)
            | Event::Reviewed(_)
            | Event::Adopted(_)
            | Event::ListAccepted(_)
            | Event::Searched(_)
            | Event::ApprovalEnded(_)
            | Event::ApprovedAlone(_)
            | Event::Reminded(_)
            | Event::Withheld(_)
            | Event::Paused(_)
            | Event::Resumed(_)
            | Event::Drifted(_)
            | Event::Reconciled(_)
            | Event::AccessEndConfirmed(_)
            | Event::TakenBack(_)
            | Event::Pruned(_)
            | Event::Reconfigured(_)
            | Event::Drained(_)
            | Event::StoreMoved(_)
            | Event::Walk(_)
            | Event::Started(_)
            | Event::SignedIn(_)
            | Event::SignInRefused(_)
            | Event::Viewed(_)
            | Event::Unreached(_)
            | Event::Reached(_)
            | Event::AlarmRaised(_)
            | Event::AlarmCleared(_)
            | Event::Restored(_)
            | Event::Unknown { .. }
            | Event::Misfit { .. } => {}
        }
    }

    /// What happens to a target from here on is because of this row.
    fn caused(&mut self, row: &Row, target: i64) {
        let track = self.tracks.entry(target).or_default();
        (track.cause, track.cause_at, track.cause_seq) = (row.describe(), row.at.clone(), row.seq);
    }

    /// Somebody may have decided that the access of a leaver stays.
    fn hold_ended(&mut self, it: &HoldEnded, target: i64) {
        let ends = matches!(it.change, ChangeKind::Deactivate | ChangeKind::Suspend);
        if ends && it.verdict == Some(Verdict::Approved) {
            let by = it.by.as_ref().map(Names::joined);
            if let Some(leaver) = self.leaver(target) {
                leaver.approved_by = by;
            }
        }
        if ends && it.verdict == Some(Verdict::Rejected) {
            self.keep(target, it.by.as_ref().map(Names::joined).unwrap_or_default());
        }
    }

    /// The newest leaver of a target has access by a decision, whatever was revoked before.
    fn keep(&mut self, target: i64, by: String) {
        let latest = self.tracks.get(&target).and_then(|track| track.latest);
        if let Some(leaver) = latest.and_then(|at| self.evidence.leavers.get_mut(at)) {
            (leaver.state, leaver.kept_by) = (KEPT, Some(by));
        }
    }

    /// What somebody had decided does not hold any more: access is to end again.
    fn not_kept(&mut self, target: i64) {
        let Some(track) = self.tracks.get_mut(&target) else { return };
        track.given_by = None;
        let latest = track.latest;
        if let Some(leaver) = latest.and_then(|at| self.evidence.leavers.get_mut(at)).filter(|one| one.state == KEPT) {
            (leaver.state, leaver.kept_by, leaver.proved_at) = ("open", None, None);
            track.leaver = latest;
        }
    }

    fn leaver(&mut self, target: i64) -> Option<&mut Leaver> {
        let at = self.tracks.get(&target)?.leaver?;
        self.evidence.leavers.get_mut(at)
    }

    fn observed(&mut self, row: &Row, it: &Observed, target: i64, inside: bool, name: &impl Fn(i64) -> String) {
        let over = it.entitlement.is_over();
        if !over
            && let Some(leaver) = self.leaver(target)
            && leaver.revoked_at.is_none()
        {
            (leaver.state, leaver.kept_by) = ("taken back", None);
        }
        // What somebody has asked for before HR is the cause, and not that it was looked at because of it.
        if self.tracks.get(&target).is_none_or(|track| track.asked_at.is_none()) {
            self.caused(row, target);
        }
        // Who was suspended for a while and came back in time is suspended no longer.
        let latest = self.tracks.get(&target).and_then(|track| track.latest).filter(|_| !over);
        if let Some(leaver) = latest.and_then(|at| self.evidence.leavers.get_mut(at))
            && leaver.state == SUSPENDED
        {
            leaver.state = "taken back";
        }
        let track = self.tracks.entry(target).or_default();
        if !over {
            (track.leaver, track.latest, track.given_by) = (None, None, None);
        } else if inside && track.latest.is_none() {
            let asked_at = track.asked_at.take();
            track.leaver = Some(self.evidence.leavers.len());
            track.latest = track.leaver;
            self.evidence.leavers.push(Leaver {
                target,
                org: row.org.clone().unwrap_or_default(),
                tenant: row.tenant.clone().unwrap_or_default(),
                profile: row.profile.clone().unwrap_or_default(),
                name: name(target),
                cause: track.cause.clone(),
                seen_at: asked_at.unwrap_or_else(|| row.at.clone()),
                state: "open",
                ..Leaver::default()
            });
        } else if inside && track.leaver.is_none() {
            // The grace is over, or something else was said of a leaver: the same one.
            let latest = track.latest;
            if let Some(leaver) = latest.and_then(|at| self.evidence.leavers.get_mut(at)) {
                let is_over = leaver.revoked_at.is_some() || leaver.state == KEPT;
                if !is_over {
                    self.tracks.entry(target).or_default().leaver = latest;
                    leaver.state = if leaver.state == SUSPENDED { SUSPENDED } else { "open" };
                }
            }
        }
    }

    fn effect(&mut self, row: &Row, it: &Effect, target: i64, inside: bool, name: &impl Fn(i64) -> String) {
        let (step, at, done) = (&it.call.step, &row.at, it.outcome.is_done());
        let took = |leaver: &Leaver| millis(at).zip(millis(&leaver.seen_at)).map(|(end, begin)| end - begin);
        if done && let Some(leaver) = self.leaver(target) {
            if matches!(step, Step::Deactivate { .. }) && leaver.state != "revoked" {
                // The first time counts; that it was given back in between is in the list of decisions.
                leaver.time_to_revoke_ms = leaver.time_to_revoke_ms.or(took(leaver));
                leaver.revoked_at.get_or_insert_with(|| at.clone());
                leaver.state = "revoked";
            } else if matches!(step, Step::Suspend { .. }) && leaver.revoked_at.is_none() && leaver.state != KEPT {
                leaver.time_to_revoke_ms = leaver.time_to_revoke_ms.or(took(leaver));
                leaver.state = SUSPENDED;
            } else if matches!(step, Step::ReadBack { .. }) && leaver.revoked_at.is_some() {
                leaver.proved_at = Some(at.clone());
            }
        }
        let given_by = self.tracks.get(&target).and_then(|track| track.given_by.clone());
        if let Some(by) = given_by.filter(|_| done && matches!(step, Step::Activate { .. } | Step::Unsuspend { .. })) {
            self.keep(target, by);
        }
        if !inside {
            return;
        }
        if !done {
            self.failed(row, target, name);
        } else if step.is_write() {
            let track = self.tracks.entry(target).or_default();
            self.evidence.changes.push(AccessChange {
                at: at.clone(),
                org: row.org.clone().unwrap_or_default(),
                target,
                name: name(target),
                what: row.describe(),
                outcome: it.outcome.as_str().to_owned(),
                request_id: it.request_id.clone().unwrap_or_default(),
                cause: track.cause.clone(),
                cause_at: track.cause_at.clone(),
                rule: rule_of(step, &track.rules),
                seq: row.seq,
                cause_seq: track.cause_seq,
            });
        }
    }

    fn failed(&mut self, row: &Row, target: i64, name: &impl Fn(i64) -> String) {
        self.tracks.entry(target).or_default().failures.push(self.evidence.failures.len());
        self.evidence.failures.push(Failure {
            at: row.at.clone(),
            org: row.org.clone().unwrap_or_default(),
            target,
            name: name(target),
            what: row.describe(),
            ended_at: None,
            seq: row.seq,
        });
    }

    fn done(&mut self, target: i64, at: &str, remark: Option<&str>) {
        // An account that was live all the time.
        let given_by = self.tracks.get(&target).and_then(|track| track.given_by.clone());
        if let Some(by) = given_by {
            self.keep(target, by);
        }
        if let Some(by) = remark.and_then(left_alone::decided_by) {
            self.keep(target, by.to_owned());
        }
        if let Some(leaver) = self.leaver(target)
            && leaver.revoked_at.is_none()
            && leaver.state == "open"
        {
            let has_none = remark.is_some_and(|remark| remark.contains(NO_ACCOUNT));
            leaver.state = if has_none { "no account found" } else { "nothing to revoke" };
        }
        // Done means that the memberships that should go are gone too.
        if let Some(leaver) = self.leaver(target)
            && leaver.state == "revoked"
            && leaver.proved_at.is_some()
        {
            leaver.state = "revoked and proved";
        }
        let Some(track) = self.tracks.get_mut(&target) else { return };
        track.leaver = None;
        for at_failure in track.failures.drain(..) {
            if let Some(failure) = self.evidence.failures.get_mut(at_failure) {
                failure.ended_at = Some(at.to_owned());
            }
        }
    }

    /// No row follows.
    pub fn end(self) -> Evidence {
        self.evidence
    }
}

/// Half and nearly all of some times, and the longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// Of so many people.
    pub people: usize,
    pub p50: i64,
    pub p99: i64,
    pub max: i64,
}

impl Evidence {
    /// How long it took until access was cut, of those of whom it was; nothing where it was of nobody.
    pub fn time_to_revoke(&self) -> Option<Times> {
        let mut times: Vec<i64> = self.leavers.iter().filter_map(|leaver| leaver.time_to_revoke_ms).collect();
        times.sort_unstable();
        let of = |part: usize| times.get((times.len() * part).div_ceil(100).saturating_sub(1)).copied();
        Some(Times { people: times.len(), p50: of(50)?, p99: of(99)?, max: times.last().copied()? })
    }

    /// How many leavers are in each state, the open ones first.
    pub fn states(&self) -> Vec<(&'static str, usize)> {
        let mut states: BTreeMap<&'static str, usize> = BTreeMap::new();
        for leaver in &self.leavers {
            *states.entry(leaver.state).or_default() += 1;
        }
        let mut states: Vec<_> = states.into_iter().collect();
        states.sort_by_key(|(state, _)| (*state != "open", *state != SUSPENDED, *state));
        states
    }

    /// What is so of the leavers, in one sentence; figures only where there is something to count.
    pub fn summary(&self) -> String {
        let all = self.leavers.len();
        let noun = if all == 1 { "leaver" } else { "leavers" };
        let states: Vec<String> = self.states().iter().map(|(state, people)| format!("{people} {state}")).collect();
        let states = if states.is_empty() { String::new() } else { format!(": {}", states.join(", ")) };
        let times = self.time_to_revoke().map_or_else(
            || if all == 0 { String::new() } else { format!("; 0 of {all} revoked") },
            |times| {
                let of = times.people;
                format!(
                    "; {of} of {all} revoked, half of them within {}, all within {}",
                    span(times.p50),
                    span(times.max)
                )
            },
        );
        match &self.pruned {
            Some(pruned) => format!("{all} {noun} in the rows that are left{states}{times}; incomplete: {pruned}"),
            None => format!("{all} {noun}{states}{times}"),
        }
    }

    /// A page that needs nothing but itself.
    pub fn html(&self, chain: &Value) -> Result<String, ReportError> {
        let count = |state: &str| self.leavers.iter().filter(|leaver| leaver.state == state).count();
        let seconds = span;
        let times = self.time_to_revoke();
        let leavers: Vec<Value> = self
            .leavers
            .iter()
            .map(|leaver| {
                let mut row = serde_json::to_value(leaver).unwrap_or_default();
                row["took"] = leaver.time_to_revoke_ms.map(seconds).into();
                row
            })
            .collect();
        page(
            include_str!("evidence.html"),
            serde_json::json!({
                "from": self.from, "to": self.to, "rows": self.rows, "chain": chain, "leavers": leavers,
                "decisions": self.decisions, "failures": self.failures, "changes": self.changes.len(),
                "reconciliations": self.reconciliations, "unread": self.unread, "pruned": self.pruned,
                "open": count("open"), "kept": count(KEPT), "proved": count("revoked and proved"),
                "times": times.map(|times| serde_json::json!({
                    "p50": seconds(times.p50), "p99": seconds(times.p99), "max": seconds(times.max), "people": times.people,
                })),
                "summary": self.summary(),
            }),
        )
    }

    /// Tables by name of the file.
    pub fn tables(&self) -> Result<Vec<(&'static str, Vec<u8>)>, ReportError> {
        Ok(vec![
            ("leavers.csv", table(&self.leavers)?),
            ("access-changes.csv", table(&self.changes)?),
            ("decisions.csv", table(&self.decisions)?),
            ("failures.csv", table_of(&self.failures, &["at", "org", "target", "name", "what", "ended_at", "seq"])?),
        ])
    }
}

/// A length of time in milliseconds, for people.
fn span(ms: i64) -> String {
    match ms {
        ..=59_999 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..=3_599_999 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// The rule behind one call of a plan: of the group or app that it is about, or of all groups that an account is made in.
fn rule_of(step: &Step, rules: &BTreeMap<String, String>) -> String {
    match step {
        Step::CreateGroup { name }
        | Step::ChangeType { name, .. }
        | Step::AddGroup { name, .. }
        | Step::RemoveGroup { name, .. }
        | Step::AssignApp { name, .. }
        | Step::NameInApp { name, .. }
        | Step::UnassignApp { name, .. } => rules.get(name).cloned().unwrap_or_default(),
        Step::CreateUser { .. } => {
            let all: BTreeSet<&str> = rules.values().map(String::as_str).collect();
            all.into_iter().collect::<Vec<_>>().join("; ")
        }
        _ => String::new(),
    }
}

/// A table that says what its columns are also where there is no row.
fn table_of<T: Serialize>(rows: &[T], headings: &[&str]) -> Result<Vec<u8>, ReportError> {
    if rows.is_empty() { Ok(format!("{}\n", headings.join(",")).into_bytes()) } else { table(rows) }
}

fn table<T: Serialize>(rows: &[T]) -> Result<Vec<u8>, ReportError> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    for row in rows {
        csv.serialize(row)?;
    }
    super::spreadsheet::without_formulas(&csv.into_inner().map_err(|e| e.into_error())?)
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
