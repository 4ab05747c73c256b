//! What the authorization server remembers.

use jsonwebtoken::EncodingKey;
use serde_json::Value;
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

/// What the org remembers of sign-ins.
#[derive(Default)]
pub struct SignIns {
    pub(super) codes: BTreeMap<String, Code>,
    pub(super) key: Option<(EncodingKey, Value)>,
}

/// A code that a browser carries back to a client.
pub(super) struct Code {
    pub(super) client: String,
    pub(super) redirect: String,
    pub(super) challenge: String,
    pub(super) nonce: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) user: String,
    pub(super) expires: i64,
}
