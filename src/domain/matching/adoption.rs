//! How somebody came to their account, as far as it decides what may be done to it.

use crate::clock::Moment;
use crate::domain::matching::correlation::{ANCHOR, REVIEW};
use std::time::Duration;

/// A match that has given somebody their account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// The rule.
    pub rule: String,
    pub at: Moment,
    /// In words what is taken over, until the first plan after it was carried out.
    pub pending: Option<String>,
    /// Why nothing is done with it, if somebody has rejected it: who did, and how that is taken back.
    pub rejected: Option<String>,
}

impl Adopted {
    /// The newest of several matches; one that is not carried out yet before all others.
    pub fn newest(all: impl IntoIterator<Item = Adopted>) -> Option<Adopted> {
        all.into_iter().max_by_key(|one| (one.pending.is_some(), one.at))
    }

    /// Until when a rule's match is fresh: what lets somebody in is not written meanwhile. Nobody waits whose account an
    /// anchor or a person has named.
    pub fn fresh_until(&self, span: Duration) -> Option<Moment> {
        (self.rule != ANCHOR && self.rule != REVIEW).then(|| self.at + span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_rule_has_matched_is_fresh_and_not_for_ever() {
        let at = Moment::from_secs(1_800_000_000);
        let span = Duration::from_secs(7 * 86_400);
        let by = |rule: &str| Adopted { rule: rule.into(), at, pending: None, rejected: None }.fresh_until(span);
        assert_eq!(by("login"), Some(at + span));
        assert_eq!((by(ANCHOR), by(REVIEW)), (None, None));
    }
}
