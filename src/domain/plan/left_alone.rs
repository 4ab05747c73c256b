//! Accounts that carry what somebody is known by, that are nobody's, and of which a person has said that they are somebody else's.
//!
//! **Invariant:** such an account is never taken for none: who has said so, and when, stands beside it.

use crate::clock::Moment;
use crate::domain::plan::leaver::Decision;

/// Stands in every remark about one, before the name of whoever has decided; a comma follows.
pub const BY_DECISION: &str = "left alone by decision of ";

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// Its login.
    pub login: String,
    /// The account, with its status, in words.
    pub account: String,
    /// Whether nobody can sign in with it for now.
    pub is_suspended: bool,
    /// Whoever has decided.
    pub by: String,
    /// When they did.
    pub at: Moment,
    /// The review that has it, by which it is decided again.
    pub review: i64,
}

impl LeftAlone {
    /// What is remarked of whoever may be the one whose account it is.
    pub fn remark(&self) -> String {
        format!("{} is {BY_DECISION}{}, {}: it was said to be somebody else's", self.account, self.by, self.at)
    }

    /// The same, where they have left: somebody has decided that it stays.
    pub fn decision(&self) -> Decision {
        Decision {
            by: self.by.clone(),
            at: self.at,
            what: format!("{} was said to be somebody else's, and is nobody's", self.account),
            command: format!("review show {}", self.review),
        }
    }
}

/// Who has decided that an account is left alone, by what is remarked.
pub fn decided_by(remark: &str) -> Option<&str> {
    let (_, rest) = remark.split_once(BY_DECISION)?;
    rest.split_once(", ").map(|(by, _)| by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_decided_is_told_by_the_remark() {
        let (login, account) = ("ines@example.com".to_owned(), "00u1 (ines@example.com), ACTIVE".to_owned());
        let at = Moment::from_secs(1_800_000_000);
        let one = LeftAlone { login, account, is_suspended: false, by: "ann".into(), at, review: 4 };
        assert_eq!(decided_by(&one.remark()), Some("ann"));
        assert_eq!(decided_by("no account in Okta, as of noon"), None);
        assert_eq!((one.decision().by.as_str(), one.decision().command.as_str()), ("ann", "review show 4"));
    }
}
