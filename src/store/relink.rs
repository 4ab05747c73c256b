//! Profiles in orgs: whether each is routed there, whose it is, and what is new about that person: a revision. What is known of all of
//! them is asked for together, and what becomes of them is written together.
//!
//! **Invariant:** whoever comes later among them sees what those before have become.

use super::candidates::Before;
use super::engine::Tx;
use super::rows::known::{self, Place, Settledness};
use super::rows::meant::{Sought, Traces, traces};
use super::rows::org::Unrouted;
use super::rows::{end_access, link, matched, org, review, risk, target, work};
use super::{StoreError, anchors, audit_log, cases, confirmed, links, orders, proof, returning, twins};
use crate::audit::details::Observed;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::matching::correlation::{ANCHOR, Counterpart, ONLY_LINK};
use crate::domain::matching::linking::{Whose, is_settled, whose};
use crate::domain::matching::twins::returns;
use crate::domain::plan::case::Case;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::{OrgRules, Rulebook};
use crate::domain::record::employee::{Employee, field_changes};
use crate::domain::record::person::Position;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::Work;
use crate::domain::work::renewal::{Answers, Keepers, Proved, Renewal};
use crate::domain::work::revision::News;
use std::collections::{BTreeMap, BTreeSet};

/// Routes and correlates a profile in one org, and marks its person dirty; the class of what changed, if it concerns the
/// org at all.
pub(super) fn relink(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    what: &What,
    now: Moment,
) -> Result<Option<Priority>, StoreError> {
    let known = link::find(c, org, &position.tenant, &position.employee.id)?;
    relink_known(c, rules, Visit { org, position, known, what: *what }, now)
}

/// What was known of a profile before, and why it is looked at.
#[derive(Clone, Copy)]
pub(super) struct What<'a> {
    pub before: Option<&'a Employee>,
    pub cause: Cause,
}

/// The same, of a profile whose target in the org is known, with whether it is routed there.
pub(super) fn relink_known(
    c: &Tx,
    rules: &Rulebook,
    visit: Visit,
    now: Moment,
) -> Result<Option<Priority>, StoreError> {
    let found = relink_each(c, rules, &[visit], now)?;
    Ok(found.into_iter().next().flatten())
}

/// A profile that is looked at in an org.
pub(super) struct Visit<'a> {
    pub org: &'a str,
    pub position: &'a Position,
    /// Its target there, and whether it was routed there.
    pub known: Option<(i64, bool)>,
    pub what: What<'a>,
}

impl Visit<'_> {
    fn place(&self) -> Place<'_> {
        (self.org, &self.position.tenant, &self.position.employee.id)
    }
}

/// The same of many, each in its place; for each the class of what changed.
pub(super) fn relink_each(
    c: &Tx,
    rules: &Rulebook,
    visits: &[Visit],
    now: Moment,
) -> Result<Vec<Option<Priority>>, StoreError> {
    let seen = Seen::load(c, rules, visits, now)?;
    let found = vec![None; visits.len()];
    let (waiting, waiting_for, renewed) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut visiting = Visiting {
        c,
        rules,
        visits,
        now,
        seen,
        has_merged: false,
        waiting,
        waiting_for,
        renewed,
        linked: BTreeSet::new(),
        has_asked: false,
        found,
    };
    for n in 0..visits.len() {
        visiting.visit(n)?;
    }
    visiting.renew()?;
    Ok(visiting.found)
}

/// What the store knows of profiles that are looked at.
struct Seen {
    settledness: BTreeMap<i64, Settledness>,
    /// Those about which it is asked which of several accounts with their anchor is theirs.
    asked: BTreeSet<[String; 3]>,
    /// Those whose anchor an account carries that is nobody's.
    doubled: BTreeSet<[String; 3]>,
    /// Those on a target of whose person an end of access by hand stands, or waits; nothing if there is none of anybody.
    ordered: Option<BTreeSet<[String; 2]>>,
    /// Orgs whose accounts were read.
    read: BTreeSet<String>,
    /// Of those who are looked for: by what somebody may be meant.
    sought: BTreeMap<[String; 3], Trail>,
}

impl Seen {
    fn load(c: &Tx, rules: &Rulebook, visits: &[Visit], now: Moment) -> Result<Self, StoreError> {
        let targets: BTreeSet<i64> = visits.iter().filter_map(|visit| Some(visit.known?.0)).collect();
        let known = visits.iter().filter(|visit| visit.known.is_some()).map(Visit::place);
        let places: Vec<Place<'_>> = known.collect::<BTreeSet<_>>().into_iter().collect();
        let profiles = visits.iter().map(|visit| (visit.position.tenant.as_str(), visit.position.employee.id.as_str()));
        let mut read = BTreeSet::new();
        for org in visits.iter().map(|visit| visit.org).collect::<BTreeSet<_>>() {
            if org::is_read(c, org)? {
                read.insert(org.to_owned());
            }
        }
        let settledness = known::settledness(c, &targets.into_iter().collect::<Vec<_>>())?;
        let is_sought = |visit: &&Visit| {
            let known = visit.known.and_then(|(target, _)| settledness.get(&target));
            read.contains(visit.org) && !known.is_some_and(|of| is_settled(of.has_account, of.has_left, of.shares))
        };
        let sought = sought(c, rules, visits.iter().filter(is_sought), now)?;
        let asked = known::open_rules(c, &places)?.into_iter().filter(|(_, rules)| rules.contains(ANCHOR));
        Ok(Self {
            settledness,
            asked: asked.map(|(place, _)| place).collect(),
            doubled: known::with_unowned_accounts(c, &places)?,
            ordered: match end_access::is_any(c)? {
                true => Some(known::ordered(c, &profiles.collect())?),
                false => None,
            },
            read,
            sought,
        })
    }
}

/// By what somebody may be meant by a profile.
struct Trail {
    traces: Traces,
    /// What the rules look it up by: rule and value.
    keys: Vec<(String, String)>,
}

/// By what somebody may be meant by profiles.
fn sought<'a>(
    c: &Tx,
    rules: &'a Rulebook,
    visits: impl Iterator<Item = &'a Visit<'a>>,
    now: Moment,
) -> Result<BTreeMap<[String; 3], Trail>, StoreError> {
    let sought = visits.map(|visit| {
        let keys = rules.keys(visit.position).into_iter();
        Sought {
            place: visit.place(),
            employee: &visit.position.employee,
            has_left: rules.is_over(visit.position, now),
            keys: keys.map(|(rule, value)| (rule.name.as_str(), rule.attribute.as_str(), value)).collect(),
        }
    });
    let sought: Vec<Sought<'_>> = sought.collect();
    let traces = traces(c, &sought)?;
    let trail = |one: Sought<'_>| {
        let (org, tenant, profile) = one.place;
        let place = [org, tenant, profile].map(str::to_owned);
        let traces = *traces.get(&place)?;
        let keys = one.keys.into_iter().map(|(rule, _, value)| (rule.to_owned(), value)).collect();
        Some((place, Trail { traces, keys }))
    };
    Ok(sought.into_iter().filter_map(trail).collect())
}

/// A profile whose target is known, and whose person is to be looked at anew.
struct Waiting {
    visit: usize,
    target: i64,
    /// Why they cannot be routed, or told from others.
    stopped: Option<String>,
}

/// Profiles that are looked at, one after the other.
struct Visiting<'a> {
    c: &'a Tx,
    rules: &'a Rulebook,
    visits: &'a [Visit<'a>],
    now: Moment,
    seen: Seen,
    /// People were made one, or two, since it was asked whose each profile is.
    has_merged: bool,
    waiting: Vec<Waiting>,
    /// Their targets.
    waiting_for: BTreeSet<i64>,
    /// Targets that were looked at anew since it was asked what is known of them.
    renewed: BTreeSet<i64>,
    /// What those are looked up by who were linked since: org, rule and value.
    linked: BTreeSet<(String, String, String)>,
    /// Something may have been asked since about people of any name.
    has_asked: bool,
    found: Vec<Option<Priority>>,
}

impl Visiting<'_> {
    fn visit(&mut self, n: usize) -> Result<(), StoreError> {
        let (c, rules, now) = (self.c, self.rules, self.now);
        let Visit { org, position, known, what } = &self.visits[n];
        let Some(org) = rules.org(org) else { return Ok(()) };
        let (tenant, profile) = (&position.tenant, &position.employee.id);
        let known = if self.has_merged { link::find(c, &org.name, tenant, profile)? } else { *known };
        let is_of_it = org.tenants.contains(tenant);
        let (routed, failed) = match rules.routes(org, position) {
            Ok(routed) => (routed && is_of_it, None),
            // Whoever cannot be routed stays where they are, and waits for somebody to correct the expression.
            Err(e) => (known.is_none_or(|(_, routed)| routed), Some(e.to_string())),
        };
        if known.is_none() && !routed && !(is_of_it && self.has_left_an_account(org, position)?) {
            if is_of_it {
                org::expect(c, &Unrouted::new(&org.name, position)?, rules.changes_at(position, now))?;
            }
            return Ok(());
        }
        let mut target = known.map(|(target, _)| target);
        if target.is_some_and(|target| self.waits(target)) {
            self.renew()?;
        }
        if target.is_some()
            && returns(what.before, &position.employee)
            && twins::part(c, &org.name, position, what.before, now)?
        {
            target = link::find(c, &org.name, tenant, profile)?.map(|(target, _)| target);
            self.merged(n)?;
        }
        let was_routed = known.map(|(_, routed)| routed);
        let (stays, conflict) = self.link(n, org, target, (was_routed, routed))?;
        if self.seen.ordered.as_ref().is_some_and(|of| of.contains(&[tenant.clone(), profile.clone()]))
            || (self.seen.ordered.is_some() && target.is_some_and(|target| target != stays))
        {
            self.renew()?;
            spread(c, rules, stays, now)?;
        }
        self.waiting_for.insert(stays);
        self.waiting.push(Waiting { visit: n, target: stays, stopped: failed.or(conflict) });
        Ok(())
    }

    /// Makes sure that a profile has a target in an org, and that the target has its account if there is one. Returns the target, and
    /// why a person must decide, if one must.
    fn link(
        &mut self,
        n: usize,
        org: &OrgRules,
        known: Option<i64>,
        (was_routed, routed): (Option<bool>, bool),
    ) -> Result<(i64, Option<String>), StoreError> {
        let (c, now) = (self.c, self.now);
        let position = self.visits[n].position;
        let target = match known {
            Some(target) => target,
            None => target::create(c, &org.name)?,
        };
        if was_routed != Some(routed) {
            link::save(c, &org.name, position, target, routed)?;
        }
        let is_read = self.seen.read.contains(&org.name);
        let settled = || match known {
            Some(target) => self.is_settled(target),
            None => Ok(false),
        };
        match whose(is_read, routed, || self.has_left(position), settled)? {
            Whose::Later => Ok((target, None)),
            Whose::Known => {
                let place = [org.name.clone(), position.tenant.clone(), position.employee.id.clone()];
                if self.has_merged || self.seen.doubled.contains(&place) {
                    anchors::ask_about_doubles(c, &org.name, position, target, now)?;
                } else if self.seen.asked.contains(&place) {
                    review::close(c, &org.name, position, ANCHOR)?;
                }
                Ok((target, None))
            }
            Whose::Sought => self.seek(n, org, (known, target), routed),
        }
    }

    /// Looks for whom a profile of a target belongs to.
    fn seek(
        &mut self,
        n: usize,
        org: &OrgRules,
        (known, target): (Option<i64>, i64),
        routed: bool,
    ) -> Result<(i64, Option<String>), StoreError> {
        let (c, rules, now) = (self.c, self.rules, self.now);
        let position = self.visits[n].position;
        let traces = self.traces(&org.name, position)?;
        if traces == Traces::default() {
            let conflict = links::unmeant(rules, position);
            let had = |of: &Settledness| of.has_conflict || self.renewed.contains(&target);
            let before = known.is_some_and(|target| self.seen.settledness.get(&target).is_none_or(had));
            if conflict.is_some() || before {
                target::set_conflict(c, target, conflict.as_deref())?;
            }
            self.linked(&org.name, position);
            return Ok((target, conflict));
        }
        let before = Before { traces, is_alone: known.is_none() };
        let asked = links::Asked { c, rules, org: &org.name, position, now };
        let mut candidates = asked.sought((target, before), routed)?;
        let waits = |of: &Counterpart| matches!(of, Counterpart::Target(other) if self.waits(*other));
        if candidates.iter().any(|one| waits(&one.counterpart)) {
            // What has become of them decides whether anybody may join them.
            self.renew()?;
            candidates = asked.sought((target, before), routed)?;
        }
        let found = asked.correlate((target, before), &candidates)?;
        self.has_asked |= found.1.is_some();
        self.linked(&org.name, position);
        if found.0 != target {
            self.merged(n)?;
        }
        Ok(found)
    }

    /// By what somebody may be meant by a profile, also among those who were linked since that was asked.
    fn traces(&self, org: &str, position: &Position) -> Result<Traces, StoreError> {
        let (tenant, profile) = (&position.tenant, &position.employee.id);
        let found = self.seen.sought.get(&[org, tenant, profile].map(str::to_owned));
        let Some(Trail { traces, keys }) = found else { return Ok(Before::UNKNOWN.traces) };
        let mut traces = *traces;
        let is_linked =
            |(rule, value): &(String, String)| self.linked.contains(&(org.to_owned(), rule.clone(), value.clone()));
        traces.finds_profile |= keys.iter().any(is_linked);
        if self.has_asked && traces == Traces::default() {
            traces.has_namesake = review::namesake(self.c, org, position)?.is_some();
        }
        Ok(traces)
    }

    /// A profile is linked: whoever is looked up by the same may be the same person.
    fn linked(&mut self, org: &str, position: &Position) {
        let keys = self.rules.keys(position).into_iter();
        self.linked.extend(keys.map(|(rule, value)| (org.to_owned(), rule.name.clone(), value)));
    }

    /// People were made one, or two: what was known of those who come after this one may be otherwise now.
    fn merged(&mut self, n: usize) -> Result<(), StoreError> {
        self.has_merged = true;
        self.seen = Seen::load(self.c, self.rules, &self.visits[n..], self.now)?;
        self.linked.clear();
        Ok(())
    }

    /// Whether a target is to be looked at anew.
    fn waits(&self, target: i64) -> bool {
        self.waiting_for.contains(&target)
    }

    fn is_settled(&self, target: i64) -> Result<bool, StoreError> {
        let known = self.seen.settledness.get(&target).filter(|_| !self.has_merged && !self.renewed.contains(&target));
        let of = match known {
            Some(of) => Some(*of),
            None => known::settledness(self.c, &[target])?.remove(&target),
        };
        Ok(of.is_some_and(|of| is_settled(of.has_account, of.has_left, of.shares)))
    }

    /// Whether access of a profile's person is over: by its record, or because somebody has ended it in every org.
    fn has_left(&self, position: &Position) -> Result<bool, StoreError> {
        if self.rules.is_over(position, self.now) {
            return Ok(true);
        }
        match self.seen.ordered {
            Some(_) => end_access::is_of(self.c, &position.tenant, &position.employee.id),
            None => Ok(false),
        }
    }

    /// Whether a profile that the rules of an org do not route there, and that is nobody's there yet, is of somebody who has left
    /// and seems to have a live account there that is nobody else's.
    fn has_left_an_account(&self, org: &OrgRules, position: &Position) -> Result<bool, StoreError> {
        const NOBODY: i64 = 0;
        if !self.has_left(position)? || !self.seen.read.contains(&org.name) {
            return Ok(false);
        }
        let traces = self.traces(&org.name, position)?;
        if traces == Traces::default() {
            return Ok(false);
        }
        let nobody = (NOBODY, Before { traces, is_alone: true });
        let asked = links::Asked { c: self.c, rules: self.rules, org: &org.name, position, now: self.now };
        Ok(!asked.sought(nobody, false)?.is_empty())
    }

    /// Looks anew at whoever waits for it.
    fn renew(&mut self) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.has_asked = true; // about whoever keeps an account in use
        self.waiting_for.clear();
        let to_renew = waiting.iter().map(|one| {
            let Visit { position, what, .. } = &self.visits[one.visit];
            let changes = field_changes(what.before, &position.employee);
            let news = News { cause: what.cause, changes, before: what.before, after: position, as_of: self.now };
            ToRenew { target: one.target, news, stopped: one.stopped.as_deref() }
        });
        let renewals: Vec<ToRenew<'_>> = to_renew.collect();
        let priorities = refresh_all(self.c, self.rules, &renewals, self.now)?;
        for (one, priority) in waiting.iter().zip(priorities) {
            self.found[one.visit] = priority;
            self.renewed.insert(one.target);
        }
        Ok(())
    }
}

/// Access that somebody has ended is ended for all targets of the person, however they came to them; each is looked at anew.
pub(super) fn spread(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<usize, StoreError> {
    let new = orders::spread(c, target, now)?;
    for one in &new {
        renew(c, rules, *one, now)?;
    }
    Ok(new.len())
}

/// A person is looked at because somebody has asked for it. What is of an org that is not in the configuration waits for that.
pub(super) fn renew(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<(), StoreError> {
    let Some(case) = cases::brief(c, rules, target, now)? else { return Ok(()) };
    if rules.org(&case.org).is_none() {
        return Ok(());
    }
    let conflict = target::conflict(c, target)?;
    let news = News::none(case.person.primary(), Cause::Request, now);
    refresh(c, rules, target, &news, conflict.as_deref(), now).map(|_| ())
}

/// Raises the revision of a person, as urgent as what their record means now, asks what must be asked because of it, and writes
/// down why.
pub(super) fn refresh(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    news: &News,
    stopped: Option<&str>,
    now: Moment,
) -> Result<Option<Priority>, StoreError> {
    let found = refresh_all(c, rules, &[ToRenew { target, news: news.clone(), stopped }], now)?;
    Ok(found.into_iter().next().flatten())
}

/// A person who is looked at anew.
struct ToRenew<'a> {
    target: i64,
    news: News<'a>,
    stopped: Option<&'a str>,
}

/// What becomes of people, as it is written.
#[derive(Default)]
struct Writes {
    works: Vec<(i64, String, Work)>,
    records: Vec<Record>,
    ended: Vec<(i64, Option<Moment>)>,
    lapsed: Vec<i64>,
    forgotten: Vec<i64>,
    covered: Vec<i64>,
    void: Vec<i64>,
}

/// The same of many, each another target; for each the class of what changed.
fn refresh_all(c: &Tx, rules: &Rulebook, people: &[ToRenew], now: Moment) -> Result<Vec<Option<Priority>>, StoreError> {
    let targets: Vec<i64> = people.iter().map(|one| one.target).collect();
    let mut cases = cases::briefs(c, rules, &targets, now)?;
    let mut works = work::load_all(c, &targets)?;
    let asked: BTreeSet<i64> = known::asked(c, &targets, ONLY_LINK)?.into_iter().collect();
    let (mut writes, mut found) = (Writes::default(), Vec::with_capacity(people.len()));
    for ToRenew { target, news, stopped } in people {
        let mut case = cases.remove(target);
        if case.as_ref().is_some_and(|case| case.end_now.is_some()) {
            // What is confirmed for one target of a person is over for the others too.
            case = cases::brief(c, rules, *target, now)?;
        }
        let Some(mut case) = case else {
            found.push(None);
            continue;
        };
        if case.end_now.is_some() && confirmed::follow(c, rules, *target, &case, now)? {
            case.end_now = None;
        }
        let renewal = Renewal::new(rules, *target, &case, news, *stopped, now);
        let answers = answers(c, *target, &case, &renewal)?;
        let profiles = renewal.profiles().to_vec();
        let renewed = renewal.decided(works.remove(target), answers);
        match renewed.keepers {
            Keepers::NotAsked if asked.contains(target) => {
                for one in profiles {
                    review::close(c, &case.org, one, ONLY_LINK)?;
                }
            }
            Keepers::NotAsked | Keepers::AsBefore => {}
            Keepers::Asked(about) => {
                for (keeper, candidate, why) in about {
                    review::ask(c, &case.org, &keeper, &candidate, &why, now)?;
                }
            }
        }
        let observed = Event::Observed(Observed {
            changes: news.changes.clone(),
            because: news.cause.because(),
            entitlement: renewed.lifecycle.entitlement,
            priority: renewed.priority,
            remarks: renewed.lifecycle.remarks,
            conflict: stopped.map(str::to_owned),
        });
        writes.records.push(Record {
            tenant: Some(news.after.tenant.clone()),
            profile: Some(news.after.employee.id.clone()),
            rev: Some(renewed.work.dirty_rev),
            ..Record::about(*target, case.org.clone(), now, observed)
        });
        let takes_back = renewed.ended_at == Some(None);
        let restored = if takes_back { returning::event(c, rules, *target, &case.org, now)? } else { None };
        writes.records.extend(restored.map(|event| Record {
            tenant: Some(news.after.tenant.clone()),
            profile: Some(news.after.employee.id.clone()),
            ..Record::about(*target, case.org.clone(), now, event)
        }));
        writes.works.push((*target, case.org, renewed.work));
        writes.ended.extend(renewed.ended_at.map(|ended_at| (*target, ended_at)));
        writes.lapsed.extend(renewed.lapses.then_some(*target));
        match renewed.proved {
            Proved::AsBefore => {}
            Proved::Forgotten => writes.forgotten.push(*target),
            Proved::Covered => writes.covered.push(*target),
            Proved::Void => writes.void.push(*target),
        }
        found.push(Some(renewed.priority));
    }
    writes.save(c, now)?;
    Ok(found)
}

/// What else must be known of somebody.
fn answers(c: &Tx, target: i64, case: &Case, renewal: &Renewal) -> Result<Answers, StoreError> {
    let asks = renewal.asks();
    let mut are_joined_by_rule = true;
    for keeper in asks.keepers {
        are_joined_by_rule = are_joined_by_rule && matched::is_joined_by_rule(c, &case.org, target, keeper)?;
    }
    Ok(Answers {
        are_joined_by_rule,
        is_doubtful: asks.is_doubtful && !anchors::doubtful(c, case)?.is_empty(),
        are_covered: asks.are_covered && proof::covers(c, &case.org, renewal.tenant())?,
    })
}

impl Writes {
    fn save(self, c: &Tx, now: Moment) -> Result<(), StoreError> {
        risk::lapse_all(c, &self.lapsed)?;
        target::forget_proofs(c, &self.forgotten)?;
        target::cover_all(c, &self.covered, now)?;
        target::unprove_all(c, &self.void)?;
        work::save_all(c, self.works.iter().map(|(target, org, work)| (*target, org.as_str(), work)))?;
        target::set_all_ended_at(c, &self.ended)?;
        if !self.records.is_empty() {
            audit_log::append_all(c, &self.records)?;
        }
        Ok(())
    }
}
