//! What the reply to a step says: its outcome, and what its body teaches.

use super::outcome::{Answered, Fixer, Outcome, Reply, classify};
use super::values::mend;
use super::wire::{AppUser, ErrorBody, GroupObject, Linked, RoleObject, User};
use crate::domain::mapping::desired::Mapping;
use crate::domain::plan::observe::FullProfile;
use crate::domain::text::leads_to_one;
use crate::domain::{AccountStatus, Answer, Group, Step, login_key};
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a change that Okta carries out asynchronously is given before it is looked at again.
const STILL_RUNNING: Duration = Duration::from_secs(2);

/// Reads a reply as far as `step` needs it; of a user only the `mapped` attributes are kept.
pub fn understand(step: &Step, reply: &Reply, mapping: &Mapping, mapped: &BTreeSet<String>) -> (Outcome, Answer) {
    let anchor = mapping.anchor();
    let outcome = with_who_can_mend(classify(reply, step.is_write()), step, reply, mapping);
    if matches!((step, &outcome), (Step::UnassignApp { .. }, Outcome::AlreadySo)) {
        return (outcome, Answer::HeldByGroup);
    }
    if matches!((step, &outcome), (Step::AssignApp { .. }, Outcome::AlreadySo)) {
        return (outcome, Answer::AssignedBefore);
    }
    let (Outcome::Applied, Reply::Answered(Answered { body, next, .. })) = (&outcome, reply) else {
        return (outcome, Answer::Done);
    };
    let found;
    let body = match step {
        Step::ReadAccount { id_or_login } if !leads_to_one(id_or_login) => match searched(body, id_or_login) {
            Ok(Some(account)) => {
                found = account;
                found.get().as_bytes()
            }
            Ok(None) => return (Outcome::Missing, Answer::Done),
            Err(e) => return unreadable(&e),
        },
        _ => body.as_slice(),
    };
    let shows_user = matches!(
        step,
        Step::ReadAccount { .. }
            | Step::ReadHolder { .. }
            | Step::ReadBack { .. }
            | Step::ReadProfile { .. }
            | Step::CreateUser { .. }
            | Step::UpdateUser { .. }
            | Step::ChangeType { .. }
    );
    if shows_user
        && let Ok(user) = serde_json::from_slice::<User>(body)
        && let Some(why) = not_asked_for(step, &user)
    {
        return (Outcome::AnotherUser { why }, Answer::Done);
    }
    let read = match step {
        Step::ReadBack { .. } => match serde_json::from_slice::<User>(body) {
            Ok(user) if user.transitioning_to.is_some() => return still_running(),
            // Nothing is proved, but what is shown is known.
            Ok(user) if AccountStatus::parse(&user.status) != AccountStatus::Deprovisioned => {
                let why = format!("Okta shows the account as {} after its deactivation", user.status);
                return (Outcome::Replan { why }, Answer::User(user.account(anchor, mapped)));
            }
            user => user.map(|user| Answer::User(user.account(anchor, mapped))),
        },
        Step::ReadProfile { .. } => full(body, reply, anchor, mapped),
        Step::ReadAccount { .. }
        | Step::ReadHolder { .. }
        | Step::CreateUser { .. }
        | Step::UpdateUser { .. }
        | Step::ChangeType { .. } => match serde_json::from_slice::<User>(body) {
            Ok(user) if matches!(step, Step::ReadAccount { .. }) && user.transitioning_to.is_some() => {
                return still_running();
            }
            user => user.map(|user| Answer::User(user.account(anchor, mapped))),
        },
        Step::ReadRoles { .. } | Step::ReadGroupRoles { .. } => {
            serde_json::from_slice::<Vec<RoleObject>>(body).map(|roles| Answer::Role { holds: !roles.is_empty() })
        }
        Step::ListGroups { .. } | Step::ReadGroups { .. } => serde_json::from_slice::<Vec<GroupObject>>(body)
            .map(|groups| Answer::Groups { groups: groups.into_iter().map(Group::from).collect(), next: next.clone() }),
        Step::CreateGroup { .. } => serde_json::from_slice::<GroupObject>(body).map(|g| Answer::Group(Group::from(g))),
        // A link says nothing of whose it is; what says that it is somebody else's is given to nobody.
        Step::MakeSignIn { id, .. } => {
            return match serde_json::from_slice::<Linked>(body).ok().and_then(|made| made.user()) {
                Some(user) if user != *id => {
                    let why = format!(
                        "asked for what {id} signs in with, Okta has answered with that of {user}; it is not used"
                    );
                    (Outcome::AnotherUser { why }, Answer::Done)
                }
                _ => (outcome, Answer::Done),
            };
        }
        // The assignment was made, whatever is shown of it.
        Step::AssignApp { .. } | Step::NameInApp { .. } => {
            let shown = serde_json::from_slice::<AppUser>(body).ok();
            Ok(Answer::Assigned { user_name: shown.and_then(|shown| shown.user_name().map(str::to_owned)) })
        }
        _ => Ok(Answer::Done),
    };
    match read {
        Ok(answer) => (outcome, answer),
        Err(e) => unreadable(&e),
    }
}

/// What is not understood says nothing.
fn unreadable(e: &serde_json::Error) -> (Outcome, Answer) {
    (Outcome::Unknown { why: format!("Okta's answer cannot be read: {e}") }, Answer::Done)
}

/// The account of this login, of those that a search shows.
fn searched(body: &[u8], login: &str) -> serde_json::Result<Option<Box<RawValue>>> {
    for account in serde_json::from_slice::<Vec<Box<RawValue>>>(body)? {
        let user: User = serde_json::from_str(account.get())?;
        if login_key(user.login()) == login_key(login) {
            return Ok(Some(account));
        }
    }
    Ok(None)
}

/// A refusal of a value names whoever the value comes from.
fn with_who_can_mend(outcome: Outcome, step: &Step, reply: &Reply, mapping: &Mapping) -> Outcome {
    match (outcome, reply) {
        (Outcome::Refused { why, who: Fixer::Hr }, Reply::Answered(answer)) => {
            let (who, note) = mend(step, &ErrorBody::read(&answer.body), mapping);
            let why = if note.is_empty() { why } else { format!("{why}; {note}") };
            Outcome::Refused { why, who }
        }
        (outcome, _) => outcome,
    }
}

/// What is wrong with the user of an answer, if it is not whom the step asks for. Ids are compared exactly, logins as Okta
/// compares them.
fn not_asked_for(step: &Step, user: &User) -> Option<String> {
    let login = user.login();
    let is_login = |asked: &str| login_key(asked) == login_key(login);
    let (asked, is_right) = match step {
        Step::ReadAccount { id_or_login } => (id_or_login.as_str(), user.id == *id_or_login || is_login(id_or_login)),
        Step::ReadBack { id } | Step::ReadProfile { id } | Step::ReadHolder { id, .. } => (id.as_str(), user.id == *id),
        Step::UpdateUser { id, .. } | Step::ChangeType { id, .. } => (id.as_str(), user.id == *id),
        Step::CreateUser { profile, .. } => {
            let asked = profile.get("login").and_then(serde_json::Value::as_str).unwrap_or_default();
            (asked, login.is_empty() || is_login(asked))
        }
        _ => return None,
    };
    if user.id.is_empty() {
        return Some(format!(
            "asked about {asked}, Okta has answered with an account without an id ({login}); the answer is not used"
        ));
    }
    (!is_right)
        .then(|| format!("asked about {asked}, Okta has answered about {} ({login}); the answer is not used", user.id))
}

/// Whether a reply says whom it is about: then it proves that Okta answers about the right people, or that it does not.
pub fn names_user(outcome: &Outcome, answer: &Answer) -> bool {
    matches!(outcome, Outcome::AnotherUser { .. }) || matches!(answer, Answer::User(_) | Answer::Profile(..))
}

/// What comes next is decided by what is shown when it is over.
fn still_running() -> (Outcome, Answer) {
    let why = "a change of the account is still running in Okta".into();
    (Outcome::Retry { after: STILL_RUNNING, why }, Answer::Done)
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
    use crate::domain::mapping::desired::tests::usual;

    fn understood(step: &Step, body: &str, next: Option<&str>) -> (Outcome, Answer) {
        let (body, next) = (body.as_bytes().to_vec(), next.map(str::to_owned));
        let reply = Reply::Answered(Answered { status: 200, body, next, ..Answered::default() });
        understand(step, &reply, &usual(), &BTreeSet::new())
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
    fn an_answer_about_somebody_else_is_not_used_and_logins_are_compared_as_okta_does() {
        let read = |id_or_login: &str| Step::ReadAccount { id_or_login: id_or_login.into() };
        let create = |login: &str| Step::CreateUser {
            profile: [("login".to_owned(), login.into())].into(),
            groups: Vec::new(),
            activate: true,
            user_type: None,
        };
        let body = r#"{"id":"00u1","status":"ACTIVE","profile":{"login":"Jose.Nunez@Example.com"}}"#;
        let update = |id: &str| Step::UpdateUser { id: id.into(), changes: Vec::new() };
        for right in [read("00u1"), read("josé.núñez@example.com"), update("00u1"), create("José.Núñez@example.com")]
        {
            assert_eq!(understood(&right, body, None).0, Outcome::Applied, "{right:?}");
        }
        let back = Step::ReadBack { id: "00u2".into() };
        for wrong in [read("00u2"), read("jose@example.com"), update("00u2"), update("00U1"), create("ann@x.com"), back]
        {
            let (outcome, answer) = understood(&wrong, body, None);
            assert!(matches!(outcome, Outcome::AnotherUser { .. }), "{wrong:?}");
            assert!(answer == Answer::Done && names_user(&outcome, &answer), "nothing is learned from it");
        }
    }

    #[test]
    fn of_a_search_by_login_only_that_login_is_the_answer() {
        let read = Step::ReadAccount { id_or_login: "ann".into() };
        let body = r#"[{"id":"00u1","status":"ACTIVE","profile":{"login":"Ann@Example.com"}},
                       {"id":"00u2","status":"ACTIVE","profile":{"login":"ANN"}}]"#;
        assert!(matches!(understood(&read, body, None), (Outcome::Applied, Answer::User(a)) if a.id == "00u2"));
        for none in ["[]", r#"[{"id":"00u1","status":"ACTIVE","profile":{"login":"ann@example.com"}}]"#] {
            assert_eq!(understood(&read, none, None).0, Outcome::Missing, "{none}");
        }
        let one = r#"{"id":"00u2","status":"ACTIVE","profile":{"login":"ann"}}"#;
        assert!(matches!(understood(&read, one, None).0, Outcome::Unknown { .. }), "a search shows a list");
    }

    #[test]
    fn a_read_back_that_shows_a_live_account_proves_nothing_and_is_known_all_the_same() {
        let step = Step::ReadBack { id: "00u1".into() };
        let live = r#"{"id":"00u1","status":"ACTIVE","profile":{}}"#;
        assert!(matches!(understood(&step, live, None), (Outcome::Replan { .. }, Answer::User(a)) if a.is_live()));
    }

    #[test]
    fn a_page_of_groups_says_what_they_are_and_where_the_list_goes_on_and_an_unreadable_body_is_unknown() {
        let step = Step::ListGroups { id: "00u1".into(), page: None };
        assert!(matches!(understood(&step, "{", None).0, Outcome::Unknown { .. }));
        let body = r#"[{"id":"00g1","type":"OKTA_GROUP","profile":{"name":"Staff"}},{"id":"00g2"}]"#;
        let (_, Answer::Groups { groups, next }) = understood(&step, body, Some("/next")) else { panic!("groups") };
        let message: Vec<(&str, bool)> = groups.iter().map(|g| (g.id.as_str(), g.writable)).collect();
        assert_eq!((message, next.as_deref()), (vec![("00g1", true), ("00g2", false)], Some("/next")));
    }
}
