//! What people have said about holds, and what the service makes of it.
//!
//! **Invariant:** an approval counts for somebody only while what is held of them is what was shown, and once for each
//! principal. It is never counted by the command that writes it down.

use super::engine::{Tx, alone};
use super::holds::code;
use super::receivers::{is_heard, unhear};
use super::rows::change::change_of;
use super::rows::hold::{self, Open};
use super::rows::meta::{meta, set_meta};
use super::rows::vote::{self as votes, COUNTED, New};
use super::rows::{account, audit, rejection, risk, work};
use super::views::entitled::may_decide;
use super::voices::hearing;
use super::{Store, StoreError, Trouble, append, approved, mass, rejections};
use crate::audit::details::{ApprovedAlone, HoldEnded, Names, Verdict, Vote};
use crate::audit::{Event, Record, Row};
use crate::clock::Moment;
use crate::domain::guard::decider::{Tally, code as code_of};
use crate::domain::guard::vote::{
    self, Approval, Count, LETS_IN, Outcome, Said, Says, Settled, Takes, comes_to, count, counts, is_rejected, lets_in,
    missing, names, not_taken_back, says_no_more, settled,
};
use crate::domain::{Decider, Rulebook};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Under what the votes were counted last, in `meta`.
const COUNTED_BY: &str = "votes counted by";

/// What came of a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Voted {
    /// The service acts upon it soon.
    Decided,
    /// So many more people must approve.
    Needs {
        /// Besides those who have approved.
        more: i64,
        /// Whether one of them must have come with a token, and not over an identity provider.
        #[serde(default)]
        with_token: bool,
    },
    /// There is only one approver: it is carried out at this time (milliseconds), unless somebody cancels.
    Alone {
        /// In milliseconds.
        until: i64,
    },
    /// There is no such hold, or it was decided already.
    NothingToDecide,
    /// What is shown has changed since; its code now.
    Changed {
        /// Of what is shown now.
        code: String,
    },
    /// The same principal has approved already.
    Again,
}

/// What was said about what a hold shows now, of those who have not said otherwise since; what the service has not counted yet
/// too, if `pending`.
fn said(
    c: &Tx,
    rules: &Rulebook,
    (hold, code): (i64, &str),
    (says, pending): (Says, bool),
    now: Moment,
) -> Result<Vec<Approval>, StoreError> {
    let mut all = votes::said(c, hold, code, pending)?;
    if !all.is_empty() {
        let hearing = hearing(c, rules)?;
        let mut there = Vec::with_capacity(all.len());
        for one in &all {
            // Who has left since decides nothing either.
            let account = hearing.account(&one.approval.principal, &one.approval.by);
            there.push(account.map_or(Ok(true), |(org, id)| may_decide(c, rules, org, id, now))?);
        }
        let mut there = there.into_iter();
        all.retain(|_| there.next().unwrap_or(false));
        for Said { approval, .. } in &mut all {
            approval.principal = hearing.whose(&approval.principal, &approval.by);
        }
    }
    Ok(not_taken_back(&all, says))
}

/// Names of those who have said this about what a hold shows now, each principal once.
pub(super) fn who_said(c: &Tx, hold: i64, code: &str, says: Says) -> Result<Vec<String>, StoreError> {
    Ok(names(&not_taken_back(&votes::said(c, hold, code, true)?, says)))
}

/// The people of a hold, with what is held of them in words, as far as they are meant.
fn meant(c: &Tx, hold: i64, only: Option<&BTreeSet<i64>>) -> Result<BTreeMap<i64, String>, StoreError> {
    let mut members = risk::members(c, hold)?;
    members.retain(|target, _| only.is_none_or(|only| only.contains(target)));
    Ok(members)
}

/// The people of a hold whose access comes back where their end is rejected.
pub(super) fn let_in_by_rejection(c: &Tx, hold: i64) -> Result<BTreeSet<i64>, StoreError> {
    let mut found = BTreeSet::new();
    for ending in risk::endings(c, hold)? {
        let account = ending.okta_id.map(|id| account::by_id(c, &ending.org, &id)).transpose()?.flatten();
        if lets_in(ending.may_be_administrator, account.as_ref()) {
            found.insert(ending.target);
        }
    }
    Ok(found)
}

/// What somebody says about a hold.
#[derive(Clone, Copy, Debug)]
pub struct Ballot<'a> {
    /// Which one.
    pub hold: i64,
    /// Approved, or rejected.
    pub approve: bool,
    /// The code of what they were shown.
    pub seen: &'a str,
    /// The people whom they mean; all without it.
    pub only: Option<&'a BTreeSet<i64>>,
    /// Whoever says it.
    pub by: &'a Decider,
}

/// Writes down what somebody says about a hold, from beside the service.
pub fn vote(c: &Tx, rules: &Rulebook, ballot: &Ballot, now: Moment) -> Result<Voted, StoreError> {
    let Some(open) = hold::open(c, ballot.hold)? else { return Ok(Voted::NothingToDecide) };
    let code = code(c, open.id)?;
    if code != ballot.seen {
        return Ok(Voted::Changed { code });
    }
    let says = if ballot.approve { Says::Approves } else { Says::Rejects };
    let mut before = said(c, rules, (open.id, &code), (says, true), now)?;
    let mut meant = meant(c, open.id, ballot.only)?;
    if !ballot.approve {
        let two = let_in_by_rejection(c, open.id)?;
        meant.retain(|target, _| two.contains(target));
    }
    let voice = hearing(c, rules)?.whose(&ballot.by.voice(), &ballot.by.name);
    let own: Vec<&Approval> = before.iter().filter(|said| says_no_more(&said.principal, &voice)).collect();
    if (ballot.approve || !meant.is_empty()) && meant.keys().all(|target| own.iter().any(|said| said.covers(*target))) {
        return Ok(Voted::Again);
    }
    before.push(Approval { principal: voice, ..write(c, ballot, says, now)? });
    let counts = match says {
        Says::Approves => approvals(c, &open, rules, &before, &meant, now)?,
        _ => rejected(c, &open, rules, &before, meant.keys().copied(), now)?,
    };
    let with_token = counts.iter().any(|(_, count)| count.lacks_token);
    Ok(match missing(counts.into_iter().map(|(_, count)| count.tally)) {
        Tally::Decided => Voted::Decided,
        Tally::Needs(more) => Voted::Needs { more, with_token },
        Tally::Alone { until } => Voted::Alone { until: until.millis() },
    })
}

fn write(c: &Tx, ballot: &Ballot, says: Says, now: Moment) -> Result<Approval, StoreError> {
    let (principal, by) = (ballot.by.voice(), ballot.by.name.clone());
    let approval = Approval { principal, by, at: now, only: ballot.only.cloned() };
    votes::insert(c, ballot.hold, says, ballot.seen, &approval)?;
    Ok(approval)
}

/// Takes back what was rejected, from beside the service: it is evaluated as if it were asked for the first time.
pub fn reverse(c: &Tx, ballot: &Ballot, now: Moment) -> Result<Voted, StoreError> {
    if rejection::members(c, ballot.hold)?.is_empty() {
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
    let waits = hold::open(c, hold)?.is_some_and(|open| open.until.is_some());
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

fn apply_votes(c: &Tx, rules: &Rulebook, now: Moment) -> Result<usize, StoreError> {
    let mut freed = 0;
    for vote in votes::new(c)? {
        match alone(c, |c| apply_vote(c, rules, &vote, now)) {
            // One that cannot be counted holds up no other.
            Err(e) if e.trouble() == Trouble::Refused => {
                tracing::error!(hold = vote.hold, by = vote.by, error = %e, "a vote could not be counted");
                votes::failed(c, vote.id, &format!("failed: {e}"))?;
            }
            counted => freed += counted?,
        }
    }
    let mut open: BTreeSet<i64> = hold::waiting(c)?.into_iter().collect();
    // Another number of approvers, or other people behind the tokens: what was said comes to something else.
    let safeguards = &rules.safeguards;
    let counted_by =
        code_of([format!("{:?} {:?} {:?}", safeguards.approvers, safeguards.four_eyes, safeguards.voices)]);
    if meta(c, COUNTED_BY)?.as_ref() != Some(&counted_by) {
        open.extend(votes::open(c)?);
        set_meta(c, COUNTED_BY, &counted_by)?;
    }
    for hold in open {
        freed += settle(c, rules, hold, None, now)?;
        settle_rejections(c, rules, hold, now)?;
    }
    Ok(freed)
}

fn apply_vote(c: &Tx, rules: &Rulebook, vote: &New, now: Moment) -> Result<usize, StoreError> {
    let open = hold::open(c, vote.hold)?;
    let counts = counts(vote.says, open.is_some(), code(c, vote.hold)? == vote.seen);
    // From here on the service's own clock says when it was.
    votes::acknowledge(c, vote.id, counts.err().unwrap_or(COUNTED), now)?;
    let said = match vote.says {
        Says::Approves => Vote::Approved,
        Says::Cancels => Vote::Cancelled,
        Says::Reverses => Vote::Reversed,
        Says::Rejects => Vote::Rejected,
    };
    let about = hold::about(c, vote.hold)?;
    let (org, change) = about.ok_or_else(|| StoreError::NotThere(format!("there is no hold {}", vote.hold)))?;
    let voted = HoldEnded {
        said: Some(said),
        by: Some(Names::One(vote.by.clone())),
        principal: Some(vote.principal.clone()),
        seen: Some(vote.seen.clone()),
        why_not: counts.err().map(str::to_owned),
        only: vote.only()?.map(|only| only.into_iter().collect()),
        ..HoldEnded::new(vote.hold, change_of(&change)?)
    };
    let only = vote.only()?;
    if let (Some(open), Ok(()), Says::Rejects) = (&open, counts, vote.says) {
        return reject(c, rules, open, vote, voted, now);
    }
    append(c, &Record { org: Some(org), ..Record::general(now, Event::HoldEnded(voted)) })?;
    match (open, vote.says) {
        _ if counts.is_err() => Ok(0),
        (_, Says::Reverses) => rejections::reverse(c, vote.hold, only.as_ref(), (&vote.by, &vote.principal), now),
        (Some(open), Says::Cancels) => {
            let why = format!("cancelled by {}", vote.by);
            votes::cancel(c, vote.hold, &why)?;
            for target in risk::members(c, vote.hold)?.keys() {
                approved::end(c, *target, open.change, &why, now)?;
            }
            hold::wait(c, vote.hold, None)?;
            Ok(0)
        }
        _ => settle(c, rules, vote.hold, only.as_ref(), now),
    }
}

/// What the votes about each of these come to, together with the saved plans that were approved in the same words.
fn approvals(
    c: &Tx,
    open: &Open,
    rules: &Rulebook,
    votes: &[Approval],
    members: &BTreeMap<i64, String>,
    now: Moment,
) -> Result<Vec<(i64, Count)>, StoreError> {
    // A stricter rule holds for what is held already.
    let needs = open.needs.max(rules.safeguards.eyes());
    let counted = members.iter().map(|(target, shown)| {
        let plans = approved::of(c, rules, (*target, open.change), shown)?.into_iter();
        let plans =
            plans.map(|plan| Approval { principal: plan.principal, by: plan.by, at: plan.binding.at, only: None });
        let takes = takes(c, open, rules, (*target, needs), now)?;
        Ok((*target, count(takes, votes, &plans.collect::<Vec<_>>(), *target, now)))
    });
    counted.collect()
}

/// From when everybody has the time for saying no to the only approver, once it was announced.
fn alone_from(c: &Tx, open: &Open, rules: &Rulebook, now: Moment) -> Result<Option<Moment>, StoreError> {
    let Some(delay) = rules.safeguards.alone() else { return Ok(None) };
    // What was said before there was one approver only is announced first, however long ago it was.
    let Some(until) = open.until else { return Ok(Some(now)) };
    let is_over = until <= now;
    let is_heard = is_over && is_announced(c, open.id, &rules.safeguards.hears_holds)?;
    Ok(vote::alone_from(delay, until, is_heard, now))
}

/// Whether any of these channels has taken the newest announcement of the only approver's word about a hold.
fn is_announced(c: &Tx, hold: i64, channels: &BTreeSet<String>) -> Result<bool, StoreError> {
    let is_it = |text: &str| Ok(matches!(Row::read(text)?.event, Event::ApprovedAlone(it) if it.hold == hold));
    let Some(seq) = audit::newest_of_kind(c, "approved_alone", is_it)? else { return Ok(false) };
    is_heard(c, hold, seq, channels)
}

/// What a hold takes for one of its people.
fn takes(c: &Tx, open: &Open, rules: &Rulebook, (target, needs): (i64, i64), now: Moment) -> Result<Takes, StoreError> {
    let may_be_administrator = risk::may_be_administrator(c, target, open.change)?;
    let beside_provider = rules.safeguards.beside_provider(&open.org, open.change, may_be_administrator);
    Ok(Takes { needs, alone: rules.safeguards.alone(), beside_provider, alone_from: alone_from(c, open, rules, now)? })
}

/// What the rejections of each of these come to, where a rejection gives access back.
fn rejected(
    c: &Tx,
    open: &Open,
    rules: &Rulebook,
    votes: &[Approval],
    targets: impl IntoIterator<Item = i64>,
    now: Moment,
) -> Result<Vec<(i64, Count)>, StoreError> {
    let counted = targets.into_iter().map(|target| {
        let takes = takes(c, open, rules, (target, LETS_IN), now)?;
        Ok((target, count(takes, votes, &[], target, now)))
    });
    counted.collect()
}

/// The row about what has come of a hold, as a whole or for one of its people.
fn record(open: &Open, target: Option<i64>, ended: HoldEnded, now: Moment) -> Record {
    Record { target, org: Some(open.org.clone()), ..Record::general(now, Event::HoldEnded(ended)) }
}

/// All of a hold is decided.
fn close(c: &Tx, open: &Open, verdict: &str, now: Moment) -> Result<(), StoreError> {
    mass::forget(c, &open.scope)?;
    unhear(c, open.id)?;
    hold::close(c, open.id, verdict, now)
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
    let Some(open) = hold::open(c, hold)? else { return Ok(0) };
    let code = code(c, hold)?;
    let votes = said(c, rules, (hold, &code), (Says::Approves, false), now)?;
    let members = risk::members(c, hold)?;
    let so_far = settled(approvals(c, &open, rules, &votes, &meant(c, hold, only)?, now)?);
    let rejections = said(c, rules, (hold, &code), (Says::Rejects, false), now)?;
    let no = settled(rejected(c, &open, rules, &rejections, let_in_by_rejection(c, hold)?, now)?);
    // What the only approver has rejected was announced, and waits or is carried out in a moment.
    let rejected = no.until.or_else(|| (!no.approved.is_empty()).then_some(now));
    let (targets, by, closes) = match comes_to(so_far, rejected, members.len()) {
        Outcome::LetsGo { targets, by, closes } => (targets, by, closes),
        Outcome::Waits { until, by } => return wait_alone(c, &open, until, by, false, now).map(|()| 0),
        Outcome::Announced => return Ok(0),
    };
    let (principals, by): (Vec<String>, Vec<String>) = by.into_iter().unzip();
    let ended = HoldEnded {
        verdict: Some(Verdict::Approved),
        by: Some(Names::Several(by)),
        principals: Some(principals),
        ..HoldEnded::new(hold, open.change)
    };
    append(c, &record(&open, None, HoldEnded { people: Some(targets.len()), ..ended.clone() }, now))?;
    for target in &targets {
        let of_one = HoldEnded { shown: members.get(target).cloned(), ..ended.clone() };
        append(c, &record(&open, Some(*target), of_one, now))?;
        risk::approve(c, *target, open.change, now)?;
        go_on(c, *target, now)?;
    }
    if closes {
        close(c, &open, "approved", now)?;
    } else if open.until.is_some() {
        hold::wait(c, hold, None)?;
    }
    Ok(targets.len())
}

/// The only approver has approved: everybody is told until when they can say no.
fn wait_alone(
    c: &Tx,
    open: &Open,
    until: Option<Moment>,
    by: BTreeMap<String, String>,
    rejects: bool,
    now: Moment,
) -> Result<(), StoreError> {
    if until == open.until {
        return Ok(());
    }
    hold::wait(c, open.id, until)?;
    let Some(until) = until else { return Ok(()) };
    let (principals, by) = by.into_iter().unzip();
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
    voted: HoldEnded,
    now: Moment,
) -> Result<usize, StoreError> {
    let two = let_in_by_rejection(c, open.id)?;
    let mut meant = meant(c, open.id, vote.only()?.as_ref())?;
    let votes = said(c, rules, (open.id, &code(c, open.id)?), (Says::Rejects, false), now)?;
    let asked = meant.keys().copied().filter(|target| two.contains(target));
    let Settled { approved: agreed, until, by } = settled(rejected(c, open, rules, &votes, asked, now)?);
    meant.retain(|target, _| is_rejected(*target, &two, &agreed));
    if meant.is_empty() {
        append(c, &record(open, None, voted, now))?;
        return wait_alone(c, open, until, by, true, now).map(|()| 0);
    }
    let who = if agreed.is_empty() { vec![vote.by.clone()] } else { by.into_values().collect() };
    carry_out_rejection(c, open, meant, (who, &vote.principal), voted, now)
}

/// Rejections of the only approver whose delay has passed.
fn settle_rejections(c: &Tx, rules: &Rulebook, hold: i64, now: Moment) -> Result<(), StoreError> {
    let Some(open) = hold::open(c, hold)? else { return Ok(()) };
    let votes = said(c, rules, (hold, &code(c, hold)?), (Says::Rejects, false), now)?;
    let two = let_in_by_rejection(c, hold)?;
    let Settled { approved: agreed, by, until } = settled(rejected(c, &open, rules, &votes, two, now)?);
    if open.until.is_none() && until.is_some() {
        return wait_alone(c, &open, until, by, true, now);
    }
    let mut meant = risk::members(c, hold)?;
    meant.retain(|target, _| agreed.contains(target));
    let Some((principal, _)) = by.first_key_value().filter(|_| !meant.is_empty()) else { return Ok(()) };
    let (principal, who) = (principal.clone(), by.into_values().collect());
    carry_out_rejection(c, &open, meant, (who, &principal), HoldEnded::new(hold, open.change), now)?;
    hold::wait(c, hold, None)
}

fn carry_out_rejection(
    c: &Tx,
    open: &Open,
    members: BTreeMap<i64, String>,
    (who, principal): (Vec<String>, &str),
    voted: HoldEnded,
    now: Moment,
) -> Result<usize, StoreError> {
    let total = risk::members(c, open.id)?.len();
    let names = who.join(" and ");
    let by = Some(Names::Several(who));
    let of_all = HoldEnded { verdict: Some(Verdict::Rejected), people: Some(members.len()), by: by.clone(), ..voted };
    append(c, &record(open, None, of_all, now))?;
    let whole = members.len() == total;
    let rejected = if whole { open.id } else { hold::split_off_rejected(c, open.id, now)? };
    for (target, shown) in &members {
        let of_one = HoldEnded {
            verdict: Some(Verdict::Rejected),
            by: by.clone(),
            principal: Some(principal.to_owned()),
            shown: Some(shown.clone()),
            ..HoldEnded::new(rejected, open.change)
        };
        append(c, &record(open, Some(*target), of_one, now))?;
        rejections::put(c, *target, open.change, rejected, (&names, principal), now)?;
        approved::end(c, *target, open.change, &format!("rejected by {names}"), now)?;
        go_on(c, *target, now)?;
    }
    if whole {
        close(c, open, "rejected", now)?;
    }
    Ok(0)
}
