//! What an error of the store means for whoever meets it. The only place that
//! reads SQLite's codes.

use rusqlite::ErrorCode;
use std::fmt;

/// Why a statement was not carried out.
#[derive(Debug)]
pub struct SqlError(pub(super) Cause);

#[derive(Debug)]
pub(super) enum Cause {
    File(rusqlite::Error),
    Server(postgres::Error),
    /// The connection to the server has ended.
    Gone,
    /// How its server is known cannot be read.
    Untrusted(String),
    /// Something was refused before in this transaction, which ends with it.
    Refused(Failure),
    NoRow,
    /// Values that were bound, and those that the statement has.
    Counted {
        bound: usize,
        wanted: usize,
    },
    /// A column is not what was wanted.
    Misread(String),
}

impl std::fmt::Display for SqlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", Failure::of(self))
    }
}

impl std::error::Error for SqlError {}

impl From<rusqlite::Error> for SqlError {
    fn from(e: rusqlite::Error) -> Self {
        Self(match e {
            rusqlite::Error::QueryReturnedNoRows => Cause::NoRow,
            e => Cause::File(e),
        })
    }
}

impl From<postgres::Error> for SqlError {
    fn from(e: postgres::Error) -> Self {
        Self(Cause::Server(e))
    }
}

/// `SQLITE_IOERR_SHMSIZE`: the file beside the store that its readers share cannot grow.
const SHARED_FILE_CANNOT_GROW: i32 = 4874;

/// Whether SQLite says that a statement is about what the file does not hold.
fn is_not_there(words: &str) -> bool {
    ["no such table: ", "no such column: ", " has no column named "].iter().any(|lacks| words.contains(lacks))
}

/// What to do about a file that is not what was written.
const PUT_A_COPY: &str = "stop the service, put a copy in its place with `restore BACKUP --config FILE`, and start it: what has \
                          changed since the copy is read from both sides";

/// The same, of a database of a server.
const PUT_BACK: &str = "stop the service, restore the database with the server's own tools, and start it: what has changed since is \
                        read from both sides";

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
    /// Its kind, which decides whether the same is tried again.
    pub trouble: Trouble,
    /// What has gone wrong, in words.
    pub why: String,
    /// What the operator can do about it.
    pub to_do: &'static str,
}

impl Failure {
    /// What an error of a statement means.
    pub fn of(error: &SqlError) -> Self {
        match &error.0 {
            Cause::File(error) => Self::of_file(error),
            Cause::Server(error) => Self::of_server(error),
            Cause::Gone => Self::gone("the connection has ended"),
            Cause::Untrusted(why) => {
                Self { trouble: Trouble::Unwritable, why: why.clone(), to_do: "correct sslrootcert in service.store" }
            }
            Cause::Refused(failure) => failure.clone(),
            Cause::NoRow => Self::refused("Query returned no rows".to_owned()),
            Cause::Counted { bound, wanted } => {
                Self::refused(format!("{wanted} values were wanted, {bound} were given"))
            }
            Cause::Misread(why) => Self::refused(why.clone()),
        }
    }

    fn of_file(error: &rusqlite::Error) -> Self {
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

    /// What a server says, by the class of its code: the first two letters.
    fn of_server(error: &postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            let source = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
            return match Self::is_about_the_line(error) {
                true => Self::gone(&source),
                false => Self::refused(source),
            };
        };
        let (code, words) = (said.code().code(), said.message().to_owned());
        let unwritable = |to_do| Self { trouble: Trouble::Unwritable, why: format!("{words} ({code})"), to_do };
        match (code.get(..2).unwrap_or_default(), code) {
            (_, "53100") => Self {
                trouble: Trouble::Unwritable,
                why: "there is no room on the disk of its server".to_owned(),
                to_do: "free space there; nothing is lost, and what waits goes on by itself",
            },
            ("53", _) => unwritable("give the server what it lacks; what waits goes on by itself"),
            ("08" | "57" | "58", "57014") => unwritable("look what keeps the server busy; it is tried again"),
            ("08" | "57" | "58", _) => Self::gone(&format!("{words} ({code})")),
            (_, "25006") => unwritable("name the server that may be written: this one only follows another"),
            ("40", _) | (_, "55P03" | "25P03") => unwritable("nothing: it is tried again"),
            ("28", _) | (_, "42501") => unwritable("let the user of service.store use the database and its schema"),
            ("3D", _) => unwritable("make the database, or name another one as service.store"),
            ("42", "42P01" | "42703") => Self {
                trouble: Trouble::Damaged,
                why: format!(
                    "it lacks what this program has made in it ({words}): it was edited by hand, or is damaged"
                ),
                to_do: PUT_BACK,
            },
            ("XX", "XX001" | "XX002") => {
                Self { trouble: Trouble::Damaged, why: format!("its pages are damaged ({words})"), to_do: PUT_BACK }
            }
            _ => Self::refused(format!("{words} ({code})")),
        }
    }

    /// Whether an error is about the way to a server, and not about what was asked.
    pub(super) fn is_about_the_line(error: &postgres::Error) -> bool {
        let mut cause = std::error::Error::source(error);
        while let Some(one) = cause {
            if one.is::<std::io::Error>() {
                return true;
            }
            cause = one.source();
        }
        let words = error.to_string();
        error.is_closed()
            || ["error connecting", "error performing TLS", "timeout"].iter().any(|about| words.starts_with(about))
    }

    /// The server does not answer.
    pub(super) fn gone(why: &str) -> Self {
        Self {
            trouble: Trouble::Unwritable,
            why: format!("its server cannot be reached ({why})"),
            to_do: "look at the server and at the way to it; nothing is lost, and what waits goes on by itself",
        }
    }

    /// The answer to a commit was lost, and nobody looks for it.
    pub(super) fn unanswered(error: &SqlError) -> Self {
        Self {
            trouble: Trouble::Unwritable,
            why: format!("the answer to a commit was lost ({})", Self::of(error).why),
            to_do: "look whether it was written before it is done again",
        }
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

    /// Another file lies where the one was that is written, or none: what is written to it nobody else sees, and it is lost with the
    /// end of the process.
    pub(super) fn replaced() -> Self {
        Self {
            trouble: Trouble::Damaged,
            why: "the file that the service works with does not lie at its place any more: it was moved, removed or replaced while \
                  the service runs"
                .to_owned(),
            to_do: "stop the service, put the file that counts in its place with `restore`, and start it",
        }
    }

    /// A page of the file that a look through it has found damaged.
    pub(in crate::store) fn damaged(words: &str) -> Self {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        Self::of(&rusqlite::Error::SqliteFailure(code, Some(words.to_owned())).into())
    }

    /// The system gives no thread.
    pub(super) fn no_thread(error: &std::io::Error) -> Self {
        Self {
            trouble: Trouble::Unwritable,
            why: format!("the system gives no thread for it ({error})"),
            to_do: "raise the number of tasks that the service may have",
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::StoreError;
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
}
