//! One human in one org: the profiles that describe them, the most telling one first.

use crate::domain::record::employee::Employee;

/// One profile of a person, and the Namely tenant it is from.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    /// The tenant, by its name in the configuration.
    pub tenant: String,
    /// The profile, as it was read last.
    pub employee: Employee,
}

impl Position {
    /// Whose profile it is, for people.
    pub fn described(&self) -> String {
        format!("{} (profile {} of {})", self.employee.display(), self.employee.id, self.tenant)
    }
}

/// A person: one position, or several at the same time.
///
/// **Invariant:** never empty; the first position is the primary one, by which the person is described.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    positions: Vec<Position>,
}

impl Person {
    /// A person of `positions`, the primary one first; `None` without any.
    pub fn new(positions: Vec<Position>) -> Option<Self> {
        (!positions.is_empty()).then_some(Self { positions })
    }

    /// A person of one profile.
    pub fn of(tenant: &str, employee: Employee) -> Self {
        Self { positions: vec![Position { tenant: tenant.to_owned(), employee }] }
    }

    /// The position by which the person is described.
    pub fn primary(&self) -> &Position {
        &self.positions[0]
    }

    /// All positions, the primary one first.
    pub fn positions(&self) -> &[Position] {
        &self.positions
    }

    /// Whether this profile is one of theirs.
    pub fn has(&self, profile: &str) -> bool {
        self.positions.iter().any(|p| p.employee.id == profile)
    }

    /// A name for messages to people.
    pub fn display(&self) -> String {
        self.primary().employee.display()
    }
}
