//! What a person sees of a run: progress while it goes on, a table when it is over.

use super::super::table::colours;
use super::killed::TakeOver;
use crate::clock::Moment;
use crate::metrics::Metrics;
use crate::okta::Bucket;
use crate::sandbox::oracle::Figures;
use crate::sandbox::scenario::{Kind, Scenario};
use crate::sandbox::world::World;
use crate::store::Backlog;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// The whole report.
#[derive(Debug, Serialize)]
pub struct Report {
    pub scenario: String,
    pub seed: u64,
    pub employees: usize,
    pub changes: usize,
    pub time_scale: f64,
    /// `file`, or the address of a database without its password.
    pub store: String,
    /// Processes that could serve it.
    pub nodes: usize,
    /// Kills of the one that served.
    pub take_overs: Vec<TakeOver>,
    #[serde(flatten)]
    pub figures: Figures,
}

/// The org of the sandbox's configuration.
const ORG: &str = "sandbox";

/// A look at a run.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Done and total of each kind of change.
    pub kinds: BTreeMap<Kind, (usize, usize)>,
    pub backlog: i64,
    pub quarantined: i64,
    /// Seconds until the backlog is done, as Okta's limits permit.
    pub eta: f64,
    /// Remaining and limit of each counter that was used.
    pub budget: Vec<(&'static str, i64, i64)>,
    pub now: Moment,
}

impl Snapshot {
    /// Takes one.
    pub fn take(kinds: BTreeMap<Kind, (usize, usize)>, backlog: &Backlog, metrics: &Metrics, now: Moment) -> Self {
        let budget = Bucket::ALL.into_iter().filter_map(|bucket| {
            let limit = metrics.okta.limit.with_label_values(&[ORG, bucket.as_str()]).get();
            let remaining = metrics.okta.remaining.with_label_values(&[ORG, bucket.as_str()]).get();
            (limit > 0).then_some((bucket.as_str(), remaining, limit))
        });
        Self {
            kinds,
            backlog: backlog.total(),
            quarantined: backlog.quarantined,
            eta: metrics.work.backlog_eta_seconds.with_label_values(&[ORG]).get(),
            budget: budget.collect(),
            now,
        }
    }
}

/// The progress of a run on the terminal.
pub struct Screen {
    all: MultiProgress,
    bars: BTreeMap<Kind, ProgressBar>,
    state: ProgressBar,
    budget: ProgressBar,
}

impl Screen {
    /// A screen for `scenario`; a silent one shows nothing.
    pub fn new(silent: bool, scenario: &Scenario, world: &World, admin: SocketAddr) -> Self {
        let target = if silent { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let all = MultiProgress::with_draw_target(target);
        if !silent {
            let changes: Vec<String> =
                scenario.counts().iter().map(|(kind, n)| format!("{n} {}", kind.as_str())).collect();
            eprintln!("scenario  {}: {}", scenario.name, changes.join(", "));
            eprintln!("Namely    {}/api/v1", world.namely.url());
            eprintln!("Okta      {}", world.okta.url());
            eprintln!("metrics   http://{admin}/metrics");
        }
        let bar = if colours() {
            "{prefix:>12} {bar:40.cyan/blue} {pos:>6}/{len:<6} {msg}"
        } else {
            "{prefix:>12} {bar:40} {pos:>6}/{len:<6} {msg}"
        };
        let style = ProgressStyle::with_template(bar).unwrap_or_else(|_| ProgressStyle::default_bar());
        let counts = scenario.counts();
        let bars = counts
            .into_iter()
            .map(|(kind, n)| {
                let bar = all.add(ProgressBar::new(n as u64).with_style(style.clone()).with_prefix(kind.as_str()));
                (kind, bar)
            })
            .collect();
        let line = ProgressStyle::with_template("{prefix:>12} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let state = all.add(ProgressBar::new(0).with_style(line.clone()).with_prefix("backlog"));
        let budget = all.add(ProgressBar::new(0).with_style(line).with_prefix("budget"));
        Self { all, bars, state, budget }
    }

    /// Before the scenario: what is still missing.
    pub fn prepare(&self, missing: &BTreeMap<String, String>, backlog: i64) {
        let missing: Vec<&str> = missing.keys().map(String::as_str).collect();
        self.state.set_message(match missing.as_slice() {
            [] => format!("comparing both sides, {backlog} people to go"),
            _ => format!("getting ready: {}", missing.join(", ")),
        });
    }

    /// While the scenario runs.
    pub fn show(&self, snapshot: &Snapshot) {
        for (kind, (done, _)) in &snapshot.kinds {
            if let Some(bar) = self.bars.get(kind) {
                bar.set_position(*done as u64);
            }
        }
        let time = snapshot.now.to_string();
        let quarantined =
            if snapshot.quarantined > 0 { format!(", {} quarantined", snapshot.quarantined) } else { String::new() };
        #[expect(clippy::cast_possible_truncation, reason = "an estimate in milliseconds fits")]
        let eta = if snapshot.eta > 0.0 {
            format!(", {} to go", seconds((snapshot.eta * 1000.0) as i64))
        } else {
            String::new()
        };
        self.state.set_message(format!("{} people{quarantined}{eta}   clock {}", snapshot.backlog, &time[..19]));
        let budget: Vec<String> =
            snapshot.budget.iter().map(|(name, left, limit)| format!("{name} {left}/{limit}")).collect();
        self.budget.set_message(format!("{} (left of this minute)", budget.join("  ")));
    }

    /// Leaves the last state on the screen.
    pub fn finish(&self) {
        self.bars.values().for_each(ProgressBar::abandon);
        self.state.abandon();
        self.budget.abandon();
        let _ = self.all.clear();
    }
}

fn seconds(ms: i64) -> String {
    let duration = Duration::from_millis(ms.unsigned_abs());
    if duration < Duration::from_secs(60) {
        format!("{:.2} s", duration.as_secs_f64())
    } else {
        format!("{:.1} min", duration.as_secs_f64() / 60.0)
    }
}

/// Which clock a length of time is by, and how long it was by the other one.
pub fn both_clocks(simulated: f64, scale: f64) -> String {
    match (scale - 1.0).abs() < f64::EPSILON {
        true => "by the simulated clock, which runs like yours".to_owned(),
        false => format!(
            "by the simulated clock, like all times here: it ran {scale}x, so about {:.0} s by yours",
            simulated / scale
        ),
    }
}

/// The summary of a run.
pub fn print_report(report: &Report, last: &Snapshot) {
    let figures = &report.figures;
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.load_style(UTF8_FULL_CONDENSED);
    let bold = |text: &str| if colours() { Cell::new(text).add_attribute(Attribute::Bold) } else { Cell::new(text) };
    table.set_header([bold("what"), bold("value"), bold("meaning")]);
    let mut row = |what: &str, value: String, meaning: &str| {
        table.add_row([Cell::new(what), Cell::new(value).set_alignment(CellAlignment::Right), Cell::new(meaning)]);
    };
    for (kind, (done, total)) in &last.kinds {
        row(kind.as_str(), format!("{done}/{total}"), "arrived in Okta");
    }
    row(
        "calls",
        figures.okta_calls.to_string(),
        &format!("to Okta for {} changes; the fewest possible are {}", report.changes, figures.okta_calls_minimal),
    );
    row(
        "other calls",
        figures.okta_calls_other.to_string(),
        &format!(
            "reading what Okta holds, once; repeats; {} searches for people without an account",
            figures.okta_searches
        ),
    );
    row(
        "time",
        format!("{:.0} s", figures.wall_seconds),
        &format!(
            "{}; Okta's limits alone need {} s of the former",
            both_clocks(figures.wall_seconds, report.time_scale),
            figures.floor_seconds
        ),
    );
    for bucket in &figures.buckets {
        row(
            bucket.bucket,
            bucket.calls.to_string(),
            &format!("calls in {} windows of {}", bucket.windows_used, bucket.limit),
        );
    }
    let spread =
        |s: &crate::sandbox::oracle::Spread| format!("half within {}, all within {}", seconds(s.p50), seconds(s.max));
    row(
        "detected to done",
        seconds(figures.detect_to_done_ms.p99),
        &format!("99 of 100; {}", spread(&figures.detect_to_done_ms)),
    );
    if figures.revoke_ms.max > 0 {
        row(
            "access revoked",
            seconds(figures.revoke_ms.p99),
            &format!("99 of 100 after detection; {}", spread(&figures.revoke_ms)),
        );
    }
    if report.nodes > 1 || report.store != "file" {
        row("nodes", report.nodes.to_string(), &format!("one at a time serves the store, {}", report.store));
    }
    for one in &report.take_overs {
        row(
            "take-over",
            format!("{:.1} s", one.first_call_after_seconds),
            &format!(
                "from the kill of {} to the first call of {}, which served after {:.1} s",
                one.killed, one.next, one.serves_after_seconds
            ),
        );
        row(
            "revoked across it",
            seconds(one.revoke_ms.p99),
            &format!("99 of 100 of {} leavers after HR's edit; {}", one.leavers, spread(&one.revoke_ms)),
        );
    }
    let verdicts = [
        ("lost", figures.lost, "people whose account is not as it should be"),
        ("leavers with access", figures.leavers_with_access, "people who left and whose account is live"),
        ("takeovers", figures.takeovers, "accounts that became somebody else's"),
        ("out of order", figures.order_violations, "effects of an older revision after a newer one"),
        ("unaudited", figures.unaudited_effects, "effects without an audit row, or the reverse"),
        ("429 of our own", figures.http_429, "calls beyond Okta's limits"),
        ("406 of our own", figures.namely_406, "calls beyond Namely's limit"),
    ];
    for (what, count, meaning) in verdicts {
        let mut value = Cell::new(count).set_alignment(CellAlignment::Right);
        if colours() {
            value = value.fg(if count == 0 { Color::Green } else { Color::Red });
        }
        table.add_row([Cell::new(what), value, Cell::new(meaning)]);
    }
    println!("{table}");
    figures.findings.iter().for_each(|finding| println!("{finding}"));
    println!(
        "{}",
        if figures.is_clean() {
            "nothing lost, nothing out of order, nobody who left has access, no account taken over, nothing unaudited, no limit exceeded"
        } else {
            "NOT CLEAN: see above"
        }
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_says_by_which_clock_it_was_and_how_long_by_the_other() {
        assert!(
            both_clocks(510.0, 30.0).ends_with("it ran 30x, so about 17 s by yours"),
            "{}",
            both_clocks(510.0, 30.0)
        );
        assert!(both_clocks(510.0, 1.0).contains("like yours"));
    }
}
