//! What people have decided, as evidence lists it.

use crate::audit::Event;
use crate::audit::details::Names;
use serde::Serialize;

/// Something somebody decided, or was asked to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    pub at: String,
    pub org: String,
    /// Everybody whom it is about, where it is not about a whole tenant or org.
    pub name: String,
    pub what: String,
    pub by: String,
    pub seq: i64,
}

/// Who has decided, if the event is a decision or asks for one.
pub fn decided_by(event: &Event) -> Option<String> {
    match event {
        Event::Held(_) => Some(String::new()),
        Event::HoldEnded(it) => Some(it.by.as_ref().map(Names::joined).unwrap_or_default()),
        Event::Approved(it) => Some(it.author.by.clone()),
        Event::Undone(it) => Some(it.author.by.clone()),
        Event::AccessEnded(it) => Some(it.agreed_by.clone().unwrap_or_else(|| it.author.by.clone())),
        Event::AccessRestored(it) => Some(it.author.by.clone()),
        Event::Paused(it) | Event::Resumed(it) => Some(it.by.clone()),
        Event::Adopted(it) => Some(it.author.by.clone()),
        Event::Reviewed(it) => Some(it.by.clone().unwrap_or_default()),
        Event::Split(it) => Some(it.author.by.clone()),
        Event::Missing(it) => it.author.as_ref().map(|author| author.by.clone()),
        Event::Observed(_)
        | Event::Unreadable(_)
        | Event::Planned(_)
        | Event::Effect(_)
        | Event::Done(_)
        | Event::Quarantined(_)
        | Event::Correlated(_)
        | Event::ListAccepted(_)
        | Event::Searched(_)
        | Event::ApprovalEnded(_)
        | Event::ApprovedAlone(_)
        | Event::RejectionEnded(_)
        | Event::Reminded(_)
        | Event::Withheld(_)
        | Event::Drifted(_)
        | Event::Reconciled(_)
        | Event::Requested(_)
        | Event::AccessEndConfirmed(_)
        | Event::TakenBack(_)
        | Event::Unpinned(_)
        | Event::Pruned(_)
        | Event::Reconfigured(_)
        | Event::Drained(_)
        | Event::StoreMoved(_)
        | Event::Walk(_)
        | Event::Started(_)
        | Event::SignedIn(_)
        | Event::SignInRefused(_)
        | Event::Viewed(_)
        | Event::Unreached(_)
        | Event::Reached(_)
        | Event::AlarmRaised(_)
        | Event::AlarmCleared(_)
        | Event::Restored(_)
        | Event::Unknown { .. }
        | Event::Misfit { .. } => None,
    }
}
