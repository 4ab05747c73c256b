//! Whoever looks at the store beside the thread that writes it, and whoever decides something from beside the service.

use super::address::{Address, Location, unknown};
use super::error::StoreError;
use super::session::{Session, Use};
use super::trouble::{Failure, SqlError};
use super::tx::Tx;
use super::{migrate, opening, server};
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
    /// A reader of the store at `place`, which is of the version of this program.
    pub fn open(place: &Location) -> Result<Self, StoreError> {
        match place {
            Location::File(path) => Self::checked(path, migrate::check),
            Location::Server(address) => Ok(Self(guest(address, place.shown(), Use::Reader)?)),
            Location::Unknown { why, .. } => Err(StoreError::NotThere(unknown(why))),
        }
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
        self.0.file().map_or(Ok(()), |file| opening::verify_quickly(path, file))
    }

    /// Reads every page of the file. Damage is an error like the one that would come when it is met. A server looks after its own.
    pub fn verify_pages(&self) -> Result<(), StoreError> {
        self.0.file().map_or(Ok(()), opening::verify_pages)
    }

    /// From here on it sees the store as it is now, whatever is written meanwhile.
    pub fn stand_still(&self) -> Result<(), StoreError> {
        match (self.0.file(), self.0.server()) {
            (Some(file), _) => Ok(file.execute_batch("BEGIN")?),
            (None, Some(session)) => Ok(session.begin("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")?),
            (None, None) => Err(StoreError::Stopped),
        }
    }

    /// Reads every page and compares every index with its table; says what is wrong first.
    pub fn examine(&self) -> Result<Option<String>, StoreError> {
        let verdict: String = self.0.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        Ok(Some(verdict).filter(|verdict| verdict != "ok"))
    }

    /// Copies the store as it is at this moment into a file that is not there yet.
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        if self.0.file().is_none() {
            return Err(StoreError::NotNow(
                "the store is in a database of a server: copy it with its own tools (pg_dump), or replay its log"
                    .into(),
            ));
        }
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

/// A connection beside the service to a store on a server.
fn guest(address: &Address, shown: &Path, what_for: Use) -> Result<Tx, StoreError> {
    let open = || {
        let tx = Tx::of_server(Session::there(address, what_for)?);
        server::check(&tx, shown)?;
        Ok(tx)
    };
    open().map_err(|e: StoreError| e.at(shown))
}

impl Operator {
    /// An operator of the store at `place`.
    pub fn open(place: &Location) -> Result<Self, StoreError> {
        match place {
            Location::File(path) => Ok(Self(Tx::over(opening::operator(path)?))),
            Location::Server(address) => Ok(Self(guest(address, place.shown(), Use::Operator)?)),
            Location::Unknown { why, .. } => Err(StoreError::NotThere(unknown(why))),
        }
    }

    fn begin(&self) -> Result<(), StoreError> {
        match (self.0.file(), self.0.server()) {
            (Some(file), _) => Ok(file.execute_batch("BEGIN IMMEDIATE")?),
            (None, Some(session)) => Ok(session.begin_to_write()?),
            (None, None) => Err(StoreError::Stopped),
        }
    }

    /// Why something cannot be told to be written.
    fn not_committed(&self, e: SqlError) -> StoreError {
        match self.0.server() {
            Some(session) if session.is_lost() => StoreError::Commit(Failure::unanswered(&e)),
            _ => e.into(),
        }
    }

    /// Does something in one transaction: all of it, or nothing.
    pub fn together<T, E: From<StoreError>>(&self, job: impl FnOnce(&Tx) -> Result<T, E>) -> Result<T, E> {
        self.begin()?;
        let done = job(&self.0).and_then(|done| {
            self.0.commit().map_err(|e| self.not_committed(e))?;
            Ok(done)
        });
        if done.is_err() && self.0.is_open() {
            self.0.roll_back().map_err(StoreError::from)?;
        }
        done
    }
}
