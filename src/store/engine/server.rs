//! A store in a database of a server: how it is made, opened by the one node that serves it, and found again after the
//! connection was lost.
//!
//! **Invariant:** one node serves a store. Each of its transactions begins with a look whether the right to serve is still its own
//! (`nodes.rs`), under the lock that whoever takes the right over needs too: what one has written is there before the other begins,
//! and afterwards the first can commit nothing more.

use super::address::Address;
use super::error::StoreError;
use super::fence::since_boot;
use super::nodes::{self, NAMES, Node};
use super::schema::{self, FIRST, FIRST_OF_SERVER, STEPS, VERSION};
use super::seat::Renewing;
use super::session::{Session, Use, WRITES};
use super::trouble::{Cause, Failure, SqlError};
use super::tx::{Optional, Tx};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;
use uuid::Uuid;

/// What the node that serves asks besides: under which token the store is served.
const SERVES: &str = "; SELECT token FROM lease WHERE name = 'serve'";
/// Held while the right to serve is taken and the tables are made or brought up to date. A program of before version 8 holds it for
/// as long as it serves.
const BEGINS: &str = "SELECT pg_try_advisory_lock(7602, hashtext(current_schema()))";
const HAS_BEGUN: &str = "SELECT pg_advisory_unlock(7602, hashtext(current_schema()))";

/// How often and for how long whoever is no node tries to get the right to serve.
const TRIES: u32 = 12;
const BETWEEN: Duration = Duration::from_millis(250);

/// The database as the node that serves works on it.
#[derive(Debug)]
pub(super) struct Server {
    address: Address,
    /// What the service is called in the store.
    name: String,
    renewing: Renewing,
    /// Transactions that were marked so far.
    marks: Cell<u64>,
}

/// Whose a transaction is that was begun.
pub(super) enum Begun {
    Ours,
    /// Nothing was begun: another node serves, as far as it is known which one.
    Superseded(Option<String>),
}

impl Server {
    /// Opens the store for a process that nobody else waits for, making it if there is none.
    pub(super) fn open(address: &Address) -> Result<(Self, Tx), StoreError> {
        let me = Node::unnamed();
        let mut opened = Self::open_as(address, &me);
        for _ in 1..TRIES {
            if !matches!(opened, Err(StoreError::Locked { .. })) {
                break;
            }
            std::thread::sleep(BETWEEN);
            opened = Self::open_as(address, &me);
        }
        opened
    }

    /// Takes the right to serve and opens the store; `Locked` where another node has it.
    pub(super) fn open_as(address: &Address, me: &Node) -> Result<(Self, Tx), StoreError> {
        let (name, path) = (Uuid::now_v7().to_string(), address.shown().to_owned());
        let session = session(&name);
        let tx = Tx::of_server(Session::called(address, Use::Service, &session)?);
        check_ours(&tx, &path)?;
        nodes::make(&tx)?;
        let right = nodes::right(&tx, me)?;
        if !right.is_free {
            return Err(nodes::locked(&right, path));
        }
        if !tx.query_row(BEGINS, [], |row| row.get::<bool>(0))? {
            return Err(StoreError::Locked { path, holder: begins(&tx)? });
        }
        let at = since_boot();
        let Some(token) = nodes::take(&tx, me, &right, &session)? else {
            return Err(nodes::locked(&nodes::right(&tx, me)?, path));
        };
        let renewing = Renewing::start(address, me, token, at);
        let renewing = renewing.map_err(|e| StoreError::Commit(Failure::no_thread(&e)))?;
        let server = Self { address: address.clone(), name, renewing, marks: Cell::new(0) };
        match server.begin_serving(&tx) {
            Ok(()) => Ok((server, tx)),
            Err(e) => {
                server.leave(&tx);
                Err(e)
            }
        }
    }

    /// What comes after the right was taken.
    fn begin_serving(&self, tx: &Tx) -> Result<(), StoreError> {
        make(tx)?;
        if let Some(found) = version(tx)?.filter(|found| *found >= FIRST_OF_SERVER) {
            bring_up(tx, found, (FIRST + 1..).zip(STEPS))?;
        }
        check(tx, &self.path())?;
        tx.execute("UPDATE engine SET service = ?1", [&self.name])?;
        tx.query_row(HAS_BEGUN, [], |_| Ok(()))?;
        Ok(())
    }

    /// The right to serve, as the process holds it.
    pub(super) const fn renewing(&self) -> &Renewing {
        &self.renewing
    }

    /// Gives the right back, so that another node need not wait for its end.
    pub(super) fn leave(&self, tx: &Tx) {
        self.renewing.end();
        if let Err(e) = nodes::give_back(tx, &self.renewing.me, self.renewing.token) {
            tracing::warn!(error = %e, "the right to serve could not be given back: it ends by itself in some seconds");
        }
    }

    /// Begins a transaction, unless the right to serve is another node's by now.
    pub(super) fn begin(&self, session: &Session) -> Result<Begun, SqlError> {
        let token = session.begin_asking(&format!("{WRITES}{SERVES}"))?;
        if token.as_deref() == Some(&*self.renewing.token.to_string()) {
            return Ok(Begun::Ours);
        }
        session.roll_back()?;
        Ok(Begun::Superseded(None))
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

    /// Another connection in the place of one that was lost; nothing as long as there is none. The one before is ended where the
    /// server still has it: once the lock is ours, nothing of it is under way any more.
    pub(super) fn again(&self) -> Result<Again, Failure> {
        let called = session(&self.name);
        let connected = || {
            let tx = Tx::of_server(Session::called(&self.address, Use::Service, &called)?);
            nodes::end_sessions(&tx, &called)?;
            let line = tx.server().ok_or(StoreError::Stopped)?;
            if let Begun::Superseded(_) = self.begin(line)? {
                let by = nodes::right(&tx, &self.renewing.me)?.node;
                return Ok(Again::Superseded(by));
            }
            let written = tx.query_row("SELECT written FROM engine", [], |row| row.get(0))?;
            line.roll_back()?;
            Ok(Again::Back { tx, written })
        };
        connected().map_err(|e: StoreError| e.failure())
    }
}

/// What the connection of a service is called, by which others end it.
fn session(name: &str) -> String {
    format!("namely-okta-sync {name}")
}

/// Who begins to serve right now, or serves with a program of before.
fn begins(tx: &Tx) -> Result<String, StoreError> {
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
    Ok(holder.unwrap_or_else(|| "another service".to_owned()))
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
    if shape(tx)?.0 > 0 {
        return Ok(());
    }
    session.begin_to_write()?;
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

/// How many tables there are besides those of the nodes, and how many of four that every store has.
fn shape(tx: &Tx) -> Result<(i64, i64), SqlError> {
    let sql = format!(
        "SELECT count(*), count(*) FILTER (WHERE tablename IN ('engine', 'meta', 'target', 'audit'))
         FROM pg_tables WHERE schemaname = current_schema() AND tablename NOT IN {NAMES}"
    );
    tx.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// That a database is empty, or a store that this program can serve: nothing is made in another one.
pub(super) fn check_ours(tx: &Tx, path: &Path) -> Result<(), StoreError> {
    if !matches!(shape(tx)?, (0, _) | (_, 4)) {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    match version(tx)? {
        Some(found) if found > VERSION => Err(StoreError::TooNew { path: path.to_owned(), found }),
        _ => Ok(()),
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
        session.begin_to_write()?;
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
    match shape(tx)? {
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
