//! The safeguards at work: what plans would do is evaluated before anybody is claimed.
//!
//! **Invariant:** nobody can be claimed for a revision that was not evaluated, and everything that is dirty when it is evaluated
//! is evaluated together: a mistake that concerns many is seen as a whole before its first call.

use super::engine::{Tx, alone};
use super::hold_causes::cause;
use super::holds::{self, Hold};
use super::rows::meta::{meta, run, set_meta};
use super::rows::risk::{self, Counted, Known, Risk};
use super::rows::work::Unevaluated;
use super::rows::{approval, end_access, hold, population, work};
use super::{StoreError, Trouble, administrators, append, awaiting, cases, contact, mass, refused, rejections, votes};
use crate::audit::details::Held;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::account::knowledge::Knowledge;
use crate::domain::guard::change::{BETWEEN, by_kind, sift_calls, words};
use crate::domain::guard::evaluation::{
    Asked as Decided, EvaluatedPerson, Facts, Verdict, With, asked_first, scope_of_renamed, set_apart, still_decided,
    weigh,
};
use crate::domain::guard::planned::foresee;
use crate::domain::guard::rejection::{ADOPTION, fact, objects};
use crate::domain::guard::safeguard::Count;
use crate::domain::plan::limits::{Limit, Scope};
use crate::domain::{Account, AccountStatus, Case, ChangeKind, Directory, Plan, Rulebook};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// People who are evaluated in one transaction: many more than any limit, and few enough that terminations need not wait.
const BATCH: usize = 1000;
/// How old the number of people of a tenant may be.
const POPULATION_AGE: Duration = Duration::from_secs(600);
/// How long a renamed group is expected to show in everybody's profile.
const RENAME_AGE: Duration = Duration::from_secs(86_400);

/// Somebody's changes that are guarded.
struct Evaluated {
    target: i64,
    rev: i64,
    done_rev: i64,
    tenant: String,
    department: String,
    /// Names of every group of theirs in Namely.
    groups: BTreeSet<String>,
    changes: BTreeMap<ChangeKind, Asked>,
    /// Whether they are an Okta administrator, as far as it is known.
    administrator: Knowledge,
    /// Who they are, for a hold.
    who: String,
    /// How many other live super administrators there are, if they may be one.
    other_supers: Option<u32>,
    /// An undo gives them access that Namely says is over.
    defies: bool,
    /// They get access back that was over.
    regains: bool,
    /// A rule has given them their account just now.
    fresh: bool,
    /// Somebody has ended their access before HR has.
    ends_now: bool,
}

/// A change that is asked for.
struct Asked {
    /// In words.
    shown: String,
    /// What it is about, and what Namely says behind it; as stored.
    objects: String,
    fact: String,
}

impl Evaluated {
    /// Whether what was decided before holds for what is asked now.
    fn is_decided(&self, was: &Known, asked: &Asked) -> bool {
        let before = Decided { shown: &was.shown, administrator: was.administrator };
        let now = Decided { shown: &asked.shown, administrator: self.administrator.number() };
        still_decided(&before, was.rev, self.done_rev, &now)
    }

    /// Whether a change is one that somebody has asked for by hand: no limit counts it, and no mode holds it. Administrators have
    /// rules of their own.
    fn is_ordered(&self, change: ChangeKind) -> bool {
        let ends = matches!(change, ChangeKind::Deactivate | ChangeKind::Suspend);
        self.ends_now && ends && !self.administrator.sets_apart(change)
    }

    fn person(&self) -> EvaluatedPerson<'_> {
        EvaluatedPerson {
            target: self.target,
            department: &self.department,
            administrator: self.administrator,
            who: &self.who,
            other_supers: self.other_supers,
            defies: self.defies,
            regains: self.regains,
            fresh: self.fresh,
        }
    }
}

/// The changes of one kind by people of one tenant that nobody has evaluated yet.
struct Group<'a> {
    org: &'a str,
    tenant: &'a str,
    change: ChangeKind,
    people: Vec<&'a Evaluated>,
}

impl<'a> Group<'a> {
    fn targets(&self) -> BTreeSet<i64> {
        self.people.iter().map(|person| person.target).collect()
    }

    /// Those of it for whom something is so.
    fn part(&self, is_so: impl Fn(&Evaluated) -> bool) -> Group<'a> {
        Group { people: self.people.iter().copied().filter(|person| is_so(person)).collect(), ..*self }
    }
}

/// What judging needs besides the store.
pub(super) struct Evaluation<'a> {
    pub rules: &'a Rulebook,
    pub directory: &'a Directory,
    pub org: &'a str,
    pub now: Moment,
}

impl Evaluation<'_> {
    /// Judges whoever of an org is dirty and was not evaluated.
    pub fn evaluate(&self, c: &Tx) -> Result<(), StoreError> {
        contact::park(c, self.org)?;
        let makes = [ChangeKind::Create, ChangeKind::AddGroup];
        if !makes.into_iter().any(|change| self.rules.safeguards.guards(change)) {
            // Who has no account has nothing to lose, and nobody counts what is made.
            work::evaluated_without_account(c, self.org)?;
        }
        self.evaluate_those(c, work::unevaluated(c, self.org, BATCH)?)
    }

    /// The same of those alone whose access somebody has ended by hand: of an org that is not open yet.
    pub fn evaluate_ordered(&self, c: &Tx) -> Result<(), StoreError> {
        let ordered = end_access::targets(c)?;
        let those = work::unevaluated(c, self.org, usize::MAX)?;
        self.evaluate_those(c, those.into_iter().filter(|one| ordered.contains(&one.target)).collect())
    }

    fn evaluate_those(&self, c: &Tx, unevaluated: Vec<Unevaluated>) -> Result<(), StoreError> {
        let mut people = Vec::with_capacity(unevaluated.len());
        let mut directory = Cow::Borrowed(self.directory);
        for one in unevaluated {
            // What somebody before would make is there for whoever comes next, but not for who is evaluated again: it was not made.
            let mut as_it_is = Cow::Borrowed(self.directory);
            let directory = if one.attempt > 0 { &mut as_it_is } else { &mut directory };
            match alone(c, |c| self.person(c, directory, (one.target, one.rev, one.done_rev))) {
                // Whom the store cannot read holds up nobody else.
                Err(e) if e.trouble() == Trouble::Refused => refused::quarantined(c, one.target, &e, self.now)?,
                evaluated => people.push(evaluated?),
            }
        }
        self.decide(c, &people)?;
        for person in &people {
            work::evaluated(c, person.target, person.rev)?;
        }
        Ok(())
    }

    /// What somebody's plan would change, as far as it is guarded. Whoever cannot be planned changes nothing.
    fn person(
        &self,
        c: &Tx,
        directory: &mut Cow<Directory>,
        (target, rev, done_rev): (i64, i64, i64),
    ) -> Result<Evaluated, StoreError> {
        let mut evaluated = Evaluated {
            target,
            rev,
            done_rev,
            tenant: String::new(),
            department: String::new(),
            groups: BTreeSet::new(),
            changes: BTreeMap::new(),
            administrator: Knowledge::Nobody,
            who: String::new(),
            other_supers: None,
            defies: false,
            regains: false,
            fresh: false,
            ends_now: false,
        };
        let safeguards = &self.rules.safeguards;
        // Who gets something to sign in with is a part of what is decided about.
        let needs_all = self.rules.policies.onboarding.means.is_some()
            || [ChangeKind::ChangeAttributes, ChangeKind::LinkManager].iter().any(|change| safeguards.guards(*change));
        let case = if needs_all { cases::whole } else { cases::without_manager }(c, self.rules, target, self.now)?;
        let Some(case) = case else { return Ok(evaluated) };
        let lifecycle = self.rules.lifecycle(&case, self.now);
        let Ok(made) = foresee(&case, &lifecycle, self.rules, directory, self.now) else { return Ok(evaluated) };
        let position = case.person.primary();
        evaluated.tenant.clone_from(&position.tenant);
        evaluated.department = position.employee.departments.first().cloned().unwrap_or_default();
        evaluated.groups =
            position.employee.groups.values().flatten().chain(&position.employee.teams).cloned().collect();
        if let Some(found) = administrators::assess(c, self.directory, &case, target, self.now)? {
            (evaluated.administrator, evaluated.who, evaluated.other_supers) =
                (found.knowledge, found.who, found.other_supers);
        }
        evaluated.fresh = is_fresh(self.rules, &case, self.now);
        evaluated.ends_now = case.ends_now(self.now);
        let is_over = |account: &Account| account.status == AccountStatus::Deprovisioned;
        evaluated.regains = case.account.as_ref().is_some_and(is_over);
        evaluated.changes = self.asked(c, &evaluated, &case, made, directory)?;
        evaluated.defies = case.gives_against(&lifecycle.entitlement);
        Ok(evaluated)
    }

    /// What is guarded of a plan, without what somebody has rejected.
    fn asked(
        &self,
        c: &Tx,
        evaluated: &Evaluated,
        case: &Case,
        made: Plan,
        directory: &Directory,
    ) -> Result<BTreeMap<ChangeKind, Asked>, StoreError> {
        let former = self.rules.login.former.as_deref();
        let rejected = rejections::of(c, evaluated.target, case, self.now)?;
        let made = if rejected.is_empty() {
            made
        } else {
            let steps = sift_calls(&made, former, |change, step| rejected.why(change, step).is_none()).steps;
            Plan { steps, ..made }
        };
        let mut asked = BTreeMap::new();
        for (change, steps) in by_kind(&made, former) {
            let guarded = self.rules.safeguards.guards_of(change, evaluated.fresh);
            if !(guarded || evaluated.administrator.sets_apart(change)) {
                continue;
            }
            let about: BTreeSet<String> = steps.iter().flat_map(|step| objects(change, step)).collect();
            let behind = fact(change, &about, case, directory, self.rules);
            // In other words than later, when the same change waits for nobody any more.
            let since = match &case.adopted {
                Some(adopted) if evaluated.fresh && change.lets_in() => format!(" (account taken over {})", adopted.at),
                _ => String::new(),
            };
            let shown = words(change, &steps).join(BETWEEN) + &since;
            let (objects, fact) = (serde_json::to_string(&about)?, serde_json::to_string(&behind)?);
            asked.insert(change, Asked { shown, objects, fact });
        }
        let pending = case.adopted.as_ref().and_then(|adopted| adopted.pending.clone());
        if let Some(shown) = pending.filter(|_| rejected.of_kind(ChangeKind::Adopt).is_none()) {
            let about = BTreeSet::from([ADOPTION.to_owned()]);
            let behind = fact(ChangeKind::Adopt, &about, case, directory, self.rules);
            let (objects, fact) = (serde_json::to_string(&about)?, serde_json::to_string(&behind)?);
            asked.insert(ChangeKind::Adopt, Asked { shown, objects, fact });
        }
        Ok(asked)
    }

    fn decide(&self, c: &Tx, people: &[Evaluated]) -> Result<(), StoreError> {
        let mut open: BTreeMap<(&str, ChangeKind), Vec<&Evaluated>> = BTreeMap::new();
        for person in people {
            let known = risk::known(c, person.target)?;
            for (change, was) in &known {
                if was.hold.is_some() && !person.changes.contains_key(change) {
                    holds::withdraw(c, self.org, person.target, *change, self.now)?;
                }
            }
            for (change, asked) in &person.changes {
                let was = known.get(change);
                let waits = was.is_some_and(|was| was.hold.is_some());
                let why = was.and_then(|was| was.why.as_deref());
                if why.is_some_and(|why| asked_first(&self.rules.safeguards, why)) {
                    let why = "the service does not ask any more before it changes anything";
                    holds::withdraw_because(c, self.org, (person.target, *change), why, self.now)?;
                    open.entry((person.tenant.as_str(), *change)).or_default().push(person);
                    continue;
                }
                if was.is_some_and(|was| person.is_decided(was, asked)) && !(waits && person.is_ordered(*change)) {
                    risk::renew(c, person.target, *change, person.rev, (&asked.objects, &asked.fact))?;
                    continue;
                }
                if waits {
                    holds::withdraw(c, self.org, person.target, *change, self.now)?;
                }
                open.entry((person.tenant.as_str(), *change)).or_default().push(person);
            }
        }
        for ((tenant, change), people) in open {
            self.decide_group(c, &Group { org: self.org, tenant, change, people })?;
        }
        Ok(())
    }

    fn decide_group(&self, c: &Tx, group: &Group) -> Result<(), StoreError> {
        let ordered = group.part(|person| person.is_ordered(group.change));
        self.put(c, group.tenant, group.change, &ordered.people, None)?;
        // Somebody has decided about these, whom limits do not count.
        for person in &ordered.people {
            risk::approve(c, person.target, group.change, self.now)?;
        }
        let group = &group.part(|person| !person.is_ordered(group.change));
        let all = group.people.iter().map(|person| person.person()).collect();
        let suspended = match group.change {
            ChangeKind::Suspend => administrators::suspended(c, self.org, &group.targets(), self.now)?,
            _ => 0,
        };
        let (verdicts, others) = set_apart(&self.rules.safeguards, group.change, group.tenant, all, suspended);
        self.carry_out(c, group, &verdicts)?;
        if others.is_empty() {
            return Ok(());
        }
        let counted: BTreeSet<i64> = others.iter().map(|person| person.target).collect();
        let counted = group.part(|person| counted.contains(&person.target));
        let mut rest = counted.targets();
        let (mut elsewhere, moves) =
            (BTreeSet::new(), matches!(group.change, ChangeKind::RemoveGroup | ChangeKind::AddGroup));
        for (name, _) in if moves { self.renamed(c, group.tenant)? } else { Vec::new() } {
            let of_it = counted.part(|person| rest.contains(&person.target) && person.groups.contains(&name));
            rest.retain(|target| !of_it.targets().contains(target));
            elsewhere.extend(self.weigh(c, &of_it, &others, &BTreeSet::new(), Some(name))?);
        }
        self.weigh(c, &counted.part(|person| rest.contains(&person.target)), &others, &elsewhere, None)?;
        Ok(())
    }

    /// Decides by numbers about people who are looked at together; returns who waits because a group is `renamed`, these and those
    /// of before. Whoever waits `elsewhere` is not counted.
    fn weigh(
        &self,
        c: &Tx,
        group: &Group,
        people: &[EvaluatedPerson],
        elsewhere: &BTreeSet<i64>,
        renamed: Option<String>,
    ) -> Result<BTreeSet<i64>, StoreError> {
        let targets = group.targets();
        if !targets.is_empty() {
            let facts = Facts { renamed: renamed.clone(), ..self.facts(c, group, elsewhere)? };
            let people: Vec<EvaluatedPerson> =
                people.iter().copied().filter(|person| targets.contains(&person.target)).collect();
            let verdicts = weigh(&self.rules.safeguards, group.change, group.tenant, &people, &facts);
            self.carry_out(c, group, &verdicts)?;
        }
        let Some(name) = renamed else { return Ok(BTreeSet::new()) };
        let hold = hold::find(c, self.org, group.change, &scope_of_renamed(group.tenant, &name))?;
        let held = hold.map(|hold| risk::members(c, hold)).transpose()?.unwrap_or_default();
        Ok(held.into_keys().collect())
    }

    /// Counts what decides about a group.
    fn facts(&self, c: &Tx, group: &Group, elsewhere: &BTreeSet<i64>) -> Result<Facts, StoreError> {
        let (change, safeguards) = (group.change, &self.rules.safeguards);
        let (tenant, department) =
            (safeguards.limits_of(change, Scope::Tenant), safeguards.limits_of(change, Scope::Department));
        let count = |group: &Group, limits: &[&Limit], department: Option<&str>| {
            limits
                .iter()
                .map(|limit| self.count(c, group, limit, (department, elsewhere)))
                .collect::<Result<Vec<_>, _>>()
        };
        let mut departments = BTreeMap::new();
        if !department.is_empty() {
            let names: BTreeSet<&str> = group.people.iter().map(|person| person.department.as_str()).collect();
            for name in names {
                let part = group.part(|person| person.department == name);
                departments.insert(name.to_owned(), count(&part, &department, Some(name))?);
            }
        }
        Ok(Facts {
            is_ending: mass::is_ending(c, group.tenant, self.now)?,
            renamed: None,
            population: self.population(c, group.tenant)?,
            tenant: count(group, &tenant, None)?,
            departments,
        })
    }

    fn carry_out(&self, c: &Tx, group: &Group, verdicts: &[Verdict]) -> Result<(), StoreError> {
        for verdict in verdicts {
            let part = group.part(|person| verdict.people.contains(&person.target));
            let Some(decided) = &verdict.hold else {
                self.put(c, group.tenant, group.change, &part.people, None)?;
                continue;
            };
            let about = (decided.scope.as_str(), decided.why.as_str());
            let people = part.targets();
            let hold = holds::open(c, self.org, group.change, about, (decided.needs, &people), self.now)?;
            self.put(c, group.tenant, group.change, &part.people, Some(&hold))?;
            match &decided.with {
                With::Nobody => {}
                With::Tenant => self.hold_back(c, group, None, &hold)?,
                With::Department(name) => self.hold_back(c, group, Some(name), &hold)?,
            }
            let all = risk::members(c, hold.id)?.into_keys().collect();
            if let Some(cause) = cause(c, &all)? {
                hold::explain(c, hold.id, &hold.why, &cause)?;
            }
        }
        Ok(())
    }

    /// Writes down what was decided about people.
    fn put(
        &self,
        c: &Tx,
        tenant: &str,
        change: ChangeKind,
        people: &[&Evaluated],
        hold: Option<&Hold>,
    ) -> Result<(), StoreError> {
        let run = run(c)?;
        for person in people {
            let asked = &person.changes[&change];
            let risk = Risk {
                target: person.target,
                change,
                org: self.org,
                tenant,
                department: &person.department,
                rev: person.rev,
                shown: &asked.shown,
                at: self.now,
                run,
                hold: hold.map(|hold| hold.id),
                administrator: person.administrator.number(),
                objects: &asked.objects,
                fact: &asked.fact,
            };
            risk::put(c, &risk)?;
            if let Some(hold) = hold {
                append(c, &self.held(person.target, person.rev, hold, change, &asked.shown))?;
                if change == ChangeKind::ChangeLogin {
                    awaiting::login_kept(c, person.target, self.now)?;
                }
            }
        }
        // What was approved in a saved plan before it was held counts at once.
        if let Some(hold) = hold {
            let held: BTreeSet<i64> = people.iter().map(|person| person.target).collect();
            if approval::any(c, &held, change)? {
                votes::settle(c, self.rules, hold.id, Some(&held), self.now)?;
            }
        }
        Ok(())
    }

    /// The row about a person whose change is held.
    fn held(&self, target: i64, rev: i64, hold: &Hold, change: ChangeKind, shown: &str) -> Record {
        let held = Event::Held(Held {
            hold: hold.id,
            change,
            why: hold.why.clone(),
            scope: None,
            needs: None,
            shown: Some(shown.to_owned()),
            message: None,
        });
        Record { rev: Some(rev), ..Record::about(target, self.org.to_owned(), self.now, held) }
    }

    /// Whoever was let through and was not begun is held with the others.
    fn hold_back(&self, c: &Tx, group: &Group, department: Option<&str>, hold: &Hold) -> Result<(), StoreError> {
        let others = risk::let_through(c, self.org, group.change, group.tenant, department)?;
        for (target, rev, shown) in others {
            risk::hold(c, target, group.change, hold.id)?;
            if group.change == ChangeKind::ChangeLogin {
                awaiting::login_kept(c, target, self.now)?;
            }
            append(c, &self.held(target, rev, hold, group.change, &shown))?;
        }
        Ok(())
    }

    fn count(
        &self,
        c: &Tx,
        group: &Group,
        limit: &Limit,
        (department, elsewhere): (Option<&str>, &BTreeSet<i64>),
    ) -> Result<Count, StoreError> {
        let batch = group.targets();
        let without: BTreeSet<i64> = batch.union(elsewhere).copied().collect();
        let (org, change, tenant) = (group.org, group.change, group.tenant);
        let since = limit.per.begin(self.now);
        let so_far = risk::count(c, &Counted { org, change, tenant, department, without: &without, since })?;
        let population = match department {
            None => self.population(c, tenant)?,
            Some(name) => population::of_department(c, org, tenant, name)?,
        };
        let to_come = self.to_come(c, group)?;
        Ok(Count { so_far, batch: u32::try_from(batch.len()).unwrap_or(u32::MAX), to_come, population })
    }

    /// Groups of a tenant that are called something else since a short time, with how many people are still to be seen under the name.
    fn renamed(&self, c: &Tx, tenant: &str) -> Result<Vec<(String, u32)>, StoreError> {
        let since = self.now.millis() - i64::try_from(RENAME_AGE.as_millis()).unwrap_or(0);
        population::to_come(c, tenant, Moment::from_millis(since))
    }

    /// People who have not been seen yet under the new name of a group that somebody of the batch is in.
    fn to_come(&self, c: &Tx, group: &Group) -> Result<u32, StoreError> {
        let rows = self.renamed(c, group.tenant)?;
        let shows = |name: &String| group.people.iter().any(|person| person.groups.contains(name));
        Ok(rows.iter().filter(|(name, _)| shows(name)).map(|(_, to_come)| to_come).sum())
    }

    /// Live accounts of a tenant's people; counted now and then.
    fn population(&self, c: &Tx, tenant: &str) -> Result<u32, StoreError> {
        let key = format!("population {} {tenant}", self.org);
        let known = meta(c, &key)?.and_then(|text| {
            let (count, at) = text.split_once(' ')?;
            Some((count.parse().ok()?, Moment::from_millis(at.parse().ok()?)))
        });
        if let Some((count, at)) = known
            && self.now.since(at) < POPULATION_AGE
        {
            return Ok(count);
        }
        let count = population::of_tenant(c, self.org, tenant)?;
        set_meta(c, &key, &format!("{count} {}", self.now.millis()))?;
        Ok(count)
    }
}

/// Whether a rule has given somebody their account just now.
pub(super) fn is_fresh(rules: &Rulebook, case: &Case, now: Moment) -> bool {
    let until = case.adopted.as_ref().and_then(|adopted| adopted.fresh_until(rules.safeguards.fresh_adoption));
    case.account.is_some() && until.is_some_and(|until| now < until)
}

#[cfg(test)]
#[path = "evaluation_tests.rs"]
mod tests;
