//! `status`: is it safe, is it keeping up, when will it be done, who is waiting; once, or as it changes.

use super::show::colours;
use super::store::{Opened, open};
use super::table::table;
use super::way::client;
use crate::admin::answers::{Running, status as status_of};
use crate::identity::Class;
use crate::store::{Vitals, holds, pauses, vitals};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Flags of `status`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Look again and again until Ctrl-C
    #[arg(long)]
    pub watch: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub every: u64,
    /// Print one JSON document
    #[arg(long, conflicts_with = "watch")]
    pub json: bool,
}

/// What a running service says of itself.
#[derive(Default)]
struct Answers {
    /// What is missing; `None` where no service answers.
    missing: Option<BTreeMap<String, String>>,
    /// Samples of its metrics by name and labels, as they are written.
    samples: BTreeMap<String, f64>,
}

/// Shows it. The exit code is 1 if no service answers or something is missing.
pub async fn status(options: &Options) -> anyhow::Result<ExitCode> {
    loop {
        let opened = open(&options.config)?;
        let (client, base) = client(&opened.config, TIMEOUT)?;
        let seen = vitals(&opened.store, &opened.config.rulebook.safeguards.limits, opened.now)?;
        let answers = ask(&client, &base).await;
        let good = answers.missing.as_ref().is_some_and(BTreeMap::is_empty);
        if options.json {
            println!("{}", serde_json::to_string_pretty(&document(&opened, &seen, &answers)?)?);
        } else {
            let text = text(&opened, &seen, &answers)?;
            if options.watch && std::io::stdout().is_terminal() {
                print!("\x1b[H\x1b[2J");
            }
            println!("{text}");
            std::io::stdout().flush()?;
        }
        if !options.watch {
            return Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(options.every)) => {}
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
        }
    }
}

async fn ask(client: &reqwest::Client, base: &str) -> Answers {
    let get = async |path: &str| client.get(format!("{base}{path}")).send().await.ok()?.text().await.ok();
    let Some(ready) = get("/readyz").await else { return Answers::default() };
    let ready: Value = serde_json::from_str(&ready).unwrap_or_default();
    let missing = serde_json::from_value(ready["missing"].clone()).unwrap_or_default();
    let metrics = get("/metrics").await.unwrap_or_default();
    let sample = |line: &str| {
        let (name, value) = line.strip_prefix("namely_okta_sync_")?.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    Answers { missing: Some(missing), samples: metrics.lines().filter_map(sample).collect() }
}

impl Answers {
    fn eta(&self, org: &str) -> Option<f64> {
        self.samples.get(&format!("backlog_eta_seconds{{org=\"{org}\"}}")).copied()
    }

    /// Counters of an org that were used: what is left of the window, and the limit.
    fn budget(&self, org: &str) -> Vec<(String, f64, f64)> {
        let limits = self.samples.iter().filter_map(|(name, limit)| {
            let bucket = name.strip_prefix("okta_rate_limit{bucket=\"")?;
            let (bucket, rest) = bucket.split_once('"')?;
            (rest == format!(",org=\"{org}\"}}") && *limit > 0.0).then_some((bucket, *limit))
        });
        limits
            .map(|(bucket, limit)| {
                let left = format!("okta_rate_limit_remaining{{bucket=\"{bucket}\",org=\"{org}\"}}");
                (bucket.to_owned(), self.samples.get(&left).copied().unwrap_or(0.0), limit)
            })
            .collect()
    }
}

fn document(opened: &Opened, seen: &Vitals, answers: &Answers) -> anyhow::Result<Value> {
    let etas = seen.orgs.keys().filter_map(|org| Some((org.clone(), answers.eta(org)?)));
    let running = answers.missing.clone().map(|missing| Running {
        missing,
        audit_is_broken: answers.samples.get("audit_chain_broken") == Some(&1.0),
        eta_seconds: etas.collect(),
    });
    Ok(status_of(&opened.store, seen, running.as_ref(), opened.now)?)
}

fn text(opened: &Opened, seen: &Vitals, answers: &Answers) -> anyhow::Result<String> {
    let paint = |code: &str, text: &str| {
        if colours() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let mut lines = vec![match &answers.missing {
        None => paint("31;1", "no service answers; this is what is in the store"),
        Some(missing) if missing.is_empty() => paint("32;1", "running, and nothing is missing"),
        Some(missing) => {
            let told: Vec<String> = missing.iter().map(|(what, why)| format!("\n  {what}: {why}")).collect();
            paint("33;1", &format!("running, but not ready:{}", told.concat()))
        }
    }];
    let mut rows =
        table(&["org", "waiting", "of them leavers", "oldest", "done in", "held", "set aside", "left of this minute"]);
    for (org, people) in &seen.orgs {
        let waiting: i64 = people.backlog.values().map(|(count, _)| count).sum();
        let leavers = people.backlog.get(Class::Revoke.label()).map_or(0, |(count, _)| *count);
        let oldest = people.backlog.values().map(|(_, since)| *since).min();
        let budget = answers.budget(org).into_iter().map(|(bucket, left, limit)| format!("{bucket} {left}/{limit}"));
        rows.add_row([
            org.clone(),
            waiting.to_string(),
            leavers.to_string(),
            oldest.map_or(String::new(), |since| span(opened.now.since(since))),
            answers
                .eta(org)
                .filter(|_| waiting > 0)
                .map_or(String::new(), |eta| span(Duration::from_secs_f64(eta.max(0.0)))),
            people.held.to_string(),
            people.quarantined.to_string(),
            budget.collect::<Vec<_>>().join("  "),
        ]);
    }
    lines.push(rows.to_string());
    let waiting = holds(&opened.store, false)?;
    for hold in &waiting {
        lines.push(paint("33", &format!("hold {}: {} of {} people, {}", hold.id, hold.change, hold.people, hold.why)));
    }
    for pause in pauses(&opened.store)? {
        lines.push(paint("31", &format!("writes are paused by {}: {}", pause.by, pause.why)));
    }
    for (tenant, count) in &seen.unreadable {
        lines.push(format!("{count} profiles of {tenant} cannot be read; see `attention`"));
    }
    for used in seen.safeguards.iter().filter(|used| used.ratio >= 0.5) {
        let (change, per) = (used.change.word(), used.per.word());
        lines.push(format!("{:.0} % of what may {change} per {per} in {} is used", used.ratio * 100.0, used.tenant));
    }
    for (sink, (rows, _)) in seen.sinks.iter().filter(|(_, (rows, _))| *rows > 0) {
        lines.push(format!("{rows} audit rows wait for {sink}"));
    }
    lines.push(format!("audit: {} rows, {} not sealed yet", seen.audit_rows, seen.audit_rows - seen.sealed_rows));
    Ok(lines.join("\n"))
}

fn span(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{:.1} min", duration.as_secs_f64() / 60.0),
        _ => format!("{:.1} h", duration.as_secs_f64() / 3600.0),
    }
}
