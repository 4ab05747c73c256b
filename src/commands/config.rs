//! `config`: what can be configured, for people and for editors.

use super::table::table;
use crate::config::Config;
use crate::config::manual::{find, schema};
use crate::config::reload::written;
use anyhow::bail;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// What to show.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Action {
    /// The JSON Schema of the configuration, for editors
    Schema,
    /// What a key does, its default, what it is now, and whether a reload is enough to change it
    Explain {
        /// The key, a table, or a part of a key: `okta.budget.share`, `safeguards`, `interval`
        key: String,
        /// Also what it is in this configuration
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

/// Shows it.
pub fn config(action: &Action) -> anyhow::Result<ExitCode> {
    let Action::Explain { key, config, json: as_json } = action else {
        println!("{}", serde_json::to_string_pretty(&schema())?);
        return Ok(ExitCode::SUCCESS);
    };
    let found = find(key);
    if found.is_empty() {
        bail!("there is no key {key:?}; config/example.toml shows all of them");
    }
    let loaded = config.as_ref().map(|path| Config::without_secrets(path)).transpose()?;
    let now = |key: &str| loaded.as_ref().map(|config| written(&config.document, key)).unwrap_or_default();
    if *as_json {
        let message: Vec<_> = found.iter().map(|entry| json!({ "entry": entry, "written": now(&entry.key) })).collect();
        println!("{}", serde_json::to_string_pretty(&message)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table(&["key", "what it does", "default or example", "written", "a change needs"]);
    for entry in &found {
        let example = entry.example.as_ref().map(ToString::to_string).unwrap_or_default();
        let needs = if entry.live { "a reload" } else { "a restart" };
        let written = now(&entry.key).into_iter().map(|(location, value)| format!("{location} = {value}"));
        let written = written.collect::<Vec<_>>().join("\n");
        rows.add_row([entry.key.clone(), entry.about.clone(), example, written, needs.to_owned()]);
    }
    println!("{rows}");
    Ok(ExitCode::SUCCESS)
}
