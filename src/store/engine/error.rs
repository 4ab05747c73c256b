//! Why the store could not do something: what it is and what to do, in one sentence.

use super::schema::VERSION;
use super::trouble::{Failure, SqlError, Trouble};
use std::path::{Path, PathBuf};

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another service serves this store.
    #[error("the store {path} is in use by {holder}; stop that one first (only one service may run on a store)")]
    Locked {
        /// The store: its file, or the address of its database without the password.
        path: PathBuf,
        /// Who does, as far as it is known: a process, or a client of the database.
        holder: String,
    },
    /// A newer program has brought the store up to date: this one does not touch it.
    #[error("the store {path} has schema version {found}, this program knows {}; use the newer program", VERSION)]
    TooNew {
        /// The store: its file, or the address of its database without the password.
        path: PathBuf,
        /// The version of its schema: above `VERSION`.
        found: i64,
    },
    /// No step leads from this store to the schema of this program.
    #[error(
        "the store {path} has schema version {found} of a version that was never released; move it away and start with a \
         new one: everything but the audit is read again from both sides"
    )]
    TooOld {
        /// The file of the store.
        path: PathBuf,
        /// The version of its schema: below the first that was released.
        found: i64,
    },
    /// A store of an earlier version: only the service brings it up to date, when it starts.
    #[error(
        "the store {path} has schema version {found}, this program needs {}; start the service with this program first \
         (`run`): it brings the store up to date and keeps a copy",
        VERSION
    )]
    Behind {
        /// The file of the store.
        path: PathBuf,
        /// The version of its schema: below `VERSION`.
        found: i64,
    },
    /// A database of a server, made by an earlier program.
    #[error(
        "the store {path} has schema version {found}, this program needs {}; copy the database (pg_dump), then start the service \
         with this program (`run`): it brings the store up to date",
        VERSION
    )]
    BehindOnServer {
        /// The address of the database without the password.
        path: PathBuf,
        /// The version of its schema: below `VERSION`.
        found: i64,
    },
    /// The file system has refused to open, read or write a file.
    // Not as a source either.
    #[error("the store {path} cannot be used: {error}; {}", advice(error))]
    Io {
        /// The file: the store, or one beside it.
        path: PathBuf,
        /// What the file system has answered.
        error: std::io::Error,
    },
    /// Something else stands where a file is to be: it was not opened.
    #[error("{path} is {what}; {to_do}")]
    NotAFile {
        /// Where it stands: at the path of the store, or beside it.
        path: PathBuf,
        /// What it is: `a folder`, `a named pipe`, `a socket` or `a device`.
        what: &'static str,
        /// What the operator can do about it.
        to_do: &'static str,
    },
    /// The path of the store is a symbolic link to what is not there: no new store was made.
    #[error(
        "the store {path} is a link to {target}, where nothing is: mount what holds it, or name another file as service.store"
    )]
    LinkToNowhere {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// The file of the store is there, and has no bytes: it is not taken for a new store.
    #[error(
        "the store {path} is empty (0 bytes): a copy has broken off, or a disk was full. Put a copy in its place with \
         `restore BACKUP --config FILE`, or remove the file to begin with a new store: everything but the audit is read again \
         from both sides"
    )]
    Empty {
        /// The file of the store.
        path: PathBuf,
    },
    /// A database that holds tables, and not those of a store: nothing was written to it.
    #[error("the store {path} is a database of another program; name another file as service.store")]
    Foreign {
        /// The store: its file, or the address of its database without the password.
        path: PathBuf,
    },
    /// The file or its disk has failed, where it is known which file.
    #[error("the store {path} cannot be used: {failure}")]
    Unusable {
        /// The store: its file, or the address of its database without the password.
        path: PathBuf,
        /// What has failed, and what to do.
        failure: Failure,
    },
    /// Another program has kept the store locked for longer than is waited for.
    #[error(
        "{holder} has held a lock on the store {path} for {seconds} s, and nothing was done: end it (a copy, a session of \
         sqlite3) or wait for it, then try again"
    )]
    Busy {
        /// The file of the store.
        path: PathBuf,
        /// The program that did, as far as it is known.
        holder: String,
        /// How long it was waited for, in seconds.
        seconds: u64,
    },
    /// A statement was not carried out, or its answer is not of the expected kind.
    #[error("the store failed: {}", Failure::of(.0))]
    Sql(SqlError),
    /// A commit has failed or was not answered, or the store itself was found broken: nothing of it is relied upon.
    #[error("the store failed to commit: {0}")]
    Commit(Failure),
    /// JSON in the store is not what this program writes or reads there.
    #[error("a document in the store cannot be read: {0}")]
    Document(serde_json::Error),
    /// What was asked for is not in the store: which, and how to find what is.
    #[error("{0}")]
    NotThere(String),
    /// What was asked for cannot be done as things are: why, and what would let it.
    #[error("{0}")]
    NotNow(String),
    /// The writer of the store has ended, because the service ends: nothing more is done.
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
