//! Who waits: for somebody to change something, or to be worked on.

use super::engine::Tx;
use super::rows::people;
use super::rows::source::name_in;
use super::{OperatorRequest, StoreError, name_of, request};
use crate::clock::Moment;
use crate::domain::Decider;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Somebody who is quarantined.
#[derive(Debug, Serialize, Deserialize)]
pub struct QuarantinedPerson {
    /// Number of the target.
    pub target: i64,
    /// The org, by its name in the configuration.
    pub org: String,
    /// UUID of their first profile, in the order of tenants.
    pub profile: String,
    /// The name that this profile shows; if it cannot be read, that and why.
    pub name: String,
    /// What must change, and where; empty if nothing was written down.
    pub why: String,
    /// Since when there is something to do for them, in milliseconds.
    pub since: i64,
    /// Failed tries since the last success, or since somebody asked for another try.
    pub attempts: i64,
}

/// Everybody who is quarantined.
pub fn quarantined(c: &Tx) -> Result<Vec<QuarantinedPerson>, StoreError> {
    let shown = |one: people::Quarantined| QuarantinedPerson {
        target: one.target,
        org: one.org,
        profile: one.profile,
        name: name_in(&one.doc),
        why: one.why,
        since: one.since,
        attempts: one.attempts,
    };
    Ok(people::quarantined(c)?.into_iter().map(shown).collect())
}

/// Asks for another try of those of `targets` who are quarantined, or of everybody who is; returns how many that are.
pub fn retry(c: &Tx, targets: Option<&[i64]>, by: &Decider, now: Moment) -> Result<usize, StoreError> {
    let mut by_org: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for one in quarantined(c)? {
        if targets.is_none_or(|targets| targets.contains(&one.target)) {
            by_org.entry(one.org).or_default().push(one.target);
        }
    }
    let people = by_org.values().map(Vec::len).sum();
    for (org, targets) in by_org {
        request(c, &org, &OperatorRequest::Fix { targets }, by, now)?;
    }
    Ok(people)
}

/// Somebody who waits to be worked on.
#[derive(Debug, Serialize)]
pub struct Waiting {
    /// Number of the target.
    pub target: i64,
    /// The org, by its name in the configuration.
    pub org: String,
    /// Their name; empty if nobody is known of the target.
    pub name: String,
    /// How urgent it is, by the word of `Priority`.
    pub priority: &'static str,
    /// Since when, in milliseconds.
    pub since: i64,
    /// Whether a run works on them right now.
    pub in_flight: bool,
}

/// The first of those who wait to be worked on, in the order of service.
pub fn waiting(c: &Tx, most: usize) -> Result<Vec<Waiting>, StoreError> {
    let named = |one: people::Waiting| {
        let name = name_of(c, one.target)?.unwrap_or_default();
        let people::Waiting { target, org, priority, since, in_flight } = one;
        Ok(Waiting { target, org, name, priority: priority.as_str(), since, in_flight })
    };
    people::waiting(c, most)?.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, account};
    use super::*;
    use crate::domain::Employee;
    use crate::domain::UserStatus;
    use crate::domain::record::employee::tests::an_employee;
    use crate::domain::work::run::{Lease, Release};
    use std::collections::BTreeSet;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(16 * 3600);

    /// How long somebody waits after runs that ended like this, one after the other.
    async fn waits(world: &World, how: impl Fn(Moment) -> Release, runs: usize) -> Vec<u64> {
        let mut waits = Vec::new();
        for _ in 0..runs {
            let lease: Lease = world.claim().await.first().expect("somebody").lease;
            world.store.release(lease, how(world.now + LONG), world.now).await.expect("lets go");
            let due: i64 = world
                .store
                .run(|c| {
                    let due = c.query_row("SELECT due_at FROM work", [], |row| row.get(0))?;
                    c.execute("UPDATE work SET state = 0, due_at = 0", [])?;
                    Ok(due)
                })
                .await
                .expect("reads");
            waits.push(Moment::from_millis(due).since(world.now).as_secs());
        }
        waits
    }

    fn quarantined(at: Moment) -> Release {
        Release::Quarantined {
            why: "a mistake of the program".into(),
            again: Some(at),
            read_first: true,
            awaits: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_leaver_is_tried_again_within_five_minutes_whatever_has_ended_the_run() {
        let world = World::new().await;
        let known = vec![account(Some(&an_employee().id))];
        world.store.prime("main", known, BTreeSet::new(), world.now).await.expect("primes");
        world.see(an_employee()).await;
        assert_eq!(waits(&world, quarantined, 1).await, [LONG.as_secs()], "who works here may wait");
        world.see(Employee { user_status: UserStatus::Inactive, ..an_employee() }).await;
        assert_eq!(waits(&world, quarantined, 8).await, [5, 10, 20, 40, 80, 160, 300, 300]);
        let busy = |at| Release::Retry { at, why: "Okta is down".into() };
        assert_eq!(waits(&world, busy, 1).await, [300]);
        let decided =
            |_| Release::Quarantined { why: "two accounts".into(), again: None, read_first: false, awaits: Vec::new() };
        assert!(waits(&world, decided, 1).await[0] > LONG.as_secs(), "a decision wakes them");
    }
}
