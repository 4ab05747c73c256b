//! Evidence: what an auditor asks for, drawn from the audit alone. Every leaver with the time until access was cut, every
//! change of access with its cause, every hold with who decided, every failure and how it ended, every reconciliation.

use super::page;
use crate::audit::tell;
use crate::identity::plan::NO_ACCOUNT;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// Somebody whose access ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Leaver {
    pub target: i64,
    pub org: String,
    pub tenant: String,
    pub profile: String,
    pub name: String,
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
    /// Who has decided that access stays, or has given it back.
    pub kept_by: Option<String>,
    /// `revoked and proved`, `revoked`, `suspended` for as long as the account is not deactivated, `nothing to revoke`, `no account
    /// found`, `open`, `kept by decision` whatever was revoked before it, or `taken back` when Namely said otherwise again.
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

/// Something somebody decided, or was asked to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    pub at: String,
    pub org: String,
    pub name: String,
    pub what: String,
    pub by: String,
    pub seq: i64,
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
    rules: Value,
    /// Index of the leaver that is open.
    leaver: Option<usize>,
    /// Index of the newest leaver, for as long as Namely says that access is over.
    latest: Option<usize>,
    /// Whose undo gives access back although Namely says that it is over.
    given_by: Option<String>,
    /// Indices of failures that have not ended.
    failures: Vec<usize>,
}

/// Draws evidence from rows that come in order, from the first one on: causes may lie before the span.
pub struct Collector {
    evidence: Evidence,
    tracks: HashMap<i64, Track>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn millis(at: &str) -> Option<i64> {
    at.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

impl Collector {
    /// For what happened from `from` on; times are as in the rows.
    pub fn new(from: &str, to: &str) -> Self {
        let evidence = Evidence { from: from.to_owned(), to: to.to_owned(), ..Evidence::default() };
        Self { evidence, tracks: HashMap::new() }
    }

    /// The next row; `name` tells whom a target is.
    pub fn row(&mut self, row: &Value, name: impl Fn(i64) -> String) {
        let (kind, at) = (row["kind"].as_str().unwrap_or_default(), text(&row["at"]));
        let inside = at >= self.evidence.from;
        self.evidence.rows += u64::from(inside);
        let seq = row["seq"].as_i64().unwrap_or(0);
        let target = row["target"].as_i64();
        match (kind, target) {
            ("observed", Some(target)) => self.observed(row, target, &at, seq, inside, &name),
            ("requested" | "approved" | "undone", Some(target)) => {
                let track = self.tracks.entry(target).or_default();
                (track.cause, track.cause_at, track.cause_seq) = (tell(row), at.clone(), seq);
            }
            ("planned", Some(target)) => {
                self.tracks.entry(target).or_default().rules = row["detail"]["rules"].clone();
            }
            ("effect", Some(target)) => self.effect(row, target, &at, seq, inside, &name),
            ("set_aside", Some(target)) if inside => self.failed(row, target, &at, seq, &name),
            ("unpinned" | "rejection_ended", Some(target)) => self.not_kept(target),
            ("done", Some(target)) => self.done(target, &at, row["detail"]["remark"].as_str()),
            ("reconciled", _) if inside => self.evidence.reconciliations.push(row.clone()),
            _ => {}
        }
        let is_decision = matches!(
            kind,
            "held" | "hold_ended" | "approved" | "undone" | "paused" | "resumed" | "adopted" | "reviewed" | "split"
        );
        if let Some(target) = target {
            self.decided(kind, &row["detail"], target);
        }
        if inside && is_decision {
            if let (Some(target), "held") = (target, kind) {
                let held = format!("hold {}", row["detail"]["hold"]);
                if let Some(leaver) = self.leaver(target) {
                    leaver.held = Some(held);
                }
            }
            self.evidence.decisions.push(Decision {
                at,
                org: text(&row["org"]),
                name: target.map(name).unwrap_or_default(),
                what: tell(row),
                by: who(&row["detail"]["by"]),
                seq,
            });
        }
    }

    /// Somebody may have decided that the access of a leaver stays, or have given it back.
    fn decided(&mut self, kind: &str, detail: &Value, target: i64) {
        let by = who(&detail["by"]);
        let ends = matches!(detail["change"].as_str(), Some("deactivate" | "suspend"));
        match kind {
            "undone" => {
                let gives = detail["pins"]["access"] == "given";
                self.tracks.entry(target).or_default().given_by = gives.then_some(by);
            }
            "hold_ended" if ends && detail["verdict"] == "rejected" => self.keep(target, by),
            _ => {}
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

    fn observed(&mut self, row: &Value, target: i64, at: &str, seq: i64, inside: bool, name: &impl Fn(i64) -> String) {
        let over = matches!(row["detail"]["standing"]["is"].as_str(), Some("ended" | "suspended"));
        let cause = tell(row);
        if !over
            && let Some(leaver) = self.leaver(target)
            && leaver.revoked_at.is_none()
        {
            (leaver.state, leaver.kept_by) = ("taken back", None);
        }
        let track = self.tracks.entry(target).or_default();
        (track.cause, track.cause_at, track.cause_seq) = (cause.clone(), at.to_owned(), seq);
        if !over {
            (track.leaver, track.latest, track.given_by) = (None, None, None);
        } else if inside && track.latest.is_none() {
            track.leaver = Some(self.evidence.leavers.len());
            track.latest = track.leaver;
            self.evidence.leavers.push(Leaver {
                target,
                org: text(&row["org"]),
                tenant: text(&row["tenant"]),
                profile: text(&row["profile"]),
                name: name(target),
                cause,
                seen_at: at.to_owned(),
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

    fn effect(&mut self, row: &Value, target: i64, at: &str, seq: i64, inside: bool, name: &impl Fn(i64) -> String) {
        let detail = &row["detail"];
        let (step, outcome) = (text(&detail["step"]["step"]), text(&detail["outcome"]));
        let done = outcome == "applied" || outcome == "already_so";
        let took = |leaver: &Leaver| millis(at).zip(millis(&leaver.seen_at)).map(|(end, begin)| end - begin);
        if done && let Some(leaver) = self.leaver(target) {
            if step == "deactivate" && leaver.state != "revoked" {
                // The first time counts; that it was given back in between is in the list of decisions.
                leaver.time_to_revoke_ms = leaver.time_to_revoke_ms.or(took(leaver));
                leaver.revoked_at.get_or_insert_with(|| at.to_owned());
                leaver.state = "revoked";
            } else if step == "suspend" && leaver.revoked_at.is_none() && leaver.state != KEPT {
                leaver.time_to_revoke_ms = leaver.time_to_revoke_ms.or(took(leaver));
                leaver.state = SUSPENDED;
            } else if step == "read_back" && leaver.revoked_at.is_some() {
                leaver.proved_at = Some(at.to_owned());
            }
        }
        let given_by = self.tracks.get(&target).and_then(|track| track.given_by.clone());
        if let Some(by) = given_by.filter(|_| done && matches!(step.as_str(), "activate" | "unsuspend")) {
            self.keep(target, by);
        }
        if !inside {
            return;
        }
        let reads = matches!(step.as_str(), "look" | "read_back" | "list_groups" | "read_profile");
        if done && !reads {
            let track = self.tracks.entry(target).or_default();
            self.evidence.changes.push(AccessChange {
                at: at.to_owned(),
                org: text(&row["org"]),
                target,
                name: name(target),
                what: tell(row),
                outcome,
                request_id: text(&detail["request_id"]),
                cause: track.cause.clone(),
                cause_at: track.cause_at.clone(),
                rule: rule_of(&detail["step"], &track.rules),
                seq,
                cause_seq: track.cause_seq,
            });
        } else if !done {
            self.failed(row, target, at, seq, name);
        }
    }

    fn failed(&mut self, row: &Value, target: i64, at: &str, seq: i64, name: &impl Fn(i64) -> String) {
        self.tracks.entry(target).or_default().failures.push(self.evidence.failures.len());
        self.evidence.failures.push(Failure {
            at: at.to_owned(),
            org: text(&row["org"]),
            target,
            name: name(target),
            what: tell(row),
            ended_at: None,
            seq,
        });
    }

    fn done(&mut self, target: i64, at: &str, remark: Option<&str>) {
        // An account that was live all the time.
        let given_by = self.tracks.get(&target).and_then(|track| track.given_by.clone());
        if let Some(by) = given_by {
            self.keep(target, by);
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

fn who(value: &Value) -> String {
    match value {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" and "),
        _ => String::new(),
    }
}

/// Half and nearly all of some times, and the longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    pub p50: i64,
    pub p99: i64,
    pub max: i64,
}

impl Evidence {
    /// How long it took until access was cut, of those of whom it was.
    pub fn time_to_revoke(&self) -> Times {
        let mut times: Vec<i64> = self.leavers.iter().filter_map(|leaver| leaver.time_to_revoke_ms).collect();
        times.sort_unstable();
        let of = |part: usize| times.get((times.len() * part).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
        Times { p50: of(50), p99: of(99), max: times.last().copied().unwrap_or(0) }
    }

    /// A page that needs nothing but itself.
    pub fn html(&self, chain: &Value) -> Result<String, String> {
        let count = |state: &str| self.leavers.iter().filter(|leaver| leaver.state == state).count();
        let seconds = |ms: i64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
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
                "reconciliations": self.reconciliations,
                "open": count("open"), "kept": count(KEPT), "proved": count("revoked and proved"),
                "times": { "p50": seconds(times.p50), "p99": seconds(times.p99), "max": seconds(times.max) },
            }),
        )
    }

    /// Tables by name of the file.
    pub fn tables(&self) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
        Ok(vec![
            ("leavers.csv", table(&self.leavers)?),
            ("access-changes.csv", table(&self.changes)?),
            ("decisions.csv", table(&self.decisions)?),
            ("failures.csv", table(&self.failures)?),
        ])
    }
}

/// The rule behind one call of a plan: of the group or app that it is about, or of all groups that an account is made in.
fn rule_of(step: &Value, rules: &Value) -> String {
    let named = step["name"].as_str().and_then(|name| rules[name].as_str());
    match (named, step["step"].as_str()) {
        (Some(rule), _) => rule.to_owned(),
        (None, Some("create_user")) => {
            let all: BTreeSet<&str> = rules.as_object().into_iter().flatten().filter_map(|(_, v)| v.as_str()).collect();
            all.into_iter().collect::<Vec<_>>().join("; ")
        }
        (None, _) => String::new(),
    }
}

fn table<T: Serialize>(rows: &[T]) -> Result<Vec<u8>, String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    for row in rows {
        csv.serialize(row).map_err(|e| e.to_string())?;
    }
    csv.into_inner().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn collected(rows: &[Value]) -> Evidence {
        let mut collector = Collector::new("2026-05-04T00:00:00.000Z", "2026-05-05T00:00:00.000Z");
        rows.iter().for_each(|row| collector.row(row, |target| format!("Person {target}")));
        collector.end()
    }

    fn observed(at: &str, is: &str) -> Value {
        let changes = json!([{ "field": "user_status", "before": "active", "after": "inactive" }]);
        json!({ "seq": 1, "at": at, "kind": "observed", "target": 7, "detail": { "standing": { "is": is }, "changes": changes } })
    }

    fn effect(at: &str, step: &str, outcome: &str) -> Value {
        json!({ "seq": 2, "at": at, "kind": "effect", "target": 7,
                "detail": { "step": { "step": step, "id": "00u1" }, "outcome": outcome, "request_id": "req1" } })
    }

    #[test]
    fn a_leaver_has_the_time_from_being_seen_to_the_deactivation_and_its_proof() {
        let rows = [
            observed("2026-05-04T10:00:00.000Z", "ended"),
            effect("2026-05-04T10:00:00.300Z", "revoke_sessions", "applied"),
            effect("2026-05-04T10:00:00.800Z", "deactivate", "applied"),
            effect("2026-05-04T10:00:01.200Z", "read_back", "applied"),
        ];
        assert_eq!(collected(&rows).leavers[0].state, "revoked", "memberships may be left");
        let done = json!({ "seq": 3, "at": "2026-05-04T10:00:02.000Z", "kind": "done", "target": 7, "detail": {} });
        let rows: Vec<Value> = rows.into_iter().chain([done]).collect();
        let evidence = collected(&rows);
        let leaver = &evidence.leavers[0];
        assert_eq!((leaver.time_to_revoke_ms, leaver.state), (Some(800), "revoked and proved"));
        assert_eq!(evidence.time_to_revoke(), Times { p50: 800, p99: 800, max: 800 });
        assert_eq!(evidence.changes.len(), 2, "reading is no change of access");
        assert!(evidence.changes[0].cause.contains("inactive"));
    }

    #[test]
    fn what_was_taken_back_had_nothing_to_revoke_or_is_open_is_told_apart() {
        let back = collected(&[
            observed("2026-05-04T10:00:00.000Z", "ended"),
            observed("2026-05-04T11:00:00.000Z", "entitled"),
        ]);
        assert_eq!(back.leavers[0].state, "taken back");
        let done = json!({ "seq": 3, "at": "2026-05-04T10:00:01.000Z", "kind": "done", "target": 7, "detail": {} });
        assert_eq!(
            collected(&[observed("2026-05-04T10:00:00.000Z", "ended"), done]).leavers[0].state,
            "nothing to revoke"
        );
        assert_eq!(collected(&[observed("2026-05-04T10:00:00.000Z", "ended")]).leavers[0].state, "open");
    }

    fn decided(kind: &str, detail: Value) -> Value {
        json!({ "seq": 3, "at": "2026-05-04T12:00:00.000Z", "kind": kind, "target": 7, "detail": detail })
    }

    #[test]
    fn a_live_account_that_somebody_keeps_is_not_told_as_revoked_whatever_was_proved_before() {
        let done = || decided("done", json!({}));
        let revoked = [
            observed("2026-05-04T10:00:00.000Z", "ended"),
            effect("2026-05-04T10:00:00.800Z", "deactivate", "applied"),
            effect("2026-05-04T10:00:01.200Z", "read_back", "applied"),
            done(),
        ];
        let undone = || decided("undone", json!({ "pins": { "access": "given" }, "by": "Ann", "why": "undo" }));
        let activated = || effect("2026-05-04T12:00:01.000Z", "activate", "applied");
        let state = |more: &[Value]| {
            let rows: Vec<Value> = revoked.iter().chain(more).cloned().collect();
            let leavers = collected(&rows).leavers;
            assert_eq!(leavers.len(), 1, "one leaver, whatever was decided");
            (leavers[0].state, leavers[0].kept_by.clone())
        };
        assert_eq!(state(&[]), ("revoked and proved", None));
        let kept = ("kept by decision", Some("Ann".to_owned()));
        assert_eq!(state(&[undone(), activated()]), kept);
        assert_eq!(state(&[undone(), activated(), done()]), kept);
        let released = decided("unpinned", json!({ "because": "let go by Ben" }));
        let back = [undone(), activated(), done(), released];
        assert_eq!(state(&back).0, "open", "access is to end again");
        let again: Vec<Value> = back.into_iter().chain(revoked[1..].to_vec()).collect();
        assert_eq!(state(&again), ("revoked and proved", None));
    }

    #[test]
    fn somebody_with_a_grace_is_one_leaver_whose_access_was_cut_by_the_suspension() {
        let mut rows = vec![
            observed("2026-05-04T10:00:00.000Z", "suspended"),
            effect("2026-05-04T10:00:00.700Z", "suspend", "applied"),
            decided("done", json!({})),
        ];
        let leaver = collected(&rows).leavers.remove(0);
        assert_eq!((leaver.state, leaver.time_to_revoke_ms, leaver.revoked_at), ("suspended", Some(700), None));
        rows.extend([
            observed("2026-05-04T18:00:00.000Z", "ended"),
            effect("2026-05-04T18:00:01.000Z", "deactivate", "applied"),
            effect("2026-05-04T18:00:02.000Z", "read_back", "applied"),
            decided("done", json!({})),
        ]);
        let leavers = collected(&rows).leavers;
        assert_eq!(
            (leavers.len(), leavers[0].state, leavers[0].time_to_revoke_ms),
            (1, "revoked and proved", Some(700))
        );
    }

    #[test]
    fn a_leaver_whose_end_was_rejected_is_kept_by_a_decision_until_that_is_taken_back() {
        let seen = || observed("2026-05-04T10:00:00.000Z", "ended");
        let rejected = || {
            decided("hold_ended", json!({ "change": "deactivate", "verdict": "rejected", "by": ["Ann"], "hold": 3 }))
        };
        let kept = &collected(&[seen(), rejected(), decided("done", json!({}))]).leavers[0];
        assert_eq!((kept.state, kept.kept_by.as_deref()), ("kept by decision", Some("Ann")));
        let reversed = decided("rejection_ended", json!({ "change": "deactivate", "hold": 3 }));
        assert_eq!(collected(&[seen(), rejected(), reversed]).leavers[0].state, "open");
        let other = decided("hold_ended", json!({ "change": "remove_group", "verdict": "rejected", "by": ["Ann"] }));
        assert_eq!(collected(&[seen(), other]).leavers[0].state, "open", "about something else");
        let back = collected(&[seen(), rejected(), observed("2026-05-04T13:00:00.000Z", "entitled")]);
        assert_eq!((back.leavers[0].state, back.leavers[0].kept_by.as_deref()), ("taken back", None));
    }

    #[test]
    fn a_change_names_the_rule_of_the_configuration_behind_it() {
        let planned = |rules: Value| json!({ "seq": 1, "at": "2026-05-04T10:00:00.000Z", "kind": "planned", "target": 7, "detail": { "rules": rules } });
        let add = json!({ "seq": 2, "at": "2026-05-04T10:00:01.000Z", "kind": "effect", "target": 7,
            "detail": { "step": { "step": "add_group", "id": "00u1", "group": "00g1", "name": "Tax" }, "outcome": "applied" } });
        let rules = json!({ "Tax": "teams", "Staff": "everybody", "All": "everybody" });
        assert_eq!(collected(&[planned(rules.clone()), add]).changes[0].rule, "teams");
        let create = effect("2026-05-04T10:00:01.000Z", "create_user", "applied");
        assert_eq!(collected(&[planned(rules), create]).changes[0].rule, "everybody; teams");
    }

    #[test]
    fn a_failure_has_its_end_and_what_happened_before_is_only_a_cause() {
        let done = json!({ "seq": 4, "at": "2026-05-04T10:00:09.000Z", "kind": "done", "target": 7, "detail": {} });
        let evidence = collected(&[
            observed("2026-05-03T10:00:00.000Z", "entitled"),
            effect("2026-05-03T10:00:01.000Z", "unsuspend", "applied"),
            effect("2026-05-04T10:00:01.000Z", "activate", "retry"),
            effect("2026-05-04T10:00:02.000Z", "activate", "applied"),
            done,
        ]);
        assert_eq!((evidence.leavers.len(), evidence.changes.len(), evidence.rows), (0, 1, 3));
        assert_eq!(evidence.changes[0].cause_at, "2026-05-03T10:00:00.000Z");
        assert_eq!(evidence.failures[0].ended_at.as_deref(), Some("2026-05-04T10:00:09.000Z"));
    }
}
