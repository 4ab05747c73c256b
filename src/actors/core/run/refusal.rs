//! What Okta did not do, and why.

use super::waits::A_MOMENT;
use crate::domain::Step;
use crate::okta::outcome::Outcome;
use std::time::Duration;

/// Something that Okta did not do.
#[derive(Debug)]
pub(super) struct Refusal {
    pub step: Step,
    pub why: String,
    /// Whether somebody has to change something before it can be done, as far as Okta says.
    pub lasts: bool,
    /// When it may be tried again, where Okta had no time.
    pub after: Option<Duration>,
}

impl Refusal {
    /// What `outcome` says of a step that was not carried out.
    pub(super) fn of(step: &Step, outcome: &Outcome) -> Self {
        let (why, after) = match outcome {
            Outcome::Refused { why, who } => (format!("{why}; {who}"), None),
            Outcome::Missing => ("Okta says that there is no such thing, and shows it".to_owned(), None),
            Outcome::Retry { after, why } => (why.clone(), Some(*after)),
            Outcome::Unknown { why } => (why.clone(), Some(A_MOMENT)),
            other => {
                let shows = "Okta says that it is so already, and shows something else";
                (other.why().unwrap_or(shows).to_owned(), None)
            }
        };
        Self { step: step.clone(), why, lasts: !is_busy(outcome), after }
    }

    /// Okta has accepted a step and shows that nothing has changed.
    pub(super) fn of_accepted(step: &Step, lasts: bool) -> Self {
        let why = match step {
            Step::RemoveGroup { .. } if lasts => {
                "wanted no member, shown a member: Okta has accepted the removal and the list has them still"
            }
            Step::RemoveGroup { .. } => {
                "Okta has accepted the removal, and the list, which may lag a little, has them still"
            }
            _ => "Okta accepts it but does not show it",
        };
        Self { step: step.clone(), why: why.to_owned(), lasts, after: None }
    }
}

/// Whether an outcome says nothing about the person: Okta has no time, or nobody knows what it did.
pub(super) fn is_busy(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Retry { .. } | Outcome::Unknown { .. })
}
