//! The notifier: one actor for each channel. It tails the audit from its own cursor, and tells in digests.
//!
//! **Invariant:** a message is delivered at least once: the cursor moves only after it was taken. A receiver that is down
//! holds up nobody.

use super::wiring::supervisor::Supervisor;
use crate::audit::Row;
use crate::clock::{Clock, Moment};
use crate::config::Channel;
use crate::mailbox::{Carried, Gate};
use crate::metrics::Metrics;
use crate::notify::channel::Outgoing;
use crate::notify::{DEFAULT_TEMPLATE, Digest, render, subject};
use crate::retry;
use crate::store::{Store, StoreError, read_audit};
use actix::{Actor, AsyncContext, Context, Handler};
use std::path::PathBuf;
use std::time::Duration;

const TICK: Duration = Duration::from_secs(2);
const SHORTEST_TICK: Duration = Duration::from_millis(100);
/// Audit rows that are read in one look.
const ROWS: usize = 5000;

/// The actor.
pub struct Notifier {
    channel: Channel,
    client: reqwest::Client,
    clock: Clock,
    store: Store,
    metrics: Metrics,
    supervisor: Supervisor,
    busy: bool,
    failures: i64,
    not_before: Moment,
    /// When the present digest began to be gathered.
    since: Option<Moment>,
    /// What was read and not told yet.
    gathered: Option<Gathered>,
}

/// What was read of the audit since the last message.
struct Gathered {
    digest: Digest,
    from: i64,
    to: i64,
}

/// A look at the audit ended.
struct Gathering {
    gathered: Option<Gathered>,
    message: bool,
    failed: bool,
    /// There is probably more to read.
    more: bool,
}

impl Notifier {
    /// Starts it.
    pub fn start_with(
        channel: Channel,
        client: reqwest::Client,
        clock: Clock,
        store: Store,
        metrics: Metrics,
        supervisor: Supervisor,
    ) {
        let (not_before, since, gathered, busy, failures) = (Moment::default(), None, None, false, 0);
        Notifier { channel, client, clock, store, metrics, supervisor, busy, failures, not_before, since, gathered }
            .start();
    }
}

impl Actor for Notifier {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let tick = self.clock.real(TICK).max(SHORTEST_TICK);
        ctx.run_interval(tick, |notifier, ctx| notifier.gather(ctx));
    }
}

impl Handler<Carried<Gathering>> for Notifier {
    type Result = ();

    fn handle(&mut self, gathering: Carried<Gathering>, ctx: &mut Self::Context) {
        self.busy = false;
        let (now, gathering) = (self.clock.monotonic(), gathering.body);
        self.failures = if gathering.failed { self.failures + 1 } else { 0 };
        if gathering.failed {
            self.not_before = now + retry::delay(self.failures);
        }
        if gathering.message {
            self.since = None;
            self.metrics.notifications.with_label_values(&[&self.channel.name]).inc();
        }
        let has_news = gathering.gathered.as_ref().is_some_and(|gathered| !gathered.digest.is_empty());
        self.since = if has_news { self.since.or(Some(now)) } else { None };
        self.gathered = gathering.gathered;
        if gathering.more {
            self.gather(ctx);
        }
    }
}

impl Notifier {
    fn gather(&mut self, ctx: &mut Context<Self>) {
        let now = self.clock.monotonic();
        if self.busy || now < self.not_before {
            return;
        }
        self.busy = true;
        let is_due = self.since.is_some_and(|since| now.since(since) >= self.channel.every);
        let sender = Sender { channel: self.channel.clone(), client: self.client.clone(), store: self.store.clone() };
        let (metrics, gathered) = (self.metrics.clone(), self.gathered.take());
        let back = Gate::new(ctx.address(), 1, metrics.mailbox_wait_seconds.with_label_values(&["notifier"]));
        let supervisor = self.supervisor.clone();
        tokio::spawn(async move {
            let name = sender.channel.name.clone();
            let gathering = supervisor.attempt_async("notifier", &name, sender.gather(gathered, is_due)).await;
            // What was gathered is read again from where was told last.
            let gathering =
                gathering.unwrap_or(Gathering { gathered: None, message: false, failed: true, more: false });
            if gathering.failed {
                metrics.notification_failures.with_label_values(&[&sender.channel.name]).inc();
            }
            back.send(gathering).await;
        });
    }
}

/// One look at the audit, and a message if it is time.
struct Sender {
    channel: Channel,
    client: reqwest::Client,
    store: Store,
}

impl Sender {
    async fn gather(&self, gathered: Option<Gathered>, is_due: bool) -> Gathering {
        let (mut gathered, more) = match self.read(gathered).await {
            Ok(read) => read,
            Err(why) => {
                tracing::error!(channel = self.channel.name, %why, "the audit cannot be read");
                return Gathering { gathered: None, message: false, failed: true, more: false };
            }
        };
        let is_time = |digest: &Digest| !digest.is_empty() && !more && (is_due || digest.is_urgent());
        let message = match gathered.take_if(|gathered| is_time(&gathered.digest)) {
            None => false,
            Some(now) => match self.describe(&now).await {
                Ok(()) => true,
                Err(why) => {
                    tracing::error!(channel = self.channel.name, %why, "a notification could not be delivered; it is tried again");
                    return Gathering { gathered: Some(now), message: false, failed: true, more: false };
                }
            },
        };
        Gathering { gathered, message, failed: false, more }
    }

    /// Reads on from where was read last, beside the writer; where nothing is to be told the cursor moves at once.
    async fn read(&self, gathered: Option<Gathered>) -> Result<(Option<Gathered>, bool), String> {
        let (name, events) = (self.channel.cursor(), self.channel.events.clone());
        let after = match &gathered {
            Some(gathered) => gathered.to,
            None => self.store.cursor(&name).await.map_err(|e| e.to_string())?,
        };
        let path = self.store.path().to_owned();
        let read = tokio::task::spawn_blocking(move || {
            let rows = read_audit(&*Store::reader(&path)?, after, ROWS)?;
            let mut gathered = gathered.unwrap_or(Gathered { digest: Digest::default(), from: after + 1, to: after });
            for row in &rows {
                gathered.digest.row(&Row::read(&row.text)?, &events);
                gathered.to = row.seq;
            }
            Ok::<_, StoreError>((gathered, rows.len() == ROWS))
        });
        let (gathered, more) = read.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        if gathered.digest.is_empty() && gathered.to > after {
            self.store.delivered(&name, gathered.to).await.map_err(|e| e.to_string())?;
        }
        Ok((Some(gathered), more))
    }

    async fn describe(&self, gathered: &Gathered) -> Result<(), String> {
        let names = self.store.names(gathered.digest.people()).await.map_err(|e| e.to_string())?;
        let value = gathered.digest.value(&names, gathered.from, gathered.to);
        let template = self.channel.template.as_deref().unwrap_or(DEFAULT_TEMPLATE);
        // What the template could not say is said without it: nobody misses a hold because of a template.
        let text = render(template, &value).or_else(|why| {
            tracing::error!(channel = self.channel.name, %why, "the template of a channel fails; the default is used");
            render(DEFAULT_TEMPLATE, &value)
        })?;
        let files = gathered.digest.files().iter().map(PathBuf::from).collect();
        let message = Outgoing { subject: format!("{}{}", self.channel.prefix, subject(&value)), text, value, files };
        self.channel.kind.deliver(&self.client, &message).await?;
        self.store.delivered(&self.channel.cursor(), gathered.to).await.map_err(|e| e.to_string())
    }
}
