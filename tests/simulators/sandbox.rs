//! The first command a newcomer runs, as they run it.

use crate::common::program::program;
use namely_okta_sync::sandbox::scenario::SCENARIOS;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

fn run(arguments: &[&str]) -> (bool, String, String) {
    let output = program().arg("sandbox").args(arguments).output().expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

fn figures(scenario: &str, employees: &str) -> Value {
    let scale = if scenario == "day" { "40" } else { "20" };
    let (ok, stdout, stderr) = run(&[
        "--scenario",
        scenario,
        "--employees",
        employees,
        "--time-scale",
        scale,
        "--seed",
        "3",
        "--report",
        "json",
    ]);
    let report: Value = serde_json::from_str(&stdout)
        .unwrap_or_else(|e| panic!("stdout is not one JSON document ({e}): {stdout}{stderr}"));
    assert!(ok, "{report:#}");
    report
}

fn is_exact(report: &Value) {
    for zero in [
        "http_429",
        "http_429_foreign",
        "namely_406",
        "lost",
        "leavers_with_access",
        "takeovers",
        "order_violations",
        "unaudited_effects",
    ] {
        assert_eq!(report[zero], 0, "{zero}: {report:#}");
    }
    assert_eq!(report["okta_calls"], report["okta_calls_minimal"], "{report:#}");
    for figure in [
        "employees",
        "changes",
        "okta_calls_other",
        "okta_searches",
        "time_scale",
        "wall_seconds",
        "floor_seconds",
        "windows_used",
    ] {
        assert!(report[figure].is_number(), "{figure}: {report:#}");
    }
    for spread in ["detect_to_done_ms", "revoke_ms"] {
        for part in ["p50", "p99", "max"] {
            assert!(report[spread][part].is_i64(), "{spread}.{part}: {report:#}");
        }
    }
}

#[test]
fn an_ordinary_day_arrives_with_the_fewest_calls() {
    let report = figures("day", "150");
    is_exact(&report);
    assert!(report["revoke_ms"]["p50"].as_i64() > Some(0));
}

#[test]
fn a_tenant_joins_with_one_call_each_and_one_for_the_link_to_the_manager() {
    let report = figures("onboarding", "150");
    is_exact(&report);
    assert_eq!(report["okta_calls"], 2 * 150);
}

#[test]
fn a_reorg_costs_three_calls_each() {
    let report = figures("reorg", "150");
    is_exact(&report);
    assert_eq!(report["changes"], 150);
}

/// Everything at once, and everything against it: nothing may be lost or beyond a limit all the same.
fn weathered(more: &[&str]) -> Value {
    let mut arguments = vec!["--scenario", "upheaval", "--employees", "120", "--time-scale", "20", "--report", "json"];
    arguments.extend(more);
    let (ok, stdout, stderr) = run(&arguments);
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout}{stderr}"));
    assert!(ok, "{report:#}");
    for zero in ["http_429", "lost", "leavers_with_access", "takeovers", "order_violations", "unaudited_effects"] {
        assert_eq!(report[zero], 0, "{zero}: {report:#}");
    }
    report
}

#[test]
fn an_upheaval_arrives_with_the_fewest_calls_while_other_clients_spend_the_org() {
    let report = weathered(&["--competition", "0.3"]);
    assert_eq!(report["okta_calls"], report["okta_calls_minimal"], "{report:#}");
}

#[test]
fn an_upheaval_arrives_although_one_call_in_twenty_fails_and_few_may_run_at_once() {
    let report = weathered(&["--faults", "0.05", "--concurrency", "35", "--principal-share", "0.5"]);
    assert!(report["okta_calls_other"].as_i64() > Some(0), "calls that failed were looked into: {report:#}");
}

#[test]
fn terminations_come_through_a_burst_of_joiners() {
    let report = figures("terminations", "150");
    is_exact(&report);
    assert_eq!(report["changes"], 150 + 90);
}

#[test]
fn three_weeks_of_every_path_of_a_life_arrive_with_the_fewest_calls() {
    let report = figures("lives", "60");
    is_exact(&report);
    assert!(report["changes"].as_u64() > Some(70), "{report:#}");
}

#[test]
fn whoever_joins_with_the_address_of_somebody_elses_account_waits_and_the_account_is_not_touched() {
    let report = figures("namesakes", "60");
    is_exact(&report);
    assert_eq!(report["changes"], 6 + 6);
}

#[test]
fn a_layoff_revokes_access_and_proves_it() {
    is_exact(&figures("layoff", "150"));
}

#[test]
fn a_burst_larger_than_a_window_stays_within_every_limit() {
    let report = figures("onboarding", "800");
    is_exact(&report);
    assert_eq!(report["floor_seconds"], 180, "{report:#}");
    // Three windows hold them; a machine that stalls may need another, but never fewer.
    assert!(report["windows_used"].as_u64() >= Some(3), "{report:#}");
}

/// A sandbox that stays is stopped when the test ends, however it ends.
struct Staying(std::process::Child);

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_sandbox_that_stays_says_five_commands_that_work_against_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = program();
    command.args(["sandbox", "--employees", "40", "--time-scale", "40", "--stay", "--report", "json", "--keep"]);
    let child = command.arg(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut sandbox = Staying(child);
    let mut lines = BufReader::new(sandbox.0.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
    let commands: Vec<String> =
        lines.by_ref().skip_while(|line| !line.starts_with("staying")).skip(2).take(5).collect();
    assert_eq!(commands.len(), 5, "{commands:?}");
    let config = folder.path().join("sandbox.toml");
    assert!(commands[0].ends_with(&format!(" status --config {}", config.display())), "{commands:?}");
    for (command, says) in
        commands.iter().zip(["sandbox", "sessions revoked", "nothing would change", "leavers", "inactive"])
    {
        // Neither of the two tokens is in the environment of whoever pastes it.
        let output = Command::new("sh").args(["-c", command]).output().expect("a shell");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains(says), "{command}\n{said}");
    }
}

#[test]
fn an_unknown_scenario_lists_what_there_is() {
    let (ok, _, stderr) = run(&["--scenario", "apocalypse"]);
    assert!(!ok);
    for (name, what) in SCENARIOS {
        assert!(stderr.contains(name) && stderr.contains(what), "{stderr}");
    }
}

#[test]
fn people_see_a_table_and_machines_do_not() {
    let (ok, stdout, stderr) = run(&["--employees", "40", "--scenario", "layoff", "--time-scale", "40"]);
    assert!(ok, "{stderr}");
    for word in [
        "leavers",
        "8/8",
        "access revoked",
        "lost",
        "leavers with access",
        "takeovers",
        "nothing lost, nothing out of order",
    ] {
        assert!(stdout.contains(word), "{word}: {stdout}");
    }
    assert!(!stdout.contains('\u{1b}'), "no colours where there is no terminal: {stdout:?}");
}

#[test]
fn flags_out_of_range_are_refused_with_the_range() {
    let (ok, _, stderr) = run(&["--time-scale", "400"]);
    assert!(!ok && stderr.contains("outside 0.1 to 40"), "{stderr}");
}
