//! The tables `audit`, `checkpoint` and `sink`: the chain, what was signed of it, and how far each reader of it is.

use crate::audit::{Event, Outcome, Row};
use crate::clock::Moment;
use crate::domain::Step;
use crate::store::StoreError;
use crate::store::engine::{Bind, Many, Of, Optional, Tx, Value, params, params_from_iter};

/// An audit row as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Its number: one more than that of the row before.
    pub seq: i64,
    /// The row as JSON, in exactly the bytes that are hashed.
    pub text: String,
    /// SHA-256 over the hash of the row before and the text.
    pub hash: Vec<u8>,
}

/// A row to be appended.
pub struct New<'a> {
    pub seq: i64,
    pub at: Moment,
    pub kind: &'a str,
    pub target: Option<i64>,
    pub profile: Option<&'a str>,
    pub text: &'a str,
    pub hash: &'a [u8],
}

const INSERT: Many = Many {
    given: &[
        ("seq", Of::Int),
        ("at", Of::Int),
        ("kind", Of::Text),
        ("target", Of::Int),
        ("profile", Of::Text),
        ("row", Of::Text),
        ("hash", Of::Blob),
    ],
    sql: "INSERT INTO audit (seq, at, kind, target, profile, row, hash) SELECT * FROM given WHERE seq IS NOT NULL",
};

pub fn insert(c: &Tx, rows: &[New]) -> Result<(), StoreError> {
    let values = rows.iter().map(|row| {
        [
            Value::Int(row.seq),
            Value::Int(row.at.millis()),
            Value::Text(row.kind),
            row.target.map_or(Value::Null, Value::Int),
            row.profile.map_or(Value::Null, Value::Text),
            Value::Text(row.text),
            Value::Blob(row.hash),
        ]
    });
    let rows: Vec<_> = values.collect();
    c.put(&INSERT, &rows)?;
    Ok(())
}

/// Number and hash of the last row that is there.
pub fn last(c: &Tx) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let mut select = c.prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?;
    Ok(select.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// When the last row was written.
pub fn last_at(c: &Tx) -> Result<Option<Moment>, StoreError> {
    let mut select = c.prepare_cached("SELECT at FROM audit ORDER BY seq DESC LIMIT 1")?;
    Ok(select.query_row([], |row| row.get(0)).optional()?.map(Moment::from_millis))
}

/// The calls for a target that Okta has carried out since then, and when, in order.
pub fn applied_since(c: &Tx, target: i64, since: Moment) -> Result<Vec<(Step, Moment)>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT row, at FROM audit WHERE target = ?1 AND kind = 'effect' AND at >= ?2 ORDER BY seq")?;
    let rows: Vec<(String, i64)> = select
        .query_map(params![target, since.millis()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    for (text, at) in rows {
        if let Event::Effect(effect) = Row::read(&text)?.event
            && effect.outcome == Outcome::Applied
        {
            found.push((effect.call.step, Moment::from_millis(at)));
        }
    }
    Ok(found)
}

/// Up to `limit` rows after `seq`, in order.
pub fn after(c: &Tx, seq: i64, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
    let mut select = c.prepare_cached("SELECT seq, row, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let rows = select.query_map(params![seq, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok(AuditRow { seq: row.get(0)?, text: row.get(1)?, hash: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What rows must be like, all of it.
#[derive(Default)]
pub struct Conditions {
    sql: Vec<String>,
    values: Vec<Box<dyn Bind>>,
}

impl Conditions {
    fn add(&mut self, sql: &str, value: Box<dyn Bind>) {
        self.values.push(value);
        self.sql.push(sql.replace('?', &format!("?{}", self.values.len())));
    }

    pub fn about(&mut self, targets: &[i64]) -> Result<(), StoreError> {
        self.add("target IN json_ints(?)", Box::new(serde_json::to_string(targets)?));
        Ok(())
    }

    pub fn numbered(&mut self, rows: &[i64]) -> Result<(), StoreError> {
        self.add("seq IN json_ints(?)", Box::new(serde_json::to_string(rows)?));
        Ok(())
    }

    pub fn of_kinds(&mut self, kinds: &[&str]) -> Result<(), StoreError> {
        self.add("kind IN json_texts(?)", Box::new(serde_json::to_string(kinds)?));
        Ok(())
    }

    /// Written at this time, or later.
    pub fn since(&mut self, at: Moment) {
        self.add("at >= ?", Box::new(at.millis()));
    }

    /// Written before this time.
    pub fn until(&mut self, at: Moment) {
        self.add("at < ?", Box::new(at.millis()));
    }

    /// That say this word somewhere in their detail.
    pub fn name(&mut self, word: &str) {
        let sql = "json_has(row, 'detail', ?)";
        self.add(sql, Box::new(word.to_owned()));
    }

    /// That say this somewhere; small and capital letters of English are the same.
    pub fn says(&mut self, text: &str) {
        let text = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
        self.add("row LIKE ? ESCAPE '!'", Box::new(format!("%{text}%")));
    }

    /// From one number to another, both included.
    pub fn between(&mut self, first: i64, last: i64) {
        self.add("seq >= ?", Box::new(first));
        self.add("seq <= ?", Box::new(last));
    }
}

/// Reads the rows that are so, in order; only so many, the newest, if `newest` says so.
pub fn each(
    c: &Tx,
    conditions: Conditions,
    newest: Option<usize>,
    mut each: impl FnMut(AuditRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut all = conditions.sql.join(" AND ");
    if all.is_empty() {
        all = "seq IS NOT NULL".into();
    }
    let sql = match newest {
        None => format!("SELECT seq, row, hash FROM audit WHERE {all} ORDER BY seq"),
        Some(n) => format!(
            "SELECT seq, row, hash FROM (SELECT seq, row, hash FROM audit WHERE {all} ORDER BY seq DESC LIMIT {n}) AS newest
             ORDER BY seq"
        ),
    };
    c.each(&sql, params_from_iter(conditions.values), |row| {
        each(AuditRow { seq: row.get(0)?, text: row.get(1)?, hash: row.get(2)? })
    })
}

/// Tells of every row, whatever it holds: what is of another kind, or no text, is told as nothing, which its hash does not fit.
pub fn as_they_are(c: &Tx, mut seen: impl FnMut(i64, &str, &[u8])) -> Result<(), StoreError> {
    c.each("SELECT seq, row, hash FROM audit ORDER BY seq", [], |row| {
        let text = if let Ok(Value::Text(text)) = row.value(1) { text } else { "" };
        let hash: &[u8] = if let Ok(Value::Blob(hash)) = row.value(2) { hash } else { &[] };
        seen(row.get(0)?, text, hash);
        Ok(())
    })
}

/// When the row of this number was written, or the first one after it.
pub fn time_from(c: &Tx, seq: i64) -> Result<Option<Moment>, StoreError> {
    let mut find = c.prepare_cached("SELECT at FROM audit WHERE seq >= ?1 ORDER BY seq LIMIT 1")?;
    Ok(find.query_row([seq], |row| row.get(0)).optional()?.map(Moment::from_millis))
}

/// Whether there is a row of this number.
pub fn is_there(c: &Tx, seq: i64) -> Result<bool, StoreError> {
    Ok(c.prepare_cached("SELECT 1 FROM audit WHERE seq = ?1")?.exists([seq])?)
}

/// The first row of each run of the service, with the number of the run, in order.
pub fn starts(c: &Tx) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut select = c.prepare(
        "SELECT seq, CAST(json_text(row, 'detail.run') AS BIGINT) FROM audit WHERE kind = 'started' ORDER BY seq",
    )?;
    Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// When the configuration was exchanged or the service started last, and who has exchanged it.
pub fn configured(c: &Tx) -> Result<Option<(String, Option<String>)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT json_text(row, 'at'), json_text(row, 'detail.by') FROM audit WHERE kind IN ('reconfigured', 'started')
         ORDER BY seq DESC LIMIT 1",
    )?;
    Ok(select.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The last row from before then that a checkpoint seals and every reader has delivered beyond: its number, and its hash.
pub fn last_sealed(c: &Tx, before: Moment) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT a.seq, a.hash FROM checkpoint k JOIN audit a ON a.seq = k.seq
         WHERE a.at < ?1 AND a.seq <= coalesce((SELECT min(seq) FROM sink), a.seq) ORDER BY a.seq DESC LIMIT 1",
    )?;
    Ok(select.query_row([before.millis()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The rows up to one, taken together.
pub struct UpTo {
    pub rows: usize,
    pub first: i64,
    pub since: Moment,
    pub until: Moment,
    pub people: usize,
}

/// How many rows there are up to this one, from when to when, and about how many people; nothing where there is none.
pub fn up_to(c: &Tx, to: i64) -> Result<Option<UpTo>, StoreError> {
    let mut select = c.prepare(
        "SELECT count(*), count(DISTINCT target), coalesce(min(seq), 0), coalesce(min(at), 0), coalesce(max(at), 0)
         FROM audit WHERE seq <= ?1",
    )?;
    let (rows, people, first, since, until) = select
        .query_row([to], |row| Ok((row.get::<i64>(0)?, row.get::<i64>(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    let count = |n: i64| usize::try_from(n).unwrap_or(0);
    let (since, until) = (Moment::from_millis(since), Moment::from_millis(until));
    Ok((rows > 0).then(|| UpTo { rows: count(rows), first, since, until, people: count(people) }))
}

/// Removes the rows up to this one; returns how many.
pub fn prune(c: &Tx, to: i64) -> Result<usize, StoreError> {
    Ok(c.execute("DELETE FROM audit WHERE seq <= ?1", [to])?)
}

/// The checkpoints, as documents, in order.
pub fn checkpoints(c: &Tx) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare("SELECT checkpoint FROM checkpoint ORDER BY seq")?;
    Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The last row that a checkpoint seals.
pub fn sealed(c: &Tx) -> Result<Option<i64>, StoreError> {
    Ok(c.prepare_cached("SELECT max(seq) FROM checkpoint")?.query_row([], |row| row.get(0))?)
}

pub fn seal(c: &Tx, seq: i64, checkpoint: &str, now: Moment) -> Result<(), StoreError> {
    c.execute("INSERT INTO checkpoint VALUES (?1, ?2, ?3)", params![seq, now.millis(), checkpoint])?;
    Ok(())
}

/// Up to where a reader has delivered.
pub fn cursor(c: &Tx, sink: &str) -> Result<i64, StoreError> {
    let mut find = c.prepare_cached("SELECT seq FROM sink WHERE name = ?1")?;
    Ok(find.query_row([sink], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Rows of a kind, the newest first, until `is_it` says that one of them is it; its number.
pub fn newest_of_kind(
    c: &Tx,
    kind: &str,
    is_it: impl Fn(&str) -> Result<bool, StoreError>,
) -> Result<Option<i64>, StoreError> {
    let mut find = c.prepare_cached("SELECT seq, row FROM audit WHERE kind = ?1 ORDER BY seq DESC")?;
    let mut rows = find.query([kind])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        if is_it(&text)? {
            return Ok(Some(row.get(0)?));
        }
    }
    Ok(None)
}

/// A reader has delivered everything up to there; never back.
pub fn delivered(c: &Tx, sink: &str, seq: i64) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO sink VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET seq = CASE WHEN excluded.seq > sink.seq THEN excluded.seq ELSE sink.seq END",
    )?
    .execute(params![sink, seq])?;
    Ok(())
}

/// A reader begins there, unless it is known.
pub fn begin(c: &Tx, sink: &str, seq: i64) -> Result<(), StoreError> {
    c.execute("INSERT INTO sink VALUES (?1, ?2) ON CONFLICT DO NOTHING", params![sink, seq])?;
    Ok(())
}

/// Only these readers are waited for.
pub fn keep_sinks(c: &Tx, names: &[String]) -> Result<(), StoreError> {
    let names = serde_json::to_string(names)?;
    c.execute("DELETE FROM sink WHERE name NOT IN json_texts(?1)", [names])?;
    Ok(())
}

/// Of each reader: up to where it has delivered, and when the first row after that was written.
pub fn sinks(c: &Tx) -> Result<Vec<(String, i64, Option<Moment>)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT name, seq, (SELECT at FROM audit WHERE seq > sink.seq ORDER BY seq LIMIT 1) FROM sink",
    )?;
    let rows = select
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<Option<i64>>(2)?.map(Moment::from_millis))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
