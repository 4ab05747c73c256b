//! One edit of HR, as scenarios play it.

use super::population::Person;
use std::time::Duration;

/// What kind of change it is, for people who watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Somebody new is hired.
    Joiner,
    /// Department, office or title become others.
    Mover,
    /// One field that moves nobody becomes another.
    Attribute,
    /// Somebody leaves.
    Leaver,
    /// Somebody goes on leave, or comes back from it.
    Admission,
    /// Somebody who had left is hired again.
    Rehire,
}

impl Kind {
    /// In the order in which reports list them.
    pub const ALL: [Kind; 6] =
        [Kind::Joiner, Kind::Mover, Kind::Attribute, Kind::Leaver, Kind::Admission, Kind::Rehire];

    /// The word in reports, in the plural.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Joiner => "joiners",
            Kind::Mover => "movers",
            Kind::Attribute => "attributes",
            Kind::Leaver => "leavers",
            Kind::Admission => "leave",
            Kind::Rehire => "rehires",
        }
    }
}

/// One edit of HR.
#[derive(Clone, Debug)]
pub struct HrChange {
    /// After the start of the scenario.
    pub at: Duration,
    /// What it is to people who watch.
    pub kind: Kind,
    /// Index of the person.
    pub person: usize,
    /// The person after the edit.
    pub after: Person,
}
