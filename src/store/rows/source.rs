//! The tables `source`, `source_key`, `former_email` and `unreadable`: the newest document of each profile, what the rules look it up
//! by, which addresses it had before, and what of it could not be read.

use crate::clock::Moment;
use crate::domain::record::document::Held;
use crate::domain::record::employee::{ContentHash, Employee};
use crate::domain::record::person::Position;
use crate::store::StoreError;
use crate::store::engine::{Many, Of, Optional, Tx, Value, params};
use crate::store::rows::known::keyed;
use std::collections::{BTreeMap, BTreeSet};

/// A profile of a tenant.
const PROFILE: &[(&str, Of)] = &[("tenant", Of::Text), ("profile", Of::Text)];

/// What the store holds of one profile.
pub struct Source {
    pub employee: Employee,
    pub held: Held,
    /// When the answer that showed it arrived, in milliseconds of the monotonic time of `run`.
    pub seen_at: i64,
    /// The run of the service that saw it.
    pub run: i64,
}

/// What the store holds of a profile, without the document itself.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    pub hash: ContentHash,
    /// As of `Source`.
    pub seen_at: i64,
    pub run: i64,
}

const RECEIPTS: Many = Many {
    given: PROFILE,
    sql: "SELECT s.profile, s.hash, s.seen_at, s.run FROM given g CROSS JOIN source s
          WHERE s.tenant = g.tenant AND s.profile = g.profile",
};

/// What the store holds of these profiles of a tenant, without the documents.
pub fn receipts(c: &Tx, tenant: &str, profiles: &[&str]) -> Result<BTreeMap<String, Receipt>, StoreError> {
    let found = c.find(&RECEIPTS, &keyed(tenant, profiles), |row| {
        Ok((row.get(0)?, Receipt { hash: ContentHash(row.get(1)?), seen_at: row.get(2)?, run: row.get(3)? }))
    })?;
    Ok(found.into_iter().collect())
}

const DOCUMENTS: Many = Many {
    given: PROFILE,
    sql: "SELECT s.profile, s.doc FROM given g CROSS JOIN source s WHERE s.tenant = g.tenant AND s.profile = g.profile",
};

/// The documents of these profiles of a tenant.
pub fn documents(c: &Tx, tenant: &str, profiles: &[&str]) -> Result<BTreeMap<String, Employee>, StoreError> {
    let found: Vec<(String, String)> =
        c.find(&DOCUMENTS, &keyed(tenant, profiles), |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.into_iter().map(|(profile, doc)| Ok((profile, serde_json::from_str(&doc)?))).collect()
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

const SAVE: Many = Many {
    given: &[
        ("tenant", Of::Text),
        ("profile", Of::Text),
        ("doc", Of::Text),
        ("hash", Of::Blob),
        ("manager", Of::Text),
        ("edited", Of::Int),
        ("seen_at", Of::Int),
        ("run", Of::Int),
    ],
    sql: "INSERT INTO source (tenant, profile, doc, hash, manager, edited, seen_at, run)
          SELECT * FROM given WHERE tenant IS NOT NULL
          ON CONFLICT (tenant, profile) DO UPDATE SET doc = excluded.doc, hash = excluded.hash, manager = excluded.manager,
            edited = excluded.edited, seen_at = excluded.seen_at, run = excluded.run",
};

/// Writes documents of a tenant.
pub fn save_all<'a>(c: &Tx, tenant: &str, all: impl IntoIterator<Item = &'a Source>) -> Result<(), StoreError> {
    let all: Vec<&Source> = all.into_iter().collect();
    let docs: Vec<String> = all.iter().map(|one| serde_json::to_string(&one.employee)).collect::<Result<_, _>>()?;
    let rows = all.iter().zip(&docs).map(|(source, doc)| {
        let manager = source.employee.manager.as_ref().map(|manager| manager.id.as_str());
        [
            Value::Text(tenant),
            Value::Text(&source.employee.id),
            Value::Text(doc),
            Value::Blob(&source.held.hash.0),
            manager.map_or(Value::Null, Value::Text),
            source.held.edited.map_or(Value::Null, Value::Int),
            Value::Int(source.seen_at),
            Value::Int(source.run),
        ]
    });
    let rows: Vec<_> = rows.collect();
    c.put(&SAVE, &rows)?;
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

const ABOVE: Many = Many {
    given: PROFILE,
    sql: ", up(tenant, profile, manager) AS (
            SELECT s.tenant, s.profile, s.manager FROM given g CROSS JOIN source s
              WHERE s.tenant = g.tenant AND s.profile = g.profile
            UNION SELECT s.tenant, s.profile, s.manager FROM up u CROSS JOIN source s
              WHERE s.tenant = u.tenant AND s.profile = u.manager)
          SELECT profile, manager FROM up",
};

/// Whom these profiles of a tenant report to, and everybody above.
pub fn above(c: &Tx, tenant: &str, profiles: &[&str]) -> Result<BTreeMap<String, Option<String>>, StoreError> {
    let found = c.find(&ABOVE, &keyed(tenant, profiles), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.into_iter().collect())
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

const KEYS: Many = Many {
    given: PROFILE,
    sql: "SELECT k.profile, k.rule, k.value FROM given g CROSS JOIN source_key k
          WHERE k.tenant = g.tenant AND k.profile = g.profile",
};

const FORGET_KEYS: Many = Many {
    given: PROFILE,
    sql: "DELETE FROM source_key WHERE (tenant, profile) IN (SELECT tenant, profile FROM given)",
};

const SAVE_KEYS: Many = Many {
    given: &[("rule", Of::Text), ("value", Of::Text), ("tenant", Of::Text), ("profile", Of::Text)],
    sql: "INSERT INTO source_key (rule, value, tenant, profile) SELECT * FROM given WHERE rule IS NOT NULL
          ON CONFLICT DO NOTHING",
};

/// What the rules look a profile up by: rule and value.
pub type Keys = BTreeSet<(String, String)>;

/// What the rules look these profiles of a tenant up by from now on.
pub fn save_all_keys(c: &Tx, tenant: &str, all: &BTreeMap<&str, Keys>) -> Result<(), StoreError> {
    let profiles: Vec<&str> = all.keys().copied().collect();
    let mut before: BTreeMap<String, Keys> = BTreeMap::new();
    let stored: Vec<(String, String, String)> =
        c.find(&KEYS, &keyed(tenant, &profiles), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    for (profile, rule, value) in stored {
        before.entry(profile).or_default().insert((rule, value));
    }
    let others: BTreeMap<&str, &Keys> = all
        .iter()
        .filter(|(profile, keys)| before.get(**profile).map_or(!keys.is_empty(), |before| before != *keys))
        .map(|(profile, keys)| (*profile, keys))
        .collect();
    let replaced: Vec<&str> = others.keys().copied().filter(|profile| before.contains_key(*profile)).collect();
    c.put(&FORGET_KEYS, &keyed(tenant, &replaced))?;
    let each = others.iter().flat_map(|(profile, keys)| keys.iter().map(|key| (*profile, key)));
    let rows: Vec<_> = each
        .map(|(profile, (rule, value))| {
            [Value::Text(rule), Value::Text(value), Value::Text(tenant), Value::Text(profile)]
        })
        .collect();
    c.put(&SAVE_KEYS, &rows)?;
    Ok(())
}

/// Addresses of a profile that are kept after it has another one.
const MOST_FORMER: i64 = 3;

const HAD_EMAILS: Many = Many {
    given: &[("tenant", Of::Text), ("profile", Of::Text), ("email", Of::Text), ("at", Of::Int)],
    sql: "INSERT INTO former_email (tenant, profile, email, at) SELECT * FROM given WHERE tenant IS NOT NULL
          ON CONFLICT (tenant, profile, email) DO UPDATE SET at = excluded.at",
};

const KEEP_EMAILS: Many = Many {
    given: &[("tenant", Of::Text), ("profile", Of::Text), ("most", Of::Int)],
    sql: "DELETE FROM former_email WHERE (tenant, profile) IN (SELECT tenant, profile FROM given)
          AND (SELECT count(*) FROM former_email n WHERE n.tenant = former_email.tenant AND n.profile = former_email.profile
            AND (n.at > former_email.at OR (n.at = former_email.at AND n.email < former_email.email)))
            >= (SELECT min(most) FROM given)",
};

/// Profiles of a tenant have other addresses than these from `now` on; of each the newest few are kept.
pub fn had_emails(c: &Tx, tenant: &str, all: &BTreeMap<&str, &str>, now: Moment) -> Result<(), StoreError> {
    let (tenant, at) = (Value::Text(tenant), Value::Int(now.millis()));
    let rows: Vec<_> =
        all.iter().map(|(profile, email)| [tenant, Value::Text(profile), Value::Text(email), at]).collect();
    c.put(&HAD_EMAILS, &rows)?;
    let rows: Vec<_> = all.keys().map(|profile| [tenant, Value::Text(profile), Value::Int(MOST_FORMER)]).collect();
    c.put(&KEEP_EMAILS, &rows)?;
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

const WHY_UNREADABLE: Many = Many {
    given: PROFILE,
    sql: "SELECT u.profile, u.why FROM given g CROSS JOIN unreadable u WHERE u.tenant = g.tenant AND u.profile = g.profile",
};

/// Why these profiles of a tenant could not be read, as far as they could not.
pub fn why_all_unreadable(c: &Tx, tenant: &str, profiles: &[&str]) -> Result<Vec<(String, String)>, StoreError> {
    Ok(c.find(&WHY_UNREADABLE, &keyed(tenant, profiles), |row| Ok((row.get(0)?, row.get(1)?)))?)
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
