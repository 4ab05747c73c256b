//! What each call to Okta takes: the scope of a service app, and the permissions of a custom admin role
//! (`okta-api.md §1.3, §11`).
//!
//! **Invariant:** one table. What a service app asks for, what `check` names and what the simulated org enforces come from it, and
//! docs/operations.md is compared with it.

use std::collections::BTreeSet;

/// What of the configuration has a call made at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// Whatever is configured.
    Always,
    /// A rule for groups may make them.
    MakesGroups,
    /// There are rules for apps.
    Apps,
    /// Managers are linked.
    ManagerLinks,
    /// The mapping chooses the user type.
    UserTypes,
    /// Joiners get a temporary access code.
    Codes,
}

impl When {
    /// Every condition.
    pub const ALL: [When; 6] =
        [When::Always, When::MakesGroups, When::Apps, When::ManagerLinks, When::UserTypes, When::Codes];

    /// The condition in the words of the configuration; nothing where there is none.
    pub const fn setting(self) -> &'static str {
        match self {
            When::Always => "",
            When::MakesGroups => "create = true",
            When::Apps => "[[mapping.apps]]",
            When::ManagerLinks => "manager_link",
            When::UserTypes => "mapping.user_type",
            When::Codes => "activation = \"tac\"",
        }
    }
}

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Its path; `*` stands for one part.
    pub path: &'static str,
    /// What is done by it.
    pub purpose: &'static str,
    /// The scope that a service app needs; a `manage` includes its `read`.
    pub scope: &'static str,
    /// The permissions that a custom role needs, each of them; none where Okta's catalogue has none for it.
    pub permissions: &'static [&'static str],
    /// When it is made.
    pub when: When,
}

const fn call(
    method: &'static str,
    path: &'static str,
    purpose: &'static str,
    scope: &'static str,
    permissions: &'static [&'static str],
    when: When,
) -> Call {
    Call { method, path, purpose, scope, permissions, when }
}

const USERS_READ: &str = "okta.users.read";
const USERS_MANAGE: &str = "okta.users.manage";
const GROUPS_READ: &str = "okta.groups.read";
const GROUPS_MANAGE: &str = "okta.groups.manage";
const APPS_READ: &str = "okta.apps.read";
const APPS_MANAGE: &str = "okta.apps.manage";
const ROLES_READ: &str = "okta.roles.read";
const IAM: &[&str] = &["okta.iam.read"];
const PROFILE: &[&str] = &["okta.users.userprofile.manage"];
const MEMBERS: &[&str] = &["okta.users.groupMembership.manage", "okta.groups.members.manage"];
const ASSIGNMENTS: &[&str] = &["okta.users.appAssignment.manage", "okta.apps.assignment.manage"];
const ACTIVATE: &[&str] = &["okta.users.lifecycle.activate"];

/// Every kind of call that this service makes. Of several that fit the first counts.
pub const CALLS: &[Call] = &[
    call("GET", "/api/v1/users", "read accounts", USERS_READ, &[USERS_READ], When::Always),
    call("GET", "/api/v1/users/*", "read accounts", USERS_READ, &[USERS_READ], When::Always),
    call(
        "GET",
        "/api/v1/users/*/groups",
        "read somebody's groups",
        USERS_READ,
        &[USERS_READ, GROUPS_READ],
        When::Always,
    ),
    call("GET", "/api/v1/users/*/roles", "tell who is an administrator", ROLES_READ, IAM, When::Always),
    call(
        "GET",
        "/api/v1/users/*/linkedObjects/*",
        "read who reports to whom",
        USERS_READ,
        &[USERS_READ],
        When::ManagerLinks,
    ),
    call("POST", "/api/v1/users", "make accounts", USERS_MANAGE, &["okta.users.create"], When::Always),
    call("POST", "/api/v1/users/*", "write attributes", USERS_MANAGE, PROFILE, When::Always),
    call("PUT", "/api/v1/users/*", "change the user type", USERS_MANAGE, PROFILE, When::UserTypes),
    call("PUT", "/api/v1/users/*/linkedObjects/*/*", "link managers", USERS_MANAGE, PROFILE, When::ManagerLinks),
    call("DELETE", "/api/v1/users/*/linkedObjects/*", "unlink managers", USERS_MANAGE, PROFILE, When::ManagerLinks),
    call(
        "DELETE",
        "/api/v1/users/*/sessions",
        "end sessions",
        USERS_MANAGE,
        &["okta.users.lifecycle.clearSessions"],
        When::Always,
    ),
    call(
        "POST",
        "/api/v1/users/*/lifecycle/deactivate",
        "end access",
        USERS_MANAGE,
        &["okta.users.lifecycle.deactivate"],
        When::Always,
    ),
    call(
        "POST",
        "/api/v1/users/*/lifecycle/suspend",
        "suspend accounts",
        USERS_MANAGE,
        &["okta.users.lifecycle.suspend"],
        When::Always,
    ),
    call(
        "POST",
        "/api/v1/users/*/lifecycle/unsuspend",
        "end suspensions",
        USERS_MANAGE,
        &["okta.users.lifecycle.unsuspend"],
        When::Always,
    ),
    call(
        "POST",
        "/api/v1/users/*/lifecycle/unlock",
        "unlock accounts that are to be suspended",
        USERS_MANAGE,
        &["okta.users.lifecycle.unlock"],
        When::Always,
    ),
    call("POST", "/api/v1/users/*/lifecycle/activate", "activate accounts", USERS_MANAGE, ACTIVATE, When::Always),
    call("POST", "/api/v1/users/*/lifecycle/reactivate", "make activation links", USERS_MANAGE, ACTIVATE, When::Always),
    call(
        "POST",
        "/api/v1/users/*/authenticator-enrollments/tac",
        "make temporary access codes",
        USERS_MANAGE,
        &["okta.users.credentials.manageTemporaryAccessCode"],
        When::Codes,
    ),
    call("GET", "/api/v1/groups", "read groups", GROUPS_READ, &[GROUPS_READ], When::Always),
    call("GET", "/api/v1/groups/rules", "read group rules", GROUPS_READ, &[GROUPS_READ], When::Always),
    call("GET", "/api/v1/groups/*", "read groups", GROUPS_READ, &[GROUPS_READ], When::Always),
    call("GET", "/api/v1/groups/*/users", "read members", GROUPS_READ, &[GROUPS_READ], When::Always),
    call("GET", "/api/v1/groups/*/roles", "tell who is an administrator", ROLES_READ, IAM, When::Always),
    call("POST", "/api/v1/groups", "make groups", GROUPS_MANAGE, &["okta.groups.create"], When::MakesGroups),
    call("PUT", "/api/v1/groups/*/users/*", "give memberships", GROUPS_MANAGE, MEMBERS, When::Always),
    call("DELETE", "/api/v1/groups/*/users/*", "take memberships", GROUPS_MANAGE, MEMBERS, When::Always),
    call("GET", "/api/v1/apps", "read apps", APPS_READ, &[APPS_READ], When::Apps),
    call("GET", "/api/v1/apps/*/users", "read who has an app", APPS_READ, &[APPS_READ], When::Apps),
    call("POST", "/api/v1/apps/*/users", "assign apps", APPS_MANAGE, ASSIGNMENTS, When::Apps),
    call("POST", "/api/v1/apps/*/users/*", "change names in apps", APPS_MANAGE, ASSIGNMENTS, When::Apps),
    call("DELETE", "/api/v1/apps/*/users/*", "take apps", APPS_MANAGE, ASSIGNMENTS, When::Apps),
    call("GET", "/api/v1/iam/assignees/users", "tell who is an administrator", ROLES_READ, IAM, When::Always),
    call("GET", "/api/v1/iam/roles/*/permissions", "tell what the role lacks", ROLES_READ, IAM, When::Always),
    call("GET", "/oauth2/v1/clients/*/roles", "tell what the role lacks", ROLES_READ, IAM, When::Always),
    call(
        "GET",
        "/api/v1/meta/schemas/user/default",
        "compare attributes with the user schema",
        "okta.schemas.read",
        &[],
        When::Always,
    ),
    call(
        "GET",
        "/api/v1/meta/schemas/user/linkedObjects",
        "tell whether managers can be linked",
        "okta.linkedObjects.read",
        &[],
        When::ManagerLinks,
    ),
    call("GET", "/api/v1/meta/types/user", "tell user types", "okta.userTypes.read", &[], When::UserTypes),
    call("GET", "/api/v1/logs", "say who caused a drift", "okta.logs.read", &[], When::Always),
];

/// The kind of a call; nothing for what this service never does.
pub fn kind(method: &str, path: &str) -> Option<&'static Call> {
    let path = path.split('?').next().unwrap_or_default();
    let fits = |pattern: &str| {
        let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(one), Some(other)) if one == other || one == "*" && !other.is_empty() => {}
                _ => return false,
            }
        }
    };
    CALLS.iter().find(|call| call.method == method && fits(call.path))
}

/// The scopes that a service app needs, in the order of the table; a `read` that a `manage` includes is not among them.
pub fn scopes(used: impl Fn(When) -> bool) -> Vec<&'static str> {
    let all = distinct(CALLS.iter().filter(|call| used(call.when)).map(|call| call.scope));
    let included = |scope: &str| all.iter().any(|other| *other != scope && includes(other, scope));
    all.iter().copied().filter(|scope| !included(scope)).collect()
}

/// The permissions that a custom role needs, in the order of the table.
pub fn permissions(used: impl Fn(When) -> bool) -> Vec<&'static str> {
    distinct(CALLS.iter().filter(|call| used(call.when)).flat_map(|call| call.permissions.iter().copied()))
}

/// What cannot be done without a permission, in the order of the table.
pub fn purposes(permission: &str, used: impl Fn(When) -> bool) -> Vec<&'static str> {
    let calls = CALLS.iter().filter(|call| used(call.when) && call.permissions.contains(&permission));
    distinct(calls.map(|call| call.purpose))
}

/// Whether the one is in the other: `okta.users.manage` includes whatever begins with `okta.users.`.
pub fn includes(held: &str, wanted: &str) -> bool {
    let all = held.strip_suffix("manage").unwrap_or("-");
    held == wanted || wanted.starts_with(all)
}

/// Whether somebody with these permissions has that one.
pub fn holds(held: &BTreeSet<String>, wanted: &str) -> bool {
    held.iter().any(|one| includes(one, wanted))
}

fn distinct(all: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    all.filter(|one| seen.insert(*one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_the_kind_of_its_whole_path_and_what_is_never_called_has_none() {
        let scope = |method, path| kind(method, path).map(|call| (call.scope, call.permissions));
        assert_eq!(scope("GET", "/api/v1/users?limit=1"), Some((USERS_READ, &[USERS_READ][..])));
        assert_eq!(scope("PUT", "/api/v1/groups/00g1/users/00u1"), Some((GROUPS_MANAGE, MEMBERS)));
        assert_eq!(scope("GET", "/api/v1/groups/rules").map(|_| ()), Some(()));
        for (method, path) in [
            ("DELETE", "/api/v1/users/00u1"),
            ("POST", "/api/v1/groups/rules"),
            ("GET", "/api/v1/users/"),
            ("POST", "/api/v1/users/00u1/roles"),
            ("PUT", "/api/v1/groups/00g1/users"),
        ] {
            assert_eq!(kind(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn a_manage_includes_what_begins_like_it_and_nothing_else() {
        assert!(includes("okta.users.manage", "okta.users.lifecycle.suspend"));
        assert!(includes("okta.users.lifecycle.manage", "okta.users.lifecycle.suspend"));
        assert!(includes("okta.groups.manage", "okta.groups.members.manage"));
        assert!(!includes("okta.users.lifecycle.manage", "okta.users.create"));
        assert!(!includes("okta.users.read", "okta.users.create"));
        assert!(!includes("okta.groups.members.manage", "okta.groups.create"));
    }

    #[test]
    fn nobody_is_asked_for_what_the_configuration_does_not_need() {
        let least = |when| when == When::Always;
        let plain =
            ["okta.users.manage", "okta.roles.read", "okta.groups.manage", "okta.schemas.read", "okta.logs.read"];
        let mut scopes_needed = scopes(least);
        scopes_needed.sort_unstable();
        let mut expected = plain.to_vec();
        expected.sort_unstable();
        assert_eq!(scopes_needed, expected);
        assert!(!permissions(least).iter().any(|one| one.contains("apps") || one.contains("AccessCode")));
        assert!(!permissions(least).contains(&"okta.groups.create"));
        assert_eq!(purposes("okta.users.create", least), ["make accounts"]);
    }
}
