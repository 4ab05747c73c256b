//! `reconcile`: where Okta is not what Namely says, as a table, a page, CSV or JSON; read anew, or as read last; and mended.

use super::backend::Backend;
use super::place::ConfigFile;
use super::store::{Opened, open};
use super::table::table;
use crate::actors::reconciler::write;
use crate::admin::routes::Ask;
use crate::clock::Clock;
use crate::report::{Category, Reconciliation};
use crate::store::{findings, is_done};
use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Findings that are listed one by one unless all are asked for.
const LISTED: usize = 50;

/// Flags of `reconcile`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The configuration whose store is compared with its rules
    #[command(flatten)]
    pub config: ConfigFile,
    /// Only this org
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// Have the running service read the org anew first, and wait for it
    #[arg(long)]
    pub read: bool,
    /// How long to wait for that, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub wait: u64,
    /// Write the report as HTML, CSV and JSON into this folder
    #[arg(short = 'o', long = "output", value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Have the running service mend what disagrees, through the safeguards
    #[arg(long)]
    pub fix: bool,
    /// Who asks for it, for the audit; whoever is signed in to this machine without it
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// List everything
    #[arg(long)]
    pub all: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Compares, shows, writes and mends.
pub async fn reconcile(options: &Options) -> anyhow::Result<ExitCode> {
    let opened = open(&options.config)?;
    let mut reports = Vec::new();
    for org in opened.orgs(options.org.as_ref())? {
        if options.read {
            read_anew(&opened, &org, options).await?;
        }
        reports.push(report(&opened, &org)?);
    }
    for report in &reports {
        if let Some(folder) = &options.output {
            let stamp = report.at.replace(':', "");
            write(folder, &report.org, &stamp, report).map_err(|why| anyhow!(why))?;
        }
        if options.fix && !report.targets().is_empty() {
            let backend = Backend::find(&opened, options.by.as_ref())?;
            backend.ask(Ask::Fix, &[], json!({ "org": report.org, "targets": report.targets() })).await?;
        }
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    } else {
        reports.iter().for_each(|report| show(report, options));
    }
    let agreed = reports.iter().all(|report| report.mismatches() == 0);
    Ok(if agreed || options.fix { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

async fn read_anew(opened: &Opened, org: &str, options: &Options) -> anyhow::Result<()> {
    // Reading decides nothing: whoever asks need not say who they are.
    let user = options.by.clone().or_else(|| std::env::var("USER").ok()).filter(|name| !name.trim().is_empty());
    let by = user.unwrap_or_else(|| "a user of this machine".to_owned());
    let backend = Backend::find(opened, Some(&by))?;
    let message = backend.ask(Ask::Reconcile, &[], json!({ "org": org })).await?;
    let id = message["requests"][org].as_i64().context("the service gave no number for the request")?;
    let bar = ProgressBar::new_spinner().with_message(format!("{org} is read by the service"));
    bar.enable_steady_tick(Duration::from_millis(200));
    let clock = Clock::system();
    let start = clock.monotonic();
    loop {
        if let Some(outcome) = is_done(&opened.store, id)? {
            bar.finish_and_clear();
            if outcome.starts_with("failed") {
                bail!("{org} could not be read: {outcome}");
            }
            return Ok(());
        }
        if clock.monotonic().since(start) > Duration::from_secs(options.wait) {
            bail!("{org} was not read within {} s; is the service running?", options.wait);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn report(opened: &Opened, org: &str) -> anyhow::Result<Reconciliation> {
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {pos} people compared").unwrap_or(ProgressStyle::default_spinner()),
    );
    let found = findings(&opened.store, &opened.config.rulebook, org, opened.now, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok(Reconciliation::new(found))
}

fn show(report: &Reconciliation, options: &Options) {
    say!("{}: {}; Okta was read as a whole at {}", report.org, report.agreement(), report.read_at);
    let mut rows = table(&["what disagrees", "findings"]);
    for category in Category::ALL {
        let n = report.counts.get(&category).copied().unwrap_or(0);
        rows.add_row([category.to_string(), n.to_string()]);
    }
    println!("{rows}");
    // What is not ours is only counted: it may be most of the org.
    let message: Vec<_> = report.rows.iter().filter(|r| options.all || r.category != Category::Unmanaged).collect();
    if !message.is_empty() {
        let limit = if options.all { usize::MAX } else { LISTED };
        let mut rows = table(&["what disagrees", "who", "login", "department", "what would be done, or why not"]);
        for row in message.iter().take(limit) {
            rows.add_row([&row.category.to_string(), &row.name, &row.login, &row.department, &row.what]);
        }
        println!("{rows}");
        if message.len() > limit {
            println!("and {} more; all of them with --all, --json or -o", message.len() - limit);
        }
    }
    if let Some(folder) = &options.output {
        say!("written to {}", folder.display());
    }
    match report.targets().len() {
        _ if !options.fix => {}
        0 => println!("nobody is to be mended"),
        people => say!("asked for: a running service mends {people} people, through the safeguards"),
    }
}
