//! `timeline`: one person, from what HR said to the proof.

use super::store::open;
use super::table::table;
use crate::audit::tell;
use crate::clock::Moment;
use crate::store::{Filter, filter_audit};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `timeline`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Profile, email, login or full name
    pub person: String,
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Only this org
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Prints it.
pub fn timeline(options: &Options) -> anyhow::Result<ExitCode> {
    let opened = open(&options.config)?;
    let targets = opened.targets(options.org.as_ref(), &options.person)?;
    let mut found: Vec<Value> = Vec::new();
    filter_audit(&opened.store, &Filter { targets, ..Filter::default() }, |row| {
        found.push(serde_json::from_str(&row.text)?);
        Ok(())
    })?;
    if options.json {
        let told: Vec<Value> = found.iter().map(|row| json!({ "told": tell(row), "row": row })).collect();
        println!("{}", serde_json::to_string_pretty(&told)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["at (UTC)", "after", "org", "what"]);
    let mut before: Option<Moment> = None;
    for row in &found {
        let at = row["at"].as_str().unwrap_or_default();
        let moment = at.parse::<jiff::Timestamp>().ok().map(Moment::from);
        let after = match (before, moment) {
            (Some(before), Some(now)) => format!("{:.1} s", now.since(before).as_secs_f64()),
            _ => String::new(),
        };
        before = moment.or(before);
        rows.add_row([at.to_owned(), after, row["org"].as_str().unwrap_or_default().to_owned(), tell(row)]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}
