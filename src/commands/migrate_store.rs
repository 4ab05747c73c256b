//! `migrate-store`: the store moves into a database of a server, or back into a file.

use super::place::ConfigFile;
use super::store::decider;
use crate::actors::sealer::own_key;
use crate::clock::Clock;
use crate::config::place::{AuditKey, Known, Place, store_named};
use crate::metrics::Metrics;
use crate::store::{Held, Location, Store, checkpoints, move_store, verify_audit};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `migrate-store`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Where to, where nothing is yet: a path, postgres://USER@HOST:PORT/DATABASE, or with a password env:NAME or file:PATH
    #[arg(value_name = "STORE")]
    pub to: String,
    /// The configuration whose store moves
    #[command(flatten)]
    pub config: ConfigFile,
    /// Who moves it; it stands in the audit
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Moves it; the service must be stopped. The store of before is kept, and serves nobody any more.
pub async fn migrate_store(options: &Options) -> anyhow::Result<ExitCode> {
    let path = options.config.path()?;
    let place = Known::read(&path)?.place;
    let (to, named) = store_named(&path, &options.to).map_err(|why| anyhow::anyhow!("{:?}: {why}", options.to))?;
    let from = &place.store;
    if from == &to {
        bail!("the store is {to} already: name where it is to go");
    }
    let by = decider(options.by.as_ref())?;
    let bar = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{spinner} {msg}").unwrap_or(ProgressStyle::default_spinner()));
    let seen = {
        let bar = bar.clone();
        move |table: &'static str, rows: u64| {
            bar.set_message(format!("{table}: {rows} rows copied"));
            bar.tick();
        }
    };
    let metrics = [Metrics::new().store, Metrics::new().store];
    let moved = move_store(from, &to, &by, Clock::system().now(), metrics, seen).await;
    bar.finish_and_clear();
    let moved = moved.with_context(|| format!("{from} was not moved"))?;
    let key = take_key(&place, &to)?;
    let reader = Store::reader(&to)?;
    let audit = verify_audit(&reader, &checkpoints(&reader)?, || ())?;
    let finding = audit.findings.first().map(|finding| finding.message.clone());
    let rows: u64 = moved.iter().map(|table| table.rows).sum();
    if options.json {
        let tables: serde_json::Map<_, _> = moved.iter().map(|it| (it.table.to_owned(), json!(it.rows))).collect();
        let said = json!({
            "from": from.to_string(), "to": to.to_string(), "service.store": named, "rows": rows, "tables": tables,
            "audit_rows": audit.rows, "audit_finding": finding, "key": key,
        });
        println!("{said}");
    } else {
        println!(
            "{rows} rows in {} tables are in {to} now, each compared with the one it was copied from",
            moved.len()
        );
        println!("{}", audit_line(audit.rows, finding.as_deref(), &moved));
        if let Some(key) = &key {
            println!("the key that signs the audit's checkpoints was copied to {}", key.display());
        }
        println!("now write in {}:\n\n  [service]\n  store = {named:?}\n\nand start the service", path.display());
        println!("{from} is kept as it was and serves nobody any more; a node that still names it does not start");
    }
    Ok(ExitCode::SUCCESS)
}

fn audit_line(rows: u64, finding: Option<&str>, moved: &[Held]) -> String {
    let copied = moved.iter().find(|it| it.table == "audit").map_or(0, |it| it.rows);
    match finding {
        None => format!(
            "the audit's chain of {rows} rows is whole there: {copied} were copied, and one says that the store has moved"
        ),
        Some(finding) => format!("the audit was not as it was written before it moved, and is not now: {finding}"),
    }
}

/// A key that the service has made beside its store goes with it: where it went there is another one, checkpoints would be signed by
/// a key that nobody knows.
fn take_key(place: &Place, to: &Location) -> anyhow::Result<Option<PathBuf>> {
    if !matches!(place.audit_key, AuditKey::BesideStore) {
        return Ok(None);
    }
    let (was, is) = (own_key(&place.store, &place.checkpoints), own_key(to, &place.checkpoints));
    if was == is || !was.exists() || is.exists() {
        return Ok(None);
    }
    std::fs::copy(&was, &is).with_context(|| {
        format!(
            "the store has moved, but the key of its audit could not be copied: copy {} to {}",
            was.display(),
            is.display()
        )
    })?;
    Ok(Some(is))
}
