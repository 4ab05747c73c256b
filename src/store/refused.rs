//! Whom the store refuses to be read or written: they wait alone, everybody else goes on.

use super::engine::{Tx, alone};
use super::rows::work;
use super::{StoreError, append};
use crate::audit::details::Quarantined;
use crate::audit::{Event, Record};
use crate::clock::Moment;

/// Why somebody waits whose run the store has refused; `why` are the words of the store.
pub fn refusal(what: &str, why: &str) -> String {
    format!(
        "the store refuses {what}: {why}. The account is read in Okta before anything else is written; when the cause is mended, \
         `quarantine retry` tries it at once"
    )
}

/// Sets somebody aside whom the store cannot even read: everybody else goes on.
pub(super) fn quarantined(c: &Tx, target: i64, e: &StoreError, now: Moment) -> Result<(), StoreError> {
    let why = refusal("what is known of this person", &e.to_string());
    tracing::error!(target, %why, "quarantined");
    let again = now + std::time::Duration::from_secs(15 * 60);
    work::refused(c, target, None, &why, again, now)?;
    alone(c, |c| {
        let org = work::org(c, target)?;
        append(c, &Record::about(target, org, now, Event::Quarantined(Quarantined { why })))?;
        Ok(())
    })
}
