//! `run`: the service, until it is told to stop.

use crate::admin;
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::pipeline::Service;
use anyhow::Context;
use std::path::Path;

/// Runs the service of the configuration at `config` until SIGINT or SIGTERM. A dry run observes, whatever the
/// configuration says.
pub async fn run(config: &Path, dry_run: bool) -> anyhow::Result<()> {
    // First of all: whoever asks us to stop while we start is heard too.
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut config = Config::load(config)?;
    if dry_run {
        config.observe();
    }
    let metrics = Metrics::new();
    let listen = config.service.listen;
    let service = Service::start(config, Clock::system(), metrics).await?;
    let address =
        admin::serve(listen, service.metrics.clone(), service.readiness.clone(), service.store.path().to_owned())
            .with_context(|| format!("{listen} cannot be listened on; choose another service.listen"))?;
    tracing::info!(%address, "metrics and health are served");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    // Crash-only: everything is in the store, and calls under way are looked at after the next start.
    tracing::info!("stopping; the store has everything that was not finished");
    Ok(())
}
