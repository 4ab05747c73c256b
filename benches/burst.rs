//! Mass changes at Okta's limits: how close to the floor, with which windows, calls and latencies. Each line is a run of
//! `sandbox` in a process of its own; the last part runs the service alone beside the simulators, so that its memory and
//! CPU can be told.
//!
//! `cargo bench --bench burst` runs everything (half an hour); `-- quick` a tenth of the people at the highest speed,
//! `-- process` the last part only.

use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::scenario::Scenario;
use namely_okta_sync::sandbox::world::{Watch, World, today};
use namely_okta_sync::sandbox::{namely, okta};
use namely_okta_sync::store::Store;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// One line of the table.
struct Case {
    what: &'static str,
    scenario: &'static str,
    people: usize,
    scale: f64,
    more: &'static [&'static str],
    /// Part of the limits that can be had at all: others spend the rest.
    available: f64,
}

const CASES: [Case; 10] = [
    case("reorg", "reorg", 10_000, &[], 1.0),
    case("joiners", "onboarding", 10_000, &[], 1.0),
    case("joiners, token at 50 %", "onboarding", 10_000, &["--principal-share", "0.5"], 1.0),
    case("reorg, others spend 30 %", "reorg", 2_000, &["--competition", "0.3"], 0.7),
    case("reorg, 5 % of calls fail", "reorg", 2_000, &["--faults", "0.05"], 1.0),
    case("reorg, 35 calls at once", "reorg", 2_000, &["--concurrency", "35", "--principal-share", "0.5"], 1.0),
    case(
        "all three at once",
        "reorg",
        2_000,
        &["--competition", "0.3", "--faults", "0.05", "--concurrency", "35"],
        0.7,
    ),
    case("upheaval (mixed)", "upheaval", 3_000, &[], 1.0),
    Case { scale: 1.0, ..case("terminations in joiners", "terminations", 1_500, &[], 1.0) },
    case("layoff, all at once", "layoff", 5_000, &[], 1.0),
];

const fn case(
    what: &'static str,
    scenario: &'static str,
    people: usize,
    more: &'static [&'static str],
    available: f64,
) -> Case {
    Case { what, scenario, people, scale: 10.0, more, available }
}

fn run(case: &Case, quick: bool) -> Option<Value> {
    let (people, scale) = match (quick, case.scale) {
        (true, scale) if scale > 1.0 => (case.people / 10, 40.0),
        (_, scale) => (case.people, scale),
    };
    let out = Command::new(env!("CARGO_BIN_EXE_namely-okta-sync"))
        .args(["sandbox", "--report", "json", "--scenario", case.scenario])
        .args(["--employees", &people.to_string(), "--time-scale", &scale.to_string()])
        .args(case.more)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    serde_json::from_slice(&out.stdout).ok()
}

fn number(report: &Value, name: &str) -> f64 {
    report[name].as_f64().unwrap_or(f64::NAN)
}

fn print_table(quick: bool) {
    println!(
        "{:<26}{:>8}{:>8}{:>7}{:>9}{:>7}{:>6}{:>6}{:>9}{:>6}{:>12}",
        "burst", "calls", "minimal", "floor", "wall", "ratio", "w", "of", "429 own", "lost", "revoke p99"
    );
    for case in &CASES {
        let Some(report) = run(case, quick) else {
            println!("{:<26}did not end", case.what);
            continue;
        };
        let floor = number(&report, "floor_seconds") / case.available;
        let revoke = report["revoke_ms"]["p99"].as_f64().unwrap_or(0.0);
        println!(
            "{:<26}{:>8}{:>8}{:>6.0}s{:>8.0}s{:>7.3}{:>6}{:>6}{:>9}{:>6}{:>9.0} ms",
            case.what,
            number(&report, "okta_calls"),
            number(&report, "okta_calls_minimal"),
            floor,
            number(&report, "wall_seconds"),
            number(&report, "wall_seconds") / floor,
            number(&report, "windows_used"),
            number(&report, "floor_seconds") / 60.0,
            number(&report, "http_429"),
            number(&report, "lost"),
            revoke
        );
        print_notes(case, &report);
    }
}

fn print_notes(case: &Case, report: &Value) {
    for finding in report["findings"].as_array().into_iter().flatten() {
        println!("    {}", finding.as_str().unwrap_or_default());
    }
    if case.scenario == "upheaval" {
        for bucket in report["buckets"].as_array().into_iter().flatten() {
            let name = bucket["bucket"].as_str().unwrap_or_default();
            println!(
                "    {name:<22}{:>7} calls in {:>3} windows, floor {:>3}",
                bucket["calls"],
                bucket["windows_used"],
                number(bucket, "floor_seconds") / 60.0
            );
        }
    }
    if case.scenario == "layoff" {
        // Sessions and deactivation of everybody, through 16 calls at once of 0.28 s, and 600 calls a minute.
        let leavers = number(report, "changes");
        let limit = 600.0;
        let windows = (leavers * 2.0 / limit).ceil() - 1.0;
        let last_window = (leavers * 2.0 - windows * limit) * 0.28 / 16.0;
        let bound = windows * 60.0 + last_window;
        println!(
            "    {leavers} leave at once: nobody waits longer than {:.0} s from being seen; were all seen at once, windows and 16 \
             calls at a time would make it {bound:.0} s",
            report["revoke_ms"]["max"].as_f64().unwrap_or(0.0) / 1000.0
        );
    }
}

/// What a process has used so far: CPU seconds, and the most memory it ever held, in MiB.
fn used(pid: u32) -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok());
    Some((ticks / 100.0, peak.unwrap_or(f64::NAN) / 1024.0))
}

/// The service as a process of its own, against `known` people of whom `changing` change at once. The clocks of both are
/// real: limits and latencies are off, so that only the service's own work takes time.
fn measure_process(known: usize, changing: usize) {
    let clock = Clock::system();
    let mut scenario = Scenario::make("reorg", known, 1, today(clock.now())).expect("known");
    scenario.changes.truncate(changing);
    let org = okta::Options { limits: None, latency: 0.0, index_lag: Duration::ZERO, ..okta::Options::default() };
    let tenant = namely::Options { per_minute: None, latency: 0.0, ..namely::Options::default() };
    let world = World::start(&scenario, tenant, org, clock.clone()).expect("ports");
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("store.db");
    let text = include_str!("../config/sandbox.toml")
        .replace("127.0.0.1:9464", "127.0.0.1:0")
        .replace("../var/sandbox", &folder.path().display().to_string())
        .replace("http://127.0.0.1:7001/api/v1", &format!("{}/api/v1", world.namely.url()))
        .replace("http://127.0.0.1:7002", &world.okta.url())
        .replace("[[okta]]", "[namely.poll]\nper_minute = 1000000\nwalk_interval = \"1s\"\n\n[[okta]]");
    let config = folder.path().join("config.toml");
    std::fs::write(&config, text).expect("writes");
    let mut service = Command::new(env!("CARGO_BIN_EXE_namely-okta-sync"))
        .args(["run", "--config"])
        .arg(&config)
        .env("NAMELY_TOKEN", namely::Options::default().token)
        .env("OKTA_TOKEN", okta::Options::default().token)
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let count = |sql: &str| -> Option<i64> { Store::reader(&store).ok()?.query_row(sql, [], |row| row.get(0)).ok() };
    let wait_until = |holds: &dyn Fn() -> bool| {
        while !holds() {
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let known_people = i64::try_from(known).unwrap_or(i64::MAX);
    wait_until(&|| {
        count("SELECT count(*) FROM source") == Some(known_people)
            && count("SELECT count(*) FROM work WHERE dirty_rev > done_rev") == Some(0)
    });
    let before = used(service.id()).unwrap_or_default();
    println!("{known} people known: {:.0} MiB at most, {:.1} CPU seconds to learn them", before.1, before.0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(world.play(&scenario));
    let mut watch = Watch::new(&scenario);
    wait_until(&|| count("SELECT count(*) FROM work WHERE dirty_rev > done_rev").is_some_and(|n| n > 0));
    while !watch.is_over() {
        std::thread::sleep(Duration::from_millis(250));
        watch.watch(&world.okta.core());
    }
    let after = used(service.id()).unwrap_or_default();
    let (cpu, changes) = (after.0 - before.0, changing as f64 / 1000.0);
    println!(
        "{changing} of them changed: {:.0} MiB at most, {:.2} CPU seconds per 1,000 changes (walks included)",
        after.1,
        cpu / changes
    );
    let _ = service.kill();
    let _ = service.wait();
    measure_difference(&config, &clock);
}

/// `mapping diff` over everybody the service left in its store: another mapping of departments, offline.
fn measure_difference(config: &Path, clock: &Clock) {
    let text = std::fs::read_to_string(config).expect("reads");
    let changed = config.with_file_name("changed.toml");
    std::fs::write(&changed, text.replace("'Department ' + d", "'Dept ' + d").replace("Department *", "Dept *"))
        .expect("writes");
    let start = clock.monotonic();
    let done = Command::new(env!("CARGO_BIN_EXE_namely-okta-sync"))
        .args(["mapping", "diff", "--json", "--config"])
        .arg(config)
        .arg(&changed)
        .env("NAMELY_TOKEN", namely::Options::default().token)
        .env("OKTA_TOKEN", okta::Options::default().token)
        .stderr(Stdio::null())
        .output()
        .expect("runs");
    let spent = clock.monotonic().since(start).as_secs_f64();
    let report: Value = serde_json::from_slice(&done.stdout).expect("a report");
    println!("mapping diff: {spent:.1} s for {} people, {} would change", report["people"], report["changed"]);
}

fn main() {
    let asked = |word: &str| std::env::args().any(|argument| argument == word);
    let quick = asked("quick");
    if !asked("process") {
        print_table(quick);
    }
    let (known, changing) = if quick { (10_000, 1_000) } else { (100_000, 10_000) };
    measure_process(known, changing);
}
