//! The tables `review` and `review_vote`: matches that people decide about, and who has said what.

use crate::audit::details::Agreed;
use crate::clock::Moment;
use crate::domain::mapping::functions::slug;
use crate::domain::matching::correlation::{ANCHOR, BEFORE, Candidate, Counterpart, ONLY_LINK};
use crate::domain::record::employee::Employee;
use crate::domain::record::person::Position;
use crate::store::StoreError;
use crate::store::engine::{Optional, Tx, params};
use serde::{Deserialize, Serialize};

/// What stands in the queue under a name: how it is found whether somebody may be one of those it is about.
pub fn name_key(employee: &Employee) -> String {
    let (first, last) = (slug(&employee.first_name), slug(&employee.last_name));
    if first.is_empty() || last.is_empty() { String::new() } else { format!("{first} {last}") }
}

/// Asks about one candidate of a profile, besides what else is asked about it; what was asked before keeps its number.
pub fn ask(
    c: &Tx,
    org: &str,
    position: &Position,
    candidate: &Candidate,
    why: &str,
    now: Moment,
) -> Result<(), StoreError> {
    let employee = &position.employee;
    c.prepare_cached(
        "INSERT INTO review (org, tenant, profile, subject, rule, why, who, since, name_key)
         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)
         ON CONFLICT (org, tenant, profile, subject) DO UPDATE SET rule = excluded.rule, why = excluded.why,
           who = excluded.who, name_key = excluded.name_key, verdict = NULL, by = NULL, at = NULL, applied = 0,
           since = CASE WHEN review.verdict IS NULL THEN review.since ELSE excluded.since END",
    )?
    .execute(params![
        org,
        position.tenant,
        employee.id,
        candidate.counterpart.key(),
        candidate.rule,
        why,
        candidate.described,
        now.millis(),
        name_key(employee)
    ])?;
    Ok(())
}

/// Asks about these candidates of a profile, and about no others; what was asked before keeps its number. Returns the first of
/// them.
pub fn ask_all(
    c: &Tx,
    org: &str,
    position: &Position,
    candidates: &[Candidate],
    why: &str,
    now: Moment,
) -> Result<Option<i64>, StoreError> {
    for candidate in candidates {
        ask(c, org, position, candidate, why, now)?;
    }
    close_others(c, org, position, candidates)?;
    first(c, org, position)
}

/// The first that is asked about a profile.
fn first(c: &Tx, org: &str, position: &Position) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND verdict IS NULL ORDER BY id LIMIT 1",
    )?;
    Ok(select.query_row([org, &position.tenant, &position.employee.id], |row| row.get(0)).optional()?)
}

/// What was asked about a profile in place of a rule is no question any more.
pub fn close(c: &Tx, org: &str, position: &Position, rule: &str) -> Result<(), StoreError> {
    c.prepare_cached(
        "DELETE FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND verdict IS NULL AND rule = ?4",
    )?
    .execute([org, &position.tenant, &position.employee.id, rule])?;
    Ok(())
}

/// What was asked about whom a profile may be and is no question any more, besides these candidates; whether the link that it
/// has is right stays one.
pub fn close_others(c: &Tx, org: &str, position: &Position, but: &[Candidate]) -> Result<(), StoreError> {
    let but: Vec<String> = but.iter().map(|candidate| candidate.counterpart.key()).collect();
    c.prepare_cached(
        "DELETE FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND verdict IS NULL
         AND rule <> ?5 AND subject NOT IN json_texts(?4)",
    )?
    .execute(params![org, position.tenant, position.employee.id, serde_json::to_string(&but)?, ONLY_LINK])?;
    Ok(())
}

/// An open review about one of the profiles of a target, or about its being somebody else.
pub fn open_about(c: &Tx, target: i64) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT min(r.id) FROM link l JOIN review r USING (org, tenant, profile)
         WHERE l.target = ?1 AND r.verdict IS NULL",
    )?;
    Ok(select.query_row([target], |row| row.get(0))?)
}

/// An open review about whether somebody is the person of a target, or has its account; and the profile it is about, with its tenant.
pub fn open_on(
    c: &Tx,
    org: &str,
    (target, account): (&Counterpart, Option<&Counterpart>),
) -> Result<Option<(i64, String, String)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, tenant, profile FROM review WHERE org = ?1 AND subject IN (?2, ?3) AND verdict IS NULL AND rule <> ?4
         ORDER BY id LIMIT 1",
    )?;
    let keys = (target.key(), account.map(Counterpart::key));
    let found =
        select.query_row(params![org, keys.0, keys.1, ONLY_LINK], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    Ok(found.optional()?)
}

/// An open review about another profile of the same name, and who that is. Which of several accounts that carry its own anchor
/// are somebody's, and whether it is a leaver whose account it keeps in use, is no question about anybody else.
pub fn namesake(c: &Tx, org: &str, position: &Position) -> Result<Option<(i64, String)>, StoreError> {
    let name = name_key(&position.employee);
    if name.is_empty() {
        return Ok(None);
    }
    let mut select = c.prepare_cached(
        "SELECT r.id, r.tenant, s.doc FROM review r JOIN source s ON s.tenant = r.tenant AND s.profile = r.profile
         WHERE r.org = ?1 AND r.name_key = ?2 AND r.verdict IS NULL AND NOT (r.tenant = ?3 AND r.profile = ?4)
           AND NOT (r.rule IN (?5, ?6) AND EXISTS (SELECT 1 FROM link l JOIN target t ON t.id = l.target
             WHERE l.org = r.org AND l.tenant = r.tenant AND l.profile = r.profile AND t.okta_id IS NOT NULL))
         ORDER BY r.id LIMIT 1",
    )?;
    let found: Option<(i64, String, String)> = select
        .query_row([org, &name, &position.tenant, &position.employee.id, ANCHOR, ONLY_LINK], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let who = |(id, tenant, doc): (i64, String, String)| {
        Ok((id, Position { tenant, employee: serde_json::from_str(&doc)? }.described()))
    };
    found.map(who).transpose()
}

/// The keys of those of whom a person has said that a profile is not them.
pub fn rejected(c: &Tx, org: &str, position: &Position) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT subject FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND verdict = 'reject'",
    )?;
    Ok(select.query_map([org, &position.tenant, &position.employee.id], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// An account of which a person has said that it is not a profile's.
pub struct Refused {
    pub review: i64,
    /// The key of the account.
    pub key: String,
    /// It was theirs before, and was taken from them.
    pub is_split: bool,
    pub by: String,
    pub at: Moment,
}

/// The accounts of which people have said that a profile does not have them.
pub fn refused(c: &Tx, org: &str, position: &Position) -> Result<Vec<Refused>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, subject, rule = 'split', coalesce(by, 'somebody'), coalesce(at, since) FROM review
         WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND verdict = 'reject' AND subject LIKE 'account %' ORDER BY id",
    )?;
    let rows = select.query_map([org, &position.tenant, &position.employee.id], |row| {
        Ok(Refused {
            review: row.get(0)?,
            key: row.get(1)?,
            is_split: row.get(2)?,
            by: row.get(3)?,
            at: Moment::from_millis(row.get(4)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Those who have left and of whom a person has said that an account is not theirs.
pub fn leavers_refused(c: &Tx) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT DISTINCT t.id FROM review r JOIN link l ON l.org = r.org AND l.tenant = r.tenant AND l.profile = r.profile
         JOIN target t ON t.id = l.target
         WHERE r.verdict = 'reject' AND r.subject LIKE 'account %' AND t.ended_at IS NOT NULL",
    )?;
    Ok(select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Targets of whom a profile was a part, and about whom people are asked since.
pub fn parted_from(c: &Tx, org: &str, position: &Position) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT subject FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND rule = ?4 AND verdict IS NULL",
    )?;
    let keys: Vec<String> = select
        .query_map([org, &position.tenant, &position.employee.id, BEFORE], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let target = |key: &String| match Counterpart::parse(key) {
        Some(Counterpart::Target(target)) => Some(target),
        _ => None,
    };
    Ok(keys.iter().filter_map(target).collect())
}

/// When two people said last, with their reasons, that a profile is one of these, in milliseconds.
pub fn said_at(
    c: &Tx,
    org: &str,
    position: &Position,
    (target, account): (&Counterpart, Option<&Counterpart>),
) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT max(r.at) FROM review r WHERE r.org = ?1 AND r.tenant = ?2 AND r.profile = ?3 AND r.verdict = 'accept'
         AND r.subject IN (?4, ?5) AND EXISTS (SELECT 1 FROM review_vote v WHERE v.review = r.id
           AND trim(coalesce(v.why, '')) <> '' GROUP BY v.code HAVING count(*) > 1)",
    )?;
    let keys = (target.key(), account.map(Counterpart::key));
    let found = select.query_row(params![org, position.tenant, position.employee.id, keys.0, keys.1], |row| row.get(0));
    Ok(found.optional()?.flatten())
}

/// What was said about one target holds for another one too.
pub fn hand_over(c: &Tx, from: i64, into: i64) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE review SET subject = ?2 WHERE subject = ?1 AND NOT EXISTS (SELECT 1 FROM review o WHERE o.org = review.org
           AND o.tenant = review.tenant AND o.profile = review.profile AND o.subject = ?2)",
    )?
        .execute([Counterpart::Target(from).key(), Counterpart::Target(into).key()])?;
    Ok(())
}

/// Who rejects a match for good, and why.
pub struct Rejection<'a> {
    pub why: &'a str,
    pub by: &'a str,
    pub principal: &'a str,
}

/// No rule makes this match again.
pub fn reject(
    c: &Tx,
    org: &str,
    position: &Position,
    counterpart: &Counterpart,
    said: &Rejection,
    now: Moment,
) -> Result<(), StoreError> {
    c.execute(
        "INSERT INTO review (org, tenant, profile, subject, rule, why, who, since, verdict, by, at, applied, principal)
         VALUES (?1,?2,?3,?4,'split',?5,?6,?7,'reject',?8,?7,1,?9)
         ON CONFLICT (org, tenant, profile, subject) DO UPDATE SET verdict = 'reject', by = excluded.by,
           at = excluded.at, why = excluded.why, applied = 1, principal = excluded.principal",
        params![
            org,
            position.tenant,
            position.employee.id,
            counterpart.key(),
            format!("split: {}", said.why),
            position.described(),
            now.millis(),
            said.by,
            said.principal
        ],
    )?;
    Ok(())
}

/// A match that a person must decide about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// What a decision names it by.
    pub id: i64,
    /// The org, by its name in the configuration.
    pub org: String,
    /// The tenant, by its name in the configuration.
    pub tenant: String,
    /// The UUID of the profile.
    pub profile: String,
    /// The person of the profile, as Namely has them.
    pub name: String,
    /// The rule that has found the match.
    pub rule: String,
    /// Why it does not decide by itself.
    pub why: String,
    /// The candidate, for people.
    pub who: String,
    /// When it was first seen, in milliseconds.
    pub since: i64,
    /// What it came to; `None` while it waits.
    pub verdict: Option<String>,
    /// Whoever has decided.
    pub by: Option<String>,
}

/// What waits to be decided about; everything that was ever decided too, if `all` is asked for.
pub fn queue(c: &Tx, all: bool) -> Result<Vec<Review>, StoreError> {
    let mut select = c.prepare(
        "SELECT r.id, r.org, r.tenant, r.profile, s.doc, r.rule, r.why, r.who, r.since, r.verdict, r.by FROM review r
         JOIN source s ON s.tenant = r.tenant AND s.profile = r.profile WHERE ?1 OR r.verdict IS NULL ORDER BY r.id",
    )?;
    let rows = select.query_map([all], |row| {
        let doc: String = row.get(4)?;
        Ok(Review {
            id: row.get(0)?,
            org: row.get(1)?,
            tenant: row.get(2)?,
            profile: row.get(3)?,
            name: super::source::name_in(&doc),
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

/// What people have decided about a match.
pub struct Decided {
    pub review: i64,
    pub org: String,
    pub position: Position,
    /// The key of the counterpart.
    pub key: String,
    pub verdict: String,
    pub by: Option<String>,
    pub principal: Option<String>,
}

/// What people have decided and nobody has acted upon yet.
pub fn decided(c: &Tx) -> Result<Vec<Decided>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT r.id, r.org, r.tenant, s.doc, r.subject, r.verdict, r.by, r.principal FROM review r
         JOIN source s ON s.tenant = r.tenant AND s.profile = r.profile WHERE r.verdict IS NOT NULL AND r.applied = 0",
    )?;
    let mut rows = select.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let doc: String = row.get(3)?;
        found.push(Decided {
            review: row.get(0)?,
            org: row.get(1)?,
            position: Position { tenant: row.get(2)?, employee: serde_json::from_str(&doc)? },
            key: row.get(4)?,
            verdict: row.get(5)?,
            by: row.get(6)?,
            principal: row.get(7)?,
        });
    }
    Ok(found)
}

/// A decision is acted upon.
pub fn applied(c: &Tx, review: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE review SET applied = 1 WHERE id = ?1")?.execute([review])?;
    Ok(())
}

/// A question is as if it had never been asked.
pub fn forget(c: &Tx, review: i64) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM review_vote WHERE review = ?1")?.execute([review])?;
    c.prepare_cached("DELETE FROM review WHERE id = ?1")?.execute([review])?;
    Ok(())
}

/// The key of the counterpart that a review is about.
pub fn key_of(c: &Tx, review: i64) -> Result<String, StoreError> {
    Ok(c.query_row("SELECT subject FROM review WHERE id = ?1", [review], |row| row.get(0))?)
}

/// Writes a verdict; false if there was one, unless it was a rejection that is decided about `again`.
pub fn settle(
    c: &Tx,
    review: i64,
    verdict: &str,
    (by, principal): (&str, &str),
    again: bool,
    now: Moment,
) -> Result<bool, StoreError> {
    let sql = "UPDATE review SET verdict = ?2, by = ?3, at = ?4, principal = ?5, applied = 0
               WHERE id = ?1 AND (verdict IS NULL OR (?6 AND verdict = 'reject'))";
    Ok(c.execute(sql, params![review, verdict, by, now.millis(), principal, again])? == 1)
}

/// Somebody agrees to a match.
pub fn agree(c: &Tx, review: i64, said: &Agreed, now: Moment) -> Result<(), StoreError> {
    c.execute(
        "INSERT INTO review_vote (review, principal, by, code, why, at) VALUES (?1,?2,?3,?4,?5,?6)
         ON CONFLICT (review, principal) DO UPDATE SET by = excluded.by, code = excluded.code, why = excluded.why,
           at = excluded.at",
        params![review, said.principal, said.by, said.code, said.why, now.millis()],
    )?;
    Ok(())
}

/// Everybody who has agreed to a match, with their reasons.
pub fn agreed(c: &Tx, review: i64) -> Result<Vec<Agreed>, StoreError> {
    let mut select = c.prepare("SELECT by, principal, code, why FROM review_vote WHERE review = ?1 ORDER BY at")?;
    let rows = select.query_map([review], |row| {
        Ok(Agreed { by: row.get(0)?, principal: row.get(1)?, code: row.get(2)?, why: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
