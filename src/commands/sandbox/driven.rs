//! What a scenario is played on: the service in this process, or nodes that are processes of their own.

use super::killed::Interruption;
use super::nodes::{Nodes, Shared};
use crate::actors::Service;
use crate::admin::{self, Served};
use crate::clock::{Clock, Moment};
use crate::config::Config;
use crate::console;
use crate::metrics::Metrics;
use crate::sandbox::world::{World, any_port};
use crate::store::Backlog;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Between two questions to a store of this process, and to a server beside it.
const GLANCES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(100)];

/// How long a service is waited for that is to end.
const LONGEST_STOP: Duration = Duration::from_secs(5);

/// Where it runs.
enum Where {
    Here(Box<Service>),
    Apart(Box<Apart>),
}

/// Nodes, and what happens to one of them.
struct Apart {
    nodes: Nodes,
    interruption: Interruption,
}

/// Whatever keeps Okta true to Namely in a run.
pub struct Driven {
    at: Where,
    /// Where it answers.
    pub address: SocketAddr,
    /// Of the service; of nodes there are none here.
    pub metrics: Metrics,
}

impl Driven {
    /// Starts the service in this process.
    pub async fn here(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let metrics = Metrics::new();
        let service = Service::start(config, clock, metrics.clone()).await?;
        let served = Served::of(&service);
        let pages = console::mount(&served, &service.admin.console)?;
        let address = admin::serve(any_port(), served.with(pages))?;
        Ok(Self { at: Where::Here(Box::new(service)), address, metrics })
    }

    /// Nodes that have been started.
    pub fn apart(nodes: Nodes, interruption: Interruption) -> Self {
        let (address, metrics) = (nodes.address(), Metrics::new());
        Self { at: Where::Apart(Box::new(Apart { nodes, interruption })), address, metrics }
    }

    /// The time between two glances at it.
    pub fn glance(&self) -> Duration {
        match self.at {
            Where::Here(_) => GLANCES[0],
            Where::Apart(_) => GLANCES[1],
        }
    }

    /// Whether windows of Okta's limits pass by a clock that runs faster: then it is worth waiting for their end.
    pub fn is_simulated(&self) -> bool {
        matches!(self.at, Where::Here(_))
    }

    /// What is missing until it keeps Okta true, and how many people wait.
    pub async fn condition(&mut self) -> anyhow::Result<(BTreeMap<String, String>, Backlog)> {
        match &mut self.at {
            Where::Here(service) => Ok((service.readiness.reasons(), service.store.backlog().await?)),
            Where::Apart(apart) => {
                let nodes = &mut apart.nodes;
                let mut missing = nodes.missing().await;
                let shared = nodes.shared().await?;
                if shared.is_none() {
                    missing.insert("store".to_owned(), "nobody has made it yet".to_owned());
                }
                Ok((missing, shared.map(|shared| shared.backlog).unwrap_or_default()))
            }
        }
    }

    /// Goes on with a scenario that began at `since`: how many people wait, and whether everything has happened to it that was to.
    pub async fn go_on(&mut self, world: &World, since: Moment) -> anyhow::Result<(Backlog, bool)> {
        match &mut self.at {
            Where::Here(service) => Ok((service.store.backlog().await?, true)),
            Where::Apart(apart) => {
                let Apart { nodes, interruption } = &mut **apart;
                let Some(shared) = nodes.shared().await? else { return Ok((Backlog::default(), false)) };
                interruption.go_on(nodes, &shared, world, since).await?;
                let Shared { backlog, .. } = shared;
                Ok((backlog, interruption.is_over()))
            }
        }
    }

    /// When the next date of anybody passes, as far as the clock can be turned to it.
    pub async fn next_change(&self) -> anyhow::Result<Option<Moment>> {
        match &self.at {
            Where::Here(service) => Ok(service.store.next_change().await?),
            Where::Apart(_) => Ok(None),
        }
    }

    /// Ends it: whatever it writes to may be removed afterwards.
    pub async fn stop(self) {
        match self.at {
            Where::Here(service) => stop(&service).await,
            Where::Apart(apart) => drop(apart),
        }
    }

    /// The kill of a node, where there was one.
    pub fn interruption(&self) -> Option<&Interruption> {
        match &self.at {
            Where::Here(_) => None,
            Where::Apart(apart) => Some(&apart.interruption),
        }
    }
}

/// Ends a service of this process: what runs comes to its end, and the store is closed.
pub async fn stop(service: &Service) {
    service.drain(LONGEST_STOP).await;
    // On a thread of its own, for which this one waits: no actor asks a store that has stopped. What the store says goes with its folder.
    let closing = service.close();
    let closing = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().build().is_ok_and(|own| own.block_on(closing).is_ok())
    });
    let _ = closing.join();
}
