//! What people can be told of: the words of `events` in the configuration, and which rows of the audit they are about.

use crate::audit::details::agreement;
use crate::audit::{Effect, Event as Audited, Outcome, Row};
use crate::domain::Step;
use crate::domain::guard::alarm::{Alarm, AlarmKind};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What people can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Something waits for somebody's decision, or was decided.
    Hold,
    /// Writes were stopped, or go on.
    Pause,
    /// A token is not accepted, or is again.
    Credential,
    /// Namely cannot be read, or can be again.
    Source,
    /// Okta takes no calls, or takes them again.
    Org,
    /// Somebody who has left has access for too long, or it is over.
    LeaverAccess,
    /// Another channel, or a recipient of its mail, takes no messages, or takes them again.
    Channel,
    /// Somebody waits for somebody to change something.
    Quarantine,
    /// Okta has refused something.
    Failure,
    /// A leaver's access is cut, and that is proved.
    LeaverDone,
    /// A new hire can sign in.
    HireReady,
    /// A new hire's account is prepared, to be activated when the start has come.
    HirePrepared,
    /// An account is suspended: for a leave of absence, or until more is decided.
    Admission,
    /// A suspension is over: the person can sign in again.
    Return,
    /// Groups or apps were given or taken.
    AccessChange,
    /// An org was compared as a whole.
    Reconciliation,
    /// Somebody else has changed accounts in Okta.
    Drift,
}

impl Event {
    /// All of them, in the order in which they are told.
    pub const ALL: [Event; 17] = [
        Event::LeaverAccess,
        Event::Credential,
        Event::Source,
        Event::Org,
        Event::Hold,
        Event::Pause,
        Event::Channel,
        Event::Quarantine,
        Event::Failure,
        Event::LeaverDone,
        Event::HireReady,
        Event::HirePrepared,
        Event::Admission,
        Event::Return,
        Event::AccessChange,
        Event::Reconciliation,
        Event::Drift,
    ];

    /// The word in the configuration and in messages for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Event::Hold => "hold",
            Event::Pause => "pause",
            Event::Quarantine => "quarantine",
            Event::Failure => "failure",
            Event::LeaverDone => "leaver_done",
            Event::HireReady => "hire_ready",
            Event::HirePrepared => "hire_prepared",
            Event::Admission => "leave",
            Event::Return => "return",
            Event::AccessChange => "access_change",
            Event::Reconciliation => "reconciliation",
            Event::Drift => "drift",
            Event::Channel => "channel",
            Event::Credential => AlarmKind::Credential.as_str(),
            Event::Source => AlarmKind::Source.as_str(),
            Event::Org => AlarmKind::Org.as_str(),
            Event::LeaverAccess => AlarmKind::LeaverAccess.as_str(),
        }
    }

    /// The event of a word.
    pub fn parse(word: &str) -> Option<Event> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }

    /// Whether it does not wait for the next digest.
    pub const fn is_urgent(self) -> bool {
        match self {
            Event::LeaverAccess
            | Event::Credential
            | Event::Source
            | Event::Org
            | Event::Hold
            | Event::Pause
            | Event::Channel => true,
            Event::Quarantine
            | Event::Failure
            | Event::LeaverDone
            | Event::HireReady
            | Event::HirePrepared
            | Event::Admission
            | Event::Return
            | Event::AccessChange
            | Event::Reconciliation
            | Event::Drift => false,
        }
    }

    /// Who is told of an alarm.
    const fn of_alarm(alarm: &Alarm) -> Event {
        match alarm.kind() {
            AlarmKind::Credential => Event::Credential,
            AlarmKind::Source => Event::Source,
            AlarmKind::Org => Event::Org,
            AlarmKind::LeaverAccess => Event::LeaverAccess,
            AlarmKind::Channel => Event::Channel,
        }
    }

    /// What a row of the audit says to people, and about whom.
    pub(super) fn of(row: &Row) -> Option<(Event, String)> {
        let hold = || Some((Event::Hold, row.describe()));
        match &row.event {
            // One row for the hold; those of its people are not told one by one.
            Audited::Held(held) if row.target.is_none() => {
                let message = match &held.message {
                    Some(message) => message.clone(),
                    None => format!("{}, {}", held.change.as_str(), held.why),
                };
                Some((Event::Hold, format!("hold {0}: {message}; decide: `holds show {0}`", held.hold)))
            }
            Audited::HoldEnded(_) if row.target.is_none() => hold(),
            Audited::ApprovedAlone(_) | Audited::Reminded(_) => hold(),
            Audited::Paused(_) | Audited::Resumed(_) => Some((Event::Pause, row.describe())),
            Audited::Unreached(_) | Audited::Reached(_) => Some((Event::Channel, row.describe())),
            Audited::AlarmRaised(alarm) => Some((Event::of_alarm(alarm), row.describe())),
            Audited::AlarmCleared(over) => Some((Event::of_alarm(&over.alarm), row.describe())),
            Audited::Quarantined(_) => Some((Event::Quarantine, String::new())),
            Audited::Reconciled(reconciled) => {
                let org = row.org.as_deref().unwrap_or_default();
                let report = reconciled.report.as_ref().map(|path| format!("; the report is {path}"));
                let agreement = agreement(reconciled.in_agreement, reconciled.people, reconciled.by_decision());
                Some((Event::Reconciliation, format!("{org}: {agreement}{}", report.unwrap_or_default())))
            }
            Audited::Drifted(_) => Some((Event::Drift, String::new())),
            Audited::TakenBack(it) if !it.lost.is_empty() => {
                let profile = row.profile.as_deref().unwrap_or_default();
                let what = "the end of their access was taken back, and not everything comes back by itself";
                Some((Event::Return, format!("{what}: see `explain {profile}`")))
            }
            Audited::Effect(effect) => Some((Event::of_effect(effect)?, String::new())),
            Audited::Misfit { kind, .. } => {
                // Without what it holds: a message names no values.
                let message = format!("row {} of the audit ({kind}) cannot be read by this version", row.seq);
                Some((Event::of_misfit(kind)?, format!("{message}: see `audit list`")))
            }
            Audited::Held(_)
            | Audited::HoldEnded(_)
            | Audited::Observed(_)
            | Audited::Unreadable(_)
            | Audited::Missing(_)
            | Audited::Planned(_)
            | Audited::Done(_)
            | Audited::Correlated(_)
            | Audited::Split(_)
            | Audited::Reviewed(_)
            | Audited::Adopted(_)
            | Audited::ListAccepted(_)
            | Audited::Searched(_)
            | Audited::Approved(_)
            | Audited::ApprovalEnded(_)
            | Audited::RejectionEnded(_)
            | Audited::Withheld(_)
            | Audited::Requested(_)
            | Audited::Undone(_)
            | Audited::Unpinned(_)
            | Audited::AccessEnded(_)
            | Audited::AccessRestored(_)
            | Audited::AccessEndConfirmed(_)
            | Audited::TakenBack(_)
            | Audited::Pruned(_)
            | Audited::Reconfigured(_)
            | Audited::Drained(_)
            | Audited::StoreMoved(_)
            | Audited::Restored(_)
            | Audited::Walk(_)
            | Audited::Started(_)
            | Audited::SignedIn(_)
            | Audited::SignInRefused(_)
            | Audited::Viewed(_)
            | Audited::Unknown { .. } => None,
        }
    }

    fn of_effect(effect: &Effect) -> Option<Event> {
        if effect.outcome == Outcome::Refused {
            return Some(Event::Failure);
        }
        if !effect.outcome.is_done() {
            return None;
        }
        match &effect.call.step {
            Step::CreateUser { activate: false, .. } => Some(Event::HirePrepared),
            Step::CreateUser { activate: true, .. } | Step::Activate { .. } => Some(Event::HireReady),
            Step::ReadBack { .. } => Some(Event::LeaverDone),
            Step::Suspend { .. } => Some(Event::Admission),
            Step::Unsuspend { .. } => Some(Event::Return),
            Step::AddGroup { .. } | Step::RemoveGroup { .. } | Step::AssignApp { .. } | Step::UnassignApp { .. } => {
                Some(Event::AccessChange)
            }
            Step::ReadAccount { .. }
            | Step::ReadHolder { .. }
            | Step::CreateGroup { .. }
            | Step::FreeLogin { .. }
            | Step::Unlock { .. }
            | Step::UpdateUser { .. }
            | Step::ReadProfile { .. }
            | Step::ChangeType { .. }
            | Step::NameInApp { .. }
            | Step::MakeSignIn { .. }
            | Step::SetManager { .. }
            | Step::ClearManager { .. }
            | Step::RevokeSessions { .. }
            | Step::Deactivate { .. }
            | Step::RevokeSessionsAgain { .. }
            | Step::ReadGroups { .. }
            | Step::ReadRoles { .. }
            | Step::ReadGroupRoles { .. }
            | Step::ListGroups { .. } => None,
        }
    }

    /// Who would have been told of a row that cannot be read.
    fn of_misfit(kind: &str) -> Option<Event> {
        match kind {
            "held" | "hold_ended" | "approved_alone" | "reminded" => Some(Event::Hold),
            "paused" | "resumed" => Some(Event::Pause),
            "quarantined" => Some(Event::Quarantine),
            "effect" => Some(Event::Failure),
            "reconciled" => Some(Event::Reconciliation),
            "drifted" => Some(Event::Drift),
            "unreached" | "reached" => Some(Event::Channel),
            "alarm_raised" | "alarm_cleared" => Some(Event::Org),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    /// What people read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Event::Hold => "Waits for a decision",
            Event::Pause => "Writes paused or resumed",
            Event::Quarantine => "Quarantined",
            Event::Failure => "Refused by Okta",
            Event::LeaverDone => "Leavers done",
            Event::HireReady => "New hires ready",
            Event::HirePrepared => "New hires prepared",
            Event::Admission => "On leave",
            Event::Return => "Back",
            Event::AccessChange => "Access changed",
            Event::Reconciliation => "Reconciliation",
            Event::Drift => "Changed in Okta by somebody else",
            Event::Channel => "Cannot be told, or again",
            Event::Credential => "Tokens refused, or accepted again",
            Event::Source => "Namely cannot be read, or again",
            Event::Org => "Okta takes no calls, or again",
            Event::LeaverAccess => "Leavers with access, or no more",
        })
    }
}
