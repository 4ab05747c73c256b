//! What is known of many people, each of several tables by one statement: what a decision about all of a page is made from.

use super::rejection;
use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::guard::rejection::Rejection;
use crate::domain::matching::adoption::Adopted;
use crate::domain::plan::pins::Pins;
use crate::domain::record::person::Position;
use crate::domain::record::profiles::Profiles;
use crate::store::StoreError;
use crate::store::engine::{Many, Of, Tx, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one number each.
pub fn numbers(all: &[i64]) -> Vec<[Value<'static>; 1]> {
    all.iter().map(|one| [Value::Int(*one)]).collect()
}

/// Rows of a tenant and a profile each.
pub fn keyed<'v>(tenant: &'v str, profiles: &[&'v str]) -> Vec<[Value<'v>; 2]> {
    profiles.iter().map(|profile| [Value::Text(tenant), Value::Text(profile)]).collect()
}

/// A target, with its account.
pub struct Target {
    pub org: String,
    pub ended_at: Option<Moment>,
    /// The word of the entitlement that the last finished plan was made for.
    pub was: Option<String>,
    /// Since when it is proved that they have no account.
    pub searched_at: Option<Moment>,
    /// Whether somebody has ended their access before HR has.
    pub is_ended_by_hand: bool,
    pub account: Option<Account>,
    pub pins: Pins,
}

const TARGETS: Many = Many {
    given: &[("target", Of::Int)],
    sql: "SELECT t.id, t.org, t.ended_at, t.was, t.searched_at,
            EXISTS (SELECT 1 FROM end_access e WHERE e.target = t.id AND e.over_at IS NULL AND e.waits = 0), a.doc, p.pins
          FROM given g CROSS JOIN target t LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
          LEFT JOIN pin p ON p.target = t.id WHERE t.id = g.target",
};

/// These targets, with their accounts and what is pinned of them.
pub fn targets(c: &Tx, targets: &[i64]) -> Result<BTreeMap<i64, Target>, StoreError> {
    let rows = c.find(&TARGETS, &numbers(targets), |row| {
        let texts: (Option<String>, Option<String>) = (row.get(6)?, row.get(7)?);
        let found = Target {
            org: row.get(1)?,
            ended_at: row.get::<Option<i64>>(2)?.map(Moment::from_millis),
            was: row.get(3)?,
            searched_at: row.get::<Option<i64>>(4)?.map(Moment::from_millis),
            is_ended_by_hand: row.get(5)?,
            account: None,
            pins: Pins::default(),
        };
        Ok((row.get(0)?, found, texts))
    })?;
    let read = |(id, found, (account, pins)): (i64, Target, (Option<String>, Option<String>))| {
        let account = account.map(|doc| serde_json::from_str(&doc)).transpose()?;
        let pins = pins.map_or_else(|| Ok(Pins::default()), |text| serde_json::from_str(&text))?;
        Ok((id, Target { account, pins, ..found }))
    };
    rows.into_iter().map(read).collect()
}

const PROFILES: Many = Many {
    given: &[("target", Of::Int)],
    sql: "SELECT l.target, l.tenant, s.doc, l.routed FROM given g CROSS JOIN link l CROSS JOIN source s
          WHERE l.target = g.target AND s.tenant = l.tenant AND s.profile = l.profile",
};

/// The profiles of these targets.
pub fn profiles(c: &Tx, targets: &[i64]) -> Result<BTreeMap<i64, Profiles>, StoreError> {
    let rows: Vec<(i64, String, String, bool)> =
        c.find(&PROFILES, &numbers(targets), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let mut found: BTreeMap<i64, Vec<(Position, bool)>> = BTreeMap::new();
    for (target, tenant, doc, is_routed) in rows {
        let position = Position { tenant, employee: serde_json::from_str(&doc)? };
        found.entry(target).or_default().push((position, is_routed));
    }
    let in_order = |(target, mut all): (i64, Vec<(Position, bool)>)| {
        all.sort_by(|(one, here), (other, there)| {
            let by_name = (&one.tenant, &one.employee.id).cmp(&(&other.tenant, &other.employee.id));
            there.cmp(here).then(by_name)
        });
        (target, Profiles::new(all))
    };
    Ok(found.into_iter().map(in_order).collect())
}

const MATCHES: Many = Many {
    given: &[("target", Of::Int)],
    sql: "SELECT l.target, m.rule, m.at, m.pending FROM given g CROSS JOIN link l CROSS JOIN matched m
          WHERE l.target = g.target AND m.org = l.org AND m.tenant = l.tenant AND m.profile = l.profile",
};

/// Of each of these targets the newest match that has given it its account; one that is not carried out yet before all others.
pub fn newest_matches(c: &Tx, targets: &[i64]) -> Result<BTreeMap<i64, Adopted>, StoreError> {
    let rows: Vec<(i64, Adopted)> = c.find(&MATCHES, &numbers(targets), |row| {
        let (at, pending) = (Moment::from_millis(row.get(2)?), row.get(3)?);
        Ok((row.get(0)?, Adopted { rule: row.get(1)?, at, pending, rejected: None }))
    })?;
    let mut found: BTreeMap<i64, Vec<Adopted>> = BTreeMap::new();
    for (target, adopted) in rows {
        found.entry(target).or_default().push(adopted);
    }
    Ok(found.into_iter().filter_map(|(target, all)| Some((target, Adopted::newest(all)?))).collect())
}

const REJECTIONS: Many = Many {
    given: &[("target", Of::Int)],
    sql: "SELECT r.target, r.id, r.change, r.objects, r.fact, r.hold, r.by, r.at FROM given g CROSS JOIN rejection r
          WHERE r.target = g.target AND r.ended_at IS NULL",
};

/// What was rejected of these targets and was not ended, in order.
pub fn rejections(c: &Tx, targets: &[i64]) -> Result<BTreeMap<i64, Vec<Rejection>>, StoreError> {
    let rows = c.find(&REJECTIONS, &numbers(targets), |row| Ok((row.get(0)?, rejection::Stored::read(row, 1)?)))?;
    let mut found: BTreeMap<i64, Vec<Rejection>> = BTreeMap::new();
    for (target, stored) in rows {
        found.entry(target).or_default().push(stored.understood()?);
    }
    found.values_mut().for_each(|all| all.sort_by_key(|one| one.id));
    Ok(found)
}

const ASKED: Many = Many {
    given: &[("target", Of::Int), ("rule", Of::Text)],
    sql: "SELECT DISTINCT l.target FROM given g CROSS JOIN link l CROSS JOIN review r
          WHERE l.target = g.target AND r.org = l.org AND r.tenant = l.tenant AND r.profile = l.profile AND r.verdict IS NULL
          AND r.rule = g.rule",
};

/// Those of these targets about a profile of which it is asked in place of this rule.
pub fn asked(c: &Tx, targets: &[i64], rule: &str) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<_> = targets.iter().map(|target| [Value::Int(*target), Value::Text(rule)]).collect();
    Ok(c.find(&ASKED, &rows, |row| row.get(0))?)
}

const REFUSED: Many = Many {
    given: &[("target", Of::Int)],
    sql: "SELECT DISTINCT l.target FROM given g CROSS JOIN link l CROSS JOIN review r
          WHERE l.target = g.target AND r.org = l.org AND r.tenant = l.tenant AND r.profile = l.profile
          AND r.verdict = 'reject' AND r.subject LIKE 'account %'",
};

/// Those of these targets of whom a person has said that an account is not theirs.
pub fn refused(c: &Tx, targets: &[i64]) -> Result<BTreeSet<i64>, StoreError> {
    Ok(c.find(&REFUSED, &numbers(targets), |row| row.get(0))?.into_iter().collect())
}

/// What decides whether a target is correlated.
#[derive(Clone, Copy, Debug)]
pub struct Settledness {
    pub has_account: bool,
    pub has_left: bool,
    /// Whether it has several profiles.
    pub shares: bool,
    /// Whether correlation could not decide.
    pub has_conflict: bool,
}

const SETTLEDNESS: Many = Many {
    given: &[("target", Of::Int)],
    sql: "SELECT t.id, t.okta_id IS NOT NULL, t.ended_at IS NOT NULL, (SELECT count(*) FROM link l WHERE l.target = t.id) > 1,
            t.conflict IS NOT NULL
          FROM given g CROSS JOIN target t WHERE t.id = g.target",
};

/// What decides whether these targets are correlated.
pub fn settledness(c: &Tx, targets: &[i64]) -> Result<BTreeMap<i64, Settledness>, StoreError> {
    let found = c.find(&SETTLEDNESS, &numbers(targets), |row| {
        let of = Settledness {
            has_account: row.get(1)?,
            has_left: row.get(2)?,
            shares: row.get(3)?,
            has_conflict: row.get(4)?,
        };
        Ok((row.get(0)?, of))
    })?;
    Ok(found.into_iter().collect())
}

/// A profile in an org.
pub type Place<'a> = (&'a str, &'a str, &'a str);

fn places<'a>(places: &[Place<'a>]) -> Vec<[Value<'a>; 3]> {
    places.iter().map(|(org, tenant, profile)| [Value::Text(org), Value::Text(tenant), Value::Text(profile)]).collect()
}

const PLACE: &[(&str, Of)] = &[("org", Of::Text), ("tenant", Of::Text), ("profile", Of::Text)];

const OPEN: Many = Many {
    given: PLACE,
    sql: "SELECT r.org, r.tenant, r.profile, r.rule FROM given g CROSS JOIN review r
          WHERE r.org = g.org AND r.tenant = g.tenant AND r.profile = g.profile AND r.verdict IS NULL",
};

/// In place of which rules it is asked about these profiles, by org, tenant and profile.
pub fn open_rules(c: &Tx, of: &[Place<'_>]) -> Result<BTreeMap<[String; 3], BTreeSet<String>>, StoreError> {
    let rows: Vec<([String; 3], String)> =
        c.find(&OPEN, &places(of), |row| Ok(([row.get(0)?, row.get(1)?, row.get(2)?], row.get(3)?)))?;
    let mut found: BTreeMap<[String; 3], BTreeSet<String>> = BTreeMap::new();
    for (place, rule) in rows {
        found.entry(place).or_default().insert(rule);
    }
    Ok(found)
}

const UNOWNED: Many = Many {
    given: PLACE,
    sql: "SELECT DISTINCT g.org, g.tenant, g.profile FROM given g CROSS JOIN account a
          LEFT JOIN target t ON t.org = a.org AND t.okta_id = a.okta_id
          WHERE a.org = g.org AND a.anchor = g.profile AND t.id IS NULL",
};

/// Those of these profiles whose anchor an account carries that is nobody's, by org, tenant and profile.
pub fn with_unowned_accounts(c: &Tx, of: &[Place<'_>]) -> Result<BTreeSet<[String; 3]>, StoreError> {
    let found = c.find(&UNOWNED, &places(of), |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
    Ok(found.into_iter().collect())
}

const ORDERED: Many = Many {
    given: &[("tenant", Of::Text), ("profile", Of::Text)],
    sql: ", theirs(tenant, profile, target) AS (
            SELECT l.tenant, l.profile, l.target FROM given g CROSS JOIN link l
              WHERE l.tenant = g.tenant AND l.profile = g.profile
            UNION SELECT p.tenant, p.profile, o.target FROM theirs p CROSS JOIN link l CROSS JOIN link o
              WHERE l.target = p.target AND o.tenant = l.tenant AND o.profile = l.profile)
          SELECT DISTINCT p.tenant, p.profile FROM theirs p CROSS JOIN end_access e
          WHERE e.target = p.target AND e.over_at IS NULL",
};

/// Those of these profiles on a target of whose person an end of access by hand stands, or waits.
pub fn ordered(c: &Tx, of: &BTreeSet<(&str, &str)>) -> Result<BTreeSet<[String; 2]>, StoreError> {
    let rows: Vec<_> = of.iter().map(|(tenant, profile)| [Value::Text(tenant), Value::Text(profile)]).collect();
    Ok(c.find(&ORDERED, &rows, |row| Ok([row.get(0)?, row.get(1)?]))?.into_iter().collect())
}
