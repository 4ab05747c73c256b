//! Who starts soon.

use crate::clock::Moment;
use crate::domain::plan::starter::{Remark, Stage, outlook, starts_within};
use crate::domain::work::machine::{State, Work};
use crate::domain::{AccountStatus, Rulebook};
use crate::store::StoreError;
use crate::store::cases;
use crate::store::engine::Tx;
use crate::store::population;
use crate::store::rows::work;
use serde::{Deserialize, Serialize};

/// Somebody who starts soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starter {
    /// The org, by its name in the configuration.
    pub org: String,
    /// Number of the target; 0 in a document of a version that did not say it.
    #[serde(default)]
    pub target: i64,
    /// Their first day.
    pub start: String,
    /// The person's name.
    pub name: String,
    /// UUID of their primary profile.
    pub profile: String,
    /// The login that they have, or will have; empty if none can be made.
    pub login: String,
    /// How far it is.
    pub state: Stage,
    /// Whether they could sign in with it now: an account that was never activated by its owner waits for them.
    #[serde(default)]
    pub can_sign_in: bool,
    /// Since when they can, as Okta says it; empty where they cannot, or it is not known.
    #[serde(default)]
    pub since: String,
    /// What happens next, or what is missing.
    pub note: String,
}

/// Everybody who starts in an org in the next `days`.
pub fn starters(c: &Tx, rules: &Rulebook, org: &str, days: u16, now: Moment) -> Result<Vec<Starter>, StoreError> {
    let mut targets = Vec::new();
    population(c, org, |stored_people| {
        targets.extend(stored_people.into_iter().map(|person| person.target));
        Ok(())
    })?;
    starters_among(c, rules, org, &targets, days, now)
}

/// The same, of these targets of the org only.
pub fn starters_among(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    targets: &[i64],
    days: u16,
    now: Moment,
) -> Result<Vec<Starter>, StoreError> {
    let mut starters = Vec::new();
    for &target in targets {
        let Some(case) = cases::brief(c, rules, target, now)? else { continue };
        let Some(start) = starts_within(rules, &case, days, now) else { continue };
        let Some(case) = cases::whole(c, rules, target, now)? else { continue };
        let (state, note) = outlook(rules, &case, &message(c, target)?, now);
        let in_use = case.account.as_ref().filter(|account| account.status == AccountStatus::Active);
        starters.push(Starter {
            org: org.to_owned(),
            target,
            start: start.to_string(),
            name: case.person.display(),
            profile: case.person.primary().employee.id.clone(),
            login: case.login.as_ref().map(|chosen| chosen.login.clone()).unwrap_or_default(),
            state,
            can_sign_in: in_use.is_some(),
            since: in_use.and_then(|account| account.status_since).map(since).unwrap_or_default(),
            note,
        });
    }
    Ok(starters)
}

fn since(millis: i64) -> String {
    let at = Moment::from_millis(millis).to_string();
    at.get(..16).unwrap_or_default().replace('T', " ")
}

fn message(c: &Tx, target: i64) -> Result<Remark, StoreError> {
    let remark = |work: Work| Remark { is_quarantined: work.state == State::Quarantined, why: work.reason };
    Ok(work::load(c, target)?.map(remark).unwrap_or_default())
}
