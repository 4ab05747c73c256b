//! Everything that a store holds, copied into another one of either engine, and compared.
//!
//! **Invariant:** what was copied is read again from the copy, row by row, before anything of it lasts.

use super::error::StoreError;
use super::many::{Many, Of};
use super::schema::SCHEMA;
use super::trouble::{Cause, SqlError};
use super::tx::{Optional, Row, Tx};
use super::value::{Value, params};
use aws_lc_rs::digest::{Context, SHA256};
use rusqlite::Connection;
use std::sync::OnceLock;

/// Rows that are written by one statement.
const PART: usize = 500;
/// Bytes of rows that are written by one statement, as soon as there are so many.
const PART_BYTES: usize = 4 << 20;

/// A table, as both engines have it.
struct Table {
    name: String,
    select: String,
    columns: usize,
    /// It numbers its rows itself, and never gives a number twice.
    is_numbered: bool,
    insert: Many,
}

/// What a table holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The table.
    pub table: &'static str,
    /// How many rows.
    pub rows: u64,
    digest: Vec<u8>,
}

/// All tables, each after those that it refers to. They are the same for as long as the program runs.
fn tables() -> Result<&'static [Table], StoreError> {
    static TABLES: OnceLock<Vec<Table>> = OnceLock::new();
    if let Some(tables) = TABLES.get() {
        return Ok(tables);
    }
    let made = Connection::open_in_memory()?;
    made.execute_batch(SCHEMA)?;
    let tables = read_tables(&made)?;
    Ok(TABLES.get_or_init(|| tables))
}

fn read_tables(c: &Connection) -> Result<Vec<Table>, StoreError> {
    let names = "SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_master
                 WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut names = c.prepare(names)?;
    let mut left = names.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<_>, _>>()?;
    let mut tables: Vec<Table> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let before = left.len();
        let mut later = Vec::new();
        for (name, is_numbered) in left {
            let refers = format!("SELECT \"table\" FROM pragma_foreign_key_list('{name}')");
            let mut refers = c.prepare(&refers)?;
            let refers: Vec<String> = refers.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let is_there = |other: &String| *other == name || tables.iter().any(|table| table.name == *other);
            if refers.iter().all(is_there) {
                tables.push(read_table(c, name, is_numbered)?);
            } else {
                later.push((name, is_numbered));
            }
        }
        left = later;
        if left.len() == before {
            return Err(misread("tables refer to one another in a circle"));
        }
    }
    Ok(tables)
}

fn read_table(c: &Connection, name: String, is_numbered: bool) -> Result<Table, StoreError> {
    let mut columns = c.prepare(&format!("SELECT name, type, pk FROM pragma_table_info('{name}') ORDER BY cid"))?;
    let columns = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let columns: Vec<(String, String, i64)> = columns.collect::<Result<_, _>>()?;
    let quoted: Vec<String> = columns.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
    let mut key: Vec<(i64, &String)> = columns
        .iter()
        .zip(&quoted)
        .filter(|((_, _, part), _)| *part > 0)
        .map(|((_, _, part), name)| (*part, name))
        .collect();
    key.sort_unstable();
    let key: Vec<&str> = key.into_iter().map(|(_, name)| name.as_str()).collect();
    let mut given: Vec<(&'static str, Of)> = Vec::with_capacity(columns.len());
    for (n, (column, kind, _)) in columns.iter().enumerate() {
        let of = match kind.as_str() {
            "INTEGER" => Of::Int,
            "TEXT" => Of::Text,
            "BLOB" => Of::Blob,
            other => return Err(misread(&format!("the column {name}.{column} is of the kind {other}"))),
        };
        // Made once, as a statement that stands in the program is.
        given.push((format!("c{n}").leak(), of));
    }
    let quoted = quoted.join(", ");
    let sql: &'static str =
        format!("INSERT INTO \"{name}\" ({quoted}) SELECT * FROM given WHERE c0 IS NOT NULL").leak();
    Ok(Table {
        select: format!("SELECT {quoted} FROM \"{name}\" ORDER BY {}", key.join(", ")),
        columns: columns.len(),
        is_numbered,
        insert: Many { given: given.leak(), sql },
        name,
    })
}

fn misread(why: &str) -> StoreError {
    StoreError::Sql(SqlError(Cause::Misread(why.to_owned())))
}

/// The name of the first table that holds something, if one does.
pub fn holds_something(c: &Tx) -> Result<Option<&'static str>, StoreError> {
    for Table { name, .. } in tables()? {
        let first = c.query_row(&format!("SELECT 1 FROM \"{name}\" LIMIT 1"), [], |row| row.get::<i64>(0));
        if first.optional()?.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Copies every row of one store into another that holds none, in the transaction that is open there. `seen` is told of each table
/// and how many of its rows are there so far. Returns what was copied; it is not compared yet.
pub fn copy(from: &Tx, to: &Tx, seen: &mut dyn FnMut(&'static str, u64)) -> Result<Vec<Held>, StoreError> {
    let mut copied = Vec::new();
    for table in tables()? {
        let (mut part, mut bytes) = (Vec::with_capacity(PART), 0);
        let mut reading = Reading::default();
        from.each(&table.select, [], |row| {
            let row = (0..table.columns).map(|n| Ok(Kept::of(row.value(n)?))).collect::<Result<Vec<_>, SqlError>>()?;
            reading.row(row.iter().map(Kept::value))?;
            bytes += row.iter().map(Kept::bytes).sum::<usize>();
            part.push(row);
            if part.len() == PART || bytes >= PART_BYTES {
                write(to, table, &part)?;
                (bytes, part) = (0, Vec::with_capacity(PART));
                seen(&table.name, reading.rows);
            }
            Ok(())
        })?;
        write(to, table, &part)?;
        seen(&table.name, reading.rows);
        if table.is_numbered {
            go_on_numbering(to, &table.name, last_number(from, &table.name)?)?;
        }
        copied.push(reading.end(&table.name));
    }
    Ok(copied)
}

/// What a store holds.
pub fn held(c: &Tx) -> Result<Vec<Held>, StoreError> {
    let mut held = Vec::new();
    for table in tables()? {
        let mut reading = Reading::default();
        c.each(&table.select, [], |row| {
            let values = (0..table.columns).map(|n| row.value(n)).collect::<Result<Vec<_>, _>>()?;
            reading.row(values.into_iter())
        })?;
        held.push(reading.end(&table.name));
    }
    Ok(held)
}

fn write(to: &Tx, table: &Table, rows: &[Vec<Kept>]) -> Result<(), StoreError> {
    let rows: Vec<Vec<Value<'_>>> = rows.iter().map(|row| row.iter().map(Kept::value).collect()).collect();
    to.put(&table.insert, &rows)?;
    Ok(())
}

/// The last number that a table has given; 0 before the first.
fn last_number(c: &Tx, table: &str) -> Result<i64, StoreError> {
    let read = |row: &Row<'_>| row.get::<i64>(0);
    let found = match c.server() {
        None => c.query_row("SELECT seq FROM sqlite_sequence WHERE name = ?1", [table], read),
        Some(_) => c.query_row(
            "SELECT coalesce(last_value, 0) FROM pg_sequences
             WHERE schemaname = current_schema() AND sequencename = CAST(?1 AS TEXT) || '_id_seq'",
            [table],
            read,
        ),
    };
    Ok(found.optional()?.unwrap_or(0))
}

/// The next number of a table is the one after `last`.
fn go_on_numbering(c: &Tx, table: &str, last: i64) -> Result<(), StoreError> {
    if last == 0 {
        return Ok(());
    }
    if c.server().is_some() {
        let set = "SELECT setval(pg_get_serial_sequence(CAST(?1 AS TEXT), 'id'), CAST(?2 AS BIGINT))";
        return Ok(c.query_row(set, params![table, last], |_| Ok(()))?);
    }
    c.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
    c.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", params![table, last])?;
    Ok(())
}

/// A value that outlives its row.
enum Kept {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Kept {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null => Kept::Null,
            Value::Int(number) => Kept::Int(number),
            Value::Real(number) => Kept::Real(number),
            Value::Text(text) => Kept::Text(text.to_owned()),
            Value::Blob(bytes) => Kept::Blob(bytes.to_owned()),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Kept::Null => Value::Null,
            Kept::Int(number) => Value::Int(*number),
            Kept::Real(number) => Value::Real(*number),
            Kept::Text(text) => Value::Text(text),
            Kept::Blob(bytes) => Value::Blob(bytes),
        }
    }

    const fn bytes(&self) -> usize {
        match self {
            Kept::Text(text) => text.len(),
            Kept::Blob(bytes) => bytes.len(),
            Kept::Null | Kept::Int(_) | Kept::Real(_) => 8,
        }
    }
}

/// The rows of a table that were read so far.
struct Reading {
    rows: u64,
    context: Context,
}

impl Default for Reading {
    fn default() -> Self {
        Self { rows: 0, context: Context::new(&SHA256) }
    }
}

impl Reading {
    /// Each value by its kind, its length and itself: no two rows read the same.
    fn row<'v>(&mut self, values: impl Iterator<Item = Value<'v>>) -> Result<(), StoreError> {
        self.rows += 1;
        for value in values {
            let mut take = |kind: u8, bytes: &[u8]| {
                self.context.update(&[kind]);
                self.context.update(&(bytes.len() as u64).to_be_bytes());
                self.context.update(bytes);
            };
            match value {
                Value::Null => take(0, &[]),
                Value::Int(number) => take(1, &number.to_be_bytes()),
                Value::Text(text) => take(2, text.as_bytes()),
                Value::Blob(bytes) => take(3, bytes),
                Value::Real(number) => return Err(misread(&format!("{number} is no whole number"))),
            }
        }
        Ok(())
    }

    fn end(self, table: &'static str) -> Held {
        Held { table, rows: self.rows, digest: self.context.finish().as_ref().to_owned() }
    }
}
