//! What the store is asked for when somebody is to be worked on, and what it is told of a call.

use crate::audit::Effect;
use crate::domain::account::user::OfHolder;
use crate::domain::work::run::{Lease, Next};
use crate::domain::{Group, Learned};

/// How many runs there is room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Only for access that somebody has ended by hand: the org is not open yet.
    pub ordered_only: bool,
    /// For work of any priority, over all counters.
    pub runs: usize,
    /// For `Priority::Revoke`, over all counters, whatever room they have.
    pub urgent: usize,
    /// For work whose first call spends this counter, as far as that is known.
    pub rooms: Vec<(&'static str, usize)>,
}

/// The outcome of a call, and what is known because of it.
#[derive(Clone, Debug)]
pub struct EndStep {
    /// The right under which the call was sent; if it is void by now, the work on the target stays as it is.
    pub lease: Lease,
    /// Number of the intent that announced the call.
    pub intent: i64,
    /// The call and what became of it, as the audit writes it down.
    pub effect: Effect,
    /// What Okta holds now, if the call told.
    pub account: Learned,
    /// What the call has told of the account that has the login which the person is to have.
    pub holder: Option<OfHolder>,
    /// Groups that were made, or were not known before.
    pub new_groups: Vec<Group>,
    /// How the run goes on; written down in the same transaction as the outcome.
    pub next: Next,
}
