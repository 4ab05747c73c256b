//! `audit`: list, export, verify and prune what was written down.

use super::assessment::{Assessment, assess};
use super::failure::usage;
use super::place::ConfigFile;
use super::prune::prune;
use super::store::{Found, moment, open_store};
use super::table::table;
use crate::audit::restore::Restore;
use crate::audit::{Event, Row};
use crate::clock::Moment;
use crate::domain::text::defused;
use crate::store::{AuditRow, Filter, filter_audit, gap, is_a_run, name_of};
use anyhow::Context;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What to do with the audit.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Action {
    /// Rows, newest last
    List {
        /// Which rows, of which store
        #[command(flatten)]
        which: Which,
        /// Only so many, the newest
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Rows for machines: one JSON object a line, or CSV
    Export {
        /// Which rows, of which store
        #[command(flatten)]
        which: Which,
        /// How a row is written
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
        /// Where to; standard output without it
        #[arg(short = 'o', long = "output", value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Whether anything was edited, removed, exchanged or cut off
    Verify {
        /// The configuration whose store is verified
        #[command(flatten)]
        config: ConfigFile,
        /// Checkpoints that were kept outside the store; those of the configuration without it
        #[arg(long, value_name = "FILE")]
        checkpoints: Option<PathBuf>,
        /// The public key that signs them, in hexadecimal; that of the configuration without it
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// A restore that you know of, by the row that tells of it: what it has replaced is no finding then; may be given several times
        #[arg(long, value_name = "ROW")]
        restored: Vec<i64>,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Remove old rows up to a checkpoint; the chain goes on from there
    Prune {
        /// The configuration whose store is pruned
        #[command(flatten)]
        config: ConfigFile,
        /// Rows from before: a day, a time, or how long ago (400d)
        #[arg(long, value_name = "TIME")]
        before: String,
        /// Who decides, for the audit
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Remove what is shown without asking, as a terminal would
        #[arg(long)]
        yes: bool,
    },
}

/// Which rows.
#[derive(clap::Args, Clone, Debug)]
pub struct Which {
    /// The configuration whose store is read
    #[command(flatten)]
    pub config: ConfigFile,
    /// Only about this person: profile, email, login or full name
    #[arg(long, value_name = "PERSON")]
    pub person: Option<String>,
    /// From then on: a day, a time, or how long ago (2h)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Until then
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only this kind (observed, planned, effect, done, held …); may be given several times
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<String>,
    /// Only rows that name this group
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// Only rows of this run of the service
    #[arg(long, value_name = "NUMBER")]
    pub run: Option<i64>,
}

/// How exported rows are written.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line: the row as it is stored, and its hash
    Jsonl,
    /// Comma-separated values under a line of column names
    Csv,
}

/// Does it.
pub fn audit(action: &Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::List { which, limit, json } => list(which, usize::try_from(*limit)?, *json),
        Action::Export { which, format, output } => export(which, *format, output.as_deref()),
        Action::Verify { config, checkpoints, key, restored, json } => {
            let found = assess(&open_store(config)?, checkpoints.as_deref(), key.as_deref(), restored)?;
            verify(&found, *json)
        }
        Action::Prune { config, before, by, yes } => prune(config, before, by.as_ref(), *yes),
    }
}

fn filter(which: &Which, opened: &Found) -> anyhow::Result<Filter> {
    let time = |flag, text: &Option<String>| text.as_ref().map(|t| moment(flag, t, opened.now)).transpose();
    let (since, until) = (time("--since", &which.since)?, time("--until", &which.until)?);
    if since.zip(until).is_some_and(|(since, until)| since >= until) {
        return Err(usage("--since must lie before --until"));
    }
    if let Some(kind) = which.kinds.iter().find(|kind| !Event::KINDS.contains(&kind.as_str())) {
        return Err(usage(format!("{kind:?} is no kind of row; there are {}", Event::KINDS.join(", "))));
    }
    if let Some(run) = which.run {
        is_a_run(&opened.store, run)?;
    }
    Ok(Filter {
        targets: which.person.as_ref().map(|person| opened.targets(person)).transpose()?.unwrap_or_default(),
        since,
        until,
        kinds: which.kinds.clone(),
        group: which.group.clone(),
        run: which.run,
        rows: Vec::new(),
        newest: None,
    })
}

/// Says beside the answer that rows of the span that is asked about were removed.
fn say_what_is_gone(opened: &Found, run: Option<i64>, since: Option<Moment>) -> anyhow::Result<()> {
    if let Some(gap) = gap(&opened.store)?.filter(|gap| run.is_none() && gap.reaches(since)) {
        eprintln!("incomplete: {}", gap.message());
    }
    Ok(())
}

/// Names of people by target, looked up as needed.
#[derive(Default)]
pub(super) struct Names(HashMap<i64, String>);

impl Names {
    /// The name of a target's person.
    pub fn of(&mut self, opened: &Found, target: Option<i64>) -> String {
        let Some(target) = target else { return String::new() };
        // Nobody is called anything where a person is not there any more; what cannot be read says so.
        let read = || match name_of(&opened.store, target) {
            Ok(name) => name.unwrap_or_default(),
            Err(e) => format!("target {target} ({e})"),
        };
        self.0.entry(target).or_insert_with(read).clone()
    }
}

fn list(which: &Which, limit: usize, as_json: bool) -> anyhow::Result<ExitCode> {
    let opened = open_store(&which.config)?;
    let filter = Filter { newest: Some(limit), ..filter(which, &opened)? };
    let mut found: Vec<Value> = Vec::new();
    filter_audit(&opened.store, &filter, |row| {
        found.push(serde_json::from_str(&row.text)?);
        Ok(())
    })?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(ExitCode::SUCCESS);
    }
    if found.len() < limit {
        say_what_is_gone(&opened, which.run, filter.since)?;
    }
    if found.is_empty() {
        println!("no row is like that");
        return Ok(ExitCode::SUCCESS);
    }
    let (mut rows, mut names) = (table(&["seq", "at", "who", "kind", "what"]), Names::default());
    for row in &found {
        let at = row["at"].as_str().unwrap_or_default();
        rows.add_row([
            row["seq"].to_string(),
            at.to_owned(),
            names.of(&opened, row["target"].as_i64()),
            row["kind"].as_str().unwrap_or_default().to_owned(),
            Row::of(row).describe(),
        ]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}

fn export(which: &Which, format: Format, output: Option<&Path>) -> anyhow::Result<ExitCode> {
    let opened = open_store(&which.config)?;
    let filter = filter(which, &opened)?;
    let out: Box<dyn Write> = match output {
        Some(path) => {
            Box::new(std::fs::File::create(path).with_context(|| format!("{} cannot be written", path.display()))?)
        }
        None => Box::new(std::io::stdout()),
    };
    say_what_is_gone(&opened, which.run, filter.since)?;
    let written = match format {
        Format::Jsonl => write_jsonl(&opened, &filter, BufWriter::new(out))?,
        Format::Csv => write_csv(&opened, &filter, BufWriter::new(out))?,
    };
    if let Some(path) = output {
        println!("{written} rows in {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Every row with its hash: whoever has them can follow the chain without the store.
pub(super) fn write_jsonl(opened: &Found, filter: &Filter, mut out: impl Write) -> anyhow::Result<usize> {
    let mut written = 0;
    let mut failed = None;
    filter_audit(&opened.store, filter, |row| {
        let hash = crate::domain::hex(&row.hash);
        failed = failed.take().or(writeln!(out, "{{\"hash\":\"{hash}\",\"row\":{}}}", row.text).err());
        written += 1;
        Ok(())
    })?;
    failed.map_or(Ok(()), Err)?;
    out.flush()?;
    Ok(written)
}

pub(super) fn write_csv(opened: &Found, filter: &Filter, out: impl Write) -> anyhow::Result<usize> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record([
        "seq",
        "at",
        "kind",
        "org",
        "who",
        "tenant",
        "profile",
        "revision",
        "what",
        "outcome",
        "request id",
        "detail",
    ])?;
    let (mut names, mut written) = (Names::default(), 0);
    let mut failed = None;
    filter_audit(&opened.store, filter, |row: AuditRow| {
        let row: Value = serde_json::from_str(&row.text)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let read = Row::of(&row);
        let (outcome, request_id) = match &read.event {
            Event::Effect(effect) => (effect.outcome.as_str(), effect.request_id.as_deref().unwrap_or_default()),
            _ => ("", ""),
        };
        let record = [
            row["seq"].to_string(),
            text(&row["at"]),
            text(&row["kind"]),
            text(&row["org"]),
            names.of(opened, row["target"].as_i64()),
            text(&row["tenant"]),
            text(&row["profile"]),
            row["rev"].as_i64().map(|rev| rev.to_string()).unwrap_or_default(),
            read.describe(),
            outcome.to_owned(),
            request_id.to_owned(),
            row["detail"].to_string(),
        ];
        failed = failed.take().or(csv.write_record(record.iter().map(|cell| defused(cell).into_owned())).err());
        written += 1;
        Ok(())
    })?;
    failed.map_or(Ok(()), Err)?;
    csv.flush()?;
    Ok(written)
}

fn verify(found: &Assessment, as_json: bool) -> anyhow::Result<ExitCode> {
    let Assessment { verdict, from, doubt, key, keys, warnings, gap, restores, replaced, .. } = found;
    if as_json {
        let message = json!({
            "result": found.word(), "why": doubt, "key": key, "keys": keys, "warnings": warnings, "verdict": verdict, "checkpoints_from": from,
            "pruned": gap, "restores": restores, "replaced_checkpoints": replaced,
        });
        println!("{}", serde_json::to_string_pretty(&message)?);
        return Ok(found.code());
    }
    for finding in &verdict.findings {
        println!("{}: {}", finding.what, finding.message);
    }
    if verdict.more_findings > 0 {
        println!("and {} findings more", verdict.more_findings);
    }
    println!("{} rows, {} to {}", verdict.rows, verdict.first.unwrap_or(0), verdict.last.unwrap_or(0));
    gap.iter().for_each(|gap| println!("{}", gap.message()));
    for Restore { seq, at, restored } in restores {
        println!("row {seq}, {at}: {}", restored.message());
    }
    let of_before =
        if *replaced > 0 { format!(", and {replaced} are of rows that a restore has replaced") } else { String::new() };
    println!("{} checkpoints fit (from {from}){of_before}", verdict.checkpoints);
    match (found.word(), verdict.vouched_to) {
        ("broken", Some(to)) => println!("broken: not as it was written; vouched for up to row {to} only"),
        ("broken", None) => println!("broken: not as it was written"),
        ("good", Some(to)) => {
            println!("good: nothing was edited, removed, exchanged or cut off up to row {to}; later rows hang on it")
        }
        ("restored", _) => println!("restored: the chain of rows holds, but {}", doubt.as_deref().unwrap_or_default()),
        _ => println!(
            "not vouched: the chain of rows holds, but {}",
            doubt.as_deref().unwrap_or("nobody vouches for it")
        ),
    }
    key.iter().for_each(|key| println!("signed by {key}"));
    let others = keys.iter().filter(|other| Some(*other) != key.as_ref());
    others.for_each(|other| println!("and by {other}, which it was exchanged with, as the audit tells"));
    warnings.iter().for_each(|warning| println!("warning: {warning}"));
    Ok(found.code())
}
