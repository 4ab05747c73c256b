//! How urgent work is. One enum, from the page commit to the request on the wire.

use crate::domain::account::user::Account;
use crate::domain::record::employee::Employee;
use crate::domain::record::lifecycle::Entitlement;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The class of a piece of work; the order of the variants is the order of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Priority {
    /// Access ends: termination, suspension. Overtakes everything.
    Revoke = 0,
    /// Access comes back: return from leave, rehire.
    Restore = 1,
    /// Access that is no longer entitled is taken away.
    Remove = 2,
    /// Access is given: joiners, new groups.
    Grant = 3,
    /// Attributes.
    Describe = 4,
    /// Reads that only look.
    Inspect = 5,
}

impl Priority {
    /// All classes, most urgent first.
    pub const ALL: [Priority; 6] =
        [Priority::Revoke, Priority::Restore, Priority::Remove, Priority::Grant, Priority::Describe, Priority::Inspect];

    /// How urgent a newly seen revision is, before there is a plan: by what the record grants, whether the account is
    /// live, and what differs from the revision before.
    pub fn of_revision(
        entitlement: &Entitlement,
        account: Option<&Account>,
        before: Option<&Employee>,
        after: &Employee,
    ) -> Priority {
        let changed = || match before {
            Some(before) if gives_other_access(before, after) => Priority::Remove,
            _ => Priority::Describe,
        };
        match (entitlement, account) {
            (Entitlement::Ended(_), Some(account)) if account.is_live() => Priority::Revoke,
            (Entitlement::Suspended(_) | Entitlement::OnLeave(_), Some(account)) if account.is_awake() => {
                Priority::Revoke
            }
            (Entitlement::Ended(_) | Entitlement::Suspended(_), _) => Priority::Inspect,
            (Entitlement::Entitled | Entitlement::Prehire { .. }, None) => Priority::Grant,
            (Entitlement::Entitled | Entitlement::Prehire { due: true }, Some(account)) if !account.is_awake() => {
                Priority::Restore
            }
            (Entitlement::Entitled | Entitlement::OnLeave(_) | Entitlement::Prehire { .. }, _) => changed(),
            (Entitlement::NotYet | Entitlement::Unclear(_), _) => Priority::Describe,
        }
    }

    /// The number stored in the database and shown in metrics.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The class of a stored number; what no version of ours ever wrote reads as `Inspect`.
    pub fn from_number(n: i64) -> Priority {
        Self::ALL.into_iter().find(|c| i64::from(c.number()) == n).unwrap_or(Priority::Inspect)
    }

    /// The label in metrics and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Priority::Revoke => "revoke",
            Priority::Restore => "restore",
            Priority::Remove => "remove",
            Priority::Grant => "grant",
            Priority::Describe => "describe",
            Priority::Inspect => "inspect",
        }
    }

    /// The virtual deadline by which the store orders work, in milliseconds: the moment somebody became dirty plus an
    /// offset of the class. Revoke stands before all others whatever its age; among the others an old change overtakes
    /// a young one of a better class after a minute or two, so nothing starves but `Inspect`.
    pub fn deadline(self, dirty_at_ms: i64) -> i64 {
        const BEFORE_ALL: i64 = -10_000_000_000_000;
        let offset = match self {
            Priority::Revoke => return dirty_at_ms + BEFORE_ALL,
            Priority::Restore => Duration::from_secs(0),
            Priority::Remove => Duration::from_secs(60),
            Priority::Grant => Duration::from_secs(120),
            Priority::Describe => Duration::from_secs(180),
            Priority::Inspect => Duration::from_secs(365 * 86_400),
        };
        dirty_at_ms + i64::try_from(offset.as_millis()).unwrap_or(0)
    }
}

/// Whether what usually decides about groups differs.
fn gives_other_access(before: &Employee, after: &Employee) -> bool {
    before.groups != after.groups
        || before.job_title != after.job_title
        || before.employee_type != after.employee_type
        || before.custom != after.custom
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::AccountStatus;
    use crate::domain::account::user::tests::bare;
    use crate::domain::record::employee::tests::an_employee;

    #[test]
    fn a_revision_is_as_urgent_as_what_it_does_to_access() {
        let account = |status| Account { status, ..bare("00u1", "", None) };
        let (live, gone) = (account(AccountStatus::Active), account(AccountStatus::Deprovisioned));
        let (asleep, staged) = (account(AccountStatus::Suspended), account(AccountStatus::Staged));
        let before = an_employee();
        let promoted = Employee { job_title: "Controller".into(), ..an_employee() };
        let renamed = Employee { last_name: "Moreau".into(), ..an_employee() };
        let ended = || Entitlement::Ended("inactive".into());
        let leave = || Entitlement::OnLeave("the leave rule applies".into());
        for (entitlement, account, after, priority) in [
            (ended(), Some(&live), &before, Priority::Revoke),
            (ended(), Some(&gone), &before, Priority::Inspect),
            (ended(), None, &before, Priority::Inspect),
            (Entitlement::Entitled, None, &before, Priority::Grant),
            (Entitlement::Entitled, Some(&gone), &before, Priority::Restore),
            (Entitlement::Entitled, Some(&live), &promoted, Priority::Remove),
            (Entitlement::Entitled, Some(&live), &renamed, Priority::Describe),
            (Entitlement::NotYet, Some(&live), &before, Priority::Describe),
            (leave(), Some(&live), &before, Priority::Revoke),
            (leave(), Some(&asleep), &promoted, Priority::Remove),
            (leave(), Some(&asleep), &renamed, Priority::Describe),
            (Entitlement::Suspended("grace".into()), Some(&live), &before, Priority::Revoke),
            (Entitlement::Suspended("grace".into()), Some(&asleep), &before, Priority::Inspect),
            (Entitlement::Entitled, Some(&asleep), &before, Priority::Restore),
            (Entitlement::Entitled, Some(&staged), &before, Priority::Restore),
            (Entitlement::Prehire { due: false }, None, &before, Priority::Grant),
            (Entitlement::Prehire { due: false }, Some(&staged), &before, Priority::Describe),
            (Entitlement::Prehire { due: true }, Some(&staged), &before, Priority::Restore),
        ] {
            assert_eq!(Priority::of_revision(&entitlement, account, Some(&before), after), priority, "{entitlement:?}");
        }
    }

    #[test]
    fn a_termination_stands_before_a_backlog_of_any_age() {
        let now = 1_800_000_000_000;
        assert!(Priority::Revoke.deadline(now) < Priority::Grant.deadline(now - 86_400_000 * 30));
    }

    #[test]
    fn an_old_description_overtakes_a_young_grant_so_nothing_starves() {
        let now = 1_800_000_000_000;
        assert!(Priority::Describe.deadline(now - 120_000) < Priority::Grant.deadline(now));
        assert!(Priority::Describe.deadline(now) > Priority::Grant.deadline(now));
    }

    #[test]
    fn every_class_survives_the_database() {
        for priority in Priority::ALL {
            assert_eq!(Priority::from_number(i64::from(priority.number())), priority);
        }
    }
}
