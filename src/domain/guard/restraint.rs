//! What was decided about the changes of one revision of somebody, before their run begins.

use crate::domain::guard::safeguard::Restraint;
use crate::domain::plan::kind::ChangeKind;

/// Where one kind of change stands that was evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It may be done.
    Passes,
    /// Nobody has decided.
    Waits { hold: i64, why: String },
    /// Rejected by a version that has bound nothing: no reversal takes it back.
    Rejected { hold: i64 },
}

impl Restraint {
    /// Takes down what was decided about one kind of change, and whether it was evaluated as one of an administrator, or of
    /// somebody who may be one.
    pub fn note(&mut self, change: ChangeKind, decision: Decision, as_administrator: bool) {
        if as_administrator {
            self.as_administrator.insert(change);
        }
        let word = change.as_str();
        let why = match decision {
            Decision::Passes => {
                self.passed.insert(change);
                return;
            }
            Decision::Waits { hold, why } => {
                self.waiting.insert(change);
                format!("{word} waits for a decision: {why}; see `holds show {hold}`")
            }
            Decision::Rejected { hold } => {
                format!("{word} was rejected (hold {hold}): it waits until Namely or the mapping says otherwise")
            }
        };
        self.held.insert(change, why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_decided_and_what_was_rejected_wait_and_everything_else_passes() {
        let mut restraint = Restraint::default();
        restraint.note(ChangeKind::AddGroup, Decision::Passes, false);
        restraint.note(ChangeKind::Deactivate, Decision::Waits { hold: 7, why: "too many".into() }, true);
        restraint.note(ChangeKind::Suspend, Decision::Rejected { hold: 3 }, false);
        assert!(restraint.passed.iter().eq(&[ChangeKind::AddGroup]));
        assert!(restraint.as_administrator.iter().eq(&[ChangeKind::Deactivate]));
        let why = |change| restraint.held.get(&change).map(String::as_str).unwrap_or_default();
        assert_eq!(why(ChangeKind::Deactivate), "deactivate waits for a decision: too many; see `holds show 7`");
        assert!(why(ChangeKind::Suspend).contains("hold 3") && why(ChangeKind::Suspend).contains("rejected"));
        assert_eq!(restraint.held.len(), 2);
    }
}
