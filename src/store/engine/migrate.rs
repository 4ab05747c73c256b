//! Bringing a store of an earlier version up to date when the service starts.
//!
//! **Invariant:** a store is of one version or of the next, never between; before the first step a copy is made beside it.

use super::StoreError;
use super::location::beside;
use super::schema::{FIRST, SCHEMA, STEPS, VERSION};
use super::trouble::Failure;
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Makes a new store, or brings one of an earlier version up to date.
pub(super) fn migrate(path: &Path, c: &Connection) -> Result<(), StoreError> {
    is_ours(path, c)?;
    let found = version(c)?;
    match found {
        0 => run(c, SCHEMA, VERSION),
        VERSION => is_whole(c),
        FIRST..VERSION => {
            let copy = copy(path, c, found)?;
            tracing::info!(from = found, to = VERSION, copy = %copy.display(), "the store is brought up to date");
            for (to, step) in (FIRST + 1..).zip(STEPS).filter(|(to, _)| *to > found) {
                run(c, step, to)?;
            }
            is_whole(c)
        }
        found if found > VERSION => Err(StoreError::TooNew { path: path.to_owned(), found }),
        found => Err(StoreError::TooOld { path: path.to_owned(), found }),
    }
}

/// That a store can be used by this program beside the service, which alone brings it up to date.
pub(super) fn check(path: &Path, c: &Connection) -> Result<(), StoreError> {
    is_ours(path, c)?;
    match version(c)? {
        VERSION => is_whole(c),
        found if found > VERSION => Err(StoreError::TooNew { path: path.to_owned(), found }),
        found @ 1..FIRST => Err(StoreError::TooOld { path: path.to_owned(), found }),
        found => Err(StoreError::Behind { path: path.to_owned(), found }),
    }
}

/// That a copy of a store can be put in its place: the next start brings it up to date.
pub(super) fn check_copy(path: &Path, c: &Connection) -> Result<(), StoreError> {
    is_ours(path, c)?;
    match version(c)? {
        VERSION => is_whole(c),
        FIRST..VERSION => Ok(()),
        found if found > VERSION => Err(StoreError::TooNew { path: path.to_owned(), found }),
        found => Err(StoreError::TooOld { path: path.to_owned(), found }),
    }
}

/// That a file is a store, of any version, or holds nothing yet: whatever number another program has given its own.
fn is_ours(path: &Path, c: &Connection) -> Result<(), StoreError> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE type = 'table' AND name IN ('meta', 'target', 'audit'))
               FROM sqlite_master";
    let (things, ours): (i64, i64) = c.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if things > 0 && ours == 0 { Err(StoreError::Foreign { path: path.to_owned() }) } else { Ok(()) }
}

/// Everything that the newest version of a store holds, by its name.
static EXPECTED: OnceLock<Vec<String>> = OnceLock::new();

/// That a store of the newest version holds everything that was made in it. More does no harm.
pub(super) fn is_whole(c: &Connection) -> Result<(), StoreError> {
    let expected = match EXPECTED.get() {
        Some(expected) => expected,
        None => {
            let fresh = Connection::open_in_memory()?;
            fresh.execute_batch(SCHEMA)?;
            let made = holds(&fresh)?;
            EXPECTED.get_or_init(|| made)
        }
    };
    let found: BTreeSet<String> = holds(c)?.into_iter().collect();
    let lacks: Vec<&str> = expected.iter().filter(|what| !found.contains(*what)).map(String::as_str).collect();
    match lacks.as_slice() {
        [] => Ok(()),
        [first] => Err(StoreError::Commit(Failure::incomplete(first))),
        // What belongs to a table follows it.
        [first, more @ ..] => {
            Err(StoreError::Commit(Failure::incomplete(&format!("{first}, and {} more that belong to it", more.len()))))
        }
    }
}

/// Tables, then their columns, indexes and triggers.
fn holds(c: &Connection) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare(
        "SELECT 0, 'table ' || name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         UNION ALL
         SELECT 1, 'column ' || m.name || '.' || p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'
         UNION ALL
         SELECT 2, type || ' ' || name FROM sqlite_master WHERE type NOT IN ('table') AND name NOT LIKE 'sqlite_%'
         ORDER BY 1, 2",
    )?;
    Ok(select.query_map([], |row| row.get(1))?.collect::<Result<_, _>>()?)
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
    let io = |error| StoreError::Io { path: to.clone(), error };
    match std::fs::remove_file(&part) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(e)),
        _ => {}
    }
    c.execute("VACUUM INTO ?1", [part.display().to_string()])?;
    std::fs::File::open(&part).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(&part, &to).map_err(io)?;
    Ok(to)
}
