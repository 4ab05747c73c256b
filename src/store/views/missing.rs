//! Who is missing: profiles that complete walks do not show any more, whose account is whose, and what was decided.

use crate::clock::Moment;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::person::Position;
use crate::store::StoreError;
use crate::store::engine::Tx;
use crate::store::rows::missing::{self as row, Verdict};
use crate::store::rows::{account, link, source};
use serde::{Deserialize, Serialize};

/// People of whom it is sought who they may have been made anew as; beyond that it is a tenant that is not shown, and no person.
const SOUGHT: usize = 20;

/// What has become of somebody who is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingState {
    /// Nobody has decided: the person keeps what they have.
    Undecided,
    /// Somebody has decided that they keep it.
    Kept,
    /// Access ends, or has ended: somebody has decided so, or a date has come.
    Ended,
}

/// An account of somebody who is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingAccount {
    /// The org, by its name in the configuration.
    pub org: String,
    /// Number of the target.
    pub target: i64,
    /// Login of the account; `None` if the target has none.
    pub login: Option<String>,
    /// Its status when it was last seen, by Okta's word; `None` if the target has no account.
    pub status: Option<String>,
}

/// A profile that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingPerson {
    /// The tenant, by its name in the configuration.
    pub tenant: String,
    /// UUID of the profile.
    pub profile: String,
    /// The person's name, as Namely showed it last.
    pub name: String,
    /// Their email then; empty without one.
    pub email: String,
    /// The first of their departments then; empty without one.
    pub department: String,
    /// When the first complete walk began that did not show it, in milliseconds.
    pub since: i64,
    /// What was decided, or has come of it.
    pub state: MissingState,
    /// One entry for each org that the profile is linked in, also without an account there.
    pub accounts: Vec<MissingAccount>,
    /// Who has decided; `None` before.
    pub by: Option<String>,
    /// Why, as they wrote; `None` before.
    pub why: Option<String>,
    /// When they decided, in milliseconds; `None` before.
    pub at: Option<i64>,
    /// Profiles of the same name that Namely shows: it may have been made anew as one of them.
    pub may_be: Vec<String>,
}

impl MissingPerson {
    /// Whether a word means this person: profile, email, login or full name.
    pub fn is_meant(&self, word: &str) -> bool {
        let logins = self.accounts.iter().filter_map(|account| account.login.as_deref());
        self.profile == word
            || [self.email.as_str(), &self.name].into_iter().chain(logins).any(|one| one.eq_ignore_ascii_case(word))
    }
}

/// Everybody who is missing, in the order of tenants and time. `seek` looks for whom they may have been made anew as.
pub fn missing_people(c: &Tx, rules: &Rulebook, seek: bool, now: Moment) -> Result<Vec<MissingPerson>, StoreError> {
    let rows = row::all(c)?;
    let seek = seek && rows.len() <= SOUGHT;
    let mut found = Vec::with_capacity(rows.len());
    for missing in rows {
        let Some(position) = source::position(c, &missing.tenant, &missing.profile)? else { continue };
        let state = match missing.verdict {
            Some(Verdict::End) => MissingState::Ended,
            _ if rules.is_over(&position, now) => MissingState::Ended,
            Some(Verdict::Keep) => MissingState::Kept,
            None => MissingState::Undecided,
        };
        let accounts = accounts(c, &position)?;
        let may_be = if seek && state == MissingState::Undecided { may_be(c, &position)? } else { Vec::new() };
        let employee = position.employee;
        found.push(MissingPerson {
            tenant: missing.tenant,
            profile: missing.profile,
            name: employee.display(),
            department: employee.departments.first().cloned().unwrap_or_default(),
            email: employee.email,
            since: missing.since.millis(),
            state,
            accounts,
            by: missing.by,
            why: missing.why,
            at: missing.at.map(Moment::millis),
            may_be,
        });
    }
    Ok(found)
}

fn accounts(c: &Tx, position: &Position) -> Result<Vec<MissingAccount>, StoreError> {
    let mut found = Vec::new();
    for (org, target) in link::in_orgs(c, &position.tenant, &position.employee.id)? {
        let account = account::of_target(c, target)?;
        let status = account.as_ref().map(|account| account.status.as_str().to_owned());
        found.push(MissingAccount { org, target, login: account.map(|account| account.login), status });
    }
    Ok(found)
}

fn may_be(c: &Tx, position: &Position) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for other in source::namesakes(c, position)? {
        if row::since(c, &other.tenant, &other.employee.id)?.is_none() {
            found.push(other.described());
        }
    }
    Ok(found)
}
