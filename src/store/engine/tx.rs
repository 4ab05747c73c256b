//! What a statement is asked through: the same few functions for the writer's transaction and for whoever reads beside it.

use super::error::StoreError;
use super::trouble::SqlError;
use super::value::{Column, Params, Value};
use super::words;
use rusqlite::{CachedStatement, Connection};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

/// A row that need not be there.
pub trait Optional<T> {
    /// `None` where no row was found.
    fn optional(self) -> Result<Option<T>, SqlError>;
}

impl<T> Optional<T> for Result<T, SqlError> {
    fn optional(self) -> Result<Option<T>, SqlError> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(SqlError(rusqlite::Error::QueryReturnedNoRows)) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Statements over one connection. Of the writer: within the transaction that it commits.
#[derive(Debug)]
pub struct Tx {
    connection: Connection,
    /// Statements with words of ours, as SQLite understands them.
    said: RefCell<HashMap<String, String>>,
}

impl Tx {
    pub(super) fn over(connection: Connection) -> Self {
        Self { connection, said: RefCell::default() }
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn into_connection(self) -> Connection {
        self.connection
    }

    /// A statement that stays prepared.
    pub fn prepare_cached(&self, sql: &str) -> Result<Statement<'_>, SqlError> {
        if let Some(said) = self.said.borrow().get(sql) {
            return Ok(Statement(Prepared::Kept(self.connection.prepare_cached(said)?)));
        }
        let Some(said) = words::for_sqlite(sql) else {
            return Ok(Statement(Prepared::Kept(self.connection.prepare_cached(sql)?)));
        };
        let statement = self.connection.prepare_cached(&said)?;
        self.said.borrow_mut().insert(sql.to_owned(), said);
        Ok(Statement(Prepared::Kept(statement)))
    }

    /// A statement that is seldom asked, or composed.
    pub fn prepare(&self, sql: &str) -> Result<Statement<'_>, SqlError> {
        let said = words::for_sqlite(sql);
        Ok(Statement(Prepared::Once(self.connection.prepare(said.as_deref().unwrap_or(sql))?)))
    }

    /// Carries a statement out once; returns how many rows it has changed.
    pub fn execute(&self, sql: &str, params: impl Params) -> Result<usize, SqlError> {
        self.prepare(sql)?.execute(params)
    }

    /// The first row of a statement that is seldom asked.
    pub fn query_row<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.prepare(sql)?.query_row(params, read)
    }
}

/// Does something that leaves no trace if it fails, within a transaction that goes on.
pub fn alone<T>(tx: &Tx, job: impl FnOnce(&Tx) -> Result<T, StoreError>) -> Result<T, StoreError> {
    tx.prepare_cached("SAVEPOINT job")?.execute([])?;
    let result = job(tx);
    if tx.connection.is_autocommit() {
        return result; // rolled back as a whole, with this savepoint
    }
    if result.is_err() {
        tx.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    tx.prepare_cached("RELEASE job")?.execute([])?;
    result
}

enum Prepared<'c> {
    Kept(CachedStatement<'c>),
    Once(rusqlite::Statement<'c>),
}

impl<'c> Deref for Prepared<'c> {
    type Target = rusqlite::Statement<'c>;

    fn deref(&self) -> &Self::Target {
        match self {
            Prepared::Kept(statement) => statement,
            Prepared::Once(statement) => statement,
        }
    }
}

impl DerefMut for Prepared<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Prepared::Kept(statement) => statement,
            Prepared::Once(statement) => statement,
        }
    }
}

/// A prepared statement.
pub struct Statement<'c>(Prepared<'c>);

impl Statement<'_> {
    /// Carries it out; returns how many rows it has changed.
    pub fn execute(&mut self, params: impl Params) -> Result<usize, SqlError> {
        params.bind(&mut self.0)?;
        Ok(self.0.raw_execute()?)
    }

    /// Carries an `INSERT … RETURNING id` out to its end, since only then it is certain; returns the id.
    pub fn insert(&mut self, params: impl Params) -> Result<i64, SqlError> {
        let mut rows = self.query(params)?;
        let id = match rows.next()? {
            Some(row) => row.get(0)?,
            None => return Err(SqlError(rusqlite::Error::QueryReturnedNoRows)),
        };
        while rows.next()?.is_some() {}
        Ok(id)
    }

    /// Its rows, one at a time.
    pub fn query(&mut self, params: impl Params) -> Result<Rows<'_>, SqlError> {
        params.bind(&mut self.0)?;
        Ok(Rows(self.0.raw_query()))
    }

    /// Its first row.
    pub fn query_row<T>(
        &mut self,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        match self.query(params)?.next()? {
            Some(row) => read(&row),
            None => Err(SqlError(rusqlite::Error::QueryReturnedNoRows)),
        }
    }

    /// Its rows, as `read` reads them.
    pub fn query_map<T, F>(&mut self, params: impl Params, read: F) -> Result<Mapped<'_, F>, SqlError>
    where
        F: FnMut(&Row<'_>) -> Result<T, SqlError>,
    {
        Ok(Mapped { rows: self.query(params)?, read })
    }

    /// Whether it has any row.
    pub fn exists(&mut self, params: impl Params) -> Result<bool, SqlError> {
        Ok(self.query(params)?.next()?.is_some())
    }
}

/// The rows of a statement.
pub struct Rows<'s>(rusqlite::Rows<'s>);

impl Rows<'_> {
    /// The next one.
    pub fn next(&mut self) -> Result<Option<Row<'_>>, SqlError> {
        Ok(self.0.next()?.map(Row))
    }
}

/// Rows of a statement, read one by one.
pub struct Mapped<'s, F> {
    rows: Rows<'s>,
    read: F,
}

impl<T, F: FnMut(&Row<'_>) -> Result<T, SqlError>> Iterator for Mapped<'_, F> {
    type Item = Result<T, SqlError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next().transpose()?;
        Some(row.and_then(|row| (self.read)(&row)))
    }
}

/// One row.
pub struct Row<'r>(&'r rusqlite::Row<'r>);

impl Row<'_> {
    /// A column, counted from 0.
    pub fn get<T: Column>(&self, column: usize) -> Result<T, SqlError> {
        let value = self.value(column)?;
        T::read(value).map_err(|misread| SqlError(misread.at(column, self.0)))
    }

    /// A column as it is, without a copy.
    pub fn value(&self, column: usize) -> Result<Value<'_>, SqlError> {
        Value::of(self.0.get_ref(column)?).map_err(|e| SqlError(rusqlite::Error::Utf8Error(column, e)))
    }
}

#[cfg(test)]
impl Tx {
    /// Any file, opened as another program would.
    pub fn stranger(path: &std::path::Path) -> Self {
        Self::over(Connection::open(path).expect("opens"))
    }

    /// A store of the newest version, in memory.
    pub fn in_memory() -> Self {
        let connection = Connection::open_in_memory().expect("opens");
        connection.execute_batch(super::schema::SCHEMA).expect("makes the tables");
        Self::over(connection)
    }

    /// Several statements at once.
    pub fn execute_batch(&self, sql: &str) -> Result<(), SqlError> {
        Ok(self.connection.execute_batch(sql)?)
    }

    /// From now on `seen` is told of each statement.
    pub fn count(&mut self, seen: impl Fn() + Send + 'static) {
        use rusqlite::trace::{TraceEvent, TraceEventCodes};
        let report = move |event: TraceEvent| {
            if let TraceEvent::Stmt(..) = event {
                seen();
            }
        };
        self.connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(report)).expect("traces");
    }
}
