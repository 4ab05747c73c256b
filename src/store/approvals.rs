//! Approvals of saved plans: for exactly these words about exactly this person, as the service itself plans them.
//!
//! **Invariant:** what an approval lets through was planned by the service when the approval was taken, and the approval
//! holds only for that revision under these rules. Beside a hold it is a vote like any other.

use super::engine::{Operator, Optional, SqlError, Tx, params};
use super::{Store, StoreError, append, change_of, directory, dirty, meta, name_of, preview_of, rejections, votes};
use crate::audit::details::{ApprovalEnded, Approved};
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::guard::approval::{Binding, Present};
use crate::domain::guard::decider::{Tally, tally};
use crate::domain::{Cause, ChangeKind, Decider, Directory, Priority, Rulebook};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What somebody approves of one person, as the saved plan shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Approval {
    pub target: i64,
    /// What the plan was made from.
    pub basis: String,
    pub changes: BTreeMap<ChangeKind, Vec<String>>,
}

/// A saved plan, as far as an approval is bound to it.
#[derive(Clone, Debug)]
pub struct Planned<'a> {
    /// The checksum of the plan.
    pub checksum: &'a str,
    /// The rules that it was made by.
    pub rules: &'a str,
    /// When its approval shall end, if that is earlier than it would.
    pub expires: Option<Moment>,
    pub people: &'a [Approval],
    /// Nothing at all, if anything is refused.
    pub strict: bool,
}

/// Something of a plan that was not approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub target: i64,
    pub name: String,
    pub why: String,
}

/// What came of an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub approved: Vec<i64>,
    pub refused: Vec<Refused>,
    /// Until when the approval lives at most.
    pub expires: String,
}

/// Why a plan cannot be approved as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("there is no target {0}; `plan` shows who there is")]
    Unknown(i64),
    #[error("the rules of the service are not those that the plan was made by; make it anew")]
    OtherRules,
    #[error("the groups of {0} were not read yet: start the service first")]
    NotRead(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SqlError> for Unfit {
    fn from(e: SqlError) -> Self {
        Unfit::Store(e.into())
    }
}

/// Plans everybody of a saved plan again, and writes down an approval, from beside the service, of those for whom exactly
/// the same would be done now.
pub fn approve(c: &Operator, rules: &Rulebook, plan: &Planned, by: &Decider, now: Moment) -> Result<Taken, Unfit> {
    let fingerprint = meta(c, "rules")?.unwrap_or_default();
    if fingerprint != plan.rules {
        return Err(Unfit::OtherRules);
    }
    let until = Binding::new(0, &fingerprint, now, plan.expires).expires;
    let mut known: BTreeMap<String, Cow<Directory>> = BTreeMap::new();
    let (mut fit, mut refused): (Vec<(&Approval, i64)>, Vec<Refused>) = (Vec::new(), Vec::new());
    for person in plan.people {
        let org = org_of(c, person.target)?.ok_or(Unfit::Unknown(person.target))?;
        if !known.contains_key(&org) {
            let read = directory(c, &org)?.ok_or_else(|| Unfit::NotRead(org.clone()))?;
            known.insert(org.clone(), Cow::Owned(read));
        }
        let Some(known) = known.get_mut(&org) else { continue };
        let rev = rev_of(c, person.target)?;
        let (allowed, why) = compare(c, rules, known, person, now)?;
        refused.extend(why);
        if allowed {
            fit.push((person, rev));
        }
    }
    if plan.strict && !refused.is_empty() {
        return Ok(Taken { approved: Vec::new(), refused, expires: until.to_string() });
    }
    let approved = c.together(|c| -> Result<Vec<i64>, StoreError> {
        let mut approved = Vec::new();
        for (person, rev) in fit {
            if rev_of(c, person.target)? != rev {
                refused.push(refusal(c, person.target, "has moved while the plan was looked at".into())?);
                continue;
            }
            for (change, words) in &person.changes {
                if rejections::words_of(c, person.target, *change)?.is_some() {
                    continue;
                }
                c.prepare_cached(
                        "INSERT INTO approval (target, change, principal, words, plan, by, at, expires, rev, rules)
                         VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)
                         ON CONFLICT (target, change, principal) DO UPDATE SET words = excluded.words, plan = excluded.plan,
                           by = excluded.by, at = excluded.at, expires = excluded.expires, rev = excluded.rev,
                           rules = excluded.rules, told = 0",
                    )?
                    .execute(params![
                        person.target,
                        change.as_str(),
                        by.principal(),
                        serde_json::to_string(words).map_err(StoreError::from)?,
                        plan.checksum,
                        by.name,
                        now.millis(),
                        until.millis(),
                        rev,
                        fingerprint,
                    ])?;
            }
            approved.push(person.target);
        }
        Ok(approved)
    })?;
    Ok(Taken { approved, refused, expires: until.to_string() })
}

/// Whether anything of what the plan says of a person may be approved, and what may not.
fn compare(
    c: &Tx,
    rules: &Rulebook,
    known: &mut Cow<Directory>,
    person: &Approval,
    now: Moment,
) -> Result<(bool, Vec<Refused>), StoreError> {
    let no = |why: String| Ok((false, vec![refusal(c, person.target, why)?]));
    let Some(found) = preview_of(c, rules, person.target, known, now)? else {
        return no("is not known any more".into());
    };
    if let Some(obstacle) = found.obstacle {
        return no(obstacle);
    }
    if found.changes.is_empty() {
        return no("is as they should be already".into());
    }
    if found.changes != person.changes {
        let would: Vec<String> = found.changes.into_values().flatten().collect();
        return no(format!("now it would be: {}", would.join("; ")));
    }
    if found.basis != person.basis {
        return no("their profile or their account has changed, although the same would be done".into());
    }
    let mut refused = Vec::new();
    for change in person.changes.keys() {
        if let Some(why) = rejections::words_of(c, person.target, *change)? {
            refused.push(refusal(c, person.target, why)?);
        }
    }
    Ok((refused.len() < person.changes.len(), refused))
}

fn refusal(c: &Tx, target: i64, why: String) -> Result<Refused, StoreError> {
    Ok(Refused { target, name: name_of(c, target)?.unwrap_or_else(|| format!("target {target}")), why })
}

fn org_of(c: &Tx, target: i64) -> Result<Option<String>, StoreError> {
    let mut find = c.prepare_cached("SELECT org FROM target WHERE id = ?1")?;
    Ok(find.query_row([target], |row| row.get(0)).optional()?)
}

/// The newest revision of somebody; 0 of whom nothing was ever to be done.
fn rev_of(c: &Tx, target: i64) -> Result<i64, StoreError> {
    let mut find = c.prepare_cached("SELECT dirty_rev FROM work WHERE target = ?1")?;
    Ok(find.query_row([target], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// An approval as stored.
pub(super) struct Stored {
    pub principal: String,
    pub by: String,
    pub at: Moment,
    words: Vec<String>,
    binding: Binding,
}

/// Approvals of one kind of change of somebody that the service has taken.
fn stored(c: &Tx, target: i64, change: ChangeKind) -> Result<Vec<Stored>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT principal, by, at, words, rev, rules, expires FROM approval WHERE target = ?1 AND change = ?2 AND told = 1",
    )?;
    let mut rows = select.query(params![target, change.as_str()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (at, words): (i64, String) = (row.get(2)?, row.get(3)?);
        let at = Moment::from_millis(at);
        let expires = Moment::from_millis(row.get(6)?);
        found.push(Stored {
            principal: row.get(0)?,
            by: row.get(1)?,
            at,
            words: serde_json::from_str(&words)?,
            binding: Binding { rev: row.get(4)?, rules: row.get(5)?, at, expires },
        });
    }
    Ok(found)
}

/// Who has approved, in a saved plan, exactly what is held of somebody; for the revision and the rules of now.
pub(super) fn of(c: &Tx, target: i64, change: ChangeKind, shown: &str) -> Result<Vec<Stored>, StoreError> {
    let found = stored(c, target, change)?;
    if found.is_empty() {
        return Ok(found);
    }
    let (rev, rules) = (rev_of(c, target)?, meta(c, "rules")?.unwrap_or_default());
    let holds = |one: &Stored| {
        one.binding.rev == rev && one.binding.rules == rules && one.words.join(super::evaluation::BETWEEN) == shown
    };
    Ok(found.into_iter().filter(holds).collect())
}

/// Whether any of these people has an approval of this kind.
pub(super) fn any(c: &Tx, targets: &BTreeSet<i64>, change: ChangeKind) -> Result<bool, StoreError> {
    let mut find = c.prepare_cached(
        "SELECT 1 FROM approval WHERE change = ?1 AND told = 1 AND target IN (SELECT value FROM json_each(?2))",
    )?;
    Ok(find.exists(params![change.as_str(), serde_json::to_string(targets)?])?)
}

/// What enough people have approved of a revision of somebody, in the words in which it was shown.
pub(super) fn approved(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    target: i64,
    now: Moment,
) -> Result<BTreeMap<ChangeKind, BTreeSet<String>>, StoreError> {
    let mut select = c.prepare_cached("SELECT DISTINCT change FROM approval WHERE target = ?1 AND told = 1")?;
    let words: Vec<String> = select.query_map([target], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut approved = BTreeMap::new();
    for change in words.iter().filter_map(|word| ChangeKind::parse(word)) {
        let pauses = super::pause::times(c, org, change)?;
        let (rev, fingerprint) = (rev_of(c, target)?, meta(c, "rules")?.unwrap_or_default());
        let present = Present { rev, rules: &fingerprint, now, pauses: &pauses };
        let mut by_words: BTreeMap<Vec<String>, Vec<(String, Moment)>> = BTreeMap::new();
        for one in stored(c, target, change)?.into_iter().filter(|one| one.binding.ended(&present).is_none()) {
            by_words.entry(one.words).or_default().push((one.principal, one.at));
        }
        for (words, who) in by_words {
            let who = who.iter().map(|(principal, at)| (principal.as_str(), *at));
            let (needs, alone) = (rules.safeguards.eyes(), rules.safeguards.alone());
            if tally(needs, who, alone, now) == Tally::Decided {
                approved.entry(change).or_insert_with(BTreeSet::new).extend(words);
            }
        }
    }
    Ok(approved)
}

/// Approvals of one kind of change of somebody are over; the audit says why.
pub(super) fn end(c: &Tx, target: i64, change: ChangeKind, why: &str, now: Moment) -> Result<(), StoreError> {
    let mut delete =
        c.prepare_cached("DELETE FROM approval WHERE target = ?1 AND change = ?2 RETURNING by, plan, principal")?;
    let ended: Vec<(String, String, String)> = delete
        .query_map(params![target, change.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (by, plan, principal) in ended {
        let ended = ApprovalEnded { change, plan, why: why.to_owned(), author: Author::new(by, principal) };
        let record = Record::general(now, Event::ApprovalEnded(ended));
        append(c, &Record { target: Some(target), org: org_of(c, target)?, ..record })?;
    }
    Ok(())
}

impl Store {
    /// Takes new approvals: writes them into the audit and lets those go on who waited for one. Ends those that do not hold
    /// any more. Returns how many people may go on.
    pub async fn apply_approvals(&self, now: Moment) -> Result<usize, StoreError> {
        let rules = self.rules();
        self.run(move |c| {
            expire(c, now)?;
            take(c, &rules.load(), now)
        })
        .await
    }
}

/// Ends what does not hold any more.
fn expire(c: &Tx, now: Moment) -> Result<(), StoreError> {
    let mut select = c.prepare_cached(
        "SELECT a.target, t.org, a.change, a.rev, a.rules, a.at, a.expires, w.dirty_rev FROM approval a
         JOIN target t ON t.id = a.target LEFT JOIN work w ON w.target = a.target ORDER BY a.target",
    )?;
    let mut rows = select.query([])?;
    let mut over: Vec<(i64, ChangeKind, &'static str)> = Vec::new();
    let mut pauses = BTreeMap::new();
    let fingerprint = meta(c, "rules")?.unwrap_or_default();
    while let Some(row) = rows.next()? {
        let (target, org, word): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let Some(change) = ChangeKind::parse(&word) else { continue };
        let key = (org, change);
        if !pauses.contains_key(&key) {
            pauses.insert(key.clone(), super::pause::times(c, &key.0, change)?);
        }
        let (at, expires): (i64, i64) = (row.get(5)?, row.get(6)?);
        let (at, expires) = (Moment::from_millis(at), Moment::from_millis(expires));
        let binding = Binding { rev: row.get(3)?, rules: row.get(4)?, at, expires };
        let rev = row.get::<Option<i64>>(7)?.unwrap_or(0);
        let pauses = pauses.get(&key).map_or(&[][..], Vec::as_slice);
        if let Some(why) = binding.ended(&Present { rev, rules: &fingerprint, now, pauses }) {
            over.push((target, change, why));
        }
    }
    for (target, change, why) in over {
        end(c, target, change, why, now)?;
    }
    Ok(())
}

fn take(c: &Tx, rules: &Rulebook, now: Moment) -> Result<usize, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT a.target, t.org, a.change, a.principal, a.words, a.plan, a.by, a.rev FROM approval a
         JOIN target t ON t.id = a.target WHERE a.told = 0 ORDER BY a.target, a.change",
    )?;
    type Row = (i64, String, String, String, String, String, String, i64);
    let rows: Vec<Row> = select
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut people: BTreeMap<i64, String> = BTreeMap::new();
    for (target, org, change, principal, words, plan, by, rev) in rows {
        let words: Vec<String> = serde_json::from_str(&words)?;
        let approved =
            Approved { change: change_of(&change)?, shown: words, plan, author: Author::new(by, &*principal) };
        let record = Record::about(target, org.clone(), now, Event::Approved(approved));
        append(c, &Record { rev: Some(rev), ..record })?;
        // From here on the service's own clock says when it was.
        c.prepare_cached("UPDATE approval SET told = 1, at = ?4 WHERE target = ?1 AND change = ?2 AND principal = ?3")?
            .execute(params![target, change, principal, now.millis()])?;
        people.insert(target, org);
    }
    for (target, org) in &people {
        begin(c, *target, org, now)?;
        let mut held = c.prepare_cached("SELECT DISTINCT hold FROM risk WHERE target = ?1 AND hold IS NOT NULL")?;
        let holds: Vec<i64> = held.query_map([target], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for hold in holds {
            votes::settle(c, rules, hold, Some(&BTreeSet::from([*target])), now)?;
        }
    }
    Ok(people.len())
}

/// Whoever has an approval is worked on, also who was thought to be as they should be: the plan has found something.
fn begin(c: &Tx, target: i64, org: &str, now: Moment) -> Result<(), StoreError> {
    let is_done: Option<bool> = c
        .prepare_cached("SELECT dirty_rev = done_rev FROM work WHERE target = ?1")?
        .query_row([target], |row| row.get(0))
        .optional()?;
    if is_done != Some(false) {
        dirty::mark_dirty(c, target, org, Priority::Describe, super::ANY_BUCKET, Cause::Request, now)?;
        let rev = rev_of(c, target)?;
        c.prepare_cached("UPDATE approval SET rev = ?2 WHERE target = ?1")?.execute([target, rev])?;
    }
    votes::go_on(c, target, now)
}
