//! The rule of doubt: what a call whose answer is not known may have changed is neither so nor otherwise until Okta answers about
//! it, and a read of the account alone does not show it.
//!
//! **Invariant:** whatever ends a call (its answer, a broken connection, the end of the run or of the program, a store that did
//! not take what it led to) goes through [`doubt`].

use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::plan::step::Step;
use std::time::Duration;

/// When somebody is looked at after a call for them was sent that was never answered. Whatever stands in between may deliver it
/// after nobody waits for it any more: mostly within the seconds after a client has given up (30 by default), sometimes when a
/// gateway gives up (after a minute or two). What has not landed by the last look does not land.
const READINGS: [Duration; 3] = [Duration::from_secs(40), Duration::from_secs(120), Duration::from_secs(600)];
/// For so long a call may land that was sent.
pub const LONGEST_DELAY: Duration = READINGS[2];

/// How a call ended, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Okta has said what became of it, and that is written down with it.
    Remark,
    /// It may have happened or not.
    Untold,
}

impl Ending {
    /// Whether a call that ends so leaves something in doubt.
    pub const fn is_doubtful(self, step: &Step) -> bool {
        // What closes an account may have happened once it was sent, whatever the answer was: it may have been delivered twice.
        matches!(self, Ending::Untold) || matches!(step, Step::Deactivate { .. } | Step::Suspend { .. })
    }
}

/// What `step` leaves in doubt of an account when it ends so.
pub fn doubt(account: &mut Account, step: &Step, ending: Ending) {
    if !ending.is_doubtful(step) {
        return;
    }
    let unsure = &mut account.marks.unsure;
    match step {
        Step::AddGroup { group, .. } | Step::RemoveGroup { group, .. } => {
            unsure.groups.insert(group.clone());
        }
        Step::AssignApp { app, .. } | Step::UnassignApp { app, .. } => {
            unsure.apps.insert(app.clone());
        }
        Step::NameInApp { app, .. } => {
            unsure.app_names.insert(app.clone());
        }
        Step::MakeSignIn { .. } => unsure.sign_in = true,
        Step::SetManager { .. } | Step::ClearManager { .. } => unsure.manager = true,
        Step::Activate { .. } | Step::Unsuspend { .. } => unsure.let_in = true,
        Step::Suspend { .. } => account.marks.suspended_by_us = Some(true),
        // If the account turns out to be deactivated, it was us: the rest of the end follows.
        Step::Deactivate { .. } => {
            account.marks.exit.get_or_insert_default().sent = true;
        }
        _ => {}
    }
}

/// When whoever a call was for is looked at next, if it was sent at `sent` and nobody knows what became of it; nothing where all
/// looks are over, or where it does not matter when it lands.
pub fn next_reading(step: &Step, sent: Moment, now: Moment) -> Option<Moment> {
    let readings = READINGS.into_iter().map(|after| sent + after);
    undoes_late(step).then(|| readings.into_iter().find(|at| *at > now)).flatten()
}

/// Whether a call that was announced at `sent`, and has no outcome, may still be on its way to Okta: nothing else is sent for the
/// person meanwhile. Afterwards they are looked at as of a call that was never answered.
pub fn is_in_flight(sent: Moment, now: Moment) -> bool {
    now < sent + READINGS[0]
}

/// Whether a call that lands late undoes what was done meanwhile.
const fn undoes_late(step: &Step) -> bool {
    match step {
        Step::CreateUser { .. }
        | Step::Activate { .. }
        | Step::Suspend { .. }
        | Step::Unsuspend { .. }
        | Step::UpdateUser { .. }
        | Step::ChangeType { .. }
        | Step::SetManager { .. }
        | Step::ClearManager { .. }
        | Step::Deactivate { .. }
        | Step::RemoveGroup { .. }
        | Step::AddGroup { .. }
        | Step::AssignApp { .. }
        | Step::NameInApp { .. }
        | Step::UnassignApp { .. } => true,
        // What comes after it makes it invalid; a group too many, a session too few, and what is only read.
        Step::MakeSignIn { .. }
        | Step::CreateGroup { .. }
        | Step::FreeLogin { .. }
        | Step::Unlock { .. }
        | Step::RevokeSessions { .. }
        | Step::RevokeSessionsAgain { .. }
        | Step::ReadAccount { .. }
        | Step::ReadHolder { .. }
        | Step::ReadProfile { .. }
        | Step::ReadBack { .. }
        | Step::ReadGroups { .. }
        | Step::ReadRoles { .. }
        | Step::ReadGroupRoles { .. }
        | Step::ListGroups { .. } => false,
    }
}

/// The word of the entitlement that is carried out from the moment this call is announced: whatever becomes of it, its effect is
/// ours, and whoever returns is let in again. `was`: the word that held before. A deactivation that does not come about leaves a
/// suspension of ours as it is: it stays ours.
pub fn is_then(step: &Step, was: Option<&str>) -> Option<&'static str> {
    match (step, was) {
        (Step::Suspend { .. }, _) => Some("on_leave"),
        (Step::Deactivate { .. }, Some("on_leave" | "suspended")) => Some("suspended"),
        (Step::Deactivate { .. }, _) => Some("ended"),
        _ => None,
    }
}

/// Whether a call that may still land, if it is a suspension, could suspend an account as it is known: one that is deactivated stays
/// so, and what was carried out for it is the later word.
pub fn may_still_suspend(step: &Step, account: Option<&Account>) -> bool {
    !matches!(step, Step::Suspend { .. }) || account.is_none_or(Account::is_live)
}

/// Whether a call gives access to somebody who had none.
pub const fn gives_access(step: &Step) -> bool {
    matches!(step, Step::CreateUser { .. } | Step::Activate { .. } | Step::Unsuspend { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AccountStatus;
    use crate::domain::account::user::tests::bare;
    use crate::domain::account::user::{ExitProof, Unsure};
    use crate::domain::plan::observe::{Answer, observe};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_suspension_that_may_land_late_says_nothing_of_an_account_that_is_closed_since() {
        let (suspend, deactivate) = (
            Step::Suspend { id: "00u1".into(), status: AccountStatus::Active },
            Step::Deactivate { id: "00u1".into() },
        );
        let of = |status| Account { status, ..bare("00u1", "a@example.com", None) };
        let closed = of(AccountStatus::Deprovisioned);
        assert!(!may_still_suspend(&suspend, Some(&closed)) && may_still_suspend(&deactivate, Some(&closed)));
        assert!(may_still_suspend(&suspend, Some(&of(AccountStatus::Active))) && may_still_suspend(&suspend, None));
    }

    #[test]
    fn a_deactivation_that_was_sent_is_ours_whatever_was_carried_out_since() {
        let exit = |sent| Some(ExitProof { sent, ..ExitProof::default() });
        for (was, sent, is_ours) in [
            (Some("on_leave"), true, true),
            (Some("entitled"), true, true),
            (Some("on_leave"), false, false),
            (Some("ended"), false, true),
            (None, false, false),
        ] {
            let mut account = bare("00u1", "a@example.com", None);
            (account.status, account.marks.exit) = (AccountStatus::Deprovisioned, exit(sent));
            assert_eq!(account.is_deactivated_by_us(was), is_ours, "{was:?} {sent}");
        }
    }

    /// A write about one of two groups, one of two apps, or the manager; its number is what it is about.
    fn write(about: usize, gives: bool) -> Step {
        let (id, name) = ("00u1".to_owned(), "Sales".to_owned());
        let thing = about.to_string();
        match (about, gives) {
            (0 | 1, true) => Step::AddGroup { id, group: thing, name },
            (0 | 1, false) => Step::RemoveGroup { id, group: thing, name },
            (2 | 3, true) => Step::AssignApp { id, app: thing, name, user_name: None },
            (2 | 3, false) => Step::UnassignApp { id, app: thing, name },
            (_, true) => Step::SetManager { id, relation: "manager".into(), manager: "00u9".into() },
            (_, false) => Step::ClearManager { id, relation: "manager".into() },
        }
    }

    #[test]
    fn a_deactivation_that_may_not_come_about_leaves_a_suspension_of_ours_ours() {
        let (suspend, end) = (
            Step::Suspend { id: "00u1".into(), status: AccountStatus::Active },
            Step::Deactivate { id: "00u1".into() },
        );
        assert_eq!(is_then(&suspend, Some("entitled")), Some("on_leave"));
        for before in [None, Some("entitled"), Some("ended")] {
            assert_eq!(is_then(&end, before), Some("ended"), "{before:?}");
        }
        for before in ["on_leave", "suspended"] {
            assert_eq!(is_then(&end, Some(before)), Some("suspended"), "whoever returns is let in again");
        }
        assert_eq!(is_then(&Step::Unsuspend { id: "00u1".into() }, Some("on_leave")), None);
    }

    proptest! {
        /// In whatever order calls end: what was written about last without an answer is unsure, and nothing else is.
        #[test]
        fn what_a_lost_answer_may_have_changed_is_unsure_until_okta_answers_about_it(
            calls in proptest::collection::vec((0usize..5, any::<bool>(), 0u8..3), 0..40),
        ) {
            let mut account = bare("00u1", "a@example.com", None);
            let mut lost: BTreeSet<usize> = BTreeSet::new();
            for (about, gives, end) in calls {
                let step = write(about, gives);
                match end {
                    0 => {
                        doubt(&mut account, &step, Ending::Untold);
                        lost.insert(about);
                    }
                    1 => {
                        doubt(&mut account, &step, Ending::Remark);
                        account = observe(Some(&account), &step, &Answer::Done).expect("an account");
                        lost.remove(&about);
                    }
                    // Refused: it is as it was, and as unsure.
                    _ => doubt(&mut account, &step, Ending::Remark),
                }
                let named = |from: usize, to: usize| lost.range(from..to).map(usize::to_string).collect();
                let unsure = Unsure {
                    groups: named(0, 2),
                    apps: named(2, 4),
                    app_names: BTreeSet::new(),
                    manager: lost.contains(&4),
                    sign_in: false,
                    let_in: false,
                    memberships: false,
                };
                prop_assert_eq!(&account.marks.unsure, &unsure, "{:?}", step);
            }
        }
    }

    #[test]
    fn whom_an_unanswered_write_was_for_is_looked_at_until_it_can_land_no_more_and_nobody_else_is() {
        let (sent, id) = (Moment::from_secs(1000), || "00u1".to_owned());
        let activate = Step::Activate { id: id(), send_email: false };
        let mut readings = Vec::new();
        let mut now = sent + Duration::from_secs(5);
        while let Some(at) = next_reading(&activate, sent, now) {
            readings.push(at.since(sent));
            now = at;
        }
        assert_eq!(readings, READINGS);
        assert_eq!(next_reading(&activate, sent, sent + Duration::from_secs(30)), Some(sent + READINGS[0]));
        assert_eq!(next_reading(&activate, sent, sent + Duration::from_secs(86_400)), None, "a start a day later");
        for harmless in [Step::RevokeSessions { id: id() }, Step::CreateGroup { name: "Sales".into() }] {
            assert_eq!(next_reading(&harmless, sent, sent), None, "{harmless:?}");
        }
    }

    #[test]
    fn an_account_that_we_may_have_deactivated_is_one_whose_end_we_began_whatever_the_answer_was() {
        for ending in [Ending::Remark, Ending::Untold] {
            let mut account = bare("00u1", "a@example.com", None);
            doubt(&mut account, &Step::Deactivate { id: "00u1".into() }, ending);
            assert_eq!(account.marks.exit, Some(ExitProof { sent: true, ..ExitProof::default() }), "{ending:?}");
        }
    }
}
