//! Whether this is still the store: nobody works on one that has moved.

use super::StoreError;
use super::engine::{Location, Tx};
use super::rows::meta::meta;

/// Where the store has gone, or is about to.
pub(super) const MOVED_TO: &str = "moved_to";

/// Where a store has moved to, if it has.
pub fn moved_to(c: &Tx) -> Result<Option<String>, StoreError> {
    meta(c, MOVED_TO)
}

/// That a store has not moved.
pub(super) fn has_stayed(c: &Tx, place: &Location) -> Result<(), StoreError> {
    match moved_to(c)? {
        None => Ok(()),
        Some(to) => Err(StoreError::NotNow(format!(
            "the store {place} was moved to {to}: name that as service.store. If the move broke off, `migrate-store` with the same \
             place brings it to its end"
        ))),
    }
}
