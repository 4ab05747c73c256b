//! Which person a profile belongs to, in each org it is routed to: correlation, and the verdicts of people about it.
//!
//! **Invariant:** a target has at most one account, and an account at most one target.

use super::{Store, StoreError, accounts, append, cases};
use crate::audit::{Kind, Record};
use crate::clock::Moment;
use crate::identity::correlation::{ANCHOR, Candidate, Confidence, Correlation, Subject, correlate};
use crate::identity::{Account, Decider, Position, Rulebook};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A match that a person must decide about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Review {
    pub id: i64,
    pub org: String,
    pub tenant: String,
    pub profile: String,
    /// The person of the profile, as Namely has them.
    pub name: String,
    pub rule: String,
    pub why: String,
    /// The candidate, for people.
    pub who: String,
    /// When it was first seen, in milliseconds.
    pub since: i64,
    pub verdict: Option<String>,
    pub by: Option<String>,
}

/// The target that a profile has in an org, and whether it is routed there.
pub(super) fn find(c: &Connection, org: &str, tenant: &str, profile: &str) -> Result<Option<(i64, bool)>, StoreError> {
    Ok(c.prepare_cached("SELECT target, routed FROM link WHERE org = ?1 AND tenant = ?2 AND profile = ?3")?
        .query_row([org, tenant, profile], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

/// The targets that a profile has, in all orgs.
pub(super) fn targets_of(c: &Connection, tenant: &str, profile: &str) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT target FROM link WHERE tenant = ?1 AND profile = ?2")?;
    Ok(select.query_map([tenant, profile], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Writes down what the rules look a profile up by.
pub(super) fn put_keys(c: &Connection, rules: &Rulebook, position: &Position) -> Result<(), StoreError> {
    let profile = &position.employee.id;
    c.prepare_cached("DELETE FROM source_key WHERE tenant = ?1 AND profile = ?2")?
        .execute([&position.tenant, profile])?;
    for (rule, value) in rules.keys(position) {
        c.prepare_cached("INSERT OR IGNORE INTO source_key VALUES (?1, ?2, ?3, ?4)")?.execute([
            &rule.name,
            &value,
            &position.tenant,
            profile,
        ])?;
    }
    Ok(())
}

/// Makes sure that a profile has a target in `org`, and that the target has its account if there is one. Returns the
/// target, and why a person must decide, if one must.
pub(super) fn link(
    c: &Connection,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    routed: bool,
    now: Moment,
) -> Result<(i64, Option<String>), StoreError> {
    let (tenant, profile) = (&position.tenant, &position.employee.id);
    let known = find(c, org, tenant, profile)?.map(|(target, _)| target);
    let target = match known {
        Some(target) => target,
        None => {
            c.prepare_cached("INSERT INTO target (org) VALUES (?1)")?.execute([org])?;
            c.last_insert_rowid()
        }
    };
    c.prepare_cached(
        "INSERT INTO link VALUES (?1,?2,?3,?4,?5) ON CONFLICT (org, tenant, profile) DO UPDATE SET routed = excluded.routed",
    )?
    .execute(params![org, tenant, profile, target, routed])?;
    // Whoever has an account, or shares a target, is known; the others, and whoever has left, are looked for each time their
    // profile changes.
    let settled: bool = c
        .prepare_cached(
            "SELECT okta_id IS NOT NULL OR (ended_at IS NULL AND (SELECT count(*) FROM link WHERE target = ?1) > 1)
             FROM target WHERE id = ?1",
        )?
        .query_row([target], |row| row.get(0))?;
    // Before the org was read, that nobody matches says nothing, and what matches is half of what may.
    if settled || !routed || !super::is_read(c, org)? {
        return Ok((target, None));
    }
    correlate_target(c, rules, org, position, target, now)
}

fn correlate_target(
    c: &Connection,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    target: i64,
    now: Moment,
) -> Result<(i64, Option<String>), StoreError> {
    let (tenant, profile) = (&position.tenant, &position.employee.id);
    let candidates = candidates(c, rules, org, position, target)?;
    let verdict = correlate(&position.employee, candidates);
    c.prepare_cached("DELETE FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND verdict IS NULL")?
        .execute([org, tenant, profile])?;
    let (target, conflict) = match verdict {
        Correlation::Nobody => (target, None),
        Correlation::Match { subject, rule } => (adopt(c, org, target, &subject, &rule, now)?, None),
        Correlation::Review { candidates, why } => {
            let mut first = None;
            for candidate in &candidates {
                c.prepare_cached(
                    "INSERT INTO review (org, tenant, profile, subject, rule, why, who, since) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
                )?
                .execute(params![
                    org,
                    tenant,
                    profile,
                    word(&candidate.subject),
                    candidate.rule,
                    why,
                    candidate.described,
                    now.millis()
                ])?;
                first = first.or(Some(c.last_insert_rowid()));
            }
            let how = first.map(|id| format!("; decide with `review accept {id}` or `review reject {id}`"));
            (target, Some(format!("{why}{}", how.unwrap_or_default())))
        }
    };
    c.prepare_cached("UPDATE target SET conflict = ?2 WHERE id = ?1")?.execute(params![target, conflict])?;
    Ok((target, conflict))
}

/// Whether a profile that waits for a verdict could be settled without one by now.
pub(super) fn would_settle(
    c: &Connection,
    rules: &Rulebook,
    org: &str,
    position: &Position,
) -> Result<bool, StoreError> {
    let Some((target, _)) = find(c, org, &position.tenant, &position.employee.id)? else { return Ok(false) };
    let verdict = correlate(&position.employee, candidates(c, rules, org, position, target)?);
    Ok(!matches!(verdict, Correlation::Review { .. }))
}

/// Everybody who may be meant by a profile, in the order of the rules, without those whom a person has rejected.
fn candidates(
    c: &Connection,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    target: i64,
) -> Result<Vec<Candidate>, StoreError> {
    let profile = &position.employee.id;
    let mut found = Vec::new();
    if let Some(account) = accounts::by_anchor(c, org, profile)? {
        found.push(of_account(c, org, ANCHOR, Confidence::Certain, account, profile)?);
    }
    for (rule, value) in rules.keys(position) {
        for account in accounts::by_attribute(c, org, &rule.attribute, &value)? {
            found.push(of_account(c, org, &rule.name, rule.confidence, account, profile)?);
        }
        let mut select = c.prepare_cached(
            "SELECT DISTINCT l.target FROM source_key k
             JOIN link l ON l.org = ?1 AND l.tenant = k.tenant AND l.profile = k.profile
             WHERE k.rule = ?2 AND k.value = ?3 AND NOT (k.tenant = ?4 AND k.profile = ?5) ORDER BY 1",
        )?;
        let others: Vec<i64> = select
            .query_map(params![org, rule.name, value, position.tenant, profile], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for other in others {
            found.extend(of_target(c, &rule.name, rule.confidence, other)?);
        }
    }
    let mut select = c.prepare_cached(
        "SELECT subject FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND verdict = 'reject'",
    )?;
    let rejected: Vec<String> =
        select.query_map([org, &position.tenant, profile], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut seen: Vec<Subject> = vec![Subject::Target(target)];
    found.retain(|candidate| {
        let new = !seen.contains(&candidate.subject) && !rejected.contains(&word(&candidate.subject));
        seen.push(candidate.subject.clone());
        new
    });
    Ok(found)
}

fn of_account(
    c: &Connection,
    org: &str,
    rule: &str,
    confidence: Confidence,
    account: Account,
    profile: &str,
) -> Result<Candidate, StoreError> {
    let owner: Option<i64> = c
        .prepare_cached("SELECT id FROM target WHERE org = ?1 AND okta_id = ?2")?
        .query_row([org, &account.id], |row| row.get(0))
        .optional()?;
    if let Some(owner) = owner
        && let Some(mut candidate) = of_target(c, rule, confidence, owner)?
    {
        candidate.described = cases::describe(&account);
        return Ok(candidate);
    }
    let name = |key: &str| account.profile.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    Ok(Candidate {
        rule: rule.to_owned(),
        confidence,
        first_name: name("firstName"),
        last_name: name("lastName"),
        anchored_to: account.anchor.clone().filter(|anchor| anchor != profile),
        is_ghost: !account.is_live(),
        described: cases::describe(&account),
        subject: Subject::Account(account.id),
    })
}

/// A person already known, by the profile that describes them.
fn of_target(c: &Connection, rule: &str, confidence: Confidence, target: i64) -> Result<Option<Candidate>, StoreError> {
    Ok(cases::profiles(c, target)?.here.into_iter().next().map(|position| Candidate {
        rule: rule.to_owned(),
        confidence,
        subject: Subject::Target(target),
        first_name: position.employee.first_name.clone(),
        last_name: position.employee.last_name.clone(),
        anchored_to: None,
        is_ghost: false,
        described: format!("{} (profile {} of {})", position.employee.display(), position.employee.id, position.tenant),
    }))
}

fn word(subject: &Subject) -> String {
    match subject {
        Subject::Account(id) => format!("account {id}"),
        Subject::Target(id) => format!("target {id}"),
    }
}

/// `target` and `subject` are one person; returns the target that stays.
fn adopt(
    c: &Connection,
    org: &str,
    target: i64,
    subject: &Subject,
    rule: &str,
    now: Moment,
) -> Result<i64, StoreError> {
    match subject {
        Subject::Account(id) => {
            c.prepare_cached("UPDATE target SET okta_id = ?2, rule = ?3 WHERE id = ?1")?
                .execute(params![target, id, rule])?;
            let detail = json!({ "account": id, "rule": rule });
            append(
                c,
                &Record {
                    target: Some(target),
                    org: Some(org.to_owned()),
                    ..Record::general(now, Kind::Correlated, detail)
                },
            )?;
            Ok(target)
        }
        Subject::Target(other) => {
            merge(c, target, *other)?;
            let detail = json!({ "joined": target, "rule": rule });
            append(
                c,
                &Record {
                    target: Some(*other),
                    org: Some(org.to_owned()),
                    ..Record::general(now, Kind::Correlated, detail)
                },
            )?;
            Ok(*other)
        }
    }
}

/// Everything of `from` belongs to `into`: running lanes of both lose their claims.
fn merge(c: &Connection, from: i64, into: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE link SET target = ?2 WHERE target = ?1")?.execute([from, into])?;
    c.prepare_cached("DELETE FROM login WHERE target = ?1")?.execute([from])?;
    c.prepare_cached(
        "UPDATE work SET token = NULL, done_rev = CASE WHEN target = ?1 THEN dirty_rev ELSE done_rev END,
           state = 0, changes_at = CASE WHEN target = ?1 THEN NULL ELSE changes_at END WHERE target IN (?1, ?2)",
    )?
    .execute([from, into])?;
    c.prepare_cached("DELETE FROM risk WHERE target = ?1")?.execute([from])?;
    super::rejections::merge(c, from, into)?;
    for table in ["approval", "pin"] {
        c.execute(&format!("DELETE FROM {table} WHERE target IN (?1, ?2)"), [from, into])?;
    }
    c.prepare_cached("UPDATE work SET judged = 0 WHERE target = ?1")?.execute([into])?;
    Ok(())
}

/// A verdict that nobody has acted upon yet.
pub(super) struct Pending {
    pub review: i64,
    pub org: String,
    pub position: Position,
}

/// Takes the verdicts of people that were not applied yet, and applies those that join; returns whose work follows.
pub(super) fn apply_verdicts(c: &Connection, now: Moment) -> Result<Vec<Pending>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT r.id, r.org, r.tenant, r.profile, r.subject, r.verdict, r.by, s.doc, r.principal FROM review r
         JOIN source s ON s.tenant = r.tenant AND s.profile = r.profile WHERE r.verdict IS NOT NULL AND r.applied = 0",
    )?;
    type Row = (i64, String, String, String, String, String, Option<String>, String, Option<String>);
    let rows: Vec<Row> = select
        .query_map([], |row| {
            let (by, doc, principal) = (row.get(6)?, row.get(7)?, row.get(8)?);
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, by, doc, principal))
        })?
        .collect::<Result<_, _>>()?;
    let mut pending = Vec::new();
    for (id, org, tenant, profile, subject, verdict, by, doc, principal) in rows {
        c.prepare_cached("UPDATE review SET applied = 1 WHERE id = ?1")?.execute([id])?;
        let detail = json!({ "review": id, "subject": subject, "verdict": verdict, "by": by, "principal": principal });
        let record = Record::general(now, Kind::Reviewed, detail);
        append(
            c,
            &Record { org: Some(org.clone()), tenant: Some(tenant.clone()), profile: Some(profile.clone()), ..record },
        )?;
        let position = Position { tenant, employee: serde_json::from_str(&doc)? };
        if verdict == "accept"
            && let Some((target, _)) = find(c, &org, &position.tenant, &position.employee.id)?
            && let Some(subject) = read_subject(c, &org, &subject)?
        {
            let stays = adopt(c, &org, target, &subject, "review", now)?;
            c.prepare_cached("UPDATE target SET conflict = NULL WHERE id IN (?1, ?2)")?.execute([target, stays])?;
        }
        pending.push(Pending { review: id, org, position });
    }
    Ok(pending)
}

/// A subject as stored; an account that somebody has by now is that somebody.
fn read_subject(c: &Connection, org: &str, word: &str) -> Result<Option<Subject>, StoreError> {
    Ok(match word.split_once(' ') {
        Some(("account", id)) => {
            let owner: Option<i64> = c
                .prepare_cached("SELECT id FROM target WHERE org = ?1 AND okta_id = ?2")?
                .query_row([org, id], |row| row.get(0))
                .optional()?;
            Some(owner.map_or_else(|| Subject::Account(id.to_owned()), Subject::Target))
        }
        Some(("target", id)) => id.parse().ok().map(Subject::Target),
        _ => None,
    })
}

/// The review queue: what waits, or everything that was ever decided too.
pub fn reviews(c: &Connection, all: bool) -> Result<Vec<Review>, StoreError> {
    let mut select = c.prepare(
        "SELECT r.id, r.org, r.tenant, r.profile, s.doc, r.rule, r.why, r.who, r.since, r.verdict, r.by FROM review r
         JOIN source s ON s.tenant = r.tenant AND s.profile = r.profile WHERE ?1 OR r.verdict IS NULL ORDER BY r.id",
    )?;
    let rows = select.query_map([all], |row| {
        let doc: String = row.get(4)?;
        let name = serde_json::from_str(&doc).map(|e: crate::identity::Employee| e.display()).unwrap_or_default();
        Ok(Review {
            id: row.get(0)?,
            org: row.get(1)?,
            tenant: row.get(2)?,
            profile: row.get(3)?,
            name,
            rule: row.get(5)?,
            why: row.get(6)?,
            who: row.get(7)?,
            since: row.get(8)?,
            verdict: row.get(9)?,
            by: row.get(10)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Writes down a verdict from beside the service, which acts upon it soon. False if there is nothing to decide.
pub fn decide(c: &Connection, id: i64, accept: bool, by: &Decider, now: Moment) -> Result<bool, StoreError> {
    let verdict = if accept { "accept" } else { "reject" };
    let sql = "UPDATE review SET verdict = ?2, by = ?3, at = ?4, principal = ?5 WHERE id = ?1 AND verdict IS NULL";
    Ok(c.execute(sql, params![id, verdict, by.name, now.millis(), by.principal()])? == 1)
}

impl Store {
    /// The review queue.
    pub async fn reviews(&self) -> Result<Vec<Review>, StoreError> {
        self.run(|c| reviews(c, false)).await
    }
}
