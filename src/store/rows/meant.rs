//! Whether anybody may be meant by profiles: of most of those that are looked for nobody is, and that is asked of all of them together.

use super::known::Place;
use super::review::name_key;
use crate::domain::record::employee::Employee;
use crate::store::StoreError;
use crate::store::engine::{Many, Of, Tx, Value};
use std::collections::BTreeMap;

/// A profile that is looked for in an org.
pub struct Sought<'a> {
    pub place: Place<'a>,
    pub employee: &'a Employee,
    /// Access by it is over.
    pub has_left: bool,
    /// What the rules look it up by: rule, attribute and value.
    pub keys: Vec<(&'a str, &'a str, String)>,
}

const BY_PLACE: Many = Many {
    given: &[
        ("org", Of::Text),
        ("tenant", Of::Text),
        ("profile", Of::Text),
        ("name_key", Of::Text),
        ("has_left", Of::Int),
    ],
    sql: "SELECT g.org, g.tenant, g.profile, EXISTS (SELECT 1 FROM account a WHERE a.org = g.org AND a.anchor = g.profile),
            EXISTS (SELECT 1 FROM review r WHERE r.org = g.org AND r.tenant = g.tenant AND r.profile = g.profile),
            g.name_key <> '' AND
              EXISTS (SELECT 1 FROM review r WHERE r.org = g.org AND r.name_key = g.name_key AND r.verdict IS NULL),
            g.name_key <> '' AND EXISTS (SELECT 1 FROM missing m WHERE m.tenant = g.tenant AND m.name_key = g.name_key),
            g.has_left = 1 AND EXISTS (SELECT 1 FROM former_email f WHERE f.tenant = g.tenant AND f.profile = g.profile)
          FROM given g WHERE g.org IS NOT NULL",
};

const BY_KEY: Many = Many {
    given: &[
        ("org", Of::Text),
        ("tenant", Of::Text),
        ("profile", Of::Text),
        ("rule", Of::Text),
        ("attribute", Of::Text),
        ("value", Of::Text),
    ],
    sql: "SELECT g.org, g.tenant, g.profile,
            EXISTS (SELECT 1 FROM account_key k WHERE k.org = g.org AND k.attribute = g.attribute AND k.value = g.value),
            EXISTS (SELECT 1 FROM source_key k CROSS JOIN link l WHERE k.rule = g.rule AND k.value = g.value
              AND l.org = g.org AND l.tenant = k.tenant AND l.profile = k.profile
              AND NOT (k.tenant = g.tenant AND k.profile = g.profile))
          FROM given g WHERE g.org IS NOT NULL",
};

/// What there is by which somebody may be meant by a profile, or may have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// An account carries it as its anchor.
    pub is_anchor: bool,
    /// Something was asked about it, or decided.
    pub was_asked: bool,
    /// Something is asked about somebody of the same name.
    pub has_namesake: bool,
    /// A profile of its tenant is missing that has the same name.
    pub is_missed: bool,
    /// Access by it is over, and it had other addresses before.
    pub had_addresses: bool,
    /// An account is found by a rule.
    pub finds_account: bool,
    /// Another profile is found by a rule.
    pub finds_profile: bool,
}

/// What there is by which somebody may be meant by each of these, by org, tenant and profile.
pub fn traces(c: &Tx, all: &[Sought<'_>]) -> Result<BTreeMap<[String; 3], Traces>, StoreError> {
    let names: Vec<String> = all.iter().map(|one| name_key(one.employee)).collect();
    let places = all.iter().zip(&names).map(|(one, name)| {
        let (org, tenant, profile) = one.place;
        [
            Value::Text(org),
            Value::Text(tenant),
            Value::Text(profile),
            Value::Text(name),
            Value::Int(one.has_left.into()),
        ]
    });
    let places: Vec<_> = places.collect();
    let keys = all.iter().flat_map(|one| one.keys.iter().map(|key| (one.place, key)));
    let keys = keys.map(|((org, tenant, profile), (rule, attribute, value))| {
        [org, tenant, profile, *rule, *attribute, value.as_str()].map(Value::Text)
    });
    let keys: Vec<_> = keys.collect();
    let by_place = c.find(&BY_PLACE, &places, |row| {
        let traces = Traces {
            is_anchor: row.get(3)?,
            was_asked: row.get(4)?,
            has_namesake: row.get(5)?,
            is_missed: row.get(6)?,
            had_addresses: row.get(7)?,
            ..Traces::default()
        };
        Ok(([row.get(0)?, row.get(1)?, row.get(2)?], traces))
    })?;
    let mut found: BTreeMap<[String; 3], Traces> = by_place.into_iter().collect();
    let by_key: Vec<([String; 3], bool, bool)> =
        c.find(&BY_KEY, &keys, |row| Ok(([row.get(0)?, row.get(1)?, row.get(2)?], row.get(3)?, row.get(4)?)))?;
    for (place, finds_account, finds_profile) in by_key {
        let traces = found.entry(place).or_default();
        traces.finds_account |= finds_account;
        traces.finds_profile |= finds_profile;
    }
    Ok(found)
}
