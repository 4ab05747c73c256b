//! What is known of an account after a call was answered.

use crate::domain::account::directory::Group;
use crate::domain::account::user::{Account, AccountStatus, Closed, ExitProof, FirstSignIn, Link, Scope};
use crate::domain::plan::step::Step;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The whole profile of an account, as it must be written back when the user type changes. Never kept, never logged.
#[derive(Clone, PartialEq)]
pub struct FullProfile {
    pub profile: Map<String, Value>,
    pub etag: Option<String>,
}

impl std::fmt::Debug for FullProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FullProfile({} attributes)", self.profile.len())
    }
}

/// What Okta answered to a step that was carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Done, with nothing to learn from the body.
    Done,
    /// The account as Okta shows it now. Its `groups` are not in the body and stay as they were known.
    User(Account),
    /// The account with its whole profile.
    Profile(Account, FullProfile),
    /// Groups the person is in: all of them, or those of one page if the list goes on.
    Groups { groups: Vec<Group>, next: Option<String> },
    /// Whether the person or the group holds an admin role.
    Role { holds: bool },
    /// The group that was made.
    Group(Group),
    /// The person has the app, under this name where Okta says it.
    Assigned { user_name: Option<String> },
    /// The person had the app before: under which name, Okta does not say.
    AssignedBefore,
    /// The app cannot be taken from the person: a group grants it.
    HeldByGroup,
}

/// The account as it is known after `step` was answered by `answer`.
pub fn observe(account: Option<&Account>, step: &Step, answer: &Answer) -> Option<Account> {
    let mut now = match answer {
        Answer::User(user) | Answer::Profile(user, _) => Account {
            groups: account.map(|a| a.groups.clone()).unwrap_or_default(),
            apps: account.map(|a| a.apps.clone()).unwrap_or_default(),
            app_names: account.map(|a| a.app_names.clone()).unwrap_or_default(),
            marks: account.map(|a| a.marks.clone()).unwrap_or_default(),
            ..user.clone()
        },
        _ => account?.clone(),
    };
    if let (Answer::User(_) | Answer::Profile(..), Some(known)) = (answer, account) {
        now.is_read_after(known);
        if !step.is_write() {
            now.is_let_in_after(known);
        }
    }
    let exit = |now: &mut Account, mark: fn(&mut ExitProof)| mark(now.marks.exit.get_or_insert_default());
    match step {
        Step::CreateUser { groups, .. } => {
            now.groups.extend(groups.iter().cloned());
            now.marks.given.extend(groups.iter().cloned());
            now.marks.manager = Link::Nobody; // a new account has no links
        }
        Step::RevokeSessions { .. } => exit(&mut now, |proof| *proof = std::mem::take(proof).begun_anew(true)),
        Step::Deactivate { .. } => {
            if now.status == AccountStatus::Suspended && now.marks.suspended_by_us == Some(false) {
                now.marks.closed_by_others = Some(Closed::Suspended);
            }
            now.status = AccountStatus::Deprovisioned;
            now.marks.taken_back = None; // access ends anew
            now.app_names.clear();
            now.apps.clear(); // Okta takes them with the deactivation (okta-api.md §2.2)
            exit(&mut now, |proof| {
                // Whatever was listed before it is listed once more: the proof is of what is left after it.
                *proof = ExitProof {
                    sessions_revoked: proof.sessions_revoked,
                    sent: true,
                    deactivated: true,
                    had: std::mem::take(&mut proof.had),
                    ..ExitProof::default()
                };
            });
        }
        Step::RevokeSessionsAgain { .. } => exit(&mut now, |proof| proof.sessions_revoked_again = true),
        Step::ReadBack { .. } if !now.is_live() => {
            exit(&mut now, |proof| (proof.read_back, proof.refused) = (true, None))
        }
        Step::ListGroups { .. } => {
            if let Answer::Groups { groups, next: None } = answer {
                let listed: BTreeSet<String> = groups.iter().map(|group| group.id.clone()).collect();
                // A list proves what is on it. What it lacks and was known is taken all the same: that costs a call, and a
                // list that was not whole would leave it for good.
                let known = std::mem::replace(&mut now.groups, listed);
                now.marks.unsure.groups.extend(known);
                now.marks.unsure.groups.retain(|group| !now.groups.contains(group));
                now.marks.unsure.memberships = false;
                let had = now.groups.clone();
                let proof = now.marks.exit.get_or_insert_default();
                proof.groups_listed = true;
                proof.taken.clear();
                proof.had.extend(had); // what was taken before a second list is not forgotten
            }
        }
        Step::Activate { send_email, .. } => {
            now.marks.sign_in = (!send_email).then_some(FirstSignIn::Owed);
            now.marks.unsure.sign_in = false;
            if let Some(proof) = now.marks.exit.take() {
                now.marks.restore = proof.had;
            }
            (now.marks.not_suspended_in, now.marks.suspended_by_us) = (None, Some(false));
            now.marks.closed_by_others = None;
            // Without a password it waits for its owner (okta-api.md §2.1); either way it is in use.
            now.status = AccountStatus::Provisioned;
        }
        Step::Suspend { .. } => {
            now.status = AccountStatus::Suspended;
            (now.marks.not_suspended_in, now.marks.suspended_by_us) = (None, Some(true));
            if let Some(exit) = &mut now.marks.exit {
                exit.suspended = true;
            }
        }
        Step::ReadGroups { .. } => {
            if let Answer::Groups { groups, next: None } = answer {
                now.marks.unsure.groups.clear();
                now.marks.unsure.memberships = false;
                now.groups = groups.iter().map(|group| group.id.clone()).collect();
            }
        }
        Step::Unsuspend { .. } => {
            now.status = AccountStatus::Active;
            now.marks.suspended_by_us = Some(false);
            now.marks.exit = None; // what was proved of an end does not hold any more
        }
        Step::Unlock { .. } => now.status = AccountStatus::Active,
        Step::ChangeType { user_type, .. } => now.user_type.clone_from(user_type),
        Step::SetManager { manager, .. } => {
            (now.marks.manager, now.marks.unsure.manager) = (Link::To(manager.clone()), false);
        }
        Step::ClearManager { .. } => (now.marks.manager, now.marks.unsure.manager) = (Link::Nobody, false),
        Step::RemoveGroup { group, .. } => {
            now.marks.unsure.groups.remove(group);
            now.groups.remove(group);
            now.marks.given.remove(group);
            if let Some(exit) = &mut now.marks.exit {
                exit.taken.insert(group.clone()); // 204 is also what Okta says where nothing has changed
            }
        }
        Step::AddGroup { group, .. } => {
            now.marks.unsure.groups.remove(group);
            now.groups.insert(group.clone());
            now.marks.given.insert(group.clone());
            now.marks.restore.remove(group);
        }
        Step::AssignApp { app, user_name, .. } => {
            now.marks.unsure.apps.remove(app);
            now.apps.insert(app.clone(), Scope::User);
            is_called(&mut now, app, user_name.as_ref(), answer);
        }
        Step::NameInApp { app, user_name, .. } => is_called(&mut now, app, Some(user_name), answer),
        Step::UnassignApp { app, .. } if *answer == Answer::HeldByGroup => {
            now.marks.unsure.apps.remove(app);
            now.apps.insert(app.clone(), Scope::Group);
            now.app_names.remove(app);
        }
        Step::UnassignApp { app, .. } => {
            now.marks.unsure.apps.remove(app);
            now.apps.remove(app);
            now.app_names.remove(app);
        }
        Step::MakeSignIn { .. } => {
            now.marks.sign_in = Some(FirstSignIn::Given);
            now.marks.unsure.sign_in = false;
        }
        Step::ReadAccount { .. }
        | Step::ReadHolder { .. }
        | Step::ReadBack { .. }
        | Step::ReadRoles { .. }
        | Step::ReadGroupRoles { .. }
        | Step::ReadProfile { .. }
        | Step::CreateGroup { .. }
        | Step::FreeLogin { .. }
        | Step::UpdateUser { .. } => {}
    }
    let (is_live, groups, apps) = (now.is_live(), &now.groups, &now.apps);
    if let Some(taken) = now.marks.taken_back.as_mut().filter(|_| is_live) {
        taken.groups.retain(|group, _| !groups.contains(group));
        taken.apps.retain(|app, _| !apps.contains_key(app));
    }
    Some(now)
}

/// What somebody is called in an app after it was assigned, or after they were named in it.
fn is_called(now: &mut Account, app: &str, asked: Option<&String>, answer: &Answer) {
    now.marks.unsure.app_names.remove(app);
    let shown = match answer {
        Answer::Assigned { user_name: Some(shown) } => Some(shown),
        Answer::AssignedBefore => {
            now.app_names.remove(app);
            // Whoever is to have a name of the rule is given it, whatever they are called.
            if asked.is_some() {
                now.marks.unsure.app_names.insert(app.to_owned());
            }
            return;
        }
        _ => asked,
    };
    match shown {
        Some(shown) => drop(now.app_names.insert(app.to_owned(), shown.clone())),
        None => drop(now.app_names.remove(app)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::tests::bare;

    #[test]
    fn a_list_of_a_leavers_groups_that_lacks_a_known_one_leaves_it_to_be_taken_all_the_same() {
        let mut account = bare("00u1", "a@example.com", None);
        account.groups = ["00g1", "00g2"].map(str::to_owned).into();
        let group = Group { id: "00g2".into(), name: "Sales".into(), writable: true };
        let list = Step::ListGroups { id: "00u1".into(), page: None };
        let known = observe(Some(&account), &list, &Answer::Groups { groups: vec![group], next: None });
        let known = known.expect("an account");
        assert_eq!(known.groups, ["00g2".to_owned()].into());
        assert_eq!(known.marks.unsure.groups, ["00g1".to_owned()].into());
    }
}
