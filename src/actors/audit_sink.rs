//! The audit sink: one for each place where audit rows go. It tails the audit in the store from its own cursor.
//!
//! **Invariant:** delivers every row at least once, in order; its cursor moves only after the rows were taken. A place that
//! is down holds up nobody: the rows wait in the store.

use super::wiring::shared::Shared;
use super::wiring::sinks::Sink;
use super::wiring::supervisor::TaskError;
use crate::audit::words::in_former_words;
use crate::failpoint::{self, Point};
use crate::retry;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(500);

/// One place.
#[derive(Clone)]
pub struct AuditSink {
    pub sink: Sink,
    /// Whether its receivers still expect the words of the version before.
    pub former_words: bool,
    pub shared: Shared,
}

impl AuditSink {
    /// Delivers until the task is dropped.
    pub async fn keep(self) -> Result<(), TaskError> {
        let (name, metrics, clock) = (self.sink.name(), &self.shared.metrics, &self.shared.clock);
        let delivered = metrics.audit.rows_delivered.with_label_values(&[&name]);
        let failed = metrics.audit.sink_failures.with_label_values(&[&name]);
        // Since the last success.
        let mut failures = 0;
        loop {
            match self.drain(&name).await {
                Ok(rows) => {
                    delivered.inc_by(rows as u64);
                    failures = 0;
                    if rows == self.sink.batch() {
                        continue;
                    }
                }
                Err(why) => {
                    failed.inc();
                    tracing::error!(sink = name, %why, "audit rows could not be delivered; they wait in the store");
                    failures += 1;
                    clock.sleep(retry::delay(failures)).await;
                }
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Delivers what waits, up to a batch.
    async fn drain(&self, name: &str) -> Result<usize, TaskError> {
        let store = &self.shared.store;
        let mut rows = store.undelivered(name, self.sink.batch()).await?;
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok(0) };
        let count = rows.len();
        if self.former_words {
            for row in &mut rows {
                row.text = in_former_words(&row.text).map_err(|e| format!("audit row {}: {e}", row.seq))?;
            }
        }
        self.sink.deliver(rows, &self.shared.clock.now().to_string()).await?;
        failpoint::reach(Point::RowsWritten);
        store.delivered(name, last).await?;
        Ok(count)
    }
}
