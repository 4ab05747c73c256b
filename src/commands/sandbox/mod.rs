//! `sandbox`: both simulators, the real service against them over HTTP, a scenario, and a judgement.

pub mod merger;
mod options;
mod show;
mod stay;

pub use options::Options;

use super::failure::usage;
use crate::actors::Service;
use crate::admin::{self, Served};
use crate::clock::{Clock, Moment};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::sandbox::faults::{Fault, Kind as Wrong};
use crate::sandbox::oracle::{Evidence, evaluate};
use crate::sandbox::population::Status;
use crate::sandbox::scenario::{Kind, MERGER, Scenario};
use crate::sandbox::world::{PATIENCE, Watch, World, today};
use crate::sandbox::{namely, okta};
use anyhow::{Context, bail};
use options::{least_role, tempdir};
use show::{Report, Screen, Snapshot, print_report};
use stay::{Cast, Staying, commands};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// After so long without any call or edit the clock may jump to what comes next.
const STILL: Duration = Duration::from_secs(40);
/// So much before it.
const MARGIN: Duration = Duration::from_secs(2);

/// Plays a scenario; the exit code is 1 if anybody was harmed, or anything lost, out of order, unaudited or over a limit.
pub async fn sandbox(options: Options) -> anyhow::Result<ExitCode> {
    if !(0.1..=40.0).contains(&options.time_scale) {
        return Err(usage(format!("--time-scale {} is outside 0.1 to 40", options.time_scale)));
    }
    if !(0.05..=1.0).contains(&options.principal_share) {
        return Err(usage(format!("--principal-share {} is outside 0.05 to 1", options.principal_share)));
    }
    if !(0.0..=0.9).contains(&options.competition) || !(0.0..=0.5).contains(&options.faults) {
        return Err(usage("--competition goes from 0 to 0.9, --faults from 0 to 0.5"));
    }
    if options.scenario == MERGER {
        return merger::merger(&options).await;
    }
    let clock = Clock::scaled_from_today(options.time_scale);
    let scenario = Scenario::make(&options.scenario, options.employees, options.seed, today(clock.now()))
        .map_err(anyhow::Error::msg)?;
    let temporary = tempdir(&options)?;
    let folder = options.keep.clone().unwrap_or_else(|| temporary.path.clone());
    let world = World::start(&scenario, namely_options(&options), okta_options(&options), clock.clone())?;
    let mut config = config(&world, &folder)?;
    least_role(&world.okta, &config, &config.okta[0].name);
    if options.faults > 0.0 {
        // Answers that come too late are given up on sooner, so that a quick clock does not wait for minutes.
        config.okta[0].transport.timeout = Duration::from_secs(3);
    }
    let service = Service::start(config, clock.clone(), Metrics::new()).await?;
    let listen = crate::sandbox::world::any_port();
    let address = admin::serve(listen, Served::of(&service))?;
    let screen = Screen::new(options.report.is_some(), &scenario, &world, address);
    settle(&world, &service, &screen).await?;
    add_faults(&world, &options);
    let start = clock.now();
    let played = play(&world, &scenario, &service, &screen).await?;
    screen.finish();
    let report = report(&options, &scenario, &world, &service, start)?;
    match options.report {
        Some(_) => println!("{}", serde_json::to_string_pretty(&report)?),
        None => print_report(&report, &played),
    }
    if options.stay {
        let places = vec![("http://127.0.0.1:7001", world.namely.url()), ("http://127.0.0.1:7002", world.okta.url())];
        let staying = Staying { folder: &folder, address: Some(address), places };
        let path = staying.write(include_str!("../../../config/sandbox.toml"), "../var/sandbox")?;
        eprintln!(
            "staying: metrics at http://{address}/metrics, configuration at {} (Ctrl-C ends)\nTry, from another terminal:\n{}",
            path.display(),
            commands(&path, &cast(&scenario, &world), today(clock.now()))
        );
        tokio::signal::ctrl_c().await?;
    }
    drop(temporary);
    Ok(if report.figures.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Somebody who has left, if anybody has, somebody else who has changed, and somebody who is still there.
fn cast<'a>(scenario: &'a Scenario, world: &World) -> Cast<'a> {
    let email = |kinds: &[Kind]| {
        let change = scenario.changes.iter().rev().find(|change| kinds.contains(&change.kind));
        change.or(scenario.changes.last()).map_or("PERSON", |change| change.after.email.as_str())
    };
    let tenant = world.namely.core();
    let next = tenant.people().find(|person| person.status == Status::Active && !person.is_manager());
    Cast {
        left: email(&[Kind::Leaver]),
        changed: email(&[Kind::Mover, Kind::Joiner]),
        next: format!("{}/api/v1/profiles/{}", world.namely.url(), next.map_or("ID", |person| &person.id)),
    }
}

fn namely_options(options: &Options) -> namely::Options {
    namely::Options { seed: options.seed, ..namely::Options::default() }
}

fn okta_options(options: &Options) -> okta::Options {
    okta::Options {
        seed: options.seed,
        principal_share: options.principal_share,
        concurrency: options.concurrency,
        competition: (options.competition > 0.0).then_some(okta::Competition { share: options.competition }),
        ..okta::Options::default()
    }
}

/// A fifth of the faults each: 500, 503, an answer lost before and one lost after the change, one that comes too late.
fn add_faults(world: &World, options: &Options) {
    if options.faults <= 0.0 {
        return;
    }
    let error = |status: u16, code: &str| Wrong::Answer {
        status,
        body: serde_json::json!({ "errorCode": code, "errorSummary": "injected", "errorCauses": [] }).to_string(),
    };
    let too_late = Duration::from_secs_f64(5.0 * options.time_scale);
    let kinds = [error(500, "E0000009"), error(503, ""), Wrong::Reset, Wrong::LoseReply, Wrong::Slow(too_late)];
    let mut okta = world.okta.core();
    for kind in kinds {
        okta.faults.add(Fault::some(options.faults / 5.0, "", "/api/v1/", kind));
    }
}

/// The configuration of the sandbox, pointed at this world.
pub fn config(world: &World, folder: &Path) -> anyhow::Result<Config> {
    let text = include_str!("../../../config/sandbox.toml");
    let tokens = |name: &str| match name {
        "NAMELY_TOKEN" => Some(namely::Options::default().token),
        "OKTA_TOKEN" => Some(okta::Options::default().token),
        _ => None,
    };
    let mut config = Config::parse(Path::new("config/sandbox.toml"), text, &tokens)?;
    config.service.store = folder.join("store.db").into();
    config.audit.file.path = Some(folder.join("audit.jsonl"));
    config.audit.sealing.file = folder.join("audit-checkpoints.jsonl");
    config.namely[0].url = format!("{}/api/v1", world.namely.url());
    config.okta[0].url = world.okta.url();
    Ok(config)
}

/// Waits until both sides are known and agree: then the scenario may begin.
async fn settle(world: &World, service: &Service, screen: &Screen) -> anyhow::Result<()> {
    let clock = &world.clock;
    let start = clock.monotonic();
    loop {
        let backlog = service.store.backlog().await?;
        screen.prepare(&service.readiness.reasons(), backlog.total());
        // The rate limit windows that reading Okta has opened are not the scenario's.
        let last = world.okta.core().history().of_work().next_back().map_or(Moment::default(), |e| e.arrived);
        let windows_are_over = clock.now().since(last) > Duration::from_secs(61);
        if service.readiness.is_ready() && backlog.total() == 0 && windows_are_over {
            return Ok(());
        }
        if clock.monotonic().since(start) > PATIENCE.max(Duration::from_secs(3600)) {
            bail!("the service did not get ready: {:?}", service.readiness.reasons());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Plays the scenario and waits until nothing is dirty and every change has arrived, or nothing moves any more.
async fn play(world: &World, scenario: &Scenario, service: &Service, screen: &Screen) -> anyhow::Result<Snapshot> {
    let hr = tokio::spawn({
        let (world, scenario) = (world.clone(), scenario.clone());
        async move { world.play(&scenario).await }
    });
    let mut watch = Watch::new(scenario);
    let start = world.clock.monotonic();
    let mut moved = (usize::MAX, usize::MAX, world.clock.monotonic());
    loop {
        world.okta.core().settle(world.clock.now());
        let kinds = watch.watch(&world.okta.core());
        let backlog = service.store.backlog().await?;
        let snapshot = Snapshot::take(kinds, &backlog, &service.metrics, world.clock.now());
        screen.show(&snapshot);
        let asked = world.okta.core().history().of_work().count();
        let edits = world.namely.core().edits();
        if (asked, edits) != (moved.0, moved.1) || backlog.total() > 0 {
            moved = (asked, edits, world.clock.monotonic());
        }
        let still = world.clock.monotonic().since(moved.2);
        let ahead = ahead(world, scenario, service, start).await?;
        if ahead.is_none() && hr.is_finished() && backlog.total() == 0 && (watch.is_over() || still > PATIENCE) {
            return Ok(snapshot);
        }
        // Nothing goes on, and what comes next is far away: on to that moment.
        if let Some(wait) = ahead.filter(|wait| still > STILL && *wait > STILL) {
            world.clock.jump(wait.saturating_sub(MARGIN));
            moved.2 = world.clock.monotonic();
        }
        if still > PATIENCE * 6 {
            bail!("the run got stuck with {} people in the backlog", backlog.total());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How long it is until HR edits somebody, or a date passes, before the scenario's last day.
async fn ahead(
    world: &World,
    scenario: &Scenario,
    service: &Service,
    start: Moment,
) -> anyhow::Result<Option<Duration>> {
    let since_start = world.clock.monotonic().since(start);
    let edit = scenario.changes.iter().map(|change| change.at).find(|at| *at > since_start);
    let edit = edit.map(|at| at - since_start);
    let now = world.clock.now();
    let date = service.store.next_change().await?.filter(|at| today(*at) <= scenario.days.1 && *at > now);
    let date = date.map(|at| at.since(now));
    Ok([edit, date].into_iter().flatten().min())
}

fn report(
    options: &Options,
    scenario: &Scenario,
    world: &World,
    service: &Service,
    start: Moment,
) -> anyhow::Result<Report> {
    let namely = world.namely.core().history().exchanges().to_vec();
    let okta = world.okta.core();
    let evidence = Evidence {
        scenario,
        start,
        okta: &okta,
        namely: &namely,
        store: service.store.path(),
        excused: &BTreeSet::new(),
    };
    Ok(Report {
        scenario: scenario.name.clone(),
        seed: options.seed,
        employees: options.employees,
        changes: scenario.changes.len(),
        time_scale: options.time_scale,
        figures: evaluate(&evidence).context("the audit of the run cannot be read")?,
    })
}
