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
        let wait = if self.claim.attempt == 0 { SOON } else { AGAIN * (self.patience() / 2) };
        let again = is_of_org.then(|| context.now + wait);
        let awaits = if is_of_org { vec![Awaited::Permission(step.name().to_owned())] } else { Vec::new() };
        let is_administrator = self.administrator(context) == Knowledge::Holder;
        let person = if is_administrator { "; the person is an Okta administrator" } else { "" };
        let release = Release::Quarantined {
            why: format!("{}: {why}{about}{person}; {who}", step.name()),
            again,
            read_first: false,
            awaits,
        };
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
