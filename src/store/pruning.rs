//! Removing what retention lets go from the audit, and saying afterwards that it is gone.
//!
//! **Invariant:** a row that is part of the chain says of whatever was removed how much it was, up to when, when and by whom. The
//! newest of them is never removed by what it tells of.

use super::audit_log::{BASE, append, base, filter_audit, rows_of_run};
use super::engine::{Operator, Tx};
use super::rows::meta::set_meta;
use super::rows::{audit, hold};
use super::{Filter, StoreError};
use crate::audit::details::Pruned;
use crate::audit::{Author, Event, Record, Row};
use crate::clock::Moment;
use crate::domain::{Decider, hex};
use serde::Serialize;

/// Rows that may be removed: all up to one that is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prunable {
    /// How many rows.
    pub rows: usize,
    /// The first of them.
    pub from: i64,
    /// The last of them.
    pub to: i64,
    /// When the first of them was written.
    pub since: Moment,
    /// When the last of them was written.
    pub until: Moment,
    /// How many people they are about.
    pub people: usize,
    hash: Vec<u8>,
}

/// What is not in the audit any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The last row that is gone; the first is always row 1.
    pub to: i64,
    /// When the last of them was written.
    #[serde(serialize_with = "in_words")]
    pub until: Moment,
    /// Who has removed it, and when; nothing where no row says so.
    pub by: Option<String>,
    /// When it was removed.
    pub at: Option<String>,
    /// How many leavers the removed rows told of, as far as that is known.
    pub leavers: Option<usize>,
}

fn in_words<S: serde::Serializer>(moment: &Moment, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(moment)
}

impl Gap {
    /// Whether something of a span that begins then is gone.
    pub fn reaches(&self, since: Option<Moment>) -> bool {
        since.is_none_or(|since| since <= self.until)
    }

    /// In words.
    pub fn message(&self) -> String {
        let rows = if self.to == 1 { "row 1".to_owned() } else { format!("rows 1 to {}", self.to) };
        let who = match (&self.by, &self.at) {
            (Some(by), Some(at)) => format!("by {by} at {at}"),
            _ => "by whom is not known: the row that would say so is not there".to_owned(),
        };
        let leavers = match self.leavers {
            None => String::new(),
            Some(1) => "; they told of 1 leaver".to_owned(),
            Some(leavers) => format!("; they told of {leavers} leavers"),
        };
        format!("{rows} of the audit, written up to {}, were removed (`audit prune`) {who}{leavers}", self.until)
    }
}

/// What retention has removed so far, if it has removed anything.
pub fn gap(c: &Tx) -> Result<Option<Gap>, StoreError> {
    let Some((to, _)) = base(c)? else { return Ok(None) };
    let mut said = None;
    filter_audit(c, &Filter { kinds: vec!["pruned".into()], ..Filter::default() }, |row| {
        let row = Row::read(&row.text)?;
        if let Event::Pruned(it) = row.event
            && it.to == to
        {
            said = Some((it, row.at));
        }
        Ok(())
    })?;
    let first_left = audit::time_from(c, to + 1)?.unwrap_or(Moment::from_millis(0));
    let Some((it, at)) = said else {
        return Ok(Some(Gap { to, until: first_left, by: None, at: None, leavers: None }));
    };
    let until = it.until.as_ref().and_then(|at| at.parse::<jiff::Timestamp>().ok()).map_or(first_left, Moment::from);
    Ok(Some(Gap { to, until, by: Some(it.author.by), at: Some(at), leavers: it.leavers }))
}

/// What may be removed of what is from before `before`: up to the last checkpoint that every sink has delivered beyond, and nothing
/// from after the beginning of a hold that is open.
pub fn prunable(c: &Tx, before: Moment) -> Result<Option<Prunable>, StoreError> {
    let before = hold::oldest(c)?.map_or(before, |since| since.min(before));
    let Some((to, hash)) = audit::last_sealed(c, before)? else { return Ok(None) };
    Ok(audit::up_to(c, to)?.map(|it| Prunable {
        rows: it.rows,
        from: it.first,
        to,
        since: it.since,
        until: it.until,
        people: it.people,
        hash,
    }))
}

/// Removes exactly these rows, of which `leavers` were told of; the chain goes on from there. For use beside or without the
/// service.
pub fn prune_audit(
    c: &Operator,
    which: &Prunable,
    leavers: usize,
    by: &Decider,
    now: Moment,
) -> Result<(), StoreError> {
    c.together(|c| {
        let before = gap(c)?;
        if before.as_ref().is_some_and(|gap| gap.to >= which.from) {
            return Err(StoreError::NotNow("somebody else has removed rows meanwhile: look at it again".into()));
        }
        let leavers = match &before {
            None => Some(leavers),
            Some(gap) => gap.leavers.map(|known| known + leavers),
        };
        set_meta(c, BASE, &format!("{} {}", which.to, hex(&which.hash)))?;
        let pruned = Pruned {
            rows: audit::prune(c, which.to)?,
            to: which.to,
            until: Some(which.until.to_string()),
            leavers,
            hash: hex(&which.hash),
            author: Author::new(&*by.name, by.principal()),
        };
        append(c, &Record::general(now, Event::Pruned(pruned)))?;
        Ok(())
    })
}

/// That the audit knows a run of the service.
pub fn is_a_run(c: &Tx, run: i64) -> Result<(), StoreError> {
    if rows_of_run(c, run)?.0 < i64::MAX {
        return Ok(());
    }
    let first_left = audit::starts(c)?.first().map(|(_, number)| *number);
    let message = match gap(c)? {
        // Which runs there were is not known where no start of one is left.
        Some(gap) if first_left.is_none() => {
            format!("there is no run {run} in what is left of the audit: {}", gap.message())
        }
        Some(gap) if first_left.is_some_and(|first| (1..first).contains(&run)) => {
            format!("what run {run} did cannot be told whole any more: {}", gap.message())
        }
        _ => format!("there is no run {run} in the audit; `audit list --kind started` shows which there are"),
    };
    Err(StoreError::NotThere(message))
}

/// That the audit has a row of this number.
pub fn is_a_row(c: &Tx, row: i64) -> Result<(), StoreError> {
    if audit::is_there(c, row)? {
        return Ok(());
    }
    let message = match gap(c)? {
        Some(gap) if (1..=gap.to).contains(&row) => format!("row {row} was removed: {}", gap.message()),
        _ => format!("there is no row {row} in the audit; `audit list` shows which there are"),
    };
    Err(StoreError::NotThere(message))
}
