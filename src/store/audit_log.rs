//! Appending to the audit, reading it back, sealing it, and removing what retention lets go.

use super::engine::{Bind, Operator, Optional, Tx, Value, params, params_from_iter};
use super::{Store, StoreError, meta, set_meta};
use crate::audit::details::Pruned as PrunedRows;
use crate::audit::record::chain;
use crate::audit::{Author, Checkpoint, Event, Record, SigningKey, StoredRow, Verdict, Verifier};
use crate::clock::Moment;
use crate::domain::{Decider, hex};
use std::collections::{BTreeMap, BTreeSet};

/// Where the chain begins after retention: the last row that was removed, and its hash.
const BASE: &str = "audit_base";

/// An audit row as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    pub seq: i64,
    pub text: String,
    pub hash: Vec<u8>,
}

/// Which rows to read.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Rows about these people; all without any.
    pub targets: Vec<i64>,
    pub since: Option<Moment>,
    pub until: Option<Moment>,
    pub kinds: Vec<String>,
    /// Rows that name this group, by its name or id.
    pub group: Option<String>,
    /// Rows of one run of the service.
    pub run: Option<i64>,
    /// Only these rows, by their numbers; all without any.
    pub rows: Vec<i64>,
    /// Only so many, the newest.
    pub newest: Option<usize>,
}

/// Appends `record` to the chain; returns its sequence number.
pub fn append(connection: &Tx, record: &Record) -> Result<i64, StoreError> {
    let (seq, previous) = end(connection)?;
    let seq = seq + 1;
    let text = record.text(seq)?;
    let hash = chain(&previous, &text);
    connection
        .prepare_cached("INSERT INTO audit (seq, at, kind, target, profile, row, hash) VALUES (?1,?2,?3,?4,?5,?6,?7)")?
        .execute(params![seq, record.at.millis(), record.event.kind(), record.target, record.profile, text, hash])?;
    Ok(seq)
}

/// Number and hash of the last row, also if retention has removed it.
fn end(c: &Tx) -> Result<(i64, Vec<u8>), StoreError> {
    let last: Option<(i64, Vec<u8>)> = c
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match last {
        Some(last) => Ok(last),
        None => Ok(base(c)?.unwrap_or_default()),
    }
}

/// The last row that retention has removed, and its hash.
fn base(c: &Tx) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let Some(text) = meta(c, BASE)? else { return Ok(None) };
    let parsed = text.split_once(' ').and_then(|(seq, hash)| {
        let bytes = (0..hash.len()).step_by(2).map(|at| u8::from_str_radix(hash.get(at..at + 2)?, 16).ok());
        Some((seq.parse().ok()?, bytes.collect::<Option<Vec<u8>>>()?))
    });
    Ok(parsed)
}

/// Up to `limit` rows after `seq`, in order.
pub fn read_audit(connection: &Tx, after: i64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT seq, row, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let rows = select.query_map(params![after, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok(AuditRow { seq: row.get(0)?, text: row.get(1)?, hash: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Reads the rows that a filter lets through, in order.
pub fn filter_audit(
    c: &Tx,
    filter: &Filter,
    mut each: impl FnMut(AuditRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (mut conditions, mut values): (Vec<String>, Vec<Box<dyn Bind>>) = (vec!["1".into()], Vec::new());
    let mut add = |condition: &str, value: Box<dyn Bind>| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    if !filter.targets.is_empty() {
        add("target IN (SELECT value FROM json_each(?))", Box::new(serde_json::to_string(&filter.targets)?));
    }
    if !filter.rows.is_empty() {
        add("seq IN (SELECT value FROM json_each(?))", Box::new(serde_json::to_string(&filter.rows)?));
    }
    if let Some(since) = filter.since {
        add("at >= ?", Box::new(since.millis()));
    }
    if let Some(until) = filter.until {
        add("at < ?", Box::new(until.millis()));
    }
    if !filter.kinds.is_empty() {
        let words: Vec<&str> = filter.kinds.iter().flat_map(|kind| Event::stored_words(kind)).collect();
        add("kind IN (SELECT value FROM json_each(?))", Box::new(serde_json::to_string(&words)?));
    }
    if let Some(group) = &filter.group {
        add(
            "EXISTS (SELECT 1 FROM json_tree(row, '$.detail') WHERE type = 'text' AND value = ?)",
            Box::new(group.clone()),
        );
    }
    if let Some(run) = filter.run {
        let (first, last) = rows_of_run(c, run)?;
        add("seq >= ?", Box::new(first));
        add("seq <= ?", Box::new(last));
    }
    let conditions = conditions.join(" AND ");
    let sql = match filter.newest {
        None => format!("SELECT seq, row, hash FROM audit WHERE {conditions} ORDER BY seq"),
        Some(n) => format!(
            "SELECT * FROM (SELECT seq, row, hash FROM audit WHERE {conditions} ORDER BY seq DESC LIMIT {n}) ORDER BY seq"
        ),
    };
    let mut select = c.prepare(&sql)?;
    let mut rows = select.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        each(AuditRow { seq: row.get(0)?, text: row.get(1)?, hash: row.get(2)? })?;
    }
    Ok(())
}

/// That the audit knows a run of the service.
pub fn is_a_run(c: &Tx, run: i64) -> Result<(), StoreError> {
    if rows_of_run(c, run)?.0 < i64::MAX {
        return Ok(());
    }
    Err(StoreError::NotThere(format!(
        "there is no run {run} in the audit; `audit list --kind started` shows which there are"
    )))
}

/// That the audit has a row of this number.
pub fn is_a_row(c: &Tx, row: i64) -> Result<(), StoreError> {
    if c.prepare_cached("SELECT 1 FROM audit WHERE seq = ?1")?.exists([row])? {
        return Ok(());
    }
    Err(StoreError::NotThere(format!(
        "there is no row {row} in the audit, or it was pruned; `audit list` shows which there are"
    )))
}

/// The rows of one run of the service: from its start to the next.
pub fn rows_of_run(c: &Tx, run: i64) -> Result<(i64, i64), StoreError> {
    let mut starts = c.prepare("SELECT seq, row ->> '$.detail.run' FROM audit WHERE kind = 'started' ORDER BY seq")?;
    let starts: Vec<(i64, i64)> =
        starts.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let first = starts.iter().find(|(_, number)| *number == run).map(|(seq, _)| *seq);
    let Some(first) = first else { return Ok((i64::MAX, i64::MAX)) };
    let next = starts.iter().find(|(seq, _)| *seq > first).map_or(i64::MAX, |(seq, _)| seq - 1);
    Ok((first, next))
}

/// Follows the whole chain; `seen` is told of each row. `checkpoints` are in order and genuine.
pub fn verify_audit(c: &Tx, checkpoints: &[Checkpoint], mut seen: impl FnMut()) -> Result<Verdict, StoreError> {
    let mut verifier = Verifier::new(base(c)?, checkpoints);
    let mut select = c.prepare("SELECT seq, row, hash FROM audit ORDER BY seq")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        // What is of another kind, or no text, is not what was written: its hash says so.
        let text = if let Ok(Value::Text(text)) = row.value(1) { text } else { "" };
        let hash: &[u8] = if let Ok(Value::Blob(hash)) = row.value(2) { hash } else { &[] };
        verifier.row(&StoredRow { seq: row.get(0)?, text, hash });
        seen();
    }
    Ok(verifier.end())
}

/// The checkpoints that the store itself has, in order.
pub fn checkpoints(c: &Tx) -> Result<Vec<Checkpoint>, StoreError> {
    let mut select = c.prepare("SELECT checkpoint FROM checkpoint ORDER BY seq")?;
    let rows: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    rows.iter().map(|text| Ok(serde_json::from_str(text)?)).collect()
}

/// What `audit prune` removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    pub rows: usize,
    /// The last row that is gone.
    pub to: i64,
}

/// Removes rows from before `before`, up to the last checkpoint that every sink has delivered beyond; the chain goes on
/// from there. Nothing is removed without a checkpoint. For use beside or without the service.
pub fn prune_audit(c: &Operator, before: Moment, by: &Decider, now: Moment) -> Result<Option<Pruned>, StoreError> {
    c.together(|c| {
        let mut last = c.prepare_cached(
            "SELECT a.seq, a.hash FROM checkpoint k JOIN audit a ON a.seq = k.seq
             WHERE a.at < ?1 AND a.seq <= coalesce((SELECT min(seq) FROM sink), a.seq) ORDER BY a.seq DESC LIMIT 1",
        )?;
        let to: Option<(i64, Vec<u8>)> =
            last.query_row([before.millis()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((to, hash)) = to else { return Ok(None) };
        set_meta(c, BASE, &format!("{to} {}", hex(&hash)))?;
        let rows = c.execute("DELETE FROM audit WHERE seq <= ?1", [to])?;
        let pruned = PrunedRows { rows, to, hash: hex(&hash), author: Author::new(&*by.name, by.principal()) };
        append(c, &Record::general(now, Event::Pruned(pruned)))?;
        Ok(Some(Pruned { rows, to }))
    })
}

impl Store {
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

    /// Up to where the sink `name` has delivered.
    pub async fn cursor(&self, name: &str) -> Result<i64, StoreError> {
        let name = name.to_owned();
        self.run(move |c| {
            let mut find = c.prepare_cached("SELECT seq FROM sink WHERE name = ?1")?;
            Ok(find.query_row([&name], |row| row.get(0)).optional()?.unwrap_or(0))
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

    /// A reader of the audit that is new begins at its end: it is told what comes.
    pub async fn begin_at_end(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.run(move |c| {
            let last = end(c)?.0;
            c.execute("INSERT OR IGNORE INTO sink VALUES (?1, ?2)", params![name, last])?;
            Ok(())
        })
        .await
    }

    /// The names of targets' people.
    pub async fn names(&self, targets: BTreeSet<i64>) -> Result<BTreeMap<i64, String>, StoreError> {
        self.run(move |c| {
            let mut names = BTreeMap::new();
            for target in targets {
                names.extend(super::name_of(c, target)?.map(|name| (target, name)));
            }
            Ok(names)
        })
        .await
    }

    /// Sinks that are not configured any more hold nothing back.
    pub async fn keep_sinks(&self, names: Vec<String>) -> Result<(), StoreError> {
        self.run(move |c| {
            let names = serde_json::to_string(&names)?;
            c.execute("DELETE FROM sink WHERE name NOT IN (SELECT value FROM json_each(?1))", [names])?;
            Ok(())
        })
        .await
    }

    /// Signs what the chain is now; `None` if that was signed already.
    pub async fn seal(&self, key: std::sync::Arc<SigningKey>, now: Moment) -> Result<Option<Checkpoint>, StoreError> {
        self.run(move |c| {
            let (seq, hash) = end(c)?;
            let sealed: Option<i64> = c.query_row("SELECT max(seq) FROM checkpoint", [], |row| row.get(0))?;
            if seq == 0 || sealed.is_some_and(|sealed| sealed >= seq) {
                return Ok(None);
            }
            let checkpoint = key.seal(&super::identity(c)?, seq, &hash, now);
            c.execute(
                "INSERT INTO checkpoint VALUES (?1, ?2, ?3)",
                params![seq, now.millis(), serde_json::to_string(&checkpoint)?],
            )?;
            Ok(Some(checkpoint))
        })
        .await
    }
}
