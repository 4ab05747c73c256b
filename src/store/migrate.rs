//! Bringing a store of an earlier version up to date when the service starts.
//!
//! **Invariant:** a store is of one version or of the next, never between; before the first step a copy is made beside it.

use super::{StoreError, beside};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// The newest version of the schema; `PRAGMA user_version` of the file.
pub(super) const VERSION: i64 = 5;
/// The earliest version that can be brought up to date.
const FIRST: i64 = 3;
/// What leads to each version after the first, in order. `schema.sql` is what all of them come to.
const STEPS: [&str; (VERSION - FIRST) as usize] = [include_str!("migrations/4.sql"), include_str!("migrations/5.sql")];

/// Makes a new store, or brings one of an earlier version up to date.
pub(super) fn migrate(path: &Path, c: &Connection) -> Result<(), StoreError> {
    let found = version(c)?;
    match found {
        0 if holds_something(c)? => Err(StoreError::Foreign { path: path.to_owned() }),
        0 => run(c, include_str!("schema.sql"), VERSION),
        VERSION => Ok(()),
        FIRST..VERSION => {
            let copy = copy(path, c, found)?;
            tracing::info!(from = found, to = VERSION, copy = %copy.display(), "the store is brought up to date");
            for (to, step) in (FIRST + 1..).zip(STEPS).filter(|(to, _)| *to > found) {
                run(c, step, to)?;
            }
            Ok(())
        }
        found if found > VERSION => Err(StoreError::TooNew { path: path.to_owned(), found }),
        found => Err(StoreError::TooOld { path: path.to_owned(), found }),
    }
}

/// That a store can be used by this program beside the service, which alone brings it up to date.
pub(super) fn check(path: &Path, c: &Connection) -> Result<(), StoreError> {
    match version(c)? {
        VERSION => Ok(()),
        found if found > VERSION => Err(StoreError::TooNew { path: path.to_owned(), found }),
        found => Err(StoreError::Behind { path: path.to_owned(), found }),
    }
}

/// That a copy of a store can be put in its place: the next start brings it up to date.
pub(super) fn check_copy(path: &Path, c: &Connection) -> Result<(), StoreError> {
    match version(c)? {
        FIRST..=VERSION => Ok(()),
        found if found > VERSION => Err(StoreError::TooNew { path: path.to_owned(), found }),
        found => Err(StoreError::TooOld { path: path.to_owned(), found }),
    }
}

/// Whether there is anything in a file that is no store of ours.
fn holds_something(c: &Connection) -> Result<bool, StoreError> {
    Ok(c.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0))? > 0)
}

fn version(c: &Connection) -> Result<i64, StoreError> {
    Ok(c.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn run(c: &Connection, sql: &str, to: i64) -> Result<(), StoreError> {
    let done = c.execute_batch(&format!("BEGIN IMMEDIATE; {sql} PRAGMA user_version = {to}; COMMIT;"));
    if done.is_err() && !c.is_autocommit() {
        c.execute_batch("ROLLBACK")?;
    }
    Ok(done?)
}

/// Copies the store as it is to `STORE.schema-N`; one that an earlier try has left is replaced.
fn copy(path: &Path, c: &Connection, version: i64) -> Result<PathBuf, StoreError> {
    let (to, part) = (beside(path, &format!(".schema-{version}")), beside(path, ".copying"));
    let io = |source| StoreError::Io { path: to.clone(), source };
    match std::fs::remove_file(&part) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
        _ => {}
    }
    c.execute("VACUUM INTO ?1", [part.display().to_string()])?;
    std::fs::File::open(&part).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(&part, &to).map_err(io)?;
    Ok(to)
}
