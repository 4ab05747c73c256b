//! The kill switch: writes that somebody has stopped, everywhere, in an org, or of one kind. Survives restarts.

use super::engine::{Tx, params};
use super::rows::work;
use super::{Store, StoreError, append, change_of};
use crate::audit::{Event, Record, details};
use crate::clock::Moment;
use crate::domain::{ChangeKind, Decider};
use serde::{Deserialize, Serialize};

/// A pause that lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub id: i64,
    /// Every org without it.
    pub org: Option<String>,
    /// Every kind of change without it.
    pub change: Option<String>,
    pub why: String,
    pub by: String,
    /// In milliseconds.
    pub at: i64,
}

impl Pause {
    /// What is stopped, by whom and why, in words.
    pub fn message(&self) -> String {
        let what = self.change.as_deref().unwrap_or("write");
        let org = self.org.as_ref().map_or_else(|| "every org".to_owned(), |org| format!("org {org}"));
        format!("every {what} in {org} is paused by {}: {}", self.by, self.why)
    }
}

/// The pauses that last.
pub fn pauses(c: &Tx) -> Result<Vec<Pause>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT id, org, change, why, by, at FROM pause WHERE ended_at IS NULL ORDER BY id")?;
    let rows = select.query_map([], |row| {
        Ok(Pause {
            id: row.get(0)?,
            org: row.get(1)?,
            change: row.get(2)?,
            why: row.get(3)?,
            by: row.get(4)?,
            at: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Stops writes, from beside the service: from the next announcement of a call on nothing leaves. Returns the pause.
pub fn pause(
    c: &Tx,
    org: Option<&str>,
    change: Option<ChangeKind>,
    why: &str,
    by: &Decider,
    now: Moment,
) -> Result<i64, StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO pause (org, change, why, by, at, principal) VALUES (?1,?2,?3,?4,?5,?6) RETURNING id",
    )?;
    let change = change.map(ChangeKind::as_str);
    Ok(insert.insert(params![org, change, why, by.name, now.millis(), by.principal()])?)
}

/// Ends a pause, or all of them; returns how many.
pub fn resume(c: &Tx, id: Option<i64>, by: &Decider, now: Moment) -> Result<usize, StoreError> {
    let sql = "UPDATE pause SET ended_by = ?2, ended_at = ?3, ended_principal = ?4
               WHERE ended_at IS NULL AND (?1 IS NULL OR id = ?1)";
    Ok(c.execute(sql, params![id, by.name, now.millis(), by.principal()])?)
}

/// When changes of a kind were paused in an org: begin and end of each pause.
pub(super) fn times(c: &Tx, org: &str, change: ChangeKind) -> Result<Vec<(Moment, Option<Moment>)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT at, ended_at FROM pause WHERE (org IS NULL OR org = ?1) AND (change IS NULL OR change = ?2)",
    )?;
    let rows = select.query_map([org, change.as_str()], |row| {
        let (at, ended_at): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok((Moment::from_millis(at), ended_at.map(Moment::from_millis)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Why every write to an org is stopped, if it is; or a write of this kind.
pub(super) fn paused(c: &Tx, org: &str, change: Option<ChangeKind>) -> Result<Option<String>, StoreError> {
    Ok(why_paused(&pauses(c)?, org, change))
}

/// The same, of pauses that were read.
pub(super) fn why_paused(pauses: &[Pause], org: &str, change: Option<ChangeKind>) -> Option<String> {
    let stops = |pause: &&Pause| {
        pause.org.as_deref().is_none_or(|paused| paused == org)
            && pause.change.as_deref().is_none_or(|word| change.is_some_and(|change| change.as_str() == word))
    };
    pauses.iter().find(stops).map(Pause::message)
}

/// The kinds of change that are stopped in an org by themselves.
pub(super) fn paused_changes(c: &Tx, org: &str) -> Result<Vec<(ChangeKind, String)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT change, by, why FROM pause WHERE ended_at IS NULL AND (org IS NULL OR org = ?1) AND change IS NOT NULL",
    )?;
    let rows = select.query_map([org], |row| {
        let (word, by, why): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(ChangeKind::parse(&word).map(|change| (change, format!("{word} is paused by {by}: {why}"))))
    })?;
    Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

impl Store {
    /// Writes pauses and their ends into the audit, and lets those go on who waited for one; returns how many.
    pub async fn apply_pauses(&self, now: Moment) -> Result<usize, StoreError> {
        let stops = self.stops().clone();
        self.run(move |c| {
            let lasting: Vec<i64> = pauses(c)?.iter().map(|pause| pause.id).collect();
            stops.follow(&lasting);
            apply_pauses(c, now)
        })
        .await
    }
}

fn apply_pauses(c: &Tx, now: Moment) -> Result<usize, StoreError> {
    type Row = (i64, Option<String>, Option<String>, String, [String; 2], Option<String>, Option<String>, i64);
    let mut select = c.prepare_cached(
        "SELECT id, org, change, why, by, ended_by, told, principal, ended_principal FROM pause
         WHERE told = 0 OR (told = 1 AND ended_at IS NOT NULL)",
    )?;
    let rows: Vec<Row> = select
        .query_map([], |row| {
            let by = [row.get(4)?, row.get(7)?];
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, by, row.get(5)?, row.get(8)?, row.get(6)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut ended = false;
    for (id, org, change, why, [by, principal], ended_by, ended_principal, message) in rows {
        let kind = change.as_deref().map(change_of).transpose()?;
        let said = |by: &str, principal: Option<String>| details::Pause {
            pause: id,
            change: kind,
            why: why.clone(),
            by: by.to_owned(),
            principal,
        };
        let record = |event| Record { org: org.clone(), ..Record::general(now, event) };
        if message == 0 {
            tracing::warn!(pause = id, org, change, by, why, "writes are paused");
            append(c, &record(Event::Paused(said(&by, Some(principal)))))?;
        }
        if let Some(by) = &ended_by {
            tracing::warn!(pause = id, org, change, by, "writes go on");
            append(c, &record(Event::Resumed(said(by, ended_principal))))?;
            ended = true;
        }
        c.execute("UPDATE pause SET told = ?2 WHERE id = ?1", params![id, if ended_by.is_some() { 2 } else { 1 }])?;
    }
    if !ended {
        return Ok(0);
    }
    // Whoever waits for something else is held again at once, without a call.
    work::decided(c, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_stops_what_it_names_and_one_that_names_nothing_stops_everything() {
        let pause = |org: Option<&str>, change: Option<ChangeKind>| Pause {
            id: 1,
            org: org.map(str::to_owned),
            change: change.map(|change| change.as_str().to_owned()),
            why: "night".into(),
            by: "ann".into(),
            at: 0,
        };
        let stops = |pause: Pause, change: Option<ChangeKind>| why_paused(&[pause], "main", change).is_some();
        let (end, add) = (Some(ChangeKind::Deactivate), Some(ChangeKind::AddGroup));
        for (named, stopped) in [
            ((None, None), [true, true, true]),
            ((Some("main"), None), [true, true, true]),
            ((Some("other"), None), [false, false, false]),
            ((None, end), [false, true, false]),
            ((Some("main"), end), [false, true, false]),
            ((Some("other"), end), [false, false, false]),
        ] {
            assert_eq!([None, end, add].map(|change| stops(pause(named.0, named.1), change)), stopped, "{named:?}");
        }
        let message = why_paused(&[pause(None, None)], "main", None);
        assert_eq!(message.as_deref(), Some("every write in every org is paused by ann: night"));
    }
}
