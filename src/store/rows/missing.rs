//! The table `missing`: profiles that complete walks of their tenant do not show any more, and what people have decided about them.

use super::review::name_key;
use crate::clock::Moment;
use crate::domain::record::employee::Employee;
use crate::domain::record::person::Position;
use crate::store::StoreError;
use crate::store::engine::{Optional, Row, SqlError, Tx, params};

/// What a person has decided about a profile that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The person stays as they are.
    Keep,
    /// Access ends, as if Namely said that the profile is inactive.
    End,
}

impl Verdict {
    /// The word in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Keep => "keep",
            Verdict::End => "end",
        }
    }

    /// The verdict of a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Verdict::Keep, Verdict::End].into_iter().find(|verdict| verdict.as_str() == word)
    }
}

/// A profile that is missing.
pub struct Missing {
    pub tenant: String,
    pub profile: String,
    /// When the first complete walk began that did not show it.
    pub since: Moment,
    pub verdict: Option<Verdict>,
    pub by: Option<String>,
    pub why: Option<String>,
    pub at: Option<Moment>,
}

/// A profile is missing since `since`; false if that is known.
pub fn insert(c: &Tx, tenant: &str, employee: &Employee, since: Moment) -> Result<bool, StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO missing (tenant, profile, since, name_key) VALUES (?1,?2,?3,?4) ON CONFLICT DO NOTHING",
    )?;
    Ok(insert.execute(params![tenant, employee.id, since.millis(), name_key(employee)])? == 1)
}

/// A profile is missing no more.
pub fn remove(c: &Tx, tenant: &str, profile: &str) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM missing WHERE tenant = ?1 AND profile = ?2")?.execute([tenant, profile])?;
    Ok(())
}

/// Since when a profile is missing, if it is.
pub fn since(c: &Tx, tenant: &str, profile: &str) -> Result<Option<Moment>, StoreError> {
    let mut select = c.prepare_cached("SELECT since FROM missing WHERE tenant = ?1 AND profile = ?2")?;
    let found = select.query_row([tenant, profile], |row| row.get(0)).optional()?;
    Ok(found.map(Moment::from_millis))
}

pub fn find(c: &Tx, tenant: &str, profile: &str) -> Result<Option<Missing>, StoreError> {
    let all = "SELECT tenant, profile, since, verdict, by, why, at FROM missing WHERE tenant = ?1 AND profile = ?2";
    Ok(c.prepare_cached(all)?.query_row([tenant, profile], read).optional()?)
}

/// All of them, in the order of tenants and time.
pub fn all(c: &Tx) -> Result<Vec<Missing>, StoreError> {
    let all = "SELECT tenant, profile, since, verdict, by, why, at FROM missing ORDER BY tenant, since, profile";
    Ok(c.prepare(all)?.query_map([], read)?.collect::<Result<_, _>>()?)
}

fn read(row: &Row) -> Result<Missing, SqlError> {
    let word: Option<String> = row.get(3)?;
    Ok(Missing {
        tenant: row.get(0)?,
        profile: row.get(1)?,
        since: Moment::from_millis(row.get(2)?),
        verdict: word.as_deref().and_then(Verdict::parse),
        by: row.get(4)?,
        why: row.get(5)?,
        at: row.get::<Option<i64>>(6)?.map(Moment::from_millis),
    })
}

/// The profiles of a tenant that are missing.
pub fn of_tenant(c: &Tx, tenant: &str) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare_cached("SELECT profile FROM missing WHERE tenant = ?1")?;
    Ok(select.query_map([tenant], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// How many people of each tenant are missing of whom nobody has decided anything and whose access is not over.
pub fn counts(c: &Tx) -> Result<Vec<(String, i64)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT m.tenant, count(*) FROM missing m WHERE m.verdict IS NULL AND EXISTS
           (SELECT 1 FROM link l JOIN target t ON t.id = l.target
            WHERE l.tenant = m.tenant AND l.profile = m.profile AND t.ended_at IS NULL)
         GROUP BY m.tenant",
    )?;
    Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// Targets of an org with a profile of this tenant that is missing and has the same name.
pub fn namesakes(c: &Tx, org: &str, position: &Position) -> Result<Vec<i64>, StoreError> {
    let name = name_key(&position.employee);
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let mut select = c.prepare_cached(
        "SELECT DISTINCT l.target FROM missing m JOIN link l ON l.org = ?1 AND l.tenant = m.tenant AND l.profile = m.profile
         WHERE m.tenant = ?2 AND m.name_key = ?3 AND m.profile <> ?4 ORDER BY 1",
    )?;
    let rows = select.query_map([org, &position.tenant, &name, &position.employee.id], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Somebody has decided about a profile that is missing.
pub fn decide(
    c: &Tx,
    (tenant, profile): (&str, &str),
    verdict: Verdict,
    (by, principal): (&str, Option<&str>),
    why: &str,
    now: Moment,
) -> Result<(), StoreError> {
    c.execute(
        "UPDATE missing SET verdict = ?3, by = ?4, principal = ?5, why = ?6, at = ?7 WHERE tenant = ?1 AND profile = ?2",
        params![tenant, profile, verdict.as_str(), by, principal, why, now.millis()],
    )?;
    Ok(())
}
