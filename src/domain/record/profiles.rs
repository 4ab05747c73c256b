//! The profiles of one target: those by which the person is described in its org, and the others.

use crate::domain::record::person::Position;

/// The profiles of a target.
///
/// **Invariant:** where any profile is routed to the org, those alone describe the person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profiles {
    /// Those that describe the person: those that are routed to the org; all of them while none is.
    pub here: Vec<Position>,
    /// The others.
    pub elsewhere: Vec<Position>,
    pub routed: bool,
}

impl Profiles {
    /// The profiles of a target, each with whether it is routed to the org.
    pub fn new(positions: impl IntoIterator<Item = (Position, bool)>) -> Self {
        let (mut routed, mut others) = (Vec::new(), Vec::new());
        for (position, is_routed) in positions {
            if is_routed { &mut routed } else { &mut others }.push(position);
        }
        match routed.is_empty() {
            true => Profiles { here: others, elsewhere: Vec::new(), routed: false },
            false => Profiles { here: routed, elsewhere: others, routed: true },
        }
    }

    /// One profile that is routed to the org.
    pub fn of(position: Position) -> Self {
        Self::new([(position, true)])
    }

    /// The profiles of both, as if they were of one target.
    #[must_use]
    pub fn joined(self, other: Profiles) -> Profiles {
        Self::new(self.each().chain(other.each()))
    }

    /// The profiles without one, and that one.
    pub fn without(self, tenant: &str, profile: &str) -> (Profiles, Option<Position>) {
        let (mut it, rest): (Vec<_>, Vec<_>) =
            self.each().partition(|(one, _)| one.tenant == tenant && one.employee.id == profile);
        (Self::new(rest), it.pop().map(|(position, _)| position))
    }

    /// All of them, those that describe the person first.
    pub fn all(self) -> Vec<Position> {
        self.here.into_iter().chain(self.elsewhere).collect()
    }

    /// Each of them, with whether it is routed to the org.
    fn each(self) -> impl Iterator<Item = (Position, bool)> {
        let routed = self.routed;
        let here = self.here.into_iter().map(move |position| (position, routed));
        here.chain(self.elsewhere.into_iter().map(|position| (position, false)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::employee::Employee;
    use crate::domain::record::employee::tests::an_employee;
    use proptest::prelude::*;

    fn position(id: &str) -> Position {
        Position { tenant: "acme".into(), employee: Employee { id: id.into(), ..an_employee() } }
    }

    fn ids(positions: &[Position]) -> Vec<&str> {
        positions.iter().map(|one| one.employee.id.as_str()).collect()
    }

    #[test]
    fn a_person_is_described_by_what_is_routed_and_by_everything_while_nothing_is() {
        let two = Profiles::new([(position("a"), false), (position("b"), true)]);
        assert_eq!((ids(&two.here), ids(&two.elsewhere), two.routed), (vec!["b"], vec!["a"], true));
        let (rest, gone) = two.without("acme", "b");
        assert_eq!(gone.map(|one| one.employee.id).as_deref(), Some("b"));
        assert_eq!((ids(&rest.here), rest.routed), (vec!["a"], false), "what is not routed describes them again");
        let (same, nobody) = rest.clone().without("globex", "a");
        assert!(same == rest && nobody.is_none(), "a profile of another tenant is another one");
    }

    proptest! {
        #[test]
        fn nobody_is_lost_or_doubled_by_joining_or_taking_out(mine in proptest::collection::vec(any::<bool>(), 0..4),
                                                              theirs in proptest::collection::vec(any::<bool>(), 0..4)) {
            let of = |prefix: &str, routed: &[bool]| {
                let named = routed.iter().enumerate().map(|(n, routed)| (position(&format!("{prefix}{n}")), *routed));
                Profiles::new(named.collect::<Vec<_>>())
            };
            let (a, b) = (of("a", &mine), of("b", &theirs));
            let both = a.clone().joined(b);
            prop_assert_eq!(both.routed, mine.iter().chain(&theirs).any(|routed| *routed));
            prop_assert_eq!(both.clone().all().len(), mine.len() + theirs.len());
            prop_assert!(both.routed || both.elsewhere.is_empty());
            let (rest, one) = both.clone().without("acme", "b0");
            prop_assert_eq!(one.is_some(), !theirs.is_empty());
            prop_assert_eq!(rest.all().len() + usize::from(one.is_some()), both.all().len());
        }
    }
}
