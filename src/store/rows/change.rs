//! A kind of change as it stands in a row.

use crate::domain::ChangeKind;
use crate::store::StoreError;

/// The kind of change of a stored word. One that is not known is no missing row: what was decided, held or paused under it would
/// be forgotten.
pub fn change_of(word: &str) -> Result<ChangeKind, StoreError> {
    ChangeKind::parse(word).ok_or_else(|| {
        let message = format!("{word:?} is no kind of change that this version knows; use the newest version");
        StoreError::Document(serde::de::Error::custom(message))
    })
}
