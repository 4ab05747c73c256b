//! What events carry that are about access which people have ended before HR has, and taken back.
//!
//! **Invariant:** as in `details.rs`: a field is added, never renamed.

use super::details::Author;
use crate::domain::Entitlement;
use serde::{Deserialize, Serialize};

/// Somebody has ended access before HR has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessEnded {
    pub why: String,
    /// When it was asked for: time to revoke is counted from here.
    pub asked_at: String,
    /// From when on it is so, if later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begins: Option<String>,
    /// Only suspended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspends: bool,
    /// Nothing is done before a second person agrees.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed_by: Option<String>,
    #[serde(flatten)]
    pub author: Author,
}

/// The end of access that somebody had asked for is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRestored {
    pub why: String,
    pub asked_by: String,
    #[serde(flatten)]
    pub author: Author,
}

/// HR's own record says what somebody had asked for: once it has for a week it decides again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessEndConfirmed {
    pub asked_by: String,
    pub says: Entitlement,
}
