//! The table `link`: whom a profile belongs to, in each org that it is routed to.

use crate::domain::record::employee::Employee;
use crate::domain::record::person::Position;
use crate::domain::record::profiles::Profiles;
use crate::store::StoreError;
use crate::store::engine::{Many, Of, Optional, Tx, params};
use crate::store::rows::known::keyed;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A profile of a tenant.
const PROFILE: &[(&str, Of)] = &[("tenant", Of::Text), ("profile", Of::Text)];

/// The target that a profile has in an org, and whether it is routed there.
pub fn find(c: &Tx, org: &str, tenant: &str, profile: &str) -> Result<Option<(i64, bool)>, StoreError> {
    Ok(c.prepare_cached("SELECT target, routed FROM link WHERE org = ?1 AND tenant = ?2 AND profile = ?3")?
        .query_row([org, tenant, profile], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

/// The target that a profile has in an org, and the account of that target.
pub fn with_account(
    c: &Tx,
    org: &str,
    tenant: &str,
    profile: &str,
) -> Result<Option<(i64, Option<String>)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT t.id, t.okta_id FROM link l JOIN target t ON t.id = l.target
         WHERE l.org = ?1 AND l.tenant = ?2 AND l.profile = ?3",
    )?;
    Ok(select.query_row([org, tenant, profile], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The tenant and the target of a profile in an org, whatever its tenant.
pub fn of_any_tenant(c: &Tx, org: &str, profile: &str) -> Result<Option<(String, i64)>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT tenant, target FROM link WHERE org = ?1 AND profile = ?2 ORDER BY tenant LIMIT 1")?;
    Ok(select.query_row([org, profile], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The targets that share a profile with one, in all orgs.
pub fn sharing(c: &Tx, target: i64) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT DISTINCT o.target FROM link l JOIN link o ON o.tenant = l.tenant AND o.profile = l.profile
         WHERE l.target = ?1 AND o.target <> ?1",
    )?;
    Ok(select.query_map([target], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The targets that a profile has, each with its org.
pub fn in_orgs(c: &Tx, tenant: &str, profile: &str) -> Result<Vec<(String, i64)>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT org, target FROM link WHERE tenant = ?1 AND profile = ?2 ORDER BY org")?;
    Ok(select.query_map([tenant, profile], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

const OF_PROFILES: Many = Many {
    given: PROFILE,
    sql: "SELECT l.profile, l.org, l.target, l.routed FROM given g CROSS JOIN link l
          WHERE l.tenant = g.tenant AND l.profile = g.profile",
};

/// The link of a profile in an org: its target there, and whether it is routed there.
pub type InEachOrg = BTreeMap<String, (i64, bool)>;

/// The links of these profiles of a tenant, by profile and org.
pub fn of_profiles(c: &Tx, tenant: &str, profiles: &[&str]) -> Result<BTreeMap<String, InEachOrg>, StoreError> {
    let rows: Vec<(String, String, (i64, bool))> = c.find(&OF_PROFILES, &keyed(tenant, profiles), |row| {
        Ok((row.get(0)?, row.get(1)?, (row.get(2)?, row.get(3)?)))
    })?;
    let mut found: BTreeMap<String, InEachOrg> = BTreeMap::new();
    for (profile, org, link) in rows {
        found.entry(profile).or_default().insert(org, link);
    }
    Ok(found)
}

/// Links a profile to a target, if it has none in the org yet, and writes down whether it is routed there.
pub fn save(c: &Tx, org: &str, position: &Position, target: i64, routed: bool) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO link VALUES (?1,?2,?3,?4,?5) ON CONFLICT (org, tenant, profile) DO UPDATE SET routed = excluded.routed",
    )?
    .execute(params![org, position.tenant, position.employee.id, target, routed])?;
    Ok(())
}

/// Gives a profile another target.
pub fn relink(c: &Tx, org: &str, position: &Position, target: i64) -> Result<(), StoreError> {
    c.execute(
        "UPDATE link SET target = ?4 WHERE org = ?1 AND tenant = ?2 AND profile = ?3",
        params![org, position.tenant, position.employee.id, target],
    )?;
    Ok(())
}

/// All profiles of a target belong to another one from now on.
pub fn relink_all(c: &Tx, from: i64, into: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE link SET target = ?2 WHERE target = ?1")?.execute([from, into])?;
    Ok(())
}

/// Nobody is routed anywhere, until everybody is routed anew.
pub fn unroute_all(c: &Tx) -> Result<(), StoreError> {
    c.execute("UPDATE link SET routed = 0", [])?;
    Ok(())
}

/// The profiles of a target.
pub fn profiles(c: &Tx, target: i64) -> Result<Profiles, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT l.tenant, s.doc, l.routed FROM link l JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         WHERE l.target = ?1 ORDER BY l.routed DESC, l.tenant, l.profile",
    )?;
    let rows: Vec<(String, String, bool)> =
        select.query_map([target], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let position = |(tenant, doc, is_routed): (String, String, bool)| -> Result<_, StoreError> {
        Ok((Position { tenant, employee: serde_json::from_str(&doc)? }, is_routed))
    };
    Ok(Profiles::new(rows.into_iter().map(position).collect::<Result<Vec<_>, _>>()?))
}

/// The name of a target's person, for people.
pub fn name_of(c: &Tx, target: i64) -> Result<Option<String>, StoreError> {
    let doc: Option<String> = c
        .prepare_cached(
            "SELECT s.doc FROM link l JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
             WHERE l.target = ?1 ORDER BY l.routed DESC LIMIT 1",
        )?
        .query_row([target], |row| row.get(0))
        .optional()?;
    doc.map(|doc| Ok(serde_json::from_str::<Employee>(&doc)?.display())).transpose()
}

/// Targets of a tenant in an org that have profiles of other tenants too.
pub fn shared(c: &Tx, org: &str, tenant: &str) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare(
        "SELECT DISTINCT l.target FROM link l WHERE l.org = ?1 AND l.tenant = ?2
         AND EXISTS (SELECT 1 FROM link o WHERE o.target = l.target AND o.tenant <> l.tenant)",
    )?;
    Ok(select.query_map([org, tenant], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Somebody in an org.
pub type InOrg = (i64, String);

/// The people of those sources for which a condition about the profiles that are given holds; who waits for a decision about who
/// they are is not told.
macro_rules! people_whose {
    ($which:literal) => {
        Many {
            given: PROFILE,
            sql: concat!(
                "SELECT DISTINCT l.target, l.org FROM given g CROSS JOIN source s CROSS JOIN link l CROSS JOIN target t
                 WHERE s.tenant = g.tenant AND l.tenant = s.tenant AND l.profile = s.profile AND t.id = l.target
                 AND t.conflict IS NULL AND ",
                $which
            ),
        }
    };
}

const PEOPLE_OF: Many = people_whose!("s.profile = g.profile");
const INACTIVE_OF: Many = people_whose!("s.profile = g.profile AND json_text(s.doc, 'user_status') = 'inactive'");
const PEOPLE_UNDER: Many = people_whose!("s.manager = g.profile");

fn people(c: &Tx, whose: &Many, tenant: &str, profiles: &BTreeSet<&str>) -> Result<Vec<InOrg>, StoreError> {
    let profiles: Vec<&str> = profiles.iter().copied().collect();
    Ok(c.find(whose, &keyed(tenant, &profiles), |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Whoever is the person of one of these profiles, in each org.
pub fn people_of(c: &Tx, tenant: &str, profiles: &BTreeSet<&str>) -> Result<Vec<InOrg>, StoreError> {
    people(c, &PEOPLE_OF, tenant, profiles)
}

/// Whoever is the person of one of these profiles that is inactive, in each org.
pub fn inactive_people_of(c: &Tx, tenant: &str, profiles: &BTreeSet<&str>) -> Result<Vec<InOrg>, StoreError> {
    people(c, &INACTIVE_OF, tenant, profiles)
}

/// Whoever reports to one of these profiles, in each org.
pub fn people_under(c: &Tx, tenant: &str, profiles: &BTreeSet<&str>) -> Result<Vec<InOrg>, StoreError> {
    people(c, &PEOPLE_UNDER, tenant, profiles)
}

/// Whoever reports to somebody: all of them, or only those whose link waits for the manager's account, and those who are being worked
/// on: their plan may have been made before there was one.
pub fn reports_of(c: &Tx, target: i64, only_waiting: bool) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT DISTINCT t.id FROM link l
         JOIN source s ON s.tenant = l.tenant AND s.manager = l.profile
         JOIN link r ON r.org = l.org AND r.tenant = s.tenant AND r.profile = s.profile
         JOIN target t ON t.id = r.target
         WHERE l.target = ?1 AND t.conflict IS NULL AND (t.waits = 1 OR NOT ?2
           OR EXISTS (SELECT 1 FROM work w WHERE w.target = t.id AND w.token IS NOT NULL))",
    )?;
    Ok(select.query_map(params![target, only_waiting], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Whose account this is in an org, with the accounts of those whom their profiles report to; nobody if they have left.
pub fn owner_and_managers(c: &Tx, org: &str, okta_id: &str) -> Result<Vec<(i64, Option<String>)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT t.id, m.okta_id FROM target t JOIN link l ON l.target = t.id AND l.routed = 1
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         LEFT JOIN link k ON k.org = t.org AND k.tenant = s.tenant AND k.profile = s.manager
         LEFT JOIN target m ON m.id = k.target
         WHERE t.org = ?1 AND t.okta_id = ?2 AND t.ended_at IS NULL",
    )?;
    Ok(select.query_map([org, okta_id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// The accounts of everybody in an org who is somebody's manager.
pub fn managers(c: &Tx, org: &str) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare(
        "SELECT DISTINCT t.okta_id FROM source s
         JOIN link l ON l.org = ?1 AND l.tenant = s.tenant AND l.profile = s.manager
         JOIN target t ON t.id = l.target WHERE s.manager IS NOT NULL AND t.okta_id IS NOT NULL",
    )?;
    Ok(select.query_map([org], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The profiles, in each org, of everybody who waits for a decision about who they are; of one tenant if one is given.
pub fn undecided(c: &Tx, tenant: Option<&str>) -> Result<Vec<(String, Position)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT t.org, l.tenant, s.doc FROM target t JOIN link l ON l.target = t.id
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         WHERE t.conflict IS NOT NULL AND (CAST(?1 AS TEXT) IS NULL OR l.tenant = ?1)",
    )?;
    let rows: Vec<(String, String, String)> =
        select.query_map([tenant], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let position = |(org, tenant, doc): (String, String, String)| {
        Ok((org, Position { tenant, employee: serde_json::from_str(&doc)? }))
    };
    rows.into_iter().map(position).collect()
}

/// The targets of an org that a word means: a profile, an email, a login, or a name if only one person has it.
pub fn meant(c: &Tx, org: &str, word: &str) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare(
        "SELECT DISTINCT t.id FROM target t JOIN link l ON l.target = t.id
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         WHERE t.org = ?1 AND (s.profile = ?2 OR a.okta_id = ?2 OR a.login_key = lower(?2)
           OR lower(json_text(s.doc, 'email')) = lower(?2)
           OR lower(json_text(s.doc, 'first_name') || ' ' || json_text(s.doc, 'last_name')) = lower(?2))",
    )?;
    Ok(select.query_map([org, word], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The link of a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linked {
    /// The org, by its name in the configuration.
    pub org: String,
    /// The tenant, by its name in the configuration.
    pub tenant: String,
    /// The UUID of the profile.
    pub profile: String,
    /// The person of the profile, as Namely has them.
    pub name: String,
    /// The person in the org, by the store's id.
    pub target: i64,
    /// Other profiles of the same person.
    pub shares: i64,
    /// Of the account, if there is one.
    pub login: Option<String>,
    /// Okta's id of the account, if there is one.
    pub account: Option<String>,
    /// Okta's word for the status of the account, if there is one.
    pub status: Option<String>,
    /// The rule that made the match; `created` if this service made the account.
    pub rule: String,
    /// The value that both have; empty where none was needed.
    pub evidence: String,
    /// When it was matched, in milliseconds.
    pub at: Option<i64>,
    /// Who decided it, if somebody did.
    pub by: Option<String>,
    /// Whether this service wrote the anchor, or proved it while the account was linked.
    pub anchored: bool,
}

/// Every link, of one org if one is given, in the order of orgs and people.
pub fn linked(c: &Tx, org: Option<&str>) -> Result<Vec<Linked>, StoreError> {
    let mut select = c.prepare(
        "SELECT l.org, l.tenant, l.profile, s.doc, l.target, (SELECT count(*) FROM link o WHERE o.target = l.target) - 1,
           json_text(a.doc, 'login'), t.okta_id, a.status, m.rule, m.evidence, m.at, m.by,
           EXISTS (SELECT 1 FROM anchored n WHERE n.org = l.org AND n.anchor = l.profile AND n.okta_id = t.okta_id), t.rule
         FROM link l JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile JOIN target t ON t.id = l.target
         LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         LEFT JOIN matched m ON m.org = l.org AND m.tenant = l.tenant AND m.profile = l.profile
         WHERE (CAST(?1 AS TEXT) IS NULL OR l.org = ?1) ORDER BY l.org, l.target, l.tenant, l.profile",
    )?;
    let rows = select.query_map([org], |row| {
        let doc: String = row.get(3)?;
        let (account, rule): (Option<String>, Option<String>) = (row.get(7)?, row.get(9)?);
        let earlier: Option<String> = row.get(14)?;
        let made = if account.is_some() { "created" } else { "none" };
        Ok(Linked {
            org: row.get(0)?,
            tenant: row.get(1)?,
            profile: row.get(2)?,
            name: super::source::name_in(&doc),
            target: row.get(4)?,
            shares: row.get(5)?,
            login: row.get(6)?,
            account,
            status: row.get(8)?,
            rule: rule.or(earlier).unwrap_or_else(|| made.into()),
            evidence: row.get::<Option<String>>(10)?.unwrap_or_default(),
            at: row.get(11)?,
            by: row.get(12)?,
            anchored: row.get(13)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// People who are read at a time.
const BATCH: usize = 4096;

/// Everybody of an org, as far as mappings need them: in one pass over the store, some thousand at a time.
pub fn population(
    c: &Tx,
    org: &str,
    mut each: impl FnMut(Vec<StoredPerson>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut batch: Vec<StoredPerson> = Vec::with_capacity(BATCH);
    c.each(
        "SELECT t.id, l.tenant, s.doc, a.doc FROM target t JOIN link l ON l.target = t.id AND l.routed = 1
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         WHERE t.org = ?1 ORDER BY t.id, l.tenant, l.profile",
        [org],
        |row| {
            let (target, tenant, document): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            match batch.last_mut().filter(|last| last.target == target) {
                Some(last) => last.documents.push((tenant, document)),
                None => {
                    if batch.len() >= BATCH {
                        each(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))?;
                    }
                    batch.push(StoredPerson { target, documents: vec![(tenant, document)], account: row.get(3)? });
                }
            }
            Ok(())
        },
    )?;
    each(batch)
}

/// Somebody of an org as stored.
pub struct StoredPerson {
    /// Number of the target.
    pub target: i64,
    /// Tenant and document.
    pub documents: Vec<(String, String)>,
    /// The account as it was last observed, as JSON; `None` without one.
    pub account: Option<String>,
}
