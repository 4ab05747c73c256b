//! `run`: the service, until it is told to stop.

use super::process::{Signals, begin_again, load, notify_systemd};
use super::standby::{Begins, Waiting};
use super::store::decider;
use crate::actors::Service;
use crate::admin::tls::LiveCertificate;
use crate::admin::{self, Door, Served};
use crate::clock::Clock;
use crate::config::reload::ChangedKey;
use crate::console;
use crate::domain::Decider;
use crate::domain::guard::renamed::Renaming;
use crate::metrics::Metrics;
use crate::store::{Location, Store, StoreError, Trouble, lock};
use crate::telemetry;
use anyhow::Context;
use sd_notify::NotifyState;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// A lock of another program must not keep the service from ending.
const LONGEST_CLOSE: Duration = Duration::from_secs(10);

/// What the service begins with.
struct Begun {
    service: Service,
    /// How long calls under way are waited for at the end.
    drain: Duration,
    /// Where it listens already.
    listener: TcpListener,
    /// What was served there meanwhile.
    door: Option<Door>,
}

/// Runs the service of the configuration at `path`, which is read again on SIGHUP, until SIGINT or SIGTERM. Then calls under way are waited for, up to
/// `service.drain`; a second signal ends at once. A dry run observes, whatever the configuration says. On a store on a server it first
/// waits until no other node serves; one that is asked to hand over ends as after a signal, and begins again as one that waits.
///
/// `renamed` are names of orgs and tenants that were others before, as OLD=NEW.
pub async fn run(path: &Path, dry_run: bool, renamed: &[String]) -> anyhow::Result<()> {
    let renamed = confirmation(renamed)?;
    // First of all: whoever asks us to stop while we start is heard too.
    let (mut signals, mut hangup) = (Signals::new()?, signal(SignalKind::hangup())?);
    let mut config = load(path, dry_run)?;
    config.service.renamed.clone_from(&renamed);
    let telemetry = telemetry::start(&config.telemetry).map_err(anyhow::Error::msg)?;
    for why in config.exposed_secrets(path) {
        tracing::warn!(why, "a secret is no secret");
    }
    let metrics = Metrics::new();
    let listen = config.service.listen;
    let certificate = config.admin.tls.as_ref().map(LiveCertificate::read).transpose().map_err(anyhow::Error::msg)?;
    let cannot_listen = || format!("{listen} cannot be listened on; choose another service.listen");
    let begun = match config.service.store {
        Location::Server(_) => {
            let listener = TcpListener::bind(listen).with_context(cannot_listen)?;
            let (path, certificate, listener) = (path, certificate.clone(), listener);
            let waiting = Waiting { path, dry_run, config, metrics: metrics.clone(), certificate, listener: &listener };
            let Some(Begins { store, mut config, door }) = waiting.until_it_serves(&mut signals, &mut hangup).await?
            else {
                return Ok(());
            };
            config.service.renamed = renamed;
            let drain = config.service.drain;
            let service = Service::start_on(store, config, Clock::system(), metrics).await?;
            Begun { service, drain, listener, door }
        }
        Location::File(_) | Location::Unknown { .. } => {
            // Before anything is started: another service may be there, or this one.
            let listener = TcpListener::bind(listen).with_context(cannot_listen).or_else(|e| {
                if let Location::File(path) = &config.service.store {
                    drop(lock(path)?);
                }
                Err(e)
            })?;
            let drain = config.service.drain;
            let service = Service::start(config, Clock::system(), metrics).await?;
            Begun { service, drain, listener, door: None }
        }
    };
    let Begun { service, drain, listener, door } = begun;
    let (reload_asked, mut asked) = tokio::sync::mpsc::channel(1);
    let served = Served { reload: Some(reload_asked), certificate: certificate.clone(), ..Served::of(&service) };
    let pages =
        console::mount(&served, &service.admin.console).context("the threads of the console cannot be started")?;
    if let Some(door) = door {
        door.close().await;
    }
    let served = served.with(pages);
    let address = listener.local_addr().and_then(|at| admin::serve_at(listener, served).map(|_| at));
    let address = address.with_context(cannot_listen)?;
    tracing::info!(%address, "metrics, health, the admin API and the console are served");
    notify_systemd(&[NotifyState::Ready]);
    if let Some(limit) = sd_notify::watchdog_enabled() {
        tokio::spawn(keep_watchdog_quiet(service.store.clone(), limit));
    }
    let hands_over = loop {
        let (by, answer) = tokio::select! {
            () = signals.next() => break false,
            () = service.store.seat().handed_over() => break true,
            _ = hangup.recv() => (Decider::of_service("SIGHUP"), None),
            Some(asked) = asked.recv() => (asked.by, Some(asked.answer)),
        };
        let reloaded = reload(&service, certificate.as_ref(), path, dry_run, &by).await;
        if let Some(answer) = answer {
            let _ = answer.send(reloaded);
        }
    };
    if hands_over {
        tracing::info!("this node was asked to hand over to another one");
    }
    tracing::info!("stopping: nothing begins any more, calls under way are waited for; a second signal ends at once");
    notify_systemd(&[NotifyState::Stopping]);
    tokio::select! {
        left = service.drain(drain) => {
            match left {
                0 => tracing::info!("stopped: every call has its outcome, everything else is in the store"),
                left => tracing::warn!(left, "stopped: these calls have no outcome yet; they are looked at after the next start"),
            }
            // The file alone is the store then. It says itself what keeps it from that.
            let _ = tokio::time::timeout(LONGEST_CLOSE, service.close()).await;
        },
        () = signals.next() => tracing::warn!("stopped at once: calls under way are looked at after the next start"),
    }
    if hands_over {
        drop(telemetry);
        return Err(begin_again()).context("this program could not be started again; its supervisor starts it");
    }
    Ok(())
}

/// Which names have become others, and who says so: the user who starts the service.
fn confirmation(renamed: &[String]) -> anyhow::Result<Option<(Vec<Renaming>, Decider)>> {
    if renamed.is_empty() {
        return Ok(None);
    }
    let renamings = renamed.iter().map(|text| text.parse()).collect::<Result<Vec<Renaming>, String>>();
    let by = std::env::var("USER").unwrap_or_else(|_| "run --renamed".to_owned());
    Ok(Some((renamings.map_err(anyhow::Error::msg)?, decider(Some(&by))?)))
}

/// Reads the configuration again and exchanges it: whole, or not at all.
async fn reload(
    service: &Service,
    certificate: Option<&LiveCertificate>,
    path: &Path,
    dry_run: bool,
    by: &Decider,
) -> Result<Vec<ChangedKey>, String> {
    let certified = certificate.map_or(Ok(()), LiveCertificate::read_again);
    let loaded = certified.and_then(|()| load(path, dry_run).map_err(|problems| problems.to_string()));
    let reloaded = match loaded {
        Ok(config) => service.reload(config, by).await,
        Err(why) => Err(format!("nothing was changed: {why}")),
    };
    let by = by.name.as_str();
    let result = if reloaded.is_ok() { "done" } else { "refused" };
    service.metrics.parts.config_reloads.with_label_values(&[result]).inc();
    let at = service.clock.now();
    match &reloaded {
        Ok(_) => service.readiness.settle("configuration"),
        Err(why) => service.readiness.notice(
            "configuration",
            format!("the reload by {by} at {at} was refused, and the one from before still holds: {why}"),
        ),
    }
    match &reloaded {
        Ok(changes) if changes.is_empty() => tracing::info!(by, "the configuration was read again: nothing differs"),
        Ok(changes) => {
            for change in changes {
                let (before, after) = (change.before.as_deref(), change.after.as_deref());
                tracing::info!(by, key = change.key, before, after, "the configuration was exchanged");
            }
        }
        Err(why) => tracing::error!(by, %why, "the configuration was not exchanged; the one from before still holds"),
    }
    reloaded
}

/// Tells systemd's watchdog that we live for as long as the store commits: without it nothing can go on.
async fn keep_watchdog_quiet(store: Store, limit: Duration) {
    let tick = limit / 3;
    loop {
        let answered = tokio::time::timeout(tick, store.run(|_| Ok(()))).await;
        // A server of the store that is away does not come back by a start of this process.
        let waits = |e: &StoreError| store.place().file().is_none() && e.trouble() == Trouble::Unwritable;
        if answered.is_ok_and(|done| done.as_ref().err().is_none_or(waits)) {
            notify_systemd(&[NotifyState::Watchdog]);
        }
        tokio::time::sleep(tick).await;
    }
}
