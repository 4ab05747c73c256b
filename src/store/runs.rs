//! Claims, intents and outcomes: what one run writes.
//!
//! **Invariant:** at most one run holds a target, by its token; what comes under an older token changes nothing. No
//! call leaves without its intent on disk, and no intent goes without its outcome in the audit; nobody is claimed while a
//! call for them, under a token that is void by now, may still be on its way.

use super::engine::{Tx, alone};
use super::evaluation::Evaluation;
use super::lease::{EndStep, Want};
use super::rows::meta::{number, set_meta};
use super::rows::{account, anchored, approval, awaited, intent, link, refusal, target, work};
use super::{
    Store, StoreError, Trouble, accounts, anchors, append, awaiting, cases, coverage, dirty, name_of, pause, pins,
    previews, prime, proof, refused, relink, restraint, second_thoughts, unanswered,
};
use crate::audit::details::{Done, Planned, Quarantined, Withheld};
use crate::audit::{Call, Effect, Event, Outcome, Record};
use crate::clock::Moment;
use crate::domain::account::user::OfHolder;
use crate::domain::plan::doubt::{Ending, is_in_flight};
use crate::domain::work::machine::{Happened, Transition, Work};
use crate::domain::work::run::{Begun, Claim, Lease, Next, Release};
use crate::domain::{Account, Case, Cause, ChangeKind, Directory, Learned, Priority, Rulebook, Step};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// When somebody is read again for whom Okta has answered with the account of another person.
const OTHERS_AGAIN: Duration = Duration::from_secs(15 * 60);

impl Store {
    /// Judges whoever is dirty, then takes claims on up to as many targets of an org as there is room for, in the order of
    /// service.
    pub async fn claim(
        &self,
        org: &str,
        directory: Arc<Directory>,
        now: Moment,
        want: Want,
    ) -> Result<Vec<Claim>, StoreError> {
        let (org, rules) = (org.to_owned(), self.rules.clone());
        let store = self.clone();
        self.run(move |c| {
            if store.begins_nothing()
                || store.stops().stopped(&org, None).is_some()
                || pause::paused(c, &org, None)?.is_some()
            {
                return Ok(Vec::new());
            }
            let loaded = rules.load();
            let evaluation = Evaluation { rules: &loaded, directory: &directory, org: &org, now };
            if want.ordered_only {
                evaluation.evaluate_ordered(c)?
            } else {
                evaluation.evaluate(c)?
            }
            claim(c, &rules.load(), &directory, &org, now, &want)
        })
        .await
    }

    /// Announces a call. `planned` is the whole plan if this is its first call: it is audited with it. `changes` are
    /// its kinds; a call of which one is paused is not announced.
    pub async fn begin_step(
        &self,
        lease: Lease,
        call: Call,
        changes: BTreeSet<ChangeKind>,
        planned: Option<Planned>,
        now: Moment,
    ) -> Result<Begun, StoreError> {
        let (store, anchor) = (self.clone(), self.rules.load().mapping.anchor().to_owned());
        self.run(move |c| {
            if store.begins_nothing() {
                return Ok(Begun::Stale);
            }
            begin_step(c, Announced { lease, call: &call, changes: &changes, planned }, &anchor, now)
        })
        .await
    }

    /// Writes the outcome of a call, what it taught, and what follows, in one transaction. Returns how often in a row Okta has
    /// refused exactly this call in exactly these words: from the second time on, the next try waits twice as long each time.
    pub async fn end_step(&self, end: EndStep, now: Moment) -> Result<i64, StoreError> {
        let (matched, rules) = (self.matched(), self.rules.clone());
        self.run(move |c| {
            let (whose, sent_at) = intent::remove(c, end.intent)?.unwrap_or((end.lease.target, now));
            if end.effect.outcome.ending() == Ending::Untold {
                unanswered::note(c, whose, &end.effect.call.step, sent_at, now)?;
            }
            append(c, &about(c, end.lease, now, Event::Effect(end.effect.clone()))?)?;
            let org = work::org(c, end.lease.target)?;
            match &end.holder {
                Some(OfHolder::Renamed { id, login }) => accounts::rename(c, &org, id, login, now)?,
                Some(OfHolder::Is(account)) => accounts::seen_otherwise(c, &rules.load(), &org, account, now)?,
                Some(OfHolder::Gone(id)) => accounts::gone(c, &org, id)?,
                None => {}
            }
            if end.effect.outcome == Outcome::Applied && end.effect.call.step.is_write() {
                awaiting::permitted(c, &org, whose, end.effect.call.step.name(), now)?;
            }
            for group in &end.new_groups {
                previews::group_seen(c, &org, group, now)?;
            }
            let times = refusals(c, &end)?;
            if present(c, end.lease)?.is_none() {
                came_late(c, &rules.load(), &org, whose, &end, now)?;
                return Ok(times);
            }
            if let Learned::Is(account) = &end.account
                && let Some(other) = owner(c, &org, end.lease.target, &account.id)?
            {
                let why = format!(
                    "Okta has answered with the account {} ({}), which is {other}'s: nothing is written; look at both in Okta",
                    account.id, account.login
                );
                let again = Some(now + OTHERS_AGAIN);
                release(c, end.lease, &Release::Quarantined { why, again, read_first: true, awaits: Vec::new() }, now)?;
                return Ok(times);
            }
            match &end.account {
                Learned::Is(account) => learn(c, &org, end.lease.target, account, &matched, now)?,
                Learned::Gone => forget(c, &org, end.lease.target)?,
                Learned::Nothing => {
                    accounts::doubt(c, end.lease.target, &end.effect.call.step, end.effect.outcome.ending())?;
                }
            }
            match &end.next {
                Next::Continue => {}
                Next::Read => read_first(c, end.lease)?,
                Next::Release(how) => {
                    let is_new = release(c, end.lease, how, now)?.unwrap_or(false);
                    if let Some((_, ended_at)) = work::load_with_end(c, end.lease.target)?.filter(|_| times > 1) {
                        work::change(c, end.lease.target, |work| work.backed_off(times, ended_at.is_some(), now))?;
                    }
                    follow(c, &rules.load(), end.lease.target, (how, is_new), now)?;
                }
            }
            Ok(times)
        })
        .await
    }

    /// Lets go of a target.
    pub async fn release(&self, lease: Lease, how: Release, now: Moment) -> Result<(), StoreError> {
        let rules = self.rules.clone();
        self.run(move |c| {
            let Some(is_new) = release(c, lease, &how, now)? else { return Ok(()) };
            follow(c, &rules.load(), lease.target, (&how, is_new), now)
        })
        .await
    }
}

/// A call has its outcome when the right under which it was sent is void: whoever has the person or the account by now has planned
/// without it.
fn came_late(c: &Tx, rules: &Rulebook, org: &str, whose: i64, end: &EndStep, now: Moment) -> Result<(), StoreError> {
    let step = &end.effect.call.step;
    if !step.is_write() {
        return Ok(());
    }
    let id = match &end.account {
        Learned::Is(account) => Some(account.id.as_str()),
        Learned::Gone | Learned::Nothing => step.account(),
    };
    let owner = id.map(|id| target::owner(c, org, id)).transpose()?.flatten();
    for target in BTreeSet::from_iter([Some(whose), owner].into_iter().flatten()) {
        unanswered::doubt_again(c, target, step, now)?;
    }
    match &end.account {
        // An account that was made for whoever has another one by now, or none.
        Learned::Is(account) if owner.is_none() && matches!(step, Step::CreateUser { .. }) => {
            found(c, rules, whose, account, now)
        }
        _ => Ok(()),
    }
}

pub(super) fn about(c: &Tx, lease: Lease, now: Moment, event: Event) -> Result<Record, StoreError> {
    let org = work::org(c, lease.target)?;
    Ok(Record { rev: Some(lease.rev), ..Record::about(lease.target, org, now, event) })
}

/// How often in a row the same call was refused in the same words; 0 if it was not refused.
fn refusals(c: &Tx, end: &EndStep) -> Result<i64, StoreError> {
    let Effect { call, outcome, why, .. } = &end.effect;
    let is_refused = matches!(outcome, Outcome::Refused | Outcome::Replan | Outcome::Missing);
    if !is_refused || !call.step.is_write() {
        return Ok(0);
    }
    let why = why.as_deref().unwrap_or_default();
    refusal::again(c, end.lease.target, &format!("{} {} {} {why}", call.method, call.path, call.body_hash))
}

/// The work on the target of a lease, if that is the present one, whatever revision came meanwhile.
fn present(c: &Tx, lease: Lease) -> Result<Option<Work>, StoreError> {
    Ok(work::load(c, lease.target)?.filter(|work| work.is_under(lease)))
}

/// Whoever works on the target next reads the account before anything else.
fn read_first(c: &Tx, lease: Lease) -> Result<(), StoreError> {
    work::change(c, lease.target, |work| work.in_doubt(lease))
}

/// A call that is to be announced.
struct Announced<'a> {
    lease: Lease,
    call: &'a Call,
    changes: &'a BTreeSet<ChangeKind>,
    planned: Option<Planned>,
}

fn begin_step(c: &Tx, announced: Announced, anchor: &str, now: Moment) -> Result<Begun, StoreError> {
    let Announced { lease, call, changes, planned } = announced;
    if !present(c, lease)?.is_some_and(|work| work.is_newest(lease)) {
        return Ok(Begun::Stale);
    }
    if !changes.is_empty() {
        let org = work::org(c, lease.target)?;
        for change in changes {
            if pause::paused(c, &org, Some(*change))?.is_some() {
                return Ok(Begun::Stale); // claimed again when it may be, with what may not be taken out of its plan
            }
        }
    }
    if let Some((app, name)) = call.step.name_in_app()
        && cases::is_called_so(c, lease.target, app, name)?
    {
        return Ok(Begun::Stale); // planned before somebody else got that name
    }
    if let Some(plan) = planned {
        append(c, &about(c, lease, now, Event::Planned(plan))?)?;
    }
    if let Step::CreateUser { profile, .. } = &call.step {
        let login = profile.get("login").and_then(Value::as_str).unwrap_or_default();
        target::set_tried_login(c, lease.target, login)?;
        if let Some(anchor) = profile.get(anchor).and_then(Value::as_str) {
            anchored::announce(c, &work::org(c, lease.target)?, anchor, login, now)?;
        }
    }
    // From now on a suspension or deactivation is ours, whatever becomes of this run and of what is known of the account:
    // whoever returns is let in again.
    target::becomes(c, lease.target, &call.step)?;
    pins::carries_out(c, lease.target, &call.step)?;
    Ok(Begun::Intent(intent::insert(c, lease, call, now)?))
}

/// Who else has this account, by name.
fn owner(c: &Tx, org: &str, target: i64, okta_id: &str) -> Result<Option<String>, StoreError> {
    let other = target::owner(c, org, okta_id)?.filter(|other| *other != target);
    other.map(|other| Ok(name_of(c, other)?.unwrap_or_else(|| "somebody else".into()))).transpose()
}

/// The target has this account from now on. Those who report to the person are told if that changes what they are told.
fn learn(c: &Tx, org: &str, target: i64, account: &Account, matched: &[String], now: Moment) -> Result<(), StoreError> {
    let before = target::identity(c, target)?.account.map(|id| account::by_id(c, org, &id)).transpose()?.flatten();
    coverage::weigh(c, org, account)?;
    accounts::put(c, org, account, matched, now)?;
    target::set_account(c, target, &account.id)?;
    let known = before.as_ref().map(|b| (b.id.as_str(), b.login.as_str(), b.is_live()));
    let was_live = known.is_some_and(|(.., live)| live);
    if known != Some((account.id.as_str(), account.login.as_str(), account.is_live()))
        && (was_live || account.is_live())
    {
        dirty::wake_reports(c, org, target, known.is_none(), now)?;
    }
    Ok(())
}

fn forget(c: &Tx, org: &str, target: i64) -> Result<(), StoreError> {
    if let Some(okta_id) = target::identity(c, target)?.account {
        proof::lose(c, org, target, &okta_id)?;
    }
    Ok(())
}

fn claim(
    c: &Tx,
    rules: &Rulebook,
    directory: &Directory,
    org: &str,
    now: Moment,
    want: &Want,
) -> Result<Vec<Claim>, StoreError> {
    let mut ready: Vec<(i64, i64, bool)> = Vec::new();
    if want.ordered_only {
        let found = work::ready_ordered(c, org, want.urgent, now)?;
        ready.extend(found.into_iter().map(|(deadline, target, _)| (deadline, target, true)));
    }
    for (bucket, room) in want.rooms.iter().filter(|_| !want.ordered_only) {
        let room = (*room).min(want.runs);
        let worst = if room == 0 { Priority::Revoke } else { Priority::Inspect };
        // Ordered by rank, terminations stand first: `room` counts the others.
        let (mut others, mut found) = (0, Vec::new());
        for (deadline, target, priority) in work::ready(c, (org, bucket), worst, room.max(want.urgent), now)? {
            let is_urgent = priority == Priority::Revoke;
            others += usize::from(!is_urgent);
            if others <= room {
                found.push((deadline, target, is_urgent));
            }
        }
        ready.extend(found);
    }
    ready.sort_unstable();
    let (mut runs, mut urgent) = (want.runs, want.urgent.max(want.runs));
    let mut claims = Vec::new();
    for (_, target, is_urgent) in ready {
        let slots = if is_urgent { &mut urgent } else { &mut runs };
        if *slots > 0 {
            *slots -= 1;
            // Whom the store cannot read holds up nobody else.
            match alone(c, |c| take(c, rules, directory, target, now)) {
                Err(e) if e.trouble() == Trouble::Refused => refused::quarantined(c, target, &e, now)?,
                taken => claims.extend(taken?),
            }
        }
    }
    Ok(claims)
}

fn take(
    c: &Tx,
    rules: &Rulebook,
    directory: &Directory,
    target: i64,
    now: Moment,
) -> Result<Option<Claim>, StoreError> {
    let token: i64 = number(c, "fence")? + 1;
    let Some((ready, known)) = work::load_with_account(c, target)? else { return Ok(None) };
    // A call under a right that is void has no outcome yet: nothing is sent for the person before it has, or can have none.
    if known.sent_at.is_some_and(|at| is_in_flight(at, now)) {
        return Ok(None);
    }
    let Some(work) = ready.leased(token, now) else { return Ok(None) };
    set_meta(c, "fence", &token.to_string())?;
    work::update(c, target, &work)?;
    let Some(mut case) = cases::whole(c, rules, target, now)? else { return Ok(None) };
    second_thoughts::keep(c, rules, directory, &mut case, &work, now)?;
    cases::reserve(c, &case, target)?;
    let rev = work.dirty_rev;
    let restraint = restraint::restraint(c, rules, &case, (target, rev), now)?;
    let doubtful = doubtful(c, rules, &case, known.conflict.as_deref(), now)?;
    Ok(Some(Claim {
        lease: Lease { target, token, rev },
        priority: work.priority,
        cause: work.cause.into_owned(),
        attempt: work.attempt,
        reason: work.reason,
        read_first: work.read_first,
        dirty_at: work.dirty_at,
        case,
        okta_id: known.okta_id,
        login: known.login,
        conflict: known.conflict,
        doubtful,
        restraint,
    }))
}

/// Whose sessions end because it cannot be told which account is a leaver's.
fn doubtful(
    c: &Tx,
    rules: &Rulebook,
    case: &Case,
    conflict: Option<&str>,
    now: Moment,
) -> Result<Vec<String>, StoreError> {
    if conflict.is_none() || case.account.is_some() || !rules.lifecycle(case, now).entitlement.is_over() {
        return Ok(Vec::new());
    }
    let Some(directory) = super::directories::directory_of(c, &case.org)? else { return Ok(Vec::new()) };
    let found = anchors::doubtful(c, case)?.into_iter();
    let free = found.filter(|account| rules.safeguards.protected.why(account, &directory).is_none());
    Ok(free.map(|account| account.id).collect())
}

/// Lets go of a target, and tells of it; returns whether what it waits for is another thing than before. Nothing, and nothing is done,
/// under an old token.
pub(super) fn release(c: &Tx, lease: Lease, how: &Release, now: Moment) -> Result<Option<bool>, StoreError> {
    let found = work::load_with_end(c, lease.target)?;
    let Some((before, ended_at)) = found.filter(|(work, _)| work.is_under(lease)) else { return Ok(None) };
    let reason = before.reason.clone();
    let Transition { work, events } = before.released(lease, how, ended_at, now);
    if let Release::Done { was, awaits_manager, .. } = how {
        target::set_end(c, lease.target, was, *awaits_manager)?;
    }
    if ended_at.is_some() && matches!(how, Release::Done { .. }) {
        unanswered::ended_soon(c, lease.target, now)?;
    }
    work::update(c, lease.target, &work)?;
    if let Release::Quarantined { awaits, .. } = how {
        awaited::set(c, &work::org(c, lease.target)?, lease.target, awaits)?;
    }
    for event in events {
        describe(c, lease, event, now)?;
    }
    Ok(Some(work.reason != reason))
}

/// Writes down what the end of a run has come to, and ends what ends with it.
fn describe(c: &Tx, lease: Lease, happened: Happened, now: Moment) -> Result<(), StoreError> {
    let event = match happened {
        Happened::Done { decided, remark, took_ms } => {
            approval::remove_all(c, lease.target)?;
            anchors::proved(c, lease.target, now)?;
            super::holds::withdraw_all(c, &work::org(c, lease.target)?, lease.target, now)?;
            Event::Done(Done { decided, remark, took_ms })
        }
        Happened::Withheld { why, steps } => Event::Withheld(Withheld { why, steps }),
        Happened::Quarantined { why } => Event::Quarantined(Quarantined { why }),
    };
    append(c, &about(c, lease, now, event)?)?;
    Ok(())
}

/// Who waits for what is there is tried again after so long, where that was so before.
const COME_BEFORE: Duration = Duration::from_secs(30);

/// What the end of a run means for others.
fn follow(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    (how, is_new): (&Release, bool),
    now: Moment,
) -> Result<(), StoreError> {
    match how {
        Release::Found { account } => found(c, rules, target, account, now),
        // What came while the run was under way has woken nobody. Who waits for the same thing as before may have been tried with it.
        Release::Quarantined { awaits, .. } if awaiting::has_come(c, rules, target, awaits, now)? => match is_new {
            true => awaiting::try_again(c, &work::org(c, target)?, target, now),
            false => work::change(c, target, |work| work.sooner(now + COME_BEFORE)),
        },
        Release::Quarantined { .. } => {
            awaiting::login_stays(c, target, now)?;
            awaiting::ring_found(c, rules, target, now)?;
            awaiting::ring_of_names_found(c, rules, target, now)
        }
        _ => Ok(()),
    }
}

/// Writes down an account that nobody knew of, and correlates the person anew.
fn found(c: &Tx, rules: &Rulebook, target: i64, account: &Account, now: Moment) -> Result<(), StoreError> {
    let org = work::org(c, target)?;
    let matched: Vec<String> = rules.matching.iter().map(|rule| rule.attribute.clone()).collect();
    prime::believe(c, rules, &matched, &org, account.clone(), now)?;
    for position in link::profiles(c, target)?.here {
        let what = relink::What { before: Some(&position.employee), cause: Cause::OrgRead };
        relink::relink(c, rules, &org, &position, &what, now)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "runs_tests.rs"]
mod tests;
