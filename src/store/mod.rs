//! The one place where anything survives: SQLite, one writer thread, group commit.
//!
//! **Invariant:** a future returned by `Store` resolves only after the commit that made it true has reached the disk
//! (WAL, `synchronous=FULL`). What was submitted together is committed together, each job all or nothing.

mod accounts;
mod adoption;
mod approvals;
mod aside;
mod attention;
mod audit_log;
mod cases;
mod findings;
mod holds;
mod judge;
mod lanes;
mod links;
mod migrate;
mod pages;
mod pause;
mod pins;
mod previews;
mod recovery;
mod relink;
mod requests;
mod reread;
mod rules;
mod starters;
mod vitals;

pub use accounts::Primed;
pub use adoption::{Adoption, accept_adoption, adoption};
pub use approvals::{Approval, approve};
pub use aside::{Aside, Waiting, aside, retry, waiting};
pub use attention::{Matter, attention};
pub use audit_log::{
    AuditRow, Filter, Pruned, append, checkpoints, filter_audit, prune_audit, read_audit, rows_of_run, verify_audit,
};
pub use cases::{Resident, brief, find, name_of, population, whole, whole_with};
pub use findings::findings;
pub use holds::{HeldChanges, HeldPerson, Voted, held_people, holds, org_of_hold, vote};
pub use lanes::{ANY_BUCKET, Begun, Claim, EndStep, Lease, Next, Release, Want};
pub use links::{Review, decide, reviews};
pub use pages::{Backlog, PageCommit, PageOutcome, backlog, known_hashes};
pub use pause::{Pause, pause, pauses, resume};
pub use pins::{Carried, carried_out};
pub use previews::{Extent, directory, identity, preview_of, previews};
pub use recovery::Recovered;
pub use requests::{Request, Wish, is_done, request};
pub use reread::{Drifted, Reread};
pub use rules::LiveRules;
pub use starters::{Starter, starters};
pub use vitals::{OrgVitals, Used, Vitals, vitals};

use crate::identity::Rulebook;
use crate::metrics::StoreMetrics;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Jobs committed together at most.
const GROUP: usize = 256;
/// Jobs waiting at most.
const QUEUE: usize = 1024;

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
    #[error("the store {path} cannot be used: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("the store failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the store failed to commit: {0}")]
    Commit(String),
    #[error("a document in the store cannot be read: {0}")]
    Document(#[from] serde_json::Error),
    #[error("the store has stopped")]
    Stopped,
}

type After = Box<dyn FnOnce(Result<(), String>) + Send>;
/// Gets no connection where there is no transaction (any more): then it only answers.
type Job = Box<dyn FnOnce(Option<&Connection>) -> After + Send>;

/// A handle to the store; cheap to clone.
#[derive(Clone)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
    path: PathBuf,
    rules: LiveRules,
    /// The service is about to end: nothing begins any more.
    draining: Arc<AtomicBool>,
}

impl Store {
    /// Opens the store at `path`, making or migrating it, and locks it for this process. `rules` decide about people
    /// inside the transactions that show them.
    pub fn open(path: &Path, rules: Arc<Rulebook>, metrics: StoreMetrics) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(128);
        migrate::migrate(path, &connection)?;
        let (jobs, inbox) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new().name("store".into());
        thread
            .spawn(move || {
                let _lock = lock;
                let served =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| serve(&connection, inbox, &metrics)));
                if served.is_err() {
                    // Crash-only: nothing that follows could be trusted, and a restart reads everything from the file.
                    tracing::error!("the store panicked; the process ends and can be started again on the same store");
                    std::process::exit(70);
                }
            })
            .map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
        Ok(Self { jobs, path: path.to_owned(), rules: LiveRules::new(rules), draining: Arc::default() })
    }

    /// Attributes that correlation looks accounts up by.
    fn matched(&self) -> Vec<String> {
        self.rules.load().matching.iter().map(|rule| rule.attribute.clone()).collect()
    }

    /// From now on nobody is claimed and no call is announced; outcomes are still written.
    pub fn begin_nothing_more(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether nothing begins any more.
    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Calls that were announced and have no outcome yet.
    pub async fn under_way(&self) -> Result<i64, StoreError> {
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
        let job: Job = Box::new(move |connection| {
            let result = connection.map(|connection| in_savepoint(connection, job));
            Box::new(move |committed| {
                let _ = reply.send(match (committed, result) {
                    (Ok(()), Some(result)) => result,
                    (Ok(()), None) => Err(StoreError::Stopped),
                    (Err(why), _) => Err(StoreError::Commit(why)),
                });
            })
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }

    /// A connection for an operator's decision beside the service, which acts upon it soon. Everything else is the
    /// service's own to write.
    pub fn operator(path: &Path) -> Result<Connection, StoreError> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.busy_timeout(Duration::from_secs(30))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        migrate::check(path, &connection)?;
        Ok(connection)
    }

    /// A connection for reading beside the writer.
    pub fn reader(path: &Path) -> Result<Connection, StoreError> {
        let connection = read_only(path)?;
        migrate::check(path, &connection)?;
        Ok(connection)
    }

    /// A copy of a store, for reading; it may be of an earlier version.
    pub fn copy(path: &Path) -> Result<Connection, StoreError> {
        let connection = read_only(path)?;
        migrate::check_copy(path, &connection)?;
        Ok(connection)
    }
}

fn read_only(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

/// A file beside the store: its name and a suffix.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Locks the store at `path` for this process, for as long as the file is open.
pub fn lock(path: &Path) -> Result<File, StoreError> {
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    let name = beside(path, ".lock");
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&name).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(io)?;
            write!(file, "process {}", std::process::id()).map_err(io)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&name).ok().filter(|holder| !holder.is_empty());
            let holder = holder.unwrap_or_else(|| "another process".to_owned());
            Err(StoreError::Locked { path: path.to_owned(), holder })
        }
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn serve(connection: &Connection, mut inbox: mpsc::Receiver<Job>, metrics: &StoreMetrics) {
    while let Some(first) = inbox.blocking_recv() {
        let timer = metrics.commit_seconds.start_timer();
        let mut answers: Vec<After> = Vec::new();
        let begun = begin(connection);
        let mut next = Some(first);
        while let Some(job) = next {
            // SQLite may roll everything back by itself (a full disk): what comes then would be committed one by one, and
            // told to have failed.
            answers.push(job((!connection.is_autocommit()).then_some(connection)));
            next = (answers.len() < GROUP).then(|| inbox.try_recv().ok()).flatten();
        }
        let committed = begun.and_then(|()| match connection.is_autocommit() {
            true => Err("everything of this group was rolled back; is the disk full?".into()),
            false => connection.execute_batch("COMMIT").map_err(|e| e.to_string()),
        });
        if let Err(why) = &committed {
            tracing::error!(%why, "the store could not commit; nothing of this group was written");
            let _ = connection.execute_batch("ROLLBACK");
        }
        timer.observe_duration();
        metrics.jobs_per_commit.observe(answers.len() as f64);
        answers.into_iter().for_each(|after| after(committed.clone()));
    }
}

/// Begins a transaction. Somebody else's lock on the file (a backup, an operator's session) is waited for: nothing may go
/// on without the store.
fn begin(connection: &Connection) -> Result<(), String> {
    loop {
        match connection.execute_batch("BEGIN IMMEDIATE") {
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                tracing::warn!("another program holds a lock on the store; everything waits for it");
            }
            begun => return begun.map_err(|e| e.to_string()),
        }
    }
}

fn in_savepoint<T>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.prepare_cached("SAVEPOINT job")?.execute([])?;
    let result = job(connection);
    if connection.is_autocommit() {
        return result; // rolled back as a whole, with this savepoint
    }
    if result.is_err() {
        connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    connection.prepare_cached("RELEASE job")?.execute([])?;
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
