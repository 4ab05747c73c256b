//! Memberships of groups, and where they come from (`okta-api.md §3.3`).
//!
//! **Invariant:** a rule takes nobody out whom it has not put in: whoever was added by a call or by hand stays until a call or
//! a hand takes them out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where a membership comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A call, or somebody in the console.
    Manual,
    /// The rules with these ids.
    Rules(BTreeSet<String>),
}

/// Everybody in every group: origins by user, by group.
#[derive(Default)]
pub(super) struct Memberships(HashMap<String, BTreeMap<String, Origin>>);

impl Memberships {
    /// Puts somebody in by a call. A member that rules had put in is a manual one from now on.
    pub(super) fn add(&mut self, group: &str, user: &str) {
        self.0.entry(group.to_owned()).or_default().insert(user.to_owned(), Origin::Manual);
    }

    /// Takes somebody out, whatever put them in.
    pub(super) fn remove(&mut self, group: &str, user: &str) -> Option<Origin> {
        self.0.get_mut(group)?.remove(user)
    }

    /// Puts somebody in by a rule, and says whether they were no member before.
    pub(super) fn add_by_rule(&mut self, group: &str, user: &str, rule: &str) -> bool {
        let members = self.0.entry(group.to_owned()).or_default();
        match members.get_mut(user) {
            None => {
                members.insert(user.to_owned(), Origin::Rules(BTreeSet::from([rule.to_owned()])));
                return true;
            }
            Some(Origin::Rules(rules)) => {
                rules.insert(rule.to_owned());
            }
            Some(Origin::Manual) => {}
        }
        false
    }

    /// Takes out whom this rule alone keeps in, and says whether they were.
    pub(super) fn remove_by_rule(&mut self, group: &str, user: &str, rule: &str) -> bool {
        let Some(members) = self.0.get_mut(group) else { return false };
        let Some(Origin::Rules(rules)) = members.get_mut(user) else { return false };
        let leaves = rules.remove(rule) && rules.is_empty();
        if leaves {
            members.remove(user);
        }
        leaves
    }

    /// Forgets a rule. Those whom it alone kept in are taken out, or are manual members from now on.
    pub(super) fn forget_rule(&mut self, rule: &str, take_out: bool) {
        for members in self.0.values_mut() {
            members.retain(|_, origin| {
                let Origin::Rules(rules) = &mut *origin else { return true };
                if !rules.remove(rule) || !rules.is_empty() {
                    return true;
                }
                *origin = Origin::Manual;
                !take_out
            });
        }
    }

    pub(super) fn has(&self, group: &str, user: &str) -> bool {
        self.0.get(group).is_some_and(|members| members.contains_key(user))
    }

    pub(super) fn of(&self, group: &str) -> Option<&BTreeMap<String, Origin>> {
        self.0.get(group)
    }

    pub(super) fn drop_group(&mut self, group: &str) {
        self.0.remove(group);
    }

    pub(super) fn drop_user(&mut self, user: &str) {
        for members in self.0.values_mut() {
            members.remove(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_takes_out_only_whom_it_alone_has_put_in() {
        let mut all = Memberships::default();
        all.add("g", "by hand");
        assert!(!all.add_by_rule("g", "by hand", "r1"));
        assert!(all.add_by_rule("g", "ruled", "r1"));
        assert!(!all.add_by_rule("g", "ruled", "r2"));
        assert!(!all.remove_by_rule("g", "by hand", "r1"));
        assert!(!all.remove_by_rule("g", "ruled", "r1"), "the other rule keeps them");
        assert!(all.remove_by_rule("g", "ruled", "r2"));
        assert!(all.has("g", "by hand") && !all.has("g", "ruled"));
    }

    #[test]
    fn a_rule_that_is_deleted_leaves_its_members_or_takes_them_along() {
        let mut all = Memberships::default();
        all.add_by_rule("g", "a", "r1");
        all.forget_rule("r1", false);
        assert_eq!(all.of("g").and_then(|members| members.get("a")), Some(&Origin::Manual));
        all.add_by_rule("g", "b", "r2");
        all.forget_rule("r2", true);
        assert!(all.has("g", "a") && !all.has("g", "b"));
    }
}
