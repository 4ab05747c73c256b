//! How urgent work is. One enum, from the page commit to the request on the wire.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The class of a piece of work; the order of the variants is the order of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Class {
    /// Access ends: termination. Overtakes everything.
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

impl Class {
    /// All classes, most urgent first.
    pub const ALL: [Class; 6] =
        [Class::Revoke, Class::Restore, Class::Remove, Class::Grant, Class::Describe, Class::Inspect];

    /// The number stored in the database and shown in metrics.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The class of a stored number; what no version of ours ever wrote reads as `Inspect`.
    pub fn from_number(n: i64) -> Class {
        Self::ALL.into_iter().find(|c| i64::from(c.number()) == n).unwrap_or(Class::Inspect)
    }

    /// The label in metrics and reports.
    pub const fn label(self) -> &'static str {
        match self {
            Class::Revoke => "revoke",
            Class::Restore => "restore",
            Class::Remove => "remove",
            Class::Grant => "grant",
            Class::Describe => "describe",
            Class::Inspect => "inspect",
        }
    }

    /// The virtual deadline by which the store orders work, in milliseconds: the moment somebody became dirty plus an
    /// offset of the class. Revoke stands before all others whatever its age; among the others an old change overtakes
    /// a young one of a better class after a minute or two, so nothing starves but `Inspect`.
    pub fn rank(self, dirty_at_ms: i64) -> i64 {
        const BEFORE_ALL: i64 = -10_000_000_000_000;
        let offset = match self {
            Class::Revoke => return dirty_at_ms + BEFORE_ALL,
            Class::Restore => Duration::from_secs(0),
            Class::Remove => Duration::from_secs(60),
            Class::Grant => Duration::from_secs(120),
            Class::Describe => Duration::from_secs(180),
            Class::Inspect => Duration::from_secs(365 * 86_400),
        };
        dirty_at_ms + i64::try_from(offset.as_millis()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_termination_stands_before_a_backlog_of_any_age() {
        let now = 1_800_000_000_000;
        assert!(Class::Revoke.rank(now) < Class::Grant.rank(now - 86_400_000 * 30));
    }

    #[test]
    fn an_old_description_overtakes_a_young_grant_so_nothing_starves() {
        let now = 1_800_000_000_000;
        assert!(Class::Describe.rank(now - 120_000) < Class::Grant.rank(now));
        assert!(Class::Describe.rank(now) > Class::Grant.rank(now));
    }

    #[test]
    fn every_class_survives_the_database() {
        for class in Class::ALL {
            assert_eq!(Class::from_number(i64::from(class.number())), class);
        }
    }
}
