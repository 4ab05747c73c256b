//! Profiles that alone keep an account in use: everybody else whose account it is has left, and only a rule has joined them.
//!
//! **Invariant:** no leaver keeps access because of a rule's match that nobody is asked about. Nobody loses access by the question:
//! people do move between tenants.

use crate::domain::matching::correlation::{Candidate, Counterpart, ONLY_LINK};
use crate::domain::record::person::Position;

/// Who keeps an account in use after others have left.
#[derive(Debug, PartialEq)]
pub struct Kept<'a> {
    /// Whose access is over.
    over: Vec<&'a Position>,
    /// Who is still there.
    pub keepers: Vec<&'a Position>,
}

/// Who keeps an account in use of which somebody has left; nobody if all are there, or all have left.
pub fn kept<'a>(all: &[&'a Position], is_over: impl Fn(&Position) -> bool) -> Option<Kept<'a>> {
    // Most people have one profile, and are looked at often.
    if all.len() < 2 {
        return None;
    }
    let (over, keepers): (Vec<_>, Vec<_>) = all.iter().copied().partition(|one| is_over(one));
    (!over.is_empty() && !keepers.is_empty()).then_some(Kept { over, keepers })
}

impl<'a> Kept<'a> {
    /// Who has left since; nobody if all of them had before.
    pub fn newly_left(&self, was_over: impl Fn(&Position) -> bool) -> Option<&'a Position> {
        self.over.iter().copied().find(|one| !was_over(one))
    }
}

/// What is asked about a keeper of a target's account `login`, and why, after somebody has `left`.
pub fn question(target: i64, keeper: &Position, left: &Position, login: &str) -> (Candidate, String) {
    let why = format!(
        "{} has left, and the account {login} stays in use only because of {}, whom a rule has made one person with them: \
         accept if that is right; reject if it is somebody else, then the account ends and they get one of their own",
        left.described(),
        keeper.described()
    );
    let candidate = Candidate {
        rule: ONLY_LINK.into(),
        counterpart: Counterpart::Target(target),
        described: left.described(),
        ..Candidate::default()
    };
    (candidate, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::employee::tests::an_employee;
    use crate::domain::record::employee::{Employee, UserStatus};

    fn position(id: &str, user_status: UserStatus) -> Position {
        Position { tenant: "acme".into(), employee: Employee { id: id.into(), user_status, ..an_employee() } }
    }

    fn has_left(one: &Position) -> bool {
        one.employee.user_status == UserStatus::Inactive
    }

    #[test]
    fn an_account_is_kept_by_who_stays_when_others_have_left() {
        let (left, stays) = (position("a", UserStatus::Inactive), position("b", UserStatus::Active));
        let found = kept(&[&left, &stays], has_left).expect("somebody keeps it");
        assert_eq!(found.keepers, [&stays]);
        assert_eq!(found.newly_left(|_| false), Some(&left));
        assert_eq!(found.newly_left(has_left), None, "they had left before: it was asked then");
        assert_eq!(kept(&[&stays, &stays], has_left), None);
        assert_eq!(kept(&[&left, &left], has_left), None, "the account ends with them");
        assert_eq!(kept(&[&left], has_left), None);
    }

    #[test]
    fn the_question_names_who_left_who_stays_and_the_account() {
        let (left, stays) = (position("a", UserStatus::Inactive), position("b", UserStatus::Active));
        let (candidate, why) = question(7, &stays, &left, "ines@example.com");
        assert_eq!((candidate.counterpart, candidate.described), (Counterpart::Target(7), left.described()));
        assert!(why.contains("ines@example.com") && why.contains("profile b of acme"), "{why}");
    }
}
