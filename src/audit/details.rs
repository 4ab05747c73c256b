//! What each kind of audit event carries.
//!
//! **Invariant:** the names and shapes of these fields are stored and hashed; a field is added, never renamed, and one that
//! earlier versions did not write is optional.

pub use super::author::Author;
pub use super::holds::{
    ApprovalEnded, Approved, ApprovedAlone, Held, HoldEnded, Names, RejectionEnded, Reminded, Verdict, Vote, Withheld,
};

use super::instant;
use crate::clock::Moment;
use crate::domain::plan::doubt::Ending;
use crate::domain::plan::pins::Pins;
use crate::domain::{ChangeKind, Entitlement, FieldChange, Priority, Step};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A profile differs from what was known, or means something else now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Every field that differs; all that are set where the profile is new.
    pub changes: Vec<FieldChange>,
    /// What made the person dirty, where it is not what Namely says.
    pub because: Option<String>,
    /// What the person is entitled to from now on.
    #[serde(alias = "standing")]
    pub entitlement: Entitlement,
    /// How urgent what follows is.
    #[serde(alias = "class")]
    pub priority: Priority,
    /// What people should know, which stops nothing.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// Why it cannot be said which account is theirs.
    pub conflict: Option<String>,
}

/// A profile cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The field and what was found in it, without the value where it is sensitive.
    pub why: String,
}

/// What is new about a profile that complete walks do not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingNews {
    /// Complete walks do not show it.
    Gone,
    /// A walk shows it again.
    Back,
    /// Somebody has decided that access stays.
    Kept,
    /// Somebody has decided that access ends.
    Ended,
}

/// Complete walks do not show a profile any more, or somebody has decided about that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What is new.
    pub news: MissingNews,
    /// When the first walk began that did not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The reason of whoever has decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whoever has decided; `None` where only walks speak.
    #[serde(flatten)]
    pub author: Option<Author>,
}

/// A plan of which the first call is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The whole plan, in its order.
    pub steps: Vec<Step>,
    /// What the person is entitled to, in a word.
    #[serde(alias = "standing", skip_serializing_if = "Option::is_none")]
    pub entitlement: Option<String>,
    /// The rule behind each group and app that is given or taken.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, String>,
}

/// What became of a call to Okta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Okta has done it.
    Applied,
    /// It was so before.
    AlreadySo,
    /// Okta does not know the object.
    Missing,
    /// Nothing happened, and the same may be asked again.
    Retry,
    /// Nothing happened, and the account is not what the plan took it for.
    Replan,
    /// Okta does not do it until somebody has changed something.
    Refused,
    /// Whether it happened is not known: the account is read first.
    Unknown,
    /// The answer was about somebody else and was not used.
    #[serde(alias = "somebody_else")]
    AnotherUser,
}

impl Outcome {
    /// The word in rows, metrics and traces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::AlreadySo => "already_so",
            Outcome::Missing => "missing",
            Outcome::Retry => "retry",
            Outcome::Replan => "replan",
            Outcome::Refused => "refused",
            Outcome::Unknown => "unknown",
            Outcome::AnotherUser => "another_user",
        }
    }

    /// Whether Okta holds what the call asked for.
    pub const fn is_done(self) -> bool {
        matches!(self, Outcome::Applied | Outcome::AlreadySo)
    }

    /// Whether it is known what became of the call.
    pub const fn ending(self) -> Ending {
        match self {
            Outcome::Unknown | Outcome::AnotherUser => Ending::Untold,
            Outcome::Applied
            | Outcome::AlreadySo
            | Outcome::Missing
            | Outcome::Retry
            | Outcome::Replan
            | Outcome::Refused => Ending::Remark,
        }
    }
}

/// A call to Okta: enough to find it in Okta's own log, and never its body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// What the plan asked for.
    pub step: Step,
    /// Of HTTP.
    pub method: String,
    /// Without query.
    pub path: String,
    /// SHA-256 of the body, in hexadecimal.
    pub body_hash: String,
    /// Attempts of the person before this one.
    pub attempt: i64,
}

/// A call to Okta and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The call, as its intent announced it.
    #[serde(flatten)]
    pub call: Call,
    /// What became of it.
    pub outcome: Outcome,
    /// Okta's reason where it was not done.
    pub why: Option<String>,
    /// Okta's name for the request.
    pub request_id: Option<String>,
}

/// Okta is proved to hold a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What somebody has decided that Okta holds in place of what Namely says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<String>,
    /// What stays to be known although it is done.
    pub remark: Option<String>,
    /// Since the revision was seen, in milliseconds.
    pub took_ms: i64,
}

/// A person waits until somebody changes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// What to change, and where.
    pub why: String,
}

/// What a profile was found to belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// An account, by its id.
    Account(String),
    /// A person known already: the target that was joined to them.
    Joined(i64),
}

/// A profile belongs to an account, or to a person already known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlated {
    /// What it belongs to.
    #[serde(flatten)]
    pub owner: Owner,
    /// The rule that has found it, or how else it is known.
    pub rule: String,
    /// The value that both have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// A match was taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The profile that goes.
    #[serde(rename = "split")]
    pub profile: String,
    /// The target that the profile leaves.
    pub from: i64,
    /// The account of that target, if it has one.
    pub account: Option<String>,
    /// Whether the account stays with those who stay.
    pub kept: bool,
    /// The reason of whoever has taken it apart.
    pub why: String,
    /// Whoever has taken it apart.
    #[serde(flatten)]
    pub author: Author,
}

/// One of two people who agreed about a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// The name that people read.
    pub by: String,
    /// Whom the vote is counted by.
    pub principal: String,
    /// The code of what they were shown.
    pub code: String,
    /// Their reason.
    pub why: Option<String>,
}

/// A match was decided about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviewed {
    /// The number of the review.
    pub review: i64,
    /// The account, or the person already known, that the match is with.
    #[serde(alias = "subject")]
    pub counterpart: String,
    /// What it came to, in the word that is stored: `accept`, `reject` …
    pub verdict: String,
    /// The name of whoever has decided; `None` where nobody had to.
    pub by: Option<String>,
    /// Whom the decision is counted by.
    pub principal: Option<String>,
    /// Everybody who has agreed, where one was not enough.
    #[serde(default)]
    pub agreed: Vec<Agreed>,
}

/// The adopt report of an org was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Whoever has accepted it.
    #[serde(flatten)]
    pub author: Author,
}

/// That an org has fewer accounts than are known was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListAccepted {
    /// Whoever has accepted it.
    #[serde(flatten)]
    pub author: Author,
}

/// Okta was asked for an account of a leaver and has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Searched {
    /// What it was asked for by.
    pub by: String,
    /// Every login that was asked for.
    pub logins: BTreeSet<String>,
    /// Every address that was asked for.
    pub emails: BTreeSet<String>,
    /// The account that was known and is not found.
    pub lost: Option<String>,
    /// Accounts that were found, and that people have said to be somebody else's, with who and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_alone: Vec<String>,
}

/// Writes were stopped, or go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The number of the pause.
    pub pause: i64,
    /// The kind of change that it stops; `None` stops all.
    pub change: Option<ChangeKind>,
    /// The reason of whoever has stopped it or lets it go on.
    pub why: String,
    /// The name that people read.
    pub by: String,
    /// Whom that is counted by.
    pub principal: Option<String>,
}

/// An account was changed in Okta by somebody else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drifted {
    /// Okta's id of the account.
    pub account: String,
    /// The account's login, for people.
    pub login: String,
    /// What was known before, and what is found.
    pub changes: Vec<FieldChange>,
    /// By Okta's system log.
    pub actor: Option<String>,
    /// When the account was last known to be otherwise.
    #[serde(with = "instant")]
    pub known_at: Moment,
    /// What was known was known from a copy of the store: it may be this service that has changed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub since_copy: bool,
}

/// A whole org was read again and compared with Namely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// How many were compared.
    pub people: usize,
    /// Of these, who are as they should be.
    pub in_agreement: usize,
    /// Disagreements, by category of the report.
    pub counts: BTreeMap<String, usize>,
    /// Accounts that were changed by somebody else.
    pub drifted: usize,
    /// When the org was read, as RFC 3339.
    pub read_at: String,
    /// Where the report was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// How many of these people are as Namely says, and how many as somebody has decided: the latter agree with nobody but that.
pub fn agreement(in_agreement: usize, people: usize, by_decision: usize) -> String {
    let decided = if by_decision == 0 { String::new() } else { format!(", {by_decision} by decision") };
    format!("{in_agreement} of {people} people as Namely says{decided}")
}

impl Reconciled {
    /// Of how many Okta holds what somebody has decided. A row of before this was counted says of nobody.
    pub fn by_decision(&self) -> usize {
        self.counts.get("by_decision").copied().unwrap_or_default()
    }
}

/// The service was asked to do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// What it was asked, as a command says it.
    pub what: String,
    /// Whoever has asked.
    #[serde(flatten)]
    pub author: Author,
}

/// What was done to a person was taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undone {
    /// What is kept until Namely says something new.
    pub pins: Pins,
    /// The reason of whoever has undone it.
    pub why: String,
    /// Whoever has undone it.
    #[serde(flatten)]
    pub author: Author,
}

/// What an undo had pinned follows Namely again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpinned {
    /// What has let go of it.
    pub because: String,
    /// Whoever did; `None` where Namely or the rules have changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whom that is counted by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// An end of access was taken back soon after it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenBack {
    /// What comes back besides what the mapping gives.
    pub restores: Vec<String>,
    /// What does not come back by itself, each with the reason.
    pub lost: Vec<String>,
}

/// Retention has removed rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// How many rows are gone.
    pub rows: usize,
    /// The last row that is gone, and its hash.
    pub to: i64,
    /// When that one was written; nothing in rows of before this was written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// How many leavers all rows that were ever removed told of; nothing where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leavers: Option<usize>,
    /// What the first row that stays hangs on, in hexadecimal.
    pub hash: String,
    /// Whoever has set how long rows are kept, or removed them.
    #[serde(flatten)]
    pub author: Author,
}

/// The store was moved to another place, with everything in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreMoved {
    /// Where it was: a path, or the address of a database without the password.
    pub from: String,
    /// Where it is from here on.
    pub to: String,
    /// Who has moved it.
    #[serde(flatten)]
    pub author: Author,
}

/// One changed key of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChange {
    /// Where it stands in the file.
    pub key: String,
    /// As it was written; nothing where it was not.
    pub before: Option<String>,
    /// As it is written now; nothing where it is not.
    pub after: Option<String>,
    /// Whether it takes effect without a restart.
    pub live: bool,
}

/// The configuration was exchanged while the service ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconfigured {
    /// Every key that differs; secrets are never shown.
    pub changes: Vec<ConfigChange>,
    /// Whoever has asked for the exchange.
    #[serde(flatten)]
    pub author: Author,
}

/// A node was asked to hand over to another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// The node that hands over.
    pub node: String,
    /// Whoever has asked for it.
    #[serde(flatten)]
    pub author: Author,
}

/// A walk over a tenant ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    /// How many different profiles the pages showed.
    pub profiles: u64,
    /// Whether it proves anything.
    pub complete: bool,
    /// What is missing.
    pub why: Option<String>,
}

/// The service started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The number of this run of the service.
    pub run: i64,
    /// Claims of the run before.
    pub void_claims: usize,
    /// Calls whose outcome nobody knows.
    pub unknown_calls: usize,
    /// Whether the rules are others than those of the run before.
    pub rules_changed: bool,
    /// Which node serves from then on; `None` of a store in a file, and in rows of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}
