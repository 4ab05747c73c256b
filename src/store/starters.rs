//! Who starts soon.

use super::engine::{Optional, Tx};
use super::{StoreError, cases, population};
use crate::clock::Moment;
use crate::domain::Rulebook;
use crate::domain::plan::starter::{Remark, Stage, outlook, starts_within};
use crate::domain::work::machine::State;
use serde::{Deserialize, Serialize};

/// Somebody who starts soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starter {
    pub org: String,
    /// Their first day.
    pub start: String,
    pub name: String,
    pub profile: String,
    /// The login that they have, or will have; empty if none can be made.
    pub login: String,
    pub state: Stage,
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
    let mut starters = Vec::new();
    for target in targets {
        let Some(case) = cases::brief(c, rules, target, now)? else { continue };
        let Some(start) = starts_within(rules, &case, days, now) else { continue };
        let Some(case) = cases::whole(c, rules, target, now)? else { continue };
        let (state, note) = outlook(rules, &case, &message(c, target)?, now);
        starters.push(Starter {
            org: org.to_owned(),
            start: start.to_string(),
            name: case.person.display(),
            profile: case.person.primary().employee.id.clone(),
            login: case.login.as_ref().map(|chosen| chosen.login.clone()).unwrap_or_default(),
            state,
            note,
        });
    }
    Ok(starters)
}

fn message(c: &Tx, target: i64) -> Result<Remark, StoreError> {
    let mut select = c.prepare_cached("SELECT state, reason FROM work WHERE target = ?1")?;
    let row = select.query_row([target], |row| {
        Ok(Remark { is_quarantined: State::from_number(row.get(0)?) == State::Quarantined, why: row.get(1)? })
    });
    Ok(row.optional()?.unwrap_or_default())
}
