//! `nodes`: which node serves a store on a server, which would, and handing over.

use super::backend::{Asking, Backend, by, part};
use crate::admin::concerns::short;
use crate::admin::routes::Ask;
use crate::clock::{Clock, Moment};
use crate::store::SeenNode;
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// How long it is waited for until another node serves.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between looks whether it does.
const GLANCE: Duration = Duration::from_millis(500);

/// What to do with them.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Action {
    /// Have a node hand over to another one that lives, before it is stopped or brought up to date
    Drain {
        /// The node, as `nodes` names it
        #[arg(value_name = "NODE")]
        node: String,
        /// Who asks for it
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Which service or store is asked, and whether JSON is printed
        #[command(flatten)]
        asking: Asking,
    },
}

/// Flags of `nodes`.
#[derive(clap::Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    /// Something else than listing them
    #[command(subcommand)]
    pub action: Option<Action>,
    /// Which service or store is asked, and whether JSON is printed
    #[command(flatten)]
    pub asking: Asking,
}

/// Lists them, or has one hand over.
pub async fn nodes(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.action {
        None => list(&options.asking).await,
        Some(Action::Drain { node, by, asking }) => drain(node, by.as_ref(), asking).await,
    }
}

async fn seen(backend: &Backend) -> anyhow::Result<Vec<SeenNode>> {
    part(backend.read(Ask::Nodes, &[], json!({})).await?, "nodes")
}

async fn list(asking: &Asking) -> anyhow::Result<ExitCode> {
    let found = seen(&asking.at.to_read()?).await?;
    if asking.json {
        println!("{}", json!({ "nodes": found }));
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        println!("the store is a file, which one service serves: there are no other nodes");
    }
    found.iter().for_each(|node| println!("{}", line(node)));
    Ok(ExitCode::SUCCESS)
}

/// A node in a line.
pub(super) fn line(node: &SeenNode) -> String {
    let SeenNode { name, version, .. } = node;
    let seconds = |millis: i64| Duration::from_millis(u64::try_from(millis).unwrap_or(0)).as_secs_f64();
    let since = Moment::from_millis(node.since);
    let seen = short(seconds(node.seen_ms));
    let state = match (node.serves, node.lives) {
        (true, _) => format!("serves since {since}, seen {seen} ago"),
        (false, true) if node.is_drained => format!("has handed over, seen {seen} ago"),
        (false, true) => format!("stands by since {since}, seen {seen} ago"),
        (false, false) => format!("was last seen {seen} ago"),
    };
    format!("node {name} {state} (version {version})")
}

async fn drain(node: &str, who: Option<&String>, asking: &Asking) -> anyhow::Result<ExitCode> {
    let backend = asking.at.to_decide(who)?;
    let message = backend.ask(Ask::DrainNode, &[node], json!({})).await?;
    let clock = Clock::system();
    let begun = clock.monotonic();
    let mut now = None;
    while now.is_none() && clock.monotonic().since(begun) < PATIENCE {
        // The node that is asked may be the one that ends.
        let found = seen(&backend).await.unwrap_or_default();
        now = found.into_iter().find(|other| other.serves && other.name != node);
        if now.is_none() {
            tokio::time::sleep(GLANCE).await;
        }
    }
    if asking.json {
        println!("{}", json!({ "node": node, "by": by(&message), "serves": now.as_ref().map(|now| &now.name) }));
    } else {
        match &now {
            Some(now) => println!("{node} was asked by {} to hand over: {} serves", by(&message), now.name),
            None => {
                println!("{node} was asked by {} to hand over, and no other node serves yet; see `nodes`", by(&message))
            }
        }
    }
    Ok(if now.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
