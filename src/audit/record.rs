//! Audit rows and their chain.
//!
//! **Invariant:** a row is written in the same transaction as the state it describes, and carries the hash of the row
//! before it. Rows are only ever appended.

use crate::clock::Moment;
use crate::identity::Step;
use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a row tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A profile was seen to differ from what was known; `detail` has the fields.
    Observed,
    /// A profile could not be read.
    Unreadable,
    /// What will be done, and why.
    Planned,
    /// A call to Okta and its outcome.
    Effect,
    /// Okta is proved to hold a revision.
    Done,
    /// A person waits for somebody to change something.
    SetAside,
    /// A profile was found to belong to an account, or to a person already known.
    Correlated,
    /// Somebody has taken a match apart.
    Split,
    /// Somebody decided about a match.
    Reviewed,
    /// Somebody accepted the adopt report of an org: from now on it is written to.
    Adopted,
    /// Somebody accepted that an org has fewer accounts than are known.
    ListAccepted,
    /// Okta was asked for an account of somebody who has left, and has none.
    Searched,
    /// The safeguards hold a change until somebody decides.
    Held,
    /// Somebody said something about a hold, or what it held is not asked for any more.
    HoldEnded,
    /// Somebody has approved what a saved plan says of a person.
    Approved,
    /// An approval of a saved plan does not hold any more.
    ApprovalEnded,
    /// The only approver has approved what needs two people: until when everybody can say no.
    ApprovedAlone,
    /// What was rejected may be asked for again.
    RejectionEnded,
    /// A hold still waits.
    Reminded,
    /// What a plan would have done and may not: held, paused, or the service only observes.
    Withheld,
    /// Somebody has stopped writes.
    Paused,
    /// Somebody has let writes go on.
    Resumed,
    /// Somebody else has changed an account in Okta.
    Drifted,
    /// A whole org was read again and compared with Namely.
    Reconciled,
    /// Somebody has asked the service to do something.
    Requested,
    /// Somebody has taken back what was done to a person: what was before is pinned.
    Undone,
    /// What an undo had pinned follows Namely again.
    Unpinned,
    /// Retention has removed rows; the chain goes on from the last of them.
    Pruned,
    /// The configuration was exchanged while the service ran.
    Reconfigured,
    /// A walk over a tenant ended, complete or not.
    Walk,
    /// The service started: claims of the run before are void.
    Started,
}

impl Kind {
    /// The word in the store and in sinks.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Observed => "observed",
            Kind::Unreadable => "unreadable",
            Kind::Planned => "planned",
            Kind::Effect => "effect",
            Kind::Done => "done",
            Kind::SetAside => "set_aside",
            Kind::Correlated => "correlated",
            Kind::Split => "split",
            Kind::Reviewed => "reviewed",
            Kind::Adopted => "adopted",
            Kind::ListAccepted => "list_accepted",
            Kind::Searched => "searched",
            Kind::Held => "held",
            Kind::HoldEnded => "hold_ended",
            Kind::Approved => "approved",
            Kind::ApprovalEnded => "approval_ended",
            Kind::ApprovedAlone => "approved_alone",
            Kind::RejectionEnded => "rejection_ended",
            Kind::Reminded => "reminded",
            Kind::Withheld => "withheld",
            Kind::Paused => "paused",
            Kind::Resumed => "resumed",
            Kind::Drifted => "drifted",
            Kind::Reconciled => "reconciled",
            Kind::Requested => "requested",
            Kind::Undone => "undone",
            Kind::Unpinned => "unpinned",
            Kind::Pruned => "pruned",
            Kind::Reconfigured => "reconfigured",
            Kind::Walk => "walk",
            Kind::Started => "started",
        }
    }
}

/// A row before it has its place in the chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub at: Moment,
    pub kind: Kind,
    pub target: Option<i64>,
    /// The Okta org that it is about.
    pub org: Option<String>,
    pub tenant: Option<String>,
    pub profile: Option<String>,
    /// The revision of the person that this is about.
    pub rev: Option<i64>,
    pub detail: Value,
}

impl Record {
    /// A row about no particular person.
    pub fn general(at: Moment, kind: Kind, detail: Value) -> Self {
        Self { at, kind, target: None, org: None, tenant: None, profile: None, rev: None, detail }
    }

    /// The text that is stored, delivered and hashed: one JSON object.
    pub fn text(&self, seq: i64) -> String {
        let mut row = json!({ "seq": seq, "at": self.at.to_string(), "kind": self.kind.word() });
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                row[key] = value;
            }
        };
        put("target", self.target.map(Value::from));
        put("org", self.org.clone().map(Value::from));
        put("tenant", self.tenant.clone().map(Value::from));
        put("profile", self.profile.clone().map(Value::from));
        put("rev", self.rev.map(Value::from));
        put("detail", Some(self.detail.clone()));
        row.to_string()
    }
}

/// Hash of a row, given the hash of the one before (empty for the first).
pub fn chain(previous: &[u8], text: &str) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    context.update(previous);
    context.update(text.as_bytes());
    context.finish().as_ref().to_vec()
}

/// A call to Okta: enough to find it in Okta's own log, and never its body.
#[derive(Clone, Debug, PartialEq)]
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

/// A call and its outcome, as they are audited.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    pub call: Call,
    pub outcome: String,
    pub why: Option<String>,
    /// Okta's name for the request.
    pub request_id: Option<String>,
}

impl Effect {
    /// The detail of its row.
    pub fn detail(&self) -> Value {
        let call = &self.call;
        json!({
            "step": serde_json::to_value(&call.step).unwrap_or_else(|_| json!({ "step": call.step.name() })),
            "method": call.method,
            "path": call.path,
            "body_hash": call.body_hash,
            "attempt": call.attempt,
            "outcome": self.outcome,
            "why": self.why,
            "request_id": self.request_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_hangs_on_the_one_before_it() {
        let record = Record::general(Moment::from_secs(0), Kind::Started, json!({}));
        let first = chain(&[], &record.text(1));
        assert_ne!(chain(&first, &record.text(2)), chain(&[], &record.text(2)));
        assert_eq!(first.len(), 32);
    }
}
