//! What the commands that look at a running or stopped service have in common: its configuration and its store.

use crate::clock::{Clock, Moment};
use crate::config::Config;
use crate::store::Store;
use anyhow::{Context, bail};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// A configuration and the store that the service of it keeps, for reading.
pub struct Opened {
    pub config: Config,
    pub store: Connection,
    pub path: PathBuf,
    pub now: Moment,
}

/// Opens both.
pub fn open(path: &Path) -> anyhow::Result<Opened> {
    let config = Config::load(path)?;
    let store = config.service.store.clone();
    if !store.exists() {
        bail!("there is no store {} yet: start the service first (`run`), it reads both sides", store.display());
    }
    let connection = Store::reader(&store).with_context(|| format!("the store {} cannot be read", store.display()))?;
    Ok(Opened { config, store: connection, path: store, now: Clock::system().now() })
}

/// Who decides, for the audit: whoever is named, or the user of this machine.
pub fn decider(by: Option<&String>) -> anyhow::Result<String> {
    match by.cloned().or_else(|| std::env::var("USER").ok()).filter(|name| !name.trim().is_empty()) {
        Some(name) => Ok(name),
        None => bail!("say who decides with --by NAME: it stands in the audit"),
    }
}

impl Opened {
    /// The orgs to look at: the one that is named, or all.
    pub fn orgs(&self, only: Option<&String>) -> anyhow::Result<Vec<String>> {
        let known: Vec<String> = self.config.okta.iter().map(|org| org.name.clone()).collect();
        match only {
            None => Ok(known),
            Some(name) if known.contains(name) => Ok(vec![name.clone()]),
            Some(name) => bail!("there is no org {name:?}; there are {}", known.join(", ")),
        }
    }
}
