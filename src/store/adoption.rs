//! First contact with an org: what would be adopted, made and left alone, and the acceptance without which nothing is
//! written.

use super::{Store, StoreError, append, cases, meta, set_meta};
use crate::audit::{Kind, Record};
use crate::clock::Moment;
use crate::identity::{Entitlement, Rulebook};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::json;
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
}

/// What first contact with one org would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    pub org: String,
    /// Who accepted the report, if somebody did.
    pub accepted_by: Option<String>,
    /// Companies that were not walked completely yet: while there are any, the report says too little.
    pub not_walked: Vec<String>,
    /// Whether the accounts of the org were read, and compared with everybody.
    pub primed: bool,
    /// Accounts that belong to a profile, by the rule that found them: they are kept true to Namely from now on.
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

fn key(org: &str) -> String {
    format!("adopted {org}")
}

/// The report of an org, from what the store holds.
pub fn adoption(c: &Connection, rules: &Rulebook, org: &str, now: Moment) -> Result<Adoption, StoreError> {
    let mut report = Adoption { org: org.to_owned(), accepted_by: meta(c, &key(org))?, ..Adoption::default() };
    for tenant in rules.org(org).map(|org| org.tenants.as_slice()).unwrap_or_default() {
        if meta(c, &format!("walked {tenant}"))?.is_none() {
            report.not_walked.push(tenant.clone());
        }
    }
    report.primed = super::relink::is_compared(c, org)?;
    let mut select = c.prepare("SELECT id, rule, conflict FROM target WHERE org = ?1 ORDER BY id")?;
    let targets: Vec<(i64, Option<String>, Option<String>)> =
        select.query_map([org], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    for (target, rule, conflict) in targets {
        let Some(case) = cases::brief(c, rules, target, now)? else { continue };
        let standing = rules.standing(&case, now);
        let employee = &case.person.primary().employee;
        let entry = |why: String| Entry {
            name: employee.display(),
            profile: Some(employee.id.clone()),
            login: case.account.as_ref().map(|a| a.login.clone()),
            why,
        };
        match (&standing.entitlement, &case.account, conflict) {
            (_, _, Some(conflict)) => report.review.push(entry(conflict)),
            (Entitlement::Ended(why) | Entitlement::Suspended(why), Some(account), _) if account.is_awake() => {
                report.ended.push(entry(why.clone()));
            }
            (_, Some(account), _) => {
                let rule = rule.unwrap_or_else(|| "made by us".into());
                report.matched.entry(rule).or_default().push(entry(account.status.word().into()));
            }
            (Entitlement::Entitled, None, _) => report.created.push(entry("now".into())),
            (Entitlement::Prehire { .. }, None, _) => {
                let start = employee.start_date.map(|day| day.to_string()).unwrap_or_default();
                report.created.push(entry(format!("staged; starts on {start}")));
            }
            _ => report.nothing += 1,
        }
    }
    report.alone = alone(c, org)?;
    Ok(report)
}

/// Accounts that no profile belongs to.
fn alone(c: &Connection, org: &str) -> Result<Vec<Entry>, StoreError> {
    let mut select = c.prepare(
        "SELECT a.doc FROM account a LEFT JOIN target t ON t.org = a.org AND t.okta_id = a.okta_id
         WHERE a.org = ?1 AND t.id IS NULL ORDER BY a.login_key",
    )?;
    let docs: Vec<String> = select.query_map([org], |row| row.get(0))?.collect::<Result<_, _>>()?;
    docs.iter()
        .map(|doc| {
            let account: crate::identity::Account = serde_json::from_str(doc)?;
            let name = |key: &str| account.profile.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
            let name = format!("{} {}", name("firstName"), name("lastName")).trim().to_owned();
            Ok(Entry { name, profile: None, why: account.status.word().into(), login: Some(account.login) })
        })
        .collect()
}

/// Writes down from beside the service that somebody accepted the report of an org. False if it was accepted before.
pub fn accept_adoption(c: &Connection, org: &str, by: &str) -> Result<bool, StoreError> {
    Ok(c.execute("INSERT OR IGNORE INTO meta VALUES (?1, ?2)", [&key(org), by])? == 1)
}

impl Store {
    /// Whether somebody accepted the report of an org. The first time that is seen, it is audited.
    pub async fn is_adopted(&self, org: &str, now: Moment) -> Result<bool, StoreError> {
        let org = org.to_owned();
        self.run(move |c| {
            let Some(by) = meta(c, &key(&org))? else { return Ok(false) };
            let told = format!("adoption told {org}");
            if meta(c, &told)?.is_none() {
                set_meta(c, &told, "1")?;
                let record = Record::general(now, Kind::Adopted, json!({ "by": by }));
                append(c, &Record { org: Some(org), ..record })?;
            }
            Ok(true)
        })
        .await
    }

    /// Accepts the report of an org within the service: where the configuration says that nobody is asked.
    pub async fn adopt(&self, org: &str, by: &str) -> Result<(), StoreError> {
        let (org, by) = (org.to_owned(), by.to_owned());
        self.run(move |c| accept_adoption(c, &org, &by).map(|_| ())).await
    }
}
