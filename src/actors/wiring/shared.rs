//! What every part of the service works with.

use super::readiness::Readiness;
use super::supervisor::Supervisor;
use crate::clock::Clock;
use crate::mailbox::Bell;
use crate::metrics::Metrics;
use crate::notify::channel::Kind;
use crate::store::{LiveRules, Store};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by every part. Cheap to clone.
#[derive(Clone)]
pub struct Shared {
    pub clock: Clock,
    pub store: Store,
    pub metrics: Metrics,
    pub readiness: Readiness,
    pub supervisor: Supervisor,
    /// The orgs that are at work: whoever makes people dirty wakes them.
    pub orgs: Bells,
    /// Channels by which single people are told what nobody else may read.
    pub channels: Channels,
}

impl Shared {
    /// Of a service that begins on this store.
    pub fn new(clock: Clock, store: Store, metrics: Metrics) -> Self {
        let readiness = Readiness::default();
        let supervisor = Supervisor::start(&clock, &metrics, &readiness);
        Self { clock, store, metrics, readiness, supervisor, orgs: Bells::default(), channels: Channels::default() }
    }

    /// The rules that hold, now and whenever they are exchanged.
    pub fn rules(&self) -> LiveRules {
        self.store.rules()
    }
}

/// Channels by their names, as they were when the service was started. Cheap to clone.
#[derive(Clone, Default)]
pub struct Channels(Arc<Mutex<HashMap<String, (Kind, reqwest::Client)>>>);

impl Channels {
    /// One more.
    pub fn add(&self, name: &str, kind: Kind, client: reqwest::Client) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), (kind, client));
    }

    /// The channel of this name.
    pub fn named(&self, name: &str) -> Option<(Kind, reqwest::Client)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// Bells that are rung together. Cheap to clone.
#[derive(Clone, Default)]
pub struct Bells(Arc<Mutex<Vec<Bell>>>);

impl Bells {
    /// One more.
    pub fn add(&self, bell: Bell) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(bell);
    }

    /// Rings all of them.
    pub fn ring(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(Bell::ring);
    }
}
