//! A whole world: both simulators on loopback ports, seeded with the same tenant, and a player for HR's edits.

use super::data::Contents;
use super::http::Simulator;
use super::namely::{self, Namely};
use super::okta::users::Status;
use super::okta::{self, Okta};
use super::oracle::difference;
use super::population::Hr;
use super::scenario::{Expected, Kind, Scenario, State, expect_at_start};
use crate::clock::{Clock, Moment};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

const NAP: Duration = Duration::from_millis(20);

/// The groups every sandbox org has, besides one for each department.
const GROUPS: [&str; 2] = ["All Employees", "People Managers"];

/// Any free port on the loopback address.
pub fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Both simulators and the clock they share.
#[derive(Clone)]
pub struct World {
    /// Both have one.
    pub clock: Clock,
    /// The tenant.
    pub namely: Simulator<Namely>,
    /// The org.
    pub okta: Simulator<Okta>,
}

/// An Okta org that holds `people` as the sandbox's mapping would have them.
pub fn org_of(options: okta::Options, people: &[super::population::Person], now: Moment) -> Okta {
    let mut okta = Okta::new(options, now);
    let mut ids: HashMap<String, String> = HashMap::new();
    let words = people.first().map_or(super::population::WORDS, |person| person.words);
    let departments = words.departments.iter().map(|d| format!("Department {d}"));
    for name in GROUPS.iter().map(|g| (*g).to_owned()).chain(departments) {
        let id = okta.seed_group(&name, "OKTA_GROUP", now);
        ids.insert(name, id);
    }
    let mut users: HashMap<&str, String> = HashMap::new();
    for person in people {
        let manager = person.manager.map(|m| &people[m]);
        let Some(expected) = expect_at_start(person, manager) else { continue };
        let groups: Vec<String> = expected.groups.iter().filter_map(|g| ids.get(g).cloned()).collect();
        let profile: Value = expected.profile.into_iter().collect();
        let status = match expected.state {
            State::Staged => Status::Staged,
            State::Working => Status::Active,
            State::Suspended => Status::Suspended,
            State::Gone => Status::Deprovisioned,
        };
        let id = okta.seed_user(profile, status, &groups, now);
        users.insert(&person.id, id);
    }
    for person in people {
        let manager = person.manager.and_then(|m| users.get(people[m].id.as_str()));
        if let (Some(user), Some(manager)) = (users.get(person.id.as_str()), manager) {
            okta.seed_manager(user, manager);
        }
    }
    okta
}

/// An Okta org as a file has it: its groups and accounts where it names any, and what the sandbox's mapping makes of its people
/// where it does not. An attribute that no org has from the start is added to the schema.
pub fn org_of_contents(options: okta::Options, contents: &Contents, now: Moment) -> Okta {
    if contents.accounts.is_empty() && contents.groups.is_empty() {
        return org_of(options, &contents.people, now);
    }
    let mut okta = Okta::new(options, now);
    let named = contents.groups.iter().chain(contents.accounts.iter().flat_map(|account| &account.groups));
    let groups: BTreeMap<&String, String> = named
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|name| (name, okta.seed_group(name, "OKTA_GROUP", now)))
        .collect();
    let mut users: HashMap<String, String> = HashMap::new();
    for account in &contents.accounts {
        for (name, value) in &account.profile {
            okta.add_attribute_for(name, value);
        }
        let status = Status::parse(&account.status).unwrap_or(Status::Deprovisioned);
        let ids: Vec<String> = account.groups.iter().filter_map(|name| groups.get(name).cloned()).collect();
        let id = okta.seed_user(Value::Object(account.profile.clone()), status, &ids, now);
        users.insert(account.profile["login"].as_str().unwrap_or_default().to_lowercase(), id);
    }
    for account in &contents.accounts {
        let user = account.profile["login"].as_str().and_then(|login| users.get(&login.to_lowercase()));
        let manager = account.manager.as_ref().and_then(|login| users.get(&login.to_lowercase()));
        if let (Some(user), Some(manager)) = (user, manager) {
            okta.seed_manager(user, manager);
        }
    }
    okta
}

impl World {
    /// Starts both simulators with the people of `scenario`.
    pub fn start(
        scenario: &Scenario,
        namely: namely::Options,
        okta: okta::Options,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let now = clock.now();
        let mut org = org_of(okta, &scenario.people, now);
        for stranger in &scenario.strangers {
            let (first, last) = stranger.name;
            let login = &stranger.login;
            let profile = json!({ "login": login, "email": login, "firstName": first, "lastName": last });
            let id = org.seed_user(profile, Status::Active, &[], now);
            if stranger.administrator {
                org.seed_administrator(&id);
            }
        }
        let words = scenario.people.first().map_or(namely.words, |person| person.words);
        let namely = if words == namely.words { namely } else { namely.in_words(words) };
        let tenant = Namely::new(namely, scenario.people.clone(), now);
        Ok(Self {
            namely: Simulator::start(tenant, any_port(), clock.clone())?,
            okta: Simulator::start(org, any_port(), clock.clone())?,
            clock,
        })
    }

    /// Plays the edits of `scenario` at their times, counted from now.
    pub async fn play(&self, scenario: &Scenario) {
        let start = self.clock.monotonic();
        for change in &scenario.changes {
            let due = start + change.at;
            // In short naps: somebody may make the clock jump.
            while self.clock.monotonic() < due {
                let nap = self.clock.real(due.since(self.clock.monotonic())).min(NAP);
                tokio::time::sleep(nap.max(Duration::from_micros(50))).await;
            }
            let now = self.clock.now();
            let mut tenant = self.namely.core();
            if change.person < tenant.people().count() {
                tenant.edit(change.person, now, |person| *person = change.after.clone());
            } else {
                tenant.hire(change.after.clone(), now);
            }
        }
    }
}

/// Which changes have reached Okta: looked at while a run goes on.
pub struct Watch {
    pending: Vec<(Kind, String, Option<Expected>)>,
    total: BTreeMap<Kind, usize>,
}

impl Watch {
    /// Watches for the end of every change of `scenario`.
    pub fn new(scenario: &Scenario) -> Self {
        let (versions, phases) = (scenario.versions(), scenario.phases());
        let mut last: BTreeMap<usize, Kind> = BTreeMap::new();
        for change in &scenario.changes {
            last.insert(change.person, change.kind);
        }
        let pending: Vec<_> = last
            .into_iter()
            .filter_map(|(n, kind)| {
                let expected = phases[n].last().cloned().flatten();
                Some((kind, versions[n].last()?.id.clone(), expected))
            })
            .collect();
        let total = pending.iter().fold(BTreeMap::new(), |mut total, (kind, ..)| {
            *total.entry(*kind).or_default() += 1;
            total
        });
        Self { pending, total }
    }

    /// Drops what Okta shows by now; returns done and total by kind.
    pub fn watch(&mut self, okta: &Okta) -> BTreeMap<Kind, (usize, usize)> {
        let by_anchor: HashMap<&str, _> =
            okta.users().filter_map(|u| Some((u.profile.get("namelyId")?.as_str()?, u))).collect();
        self.pending.retain(|(_, anchor, expected)| {
            let users: Vec<_> = by_anchor.get(anchor.as_str()).copied().into_iter().collect();
            difference(expected.as_ref(), &users, okta).is_some()
        });
        let mut done: BTreeMap<Kind, (usize, usize)> = self.total.iter().map(|(k, n)| (*k, (*n, *n))).collect();
        for (kind, ..) in &self.pending {
            done.entry(*kind).or_default().0 -= 1;
        }
        done
    }

    /// What is still different about whom.
    pub fn missing(&self, okta: &Okta) -> Vec<String> {
        let message = |(kind, anchor, expected): &(Kind, String, Option<Expected>)| {
            let users: Vec<_> =
                okta.users().filter(|u| u.profile.get("namelyId").is_some_and(|id| id == anchor)).collect();
            difference(expected.as_ref(), &users, okta).map(|what| format!("{} {anchor}: {what}", kind.as_str()))
        };
        self.pending.iter().filter_map(message).collect()
    }

    /// Whether every change has reached Okta.
    pub fn is_over(&self) -> bool {
        self.pending.is_empty()
    }
}

/// A tenant for the simulators alone: the same on both sides for the same seed.
pub fn population(employees: usize, seed: u64, now: Moment) -> Vec<super::population::Person> {
    Hr::new(seed, today(now)).population(employees)
}

/// The calendar day of a moment, UTC.
pub fn today(now: Moment) -> jiff::civil::Date {
    now.to_string().get(..10).and_then(|day| day.parse().ok()).unwrap_or_default()
}

/// How long a run may go on after the last edit without any change reaching Okta.
pub const PATIENCE: Duration = Duration::from_secs(600);
