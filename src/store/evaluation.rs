//! The safeguards at work: what plans would do is evaluated before anybody is claimed.
//!
//! **Invariant:** nobody can be claimed for a revision that was not evaluated, and everything that is dirty when it is evaluated
//! is evaluated together: a mistake that concerns many is seen as a whole before its first call.

use super::administrators;
use super::engine::{Tx, params};
use super::holds::{self, Hold};
use super::rows::work;
use super::{StoreError, Trouble, append, approvals, cases, contact, forced, meta, rejections, set_meta, votes};
use crate::audit::details::Held;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::account::knowledge::Knowledge;
use crate::domain::guard::change::{by_kind, sift_calls, words};
use crate::domain::guard::evaluation::{EvaluatedPerson, Facts, Verdict, With, set_apart, weigh};
use crate::domain::guard::planned::foresee;
use crate::domain::guard::rejection::{ADOPTION, fact, objects};
use crate::domain::guard::safeguard::Count;
use crate::domain::plan::limits::{Limit, Scope};
use crate::domain::{Account, AccountStatus, Case, ChangeKind, Directory, Plan, Rulebook};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What stands between the words of one kind of change.
pub(super) const BETWEEN: &str = "; ";

/// People who are evaluated in one transaction: many more than any limit, and few enough that terminations need not wait.
const BATCH: usize = 1000;
/// How old the number of people of a tenant may be.
const POPULATION_AGE: Duration = Duration::from_secs(600);
/// How long a page of a tenant that seems to end is remembered, if nobody decides.
const MASS_AGE: Duration = Duration::from_secs(3600);
/// How long a renamed group is expected to show in everybody's profile.
const RENAME_AGE: Duration = Duration::from_secs(86_400);

/// Which rows of `risk` count against a limit whose span began at `?1`; without one, those of this run. About whom somebody
/// has decided is not counted.
pub(super) const COUNTED: &str = "approved = 0
    AND (hold IS NULL OR EXISTS (SELECT 1 FROM hold h WHERE h.id = risk.hold AND h.verdict IS NULL))
    AND at > coalesce(?1, -1) AND (?1 IS NOT NULL OR run = (SELECT value FROM meta WHERE key = 'run'))";

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

/// What was decided about one kind of change of somebody before.
struct Known {
    rev: i64,
    shown: String,
    hold: Option<i64>,
    /// The number of what was known of them as an administrator.
    administrator: i64,
}

/// The changes of one kind by people of one tenant that nobody has evaluated yet.
struct Group<'a> {
    org: &'a str,
    tenant: &'a str,
    change: ChangeKind,
    people: Vec<&'a Evaluated>,
}

impl<'a> Group<'a> {
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
        let unevaluated = work::unevaluated(c, self.org, BATCH)?;
        let mut people = Vec::with_capacity(unevaluated.len());
        let mut directory = Cow::Borrowed(self.directory);
        for one in unevaluated {
            // What somebody before would make is there for whoever comes next, but not for who is evaluated again: it was not made.
            let mut as_it_is = Cow::Borrowed(self.directory);
            let directory = if one.attempt > 0 { &mut as_it_is } else { &mut directory };
            match self.person(c, directory, (one.target, one.rev, one.done_rev)) {
                // Whom the store cannot read holds up nobody else.
                Err(e) if e.trouble() == Trouble::Refused => forced::quarantined(c, one.target, &e, self.now)?,
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
        };
        let safeguards = &self.rules.safeguards;
        let needs_all =
            [ChangeKind::ChangeAttributes, ChangeKind::LinkManager].iter().any(|change| safeguards.guards(*change));
        let case = if needs_all { cases::whole } else { cases::without_manager }(c, self.rules, target, self.now)?;
        let Some(case) = case else { return Ok(evaluated) };
        let lifecycle = self.rules.lifecycle(&case, self.now);
        let Ok(made) = foresee(&case, &lifecycle, self.rules, directory, self.now) else { return Ok(evaluated) };
        let position = case.person.primary();
        evaluated.tenant.clone_from(&position.tenant);
        evaluated.department = position.employee.departments.first().cloned().unwrap_or_default();
        evaluated.groups =
            position.employee.groups.values().flatten().chain(&position.employee.teams).cloned().collect();
        if let Some(found) = administrators::assess(c, self, &case, target)? {
            (evaluated.administrator, evaluated.who, evaluated.other_supers) =
                (found.knowledge, found.who, found.other_supers);
        }
        evaluated.fresh = is_fresh(self.rules, &case, self.now);
        let is_over = |account: &Account| account.status == AccountStatus::Deprovisioned;
        evaluated.regains = case.account.as_ref().is_some_and(is_over);
        evaluated.changes = self.asked(c, &evaluated, &case, made, directory)?;
        evaluated.defies = case.pins.defies(&lifecycle.entitlement);
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
            let known = known(c, person.target)?;
            for (change, was) in &known {
                if was.hold.is_some() && !person.changes.contains_key(change) {
                    holds::withdraw(c, self.org, person.target, *change, self.now)?;
                }
            }
            for (change, asked) in &person.changes {
                // What was decided about exactly this holds until it was carried out.
                let decided = known.get(change).is_some_and(|was| {
                    was.rev > person.done_rev
                        && was.shown == asked.shown
                        && was.administrator == person.administrator.number()
                });
                if decided {
                    c.prepare_cached(
                        "UPDATE risk SET rev = ?3, objects = ?4, fact = ?5 WHERE target = ?1 AND change = ?2",
                    )?
                    .execute(params![
                        person.target,
                        change.as_str(),
                        person.rev,
                        asked.objects,
                        asked.fact
                    ])?;
                } else {
                    if known.get(change).is_some_and(|was| was.hold.is_some()) {
                        holds::withdraw(c, self.org, person.target, *change, self.now)?;
                    }
                    open.entry((person.tenant.as_str(), *change)).or_default().push(person);
                }
            }
        }
        for ((tenant, change), people) in open {
            self.decide_group(c, &Group { org: self.org, tenant, change, people })?;
        }
        Ok(())
    }

    fn decide_group(&self, c: &Tx, group: &Group) -> Result<(), StoreError> {
        let all = group.people.iter().map(|person| person.person()).collect();
        let suspended = match group.change {
            ChangeKind::Suspend => {
                let batch: Vec<i64> = group.people.iter().map(|person| person.target).collect();
                administrators::suspended(c, self, &batch)?
            }
            _ => 0,
        };
        let (verdicts, others) = set_apart(&self.rules.safeguards, group.change, group.tenant, all, suspended);
        self.carry_out(c, group, &verdicts)?;
        if others.is_empty() {
            return Ok(());
        }
        let counted: BTreeSet<i64> = others.iter().map(|person| person.target).collect();
        let facts = self.facts(c, &group.part(|person| counted.contains(&person.target)))?;
        let verdicts = weigh(&self.rules.safeguards, group.change, group.tenant, &others, &facts);
        self.carry_out(c, group, &verdicts)
    }

    /// Counts what decides about a group.
    fn facts(&self, c: &Tx, group: &Group) -> Result<Facts, StoreError> {
        let (change, safeguards) = (group.change, &self.rules.safeguards);
        let (tenant, department) =
            (safeguards.limits_of(change, Scope::Tenant), safeguards.limits_of(change, Scope::Department));
        let count = |group: &Group, limits: &[&Limit], department: Option<&str>| {
            limits.iter().map(|limit| self.count(c, group, limit, department)).collect::<Result<Vec<_>, _>>()
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
            is_ending: is_ending(c, group.tenant, self.now)?,
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
            let hold = self.hold(c, group.change, &decided.scope, &decided.why, decided.needs)?;
            self.put(c, group.tenant, group.change, &part.people, Some(&hold))?;
            match &decided.with {
                With::Nobody => {}
                With::Tenant => self.hold_back(c, group, None, &hold)?,
                With::Department(name) => self.hold_back(c, group, Some(name), &hold)?,
            }
        }
        Ok(())
    }

    /// The open hold of this kind and scope, made if there is none.
    fn hold(&self, c: &Tx, change: ChangeKind, scope: &str, why: &str, needs: i64) -> Result<Hold, StoreError> {
        holds::open(c, self.org, change, scope, why, needs, self.now)
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
        let run: i64 = meta(c, "run")?.and_then(|run| run.parse().ok()).unwrap_or(0);
        for person in people {
            let asked = &person.changes[&change];
            c.prepare_cached(
                "INSERT INTO risk (target, change, org, tenant, department, rev, shown, at, run, hold, approved, administrator, objects,
                   fact)
                 VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,0,?11,?12,?13)
                 ON CONFLICT (target, change) DO UPDATE SET tenant = excluded.tenant, department = excluded.department,
                   rev = excluded.rev, shown = excluded.shown, at = excluded.at, run = excluded.run,
                   hold = excluded.hold, approved = 0, administrator = excluded.administrator, objects = excluded.objects, fact = excluded.fact",
            )?
            .execute(params![
                person.target,
                change.as_str(),
                self.org,
                tenant,
                person.department,
                person.rev,
                asked.shown,
                self.now.millis(),
                run,
                hold.map(|hold| hold.id),
                person.administrator.number(),
                asked.objects,
                asked.fact,
            ])?;
            if let Some(hold) = hold {
                append(c, &self.held(person.target, person.rev, hold, change, &asked.shown))?;
            }
        }
        // What was approved in a saved plan before it was held counts at once.
        if let Some(hold) = hold {
            let held: BTreeSet<i64> = people.iter().map(|person| person.target).collect();
            if approvals::any(c, &held, change)? {
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
        });
        Record { rev: Some(rev), ..Record::about(target, self.org.to_owned(), self.now, held) }
    }

    /// Whoever was let through and was not begun is held with the others.
    fn hold_back(&self, c: &Tx, group: &Group, department: Option<&str>, hold: &Hold) -> Result<(), StoreError> {
        let mut select = c.prepare_cached(
            "SELECT r.target, r.rev, r.shown FROM risk r JOIN work w ON w.target = r.target
             WHERE r.org = ?1 AND r.change = ?2 AND r.tenant = ?3 AND r.hold IS NULL AND r.approved = 0
               AND (?4 IS NULL OR r.department = ?4) AND w.dirty_rev > w.done_rev AND r.rev > w.done_rev AND w.token IS NULL",
        )?;
        let rows: Vec<(i64, i64, String)> = select
            .query_map(params![self.org, group.change.as_str(), group.tenant, department], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<Result<_, _>>()?;
        for (target, rev, shown) in rows {
            c.prepare_cached("UPDATE risk SET hold = ?3 WHERE target = ?1 AND change = ?2")?.execute(params![
                target,
                group.change.as_str(),
                hold.id
            ])?;
            append(c, &self.held(target, rev, hold, group.change, &shown))?;
        }
        Ok(())
    }

    fn count(&self, c: &Tx, group: &Group, limit: &Limit, department: Option<&str>) -> Result<Count, StoreError> {
        let batch: Vec<i64> = group.people.iter().map(|person| person.target).collect();
        let since = limit.per.begin(self.now).map(Moment::millis);
        let so_far: u32 = c
            .prepare_cached(&format!(
                "SELECT count(*) FROM risk WHERE {COUNTED} AND org = ?2 AND change = ?3 AND tenant = ?4
                   AND (?5 IS NULL OR department = ?5) AND target NOT IN (SELECT value FROM json_each(?6))"
            ))?
            .query_row(
                params![
                    since,
                    group.org,
                    group.change.as_str(),
                    group.tenant,
                    department,
                    serde_json::to_string(&batch)?
                ],
                |row| row.get(0),
            )?;
        let population = match department {
            None => self.population(c, group.tenant)?,
            Some(name) => department_population(c, group.org, group.tenant, name)?,
        };
        let to_come = self.to_come(c, group)?;
        Ok(Count { so_far, batch: u32::try_from(batch.len()).unwrap_or(u32::MAX), to_come, population })
    }

    /// People who have not been seen yet under the new name of a group that somebody of the batch is in.
    fn to_come(&self, c: &Tx, group: &Group) -> Result<u32, StoreError> {
        let since = self.now.millis() - i64::try_from(RENAME_AGE.as_millis()).unwrap_or(0);
        let mut select = c.prepare_cached("SELECT name, to_come FROM renamed WHERE tenant = ?1 AND at > ?2")?;
        let rows: Vec<(String, u32)> = select
            .query_map(params![group.tenant, since], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
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
        let count: u32 = c.query_row(
            "SELECT count(DISTINCT t.id) FROM link l JOIN target t ON t.id = l.target
             JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
             WHERE l.org = ?1 AND l.tenant = ?2 AND l.routed = 1 AND a.status <> 'DEPROVISIONED'",
            [self.org, tenant],
            |row| row.get(0),
        )?;
        set_meta(c, &key, &format!("{count} {}", self.now.millis()))?;
        Ok(count)
    }
}

/// Whether a rule has given somebody their account just now.
pub(super) fn is_fresh(rules: &Rulebook, case: &Case, now: Moment) -> bool {
    let until = case.adopted.as_ref().and_then(|adopted| adopted.fresh_until(rules.safeguards.fresh_adoption));
    case.account.is_some() && until.is_some_and(|until| now < until)
}

fn department_population(c: &Tx, org: &str, tenant: &str, department: &str) -> Result<u32, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT count(DISTINCT t.id) FROM link l JOIN target t ON t.id = l.target
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         WHERE l.org = ?1 AND l.tenant = ?2 AND l.routed = 1 AND a.status <> 'DEPROVISIONED'
           AND coalesce(json_extract(s.doc, '$.departments[0]'), '') = ?3",
    )?;
    Ok(select.query_row([org, tenant, department], |row| row.get(0))?)
}

fn known(c: &Tx, target: i64) -> Result<BTreeMap<ChangeKind, Known>, StoreError> {
    let mut select = c.prepare_cached("SELECT change, rev, shown, hold, administrator FROM risk WHERE target = ?1")?;
    let rows = select.query_map([target], |row| {
        let word: String = row.get(0)?;
        let (rev, shown, hold, administrator) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok((ChangeKind::parse(&word), Known { rev, shown, hold, administrator }))
    })?;
    let mut known = BTreeMap::new();
    for row in rows {
        let (change, was) = row?;
        known.extend(change.map(|change| (change, was)));
    }
    Ok(known)
}

fn mass_key(tenant: &str) -> String {
    format!("mass {tenant}")
}

/// A page of a tenant was seen most of whose people lose access at once.
pub(super) fn saw_mass(c: &Tx, tenant: &str, now: Moment) -> Result<(), StoreError> {
    set_meta(c, &mass_key(tenant), &now.millis().to_string())
}

/// Somebody has decided about a tenant's hold: what was seen before it is no reason any more.
pub(super) fn forget_mass(c: &Tx, tenant: &str) -> Result<(), StoreError> {
    c.execute("DELETE FROM meta WHERE key = ?1", [mass_key(tenant)])?;
    Ok(())
}

fn is_ending(c: &Tx, tenant: &str, now: Moment) -> Result<bool, StoreError> {
    let Some(at) = meta(c, &mass_key(tenant))? else { return Ok(false) };
    // When it was cannot be told: it may have been just now.
    Ok(at.parse().map_or(true, |at| now.since(Moment::from_millis(at)) < MASS_AGE))
}

#[cfg(test)]
#[path = "evaluation_tests.rs"]
mod tests;
