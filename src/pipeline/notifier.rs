//! The notifier: one actor for each channel. It tails the audit from its own cursor, and tells in digests.
//!
//! **Invariant:** a message is delivered at least once: the cursor moves only after it was taken. A receiver that is down
//! holds up nobody.

use crate::clock::{Clock, Moment};
use crate::config::Channel;
use crate::mailbox::{Carried, Gate};
use crate::metrics::Metrics;
use crate::notify::channel::Outgoing;
use crate::notify::{DEFAULT_TEMPLATE, Digest, render, subject};
use crate::retry;
use crate::store::Store;
use actix::{Actor, AsyncContext, Context, Handler};
use std::time::Duration;

const TICK: Duration = Duration::from_secs(2);
const SHORTEST_TICK: Duration = Duration::from_millis(100);
/// Audit rows of one message, at most.
const ROWS: usize = 20_000;

/// The actor.
pub struct Notifier {
    channel: Channel,
    client: reqwest::Client,
    clock: Clock,
    store: Store,
    metrics: Metrics,
    busy: bool,
    failures: i64,
    not_before: Moment,
    /// When the present digest began to be gathered.
    since: Option<Moment>,
}

/// A look at the audit ended.
enum Looked {
    /// Nothing was to be told.
    Nothing,
    /// There is something, and it can wait.
    Gathering,
    Told,
    Failed,
}

impl Notifier {
    /// Starts it.
    pub fn start_with(channel: Channel, client: reqwest::Client, clock: Clock, store: Store, metrics: Metrics) {
        let (not_before, since) = (Moment::default(), None);
        Notifier { channel, client, clock, store, metrics, busy: false, failures: 0, not_before, since }.start();
    }
}

impl Actor for Notifier {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let tick = self.clock.real(TICK).max(SHORTEST_TICK);
        ctx.run_interval(tick, |notifier, ctx| notifier.look(ctx));
    }
}

impl Handler<Carried<Looked>> for Notifier {
    type Result = ();

    fn handle(&mut self, looked: Carried<Looked>, _: &mut Self::Context) {
        self.busy = false;
        let now = self.clock.monotonic();
        match looked.body {
            Looked::Nothing | Looked::Told => (self.failures, self.since) = (0, None),
            Looked::Gathering => self.since = self.since.or(Some(now)),
            Looked::Failed => {
                self.failures += 1;
                self.not_before = now + retry::delay(self.failures);
            }
        }
    }
}

impl Notifier {
    fn look(&mut self, ctx: &mut Context<Self>) {
        let now = self.clock.monotonic();
        if self.busy || now < self.not_before {
            return;
        }
        self.busy = true;
        let is_due = self.since.is_some_and(|since| now.since(since) >= self.channel.every);
        let (channel, client, store) = (self.channel.clone(), self.client.clone(), self.store.clone());
        let metrics = self.metrics.clone();
        let back = Gate::new(ctx.address(), 1, metrics.mailbox_wait_seconds.with_label_values(&["notifier"]));
        tokio::spawn(async move {
            let name = channel.cursor();
            let looked = match tell(&channel, &client, &store, is_due).await {
                Ok(looked) => looked,
                Err(why) => {
                    metrics.sink_failures.with_label_values(&[&name]).inc();
                    tracing::error!(channel = channel.name, %why, "a notification could not be delivered; it is tried again");
                    Looked::Failed
                }
            };
            if matches!(looked, Looked::Told) {
                metrics.notifications.with_label_values(&[&channel.name]).inc();
            }
            back.send(looked).await;
        });
    }
}

/// Looks at what is new, and tells it if it is time.
async fn tell(channel: &Channel, client: &reqwest::Client, store: &Store, is_due: bool) -> Result<Looked, String> {
    let name = channel.cursor();
    let rows = store.undelivered(&name, ROWS).await.map_err(|e| e.to_string())?;
    let (Some(first), Some(last)) = (rows.first().map(|r| r.seq), rows.last().map(|r| r.seq)) else {
        return Ok(Looked::Nothing);
    };
    let mut digest = Digest::default();
    for row in &rows {
        let row = serde_json::from_str(&row.text).map_err(|e| e.to_string())?;
        digest.row(&row, &channel.events);
    }
    let told = !digest.is_empty();
    if told {
        if !is_due && !digest.is_urgent() && rows.len() < ROWS {
            return Ok(Looked::Gathering);
        }
        let names = store.names(digest.people()).await.map_err(|e| e.to_string())?;
        let value = digest.value(&names, first, last);
        let template = channel.template.as_deref().unwrap_or(DEFAULT_TEMPLATE);
        // What the template could not say is said without it: nobody misses a hold because of a template.
        let text = render(template, &value).or_else(|why| {
            tracing::error!(channel = channel.name, %why, "the template of a channel fails; the default is used");
            render(DEFAULT_TEMPLATE, &value)
        })?;
        let message = Outgoing { subject: format!("{}{}", channel.prefix, subject(&value)), text, value };
        channel.kind.deliver(client, &message).await?;
    }
    store.delivered(&name, last).await.map_err(|e| e.to_string())?;
    Ok(if told { Looked::Told } else { Looked::Nothing })
}
