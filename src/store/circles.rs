//! Managers who report to each other in the end.

use super::StoreError;
use super::engine::Tx;
use super::rows::source;
use std::collections::HashSet;

/// Who stands in a circle with `profile`, that one first, if the managers above lead back to it; nobody otherwise. A circle
/// further up is that of others: who reports into it has a manager.
pub(super) fn circle_of(c: &Tx, tenant: &str, profile: &str) -> Result<Vec<String>, StoreError> {
    let mut chain = vec![profile.to_owned()];
    let mut seen: HashSet<String> = HashSet::from([profile.to_owned()]);
    loop {
        let last = chain.last().map(String::as_str).unwrap_or_default();
        match source::manager_of(c, tenant, last)? {
            Some(manager) if manager == profile => return Ok(chain),
            Some(manager) if seen.insert(manager.clone()) => chain.push(manager),
            _ => return Ok(Vec::new()),
        }
    }
}
