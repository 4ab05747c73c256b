//! What a plan is made from, and what it says is to be done.

use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::plan::awaited::Awaited;
use crate::domain::plan::case::Case;
use crate::domain::plan::kind::ChangeKind;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::plan::step::Step;
use crate::domain::record::lifecycle::Lifecycle;
use std::collections::{BTreeMap, BTreeSet};

/// Everything a plan is made from.
pub struct Situation<'a> {
    /// The person and their account.
    pub case: &'a Case,
    /// What they are entitled to at `now`.
    pub lifecycle: &'a Lifecycle,
    /// The rules that the run began with.
    pub rulebook: &'a Rulebook,
    /// What the org has besides people.
    pub directory: &'a Directory,
    /// The moment that dates are compared with.
    pub now: Moment,
    /// Whether the account was read by the run that asks.
    pub fresh: bool,
    /// What Okta has refused in this run of somebody whose access ends: left out, while everything else is taken.
    pub refused: &'a [Step],
}

/// What is to be done for one person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// These calls in this order; nothing to do if empty.
    pub steps: Vec<Step>,
    /// What people should know, which stops nothing.
    pub remarks: Vec<String>,
    /// What Okta does not let anybody do for now, although everything else is done; the account is looked at again.
    pub unfinished: Option<String>,
    /// What it waits for then.
    pub awaits: Vec<Awaited>,
    /// The link to the manager waits for the manager's account.
    pub awaits_manager: bool,
    /// Access is over and no account is known, which nobody has proved: Okta must be asked before anybody calls it done.
    pub unsearched: bool,
    /// Every step is part of ending somebody's access.
    pub exit: bool,
    /// But sessions and suspension, which do not wait for the deactivation: somebody else decides about that.
    pub secures_first: bool,
    /// Groups, by id, with which an admin role is given.
    pub grants: BTreeSet<String>,
    /// Attributes by which one of Okta's own rules puts them into a group with which an admin role comes, or may.
    pub admits: BTreeSet<String>,
    /// The same of the activation of a deactivated account.
    pub admits_awake: bool,
    /// The rule behind each group and app that is given or taken, by the name of the group or the label of the app.
    pub rules: BTreeMap<String, String>,
}

/// Why nothing can be done for a person until somebody changes something.
#[derive(Clone, Debug, PartialEq)]
pub struct Obstacle {
    /// The reason, with what to do.
    pub why: String,
    /// Whether what must change does not show by itself: then the account is looked at again now and then.
    pub read_again: bool,
    /// What is waited for, where that can be told.
    pub awaits: Vec<Awaited>,
}

impl From<String> for Obstacle {
    fn from(why: String) -> Self {
        Self { why, read_again: false, awaits: Vec::new() }
    }
}

impl Plan {
    /// A plan without calls, which says of calls what kinds they are.
    pub fn kinds(&self) -> Plan {
        let (grants, admits) = (self.grants.clone(), self.admits.clone());
        let (exit, secures_first, admits_awake) = (self.exit, self.secures_first, self.admits_awake);
        Plan { exit, secures_first, grants, admits, admits_awake, ..Plan::default() }
    }

    /// The kind of change that one call of it is; `None` for a read that may lead anywhere.
    pub fn kind(&self, step: &Step) -> Option<ChangeKind> {
        let secures = self.secures_first
            && matches!(step, Step::RevokeSessions { .. } | Step::Suspend { .. } | Step::Unlock { .. });
        // What gives access back is no part of its end.
        let secures = secures || matches!(step, Step::Unsuspend { .. });
        match step {
            Step::AddGroup { group, .. } | Step::RemoveGroup { group, .. } if self.grants.contains(group) => {
                Some(ChangeKind::GrantAdmin)
            }
            Step::Activate { .. } if self.admits_awake => Some(ChangeKind::GrantAdmin),
            Step::CreateUser { profile, .. } if profile.keys().any(|name| self.admits.contains(name)) => {
                Some(ChangeKind::GrantAdmin)
            }
            _ => ChangeKind::of(step, self.exit && !secures),
        }
    }
}
