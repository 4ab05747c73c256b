//! Asks Okta for whoever has left and has no account that is known: in batches by anchor, login and email, and by login once
//! more, because searches lag.
//!
//! **Invariant:** only reads. What is found goes the way of every account that a list shows; nobody is done unasked.

use super::org::lists::Lists;
use super::org::prime::search_users;
use super::wiring::shared::Shared;
use super::wiring::supervisor::TaskError;
use crate::domain::text::leads_to_login;
use crate::domain::{Account, Priority};
use crate::mailbox::Bell;
use crate::okta::request::quoted;
use crate::retry;
use crate::store::{Sought, StoreError};
use std::collections::BTreeMap;
use std::time::Duration;

/// How late somebody may be noticed.
const TICK: Duration = Duration::from_millis(500);
const SHORTEST_TICK: Duration = Duration::from_millis(50);
/// People who are marked to be asked for in one transaction, where lists have seemed to cover them.
const UNCOVERED: usize = 500;
/// People who are asked for in one search.
const TOGETHER: usize = 20;

/// The searcher of one org.
#[derive(Clone)]
pub struct Searcher {
    pub lists: Lists,
    /// Wakes the dispatcher.
    pub wake: Bell,
}

impl Searcher {
    /// Works until the task is dropped.
    pub async fn keep(self) -> Result<(), TaskError> {
        let clock = &self.lists.org.shared.clock;
        loop {
            tokio::time::sleep(clock.real(TICK).max(SHORTEST_TICK)).await;
            match self.lists.org.shared.store.uncover(&self.lists.org.name, UNCOVERED, clock.now()).await {
                Ok(0) => {}
                Ok(_) => self.wake.ring(), // they are evaluated before they are searched for
                Err(e) => {
                    tracing::error!(org = %self.lists.org.name, error = %e, "the store cannot tell whom lists have covered");
                }
            }
            let people = match self.lists.org.shared.store.to_search(&self.lists.org.name, TOGETHER, clock.now()).await
            {
                Ok(people) if people.is_empty() => continue,
                Ok(people) => people,
                Err(e) => {
                    tracing::error!(org = %self.lists.org.name, error = %e, "the store cannot tell who is to be asked for");
                    continue;
                }
            };
            let asked = match self.ask(people).await {
                Ok(asked) => asked,
                Err(people) => self.ask_one_by_one(people).await,
            };
            match self.write_down(asked).await {
                Ok(()) => self.wake.ring(),
                Err(e) => {
                    tracing::error!(org = %self.lists.org.name, error = %e, "what a search has shown could not be written; it is asked again");
                }
            }
        }
    }

    /// Of several people, an account that cannot be read may be anybody's; of one, it is theirs.
    async fn ask_one_by_one(&self, people: Vec<Sought>) -> Asked {
        let mut all = Asked::default();
        for person in people {
            match self.ask(vec![person]).await {
                Ok(asked) => all.add(asked),
                Err(person) => all.failed.push((person, "an account that may be theirs cannot be read".into())),
            }
        }
        all
    }

    /// What Okta says of these people; the people, where it shows an account that cannot be read. An answer that cannot be used is
    /// the trouble of whomever it may be about, and of nobody else.
    async fn ask(&self, people: Vec<Sought>) -> Result<Asked, Vec<Sought>> {
        let priority = if people.iter().any(|person| person.urgent) { Priority::Revoke } else { Priority::Inspect };
        let rules = self.lists.org.shared.store.rules().load();
        let (anchor, writers) = (rules.mapping.anchor(), &self.lists.org.writers);
        let hits =
            match search_users(writers, &expression(&people, anchor), anchor, &self.lists.org.mapped, priority).await {
                Ok((_, true)) => return Err(people),
                Ok((hits, false)) => hits,
                Err(why) => return Ok(Asked { failed: vec![(people, why)], ..Asked::default() }),
            };
        let mut found: BTreeMap<String, Account> = BTreeMap::new();
        let (mut asked, mut people) = (Asked::default(), people);
        for hit in hits {
            match self.lists.read(&hit.id, priority).await {
                Ok(account) => found.extend(account.map(|account| (account.id.clone(), account))),
                Err(why) => {
                    let (of, others): (Vec<_>, Vec<_>) = people.into_iter().partition(|person| person.may_have(&hit));
                    // Okta has found it for somebody, and it cannot be told for whom.
                    let (of, others) = if of.is_empty() { (others, of) } else { (of, others) };
                    people = others;
                    asked.failed.push((of, why));
                }
            }
        }
        for person in people {
            // What may lead to others is in the search.
            let names = person.logins.iter().filter(|login| leads_to_login(login)).chain(&person.lost);
            match self.read_all(names, &mut found, priority).await {
                Ok(()) => asked.people.push(person),
                Err(why) => asked.failed.push((vec![person], why)),
            }
        }
        asked.found = found.into_values().collect();
        Ok(asked)
    }

    async fn read_all<'n>(
        &self,
        names: impl Iterator<Item = &'n String>,
        found: &mut BTreeMap<String, Account>,
        priority: Priority,
    ) -> Result<(), String> {
        for name in names {
            if !found.contains_key(name) {
                let account = self.lists.read(name, priority).await?;
                found.extend(account.map(|account| (account.id.clone(), account)));
            }
        }
        Ok(())
    }

    async fn write_down(&self, asked: Asked) -> Result<(), StoreError> {
        let Shared { store, clock, .. } = &self.lists.org.shared;
        for (people, why) in asked.failed {
            tracing::warn!(org = %self.lists.org.name, people = people.len(), %why, "Okta could not be asked for leavers without an account");
            let tries = people.iter().map(Sought::tries).max().unwrap_or(0);
            store.search_failed(people, why, clock.now() + retry::delay(tries)).await?;
        }
        store.searched(&self.lists.org.name, asked.people, asked.found, clock.now()).await
    }
}

/// What asking for people has come to.
#[derive(Default)]
struct Asked {
    /// Who has been asked for by everything that is known of them.
    people: Vec<Sought>,
    /// Accounts that may be of any of them, as a read by id or login shows them.
    found: Vec<Account>,
    /// Whom Okta could not be asked for, and why.
    failed: Vec<(Vec<Sought>, String)>,
}

impl Asked {
    fn add(&mut self, other: Asked) {
        self.people.extend(other.people);
        self.found.extend(other.found);
        self.failed.extend(other.failed);
    }
}

/// The search for accounts that may be of these people (`okta-api.md §3.2`).
fn expression(people: &[Sought], anchor: &str) -> String {
    let of = |name: &str, value: &String| format!("profile.{name} eq {}", quoted(value));
    let mut any: Vec<String> = Vec::new();
    for person in people {
        any.extend(person.anchors.iter().map(|value| of(anchor, value)));
        any.extend(person.logins.iter().map(|value| of("login", value)));
        any.extend(person.emails.iter().map(|value| of("email", value)));
    }
    any.join(" or ")
}
