//! Why the store could not do something: what it is and what to do, in one sentence.

use super::schema::VERSION;
use super::trouble::{Failure, SqlError, Trouble};
use std::path::{Path, PathBuf};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store {path} is in use by {holder}; stop that one first (only one service may run on a store)")]
    Locked { path: PathBuf, holder: String },
    #[error("the store {path} has schema version {found}, this program knows {}; use the newer program", VERSION)]
    TooNew { path: PathBuf, found: i64 },
    #[error(
        "the store {path} has schema version {found} of a version that was never released; move it away and start with a \
         new one: everything but the audit is read again from both sides"
    )]
    TooOld { path: PathBuf, found: i64 },
    #[error(
        "the store {path} has schema version {found}, this program needs {}; start the service with this program first \
         (`run`): it brings the store up to date and keeps a copy",
        VERSION
    )]
    Behind { path: PathBuf, found: i64 },
    /// A database of a server, made by an earlier program.
    #[error(
        "the store {path} has schema version {found}, this program needs {}; copy the database (pg_dump), then start the service \
         with this program (`run`): it brings the store up to date",
        VERSION
    )]
    BehindOnServer { path: PathBuf, found: i64 },
    // Not as a source either.
    #[error("the store {path} cannot be used: {error}; {}", advice(error))]
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
    Sql(SqlError),
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
        Self::Sql(e.into())
    }
}

impl From<SqlError> for StoreError {
    fn from(e: SqlError) -> Self {
        Self::Sql(e)
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(e: serde_json::Error) -> Self {
        Self::Document(e)
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
            | StoreError::BehindOnServer { .. }
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

/// What to do about an error of the file system.
fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "free space on its file system",
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            "let the user of the service write the file and its folder"
        }
        std::io::ErrorKind::NotADirectory => "a part of the path is a file: name another file as service.store",
        _ if rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP) => {
            "a symbolic link leads back to itself: remove it, or name another file as service.store"
        }
        _ => "name a file as service.store that can be written",
    }
}
