//! What a statement is asked through: the same few functions for the writer's transaction and for whoever reads beside it, and for
//! each engine.

use super::error::StoreError;
use super::many::{Filled, MOST, Many, size};
use super::sent::Cell;
use super::session::Session;
use super::trouble::{Cause, SqlError};
use super::value::{Column, Params, Value, bind};
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
            Err(SqlError(Cause::NoRow)) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Statements over one connection. Of the writer: within the transaction that it commits.
#[derive(Debug)]
pub struct Tx(Engine);

#[derive(Debug)]
enum Engine {
    File { connection: Connection, said: Box<Said> },
    Server(Box<Session>),
}

/// Statements as SQLite understands them.
#[derive(Debug, Default)]
struct Said {
    /// Those with words of ours.
    words: RefCell<HashMap<String, String>>,
    /// Those over many rows, by their text and the number of rows.
    many: RefCell<HashMap<(&'static str, usize), String>>,
}

impl Tx {
    pub(super) fn over(connection: Connection) -> Self {
        Self(Engine::File { connection, said: Box::default() })
    }

    pub(super) fn of_server(session: Session) -> Self {
        Self(Engine::Server(Box::new(session)))
    }

    /// The connection to a file, where it is one.
    pub(super) const fn file(&self) -> Option<&Connection> {
        match &self.0 {
            Engine::File { connection, .. } => Some(connection),
            Engine::Server(_) => None,
        }
    }

    /// The connection to a server, where it is one.
    pub(super) const fn server(&self) -> Option<&Session> {
        match &self.0 {
            Engine::File { .. } => None,
            Engine::Server(session) => Some(session),
        }
    }

    pub(super) fn into_file(self) -> Option<Connection> {
        match self.0 {
            Engine::File { connection, .. } => Some(connection),
            Engine::Server(_) => None,
        }
    }

    /// Whether a transaction has begun, and can still be committed.
    pub(super) fn is_open(&self) -> bool {
        match &self.0 {
            Engine::File { connection, .. } => !connection.is_autocommit(),
            Engine::Server(session) => session.is_open(),
        }
    }

    /// How many rows were changed so far.
    pub(super) fn changes(&self) -> u64 {
        match &self.0 {
            Engine::File { connection, .. } => connection.total_changes(),
            Engine::Server(session) => session.changes(),
        }
    }

    /// Makes what was written in the transaction last.
    pub(super) fn commit(&self) -> Result<(), SqlError> {
        match &self.0 {
            Engine::File { connection, .. } => Ok(connection.execute_batch("COMMIT")?),
            Engine::Server(session) => session.commit(""),
        }
    }

    /// Takes back what was written in the transaction.
    pub(super) fn roll_back(&self) -> Result<(), SqlError> {
        match &self.0 {
            Engine::File { connection, .. } => Ok(connection.execute_batch("ROLLBACK")?),
            Engine::Server(session) => session.roll_back(),
        }
    }

    /// A statement that stays prepared.
    pub fn prepare_cached(&self, sql: &str) -> Result<Statement<'_>, SqlError> {
        let (connection, kept) = match &self.0 {
            Engine::File { connection, said } => (connection, &said.words),
            Engine::Server(session) => return Statement::of_server(session, sql),
        };
        if let Some(said) = kept.borrow().get(sql) {
            return Ok(Statement::of_file(Prepared::Kept(connection.prepare_cached(said)?)));
        }
        let Some(said) = words::for_sqlite(sql) else {
            return Ok(Statement::of_file(Prepared::Kept(connection.prepare_cached(sql)?)));
        };
        let statement = connection.prepare_cached(&said)?;
        kept.borrow_mut().insert(sql.to_owned(), said);
        Ok(Statement::of_file(Prepared::Kept(statement)))
    }

    /// A statement of a file over so many rows, which stays prepared.
    fn prepare_many(&self, many: &Many, rows: usize) -> Result<Statement<'_>, SqlError> {
        let Engine::File { connection, said } = &self.0 else { return Err(SqlError(Cause::NoRow)) };
        let mut kept = said.many.borrow_mut();
        let said = kept.entry((many.sql, rows)).or_insert_with(|| {
            let sql = many.in_file(rows);
            words::for_sqlite(&sql).unwrap_or(sql)
        });
        Ok(Statement::of_file(Prepared::Kept(connection.prepare_cached(said)?)))
    }

    /// Carries a statement out for all rows; returns how many rows it has changed.
    pub fn put<'v, R: AsRef<[Value<'v>]>>(&self, many: &Many, rows: &[R]) -> Result<usize, SqlError> {
        many.check(rows)?;
        if rows.is_empty() {
            return Ok(0);
        }
        if let Some(session) = self.server() {
            return session.put_many(many, rows);
        }
        let mut changed = 0;
        for rows in rows.chunks(MOST) {
            let size = size(rows.len());
            changed += self.prepare_many(many, size)?.execute(Filled { rows, columns: many.given.len(), size })?;
        }
        Ok(changed)
    }

    /// What a statement finds for all rows, as `read` reads it. What is found for one row stands together.
    pub fn find<'v, R, T>(
        &self,
        many: &Many,
        rows: &[R],
        mut read: impl FnMut(&Row<'_>) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError>
    where
        R: AsRef<[Value<'v>]>,
    {
        many.check(rows)?;
        let mut found = Vec::with_capacity(rows.len());
        if rows.is_empty() {
            return Ok(found);
        }
        if let Some(session) = self.server() {
            for row in &session.find_many(many, rows)? {
                found.push(read(&Row(One::Server(row)))?);
            }
            return Ok(found);
        }
        for rows in rows.chunks(MOST) {
            let size = size(rows.len());
            let mut select = self.prepare_many(many, size)?;
            let mut rows = select.query(Filled { rows, columns: many.given.len(), size })?;
            while let Some(row) = rows.next()? {
                found.push(read(&row)?);
            }
        }
        Ok(found)
    }

    /// A statement that is seldom asked, or composed.
    pub fn prepare(&self, sql: &str) -> Result<Statement<'_>, SqlError> {
        let connection = match &self.0 {
            Engine::File { connection, .. } => connection,
            Engine::Server(session) => return Statement::of_server(session, sql),
        };
        let said = words::for_sqlite(sql);
        Ok(Statement::of_file(Prepared::Once(connection.prepare(said.as_deref().unwrap_or(sql))?)))
    }

    /// Carries a statement out once; returns how many rows it has changed.
    pub fn execute(&self, sql: &str, params: impl Params) -> Result<usize, SqlError> {
        self.prepare(sql)?.execute(params)
    }

    /// Gives the rows of a statement to `read`, one after the other and as they all were at one moment: never are all of them in memory.
    pub fn each(
        &self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if let Engine::Server(session) = &self.0 {
            return session.each(sql, params, &mut |row| read(&Row(One::Server(row))));
        }
        let mut select = self.prepare(sql)?;
        let mut rows = select.query(params)?;
        while let Some(row) = rows.next()? {
            read(&row)?;
        }
        Ok(())
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
    let say = |sql: &str| match &tx.0 {
        Engine::File { .. } => tx.prepare_cached(sql)?.execute([]).map(|_| ()),
        Engine::Server(session) => session.batch(sql),
    };
    say("SAVEPOINT job")?;
    let result = job(tx);
    if !tx.is_open() {
        return result; // rolled back as a whole, with this savepoint
    }
    match (&result, tx.server()) {
        (Ok(_), _) => {}
        (Err(_), None) => say("ROLLBACK TO job")?,
        (Err(_), Some(session)) => session.roll_back_to("job")?,
    }
    // Where something was refused and nobody has said so, that is said here.
    if let Err(e) = say("RELEASE job") {
        if let Some(session) = tx.server() {
            session.roll_back_to("job")?;
            say("RELEASE job")?;
        }
        return result.and(Err(e.into()));
    }
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
pub struct Statement<'c>(Through<'c>);

enum Through<'c> {
    File(Prepared<'c>),
    Server { session: &'c Session, statement: postgres::Statement, writes: bool },
}

impl<'c> Statement<'c> {
    const fn of_file(prepared: Prepared<'c>) -> Self {
        Self(Through::File(prepared))
    }

    fn of_server(session: &'c Session, sql: &str) -> Result<Self, SqlError> {
        let writes = !sql.trim_start().starts_with("SELECT");
        Ok(Self(Through::Server { session, statement: session.prepare(sql)?, writes }))
    }

    /// Carries it out; returns how many rows it has changed.
    pub fn execute(&mut self, params: impl Params) -> Result<usize, SqlError> {
        match &mut self.0 {
            Through::File(prepared) => {
                #[cfg(test)]
                super::asked::again();
                bind(prepared, params)?;
                Ok(prepared.raw_execute()?)
            }
            Through::Server { session, statement, .. } => session.execute(statement, params),
        }
    }

    /// Carries an `INSERT … RETURNING id` out to its end, since only then it is certain; returns the id.
    pub fn insert(&mut self, params: impl Params) -> Result<i64, SqlError> {
        let mut rows = self.query(params)?;
        let id = match rows.next()? {
            Some(row) => row.get(0)?,
            None => return Err(SqlError(Cause::NoRow)),
        };
        while rows.next()?.is_some() {}
        Ok(id)
    }

    /// Its rows, one at a time.
    pub fn query(&mut self, params: impl Params) -> Result<Rows<'_>, SqlError> {
        match &mut self.0 {
            Through::File(prepared) => {
                #[cfg(test)]
                super::asked::again();
                bind(prepared, params)?;
                Ok(Rows(Found::File(prepared.raw_query())))
            }
            Through::Server { session, statement, writes } => {
                let found = session.query(statement, params)?;
                session.changed(if *writes { found.len() } else { 0 });
                Ok(Rows(Found::Server { rows: found.into_iter(), row: None }))
            }
        }
    }

    /// Its first row.
    pub fn query_row<T>(
        &mut self,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        match self.query(params)?.next()? {
            Some(row) => read(&row),
            None => Err(SqlError(Cause::NoRow)),
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
pub struct Rows<'s>(Found<'s>);

enum Found<'s> {
    File(rusqlite::Rows<'s>),
    Server { rows: std::vec::IntoIter<postgres::Row>, row: Option<postgres::Row> },
}

impl Rows<'_> {
    /// The next one.
    pub fn next(&mut self) -> Result<Option<Row<'_>>, SqlError> {
        match &mut self.0 {
            Found::File(rows) => Ok(rows.next()?.map(|row| Row(One::File(row)))),
            Found::Server { rows, row } => {
                *row = rows.next();
                Ok(row.as_ref().map(|row| Row(One::Server(row))))
            }
        }
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
pub struct Row<'r>(One<'r>);

enum One<'r> {
    File(&'r rusqlite::Row<'r>),
    Server(&'r postgres::Row),
}

impl Row<'_> {
    /// A column, counted from 0.
    pub fn get<T: Column>(&self, column: usize) -> Result<T, SqlError> {
        let value = self.value(column)?;
        T::read(value).map_err(|misread| match self.0 {
            One::File(row) => misread.at(column, row).into(),
            One::Server(row) => {
                let name = row.columns().get(column).map_or("?", |column| column.name());
                SqlError(Cause::Misread(format!("column {column} ({name}) is not what was wanted: {misread:?}")))
            }
        })
    }

    /// A column as it is, without a copy.
    pub fn value(&self, column: usize) -> Result<Value<'_>, SqlError> {
        match self.0 {
            One::File(row) => Ok(Value::of(row.get_ref(column)?).map_err(|e| rusqlite::Error::Utf8Error(column, e))?),
            One::Server(row) => Ok(row.try_get::<_, Cell<'_>>(column)?.0),
        }
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
        match &self.0 {
            Engine::File { connection, .. } => Ok(connection.execute_batch(sql)?),
            Engine::Server(session) => session.batch(sql),
        }
    }

    /// From now on rows of a table are refused, of those for which `when` is so.
    pub fn refuse_rows(&self, table: &str, when: &str, why: &str) -> Result<(), SqlError> {
        self.execute_batch(&match &self.0 {
            Engine::File { .. } => {
                let when = if when.is_empty() { String::new() } else { format!("WHEN {when}") };
                format!("CREATE TRIGGER broken BEFORE INSERT ON {table} {when} BEGIN SELECT RAISE(ABORT, '{why}'); END")
            }
            Engine::Server(_) => {
                let when = if when.is_empty() { String::new() } else { format!("WHEN ({when})") };
                format!(
                    "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{why}'; END $$;
                     CREATE TRIGGER broken BEFORE INSERT ON {table} FOR EACH ROW {when} EXECUTE FUNCTION broken()"
                )
            }
        })
    }

    /// Removes a trigger of a table.
    pub fn drop_trigger(&self, trigger: &str, table: &str) -> Result<(), SqlError> {
        let of = if self.file().is_some() { String::new() } else { format!(" ON {table}") };
        self.execute_batch(&format!("DROP TRIGGER {trigger}{of}"))
    }

    /// From now on `seen` is told of each statement.
    pub fn count(&mut self, seen: impl Fn() + Send + 'static) {
        use rusqlite::trace::{TraceEvent, TraceEventCodes};
        let report = move |event: TraceEvent| {
            if let TraceEvent::Stmt(..) = event {
                seen();
            }
        };
        let Engine::File { connection, .. } = &mut self.0 else { panic!("of a file only") };
        connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(report)).expect("traces");
    }
}
