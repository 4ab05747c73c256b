//! What becomes of somebody to whom Okta refuses a step, and whose access is not over.

use super::refusal::fixer;
use super::waits::{AGAIN, SOON};
use super::{Concluded, Context, Run};
use crate::domain::account::knowledge::Knowledge;
use crate::domain::plan::awaited::Awaited;
use crate::domain::work::run::Release;
use crate::domain::{Learned, Step};
use crate::okta::outcome::{Fixer, NOT_ALLOWED};

/// What becomes of somebody who waits for an Okta administrator.
const NEXT: &str =
    "`check` asks what the role lacks; it is tried again by itself, or at once with `quarantine retry --all`";

/// A step with what it is about.
fn named(step: &Step) -> String {
    match step {
        Step::AddGroup { name, .. }
        | Step::RemoveGroup { name, .. }
        | Step::CreateGroup { name }
        | Step::AssignApp { name, .. }
        | Step::NameInApp { name, .. }
        | Step::UnassignApp { name, .. } => format!("{} {name:?}", step.name()),
        step => step.name().to_owned(),
    }
}

/// Why Okta did not do it: of a refusal that says neither, which permission is missing, or that it is for the person's sake.
fn why_not(why: &str, needs: &[&str], administrator: Knowledge) -> String {
    let person = "the person is an Okta administrator";
    let Some(answered) = why.strip_suffix(NOT_ALLOWED) else {
        return if administrator == Knowledge::Holder { format!("{why}; {person}") } else { why.to_owned() };
    };
    let role = match needs {
        [] => "the token's admin role does not allow this".to_owned(),
        needs => format!("it takes {}, which the role of the token's owner lacks", needs.join(" and ")),
    };
    match administrator {
        Knowledge::Holder => format!("{answered}{person}, whom only another administrator may change"),
        Knowledge::Nobody => format!("{answered}{role}, or has not for this person, group or app"),
        Knowledge::Unknown { .. } => format!("{answered}{role}, or {person}"),
    }
}

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
        let why = why_not(why, (context.takes)(step), self.administrator(context));
        let command = if is_of_org { format!("; {NEXT}") } else { String::new() };
        let why_all = format!("{}: {why}{about}; {who}{command}", named(step));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_permission_or_the_person_and_both_only_where_nobody_knows() {
        let why = format!("HTTP 403 E0000006 You do not have permission; {NOT_ALLOWED}");
        let of = |administrator| why_not(&why, &["okta.groups.members.manage"], administrator);
        let (nobody, holder) = (of(Knowledge::Nobody), of(Knowledge::Holder));
        assert!(nobody.contains("okta.groups.members.manage") && !nobody.contains("administrator"), "{nobody}");
        assert!(holder.contains("the person is an Okta administrator") && !holder.contains("okta.groups"), "{holder}");
        let unknown = of(Knowledge::Unknown { asked: true });
        assert!(
            unknown.contains("okta.groups.members.manage") && unknown.contains("is an Okta administrator"),
            "{unknown}"
        );
        assert_eq!(why_not("HTTP 400", &[], Knowledge::Nobody), "HTTP 400");
        let add = Step::AddGroup { id: "00u1".into(), group: "00g1".into(), name: "Sales".into() };
        assert_eq!(named(&add), "add_group \"Sales\"");
    }
}
