//! What can be said of the audit of a store: the chain of its rows, and the checkpoints that vouch for it.

use super::failure::failed;
use super::store::Found;
use crate::actors::sealer::own_key;
use crate::audit::checkpoint::read_checkpoints;
use crate::audit::custody::{forged, trusted};
use crate::audit::restore::{Restore, without_replaced};
use crate::audit::{Checkpoint, SigningKey, Verdict};
use crate::config::place::{AuditKey, Place};
use crate::store::{Gap, checkpoints, gap, identity, key_exchanges, restores, verify_audit};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

/// `audit verify` and `evidence`: nothing was found, but nobody vouches for it.
pub(super) const NOT_VOUCHED: u8 = 3;
/// The same: it is not as it was written.
const BROKEN: u8 = 4;

/// What can be said of the audit of a store.
pub(super) struct Assessment {
    pub verdict: Verdict,
    /// Where the checkpoints were from.
    pub from: String,
    /// Why nobody vouches for it although nothing was found, if nobody does.
    pub doubt: Option<String>,
    /// The public key that must have signed them, if it is known.
    pub key: Option<String>,
    /// That one, and those that it was exchanged for or came after.
    pub keys: BTreeSet<String>,
    /// What weakens the proof.
    pub warnings: Vec<String>,
    /// What was removed.
    pub gap: Option<Gap>,
    /// Copies of before that took the place of the store.
    pub restores: Vec<Restore>,
    /// Checkpoints of rows that these have replaced.
    pub replaced: usize,
    /// Whether what is in doubt is only a restore of which whoever asks does not know.
    pub is_restored: bool,
}

impl Assessment {
    /// `good`, `restored`, `not vouched` or `broken`.
    pub fn word(&self) -> &'static str {
        match (self.verdict.is_good(), &self.doubt) {
            (false, _) => "broken",
            (true, Some(_)) if self.is_restored => "restored",
            (true, Some(_)) => "not vouched",
            (true, None) => "good",
        }
    }

    /// 0, 3 or 4, likewise.
    pub fn code(&self) -> ExitCode {
        match self.word() {
            "good" => ExitCode::SUCCESS,
            "broken" => ExitCode::from(BROKEN),
            _ => ExitCode::from(NOT_VOUCHED),
        }
    }
}

/// Looks at the chain of rows, and at the checkpoints that vouch for it.
///
/// `known` are restores of which whoever asks knows, by the rows that tell of them.
pub(super) fn assess(
    opened: &Found,
    file: Option<&Path>,
    key: Option<&str>,
    known: &[i64],
) -> anyhow::Result<Assessment> {
    let place = &opened.place;
    let outside = file.unwrap_or(&place.checkpoints);
    let store = identity(&opened.store)?;
    let read = match std::fs::read_to_string(outside) {
        Ok(text) => read_checkpoints(&text, outside).map_err(anyhow::Error::msg)?,
        Err(e) if file.is_some() => return Err(e).with_context(|| format!("{} cannot be read", outside.display())),
        Err(_) => Vec::new(),
    };
    let mut sealed: Vec<Checkpoint> = read.into_iter().filter(|checkpoint| checkpoint.store == store).collect();
    let mut from = outside.display().to_string();
    let mut doubt = None;
    if sealed.is_empty() {
        sealed = checkpoints(&opened.store)?;
        doubt = Some(match sealed.len() {
            0 => "no checkpoint was made yet: the service makes the first one within `audit.checkpoint` of its start"
                .to_owned(),
            _ => format!(
                "{} holds no checkpoint of this store, and whoever can write the store can write those in it too: give the file \
                 that you keep elsewhere with --checkpoints",
                outside.display()
            ),
        });
        from = "the store itself".to_owned();
    }
    let (key, warnings) = match (key, &place.audit_key) {
        (Some(key), _) => (Some(key.trim().to_lowercase()), Vec::new()),
        (None, AuditKey::Known(key)) => (Some(key.clone()), Vec::new()),
        (None, AuditKey::BesideStore) => (beside_store(place), vec![unpinned(place)]),
        (None, AuditKey::Unread) => (None, Vec::new()),
    };
    if key.is_none() && doubt.is_none() {
        doubt = Some(
            "the key that signs checkpoints cannot be read from here: name the public one with --key, or pin it as \
             audit.public_key"
                .to_owned(),
        );
    }
    // What a restore has replaced was sealed too, and other rows have had the same numbers since.
    let restores = restores(&opened.store)?;
    let replaced = without_replaced(&restores, &mut sealed);
    sealed.sort_by_key(|checkpoint| checkpoint.seq);
    sealed.dedup_by_key(|checkpoint| checkpoint.seq);
    let (exchanges, gap) = (key_exchanges(&opened.store)?, gap(&opened.store)?);
    let keys = key.as_ref().map(|key| trusted(key, &exchanges, &sealed)).unwrap_or_default();
    if let (Some(gap), false) = (&gap, keys.is_empty()) {
        // The row that led to the key of before may have been removed with what that key had sealed.
        sealed.retain(|checkpoint| checkpoint.seq > gap.to || keys.contains(&checkpoint.key));
    }
    let forged = match &key {
        Some(key) => forged(key, &exchanges, &sealed),
        None => sealed.iter().find(|checkpoint| !checkpoint.is_genuine(None)),
    };
    if let Some(forged) = forged {
        return Err(failed(
            BROKEN,
            format!(
                "broken: the checkpoint of row {} in {from} is not signed by the key of this service: it was forged, or the key is \
                 another one (--key)",
                forged.seq
            ),
        ));
    }
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {pos} rows verified").unwrap_or(ProgressStyle::default_spinner()),
    );
    let verdict = verify_audit(&opened.store, &sealed, || bar.inc(1))?;
    bar.finish_and_clear();
    if doubt.is_none() && verdict.vouched_to.is_none() {
        doubt = Some("no checkpoint reaches a row that is still there".to_owned());
    }
    if let Some(gap) = gap.as_ref().filter(|gap| doubt.is_none() && gap.by.is_none()) {
        doubt = Some(gap.message());
    }
    let is_open = |restore: &&Restore| restore.restored.loses() && !known.contains(&restore.seq);
    let unknown = restores.iter().find(is_open).filter(|_| doubt.is_none()).cloned();
    if let Some(restore) = &unknown {
        let (seq, at, message) = (restore.seq, &restore.at, restore.restored.message());
        doubt = Some(format!(
            "row {seq} says that at {at} {message}. Whoever can write the store can say so too: if you know of this restore, say \
             `--restored {seq}`; what is missing is in the file that `restore` has kept, and in the sinks of the audit"
        ));
    }
    Ok(Assessment {
        verdict,
        from,
        doubt,
        key,
        keys,
        warnings,
        gap,
        restores,
        replaced,
        is_restored: unknown.is_some(),
    })
}

/// That whoever can write the store can sign as well.
fn unpinned(place: &Place) -> String {
    format!(
        "the key that signs checkpoints is {}: whoever can write the store can sign too. Keep a key elsewhere (audit.signing_key), \
         and pin the public one (audit.public_key)",
        own_key(&place.store, &place.checkpoints).display()
    )
}

/// The public part of the key that the service has made beside its store.
fn beside_store(place: &Place) -> Option<String> {
    let pem = std::fs::read_to_string(own_key(&place.store, &place.checkpoints)).ok()?;
    Some(SigningKey::read(&pem).ok()?.public())
}
