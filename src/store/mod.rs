//! The one place where anything survives: SQLite, one writer thread, group commit.
//!
//! **Invariant:** a future returned by `Store` resolves only after the commit that made it true has reached the disk
//! (WAL, `synchronous=FULL`). What was submitted together is committed together, each job all or nothing.

mod accounts;
mod administrators;
mod adoption;
mod anchors;
mod approvals;
mod attention;
mod audit_log;
mod cases;
mod circles;
mod contact;
mod correlate;
mod coverage;
mod evaluation;
mod findings;
mod forced;
mod holds;
mod joining;
mod keepers;
mod lease;
mod leavers;
mod links;
pub mod location;
mod migrate;
mod opening;
mod pages;
mod pause;
mod pins;
mod preview_match;
mod previews;
mod prime;
mod quarantined;
mod reconcile;
mod recovery;
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
mod starters;
mod stops;
mod trouble;
mod twins;
mod undo;
mod unreadable;
mod unrouted;
mod vitals;
mod votes;

pub use adoption::{Adoption, Entry as AdoptionEntry, adoption};
pub use anchors::ambiguous_anchors;
pub use approvals::{Approval, Planned, Refused, Taken, Unfit, approve};
pub use attention::{AttentionItem, attention};
pub use audit_log::{
    AuditRow, Filter, Pruned, append, checkpoints, filter_audit, is_a_run, prune_audit, read_audit, rows_of_run,
    verify_audit,
};
pub use cases::{StoredPerson, brief, find, name_of, population, whole, whole_with};
pub use contact::accept as accept_adoption;
pub use findings::findings;
pub use forced::refusal;
pub use holds::{HeldChanges, HeldPerson, held_people, holds, org_of_hold};
pub use lease::{EndStep, Want};
pub use leavers::{LeaverWithAccess, leavers_with_access};
pub use opening::{lock, verify_pages, verify_quickly};
pub use pages::{Backlog, PageCommit, PageOutcome, backlog, known_hashes};
pub use pause::{Pause, pause, pauses, resume};
pub use pins::pinned;
pub use preview_match::{Outlook, Side};
pub use previews::{Extent, directory, identity, preview_of, previews};
pub use prime::{Primed, accept_list, is_read};
pub use quarantined::{QuarantinedPerson, Waiting, quarantined, retry, waiting};
pub use reconcile::{Compared, Drifted, OrgRead};
pub use recovery::Recovered;
pub use requests::{OperatorRequest, Request, all_there, is_done, request};
pub use reviews::{Opined, Opinion, Review, opine, review_outlook, reviews};
pub use rules::LiveRules;
pub use search::Sought;
pub use split::{Linked, linked, split_outlook};
pub use starters::{Starter, starters};
pub use stops::{InFlight, Paused, Stops};
pub use trouble::{Condition, Failure, Trouble};
pub use undo::{Restores, Scope, Undo, undo};
pub use unreadable::unreadable;
pub use vitals::{OrgVitals, Used, Vitals, vitals};
pub use votes::{Ballot, Voted, cancel, reverse, vote};

use crate::domain::work::machine::ANY_BUCKET;
use crate::domain::{ChangeKind, Rulebook};
use crate::metrics::StoreMetrics;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Jobs committed together at most.
const GROUP: usize = 256;
/// Jobs waiting at most.
const QUEUE: usize = 1024;
/// How often it is logged that a lock is waited for.
const LOCK_REPORTED: Duration = Duration::from_secs(30);

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store {path} is in use by {holder}; stop that one first (only one service may run on a store)")]
    Locked { path: PathBuf, holder: String },
    #[error(
        "the store {path} has schema version {found}, this program knows {}; use the newer program",
        migrate::VERSION
    )]
    TooNew { path: PathBuf, found: i64 },
    #[error(
        "the store {path} has schema version {found} of a version that was never released; move it away and start with a \
         new one: everything but the audit is read again from both sides"
    )]
    TooOld { path: PathBuf, found: i64 },
    #[error(
        "the store {path} has schema version {found}, this program needs {}; start the service with this program first \
         (`run`): it brings the store up to date and keeps a copy",
        migrate::VERSION
    )]
    Behind { path: PathBuf, found: i64 },
    // Not as a source either.
    #[error("the store {path} cannot be used: {error}; {}", opening::advice(error))]
    Io { path: PathBuf, error: std::io::Error },
    #[error("{path} is {what}; {to_do}")]
    NotAFile { path: PathBuf, what: &'static str, to_do: &'static str },
    #[error(
        "the store {path} is a link to {target}, where nothing is: mount what holds it, or name another file as service.store"
    )]
    LinkToNowhere { path: PathBuf, target: PathBuf },
    #[error(
        "the store {path} is empty (0 bytes): a copy has broken off, or a disk was full. Put a copy in its place with \
         `restore BACKUP --config FILE`, or remove the file to begin with a new store: everything but the audit is read again \
         from both sides"
    )]
    Empty { path: PathBuf },
    #[error("the store {path} is a database of another program; name another file as service.store")]
    Foreign { path: PathBuf },
    #[error("the store {path} cannot be used: {failure}")]
    Unusable { path: PathBuf, failure: Failure },
    #[error(
        "{holder} has held a lock on the store {path} for {seconds} s, and nothing was done: end it (a copy, a session of \
         sqlite3) or wait for it, then try again"
    )]
    Busy { path: PathBuf, holder: String, seconds: u64 },
    #[error("the store failed: {}", Failure::of(.0))]
    Sqlite(rusqlite::Error),
    #[error("the store failed to commit: {0}")]
    Commit(Failure),
    #[error("a document in the store cannot be read: {0}")]
    Document(serde_json::Error),
    #[error("{0}")]
    NotThere(String),
    #[error("{0}")]
    NotNow(String),
    #[error("the store has stopped")]
    Stopped,
}

// Not as a source: what it says is said once.
impl From<rusqlite::Error> for StoreError {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sqlite(e)
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(e: serde_json::Error) -> Self {
        Self::Document(e)
    }
}

/// The kind of change of a stored word.
fn change_of(word: &str) -> Result<ChangeKind, StoreError> {
    ChangeKind::parse(word).ok_or_else(|| {
        let message = format!("{word:?} is no kind of change that this version knows; use the newest version");
        StoreError::Document(serde::de::Error::custom(message))
    })
}

type After = Box<dyn FnOnce(Result<(), Failure>) + Send>;
/// Gets no connection where there is no transaction (any more): then it only answers. What failed is told beside the answer.
type Job = Box<dyn FnOnce(Option<&Connection>) -> (After, Option<Failure>) + Send>;

enum Message {
    Job(Job),
    /// Everything that came before is done: the file is to be closed.
    Close(oneshot::Sender<Result<(), String>>),
}

/// A handle to the store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    inbox: mpsc::Sender<Message>,
    path: PathBuf,
    rules: LiveRules,
    /// The service is about to end: nothing begins any more.
    draining: Arc<AtomicBool>,
    condition: Condition,
    stops: Stops,
}

impl Store {
    /// Opens the store at `path`, making or migrating it, and locks it for this process. `rules` decide about people
    /// inside the transactions that show them.
    pub fn open(path: &Path, rules: Arc<Rulebook>, metrics: StoreMetrics) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        let connection = opening::open(path)?;
        let condition = Condition::new(metrics.trouble.clone());
        let (sender, inbox) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("store".into());
        let served = Served { path: path.to_owned(), condition: condition.clone(), metrics };
        thread
            .spawn(move || {
                let _lock = lock;
                let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| served.serve(connection, inbox)));
                if served.is_err() {
                    // Crash-only: nothing that follows could be trusted, and a restart reads everything from the file.
                    tracing::error!("the store panicked; the process ends and can be started again on the same store");
                    std::process::exit(70);
                }
            })
            .map_err(|error| StoreError::Io { path: path.to_owned(), error })?;
        let rules = LiveRules::new(rules);
        Ok(Self {
            inbox: sender,
            path: path.to_owned(),
            rules,
            draining: Arc::default(),
            condition,
            stops: Stops::default(),
        })
    }

    /// What keeps the store from being written right now.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Somebody met an error beside the thread of the store: damage is damage wherever it is met.
    pub fn note(&self, e: &StoreError) {
        self.condition.saw(&e.failure());
    }

    /// The same in words, naming the file.
    pub fn trouble(&self) -> Option<String> {
        self.condition.message(&self.path)
    }

    /// Brings everything into the one file and closes it, after what was asked for before; then the store has stopped.
    pub async fn close(&self) -> Result<(), String> {
        let (answer, closed) = oneshot::channel();
        let sent = self.inbox.send(Message::Close(answer)).await;
        sent.map_err(|_| StoreError::Stopped.to_string())?;
        closed.await.map_err(|_| StoreError::Stopped.to_string())?
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
        self.is_draining() || self.condition.is_damaged()
    }

    /// Calls that were announced and have no outcome yet.
    pub async fn in_flight(&self) -> Result<i64, StoreError> {
        self.run(|c| Ok(c.prepare_cached("SELECT count(*) FROM intent")?.query_row([], |row| row.get(0))?)).await
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `job` in the writer's transaction; what it returns arrives after the commit. A job that fails leaves no
    /// trace.
    pub async fn run<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let path = self.path.clone();
        let job: Job = Box::new(move |connection| {
            let result = connection.map(|connection| alone(connection, job));
            let failed = result.as_ref().and_then(|result| result.as_ref().err()).map(StoreError::failure);
            let after = Box::new(move |committed| {
                let result = match (committed, result) {
                    (Ok(()), Some(result)) => result,
                    (Ok(()), None) => Err(StoreError::Stopped),
                    (Err(failure), _) => Err(StoreError::Commit(failure)),
                };
                let _ = reply.send(result.map_err(|e| e.at(&path)));
            });
            (after as After, failed)
        });
        self.inbox.send(Message::Job(job)).await.map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }

    /// A connection for an operator's decision beside the service, which acts upon it soon. Everything else is the
    /// service's own to write.
    pub fn operator(path: &Path) -> Result<Connection, StoreError> {
        opening::operator(path)
    }

    /// A connection for reading beside the writer.
    pub fn reader(path: &Path) -> Result<Connection, StoreError> {
        let open = || {
            let connection = opening::read_only(path)?;
            migrate::check(path, &connection)?;
            Ok(connection)
        };
        open().map_err(|e: StoreError| e.at(path))
    }

    /// A copy of a store, for reading; it may be of an earlier version.
    pub fn copy(path: &Path) -> Result<Connection, StoreError> {
        let open = || {
            let connection = opening::read_only(path)?;
            migrate::check_copy(path, &connection)?;
            Ok(connection)
        };
        open().map_err(|e: StoreError| e.at(path))
    }
}

/// A file beside the store: its name and a suffix.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What the thread of the store works with.
struct Served {
    path: PathBuf,
    condition: Condition,
    metrics: StoreMetrics,
}

impl Served {
    fn serve(self, connection: Connection, mut inbox: mpsc::Receiver<Message>) {
        let mut closing = None;
        while closing.is_none() {
            match inbox.blocking_recv() {
                Some(Message::Job(first)) => closing = self.group(&connection, first, &mut inbox),
                Some(Message::Close(answer)) => closing = Some(answer),
                None => break,
            }
        }
        let closed = opening::close(connection);
        if let Err(why) = &closed {
            tracing::warn!(%why, "the store is not in one file: keep the file that ends with -wal with it");
        }
        if let Some(answer) = closing {
            let _ = answer.send(closed);
        }
    }

    /// Commits what waits together; returns whoever wants the file to be closed after it.
    fn group(
        &self,
        connection: &Connection,
        first: Job,
        inbox: &mut mpsc::Receiver<Message>,
    ) -> Option<oneshot::Sender<Result<(), String>>> {
        let timer = self.metrics.commit_seconds.start_timer();
        let (mut answers, mut culprit, mut closing): (Vec<After>, Option<Failure>, _) = (Vec::new(), None, None);
        let begun = self.begin(connection);
        let before = connection.total_changes();
        let mut next = Some(first);
        while let Some(job) = next.take() {
            // SQLite may roll everything back by itself (a full disk): what comes then would be committed one by one, and
            // told to have failed.
            let (after, failed) = job((!connection.is_autocommit()).then_some(connection));
            answers.push(after);
            if let Some(failed) = failed.filter(|failed| failed.trouble != Trouble::Refused) {
                self.condition.saw(&failed);
                culprit.get_or_insert(failed);
            }
            if answers.len() < GROUP {
                match inbox.try_recv() {
                    Ok(Message::Job(job)) => next = Some(job),
                    Ok(Message::Close(answer)) => closing = Some(answer),
                    Err(_) => {}
                }
            }
        }
        let committed = begun.and_then(|()| match connection.is_autocommit() {
            true => Err(culprit.unwrap_or_else(Failure::rolled_back)),
            false => connection.execute_batch("COMMIT").map_err(|e| Failure::of(&e)),
        });
        match &committed {
            Ok(()) if connection.total_changes() > before => self.condition.written(),
            Ok(()) => {}
            Err(failure) => {
                self.condition.saw(failure);
                tracing::error!(why = %failure, "the store could not commit; nothing of this group was written");
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
        timer.observe_duration();
        self.metrics.jobs_per_commit.observe(answers.len() as f64);
        answers.into_iter().for_each(|after| after(committed.clone()));
        closing
    }

    /// Begins a transaction. Somebody else's lock on the file (a backup, an operator's session) is waited for, and told:
    /// nothing may go on without the store.
    fn begin(&self, connection: &Connection) -> Result<(), Failure> {
        loop {
            let failure = match connection.execute_batch("BEGIN IMMEDIATE") {
                Ok(()) => {
                    self.condition.free();
                    return Ok(());
                }
                Err(e) => Failure::of(&e),
            };
            if failure.trouble != Trouble::Locked {
                return Err(failure);
            }
            let holder = trouble::holder(&self.path);
            let waited = self.condition.waits(opening::TRY, holder.clone());
            if waited.as_millis().is_multiple_of(LOCK_REPORTED.as_millis()) || waited == opening::TRY * 2 {
                let holder = holder.as_deref().unwrap_or("another program");
                tracing::warn!(
                    seconds = waited.as_secs(),
                    "{holder} holds a lock on the store; everything waits for it"
                );
            }
        }
    }
}

/// Does something that leaves no trace if it fails, within a transaction that goes on.
fn alone<T>(c: &Connection, job: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
    c.prepare_cached("SAVEPOINT job")?.execute([])?;
    let result = job(c);
    if c.is_autocommit() {
        return result; // rolled back as a whole, with this savepoint
    }
    if result.is_err() {
        c.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    c.prepare_cached("RELEASE job")?.execute([])?;
    result
}

/// A value of `meta`.
fn meta(connection: &Connection, key: &str) -> Result<Option<String>, StoreError> {
    use rusqlite::OptionalExtension;
    let mut find = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(find.query_row([key], |row| row.get(0)).optional()?)
}

fn set_meta(connection: &Connection, key: &str, value: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")?
        .execute([key, value])?;
    Ok(())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod trouble_tests;
#[cfg(test)]
mod unreadable_tests;
