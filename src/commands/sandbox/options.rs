//! What can be said to `sandbox`, where a run keeps its files, and what its service may do in Okta.

use crate::config::{Config, uses};
use crate::privileges;
use crate::sandbox::http::Simulator;
use crate::sandbox::okta::Okta;
use crate::sandbox::scenario::{LIVES, MERGER};
use anyhow::bail;
use std::path::PathBuf;

/// Flags of `sandbox`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// People of the tenant
    #[arg(long, default_value_t = 500)]
    pub employees: usize,
    /// A company of your own in place of made-up people: lines of JSON, or an HR table whose name ends with .csv
    #[arg(long, value_name = "FILE", conflicts_with = "employees")]
    pub data: Option<PathBuf>,
    /// What happens; an unknown name lists what there is
    #[arg(long, default_value = "day")]
    pub scenario: String,
    /// Seed of the tenant, the scenario and the simulators
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many times faster than real time the clock runs, 1 to 40: 20 if nothing is said, and 1 with several nodes
    #[arg(long, value_name = "TIMES")]
    pub time_scale: Option<f64>,
    /// An empty database for the store, postgres://USER@HOST:PORT/DATABASE, in place of a file
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Processes that serve the store, one at a time: the one that serves is killed in the middle of the scenario
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    pub nodes: usize,
    /// Part of Okta's limits that the token may use (Okta's own default is 0.5)
    #[arg(long, default_value_t = 1.0)]
    pub principal_share: f64,
    /// Part of every rate limit of the org that other clients spend, at random
    #[arg(long, default_value_t = 0.0, value_name = "PART")]
    pub competition: f64,
    /// Part of the calls to Okta that go wrong: errors 500 and 503, lost answers, answers that come too late
    #[arg(long, default_value_t = 0.0, value_name = "PART")]
    pub faults: f64,
    /// Simultaneous calls that the org allows (the token its part of them)
    #[arg(long, default_value_t = 75)]
    pub concurrency: usize,
    /// Keep running afterwards, and say how to look at it with the other commands
    #[arg(long)]
    pub stay: bool,
    /// Print one JSON document on stdout and nothing else
    #[arg(long, value_name = "FORMAT", value_parser = ["json"])]
    pub report: Option<String>,
    /// Keep the store and the audit here instead of in a folder that is removed
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

impl Options {
    /// How many times faster than real time the clock runs.
    pub fn scale(&self) -> f64 {
        self.time_scale.unwrap_or(if self.nodes > 1 { 1.0 } else { 20.0 })
    }

    /// What cannot be, and how it is written.
    pub(super) fn problem(&self) -> Option<String> {
        let scale = self.scale();
        if !(0.1..=40.0).contains(&scale) {
            return Some(format!("--time-scale {scale} is outside 0.1 to 40"));
        }
        if !(0.05..=1.0).contains(&self.principal_share) {
            return Some(format!("--principal-share {} is outside 0.05 to 1", self.principal_share));
        }
        if !(0.0..=0.9).contains(&self.competition) || !(0.0..=0.5).contains(&self.faults) {
            return Some("--competition goes from 0 to 0.9, --faults from 0 to 0.5".to_owned());
        }
        if self.data.is_some() && self.scenario == MERGER {
            return Some(format!("--data is one company; the scenario {MERGER} has two, which are made up"));
        }
        if !(1..=9).contains(&self.nodes) {
            return Some(format!("--nodes {} is outside 1 to 9", self.nodes));
        }
        if self.nodes > 1 && self.store.is_none() {
            return Some(format!(
                "--nodes {} needs a store on a server, since only one process can serve a file: add --store \
                 postgres://USER@HOST:PORT/DATABASE, an empty database",
                self.nodes
            ));
        }
        if self.nodes > 1 && (scale - 1.0).abs() > f64::EPSILON {
            return Some("nodes and their leases go by the real clock: leave out --time-scale".to_owned());
        }
        if self.nodes > 1 && self.scenario == LIVES {
            return Some(
                "nodes go by the real clock, and lives takes three weeks: choose another --scenario".to_owned(),
            );
        }
        if self.store.is_some() && self.scenario == MERGER {
            return Some("the merger keeps its store in a file: leave out --store".to_owned());
        }
        None
    }
}

/// A folder that is removed at the end, whatever the end is.
pub(super) struct Temporary {
    pub path: PathBuf,
    remove: bool,
}

pub(super) fn tempdir(options: &Options) -> anyhow::Result<Temporary> {
    if let Some(path) = &options.keep {
        std::fs::create_dir_all(path)?;
        if path.join("store.db").exists() {
            bail!("{} holds a store already; choose an empty folder for --keep", path.display());
        }
        return Ok(Temporary { path: path.clone(), remove: false });
    }
    let path = std::env::temp_dir().join(format!("namely-okta-sync-sandbox-{}", std::process::id()));
    std::fs::create_dir_all(&path)?;
    Ok(Temporary { path, remove: true })
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.remove {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Whoever calls the org from now on may do what the documents ask for, and nothing more.
pub fn least_role(org: &Simulator<Okta>, config: &Config, name: &str) {
    let needed = privileges::permissions(|when| uses(&config.rulebook, name, when));
    let mut org = org.core();
    org.options = org.options.clone().with_role(needed);
}
