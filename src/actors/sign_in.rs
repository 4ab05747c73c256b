//! What a joiner signs in with for the first time, on its way from Okta's answer to their manager or to IT.
//!
//! **Invariant:** it is given within the call that made it: who is killed in between has a call without an outcome, and makes it anew.

use super::org::shared::Org;
use crate::domain::plan::case::Case;
use crate::notify::answer::NotTaken;
use crate::notify::sign_in::{Joiner, SignIn};
use crate::okta::outcome::{Fixer, Outcome};
use std::time::Duration;
use uuid::Uuid;

/// How long a mail server may take: less than whoever looks after runs waits.
const GIVEN_WITHIN: Duration = Duration::from_secs(10);

/// Why something could not be given.
pub struct Unsent {
    pub why: String,
    /// Who can mend it, if it will be so until somebody does.
    pub who: Option<Fixer>,
}

/// What a call comes to whose answer could not be given: while it may pass, nobody knows whether it arrived.
pub fn unsent(given: Result<Result<(), Unsent>, String>) -> Option<Outcome> {
    let Unsent { why, who } = given.unwrap_or_else(|why| Err(Unsent { why, who: None })).err()?;
    Some(match who {
        Some(who) => Outcome::Refused { why, who },
        None => Outcome::Unknown { why },
    })
}

/// Gives somebody's manager, whose address is given, or IT what the answer of Okta brings. The error says nothing of it.
pub fn give(
    org: &Org,
    answer: &[u8],
    case: &Case,
    to: Option<String>,
) -> impl Future<Output = Result<(), Unsent>> + Send + 'static + use<> {
    let (made, joiner) = (SignIn::read(answer), joiner(case, to));
    let channel = org.shared.channels.named(&org.shared.rules().load().policies.onboarding.channel);
    let id = Uuid::now_v7().to_string();
    async move {
        let lasts = |why: &str| Unsent { why: why.to_owned(), who: Some(Fixer::Config) };
        let made = made.ok_or_else(|| lasts("Okta's answer has nothing to sign in with"))?;
        let (kind, client) = channel.ok_or_else(|| lasts("onboarding.channel is new: it is known after a restart"))?;
        let given = tokio::time::timeout(GIVEN_WITHIN, made.give(&kind, &client, &joiner, id)).await;
        let (why, who) = match given {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why @ (NotTaken::Dead(_) | NotTaken::TooLong(_)))) => (why.said().to_owned(), Some(Fixer::Mailbox)),
            Ok(Err(why)) => (why.said().to_owned(), None),
            // It may have arrived, and one more makes it void: it is made ever more rarely, until the server is as quick as it must be.
            Err(_) => ("the mail server takes too long".to_owned(), Some(Fixer::Mailbox)),
        };
        Err(Unsent { why: format!("what was made to sign in with could not be sent, and is made anew: {why}"), who })
    }
}

/// Whom it is for, and who is told.
fn joiner(case: &Case, manager: Option<String>) -> Joiner {
    let employee = &case.person.primary().employee;
    Joiner {
        name: case.person.display(),
        login: case.account.as_ref().map(|account| account.login.clone()).unwrap_or_default(),
        start: employee.start_date.map(|start| start.to_string()),
        manager,
    }
}
