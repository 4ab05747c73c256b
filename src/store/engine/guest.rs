//! Whoever looks at the store beside the thread that writes it, and whoever decides something from beside the service.

use super::error::StoreError;
use super::tx::Tx;
use super::{migrate, opening};
use std::ops::Deref;
use std::path::Path;

/// Reads a store; it cannot write.
#[derive(Debug)]
pub struct Reader(Tx);

impl Deref for Reader {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.0
    }
}

impl Reader {
    /// A reader of the store at `path`, which is of the version of this program.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::checked(path, migrate::check)
    }

    /// A reader of a copy of a store; it may be of an earlier version.
    pub fn of_copy(path: &Path) -> Result<Self, StoreError> {
        Self::checked(path, migrate::check_copy)
    }

    fn checked(
        path: &Path,
        check: impl Fn(&Path, &rusqlite::Connection) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let open = || {
            let connection = opening::read_only(path)?;
            check(path, &connection)?;
            Ok(Self(Tx::over(connection)))
        };
        open().map_err(|e: StoreError| e.at(path))
    }

    /// Reads every page of a file of which that does not take long: damage is found before anything is concluded from the rest.
    pub fn verify_quickly(&self, path: &Path) -> Result<(), StoreError> {
        opening::verify_quickly(path, self.0.connection())
    }

    /// Reads every page of the file. Damage is an error like the one that would come when it is met.
    pub fn verify_pages(&self) -> Result<(), StoreError> {
        opening::verify_pages(self.0.connection())
    }

    /// From here on it sees the store as it is now, whatever is written meanwhile.
    pub fn stand_still(&self) -> Result<(), StoreError> {
        Ok(self.0.connection().execute_batch("BEGIN")?)
    }

    /// Reads every page and compares every index with its table; says what is wrong first.
    pub fn examine(&self) -> Result<Option<String>, StoreError> {
        let verdict: String = self.0.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        Ok(Some(verdict).filter(|verdict| verdict != "ok"))
    }

    /// Copies the store as it is at this moment into a file that is not there yet.
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        self.0.execute("VACUUM INTO ?1", [path.display().to_string()])?;
        Ok(())
    }
}

/// Writes down what an operator decides beside the service, which acts upon it soon. Everything else is the service's own to
/// write.
#[derive(Debug)]
pub struct Operator(Tx);

impl Deref for Operator {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.0
    }
}

impl Operator {
    /// An operator of the store at `path`.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self(Tx::over(opening::operator(path)?)))
    }

    /// Does something in one transaction: all of it, or nothing.
    pub fn together<T, E: From<StoreError>>(&self, job: impl FnOnce(&Tx) -> Result<T, E>) -> Result<T, E> {
        let c = self.0.connection();
        c.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::from)?;
        let done = job(&self.0).and_then(|done| {
            c.execute_batch("COMMIT").map_err(StoreError::from)?;
            Ok(done)
        });
        if done.is_err() && !c.is_autocommit() {
            c.execute_batch("ROLLBACK").map_err(StoreError::from)?;
        }
        done
    }
}
