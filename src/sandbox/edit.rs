//! One edit of HR, as scenarios play it.

use super::population::Person;
use std::time::Duration;

/// What kind of change it is, for people who watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Joiner,
    Mover,
    Attribute,
    Leaver,
    Admission,
    Rehire,
}

impl Kind {
    pub const ALL: [Kind; 6] =
        [Kind::Joiner, Kind::Mover, Kind::Attribute, Kind::Leaver, Kind::Admission, Kind::Rehire];

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
    pub kind: Kind,
    /// Index of the person.
    pub person: usize,
    /// The person after the edit.
    pub after: Person,
}
