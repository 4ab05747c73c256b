//! Who is missing from Namely: seen and decided about, the same over HTTP and from the command line.

use super::decisions::{Decisions, Refusal};
use super::routes::Ask;
use crate::clock::Moment;
use crate::domain::{ChangeKind, Decider};
use crate::store::{MissingPerson, MissingState, OperatorRequest, Tx, missing_people, request};
use serde_json::{Value, json};

impl Decisions {
    /// Writes down what somebody decides about a person who is missing.
    pub(super) fn missing(&self, c: &Tx, ask: Ask, by: &Decider, body: &Value, now: Moment) -> Result<Value, Refusal> {
        let word = body["person"].as_str().unwrap_or_default();
        let why = body["why"].as_str().unwrap_or_default();
        let found = missing_people(c, self.rules()?, false, now)?;
        let person = the_one(&found, word)?;
        if person.state == MissingState::Ended {
            return Err(Refusal::Conflict(format!(
                "access of {} ({} {}) ends or has ended already; it comes back when Namely shows the profile again",
                person.name, person.tenant, person.profile
            )));
        }
        let org = person.accounts.first().map(|account| account.org.as_str()).or(self.orgs.first().map(String::as_str));
        let org =
            org.ok_or_else(|| Refusal::Conflict("no org is configured: there is nothing to end or keep".into()))?;
        let end = ask == Ask::EndMissing;
        let asked = OperatorRequest::Missing {
            tenant: person.tenant.clone(),
            profile: person.profile.clone(),
            end,
            why: why.to_owned(),
        };
        let mut next = Vec::new();
        for account in person.accounts.iter().filter(|_| end) {
            let waits = self.waits_for(c, &account.org, Some(ChangeKind::Deactivate))?;
            next.extend(waits.into_iter().filter(|one| !next.contains(one)).collect::<Vec<_>>());
        }
        let id = request(c, org, &asked, by, now)?;
        Ok(json!({
            "request": id, "tenant": person.tenant, "profile": person.profile, "name": person.name,
            "decided": if end { "end" } else { "keep" }, "by": by.name, "next": next,
        }))
    }
}

/// The only person among those who are missing whom a word means.
fn the_one<'f>(found: &'f [MissingPerson], word: &str) -> Result<&'f MissingPerson, Refusal> {
    let meant: Vec<&MissingPerson> = found.iter().filter(|person| person.is_meant(word)).collect();
    match meant.as_slice() {
        [person] => Ok(person),
        [] => Err(Refusal::NotFound(format!("{word:?} is not missing from Namely; see `missing list`"))),
        several => {
            let which: Vec<String> = several.iter().map(|one| format!("{} of {}", one.profile, one.tenant)).collect();
            Err(Refusal::Conflict(format!("{word:?} means {}: name one by its profile", which.join(" and "))))
        }
    }
}
