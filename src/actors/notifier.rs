//! The notifier: one for each channel. It tails the audit from its own cursor, and tells in digests.
//!
//! **Invariant:** a message is delivered at least once: the cursor moves only after it was taken. A receiver that is down
//! holds up nobody.

use super::wiring::shared::Shared;
use super::wiring::supervisor::TaskError;
use crate::audit::Row;
use crate::clock::Moment;
use crate::config::Channel;
use crate::notify::channel::Outgoing;
use crate::notify::{DEFAULT_TEMPLATE, Digest, render, subject};
use crate::retry;
use crate::store::{Store, StoreError, is_repeated, read_audit};
use std::path::PathBuf;
use std::time::Duration;

const TICK: Duration = Duration::from_secs(2);
const SHORTEST_TICK: Duration = Duration::from_millis(100);
/// Audit rows that are read in one look.
const ROWS: usize = 5000;

/// One channel.
#[derive(Clone)]
pub struct Notifier {
    pub channel: Channel,
    pub client: reqwest::Client,
    pub shared: Shared,
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
    /// Tells until the task is dropped. What was gathered and not told is read again after a mistake, from where was told last.
    pub async fn keep(self) -> Result<(), TaskError> {
        let (name, metrics, clock) = (&self.channel.name, &self.shared.metrics, &self.shared.clock);
        let sent = metrics.parts.notifications.with_label_values(&[name]);
        let failed = metrics.parts.notification_failures.with_label_values(&[name]);
        let tick = clock.real(TICK).max(SHORTEST_TICK);
        // When the present digest began to be gathered, and what was read and not told yet.
        let (mut since, mut gathered) = (None::<Moment>, None);
        let mut failures = 0;
        loop {
            let now = clock.monotonic();
            let is_due = since.is_some_and(|since| now.since(since) >= self.channel.every);
            let gathering = self.gather(gathered, is_due).await;
            if gathering.message {
                since = None;
                sent.inc();
            }
            let has_news = gathering.gathered.as_ref().is_some_and(|gathered| !gathered.digest.is_empty());
            since = if has_news { since.or(Some(clock.monotonic())) } else { None };
            gathered = gathering.gathered;
            failures = if gathering.failed { failures + 1 } else { 0 };
            if gathering.failed {
                failed.inc();
                clock.sleep(retry::delay(failures)).await;
            }
            if !gathering.more {
                tokio::time::sleep(tick).await;
            }
        }
    }

    /// One look at the audit, and a message if it is time.
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
    async fn read(&self, gathered: Option<Gathered>) -> Result<(Option<Gathered>, bool), TaskError> {
        let (name, events) = (self.channel.cursor(), self.channel.events.clone());
        let after = match &gathered {
            Some(gathered) => gathered.to,
            None => self.shared.store.cursor(&name).await?,
        };
        let place = self.shared.store.place().clone();
        let read = tokio::task::spawn_blocking(move || {
            let reader = Store::reader(&place)?;
            let rows = read_audit(&reader, after, ROWS)?;
            let mut gathered = gathered.unwrap_or(Gathered { digest: Digest::default(), from: after + 1, to: after });
            for row in &rows {
                let read = Row::read(&row.text)?;
                if !is_repeated(&reader, &read)? {
                    gathered.digest.row(&read, &events);
                }
                gathered.to = row.seq;
            }
            Ok::<_, StoreError>((gathered, rows.len() == ROWS))
        });
        let (gathered, more) = read.await??;
        if gathered.digest.is_empty() && gathered.to > after {
            self.shared.store.delivered(&name, gathered.to).await?;
        }
        Ok((Some(gathered), more))
    }

    async fn describe(&self, gathered: &Gathered) -> Result<(), TaskError> {
        let names = self.shared.store.names(gathered.digest.people()).await?;
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
        Ok(self.shared.store.delivered(&self.channel.cursor(), gathered.to).await?)
    }
}
