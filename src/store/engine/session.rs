//! One connection to a database server, for whoever asks: the writer on its own thread, everybody else through a thread that is kept
//! for the connection, since its client may not be used where tasks run.
//!
//! **Invariant:** a connection that is lost is never used again, and what was asked within its transaction has not happened, unless
//! its commit had been sent: then that is unknown, and told as a failure.

use super::address::Address;
use super::error::StoreError;
use super::many::{Many, Of};
use super::sent::{Listed, Owned};
use super::trouble::{Cause, Failure, SqlError};
use super::value::{Params, Value};
use super::words;
use postgres::{Client, NoTls, Row, SimpleQueryMessage, Statement};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::time::Duration;

/// How long it may take until a server answers that it is there.
const PATIENCE: Duration = Duration::from_secs(5);
/// After how long without a sign of it a server counts as gone.
const SILENCE: Duration = Duration::from_secs(10);

/// Taken by whoever writes, as the first thing in each transaction: what is decided is decided by one after the other.
pub(super) const WRITES: &str = "BEGIN; SELECT pg_advisory_xact_lock(7601, hashtext(current_schema()))";

/// How many rows of many are in memory at a time.
const PART: usize = 1000;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// The service, which alone writes what it decides.
    Service,
    /// Somebody who decides something beside it.
    Operator,
    /// Whoever only looks.
    Reader,
}

impl Use {
    /// What a connection begins with. Statements of the service are few and each finds its rows by an index: where the statistics
    /// are young, the planner of the server would read whole tables instead.
    const fn settings(self) -> &'static str {
        match self {
            Use::Service => {
                "SET statement_timeout = '60s'; SET lock_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s';
                 SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET jit = off"
            }
            Use::Operator => "SET statement_timeout = '60s'; SET lock_timeout = '15s'; SET jit = off",
            Use::Reader => "SET default_transaction_read_only = on; SET jit = off",
        }
    }
}

type Job = Box<dyn FnOnce(&mut Client) + Send>;

enum Ask {
    /// On the thread that uses it.
    Here(Box<RefCell<Client>>),
    /// On a thread of its own, which ends with the last who can ask.
    There(Sender<Job>),
}

/// A connection, with the statements that stay prepared on it.
pub(super) struct Session {
    ask: Ask,
    prepared: RefCell<HashMap<String, Statement>>,
    /// Within a transaction.
    open: Cell<bool>,
    /// What the server has refused within the transaction: from then on it carries nothing out until that is rolled back.
    refused: RefCell<Option<Failure>>,
    /// Nothing more will come of this connection.
    lost: Cell<bool>,
    /// Rows that were changed so far.
    changes: Cell<u64>,
    /// Cursors that were opened so far.
    cursors: Cell<u64>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("open", &self.open).finish_non_exhaustive()
    }
}

/// What a connection is called that is not the one under which the store is served.
fn usual_name() -> String {
    format!("namely-okta-sync {}", std::process::id())
}

fn connect(address: &Address, what_for: Use, called: &str) -> Result<Client, SqlError> {
    let mut config = address.config().clone();
    config
        .connect_timeout(PATIENCE)
        .keepalives_idle(SILENCE)
        .keepalives_interval(PATIENCE)
        .keepalives_retries(2)
        .tcp_user_timeout(SILENCE)
        .application_name(called);
    let encryption = address.trust().encryption().map_err(|why| SqlError(Cause::Untrusted(why)))?;
    let mut client = match encryption {
        Some(encryption) => config.connect(encryption)?,
        None => config.connect(NoTls)?,
    };
    client.batch_execute(what_for.settings())?;
    Ok(client)
}

/// Whether a connection is of no use any more: whatever is neither a refusal of the server nor a mistake in values.
fn ends_the_connection(error: &postgres::Error) -> bool {
    match error.as_db_error() {
        Some(said) => matches!(said.severity(), "FATAL" | "PANIC"),
        None => Failure::is_about_the_line(error),
    }
}

/// Does something where no task runs.
pub(super) fn apart<T: Send>(job: impl FnOnce() -> T + Send) -> T {
    match std::thread::scope(|scope| scope.spawn(job).join()) {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

impl Session {
    /// A connection that is used on one thread, where no task runs.
    pub(super) fn here(address: &Address, what_for: Use) -> Result<Self, SqlError> {
        Self::called(address, what_for, &usual_name())
    }

    /// The same under a name by which others end it.
    pub(super) fn called(address: &Address, what_for: Use, name: &str) -> Result<Self, SqlError> {
        Ok(Self::over(Ask::Here(Box::new(RefCell::new(connect(address, what_for, name)?)))))
    }

    /// A connection that can be used anywhere.
    pub(super) fn there(address: &Address, what_for: Use) -> Result<Self, StoreError> {
        let (jobs, inbox) = channel::<Job>();
        let (ready, is_ready) = sync_channel(1);
        let address = address.clone();
        let thread = std::thread::Builder::new().name("store-guest".into());
        let spawned = thread.spawn(move || match connect(&address, what_for, &usual_name()) {
            Ok(mut client) => {
                let _ = ready.send(Ok(()));
                inbox.into_iter().for_each(|job| job(&mut client));
            }
            Err(e) => drop(ready.send(Err(e))),
        });
        spawned.map_err(|e| StoreError::Commit(Failure::no_thread(&e)))?;
        is_ready.recv().map_err(|_| StoreError::Stopped)??;
        Ok(Self::over(Ask::There(jobs)))
    }

    fn over(ask: Ask) -> Self {
        Self {
            ask,
            prepared: RefCell::default(),
            open: Cell::new(false),
            refused: RefCell::default(),
            lost: Cell::new(false),
            changes: Cell::new(0),
            cursors: Cell::new(0),
        }
    }

    fn with<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Client) -> Result<T, postgres::Error> + Send + 'static,
    ) -> Result<T, SqlError> {
        if self.lost.get() {
            return Err(SqlError(Cause::Gone));
        }
        #[cfg(test)]
        super::asked::again();
        let answered = match &self.ask {
            Ask::Here(client) => Some(job(&mut client.borrow_mut())),
            Ask::There(jobs) => {
                let (answer, answered) = sync_channel(1);
                let sent = jobs.send(Box::new(move |client| drop(answer.send(job(client)))));
                sent.ok().and_then(|()| answered.recv().ok())
            }
        };
        match answered {
            Some(Ok(done)) => Ok(done),
            Some(Err(e)) => {
                self.lost.set(ends_the_connection(&e));
                Err(e.into())
            }
            None => {
                self.lost.set(true);
                Err(SqlError(Cause::Gone))
            }
        }
    }

    /// The same, of a statement: after one that was refused within a transaction nothing more is carried out in it.
    fn carry_out<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Client) -> Result<T, postgres::Error> + Send + 'static,
    ) -> Result<T, SqlError> {
        if let Some(failure) = self.refused.borrow().clone() {
            return Err(SqlError(Cause::Refused(failure)));
        }
        let done = self.with(job);
        if let Err(e) = &done
            && self.open.get()
        {
            self.refused.replace(Some(Failure::of(e)));
        }
        done
    }

    /// Several statements at once, of our own and without values.
    pub(super) fn batch(&self, sql: &str) -> Result<(), SqlError> {
        let sql = sql.to_owned();
        self.carry_out(move |client| client.batch_execute(&sql))
    }

    /// Takes back what was done since a savepoint, and whatever was refused since.
    pub(super) fn roll_back_to(&self, savepoint: &str) -> Result<(), SqlError> {
        let sql = format!("ROLLBACK TO {savepoint}");
        let back = self.with(move |client| client.batch_execute(&sql));
        if back.is_ok() {
            self.refused.replace(None);
        }
        back
    }

    /// Whether nothing more will come of this connection.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Whether a transaction has begun, and can still be committed.
    pub(super) fn is_open(&self) -> bool {
        self.open.get() && !self.is_lost()
    }

    /// How many rows were changed so far.
    pub(super) fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// Begins a transaction by these statements.
    pub(super) fn begin(&self, sql: &str) -> Result<(), SqlError> {
        let begun = self.batch(sql);
        match begun {
            Ok(()) => self.open.set(true),
            // Whatever of it was begun is not left open.
            Err(_) => {
                let _ = self.roll_back();
            }
        }
        begun
    }

    /// Begins a transaction that writes.
    pub(super) fn begin_to_write(&self) -> Result<(), SqlError> {
        self.begin(WRITES)
    }

    /// Begins a transaction by these statements; returns what the last of them has answered, if that is a row.
    pub(super) fn begin_asking(&self, sql: &str) -> Result<Option<String>, SqlError> {
        let sql = sql.to_owned();
        let begun = self.carry_out(move |client| client.simple_query(&sql));
        match begun {
            Ok(answers) => {
                self.open.set(true);
                let rows = answers.iter().filter_map(|answer| match answer {
                    SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
                    _ => None,
                });
                Ok(rows.last().flatten())
            }
            Err(e) => {
                let _ = self.roll_back();
                Err(e)
            }
        }
    }

    /// Makes the transaction last, and what these statements say before it ends. Of one in which something was refused nothing is left.
    pub(super) fn commit(&self, last: &str) -> Result<(), SqlError> {
        if let Some(failure) = self.refused.borrow().clone() {
            return Err(SqlError(Cause::Refused(failure)));
        }
        let sql = format!("{last}COMMIT");
        let committed = self.with(move |client| client.batch_execute(&sql));
        // Where a statement before it was refused the transaction is still there, and is to be rolled back.
        self.open.set(committed.is_err() && !self.lost.get());
        committed
    }

    /// Takes the transaction back.
    pub(super) fn roll_back(&self) -> Result<(), SqlError> {
        self.open.set(false);
        self.refused.replace(None);
        self.with(|client| client.batch_execute("ROLLBACK"))
    }

    /// Prepares a statement, once for each connection.
    pub(super) fn prepare(&self, sql: &str) -> Result<Statement, SqlError> {
        if let Some(prepared) = self.prepared.borrow().get(sql) {
            return Ok(prepared.clone());
        }
        let said = words::for_server(sql);
        let prepared = self.carry_out(move |client| client.prepare(&said))?;
        self.prepared.borrow_mut().insert(sql.to_owned(), prepared.clone());
        Ok(prepared)
    }

    fn owned(statement: &Statement, params: impl Params) -> Result<Vec<Owned>, SqlError> {
        let mut values = Vec::with_capacity(statement.params().len());
        params.each(&mut |value| {
            values.push(Owned::of(value));
            Ok(())
        })?;
        match (values.len(), statement.params().len()) {
            (bound, wanted) if bound == wanted => Ok(values),
            (bound, wanted) => Err(SqlError(Cause::Counted { bound, wanted })),
        }
    }

    /// What a statement finds for all rows.
    pub(super) fn find_many<'v, R: AsRef<[Value<'v>]>>(&self, many: &Many, rows: &[R]) -> Result<Vec<Row>, SqlError> {
        let (statement, lists) = self.lists(many, rows)?;
        self.carry_out(move |client| client.query(&statement, &Listed::all(&lists)))
    }

    /// Carries a statement out for all rows; returns how many rows it has changed.
    pub(super) fn put_many<'v, R: AsRef<[Value<'v>]>>(&self, many: &Many, rows: &[R]) -> Result<usize, SqlError> {
        let (statement, lists) = self.lists(many, rows)?;
        let changed = self.carry_out(move |client| client.execute(&statement, &Listed::all(&lists)))?;
        self.changes.set(self.changes.get() + changed);
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// A statement over many rows, and the columns of these.
    fn lists<'v, R: AsRef<[Value<'v>]>>(&self, many: &Many, rows: &[R]) -> Result<(Statement, Vec<Listed>), SqlError> {
        let statement = self.prepare(&many.on_server())?;
        let column = |n: usize, of: Of| Listed::of(of, rows.iter().map(|row| row.as_ref()[n]));
        let lists = many.given.iter().enumerate().map(|(n, (_, of))| column(n, *of)).collect();
        Ok((statement, lists))
    }

    /// All rows of a statement.
    pub(super) fn query(&self, statement: &Statement, params: impl Params) -> Result<Vec<Row>, SqlError> {
        let (statement, values) = (statement.clone(), Self::owned(statement, params)?);
        self.carry_out(move |client| client.query(&statement, &Owned::all(&values)))
    }

    /// Gives the rows of a statement to `each`, a few of them at a time, as they all were at one moment.
    pub(super) fn each(
        &self,
        sql: &str,
        params: impl Params,
        each: &mut dyn FnMut(&Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if self.open.get() {
            return self.in_parts(sql, params, each);
        }
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
        let read = self.in_parts(sql, params, each);
        match (&read, self.roll_back()) {
            (Ok(()), Err(e)) => Err(e.into()),
            _ => read,
        }
    }

    fn in_parts(
        &self,
        sql: &str,
        params: impl Params,
        each: &mut dyn FnMut(&Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let number = self.cursors.get() + 1;
        self.cursors.set(number);
        let declare = format!("DECLARE part_{number} NO SCROLL CURSOR FOR {}", words::for_server(sql));
        let statement = self.carry_out(move |client| client.prepare(&declare))?;
        let values = Self::owned(&statement, params)?;
        self.carry_out(move |client| client.execute(&statement, &Owned::all(&values)))?;
        let fetch = format!("FETCH FORWARD {PART} FROM part_{number}");
        let fetch = self.carry_out(move |client| client.prepare(&fetch))?;
        loop {
            let again = fetch.clone();
            let rows = self.carry_out(move |client| client.query(&again, &[]))?;
            for row in &rows {
                each(row)?;
            }
            if rows.len() < PART {
                break;
            }
        }
        Ok(self.batch(&format!("CLOSE part_{number}"))?)
    }

    /// So many rows were changed by a statement that returns them.
    pub(super) fn changed(&self, rows: usize) {
        self.changes.set(self.changes.get() + rows as u64);
    }

    /// Carries a statement out; returns how many rows it has changed.
    pub(super) fn execute(&self, statement: &Statement, params: impl Params) -> Result<usize, SqlError> {
        let (statement, values) = (statement.clone(), Self::owned(statement, params)?);
        let changed = self.carry_out(move |client| client.execute(&statement, &Owned::all(&values)))?;
        self.changes.set(self.changes.get() + changed);
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }
}
