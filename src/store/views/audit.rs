//! Searching the audit from its newest row back, page by page.
//!
//! **Invariant:** however large the audit is, one page reads a bounded number of rows; where the search goes on is answered.

use crate::clock::Moment;
use crate::store::StoreError;
use crate::store::engine::Tx;
use crate::store::rows::audit::{self, AuditRow, Conditions};

/// Rows that a search for a text reads at most for one page.
const READ: i64 = 50_000;

/// Which rows are meant.
#[derive(Clone, Debug, Default)]
pub struct AuditSearch {
    /// About these people; all without any.
    pub targets: Vec<i64>,
    /// Of these kinds, as they are stored; all without any.
    pub kinds: Vec<String>,
    /// At this moment or later; from the first row on without it.
    pub since: Option<Moment>,
    /// Before this moment.
    pub until: Option<Moment>,
    /// That say this somewhere.
    pub text: Option<String>,
    /// Older than this row.
    pub before: Option<i64>,
    /// Rows of one page, at most.
    pub most: usize,
}

/// Rows that were found, the newest first.
pub struct AuditPage {
    /// At most `most` rows; a search for a text may find fewer and still go on at `next`.
    pub rows: Vec<AuditRow>,
    /// Before which row the search goes on; nothing where it is at its end.
    pub next: Option<i64>,
}

/// The first row that was written at a moment or later: rows are in the order of their times.
fn first_since(c: &Tx, at: Moment, last: i64) -> Result<i64, StoreError> {
    let (mut low, mut high) = (1, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match audit::time_from(c, middle)? {
            Some(found) if found < at => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Searches.
pub fn search_audit(c: &Tx, search: &AuditSearch) -> Result<AuditPage, StoreError> {
    let last = audit::last(c)?.map_or(0, |(seq, _)| seq);
    let mut high = search.before.map_or(last, |before| last.min(before - 1));
    if let Some(until) = search.until {
        high = high.min(first_since(c, until, last)? - 1);
    }
    let lowest = search.since.map(|since| first_since(c, since, last)).transpose()?.unwrap_or(1);
    let low = if search.text.is_some() { lowest.max(high - READ + 1) } else { lowest };
    let mut conditions = Conditions::default();
    if !search.targets.is_empty() {
        conditions.about(&search.targets)?;
    }
    if !search.kinds.is_empty() {
        let kinds: Vec<&str> = search.kinds.iter().map(String::as_str).collect();
        conditions.of_kinds(&kinds)?;
    }
    if let Some(text) = &search.text {
        conditions.says(text);
    }
    conditions.between(low, high);
    let mut rows = Vec::new();
    audit::each(c, conditions, Some(search.most), |row| {
        rows.push(row);
        Ok(())
    })?;
    rows.reverse();
    let next = match rows.last() {
        Some(last) if rows.len() >= search.most => Some(last.seq),
        _ if low > lowest => Some(low),
        _ => None,
    };
    Ok(AuditPage { rows, next })
}
