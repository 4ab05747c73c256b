//! The handle to the store that everybody has who writes or reads.

use super::engine::{Condition, Location, Node, Operator, Reader, Seat, StoreError, Tx, Writer};
use super::live::LiveRules;
use super::rows::intent;
use super::stayed::has_stayed;
use super::stops::Stops;
use crate::domain::Rulebook;
use crate::metrics::StoreMetrics;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A handle to the store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    pub(super) rules: LiveRules,
    /// The service is about to end: nothing begins any more.
    draining: Arc<AtomicBool>,
    pub(super) stops: Stops,
}

impl Store {
    /// Opens the store at a place, making or migrating it, and locks it for this process. `rules` decide about people
    /// inside the transactions that show them.
    pub fn open(place: impl Into<Location>, rules: Arc<Rulebook>, metrics: StoreMetrics) -> Result<Self, StoreError> {
        Self::of(Writer::open(&place.into(), None, metrics)?, rules)
    }

    /// The same as the node `me` of a store on a server: `Locked` at once where another one serves.
    pub fn open_as(
        me: &Node,
        place: &Location,
        rules: Arc<Rulebook>,
        metrics: StoreMetrics,
    ) -> Result<Self, StoreError> {
        Self::of(Writer::open(place, Some(me), metrics)?, rules)
    }

    fn of(writer: Writer, rules: Arc<Rulebook>) -> Result<Self, StoreError> {
        let reader = Reader::open(writer.place())?;
        has_stayed(&reader, writer.place())?;
        let stops = Stops::within(writer.fence().clone());
        Ok(Self { writer, rules: LiveRules::new(rules), draining: Arc::default(), stops })
    }

    /// Whether this process may act for the store, or why another node may by now.
    pub fn may_act(&self) -> Result<(), String> {
        self.writer.fence().may_start()
    }

    /// The right to serve, of a store on a server.
    pub fn seat(&self) -> &Seat {
        self.writer.seat()
    }

    /// What keeps the store from being written right now.
    pub fn condition(&self) -> &Condition {
        self.writer.condition()
    }

    /// Somebody met an error beside the thread of the store: damage is damage wherever it is met.
    pub fn note(&self, e: &StoreError) {
        self.condition().saw(&e.failure());
    }

    /// The same in words, naming the file.
    pub fn trouble(&self) -> Option<String> {
        self.condition().message(self.path())
    }

    /// Brings everything into the one file and closes it, after what was asked for before; then the store has stopped.
    pub async fn close(&self) -> Result<(), String> {
        self.writer.close().await
    }

    /// Attributes that correlation looks accounts up by.
    pub(super) fn matched(&self) -> Vec<String> {
        self.rules.load().matching.iter().map(|rule| rule.attribute.clone()).collect()
    }

    /// From now on nobody is claimed and no call is announced; outcomes are still written.
    pub fn begin_nothing_more(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether the service is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Whether nothing begins any more: the service is about to end, or what it would act upon cannot be trusted.
    pub(super) fn begins_nothing(&self) -> bool {
        self.is_draining() || self.condition().is_damaged()
    }

    /// Calls that were announced and have no outcome yet.
    pub async fn in_flight(&self) -> Result<i64, StoreError> {
        self.run(intent::count).await
    }

    /// Where it is.
    pub const fn place(&self) -> &Location {
        self.writer.place()
    }

    /// The file; of a store on a server, its address as it is shown.
    pub fn path(&self) -> &Path {
        self.place().shown()
    }

    /// Runs `job` in the writer's transaction; what it returns arrives after the commit. A job that fails leaves no
    /// trace.
    pub async fn run<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Tx) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.run(job).await
    }

    /// For an operator's decision beside the service, which acts upon it soon.
    pub fn operator(place: impl Into<Location>) -> Result<Operator, StoreError> {
        let place = place.into();
        let operator = Operator::open(&place)?;
        has_stayed(&operator, &place)?;
        Ok(operator)
    }

    /// For reading beside the writer.
    pub fn reader(place: impl Into<Location>) -> Result<Reader, StoreError> {
        Reader::open(&place.into())
    }

    /// A copy of a store, for reading; it may be of an earlier version.
    pub fn copy(path: &Path) -> Result<Reader, StoreError> {
        Reader::of_copy(path)
    }
}
