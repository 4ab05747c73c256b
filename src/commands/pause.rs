//! `pause` and `resume`: the kill switch. It works beside a running service and survives restarts.

use super::store::{decider, open};
use super::table::table;
use crate::clock::Moment;
use crate::identity::Change;
use crate::store::{Store, pause as pause_writes, pauses, resume as resume_writes};
use anyhow::bail;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `pause`.
#[derive(clap::Args, Clone, Debug)]
pub struct PauseOptions {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Only this Okta org
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// Only this kind of change: deactivate, suspend, remove_group, change_login, activate, create, add_group,
    /// change_attributes or link_manager
    #[arg(long, value_name = "CHANGE")]
    pub change: Option<String>,
    /// Why, for the audit and for whoever wonders
    #[arg(long, value_name = "TEXT", required_unless_present = "list")]
    pub why: Option<String>,
    /// Who decides, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Show what is paused, and pause nothing
    #[arg(long)]
    pub list: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Flags of `resume`.
#[derive(clap::Args, Clone, Debug)]
pub struct ResumeOptions {
    /// Number of the pause, as `pause --list` shows it; all without it
    pub id: Option<i64>,
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Who decides, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Stops writes, or shows what is stopped.
pub fn pause(options: &PauseOptions) -> anyhow::Result<ExitCode> {
    let opened = open(&options.config)?;
    if options.list {
        return list(&pauses(&opened.store)?, options.json);
    }
    opened.orgs(options.org.as_ref())?;
    let change = match &options.change {
        None => None,
        Some(word) => match Change::from_word(word) {
            Some(change) => Some(change),
            None => {
                let words: Vec<&str> = Change::ALL.iter().map(|change| change.word()).collect();
                bail!("{word:?} is not a kind of change; there are {}", words.join(", "))
            }
        },
    };
    let by = decider(options.by.as_ref())?;
    let why = options.why.clone().unwrap_or_default();
    let operator = Store::operator(&opened.path)?;
    let id = pause_writes(&operator, options.org.as_deref(), change, &why, &by, opened.now)?;
    if options.json {
        println!("{}", json!({ "pause": id, "org": options.org, "change": options.change, "why": why, "by": by }));
    } else {
        let what = change.map_or("every write".to_owned(), |change| format!("every {}", change.word()));
        let org = options.org.as_ref().map_or("every org".to_owned(), |org| format!("org {org}"));
        println!("pause {id}: {what} to {org} is stopped from now on; let it go on with `resume {id}`");
    }
    Ok(ExitCode::SUCCESS)
}

fn list(found: &[crate::store::Pause], json: bool) -> anyhow::Result<ExitCode> {
    if json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else if found.is_empty() {
        println!("nothing is paused");
    } else {
        let mut rows = table(&["id", "org", "change", "since", "by", "why"]);
        for pause in found {
            rows.add_row([
                pause.id.to_string(),
                pause.org.clone().unwrap_or_else(|| "all".into()),
                pause.change.clone().unwrap_or_else(|| "all".into()),
                Moment::from_millis(pause.at).to_string(),
                pause.by.clone(),
                pause.why.clone(),
            ]);
        }
        println!("{rows}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Lets writes go on.
pub fn resume(options: &ResumeOptions) -> anyhow::Result<ExitCode> {
    let opened = open(&options.config)?;
    let by = decider(options.by.as_ref())?;
    let operator = Store::operator(&opened.path)?;
    let ended = resume_writes(&operator, options.id, &by, opened.now)?;
    if ended == 0 {
        bail!("nothing to resume; see `pause --list`");
    }
    if options.json {
        println!("{}", json!({ "resumed": ended, "by": by }));
    } else {
        println!("{ended} pause{} ended; a running service goes on in some seconds", if ended == 1 { "" } else { "s" });
    }
    Ok(ExitCode::SUCCESS)
}
