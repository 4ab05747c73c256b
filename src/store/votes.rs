//! What people have said about holds, and what the service makes of it.
//!
//! **Invariant:** an approval counts for somebody only while what is held of them is what was shown, and once for each
//! principal. It is never counted by the command that writes it down.

use super::engine::{Optional, Tx, params};
use super::holds::code;
use super::rows::{account, work};
use super::{Store, StoreError, Trouble, append, approvals, change_of, rejections};
use crate::audit::details::{ApprovedAlone, HoldEnded, Names, Verdict, Vote};
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::guard::decider::Tally;
use crate::domain::guard::vote::{Approval, Count, Says, Settled, Takes, count, counts, missing, settled};
use crate::domain::{ChangeKind, Decider, Rulebook};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What `vote.state` says of a vote that counts.
const COUNTED: &str = "counted";

/// So many people must reject what ends the access of somebody who is suspended for it: rejecting lets them in again.
pub(super) const LETS_IN: i64 = 2;

/// What came of a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Voted {
    /// The service acts upon it soon.
    Decided,
    /// So many more people must approve.
    Needs { more: i64 },
    /// There is only one approver: it is carried out at this time (milliseconds), unless somebody cancels.
    Alone { until: i64 },
    /// There is no such hold, or it was decided already.
    NothingToDecide,
    /// What is shown has changed since; its code now.
    Changed { code: String },
    /// The same principal has approved already.
    Again,
}

/// What was said about what a hold shows now, of those who have not said otherwise since; what the service has not counted yet
/// too, if `pending`.
fn said(c: &Tx, hold: i64, code: &str, says: Says, pending: bool) -> Result<Vec<Approval>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT principal, by, at, only FROM vote v WHERE hold = ?1 AND approve = ?4 AND seen = ?2
           AND (state = 'counted' OR (?3 AND state IS NULL))
           AND NOT EXISTS (SELECT 1 FROM vote o WHERE o.hold = v.hold AND o.principal = v.principal AND o.id > v.id
             AND o.approve = 1 - ?4 AND o.seen = ?2 AND (o.state = 'counted' OR (?3 AND o.state IS NULL))) ORDER BY id",
    )?;
    let mut rows = select.query(params![hold, code, pending, says.number()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let only: Option<String> = row.get(3)?;
        found.push(Approval {
            principal: row.get(0)?,
            by: row.get(1)?,
            at: Moment::from_millis(row.get(2)?),
            only: only.as_deref().map(serde_json::from_str).transpose()?,
        });
    }
    Ok(found)
}

/// Names of those who have said this about what a hold shows now, each principal once.
pub(super) fn who_said(c: &Tx, hold: i64, code: &str, says: Says) -> Result<Vec<String>, StoreError> {
    let said = said(c, hold, code, says, true)?;
    let by: BTreeMap<&str, &str> = said.iter().map(|said| (said.principal.as_str(), said.by.as_str())).collect();
    let mut names: Vec<String> = by.into_values().map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

/// The people of a hold, with what is held of them in words.
fn members(c: &Tx, hold: i64) -> Result<BTreeMap<i64, String>, StoreError> {
    let mut select = c.prepare_cached("SELECT target, shown FROM risk WHERE hold = ?1")?;
    Ok(select.query_map([hold], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}

/// The people of a hold whose access comes back where their end is rejected: they are suspended for it, or about to be.
pub(super) fn let_in_by_rejection(c: &Tx, hold: i64) -> Result<BTreeSet<i64>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT r.target, r.administrator > 0, t.org, t.okta_id FROM risk r JOIN target t ON t.id = r.target
         WHERE r.hold = ?1 AND r.change = 'deactivate'",
    )?;
    let mut rows = select.query([hold])?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let (target, may_be_administrator, org, id): (i64, bool, String, Option<String>) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let account = id.map(|id| account::by_id(c, &org, &id)).transpose()?.flatten();
        if may_be_administrator || account.is_some_and(|account| account.is_suspended_for_end()) {
            found.insert(target);
        }
    }
    Ok(found)
}

/// What somebody says about a hold.
#[derive(Clone, Copy, Debug)]
pub struct Ballot<'a> {
    pub hold: i64,
    pub approve: bool,
    /// The code of what they were shown.
    pub seen: &'a str,
    /// The people whom they mean; all without it.
    pub only: Option<&'a BTreeSet<i64>>,
    pub by: &'a Decider,
}

/// Writes down what somebody says about a hold, from beside the service.
pub fn vote(c: &Tx, rules: &Rulebook, ballot: &Ballot, now: Moment) -> Result<Voted, StoreError> {
    let Some(open) = Open::find(c, ballot.hold)? else { return Ok(Voted::NothingToDecide) };
    let code = code(c, open.id)?;
    if code != ballot.seen {
        return Ok(Voted::Changed { code });
    }
    let by = ballot.by;
    let says = if ballot.approve { Says::Approves } else { Says::Rejects };
    let mut before = said(c, open.id, &code, says, true)?;
    let mut meant = members(c, open.id)?;
    meant.retain(|target, _| ballot.only.is_none_or(|only| only.contains(target)));
    let own: Vec<&Approval> = before.iter().filter(|said| said.principal == by.principal()).collect();
    if !ballot.approve {
        let two = let_in_by_rejection(c, open.id)?;
        meant.retain(|target, _| two.contains(target));
    }
    if (ballot.approve || !meant.is_empty()) && meant.keys().all(|target| own.iter().any(|said| said.covers(*target))) {
        return Ok(Voted::Again);
    }
    write(c, ballot, says, now)?;
    let (principal, by) = (by.principal().to_owned(), by.name.clone());
    before.push(Approval { principal, by, at: now, only: ballot.only.cloned() });
    let counts = match says {
        Says::Approves => open.counted(c, rules, &before, &meant, now)?,
        _ => open.rejected(rules, &before, meant.keys().copied(), now),
    };
    Ok(match missing(counts.into_iter().map(|(_, count)| count.tally)) {
        Tally::Decided => Voted::Decided,
        Tally::Needs(more) => Voted::Needs { more },
        Tally::Alone { until } => Voted::Alone { until: until.millis() },
    })
}

fn write(c: &Tx, ballot: &Ballot, says: Says, now: Moment) -> Result<(), StoreError> {
    let only = ballot.only.map(serde_json::to_string).transpose()?;
    c.execute(
        "INSERT INTO vote (hold, approve, seen, only, by, at, principal) VALUES (?1,?2,?3,?4,?5,?6,?7)",
        params![ballot.hold, says.number(), ballot.seen, only, ballot.by.name, now.millis(), ballot.by.principal()],
    )?;
    Ok(())
}

/// Takes back what was rejected, from beside the service: it is evaluated as if it were asked for the first time.
pub fn reverse(c: &Tx, ballot: &Ballot, now: Moment) -> Result<Voted, StoreError> {
    if rejections::members(c, ballot.hold)?.is_empty() {
        return Ok(Voted::NothingToDecide);
    }
    let code = code(c, ballot.hold)?;
    if code != ballot.seen {
        return Ok(Voted::Changed { code });
    }
    write(c, ballot, Says::Reverses, now)?;
    Ok(Voted::Decided)
}

/// Takes back what the only approver has approved, while its delay lasts, from beside the service. False if nothing waits
/// for that.
pub fn cancel(c: &Tx, hold: i64, by: &Decider, now: Moment) -> Result<bool, StoreError> {
    let waits = Open::find(c, hold)?.is_some_and(|open| open.until.is_some());
    if waits {
        write(c, &Ballot { hold, approve: false, seen: "", only: None, by }, Says::Cancels, now)?;
    }
    Ok(waits)
}

impl Store {
    /// Acts upon what people have said about holds, and upon delays that have passed; returns how many people may go on.
    pub async fn apply_votes(&self, now: Moment) -> Result<usize, StoreError> {
        let rules = self.rules();
        self.run(move |c| apply_votes(c, &rules.load(), now)).await
    }
}

/// A vote that the service has not looked at yet.
struct New {
    id: i64,
    hold: i64,
    says: Says,
    seen: String,
    only: Option<String>,
    by: String,
    principal: String,
}

fn apply_votes(c: &Tx, rules: &Rulebook, now: Moment) -> Result<usize, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT id, hold, approve, seen, only, by, principal FROM vote WHERE state IS NULL ORDER BY id",
    )?;
    let new: Vec<New> = select
        .query_map([], |row| {
            Ok(New {
                id: row.get(0)?,
                hold: row.get(1)?,
                says: Says::from_number(row.get(2)?),
                seen: row.get(3)?,
                only: row.get(4)?,
                by: row.get(5)?,
                principal: row.get(6)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let mut freed = 0;
    for vote in new {
        match super::alone(c, |c| apply_vote(c, rules, &vote, now)) {
            // One that cannot be counted holds up no other.
            Err(e) if e.trouble() == Trouble::Refused => {
                tracing::error!(hold = vote.hold, by = vote.by, error = %e, "a vote could not be counted");
                c.execute("UPDATE vote SET state = ?2 WHERE id = ?1", params![vote.id, format!("failed: {e}")])?;
            }
            counted => freed += counted?,
        }
    }
    let mut select = c.prepare_cached("SELECT id FROM hold WHERE verdict IS NULL AND until IS NOT NULL")?;
    let waiting: Vec<i64> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for hold in waiting {
        freed += settle(c, rules, hold, None, now)?;
        settle_rejections(c, rules, hold, now)?;
    }
    Ok(freed)
}

fn apply_vote(c: &Tx, rules: &Rulebook, vote: &New, now: Moment) -> Result<usize, StoreError> {
    let open = Open::find(c, vote.hold)?;
    let counts = counts(vote.says, open.is_some(), code(c, vote.hold)? == vote.seen);
    let state = counts.err().unwrap_or(COUNTED);
    // From here on the service's own clock says when it was.
    c.execute("UPDATE vote SET state = ?2, at = ?3 WHERE id = ?1", params![vote.id, state, now.millis()])?;
    let said = match vote.says {
        Says::Approves => Vote::Approved,
        Says::Cancels => Vote::Cancelled,
        Says::Reverses => Vote::Reversed,
        Says::Rejects => Vote::Rejected,
    };
    let (org, change): (String, String) =
        c.query_row("SELECT org, change FROM hold WHERE id = ?1", [vote.hold], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let voted = HoldEnded {
        said: Some(said),
        by: Some(Names::One(vote.by.clone())),
        principal: Some(vote.principal.clone()),
        seen: Some(vote.seen.clone()),
        why_not: counts.err().map(str::to_owned),
        ..HoldEnded::new(vote.hold, change_of(&change)?)
    };
    let only: Option<BTreeSet<i64>> = vote.only.as_deref().map(serde_json::from_str).transpose()?;
    if let (Some(open), Ok(()), Says::Rejects) = (&open, counts, vote.says) {
        return reject(c, rules, open, vote, only.as_ref(), voted, now);
    }
    append(c, &Record { org: Some(org), ..Record::general(now, Event::HoldEnded(voted)) })?;
    match (open, vote.says) {
        _ if counts.is_err() => Ok(0),
        (_, Says::Reverses) => rejections::reverse(c, vote.hold, only.as_ref(), (&vote.by, &vote.principal), now),
        (Some(open), Says::Cancels) => {
            let why = format!("cancelled by {}", vote.by);
            c.execute(
                "UPDATE vote SET state = ?2 WHERE hold = ?1 AND approve IN (0, 1) AND state = 'counted'",
                params![vote.hold, why],
            )?;
            for target in members(c, vote.hold)?.keys() {
                approvals::end(c, *target, open.change, &why, now)?;
            }
            c.execute("UPDATE hold SET until = NULL WHERE id = ?1", [vote.hold])?;
            Ok(0)
        }
        _ => settle(c, rules, vote.hold, only.as_ref(), now),
    }
}

/// A hold that nobody has decided.
struct Open {
    id: i64,
    org: String,
    change: ChangeKind,
    needs: i64,
    scope: String,
    until: Option<i64>,
}

impl Open {
    fn find(c: &Tx, id: i64) -> Result<Option<Self>, StoreError> {
        let mut select =
            c.prepare_cached("SELECT org, change, needs, scope, until FROM hold WHERE id = ?1 AND verdict IS NULL")?;
        let found: Option<(String, String, i64, String, Option<i64>)> = select
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
            .optional()?;
        Ok(found.and_then(|(org, word, needs, scope, until)| {
            Some(Self { id, org, change: ChangeKind::parse(&word)?, needs, scope, until })
        }))
    }

    /// What the votes about each of these come to, together with the saved plans that were approved in the same words.
    fn counted(
        &self,
        c: &Tx,
        rules: &Rulebook,
        votes: &[Approval],
        members: &BTreeMap<i64, String>,
        now: Moment,
    ) -> Result<Vec<(i64, Count)>, StoreError> {
        // A stricter rule holds for what is held already.
        let takes = Takes { needs: self.needs.max(rules.safeguards.eyes()), alone: rules.safeguards.alone() };
        let counted = members.iter().map(|(target, shown)| {
            let plans = approvals::of(c, *target, self.change, shown)?.into_iter();
            let plans = plans.map(|plan| Approval { principal: plan.principal, by: plan.by, at: plan.at, only: None });
            Ok((*target, count(takes, votes, &plans.collect::<Vec<_>>(), *target, now)))
        });
        counted.collect()
    }

    /// What the rejections of each of these come to, where a rejection gives access back.
    fn rejected(
        &self,
        rules: &Rulebook,
        votes: &[Approval],
        targets: impl Iterator<Item = i64>,
        now: Moment,
    ) -> Vec<(i64, Count)> {
        let takes = Takes { needs: LETS_IN, alone: rules.safeguards.alone() };
        targets.map(|target| (target, count(takes, votes, &[], target, now))).collect()
    }

    fn record(&self, target: Option<i64>, ended: HoldEnded, now: Moment) -> Record {
        Record { target, org: Some(self.org.clone()), ..Record::general(now, Event::HoldEnded(ended)) }
    }

    /// All of it is decided.
    fn close(&self, c: &Tx, verdict: &str, now: Moment) -> Result<(), StoreError> {
        super::evaluation::forget_mass(c, &self.scope)?;
        c.execute(
            "UPDATE hold SET verdict = ?2, at = ?3, until = NULL WHERE id = ?1",
            params![self.id, verdict, now.millis()],
        )?;
        Ok(())
    }
}

/// Looks again whom of a hold enough people have approved, and lets these go; returns how many. `only` are the people who
/// are looked at, all without it.
pub(super) fn settle(
    c: &Tx,
    rules: &Rulebook,
    hold: i64,
    only: Option<&BTreeSet<i64>>,
    now: Moment,
) -> Result<usize, StoreError> {
    let Some(open) = Open::find(c, hold)? else { return Ok(0) };
    let code = code(c, hold)?;
    let votes = said(c, hold, &code, Says::Approves, false)?;
    let members = members(c, hold)?;
    let mut meant = members.clone();
    meant.retain(|target, _| only.is_none_or(|only| only.contains(target)));
    let Settled { approved, until, by } = settled(open.counted(c, rules, &votes, &meant, now)?);
    let (principals, by): (Vec<String>, Vec<String>) = by.into_iter().unzip();
    if approved.is_empty() {
        let rejections = said(c, hold, &code, Says::Rejects, false)?;
        let rejected = settled(open.rejected(rules, &rejections, let_in_by_rejection(c, hold)?.into_iter(), now));
        if rejected.until.is_some() && until.is_none() {
            return Ok(0); // it is announced already
        }
        wait_alone(c, &open, until, (by, principals), false, now)?;
        return Ok(0);
    }
    let ended = HoldEnded {
        verdict: Some(Verdict::Approved),
        by: Some(Names::Several(by)),
        principals: Some(principals),
        ..HoldEnded::new(hold, open.change)
    };
    append(c, &open.record(None, HoldEnded { people: Some(approved.len()), ..ended.clone() }, now))?;
    for target in &approved {
        let of_one = HoldEnded { shown: members.get(target).cloned(), ..ended.clone() };
        append(c, &open.record(Some(*target), of_one, now))?;
        c.prepare_cached("UPDATE risk SET hold = NULL, approved = 1, at = ?3 WHERE target = ?1 AND change = ?2")?
            .execute(params![target, open.change.as_str(), now.millis()])?;
        go_on(c, *target, now)?;
    }
    if approved.len() == members.len() {
        open.close(c, "approved", now)?;
    } else if open.until.is_some() {
        c.execute("UPDATE hold SET until = NULL WHERE id = ?1", [hold])?;
    }
    Ok(approved.len())
}

/// The only approver has approved: everybody is told until when they can say no.
fn wait_alone(
    c: &Tx,
    open: &Open,
    until: Option<Moment>,
    (by, principals): (Vec<String>, Vec<String>),
    rejects: bool,
    now: Moment,
) -> Result<(), StoreError> {
    let at = until.map(Moment::millis);
    if at == open.until {
        return Ok(());
    }
    c.execute("UPDATE hold SET until = ?2 WHERE id = ?1", params![open.id, at])?;
    let Some(until) = until else { return Ok(()) };
    let alone = ApprovedAlone { hold: open.id, change: open.change, by, principals, until, rejects };
    let record = Record::general(now, Event::ApprovedAlone(alone));
    append(c, &Record { org: Some(open.org.clone()), ..record })?;
    Ok(())
}

/// Whoever was held is looked at again.
pub(super) fn go_on(c: &Tx, target: i64, now: Moment) -> Result<(), StoreError> {
    work::change(c, target, |work| work.decided(now))
}

/// Somebody has rejected what is held: at once, but where that gives access back when enough people say so.
fn reject(
    c: &Tx,
    rules: &Rulebook,
    open: &Open,
    vote: &New,
    only: Option<&BTreeSet<i64>>,
    voted: HoldEnded,
    now: Moment,
) -> Result<usize, StoreError> {
    let two = let_in_by_rejection(c, open.id)?;
    let mut meant = members(c, open.id)?;
    meant.retain(|target, _| only.is_none_or(|only| only.contains(target)));
    let votes = said(c, open.id, &code(c, open.id)?, Says::Rejects, false)?;
    let asked = meant.keys().copied().filter(|target| two.contains(target));
    let Settled { approved: agreed, until, by } = settled(open.rejected(rules, &votes, asked, now));
    let (principals, by): (Vec<String>, Vec<String>) = by.into_iter().unzip();
    meant.retain(|target, _| !two.contains(target) || agreed.contains(target));
    if meant.is_empty() {
        append(c, &open.record(None, voted, now))?;
        wait_alone(c, open, until, (by, principals), true, now)?;
        return Ok(0);
    }
    let who = if agreed.is_empty() { vec![vote.by.clone()] } else { by };
    carry_out_rejection(c, open, meant, (who, &vote.principal), voted, now)
}

/// Rejections of the only approver whose delay has passed.
fn settle_rejections(c: &Tx, rules: &Rulebook, hold: i64, now: Moment) -> Result<(), StoreError> {
    let Some(open) = Open::find(c, hold)? else { return Ok(()) };
    let votes = said(c, hold, &code(c, hold)?, Says::Rejects, false)?;
    let two = let_in_by_rejection(c, hold)?;
    let Settled { approved: agreed, by, .. } = settled(open.rejected(rules, &votes, two.into_iter(), now));
    let mut meant = members(c, hold)?;
    meant.retain(|target, _| agreed.contains(target));
    let Some((principal, _)) = by.first_key_value().filter(|_| !meant.is_empty()) else { return Ok(()) };
    let (principal, who) = (principal.clone(), by.into_values().collect());
    carry_out_rejection(c, &open, meant, (who, &principal), HoldEnded::new(hold, open.change), now)?;
    c.execute("UPDATE hold SET until = NULL WHERE id = ?1", [hold])?;
    Ok(())
}

fn carry_out_rejection(
    c: &Tx,
    open: &Open,
    members: BTreeMap<i64, String>,
    (who, principal): (Vec<String>, &str),
    voted: HoldEnded,
    now: Moment,
) -> Result<usize, StoreError> {
    let total = self::members(c, open.id)?.len();
    let names = who.join(" and ");
    let by = Some(Names::Several(who));
    let of_all = HoldEnded { verdict: Some(Verdict::Rejected), people: Some(members.len()), by: by.clone(), ..voted };
    append(c, &open.record(None, of_all, now))?;
    let whole = members.len() == total;
    let rejected = if whole { open.id } else { split(c, open.id, now)? };
    for (target, shown) in &members {
        let of_one = HoldEnded {
            verdict: Some(Verdict::Rejected),
            by: by.clone(),
            principal: Some(principal.to_owned()),
            shown: Some(shown.clone()),
            ..HoldEnded::new(rejected, open.change)
        };
        append(c, &open.record(Some(*target), of_one, now))?;
        rejections::put(c, *target, open.change, rejected, (&names, principal), now)?;
        approvals::end(c, *target, open.change, &format!("rejected by {names}"), now)?;
        go_on(c, *target, now)?;
    }
    if whole {
        open.close(c, "rejected", now)?;
    }
    Ok(0)
}

/// A hold of its own, rejected, for those of a hold who were rejected alone.
fn split(c: &Tx, hold: i64, now: Moment) -> Result<i64, StoreError> {
    let mut insert = c.prepare_cached(
        "INSERT INTO hold (org, change, scope, why, needs, since, reminded, verdict, at)
         SELECT org, change, scope, why, needs, since, reminded, 'rejected', ?2 FROM hold WHERE id = ?1 RETURNING id",
    )?;
    Ok(insert.insert(params![hold, now.millis()])?)
}
