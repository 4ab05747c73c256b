//! `--nodes`: processes of this program on one store, as anybody would start them, beside one pair of simulators.

use super::kept::Kept;
use super::stay::Staying;
use crate::http;
use crate::sandbox::world::any_port;
use crate::store::{Backlog, Location, Reader, SeenNode, Store, StoreError, backlog, nodes};
use anyhow::{Context, bail};
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::task::spawn_blocking;

/// A node on this machine answers within this, or not at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// One process. It is killed with whoever has started it.
struct Process {
    config: PathBuf,
    log: PathBuf,
    address: SocketAddr,
    child: Option<Child>,
}

impl Process {
    fn start(&mut self) -> anyhow::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(std::env::current_exe().context("this program does not know where it is")?);
        command.args(["run", "--config"]).arg(&self.config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().context("a node could not be started")?);
        Ok(())
    }

    /// SIGKILL: it says nothing to anybody, and finishes nothing.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = (child.kill(), child.wait());
        }
    }

    fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Whether a node of this name listens where this one does.
    fn is_called(&self, name: &str) -> bool {
        name.ends_with(&format!(":{}", self.address.port()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How things are in the store that they share.
#[derive(Clone, Debug)]
pub struct Shared {
    pub backlog: Backlog,
    /// Every node that was seen lately, the one that serves first.
    pub nodes: Vec<SeenNode>,
}

impl Shared {
    /// The one that serves; for as long as the lease of a node that was killed lasts it is that one.
    pub fn serves(&self) -> Option<&SeenNode> {
        self.nodes.iter().find(|node| node.serves)
    }
}

/// All of them.
pub struct Nodes {
    all: Vec<Process>,
    place: Location,
    reader: Option<Reader>,
    client: reqwest::Client,
}

impl Nodes {
    /// Starts `count` of them, each with a configuration in `folder`, and waits for none.
    pub fn start(count: usize, kept: &Kept, folder: &Path, places: &[(&'static str, String)]) -> anyhow::Result<Self> {
        let client = http::builder(HeaderMap::new(), &PATIENCE.into()).build()?;
        let mut all = Vec::new();
        for n in 1..=count {
            let address = TcpListener::bind(any_port()).and_then(|free| free.local_addr())?;
            let name = format!("node-{n}");
            let staying = Staying { folder, address: Some(address), places: places.to_vec(), kept };
            let config = staying.write(include_str!("../../../config/sandbox.toml"), "../var/sandbox", &name)?;
            let mut process = Process { config, log: folder.join(format!("{name}.log")), address, child: None };
            process.start()?;
            all.push(process);
        }
        Ok(Self { all, place: kept.place.clone(), reader: None, client })
    }

    /// Where the first one answers.
    pub fn address(&self) -> SocketAddr {
        self.all[0].address
    }

    /// What the store says; nothing as long as there is none.
    pub async fn shared(&mut self) -> anyhow::Result<Option<Shared>> {
        if let Some(ended) = self.all.iter_mut().find_map(|one| one.has_ended().then(|| one.log.clone())) {
            let said = std::fs::read_to_string(&ended).unwrap_or_default();
            bail!("a node has ended: {}", said.lines().last().unwrap_or_default());
        }
        let (place, reader) = (self.place.clone(), self.reader.take());
        let asking = spawn_blocking(move || -> Result<(Reader, Shared), StoreError> {
            let reader = reader.map_or_else(|| Store::reader(&place), Ok)?;
            let shared = Shared { backlog: backlog(&reader)?, nodes: nodes(&reader)? };
            Ok((reader, shared))
        });
        match asking.await? {
            Ok((reader, shared)) => {
                self.reader = Some(reader);
                Ok(Some(shared))
            }
            Err(StoreError::NotThere(_) | StoreError::BehindOnServer { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    async fn readiness(&self, of: &Process) -> Option<Value> {
        let answer = self.client.get(format!("http://{}/readyz", of.address)).send().await.ok()?;
        serde_json::from_slice(&answer.bytes().await.ok()?).ok()
    }

    /// What is missing until one of them serves and all others wait to.
    pub async fn missing(&self) -> BTreeMap<String, String> {
        let (mut serves, mut missing) = (0, BTreeMap::new());
        for (n, process) in (1..).zip(&self.all) {
            let Some(said) = self.readiness(process).await else {
                missing.insert(format!("node {n}"), "it does not answer".to_owned());
                continue;
            };
            if said["role"] == "serves" {
                serves += 1;
                let parts = said["missing"].as_object().into_iter().flatten();
                missing.extend(parts.map(|(what, why)| (what.clone(), why.as_str().unwrap_or_default().to_owned())));
            }
        }
        if serves != 1 {
            missing.insert("nodes".to_owned(), format!("{serves} of them serve"));
        }
        missing
    }

    /// Kills the node of this name with SIGKILL.
    pub fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let killed = self.all.iter_mut().find(|one| one.is_called(name));
        killed.with_context(|| format!("{name} serves, which is none of the sandbox's nodes"))?.kill();
        Ok(())
    }

    /// Starts what was killed.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.all.iter_mut().filter(|one| one.child.is_none()).try_for_each(Process::start)
    }

    /// Whether the node of this name waits until it may serve.
    pub async fn stands_by(&self, name: &str) -> bool {
        match self.all.iter().find(|one| one.is_called(name)) {
            Some(process) => self.readiness(process).await.is_some_and(|said| said["role"] == "standby"),
            None => false,
        }
    }
}
