//! What the authorization server remembers.

use std::collections::{BTreeMap, BTreeSet};

/// An access token that was given out.
#[derive(Clone, Debug)]
pub(super) struct AccessToken {
    pub(super) client: String,
    pub(super) scopes: BTreeSet<String>,
    pub(super) expires: i64,
    /// Thumbprint of the key it is bound to.
    pub(super) key: Option<String>,
}

/// What the authorization server remembers.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    pub(super) given: BTreeMap<String, AccessToken>,
    /// `jti` of assertions and proofs: each may be used once.
    pub(super) seen: BTreeSet<String>,
    pub(super) nonce: String,
}
