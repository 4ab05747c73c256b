//! What an error of the store means for whoever meets it, and what state the store is in because of it. The only place that
//! reads SQLite's codes.

use super::{SqlError, StoreError};
use prometheus::IntGaugeVec;
use rusqlite::ErrorCode;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// `SQLITE_IOERR_SHMSIZE`: the file beside the store that its readers share cannot grow.
const SHARED_FILE_CANNOT_GROW: i32 = 4874;
/// A lock that is held for longer is no ordinary write of somebody else.
const SHORT_LOCK: Duration = Duration::from_secs(2);

/// Whether SQLite says that a statement is about what the file does not hold.
fn is_not_there(words: &str) -> bool {
    ["no such table: ", "no such column: ", " has no column named "].iter().any(|lacks| words.contains(lacks))
}

/// What to do about a file that is not what was written.
const PUT_A_COPY: &str = "stop the service, put a copy in its place with `restore BACKUP --config FILE`, and start it: what has \
                          changed since the copy is read from both sides";

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The same would be refused again: a constraint, a type, a document, a mistake. Whoever asked must end with it.
    Refused,
    /// The file is not what was written. Nothing that follows could be trusted.
    Damaged,
    /// No room, no permission, or the disk fails: it may be over at any moment, so it is tried again.
    Unwritable,
    /// Another program holds a lock: it is waited for.
    Locked,
    /// The store has stopped, because the service ends.
    Stopped,
}

impl Trouble {
    /// The word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Trouble::Refused => "refused",
            Trouble::Damaged => "damaged",
            Trouble::Unwritable => "unwritable",
            Trouble::Locked => "locked",
            Trouble::Stopped => "stopped",
        }
    }

    const fn of(code: ErrorCode) -> Self {
        match code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Trouble::Damaged,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Trouble::Locked,
            ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed
            // What was running when everything was rolled back, or was interrupted: not at fault itself.
            | ErrorCode::OperationAborted
            | ErrorCode::OperationInterrupted
            | ErrorCode::SchemaChanged => Trouble::Unwritable,
            _ => Trouble::Refused,
        }
    }
}

/// An error of the store in words: what it is, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub trouble: Trouble,
    pub why: String,
    pub to_do: &'static str,
}

impl Failure {
    /// What an error of SQLite means.
    pub fn of(error: &SqlError) -> Self {
        let error = &error.0;
        if let rusqlite::Error::SqlInputError { msg, .. } = error
            && is_not_there(msg)
        {
            return Self::incomplete(msg);
        }
        let words = error.to_string();
        let Some(code) = error.sqlite_error() else {
            return Self::refused(words);
        };
        if code.code == ErrorCode::Unknown && is_not_there(&words) {
            return Self::incomplete(&words);
        }
        let full = code.code == ErrorCode::DiskFull || code.extended_code == SHARED_FILE_CANNOT_GROW;
        let (why, to_do) = match code.code {
            _ if full => (
                "there is no room on its file system".to_owned(),
                "free space there; nothing is lost, and what waits goes on by itself",
            ),
            ErrorCode::NotADatabase => (
                "the file is not a database, or its beginning is damaged".to_owned(),
                "name the right file as service.store, or put a copy in its place with `restore BACKUP --config FILE`",
            ),
            ErrorCode::DatabaseCorrupt => (format!("its pages are damaged ({words})"), PUT_A_COPY),
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => (
                format!("it may not be opened or written ({words})"),
                "let the user of the service read and write the file and its folder",
            ),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
                "another program holds a lock on it".to_owned(),
                "end that program (a copy, a session of sqlite3), or wait for it",
            ),
            ErrorCode::OutOfMemory => ("there is no memory for it".to_owned(), "give the service more memory"),
            code if Trouble::of(code) == Trouble::Unwritable => (
                format!("its disk does not do what it is told ({words})"),
                "look at the disk and at the log of the kernel; if the file is lost, `restore BACKUP --config FILE`",
            ),
            _ => return Self::refused(words),
        };
        Self { trouble: Trouble::of(code.code), why, to_do }
    }

    /// Something that is refused each time.
    pub(super) fn refused(words: String) -> Self {
        let to_do = "a mistake of this program or an edit by hand: please report it";
        Self { trouble: Trouble::Refused, why: words, to_do }
    }

    /// The file lacks a table, a column or the like that this program has made in it: whatever reads it is refused, each time.
    pub(super) fn incomplete(lacks: &str) -> Self {
        Self {
            trouble: Trouble::Damaged,
            why: format!("it lacks what this program has made in it ({lacks}): it was edited by hand, or is damaged"),
            to_do: PUT_A_COPY,
        }
    }

    /// A page of the file that a look through it has found damaged.
    pub(in crate::store) fn damaged(words: &str) -> Self {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        Self::of(&rusqlite::Error::SqliteFailure(code, Some(words.to_owned())).into())
    }

    /// Everything was rolled back, and nobody said why.
    pub(super) fn rolled_back() -> Self {
        Self {
            trouble: Trouble::Unwritable,
            why: "what was written together was rolled back".to_owned(),
            to_do: "look whether the disk is full",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.why, self.to_do)
    }
}

impl StoreError {
    /// What to do about it.
    pub fn trouble(&self) -> Trouble {
        match self {
            StoreError::Sql(e) => Failure::of(e).trouble,
            StoreError::Commit(failure) | StoreError::Unusable { failure, .. } => failure.trouble,
            StoreError::Locked { .. } | StoreError::Busy { .. } | StoreError::NotNow(_) => Trouble::Locked,
            StoreError::Io { .. } => Trouble::Unwritable,
            StoreError::Stopped => Trouble::Stopped,
            StoreError::Empty { .. } => Trouble::Damaged,
            StoreError::TooNew { .. }
            | StoreError::TooOld { .. }
            | StoreError::Behind { .. }
            | StoreError::Foreign { .. }
            | StoreError::NotAFile { .. }
            | StoreError::LinkToNowhere { .. }
            | StoreError::NotThere(_)
            | StoreError::Document(_) => Trouble::Refused,
        }
    }

    /// In words, for whoever must know what the store said.
    pub(in crate::store) fn failure(&self) -> Failure {
        match self {
            StoreError::Sql(e) => Failure::of(e),
            StoreError::Commit(failure) | StoreError::Unusable { failure, .. } => failure.clone(),
            other => Failure { trouble: other.trouble(), ..Failure::refused(other.to_string()) },
        }
    }

    /// The same, naming the file where the file is what is wrong.
    pub(super) fn at(self, path: &Path) -> Self {
        let failure = match &self {
            StoreError::Sql(e) => Failure::of(e),
            StoreError::Commit(failure) => failure.clone(),
            _ => return self,
        };
        match failure.trouble {
            Trouble::Refused | Trouble::Stopped => self,
            Trouble::Damaged | Trouble::Unwritable | Trouble::Locked => {
                StoreError::Unusable { path: path.to_owned(), failure }
            }
        }
    }
}

/// What keeps the store from being written right now. Shared with whoever says how the service is.
#[derive(Clone)]
pub struct Condition {
    now: Arc<Mutex<Now>>,
    shown: IntGaugeVec,
}

#[derive(Default)]
struct Now {
    /// For how long a lock has been waited for, and who holds it, as far as that can be seen.
    locked: Option<(Duration, Option<String>)>,
    unwritable: Option<Failure>,
    damaged: Option<Failure>,
}

impl Condition {
    /// A store that nothing is known against. `shown` has one gauge for each kind of trouble.
    pub fn new(shown: IntGaugeVec) -> Self {
        let condition = Self { now: Arc::default(), shown };
        condition.change(|_| ());
        condition
    }

    fn change<T>(&self, change: impl FnOnce(&mut Now) -> T) -> T {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut now);
        for (trouble, lasts) in [
            (Trouble::Damaged, now.damaged.is_some()),
            (Trouble::Unwritable, now.unwritable.is_some()),
            (Trouble::Locked, now.locked.as_ref().is_some_and(|(waited, _)| *waited >= SHORT_LOCK)),
        ] {
            self.shown.with_label_values(&[trouble.as_str()]).set(i64::from(lasts));
        }
        changed
    }

    /// Somebody met an error. Damage lasts until the service is started on another file; what cannot be written is over with
    /// the next write.
    pub fn saw(&self, failure: &Failure) {
        match failure.trouble {
            Trouble::Damaged => {
                let is_new = self.change(|now| now.damaged.replace(failure.clone()).is_none());
                if is_new {
                    tracing::error!(why = %failure, "the store is damaged: nothing is written to Okta any more");
                }
            }
            Trouble::Unwritable => {
                let is_new = self.change(|now| now.unwritable.replace(failure.clone()).is_none());
                if is_new {
                    tracing::error!(why = %failure, "the store cannot be written; it is tried again");
                }
            }
            Trouble::Refused | Trouble::Locked | Trouble::Stopped => {}
        }
    }

    /// Something was written.
    pub(super) fn written(&self) {
        if self.change(|now| now.unwritable.take()).is_some() {
            tracing::info!("the store can be written again");
        }
    }

    /// A lock was waited for once more; returns for how long by now.
    pub(super) fn waits(&self, more: Duration, holder: Option<String>) -> Duration {
        self.change(|now| {
            let waited = now.locked.take().map_or(more, |(waited, _)| waited + more);
            now.locked = Some((waited, holder));
            waited
        })
    }

    /// Nobody else holds a lock.
    pub(super) fn free(&self) {
        if self.now.lock().unwrap_or_else(PoisonError::into_inner).locked.is_some() {
            self.change(|now| now.locked = None);
            tracing::info!("the lock on the store is gone");
        }
    }

    /// Whether the file is not to be trusted any more.
    pub fn is_damaged(&self) -> bool {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).damaged.is_some()
    }

    /// What is wrong with the store at `path`, for people; nothing without it.
    pub fn message(&self, path: &Path) -> Option<String> {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let lasting = now.damaged.as_ref().or(now.unwritable.as_ref());
        if let Some(failure) = lasting {
            return Some(StoreError::Unusable { path: path.to_owned(), failure: failure.clone() }.to_string());
        }
        let (waited, holder) = now.locked.as_ref().filter(|(waited, _)| *waited >= SHORT_LOCK)?;
        Some(format!(
            "{} has held a lock on the store {} for {} s: nothing can be written down, so nothing is sent to Okta; end it (a \
             copy, a session of sqlite3), or wait for it",
            holder.as_deref().unwrap_or("another program"),
            path.display(),
            waited.as_secs()
        ))
    }
}

/// Which other process holds a write lock on the store at `path`, where the system tells.
pub(super) fn holder(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let files = [path.to_owned(), super::beside(path, "-shm")];
    let inodes: Vec<u64> = files.iter().filter_map(|file| Some(std::fs::metadata(file).ok()?.ino())).collect();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let process = writer_of(&locks, &inodes, std::process::id())?;
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Some(match name.trim() {
        "" => format!("process {process}"),
        name => format!("process {process} ({name})"),
    })
}

/// The process other than `own` that holds a lock for writing on one of these inodes, by the kernel's list of locks.
fn writer_of(locks: &str, inodes: &[u64], own: u32) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "POSIX" | "OFDLCK", _, "WRITE", process, file, ..] = words.as_slice() else { return None };
        let inode: u64 = file.rsplit(':').next()?.parse().ok()?;
        let process: u32 = process.parse().ok()?;
        (inodes.contains(&inode) && process != own).then_some(process)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;
    use rusqlite::ffi;

    fn trouble(code: i32) -> Trouble {
        Failure::of(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()).trouble
    }

    #[test]
    fn every_error_is_refused_for_good_or_damage_or_waited_for() {
        for code in [ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_CONSTRAINT_FOREIGNKEY, ffi::SQLITE_CONSTRAINT_TRIGGER] {
            assert_eq!(trouble(code), Trouble::Refused, "{code}");
        }
        for code in [ffi::SQLITE_MISMATCH, ffi::SQLITE_ERROR, ffi::SQLITE_TOOBIG, ffi::SQLITE_RANGE, ffi::SQLITE_MISUSE]
        {
            assert_eq!(trouble(code), Trouble::Refused, "{code}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_CORRUPT_INDEX, ffi::SQLITE_NOTADB] {
            assert_eq!(trouble(code), Trouble::Damaged, "{code}");
        }
        for code in [
            ffi::SQLITE_FULL,
            ffi::SQLITE_READONLY_DIRECTORY,
            ffi::SQLITE_IOERR_WRITE,
            SHARED_FILE_CANNOT_GROW,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_NOMEM,
        ] {
            assert_eq!(trouble(code), Trouble::Unwritable, "{code}");
        }
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_BUSY_SNAPSHOT, ffi::SQLITE_LOCKED] {
            assert_eq!(trouble(code), Trouble::Locked, "{code}");
        }
        let json = serde_json::from_str::<u8>("{").expect_err("no number");
        assert_eq!(StoreError::Document(json).trouble(), Trouble::Refused);
        assert_eq!(StoreError::from(rusqlite::Error::QueryReturnedNoRows).trouble(), Trouble::Refused);
        let c = Connection::open_in_memory().expect("opens");
        c.execute_batch("CREATE TABLE risk (target INTEGER)").expect("makes");
        for (sql, lacks) in [
            ("SELECT * FROM pause", "pause"),
            ("SELECT change FROM risk", "change"),
            ("INSERT INTO risk (change) VALUES (1)", "change"),
            ("UPDATE risk SET change = 1", "change"),
        ] {
            let e = StoreError::from(c.prepare(sql).map(|_| ()).expect_err("it is not there"));
            assert_eq!(e.trouble(), Trouble::Damaged, "{sql}: {e}");
            assert!(e.to_string().contains(lacks) && e.to_string().contains("restore BACKUP"), "{e}");
        }
        let e = c.query_row("SELECT json('{')", [], |_| Ok(())).expect_err("no JSON");
        assert_eq!(StoreError::from(e).trouble(), Trouble::Refused, "that is one document");
    }

    #[test]
    fn a_full_disk_is_called_so_whatever_code_it_comes_under() {
        for code in [ffi::SQLITE_FULL, SHARED_FILE_CANNOT_GROW] {
            let message = Failure::of(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()).to_string();
            assert!(message.contains("no room") && message.contains("free space"), "{message}");
        }
    }

    #[test]
    fn a_lock_is_told_when_it_lasts_and_damage_for_good() {
        let metrics = crate::metrics::Metrics::new();
        let condition = Condition::new(metrics.store.trouble.clone());
        let path = Path::new("s.db");
        condition.waits(Duration::from_secs(1), None);
        assert_eq!(condition.message(path), None, "an ordinary write of somebody else");
        condition.waits(Duration::from_secs(1), Some("process 7 (sqlite3)".into()));
        let message = condition.message(path).expect("it lasts");
        assert!(message.starts_with("process 7 (sqlite3) has held a lock on the store s.db for 2 s"), "{message}");
        assert!(metrics.text().contains("store_trouble{kind=\"locked\"} 1"), "{}", metrics.text());
        condition.free();
        assert_eq!(condition.message(path), None);
        condition.saw(&Failure::of(&rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None).into()));
        assert!(condition.message(path).is_some_and(|message| message.contains("no room")));
        condition.written();
        assert_eq!(condition.message(path), None);
        condition.saw(&Failure::damaged("page 7"));
        condition.written();
        assert!(condition.is_damaged() && condition.message(path).is_some_and(|message| message.contains("restore")));
    }

    #[test]
    fn the_kernel_tells_who_holds_a_lock_for_writing() {
        let locks = "1: POSIX  ADVISORY  READ  41 fd:01:700 124 124\n\
                     2: POSIX  ADVISORY  WRITE 42 fd:01:700 120 120\n\
                     2: -> POSIX  ADVISORY  WRITE 43 fd:01:700 120 120\n\
                     3: FLOCK  ADVISORY  WRITE 44 fd:01:701 0 EOF\n\
                     4: POSIX  ADVISORY  WRITE 45 fd:01:900 0 EOF\n";
        assert_eq!(writer_of(locks, &[699, 700], 1), Some(42));
        assert_eq!(writer_of(locks, &[699, 700], 42), None, "we ourselves");
        assert_eq!(writer_of(locks, &[701], 1), None);
    }
}
