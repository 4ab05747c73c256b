//! What a termination has taken from somebody whose end of access was taken back soon, as far as it has not come back yet.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An app that was assigned to somebody directly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectApp {
    /// Its label when it was assigned.
    pub name: String,
    /// The name that the person had in it, where a rule gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
}

/// What comes back besides what the mapping gives. Kept with the account, so that whatever waits is not forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenBack {
    /// Groups that were taken: name by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, String>,
    /// Apps that this service had given directly and that went with the access, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub apps: BTreeMap<String, DirectApp>,
    /// The account was deactivated: with it went whatever apps somebody else had assigned directly.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deactivated: bool,
    /// The revision of the person that takes the end back: what cannot come back is told until the next one that Namely asks for.
    #[serde(default)]
    pub rev: i64,
}
