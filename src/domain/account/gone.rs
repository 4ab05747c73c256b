//! Groups that somebody else has deleted in Okta: known until they are there again, or somebody has decided.

use crate::domain::text::login_key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A group of the mapping that Okta has no more, and that this service did not delete: it deletes none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneGroup {
    /// Okta's id of it, by which its members of before are known.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who has deleted it, by Okta's system log, where that can be read.
    #[serde(default)]
    pub actor: Option<String>,
    /// Whether it is made again, as somebody has decided, or the configuration; `None` while nobody has.
    #[serde(default)]
    pub again: Option<bool>,
}

impl GoneGroup {
    /// What is so and what is asked, in words.
    pub fn message(&self) -> String {
        let actor = self.actor.as_ref().map(|actor| format!(" ({actor})")).unwrap_or_default();
        format!(
            "somebody else has deleted the group {0:?} in Okta{actor}: nobody is put into it until it is decided; \
             `org make-group ORG {0:?}` makes and fills it again, `org leave-group ORG {0:?}` goes on without it",
            self.name
        )
    }
}

/// The groups that are gone, by what Okta takes for one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GoneGroups(BTreeMap<String, GoneGroup>);

impl GoneGroups {
    /// The group of this name.
    pub fn called(&self, name: &str) -> Option<&GoneGroup> {
        if self.0.is_empty() { None } else { self.0.get(&login_key(name)) }
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &GoneGroup> {
        self.0.values()
    }

    /// One more is gone.
    pub fn insert(&mut self, group: GoneGroup) {
        self.0.insert(login_key(&group.name), group);
    }

    /// A group of this name is there again.
    pub fn is_there(&mut self, name: &str) {
        if !self.0.is_empty() {
            self.0.remove(&login_key(name));
        }
    }

    /// It was decided about the group of this name; `None` if none is gone.
    pub fn decide(&mut self, name: &str, again: bool) -> Option<&GoneGroup> {
        let group = self.0.get_mut(&login_key(name))?;
        group.again = Some(again);
        Some(group)
    }

    /// What was decided meanwhile, as `others` know, holds.
    pub fn keep_decisions(&mut self, others: &GoneGroups) {
        for (key, group) in &mut self.0 {
            group.again = group.again.or(others.0.get(key).and_then(|other| other.again));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_about_a_group_that_is_gone_is_kept_until_it_is_there_again() {
        let mut gone = GoneGroups::default();
        gone.insert(GoneGroup { id: "00g1".into(), name: "Sales".into(), actor: None, again: None });
        assert_eq!(gone.called("SALES").map(|group| group.id.as_str()), Some("00g1"));
        let mut read = gone.clone();
        assert!(gone.decide("Sales", true).is_some() && gone.decide("Legal", true).is_none());
        read.keep_decisions(&gone);
        assert_eq!(read, gone);
        read.is_there("sales");
        assert_eq!(read.iter().count(), 0);
    }
}
