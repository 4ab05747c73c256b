//! What a reconciliation report is made from.

use super::engine::Tx;
use super::rows::meta::meta;
use super::rows::people;
use super::views::decided::decisions;
use super::{Extent, Filter, MissingState, StoreError, directory, filter_audit, missing_people, previews};
use crate::audit::{Event, Row};
use crate::clock::Moment;
use crate::domain::Rulebook;
use crate::report::reconciliation::{Drift, Findings, OfPerson, Unlinked};
use serde_json::Value;
use std::time::Duration;

/// Drift of this long is told in a report.
const DRIFT_REPORTED: Duration = Duration::from_secs(7 * 86_400);

/// When an org was read as a whole: `Store::reconcile` and priming write it down.
pub(super) fn read_key(org: &str) -> String {
    format!("read {org}")
}

/// Compares everybody of an org with what is known of it; `seen` is told of each.
pub fn findings(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    now: Moment,
    mut seen: impl FnMut(),
) -> Result<Findings, StoreError> {
    let mut people = 0;
    let previews = previews(c, rules, org, Extent::Everybody, now, || {
        people += 1;
        seen();
    })?;
    Ok(Findings {
        org: org.to_owned(),
        at: now.to_string(),
        read_at: meta(c, &read_key(org))?.unwrap_or_else(|| "never".into()),
        people,
        previews,
        unlinked: unlinked(c, org)?,
        decided: by_decision(c, rules, org, now)?,
        not_shown: not_shown(c, rules, org, now)?,
        drift: drift(c, org, now)?,
    })
}

fn unlinked(c: &Tx, org: &str) -> Result<Vec<Unlinked>, StoreError> {
    let shown = |one: people::Unlinked| {
        let people::Unlinked { okta_id, login, name, anchor, is_shown } = one;
        Unlinked { okta_id, login, name, anchor, is_shown }
    };
    Ok(people::unlinked(c, org)?.into_iter().map(shown).collect())
}

fn by_decision(c: &Tx, rules: &Rulebook, org: &str, now: Moment) -> Result<Vec<OfPerson>, StoreError> {
    let Some(directory) = directory(c, org)? else { return Ok(Vec::new()) };
    let found = decisions(c, rules, org, &directory, now)?.into_iter().map(|(target, case, decision)| {
        let employee = &case.person.primary().employee;
        OfPerson {
            target,
            name: case.person.display(),
            login: case.account.as_ref().map_or_else(|| employee.email.clone(), |account| account.login.clone()),
            department: employee.departments.first().cloned().unwrap_or_default(),
            profile: employee.id.clone(),
            what: format!("{}; `{}` lets Namely decide", decision.message, decision.command),
        }
    });
    Ok(found.collect())
}

fn not_shown(c: &Tx, rules: &Rulebook, org: &str, now: Moment) -> Result<Vec<OfPerson>, StoreError> {
    let undecided =
        missing_people(c, rules, false, now)?.into_iter().filter(|one| one.state == MissingState::Undecided);
    let found = undecided.filter_map(|mut one| {
        let at = one.accounts.iter().position(|account| account.org == org && account.login.is_some())?;
        let account = one.accounts.swap_remove(at);
        Some(OfPerson {
            target: account.target,
            login: account.login.unwrap_or_default(),
            name: one.name,
            department: one.department,
            profile: one.profile,
            what: format!(
                "Namely does not show the profile since {}: access stays as it is; see `missing list`",
                Moment::from_millis(one.since)
            ),
        })
    });
    Ok(found.collect())
}

fn drift(c: &Tx, org: &str, now: Moment) -> Result<Vec<Drift>, StoreError> {
    let filter = Filter { since: Some(now - DRIFT_REPORTED), kinds: vec!["drifted".into()], ..Filter::default() };
    let mut found = Vec::new();
    filter_audit(c, &filter, |row| {
        let row = Row::read(&row.text)?;
        if row.org.as_deref() != Some(org) {
            return Ok(());
        }
        if let Event::Drifted(drifted) = row.event {
            let message = |value: &Value| match value {
                Value::Null => "nothing".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let changes: Vec<String> = drifted
                .changes
                .iter()
                .map(|change| format!("{}: {} → {}", change.field, message(&change.before), message(&change.after)))
                .collect();
            let actor = drifted.actor.map(|who| format!(" ({who})")).unwrap_or_default();
            let what = format!("{}{actor}", changes.join(", "));
            found.push(Drift { at: row.at, login: drifted.login, what });
        } else {
            // What cannot be read is shown as it is, not left out.
            found.push(Drift { at: row.at.clone(), login: String::new(), what: row.describe() });
        }
        Ok(())
    })?;
    Ok(found)
}
