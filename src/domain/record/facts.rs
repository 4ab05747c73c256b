//! What a profile says about access where the rest of it cannot be read.
//!
//! **Invariant:** ends or shortens access, never gives it: whoever would get more by it waits until the whole profile can
//! be read.

use crate::domain::record::document::Changed;
use crate::domain::record::employee::{Employee, UserStatus};
use crate::domain::record::lifecycle::Entitlement;
use jiff::civil::Date;

/// One date of a profile that cannot be read as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateFact {
    /// It cannot be read, and nothing follows from it.
    #[default]
    Unreadable,
    /// There is none.
    Empty,
    /// This day.
    On(Date),
}

impl DateFact {
    /// What is to be taken for it where `known` is what was read last.
    fn or(self, known: Option<Date>) -> Option<Date> {
        match self {
            Self::Unreadable => known,
            Self::Empty => None,
            Self::On(day) => Some(day),
        }
    }
}

impl From<Option<Date>> for DateFact {
    /// What could be read.
    fn from(read: Option<Date>) -> Self {
        read.map_or(Self::Empty, Self::On)
    }
}

/// Status and dates of a profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// `None`: the status cannot be read, and nothing follows from it.
    pub user_status: Option<UserStatus>,
    pub start_date: DateFact,
    pub departure_date: DateFact,
}

impl Facts {
    /// Whether they could end access at all.
    pub fn may_end(&self) -> bool {
        self.user_status == Some(UserStatus::Inactive) || matches!(self.departure_date, DateFact::On(_))
    }

    /// A profile of which nothing else is known, as far as it can be read: enough to find whose access ends, and for nothing else.
    /// A last day counts only beside a start that can be read.
    pub fn alone(&self, id: &str, names: &Names) -> Employee {
        let user_status = self.user_status.clone().unwrap_or(UserStatus::Other("unreadable".into()));
        Employee {
            email: names.email.clone(),
            first_name: names.first_name.clone(),
            last_name: names.last_name.clone(),
            preferred_name: names.preferred_name.clone(),
            start_date: self.start_date.or(None),
            departure_date: self.departure_date.or(None).filter(|_| self.start_date != DateFact::Unreadable),
            ..Employee::bare(id, user_status)
        }
    }

    /// The profile as it was known, with these facts as far as they take: `entitlement` says what a profile grants.
    pub fn over(&self, known: &Employee, entitlement: impl Fn(&Employee) -> Entitlement) -> Employee {
        let mut followed = known.clone();
        if self.user_status == Some(UserStatus::Inactive) {
            followed.user_status = UserStatus::Inactive;
        }
        let dated = Employee {
            start_date: self.start_date.or(known.start_date),
            departure_date: self.departure_date.or(known.departure_date),
            ..followed.clone()
        };
        if grants(&entitlement(&dated)) <= grants(&entitlement(&followed)) { dated } else { followed }
    }
}

/// How much an entitlement grants.
const fn grants(entitlement: &Entitlement) -> u8 {
    match entitlement {
        Entitlement::Ended(_) | Entitlement::Suspended(_) => 0,
        Entitlement::NotYet => 1,
        Entitlement::Prehire { due: false } => 2,
        Entitlement::Prehire { due: true } => 3,
        Entitlement::Entitled | Entitlement::OnLeave(_) | Entitlement::Unclear(_) => 4,
    }
}

/// Who a profile is of, as far as that can be read; empty where it cannot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub preferred_name: String,
}

/// Why a profile could not be read. Its status and dates act alone, everything else of it stays as it was known, and
/// everybody else goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileProblem {
    /// Its UUID, if it has one.
    pub profile: Option<String>,
    pub why: String,
    pub facts: Facts,
    pub names: Box<Names>,
    /// Namely's `updated_at` of it, in seconds, if it was said.
    pub edited: Option<i64>,
    /// The catalogue may be out of date: look at it again.
    pub unknown_group: bool,
}

impl ProfileProblem {
    /// The document that follows from it.
    pub fn changed(&self, employee: Employee) -> Changed {
        Changed { hash: employee.hash(), employee, edited: self.edited }
    }

    /// What the person is called, if that can be read.
    pub fn name(&self) -> Option<String> {
        let Names { first_name, last_name, preferred_name, .. } = &*self.names;
        let first = if preferred_name.is_empty() { first_name } else { preferred_name };
        Some(format!("{first} {last_name}").trim().to_owned()).filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::employee::tests::an_employee;

    fn day(text: &str) -> Date {
        text.parse().expect("a date")
    }

    /// What a profile grants on 2026-11-25.
    fn granted(employee: &Employee) -> Entitlement {
        let today = day("2026-11-25");
        if employee.user_status == UserStatus::Inactive || employee.departure_date.is_some_and(|last| last < today) {
            return Entitlement::Ended("over".into());
        }
        if employee.start_date.is_some_and(|start| start > today) { Entitlement::NotYet } else { Entitlement::Entitled }
    }

    fn over(known: &Employee, facts: Facts) -> Employee {
        facts.over(known, granted)
    }

    #[test]
    fn an_end_is_followed_whatever_else_cannot_be_read() {
        let known = an_employee();
        let inactive = Facts { user_status: Some(UserStatus::Inactive), ..Facts::default() };
        assert_eq!(over(&known, inactive.clone()), Employee { user_status: UserStatus::Inactive, ..known.clone() });
        let passed = Facts { departure_date: DateFact::On(day("2026-11-01")), ..Facts::default() };
        assert_eq!(over(&known, passed).departure_date, Some(day("2026-11-01")));
        let later = Facts { departure_date: DateFact::On(day("2027-01-31")), ..Facts::default() };
        assert_eq!(over(&known, later).departure_date, Some(day("2027-01-31")), "it ends on that day");
        let both = Facts { departure_date: DateFact::Empty, ..inactive };
        assert_eq!(over(&known, both).user_status, UserStatus::Inactive);
    }

    #[test]
    fn of_a_profile_seen_first_only_an_end_is_told_and_a_last_day_only_beside_its_start() {
        let names = Names { email: "ines.duval@example.com".into(), ..Names::default() };
        let is_over = |facts: Facts| matches!(granted(&facts.alone("a", &names)), Entitlement::Ended(_));
        let (active, passed) = (Some(UserStatus::Active), DateFact::On(day("2026-11-01")));
        let inactive = Facts { user_status: Some(UserStatus::Inactive), ..Facts::default() };
        assert!(is_over(inactive.clone()));
        assert_eq!(inactive.alone("a", &names).email, names.email);
        let dated = Facts { user_status: active, start_date: DateFact::Empty, departure_date: passed };
        assert!(is_over(dated.clone()));
        assert!(
            !is_over(Facts { start_date: DateFact::Unreadable, ..dated.clone() }),
            "it may be of an employment before"
        );
        assert!(!is_over(Facts { departure_date: DateFact::Unreadable, ..dated }));
    }

    #[test]
    fn a_last_day_that_was_put_off_or_taken_back_in_time_is_followed() {
        let known = Employee { departure_date: Some(day("2026-12-01")), ..an_employee() };
        for departure_date in [None, Some(day("2027-06-30"))] {
            let facts = Facts { departure_date: departure_date.into(), ..Facts::default() };
            assert_eq!(over(&known, facts).departure_date, departure_date);
        }
    }

    #[test]
    fn nobody_gets_access_from_a_profile_that_cannot_be_read() {
        let left = Employee { user_status: UserStatus::Inactive, ..an_employee() };
        let back = Facts { user_status: Some(UserStatus::Active), departure_date: DateFact::Empty, ..Facts::default() };
        assert_eq!(over(&left, back.clone()), left);
        let gone = Employee { departure_date: Some(day("2026-11-01")), ..an_employee() };
        assert_eq!(over(&gone, back), gone);
        let ahead = Employee { start_date: Some(day("2027-01-01")), ..an_employee() };
        let earlier = Facts { start_date: DateFact::On(day("2026-11-01")), ..Facts::default() };
        assert_eq!(over(&ahead, earlier), ahead);
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let known = Employee { departure_date: Some(day("2026-12-01")), ..an_employee() };
        assert_eq!(over(&known, Facts::default()), known);
        let odd = Facts { user_status: Some(UserStatus::Other("sabbatical".into())), ..Facts::default() };
        assert_eq!(over(&known, odd), known);
    }
}
