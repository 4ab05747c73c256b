//! What one run is given, and what it gives back.

use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::guard::safeguard::Restraint;
use crate::domain::plan::awaited::Awaited;
use crate::domain::plan::case::Case;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::step::Step;

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
    pub priority: Priority,
    /// What made them dirty last: a word of `Cause`.
    pub cause: String,
    pub attempt: i64,
    /// What the last run had to say to people.
    pub reason: Option<String>,
    /// What became of an earlier call is unknown: read Okta first.
    pub read_first: bool,
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
    /// The person changed meanwhile, or the run lost its claim: plan anew.
    Stale,
}

/// How a run lets go of its target.
#[derive(Clone, Debug, PartialEq)]
pub enum Release {
    /// Okta holds the planned revision, which was made for the entitlement `was`.
    Done {
        was: &'static str,
        /// What somebody has decided that Okta holds in place of what Namely says.
        decided: Option<String>,
        remark: Option<String>,
        /// The link to the manager waits for the manager's account.
        awaits_manager: bool,
    },
    /// Try again at this time; counts as an attempt.
    Retry { at: Moment, why: String },
    /// Try again at this time; nothing was attempted.
    Wait { at: Moment, why: String },
    /// Read Okta first, then plan anew; counts as an attempt.
    ReadFirst { at: Moment, why: String },
    /// What was done takes effect after its answer: Okta is read then. Nothing has failed.
    ReadThen { at: Moment, why: String },
    /// Access is over and no account is known: Okta is asked for one before this is done.
    Search,
    /// Plan anew at once.
    Stale,
    /// The counter of the next call is spent for now; that call is of this class.
    Yield { bucket: &'static str, priority: Priority },
    /// All but what may not be done was done; it waits for a decision. `withheld` says what that is. `again`: when what Okta has
    /// refused of the rest is tried once more, after a read; counts as an attempt then.
    Held { why: String, withheld: Vec<Step>, again: Option<Moment> },
    /// The plan asks for something that nobody has evaluated: what Okta holds is not what it was taken for. Counts as an
    /// attempt.
    Evaluate { at: Moment },
    /// Okta holds an account under their login that nobody knew of: whose it is is decided like for every other account.
    Found { account: Box<Account> },
    /// Somebody must change something first: on one side, or, where a change would not show, tried `again` then, after a
    /// `read_first` at the account if it is what must change. What is waited for wakes them, where that can be told.
    Quarantined { why: String, again: Option<Moment>, read_first: bool, awaits: Vec<Awaited> },
}

impl Release {
    /// The same, woken by what is waited for.
    #[must_use]
    pub fn awaiting(self, awaits: Vec<Awaited>) -> Self {
        match self {
            Release::Quarantined { why, again, read_first, .. } => {
                Release::Quarantined { why, again, read_first, awaits }
            }
            other => other,
        }
    }

    /// One word for traces.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Release::Done { .. } => "done",
            Release::Retry { .. } => "retry",
            Release::Wait { .. } => "wait",
            Release::ReadFirst { .. } => "read_first",
            Release::ReadThen { .. } => "read_then",
            Release::Search => "search",
            Release::Stale => "stale",
            Release::Yield { .. } => "yield",
            Release::Held { .. } => "held",
            Release::Evaluate { .. } => "evaluate",
            Release::Found { .. } => "found",
            Release::Quarantined { .. } => "quarantined",
        }
    }
}

/// What follows an outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The run goes on with its plan.
    Continue,
    /// The run reads the account; whoever comes instead of it does so first.
    Read,
    Release(Release),
}
