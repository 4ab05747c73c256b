//! The one place where anything survives: SQLite, one writer thread, group commit.
//!
//! **Invariant:** a future returned by `Store` resolves only after the commit that made it true has reached the disk
//! (WAL, `synchronous=FULL`). What was submitted together is committed together, each job all or nothing.

mod accounts;
mod administrators;
mod adopting;
mod adoption;
mod anchors;
mod approvals;
mod approved;
mod audit_log;
mod candidates;
mod cases;
mod circles;
mod contact;
mod correlate;
mod coverage;
mod dirty;
mod documents;
mod drifted;
mod engine;
mod evaluation;
mod everybody;
mod findings;
mod forced;
mod holds;
mod joining;
mod keepers;
mod lease;
mod links;
mod mass;
mod missing;
mod pages;
mod parting;
mod pause;
mod pins;
mod preview_match;
mod previews;
mod prime;
mod proof;
mod quarantined;
mod reconcile;
mod recovery;
mod refresh;
mod rejections;
mod relink;
mod renamed;
mod requests;
mod restraint;
mod reviews;
mod rows;
mod rules;
mod runs;
mod search;
mod split;
mod stops;
mod twins;
mod undo;
mod unreadable;
mod unrouted;
mod verdicts;
mod views;
mod votes;

pub use adoption::{Adoption, Entry as AdoptionEntry, adoption};
pub use anchors::ambiguous_anchors;
pub use approvals::{Approval, Planned, Refused, Taken, Unfit, approve};
pub use audit_log::{
    Filter, Pruned, append, checkpoints, filter_audit, is_a_run, prune_audit, read_audit, rows_of_run, verify_audit,
};
pub use cases::{brief, whole, whole_with};
pub use contact::accept as accept_adoption;
pub use documents::{PageCommit, PageOutcome};
pub use drifted::Drifted;
pub use engine::{
    Condition, Failure, Operator, Reader, Row, SqlError, StoreError, Trouble, Tx, beside, location, lock,
};
pub use findings::findings;
pub use forced::refusal;
pub use holds::org_of_hold;
pub use lease::{EndStep, Want};
pub use pages::{Backlog, backlog, known_hashes};
pub use pause::{Pause, pause, pauses, resume};
pub use preview_match::{Outlook, Side};
pub use previews::{Extent, directory, preview_of, previews};
pub use prime::{Primed, accept_list};
pub use quarantined::{QuarantinedPerson, Waiting, quarantined, retry, waiting};
pub use reconcile::{Compared, OrgRead};
pub use recovery::Recovered;
pub use requests::{OperatorRequest, Request, all_there, is_done, request};
pub use reviews::{Opined, Opinion, opine, review_outlook, reviews};
pub use rows::audit::AuditRow;
pub use rows::link::{Linked, StoredPerson, meant as find, name_of, population};
pub use rows::missing::of_tenant as missing_profiles;
pub use rows::org::{identity, is_read};
pub use rows::pin::pinned;
pub use rows::review::Review;
pub use rows::source::unreadable;
pub use rules::LiveRules;
pub use search::Sought;
pub use split::{linked, split_outlook};
pub use stops::{InFlight, Paused, Stops};
pub use undo::{Restores, Scope, Undo, undo};
pub use views::attention::{AttentionItem, attention};
pub use views::holds::{HeldChanges, HeldPerson, held_people, holds};
pub use views::leavers::{LeaverWithAccess, leavers_with_access};
pub use views::missing::{MissingAccount, MissingPerson, MissingState, missing_people};
pub use views::progress::{Progress, progress};
pub use views::starters::{Starter, starters};
pub use views::vitals::{OrgVitals, Used, Vitals, vitals};
pub use votes::{Ballot, Voted, cancel, reverse, vote};

use crate::domain::Rulebook;
use crate::domain::work::machine::ANY_BUCKET;
use crate::metrics::StoreMetrics;
use engine::{Writer, alone};
use rows::change::change_of;
use rows::meta::{meta, number, set_meta};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A handle to the store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    rules: LiveRules,
    /// The service is about to end: nothing begins any more.
    draining: Arc<AtomicBool>,
    stops: Stops,
}

impl Store {
    /// Opens the store at `path`, making or migrating it, and locks it for this process. `rules` decide about people
    /// inside the transactions that show them.
    pub fn open(path: &Path, rules: Arc<Rulebook>, metrics: StoreMetrics) -> Result<Self, StoreError> {
        let writer = Writer::open(path, metrics)?;
        Ok(Self { writer, rules: LiveRules::new(rules), draining: Arc::default(), stops: Stops::default() })
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
    fn matched(&self) -> Vec<String> {
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
    fn begins_nothing(&self) -> bool {
        self.is_draining() || self.condition().is_damaged()
    }

    /// Calls that were announced and have no outcome yet.
    pub async fn in_flight(&self) -> Result<i64, StoreError> {
        self.run(rows::intent::count).await
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.writer.path()
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
    pub fn operator(path: &Path) -> Result<Operator, StoreError> {
        Operator::open(path)
    }

    /// For reading beside the writer.
    pub fn reader(path: &Path) -> Result<Reader, StoreError> {
        Reader::open(path)
    }

    /// A copy of a store, for reading; it may be of an earlier version.
    pub fn copy(path: &Path) -> Result<Reader, StoreError> {
        Reader::of_copy(path)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trouble_tests;
#[cfg(test)]
mod unreadable_tests;
