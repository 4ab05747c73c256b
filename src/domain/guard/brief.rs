//! What is known of one person in one org, put together, as far as it decides how urgent they are.

use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::guard::rejection::{Rejection, message, newest_binding};
use crate::domain::mapping::login::Chosen;
use crate::domain::matching::adoption::Adopted;
use crate::domain::plan::case::{Case, ManagerLink};
use crate::domain::plan::end_now::EndNow;
use crate::domain::plan::kind::ChangeKind;
use crate::domain::plan::pins::Pins;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::employee::Employee;
use crate::domain::record::person::Position;
use crate::domain::record::profiles::Profiles;

/// What is known of a target.
#[derive(Clone, Debug)]
pub struct Known {
    pub org: String,
    pub ended_at: Option<Moment>,
    /// The word of the entitlement that the last finished plan was made for.
    pub was: Option<String>,
    /// Since when it is proved that they have no account.
    pub searched_at: Option<Moment>,
    pub account: Option<Account>,
    pub profiles: Profiles,
    pub pins: Pins,
    /// The match that has given them their account.
    pub adopted: Option<Adopted>,
    /// Their access was ended by hand, and that needs nobody else.
    pub end_now: Option<EndNow>,
    /// What was rejected of them and was not ended, in order.
    pub rejections: Vec<Rejection>,
}

/// The case of a target: without manager, login, and what was left alone; nothing of a target that is nobody's.
pub fn brief(rules: &Rulebook, known: Known, now: Moment) -> Option<Case> {
    let Profiles { here, elsewhere, routed } = known.profiles;
    let here = match &known.account {
        Some(account) if here.is_empty() && known.end_now.is_some() => vec![nobody(account)],
        _ => here,
    };
    let person = rules.person(here, known.ended_at, now)?;
    let login = Ok(Chosen { login: String::new(), deactivated_holder: None, until: None });
    let mut case = Case {
        org: known.org,
        person,
        routed,
        elsewhere,
        ended_at: known.ended_at,
        was: known.was,
        account: known.account,
        manager: ManagerLink::Nobody,
        login,
        subordinates: Vec::new(),
        pins: known.pins,
        adopted: known.adopted,
        end_now: known.end_now,
        end_rejected: false,
        left_alone: Vec::new(),
        searched_at: known.searched_at,
        names_of_others: Vec::new(),
        is_current: true,
    };
    if case.ends_now(now) {
        case.pins.access = None; // no undo gives back what a person has ended since
    } else {
        case.end_rejected = newest_binding(&known.rejections, ChangeKind::Deactivate, &case).is_some();
    }
    if case.adopted.as_ref().is_some_and(|adopted| adopted.pending.is_some()) {
        let rejected = newest_binding(&known.rejections, ChangeKind::Adopt, &case)
            .map(|one| message(ChangeKind::Adopt, one.hold, &one.by));
        case.adopted = case.adopted.map(|adopted| Adopted { rejected, ..adopted });
    }
    Some(case)
}

/// Whoever an account is of that is nobody's, for as long as its access is ended.
fn nobody(account: &Account) -> Position {
    let text = |name: &str| account.profile.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    let employee = Employee::of_nobody(&account.id, text("firstName"), text("lastName"), &account.login);
    Position { tenant: String::new(), employee }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::tests::bare;
    use crate::domain::guard::rejection::Fact;
    use crate::domain::plan::rulebook::tests::rulebook;
    use crate::domain::record::employee::tests::an_employee;
    use std::collections::BTreeSet;

    const NOW: Moment = Moment::from_secs(1_800_000_000);

    fn known() -> Known {
        let position = Position { tenant: "acme".into(), employee: an_employee() };
        Known {
            org: "main".into(),
            ended_at: None,
            was: None,
            searched_at: None,
            account: Some(bare("00u1", "ines@example.com", None)),
            profiles: Profiles::of(position),
            pins: Pins::default(),
            adopted: None,
            end_now: None,
            rejections: Vec::new(),
        }
    }

    fn asked() -> Option<EndNow> {
        let (by, principal) = ("ada".into(), "ada".into());
        Some(EndNow { by, principal, why: "lost".into(), at: NOW, begins: NOW, suspends: false })
    }

    #[test]
    fn a_target_that_is_nobodys_is_no_case_unless_its_access_was_ended() {
        let nobody = Known { profiles: Profiles::default(), ..known() };
        assert_eq!(brief(&rulebook(), nobody.clone(), NOW), None);
        let case = brief(&rulebook(), Known { end_now: asked(), ..nobody }, NOW).expect("a case");
        assert_eq!(case.person.primary().employee.email, "ines@example.com", "whoever signs in with it");
    }

    #[test]
    fn what_a_person_has_rejected_of_a_match_is_said_with_it() {
        let rejection = |change: ChangeKind| Rejection {
            id: 1,
            change: Some(change),
            objects: BTreeSet::new(),
            fact: Fact::default(),
            hold: 7,
            by: "ada".into(),
            at: NOW,
        };
        let adopted = Some(Adopted { rule: "login".into(), at: NOW, pending: Some("Ines".into()), rejected: None });
        let all = Known { adopted, rejections: vec![rejection(ChangeKind::Adopt)], ..known() };
        // It is bound to what Namely said of nobody: that is not so any more.
        let case = brief(&rulebook(), all, NOW).expect("a case");
        assert_eq!(case.adopted.and_then(|adopted| adopted.rejected), None);
        assert!(!case.end_rejected);
    }
}
