//! The rule of doubt: what a call whose answer is not known may have changed is neither so nor otherwise until Okta answers about
//! it, and a read of the account alone does not show it.
//!
//! **Invariant:** whatever ends a call (its answer, a broken connection, the end of the run or of the program, a store that did
//! not take what it led to) goes through [`doubt`].

use crate::domain::account::user::Account;
use crate::domain::plan::step::Step;

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
        // A deactivation that was sent may have happened, whatever the answer was.
        matches!(self, Ending::Untold) || matches!(step, Step::Deactivate { .. })
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
        Step::SetManager { .. } | Step::ClearManager { .. } => unsure.manager = true,
        // If the account turns out to be deactivated, it was us: the rest of the end follows.
        Step::Deactivate { .. } => {
            account.marks.exit.get_or_insert_default();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::user::tests::bare;
    use crate::domain::account::user::{ExitProof, Unsure};
    use crate::domain::plan::observe::{Answer, observe};
    use proptest::prelude::*;
    use std::collections::BTreeSet;

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
                    groups: named(0, 2), apps: named(2, 4), manager: lost.contains(&4), memberships: false,
                };
                prop_assert_eq!(&account.marks.unsure, &unsure, "{:?}", step);
            }
        }
    }

    #[test]
    fn an_account_that_we_may_have_deactivated_is_one_whose_end_we_began_whatever_the_answer_was() {
        for ending in [Ending::Remark, Ending::Untold] {
            let mut account = bare("00u1", "a@example.com", None);
            doubt(&mut account, &Step::Deactivate { id: "00u1".into() }, ending);
            assert_eq!(account.marks.exit, Some(ExitProof::default()), "{ending:?}");
        }
    }
}
