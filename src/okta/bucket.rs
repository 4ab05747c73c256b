//! Which call spends which rate limit counter.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Length of the windows in which Okta counts.
pub const WINDOW: Duration = Duration::from_secs(60);

/// A rate limit counter of an Okta org (`okta-api.md §4.1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// `/api/v1/users` and every sub-resource of a user: lists, creates, lifecycle, sessions, a user's groups.
    Users,
    /// `POST`, `PUT`, `DELETE /api/v1/users/{id}`.
    UserWrite,
    /// `GET /api/v1/users/{idOrLogin}`.
    UserRead,
    /// `/api/v1/groups`, memberships and group rules.
    Groups,
    /// `GET`, `PUT`, `DELETE /api/v1/groups/{id}`.
    Group,
    /// `/api/v1/apps` and who has them.
    Apps,
    /// `/api/v1/iam`: who is an administrator.
    Iam,
    /// Everything else below `/api/v1`: schemas, types.
    Other,
}

impl Bucket {
    /// All counters that this product spends.
    pub const ALL: [Bucket; 8] = [
        Bucket::Users,
        Bucket::UserWrite,
        Bucket::UserRead,
        Bucket::Groups,
        Bucket::Group,
        Bucket::Apps,
        Bucket::Iam,
        Bucket::Other,
    ];

    /// The counter of a call; the most specific one only.
    pub fn of(method: &str, path: &str) -> Bucket {
        let mut parts = path.strip_prefix("/api/v1/").unwrap_or_default().split('/').filter(|p| !p.is_empty());
        match (parts.next(), parts.next(), parts.next()) {
            (Some("users"), Some(_), None) if method == "GET" => Bucket::UserRead,
            (Some("users"), Some(_), None) => Bucket::UserWrite,
            (Some("users"), _, _) => Bucket::Users,
            (Some("groups"), Some("rules"), _) | (Some("groups"), None, _) => Bucket::Groups,
            (Some("groups"), Some(_), None) => Bucket::Group,
            (Some("groups"), _, Some(_)) => Bucket::Groups,
            (Some("apps"), ..) => Bucket::Apps,
            (Some("iam"), ..) => Bucket::Iam,
            _ => Bucket::Other,
        }
    }

    /// The counter of a step, by its name; nothing for a name that no step has.
    pub fn of_step(step: &str) -> Option<Bucket> {
        Some(match step {
            "read_account" | "read_holder" | "read_profile" | "read_back" => Bucket::UserRead,
            "free_login" | "update_user" | "change_type" => Bucket::UserWrite,
            "create_user"
            | "activate"
            | "suspend"
            | "unsuspend"
            | "unlock"
            | "set_manager"
            | "clear_manager"
            | "revoke_sessions"
            | "deactivate"
            | "revoke_sessions_again"
            | "read_groups"
            | "read_roles"
            | "list_groups"
            | "make_sign_in" => Bucket::Users,
            "create_group" | "read_group_roles" | "remove_group" | "add_group" => Bucket::Groups,
            "assign_app" | "name_in_app" | "unassign_app" => Bucket::Apps,
            _ => return None,
        })
    }

    /// The kind of a call within its counter: calls of one kind always spend the same one, calls of two kinds may turn
    /// out not to.
    pub fn kind_of(method: &str, path: &str) -> &'static str {
        let mut parts = path.strip_prefix("/api/v1/").unwrap_or_default().split('/').filter(|p| !p.is_empty()).skip(2);
        match (method, parts.next()) {
            ("GET", None) => "list",
            (_, None) => "object",
            (_, Some("lifecycle")) => "lifecycle",
            (_, Some("sessions")) => "sessions",
            ("GET", Some(_)) => "read",
            _ => "member",
        }
    }

    /// What a call does, in one word: calls of one action need one permission of the token.
    pub fn action_of(method: &str, path: &str) -> &'static str {
        let mut parts = path.strip_prefix("/api/v1/").unwrap_or_default().split('/').filter(|p| !p.is_empty()).skip(1);
        let (id, part, verb) = (parts.next(), parts.next(), parts.next());
        match (method, id, part) {
            ("GET", None, _) => "list",
            ("GET", _, None) => "read",
            ("GET", _, Some("groups")) => "groups",
            ("GET", ..) => "part",
            ("POST", None, _) => "create",
            (_, _, None) => "update",
            (_, _, Some("sessions")) => "sessions",
            (_, _, Some("lifecycle")) => match verb {
                Some("deactivate") => "deactivate",
                Some("suspend") => "suspend",
                Some("unsuspend") => "unsuspend",
                Some("activate") => "activate",
                Some("unlock") => "unlock",
                _ => "lifecycle",
            },
            (_, _, Some("linkedObjects")) => "managers",
            _ => "members",
        }
    }

    /// The label in metrics and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Bucket::Users => "users",
            Bucket::UserWrite => "user_write",
            Bucket::UserRead => "user_read",
            Bucket::Groups => "groups",
            Bucket::Group => "group",
            Bucket::Apps => "apps",
            Bucket::Iam => "iam",
            Bucket::Other => "other",
        }
    }

    /// The counter of a label.
    pub fn from_label(label: &str) -> Option<Bucket> {
        Self::ALL.into_iter().find(|b| b.as_str() == label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_spend_the_counters_of_the_recorded_traffic() {
        for (method, path, bucket) in [
            ("POST", "/api/v1/users", Bucket::Users),
            ("GET", "/api/v1/users", Bucket::Users),
            ("POST", "/api/v1/users/00u1/lifecycle/deactivate", Bucket::Users),
            ("DELETE", "/api/v1/users/00u1/sessions", Bucket::Users),
            ("GET", "/api/v1/users/00u1/groups", Bucket::Users),
            ("POST", "/api/v1/users/00u1", Bucket::UserWrite),
            ("DELETE", "/api/v1/users/00u1", Bucket::UserWrite),
            ("GET", "/api/v1/users/00u1", Bucket::UserRead),
            ("PUT", "/api/v1/groups/00g1/users/00u1", Bucket::Groups),
            ("GET", "/api/v1/groups/rules", Bucket::Groups),
            ("POST", "/api/v1/groups", Bucket::Groups),
            ("GET", "/api/v1/groups/00g1", Bucket::Group),
            ("GET", "/api/v1/meta/schemas/user/default", Bucket::Other),
            ("POST", "/api/v1/apps/0oa1/users", Bucket::Apps),
            ("GET", "/api/v1/iam/assignees/users", Bucket::Iam),
        ] {
            assert_eq!(Bucket::of(method, path), bucket, "{method} {path}");
        }
    }

    #[test]
    fn labels_and_buckets_are_one_to_one() {
        for bucket in Bucket::ALL {
            assert_eq!(Bucket::from_label(bucket.as_str()), Some(bucket));
        }
    }
}
