//! What is still missing before the service can be said to keep Okta true to Namely.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Reasons why the service is not ready; empty when it is. Shared by the actors and the health endpoint.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, String>>>);

impl Readiness {
    /// `what` is missing, because of `why`.
    pub fn missing(&self, what: &str, why: impl Into<String>) {
        self.with(|reasons| reasons.insert(what.to_owned(), why.into()));
    }

    /// `what` is there now.
    pub fn have(&self, what: &str) {
        self.with(|reasons| reasons.remove(what));
    }

    /// Everything that is missing.
    pub fn reasons(&self) -> BTreeMap<String, String> {
        self.with(|reasons| reasons.clone())
    }

    /// Whether nothing is missing.
    pub fn is_ready(&self) -> bool {
        self.with(|reasons| reasons.is_empty())
    }

    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
