//! What an Okta org has besides people, as far as plans need it: groups and who may write them, apps, administrators.

use crate::clock::Moment;
use crate::domain::account::administrators::{AdminLevel, Administrators};
use crate::domain::account::gone::GoneGroups;
use crate::domain::account::group_rule::OktaRule;
use crate::domain::text::login_key;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One group of the org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Okta's id.
    pub id: String,
    /// The name, by which rules of the configuration find it.
    pub name: String,
    /// Whether memberships can be written at all: only `OKTA_GROUP` groups (`okta-api.md §3.3`).
    pub writable: bool,
}

/// All groups of the org and which of them Okta's own group rules fill.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Directory {
    groups: HashMap<String, Group>,
    by_name: HashMap<String, String>,
    rule_owned: BTreeSet<String>,
    /// Apps that a rule of the configuration may name: label by id.
    apps: BTreeMap<String, String>,
    /// Stored before under another name, without telling "nobody" from "not read".
    #[serde(default = "Administrators::never_read")]
    admins: Administrators,
    /// User types, where the mapping gives them: id by name.
    user_types: BTreeMap<String, String>,
    /// Names of the linked object relations that lead to one account.
    relations: BTreeSet<String>,
    /// Okta's own group rules.
    #[serde(default)]
    rules: Vec<OktaRule>,
    /// Groups of the mapping that somebody else has deleted.
    #[serde(default)]
    gone: GoneGroups,
    /// Names of groups whose members may decide here.
    #[serde(default)]
    deciding: BTreeSet<String>,
    /// When it was asked of a group by itself whether a role comes with it.
    #[serde(skip)]
    roles_asked: BTreeMap<String, Moment>,
}

impl Directory {
    /// A directory of `groups`; `rule_owned` are the ids that active or inactive group rules assign.
    pub fn new(groups: impl IntoIterator<Item = Group>, rule_owned: BTreeSet<String>) -> Self {
        let mut directory = Self { rule_owned, ..Self::default() };
        groups.into_iter().for_each(|g| directory.insert(g));
        directory
    }

    /// Names of all groups that are known.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.values().map(|group| group.name.as_str())
    }

    /// The same with the apps of the org, ids and labels.
    pub fn with_apps(self, apps: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { apps: apps.into_iter().collect(), ..self }
    }

    /// The same with what is known of the org's administrators.
    pub fn with_administrators(self, admins: Administrators) -> Self {
        Self { admins, ..self }
    }

    /// The same with the names of groups whose members may decide here: whoever gets into one is given as much as an admin role.
    pub fn with_deciding(self, deciding: BTreeSet<String>) -> Self {
        Self { deciding, ..self }
    }

    /// It was asked of a group by itself.
    pub fn role_asked(&mut self, group: &str, carries: Option<bool>, at: Moment) {
        self.learn_role(group, carries);
        self.roles_asked.insert(group.to_owned(), at);
    }

    /// When it was asked of a group by itself whether a role comes with it, since the org was read.
    pub fn role_asked_at(&self, group: &str) -> Option<Moment> {
        self.roles_asked.get(group).copied()
    }

    /// Whether the members of a group may decide here.
    pub fn lets_decide(&self, group: &str) -> bool {
        self.groups.get(group).is_some_and(|group| self.deciding.contains(&group.name))
    }

    /// Whether any group of the org gives a power over others: a role of Okta, or a word here.
    pub fn has_powerful_groups(&self) -> bool {
        !self.deciding.is_empty() || self.admins.groups.values().any(|carries| *carries)
    }

    /// The same with the members of groups that carry a role, by what each may do.
    pub fn with_roles_by_group(mut self, by_group: BTreeMap<String, AdminLevel>) -> Self {
        self.admins.by_group = by_group;
        self
    }

    /// The same with the user types of the org: name and id.
    pub fn with_user_types(self, types: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { user_types: types.into_iter().collect(), ..self }
    }

    /// The same with the linked object relations of the org, by the name that leads to one account.
    pub fn with_relations(self, names: impl IntoIterator<Item = String>) -> Self {
        Self { relations: names.into_iter().collect(), ..self }
    }

    /// The same with the org's group rules.
    pub fn with_rules(self, rules: Vec<OktaRule>) -> Self {
        Self { rules, ..self }
    }

    /// The same with what is known of groups that somebody else has deleted.
    pub fn with_gone(self, gone: GoneGroups) -> Self {
        Self { gone, ..self }
    }

    /// Groups of the mapping that somebody else has deleted.
    pub fn gone(&self) -> &GoneGroups {
        &self.gone
    }

    /// It was decided whether a group that is gone is made again; returns its id, or `None` if no group of this name is gone.
    pub fn decide_gone(&mut self, name: &str, again: bool) -> Option<String> {
        self.gone.decide(name, again).map(|group| group.id.clone())
    }

    /// Okta's own group rules.
    pub fn rules(&self) -> &[OktaRule] {
        &self.rules
    }

    /// The id of the user type of this name.
    pub fn user_type(&self, name: &str) -> Option<&str> {
        self.user_types.get(name).map(String::as_str)
    }

    /// Whether the org has this relation.
    pub fn has_relation(&self, name: &str) -> bool {
        self.relations.contains(name)
    }

    /// Id and label of the app with this id, or else of the only one with this label.
    pub fn find_app(&self, label_or_id: &str) -> Option<(&str, &str)> {
        let by_id = self.apps.get_key_value(label_or_id);
        let found = by_id.or_else(|| {
            let mut called = self.apps.iter().filter(|(_, label)| *label == label_or_id);
            called.next().filter(|_| called.next().is_none())
        });
        found.map(|(id, label)| (id.as_str(), label.as_str()))
    }

    /// Ids of the apps with this label.
    pub fn apps_called(&self, name: &str) -> Vec<&str> {
        self.apps.iter().filter(|(_, label)| *label == name).map(|(id, _)| id.as_str()).collect()
    }

    /// Ids and labels of all apps that are known.
    pub fn apps(&self) -> impl Iterator<Item = (&str, &str)> {
        self.apps.iter().map(|(id, label)| (id.as_str(), label.as_str()))
    }

    /// The same, as it was read before the service has started.
    pub fn with_old_administrators(mut self) -> Self {
        self.admins.unread.get_or_insert_with(|| "not read since the start".into());
        self
    }

    /// What is known of the org's administrators.
    pub fn administrators(&self) -> &Administrators {
        &self.admins
    }

    /// It was asked whether an admin role comes with a group; `None` if Okta did not say.
    pub fn learn_role(&mut self, group: &str, carries: Option<bool>) {
        match carries {
            Some(carries) => {
                self.admins.groups.insert(group.to_owned(), carries);
                self.admins.unsaid.remove(group);
            }
            None => {
                self.admins.unsaid.insert(group.to_owned());
            }
        }
    }

    /// Adds or renames a group.
    pub fn insert(&mut self, group: Group) {
        if let Some(old) = self.groups.get(&group.id) {
            self.by_name.remove(&old.name);
        }
        self.gone.is_there(&group.name);
        self.by_name.insert(group.name.clone(), group.id.clone());
        self.groups.insert(group.id.clone(), group);
    }

    /// Adds an app that was asked for.
    pub fn insert_app(&mut self, id: String, label: String) {
        self.apps.insert(id, label);
    }

    /// Adds a user type that was asked for.
    pub fn insert_user_type(&mut self, name: String, id: String) {
        self.user_types.insert(name, id);
    }

    /// Adds what another directory has of groups, apps and user types.
    pub fn insert_from(&mut self, other: &Directory) {
        other.groups.values().for_each(|group| self.insert(group.clone()));
        self.apps.extend(other.apps.clone());
        self.user_types.extend(other.user_types.clone());
    }

    /// Adds a group that was seen at somebody, if it is not known, or renames it; names that are known keep their group.
    pub fn learn(&mut self, group: &Group) {
        let name = if group.name.is_empty() { &group.id } else { &group.name };
        if let Some(known) =
            self.groups.get_mut(&group.id).filter(|known| known.name != *name && !group.name.is_empty())
        {
            let before = std::mem::replace(&mut known.name, name.clone());
            if self.by_name.get(&before) == Some(&group.id) {
                self.by_name.remove(&before);
            }
        }
        self.gone.is_there(name);
        self.by_name.entry(name.clone()).or_insert_with(|| group.id.clone());
        self.groups.entry(group.id.clone()).or_insert_with(|| Group { name: name.clone(), ..group.clone() });
    }

    /// Whether there is a group with this id.
    pub fn knows(&self, id: &str) -> bool {
        self.groups.contains_key(id)
    }

    /// Whether this group is known, under this name if it has one.
    pub fn knows_as(&self, group: &Group) -> bool {
        self.groups.get(&group.id).is_some_and(|known| group.name.is_empty() || known.name == group.name)
    }

    /// The group with this id, or else with this name.
    pub fn find(&self, name_or_id: &str) -> Option<&Group> {
        self.groups.get(name_or_id).or_else(|| self.groups.get(self.by_name.get(name_or_id)?))
    }

    /// The group whose name differs from this one in case alone: to Okta it is the same name.
    pub fn find_alike(&self, name: &str) -> Option<&Group> {
        let alike = login_key(name);
        let mut found: Vec<&Group> = self.groups.values().filter(|group| login_key(&group.name) == alike).collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.first().copied()
    }

    /// Whether a group rule fills this group; such a membership is never written, because removing it would silently
    /// put the person on the rule's exclusion list.
    pub fn is_rule_owned(&self, id: &str) -> bool {
        self.rule_owned.contains(id)
    }

    /// Whether memberships of this group are ours to write at all.
    pub fn is_ours_to_write(&self, id: &str) -> bool {
        !self.is_rule_owned(id) && self.groups.get(id).is_some_and(|g| g.writable)
    }

    /// All groups, in no particular order.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_id_and_by_name_also_after_a_rename() {
        let group = |name: &str| Group { id: "00g1".into(), name: name.into(), writable: true };
        let mut directory = Directory::new([group("Finance")], BTreeSet::new());
        directory.insert(group("Finance and Control"));
        assert_eq!(directory.find("Finance"), None);
        assert_eq!(directory.find("Finance and Control"), directory.find("00g1"));
    }

    #[test]
    fn a_group_that_is_seen_under_another_name_is_found_by_that_one() {
        let group = |id: &str, name: &str| Group { id: id.into(), name: name.into(), writable: true };
        let mut directory = Directory::new([group("00g1", "Night Shift"), group("00g2", "Finance")], BTreeSet::new());
        directory.learn(&group("00g1", ""));
        assert_eq!(
            directory.find("Night Shift").map(|found| found.id.as_str()),
            Some("00g1"),
            "no name is no other one"
        );
        directory.learn(&group("00g1", "Break Glass"));
        assert_eq!(directory.find("Night Shift"), None);
        assert_eq!(directory.find("Break Glass"), directory.find("00g1"));
        directory.learn(&group("00g1", "Finance"));
        assert_eq!(directory.find("Finance").map(|found| found.id.as_str()), Some("00g2"), "a name keeps its group");
    }

    #[test]
    fn groups_of_rules_and_of_applications_are_not_ours_to_write() {
        let group = |id: &str, writable| Group { id: id.into(), name: id.into(), writable };
        let groups = [group("00g1", true), group("00g2", true), group("00g3", false)];
        let directory = Directory::new(groups, BTreeSet::from(["00g2".to_owned()]));
        assert!(directory.is_ours_to_write("00g1"));
        assert!(!directory.is_ours_to_write("00g2"));
        assert!(!directory.is_ours_to_write("00g3"));
        assert!(!directory.is_ours_to_write("00g4"), "a group nobody has seen");
    }
}
