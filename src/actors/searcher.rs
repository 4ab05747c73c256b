//! Asks Okta for whoever has left and has no account that is known: in batches by anchor, login and email, and by login once
//! more, because searches lag.
//!
//! **Invariant:** only reads. What is found goes the way of every account that a list shows; nobody is done unasked.

use super::org::lists::Lists;
use super::org::prime::search_users;
use super::wiring::supervisor::TaskError;
use crate::domain::{Account, Priority};
use crate::mailbox::Bell;
use crate::retry;
use crate::store::Sought;
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
            let written = match self.ask(&people).await {
                Ok(found) => {
                    self.lists.org.shared.store.searched(&self.lists.org.name, people, found, clock.now()).await
                }
                Err(why) => {
                    tracing::warn!(org = %self.lists.org.name, people = people.len(), %why, "Okta could not be asked for leavers without an account");
                    let tries = people.iter().map(Sought::tries).max().unwrap_or(0);
                    self.lists.org.shared.store.search_failed(people, why, clock.now() + retry::delay(tries)).await
                }
            };
            match written {
                Ok(()) => self.wake.ring(),
                Err(e) => {
                    tracing::error!(org = %self.lists.org.name, error = %e, "what a search has shown could not be written; it is asked again");
                }
            }
        }
    }

    /// Every account that may be one of theirs, as a read by its id or login shows it.
    async fn ask(&self, people: &[Sought]) -> Result<Vec<Account>, String> {
        let priority = if people.iter().any(|person| person.urgent) { Priority::Revoke } else { Priority::Inspect };
        let rules = self.lists.org.shared.store.rules().load();
        let anchor = rules.mapping.anchor();
        let hits = search_users(
            &self.lists.org.writers,
            &expression(people, anchor),
            anchor,
            &self.lists.org.mapped,
            priority,
        )
        .await?;
        let mut found: BTreeMap<String, Account> = BTreeMap::new();
        let mut names: Vec<String> = hits.into_iter().map(|account| account.id).collect();
        for person in people {
            names.extend(person.logins.iter().chain(&person.lost).cloned());
        }
        for one in names {
            if !found.contains_key(&one)
                && let Some(account) = self.lists.read(&one, priority).await?
            {
                found.insert(account.id.clone(), account);
            }
        }
        Ok(found.into_values().collect())
    }
}

/// The search for accounts that may be of these people (`okta-api.md §3.2`).
fn expression(people: &[Sought], anchor: &str) -> String {
    let of = |name: &str, value: &String| {
        format!("profile.{name} eq \"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    };
    let mut any: Vec<String> = Vec::new();
    for person in people {
        any.extend(person.anchors.iter().map(|value| of(anchor, value)));
        any.extend(person.logins.iter().map(|value| of("login", value)));
        any.extend(person.emails.iter().map(|value| of("email", value)));
    }
    any.join(" or ")
}
