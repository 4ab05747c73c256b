//! Roles: what each lets somebody ask. They are sets of permissions, and no steps of a ladder.

use serde::Serialize;
use std::fmt;

/// What somebody may who has a token, or is in a group of the identity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Decides about holds, matches, plans and undos.
    Approver,
    /// Pauses, resumes, tries again, reads again.
    Operator,
    /// Looks at everything.
    Viewer,
    /// Looks at everything, decides nothing; whom they look at is written down.
    Auditor,
    /// Looks at people in HR's words; whom they look at is written down.
    Hr,
}

/// One thing that a role may let somebody do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Who there is, who starts, who leaves, and what waits for a person.
    People,
    /// How everything is: what is safe, held, quarantined, matched, planned, paused.
    State,
    /// Rows of the audit.
    Audit,
    /// What runs: credentials and when they end, tokens, who is signed in.
    Configuration,
    /// Stop what one person alone has approved, before its delay is over.
    Veto,
    /// Pause, resume, try again, read again.
    Operate,
    /// Decide about holds, matches, plans and undos; end access.
    Decide,
}

impl Role {
    /// All of them, in the order in which groups of a provider are looked through: the role of most permissions first.
    pub const ALL: [Role; 5] = [Role::Approver, Role::Operator, Role::Viewer, Role::Auditor, Role::Hr];

    /// The word for it in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Approver => "approver",
            Role::Operator => "operator",
            Role::Viewer => "viewer",
            Role::Auditor => "auditor",
            Role::Hr => "hr",
        }
    }

    /// Everything that it lets somebody do.
    pub const fn permissions(self) -> &'static [Permission] {
        use Permission::{Audit, Configuration, Decide, Operate, People, State, Veto};
        match self {
            Role::Approver => &[People, State, Audit, Configuration, Veto, Operate, Decide],
            Role::Operator => &[People, State, Audit, Configuration, Veto, Operate],
            Role::Viewer => &[People, State, Audit, Configuration, Veto],
            Role::Auditor => &[People, State, Audit, Configuration],
            Role::Hr => &[People],
        }
    }

    /// Whether it lets somebody do this.
    pub fn may(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }

    /// Whether it is written down at whom somebody with it has looked.
    pub const fn is_watched(self) -> bool {
        matches!(self, Role::Auditor | Role::Hr)
    }
}

impl Permission {
    /// All of them.
    pub const ALL: [Permission; 7] = [
        Permission::People,
        Permission::State,
        Permission::Audit,
        Permission::Configuration,
        Permission::Veto,
        Permission::Operate,
        Permission::Decide,
    ];

    /// The roles that have it, for people: `operator or approver`.
    pub fn holders(self) -> Holders {
        Holders(self)
    }
}

/// Names the roles that have a permission, the one of fewest permissions first.
pub struct Holders(Permission);

impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            Role::ALL.iter().rev().filter(|role| role.may(self.0)).map(|role| role.as_str()).collect();
        match names.split_last() {
            None => f.write_str("nobody"),
            Some((only, [])) => f.write_str(only),
            Some((last, others)) => write!(f, "{} or {last}", others.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_role_may_is_a_set_and_who_looks_for_hr_or_audits_decides_nothing() {
        for role in Role::ALL {
            for permission in Permission::ALL {
                assert_eq!(role.may(permission), role.permissions().contains(&permission));
            }
        }
        for role in [Role::Hr, Role::Auditor] {
            assert!(role.is_watched());
            assert!(![Permission::Veto, Permission::Operate, Permission::Decide].iter().any(|what| role.may(*what)));
        }
        assert!(!Role::Hr.may(Permission::Audit) && !Role::Hr.may(Permission::Configuration));
        assert!(!Role::Hr.may(Permission::State));
    }

    #[test]
    fn of_several_groups_the_first_role_of_the_order_lacks_nothing_that_a_later_one_has() {
        for (n, role) in Role::ALL.iter().enumerate() {
            for later in &Role::ALL[n..] {
                assert!(later.permissions().iter().all(|what| role.may(*what)), "{role:?} {later:?}");
            }
        }
    }

    #[test]
    fn whoever_is_refused_reads_which_roles_may() {
        assert_eq!(Permission::Decide.holders().to_string(), "approver");
        assert_eq!(Permission::Operate.holders().to_string(), "operator or approver");
        assert_eq!(Permission::State.holders().to_string(), "auditor, viewer, operator or approver");
    }
}
