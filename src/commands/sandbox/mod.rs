//! `sandbox`: both simulators, the real service against them over HTTP, a scenario, and a judgement.

mod driven;
mod kept;
mod killed;
pub mod merger;
mod nodes;
mod options;
mod show;
mod sign_in;
mod stay;

pub use options::Options;

use super::failure::usage;
use super::process::Signals;
use super::simulate::read_contents;
use crate::clock::{Clock, Moment};
use crate::config::Config;
use crate::sandbox::faults::{Fault, Kind as Wrong};
use crate::sandbox::oracle::{Evidence, evaluate};
use crate::sandbox::population::Status;
use crate::sandbox::scenario::{Kind, MERGER, Scenario};
use crate::sandbox::world::{PATIENCE, Watch, World, today};
use crate::sandbox::{namely, okta};
use anyhow::{Context, bail};
use driven::Driven;
use jiff::civil::Date;
use kept::Kept;
use killed::Interruption;
use nodes::Nodes;
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
    if let Some(problem) = options.problem() {
        return Err(usage(problem));
    }
    if options.nodes == 1 {
        return run(options).await;
    }
    // Nodes end with whoever has started them.
    let mut signals = Signals::new()?;
    tokio::select! {
        biased;
        done = run(options) => done,
        () = signals.next() => bail!("stopped, with all nodes"),
    }
}

async fn run(options: Options) -> anyhow::Result<ExitCode> {
    if options.scenario == MERGER {
        return merger::merger(&options).await;
    }
    // Nodes and their leases go by the real clock.
    let clock = if options.nodes > 1 { Clock::system() } else { Clock::scaled_from_today(options.scale()) };
    let scenario = scenario(&options, today(clock.now()))?;
    let temporary = tempdir(&options)?;
    let folder = options.keep.clone().unwrap_or_else(|| temporary.path.clone());
    let world = World::start(&scenario, namely_options(&options), okta_options(&options), clock.clone())?;
    let kept = Kept::of(&options, &folder).await?;
    let is_open = options.stay && options.nodes == 1;
    if is_open {
        sign_in::seed(&mut world.okta.core(), clock.now());
    }
    let mut driven = drive(&options, &scenario, &world, &kept, &folder).await?;
    if is_open {
        sign_in::register(&mut world.okta.core(), driven.address);
    }
    let screen = Screen::new(options.report.is_some(), &scenario, &world, driven.address);
    settle(&world, &mut driven, &screen).await?;
    add_faults(&world, &options);
    let start = clock.now();
    let played = play(&world, &scenario, &mut driven, &screen).await?;
    screen.finish();
    let audit = kept.for_the_oracle(&folder).await?;
    let ended = Ended { audit: &audit, kept: &kept, driven: &driven, start };
    let report = report(&options, &scenario, &world, &ended)?;
    match options.report {
        Some(_) => println!("{}", serde_json::to_string_pretty(&report)?),
        None => print_report(&report, &played),
    }
    if options.stay {
        let places = vec![("http://127.0.0.1:7001", world.namely.url()), ("http://127.0.0.1:7002", world.okta.url())];
        let address = driven.address;
        let staying = Staying { folder: &folder, address: Some(address), places, kept: &kept };
        let mut text = include_str!("../../../config/sandbox.toml").to_owned();
        if is_open {
            for (name, secret) in [("admin-token", sign_in::TOKEN), ("console-secret", sign_in::SECRET)] {
                std::fs::write(folder.join(name), secret)?;
            }
            text += &sign_in::section(&world.okta.url(), "file:admin-token", "file:console-secret");
        }
        let path = staying.write(&text, "../var/sandbox", "sandbox")?;
        eprintln!(
            "staying: metrics at http://{address}/metrics, configuration at {} (Ctrl-C ends)\nTry, from another terminal:\n{}",
            path.display(),
            commands(&path, &cast(&scenario, &world), today(clock.now()))
        );
        if is_open {
            eprintln!("{}", sign_in::shown(address));
        }
        tokio::signal::ctrl_c().await?;
    }
    driven.stop().await;
    drop(temporary);
    Ok(if report.figures.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The scenario, for the company of a file or for one that is made up.
fn scenario(options: &Options, today: Date) -> anyhow::Result<Scenario> {
    let Some(path) = &options.data else {
        return Scenario::make(&options.scenario, options.employees, options.seed, today).map_err(anyhow::Error::msg);
    };
    let contents = read_contents(path)?;
    let people = contents.at_work(today);
    let left_out = contents.people.len() - people.len();
    if left_out > 0 {
        eprintln!("{left_out} people of {} do not work there today and are left out", path.display());
    }
    Scenario::for_people(&options.scenario, people, options.seed, today).map_err(anyhow::Error::msg)
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
    let too_late = Duration::from_secs_f64(5.0 * options.scale());
    let kinds = [error(500, "E0000009"), error(503, ""), Wrong::Reset, Wrong::LoseReply, Wrong::Slow(too_late)];
    let mut okta = world.okta.core();
    for kind in kinds {
        okta.faults.add(Fault::some(options.faults / 5.0, "", "/api/v1/", kind));
    }
}

/// The configuration of the sandbox, pointed at this world.
pub fn config(world: &World, folder: &Path) -> anyhow::Result<Config> {
    pointed(include_str!("../../../config/sandbox.toml"), world, folder)
}

/// The same, with a console that people sign in to over the simulated Okta.
fn opened(world: &World, folder: &Path) -> anyhow::Result<Config> {
    let admin = sign_in::section(&world.okta.url(), "env:ADMIN_TOKEN", "env:OIDC_SECRET");
    pointed(&format!("{}{admin}", include_str!("../../../config/sandbox.toml")), world, folder)
}

fn pointed(text: &str, world: &World, folder: &Path) -> anyhow::Result<Config> {
    let tokens = |name: &str| match name {
        "NAMELY_TOKEN" => Some(namely::Options::default().token),
        "OKTA_TOKEN" => Some(okta::Options::default().token),
        "ADMIN_TOKEN" => Some(sign_in::TOKEN.to_owned()),
        "OIDC_SECRET" => Some(sign_in::SECRET.to_owned()),
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

/// Starts the service here, or the nodes.
async fn drive(
    options: &Options,
    scenario: &Scenario,
    world: &World,
    kept: &Kept,
    folder: &Path,
) -> anyhow::Result<Driven> {
    if options.nodes > 1 {
        least_role(&world.okta, &config(world, folder)?, "sandbox");
        let places = [("http://127.0.0.1:7001", world.namely.url()), ("http://127.0.0.1:7002", world.okta.url())];
        let nodes = Nodes::start(options.nodes, kept, folder, &places)?;
        return Ok(Driven::apart(nodes, Interruption::of(scenario, options.seed)));
    }
    let mut config = if options.stay { opened(world, folder)? } else { config(world, folder)? };
    least_role(&world.okta, &config, &config.okta[0].name);
    config.service.store = kept.place.clone();
    if options.faults > 0.0 {
        // Answers that come too late are given up on sooner, so that a quick clock does not wait for minutes.
        config.okta[0].transport.timeout = Duration::from_secs(3);
    }
    Driven::here(config, world.clock.clone()).await
}

/// Waits until both sides are known and agree: then the scenario may begin.
async fn settle(world: &World, driven: &mut Driven, screen: &Screen) -> anyhow::Result<()> {
    let clock = &world.clock;
    let start = clock.monotonic();
    // The rate limit windows that reading Okta has opened are not the scenario's; an hour of the real clock is not waited for.
    let (window, patience) = match driven.is_simulated() {
        true => (Duration::from_secs(61), Duration::from_secs(3600)),
        false => (Duration::ZERO, PATIENCE),
    };
    loop {
        let (missing, backlog) = driven.condition().await?;
        screen.prepare(&missing, backlog.total());
        let last = world.okta.core().history().of_work().next_back().map_or(Moment::default(), |e| e.arrived);
        if missing.is_empty() && backlog.total() == 0 && clock.now().since(last) > window {
            return Ok(());
        }
        if clock.monotonic().since(start) > patience {
            bail!("the service did not get ready: {missing:?}");
        }
        tokio::time::sleep(driven.glance()).await;
    }
}

/// Plays the scenario and waits until nothing is dirty and every change has arrived, or nothing moves any more.
async fn play(world: &World, scenario: &Scenario, driven: &mut Driven, screen: &Screen) -> anyhow::Result<Snapshot> {
    let hr = tokio::spawn({
        let (world, scenario) = (world.clone(), scenario.clone());
        async move { world.play(&scenario).await }
    });
    let mut watch = Watch::new(scenario);
    let (start, since) = (world.clock.monotonic(), world.clock.now());
    let mut moved = (usize::MAX, usize::MAX, world.clock.monotonic());
    loop {
        world.okta.core().settle(world.clock.now());
        let kinds = watch.watch(&world.okta.core());
        let (backlog, all_has_happened) = driven.go_on(world, since).await?;
        let snapshot = Snapshot::take(kinds, &backlog, &driven.metrics, world.clock.now());
        screen.show(&snapshot);
        let asked = world.okta.core().history().of_work().count();
        let edits = world.namely.core().edits();
        if (asked, edits) != (moved.0, moved.1) || backlog.total() > 0 {
            moved = (asked, edits, world.clock.monotonic());
        }
        let still = world.clock.monotonic().since(moved.2);
        let ahead = ahead(world, scenario, driven, start).await?;
        let is_quiet = ahead.is_none() && hr.is_finished() && backlog.total() == 0;
        if is_quiet && ((watch.is_over() && all_has_happened) || still > PATIENCE) {
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
        tokio::time::sleep(driven.glance()).await;
    }
}

/// How long it is until HR edits somebody, or a date passes, before the scenario's last day.
async fn ahead(world: &World, scenario: &Scenario, driven: &Driven, start: Moment) -> anyhow::Result<Option<Duration>> {
    let since_start = world.clock.monotonic().since(start);
    let edit = scenario.changes.iter().map(|change| change.at).find(|at| *at > since_start);
    let edit = edit.map(|at| at - since_start);
    let now = world.clock.now();
    let date = driven.next_change().await?.filter(|at| today(*at) <= scenario.days.1 && *at > now);
    let date = date.map(|at| at.since(now));
    Ok([edit, date].into_iter().flatten().min())
}

/// A run that is over.
struct Ended<'a> {
    audit: &'a Path,
    kept: &'a Kept,
    driven: &'a Driven,
    start: Moment,
}

fn report(options: &Options, scenario: &Scenario, world: &World, ended: &Ended) -> anyhow::Result<Report> {
    let take_over = ended.driven.interruption().and_then(|kill| kill.found(scenario, world, ended.start));
    if ended.driven.interruption().is_some() && take_over.is_none() {
        bail!("no node was killed: the run ended before anything was written to Okta");
    }
    let namely = world.namely.core().history().exchanges().to_vec();
    let okta = world.okta.core();
    let evidence = Evidence {
        scenario,
        start: ended.start,
        okta: &okta,
        namely: &namely,
        store: ended.audit,
        excused: &BTreeSet::new(),
    };
    Ok(Report {
        scenario: scenario.name.clone(),
        seed: options.seed,
        employees: if options.data.is_some() { scenario.people.len() } else { options.employees },
        changes: scenario.changes.len(),
        time_scale: options.scale(),
        store: ended.kept.shown(),
        nodes: options.nodes,
        take_overs: take_over.into_iter().collect(),
        figures: evaluate(&evidence).context("the audit of the run cannot be read")?,
    })
}
