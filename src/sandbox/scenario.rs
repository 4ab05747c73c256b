//! What HR does in a run, and what Okta should look like after each of its edits.
//!
//! **Invariant:** expectations are written down here from the person alone; the service's mapping is never asked.

pub use super::edit::{HrChange, Kind};

use super::oracle::harm::WhoIsWho;
use super::population::{Hr, Person, Status, other};
use jiff::ToSpan;
use jiff::civil::Date;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Every scenario with what happens in it.
pub const SCENARIOS: &[(&str, &str)] = &[
    ("day", "a bit of everything over four minutes: joiners, transfers, promotions, new phone numbers, leavers"),
    ("onboarding", "everybody joins at once, into a company of managers"),
    ("reorg", "everybody changes the department at once"),
    ("layoff", "one in five leaves at once"),
    ("upheaval", "at once: as many join as there are, everybody else changes the department, one in ten leaves"),
    (
        LIVES,
        "three weeks of every path: pre-hires, moved dates, leave and return, rehires, new names, rescinded departures",
    ),
    (
        MERGER,
        "two companies and two orgs: people known to both, people of one name, two vocabularies, then a second org",
    ),
    (
        "namesakes",
        "people join whose address is the login of somebody else's account, an administrator's among them: they wait",
    ),
    ("terminations", "everybody joins at once, and within three minutes some leave, as many as their reserve serves"),
];
/// The scenario of two tenants and two orgs, which has a world of its own (`merger.rs`).
pub const MERGER: &str = "merger";

/// The scenario of every path, which takes weeks.
pub const LIVES: &str = "lives";

/// Days that it takes.
const LIVES_DAYS: i32 = 22;
/// Days before the start at which an account is made.
const LEAD: i32 = 7;
/// Terminations per minute that a reserve of a tenth of 600 calls serves: revoking sessions and deactivating is two.
const SERVED_PER_MINUTE: u64 = 30;

/// A run to be played.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// One of `SCENARIOS`.
    pub name: String,
    /// Everybody who is on both sides, in agreement, before the start.
    pub people: Vec<Person>,
    /// In the order in which they happen.
    pub changes: Vec<HrChange>,
    /// The days on which it begins and ends: dates between them come to pass.
    pub days: (Date, Date),
    /// Accounts of the org that are nobody's in HR.
    pub strangers: Vec<Stranger>,
}

/// An account that is nobody's in HR, and must not be touched.
#[derive(Clone, Debug, PartialEq)]
pub struct Stranger {
    /// Of the account.
    pub login: String,
    /// First and last.
    pub name: (&'static str, &'static str),
    /// Whether it holds an admin role.
    pub administrator: bool,
}

/// Whom the accounts belong to that bait is made of.
const STRANGERS: [(&str, &str); 4] =
    [("Break", "Glass"), ("Backup", "Service"), ("Board", "Member"), ("Outside", "Auditor")];

/// What an account is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Made, and not activated.
    Staged,
    /// Active.
    Working,
    /// Suspended.
    Suspended,
    /// Deactivated.
    Gone,
}

/// What Okta should hold of one person.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// What the account is to be.
    pub state: State,
    /// Attributes that are set; all others that the mapping writes are not.
    pub profile: BTreeMap<String, Value>,
    /// Names of the groups, without Everyone.
    pub groups: BTreeSet<String>,
    /// Profile of the manager whom the account is linked to.
    pub manager: Option<String>,
}

impl Scenario {
    /// Makes the scenario called `name`; an unknown name is answered by what there is.
    pub fn make(name: &str, employees: usize, seed: u64, today: Date) -> Result<Self, String> {
        Self::of(name, Hr::new(seed, today), employees, seed, today)
    }

    /// Makes the scenario for a company of these people, who all work there.
    pub fn for_people(name: &str, people: Vec<Person>, seed: u64, today: Date) -> Result<Self, String> {
        const LEAST: usize = 20;
        if people.len() < LEAST {
            return Err(format!("{} people work there; a scenario needs {LEAST}", people.len()));
        }
        let employees = people.len();
        Self::of(name, Hr::of(people, seed, today), employees, seed, today)
    }

    fn of(name: &str, mut hr: Hr, employees: usize, seed: u64, today: Date) -> Result<Self, String> {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
        let employees = employees.max(1);
        let (people, changes) = match name {
            "day" => {
                let people = hr.population(employees);
                let changes = day(&people, &mut hr, &mut random);
                (people, changes)
            }
            "onboarding" => {
                let people = hr.population((employees / 10).max(10));
                let first = people.len();
                let managers = people.len().div_ceil(10);
                let changes = (0..employees).map(|n| join(first + n, hr.joiner(managers))).collect();
                (people, changes)
            }
            "reorg" => {
                let people = hr.population(employees);
                let changes =
                    people.iter().enumerate().map(|(n, p)| transfer(n, p, Duration::ZERO, &mut random)).collect();
                (people, changes)
            }
            "layoff" => {
                let people = hr.population(employees);
                let leavers = people.iter().enumerate().skip(1).step_by(5);
                let changes = leavers.map(|(n, p)| terminate(n, p, Duration::ZERO)).collect();
                (people, changes)
            }
            "upheaval" => {
                let people = hr.population(employees);
                let (first, managers) = (people.len(), people.len().div_ceil(10));
                let mut changes: Vec<HrChange> = people
                    .iter()
                    .enumerate()
                    .skip(1)
                    .map(|(n, p)| match n % 10 {
                        9 => terminate(n, p, Duration::ZERO),
                        _ => transfer(n, p, Duration::ZERO, &mut random),
                    })
                    .collect();
                changes.extend((0..employees).map(|n| join(first + n, hr.joiner(managers))));
                (people, changes)
            }
            "namesakes" => {
                let people = hr.population(employees);
                let (first, managers) = (people.len(), people.len().div_ceil(10));
                let mut changes: Vec<HrChange> =
                    (0..employees.div_ceil(10).max(6)).map(|n| join(first + n, hr.joiner(managers))).collect();
                let others = people.iter().enumerate().filter(|(n, _)| n % 10 == 3);
                changes.extend(others.map(|(n, p)| terminate(n, p, Duration::ZERO)));
                (people, changes)
            }
            LIVES => {
                let people = hr.population(employees.max(20));
                let changes = super::lives::changes(&people, &mut hr, today);
                (people, changes)
            }
            "terminations" => {
                let served = usize::try_from(SERVED_PER_MINUTE * 3).unwrap_or(0);
                let people = hr.population((employees / 10).max(served * 2));
                let (first, managers) = (people.len(), people.len().div_ceil(10));
                let mut changes: Vec<HrChange> = (0..employees).map(|n| join(first + n, hr.joiner(managers))).collect();
                let gap = Duration::from_secs(60).div_f64(SERVED_PER_MINUTE as f64);
                // Nobody whom a joiner reports to: that would change two people.
                let leavers = (1..people.len()).rev().filter(|n| n % 10 != 0).take(served).zip(1u32..);
                changes.extend(leavers.map(|(n, step)| terminate(n, &people[n], gap * step)));
                (people, changes)
            }
            _ => {
                let known: Vec<String> = SCENARIOS.iter().map(|(name, what)| format!("  {name:<12}{what}")).collect();
                return Err(format!("there is no scenario {name:?}; there are\n{}", known.join("\n")));
            }
        };
        // Whoever has the address of somebody else's account waits for a review: nothing happens to them or to it.
        let mut strangers = Vec::new();
        if name == "namesakes" {
            let hires =
                changes.iter().filter(|change| change.kind == Kind::Joiner).step_by(3).zip(STRANGERS.iter().cycle());
            strangers.extend(hires.enumerate().map(|(n, (hire, name))| Stranger {
                login: hire.after.email.clone(),
                name: *name,
                administrator: n % 2 == 0,
            }));
        }
        let last_day = if name == LIVES { today + LIVES_DAYS.days() } else { today };
        Ok(Self { name: name.to_owned(), people, changes, days: (today, last_day), strangers })
    }

    /// Every person's versions, in order: before the start, if they were there, and after each edit.
    pub fn versions(&self) -> Vec<Vec<Person>> {
        let mut versions: Vec<Vec<Person>> = self.people.iter().map(|p| vec![p.clone()]).collect();
        for change in &self.changes {
            if change.person >= versions.len() {
                versions.resize(change.person + 1, Vec::new());
            }
            versions[change.person].push(change.after.clone());
        }
        versions
    }

    /// What Okta should hold of every person, phase by phase: before the start, and as each edit and each date comes to
    /// pass.
    pub fn phases(&self) -> Vec<Vec<Option<Expected>>> {
        let versions = self.versions();
        let newest = |n: usize| versions[n].last();
        let of = |n: usize, versions: &Vec<Person>| {
            if versions.iter().any(|person| self.strangers.iter().any(|stranger| stranger.login == person.email)) {
                return vec![None];
            }
            let is_new = n >= self.people.len();
            let mut phases: Vec<Option<Expected>> = if is_new { vec![None] } else { Vec::new() };
            // A version lasts until the next edit of the same person.
            let mut ends: Vec<Date> = self.changes.iter().filter(|c| c.person == n).map(|c| self.day_of(c)).collect();
            if is_new {
                ends.remove(0);
            }
            ends.push(self.days.1);
            for (person, until) in versions.iter().zip(ends) {
                let manager = person.manager.and_then(newest);
                let before = phases.last().cloned().flatten();
                let next = match phases.is_empty() {
                    true => vec![expect_at_start(person, manager)],
                    false => expect(person, manager, before.as_ref(), (self.days.0, until)),
                };
                for phase in next {
                    if phases.last() != Some(&phase) {
                        phases.push(phase);
                    }
                }
            }
            phases
        };
        versions.iter().enumerate().map(|(n, versions)| of(n, versions)).collect()
    }

    /// Who is who, and who has left at the end.
    pub fn who_is_who(&self) -> WhoIsWho {
        let mut who = WhoIsWho::default();
        let phases = self.phases();
        for (n, versions) in self.versions().iter().enumerate() {
            versions.iter().for_each(|person| who.add(n, &person.id, &person.email));
            let gone = phases[n].last().is_some_and(|last| last.as_ref().is_some_and(|expected| !expected.is_live()));
            if gone || versions.last().is_some_and(|person| person.status == Status::Inactive) {
                who.left.insert(n);
            }
        }
        who
    }

    fn day_of(&self, change: &HrChange) -> Date {
        let days = i64::try_from(change.at.as_secs() / 86_400).unwrap_or(0);
        self.days.0 + days.days()
    }

    /// How many changes there are of each kind.
    pub fn counts(&self) -> BTreeMap<Kind, usize> {
        self.changes.iter().fold(BTreeMap::new(), |mut counts, change| {
            *counts.entry(change.kind).or_default() += 1;
            counts
        })
    }
}

fn join(n: usize, person: Person) -> HrChange {
    HrChange { at: Duration::ZERO, kind: Kind::Joiner, person: n, after: person }
}

fn transfer(n: usize, person: &Person, at: Duration, random: &mut ChaCha8Rng) -> HrChange {
    let department = other(random, person.department, person.words.departments.len());
    HrChange { at, kind: Kind::Mover, person: n, after: Person { department, ..person.clone() } }
}

fn terminate(n: usize, person: &Person, at: Duration) -> HrChange {
    HrChange { at, kind: Kind::Leaver, person: n, after: Person { status: Status::Inactive, ..person.clone() } }
}

/// Four minutes of an ordinary day, one change per person.
fn day(people: &[Person], hr: &mut Hr, random: &mut ChaCha8Rng) -> Vec<HrChange> {
    let mut order: Vec<usize> = (0..people.len()).collect();
    order.shuffle(random);
    let part = |percent: usize| (people.len() * percent).div_ceil(100);
    // Nobody leaves whom others report to: that would change several people.
    let leavers: Vec<usize> = order.iter().copied().filter(|n| n % 10 != 0).take(part(3)).collect();
    let mut order = order.into_iter().filter(|n| !leavers.contains(n));
    let mut some = |count: usize| -> Vec<usize> { order.by_ref().take(count).collect() };
    let (transfers, promotions, phones) = (some(part(10)), some(part(5)), some(part(10)));
    let mut edits: Vec<(Kind, usize, Person)> = Vec::new();
    for n in transfers {
        let moved = transfer(n, &people[n], Duration::ZERO, random);
        edits.push((Kind::Mover, n, moved.after));
    }
    for n in promotions {
        let title = other(random, people[n].title, people[n].words.titles.len());
        edits.push((Kind::Mover, n, Person { title, ..people[n].clone() }));
    }
    for n in phones {
        let direct_dial = format!("+1 555 {:05}", 20_000 + n);
        edits.push((Kind::Attribute, n, Person { direct_dial, ..people[n].clone() }));
    }
    for n in leavers.iter().copied() {
        edits.push((Kind::Leaver, n, terminate(n, &people[n], Duration::ZERO).after));
    }
    for n in 0..part(4) {
        edits.push((Kind::Joiner, people.len() + n, hr.joiner(people.len().div_ceil(10))));
    }
    let mut times: Vec<u64> = edits.iter().map(|_| random.random_range(0..240_000)).collect();
    times.sort_unstable();
    // Joiners keep their order: HR numbers them as they come.
    let (joiners, mut others): (Vec<_>, Vec<_>) = edits.into_iter().partition(|(kind, ..)| *kind == Kind::Joiner);
    others.shuffle(random);
    let every = (others.len() / joiners.len().max(1)).max(1);
    let mut joiners = joiners.into_iter();
    let mut mixed = Vec::new();
    for (n, edit) in others.into_iter().enumerate() {
        if n % every == 0 {
            mixed.extend(joiners.next());
        }
        mixed.push(edit);
    }
    mixed.extend(joiners);
    mixed
        .into_iter()
        .zip(times)
        .map(|((kind, person, after), at)| HrChange { at: Duration::from_millis(at), kind, person, after })
        .collect()
}

/// What Okta should hold of `person`, phase by phase, if these are the first and the last day; `None`: no account at
/// all. `before` is what it holds until then.
pub fn expect(
    person: &Person,
    manager: Option<&Person>,
    before: Option<&Expected>,
    (first_day, last_day): (Date, Date),
) -> Vec<Option<Expected>> {
    let of = |state| Some(Expected { state, ..described(person, manager) });
    let was = before.map(|before| before.state);
    let is_used = matches!(was, Some(State::Working | State::Suspended));
    let starts = || match person.start_date {
        start if start > last_day + LEAD.days() => vec![before.cloned()],
        start if start > last_day => vec![of(State::Staged)],
        _ if was == Some(State::Gone) => vec![of(State::Working)],
        _ => vec![of(State::Staged), of(State::Working)],
    };
    match person.status {
        Status::Inactive if before.is_none() => vec![None],
        Status::Inactive => vec![Some(Expected { groups: BTreeSet::new(), ..described(person, manager) }.gone())],
        // Whoever uses an account already keeps it as it is.
        Status::Pending if is_used => vec![before.cloned()],
        Status::Pending => starts(),
        Status::Active if !is_used && person.start_date > first_day => starts(),
        Status::Active => {
            let now = of(if person.on_leave { State::Suspended } else { State::Working });
            let leaves = person.departure_date.is_some_and(|day| day < last_day && day >= person.start_date);
            let gone = Expected { groups: BTreeSet::new(), ..described(person, manager) }.gone();
            if leaves { vec![now, Some(gone)] } else { vec![now] }
        }
    }
}

impl Expected {
    fn gone(self) -> Self {
        Self { state: State::Gone, ..self }
    }

    /// Whether the account is one that may be used, now or later.
    pub fn is_live(&self) -> bool {
        self.state != State::Gone
    }
}

fn described(person: &Person, manager: Option<&Person>) -> Expected {
    let mut groups = BTreeSet::from(["All Employees".to_owned(), format!("Department {}", person.department())]);
    if person.is_manager() {
        groups.insert("People Managers".to_owned());
    }
    Expected {
        state: State::Working,
        profile: profile(person, manager),
        groups,
        manager: manager.map(|m| m.id.clone()),
    }
}

/// What Okta should hold of somebody who is there from the start.
pub fn expect_at_start(person: &Person, manager: Option<&Person>) -> Option<Expected> {
    let there = described(person, manager);
    match person.status {
        Status::Inactive => Some(Expected { groups: BTreeSet::new(), ..there }.gone()),
        Status::Active if person.on_leave => Some(Expected { state: State::Suspended, ..there }),
        Status::Active | Status::Pending => Some(there),
    }
}

fn profile(person: &Person, manager: Option<&Person>) -> BTreeMap<String, Value> {
    let called = |p: &Person| if p.preferred_name.is_empty() { p.first_name.clone() } else { p.preferred_name.clone() };
    let full = |p: &Person| format!("{} {}", called(p), p.last_name);
    let mut profile = BTreeMap::from([
        ("namelyId", person.id.clone()),
        ("login", person.email.clone()),
        ("email", person.email.clone()),
        ("firstName", called(person)),
        ("lastName", person.last_name.clone()),
        ("displayName", full(person)),
        ("title", person.title().to_owned()),
        ("department", person.department().to_owned()),
        ("userType", person.employee_type.to_owned()),
        ("employeeNumber", person.employee_id.clone()),
        ("primaryPhone", person.direct_dial.clone()),
    ]);
    if let Some(manager) = manager {
        profile.insert("manager", full(manager));
        profile.insert("managerId", manager.email.clone());
    }
    profile.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k.to_owned(), json!(v))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(name: &str) -> Scenario {
        Scenario::make(name, 200, 1, "2026-05-01".parse().expect("a date")).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn an_unknown_scenario_is_answered_by_what_there_is() {
        let error = Scenario::make("apocalypse", 10, 1, "2026-05-01".parse().expect("a date")).expect_err("unknown");
        for (name, _) in SCENARIOS {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn scenarios_change_what_they_say_and_nobody_twice() {
        for (name, _) in SCENARIOS.iter().filter(|(name, _)| *name != MERGER) {
            let scenario = make(name);
            let people: BTreeSet<usize> = scenario.changes.iter().map(|c| c.person).collect();
            assert!(people.len() == scenario.changes.len() || *name == "lives", "{name}");
            assert!(scenario.changes.is_sorted_by_key(|c| c.at), "{name}");
            for versions in scenario.versions() {
                assert!(versions.windows(2).all(|pair| pair[0] != pair[1]), "{name}: an edit that edits nothing");
            }
        }
        assert_eq!(make("onboarding").counts()[&Kind::Joiner], 200);
        assert_eq!(make("reorg").counts()[&Kind::Mover], 200);
        assert_eq!(make("layoff").counts()[&Kind::Leaver], 40);
        assert_eq!(make("day").counts().len(), 4);
        assert_eq!(make("lives").counts().len(), 6);
    }

    #[test]
    fn joiners_come_in_the_order_of_their_numbers() {
        let day = make("day");
        let joiners: Vec<usize> = day.changes.iter().filter(|c| c.kind == Kind::Joiner).map(|c| c.person).collect();
        assert!(joiners.is_sorted() && joiners[0] == 200);
    }
}
