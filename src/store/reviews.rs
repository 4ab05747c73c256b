//! The review queue: matches that people decide about, and their verdicts.

use super::engine::{Optional, Tx, params};
use super::links::{Match, adopt, find, key_of, owner};
use super::preview_match::{Outlook, of_join};
use super::{Store, StoreError, append, keepers};
use crate::audit::details::{Agreed, Reviewed};
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::guard::vote::{self, Heard};
use crate::domain::mapping::functions::slug;
use crate::domain::matching::correlation::{ANCHOR, Candidate, Counterpart, ONLY_LINK, REVIEW};
use crate::domain::{Employee, Position, Rulebook};
use serde::{Deserialize, Serialize};

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

/// What stands in the queue under a name: how it is found whether somebody may be one of those it is about.
fn name_key(first: &str, last: &str) -> String {
    let (first, last) = (slug(first), slug(last));
    if first.is_empty() || last.is_empty() { String::new() } else { format!("{first} {last}") }
}

/// Asks about these candidates of a profile; what was asked before keeps its number. Returns the first of them.
pub(super) fn ask(
    c: &Tx,
    org: &str,
    position: &Position,
    candidates: &[Candidate],
    why: &str,
    now: Moment,
) -> Result<Option<i64>, StoreError> {
    let mut asked = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        put(c, org, position, candidate, why, now)?;
        asked.push(key_of(&candidate.counterpart));
    }
    close_others(c, org, position, &asked)?;
    let (tenant, profile) = (&position.tenant, &position.employee.id);
    Ok(c.prepare_cached(
        "SELECT id FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND verdict IS NULL ORDER BY id LIMIT 1",
    )?
    .query_row([org, tenant, profile], |row| row.get(0))
    .optional()?)
}

/// Asks about one candidate of a profile, besides whatever else is asked about it.
pub(super) fn put(
    c: &Tx,
    org: &str,
    position: &Position,
    candidate: &Candidate,
    why: &str,
    now: Moment,
) -> Result<(), StoreError> {
    let (tenant, employee) = (&position.tenant, &position.employee);
    c.prepare_cached(
        "INSERT INTO review (org, tenant, profile, subject, rule, why, who, since, name_key)
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)
         ON CONFLICT (org, tenant, profile, subject) DO UPDATE SET rule = excluded.rule, why = excluded.why,
           who = excluded.who, name_key = excluded.name_key, verdict = NULL, by = NULL, at = NULL, applied = 0,
           since = CASE WHEN verdict IS NULL THEN since ELSE excluded.since END",
    )?
    .execute(params![
        org,
        tenant,
        employee.id,
        key_of(&candidate.counterpart),
        candidate.rule,
        why,
        candidate.described,
        now.millis(),
        name_key(&employee.first_name, &employee.last_name)
    ])?;
    Ok(())
}

/// What was asked about a profile in place of a rule is no question any more.
pub(super) fn close(c: &Tx, org: &str, position: &Position, rule: &str) -> Result<(), StoreError> {
    c.prepare_cached(
        "DELETE FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND verdict IS NULL AND rule = ?4",
    )?
    .execute([org, &position.tenant, &position.employee.id, rule])?;
    Ok(())
}

/// What was asked about whom a profile may be and is no question any more, besides these subjects; whether the link that it has
/// is right stays one.
pub(super) fn close_others(c: &Tx, org: &str, position: &Position, but: &[String]) -> Result<(), StoreError> {
    c.prepare_cached(
        "DELETE FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND verdict IS NULL
         AND rule <> ?5 AND subject NOT IN (SELECT value FROM json_each(?4))",
    )?
    .execute(params![org, position.tenant, position.employee.id, serde_json::to_string(but)?, ONLY_LINK])?;
    Ok(())
}

/// An open review about one of the profiles of a target, or about its being somebody else.
pub(super) fn open_about(c: &Tx, target: i64) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT min(r.id) FROM link l JOIN review r USING (org, tenant, profile)
         WHERE l.target = ?1 AND r.verdict IS NULL",
    )?;
    Ok(select.query_row([target], |row| row.get(0))?)
}

/// An open review about another profile of the same name, and who that is. Which of several accounts that carry its own anchor
/// are somebody's is no question about anybody else.
pub(super) fn namesake(c: &Tx, org: &str, position: &Position) -> Result<Option<(i64, String)>, StoreError> {
    let name = name_key(&position.employee.first_name, &position.employee.last_name);
    if name.is_empty() {
        return Ok(None);
    }
    let mut select = c.prepare_cached(
        "SELECT r.id, r.tenant, s.doc FROM review r JOIN source s ON s.tenant = r.tenant AND s.profile = r.profile
         WHERE r.org = ?1 AND r.name_key = ?2 AND r.verdict IS NULL AND NOT (r.tenant = ?3 AND r.profile = ?4)
           AND NOT (r.rule = ?5 AND EXISTS (SELECT 1 FROM link l JOIN target t ON t.id = l.target
             WHERE l.org = r.org AND l.tenant = r.tenant AND l.profile = r.profile AND t.okta_id IS NOT NULL))
         ORDER BY r.id LIMIT 1",
    )?;
    let found: Option<(i64, String, String)> = select
        .query_row([org, &name, &position.tenant, &position.employee.id, ANCHOR], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    found
        .map(|(id, tenant, doc)| {
            let employee: Employee = serde_json::from_str(&doc)?;
            Ok((id, format!("{} (profile {} of {tenant})", employee.display(), employee.id)))
        })
        .transpose()
}

/// A verdict that nobody has acted upon yet.
pub(super) struct Pending {
    pub review: i64,
    pub org: String,
    pub position: Position,
}

/// Takes the verdicts of people that were not applied yet, and applies those that join; returns whose work follows.
pub(super) fn apply_verdicts(c: &Tx, rules: &Rulebook, now: Moment) -> Result<Vec<Pending>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT r.id, r.org, r.tenant, r.profile, r.subject, r.verdict, r.by, s.doc, r.principal FROM review r
         JOIN source s ON s.tenant = r.tenant AND s.profile = r.profile WHERE r.verdict IS NOT NULL AND r.applied = 0",
    )?;
    type Row = (i64, String, String, String, String, String, [Option<String>; 2], String);
    let rows: Vec<Row> = select
        .query_map([], |row| {
            let by = [row.get(6)?, row.get(8)?];
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, by, row.get(7)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut pending = Vec::new();
    for (id, org, tenant, profile, counterpart, verdict, [by, principal], doc) in rows {
        c.prepare_cached("UPDATE review SET applied = 1 WHERE id = ?1")?.execute([id])?;
        let reviewed = Reviewed {
            review: id,
            counterpart: counterpart.clone(),
            verdict: verdict.clone(),
            by: by.clone(),
            principal: principal.clone(),
            agreed: agreed(c, id)?,
        };
        let record = Record::general(now, Event::Reviewed(reviewed));
        append(
            c,
            &Record { org: Some(org.clone()), tenant: Some(tenant.clone()), profile: Some(profile.clone()), ..record },
        )?;
        let position = Position { tenant, employee: serde_json::from_str(&doc)? };
        let own = find(c, &org, &position.tenant, &position.employee.id)?.map(|(target, _)| target);
        let counterpart = read_counterpart(c, &org, &counterpart)?;
        if let Some(target) = own
            && counterpart == Some(Counterpart::Target(target))
        {
            let (accepts, by) = (verdict == "accept", by.as_deref().unwrap_or_default());
            let said =
                keepers::Verdict { review: id, accepts, by, principal: principal.as_deref().unwrap_or_default() };
            keepers::decide(c, rules, &org, &position, &said, now)?;
        } else if verdict == "accept"
            && let (Some(target), Some(counterpart)) = (own, counterpart)
            && let outlook = of_join(c, rules, &org, target, &counterpart, now)?
        {
            if let Some(why) = outlook.refused {
                // Something has come in between: it is asked again, if it is a question still.
                c.prepare_cached("DELETE FROM review_vote WHERE review = ?1")?.execute([id])?;
                c.prepare_cached("DELETE FROM review WHERE id = ?1")?.execute([id])?;
                tracing::warn!(review = id, why, "a match that was accepted cannot be carried out any more");
            } else {
                let evidence = format!("review {id}");
                let found = Match { rule: REVIEW, evidence: &evidence, pending: None, by: by.as_deref() };
                let stays = adopt(c, &org, &position, target, &counterpart, &found, now)?;
                // Whoever joins somebody about whom another review is open waits for that one.
                if open_about(c, stays)?.is_none() {
                    c.prepare_cached("UPDATE target SET conflict = NULL WHERE id IN (?1, ?2)")?
                        .execute(params![target, stays])?;
                }
            }
        }
        pending.push(Pending { review: id, org, position });
    }
    Ok(pending)
}

/// A subject as stored; an account that somebody has by now is that somebody.
fn read_counterpart(c: &Tx, org: &str, word: &str) -> Result<Option<Counterpart>, StoreError> {
    Ok(match word.split_once(' ') {
        Some(("account", id)) => {
            Some(owner(c, org, id)?.map_or_else(|| Counterpart::Account(id.to_owned()), Counterpart::Target))
        }
        Some(("target", id)) => id.parse().ok().map(Counterpart::Target),
        _ => None,
    })
}

/// The review queue: what waits, or everything that was ever decided too.
pub fn reviews(c: &Tx, all: bool) -> Result<Vec<Review>, StoreError> {
    let mut select = c.prepare(
        "SELECT r.id, r.org, r.tenant, r.profile, s.doc, r.rule, r.why, r.who, r.since, r.verdict, r.by FROM review r
         JOIN source s ON s.tenant = r.tenant AND s.profile = r.profile WHERE ?1 OR r.verdict IS NULL ORDER BY r.id",
    )?;
    let rows = select.query_map([all], |row| {
        let doc: String = row.get(4)?;
        let name = serde_json::from_str(&doc).map(|e: crate::domain::Employee| e.display()).unwrap_or_default();
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

/// A match to decide about, with what accepting it would do.
pub fn review_outlook(
    c: &Tx,
    rules: &Rulebook,
    id: i64,
    now: Moment,
) -> Result<Option<(Review, Option<Outlook>)>, StoreError> {
    let Some(review) = reviews(c, true)?.into_iter().find(|review| review.id == id) else { return Ok(None) };
    let counterpart: String = c.query_row("SELECT subject FROM review WHERE id = ?1", [id], |row| row.get(0))?;
    let found = find(c, &review.org, &review.tenant, &review.profile)?;
    let outlook = match (found, read_counterpart(c, &review.org, &counterpart)?) {
        (Some((target, _)), Some(counterpart)) if review.verdict.is_none() => {
            Some(of_join(c, rules, &review.org, target, &counterpart, now)?)
        }
        _ => None,
    };
    Ok(Some((review, outlook)))
}

/// What somebody says about a match.
pub struct Opinion<'a> {
    pub accept: bool,
    /// The code of what was shown.
    pub code: &'a str,
    /// Whoever agrees says that two active profiles of one tenant are one person, and why.
    pub same_person: bool,
    pub why: Option<&'a str>,
    pub by: &'a str,
    pub principal: &'a str,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Opined {
    /// The service acts upon it soon.
    Decided,
    /// So many more people must agree.
    Needs { more: i64 },
    /// There is no such match, or it was decided already.
    NothingToDecide,
    /// What is shown has changed since.
    Changed { what: String, code: String },
    /// The same person has agreed already.
    Again,
    /// Both profiles are active in this tenant: it must be said that they are one person, and why.
    SayWhy { tenant: String },
    /// It cannot be done.
    Refused { why: String },
}

/// Writes down what somebody says from beside the service, which acts upon it soon.
pub fn opine(c: &Tx, rules: &Rulebook, id: i64, opinion: &Opinion, now: Moment) -> Result<Opined, StoreError> {
    let Some((_, Some(outlook))) = review_outlook(c, rules, id, now)? else { return Ok(Opined::NothingToDecide) };
    let mut select = c.prepare("SELECT principal FROM review_vote WHERE review = ?1 AND code = ?2")?;
    let agreed: Vec<String> =
        select.query_map(params![id, outlook.code], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let shown = vote::Shown {
        code: &outlook.code,
        refused: outlook.refused.as_deref(),
        twins_in: outlook.twins_in.as_deref(),
        needs: outlook.needs,
    };
    let said = vote::Opinion {
        accept: opinion.accept,
        code: opinion.code,
        says_why: opinion.same_person && opinion.why.is_some_and(|why| !why.trim().is_empty()),
        principal: opinion.principal,
    };
    let heard = vote::heard(&shown, &said, &agreed);
    if matches!(heard, Heard::Accepted | Heard::Needs(_)) {
        c.execute(
            "INSERT INTO review_vote (review, principal, by, code, why, at) VALUES (?1,?2,?3,?4,?5,?6)
             ON CONFLICT (review, principal) DO UPDATE SET by = excluded.by, code = excluded.code, why = excluded.why,
               at = excluded.at",
            params![id, opinion.principal, opinion.by, opinion.code, opinion.why, now.millis()],
        )?;
    }
    let decide =
        |verdict| Ok(if settle(c, id, verdict, opinion, now)? { Opined::Decided } else { Opined::NothingToDecide });
    match heard {
        Heard::Accepted => decide("accept"),
        Heard::Rejected => decide("reject"),
        Heard::Needs(more) => Ok(Opined::Needs { more }),
        Heard::Changed => Ok(Opined::Changed { what: outlook.changed_since(opinion.code), code: outlook.code.clone() }),
        Heard::Refused(why) => Ok(Opined::Refused { why }),
        Heard::SayWhy(tenant) => Ok(Opined::SayWhy { tenant }),
        Heard::Again => Ok(Opined::Again),
    }
}

fn settle(c: &Tx, id: i64, verdict: &str, opinion: &Opinion, now: Moment) -> Result<bool, StoreError> {
    let sql = "UPDATE review SET verdict = ?2, by = ?3, at = ?4, principal = ?5 WHERE id = ?1 AND verdict IS NULL";
    Ok(c.execute(sql, params![id, verdict, opinion.by, now.millis(), opinion.principal])? == 1)
}

/// Everybody who has agreed to a match, with their reasons.
fn agreed(c: &Tx, id: i64) -> Result<Vec<Agreed>, StoreError> {
    let mut select = c.prepare("SELECT by, principal, code, why FROM review_vote WHERE review = ?1 ORDER BY at")?;
    let rows = select.query_map([id], |row| {
        Ok(Agreed { by: row.get(0)?, principal: row.get(1)?, code: row.get(2)?, why: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl Store {
    /// The review queue.
    pub async fn reviews(&self) -> Result<Vec<Review>, StoreError> {
        self.run(|c| reviews(c, false)).await
    }
}
