//! A merger: two tenants with their own Namely and their own words, people who work for both, people of one name, one
//! Okta org for all of them, and then a second org.
//!
//! **Invariant:** what is expected is written down here from the people alone.

use super::http::Simulator;
use super::namely::{self, Namely};
use super::okta::users::{Status as Account, User};
use super::okta::{self, Okta};
use super::oracle::harm::WhoIsWho;
use super::population::{Hr, Person, Status};
use super::scenario::{Expected, State, expect_at_start};
use super::world::{any_port, org_of, today};
use crate::clock::Clock;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What the other tenant calls its departments, in the order of ours.
pub const OTHER_WORDS: &[&str] =
    &["R&D", "Commercial", "Accounts", "Customer Care", "Brand", "Ops", "Counsel", "Product Management"];

/// Both tenants and both orgs.
#[derive(Clone)]
pub struct Tenants {
    /// All four have one.
    pub clock: Clock,
    /// The buyer's, and the one that was bought.
    pub namely: [Simulator<Namely>; 2],
    /// In the same order.
    pub okta: [Simulator<Okta>; 2],
}

/// One human, with their place in each tenant.
#[derive(Clone, Debug)]
pub struct MergedPerson {
    /// An index of the people of each tenant.
    pub positions: [Option<usize>; 2],
    /// Whether HR has marked them for the second org.
    pub moves: bool,
}

/// A merger to be played.
#[derive(Clone, Debug)]
pub struct Merger {
    /// Everybody of both tenants.
    pub people: [Vec<Person>; 2],
    /// Each human once.
    pub everybody: Vec<MergedPerson>,
}

impl Tenants {
    /// Starts everything: the first tenant and the first org agree, the other tenant is empty, as is the other org.
    pub fn start(
        people: &[Person],
        namely: namely::Options,
        okta: okta::Options,
        clock: Clock,
    ) -> std::io::Result<Self> {
        let now = clock.now();
        let second = okta::Options { seed: okta.seed + 1, ..okta.clone() };
        let other = namely::Options { departments: OTHER_WORDS, seed: namely.seed + 1, ..namely.clone() };
        let simulated = |core| Simulator::start(core, any_port(), clock.clone());
        let org =
            |options, people: &[Person]| Simulator::start(org_of(options, people, now), any_port(), clock.clone());
        Ok(Self {
            namely: [
                simulated(Namely::new(namely, people.to_vec(), now))?,
                simulated(Namely::new(other, Vec::new(), now))?,
            ],
            okta: [org(okta, people)?, org(second, &[])?],
            clock,
        })
    }

    /// The other tenant is read in: everybody at once.
    pub fn join(&self, people: &[Person]) {
        let now = self.clock.now();
        let mut tenant = self.namely[1].core();
        for person in people {
            tenant.hire(person.clone(), now);
        }
    }

    /// HR edits somebody of a tenant.
    pub fn edit(&self, tenant: usize, person: usize, edit: impl FnOnce(&mut Person)) {
        self.namely[tenant].core().edit(person, self.clock.now(), edit);
    }
}

/// Marks a profile for the second org, or for none; every profile of a tenant has the field.
pub fn mark(person: &mut Person, moves: bool) {
    person.raw.insert("moves_to".into(), Some(if moves { json!("emea") } else { Value::Null }));
}

impl Merger {
    /// Two tenants of `size` people: one in ten works for both, one in five has a name that the other tenant has too.
    pub fn make(size: usize, seed: u64, clock: &Clock) -> Self {
        let day = today(clock.now());
        let mut ours = Hr::new(seed, day).population(size);
        let mut theirs = Hr::new(seed + 100, day).population(size);
        ours.iter_mut().for_each(|person| {
            person.preferred_name.clear();
            mark(person, false);
        });
        let mut everybody: Vec<MergedPerson> =
            (0..size).map(|n| MergedPerson { positions: [Some(n), None], moves: false }).collect();
        for (n, person) in theirs.iter_mut().enumerate() {
            person.preferred_name.clear();
            person.email = person.email.replace("@example.com", "@globex.example.com");
            mark(person, false);
            let twin = &ours[n];
            if n % 10 == 3 {
                // The same human, known to both.
                person.first_name.clone_from(&twin.first_name);
                person.last_name.clone_from(&twin.last_name);
                person.email.clone_from(&twin.email);
                everybody[n].positions[1] = Some(n);
                continue;
            }
            if n % 5 == 1 {
                // Another human of the same name.
                person.first_name.clone_from(&twin.first_name);
                person.last_name.clone_from(&twin.last_name);
            }
            everybody.push(MergedPerson { positions: [None, Some(n)], moves: false });
        }
        Self { people: [ours, theirs], everybody }
    }

    /// Plays it: the other tenant joins; a third of all humans are marked for the second org; of those who work for
    /// both, every other one leaves the first tenant, and some leave both.
    pub fn play(&mut self, world: &Tenants) {
        world.join(&self.people[1]);
        for (n, one) in self.everybody.iter_mut().enumerate() {
            let leaves = match (one.positions, n % 4) {
                ([Some(_), Some(_)], 1) => [true, false],
                ([Some(_), Some(_)], 3) => [true, true],
                _ => [false, false],
            };
            one.moves = n % 3 == 0;
            for (tenant, leaves) in leaves.into_iter().enumerate() {
                let Some(at) = one.positions[tenant] else { continue };
                let person = &mut self.people[tenant][at];
                mark(person, one.moves);
                if leaves {
                    person.status = Status::Inactive;
                }
                let after = person.clone();
                world.edit(tenant, at, |person| *person = after);
            }
        }
    }

    /// The profiles of a human.
    fn profiles(&self, one: &MergedPerson) -> Vec<&Person> {
        (0..2).filter_map(|tenant| Some(&self.people[tenant][one.positions[tenant]?])).collect()
    }

    /// What an org should hold of a human; `None`: no account.
    fn expect(&self, one: &MergedPerson, org: usize) -> Option<Expected> {
        let profiles = self.profiles(one);
        let active: Vec<&Person> = profiles.iter().copied().filter(|p| p.status == Status::Active).collect();
        let was_there = org == 0 && one.positions[0].is_some();
        if org == 1 && !one.moves {
            return None;
        }
        let Some(first) = active.first() else {
            let gone = expect_at_start(profiles[0], None);
            return gone.filter(|_| was_there).map(|e| Expected { state: State::Gone, groups: BTreeSet::new(), ..e });
        };
        let mut expected = expect_at_start(first, None)?;
        for other in &active[1..] {
            expected.groups.extend(expect_at_start(other, None)?.groups);
        }
        Some(expected)
    }

    /// Who is who, and who has left both tenants.
    pub fn who_is_who(&self) -> WhoIsWho {
        let mut who = WhoIsWho::default();
        for (n, one) in self.everybody.iter().enumerate() {
            let profiles = self.profiles(one);
            profiles.iter().for_each(|person| who.add(n, &person.id, &person.email));
            if profiles.iter().all(|person| person.status != Status::Active) {
                who.left.insert(n);
            }
        }
        who
    }

    /// What differs between the orgs and what they should hold, one line each.
    pub fn differences(&self, world: &Tenants) -> Vec<String> {
        let mut found = Vec::new();
        for (org, simulator) in world.okta.iter().enumerate() {
            let mut okta = simulator.core();
            okta.settle(world.clock.now());
            let mut logins: Vec<&Value> = okta.users().filter_map(|u| u.profile.get("login")).collect();
            let all = logins.len();
            logins.sort_by_key(|login| login.to_string());
            logins.dedup();
            if logins.len() != all {
                found.push(format!("org {org}: two accounts have one login"));
            }
            for (n, one) in self.everybody.iter().enumerate() {
                let anchors: Vec<&str> = self.profiles(one).iter().map(|p| p.id.as_str()).collect();
                let users: Vec<&User> = okta
                    .users()
                    .filter(|u| u.profile.get("namelyId").and_then(Value::as_str).is_some_and(|a| anchors.contains(&a)))
                    .collect();
                let expected = self.expect(one, org);
                if let Some(what) = differs(expected.as_ref(), &users, &okta) {
                    found.push(format!("org {org}: human {n} {one:?} {what}"));
                }
            }
        }
        found
    }
}

fn differs(expected: Option<&Expected>, users: &[&User], okta: &Okta) -> Option<String> {
    let (user, expected) = match (users, expected) {
        ([], None) => return None,
        ([user], Some(expected)) => (user, expected),
        (users, expected) => return Some(format!("has {} accounts, expected {}", users.len(), expected.is_some())),
    };
    if expected.is_live() == (user.status == Account::Deprovisioned) {
        return Some(format!("is {}", user.status.as_str()));
    }
    let groups = okta.groups_of(&user.id);
    if groups != expected.groups {
        return Some(format!("is in {groups:?}, expected {:?}", expected.groups));
    }
    let differs = |name: &&&str| user.profile.get(**name) != expected.profile.get(**name);
    let wrong =
        ["firstName", "lastName", "email", "title", "department"].iter().filter(|_| expected.is_live()).find(differs);
    wrong.map(|name| format!("has {name} = {:?}, expected {:?}", user.profile.get(*name), expected.profile.get(*name)))
}
