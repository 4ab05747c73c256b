//! First contact with an org: what would be adopted, made and left alone, and the acceptance without which nothing is
//! written.

use super::engine::Tx;
use super::links::Asked;
use super::rows::target::OfOrg;
use super::rows::{account, matched, org, target};
use super::{StoreError, cases};
use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::matching::first_contact::{Place, differs, place, weight};
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::text::hex;
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Somebody in a report of first contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The person's name, or that of the account where there is no profile; empty if the account has none.
    pub name: String,
    /// Namely profile, where there is one.
    pub profile: Option<String>,
    /// Okta login, where there is one.
    pub login: Option<String>,
    /// Why, in words.
    pub why: String,
    /// What both sides say otherwise of somebody who was matched, the weightiest first: names, who masters the account,
    /// login, email.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
}

/// What first contact with one org would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// The org, by its name in the configuration.
    pub org: String,
    /// Who accepted the report, if somebody did and nothing has come since that must be accepted.
    pub accepted_by: Option<String>,
    /// Tenants whose first contact waits for an acceptance: the report is about them if others were accepted before.
    #[serde(default)]
    pub waiting: Vec<String>,
    /// Names exactly what is shown, and an acceptance must give it back; empty while the report is not complete.
    #[serde(default)]
    pub code: String,
    /// Companies that were not walked completely yet: while there are any, the report says too little.
    pub not_walked: Vec<String>,
    /// Whether the accounts of the org were read, and compared with everybody.
    pub primed: bool,
    /// Accounts that belong to a profile, by the rule that found them: they are kept true to Namely from now on.
    /// Whoever differs most stands first.
    pub matched: BTreeMap<String, Vec<Entry>>,
    /// Accounts of people who have left in Namely and whose access would end.
    pub ended: Vec<Entry>,
    /// People without an account, for whom one would be made, now or before their start.
    pub created: Vec<Entry>,
    /// Matches that a person must decide about.
    pub review: Vec<Entry>,
    /// Profiles for whom nothing is done: they have left, or are not due yet.
    pub nothing: usize,
    /// Accounts that no profile belongs to: they are never touched.
    pub alone: Vec<Entry>,
}

impl Adoption {
    /// What is missing before the report says everything; nothing when it does.
    pub fn missing(&self) -> Vec<String> {
        let not_walked = self.not_walked.iter().map(|tenant| format!("{tenant} was not read to its end"));
        not_walked.chain((!self.primed).then(|| "the org's accounts were not read".to_owned())).collect()
    }
}

/// The report of an org, from what the store holds.
pub fn adoption(c: &Tx, rules: &Rulebook, org: &str, now: Moment) -> Result<Adoption, StoreError> {
    let mut report = Adoption { org: org.to_owned(), ..Adoption::default() };
    let mut by = Vec::new();
    for tenant in rules.org(org).map(|org| org.tenants.as_slice()).unwrap_or_default() {
        if !org::is_walked(c, tenant)? {
            report.not_walked.push(tenant.clone());
        }
        match matched::accepted_by(c, org, tenant)? {
            Some(who) => by.push(who),
            None => report.waiting.push(tenant.clone()),
        }
    }
    if report.waiting.is_empty() {
        by.dedup();
        report.accepted_by = (!by.is_empty()).then(|| by.join(", "));
    }
    // A tenant that comes later has a report of its own: about the others somebody has decided.
    let is_added = !report.waiting.is_empty() && matched::has_any_accepted(c, org)?;
    report.primed = org::is_compared(c, org)?;
    for OfOrg { target, rule, conflict } in target::of_org(c, org)? {
        let Some(case) = cases::brief(c, rules, target, now)? else { continue };
        if is_added && !case.person.positions().iter().all(|one| report.waiting.contains(&one.tenant)) {
            continue;
        }
        let lifecycle = rules.lifecycle(&case, now);
        let position = case.person.primary();
        let employee = &position.employee;
        let entry = |why: String| Entry {
            name: employee.display(),
            profile: Some(employee.id.clone()),
            login: case.account.as_ref().map(|a| a.login.clone()),
            why,
            differs: case.account.as_ref().map(|account| differs(employee, account)).unwrap_or_default(),
        };
        if is_added
            && case.account.is_none()
            && conflict.is_none()
            && let Some((rule, who)) = (Asked { c, rules, org, position, now }).foretell(target)?
        {
            report.matched.entry(rule).or_default().push(entry(format!("will be one person with {who}")));
            continue;
        }
        match place(&lifecycle.entitlement, case.account.as_ref(), conflict) {
            Place::Review(conflict) => report.review.push(entry(conflict)),
            Place::Ended(why) => report.ended.push(entry(why)),
            Place::Matched(status) => {
                let rule = rule.unwrap_or_else(|| "made by us".into());
                report.matched.entry(rule).or_default().push(entry(status.into()));
            }
            Place::Created => report.created.push(entry("now".into())),
            Place::Staged => {
                let start = employee.start_date.map(|day| day.to_string()).unwrap_or_default();
                report.created.push(entry(format!("staged; starts on {start}")));
            }
            Place::Nothing => report.nothing += 1,
        }
    }
    for entries in report.matched.values_mut().chain([&mut report.ended]) {
        entries.sort_by_key(|entry| std::cmp::Reverse(weight(&entry.differs)));
    }
    report.alone = alone(c, org)?;
    if report.missing().is_empty() {
        report.code = code(&report)?; // nobody accepts what is not known yet
    }
    Ok(report)
}

/// Accounts that no profile belongs to.
fn alone(c: &Tx, org: &str) -> Result<Vec<Entry>, StoreError> {
    let entry = |account: Account| {
        let name = |key: &str| account.profile.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let name = format!("{} {}", name("firstName"), name("lastName")).trim().to_owned();
        Entry {
            name,
            profile: None,
            why: account.status.as_str().into(),
            login: Some(account.login),
            differs: Vec::new(),
        }
    };
    Ok(account::of_nobody(c, org)?.into_iter().map(entry).collect())
}

/// Names exactly what a report shows: who accepts it gives it back.
fn code(report: &Adoption) -> Result<String, StoreError> {
    let shown = (&report.waiting, &report.matched, &report.ended, &report.created, &report.review);
    let hash = digest(&SHA256, serde_json::to_string(&shown)?.as_bytes());
    Ok(hex(&hash.as_ref()[..4]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::domain::plan::rulebook::tests::rulebook;
    use crate::domain::record::employee::tests::an_employee;

    #[tokio::test]
    async fn a_report_of_what_was_read_in_half_has_no_code() {
        let world = World::new().await;
        world.see(an_employee()).await;
        let now = world.now;
        let half = world.store.run(move |c| adoption(c, &rulebook(), "main", now)).await.expect("reads");
        assert_eq!(half.created.len() + half.matched.len() + half.review.len(), 1, "it shows what is known so far");
        assert!(half.code.is_empty() && !half.missing().is_empty(), "{:?}", half.missing());
    }
}
