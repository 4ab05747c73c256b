//! A store in a database of a server: how it is made, opened by the one service that works on it, and found again after the
//! connection was lost.
//!
//! **Invariant:** one service works on a store. It holds a lock that ends with its connection, and its name stands in the store:
//! whoever comes back to a store on which another one has worked meanwhile ends, since what it remembers may not be so any more.

use super::address::Address;
use super::error::StoreError;
use super::schema::{self, FIRST, FIRST_OF_SERVER, STEPS, VERSION};
use super::session::{Session, Use};
use super::trouble::{Cause, Failure, SqlError, Trouble};
use super::tx::{Optional, Tx};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Taken by whoever writes, as the first thing in each transaction: what is decided is decided by one after the other.
const WRITES: &str = "BEGIN; SELECT pg_advisory_xact_lock(7601, hashtext(current_schema()))";
/// Held by the service for as long as its connection lasts.
const SERVES: &str = "SELECT pg_try_advisory_lock(7602, hashtext(current_schema()))";

/// How often and for how long a start tries to get that lock: of a service that was killed just now the server lets go soon.
const TRIES: u32 = 12;
const BETWEEN: Duration = Duration::from_millis(250);

/// Begins a transaction that writes.
pub(super) fn begin(session: &Session) -> Result<(), SqlError> {
    session.begin(WRITES)
}

/// The database as the service works on it.
#[derive(Debug)]
pub(super) struct Server {
    address: Address,
    /// What the service is called in the store.
    name: String,
    /// Transactions that were marked so far.
    marks: Cell<u64>,
}

impl Server {
    /// Opens the store for the service, making it if there is none.
    pub(super) fn open(address: &Address) -> Result<(Self, Tx), StoreError> {
        let mut server = Self { address: address.clone(), name: String::new(), marks: Cell::new(0) };
        let mut tx = server.connect();
        for _ in 1..TRIES {
            if !matches!(tx, Err(StoreError::Locked { .. })) {
                break;
            }
            std::thread::sleep(BETWEEN);
            tx = server.connect();
        }
        let tx = tx?;
        make(&tx)?;
        if let Some(found) = version(&tx)?.filter(|found| *found >= FIRST_OF_SERVER) {
            bring_up(&tx, found, (FIRST + 1..).zip(STEPS))?;
        }
        check(&tx, &server.path())?;
        let sign = "UPDATE engine SET service = CAST(gen_random_uuid() AS TEXT) RETURNING service";
        server.name = tx.query_row(sign, [], |row| row.get(0))?;
        Ok((server, tx))
    }

    /// A mark for the next transaction: it is written with it, so that whoever has lost the answer to a `COMMIT` can look whether
    /// that has happened.
    pub(super) fn mark(&self) -> String {
        let number = self.marks.get() + 1;
        self.marks.set(number);
        format!("{} {number}", self.name)
    }

    /// Makes a transaction last under its mark.
    pub(super) fn commit(session: &Session, mark: &str) -> Result<(), SqlError> {
        session.commit(&format!("UPDATE engine SET written = '{mark}';"))
    }

    fn path(&self) -> PathBuf {
        self.address.shown().to_owned()
    }

    /// A connection that holds the lock of the service.
    fn connect(&self) -> Result<Tx, StoreError> {
        let tx = Tx::of_server(Session::here(&self.address, Use::Service)?);
        let is_ours: bool = tx.query_row(SERVES, [], |row| row.get(0))?;
        if is_ours {
            return Ok(tx);
        }
        let holder = tx
            .query_row(
                "SELECT a.application_name || coalesce(' at ' || host(a.client_addr), '') FROM pg_locks l
                 JOIN pg_stat_activity a ON a.pid = l.pid
                 WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 7602
                   AND l.objid = CAST(CAST(hashtext(current_schema()) AS BIGINT) & 4294967295 AS OID) AND a.datname = current_database() LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()?;
        Err(StoreError::Locked { path: self.path(), holder: holder.unwrap_or_else(|| "another service".to_owned()) })
    }

    /// Another connection in the place of one that was lost; nothing as long as there is none. Where another service has worked on
    /// the store meanwhile, it says so.
    pub(super) fn again(&self) -> Result<Again, Failure> {
        let found = self.connect().and_then(|tx| {
            let select = "SELECT service, written FROM engine";
            let (last, written): (String, String) = tx.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok((tx, last, written))
        });
        match found {
            Ok((tx, last, written)) if last == self.name => Ok(Again::Back { tx, written }),
            Ok((_, last, _)) => Ok(Again::Superseded(last)),
            Err(e @ StoreError::Locked { .. }) => {
                Err(Failure { trouble: Trouble::Unwritable, why: e.to_string(), to_do: "nothing: it is tried again" })
            }
            Err(e) => Err(e.failure()),
        }
    }
}

/// What became of a connection that was lost.
pub(super) enum Again {
    Back {
        tx: Tx,
        /// The mark of the last transaction that was written: of the connection before nothing is under way any more, since the lock
        /// of the service ended with it.
        written: String,
    },
    /// The name of the service that has worked on the store meanwhile.
    Superseded(String),
}

/// Makes the tables, all of them or none.
fn make(tx: &Tx) -> Result<(), StoreError> {
    let session = tx.server().ok_or(StoreError::Stopped)?;
    let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()";
    let tables: i64 = tx.query_row(sql, [], |row| row.get(0))?;
    if tables > 0 {
        return Ok(());
    }
    begin(session)?;
    let made = session
        .batch(&schema::of_server())
        .and_then(|()| tx.execute("INSERT INTO engine VALUES (?1, '', '')", [VERSION]).map(|_| ()));
    match made {
        Ok(()) => Ok(session.commit("")?),
        Err(e) => {
            session.roll_back()?;
            Err(e.into())
        }
    }
}

fn version(tx: &Tx) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'engine'";
    if tx.query_row(sql, [], |row| row.get::<i64>(0))? == 0 {
        return Ok(None);
    }
    Ok(tx.query_row("SELECT version FROM engine", [], |row| row.get(0)).optional()?)
}

/// Brings a store up to date; each version is one transaction. Whoever wants a copy of before makes it before (`pg_dump`).
pub(super) fn bring_up(
    tx: &Tx,
    found: i64,
    steps: impl Iterator<Item = (i64, &'static str)>,
) -> Result<(), StoreError> {
    let session = tx.server().ok_or(StoreError::Stopped)?;
    for (to, step) in steps.filter(|(to, _)| *to > found) {
        tracing::info!(to, "the store is brought up to date");
        begin(session)?;
        let step = format!("{} UPDATE engine SET version = {to}", schema::step_of_server(step));
        let done = session.batch(&step).and_then(|()| session.commit(""));
        if let Err(e) = done {
            session.roll_back()?;
            return Err(e.into());
        }
    }
    Ok(())
}

/// That a database is a store of the version of this program.
pub(super) fn check(tx: &Tx, path: &Path) -> Result<(), StoreError> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE tablename IN ('engine', 'meta', 'target', 'audit'))
               FROM pg_tables WHERE schemaname = current_schema()";
    let (tables, ours): (i64, i64) = tx.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    match (tables, ours) {
        (0, _) => return Err(StoreError::NotThere(format!("there is no store in {} yet", path.display()))),
        (_, 4) => {}
        _ => return Err(StoreError::Foreign { path: path.to_owned() }),
    }
    match version(tx)? {
        Some(VERSION) => Ok(()),
        Some(found) if found > VERSION => Err(StoreError::TooNew { path: path.to_owned(), found }),
        Some(found) => Err(StoreError::BehindOnServer { path: path.to_owned(), found }),
        None => Err(StoreError::Sql(SqlError(Cause::NoRow))),
    }
}
