//! The sealer: signs what the audit's chain is now and then, and writes that outside the store.

use super::wiring::shared::Shared;
use super::wiring::supervisor::TaskError;
use crate::audit::{Checkpoint, SigningKey};
use crate::config::Sealing;
use crate::store::{Location, beside};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Seals until the task is dropped.
pub async fn keep_sealing(sealing: Sealing, Shared { store, clock, .. }: Shared) -> Result<(), TaskError> {
    let key = key(&sealing, store.place())
        .map_err(|why| format!("the audit is not sealed: there is no key to sign checkpoints with: {why}"))?;
    let key = Arc::new(key);
    loop {
        match store.seal(key.clone(), clock.now()).await {
            Ok(Some(checkpoint)) => {
                // Also in the log: wherever logs go, this one cannot be taken back.
                tracing::info!(seq = checkpoint.seq, hash = checkpoint.hash, "the audit is sealed");
                if let Err(e) = write(&sealing.file, &checkpoint) {
                    let file = sealing.file.display();
                    tracing::error!(%file, error = %e, "a checkpoint could not be written; make its folder writable");
                }
            }
            Ok(None) => {}
            Err(e) => tracing::error!(error = %e, "the audit could not be sealed"),
        }
        clock.sleep(sealing.every).await;
    }
}

fn write(path: &Path, checkpoint: &Checkpoint) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{}\n", serde_json::to_string(checkpoint)?).as_bytes())?;
    file.sync_data()
}

/// Where a key is kept that nobody has configured: beside the store or, where that is no file, beside the checkpoints.
pub fn own_key(store: &Location, checkpoints: &Path) -> PathBuf {
    beside(store.file().unwrap_or(checkpoints), ".audit-key.pem")
}

/// The configured key, or one of our own, made at the first start.
fn key(sealing: &Sealing, store: &Location) -> Result<SigningKey, TaskError> {
    if let Some(pem) = &sealing.key {
        return Ok(SigningKey::read(secrecy::ExposeSecret::expose_secret(pem))?);
    }
    let path = own_key(store, &sealing.file);
    if let Ok(pem) = std::fs::read_to_string(&path) {
        return Ok(SigningKey::read(&pem).map_err(|why| format!("{}: {why}", path.display()))?);
    }
    let (key, pem) = SigningKey::generate()?;
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
    made.and_then(|mut file| file.write_all(pem.as_bytes())).map_err(|e| format!("{}: {e}", path.display()))?;
    tracing::warn!(
        key = %path.display(),
        public = key.public(),
        "a key for the audit's checkpoints was made beside the store: whoever can write the store can sign too. Keep a key \
         elsewhere and name it as audit.signing_key"
    );
    Ok(key)
}
