//! Taking a match apart: which profile has which account, by which rule, and what it would be without.
//!
//! **Invariant:** a split ends nobody's access: an account that nobody has after it is kept as it is. No rule ever makes the
//! same match again.

use super::cases::Profiles;
use super::engine::{Optional, Tx, params};
use super::links::{account_of, find, key_of, message};
use super::preview_match::{Outlook, Planning, Side, code, stranger};
use super::rows::work;
use super::{ANY_BUCKET, StoreError, append, cases, pages};
use crate::audit::{Author, Event, Record, details};
use crate::clock::Moment;
use crate::domain::matching::correlation::Counterpart;
use crate::domain::work::machine::Work;
use crate::domain::{Account, Cause, Employee, Position, Priority, Rulebook};
use serde::{Deserialize, Serialize};

/// The link of a profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linked {
    pub org: String,
    pub tenant: String,
    pub profile: String,
    pub name: String,
    pub target: i64,
    /// Other profiles of the same person.
    pub shares: i64,
    pub login: Option<String>,
    pub account: Option<String>,
    pub status: Option<String>,
    /// The rule that made the match; `created` if this service made the account.
    pub rule: String,
    pub evidence: String,
    /// When it was matched, in milliseconds.
    pub at: Option<i64>,
    /// Who decided it, if somebody did.
    pub by: Option<String>,
    /// Whether this service wrote the anchor, or proved it while the account was linked.
    pub anchored: bool,
}

/// Links, in the order of orgs and people; of one person if `person` is given.
pub fn linked(c: &Tx, org: Option<&str>, person: Option<&str>) -> Result<Vec<Linked>, StoreError> {
    let mut select = c.prepare(
        "SELECT l.org, l.tenant, l.profile, s.doc, l.target, (SELECT count(*) FROM link o WHERE o.target = l.target) - 1,
           a.doc ->> '$.login', t.okta_id, a.status, m.rule, m.evidence, m.at, m.by,
           EXISTS (SELECT 1 FROM anchored n WHERE n.org = l.org AND n.anchor = l.profile AND n.okta_id = t.okta_id), t.rule
         FROM link l JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile JOIN target t ON t.id = l.target
         LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         LEFT JOIN matched m ON m.org = l.org AND m.tenant = l.tenant AND m.profile = l.profile
         WHERE (?1 IS NULL OR l.org = ?1) ORDER BY l.org, l.target, l.tenant, l.profile",
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
            name: serde_json::from_str(&doc).map(|e: Employee| e.display()).unwrap_or_default(),
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
    let found: Vec<Linked> = rows.collect::<Result<_, _>>()?;
    let Some(person) = person else { return Ok(found) };
    let mut targets = Vec::new();
    let orgs: std::collections::BTreeSet<&str> = found.iter().map(|link| link.org.as_str()).collect();
    for org in orgs {
        targets.extend(cases::find(c, org, person)?);
    }
    Ok(found.iter().filter(|link| targets.contains(&link.target)).cloned().collect())
}

/// What becomes of a split.
struct Parts {
    target: i64,
    /// The profile that goes.
    goes: Position,
    /// The profiles that stay together.
    stay: Profiles,
    account: Option<Account>,
    /// Whether those who stay keep the account.
    kept: bool,
}

fn parts(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    tenant: &str,
    profile: &str,
    now: Moment,
) -> Result<Option<Parts>, StoreError> {
    let Some((target, _)) = find(c, org, tenant, profile)? else { return Ok(None) };
    let (stay, Some(goes)) = cases::profiles(c, target)?.without(tenant, profile) else { return Ok(None) };
    let account = account_of(c, target)?;
    // An account stays with nobody whose access is over: it would end because of the split.
    let rest = cases::supposed(c, rules, target, stay.clone(), account.clone(), now)?;
    let kept = rest.is_some_and(|rest| !rules.lifecycle(&rest, now).entitlement.is_over());
    Ok(Some(Parts { target, goes, stay, account, kept }))
}

/// What a split of a profile would do; `None` if it is not linked in the org.
pub fn split_outlook(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    profile: &str,
    now: Moment,
) -> Result<Option<(Linked, Outlook)>, StoreError> {
    let tenant: Option<String> = c
        .query_row("SELECT tenant FROM link WHERE org = ?1 AND profile = ?2", [org, profile], |row| row.get(0))
        .optional()?;
    let Some(tenant) = tenant else { return Ok(None) };
    let Some(parts) = parts(c, rules, org, &tenant, profile, now)? else { return Ok(None) };
    let mut planning = Planning::new(c, rules, org, now)?;
    let before: Vec<Side> = planning.present(parts.target)?.into_iter().collect();
    let mut after = Vec::new();
    let account = parts.account.clone().filter(|_| parts.kept);
    after.extend(planning.supposed(parts.target, parts.stay.clone(), account)?);
    let alone = Profiles { here: vec![parts.goes.clone()], elsewhere: Vec::new(), routed: true };
    after.extend(planning.supposed(parts.target, alone, None)?);
    if let Some(account) = parts.account.as_ref().filter(|_| !parts.kept) {
        let mut side = stranger(account);
        side.plan
            .push("nobody has it: it is kept as it is, and listed as an account that no profile belongs to".into());
        after.push(side);
    }
    let is_whole = parts.stay.here.is_empty() && parts.account.is_none();
    let outlook = Outlook {
        code: code(&before, &after, std::slice::from_ref(&parts.account))?,
        before,
        after,
        needs: 1,
        twins_in: None,
        refused: is_whole.then(|| "there is nothing to split: the profile has no account and shares nobody".into()),
    };
    let link = linked(c, Some(org), None)?.into_iter().find(|link| link.profile == profile && link.tenant == tenant);
    Ok(link.map(|link| (link, outlook)))
}

/// A split that somebody has approved.
pub(super) struct Split<'a> {
    pub org: &'a str,
    pub tenant: &'a str,
    pub profile: &'a str,
    pub why: &'a str,
    pub by: &'a str,
    pub principal: &'a str,
}

/// Carries out a split; returns how many people are looked at anew because of it.
pub(super) fn split(c: &Tx, rules: &Rulebook, asked: &Split, now: Moment) -> Result<usize, StoreError> {
    let Some(parts) = parts(c, rules, asked.org, asked.tenant, asked.profile, now)? else { return Ok(0) };
    let (org, target) = (asked.org, parts.target);
    let account = parts.account.as_ref().map(|account| Counterpart::Account(account.id.clone()));
    // What was decided about the whole is over.
    let new = take_out(c, org, &parts.goes, target, parts.account.as_ref().map(|account| account.id.as_str()))?;
    for table in ["login", "approval", "pin"] {
        c.execute(&format!("DELETE FROM {table} WHERE target = ?1"), [target])?;
    }
    super::holds::withdraw_all(c, org, target, now)?;
    let stay = parts.stay.clone().all();
    let mut apart = vec![(&parts.goes, Counterpart::Target(target))];
    apart.extend(account.clone().map(|account| (&parts.goes, account)));
    if !parts.kept {
        c.execute("UPDATE target SET okta_id = NULL, rule = NULL WHERE id = ?1", [target])?;
        apart.extend(stay.iter().filter_map(|one| Some((one, account.clone()?))));
    }
    apart.extend(stay.iter().map(|one| (one, Counterpart::Target(new))));
    for (position, counterpart) in apart {
        reject(c, asked, position, &counterpart, now)?;
    }
    let event = Event::Split(details::Split {
        profile: asked.profile.to_owned(),
        from: target,
        account: parts.account.as_ref().map(|account| account.id.clone()),
        kept: parts.kept,
        why: asked.why.to_owned(),
        author: Author::new(asked.by, asked.principal),
    });
    append(
        c,
        &Record {
            tenant: Some(asked.tenant.to_owned()),
            profile: Some(asked.profile.to_owned()),
            ..Record::about(target, org.to_owned(), now, event)
        },
    )?;
    pages::relink(c, rules, org, &parts.goes, Some(&parts.goes.employee), Cause::Request, now)?;
    if !stay.is_empty() {
        pages::mark_dirty(c, target, org, Priority::Describe, ANY_BUCKET, Cause::Request, now)?;
    }
    Ok(1 + usize::from(!stay.is_empty()))
}

/// Gives a profile a target of its own, and returns it; the account stays where it is.
pub(super) fn take_out(
    c: &Tx,
    org: &str,
    position: &Position,
    from: i64,
    account: Option<&str>,
) -> Result<i64, StoreError> {
    let (tenant, profile) = (&position.tenant, &position.employee.id);
    let new = c.prepare_cached("INSERT INTO target (org) VALUES (?1) RETURNING id")?.insert([org])?;
    c.execute(
        "UPDATE link SET target = ?4 WHERE org = ?1 AND tenant = ?2 AND profile = ?3",
        params![org, tenant, profile, new],
    )?;
    // A run that works on the whole has no lease any more.
    work::change(c, from, Work::taken_apart)?;
    // The anchor that the account still carries vouches for nobody any more.
    if let Some(account) = account {
        c.execute(
            "DELETE FROM anchored WHERE org = ?1 AND anchor = ?2 AND okta_id IN (?3, '')",
            params![org, profile, account],
        )?;
    }
    c.execute("DELETE FROM matched WHERE org = ?1 AND tenant = ?2 AND profile = ?3", [org, tenant, profile])?;
    Ok(new)
}

/// No rule makes this match again.
fn reject(
    c: &Tx,
    asked: &Split,
    position: &Position,
    counterpart: &Counterpart,
    now: Moment,
) -> Result<(), StoreError> {
    c.execute(
        "INSERT INTO review (org, tenant, profile, subject, rule, why, who, since, verdict, by, at, applied, principal)
         VALUES (?1,?2,?3,?4,'split',?5,?6,?7,'reject',?8,?7,1,?9)
         ON CONFLICT (org, tenant, profile, subject) DO UPDATE SET verdict = 'reject', by = excluded.by,
           at = excluded.at, why = excluded.why, applied = 1, principal = excluded.principal",
        params![
            asked.org,
            position.tenant,
            position.employee.id,
            key_of(counterpart),
            format!("split: {}", asked.why),
            message(position),
            now.millis(),
            asked.by,
            asked.principal
        ],
    )?;
    Ok(())
}
