//! `sandbox --scenario merger`: two tenants, two orgs, one service, and a judgement.

use super::super::table::table;
use super::driven::stop;
use super::kept::Kept;
use super::options::{Options, least_role, tempdir};
use super::show::both_clocks;
use super::stay::Staying;
use crate::actors::Service;
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::sandbox::merger::{Merger, Tenants};
use crate::sandbox::oracle::evaluate_org;
use crate::sandbox::world::PATIENCE;
use crate::sandbox::{namely, okta};
use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const ORGS: [&str; 2] = ["main", "emea"];

/// The whole report.
#[derive(Debug, Default, Serialize)]
struct Report {
    scenario: &'static str,
    seed: u64,
    employees: usize,
    /// Humans of both tenants together.
    everybody: usize,
    time_scale: f64,
    /// Calls that changed something, by org.
    okta_calls: Vec<(&'static str, usize)>,
    wall_seconds: f64,
    lost: usize,
    leavers_with_access: usize,
    takeovers: usize,
    unaudited_effects: usize,
    http_429: usize,
    namely_406: usize,
    findings: Vec<String>,
}

/// The configuration of the merger, pointed at this world; its files are written into `folder`.
pub fn config(world: &Tenants, folder: &Path) -> anyhow::Result<Config> {
    let text = include_str!("../../../config/merger.toml");
    let path = folder.join("merger.toml");
    std::fs::write(&path, text)?;
    std::fs::write(folder.join("departments.csv"), include_str!("../../../config/departments.csv"))?;
    let tokens = |name: &str| match name {
        "NAMELY_TOKEN" => Some(namely::Options::default().token),
        "OKTA_TOKEN" => Some(okta::Options::default().token),
        _ => None,
    };
    let mut config = Config::parse(&path, text, &tokens)?;
    config.service.store = folder.join("store.db").into();
    config.audit.file.path = Some(folder.join("audit.jsonl"));
    config.audit.sealing.file = folder.join("audit-checkpoints.jsonl");
    for (tenant, simulator) in config.namely.iter_mut().zip(&world.namely) {
        tenant.url = format!("{}/api/v1", simulator.url());
    }
    for (org, simulator) in config.okta.iter_mut().zip(&world.okta) {
        org.url = simulator.url();
    }
    Ok(config)
}

/// Plays the merger; the exit code is 1 if anybody was harmed, or anything lost, unaudited or over a limit.
pub async fn merger(options: &Options) -> anyhow::Result<ExitCode> {
    let clock = Clock::scaled_from_today(options.scale());
    let mut merger = Merger::make(options.employees, options.seed, &clock);
    let namely = namely::Options { seed: options.seed, ..namely::Options::default() };
    let okta = okta::Options {
        seed: options.seed,
        principal_share: options.principal_share,
        concurrency: options.concurrency,
        ..okta::Options::default()
    };
    let world = Tenants::start(&merger.people[0], namely, okta, clock.clone())?;
    let temporary = tempdir(options)?;
    let config = config(&world, &temporary.path)?;
    for (name, org) in ORGS.into_iter().zip(&world.okta) {
        least_role(org, &config, name);
    }
    let service = Service::start(config, clock.clone(), Metrics::new()).await?;
    let bar = if options.report.is_some() { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
    settle(&service, &world, &bar).await?;
    let start = clock.now();
    merger.play(&world);
    let mut moved = (usize::MAX, clock.monotonic());
    let findings = loop {
        let asked = world.okta.iter().map(|okta| okta.core().history().of_work().count()).sum();
        if asked != moved.0 {
            moved = (asked, clock.monotonic());
        }
        let (backlog, still) = (service.store.backlog().await?, clock.monotonic().since(moved.1));
        let differences = merger.differences(&world);
        bar.set_message(format!("{} people to go, {} in the backlog", differences.len(), backlog.total()));
        bar.tick();
        if backlog.total() == 0 && (differences.is_empty() || still > PATIENCE) {
            break differences;
        }
        if still > PATIENCE * 6 {
            bail!("the run got stuck with {} people in the backlog", backlog.total());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    bar.finish_and_clear();
    let mut report = Report {
        scenario: "merger",
        seed: options.seed,
        employees: options.employees,
        everybody: merger.everybody.len(),
        time_scale: options.scale(),
        wall_seconds: clock.now().since(start).as_secs_f64(),
        lost: findings.len(),
        findings,
        ..Report::default()
    };
    let who = merger.who_is_who();
    for (name, simulator) in ORGS.into_iter().zip(&world.okta) {
        let figures = evaluate_org(&simulator.core(), &who, service.store.path(), name)?;
        report.leavers_with_access += figures.leavers_with_access;
        report.takeovers += figures.takeovers;
        report.okta_calls.push((name, figures.okta_calls));
        report.unaudited_effects += figures.unaudited_effects;
        report.http_429 += figures.http_429;
        report.findings.extend(figures.findings);
    }
    for simulator in &world.namely {
        report.namely_406 += simulator.core().history().exchanges().iter().filter(|e| e.status == 406).count();
    }
    report.findings.truncate(20);
    show(&report, options)?;
    if options.stay {
        let namely = ["http://127.0.0.1:7001", "http://127.0.0.1:7003"].into_iter().zip(&world.namely);
        let okta = ["http://127.0.0.1:7002", "http://127.0.0.1:7004"].into_iter().zip(&world.okta);
        let places = namely.map(|(of, side)| (of, side.url())).chain(okta.map(|(of, side)| (of, side.url())));
        let kept = Kept::of(options, &temporary.path).await?;
        let staying = Staying { folder: &temporary.path, address: None, places: places.collect(), kept: &kept };
        let path = staying.write(include_str!("../../../config/merger.toml"), "../var/merger", "sandbox")?;
        eprintln!(
            "staying: configuration at {0} (Ctrl-C ends)\nTry, from another terminal: namely-okta-sync links list --config {0}",
            path.display()
        );
        tokio::signal::ctrl_c().await?;
    }
    stop(&service).await;
    drop(temporary);
    let harm = report.lost + report.leavers_with_access + report.takeovers;
    let clean = harm + report.unaudited_effects + report.http_429 + report.namely_406 == 0;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Waits until the first tenant and the first org agree.
async fn settle(service: &Service, world: &Tenants, bar: &ProgressBar) -> anyhow::Result<()> {
    let start = world.clock.monotonic();
    loop {
        let (missing, backlog) = (service.readiness.reasons(), service.store.backlog().await?.total());
        bar.set_message(format!("getting ready: {}", missing.into_keys().collect::<Vec<_>>().join(", ")));
        bar.tick();
        if service.readiness.is_ready() && backlog == 0 {
            return Ok(());
        }
        if world.clock.monotonic().since(start) > PATIENCE * 6 {
            bail!("the service did not get ready: {:?}", service.readiness.reasons());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn show(report: &Report, options: &Options) -> anyhow::Result<()> {
    if options.report.is_some() {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let mut rows = table(&["what", "value", "meaning"]);
    rows.add_row(["people", &report.everybody.to_string(), "of both tenants; whoever works for both counts once"]);
    for (org, calls) in &report.okta_calls {
        rows.add_row(["calls", &calls.to_string(), &format!("that changed something in {org}")]);
    }
    rows.add_row([
        "time",
        &format!("{:.0} s", report.wall_seconds),
        &both_clocks(report.wall_seconds, report.time_scale),
    ]);
    for (what, count, meaning) in [
        ("lost", report.lost, "people who are not as they should be in one of the orgs"),
        (
            "leavers with access",
            report.leavers_with_access,
            "people who left both tenants and have an account that is live",
        ),
        ("takeovers", report.takeovers, "accounts that became somebody else's"),
        ("unaudited", report.unaudited_effects, "effects without an audit row, or the reverse"),
        ("429 of our own", report.http_429, "calls beyond Okta's limits"),
        ("406 of our own", report.namely_406, "calls beyond Namely's limit"),
    ] {
        rows.add_row([what, &count.to_string(), meaning]);
    }
    println!("{rows}");
    report.findings.iter().for_each(|finding| println!("{finding}"));
    Ok(())
}
