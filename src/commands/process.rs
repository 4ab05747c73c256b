//! What a process that serves, or waits to, has to do with its system: signals, systemd, its configuration, and beginning again.

use crate::config::{Config, Problems};
use sd_notify::NotifyState;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What ends the service.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Heard from now on.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Told to end.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The configuration; a dry run observes, whatever it says.
pub(super) fn load(path: &Path, dry_run: bool) -> Result<Config, Problems> {
    let mut config = Config::load(path)?;
    if dry_run {
        config.observe();
    }
    Ok(config)
}

/// Begins again in the place of this process, as whatever stands where the program stood: a newer one, if it was brought up to date.
/// Returns only if that is not possible.
pub(super) fn begin_again() -> std::io::Error {
    let mut arguments = std::env::args_os();
    let named = arguments.next().unwrap_or_else(|| OsString::from(env!("CARGO_PKG_NAME")));
    let program = std::env::current_exe().ok().filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from(named));
    Command::new(program).args(arguments).exec()
}

/// Tells systemd, where it listens.
pub(super) fn notify_systemd(states: &[NotifyState]) {
    if let Err(e) = sd_notify::notify(states) {
        tracing::warn!(error = %e, "systemd could not be told");
    }
}
