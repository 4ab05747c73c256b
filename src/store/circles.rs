//! Managers who report to each other in the end.

use super::StoreError;
use super::engine::{Optional, Tx};
use std::collections::HashSet;

/// Who stands in a circle with `profile`, that one first, if the managers above lead back to it; nobody otherwise. A circle
/// further up is that of others: who reports into it has a manager.
pub(super) fn circle_of(c: &Tx, tenant: &str, profile: &str) -> Result<Vec<String>, StoreError> {
    let mut above = c.prepare_cached("SELECT manager FROM source WHERE tenant = ?1 AND profile = ?2")?;
    let mut chain = vec![profile.to_owned()];
    let mut seen: HashSet<String> = HashSet::from([profile.to_owned()]);
    loop {
        let last = chain.last().map(String::as_str).unwrap_or_default();
        let manager: Option<Option<String>> = above.query_row([tenant, last], |row| row.get(0)).optional()?;
        match manager.flatten() {
            Some(manager) if manager == profile => return Ok(chain),
            Some(manager) if seen.insert(manager.clone()) => chain.push(manager),
            _ => return Ok(Vec::new()),
        }
    }
}
