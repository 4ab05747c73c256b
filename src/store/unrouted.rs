//! Profiles that no rule routes to an org, and that were never linked there: looked at again when time alone changes what they
//! mean, because an account that was left behind there ends with the last day too.
//!
//! **Invariant:** whose last day passes is noticed on that day, not with the next edit. Each is one row of `meta`, and has no target.

use super::engine::{Optional, Tx};
use super::{StoreError, Trouble, alone, links, meta, pages, set_meta};
use crate::clock::Moment;
use crate::domain::{Cause, Position, Priority, Rulebook};

const PREFIX: &str = "unrouted ";

fn key(org: &str, position: &Position) -> Result<String, StoreError> {
    Ok(format!("{PREFIX}{}", serde_json::to_string(&[org, &position.tenant, &position.employee.id])?))
}

/// A profile is not routed to an org: when it must be looked at again is written down.
pub(super) fn expect(c: &Tx, rules: &Rulebook, org: &str, position: &Position, now: Moment) -> Result<(), StoreError> {
    let key = key(org, position)?;
    match rules.changes_at(position, now) {
        Some(at) => set_meta(c, &key, &at.millis().to_string()),
        None if meta(c, &key)?.is_some() => forget(c, &key),
        None => Ok(()),
    }
}

fn forget(c: &Tx, key: &str) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// The next moment at which one of them means something else.
pub(super) fn next(c: &Tx) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT min(CAST(value AS INTEGER)) FROM meta WHERE key >= 'unrouted [' AND key < 'unrouted \\'",
    )?;
    Ok(select.query_row([], |row| row.get(0))?)
}

/// Looks at those for whom the moment has come; returns the classes of those who became dirty.
pub(super) fn wake(c: &Tx, rules: &Rulebook, now: Moment) -> Result<Vec<Priority>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT key FROM meta WHERE key >= 'unrouted [' AND key < 'unrouted \\' AND CAST(value AS INTEGER) <= ?1",
    )?;
    let due: Vec<String> = select.query_map([now.millis()], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut priorities = Vec::new();
    for key in due {
        forget(c, &key)?;
        match alone(c, |c| read(c, rules, &key, now)) {
            // Whom the store cannot read holds up nobody else, and is looked at again when they are written anew.
            Err(e) if e.trouble() == Trouble::Refused => {
                tracing::error!(key, error = %e, "somebody whose day has come cannot be looked at");
            }
            woken => priorities.extend(woken?),
        }
    }
    Ok(priorities)
}

fn read(c: &Tx, rules: &Rulebook, key: &str, now: Moment) -> Result<Option<Priority>, StoreError> {
    let [org, tenant, profile]: [String; 3] = serde_json::from_str(key.strip_prefix(PREFIX).unwrap_or(key))?;
    let doc: Option<String> = c
        .prepare_cached("SELECT doc FROM source WHERE tenant = ?1 AND profile = ?2")?
        .query_row([&tenant, &profile], |row| row.get(0))
        .optional()?;
    // Who is linked meanwhile has times of their own.
    let (Some(doc), None) = (doc, links::find(c, &org, &tenant, &profile)?) else { return Ok(None) };
    let position = Position { tenant, employee: serde_json::from_str(&doc)? };
    pages::relink(c, rules, &org, &position, Some(&position.employee), Cause::Date, now)
}
