//! The notifier: one for each receiver and for what is urgent or not. It tails the audit from its own cursor, and tells in digests.
//!
//! **Invariant:** a message is delivered at least once: the cursor moves only after it was taken. A mail that may have arrived is
//! sent again as it was, under the same name. A receiver that is down or dead holds up nobody.

use super::wiring::shared::Shared;
use super::wiring::supervisor::TaskError;
use crate::audit::{Event, Row};
use crate::clock::Moment;
use crate::config::Channel;
use crate::notify::answer::NotTaken;
use crate::notify::channel::{Kind, Outgoing};
use crate::notify::size::Share;
use crate::notify::{DEFAULT_TEMPLATE, Digest, render, subject};
use crate::retry::{self, Waits};
use crate::store::{Receiver, Store, StoreError, is_repeated, read_audit};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const TICK: Duration = Duration::from_secs(2);
const SHORTEST_TICK: Duration = Duration::from_millis(100);
/// Audit rows that are read in one look.
const ROWS: usize = 5000;
/// Whoever takes nothing before somebody mends it is asked again after so long.
const DEAD: Waits = Waits { first: Duration::from_secs(10), longest: Duration::from_secs(900) };
/// Whoever takes nothing for so long is named: what passes sooner is nobody's business.
const PASSING: Duration = Duration::from_secs(60);
/// After so many failures in a row nothing is attached any more: it may be what the connection breaks by.
const PATIENCE: i64 = 3;

/// One receiver.
#[derive(Clone)]
pub struct Notifier {
    pub channel: Channel,
    pub receiver: Receiver,
    pub client: reqwest::Client,
    pub shared: Shared,
}

/// What was read of the audit since the last message.
struct Gathered {
    digest: Digest,
    from: i64,
    to: i64,
}

/// What came of a look at the audit.
enum Gathering {
    /// Nothing is to be told yet; whether there is probably more to read.
    Waits { more: bool },
    /// A message was taken.
    Taken,
    /// It was not.
    NotTaken(NotTaken),
    /// The audit or the store could not be read.
    Failed,
}

/// What a notifier remembers.
#[derive(Default)]
struct Memory {
    /// When the first of the failures was that had no success after them.
    failing_since: Option<Moment>,
    gathered: Option<Gathered>,
    /// Of mail: the row up to which the message reaches that is on its way.
    sending: Option<i64>,
    /// When the present digest began to be gathered.
    since: Option<Moment>,
    /// Since the last success.
    failures: i64,
}

impl Notifier {
    /// Tells until the task is dropped. What was gathered and not told is read again after a mistake, from where was told last.
    pub async fn keep(self) -> Result<(), TaskError> {
        let (name, metrics, clock) = (&self.channel.name, &self.shared.metrics, &self.shared.clock);
        let sent = metrics.parts.notifications.with_label_values(&[name]);
        let failed = metrics.parts.notification_failures.with_label_values(&[name]);
        let tick = clock.real(TICK).max(SHORTEST_TICK);
        let mut memory = Memory { sending: self.shared.store.sending(&self.receiver).await?, ..Memory::default() };
        loop {
            let gathering = self.gather(&mut memory).await;
            let is_failure = matches!(gathering, Gathering::NotTaken(_) | Gathering::Failed);
            if is_failure {
                failed.inc();
            }
            let wait = match gathering {
                Gathering::Waits { more: true } => continue,
                Gathering::Waits { more: false } => None,
                Gathering::Taken => {
                    sent.inc();
                    (memory.since, memory.failures, memory.failing_since) = (None, 0, None);
                    continue; // there may be more that was written meanwhile
                }
                // It is meant in the time of whoever has asked for it.
                Gathering::NotTaken(NotTaken::Later(Some(wait), _)) => {
                    tokio::time::sleep(wait).await;
                    None
                }
                Gathering::NotTaken(NotTaken::Dead(_)) => Some(DEAD.delay(memory.failures)),
                Gathering::NotTaken(_) | Gathering::Failed => Some(retry::delay(memory.failures)),
            };
            memory.failures = if is_failure { memory.failures + 1 } else { 0 };
            if let Some(wait) = wait {
                self.wait(clock.real(wait), tick).await;
            }
            let has_news = memory.gathered.as_ref().is_some_and(|gathered| !gathered.digest.is_empty());
            memory.since = if has_news { memory.since.or(Some(clock.monotonic())) } else { None };
            tokio::time::sleep(tick).await;
        }
    }

    /// Waits so long, or until there is another address.
    async fn wait(&self, wait: Duration, tick: Duration) {
        let address = self.channel.kind.address().current();
        let mut left = wait;
        while !left.is_zero() && Arc::ptr_eq(&address, &self.channel.kind.address().current()) {
            let now = left.min(tick);
            tokio::time::sleep(now).await;
            left -= now;
        }
    }

    /// One look at the audit, and a message if it is time.
    async fn gather(&self, memory: &mut Memory) -> Gathering {
        let more = match self.read(memory).await {
            Ok(more) => more,
            Err(why) => {
                tracing::error!(channel = self.channel.name, %why, "the audit cannot be read");
                return Gathering::Failed;
            }
        };
        let waited = memory.since.is_some_and(|since| self.shared.clock.monotonic().since(since) >= self.channel.every);
        let is_time = !more && (waited || self.receiver.urgent || memory.sending.is_some());
        let Some(now) = memory.gathered.take_if(|gathered| is_time && !gathered.digest.is_empty()) else {
            return Gathering::Waits { more };
        };
        match self.send(&now, memory).await {
            Ok(Ok(())) => Gathering::Taken,
            Ok(Err(why)) => {
                tracing::error!(
                    channel = self.channel.name,
                    why = why.said(),
                    "a notification could not be delivered; it is tried again"
                );
                memory.gathered = Some(now);
                Gathering::NotTaken(why)
            }
            Err(why) => {
                tracing::error!(channel = self.channel.name, %why, "a notification could not be delivered; it is tried again");
                memory.gathered = Some(now);
                Gathering::Failed
            }
        }
    }

    /// Reads on from where was read last, beside the writer; where nothing is to be told the cursor moves at once. Whether there
    /// is probably more.
    async fn read(&self, memory: &mut Memory) -> Result<bool, TaskError> {
        let (store, receiver, sending) = (&self.shared.store, self.receiver.clone(), memory.sending);
        let after = match &memory.gathered {
            Some(gathered) => gathered.to,
            None => store.cursor(&receiver.cursor()).await?,
        };
        let (place, events, gathered) = (store.place().clone(), self.channel.events.clone(), memory.gathered.take());
        let read = tokio::task::spawn_blocking(move || {
            let reader = Store::reader(&place)?;
            let rows = read_audit(&reader, after, ROWS)?;
            let mut gathered = gathered.unwrap_or(Gathered { digest: Digest::default(), from: after + 1, to: after });
            let within = rows.iter().filter(|row| sending.is_none_or(|to| row.seq <= to));
            for row in within {
                let read = Row::read(&row.text)?;
                if !is_own(&read.event, &receiver) && !is_repeated(&reader, &read)? {
                    gathered.digest.row(&read, &events, receiver.urgent);
                }
                gathered.to = row.seq;
            }
            let more = rows.len() == ROWS && sending.is_none_or(|to| gathered.to < to);
            Ok::<_, StoreError>((gathered, more))
        });
        let (mut gathered, more) = read.await??;
        if gathered.digest.is_empty() && (gathered.to > after || sending.is_some()) {
            store.delivered(&self.receiver.cursor(), gathered.to).await?;
            gathered.from = gathered.to + 1;
            memory.sending = None; // there is nothing of it that this version tells
        }
        memory.gathered = Some(gathered);
        Ok(more)
    }

    /// Sends what was gathered, and writes down what came of it.
    async fn send(&self, gathered: &Gathered, memory: &mut Memory) -> Result<Result<(), NotTaken>, TaskError> {
        let (store, receiver, digest) = (&self.shared.store, &self.receiver, &gathered.digest);
        let names = store.names(digest.people()).await?;
        let value = digest.value(&names, gathered.from, gathered.to);
        let template = self.channel.template.as_deref().unwrap_or(DEFAULT_TEMPLATE);
        // What the template could not say is said without it: nobody misses a hold because of a template.
        let text = render(template, &value).or_else(|why| {
            tracing::error!(channel = self.channel.name, %why, "the template of a channel fails; the default is used");
            render(DEFAULT_TEMPLATE, &value)
        })?;
        let files = digest.files().iter().map(PathBuf::from).collect();
        let subject = format!("{}{}", self.channel.prefix, subject(&value));
        let command = if receiver.urgent { "namely-okta-sync attention" } else { "namely-okta-sync audit list" };
        let message = Outgoing::new(&subject, &text, value, files, digest.id(&receiver.cursor()), command);
        let is_mail = matches!(self.channel.kind, Kind::Mail { .. });
        if is_mail && memory.sending.is_none() {
            store.begin_sending(receiver, gathered.to).await?;
            memory.sending = Some(gathered.to);
        }
        let most = if is_mail && memory.failures >= PATIENCE { Share::Half } else { Share::Whole };
        let said = self.channel.kind.deliver(&self.client, &message, receiver.recipient.as_deref(), most).await;
        let now = self.shared.clock.now();
        match &said {
            Ok(()) => {
                store.taken(receiver, gathered.to, digest.announced().to_vec(), now).await?;
                memory.sending = None;
            }
            Err(why) => {
                let (since, is_dead) = (*memory.failing_since.get_or_insert(now), matches!(why, NotTaken::Dead(_)));
                if is_dead || now.since(since) >= PASSING {
                    store.not_taken(receiver, why.said().to_owned(), (since, !is_dead), now).await?;
                }
            }
        }
        Ok(said)
    }
}

/// Whether an event is about the channel itself: those who are told by it get what it is for, and no more.
fn is_own(event: &Event, receiver: &Receiver) -> bool {
    let channel = match event {
        Event::Unreached(it) => &it.channel,
        Event::Reached(it) => &it.channel,
        _ => return false,
    };
    *channel == receiver.channel
}
