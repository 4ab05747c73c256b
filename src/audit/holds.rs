//! What audit events about holds, votes, approvals and rejections carry.
//!
//! **Invariant:** as in `details.rs`: a field is added, never renamed.

use super::author::Author;
use super::instant;
use crate::clock::Moment;
use crate::domain::{ChangeKind, Step};
use serde::{Deserialize, Serialize};

/// The safeguards hold a change: one row for the hold, one for each of its people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The number of the hold.
    pub hold: i64,
    /// What kind of change waits.
    pub change: ChangeKind,
    /// The limit or rule that holds it, in words.
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
    /// Of the hold: the sentence about it, with what has made them change, as it was when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a person says about a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// It may be done.
    Approved,
    /// It may not be done, now or later.
    Rejected,
    /// What this principal has said before does not count.
    Cancelled,
    /// A rejection does not bind any more.
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
    /// It is done.
    Approved,
    /// It is not done.
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
    /// As most rows have it.
    One(String),
    /// As rows have it of what needed more than one.
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
    /// The number of the hold.
    pub hold: i64,
    /// What kind of change it holds.
    pub change: ChangeKind,
    /// What was said, in the row of a vote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<Vote>,
    /// What it came to, in the row of an end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Whoever has said it; in the row of an end, everybody whose word counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Names>,
    /// Whom a vote is counted by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Whose votes have counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principals: Option<Vec<String>>,
    /// The code of what was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// Of a vote about some of its people: their targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<i64>>,
    /// How many people it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<usize>,
    /// Of a person: what was held, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// Their reason.
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
            only: None,
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
    /// What kind of change may be done.
    pub change: ChangeKind,
    /// What the plan says, word for word: nothing else is let through.
    pub shown: Vec<String>,
    /// The checksum of the saved plan.
    pub plan: String,
    /// Whoever has approved it.
    #[serde(flatten)]
    pub author: Author,
}

/// An approval of a saved plan does not hold any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalEnded {
    /// What kind of change was approved.
    pub change: ChangeKind,
    /// The checksum of the saved plan.
    pub plan: String,
    /// What has changed since.
    pub why: String,
    /// Whoever had approved it.
    #[serde(flatten)]
    pub author: Author,
}

/// The only approver has approved what needs two people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovedAlone {
    /// The number of the hold.
    pub hold: i64,
    /// What kind of change it holds.
    pub change: ChangeKind,
    /// The names of whoever has approved.
    pub by: Vec<String>,
    /// Whom the votes are counted by; empty in rows of before.
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
    /// The hold that was rejected.
    pub hold: i64,
    /// What kind of change was rejected.
    pub change: ChangeKind,
    /// What was rejected, in words.
    pub shown: String,
    /// What has changed, or who has taken it back and why.
    pub why: String,
    /// Whoever has taken it back; `None` where the facts have changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Whom that is counted by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// A hold still waits for a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminded {
    /// The number of the hold.
    pub hold: i64,
    /// What kind of change it holds.
    pub change: ChangeKind,
    /// What it counts.
    pub scope: String,
    /// Since it was opened.
    pub waits_seconds: i64,
}

/// What a plan would have done and may not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Withheld {
    /// What does not let it be done.
    pub why: String,
    /// What would have been done, in its order.
    pub steps: Vec<Step>,
}
