//! The kinds of change that people talk about: what safeguards count, what is held, paused, approved and summed up.

use crate::domain::mapping::desired::LOGIN;
use crate::domain::plan::step::Step;
use crate::domain::record::employee::FieldChange;
use serde::{Deserialize, Serialize};

/// A kind of change to somebody's account; the order is the order in which people want to read about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// Access ends: sessions, deactivation, memberships, and the proof of it.
    Deactivate,
    /// Access is withheld: a leave, or the grace after the last day.
    Suspend,
    /// A membership or an app is taken away.
    RemoveGroup,
    /// An admin role comes with a group that is given.
    GrantAdmin,
    /// A match takes over an account that exists.
    Adopt,
    /// The login, the primary email or the name in an app becomes another one.
    ChangeLogin,
    /// The second email or a phone becomes another one: where Okta sends what lets somebody in.
    ChangeContact,
    /// Access comes back or begins: an activation, the end of a suspension.
    Activate,
    /// An account is made.
    Create,
    /// A membership or an app is given.
    AddGroup,
    /// Attributes besides login and email, the user type.
    ChangeAttributes,
    /// The link to the manager is written or taken away.
    LinkManager,
}

impl ChangeKind {
    /// All kinds.
    pub const ALL: [ChangeKind; 12] = [
        ChangeKind::Deactivate,
        ChangeKind::Suspend,
        ChangeKind::RemoveGroup,
        ChangeKind::GrantAdmin,
        ChangeKind::Adopt,
        ChangeKind::ChangeLogin,
        ChangeKind::ChangeContact,
        ChangeKind::Activate,
        ChangeKind::Create,
        ChangeKind::AddGroup,
        ChangeKind::ChangeAttributes,
        ChangeKind::LinkManager,
    ];

    /// The word for it in the configuration, the store, metrics and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Deactivate => "deactivate",
            ChangeKind::Suspend => "suspend",
            ChangeKind::RemoveGroup => "remove_group",
            ChangeKind::GrantAdmin => "grant_admin",
            ChangeKind::Adopt => "adopt",
            ChangeKind::ChangeLogin => "change_login",
            ChangeKind::ChangeContact => "change_contact",
            ChangeKind::Activate => "activate",
            ChangeKind::Create => "create",
            ChangeKind::AddGroup => "add_group",
            ChangeKind::ChangeAttributes => "change_attributes",
            ChangeKind::LinkManager => "link_manager",
        }
    }

    /// The kind of a word.
    pub fn parse(word: &str) -> Option<ChangeKind> {
        Self::ALL.into_iter().find(|change| change.as_str() == word)
    }

    /// Whether it takes something from somebody: told one by one, never only counted.
    pub const fn is_risky(self) -> bool {
        matches!(
            self,
            ChangeKind::Deactivate
                | ChangeKind::Suspend
                | ChangeKind::RemoveGroup
                | ChangeKind::Adopt
                | ChangeKind::ChangeLogin
        )
    }

    /// Whether it changes what its owner signs in with, or gets in again by.
    pub const fn lets_in(self) -> bool {
        matches!(self, ChangeKind::ChangeLogin | ChangeKind::ChangeContact)
    }

    /// The kind of one call of a plan; `None` for a read that may lead anywhere. Every call of an exit is part of it.
    pub fn of(step: &Step, exit: bool) -> Option<ChangeKind> {
        if step.is_inquiry() {
            return None;
        }
        if exit {
            return Some(ChangeKind::Deactivate);
        }
        Some(match step {
            Step::ReadAccount { .. }
            | Step::ReadHolder { .. }
            | Step::ListGroups { .. }
            | Step::ReadGroups { .. }
            | Step::ReadRoles { .. }
            | Step::ReadGroupRoles { .. } => return None,
            Step::RevokeSessionsAgain { .. } | Step::Deactivate { .. } | Step::ReadBack { .. } => {
                ChangeKind::Deactivate
            }
            Step::RevokeSessions { .. } | Step::Suspend { .. } | Step::Unlock { .. } => ChangeKind::Suspend,
            Step::RemoveGroup { .. } | Step::UnassignApp { .. } => ChangeKind::RemoveGroup,
            Step::Activate { .. } | Step::Unsuspend { .. } | Step::MakeSignIn { .. } => ChangeKind::Activate,
            Step::CreateUser { .. } | Step::FreeLogin { .. } => ChangeKind::Create,
            Step::NameInApp { .. } => ChangeKind::ChangeLogin,
            Step::CreateGroup { .. } | Step::AddGroup { .. } | Step::AssignApp { .. } => ChangeKind::AddGroup,
            Step::UpdateUser { changes, .. } if !changes.is_empty() && changes.iter().all(is_login) => {
                ChangeKind::ChangeLogin
            }
            Step::UpdateUser { changes, .. } if !changes.is_empty() && changes.iter().all(is_contact) => {
                ChangeKind::ChangeContact
            }
            Step::UpdateUser { .. } | Step::ChangeType { .. } | Step::ReadProfile { .. } => {
                ChangeKind::ChangeAttributes
            }
            Step::SetManager { .. } | Step::ClearManager { .. } => ChangeKind::LinkManager,
        })
    }
}

/// Whether a change of an attribute is one of the login or of the primary email.
pub fn is_login(change: &FieldChange) -> bool {
    change.field == LOGIN || change.field == "email"
}

/// Whether a change of an attribute is one of where Okta sends codes and links for getting in again.
pub fn is_contact(change: &FieldChange) -> bool {
    matches!(change.field.as_str(), "secondEmail" | "mobilePhone" | "primaryPhone")
}
