//! Audit events: everything that is written down, one typed kind each.
//!
//! **Invariant:** an event that was read is never dropped. A kind of a newer version, and a known kind whose detail this version
//! cannot read, are kept as they were stored. Whoever describes, reports or sends events matches all kinds, so that a new one
//! does not compile until it can be described.

use super::access::{AccessEndConfirmed, AccessEnded, AccessRestored};
use super::alarm::AlarmCleared;
use super::details::{
    Adopted, ApprovalEnded, Approved, ApprovedAlone, Correlated, Done, Drained, Drifted, Effect, Held, HoldEnded,
    ListAccepted, Missing, Observed, Pause, Planned, Pruned, Quarantined, Reconciled, Reconfigured, RejectionEnded,
    Reminded, Requested, Reviewed, Searched, Split, Started, StoreMoved, TakenBack, Undone, Unpinned, Unreadable, Walk,
    Withheld,
};
use super::reach::{Reached, Unreached};
use super::restore::Restored;
use super::sign_in::{SignIn, SignInRefused};
use super::viewing::Viewed;
use crate::domain::guard::alarm::Alarm;
use serde::Deserialize;
use serde_json::Value;

/// Declares the kinds: the variant, what it carries, and the word that is stored.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($detail:ty) = $word:literal $(| $former:literal)*,)*) => {
        /// An entry of the audit.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event {
            $($(#[$doc])* #[doc = concat!("Stored as `", $word, "`.")] $kind($detail),)*
            /// A kind of another version, as it was stored.
            Unknown {
                /// The word that it has there.
                kind: String,
                /// Untouched.
                detail: Value,
            },
            /// A kind of this version whose detail does not fit, as it was stored.
            Misfit {
                /// The word that it has here.
                kind: &'static str,
                /// Untouched.
                detail: Value,
                /// What does not fit.
                why: String,
            },
        }

        impl Event {
            /// The words of all kinds.
            pub const KINDS: &[&str] = &[$($word),*];

            /// The word of a kind and those that it had in rows of before, for whoever selects stored rows.
            pub fn stored_words(kind: &str) -> Vec<&str> {
                match kind {
                    $($word $(| $former)* => vec![$word $(, $former)*],)*
                    _ => vec![kind],
                }
            }

            /// The word in the store and in sinks.
            pub fn kind(&self) -> &str {
                match self {
                    $(Event::$kind(_) => $word,)*
                    Event::Unknown { kind, .. } => kind,
                    Event::Misfit { kind, .. } => kind,
                }
            }

            /// What is stored of it besides its kind.
            pub fn detail(&self) -> serde_json::Result<Value> {
                match self {
                    $(Event::$kind(detail) => serde_json::to_value(detail),)*
                    Event::Unknown { detail, .. } | Event::Misfit { detail, .. } => Ok(detail.clone()),
                }
            }

            /// The event that was stored.
            pub fn read(kind: &str, detail: &Value) -> Self {
                match kind {
                    $($word $(| $former)* => match <$detail>::deserialize(detail) {
                        Ok(read) => Event::$kind(read),
                        Err(e) => Event::Misfit { kind: $word, detail: detail.clone(), why: e.to_string() },
                    },)*
                    _ => Event::Unknown { kind: kind.to_owned(), detail: detail.clone() },
                }
            }
        }
    };
}

kinds! {
    /// A profile differs from what was known.
    Observed(Observed) = "observed",
    Unreadable(Unreadable) = "unreadable",
    Missing(Missing) = "missing",
    /// What will be done, and why.
    Planned(Planned) = "planned",
    /// A call to Okta and its outcome.
    Effect(Effect) = "effect",
    /// Okta is proved to hold a revision.
    Done(Done) = "done",
    Quarantined(Quarantined) = "quarantined" | "set_aside",
    /// A profile belongs to an account, or to a person already known.
    Correlated(Correlated) = "correlated",
    Split(Split) = "split",
    Reviewed(Reviewed) = "reviewed",
    /// The adopt report of an org was accepted: from now on it is written to.
    Adopted(Adopted) = "adopted",
    ListAccepted(ListAccepted) = "list_accepted",
    Searched(Searched) = "searched",
    Held(Held) = "held",
    HoldEnded(HoldEnded) = "hold_ended",
    Approved(Approved) = "approved",
    ApprovalEnded(ApprovalEnded) = "approval_ended",
    ApprovedAlone(ApprovedAlone) = "approved_alone",
    RejectionEnded(RejectionEnded) = "rejection_ended",
    Reminded(Reminded) = "reminded",
    /// What a plan would have done and may not: held, paused, or the service only observes.
    Withheld(Withheld) = "withheld",
    Paused(Pause) = "paused",
    Resumed(Pause) = "resumed",
    Drifted(Drifted) = "drifted",
    Reconciled(Reconciled) = "reconciled",
    Requested(Requested) = "requested",
    Undone(Undone) = "undone",
    Unpinned(Unpinned) = "unpinned",
    /// An end of access was taken back soon: what comes back, and what does not.
    TakenBack(TakenBack) = "taken_back",
    /// Somebody has ended access before HR has.
    AccessEnded(AccessEnded) = "access_ended",
    AccessRestored(AccessRestored) = "access_restored",
    AccessEndConfirmed(AccessEndConfirmed) = "access_end_confirmed",
    /// Retention has removed rows; the chain goes on from the last of them.
    Pruned(Pruned) = "pruned",
    StoreMoved(StoreMoved) = "store_moved",
    Reconfigured(Reconfigured) = "reconfigured",
    Drained(Drained) = "drained",
    Walk(Walk) = "walk",
    /// The service started: claims of the run before are void.
    Started(Started) = "started",
    SignedIn(SignIn) = "signed_in",
    SignInRefused(SignInRefused) = "sign_in_refused",
    /// Somebody has looked at one person, whose role asks for that to be written down.
    Viewed(Viewed) = "viewed",
    /// A receiver of messages takes none.
    Unreached(Unreached) = "unreached",
    Reached(Reached) = "reached",
    /// Something keeps the service from its work, and somebody has to know.
    AlarmRaised(Alarm) = "alarm_raised",
    AlarmCleared(AlarmCleared) = "alarm_cleared",
    /// The store is a copy of before.
    Restored(Restored) = "restored",
}
