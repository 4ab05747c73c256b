//! For whom Okta holds what a person has decided, and not what Namely says: found here, decided in `domain/plan/decided.rs`.

use crate::clock::Moment;
use crate::domain::plan::decided::{Decided, decided};
use crate::domain::{Case, Directory, Rulebook};
use crate::store::StoreError;
use crate::store::cases;
use crate::store::engine::Tx;
use crate::store::rows::{end_access, pin, target};
use serde::Serialize;
use std::collections::BTreeSet;

/// What was decided about one person, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ByDecision {
    /// `undo` or `end_access`.
    pub kind: &'static str,
    /// Who has decided what.
    pub message: String,
    /// What lets Namely decide again.
    pub command: String,
}

/// What was decided about a target that is not what Namely says, if anything was.
pub fn decision_about(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    case: &Case,
    directory: &Directory,
    now: Moment,
) -> Result<Option<ByDecision>, StoreError> {
    let Some(found) = decided(case, rules, directory, now) else { return Ok(None) };
    let by = match &found {
        Decided::Undo(_) => {
            pin::pinned_by(c, target)?.map(|(by, at)| format!(" (asked for by {by}, at {at})")).unwrap_or_default()
        }
        Decided::EndAccess { .. } => String::new(),
    };
    let position = case.person.primary();
    let person = match &case.account {
        Some(account) if position.tenant.is_empty() => account.login.clone(),
        _ => position.employee.id.clone(),
    };
    let (message, command) = (format!("{found}{by}"), found.command(&person));
    Ok(Some(ByDecision { kind: found.as_str(), message, command }))
}

/// Everybody of an org about whom something was decided that is not what Namely says.
pub(in crate::store) fn decisions(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    directory: &Directory,
    now: Moment,
) -> Result<Vec<(i64, Case, ByDecision)>, StoreError> {
    let about: BTreeSet<i64> = pin::everybody(c)?.into_iter().chain(end_access::targets(c)?).collect();
    let mut found = Vec::new();
    for one in about {
        if target::org(c, one)? != org {
            continue;
        }
        let Some(case) = cases::whole(c, rules, one, now)? else { continue };
        if let Some(decision) = decision_about(c, rules, one, &case, directory, now)? {
            found.push((one, case, decision));
        }
    }
    Ok(found)
}
