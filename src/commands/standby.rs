//! A node that waits until it may serve a store on a server: it answers what can be read there, shows that it lives, and opens the
//! store as soon as nobody else serves it.

use super::process::{Signals, load, notify_systemd};
use crate::actors::Readiness;
use crate::admin::tls::LiveCertificate;
use crate::admin::{self, Door, Served};
use crate::config::Config;
use crate::console;
use crate::metrics::Metrics;
use crate::store::{Node, Standby, Store, StoreError, Turn};
use anyhow::Context;
use sd_notify::NotifyState;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;

/// How often it is asked whose turn it is: this is part of how long nobody serves.
const GLANCE: Duration = Duration::from_millis(500);

/// What a node begins to serve with.
pub struct Begins {
    pub store: Store,
    pub config: Config,
    /// What was served while it waited.
    pub door: Option<Door>,
}

/// A node before it serves.
pub struct Waiting<'a> {
    pub path: &'a Path,
    pub dry_run: bool,
    pub config: Config,
    pub metrics: Metrics,
    pub certificate: Option<LiveCertificate>,
    pub listener: &'a TcpListener,
}

impl Waiting<'_> {
    /// Waits until this node may serve; nothing if it was told to end before that. What keeps it from waiting at all is an error.
    pub async fn until_it_serves(
        mut self,
        signals: &mut Signals,
        hangup: &mut Signal,
    ) -> anyhow::Result<Option<Begins>> {
        let me = Node::at(self.listener.local_addr()?);
        let mut standby = Standby::of(&self.config.service.store, me.clone()).context("the store is on no server")?;
        let readiness = Readiness::default();
        let (mut door, mut behind) = (None, None);
        loop {
            let asking = spawn_blocking(move || {
                let turn = standby.turn();
                (standby, turn)
            });
            let turn;
            (standby, turn) = tokio::select! {
                asked = asking => asked?,
                () = signals.next() => return Ok(None), // the database does not answer
            };
            let turn = match turn {
                Ok(Turn::Ours) => match self.open(&me) {
                    Ok(store) => return Ok(Some(Begins { store, config: self.config, door })),
                    Err(StoreError::Locked { holder, .. }) => Ok(holder),
                    Err(e) => Err(e),
                },
                Ok(Turn::Waits { behind }) => Ok(behind),
                Err(e) => Err(e),
            };
            match turn {
                Ok(now) => {
                    readiness.have("store");
                    readiness.notice("node", format!("{} stands by: {now} serves", me.name));
                    if behind.as_ref() != Some(&now) {
                        tracing::info!(node = me.name, serves = now, "this node stands by until it may serve");
                        behind = Some(now);
                    }
                }
                Err(e) if behind.is_none() => return Err(e.into()),
                Err(e) => {
                    let why = e.to_string();
                    if readiness.reasons().get("store") != Some(&why) {
                        tracing::warn!(%why, "this node could not serve; it is tried again");
                    }
                    readiness.missing("store", why);
                }
            }
            if door.is_none() {
                door = Some(self.answer(&readiness)?);
                notify_systemd(&[NotifyState::Ready]);
            }
            notify_systemd(&[NotifyState::Watchdog]);
            tokio::select! {
                () = tokio::time::sleep(GLANCE) => {}
                () = signals.next() => {
                    spawn_blocking(move || standby.leave()).await?;
                    return Ok(None);
                }
                _ = hangup.recv() => self.read_again(),
            }
        }
    }

    /// Answers what can be read in the store, and takes decisions for the node that serves.
    fn answer(&self, readiness: &Readiness) -> anyhow::Result<Door> {
        let served = Served {
            certificate: self.certificate.clone(),
            ..Served::waiting(&self.config, self.metrics.clone(), readiness.clone())
        };
        let pages = console::mount(&served, &self.config.admin.console)
            .context("the threads of the console cannot be started")?;
        let address = self.listener.local_addr()?;
        let door = admin::serve_at(self.listener.try_clone()?, served.with(pages));
        let door = door.with_context(|| format!("{address} cannot be listened on; choose another service.listen"))?;
        tracing::info!(%address, "metrics, health, the admin API and the console of a node that stands by are served");
        Ok(door)
    }

    /// Opens the store by what the configuration says now, as after a start.
    fn open(&mut self, me: &Node) -> Result<Store, StoreError> {
        self.read_again();
        let (place, rules) = (&self.config.service.store, self.config.rulebook.clone());
        Store::open_as(me, place, rules, self.metrics.store.clone())
    }

    /// Reads the configuration again; what has a problem, or leads elsewhere, is not taken.
    fn read_again(&mut self) {
        match load(self.path, self.dry_run) {
            Ok(config)
                if config.service.store == self.config.service.store
                    && config.service.listen == self.config.service.listen =>
            {
                self.config = config;
            }
            Ok(_) => {
                tracing::warn!("another store or address needs a restart: this node goes on with the ones from before")
            }
            Err(why) => {
                tracing::error!(%why, "the configuration cannot be read again; the one from before still holds")
            }
        }
    }
}
