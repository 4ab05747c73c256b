//! What an org has besides people, as the service has read it last: written down here, and read by whoever plans.

use super::StoreError;
use super::engine::Tx;
use super::rows::meta::{meta, number, set_meta};
use super::rows::org::identity;
use crate::domain::Directory;
use crate::domain::account::gone::GoneGroup;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

fn key(org: &str) -> String {
    format!("directory {org}")
}

/// The text of it; `None` before the first.
pub(super) fn text(c: &Tx, org: &str) -> Result<Option<String>, StoreError> {
    meta(c, &key(org))
}

/// Writes it down: whoever keeps the one of before reads this one.
pub(super) fn put(c: &Tx, org: &str, text: &str) -> Result<(), StoreError> {
    let version: i64 = number(c, &version_key(org))?;
    set_meta(c, &version_key(org), &(version + 1).to_string())?;
    set_meta(c, &key(org), text)
}

fn version_key(org: &str) -> String {
    format!("directory version {org}")
}

/// What names a directory as it was written down: the store, the org, the version.
type Named = (String, String, String);

thread_local! {
    /// The directories that this thread has read last: one holds thousands of groups, and is asked for person by person.
    static READ: RefCell<HashMap<String, (Named, Arc<Directory>)>> = RefCell::default();
}

/// The same as `directory`, kept until another one is written down.
pub(super) fn directory_of(c: &Tx, org: &str) -> Result<Option<Arc<Directory>>, StoreError> {
    let version = meta(c, &version_key(org))?.unwrap_or_default();
    let name = (identity(c)?, org.to_owned(), version);
    let known =
        READ.with_borrow(|read| read.get(org).filter(|(known, _)| *known == name).map(|(_, found)| found.clone()));
    if let Some(known) = known {
        return Ok(Some(known));
    }
    let Some(found) = directory(c, org)?.map(Arc::new) else { return Ok(None) };
    READ.with_borrow_mut(|read| read.insert(org.to_owned(), (name, found.clone())));
    Ok(Some(found))
}

/// What an org has besides people, as the service has read it last; `None` before that.
pub fn directory(c: &Tx, org: &str) -> Result<Option<Directory>, StoreError> {
    Ok(text(c, org)?.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// The group of this name that somebody else has deleted in an org, if there is one.
pub fn gone_group(c: &Tx, org: &str, name: &str) -> Result<Option<GoneGroup>, StoreError> {
    Ok(directory_of(c, org)?.and_then(|directory| directory.gone().called(name).cloned()))
}
