//! The rules that hold now. They can be exchanged while the service runs; whoever decides loads them when they decide.

use crate::domain::Rulebook;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Shared and cheap to clone.
#[derive(Clone)]
pub struct LiveRules(Arc<ArcSwap<Rulebook>>);

impl LiveRules {
    /// These rules, until others come.
    pub fn new(rules: Arc<Rulebook>) -> Self {
        Self(Arc::new(ArcSwap::new(rules)))
    }

    /// The rules that hold now.
    pub fn load(&self) -> Arc<Rulebook> {
        self.0.load_full()
    }

    /// From now on these hold.
    pub(super) fn exchange(&self, rules: Arc<Rulebook>) {
        self.0.store(rules);
    }
}
