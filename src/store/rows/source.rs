//! The tables `source`, `source_key`, `former_email` and `unreadable`: the newest document of each profile, what the rules look it up
//! by, which addresses it had before, and what of it could not be read.

use crate::clock::Moment;
use crate::domain::record::document::Held;
use crate::domain::record::employee::{ContentHash, Employee};
use crate::domain::record::person::Position;
use crate::store::StoreError;
use crate::store::engine::{Optional, Tx, params};

/// What the store holds of one profile.
pub struct Source {
    pub employee: Employee,
    pub held: Held,
    /// When the answer that showed it arrived, in milliseconds of the monotonic time of `run`.
    pub seen_at: i64,
    /// The run of the service that saw it.
    pub run: i64,
}

pub fn load(c: &Tx, tenant: &str, profile: &str) -> Result<Option<Source>, StoreError> {
    let found = c
        .prepare_cached("SELECT doc, hash, edited, seen_at, run FROM source WHERE tenant = ?1 AND profile = ?2")?
        .query_row([tenant, profile], |row| {
            let held = Held { hash: ContentHash(row.get(1)?), edited: row.get(2)? };
            let columns: (String, Held, i64, i64) = (row.get(0)?, held, row.get(3)?, row.get(4)?);
            Ok(columns)
        })
        .optional()?;
    let source = |(doc, held, seen_at, run): (String, Held, i64, i64)| {
        Ok(Source { employee: serde_json::from_str(&doc)?, held, seen_at, run })
    };
    found.map(source).transpose()
}

pub fn save(c: &Tx, tenant: &str, source: &Source) -> Result<(), StoreError> {
    let Source { employee, held, seen_at, run } = source;
    let manager = employee.manager.as_ref().map(|manager| manager.id.as_str());
    c.prepare_cached(
        "INSERT INTO source (tenant, profile, doc, hash, manager, edited, seen_at, run) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)
         ON CONFLICT (tenant, profile) DO UPDATE SET doc = excluded.doc, hash = excluded.hash,
           manager = excluded.manager, edited = excluded.edited, seen_at = excluded.seen_at, run = excluded.run",
    )?
    .execute(params![tenant, employee.id, serde_json::to_string(employee)?, held.hash.0, manager, held.edited, seen_at, run])?;
    Ok(())
}

/// What the store holds of a profile, as a position.
pub fn position(c: &Tx, tenant: &str, profile: &str) -> Result<Option<Position>, StoreError> {
    let doc: Option<String> = c
        .prepare_cached("SELECT doc FROM source WHERE tenant = ?1 AND profile = ?2")?
        .query_row([tenant, profile], |row| row.get(0))
        .optional()?;
    doc.map(|doc| Ok(Position { tenant: tenant.to_owned(), employee: serde_json::from_str(&doc)? })).transpose()
}

/// Whose profile a stored document is; one that cannot be read says so.
pub fn name_in(doc: &str) -> String {
    match serde_json::from_str::<Employee>(doc) {
        Ok(employee) => employee.display(),
        Err(e) => format!("(cannot be read: {e})"),
    }
}

/// At most so many profiles after the one of this tenant and id, in their order.
pub fn after(c: &Tx, (tenant, profile): &(String, String), most: i64) -> Result<Vec<Position>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT tenant, doc FROM source WHERE (tenant, profile) > (?1, ?2) ORDER BY tenant, profile LIMIT ?3",
    )?;
    let rows: Vec<(String, String)> = select
        .query_map(params![tenant, profile, most], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let position = |(tenant, doc): (String, String)| Ok(Position { tenant, employee: serde_json::from_str(&doc)? });
    rows.into_iter().map(position).collect()
}

/// Other profiles of the tenant of the same name; some of them, where there are many.
pub fn namesakes(c: &Tx, position: &Position) -> Result<Vec<Position>, StoreError> {
    const MOST: i64 = 5;
    let employee = &position.employee;
    let mut select = c.prepare(
        "SELECT tenant, doc FROM source WHERE tenant = ?1 AND profile <> ?2
         AND lower(json_text(doc, 'first_name') || ' ' || json_text(doc, 'last_name')) = lower(?3)
         ORDER BY profile LIMIT ?4",
    )?;
    let name = format!("{} {}", employee.first_name, employee.last_name);
    let rows: Vec<(String, String)> = select
        .query_map(params![position.tenant, employee.id, name, MOST], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let position = |(tenant, doc): (String, String)| Ok(Position { tenant, employee: serde_json::from_str(&doc)? });
    rows.into_iter().map(position).collect()
}

/// What is remembered of the documents of all profiles of a tenant.
pub fn held(c: &Tx, tenant: &str) -> Result<Vec<(String, Held)>, StoreError> {
    let mut select = c.prepare("SELECT profile, hash, edited FROM source WHERE tenant = ?1")?;
    let rows = select.query_map([tenant], |row| {
        let held = Held { hash: ContentHash(row.get(1)?), edited: row.get(2)? };
        Ok((row.get(0)?, held))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whom a profile reports to; nobody if there is no such profile.
pub fn manager_of(c: &Tx, tenant: &str, profile: &str) -> Result<Option<String>, StoreError> {
    let mut select = c.prepare_cached("SELECT manager FROM source WHERE tenant = ?1 AND profile = ?2")?;
    Ok(select.query_row([tenant, profile], |row| row.get(0)).optional()?.flatten())
}

/// The profiles that report to one.
pub fn reports(c: &Tx, tenant: &str, profile: &str) -> Result<Vec<Employee>, StoreError> {
    let mut select = c.prepare_cached("SELECT doc FROM source WHERE tenant = ?1 AND manager = ?2")?;
    let docs: Vec<String> = select.query_map([tenant, profile], |row| row.get(0))?.collect::<Result<_, _>>()?;
    docs.iter().map(|doc| Ok(serde_json::from_str(doc)?)).collect()
}

/// How many profiles of a tenant are in a group of this name.
pub fn in_group(c: &Tx, tenant: &str, name: &str) -> Result<i64, StoreError> {
    Ok(c.query_row(
        "SELECT count(*) FROM source WHERE tenant = ?1
         AND json_has(doc, 'groups', ?2)",
        [tenant, name],
        |row| row.get(0),
    )?)
}

/// What the rules look a profile up by from now on: rule and value.
pub fn save_keys<'a>(
    c: &Tx,
    position: &Position,
    keys: impl IntoIterator<Item = (&'a str, String)>,
) -> Result<(), StoreError> {
    let (tenant, profile) = (&position.tenant, &position.employee.id);
    c.prepare_cached("DELETE FROM source_key WHERE tenant = ?1 AND profile = ?2")?.execute([tenant, profile])?;
    for (rule, value) in keys {
        c.prepare_cached("INSERT INTO source_key VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
            .execute(params![rule, value, tenant, profile])?;
    }
    Ok(())
}

/// Addresses of a profile that are kept after it has another one.
const MOST_FORMER: i64 = 3;

/// A profile has another address than this one from `now` on; the newest few are kept.
pub fn had_email(c: &Tx, tenant: &str, profile: &str, email: &str, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO former_email (tenant, profile, email, at) VALUES (?1,?2,?3,?4)
         ON CONFLICT (tenant, profile, email) DO UPDATE SET at = excluded.at",
    )?
    .execute(params![tenant, profile, email, now.millis()])?;
    c.prepare_cached(
        "DELETE FROM former_email WHERE tenant = ?1 AND profile = ?2 AND email NOT IN
           (SELECT email FROM former_email WHERE tenant = ?1 AND profile = ?2 ORDER BY at DESC, email LIMIT ?3)",
    )?
    .execute(params![tenant, profile, MOST_FORMER])?;
    Ok(())
}

/// The addresses that a profile had before, the newest first.
pub fn former_emails(c: &Tx, tenant: &str, profile: &str) -> Result<Vec<String>, StoreError> {
    let mut select =
        c.prepare_cached("SELECT email FROM former_email WHERE tenant = ?1 AND profile = ?2 ORDER BY at DESC, email")?;
    Ok(select.query_map([tenant, profile], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Targets of an org with a profile that a rule looks up by this value, but for one profile itself.
pub fn targets_by_key(c: &Tx, org: &str, (rule, value): (&str, &str), but: &Position) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT DISTINCT l.target FROM source_key k
         JOIN link l ON l.org = ?1 AND l.tenant = k.tenant AND l.profile = k.profile
         WHERE k.rule = ?2 AND k.value = ?3 AND NOT (k.tenant = ?4 AND k.profile = ?5) ORDER BY 1",
    )?;
    let rows = select.query_map(params![org, rule, value, but.tenant, but.employee.id], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Profiles of a tenant that could not be read.
pub fn unreadable(c: &Tx, tenant: &str) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare("SELECT profile FROM unreadable WHERE tenant = ?1")?;
    Ok(select.query_map([tenant], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Why a profile could not be read.
pub fn why_unreadable(c: &Tx, tenant: &str, profile: &str) -> Result<Option<String>, StoreError> {
    let mut select = c.prepare_cached("SELECT why FROM unreadable WHERE tenant = ?1 AND profile = ?2")?;
    Ok(select.query_row([tenant, profile], |row| row.get(0)).optional()?)
}

/// A profile cannot be read, since `since` (milliseconds) if that is new.
pub fn is_unreadable(c: &Tx, tenant: &str, profile: &str, why: &str, since: i64) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO unreadable VALUES (?1, ?2, ?3, ?4) ON CONFLICT (tenant, profile) DO UPDATE SET why = excluded.why",
    )?
    .execute(params![tenant, profile, why, since])?;
    Ok(())
}

/// A profile can be read again; of one that could not be for a reason that begins like `why`, if one is given.
pub fn is_mended(c: &Tx, tenant: &str, profile: &str, why: Option<&str>) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM unreadable WHERE tenant = ?1 AND profile = ?2 AND why LIKE ?3 || '%'")?.execute([
        tenant,
        profile,
        why.unwrap_or_default(),
    ])?;
    Ok(())
}
