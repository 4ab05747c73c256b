//! What becomes of somebody to whom Okta refuses a step, and whose access is not over.

use super::refusal::fixer;
use super::waits::{AGAIN, SOON};
use super::{Concluded, Context, Run};
use crate::domain::account::knowledge::Knowledge;
use crate::domain::plan::awaited::Awaited;
use crate::domain::work::run::Release;
use crate::domain::{Learned, Step};
use crate::okta::outcome::Fixer;

impl Run {
    /// They wait until somebody mends it.
    pub(super) fn refused_for_now(&mut self, step: &Step, why: &str, who: Fixer, context: &Context) -> Concluded {
        let (who, about) = fixer(step, why, who, &context.rulebook.mapping);
        // What changes in Okta's settings shows by the next call that goes through: such people are tried again soon, then now
        // and then, and once it has gone through for somebody else.
        let is_of_org = who == Fixer::OktaAdmin;
        // A mailbox that takes nothing is mended without a word to us, and each try makes what was made before void.
        let heals = is_of_org || who == Fixer::Mailbox;
        let awaits = if is_of_org { vec![Awaited::Permission(step.name().to_owned())] } else { Vec::new() };
        let is_administrator = self.administrator(context) == Knowledge::Holder;
        let person = if is_administrator { "; the person is an Okta administrator" } else { "" };
        let why_all = format!("{}: {why}{about}{person}; {who}", step.name());
        // Tries that failed for something else are none of this.
        let is_first = self.claim.reason.as_ref() != Some(&why_all);
        let wait = if is_first { SOON } else { AGAIN * (self.patience() / 2).max(1) };
        let release =
            Release::Quarantined { why: why_all, again: heals.then(|| context.now + wait), read_first: false, awaits };
        let writes = matches!(step, Step::UpdateUser { .. } | Step::ChangeType { .. });
        let mastered = writes && why.contains("E0000023");
        let account = match &mut self.claim.case.account {
            Some(account) if mastered => {
                account.marks.is_mastered_elsewhere = true; // no rule gives it away from now on
                Learned::Is(Box::new(account.clone()))
            }
            _ => Learned::Nothing,
        };
        Concluded { account, ..self.end(release) }
    }
}
