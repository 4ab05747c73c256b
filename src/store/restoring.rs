//! A copy takes the place of the store: that is a row of the audit, and what is known from the copy is known to be of before.

use super::audit_log::{Filter, append, end, filter_audit};
use super::engine::{Location, Writer};
use super::rows::account;
use super::rows::meta::{meta, set_meta};
use super::{StoreError, Tx};
use crate::audit::restore::{Restore, Restored};
use crate::audit::{Event, Record, Row};
use crate::clock::Moment;
use crate::metrics::StoreMetrics;

const RESTORED_AT: &str = "restored_at";

/// The number of the last row of the audit; 0 where there is none.
pub fn last_row(c: &Tx) -> Result<i64, StoreError> {
    end(c).map(|(seq, _)| seq)
}

/// Every restore that the audit tells of, in order.
pub fn restores(c: &Tx) -> Result<Vec<Restore>, StoreError> {
    let mut found = Vec::new();
    filter_audit(c, &Filter { kinds: vec!["restored".into()], ..Filter::default() }, |row| {
        let read = Row::read(&row.text)?;
        if let Event::Restored(restored) = read.event {
            found.push(Restore { seq: row.seq, at: read.at, restored });
        }
        Ok(())
    })?;
    Ok(found)
}

/// Writes down that the store at `place` is a copy of before, in the store that it is now. Nobody may work on it. Returns the row.
pub async fn restored(
    place: &Location,
    restored: Restored,
    now: Moment,
    metrics: StoreMetrics,
) -> Result<i64, StoreError> {
    let writer = Writer::open(place, None, metrics)?;
    let written = writer
        .run(move |c| {
            set_meta(c, RESTORED_AT, &now.millis().to_string())?;
            account::are_copied(c)?;
            append(c, &Record::general(now, Event::Restored(restored)))?;
            last_row(c)
        })
        .await;
    let closed = writer.close().await.map_err(StoreError::NotNow);
    written.and_then(|row| closed.map(|()| row))
}

/// Whether what was known at a moment is known from a copy that was put in place of the store later.
pub(super) fn is_of_copy(c: &Tx, known_at: Moment) -> Result<bool, StoreError> {
    let Some(text) = meta(c, RESTORED_AT)? else { return Ok(false) };
    Ok(text.parse::<i64>().is_ok_and(|restored| known_at.millis() < restored))
}
