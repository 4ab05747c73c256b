//! `pause` and `resume`: the kill switch. It works beside a running service and survives restarts.

use super::backend::{Asking, by, part};
use super::table::table;
use crate::admin::routes::Ask;
use crate::clock::Moment;
use crate::store::Pause;
use serde_json::json;
use std::process::ExitCode;

/// Flags of `pause`.
#[derive(clap::Args, Clone, Debug)]
pub struct PauseOptions {
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
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Flags of `resume`.
#[derive(clap::Args, Clone, Debug)]
pub struct ResumeOptions {
    /// Number of the pause, as `pause --list` shows it; all without it
    pub id: Option<i64>,
    /// Who decides, for the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Stops writes, or shows what is stopped.
pub async fn pause(options: &PauseOptions) -> anyhow::Result<ExitCode> {
    if options.list {
        return list(&options.asking).await;
    }
    let backend = options.asking.at.to_decide(options.by.as_ref())?;
    let mut body = json!({ "why": options.why.clone().unwrap_or_default() });
    for (key, value) in [("org", &options.org), ("change", &options.change)] {
        if let Some(value) = value {
            body[key] = json!(value);
        }
    }
    let message = backend.ask(Ask::Pause, &[], body).await?;
    if !options.asking.json && message["in_flight"].as_u64().is_some_and(|calls| calls > 0) {
        say!("{} calls had left before; their answers are written down as they come", message["in_flight"]);
    }
    if options.asking.json {
        println!("{message}");
    } else if let Some(unwritten) = message["unwritten"].as_str() {
        say!("stopped by {}: {unwritten}", by(&message));
    } else {
        let what = options.change.as_ref().map_or("every write".to_owned(), |change| format!("every {change}"));
        let org = options.org.as_ref().map_or("every org".to_owned(), |org| format!("org {org}"));
        say!(
            "pause {}: {what} to {org} is stopped from now on by {}; let it go on with `resume {0}`",
            message["pause"],
            by(&message)
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(asking: &Asking) -> anyhow::Result<ExitCode> {
    let message = asking.at.to_read()?.read(Ask::Pauses, &[], json!({})).await?;
    let found: Vec<Pause> = part(message, "pauses")?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else if found.is_empty() {
        println!("nothing is paused");
    } else {
        let mut rows = table(&["id", "org", "change", "since", "by", "why"]);
        for pause in &found {
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
pub async fn resume(options: &ResumeOptions) -> anyhow::Result<ExitCode> {
    let backend = options.asking.at.to_decide(options.by.as_ref())?;
    let body = options.id.map_or(json!({}), |id| json!({ "id": id }));
    let message = backend.ask(Ask::Resume, &[], body).await?;
    if options.asking.json {
        println!("{message}");
    } else {
        let s = if message["resumed"] == 1 { "" } else { "s" };
        say!("{} pause{s} ended by {}; a running service goes on in some seconds", message["resumed"], by(&message));
    }
    Ok(ExitCode::SUCCESS)
}
