//! Tenants of which a page was seen most of whose people lose access at once.

use super::StoreError;
use super::engine::Tx;
use super::rows::meta::{forget as forget_key, meta, set_meta};
use crate::clock::Moment;
use std::time::Duration;

/// How long such a page is remembered, if nobody decides.
const AGE: Duration = Duration::from_secs(3600);

fn key(tenant: &str) -> String {
    format!("mass {tenant}")
}

/// Such a page was seen.
pub(super) fn saw(c: &Tx, tenant: &str, now: Moment) -> Result<(), StoreError> {
    set_meta(c, &key(tenant), &now.millis().to_string())
}

/// Somebody has decided about a tenant's hold: what was seen before it is no reason any more.
pub(super) fn forget(c: &Tx, tenant: &str) -> Result<(), StoreError> {
    forget_key(c, &key(tenant))
}

/// Whether such a page was seen, and nobody has decided since.
pub(super) fn is_ending(c: &Tx, tenant: &str, now: Moment) -> Result<bool, StoreError> {
    let Some(at) = meta(c, &key(tenant))? else { return Ok(false) };
    // When it was cannot be told: it may have been just now.
    Ok(at.parse().map_or(true, |at| now.since(Moment::from_millis(at)) < AGE))
}
