//! Who has decided.

use serde::{Deserialize, Serialize};

/// Who has decided: the name that people read, and the principal that votes are counted by. Rows of before principals were
/// known have the name only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The name that people read.
    pub by: String,
    /// Whom votes are counted by; `None` in rows of before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

impl Author {
    /// A principal, under the name that they go by.
    pub fn new(by: impl Into<String>, principal: impl Into<String>) -> Self {
        Self { by: by.into(), principal: Some(principal.into()) }
    }
}
