//! Which person a profile belongs to, in each org it is routed to: correlation, and the verdicts of people about it.
//!
//! **Invariant:** a target has at most one account, and an account at most one target.

use super::engine::{Optional, Tx, params};
use super::previews::directory_of;
use super::rows::work;
use super::{StoreError, accounts, anchors, append, cases, contact, joining, reviews, twins};
use crate::audit::details::{Correlated, Owner};
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::account::knowledge::Knowledge;
use crate::domain::matching::correlation::{
    ANCHOR, BEFORE, Candidate, Confidence, Contact, Correlation, Counterpart, correlate,
};
use crate::domain::work::machine::Work;
use crate::domain::{Account, Directory, Position, Rulebook};
use std::sync::Arc;

/// The target that a profile has in an org, and whether it is routed there.
pub(super) fn find(c: &Tx, org: &str, tenant: &str, profile: &str) -> Result<Option<(i64, bool)>, StoreError> {
    Ok(c.prepare_cached("SELECT target, routed FROM link WHERE org = ?1 AND tenant = ?2 AND profile = ?3")?
        .query_row([org, tenant, profile], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

/// The target of a profile in an org, whatever its tenant, and the tenant.
pub(super) fn linked_target(c: &Tx, org: &str, profile: &str) -> Result<Option<(String, i64)>, StoreError> {
    let mut select = c.prepare_cached("SELECT tenant, target FROM link WHERE org = ?1 AND profile = ?2 LIMIT 1")?;
    Ok(select.query_row([org, profile], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The targets that a profile has, in all orgs.
pub(super) fn targets_of(c: &Tx, tenant: &str, profile: &str) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT target FROM link WHERE tenant = ?1 AND profile = ?2")?;
    Ok(select.query_map([tenant, profile], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Writes down what the rules look a profile up by.
pub(super) fn put_keys(c: &Tx, rules: &Rulebook, position: &Position) -> Result<(), StoreError> {
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
    c: &Tx,
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
        None => c.prepare_cached("INSERT INTO target (org) VALUES (?1) RETURNING id")?.insert([org])?,
    };
    c.prepare_cached(
        "INSERT INTO link VALUES (?1,?2,?3,?4,?5) ON CONFLICT (org, tenant, profile) DO UPDATE SET routed = excluded.routed",
    )?
    .execute(params![org, tenant, profile, target, routed])?;
    // Before the org was read, that nobody matches says nothing, and what matches is half of what may.
    if !super::is_read(c, org)? {
        return Ok((target, None));
    }
    // Who has left is ended wherever they have an account, whatever routes them.
    if !(routed || rules.is_over(position, now)) || is_settled(c, target)? {
        anchors::ask_about_doubles(c, org, position, target, now)?;
        return Ok((target, None));
    }
    let mut candidates = candidates(c, rules, org, position, target, now)?;
    if !routed {
        candidates.retain(is_left_behind);
    }
    correlate_target(c, rules, org, position, target, candidates, now)
}

/// Whether a profile that the rules of an org do not route there, and that is nobody's there yet, is of somebody who has left
/// and seems to have a live account there that is nobody else's.
pub(super) fn has_left_an_account(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    now: Moment,
) -> Result<bool, StoreError> {
    const NOBODY: i64 = 0;
    if !rules.is_over(position, now) || !super::is_read(c, org)? {
        return Ok(false);
    }
    Ok(candidates(c, rules, org, position, NOBODY, now)?.iter().any(is_left_behind))
}

/// Whether a candidate is a live account that is nobody's.
fn is_left_behind(candidate: &Candidate) -> bool {
    matches!(candidate.counterpart, Counterpart::Account(_)) && !candidate.is_deactivated
}

/// Whoever has an account, or shares a target, is known; the others, and whoever has left, are looked for each time their
/// profile changes.
fn is_settled(c: &Tx, target: i64) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT okta_id IS NOT NULL OR (ended_at IS NULL AND (SELECT count(*) FROM link WHERE target = ?1) > 1)
         FROM target WHERE id = ?1",
    )?;
    Ok(select.query_row([target], |row| row.get(0))?)
}

fn correlate_target(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    target: i64,
    candidates: Vec<Candidate>,
    now: Moment,
) -> Result<(i64, Option<String>), StoreError> {
    let contact = contact::of(c, org, &position.tenant)?;
    let known = candidates.clone();
    let verdict = match verdict(c, rules, org, position, candidates, now)? {
        // A person whom another tenant knows is not changed before the report of this one was accepted.
        Correlation::Match { counterpart: Counterpart::Target(_), .. }
            if contact == Contact::First && contact::is_added(c, org, &position.tenant)? =>
        {
            reviews::close_others(c, org, position, &[])?;
            return Ok((target, None));
        }
        Correlation::Nobody => match reviews::namesake(c, org, position)? {
            Some((review, who)) => {
                let conflict = format!(
                    "review {review} is open about {who}, of the same name: no account is made before it is decided; see \
                     `review show {review}`"
                );
                return wait(c, target, Some(conflict));
            }
            None => Correlation::Nobody,
        },
        other => other,
    };
    match verdict {
        Correlation::Nobody => {
            reviews::close_others(c, org, position, &[])?;
            wait(c, target, None)
        }
        Correlation::Match { counterpart, rule } => {
            reviews::close_others(c, org, position, &[])?;
            let evidence = evidence(rules, position, &rule);
            let by_rule = contact == Contact::Later && rule != ANCHOR;
            let who = described(&known, &rule);
            let pending = (by_rule && matches!(counterpart, Counterpart::Account(_)))
                .then(|| format!("{who} is taken over by rule {rule:?} ({evidence})"));
            let joins = match counterpart {
                Counterpart::Target(other) if by_rule => joining::is_living(c, other)?,
                _ => false,
            };
            let found = Match { rule: &rule, evidence: &evidence, pending, by: None };
            let target = adopt(c, org, position, target, &counterpart, &found, now)?;
            if joins {
                let shown = format!("{} joins {who} by rule {rule:?} ({evidence})", message(position));
                joining::count(c, org, &position.tenant, target, &shown, now)?;
            }
            wait(c, target, None)
        }
        Correlation::Review { candidates, why } => {
            let first = reviews::ask(c, org, position, &candidates, &why, now)?;
            let how = first
                .map(|id| format!("; look at it with `review show {id}`, then `review accept` or `review reject`"));
            wait(c, target, Some(format!("{why}{}", how.unwrap_or_default())))
        }
    }
}

/// What is decided about a profile with these candidates: by the rules, and by how much rules may do by themselves.
fn verdict(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    candidates: Vec<Candidate>,
    now: Moment,
) -> Result<Correlation, StoreError> {
    let contact = contact::of(c, org, &position.tenant)?;
    let known = candidates.clone();
    let verdict = correlate(&position.employee, candidates, contact);
    if let Correlation::Match { counterpart: Counterpart::Target(person), rule } = &verdict
        && contact == Contact::Later
        && let Some(why) = joining::why_not(c, rules, org, &position.tenant, *person, now)?
    {
        let why = format!("is {}, by rule {rule:?}, but {why}", described(&known, rule));
        return Ok(Correlation::Review { candidates: known, why });
    }
    Ok(verdict)
}

/// What keeps a target from being worked on, if anything does.
fn wait(c: &Tx, target: i64, conflict: Option<String>) -> Result<(i64, Option<String>), StoreError> {
    c.prepare_cached("UPDATE target SET conflict = ?2 WHERE id = ?1 AND conflict IS NOT ?2")?
        .execute(params![target, conflict])?;
    Ok((target, conflict))
}

fn described(candidates: &[Candidate], rule: &str) -> String {
    candidates.iter().find(|one| one.rule == rule).map(|one| one.described.clone()).unwrap_or_default()
}

/// What has matched, in words.
fn evidence(rules: &Rulebook, position: &Position, rule: &str) -> String {
    match rule {
        ANCHOR => return format!("{} {}", rules.mapping.anchor(), position.employee.id),
        BEFORE => return "until both were active".into(),
        _ => {}
    }
    let found = rules.keys(position).into_iter().find(|(known, _)| known.name == rule);
    found.map(|(known, value)| format!("{} {value}", known.attribute)).unwrap_or_default()
}

/// Whether a profile that waits for a verdict could be settled without one by now.
pub(super) fn would_settle(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    now: Moment,
) -> Result<bool, StoreError> {
    let Some((target, _)) = find(c, org, &position.tenant, &position.employee.id)? else { return Ok(false) };
    let candidates = candidates(c, rules, org, position, target, now)?;
    Ok(match verdict(c, rules, org, position, candidates, now)? {
        Correlation::Review { .. } => false,
        Correlation::Match { .. } => true,
        Correlation::Nobody => reviews::namesake(c, org, position)?.is_none(),
    })
}

/// First contact of a tenant with the org was accepted: a profile that waited joins the person it was shown as.
pub(super) fn join_accepted(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    now: Moment,
) -> Result<(), StoreError> {
    let Some((target, true)) = find(c, org, &position.tenant, &position.employee.id)? else { return Ok(()) };
    if !is_settled(c, target)? {
        let candidates = candidates(c, rules, org, position, target, now)?;
        if let Correlation::Match { counterpart, rule } = correlate(&position.employee, candidates, Contact::First) {
            let evidence = evidence(rules, position, &rule);
            let found = Match { rule: &rule, evidence: &evidence, pending: None, by: None };
            adopt(c, org, position, target, &counterpart, &found, now)?;
            joining::was_shown(c, org, &position.tenant, &position.employee.id)?;
        }
    }
    Ok(())
}

/// What first contact would make of a profile that waits for it, in the words of a rule; `None` if nothing is known.
pub(super) fn foretell(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    target: i64,
    now: Moment,
) -> Result<Option<(String, String)>, StoreError> {
    let candidates = candidates(c, rules, org, position, target, now)?;
    let known = candidates.clone();
    Ok(match correlate(&position.employee, candidates, Contact::First) {
        Correlation::Match { rule, .. } => Some((rule.clone(), described(&known, &rule))),
        _ => None,
    })
}

/// Everybody who may be meant by a profile, in the order of the rules, without those whom a person has rejected.
fn candidates(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    target: i64,
    now: Moment,
) -> Result<Vec<Candidate>, StoreError> {
    let profile = &position.employee.id;
    let mut found = Vec::new();
    let mut mine = cases::profiles(c, target)?.all();
    mine.retain(|one| (&one.tenant, &one.employee.id) != (&position.tenant, profile));
    mine.push(position.clone());
    let seek = Seek { c, org, position, mine, directory: directory_of(c, org)?, rules, now };
    for other in twins::asked_about(c, org, position)? {
        found.extend(seek.target(BEFORE, Confidence::Certain, other)?);
    }
    for account in accounts::by_anchor(c, org, profile)? {
        found.push(seek.account(ANCHOR, Confidence::Certain, account)?);
    }
    for (rule, value) in rules.keys(position) {
        for account in accounts::by_attribute(c, org, &rule.attribute, &value)? {
            found.push(seek.account(&rule.name, rule.confidence, account)?);
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
            found.extend(seek.target(&rule.name, rule.confidence, other)?);
        }
    }
    let rejected = rejected(c, org, position)?;
    let mut seen: Vec<Counterpart> = vec![Counterpart::Target(target)];
    let mut kept = Vec::with_capacity(found.len());
    for candidate in found {
        if !seen.contains(&candidate.counterpart) && !is_rejected(c, &rejected, &candidate.counterpart)? {
            seen.push(candidate.counterpart.clone());
            kept.push(candidate);
        }
    }
    Ok(kept)
}

/// Whom a person has said that a profile is not.
pub(super) fn rejected(c: &Tx, org: &str, position: &Position) -> Result<Vec<String>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT subject FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND verdict = 'reject'",
    )?;
    Ok(select.query_map([org, &position.tenant, &position.employee.id], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Whether a person has said that this is somebody else: of an account also after somebody else has it.
fn is_rejected(c: &Tx, rejected: &[String], counterpart: &Counterpart) -> Result<bool, StoreError> {
    if rejected.is_empty() {
        return Ok(false);
    }
    let account = match counterpart {
        Counterpart::Target(target) => account_of(c, *target)?.map(|account| key_of(&Counterpart::Account(account.id))),
        Counterpart::Account(_) => None,
    };
    Ok(rejected.contains(&key_of(counterpart)) || account.is_some_and(|account| rejected.contains(&account)))
}

/// Who looks for whom.
struct Seek<'a> {
    c: &'a Tx,
    org: &'a str,
    position: &'a Position,
    /// All profiles of its target, which would come with it.
    mine: Vec<Position>,
    /// What the org has besides people; not known before it was read.
    directory: Option<Arc<Directory>>,
    rules: &'a Rulebook,
    now: Moment,
}

impl Seek<'_> {
    fn account(&self, rule: &str, confidence: Confidence, account: Account) -> Result<Candidate, StoreError> {
        let (c, org) = (self.c, self.org);
        let profile = &self.position.employee.id;
        let anchor_is_ours = account.anchor.as_ref() == Some(profile) && anchors::is_ours(c, org, profile, &account)?;
        if let Some(owner) = owner(c, org, &account.id)?
            && let Some(mut candidate) = self.target(rule, confidence, owner)?
        {
            candidate.described = cases::describe(&account);
            candidate.anchor_is_ours = anchor_is_ours;
            return Ok(candidate);
        }
        let name = |key: &str| account.profile.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        Ok(Candidate {
            rule: rule.to_owned(),
            confidence,
            first_name: name("firstName"),
            last_name: name("lastName"),
            anchored_to: account.anchor.clone().filter(|anchor| anchor != profile),
            anchor_is_ours,
            is_deactivated: !account.is_live(),
            reserved: self.reserved(&account),
            mastered_by: account.mastered_by().map(str::to_owned),
            described: cases::describe(&account),
            counterpart: Counterpart::Account(account.id),
            ..Candidate::default()
        })
    }

    /// A person already known, by the profile that describes them.
    fn target(&self, rule: &str, confidence: Confidence, target: i64) -> Result<Option<Candidate>, StoreError> {
        let c = self.c;
        let positions = cases::profiles(c, target)?.all();
        let Some(first) = positions.first() else { return Ok(None) };
        let account = account_of(c, target)?;
        Ok(Some(Candidate {
            rule: rule.to_owned(),
            confidence,
            counterpart: Counterpart::Target(target),
            first_name: first.employee.first_name.clone(),
            last_name: first.employee.last_name.clone(),
            reserved: account.and_then(|account| self.reserved(&account)),
            twin: twins::twin(&self.mine, &positions).map(message),
            bound: self.bound(target, &positions)?,
            described: message(first),
            ..Candidate::default()
        }))
    }

    /// Why no rule gives an account away.
    fn reserved(&self, account: &Account) -> Option<String> {
        let Some(directory) = &self.directory else {
            return Some("it is not known yet who is an Okta administrator".into());
        };
        match directory.administrator(account, self.now) {
            Knowledge::Nobody => {}
            Knowledge::Holder => return Some("it is the account of an Okta administrator".into()),
            Knowledge::Unknown { .. } => {
                return Some("it cannot be told whether it is the account of an Okta administrator".into());
            }
        }
        self.rules.safeguards.protected.why(account, directory)
    }

    /// What must be decided before anybody joins a target.
    fn bound(&self, target: i64, positions: &[Position]) -> Result<Option<String>, StoreError> {
        if let Some(review) = reviews::open_about(self.c, target)? {
            return Ok(Some(format!("review {review} is open about them: decide it first")));
        }
        if joining::is_being_adopted(self.c, target)? {
            return Ok(Some("their own account is being taken over just now: that is decided first".into()));
        }
        let added = |tenant: &str| contact::is_added(self.c, self.org, tenant);
        let mut waiting = None;
        for position in positions {
            if !added(&position.tenant)? {
                return Ok(None);
            }
            waiting = Some(&position.tenant);
        }
        let mine = &self.position.tenant;
        let waiting = waiting.filter(|tenant| *tenant != mine);
        Ok(waiting.map(|tenant| format!("the first contact of {tenant} with {} is not accepted yet", self.org)))
    }
}

pub(super) fn message(position: &Position) -> String {
    format!("{} (profile {} of {})", position.employee.display(), position.employee.id, position.tenant)
}

/// The target that has an account.
pub(super) fn owner(c: &Tx, org: &str, okta_id: &str) -> Result<Option<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT id FROM target WHERE org = ?1 AND okta_id = ?2")?;
    Ok(select.query_row([org, okta_id], |row| row.get(0)).optional()?)
}

/// The account that a target has.
pub(super) fn account_of(c: &Tx, target: i64) -> Result<Option<Account>, StoreError> {
    let found: Option<(String, Option<String>)> = c
        .prepare_cached("SELECT org, okta_id FROM target WHERE id = ?1")?
        .query_row([target], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((org, Some(okta_id))) = found else { return Ok(None) };
    accounts::by_id(c, &org, &okta_id)
}

pub(super) fn key_of(counterpart: &Counterpart) -> String {
    match counterpart {
        Counterpart::Account(id) => format!("account {id}"),
        Counterpart::Target(id) => format!("target {id}"),
    }
}

/// How a match came about.
pub(super) struct Match<'a> {
    pub rule: &'a str,
    pub evidence: &'a str,
    /// What is taken over, where the safeguards decide about it.
    pub pending: Option<String>,
    pub by: Option<&'a str>,
}

/// `target` and `counterpart` are one person; returns the target that stays.
pub(super) fn adopt(
    c: &Tx,
    org: &str,
    position: &Position,
    target: i64,
    counterpart: &Counterpart,
    found: &Match,
    now: Moment,
) -> Result<i64, StoreError> {
    let (stays, owner) = match counterpart {
        Counterpart::Account(id) => {
            c.prepare_cached("UPDATE target SET okta_id = ?2, rule = ?3 WHERE id = ?1")?
                .execute(params![target, id, found.rule])?;
            (target, Owner::Account(id.clone()))
        }
        Counterpart::Target(other) => {
            merge(c, target, *other)?;
            (*other, Owner::Joined(target))
        }
    };
    c.prepare_cached(
        "INSERT INTO matched (org, tenant, profile, rule, evidence, at, pending, by) VALUES (?1,?2,?3,?4,?5,?6,?7,?8)
         ON CONFLICT (org, tenant, profile) DO UPDATE SET rule = excluded.rule, evidence = excluded.evidence,
           at = excluded.at, pending = excluded.pending, by = excluded.by",
    )?
    .execute(params![
        org,
        position.tenant,
        position.employee.id,
        found.rule,
        found.evidence,
        now.millis(),
        found.pending,
        found.by
    ])?;
    let (rule, evidence) = (found.rule.to_owned(), Some(found.evidence.to_owned()));
    let correlated = Event::Correlated(Correlated { owner, rule, evidence });
    append(
        c,
        &Record {
            tenant: Some(position.tenant.clone()),
            profile: Some(position.employee.id.clone()),
            ..Record::about(stays, org.to_owned(), now, correlated)
        },
    )?;
    Ok(stays)
}

/// Everything of `from` belongs to `into`: running runs of both lose their claims.
fn merge(c: &Tx, from: i64, into: i64) -> Result<(), StoreError> {
    c.prepare_cached("UPDATE link SET target = ?2 WHERE target = ?1")?.execute([from, into])?;
    let account: Option<String> =
        c.prepare_cached("SELECT okta_id FROM target WHERE id = ?1")?.query_row([from], |row| row.get(0))?;
    if let Some(account) = account {
        c.prepare_cached("UPDATE target SET okta_id = NULL WHERE id = ?1")?.execute([from])?;
        c.prepare_cached("UPDATE target SET okta_id = ?2 WHERE id = ?1 AND okta_id IS NULL")?
            .execute(params![into, account])?;
    }
    c.prepare_cached("DELETE FROM login WHERE target = ?1")?.execute([from])?;
    // What was said about one of the two holds for both.
    c.prepare_cached("UPDATE OR IGNORE review SET subject = ?2 WHERE subject = ?1")?
        .execute([key_of(&Counterpart::Target(from)), key_of(&Counterpart::Target(into))])?;
    work::change(c, from, Work::absorbed)?;
    work::change(c, into, Work::joined)?;
    c.prepare_cached("DELETE FROM risk WHERE target = ?1")?.execute([from])?;
    super::rejections::merge(c, from, into)?;
    for table in ["approval", "pin"] {
        c.execute(&format!("DELETE FROM {table} WHERE target IN (?1, ?2)"), [from, into])?;
    }
    Ok(())
}
