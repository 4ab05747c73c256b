//! `backup` and `restore`: a copy of the store, made while the service goes on, and back from one.

use super::place::ConfigFile;
use super::store::{decider, open_store};
use crate::audit::restore::{Restored, without_replaced};
use crate::audit::{Author, Row};
use crate::clock::Clock;
use crate::config::place::Known;
use crate::domain::hex;
use crate::domain::text::visible;
use crate::metrics::Metrics;
use crate::store::{
    EndedAccess, Filter, Location, Store, beside, checkpoints, ended_access, filter_audit, last_row, lock, moved_to,
    restored, restores, verify_audit,
};
use anyhow::{Context, bail};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Flags of `backup`.
#[derive(clap::Args, Clone, Debug)]
pub struct BackupOptions {
    /// The configuration whose store is copied
    #[command(flatten)]
    pub config: ConfigFile,
    /// Where the copy goes; it must not be there yet
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Flags of `restore`.
#[derive(clap::Args, Clone, Debug)]
pub struct RestoreOptions {
    /// The copy
    pub backup: PathBuf,
    /// The configuration whose store the copy replaces
    #[command(flatten)]
    pub config: ConfigFile,
    /// Who restores, for the audit; your user without it
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// What a copy holds.
struct Sound {
    audit_rows: u64,
    /// The number of the last of them.
    last: i64,
    sha256: String,
}

/// Makes a copy, beside a running service or without one, and looks whether it is whole.
pub fn backup(options: &BackupOptions) -> anyhow::Result<ExitCode> {
    let opened = open_store(&options.config)?;
    let to = &options.output;
    if to.exists() {
        bail!("{} is there already; name a file that is not", to.display());
    }
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    opened.store.copy_to(to).with_context(|| format!("{} could not be written", to.display()))?;
    std::fs::File::open(to)?.sync_all()?;
    let sound = examine(to)?;
    if options.json {
        println!("{}", json!({ "backup": to, "audit_rows": sound.audit_rows, "sha256": sound.sha256 }));
    } else {
        println!("{}: whole, {} audit rows\nsha256 {}", to.display(), sound.audit_rows, sound.sha256);
        println!("the key of the audit's checkpoints and the checkpoints themselves are other files: copy them too");
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts a copy in the place of the store. The service must be stopped; what was there is kept.
pub async fn restore(options: &RestoreOptions) -> anyhow::Result<ExitCode> {
    let store = Known::read(&options.config.path()?)?.place.store;
    let path = match store {
        Location::File(path) => path,
        Location::Server(_) => bail!(
            "the store {store} is in a database of a server: stop the service and bring a copy back with its own tools (pg_restore)"
        ),
        Location::Unknown { why, .. } => bail!("where the store is cannot be read from here: {why}"),
    };
    let user = || decider(Some(&format!("user {}", rustix::process::getuid().as_raw())));
    let by = decider(options.by.as_ref()).or_else(|_| user())?;
    let locked = lock(&path)?;
    let sound = examine(&options.backup)?;
    not_moved(&path, &options.backup)?;
    let (ended, decided) = (ended_since(&path, &options.backup), decided_since(&path, &options.backup));
    let replaced_to = replaced_to(&path);
    let now = Clock::system().now();
    let stamp = now.millis();
    let fresh = beside(&path, ".restoring");
    std::fs::copy(&options.backup, &fresh).with_context(|| format!("{} could not be written", fresh.display()))?;
    std::fs::File::open(&fresh)?.sync_all()?;
    let kept = beside(&path, &format!(".before-restore-{stamp}"));
    for suffix in ["", "-wal", "-shm"] {
        let from = beside(&path, suffix);
        if from.exists() {
            std::fs::rename(&from, beside(&kept, suffix))?;
        }
    }
    std::fs::rename(&fresh, &path)?;
    drop(locked); // whoever writes the row takes it
    let author = Author::new(&*by.name, by.principal());
    let copy = options.backup.display().to_string();
    let replaced = Restored { copy, sha256: sound.sha256.clone(), last: sound.last, replaced_to, author };
    let missing = replaced.missing();
    let row = restored(&Location::File(path.clone()), replaced, now, Metrics::new().store).await;
    let row = row.context("the copy is in the place of the store, and that could not be written down in it")?;
    if options.json {
        println!(
            "{}",
            json!({
                "restored": path, "kept": kept, "row": row, "missing": missing, "audit_rows": sound.audit_rows, "sha256": sound.sha256,
                "ended_since": ended.as_ref().ok(), "unknown": ended.as_ref().err().or(decided.as_ref().err()).map(|e| format!("{e:#}")),
                "decided_since": decided.as_ref().ok(),
            })
        );
    } else {
        println!(
            "{} is the copy now ({} audit rows); what was there is {}",
            path.display(),
            sound.audit_rows,
            kept.display()
        );
        println!(
            "row {row} of its audit says so: {missing}; they are in the sinks and in the kept file only. `audit verify` answers \
             \"restored\" to whoever does not say that they know of it (--restored {row})"
        );
        println!("start the service: it reads both sides and does what has changed since");
        show_ended(&ended);
        show_decided(&decided);
    }
    Ok(ExitCode::SUCCESS)
}

/// That neither the store that is there nor the copy is one that has moved: its successor serves, and two may not. A store that cannot
/// be read is what a copy is for.
fn not_moved(store: &Path, copy: &Path) -> anyhow::Result<()> {
    let of = |path: &Path| moved_to(&*Store::copy(path)?);
    match if store.exists() { of(store) } else { Ok(None) } {
        Ok(None) => {}
        Ok(Some(to)) => bail!(
            "the store {} was moved to {to}, which may serve: name that as service.store, and bring the copy back there",
            store.display()
        ),
        Err(why) => eprintln!(
            "warning: the store that is there cannot be read ({why}): whether it was moved elsewhere is not known. If it was, stop here \
             and bring the copy back to where it is now"
        ),
    }
    if let Some(to) = of(copy)? {
        bail!(
            "{} is a copy of a store that had been moved to {to}: what that did is not in it; take a copy of {to}",
            copy.display()
        );
    }
    Ok(())
}

/// The last row of the store that is there; `None` where it cannot be read. Where there is none nothing is replaced.
fn replaced_to(store: &Path) -> Option<i64> {
    if store.exists() { last_row(&*Store::copy(store).ok()?).ok() } else { Some(0) }
}

/// What people have decided that the copy knows nothing of, besides the end of access, in the order of the audit.
fn decided_since(store: &Path, copy: &Path) -> anyhow::Result<Vec<String>> {
    if !store.exists() {
        return Ok(Vec::new());
    }
    let mut known = 0;
    filter_audit(&*Store::copy(copy)?, &Filter { newest: Some(1), ..Filter::default() }, |row| {
        known = row.seq;
        Ok(())
    })?;
    let mut found = Vec::new();
    let kinds = DECISIONS.map(str::to_owned).to_vec();
    filter_audit(&*Store::copy(store)?, &Filter { kinds, ..Filter::default() }, |row| {
        if row.seq > known {
            let read = Row::read(&row.text)?;
            found.push(format!("{}: {}", read.at, read.describe()));
        }
        Ok(())
    })?;
    Ok(found)
}

fn show_decided(decided: &anyhow::Result<Vec<String>>) {
    let decided = match decided {
        Ok(decided) if decided.is_empty() => return,
        Ok(decided) => decided,
        Err(why) => {
            return say!(
                "what people have decided since the copy is not known ({why:#}): pauses, splits, rejections and the like; the sinks of the \
                 audit have it, decide again what still holds before you start the service"
            );
        }
    };
    println!(
        "before you start the service: the copy does not know what people have decided since; decide again what still holds"
    );
    decided.iter().rev().take(SHOWN).rev().for_each(|one| println!("  {}", visible(one)));
    if decided.len() > SHOWN {
        println!("and {} more before these: all of them with --json", decided.len() - SHOWN);
    }
}

/// Access that people have ended and of which the copy knows nothing: nothing else holds it back once the service starts.
fn ended_since(store: &Path, copy: &Path) -> anyhow::Result<Vec<EndedAccess>> {
    if !store.exists() {
        return Ok(Vec::new());
    }
    let now = ended_access(&*Store::copy(store)?)?;
    // A copy from before there was such a thing has none.
    let known = Store::copy(copy).and_then(|c| ended_access(&c)).unwrap_or_default();
    let is_known = |one: &EndedAccess| known.iter().any(|other| (other.target, other.at) == (one.target, one.at));
    Ok(now.into_iter().filter(|one| !is_known(one)).collect())
}

fn show_ended(ended: &anyhow::Result<Vec<EndedAccess>>) {
    match ended {
        Ok(ended) if ended.is_empty() => {}
        Ok(ended) => {
            println!("before you start the service: the copy does not know that access was ended by hand of");
            for one in ended {
                let person = one.login.as_ref().unwrap_or(&one.name);
                say!(
                    "  {person} in {}, by {}: {}; end it again with `end-access {person:?} --why TEXT`",
                    one.org,
                    one.by,
                    one.why
                );
            }
        }
        Err(why) => println!(
            "the store that was there cannot be read ({why:#}): access that was ended by hand since the copy is not known; the sinks              of the audit have it (`access_ended`), end it again before you start the service"
        ),
    }
}

/// What people decide, by the words of the audit; the end of access is told of by itself.
const DECISIONS: [&str; 13] = [
    "paused",
    "resumed",
    "split",
    "reviewed",
    "adopted",
    "list_accepted",
    "approved",
    "hold_ended",
    "rejection_ended",
    "requested",
    "undone",
    "unpinned",
    "access_restored",
];
/// Of these so many are shown, the newest.
const SHOWN: usize = 20;

/// Whether a file is a store, of this version or an earlier one, whole, with an audit as it was written.
fn examine(path: &Path) -> anyhow::Result<Sound> {
    let not_whole = || format!("{} is not a whole copy of a store", path.display());
    let c = Store::copy(path).with_context(not_whole)?;
    if let Some(verdict) = c.examine().with_context(not_whole)? {
        bail!("{}: {verdict}", not_whole());
    }
    let mut sealed = checkpoints(&c)?;
    without_replaced(&restores(&c)?, &mut sealed);
    let audit = verify_audit(&c, &sealed, || ())?;
    let last = last_row(&c)?;
    if let Some(finding) = audit.findings.first() {
        bail!("{}: its audit is not as it was written: {}", path.display(), finding.message);
    }
    drop(c);
    let bytes = std::fs::read(path)?;
    Ok(Sound { audit_rows: audit.rows, last, sha256: hex(digest(&SHA256, &bytes).as_ref()) })
}
