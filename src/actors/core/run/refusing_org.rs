//! An org that answers one step otherwise than Okta should, and what a leaver's runs make of it.

use super::super::super::tests::World;
use super::super::super::{Act, Run};
use super::super::*;
use crate::domain::work::run::Claim;
use crate::domain::{Account, Group};
use std::collections::BTreeSet;
use std::time::Duration;

/// An org with one account, which answers one step otherwise than Okta should.
pub struct Org {
    pub account: Account,
    pub groups: BTreeSet<String>,
    pub is_gone: bool,
    pub fault: Option<(&'static str, Outcome)>,
    /// How often it still strikes.
    pub times: u32,
    pub calls: Vec<&'static str>,
}

impl Org {
    pub fn of(account: Account) -> Self {
        let groups = account.groups.clone();
        Self { account, groups, is_gone: false, fault: None, times: 0, calls: Vec::new() }
    }

    pub fn answer(&mut self, step: &Step) -> (Outcome, Answer) {
        self.calls.push(step.name());
        if let Some((name, outcome)) = &self.fault
            && *name == step.name()
            && self.times > 0
        {
            self.times -= 1;
            return (outcome.clone(), Answer::Done);
        }
        if self.is_gone {
            return (Outcome::Missing, Answer::Done);
        }
        let refused = |why: &str| (Outcome::Replan { why: why.into() }, Answer::Done);
        match step {
            Step::Deactivate { .. } if self.account.status == AccountStatus::Deprovisioned => {
                return (Outcome::Missing, Answer::Done);
            }
            Step::Deactivate { .. } => self.account.status = AccountStatus::Deprovisioned,
            Step::Unlock { .. } => self.account.status = AccountStatus::Active,
            Step::Suspend { .. } if self.account.status != AccountStatus::Active => return refused("is not active"),
            Step::Suspend { .. } => self.account.status = AccountStatus::Suspended,
            Step::RemoveGroup { group, .. } => {
                self.groups.remove(group);
            }
            Step::ListGroups { .. } | Step::ReadGroups { .. } => {
                let group = |id: &String| Group { id: id.clone(), name: id.clone(), writable: true };
                let everyone = Group { id: "00gEveryone".into(), name: "Everyone".into(), writable: false };
                let groups = self.groups.iter().map(group).chain([everyone]);
                return (Outcome::Applied, Answer::Groups { groups: groups.collect(), next: None });
            }
            Step::ReadAccount { .. } => return (Outcome::Applied, Answer::User(self.account.clone())),
            Step::ReadBack { .. } if self.account.is_live() => {
                return (Outcome::Replan { why: "still ACTIVE".into() }, Answer::User(self.account.clone()));
            }
            Step::ReadBack { .. } => return (Outcome::Applied, Answer::User(self.account.clone())),
            _ => {}
        }
        (Outcome::Applied, Answer::Done)
    }
}

/// What is left after some runs of a person.
pub struct Ended {
    /// Whether a run ended as done; else when it is tried again the next time, and why.
    pub done: bool,
    pub waits: Vec<Duration>,
    pub why: String,
}

/// Runs somebody until they are done, at most so often.
pub fn play_run(world: &World, mut claim: Claim, org: &mut Org, most: i64) -> Ended {
    let mut ended = Ended { done: false, waits: Vec::new(), why: String::new() };
    for attempt in 0..most {
        claim = Claim { attempt, ..claim };
        let mut run = Run::new(claim.clone());
        let mut act = run.begin(&world.context());
        let release = loop {
            assert!(org.calls.len() < 1000, "the run never ends: {:?}", &org.calls[..30]);
            let step = match act {
                Act::Release(release) => break release,
                Act::Send { step, .. } => step,
            };
            let (outcome, answer) = org.answer(&step);
            let concluded = run.conclude(&step, &outcome, &answer, &world.context());
            if concluded.account != Learned::Nothing {
                claim.case.account = concluded.account.account().cloned();
            }
            match (concluded.next, concluded.then) {
                (Next::Release(release), _) => break release,
                (_, Some(next)) => act = next,
                other => panic!("{other:?}"),
            }
        };
        let (at, why, read_first) = match release {
            Release::Done { .. } => return Ended { done: true, ..ended },
            Release::Search => return Ended { why: "searched".into(), ..ended },
            Release::Quarantined { why, again, read_first, .. } => {
                (again.unwrap_or_else(|| panic!("for good: {why}")), why, read_first)
            }
            Release::Retry { at, why } => (at, why, false),
            Release::ReadFirst { at, why } => (at, why, true),
            Release::Evaluate { at } => (at, "evaluated anew".into(), false),
            Release::Held { again: Some(at), why, .. } => (at, why, true),
            other => panic!("{other:?}"),
        };
        claim.read_first |= read_first;
        ended.waits.push(at.since(world.now));
        ended.why = why;
    }
    ended
}
