//! What is still missing before the service can be said to keep Okta true to Namely.

use crate::domain::guard::alarm::{Alarm, Sign};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Says why something is missing, if it is, at the moment it is asked.
type Watch = Box<dyn Fn() -> Option<String> + Send + Sync>;

#[derive(Default)]
struct Known {
    said: BTreeMap<String, String>,
    watched: Vec<(String, Watch)>,
    /// What somebody should look at although nothing is missing.
    notices: BTreeMap<String, String>,
    /// Why what is missing is so, who can mend it, and since when, of what is ill.
    ill: BTreeMap<String, Alarm>,
    /// What was seen to do its work and is not ill.
    well: BTreeSet<String>,
    /// Who takes no messages, as the store has it.
    unreached: Vec<Alarm>,
}

/// What a node that serves says of itself to whoever asks another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// What is missing, and why.
    pub missing: BTreeMap<String, String>,
    /// What somebody should look at although nothing is missing.
    pub notices: BTreeMap<String, String>,
    /// What is ill of what is missing.
    #[serde(default)]
    pub alarms: Vec<Alarm>,
}

impl Said {
    /// At this moment.
    pub fn of(readiness: &Readiness) -> Self {
        Self { missing: readiness.reasons(), notices: readiness.notices(), alarms: readiness.alarms() }
    }

    /// As it is kept beside the node.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As it was kept; nothing where the node has not said anything yet, or is of a version that says it otherwise.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// Reasons why the service is not ready; empty when it is. Shared by the actors and the health endpoint.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<Known>>);

impl Readiness {
    /// `what` is missing, because of `why`.
    pub fn missing(&self, what: &str, why: impl Into<String>) {
        self.with(|known| known.said.insert(what.to_owned(), why.into()));
    }

    /// The place of an alarm is missing, and ill, since the first of them without `have` in between.
    pub fn ill(&self, alarm: Alarm) {
        self.with(|known| {
            let place = alarm.place.clone();
            let since = known.ill.get(&place).map_or(alarm.since, |before| before.since);
            known.well.remove(&place);
            known.said.insert(place.clone(), alarm.said.clone());
            known.ill.insert(place, Alarm { since, ..alarm });
        });
    }

    /// `what` is there now, and does its work.
    pub fn have(&self, what: &str) {
        self.with(|known| {
            known.said.remove(what);
            known.ill.remove(what);
            known.well.insert(what.to_owned());
        });
    }

    /// What is ill, in order of its places.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.with(|known| known.ill.values().cloned().collect())
    }

    /// Who takes no messages, as it was last read from the store.
    pub fn unreached(&self) -> Vec<Alarm> {
        self.with(|known| known.unreached.clone())
    }

    /// These take no messages.
    pub fn are_unreached(&self, unreached: Vec<Alarm>) {
        self.with(|known| known.unreached = unreached);
    }

    /// What is ill, and what was seen to do its work.
    pub fn signs(&self) -> Vec<Sign> {
        self.with(|known| {
            let ill = known.ill.values().cloned().map(Sign::Ill);
            ill.chain(known.well.iter().cloned().map(Sign::Well)).collect()
        })
    }

    /// From now on `why` is asked whether `what` is missing, whenever somebody asks: for what nobody may be alive to say.
    pub fn watch(&self, what: &str, why: impl Fn() -> Option<String> + Send + Sync + 'static) {
        self.with(|known| known.watched.push((what.to_owned(), Box::new(why))));
    }

    /// Somebody should look at `what`, although nothing is missing because of it.
    pub fn notice(&self, what: &str, why: impl Into<String>) {
        self.with(|known| known.notices.insert(what.to_owned(), why.into()));
    }

    /// Nobody need look at `what` any more.
    pub fn settle(&self, what: &str) {
        self.with(|known| known.notices.remove(what));
    }

    /// What somebody should look at although nothing is missing.
    pub fn notices(&self) -> BTreeMap<String, String> {
        self.with(|known| known.notices.clone())
    }

    /// Everything that is missing.
    pub fn reasons(&self) -> BTreeMap<String, String> {
        self.with(|known| {
            let watched = known.watched.iter().filter_map(|(what, why)| Some((what.clone(), why()?)));
            watched.chain(known.said.clone()).collect()
        })
    }

    /// Whether nothing is missing.
    pub fn is_ready(&self) -> bool {
        self.reasons().is_empty()
    }

    fn with<T>(&self, f: impl FnOnce(&mut Known) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
