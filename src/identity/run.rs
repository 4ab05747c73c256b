//! What one run is given, and what it gives back.

use super::safeguard::Restraint;
use super::{Account, Case, Class, Step};
use crate::clock::Moment;

/// The right to work on one revision of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub target: i64,
    /// Fencing token: a later claim has a higher one.
    pub token: i64,
    pub rev: i64,
}

/// One target under one token, with everything a plan is made from.
#[derive(Clone, Debug)]
pub struct Claim {
    pub lease: Lease,
    pub class: Class,
    /// What made them dirty last: a word of `Cause`.
    pub cause: String,
    pub attempt: i64,
    /// What became of an earlier call is unknown: read Okta first.
    pub look: bool,
    pub dirty_at: Moment,
    pub case: Case,
    pub okta_id: Option<String>,
    /// Login of the last create that was sent.
    pub login: Option<String>,
    /// Why correlation could not decide, if it could not.
    pub conflict: Option<String>,
    /// Accounts of somebody who has left, none of which can be told to be theirs: only their sessions end.
    pub doubtful: Vec<String>,
    /// What the safeguards have decided about this revision.
    pub restraint: Restraint,
}

/// The answer to `begin_step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The intent is on disk under this id; the call may leave.
    Intent(i64),
    /// The person changed meanwhile, or the lane lost its claim: plan anew.
    Stale,
}

/// How a lane lets go of its target.
#[derive(Clone, Debug, PartialEq)]
pub enum Release {
    /// Okta holds the planned revision, which was made for the entitlement `was`.
    Done {
        was: &'static str,
        remark: Option<String>,
        /// The link to the manager waits for the manager's account.
        awaits_manager: bool,
    },
    /// Try again at this time; counts as an attempt.
    Retry { at: Moment, why: String },
    /// Try again at this time; nothing was attempted.
    Wait { at: Moment, why: String },
    /// Read Okta first, then plan anew.
    Look { at: Moment, why: String },
    /// Access is over and no account is known: Okta is asked for one before this is done.
    Search,
    /// Plan anew at once.
    Stale,
    /// The counter of the next call is spent for now; that call is of this class.
    Yield { bucket: &'static str, class: Class },
    /// All but what may not be done was done; it waits for a decision. `withheld` says what that is.
    Held { why: String, withheld: Vec<Step> },
    /// The plan asks for something that nobody has judged: what Okta holds is not what it was taken for. Counts as an
    /// attempt.
    Judge { at: Moment },
    /// Okta holds an account under their login that nobody knew of: whose it is is decided like for every other account.
    Found { account: Box<Account> },
    /// Somebody must change something first: on one side, or, where a change would not show, tried `again` then, after a
    /// `look` at the account if it is what must change.
    SetAside { why: String, again: Option<Moment>, look: bool },
}

impl Release {
    /// One word for traces.
    pub const fn word(&self) -> &'static str {
        match self {
            Release::Done { .. } => "done",
            Release::Retry { .. } => "retry",
            Release::Wait { .. } => "wait",
            Release::Look { .. } => "look",
            Release::Search => "search",
            Release::Stale => "stale",
            Release::Yield { .. } => "yield",
            Release::Held { .. } => "held",
            Release::Judge { .. } => "judge",
            Release::Found { .. } => "found",
            Release::SetAside { .. } => "set_aside",
        }
    }
}

/// What follows an outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The lane goes on with its plan.
    Continue,
    /// The lane reads the account; whoever comes instead of it does so first.
    Read,
    Release(Release),
}
