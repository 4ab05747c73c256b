//! What each kind of audit event carries.
//!
//! **Invariant:** the names and shapes of these fields are stored and hashed; a field is added, never renamed, and one that
//! earlier versions did not write is optional.

use crate::clock::Moment;
use crate::domain::plan::doubt::Ending;
use crate::domain::plan::pins::Pins;
use crate::domain::{ChangeKind, Entitlement, FieldChange, Priority, Step};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Who has decided: the name that people read, and the principal that votes are counted by. Rows of before principals were
/// known have the name only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    pub by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

impl Author {
    /// A principal, under the name that they go by.
    pub fn new(by: impl Into<String>, principal: impl Into<String>) -> Self {
        Self { by: by.into(), principal: Some(principal.into()) }
    }
}

/// A profile differs from what was known, or means something else now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    pub changes: Vec<FieldChange>,
    /// What made the person dirty, where it is not what Namely says.
    pub because: Option<String>,
    #[serde(alias = "standing")]
    pub entitlement: Entitlement,
    #[serde(alias = "class")]
    pub priority: Priority,
    #[serde(default)]
    pub remarks: Vec<String>,
    /// Why it cannot be said which account is theirs.
    pub conflict: Option<String>,
}

/// A profile cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    pub why: String,
}

/// What is new about a profile that complete walks do not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingNews {
    Gone,
    Back,
    Kept,
    Ended,
}

/// Complete walks do not show a profile any more, or somebody has decided about that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    pub news: MissingNews,
    /// When the first walk began that did not show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(flatten)]
    pub author: Option<Author>,
}

/// A plan of which the first call is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
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
    Applied,
    AlreadySo,
    Missing,
    Retry,
    Replan,
    Refused,
    Unknown,
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
    pub step: Step,
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
    #[serde(flatten)]
    pub call: Call,
    pub outcome: Outcome,
    pub why: Option<String>,
    /// Okta's name for the request.
    pub request_id: Option<String>,
}

/// Okta is proved to hold a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub remark: Option<String>,
    /// Since the revision was seen, in milliseconds.
    pub took_ms: i64,
}

/// A person waits until somebody changes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
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
    #[serde(flatten)]
    pub owner: Owner,
    pub rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// A match was taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The profile that goes.
    #[serde(rename = "split")]
    pub profile: String,
    pub from: i64,
    pub account: Option<String>,
    /// Whether the account stays with those who stay.
    pub kept: bool,
    pub why: String,
    #[serde(flatten)]
    pub author: Author,
}

/// One of two people who agreed about a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    pub by: String,
    pub principal: String,
    pub code: String,
    pub why: Option<String>,
}

/// A match was decided about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviewed {
    pub review: i64,
    /// The account, or the person already known, that the match is with.
    #[serde(alias = "subject")]
    pub counterpart: String,
    pub verdict: String,
    pub by: Option<String>,
    pub principal: Option<String>,
    #[serde(default)]
    pub agreed: Vec<Agreed>,
}

/// The adopt report of an org was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    #[serde(flatten)]
    pub author: Author,
}

/// That an org has fewer accounts than are known was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListAccepted {
    #[serde(flatten)]
    pub author: Author,
}

/// Okta was asked for an account of a leaver and has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Searched {
    /// What it was asked for by.
    pub by: String,
    pub logins: BTreeSet<String>,
    pub emails: BTreeSet<String>,
    /// The account that was known and is not found.
    pub lost: Option<String>,
}

/// The safeguards hold a change: one row for the hold, one for each of its people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub hold: i64,
    pub change: ChangeKind,
    pub why: String,
    /// Of the hold: what it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Of the hold: how many approvals it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<i64>,
    /// Of a person: what is held, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
}

/// What a person says about a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    Approved,
    Rejected,
    Cancelled,
    Reversed,
}

impl Vote {
    /// The word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Vote::Approved => "approved",
            Vote::Rejected => "rejected",
            Vote::Cancelled => "cancelled",
            Vote::Reversed => "reversed",
        }
    }
}

/// What a hold came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Approved,
    Rejected,
    /// It is not asked for any more.
    Withdrawn,
}

impl Verdict {
    /// The word in rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Approved => "approved",
            Verdict::Rejected => "rejected",
            Verdict::Withdrawn => "withdrawn",
        }
    }
}

/// One name, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Names {
    One(String),
    Several(Vec<String>),
}

impl Names {
    /// For people; nothing where nobody is named.
    pub fn joined(&self) -> String {
        match self {
            Names::One(name) => name.clone(),
            Names::Several(names) => names.join(" and "),
        }
    }
}

/// A person has said something about a hold, or it ended: for all of it, or for one of its people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldEnded {
    pub hold: i64,
    pub change: ChangeKind,
    /// What was said, in the row of a vote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<Vote>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Names>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principals: Option<Vec<String>>,
    /// The code of what was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// How many people it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<usize>,
    /// Of a person: what was held, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Why what was said does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

impl HoldEnded {
    /// About a hold, and nothing said of it yet.
    pub const fn new(hold: i64, change: ChangeKind) -> Self {
        Self {
            hold,
            change,
            said: None,
            verdict: None,
            by: None,
            principal: None,
            principals: None,
            seen: None,
            people: None,
            shown: None,
            why: None,
            why_not: None,
        }
    }
}

/// What a saved plan says of a person was approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    pub change: ChangeKind,
    pub shown: Vec<String>,
    pub plan: String,
    #[serde(flatten)]
    pub author: Author,
}

/// An approval of a saved plan does not hold any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalEnded {
    pub change: ChangeKind,
    pub plan: String,
    pub why: String,
    #[serde(flatten)]
    pub author: Author,
}

/// The only approver has approved what needs two people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovedAlone {
    pub hold: i64,
    pub change: ChangeKind,
    pub by: Vec<String>,
    #[serde(default)]
    pub principals: Vec<String>,
    /// Until when everybody can say no.
    #[serde(with = "instant")]
    pub until: Moment,
    /// The end of access of somebody who is suspended for it was rejected: that lets them in again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rejects: bool,
}

/// What was rejected may be asked for again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectionEnded {
    pub hold: i64,
    pub change: ChangeKind,
    pub shown: String,
    pub why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// A hold still waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminded {
    pub hold: i64,
    pub change: ChangeKind,
    pub scope: String,
    pub waits_seconds: i64,
}

/// What a plan would have done and may not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Withheld {
    pub why: String,
    pub steps: Vec<Step>,
}

/// Writes were stopped, or go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub pause: i64,
    pub change: Option<ChangeKind>,
    pub why: String,
    pub by: String,
    pub principal: Option<String>,
}

/// An account was changed in Okta by somebody else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drifted {
    pub account: String,
    pub login: String,
    pub changes: Vec<FieldChange>,
    /// By Okta's system log.
    pub actor: Option<String>,
    /// When the account was last known to be otherwise.
    #[serde(with = "instant")]
    pub known_at: Moment,
}

/// A whole org was read again and compared with Namely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    pub people: usize,
    pub in_agreement: usize,
    /// Disagreements, by category of the report.
    pub counts: BTreeMap<String, usize>,
    /// Accounts that were changed by somebody else.
    pub drifted: usize,
    pub read_at: String,
    /// Where the report was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// The service was asked to do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    pub what: String,
    #[serde(flatten)]
    pub author: Author,
}

/// What was done to a person was taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undone {
    pub pins: Pins,
    pub why: String,
    #[serde(flatten)]
    pub author: Author,
}

/// What an undo had pinned follows Namely again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpinned {
    pub because: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// Retention has removed rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    pub rows: usize,
    /// The last row that is gone, and its hash.
    pub to: i64,
    pub hash: String,
    #[serde(flatten)]
    pub author: Author,
}

/// One changed key of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigChange {
    pub key: String,
    /// As it was written; nothing where it was not.
    pub before: Option<String>,
    pub after: Option<String>,
    /// Whether it takes effect without a restart.
    pub live: bool,
}

/// The configuration was exchanged while the service ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconfigured {
    pub changes: Vec<ConfigChange>,
    #[serde(flatten)]
    pub author: Author,
}

/// A walk over a tenant ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    pub profiles: u64,
    pub complete: bool,
    /// What is missing.
    pub why: Option<String>,
}

/// The service started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    pub run: i64,
    /// Claims of the run before.
    pub void_claims: usize,
    /// Calls whose outcome nobody knows.
    pub unknown_calls: usize,
    pub rules_changed: bool,
}

/// A moment as rows have it.
mod instant {
    use crate::clock::Moment;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(moment)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<jiff::Timestamp>().map(Moment::from).map_err(D::Error::custom)
    }
}
