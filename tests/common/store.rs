//! What a store says that another process uses.

use namely_okta_sync::store::Store;
use std::path::Path;

/// How many people are dirty or quarantined in a store that another process uses; `None` before there is one.
pub fn dirty(store: &Path) -> Option<(i64, i64)> {
    let connection = Store::reader(store).ok()?;
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).ok();
    Some((
        count("SELECT count(*) FROM work WHERE dirty_rev > done_rev AND state = 0")?,
        count("SELECT count(*) FROM work WHERE dirty_rev > done_rev AND state = 1")?,
    ))
}
