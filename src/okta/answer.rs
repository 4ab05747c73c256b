//! What the reply to a step says: its outcome, and what its body teaches.

use super::outcome::{Answered, Fixer, Outcome, Reply, classify};
use super::wire::{GroupObject, IdOnly, RoleObject, User};
use crate::identity::observe::FullProfile;
use crate::identity::{Answer, Group, Step};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a change that Okta carries out asynchronously is given before it is looked at again.
const STILL_RUNNING: Duration = Duration::from_secs(2);

/// Reads a reply as far as `step` needs it; of a user only the `mapped` attributes are kept.
pub fn understand(step: &Step, reply: &Reply, anchor: &str, mapped: &BTreeSet<String>) -> (Outcome, Answer) {
    let outcome = classify(reply, step.is_write());
    if matches!((step, &outcome), (Step::UnassignApp { .. }, Outcome::AlreadySo)) {
        return (outcome, Answer::HeldByGroup);
    }
    if outcome == Outcome::Missing {
        return (outcome, Answer::NoAccount);
    }
    let (Outcome::Applied, Reply::Answered(Answered { body, next, .. })) = (&outcome, reply) else {
        return (outcome, Answer::Done);
    };
    let read = match step {
        Step::ReadProfile { .. } => full(body, reply, anchor, mapped),
        Step::Look { .. }
        | Step::ReadBack { .. }
        | Step::CreateUser { .. }
        | Step::UpdateUser { .. }
        | Step::ChangeType { .. } => match serde_json::from_slice::<User>(body) {
            Ok(user) if is_proof(step) && user.transitioning_to.is_some() => {
                let why = "a change of the account is still running in Okta".into();
                return (Outcome::Retry { after: STILL_RUNNING, why }, Answer::Done);
            }
            user => user.map(|user| Answer::User(user.account(anchor, mapped))),
        },
        Step::ListGroups { .. } if next.is_some() => {
            let why = "the person is in more than 200 groups; remove some in Okta, then this continues".into();
            return (Outcome::Refused { why, who: Fixer::OktaAdmin }, Answer::Done);
        }
        Step::ReadRoles { .. } | Step::ReadGroupRoles { .. } => {
            serde_json::from_slice::<Vec<RoleObject>>(body).map(|roles| Answer::Role { holds: !roles.is_empty() })
        }
        Step::ReadGroups { .. } => serde_json::from_slice::<Vec<GroupObject>>(body).map(|groups| {
            let groups = groups.into_iter().map(Group::from).collect();
            Answer::Memberships { groups, next: next.clone() }
        }),
        Step::ListGroups { .. } => serde_json::from_slice::<Vec<IdOnly>>(body)
            .map(|groups| Answer::Groups(groups.into_iter().map(|group| group.id).collect())),
        Step::CreateGroup { .. } => serde_json::from_slice::<GroupObject>(body).map(|g| Answer::Group(Group::from(g))),
        _ => Ok(Answer::Done),
    };
    match read {
        Ok(answer) => (outcome, answer),
        Err(e) => (Outcome::Unknown { why: format!("Okta's answer cannot be read: {e}") }, Answer::Done),
    }
}

/// Whether what comes next is decided by what this step shows.
fn is_proof(step: &Step) -> bool {
    matches!(step, Step::Look { .. } | Step::ReadBack { .. })
}

/// The account with its whole profile, for a change that must write all of it back.
fn full(body: &[u8], reply: &Reply, anchor: &str, mapped: &BTreeSet<String>) -> serde_json::Result<Answer> {
    let user: User = serde_json::from_slice(body)?;
    let profile = user.profile.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let etag = match reply {
        Reply::Answered(answer) => answer.etag.clone(),
        _ => None,
    };
    Ok(Answer::Profile(user.account(anchor, mapped), FullProfile { profile, etag }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(step: &Step, body: &str, next: Option<&str>) -> (Outcome, Answer) {
        let (body, next) = (body.as_bytes().to_vec(), next.map(str::to_owned));
        let reply = Reply::Answered(Answered { status: 200, body, next, ..Answered::default() });
        understand(step, &reply, "namelyId", &BTreeSet::new())
    }

    #[test]
    fn a_deactivation_that_is_still_running_is_no_proof() {
        let step = Step::ReadBack { id: "00u1".into() };
        let running = r#"{"id":"00u1","status":"ACTIVE","transitioningToStatus":"DEPROVISIONED","profile":{}}"#;
        assert!(matches!(understood(&step, running, None).0, Outcome::Retry { .. }));
        let over = r#"{"id":"00u1","status":"DEPROVISIONED","transitioningToStatus":null,"profile":{}}"#;
        assert!(matches!(understood(&step, over, None), (Outcome::Applied, Answer::User(a)) if !a.is_live()));
    }

    #[test]
    fn an_incomplete_list_of_groups_is_refused_and_an_unreadable_body_is_unknown() {
        let step = Step::ListGroups { id: "00u1".into() };
        assert!(matches!(understood(&step, "[]", Some("/next")).0, Outcome::Refused { .. }));
        assert!(matches!(understood(&step, "{", None).0, Outcome::Unknown { .. }));
        assert_eq!(understood(&step, r#"[{"id":"00g1"}]"#, None).1, Answer::Groups(vec!["00g1".into()]));
    }
}
