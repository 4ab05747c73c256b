//! Appending to the audit, reading it back, and sealing it.

use super::engine::Tx;
use super::rows::audit::{self, AuditRow, Conditions};
use super::rows::meta::{damaged, meta};
use super::{Store, StoreError};
use crate::audit::custody::KeyExchange;
use crate::audit::record::chain;
use crate::audit::{Checkpoint, Event, Record, Row, SigningKey, StoredRow, Verdict, Verifier};
use crate::clock::Moment;
use std::collections::{BTreeMap, BTreeSet};

/// Where the chain begins after retention: the last row that was removed, and its hash.
pub(super) const BASE: &str = "audit_base";

/// Which rows to read.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Rows about these people; all without any.
    pub targets: Vec<i64>,
    /// Written at this moment or later; from the first row on without it.
    pub since: Option<Moment>,
    /// Written before this moment; up to the newest row without it.
    pub until: Option<Moment>,
    /// Only these kinds, by their words of today, which also find rows with earlier ones; all without any.
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
pub fn append(c: &Tx, record: &Record) -> Result<i64, StoreError> {
    append_all(c, std::slice::from_ref(record))
}

/// Appends records to the chain, in their order; returns the sequence number of the last row that is there.
pub(super) fn append_all(c: &Tx, records: &[Record]) -> Result<i64, StoreError> {
    let (mut seq, mut previous) = end(c)?;
    let mut written = Vec::with_capacity(records.len());
    for record in records {
        seq += 1;
        let text = record.text(seq)?;
        previous = chain(&previous, &text);
        written.push((seq, text, previous.clone()));
    }
    let rows: Vec<audit::New<'_>> = records
        .iter()
        .zip(&written)
        .map(|(record, (seq, text, hash))| audit::New {
            seq: *seq,
            at: record.at,
            kind: record.event.kind(),
            target: record.target,
            profile: record.profile.as_deref(),
            text,
            hash,
        })
        .collect();
    audit::insert(c, &rows)?;
    Ok(seq)
}

/// Number and hash of the last row, also if retention has removed it.
pub(super) fn end(c: &Tx) -> Result<(i64, Vec<u8>), StoreError> {
    match audit::last(c)? {
        Some(last) => Ok(last),
        None => Ok(base(c)?.unwrap_or_default()),
    }
}

/// The last row that retention has removed, and its hash.
pub(super) fn base(c: &Tx) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let Some(text) = meta(c, BASE)? else { return Ok(None) };
    let parsed = text.split_once(' ').and_then(|(seq, hash)| {
        let bytes = (0..hash.len()).step_by(2).map(|at| u8::from_str_radix(hash.get(at..at + 2)?, 16).ok());
        Some((seq.parse().ok()?, bytes.collect::<Option<Vec<u8>>>()?))
    });
    parsed.map(Some).ok_or_else(|| damaged(BASE, &format!("{text:?} is not the number and hash of a row")))
}

/// Up to `limit` rows after `seq`, in order.
pub fn read_audit(c: &Tx, after: i64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
    audit::after(c, after, limit)
}

/// Reads the rows that a filter lets through, in order.
pub fn filter_audit(
    c: &Tx,
    filter: &Filter,
    each: impl FnMut(AuditRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut conditions = Conditions::default();
    if !filter.targets.is_empty() {
        conditions.about(&filter.targets)?;
    }
    if !filter.rows.is_empty() {
        conditions.numbered(&filter.rows)?;
    }
    if let Some(since) = filter.since {
        conditions.since(since);
    }
    if let Some(until) = filter.until {
        conditions.until(until);
    }
    if !filter.kinds.is_empty() {
        let words: Vec<&str> = filter.kinds.iter().flat_map(|kind| Event::stored_words(kind)).collect();
        conditions.of_kinds(&words)?;
    }
    if let Some(group) = &filter.group {
        conditions.name(group);
    }
    if let Some(run) = filter.run {
        let (first, last) = rows_of_run(c, run)?;
        conditions.between(first, last);
    }
    audit::each(c, conditions, filter.newest, each)
}

/// The rows of one run of the service: from its start to the next.
pub fn rows_of_run(c: &Tx, run: i64) -> Result<(i64, i64), StoreError> {
    let starts = audit::starts(c)?;
    let first = starts.iter().find(|(_, number)| *number == run).map(|(seq, _)| *seq);
    let Some(first) = first else { return Ok((i64::MAX, i64::MAX)) };
    let next = starts.iter().find(|(seq, _)| *seq > first).map_or(i64::MAX, |(seq, _)| seq - 1);
    Ok((first, next))
}

/// Follows the whole chain; `seen` is told of each row. `checkpoints` are in order and genuine.
pub fn verify_audit(c: &Tx, checkpoints: &[Checkpoint], mut seen: impl FnMut()) -> Result<Verdict, StoreError> {
    let mut verifier = Verifier::new(base(c)?, checkpoints);
    audit::as_they_are(c, |seq, text, hash| {
        verifier.row(&StoredRow { seq, text, hash });
        seen();
    })?;
    Ok(verifier.end())
}

/// The checkpoints that the store itself has, in order.
pub fn checkpoints(c: &Tx) -> Result<Vec<Checkpoint>, StoreError> {
    audit::checkpoints(c)?.iter().map(|text| Ok(serde_json::from_str(text)?)).collect()
}

/// Every exchange of the key that signs checkpoints that the audit tells of, in order.
pub fn key_exchanges(c: &Tx) -> Result<Vec<KeyExchange>, StoreError> {
    let mut found = Vec::new();
    filter_audit(c, &Filter { kinds: vec!["reconfigured".into()], ..Filter::default() }, |row| {
        if let Event::Reconfigured(changes) = Row::read(&row.text)?.event {
            found.extend(KeyExchange::of(row.seq, &changes));
        }
        Ok(())
    })?;
    Ok(found)
}

impl Store {
    /// Up to `limit` audit rows that the sink `name` has not delivered yet.
    pub async fn undelivered(&self, name: &str, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let name = name.to_owned();
        self.run(move |c| audit::after(c, audit::cursor(c, &name)?, limit)).await
    }

    /// Up to where the sink `name` has delivered.
    pub async fn cursor(&self, name: &str) -> Result<i64, StoreError> {
        let name = name.to_owned();
        self.run(move |c| audit::cursor(c, &name)).await
    }

    /// The sink `name` has delivered everything up to `seq`.
    pub async fn delivered(&self, name: &str, seq: i64) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.run(move |c| audit::delivered(c, &name, seq)).await
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

    /// Signs what the chain is now; `None` if that was signed already.
    pub async fn seal(&self, key: std::sync::Arc<SigningKey>, now: Moment) -> Result<Option<Checkpoint>, StoreError> {
        self.run(move |c| {
            let (seq, hash) = end(c)?;
            let sealed = audit::sealed(c)?;
            if seq == 0 || sealed.is_some_and(|sealed| sealed >= seq) {
                return Ok(None);
            }
            let checkpoint = key.seal(&super::identity(c)?, seq, &hash, now);
            audit::seal(c, seq, &serde_json::to_string(&checkpoint)?, now)?;
            Ok(Some(checkpoint))
        })
        .await
    }
}
