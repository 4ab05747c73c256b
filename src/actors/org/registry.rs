//! Where the orgs that are at work can be found: whoever makes people dirty wakes their dispatchers here.

use crate::actors::dispatcher::{Dispatcher, Wake};
use crate::actors::forecaster::Forecaster;
use crate::mailbox::Gate;
use std::sync::{Arc, Mutex, PoisonError};

/// An org at work: what is woken, and what forecasts its backlog.
type Started = (Gate<Dispatcher>, Forecaster);

/// The orgs at work. Shared and cheap to clone.
#[derive(Clone, Default)]
pub struct OrgRegistry(Arc<Mutex<Vec<Started>>>);

impl OrgRegistry {
    /// An org begins to work.
    pub(crate) fn post(&self, dispatcher: Gate<Dispatcher>, forecaster: Forecaster) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((dispatcher, forecaster));
    }

    /// Somebody is dirty.
    pub fn wake(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|(gate, _)| gate.signal(Wake));
    }

    /// What forecasts the backlog of each org.
    pub fn forecasters(&self) -> Vec<Forecaster> {
        let orgs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        orgs.iter().map(|(_, forecaster)| forecaster.clone()).collect()
    }
}
