//! Managers who report to each other in the end.

use super::StoreError;
use super::engine::Tx;
use super::rows::source;
use crate::domain::record::circle::circle;

/// Who stands in a circle with `profile`, that one first, if the managers above lead back to it; nobody otherwise.
pub(super) fn circle_of(c: &Tx, tenant: &str, profile: &str) -> Result<Vec<String>, StoreError> {
    circle(profile, |one| source::manager_of(c, tenant, one))
}
