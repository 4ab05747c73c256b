//! Who may ask the tenant for tokens, and which were given out.

use crate::clock::Moment;
use std::collections::BTreeMap;

/// An application that may ask for tokens.
#[derive(Clone, Debug)]
pub struct Client {
    /// What the token endpoint knows it by.
    pub id: String,
    /// What it proves itself with.
    pub secret: String,
    /// Whether a refresh answers with the refresh token again: it did not in 2014, and does today.
    pub repeats_refresh_token: bool,
}

/// Tokens that were given out.
#[derive(Debug, Default)]
pub struct Tokens {
    pub(super) given: u64,
    /// Access tokens and when they end.
    pub(super) access: BTreeMap<String, Moment>,
    pub(super) codes: Vec<String>,
    pub(super) refresh: Vec<String>,
}
