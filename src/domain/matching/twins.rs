//! Two profiles of one tenant that a rule has made one person: while one of them is inactive that is a rehire; when both are
//! active, two people say whether they are the same person.
//!
//! **Invariant:** after first contact no rule keeps two active profiles of one tenant together.

use crate::domain::record::employee::{Employee, UserStatus};
use crate::domain::record::person::Position;

/// Whether a profile counts as somebody who works there, or is to begin: such people are not asked about again on that day.
fn is_active(employee: &Employee) -> bool {
    employee.user_status != UserStatus::Inactive
}

/// One of `theirs` that is active in a tenant in which one of `mine` is.
pub fn twin<'a>(mine: &[Position], theirs: &'a [Position]) -> Option<&'a Position> {
    theirs.iter().find(|other| mine.iter().any(|one| are_twins(one, other)))
}

fn are_twins(one: &Position, other: &Position) -> bool {
    let are_active = is_active(&one.employee) && is_active(&other.employee);
    are_active && one.tenant == other.tenant && one.employee.id != other.employee.id
}

/// Whether a profile that was inactive is active now.
pub fn returns(before: Option<&Employee>, after: &Employee) -> bool {
    before.is_some_and(|before| !is_active(before)) && is_active(after)
}

/// Those of a person's profiles that are active in the tenant of `position` beside it.
pub fn rivals<'a>(position: &'a Position, of_person: &'a [Position]) -> impl Iterator<Item = &'a Position> {
    of_person.iter().filter(|other| are_twins(position, other))
}

/// What was decided about a profile of a person, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// When two people said last, with their reasons, that the profile is that person.
    pub said_at: Option<i64>,
    /// When the profile was matched with the person, if it ever was.
    pub joined_at: Option<i64>,
}

/// Whether two people have said that two profiles of a person are the same one: about one of them, when the other one was
/// there already.
pub fn are_decided(one: Decided, other: Decided) -> bool {
    let saw = |said_of: Decided, there: Decided| {
        said_of.said_at.is_some_and(|at| there.joined_at.is_none_or(|joined| joined <= at))
    };
    saw(one, other) || saw(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::employee::tests::an_employee;

    fn position(tenant: &str, id: &str, user_status: UserStatus) -> Position {
        Position { tenant: tenant.into(), employee: Employee { id: id.into(), user_status, ..an_employee() } }
    }

    #[test]
    fn twins_are_two_active_profiles_of_one_tenant() {
        use UserStatus::{Active, Inactive};
        let mine = [position("acme", "a", Active)];
        let theirs = [position("globex", "b", Active), position("acme", "c", Inactive), position("acme", "d", Active)];
        assert_eq!(twin(&mine, &theirs).map(|one| one.employee.id.as_str()), Some("d"));
        assert_eq!(twin(&mine, &theirs[..2]), None, "another tenant, or a rehire");
        assert_eq!(twin(&mine, &mine), None, "nobody is their own twin");
        assert_eq!(rivals(&theirs[2], &mine).count(), 1);
        assert_eq!(rivals(&theirs[1], &mine).count(), 0);
    }

    #[test]
    fn only_who_was_inactive_returns() {
        let inactive = Employee { user_status: UserStatus::Inactive, ..an_employee() };
        assert!(returns(Some(&inactive), &an_employee()));
        assert!(!returns(None, &an_employee()) && !returns(Some(&an_employee()), &an_employee()));
        assert!(!returns(Some(&inactive), &inactive));
    }

    #[test]
    fn a_decision_holds_for_whoever_was_there_when_it_was_taken() {
        let said = Decided { said_at: Some(10), joined_at: Some(1) };
        let joined = |at| Decided { said_at: None, joined_at: at };
        assert!(are_decided(said, joined(Some(10))) && are_decided(joined(None), said));
        assert!(!are_decided(said, joined(Some(11))), "who came later was shown to nobody");
        assert!(!are_decided(joined(Some(1)), joined(Some(1))), "nobody was asked");
    }
}
