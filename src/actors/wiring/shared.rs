//! What every part of the service works with.

use super::readiness::Readiness;
use super::supervisor::Supervisor;
use crate::clock::Clock;
use crate::mailbox::Bell;
use crate::metrics::Metrics;
use crate::store::{LiveRules, Store};
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
}

impl Shared {
    /// Of a service that begins on this store.
    pub fn new(clock: Clock, store: Store, metrics: Metrics) -> Self {
        let readiness = Readiness::default();
        let supervisor = Supervisor::start(&clock, &metrics, &readiness);
        Self { clock, store, metrics, readiness, supervisor, orgs: Bells::default() }
    }

    /// The rules that hold, now and whenever they are exchanged.
    pub fn rules(&self) -> LiveRules {
        self.store.rules()
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
