//! What is written down of looks at one person, of those whose role asks for it.

use serde::{Deserialize, Serialize};

/// Somebody has looked at one person, whom the row is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewed {
    pub by: String,
    pub principal: String,
    pub role: String,
    /// What they have seen: `all that is known`, `what happened` …
    pub what: String,
}
