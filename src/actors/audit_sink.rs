//! The audit sink: one actor for each place where audit rows go. It tails the audit in the store from its own cursor.
//!
//! **Invariant:** delivers every row at least once, in order; its cursor moves only after the rows were taken. A place that
//! is down holds up nobody: the rows wait in the store.

use super::wiring::sinks::Sink;
use super::wiring::supervisor::Supervisor;
use crate::audit::words::in_former_words;
use crate::clock::{Clock, Moment};
use crate::failpoint::{self, Point};
use crate::mailbox::{Carried, Gate};
use crate::metrics::Metrics;
use crate::retry;
use crate::store::Store;
use actix::{Actor, AsyncContext, Context, Handler};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(500);

/// The actor.
pub struct AuditSink {
    sink: Sink,
    /// Whether its receivers still expect the words of the version before.
    former_words: bool,
    clock: Clock,
    store: Store,
    metrics: Metrics,
    supervisor: Supervisor,
    busy: bool,
    /// Failures since the last success.
    failures: i64,
    not_before: Moment,
}

/// A delivery ended; `more` says there is probably more.
struct Delivered {
    more: bool,
    failed: bool,
}

impl AuditSink {
    /// Starts it.
    pub fn start_with(
        sink: Sink,
        former_words: bool,
        clock: Clock,
        store: Store,
        metrics: Metrics,
        supervisor: Supervisor,
    ) {
        let not_before = Moment::default();
        AuditSink { sink, former_words, clock, store, metrics, supervisor, busy: false, failures: 0, not_before }
            .start();
    }
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
        self.failures = if delivered.body.failed { self.failures + 1 } else { 0 };
        if delivered.body.failed {
            self.not_before = self.clock.monotonic() + retry::delay(self.failures);
        }
        if delivered.body.more {
            self.deliver(ctx);
        }
    }
}

impl AuditSink {
    fn deliver(&mut self, ctx: &mut Context<Self>) {
        if self.busy || self.clock.monotonic() < self.not_before {
            return;
        }
        self.busy = true;
        let (store, metrics, sink, now) =
            (self.store.clone(), self.metrics.clone(), self.sink.clone(), self.clock.now());
        let back = Gate::new(ctx.address(), 1, metrics.mailbox_wait_seconds.with_label_values(&["audit_sink"]));
        let (supervisor, former_words) = (self.supervisor.clone(), self.former_words);
        tokio::spawn(async move {
            let name = sink.name();
            let stamp = now.to_string();
            let drained =
                supervisor.attempt_async("audit sink", &name, drain(&store, &sink, former_words, &name, &stamp)).await;
            let delivered = match drained.unwrap_or_else(|| Err("a mistake of this program; please report it".into())) {
                Ok(rows) => {
                    metrics.audit_rows_delivered.with_label_values(&[&name]).inc_by(rows as u64);
                    Delivered { more: rows == sink.batch(), failed: false }
                }
                Err(why) => {
                    metrics.sink_failures.with_label_values(&[&name]).inc();
                    tracing::error!(sink = name, %why, "audit rows could not be delivered; they wait in the store");
                    Delivered { more: false, failed: true }
                }
            };
            back.send(delivered).await;
        });
    }
}

/// Delivers what waits, up to a batch.
async fn drain(store: &Store, sink: &Sink, former_words: bool, name: &str, stamp: &str) -> Result<usize, String> {
    let mut rows = store.undelivered(name, sink.batch()).await.map_err(|e| e.to_string())?;
    let Some(last) = rows.last().map(|row| row.seq) else { return Ok(0) };
    let count = rows.len();
    if former_words {
        for row in &mut rows {
            row.text = in_former_words(&row.text).map_err(|e| format!("audit row {}: {e}", row.seq))?;
        }
    }
    sink.deliver(rows, stamp).await?;
    failpoint::reach(Point::RowsWritten);
    store.delivered(name, last).await.map_err(|e| e.to_string())?;
    Ok(count)
}
