//! Plans that are made and kept for whoever looks at them: in numbers, person by person, and approved exactly as they were shown.
//!
//! **Invariant:** what is kept never changes. Whoever decides names its code, so that what was shown is what is decided; the service
//! plans everybody again, and what it would not do as the plan says is refused.

use super::approving::{Approving, kinds};
use super::decisions::{Decisions, Refusal, change, targets};
use super::planned::{Windows, by_decision, name_managers, will_wait, windows};
use super::routes::Ask;
use super::saved::SavedPlan;
use super::state::Running;
use crate::clock::Moment;
use crate::domain::guard::approval::unfit;
use crate::domain::guard::outline::{Choice, Summary, order};
use crate::domain::guard::preview::Preview;
use crate::domain::{Decider, Rulebook};
use crate::store::{
    Extent, Refused, Store, StoreError, directory, identity, preview_of, previews, rules_of_plans, vitals,
};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// How long a plan can be approved.
const VALID: Duration = Duration::from_secs(24 * 3600);
/// Plans that are kept, and people in all of them: the oldest go first.
const KEPT: usize = 8;
const KEPT_PEOPLE: usize = 150_000;
/// People of one page, and at most.
const SIZE: i64 = 50;
const LARGEST: i64 = 100_000;
/// Sorts of changes that are counted one by one.
const SORTS: usize = 200;
/// People whom an approval left out, who are named.
const LEFT_OUT: usize = 100;

/// A plan, from when it was asked for.
struct Kept {
    /// Names it in addresses.
    id: String,
    org: Option<String>,
    /// Whom it looks at, as it was asked for.
    extent: Extent,
    by: String,
    at: Moment,
    /// People who were looked at so far.
    seen: AtomicUsize,
    made: OnceLock<Result<Made, String>>,
    approvals: Mutex<Vec<Value>>,
}

/// What came of it.
struct Made {
    plan: SavedPlan,
    /// Places of its people in the order in which they are shown.
    order: Vec<usize>,
    counts: Summary,
    /// What is not done because somebody has rejected it.
    by_decision: Vec<String>,
    /// What of it will wait, and for whom.
    waits: Vec<String>,
    windows: Vec<Windows>,
}

/// Those that are kept.
#[derive(Clone, Default)]
pub struct Plans(Arc<Mutex<Vec<Arc<Kept>>>>);

fn locked<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    fn is_being_made(&self) -> bool {
        self.made.get().is_none()
    }

    fn people(&self) -> usize {
        self.made().map_or(0, |made| made.plan.people.len())
    }

    fn made(&self) -> Option<&Made> {
        self.made.get().and_then(|made| made.as_ref().ok())
    }

    /// In a line.
    fn line(&self) -> Value {
        let since = match self.extent {
            Extent::Since(at) => Some(at.to_string()),
            Extent::Dirty | Extent::Everybody => None,
        };
        let mut line = json!({
            "plan": self.id, "org": self.org, "everybody": self.extent == Extent::Everybody, "since": since, "by": self.by,
            "at": self.at.to_string(), "seen": self.seen.load(Ordering::Relaxed), "state": "being made", "why": null, "code": null,
            "people": null, "takes": null, "calls": null, "obstacles": null, "expires": null, "approvals": *locked(&self.approvals),
        });
        match self.made.get() {
            None => {}
            Some(Err(why)) => (line["state"], line["why"]) = (json!("failed"), json!(why)),
            Some(Ok(made)) => {
                line["state"] = json!("made");
                line["code"] = json!(made.plan.code());
                line["people"] = json!(made.plan.people.len());
                line["takes"] = json!(made.counts.takes);
                line["calls"] = json!(made.counts.calls);
                line["obstacles"] = json!(made.counts.obstacles);
                line["expires"] = json!(made.plan.expires_at.to_string());
            }
        }
        line
    }
}

impl Plans {
    fn find(&self, id: &str) -> Result<Arc<Kept>, Refusal> {
        let found = locked(&self.0).iter().find(|kept| kept.id == id).cloned();
        found.ok_or_else(|| {
            Refusal::NotFound(format!(
                "there is no plan {id} here: plans are kept for a day, and not over a restart; make it anew"
            ))
        })
    }

    /// A place for a plan; the one that is being made, where it is the same. Whoever asks for another one meanwhile is told.
    fn begin(&self, org: Option<String>, extent: Extent, by: &str, now: Moment) -> Result<(Arc<Kept>, bool), Refusal> {
        let mut kept = locked(&self.0);
        if let Some(one) = kept.iter().find(|one| one.is_being_made()) {
            if one.org == org && one.extent == extent {
                return Ok((one.clone(), false));
            }
            return Err(Refusal::Conflict(format!(
                "a plan for {} is being made, {} people so far: wait until it is there",
                one.by,
                one.seen.load(Ordering::Relaxed)
            )));
        }
        kept.retain(|one| one.made().is_none_or(|made| now.timestamp() < made.plan.expires_at));
        while kept.len() >= KEPT || kept.iter().map(|one| one.people()).sum::<usize>() > KEPT_PEOPLE {
            kept.remove(0);
        }
        let number = |one: &Arc<Kept>| i64::from_str_radix(&one.id, 16).unwrap_or(0);
        let next = kept.iter().map(number).max().map_or(now.secs(), |last| now.secs().max(last + 1));
        let new = Arc::new(Kept {
            id: format!("{next:x}"),
            org,
            extent,
            by: by.to_owned(),
            at: now,
            seen: AtomicUsize::new(0),
            made: OnceLock::new(),
            approvals: Mutex::default(),
        });
        kept.push(new.clone());
        Ok((new, true))
    }
}

/// Makes a plan of what has been read and written down.
fn make(kept: &Kept, decisions: &Decisions, running: Option<&Running>) -> Result<Made, String> {
    let refused = |e: StoreError| e.to_string();
    let c = Store::reader(&decisions.store).map_err(refused)?;
    let rules = decisions.rules().map_err(|e| e.to_string())?;
    let Some(fingerprint) = rules_of_plans(&c).map_err(refused)? else {
        return Err("everybody is being looked at under new rules: make it anew in a moment".into());
    };
    let mut people = Vec::new();
    for org in decisions.orgs.iter().filter(|org| kept.org.as_ref().is_none_or(|only| only == *org)) {
        if directory(&c, org).map_err(refused)?.is_none() {
            return Err(format!("the groups of {org} were not read yet: make it anew once the service has read them"));
        }
        let seen = || {
            kept.seen.fetch_add(1, Ordering::Relaxed);
        };
        people.extend(previews(&c, rules, org, kept.extent, kept.at, seen).map_err(refused)?);
    }
    if rules_of_plans(&c).map_err(refused)?.as_ref() != Some(&fingerprint) {
        return Err("the rules were exchanged while it was made: make it anew".into());
    }
    let by_decision = by_decision(&people);
    people.retain(Preview::has_work);
    let used = vitals(&c, rules, kept.at).map_err(refused)?.safeguards;
    let waits = if people.is_empty() { Vec::new() } else { will_wait(&people, rules.safeguards.mode, &used) };
    let windows = running.map(|running| windows(&people, |_| 1.0, running)).unwrap_or_default();
    let (counts, order) = (Summary::of(&people), order(&people));
    let plan = SavedPlan::new(people, identity(&c).map_err(refused)?, fingerprint, kept.at, VALID);
    Ok(Made { plan, order, counts, by_decision, waits, windows })
}

/// Which people of a plan are meant by a query or a body.
fn choice(asked: &Value) -> Result<Choice, Refusal> {
    let text = |key: &str| asked[key].as_str().map(str::to_owned);
    let flag = |key: &str| asked[key].as_bool().unwrap_or(false);
    let numbers = asked["targets"].as_str().map(|listed| {
        let number =
            |text: &str| text.trim().parse().map_err(|_| Refusal::Bad(format!("targets: {text:?} is no number")));
        listed.split(',').map(number).collect::<Result<BTreeSet<i64>, Refusal>>()
    });
    let listed = asked["targets"].is_array().then(|| targets(asked).into_iter().collect());
    Ok(Choice {
        targets: numbers.transpose()?.or(listed),
        text: text("text"),
        department: text("department"),
        change: asked["change"].as_str().map(change).transpose()?,
        rule: text("rule"),
        what: text("what"),
        takes: flag("takes"),
        blocked: flag("blocked"),
    })
}

impl Made {
    /// Its people who are meant, in the order that is asked for.
    fn chosen(&self, choice: &Choice, sort: &str) -> Result<Vec<&Preview>, Refusal> {
        let people = self.order.iter().map(|n| &self.plan.people[*n]);
        let mut chosen: Vec<&Preview> = people.filter(|person| choice.fits(person)).collect();
        let (word, backwards) = sort.strip_prefix('-').map_or((sort, false), |word| (word, true));
        match word {
            "" => {}
            "name" => chosen.sort_by_cached_key(|one| one.name.to_lowercase()),
            "login" => chosen.sort_by(|a, b| a.login.cmp(&b.login)),
            "department" => chosen.sort_by(|a, b| a.department.cmp(&b.department)),
            "calls" => chosen.sort_by_key(|one| one.calls),
            _ => {
                let known = "name, login, department, calls";
                return Err(Refusal::Bad(format!("sort: {word:?} is no column; there are {known}")));
            }
        }
        if backwards {
            chosen.reverse();
        }
        Ok(chosen)
    }
}

impl Plans {
    /// Answers what was asked about plans; `None` if `ask` is about something else.
    pub(super) fn read(
        &self,
        decisions: &Decisions,
        ask: Ask,
        (parts, query): (&[String], &Value),
        now: Moment,
    ) -> Result<Option<Value>, Refusal> {
        Ok(Some(match ask {
            Ask::Plans => {
                let mut all: Vec<Value> = locked(&self.0).iter().map(|one| one.line()).collect();
                all.reverse();
                json!({ "plans": all })
            }
            Ask::Plan => shown(&*self.find(&parts[0])?, decisions, query)?,
            Ask::PlannedPerson => {
                let target = decisions.number("target", &parts[1])?;
                self.person(decisions, &parts[0], target, now)?
            }
            Ask::PlanFile => {
                let kept = self.find(&parts[0])?;
                json!(there(&kept)?.plan)
            }
            _ => return Ok(None),
        }))
    }

    /// What a plan says of one person, and whether it would be done so now.
    fn person(&self, decisions: &Decisions, id: &str, target: i64, now: Moment) -> Result<Value, Refusal> {
        let kept = self.find(id)?;
        let made = there(&kept)?;
        let found = made.plan.people.iter().find(|person| person.target == target);
        let mut person =
            found.cloned().ok_or_else(|| Refusal::NotFound(format!("target {target} is not in plan {id}")))?;
        let c = Store::reader(&decisions.store)?;
        let rules: &Rulebook = decisions.rules()?;
        let known = directory(&c, &person.org)?.unwrap_or_default();
        let present = preview_of(&c, rules, target, &mut Cow::Borrowed(&known), now)?;
        let moved = unfit(present.as_ref(), &person.changes, &person.basis).filter(|_| person.obstacle.is_none());
        name_managers(&c, std::slice::from_mut(&mut person))?;
        Ok(json!({ "plan": kept.line(), "person": person, "moved": moved }))
    }
}

fn there(kept: &Kept) -> Result<&Made, Refusal> {
    match kept.made.get() {
        Some(Ok(made)) => Ok(made),
        Some(Err(why)) => Err(Refusal::Conflict(why.clone())),
        None => Err(Refusal::Conflict("the plan is being made: look at it again in a moment".into())),
    }
}

fn shown(kept: &Kept, decisions: &Decisions, query: &Value) -> Result<Value, Refusal> {
    let mut answer = json!({ "plan": kept.line(), "summary": null, "people": [], "total": 0, "of": 0 });
    let Some(made) = kept.made() else { return Ok(answer) };
    let chosen = made.chosen(&choice(query)?, query["sort"].as_str().unwrap_or_default())?;
    let number = |key: &str, default: i64| match query[key].as_i64().unwrap_or(default) {
        given if given < 1 => Err(Refusal::Bad(format!("{key}: {given} is too small; pages and sizes begin with 1"))),
        given => Ok(usize::try_from(given.min(LARGEST)).unwrap_or(1)),
    };
    let (page, size) = (number("page", 1)?, number("size", SIZE)?);
    let total = chosen.len();
    let can = || chosen.iter().filter(|one| one.obstacle.is_none());
    let (calls, taking): (usize, usize) =
        (can().map(|one| one.calls).sum(), can().filter(|one| one.is_risky()).count());
    let can = can().count();
    let mut page_of: Vec<Preview> =
        chosen.into_iter().skip((page - 1).saturating_mul(size)).take(size).cloned().collect();
    let c = Store::reader(&decisions.store)?;
    name_managers(&c, &mut page_of)?;
    let row = |person: &Preview| {
        json!({
            "target": person.target, "org": person.org, "tenant": person.tenant, "profile": person.profile, "name": person.name,
            "login": person.login, "department": person.department, "entitlement": person.entitlement, "changes": person.changes,
            "by_okta": person.by_okta, "obstacle": person.obstacle, "takes": person.is_risky(), "calls": person.calls,
        })
    };
    let rows: Vec<Value> = page_of.iter().map(row).collect();
    let mut summary = made.counts.json();
    let sorts = summary["what"].as_array().map_or(0, Vec::len);
    if let Some(what) = summary["what"].as_array_mut() {
        what.truncate(SORTS);
    }
    summary["sorts"] = json!(sorts);
    answer["summary"] = summary;
    answer["mode"] = json!(decisions.rules()?.safeguards.mode.as_str());
    answer["by_decision"] = json!(made.by_decision);
    answer["waits"] = json!(made.waits);
    answer["windows"] = json!(made.windows);
    answer["people"] = json!(rows);
    (answer["total"], answer["of"]) = (json!(total), json!(made.plan.people.len()));
    (answer["can"], answer["calls"], answer["taking"]) = (json!(can), json!(calls), json!(taking));
    (answer["page"], answer["size"]) = (json!(page), json!(size));
    Ok(answer)
}

impl Plans {
    /// Begins a plan, on a thread of its own: it is read while the service works, and writes nothing.
    pub(super) fn make(
        &self,
        decisions: Decisions,
        running: Option<Running>,
        by: &Decider,
        (body, now): (&Value, Moment),
    ) -> Result<Value, Refusal> {
        let org = body["org"].as_str().map(|name| decisions.org(name).map(str::to_owned)).transpose()?;
        let since = body["since"].as_str().map(str::parse::<jiff::Timestamp>).transpose();
        let since = since.map_err(|_| Refusal::Bad("since is no time; write 2026-05-04T06:00:00Z".into()))?;
        let extent = match (since, body["everybody"].as_bool().unwrap_or(false)) {
            (Some(_), true) => return Err(Refusal::Bad("since and everybody do not go together: give one".into())),
            (Some(at), false) => Extent::Since(at.into()),
            (None, true) => Extent::Everybody,
            (None, false) => Extent::Dirty,
        };
        let (kept, is_new) = self.begin(org, extent, &by.name, now)?;
        let id = json!({ "plan": kept.id });
        if !is_new {
            return Ok(id);
        }
        let making = kept.clone();
        let begun = std::thread::Builder::new().name("plan".into()).spawn(move || {
            let made = catch_unwind(AssertUnwindSafe(|| make(&making, &decisions, running.as_ref())));
            let made = made.unwrap_or_else(|_| Err("its code has panicked; the log says where".into()));
            drop(making.made.set(made));
        });
        if let Err(e) = begun {
            locked(&self.0).retain(|one| !Arc::ptr_eq(one, &kept));
            return Err(Refusal::Failed(e.to_string()));
        }
        Ok(id)
    }

    /// Approves of a plan that is kept what is meant, exactly as it was shown.
    pub(super) fn approve(
        &self,
        decisions: &Decisions,
        by: &Decider,
        (id, body): (&str, &Value),
        now: Moment,
    ) -> Result<Value, Refusal> {
        approve(&*self.find(id)?, decisions, by, body, now)
    }
}

fn approve(kept: &Kept, decisions: &Decisions, by: &Decider, body: &Value, now: Moment) -> Result<Value, Refusal> {
    let made = there(kept)?;
    let code = body["code"].as_str().unwrap_or_default();
    if code != made.plan.code() {
        return Err(Refusal::Conflict(format!(
            "plan {} is not what {code:?} stands for: look at it again (its code is {})",
            kept.id,
            made.plan.code()
        )));
    }
    let choice = choice(body)?;
    let only = kinds(body)?;
    let people = &made.plan.people;
    let named = choice.targets.iter().flatten();
    if let Some(stray) = named.copied().find(|target| people.iter().all(|person| person.target != *target)) {
        return Err(Refusal::NotFound(format!("target {stray} is not in plan {}", kept.id)));
    }
    let (can, cannot): (Vec<&Preview>, Vec<&Preview>) =
        people.iter().filter(|person| choice.fits(person)).partition(|person| person.obstacle.is_none());
    if let Some(one) = cannot.first().filter(|_| choice.targets.is_some()) {
        let why = one.obstacle.as_deref().unwrap_or_default();
        return Err(Refusal::Conflict(format!("{}: {why}", one.name)));
    }
    if can.is_empty() {
        return Err(Refusal::Bad("nobody is meant: nothing of this plan can be done for whom it was asked".into()));
    }
    let meant = can.len();
    if body["people"].as_i64().is_some_and(|shown| usize::try_from(shown).ok() != Some(meant)) {
        return Err(Refusal::Conflict(format!(
            "this means {meant} people, and not as many as were shown: look at it again"
        )));
    }
    let plan = Approving {
        plan: &made.plan,
        people: &can,
        strict: body["strict"].as_bool().unwrap_or(false),
        only: only.as_ref(),
    };
    let mut answer = decisions.approve_kept(&Store::operator(&decisions.store)?, &plan, by, now)?;
    answer["meant"] = json!(meant);
    let refused: Vec<Refused> = serde_json::from_value(answer["refused"].clone())?;
    let left_out = &refused[..refused.len().min(LEFT_OUT)];
    locked(&kept.approvals).push(json!({
        "by": by.name, "at": now.to_string(), "approved": answer["approved"], "refused": refused.len(), "left_out": left_out,
        "changes": only, "waits": answer["waits"],
    }));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_made_once_at_a_time_and_the_oldest_make_room() {
        let plans = Plans::default();
        let now = Moment::from_secs(1_800_000_000);
        let begin = |by: &str, org: Option<&str>| plans.begin(org.map(str::to_owned), Extent::Dirty, by, now);
        let (first, is_new) = begin("Ann", None).expect("begins");
        assert!(is_new);
        let (same, is_new) = begin("Ben", None).expect("the same");
        assert!(!is_new && same.id == first.id);
        let Err(Refusal::Conflict(why)) = begin("Ben", Some("main")) else { panic!("another at the same time") };
        assert!(why.contains("for Ann is being made"), "{why}");
        drop(first.made.set(Err("no".into())));
        let mut ids = BTreeSet::from([first.id.clone()]);
        for _ in 0..2 * KEPT {
            let (next, _) = begin("Ann", None).expect("begins");
            drop(next.made.set(Err("no".into())));
            assert!(ids.insert(next.id.clone()), "each has a name of its own");
        }
        assert_eq!(locked(&plans.0).len(), KEPT);
        assert!(matches!(plans.find(&first.id), Err(Refusal::NotFound(_))));
    }
}
