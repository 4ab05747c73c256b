//! What is known of an account after a call was answered.

use super::account::{Account, AccountStatus, ExitProof, Link, Scope};
use super::directory::Group;
use super::step::Step;
use serde_json::{Map, Value};

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
    /// Every group the person is in.
    Groups(Vec<String>),
    /// Groups the person is in, with their names: those of one page, and where the list goes on.
    Memberships { groups: Vec<Group>, next: Option<String> },
    /// Whether the person or the group holds an admin role.
    Role { holds: bool },
    /// The group that was made.
    Group(Group),
    /// The app cannot be taken from the person: a group grants it.
    HeldByGroup,
    /// There is no such account.
    NoAccount,
}

/// The account as it is known after `step` was answered by `answer`.
pub fn observe(account: Option<&Account>, step: &Step, answer: &Answer) -> Option<Account> {
    let mut now = match answer {
        Answer::NoAccount => return None,
        Answer::User(user) | Answer::Profile(user, _) => Account {
            groups: account.map(|a| a.groups.clone()).unwrap_or_default(),
            apps: account.map(|a| a.apps.clone()).unwrap_or_default(),
            marks: account.map(|a| a.marks.clone()).unwrap_or_default(),
            ..user.clone()
        },
        _ => account?.clone(),
    };
    let exit = |now: &mut Account, mark: fn(&mut ExitProof)| mark(now.marks.exit.get_or_insert_default());
    match step {
        Step::CreateUser { groups, .. } => {
            now.groups.extend(groups.iter().cloned());
            now.marks.manager = Link::Nobody; // a new account has no links
        }
        Step::RevokeSessions { .. } => exit(&mut now, |proof| {
            *proof = ExitProof { sessions_revoked: true, ..ExitProof::default() };
        }),
        Step::Deactivate { .. } => {
            now.status = AccountStatus::Deprovisioned;
            now.apps.clear(); // Okta takes them with the deactivation (okta-api.md §2.2)
            exit(&mut now, |proof| proof.deactivated = true);
        }
        Step::RevokeSessionsAgain { .. } => exit(&mut now, |proof| proof.sessions_revoked_again = true),
        Step::ReadBack { .. } if !now.is_live() => exit(&mut now, |proof| proof.read_back = true),
        Step::ListGroups { .. } => {
            if let Answer::Groups(groups) = answer {
                now.groups = groups.iter().cloned().collect();
                let had = now.groups.clone();
                let proof = now.marks.exit.get_or_insert_default();
                (proof.groups_listed, proof.had) = (true, had);
            }
        }
        Step::Activate { .. } => {
            if let Some(proof) = now.marks.exit.take() {
                now.marks.restore = proof.had;
            }
            // Without a password it waits for its owner (okta-api.md §2.1); either way it is in use.
            now.status = AccountStatus::Provisioned;
        }
        Step::Suspend { .. } => {
            now.status = AccountStatus::Suspended;
            if let Some(exit) = &mut now.marks.exit {
                exit.suspended = true;
            }
        }
        Step::ReadGroups { .. } => {
            if let Answer::Memberships { groups, .. } = answer {
                now.groups = groups.iter().map(|group| group.id.clone()).collect();
            }
        }
        Step::Unsuspend { .. } | Step::Unlock { .. } => {
            now.status = AccountStatus::Active;
            now.marks.exit = None; // what was proved of an end does not hold any more
        }
        Step::ChangeType { user_type, .. } => now.user_type.clone_from(user_type),
        Step::SetManager { manager, .. } => now.marks.manager = Link::To(manager.clone()),
        Step::ClearManager { .. } => now.marks.manager = Link::Nobody,
        Step::RemoveGroup { group, .. } => {
            now.groups.remove(group);
        }
        Step::AddGroup { group, .. } => {
            now.groups.insert(group.clone());
            now.marks.restore.remove(group);
        }
        Step::AssignApp { app, .. } => {
            now.apps.insert(app.clone(), Scope::User);
        }
        Step::UnassignApp { app, .. } if *answer == Answer::HeldByGroup => {
            now.apps.insert(app.clone(), Scope::Group);
        }
        Step::UnassignApp { app, .. } => {
            now.apps.remove(app);
        }
        Step::Look { .. }
        | Step::ReadBack { .. }
        | Step::ReadRoles { .. }
        | Step::ReadGroupRoles { .. }
        | Step::ReadProfile { .. }
        | Step::CreateGroup { .. }
        | Step::FreeLogin { .. }
        | Step::UpdateUser { .. } => {}
    }
    Some(now)
}
