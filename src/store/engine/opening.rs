//! How a store is found, made, opened and closed: whatever is wrong with the file is said once, with its path and what to do.

use super::condition::{holder, is_held};
use super::error::StoreError;
use super::location::{self, beside};
use super::migrate;
use super::trouble::{Failure, SqlError, Trouble};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// How long a start and whoever asks beside the service wait for another program's lock.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long one try for the lock takes. Somebody who waits is told after each.
pub(super) const TRY: Duration = Duration::from_millis(500);
/// A file up to this size is looked through before the service starts; a larger one while it runs.
const QUICKLY_READ: u64 = 64 << 20;

/// What the file is called, beside the store, that the process that serves it holds a lock on. It names the process, and below which
/// file that works with.
const LOCK: &str = ".lock";

/// Pages of the file that are kept in memory, in KiB.
const CACHE_KIB: i64 = 64 << 10;
/// Pages of the log after which they are brought into the file. Each of these waits for the disk, in the middle of somebody's work.
const CHECKPOINT_PAGES: i64 = 8000;
/// Statements that stay prepared: all that the service has.
const STATEMENTS: usize = 384;

/// Opens the store at `path` for the service, making or migrating it.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    if !location::is_there(path)? {
        make(path).map_err(|e| e.at(path))?;
    }
    opened(path).map_err(|e| e.at(path))
}

/// Makes a new store: it is there as a whole, or not at all.
fn make(path: &Path) -> Result<(), StoreError> {
    let io = |error| StoreError::Io { path: path.to_owned(), error };
    let part = beside(path, ".making");
    for suffix in ["", "-journal"] {
        match std::fs::remove_file(beside(&part, suffix)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
            _ => {}
        }
    }
    let c = Connection::open(&part)?;
    migrate::migrate(&part, &c)?;
    c.close().map_err(|(_, e)| e)?;
    File::open(&part).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(&part, path).map_err(io)
}

fn opened(path: &Path) -> Result<Connection, StoreError> {
    let connection = writable(path)?;
    unlocked(path, &connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    stable_plans(&connection)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    migrate::migrate(path, &connection)?;
    verify_quickly(path, &connection)?;
    connection.busy_timeout(TRY)?;
    Ok(connection)
}

/// A connection that can write: where the file may only be read SQLite would open it for reading, and fail at the first write.
fn writable(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if connection.is_readonly(rusqlite::MAIN_DB)? {
        return Err(StoreError::Io { path: path.to_owned(), error: std::io::ErrorKind::PermissionDenied.into() });
    }
    Ok(connection)
}

/// A prepared statement keeps its plan whatever is bound to it. Without this SQLite prepares again after each binding that its
/// statistics might care for: a fifth of the CPU of the store's thread.
fn stable_plans(c: &Connection) -> Result<(), StoreError> {
    c.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Reads every page of a file of which that does not take long: damage is found before anything is concluded from the rest.
pub fn verify_quickly(path: &Path, c: &Connection) -> Result<(), StoreError> {
    if std::fs::metadata(path).is_ok_and(|found| found.len() <= QUICKLY_READ) {
        verify_pages(c).map_err(|e| e.at(path))?;
    }
    Ok(())
}

/// Reads every page of the file. Damage is an error like the one that would come when it is met.
pub fn verify_pages(c: &Connection) -> Result<(), StoreError> {
    let found: String = c.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::Commit(Failure::damaged(&found))) }
}

/// Waits until nobody else holds the lock for writing; says so if that takes a while, and gives up in the end.
fn unlocked(path: &Path, c: &Connection) -> Result<(), StoreError> {
    c.busy_timeout(TRY)?;
    let mut waited = Duration::ZERO;
    loop {
        match c.execute_batch("BEGIN IMMEDIATE; ROLLBACK").map_err(SqlError::from) {
            Err(e) if Failure::of(&e).trouble == Trouble::Locked => {}
            begun => {
                begun?;
                c.busy_timeout(PATIENCE)?;
                return Ok(());
            }
        }
        waited += TRY;
        let holder = holder(path).unwrap_or_else(|| "another program".to_owned());
        if waited >= PATIENCE {
            return Err(StoreError::Busy { path: path.to_owned(), holder, seconds: PATIENCE.as_secs() });
        }
        if waited == TRY * 2 {
            let (store, seconds) = (path.display(), PATIENCE.as_secs());
            tracing::warn!("waiting for {holder}, which holds a lock on the store {store}; for {seconds} s at most");
        }
    }
}

/// That there is a store to look into, and the one that a service works with, if one does: what is read in another file of its name
/// is not so, and what is decided there nobody carries out.
fn there(path: &Path) -> Result<(), StoreError> {
    let served = served_file(&beside(path, LOCK));
    if served.is_some() && served != FileId::at(path) {
        return Err(StoreError::Unusable { path: path.to_owned(), failure: Failure::replaced() });
    }
    let missing = || StoreError::Io { path: path.to_owned(), error: std::io::ErrorKind::NotFound.into() };
    if location::is_there(path)? { Ok(()) } else { Err(missing()) }
}

/// A connection for an operator's decision beside the service.
pub(super) fn operator(path: &Path) -> Result<Connection, StoreError> {
    let open = || {
        there(path)?;
        let connection = writable(path)?;
        unlocked(path, &connection)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        stable_plans(&connection)?;
        migrate::check(path, &connection)?;
        Ok(connection)
    };
    open().map_err(|e: StoreError| e.at(path))
}

/// A connection that only reads.
pub(super) fn read_only(path: &Path) -> Result<Connection, StoreError> {
    there(path)?;
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    stable_plans(&connection)?;
    Ok(connection)
}

/// Brings everything into the one file, and closes it; says what kept it from that.
pub(super) fn close(connection: Connection) -> Result<(), String> {
    let checkpoint = |c: &Connection| {
        c.busy_timeout(Duration::from_secs(5))?;
        c.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))
    };
    let kept = match checkpoint(&connection) {
        Ok(false) => Ok(()),
        Ok(true) => Err("another program reads it".to_owned()),
        Err(e) => Err(Failure::of(&e.into()).to_string()),
    };
    connection.close().map_err(|(_, e)| e.to_string())?;
    kept
}

/// Which file lies at a path: another one of the same name is another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn at(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).ok().map(|file| Self { device: file.dev(), inode: file.ino() })
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.device, self.inode)
    }
}

/// Which file the process that holds the lock file `lock` works with, where that is known.
fn served_file(lock: &Path) -> Option<FileId> {
    let noted = std::fs::read_to_string(lock).ok()?;
    let (device, inode) = noted.lines().nth(1)?.strip_prefix("file ")?.split_once(':')?;
    let file = FileId { device: device.parse().ok()?, inode: inode.parse().ok()? };
    is_held(lock).then_some(file)
}

/// Notes in the lock of the store at `path` which file is worked with from now on.
pub(super) fn note_file(mut lock: &File, path: &Path) -> Result<Option<FileId>, StoreError> {
    let file = FileId::at(path);
    if let Some(file) = file {
        let noted = write!(lock, "\nfile {file}");
        noted.map_err(|error| StoreError::Io { path: beside(path, LOCK), error })?;
    }
    Ok(file)
}

/// Locks the store at `path` for this process, for as long as the file is open.
pub fn lock(path: &Path) -> Result<File, StoreError> {
    let io = |error| StoreError::Io { path: path.to_owned(), error };
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    let name = beside(path, LOCK);
    location::is_a_file_beside(&name)?;
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&name).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(io)?;
            write!(file, "process {}", std::process::id()).map_err(io)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let noted = std::fs::read_to_string(&name).ok();
            let holder = noted.as_deref().and_then(|noted| noted.lines().next());
            let holder = holder.unwrap_or("another process").to_owned();
            Err(StoreError::Locked { path: path.to_owned(), holder })
        }
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}
