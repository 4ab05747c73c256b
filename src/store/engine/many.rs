//! Statements over many rows at once: what a page needs is asked for, and written, by one statement for each table.
//!
//! The rows are a table of the statement, `given`. A file is asked for some of them at a time, in few sizes, so that each statement
//! stays prepared: what is missing to a size is rows of nothing, which fit no other row and must not be written. A server gets all of them.

use super::trouble::{Cause, SqlError};
use super::value::{Params, Take, Value, sealed};
use std::fmt::Write;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Int,
    Text,
    Blob,
}

impl Of {
    const fn takes(self, value: &Value<'_>) -> bool {
        match value {
            Value::Null => true,
            Value::Int(_) => matches!(self, Of::Int),
            Value::Text(_) => matches!(self, Of::Text),
            Value::Blob(_) => matches!(self, Of::Blob),
            Value::Real(_) => false,
        }
    }
}

/// A statement over rows with these columns, which it finds in `given`. It goes on after `WITH RECURSIVE given AS (…)`, and may begin
/// with another such table, after a comma.
///
/// It holds for each row by itself: it must not matter whether others are given with it. A row must not be given twice. A statement
/// that writes leaves out rows whose first column is nothing.
#[derive(Clone, Copy, Debug)]
pub struct Many {
    pub given: &'static [(&'static str, Of)],
    pub sql: &'static str,
}

/// How many rows a statement of a file may have.
const SIZES: [usize; 4] = [1, 4, 16, MOST];
/// How many rows a statement of a file has at most.
pub(super) const MOST: usize = 64;

/// The size of the statement that takes so many rows, or as many of them as one takes.
pub(super) fn size(rows: usize) -> usize {
    SIZES.into_iter().find(|size| *size >= rows).unwrap_or(MOST)
}

impl Many {
    fn named(&self) -> String {
        let names: Vec<&str> = self.given.iter().map(|(name, _)| *name).collect();
        format!("WITH RECURSIVE given({}) AS (", names.join(", "))
    }

    /// For so many rows in a file.
    pub(super) fn in_file(&self, rows: usize) -> String {
        if let Some(sql) = self.of_one().filter(|_| rows == 1) {
            return sql;
        }
        let mut sql = self.named() + "VALUES ";
        let row = format!("({})", vec!["?"; self.given.len()].join(","));
        for n in 0..rows {
            sql.push_str(if n == 0 { "" } else { "," });
            sql.push_str(&row);
        }
        sql.push_str(") ");
        sql.push_str(self.sql);
        sql
    }

    /// For one row in a file, without a table of it, where that can be said: that is quicker.
    fn of_one(&self) -> Option<String> {
        let values: Vec<String> = (1..=self.given.len()).map(|n| format!("?{n}")).collect();
        let row = format!("SELECT * FROM given WHERE {} IS NOT NULL", self.given.first()?.0);
        let mut sql = self.sql.replace("FROM given g CROSS JOIN ", "FROM ");
        sql = sql.replace(&row, &format!("VALUES ({})", values.join(", ")));
        for ((name, _), value) in self.given.iter().zip(&values) {
            for before in [" ", "(", ","] {
                for after in [" ", ")", ",", "\n"] {
                    sql = sql.replace(&format!("{before}g.{name}{after}"), &format!("{before}{value}{after}"));
                }
            }
            if let Some(begin) = sql.strip_suffix(&format!(" g.{name}")) {
                sql = format!("{begin} {value}");
            }
        }
        let is_said = !sql.contains("given") && !sql.contains(" g.") && sql.contains(values.last()?.as_str());
        let sql = match sql.strip_prefix(',') {
            Some(rest) => format!("WITH RECURSIVE{rest}"),
            None => sql,
        };
        is_said.then_some(sql)
    }

    /// For any number of rows on a server.
    pub(super) fn on_server(&self) -> String {
        let mut sql = self.named() + "SELECT * FROM unnest(";
        for (n, (_, of)) in self.given.iter().enumerate() {
            let kind = match of {
                Of::Int => "BIGINT",
                Of::Text => "TEXT",
                Of::Blob => "BYTEA",
            };
            // Nothing is lost by it: a text has no other way to be written.
            let _ = write!(sql, "{}CAST(?{} AS {kind}[])", if n == 0 { "" } else { ", " }, n + 1);
        }
        sql.push_str(")) ");
        sql.push_str(self.sql);
        sql
    }

    /// That every row has these columns.
    pub(super) fn check<'v, R: AsRef<[Value<'v>]>>(&self, rows: &[R]) -> Result<(), SqlError> {
        let wanted = self.given.len();
        for row in rows.iter().map(AsRef::as_ref) {
            if row.len() != wanted {
                return Err(SqlError(Cause::Counted { bound: row.len(), wanted }));
            }
            if let Some((name, of)) =
                self.given.iter().zip(row).find(|((_, of), value)| !of.takes(value)).map(|(one, _)| one)
            {
                return Err(SqlError(Cause::Misread(format!(
                    "a value for the column {name} is not of the kind {of:?}"
                ))));
            }
        }
        Ok(())
    }
}

/// Rows for a file, filled up with rows of nothing.
pub(super) struct Filled<'r, R> {
    pub rows: &'r [R],
    pub columns: usize,
    pub size: usize,
}

impl<R> sealed::Sealed for Filled<'_, R> {}
impl<'v, R: AsRef<[Value<'v>]>> Params for Filled<'_, R> {
    fn each(self, take: Take<'_>) -> Result<(), SqlError> {
        self.rows.iter().flat_map(|row| row.as_ref()).try_for_each(|value| take(*value))?;
        (self.rows.len() * self.columns..self.size * self.columns).try_for_each(|_| take(Value::Null))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::engine::Tx;
    use crate::store::engine::server_tests::open;
    use crate::store::engine::server_tests::place;

    const META: Many = Many {
        given: &[("key", Of::Text), ("value", Of::Text)],
        sql: "INSERT INTO meta (key, value) SELECT * FROM given WHERE key IS NOT NULL
              ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    };
    const VALUES: Many = Many {
        given: &[("key", Of::Text)],
        sql: "SELECT g.key, m.value FROM given g CROSS JOIN meta m WHERE m.key = g.key",
    };

    #[tokio::test]
    async fn any_number_of_rows_is_written_and_found_and_nothing_besides() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(&place(folder.path())).expect("opens");
        for count in [0, 1, 2, 5, 16, 17, 64, 65, 200] {
            let found = store.run(move |c| {
                let before: i64 = c.query_row("SELECT count(*) FROM meta", [], |row| row.get(0))?;
                let keys: Vec<String> = (0..count).map(|n| format!("{count} {n}")).collect();
                let rows: Vec<_> = keys.iter().map(|key| [Value::Text(key), Value::Text("v")]).collect();
                assert_eq!(
                    (c.put(&META, &rows)?, c.put(&META, &rows)?),
                    (count, count),
                    "what is there is another one then"
                );
                let keys: Vec<_> = rows.iter().map(|[key, _]| [*key]).collect();
                let found: Vec<(String, String)> = c.find(&VALUES, &keys, |row| Ok((row.get(0)?, row.get(1)?)))?;
                let after: i64 = c.query_row("SELECT count(*) FROM meta", [], |row| row.get(0))?;
                Ok((found, after - before))
            });
            let (found, more) = found.await.expect("works");
            assert_eq!((found.len(), more), (count, i64::try_from(count).expect("few")), "{count}");
        }
    }

    #[test]
    fn one_row_of_a_file_is_no_table_where_that_can_be_said() {
        assert_eq!(VALUES.in_file(1), "SELECT ?1, m.value FROM meta m WHERE m.key = ?1");
        assert!(VALUES.in_file(4).starts_with("WITH RECURSIVE given(key) AS (VALUES (?),(?),(?),(?)) SELECT g.key"));
        let above = Many {
            given: VALUES.given,
            sql: ", up(key) AS (SELECT m.key FROM given g CROSS JOIN meta m WHERE m.key = g.key) SELECT key FROM up",
        };
        assert_eq!(
            above.in_file(1),
            "WITH RECURSIVE up(key) AS (SELECT m.key FROM meta m WHERE m.key = ?1) SELECT key FROM up"
        );
        let removes = Many { given: VALUES.given, sql: "DELETE FROM meta WHERE key IN (SELECT key FROM given)" };
        assert!(removes.in_file(1).starts_with("WITH RECURSIVE given(key) AS (VALUES (?)) DELETE"));
        let saves = Many {
            sql: "INSERT INTO meta (key, value) SELECT * FROM given WHERE key IS NOT NULL ON CONFLICT DO NOTHING",
            ..META
        };
        assert_eq!(saves.in_file(1), "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING");
    }

    #[test]
    fn a_row_of_another_length_is_refused() {
        let c = Tx::in_memory();
        let e = c.put(&META, &[[Value::Text("key")]]).expect_err("no value");
        assert!(e.to_string().contains('2') && e.to_string().contains('1'), "{e}");
        let e = c.put(&META, &[[Value::Text("key"), Value::Int(7)]]).expect_err("a number");
        assert!(e.to_string().contains("column value"), "{e}");
    }
}
