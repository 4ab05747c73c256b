//! What becomes of something that was asked for: what it waits for, who can mend that, and with which command.

use super::decisions::{Decisions, Refusal, Rules};
use crate::clock::Moment;
use crate::domain::ChangeKind;
use crate::domain::plan::limits::Mode;
use crate::domain::plan::pins::Access;
use crate::store::{Tx, Undo, brief, pauses};

impl Decisions {
    /// What keeps a kind of change from being done in an org now, one sentence for each; nothing where it begins by itself.
    pub(super) fn waits_for(&self, c: &Tx, org: &str, change: Option<ChangeKind>) -> Result<Vec<String>, Refusal> {
        let mut found = Vec::new();
        for pause in pauses(c)? {
            let is_here = pause.org.as_deref().is_none_or(|paused| paused == org);
            let kind = pause.change.as_deref();
            if is_here && kind.is_none_or(|word| change.is_some_and(|change| change.as_str() == word)) {
                let since = Moment::from_millis(pause.at);
                let (message, id) = (pause.message(), pause.id);
                found.push(format!("it waits: {message}, since {since}; an operator lets it go on with `resume {id}`"));
            }
        }
        if let Rules::Known(rules) = &self.rules {
            match rules.safeguards.mode {
                Mode::Observe => found.push(
                    "it waits: the service only observes, and writes nothing before safeguards.mode says otherwise; see \
                     `plan`"
                        .to_owned(),
                ),
                Mode::Approve => found.push(
                    "it waits: everything needs an approval (safeguards.mode); an approver looks at `holds list`, then `holds \
                     approve ID CODE`"
                        .to_owned(),
                ),
                Mode::Auto => {}
            }
        }
        Ok(found)
    }

    /// The same of an undo, of all orgs that it is about.
    pub(super) fn undo_waits_for(&self, c: &Tx, undo: &Undo, now: Moment) -> Result<Vec<String>, Refusal> {
        let mut found: Vec<String> = Vec::new();
        let mut against_end = 0;
        for (org, people) in &undo.pins {
            let waits = self.waits_for(c, org, None)?;
            found.extend(waits.into_iter().filter(|waits| !found.contains(waits)).collect::<Vec<_>>());
            for (target, _) in people.iter().filter(|(_, pins)| pins.access == Some(Access::Given)) {
                let case = brief(c, self.rules()?, *target, now)?;
                let is_over = case.is_some_and(|case| {
                    self.rules().is_ok_and(|rules| rules.lifecycle(&case, now).entitlement.is_over())
                });
                against_end += usize::from(is_over);
            }
        }
        if against_end > 0 {
            let who = if against_end == 1 { "1 person".to_owned() } else { format!("{against_end} people") };
            found.push(format!(
                "Namely says that the access of {who} is over: it comes back only with an approval; an approver looks at `holds \
                 list`, then `holds approve ID CODE`"
            ));
        }
        Ok(found)
    }
}
