//! Pins: what an undo has restored, kept until Namely or the mapping says something new.
//!
//! An undo writes nothing by itself: it pins what was before, and the planner brings the account there, through the same
//! safeguards as everything else.

use crate::domain::account::directory::Directory;
use crate::domain::account::user::Account;
use crate::domain::mapping::desired::Desired;
use crate::domain::plan::doubt::gives_access;
use crate::domain::plan::step::Step;
use crate::domain::record::lifecycle::Entitlement;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What access is pinned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Given,
    Withheld,
    Ended,
}

/// What is pinned of one person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pins {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
    /// Groups that they are in, by id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub member: BTreeSet<String>,
    /// Groups that they are not in, by id.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub not_member: BTreeSet<String>,
    /// What these groups were called: one that was deleted and made again is the same group to people. Not known of what an earlier
    /// version has pinned.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Whether the record said that access is over when it was pinned to be given. An end that comes later is none that somebody has
    /// looked at, and outweighs it. Not known of what an earlier version has pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against_end: Option<bool>,
    /// A call that gives it was let through: whoever had to approve has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub carried_out: bool,
}

impl Pins {
    /// Whether nothing is pinned.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What the record grants, as far as access is not pinned to something else. Access against an end is proposed where the end is
    /// carried out on `account`, and holds once it was approved: until then the end is what holds. `was` is the word of the entitlement
    /// that the last finished plan was made for.
    pub fn entitlement(&self, says: &Entitlement, account: Option<&Account>, was: Option<&str>) -> Entitlement {
        match (self.access, says) {
            (Some(Access::Given), Entitlement::OnLeave(_)) => Entitlement::Entitled,
            (Some(Access::Given), _) if self.defies(says) && (self.is_decided() || is_out(says, account, was)) => {
                Entitlement::Entitled
            }
            (Some(Access::Withheld), Entitlement::Entitled) => {
                Entitlement::OnLeave("an undo has withheld access".into())
            }
            (Some(Access::Ended), Entitlement::Entitled | Entitlement::Prehire { .. } | Entitlement::NotYet) => {
                Entitlement::Ended("an undo has ended access".into())
            }
            _ => says.clone(),
        }
    }

    /// Whether access that is pinned is given by a decision, and not by a proposal that waits for one.
    pub fn is_decided(&self) -> bool {
        self.access == Some(Access::Given) && (self.carried_out || self.against_end.is_none())
    }

    /// A call was let through; whether that carries out what is pinned.
    pub fn carries_out(&mut self, step: &Step) -> bool {
        let carries_out = self.access == Some(Access::Given) && gives_access(step) && !self.carried_out;
        self.carried_out |= carries_out;
        carries_out
    }

    /// They are pinned while the record says this. Access that it grants by itself is not pinned: what becomes of it later is not what
    /// was taken back.
    pub fn pinned_while(&mut self, says: &Entitlement) {
        let is_withheld = says.is_over() || matches!(says, Entitlement::OnLeave(_));
        self.access = self.access.filter(|access| *access != Access::Given || is_withheld);
        self.against_end = self.access.map(|_| says.is_over());
    }

    /// Whether access is to be given although Namely says that it is over: nobody gets that without an approval.
    fn defies(&self, says: &Entitlement) -> bool {
        self.access == Some(Access::Given) && says.is_over() && self.against_end != Some(false)
    }

    /// Whether what is planned gives access against the record: what ends it meanwhile waits for nobody.
    pub fn gives_against(&self, says: &Entitlement, account: Option<&Account>, was: Option<&str>) -> bool {
        self.defies(says) && !self.entitlement(says, account, was).is_over()
    }

    /// Puts the pinned attributes over what the mapping gives: only what it maps, whatever was pinned.
    pub fn overlay(&self, desired: &mut Desired, writes: impl Fn(&str) -> bool) {
        let mapped = self.attributes.iter().filter(|(name, _)| writes(name));
        desired.attributes.extend(mapped.map(|(name, value)| (name.clone(), value.clone())));
    }

    /// The same with the groups that have these names now, where one was deleted and made again under another id.
    #[must_use]
    pub fn of_now(&self, directory: &Directory) -> Self {
        let id_of = |id: &String| match self.names.get(id).filter(|_| !directory.knows(id)) {
            Some(name) => directory.find(name).map_or_else(|| id.clone(), |group| group.id.clone()),
            None => id.clone(),
        };
        let names = self.names.iter().map(|(id, name)| (id_of(id), name.clone())).collect();
        let [member, not_member] = [&self.member, &self.not_member].map(|ids| ids.iter().map(id_of).collect());
        Self { member, not_member, names, ..self.clone() }
    }

    /// What of it can be restored where the rules write these attributes, in this org, and what cannot any more.
    pub fn within(mut self, writes: impl Fn(&str) -> bool, directory: &Directory) -> (Self, BTreeSet<String>) {
        let mut lost = BTreeSet::new();
        self = self.of_now(directory);
        self.attributes.retain(|name, _| {
            let mapped = writes(name);
            if !mapped {
                lost.insert(format!("the attribute {name} is not mapped any more: it stays as it is"));
            }
            mapped
        });
        for groups in [&mut self.member, &mut self.not_member] {
            groups.retain(|id| {
                let ours = directory.is_ours_to_write(id);
                if !ours {
                    let name = directory.find(id).map(|group| &group.name).or(self.names.get(id)).unwrap_or(id);
                    lost.insert(format!("memberships of the group {name:?} are not ours to write: they stay"));
                }
                ours
            });
        }
        self.names.retain(|id, _| self.member.contains(id) || self.not_member.contains(id));
        (self, lost)
    }

    /// What is restored, in words.
    pub fn message(&self, directory: &Directory) -> Vec<String> {
        let name =
            |id: &String| directory.find(id).map(|group| &group.name).or(self.names.get(id)).unwrap_or(id).clone();
        let value = |value: &Value| match value {
            Value::Null => "nothing".to_owned(),
            Value::String(text) => format!("{text:?}"),
            other => other.to_string(),
        };
        let access = self.access.map(|access| match access {
            Access::Given => "access is given".to_owned(),
            Access::Withheld => "access is withheld".to_owned(),
            Access::Ended => "access ends".to_owned(),
        });
        let attributes = self.attributes.iter().map(|(name, before)| format!("{name}: {}", value(before)));
        let member = self.member.iter().map(|id| format!("in group {:?}", name(id)));
        let not_member = self.not_member.iter().map(|id| format!("not in group {:?}", name(id)));
        access.into_iter().chain(attributes).chain(member).chain(not_member).collect()
    }
}

/// Whether the end that a record says is carried out on an account, as far as one person's word goes: whoever may be an administrator
/// is suspended, and the rest waits for two. A suspension for the time of the grace is no end: that comes after it.
fn is_out(says: &Entitlement, account: Option<&Account>, was: Option<&str>) -> bool {
    account.is_some_and(|account| match says {
        Entitlement::Suspended(_) => !account.is_awake(),
        _ => !account.is_live() || account.is_suspended_for_end() && was != Some("suspended"),
    })
}

/// What has to be pinned to take back calls that were carried out, newest first, and what cannot come back.
pub fn invert<'a>(newest_first: impl IntoIterator<Item = &'a Step>) -> (Pins, BTreeSet<String>) {
    let (mut pins, mut warnings) = (Pins::default(), BTreeSet::new());
    let mut warn = |text: &str| {
        warnings.insert(text.to_owned());
    };
    for step in newest_first {
        match step {
            Step::UpdateUser { changes, .. } | Step::ChangeType { changes, .. } => {
                for change in changes {
                    pins.attributes.insert(change.field.clone(), change.before.clone());
                }
                if matches!(step, Step::ChangeType { .. }) {
                    warn("the user type stays: only the attributes are taken back");
                }
            }
            Step::AddGroup { group, name, .. } => {
                pins.member.remove(group);
                pins.not_member.insert(group.clone());
                pins.names.insert(group.clone(), name.clone());
            }
            Step::RemoveGroup { group, name, .. } => {
                pins.not_member.remove(group);
                pins.member.insert(group.clone());
                pins.names.insert(group.clone(), name.clone());
            }
            Step::Suspend { .. } => pins.access = Some(Access::Given),
            Step::Unsuspend { .. } => pins.access = Some(Access::Withheld),
            Step::Activate { .. } => pins.access = Some(Access::Ended),
            Step::Deactivate { .. } => {
                pins.access = Some(Access::Given);
                warn(
                    "what apps have deleted with the account does not come back; sessions and app assignments neither",
                );
            }
            Step::CreateUser { .. } => {
                pins.access = Some(Access::Ended);
                (pins.member, pins.not_member, pins.names, pins.attributes) = Default::default();
                warn("an account that was made is deactivated, not deleted");
            }
            Step::AssignApp { .. } | Step::UnassignApp { .. } => {
                warn("apps that were given or taken alone stay as they are")
            }
            Step::MakeSignIn { .. } => warn("what was sent to sign in with is not called back"),
            Step::NameInApp { .. } => warn("names in apps follow the mapping"),
            Step::SetManager { .. } | Step::ClearManager { .. } => warn("links to managers follow Namely"),
            Step::CreateGroup { .. } => warn("a group that was made stays"),
            Step::FreeLogin { .. } => warn("a login that was taken from a deactivated account stays taken"),
            Step::ReadAccount { .. }
            | Step::ReadHolder { .. }
            | Step::ReadGroups { .. }
            | Step::ReadRoles { .. }
            | Step::ReadGroupRoles { .. }
            | Step::Unlock { .. }
            | Step::ReadProfile { .. }
            | Step::RevokeSessions { .. }
            | Step::RevokeSessionsAgain { .. }
            | Step::ReadBack { .. }
            | Step::ListGroups { .. } => {}
        }
    }
    (pins, warnings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AccountStatus;
    use crate::domain::account::user::ExitProof;
    use crate::domain::account::user::tests::bare;
    use crate::domain::record::employee::FieldChange;

    fn update(field: &str, before: &str, after: &str) -> Step {
        let changes = vec![FieldChange { field: field.into(), before: before.into(), after: after.into() }];
        Step::UpdateUser { id: "00u1".into(), changes }
    }

    fn group(add: bool) -> Step {
        let (id, group, name) = ("00u1".into(), "00g1".into(), "Finance".into());
        if add { Step::AddGroup { id, group, name } } else { Step::RemoveGroup { id, group, name } }
    }

    #[test]
    fn only_what_is_ours_to_write_is_restored_and_the_rest_is_told() {
        use crate::domain::account::directory::Group;
        use crate::domain::plan::rulebook::tests::rulebook;
        let group = |id: &str, writable| Group { id: id.into(), name: format!("Group {id}"), writable };
        let groups = [group("00g1", true), group("00g2", false), group("00g3", true)];
        let directory = Directory::new(groups, BTreeSet::from(["00g3".to_owned()]));
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let pins = Pins {
            attributes: BTreeMap::from([("title".into(), "Clerk".into()), ("isAdmin".into(), true.into())]),
            member: ids(&["00g1", "00g2", "00g9"]),
            not_member: ids(&["00g3"]),
            access: None,
            ..Pins::default()
        };
        let rules = rulebook();
        let mut desired = Desired::default();
        pins.overlay(&mut desired, |name| rules.writes(name));
        assert_eq!(desired.attributes.keys().collect::<Vec<_>>(), ["title"], "whatever was pinned");
        let (pins, lost) = pins.within(|name| rules.writes(name), &directory);
        assert_eq!(pins.message(&directory), ["title: \"Clerk\"", "in group \"Group 00g1\""]);
        assert_eq!(lost.len(), 4, "{lost:?}");
    }

    #[test]
    fn what_was_taken_back_stays_so_when_the_group_is_made_again_under_another_id() {
        use crate::domain::account::directory::Group;
        let (pins, _) = invert(&[group(true)]);
        let named = |id: &str, name: &str| Group { id: id.into(), name: name.into(), writable: true };
        let directory = |groups: &[Group]| Directory::new(groups.to_vec(), BTreeSet::new());
        let ids = |groups: &[Group]| pins.of_now(&directory(groups)).not_member.into_iter().collect::<Vec<_>>();
        assert_eq!(ids(&[named("00g1", "Renamed"), named("00g9", "Finance")]), ["00g1"], "the group is there still");
        assert_eq!(ids(&[named("00g9", "Finance")]), ["00g9"], "made again");
        assert_eq!(ids(&[named("00g9", "Sales")]), ["00g1"], "nothing is guessed");
        let within = pins.clone().within(|_| true, &directory(&[named("00g9", "Finance")]));
        assert_eq!(within.0.names, BTreeMap::from([("00g9".to_owned(), "Finance".to_owned())]));
        assert!(within.1.is_empty());
        assert_eq!(pins.message(&directory(&[])), ["not in group \"Finance\""], "people see the name");
    }

    #[test]
    fn the_value_before_the_first_of_several_changes_is_what_is_restored() {
        let (pins, _) = invert(&[update("title", "b", "c"), update("title", "a", "b")]);
        assert_eq!(pins.attributes["title"], "a");
    }

    #[test]
    fn a_group_that_was_given_and_taken_is_as_it_was_before_both() {
        let (pins, _) = invert(&[group(false), group(true)]);
        assert_eq!((pins.member.len(), pins.not_member.len()), (0, 1));
        let (pins, _) = invert(&[group(true), group(false)]);
        assert_eq!((pins.member.len(), pins.not_member.len()), (1, 0));
    }

    #[test]
    fn taking_back_a_termination_warns_of_what_does_not_come_back_and_defies_namely() {
        let (mut pins, warnings) = invert(&[Step::Deactivate { id: "00u1".into() }]);
        assert_eq!(pins.access, Some(Access::Given));
        assert!(warnings.iter().any(|w| w.contains("does not come back")));
        let ended = Entitlement::Ended("inactive".into());
        assert!(pins.defies(&ended) && !pins.defies(&Entitlement::Entitled));
        let mut account = bare("00u1", "a@example.com", None);
        assert_eq!(pins.entitlement(&ended, Some(&account), None), Entitlement::Entitled, "of an earlier version");
        pins.pinned_while(&ended);
        assert_eq!(pins.entitlement(&ended, Some(&account), None), ended, "nobody has approved it");
        account.status = AccountStatus::Suspended;
        assert_eq!(pins.entitlement(&ended, Some(&account), None), ended, "the end goes on");
        account.marks.exit = Some(ExitProof { suspended: true, ..ExitProof::default() });
        let proposed = |was: &str| pins.entitlement(&ended, Some(&account), Some(was)) == Entitlement::Entitled;
        assert!(proposed("entitled"), "an administrator's: the rest waits for two");
        assert!(!proposed("suspended"), "the end that comes after a grace goes on");
        let grace = Entitlement::Suspended("the grace".into());
        assert_eq!(pins.entitlement(&grace, Some(&account), None), Entitlement::Entitled, "proposed");
        account.status = AccountStatus::Deprovisioned;
        assert_eq!(pins.entitlement(&ended, Some(&account), None), Entitlement::Entitled, "proposed");
        assert!(!pins.is_decided() && pins.gives_against(&ended, Some(&account), None));
        assert!(
            !pins.gives_against(&ended, Some(&bare("00u1", "a@example.com", None)), None),
            "the end waits for nobody"
        );
        assert!(!pins.carries_out(&Step::ReadBack { id: "00u1".into() }));
        assert!(pins.carries_out(&Step::Activate { id: "00u1".into(), send_email: false }));
        account.status = AccountStatus::Active;
        assert_eq!(pins.entitlement(&ended, Some(&account), None), Entitlement::Entitled, "by decision");
    }

    #[test]
    fn an_end_that_comes_after_a_leave_was_taken_back_outweighs_it() {
        let suspend = Step::Suspend { id: "00u1".into(), status: AccountStatus::Active };
        let (mut pins, _) = invert(&[suspend]);
        let (leave, ended) = (Entitlement::OnLeave("the rule applies".into()), Entitlement::Ended("a date".into()));
        pins.pinned_while(&leave);
        assert_eq!(pins.entitlement(&leave, None, None), Entitlement::Entitled);
        assert_eq!(pins.entitlement(&ended, None, None), ended);
        assert!(!pins.defies(&ended));
        pins.pinned_while(&ended);
        assert!(pins.defies(&ended));
        pins.pinned_while(&Entitlement::Entitled);
        assert!(pins.is_empty(), "it is so already");
    }

    #[test]
    fn an_account_that_was_made_is_ended_again_whatever_came_after() {
        let create = Step::CreateUser { profile: BTreeMap::new(), groups: vec![], activate: true, user_type: None };
        let (pins, _) = invert(&[group(true), create]);
        assert_eq!((pins.access, pins.not_member.len()), (Some(Access::Ended), 0));
    }
}
