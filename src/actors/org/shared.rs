//! What every part of one org works with.

use crate::actors::wiring::shared::Shared;
use crate::actors::wiring::traffic::Traffic;
use crate::actors::writer::Writers;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One org, as its parts share it. Cheap to clone.
#[derive(Clone)]
pub struct Org {
    /// As in the configuration.
    pub name: Arc<str>,
    pub shared: Shared,
    pub writers: Writers,
    pub traffic: Traffic,
    /// Attributes that are read of a user object.
    pub mapped: Arc<BTreeSet<String>>,
}
