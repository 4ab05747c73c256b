//! Receivers of messages: how far each has been told, what is on its way to it, and who takes none.
//!
//! **Invariant:** that a receiver takes nothing is written down once when it begins, and once when it is over, in the transaction
//! that says so.

use super::audit_log::append;
use super::rows::audit as audit_rows;
use super::rows::meta::{forget, meta, of_receivers, set_meta};
use super::{Store, StoreError, Tx};
use crate::audit::reach::{Reached, Unreached as Unreaching, who};
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::guard::alarm::{About, Alarm};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const SENDING: &str = "sending";
const UNREACHED: &str = "unreached";
/// What the name of a cursor of messages begins with.
const URGENT: &str = "urgent ";
const NOTIFY: &str = "notify ";

/// Somebody who is told of one kind of news: a channel, or one recipient of its mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// The channel, by its name in the configuration.
    pub channel: String,
    /// Of mail: the address.
    pub recipient: Option<String>,
    /// Whether it is told what does not wait, or what is gathered in digests. Neither waits for the other.
    pub urgent: bool,
}

impl Receiver {
    /// The name of its cursor.
    pub fn cursor(&self) -> String {
        let urgent = if self.urgent { URGENT } else { "" };
        format!("{urgent}{NOTIFY}{}", self.place())
    }

    /// Who it is, whatever it is told.
    fn place(&self) -> String {
        match &self.recipient {
            None => self.channel.clone(),
            Some(recipient) => format!("{} <{recipient}>", self.channel),
        }
    }

    fn sending(&self) -> String {
        format!("{SENDING} {}", self.cursor())
    }

    fn unreached(&self) -> String {
        format!("{UNREACHED} {}", self.place())
    }
}

/// Whose cursor this is, for people and metrics: of a channel no recipient is named.
pub fn reader_of(cursor: &str) -> String {
    let rest = cursor.strip_prefix(URGENT).unwrap_or(cursor);
    match rest.strip_prefix(NOTIFY) {
        Some(place) => format!("{NOTIFY}{}", place.split_once(" <").map_or(place, |(channel, _)| channel)),
        None => cursor.to_owned(),
    }
}

/// Who takes no messages, since when, and what was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreached {
    /// The channel, by its name in the configuration.
    pub channel: String,
    /// Of mail: the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// What the receiver, or its server, said last.
    pub said: String,
    /// In milliseconds.
    pub since: i64,
    /// Whether it may pass by itself: nobody has said that it takes nothing before somebody mends it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_pass: bool,
}

impl Unreached {
    /// Who it is, for people.
    pub fn who(&self) -> String {
        who(&self.channel, self.recipient.as_deref())
    }

    /// The same as an alarm.
    pub fn alarm(&self) -> Alarm {
        let Self { channel, recipient, said, since, may_pass } = self.clone();
        let place = format!("channel {}", recipient.as_ref().map_or(channel.clone(), |to| format!("{channel} <{to}>")));
        Alarm { place, about: About::Channel { channel, recipient, is_dead: !may_pass }, said, since }
    }
}

/// Who takes no messages now.
pub fn unreached(c: &Tx) -> Result<Vec<Unreached>, StoreError> {
    of_receivers(c, UNREACHED)?.iter().map(|(_, text)| Ok(serde_json::from_str(text)?)).collect()
}

fn heard_of(hold: i64) -> String {
    format!("heard {hold}")
}

/// Up to which row each channel has heard of what one person has decided alone about a hold. Where a channel is in the audit says
/// nothing about it: one that is new has been told nothing of before.
fn heard(c: &Tx, hold: i64) -> Result<BTreeMap<String, i64>, StoreError> {
    Ok(meta(c, &heard_of(hold))?.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default())
}

/// A channel has heard what one person has decided alone about a hold.
fn hear(c: &Tx, hold: i64, channel: &str, seq: i64) -> Result<(), StoreError> {
    if super::rows::hold::open(c, hold)?.is_none() {
        return Ok(());
    }
    let mut heard = heard(c, hold)?;
    heard.insert(channel.to_owned(), seq);
    set_meta(c, &heard_of(hold), &serde_json::to_string(&heard)?)
}

/// Whether any of these channels has heard of this row about a hold.
pub(super) fn is_heard(c: &Tx, hold: i64, seq: i64, channels: &BTreeSet<String>) -> Result<bool, StoreError> {
    Ok(heard(c, hold)?.iter().any(|(channel, heard)| channels.contains(channel) && *heard >= seq))
}

/// A hold is decided: who has heard of it counts for nothing.
pub(super) fn unhear(c: &Tx, hold: i64) -> Result<(), StoreError> {
    forget(c, &heard_of(hold))
}

impl Store {
    /// These readers of the audit are waited for, and no others. A receiver of messages that is new begins at the end: it is told
    /// what comes; one whose channel was told as a whole before goes on from there.
    pub async fn keep_readers(&self, sinks: Vec<String>, receivers: Vec<Receiver>) -> Result<(), StoreError> {
        self.run(move |c| {
            let (last, known) = (super::audit_log::end(c)?.0, audit_rows::sinks(c)?);
            for receiver in &receivers {
                let former = format!("{NOTIFY}{}", receiver.channel);
                let from = known.iter().find(|(name, ..)| *name == former).map_or(last, |(_, seq, _)| *seq);
                audit_rows::begin(c, &receiver.cursor(), from)?;
            }
            let names: Vec<String> = sinks.into_iter().chain(receivers.iter().map(Receiver::cursor)).collect();
            audit_rows::keep_sinks(c, &names)?;
            let kept: BTreeSet<String> =
                receivers.iter().flat_map(|receiver| [receiver.sending(), receiver.unreached()]).collect();
            for word in [SENDING, UNREACHED] {
                for (rest, _) in of_receivers(c, word)? {
                    let key = format!("{word} {rest}");
                    if !kept.contains(&key) {
                        forget(c, &key)?;
                    }
                }
            }
            Ok(())
        })
        .await
    }

    /// Up to which row the message reaches that was on its way to a receiver when nothing more was heard of it.
    pub async fn sending(&self, receiver: &Receiver) -> Result<Option<i64>, StoreError> {
        let key = receiver.sending();
        self.run(move |c| {
            let text = meta(c, &key)?;
            text.map(|text| text.parse().map_err(|e| super::rows::meta::damaged(&key, &format!("{e}")))).transpose()
        })
        .await
    }

    /// A message up to this row is on its way from here on: whatever happens, it is sent again as it is.
    pub async fn begin_sending(&self, receiver: &Receiver, to: i64) -> Result<(), StoreError> {
        let key = receiver.sending();
        self.run(move |c| set_meta(c, &key, &to.to_string())).await
    }

    /// A receiver has taken everything up to this row. `announced` are the holds of which it was told what one person has decided
    /// alone, with the row that says so.
    pub async fn taken(
        &self,
        receiver: &Receiver,
        to: i64,
        announced: Vec<(i64, i64)>,
        now: Moment,
    ) -> Result<(), StoreError> {
        let receiver = receiver.clone();
        self.run(move |c| {
            audit_rows::delivered(c, &receiver.cursor(), to)?;
            for (hold, seq) in announced {
                hear(c, hold, &receiver.channel, seq)?;
            }
            forget(c, &receiver.sending())?;
            if meta(c, &receiver.unreached())?.is_some() {
                forget(c, &receiver.unreached())?;
                let Receiver { channel, recipient, .. } = receiver.clone();
                append(c, &Record::general(now, Event::Reached(Reached { channel, recipient })))?;
            }
            Ok(())
        })
        .await
    }

    /// A receiver takes nothing, since a moment; `may_pass` where nobody has said that somebody has to mend it.
    pub async fn not_taken(
        &self,
        receiver: &Receiver,
        said: String,
        (since, may_pass): (Moment, bool),
        now: Moment,
    ) -> Result<(), StoreError> {
        let receiver = receiver.clone();
        self.run(move |c| {
            let (key, Receiver { channel, recipient, .. }) = (receiver.unreached(), receiver.clone());
            let known = meta(c, &key)?.map(|text| serde_json::from_str::<Unreached>(&text)).transpose()?;
            if known.is_none() {
                let event = Unreaching { channel: channel.clone(), recipient: recipient.clone(), said: said.clone() };
                append(c, &Record::general(now, Event::Unreached(event)))?;
            }
            let since = known.map_or(since.millis(), |known| known.since);
            let unreached = Unreached { channel, recipient, said, since, may_pass };
            set_meta(c, &key, &serde_json::to_string(&unreached)?)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ChangeKind;
    use crate::domain::plan::rulebook::tests::rulebook;
    use crate::metrics::Metrics;
    use crate::store::rows::hold;
    use std::sync::Arc;

    fn receiver(channel: &str) -> Receiver {
        Receiver { channel: channel.into(), recipient: None, urgent: true }
    }

    #[tokio::test]
    async fn a_channel_that_is_new_has_not_heard_what_was_said_before_it_came() {
        let (folder, now) = (tempfile::tempdir().expect("a folder"), Moment::from_secs(1_000));
        let place = folder.path().join("s.db");
        let store = Store::open(place, Arc::new(rulebook()), Metrics::new().store).expect("opens");
        let kind = ChangeKind::Deactivate;
        let hold = store.run(move |c| hold::insert(c, "acme", kind, ("all", "many"), 2, now)).await.expect("held");
        let (dead, new) = (receiver("dead"), receiver("new"));
        store.keep_readers(Vec::new(), vec![dead, new.clone()]).await.expect("keeps");
        let channels = BTreeSet::from(["dead".to_owned(), "new".to_owned()]);
        let heard = async |seq: i64| {
            let channels = channels.clone();
            store.run(move |c| is_heard(c, hold, seq, &channels)).await.expect("reads")
        };
        assert!(!heard(0).await, "it begins behind the row");
        store.taken(&new, 9, Vec::new(), now).await.expect("takes");
        assert!(!heard(7).await, "it was told of something else");
        store.taken(&new, 9, vec![(hold, 8)], now).await.expect("takes");
        assert!(heard(8).await && heard(7).await && !heard(9).await);
        store.run(move |c| unhear(c, hold)).await.expect("forgets");
        assert!(!heard(7).await);
    }

    #[test]
    fn the_recipients_of_a_channel_are_one_reader_for_people() {
        let mail = |urgent| Receiver { channel: "hr".into(), recipient: Some("ann@acme.com".into()), urgent };
        assert_eq!(mail(true).cursor(), "urgent notify hr <ann@acme.com>");
        for cursor in [mail(true).cursor(), mail(false).cursor(), "notify hr".into(), "urgent notify hr".into()] {
            assert_eq!(reader_of(&cursor), "notify hr");
        }
        assert_eq!(reader_of("http siem"), "http siem");
    }
}
