//! The audit sink: tails the audit in the store and appends it to a file, one JSON object a line.
//!
//! **Invariant:** delivers every row at least once, in order; its cursor moves only after the rows are on disk.

use crate::clock::Clock;
use crate::config::AuditFile;
use crate::failpoint::{self, Point};
use crate::mailbox::{Carried, Gate};
use crate::metrics::Metrics;
use crate::store::{AuditRow, Store, StoreError};
use actix::{Actor, AsyncContext, Context, Handler};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAME: &str = "file";
const ROWS: usize = 1000;
const TICK: Duration = Duration::from_millis(500);

/// The actor.
pub struct AuditSink {
    pub file: AuditFile,
    pub clock: Clock,
    pub store: Store,
    pub metrics: Metrics,
    pub busy: bool,
}

/// A delivery ended; `more` says there is probably more.
struct Delivered {
    more: bool,
}

impl Actor for AuditSink {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(TICK, |sink, ctx| sink.deliver(ctx));
    }
}

impl Handler<Carried<Delivered>> for AuditSink {
    type Result = ();

    fn handle(&mut self, delivered: Carried<Delivered>, ctx: &mut Self::Context) {
        self.busy = false;
        if delivered.body.more {
            self.deliver(ctx);
        }
    }
}

impl AuditSink {
    fn deliver(&mut self, ctx: &mut Context<Self>) {
        let Some(path) = self.file.path.clone().filter(|_| !self.busy) else { return };
        self.busy = true;
        let (store, metrics, file, now) =
            (self.store.clone(), self.metrics.clone(), self.file.clone(), self.clock.now());
        let back = Gate::new(ctx.address(), 1, metrics.mailbox_wait_seconds.with_label_values(&["audit_sink"]));
        tokio::spawn(async move {
            let delivered = drain(&store, path, &file, &now.to_string()).await;
            let more = match delivered {
                Ok(rows) => {
                    metrics.audit_rows_delivered.with_label_values(&[NAME]).inc_by(rows as u64);
                    rows == ROWS
                }
                Err(why) => {
                    metrics.sink_failures.with_label_values(&[NAME]).inc();
                    tracing::error!(%why, "the audit file could not be written; the rows wait in the store");
                    false
                }
            };
            back.send(Delivered { more }).await;
        });
    }
}

/// Delivers what waits, up to `ROWS` rows.
async fn drain(store: &Store, path: PathBuf, file: &AuditFile, stamp: &str) -> Result<usize, String> {
    let error = |e: StoreError| e.to_string();
    let rows = store.undelivered(NAME, ROWS).await.map_err(error)?;
    let Some(last) = rows.last().map(|row| row.seq) else { return Ok(0) };
    let count = rows.len();
    let (rotate, keep, stamp) = (file.rotate, file.keep, stamp.replace(':', ""));
    let written = tokio::task::spawn_blocking(move || append(&path, &rows, rotate, keep, &stamp));
    written.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    failpoint::reach(Point::RowsWritten);
    store.delivered(NAME, last).await.map_err(error)?;
    Ok(count)
}

fn append(path: &Path, rows: &[AuditRow], rotate: u64, keep: usize, stamp: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    if std::fs::metadata(path).is_ok_and(|m| m.len() >= rotate) {
        std::fs::rename(path, numbered(path, stamp))?;
        remove_old(path, keep)?;
    }
    let mut file: File = OpenOptions::new().create(true).append(true).open(path)?;
    let mut text = String::new();
    for row in rows {
        text.push_str(&row.text);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

fn numbered(path: &Path, stamp: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{stamp}"));
    PathBuf::from(name)
}

/// Removes the oldest rotated files beyond `keep`; their names sort by time.
fn remove_old(path: &Path, keep: usize) -> std::io::Result<()> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = format!("{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let mut old: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect();
    old.sort();
    let surplus = old.len().saturating_sub(keep);
    old.into_iter().take(surplus).try_for_each(std::fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_put_aside_and_the_oldest_ones_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        let row = |seq| AuditRow { seq, text: format!("{{\"seq\":{seq}}}"), hash: vec![] };
        for n in 1..=5 {
            append(&path, &[row(n)], 5, 2, &format!("2026-01-0{n}")).expect("writes");
        }
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .expect("lists")
            .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["audit.jsonl", "audit.jsonl.2026-01-04", "audit.jsonl.2026-01-05"]);
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), "{\"seq\":5}\n");
    }
}
