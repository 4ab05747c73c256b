//! Where a command finds its configuration.

use super::failure::usage;
use crate::config::files::{HERE, MACHINE, VARIABLE, unnamed};
use std::path::{Path, PathBuf};

/// The configuration of a command that reads one.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ConfigFile {
    /// The configuration; without it that of NAMELY_OKTA_SYNC_CONFIG, ./namely-okta-sync.toml, or
    /// /etc/namely-okta-sync/config.toml
    #[arg(long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// What a flag names, or nothing.
    pub const fn of(config: Option<PathBuf>) -> Self {
        Self { config }
    }

    /// The file that is meant.
    pub fn path(&self) -> anyhow::Result<PathBuf> {
        found(self.config.as_deref(), "--config FILE")
    }

    /// As it stands in a command.
    pub fn shown(&self) -> String {
        shown(self.config.as_deref())
    }
}

/// A configuration that was named, or the one that is meant where none was.
/// `how` says how one is named.
pub fn found(named: Option<&Path>, how: &str) -> anyhow::Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let uid = rustix::process::geteuid().as_raw();
    match unnamed(std::env::var(VARIABLE).ok(), Path::new(""), Path::new(MACHINE), uid) {
        Ok(Some(path)) => Ok(path),
        Ok(None) => Err(usage(format!(
            "say which configuration with {how}: {VARIABLE} is not set, and neither ./{HERE} nor {MACHINE} is there; `init` \
             writes a first one"
        ))),
        Err(why) => Err(usage(why)),
    }
}

/// As it stands in a command.
pub fn shown(named: Option<&Path>) -> String {
    named.map(|config| format!(" --config {}", config.display())).unwrap_or_default()
}
