//! The sealer: signs what the audit's chain is now and then, and writes that outside the store.

use super::wiring::shared::Shared;
use super::wiring::supervisor::TaskError;
use crate::audit::checkpoint::SigningKeyError;
use crate::audit::custody::SIGNING_KEY;
use crate::audit::details::{ConfigChange, Reconfigured};
use crate::audit::{Author, Checkpoint, SigningKey};
use crate::clock::Moment;
use crate::config::Sealing;
use crate::http::live::Live;
use crate::store::{Location, Store, StoreError, beside, checkpoints};
use secrecy::{ExposeSecret, SecretString};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Seals until the task is dropped.
pub async fn keep_sealing(sealing: Sealing, shared: Shared) -> Result<(), TaskError> {
    let Shared { store, clock, readiness, .. } = shared;
    let no_key = |why: TaskError| format!("the audit is not sealed: there is no key to sign checkpoints with: {why}");
    let own = match &sealing.key {
        Some(_) => None,
        None => Some(Arc::new(own(&sealing, store.place()).map_err(no_key)?)),
    };
    // One that was made here is not the one that another node has made there: what it signs would be taken for forged.
    while let Some(own) = &own
        && store.place().file().is_none()
        && is_sealed_by_another(&store, own).await?
    {
        let why = "another node has sealed the audit with a key of its own, and this one has another: the audit is not sealed until \
                   every node has the same audit.signing_key";
        readiness.missing("audit", why);
        tracing::error!(why, "the audit is not sealed");
        clock.sleep(sealing.every).await;
    }
    readiness.have("audit");
    if let Some(pem) = &sealing.key {
        let key = configured(pem).map_err(|why| no_key(why.into()))?;
        note_exchange(&store, &key, clock.now()).await?;
    }
    loop {
        let key = match (&own, &sealing.key) {
            (Some(own), _) => own.clone(),
            (None, Some(pem)) => Arc::new(configured(pem).map_err(|why| no_key(why.into()))?),
            (None, None) => return Err(no_key("none is configured, and none was made".into()).into()),
        };
        if let Err(e) = seal(&sealing, &store, key, clock.now()).await {
            tracing::error!(error = %e, "the audit could not be sealed");
        }
        clock.sleep(sealing.every).await;
    }
}

/// The key that the configuration names, as it is now.
pub fn configured(pem: &Live<SecretString>) -> Result<SigningKey, SigningKeyError> {
    SigningKey::read(pem.current().expose_secret())
}

/// Seals what was not sealed yet, once.
pub async fn seal(sealing: &Sealing, store: &Store, key: Arc<SigningKey>, now: Moment) -> Result<(), StoreError> {
    let Some(checkpoint) = store.seal(key, now).await? else { return Ok(()) };
    // Also in the log: wherever logs go, this one cannot be taken back.
    tracing::info!(seq = checkpoint.seq, hash = checkpoint.hash, "the audit is sealed");
    if let Err(e) = write(&sealing.file, &checkpoint) {
        let file = sealing.file.display();
        tracing::error!(%file, error = %e, "a checkpoint could not be written; make its folder writable");
    }
    Ok(())
}

/// Writes down that another key signs from here on than the last one that did, so that whoever verifies the audit can follow it.
async fn note_exchange(store: &Store, key: &SigningKey, now: Moment) -> Result<(), StoreError> {
    let Some(last) = store.run(|c| Ok(checkpoints(c)?.pop())).await? else { return Ok(()) };
    if last.key == key.public() {
        return Ok(());
    }
    tracing::warn!(before = last.key, now = key.public(), "the audit is signed by another key from here on");
    let change =
        ConfigChange { key: SIGNING_KEY.to_owned(), before: Some(last.key), after: Some(key.public()), live: false };
    store
        .note_reconfigured(
            Reconfigured { changes: vec![change], author: Author::new("a start of the service", "") },
            now,
        )
        .await
}

/// Whether the last checkpoint was signed by another key than this one.
async fn is_sealed_by_another(store: &Store, key: &SigningKey) -> Result<bool, StoreError> {
    let last = store.run(|c| Ok(checkpoints(c)?.pop())).await?;
    Ok(last.is_some_and(|last| last.key != key.public()))
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

/// One of our own, made at the first start.
fn own(sealing: &Sealing, store: &Location) -> Result<SigningKey, TaskError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::details::Started;
    use crate::audit::{Event, Record};
    use crate::domain::plan::rulebook::tests::rulebook;
    use crate::metrics::Metrics;
    use crate::store::append;

    #[tokio::test]
    async fn a_key_that_another_node_has_made_is_known_by_the_last_checkpoint() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path().join("s.db"), Arc::new(rulebook()), Metrics::new().store).expect("opens");
        let keys = [(); 2].map(|()| SigningKey::generate().expect("a key").0);
        assert!(!is_sealed_by_another(&store, &keys[0]).await.expect("asks"), "nobody has sealed it yet");
        let started = Started { run: 1, void_claims: 0, unknown_calls: 0, rules_changed: false, node: None };
        let row = Record::general(Moment::from_secs(1), Event::Started(started));
        store.run(move |c| append(c, &row).map(drop)).await.expect("writes");
        let [ours, other] = keys;
        let ours = Arc::new(ours);
        store.seal(ours.clone(), Moment::from_secs(2)).await.expect("seals");
        assert!(!is_sealed_by_another(&store, &ours).await.expect("asks"));
        assert!(is_sealed_by_another(&store, &other).await.expect("asks"));
    }
}
