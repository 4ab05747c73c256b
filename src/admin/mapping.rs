//! The mapping on a bench: whom each rule concerns, what it says of one person, and what an edited one would change for everybody.
//!
//! **Invariant:** nothing is asked and nothing is written; the configuration stays the truth.

use super::decisions::{Decisions, Refusal, nobody};
use super::routes::Ask;
use crate::clock::Moment;
use crate::config::edited::edited;
use crate::domain::guard::difference::{Difference, Side};
use crate::domain::guard::usage::{Concerned, Usage};
use crate::domain::{Case, Decider, Directory, Rulebook};
use crate::store::{Store, StoreError, StoredPerson, Tx, directory, find, population, preview_of, whole};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Comparisons that are kept: the oldest go first.
const KEPT: usize = 8;
/// A count is made again once somebody looks who would see an older one.
const FRESH: Duration = Duration::from_secs(600);
/// Pairs of values that are told of an attribute, the most frequent first.
const PAIRS: usize = 20;

/// What an edited mapping would change, from when it was asked for.
struct Comparison {
    id: String,
    org: Option<String>,
    by: String,
    at: Moment,
    text: String,
    seen: AtomicUsize,
    made: OnceLock<Result<(Difference, Vec<String>), String>>,
}

/// Whom the rules concern, as it was counted.
struct Counted {
    at: Moment,
    rules: Arc<Rulebook>,
    made: OnceLock<Result<Usage, String>>,
}

/// What is kept between two looks.
#[derive(Clone, Default)]
pub struct Bench {
    comparisons: Arc<Mutex<Vec<Arc<Comparison>>>>,
    /// The newest count that is there, and the one that is being made.
    counts: Arc<Mutex<[Option<Arc<Counted>>; 2]>>,
}

fn locked<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Compares a part of the population, in so many parts at once.
pub fn compare(
    (old, new): (&Rulebook, &Rulebook),
    known: &Directory,
    org: &str,
    (people, cores): (&[StoredPerson], usize),
    now: Moment,
) -> Result<Difference, StoreError> {
    let part = people.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = people
            .chunks(part)
            .map(|people| {
                scope.spawn(move || {
                    let mut difference = Difference::default();
                    let (mut before, mut after) = (Side::new(old, known), Side::new(new, known));
                    for person in people {
                        let case = |rules| person.case(rules, org, now);
                        let cases: (Option<Case>, Option<Case>) = (case(old)?, case(new)?);
                        if let (Some(old), Some(new)) = cases {
                            difference.add(&mut before, &old, &mut after, &new, now);
                        }
                    }
                    Ok(difference)
                })
            })
            .collect();
        let mut all = Difference::default();
        for part in parts {
            all.merge(part.join().unwrap_or(Err(StoreError::Stopped))?);
        }
        Ok(all)
    })
}

/// What the rules say of one person, as a document: attributes, groups and apps, each with the rule and what it has read.
pub fn tested(rules: &Rulebook, case: &Case, now: Moment) -> Value {
    let mapping = rules.explain(case, now);
    let lifecycle = rules.lifecycle(case, now);
    json!({
        "org": case.org, "name": case.person.display(), "login": case.login.as_ref().ok().map(|chosen| &chosen.login),
        "login_problem": case.login.as_ref().err(), "entitlement": lifecycle.entitlement, "remarks": lifecycle.remarks, "mapping": mapping,
    })
}

/// Fields of Namely that an edited mapping reads and the service does not: they are empty until it runs by it.
pub fn unseen(old: &Rulebook, new: &Rulebook) -> Vec<String> {
    let (known, read) = (old.reads().custom, new.reads().custom);
    read.difference(&known).cloned().collect()
}

impl Comparison {
    fn line(&self) -> Value {
        let (state, why) = match self.made.get() {
            None => ("being made", None),
            Some(Ok(_)) => ("made", None),
            Some(Err(why)) => ("failed", Some(why)),
        };
        let changed = self.made.get().and_then(|made| made.as_ref().ok()).map(|(difference, _)| difference.changed);
        json!({
            "diff": self.id, "org": self.org, "by": self.by, "at": self.at.to_string(), "seen": self.seen.load(Ordering::Relaxed),
            "state": state, "why": why, "changed": changed,
        })
    }
}

impl Bench {
    /// Answers what was asked about the mapping; `None` if `ask` is about something else.
    pub(super) fn read(
        &self,
        decisions: &Decisions,
        ask: Ask,
        (parts, query): (&[String], &Value),
        (rules, now): (Arc<Rulebook>, Moment),
    ) -> Result<Option<Value>, Refusal> {
        Ok(Some(match ask {
            Ask::Mapping => self.rules(decisions, &rules, now),
            Ask::MappingTest => decisions.tested(query, None, now)?,
            Ask::MappingDiffs => {
                let mut all: Vec<Value> = locked(&self.comparisons).iter().map(|one| one.line()).collect();
                all.reverse();
                json!({ "diffs": all })
            }
            Ask::MappingDiff => {
                let missing = || {
                    let id = &parts[0];
                    Refusal::NotFound(format!("there is no comparison {id} here: they are not kept over a restart"))
                };
                let found = locked(&self.comparisons).iter().find(|one| one.id == parts[0]).cloned();
                let one = found.ok_or_else(missing)?;
                let made = one.made.get().and_then(|made| made.as_ref().ok());
                let unseen = made.map(|(_, unseen)| unseen);
                json!({ "diff": one.line(), "mapping": one.text, "difference": made.map(|(difference, _)| shown(difference)), "unseen": unseen })
            }
            _ => return Ok(None),
        }))
    }

    /// The rules, and whom each concerns as it was counted last.
    fn rules(&self, decisions: &Decisions, rules: &Arc<Rulebook>, now: Moment) -> Value {
        let counted = self.counted(decisions, rules, now);
        let usage = counted.as_ref().and_then(|counted| counted.made.get()?.as_ref().ok());
        let of = |all: fn(&Usage) -> &Vec<Concerned>, n: usize| usage.and_then(|usage| all(usage).get(n).copied());
        let mapping = &rules.mapping;
        let line = |kind: &str, rule: &str, gives: Value, when: Option<&str>, counted: Option<Concerned>| {
            json!({
                "kind": kind, "rule": rule, "gives": gives, "when": when, "people": counted.map(|one| one.people),
                "fails": counted.map(|one| one.fails),
            })
        };
        let mut lines: Vec<Value> = Vec::new();
        for (n, rule) in mapping.group_rules().iter().enumerate() {
            let when = rule.when.as_ref().map(|when| when.source());
            lines.push(line("groups", &rule.label, json!(rule.grants.shown()), when, of(|usage| &usage.groups, n)));
        }
        for (n, rule) in mapping.app_rules().iter().enumerate() {
            let when = rule.when.as_ref().map(|when| when.source());
            lines.push(line("app", &rule.label, json!(rule.app), when, of(|usage| &usage.apps, n)));
        }
        for (n, rule) in mapping.attribute_rules().iter().enumerate() {
            let counted = of(|usage| &usage.attributes, n);
            lines.push(line("attribute", &rule.name, json!(rule.value.source()), None, counted));
        }
        let failed = counted.as_ref().and_then(|counted| counted.made.get()?.as_ref().err());
        json!({
            "rules": lines, "mapping": mapping.source(), "counted_at": usage.and(counted.as_ref()).map(|counted| counted.at.to_string()),
            "people": usage.map(|usage| usage.people), "not_counted": failed,
        })
    }

    /// The newest count of these rules; a new one is begun where there is none, or only an old one.
    fn counted(&self, decisions: &Decisions, rules: &Arc<Rulebook>, now: Moment) -> Option<Arc<Counted>> {
        let mut counts = locked(&self.counts);
        if counts[1].as_ref().is_some_and(|making| making.made.get().is_some()) {
            counts[0] = counts[1].take();
        }
        let known = counts[0].clone().filter(|known| Arc::ptr_eq(&known.rules, rules));
        let is_fresh = known.as_ref().is_some_and(|known| known.at <= now && now.since(known.at) < FRESH);
        let is_being_made = counts[1].as_ref().is_some_and(|making| Arc::ptr_eq(&making.rules, rules));
        if !is_fresh && !is_being_made {
            let new = Arc::new(Counted { at: now, rules: rules.clone(), made: OnceLock::new() });
            let (making, decisions) = (new.clone(), decisions.clone());
            let count = move || {
                let counted = catch_unwind(AssertUnwindSafe(|| count(&decisions, &making.rules, making.at)));
                let counted = counted.unwrap_or_else(|_| Err("its code has panicked; the log says where".into()));
                drop(making.made.set(counted));
            };
            if std::thread::Builder::new().name("rules".into()).spawn(count).is_ok() {
                counts[1] = Some(new);
            }
        }
        known
    }

    /// Begins a comparison for everybody, on a thread of its own.
    pub(super) fn diff(
        &self,
        decisions: Decisions,
        rules: Arc<Rulebook>,
        by: &Decider,
        (body, now): (&Value, Moment),
    ) -> Result<Value, Refusal> {
        let org = body["org"].as_str().map(|name| decisions.org(name).map(str::to_owned)).transpose()?;
        let text = body["mapping"].as_str().unwrap_or_default().to_owned();
        let changed = edited(&rules, &text).map_err(|problems| Refusal::Bad(problems.to_string()))?;
        let mut kept = locked(&self.comparisons);
        if let Some(one) = kept.iter().find(|one| one.made.get().is_none()) {
            return Err(Refusal::Conflict(format!(
                "a mapping is being compared for {}, {} people so far: wait until it is there",
                one.by,
                one.seen.load(Ordering::Relaxed)
            )));
        }
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        let number = |one: &Arc<Comparison>| i64::from_str_radix(&one.id, 16).unwrap_or(0);
        let next = kept.iter().map(number).max().map_or(now.secs(), |last| now.secs().max(last + 1));
        let (seen, made) = (AtomicUsize::new(0), OnceLock::new());
        let new = Arc::new(Comparison { id: format!("{next:x}"), org, by: by.name.clone(), at: now, text, seen, made });
        let making = new.clone();
        let begun = std::thread::Builder::new().name("mapping".into()).spawn(move || {
            let compared = catch_unwind(AssertUnwindSafe(|| difference(&making, &decisions, (&rules, &changed))));
            let compared = compared.unwrap_or_else(|_| Err("its code has panicked; the log says where".into()));
            drop(making.made.set(compared));
        });
        begun.map_err(|e| Refusal::Failed(e.to_string()))?;
        let id = json!({ "diff": new.id });
        kept.push(new);
        Ok(id)
    }
}

/// A difference, with the most frequent pairs of values only.
fn shown(difference: &Difference) -> Value {
    let mut shown = json!(difference);
    for (_, change) in shown["attributes"].as_object_mut().into_iter().flatten() {
        let all = change["values"].as_object().cloned().unwrap_or_default();
        let mut pairs: Vec<(String, u64)> =
            all.into_iter().map(|(pair, people)| (pair, people.as_u64().unwrap_or(0))).collect();
        pairs.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        change["pairs"] = json!(pairs.len());
        pairs.truncate(PAIRS);
        change["values"] = json!(pairs);
    }
    shown
}

fn difference(
    making: &Comparison,
    decisions: &Decisions,
    (old, new): (&Rulebook, &Rulebook),
) -> Result<(Difference, Vec<String>), String> {
    let refused = |e: StoreError| e.to_string();
    let c = Store::reader(&decisions.store).map_err(refused)?;
    let mut all = Difference::default();
    for org in decisions.orgs.iter().filter(|org| making.org.as_ref().is_none_or(|only| only == *org)) {
        let known = directory(&c, org).map_err(refused)?.unwrap_or_default();
        let part = |people: Vec<StoredPerson>| {
            all.merge(compare((old, new), &known, org, (&people, 1), making.at)?);
            making.seen.fetch_add(people.len(), Ordering::Relaxed);
            Ok(())
        };
        population(&c, org, part).map_err(refused)?;
    }
    Ok((all, unseen(old, new)))
}

fn count(decisions: &Decisions, rules: &Rulebook, now: Moment) -> Result<Usage, String> {
    let refused = |e: StoreError| e.to_string();
    let c = Store::reader(&decisions.store).map_err(refused)?;
    let mut usage = Usage::of(rules);
    for org in &decisions.orgs {
        let part = |people: Vec<StoredPerson>| {
            for person in &people {
                if let Some(case) = person.case(rules, org, now)? {
                    usage.add(rules, &case, now);
                }
            }
            Ok(())
        };
        population(&c, org, part).map_err(refused)?;
    }
    Ok(usage)
}

impl Decisions {
    /// What the mapping says of a person in each org, and what an edited one would say and do instead, where there is one.
    pub(super) fn tested(&self, asked: &Value, text: Option<&str>, now: Moment) -> Result<Value, Refusal> {
        let rules = self.rules()?;
        let changed = text.map(|text| edited(rules, text)).transpose();
        let changed = changed.map_err(|problems| Refusal::Bad(problems.to_string()))?;
        let (person, org) = (asked["person"].as_str().unwrap_or_default(), asked["org"].as_str());
        let only = org.map(|name| self.org(name)).transpose()?;
        let c = Store::reader(&self.store)?;
        let mut people = Vec::new();
        for org in self.orgs.iter().filter(|org| only.is_none_or(|only| only == org.as_str())) {
            for target in find(&c, org, person)? {
                let Some(case) = whole(&c, rules, target, now)? else { continue };
                let mut one = tested(rules, &case, now);
                one["target"] = json!(target);
                if let Some(changed) = &changed {
                    one["edited"] = match whole(&c, changed, target, now)? {
                        Some(case) => tested(changed, &case, now),
                        None => Value::Null,
                    };
                    one["plans"] =
                        json!([would(&c, rules, (org, target), now)?, would(&c, changed, (org, target), now)?]);
                }
                people.push(one);
            }
        }
        if people.is_empty() {
            return Err(nobody(person));
        }
        Ok(json!({ "people": people, "unseen": changed.map(|changed| unseen(rules, &changed)) }))
    }
}

/// What would be done to somebody under these rules.
fn would(c: &Tx, rules: &Rulebook, (org, target): (&str, i64), now: Moment) -> Result<Value, StoreError> {
    let known = directory(c, org)?.unwrap_or_default();
    let Some(found) = preview_of(c, rules, target, &mut Cow::Borrowed(&known), now)? else { return Ok(Value::Null) };
    Ok(json!({ "changes": found.changes, "obstacle": found.obstacle, "calls": found.calls }))
}
