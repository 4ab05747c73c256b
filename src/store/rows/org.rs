//! What is known of the store itself, of an org, a tenant, or a profile that no rule routes, as a whole: single rows of `meta`.

use super::meta::{meta, run, set_meta};
use crate::clock::Moment;
use crate::domain::record::person::Position;
use crate::store::StoreError;
use crate::store::engine::{Tx, params};
use std::collections::BTreeMap;

/// The names under which these rows stand in the store of every version.
fn walked(tenant: &str) -> String {
    format!("walked {tenant}")
}

fn compared(org: &str) -> String {
    format!("compared {org}")
}

fn links_known(org: &str) -> String {
    format!("links known {org}")
}

fn list_accepted(org: &str) -> String {
    format!("list accepted {org}")
}

fn lists_lack(org: &str) -> String {
    format!("lists lack somebody {org}")
}

fn titles_of(tenant: &str) -> String {
    format!("titles {tenant}")
}

/// When the lists of an org were read last begins with this.
pub fn read_key(org: &str) -> String {
    format!("read {org}")
}

/// Names this store: what was made of another one (a saved plan, a checkpoint) is not for it. Given by `recover`.
pub fn identity(c: &Tx) -> Result<String, StoreError> {
    Ok(meta(c, "identity")?.unwrap_or_default())
}

/// Whether a tenant was ever walked completely.
pub fn is_walked(c: &Tx, tenant: &str) -> Result<bool, StoreError> {
    Ok(meta(c, &walked(tenant))?.is_some())
}

/// A tenant was walked completely.
pub fn set_walked(c: &Tx, tenant: &str, at: Moment) -> Result<(), StoreError> {
    set_meta(c, &walked(tenant), &at.to_string())
}

fn walked_in(tenant: &str) -> String {
    format!("walked in run {tenant}")
}

/// Whether a tenant was walked completely since the service has started.
pub fn is_walked_now(c: &Tx, tenant: &str) -> Result<bool, StoreError> {
    Ok(meta(c, &walked_in(tenant))?.is_some_and(|known| run(c).is_ok_and(|run| known == run.to_string())))
}

/// A tenant was walked completely in this run of the service; whether for the first time.
pub fn set_walked_now(c: &Tx, tenant: &str) -> Result<bool, StoreError> {
    let is_first = !is_walked_now(c, tenant)?;
    if is_first {
        set_meta(c, &walked_in(tenant), &run(c)?.to_string())?;
    }
    Ok(is_first)
}

/// Whether the accounts of an org were ever read as a whole. Before that, that somebody has no account says nothing.
pub fn is_read(c: &Tx, org: &str) -> Result<bool, StoreError> {
    Ok(meta(c, &read_key(org))?.is_some())
}

/// Whether the lists of an org were ever read as a whole.
pub enum Lists {
    Unread,
    /// When those that were read last were begun; `None` where that cannot be told.
    Read {
        begun: Option<Moment>,
    },
}

/// The lists of an org that were read last.
pub fn lists(c: &Tx, org: &str) -> Result<Lists, StoreError> {
    let read = meta(c, &read_key(org))?;
    Ok(read.map_or(Lists::Unread, |read| Lists::Read { begun: read.parse::<jiff::Timestamp>().ok().map(Moment::from) }))
}

/// The lists of an org were read that were begun at `started`.
pub fn set_read(c: &Tx, org: &str, started: Moment) -> Result<(), StoreError> {
    set_meta(c, &read_key(org), &started.to_string())
}

/// Whether everybody was ever compared with the accounts of an org.
pub fn is_compared(c: &Tx, org: &str) -> Result<bool, StoreError> {
    Ok(meta(c, &compared(org))?.is_some())
}

/// Everybody was compared with the accounts of an org.
pub fn set_compared(c: &Tx, org: &str, at: Moment) -> Result<(), StoreError> {
    set_meta(c, &compared(org), &at.to_string())
}

/// Whether the manager links of an org were ever read.
pub fn knows_links(c: &Tx, org: &str) -> Result<bool, StoreError> {
    Ok(meta(c, &links_known(org))?.is_some())
}

/// The manager links of an org were read.
pub fn set_knows_links(c: &Tx, org: &str) -> Result<(), StoreError> {
    set_meta(c, &links_known(org), "1")
}

/// Somebody accepts that an org has fewer accounts than are known: their name and their principal.
pub fn accept_list(c: &Tx, org: &str, by: &str, principal: &str) -> Result<(), StoreError> {
    set_meta(c, &list_accepted(org), &serde_json::to_string(&[by, principal])?)
}

/// Who has accepted that an org has fewer accounts than are known; that is said once.
pub fn take_accepted_list(c: &Tx, org: &str) -> Result<Option<[String; 2]>, StoreError> {
    let Some(accepted) = meta(c, &list_accepted(org))? else { return Ok(None) };
    forget(c, &list_accepted(org))?;
    Ok(Some(serde_json::from_str(&accepted)?))
}

/// What the lists of an org are worth after one has lacked an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Void {
    /// Some of those whom lists have covered are still to be asked for.
    ToMark,
    /// All of them are.
    Marked,
}

/// Whether the lists of an org cover nobody any more.
pub fn void(c: &Tx, org: &str) -> Result<Option<Void>, StoreError> {
    let found = meta(c, &lists_lack(org))?;
    Ok(found.map(|word| if word == "covered" { Void::ToMark } else { Void::Marked }))
}

/// The lists of an org cover nobody any more.
pub fn set_void(c: &Tx, org: &str, void: Void) -> Result<(), StoreError> {
    let word = match void {
        Void::ToMark => "covered",
        Void::Marked => "asked for",
    };
    set_meta(c, &lists_lack(org), word)
}

/// The groups of a tenant as they were called last, by id. What cannot be read is not nothing: a rename that nobody expects is
/// evaluated person by person.
pub fn titles(c: &Tx, tenant: &str) -> Result<BTreeMap<String, String>, StoreError> {
    use serde::de::Error;
    let key = titles_of(tenant);
    let unreadable = |e: serde_json::Error| {
        let why = format!("the names of the groups of {tenant} cannot be read in the store (meta {key:?}: {e})");
        serde_json::Error::custom(format!("{why}; restore a backup, or remove that row to begin with the names of now"))
    };
    match meta(c, &key)? {
        Some(text) => Ok(serde_json::from_str(&text).map_err(unreadable)?),
        None => Ok(BTreeMap::new()),
    }
}

/// The groups of a tenant are called like this.
pub fn set_titles(c: &Tx, tenant: &str, titles: &BTreeMap<String, String>) -> Result<(), StoreError> {
    set_meta(c, &titles_of(tenant), &serde_json::to_string(titles)?)
}

const UNROUTED: &str = "unrouted ";

/// A profile that no rule routes to an org, by the key of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrouted(String);

impl Unrouted {
    pub fn new(org: &str, position: &Position) -> Result<Self, StoreError> {
        let name = serde_json::to_string(&[org, &position.tenant, &position.employee.id])?;
        Ok(Self(format!("{UNROUTED}{name}")))
    }

    /// The org, the tenant and the profile.
    pub fn read(&self) -> Result<[String; 3], StoreError> {
        Ok(serde_json::from_str(self.0.strip_prefix(UNROUTED).unwrap_or(&self.0))?)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// When a profile that no rule routes means something else: looked at again then, or not at all.
pub fn expect(c: &Tx, unrouted: &Unrouted, at: Option<Moment>) -> Result<(), StoreError> {
    match at {
        Some(at) => set_meta(c, unrouted.as_str(), &at.millis().to_string()),
        None if meta(c, unrouted.as_str())?.is_some() => forget(c, unrouted.as_str()),
        None => Ok(()),
    }
}

/// A profile that no rule routes is not looked at again.
pub fn expect_no_more(c: &Tx, unrouted: &Unrouted) -> Result<(), StoreError> {
    forget(c, unrouted.as_str())
}

/// The next moment at which one of them means something else, in milliseconds.
pub fn next_unrouted(c: &Tx) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT min(CAST(value AS BIGINT)) FROM meta WHERE key >= 'unrouted [' AND key < 'unrouted \\'",
    )?;
    Ok(select.query_row([], |row| row.get(0))?)
}

/// Those for whom the moment has come.
pub fn due_unrouted(c: &Tx, now: Moment) -> Result<Vec<Unrouted>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT key FROM meta WHERE key >= 'unrouted [' AND key < 'unrouted \\' AND CAST(value AS BIGINT) <= ?1",
    )?;
    Ok(select.query_map([now.millis()], |row| Ok(Unrouted(row.get(0)?)))?.collect::<Result<_, _>>()?)
}

fn forget(c: &Tx, key: &str) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute(params![key])?;
    Ok(())
}
