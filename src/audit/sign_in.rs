//! What is written down of sign-ins to the console.

use serde::{Deserialize, Serialize};

/// Somebody has signed in to the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    pub by: String,
    pub principal: String,
    pub role: String,
    /// `token` or `provider`.
    pub with: String,
    /// The address that it came from.
    pub from: String,
}

/// Somebody was not let in to the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInRefused {
    /// The address that it came from.
    pub from: String,
    /// The how manieth failure of that address it was.
    pub times: u32,
}
