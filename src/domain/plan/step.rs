//! The calls that plans ask for.

use crate::domain::account::user::AccountStatus;
use crate::domain::plan::priority::Priority;
use crate::domain::record::employee::FieldChange;
use crate::domain::record::lifecycle::Means;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// `POST /users` takes at most this many groups (`okta-api.md §3.1`).
pub const MAX_GROUPS_IN_CREATE: usize = 20;

/// One call to Okta that a plan asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// Read the account, because what became of an earlier call is unknown, or because what comes next must not be
    /// decided by what was seen long ago. By id, or by login before there is an id.
    #[serde(alias = "look")]
    ReadAccount {
        /// Okta takes both in one place of the path.
        id_or_login: String,
    },
    /// Make a group that a rule may create.
    CreateGroup {
        /// What it is called.
        name: String,
    },
    /// Read the deactivated account that has a login which somebody else is to have: whoever has activated it since keeps it.
    ReadHolder {
        /// The account.
        id: String,
        /// The login that it is believed to have.
        login: String,
    },
    /// Take a login from a deactivated account, so that somebody new can have it.
    FreeLogin {
        /// The deactivated account.
        id: String,
        /// The login that becomes free.
        login: String,
        /// What the account is called from now on.
        renamed: String,
    },
    /// Make the account in its groups, activated or staged.
    CreateUser {
        /// Every attribute that the mapping gives, `login` among them.
        profile: BTreeMap<String, Value>,
        /// Ids of at most `MAX_GROUPS_IN_CREATE` groups.
        groups: Vec<String>,
        /// Whether the account is active with this call, or staged.
        activate: bool,
        /// Id of the user type, where it is not the default one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_type: Option<String>,
    },
    /// Activate a staged account, or one that was deactivated.
    Activate {
        /// The account.
        id: String,
        /// Whether Okta sends the mail by which a new hire sets a password.
        send_email: bool,
    },
    /// Take the right to sign in, reversibly; groups and apps stay, unless one of Okta's own rules looks at the status.
    Suspend {
        /// The account.
        id: String,
        /// The status it was in, as far as known.
        status: AccountStatus,
    },
    /// Give the right to sign in back after a suspension.
    Unsuspend {
        /// The account.
        id: String,
    },
    /// Unlock an account, because a locked one cannot be suspended.
    Unlock {
        /// The account.
        id: String,
    },
    /// Write the attributes that differ, and only these.
    UpdateUser {
        /// The account.
        id: String,
        /// Attributes of Okta, before and after.
        changes: Vec<FieldChange>,
    },
    /// Read the whole profile, because the user type can only be changed together with all of it.
    ReadProfile {
        /// The account.
        id: String,
    },
    /// Change the user type and the attributes that differ; everything else is written back as it was read.
    ChangeType {
        /// The account.
        id: String,
        /// Id of the user type.
        user_type: String,
        /// The name of the type, for people.
        name: String,
        /// Attributes of Okta, before and after.
        changes: Vec<FieldChange>,
    },
    /// Link the account to the manager's.
    SetManager {
        /// The account of whoever reports.
        id: String,
        /// The name of the linked object's relation that leads to managers.
        relation: String,
        /// The id of the manager's account.
        manager: String,
    },
    /// Take the link to a manager away.
    ClearManager {
        /// The account of whoever reported.
        id: String,
        /// The name of the linked object's relation that leads to managers.
        relation: String,
    },
    /// End Okta sessions and revoke OAuth tokens.
    RevokeSessions {
        /// The account.
        id: String,
    },
    /// Deactivate the account: nobody can sign in with it any more.
    Deactivate {
        /// The account.
        id: String,
    },
    /// Once more after the deactivation: closes the race of a sign-in between the two. Its failure is tolerated.
    RevokeSessionsAgain {
        /// The account.
        id: String,
    },
    /// Prove that the account is deactivated.
    ReadBack {
        /// The account.
        id: String,
    },
    /// Learn the groups somebody is in, before anything is taken from them: whoever is protected is not touched.
    ReadGroups {
        /// The account.
        id: String,
        /// Where the list goes on, if this is not its first page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        page: Option<String>,
    },
    /// Learn whether somebody is an administrator, where the list of all cannot be read.
    ReadRoles {
        /// The account.
        id: String,
    },
    /// Learn whether an admin role comes with a group.
    ReadGroupRoles {
        /// Its id.
        group: String,
    },
    /// Learn every membership, so that all can be removed.
    ListGroups {
        /// The account.
        id: String,
        /// Where the list goes on, as Okta has said; its first page without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        page: Option<String>,
    },
    /// Take a membership.
    RemoveGroup {
        /// The account.
        id: String,
        /// The id of the group.
        group: String,
        /// The name of the group, for people.
        name: String,
    },
    /// Give a membership.
    AddGroup {
        /// The account.
        id: String,
        /// The id of the group.
        group: String,
        /// The name of the group, for people.
        name: String,
    },
    /// Assign an app to the person.
    AssignApp {
        /// The account.
        id: String,
        /// The id of the app.
        app: String,
        /// The label of the app, for people.
        name: String,
        /// What the person is called in the app; `None` leaves that to Okta.
        user_name: Option<String>,
    },
    /// Make what somebody signs in with for the first time, and give it to their manager or to IT: one before it is void then.
    MakeSignIn {
        /// The account.
        id: String,
        /// What is made.
        means: Means,
        /// The address of the manager who gets it; IT does without one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Change what the person is called in an app that was assigned to them alone.
    NameInApp {
        /// The account.
        id: String,
        /// The id of the app.
        app: String,
        /// The label of the app, for people.
        name: String,
        /// What they were called, as far as it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<String>,
        /// What they are to be called.
        user_name: String,
    },
    /// Take an app that was assigned to the person alone.
    UnassignApp {
        /// The account.
        id: String,
        /// The id of the app.
        app: String,
        /// The label of the app, for people.
        name: String,
    },
}

impl Step {
    /// The app, and the name in it that the call gives somebody, if it gives one.
    pub fn name_in_app(&self) -> Option<(&str, &str)> {
        match self {
            Step::AssignApp { app, user_name, .. } => Some((app, user_name.as_deref()?)),
            Step::NameInApp { app, user_name, .. } => Some((app, user_name)),
            _ => None,
        }
    }

    /// How urgent this one call is; a plan may hold steps of several classes.
    pub fn priority(&self) -> Priority {
        match self {
            Step::RevokeSessions { .. }
            | Step::Deactivate { .. }
            | Step::Suspend { .. }
            | Step::Unlock { .. } => Priority::Revoke,
            Step::ReadAccount { .. } | Step::Activate { .. } | Step::Unsuspend { .. } => Priority::Restore,
            Step::RevokeSessionsAgain { .. }
            | Step::ReadBack { .. }
            | Step::ListGroups { .. }
            // Asked also for the sake of a mover: the reserve is kept for what ends access.
            | Step::ReadGroups { .. }
            | Step::ReadRoles { .. }
            | Step::RemoveGroup { .. }
            | Step::UnassignApp { .. } => Priority::Remove,
            Step::CreateGroup { .. }
            | Step::ReadHolder { .. }
            | Step::FreeLogin { .. }
            | Step::CreateUser { .. }
            | Step::AddGroup { .. }
            | Step::ReadGroupRoles { .. }
            | Step::MakeSignIn { .. }
            | Step::AssignApp { .. } => Priority::Grant,
            Step::UpdateUser { .. }
            | Step::ReadProfile { .. }
            | Step::ChangeType { .. }
            | Step::NameInApp { .. }
            | Step::SetManager { .. }
            | Step::ClearManager { .. } => Priority::Describe,
        }
    }

    /// Whether the call changes something in Okta.
    pub fn is_write(&self) -> bool {
        !self.is_inquiry()
            && !matches!(
                self,
                Step::ReadAccount { .. }
                    | Step::ReadHolder { .. }
                    | Step::ReadBack { .. }
                    | Step::ListGroups { .. }
                    | Step::ReadProfile { .. }
            )
    }

    /// Whether it only asks what must be known before something else is done.
    pub fn is_inquiry(&self) -> bool {
        matches!(self, Step::ReadGroups { .. } | Step::ReadRoles { .. } | Step::ReadGroupRoles { .. })
    }

    /// Id of the person's account, which the call is about, if there is one already.
    pub fn account(&self) -> Option<&str> {
        match self {
            Step::Activate { id, .. }
            | Step::Suspend { id, .. }
            | Step::Unsuspend { id }
            | Step::Unlock { id }
            | Step::UpdateUser { id, .. }
            | Step::ReadProfile { id }
            | Step::ChangeType { id, .. }
            | Step::SetManager { id, .. }
            | Step::ClearManager { id, .. }
            | Step::RevokeSessions { id }
            | Step::Deactivate { id }
            | Step::RevokeSessionsAgain { id }
            | Step::ReadBack { id }
            | Step::ReadGroups { id, .. }
            | Step::ReadRoles { id }
            | Step::ListGroups { id, .. }
            | Step::RemoveGroup { id, .. }
            | Step::AddGroup { id, .. }
            | Step::AssignApp { id, .. }
            | Step::NameInApp { id, .. }
            | Step::MakeSignIn { id, .. }
            | Step::UnassignApp { id, .. } => Some(id),
            Step::ReadAccount { .. }
            | Step::CreateGroup { .. }
            | Step::ReadHolder { .. }
            | Step::FreeLogin { .. }
            | Step::CreateUser { .. }
            | Step::ReadGroupRoles { .. } => None,
        }
    }

    /// Name of the group that it makes.
    pub fn made_group(&self) -> Option<&str> {
        match self {
            Step::CreateGroup { name } => Some(name),
            _ => None,
        }
    }

    /// Id of the group or app that it gives, takes or names them in.
    pub fn touches(&self) -> Option<&String> {
        match self {
            Step::AddGroup { group, .. } | Step::RemoveGroup { group, .. } => Some(group),
            Step::AssignApp { app, .. } | Step::NameInApp { app, .. } | Step::UnassignApp { app, .. } => Some(app),
            _ => None,
        }
    }

    /// The word for it in audit rows, metrics and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Step::ReadAccount { .. } => "read_account",
            Step::CreateGroup { .. } => "create_group",
            Step::ReadHolder { .. } => "read_holder",
            Step::FreeLogin { .. } => "free_login",
            Step::CreateUser { .. } => "create_user",
            Step::Activate { .. } => "activate",
            Step::Suspend { .. } => "suspend",
            Step::Unsuspend { .. } => "unsuspend",
            Step::Unlock { .. } => "unlock",
            Step::UpdateUser { .. } => "update_user",
            Step::ReadProfile { .. } => "read_profile",
            Step::ChangeType { .. } => "change_type",
            Step::SetManager { .. } => "set_manager",
            Step::ClearManager { .. } => "clear_manager",
            Step::RevokeSessions { .. } => "revoke_sessions",
            Step::Deactivate { .. } => "deactivate",
            Step::RevokeSessionsAgain { .. } => "revoke_sessions_again",
            Step::ReadBack { .. } => "read_back",
            Step::ReadGroups { .. } => "read_groups",
            Step::ReadRoles { .. } => "read_roles",
            Step::ReadGroupRoles { .. } => "read_group_roles",
            Step::ListGroups { .. } => "list_groups",
            Step::RemoveGroup { .. } => "remove_group",
            Step::AddGroup { .. } => "add_group",
            Step::AssignApp { .. } => "assign_app",
            Step::NameInApp { .. } => "name_in_app",
            Step::MakeSignIn { .. } => "make_sign_in",
            Step::UnassignApp { .. } => "unassign_app",
        }
    }
}
