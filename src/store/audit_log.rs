//! Appending to the audit and reading it back.

use super::StoreError;
use crate::audit::Record;
use crate::audit::record::chain;
use rusqlite::{Connection, OptionalExtension, params};

/// An audit row as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    pub seq: i64,
    pub text: String,
    pub hash: Vec<u8>,
}

/// Appends `record` to the chain; returns its sequence number.
pub fn append(connection: &Connection, record: &Record) -> Result<i64, StoreError> {
    let last: Option<(i64, Vec<u8>)> = connection
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (seq, previous) = last.map_or((1, Vec::new()), |(seq, hash)| (seq + 1, hash));
    let text = record.text(seq);
    let hash = chain(&previous, &text);
    connection
        .prepare_cached("INSERT INTO audit (seq, at, kind, target, profile, row, hash) VALUES (?1,?2,?3,?4,?5,?6,?7)")?
        .execute(params![seq, record.at.millis(), record.kind.word(), record.target, record.profile, text, hash])?;
    Ok(seq)
}

/// Up to `limit` rows after `seq`, in order.
pub fn read_audit(connection: &Connection, after: i64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT seq, row, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let rows = select.query_map(params![after, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok(AuditRow { seq: row.get(0)?, text: row.get(1)?, hash: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl super::Store {
    /// Up to `limit` audit rows that the sink `name` has not delivered yet.
    pub async fn undelivered(&self, name: &str, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let name = name.to_owned();
        self.run(move |c| {
            let cursor: Option<i64> = c
                .prepare_cached("SELECT seq FROM sink WHERE name = ?1")?
                .query_row([&name], |row| row.get(0))
                .optional()?;
            read_audit(c, cursor.unwrap_or(0), limit)
        })
        .await
    }

    /// The sink `name` has delivered everything up to `seq`.
    pub async fn delivered(&self, name: &str, seq: i64) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.run(move |c| {
            c.prepare_cached(
                "INSERT INTO sink VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET seq = max(seq, excluded.seq)",
            )?
            .execute(params![name, seq])?;
            Ok(())
        })
        .await
    }
}
