//! First contact with an org: what would be adopted, made and left alone, and the acceptance without which nothing is
//! written.

use super::engine::Tx;
use super::{StoreError, cases, contact, links, pages};
use crate::clock::Moment;
use crate::domain::mapping::functions::slug;
use crate::domain::{Account, Employee, Entitlement, Rulebook, hex, login_key};
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Somebody in a report of first contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
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
        if !pages::is_walked(c, tenant)? {
            report.not_walked.push(tenant.clone());
        }
        match contact::accepted_by(c, org, tenant)? {
            Some(who) => by.push(who),
            None => report.waiting.push(tenant.clone()),
        }
    }
    if report.waiting.is_empty() {
        by.dedup();
        report.accepted_by = (!by.is_empty()).then(|| by.join(", "));
    }
    // A tenant that comes later has a report of its own: about the others somebody has decided.
    let is_added = !report.waiting.is_empty() && contact::has_any(c, org)?;
    report.primed = super::relink::is_compared(c, org)?;
    let mut select = c.prepare("SELECT id, rule, conflict FROM target WHERE org = ?1 ORDER BY id")?;
    let targets: Vec<(i64, Option<String>, Option<String>)> =
        select.query_map([org], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    for (target, rule, conflict) in targets {
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
            && let Some((rule, who)) = links::foretell(c, rules, org, position, target, now)?
        {
            report.matched.entry(rule).or_default().push(entry(format!("will be one person with {who}")));
            continue;
        }
        match (&lifecycle.entitlement, &case.account, conflict) {
            (_, _, Some(conflict)) => report.review.push(entry(conflict)),
            (Entitlement::Ended(why) | Entitlement::Suspended(why), Some(account), _) if account.is_awake() => {
                report.ended.push(entry(why.clone()));
            }
            (_, Some(account), _) => {
                let rule = rule.unwrap_or_else(|| "made by us".into());
                report.matched.entry(rule).or_default().push(entry(account.status.as_str().into()));
            }
            (Entitlement::Entitled, None, _) => report.created.push(entry("now".into())),
            (Entitlement::Prehire { .. }, None, _) => {
                let start = employee.start_date.map(|day| day.to_string()).unwrap_or_default();
                report.created.push(entry(format!("staged; starts on {start}")));
            }
            _ => report.nothing += 1,
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

/// How much a match differs: another name weighs more than everything else together.
fn weight(differs: &[String]) -> usize {
    differs.iter().map(|one| if one.starts_with("name ") { 10 } else { 1 }).sum()
}

/// What both sides say otherwise of one who was matched.
fn differs(employee: &Employee, account: &Account) -> Vec<String> {
    let text = |key: &str| account.profile.get(key).and_then(|v| v.as_str()).unwrap_or_default();
    let mut found = Vec::new();
    let full = |first: &str, last: &str| slug(&format!("{first} {last}"));
    let theirs = full(text("firstName"), text("lastName"));
    let first_names = [&employee.first_name, &employee.preferred_name];
    if !first_names.iter().any(|first| full(first, &employee.last_name) == theirs) {
        found.push(format!("name {:?} in Okta", format!("{} {}", text("firstName"), text("lastName")).trim()));
    }
    if let Some(master) = account.mastered_by() {
        found.push(format!("mastered by {master}"));
    }
    if !employee.email.is_empty() {
        if login_key(&account.login) != login_key(&employee.email) {
            found.push(format!("login {} in Okta", account.login));
        }
        let email = text("email");
        if !email.is_empty() && login_key(email) != login_key(&employee.email) {
            found.push(format!("email {email} in Okta"));
        }
    }
    found
}

/// Accounts that no profile belongs to.
fn alone(c: &Tx, org: &str) -> Result<Vec<Entry>, StoreError> {
    let mut select = c.prepare(
        "SELECT a.doc FROM account a LEFT JOIN target t ON t.org = a.org AND t.okta_id = a.okta_id
         WHERE a.org = ?1 AND t.id IS NULL ORDER BY a.login_key",
    )?;
    let docs: Vec<String> = select.query_map([org], |row| row.get(0))?.collect::<Result<_, _>>()?;
    docs.iter()
        .map(|doc| {
            let account: crate::domain::Account = serde_json::from_str(doc)?;
            let name = |key: &str| account.profile.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
            let name = format!("{} {}", name("firstName"), name("lastName")).trim().to_owned();
            Ok(Entry {
                name,
                profile: None,
                why: account.status.as_str().into(),
                login: Some(account.login),
                differs: Vec::new(),
            })
        })
        .collect()
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
