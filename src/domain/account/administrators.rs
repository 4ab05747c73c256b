//! Who holds an admin role of an Okta org, as it was read.
//!
//! **Invariant:** what could not be read is unknown, never "nobody".

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the roles of one administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminLevel {
    Super,
    Lesser,
    /// The roles could not be read.
    Unknown,
}

/// What is known of all administrators of an org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administrators {
    /// Everybody of the last list that was read, by id; `None` before the first.
    pub listed: Option<BTreeMap<String, AdminLevel>>,
    /// Why the list could not be read the last time: then `listed` is older.
    #[serde(default)]
    pub unread: Option<String>,
    /// Whether groups carry a role, by id, as far as it was read.
    #[serde(default)]
    pub groups: BTreeMap<String, bool>,
    /// Groups, by id, of which Okta did not say it when it was asked: a role may come with them.
    #[serde(default)]
    pub unsaid: BTreeSet<String>,
    /// Members of groups that no rule names and that carry a role, by id: the list may lack them.
    #[serde(default)]
    pub by_group: BTreeMap<String, AdminLevel>,
    /// Why the roles of groups could not be read the last time.
    #[serde(default)]
    pub groups_unread: Option<String>,
    /// Up to which group, by id, roles were read once more by this run of the service.
    #[serde(skip)]
    pub read_up_to: Option<String>,
}

impl Default for Administrators {
    /// The list was read, and there is nobody on it.
    fn default() -> Self {
        Self { listed: Some(BTreeMap::new()), ..Self::never_read() }
    }
}

impl Administrators {
    /// Nobody has asked yet.
    pub const fn never_read() -> Self {
        Self {
            listed: None,
            unread: None,
            groups: BTreeMap::new(),
            unsaid: BTreeSet::new(),
            by_group: BTreeMap::new(),
            groups_unread: None,
            read_up_to: None,
        }
    }

    /// Whether the list is what Okta said when it was asked last.
    pub const fn is_current(&self) -> bool {
        self.listed.is_some() && self.unread.is_none()
    }

    /// Whether this user is on the last list that was read, or in a group that carries a role.
    pub fn lists(&self, id: &str) -> bool {
        self.listed.as_ref().is_some_and(|listed| listed.contains_key(id)) || self.by_group.contains_key(id)
    }

    /// Ids of everybody known as a super administrator.
    pub fn supers(&self) -> impl Iterator<Item = &str> {
        let all: BTreeSet<&str> = (self.listed.iter().flatten().chain(&self.by_group))
            .filter(|(_, level)| **level == AdminLevel::Super)
            .map(|(id, _)| id.as_str())
            .collect();
        all.into_iter()
    }

    /// Whether this user may be a super administrator.
    pub fn may_be_super(&self, id: &str) -> bool {
        let levels = [self.listed.as_ref().and_then(|listed| listed.get(id)), self.by_group.get(id)];
        levels.into_iter().flatten().any(|level| *level != AdminLevel::Lesser)
    }

    /// What somebody has to mend so that it can be told who is an administrator; nothing if it can.
    pub fn missing(&self) -> Option<String> {
        let list = self.unread.as_ref().map(|why| format!("the list of administrators cannot be read ({why})"));
        let groups = self.groups_unread.as_ref().map(|why| format!("admin roles of groups cannot be read ({why})"));
        let message: Vec<String> = list.into_iter().chain(groups).collect();
        let message = message.join("; ");
        (!message.is_empty()).then(|| format!("{message}; {}", mend(&message)))
    }
}

/// What somebody has to do who wants to read it, by what was answered: a permission is missing only where Okta knows whose token it is.
pub fn mend(why: &str) -> &'static str {
    match () {
        () if why.contains("HTTP 401") => "the token is not accepted: make a new one",
        () if why.contains("HTTP 403") => PERMISSION,
        () => "it is read again by itself",
    }
}

/// What the token needs.
const PERMISSION: &str =
    "give the token's owner a role with the permission okta.iam.read, and a service app the scope okta.roles.read";

/// What Okta has said when it was asked for the roles of one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolesRead {
    /// Whether they hold one; `None` if Okta did not say.
    pub holds: Option<bool>,
    /// In milliseconds.
    pub at: i64,
}
