//! What a plan meets when it is carried out: which limits it runs into, and how many calls of each counter it takes.

use super::state::Running;
use crate::domain::ChangeKind;
use crate::domain::guard::preview::Preview;
use crate::domain::plan::limits::{Mode, Span};
use crate::okta::bucket::Bucket;
use crate::store::{StoreError, Tx, Used, name_of_account};
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What begins the words of a link to a manager, before the id of the account.
const TO_MANAGER: &str = "linked to the manager's account ";

/// What of a plan will wait for somebody, and under which limit: as far as the limits are used now.
pub fn will_wait(people: &[Preview], mode: Mode, used: &[Used]) -> Vec<String> {
    match mode {
        Mode::Observe => {
            return vec!["nothing of it will be done: the service only observes (safeguards.mode)".to_owned()];
        }
        Mode::Approve => return vec!["all of it will wait for an approval (safeguards.mode = \"approve\")".to_owned()],
        Mode::Auto => {}
    }
    let mut lines = Vec::new();
    let grants = people.iter().filter(|person| person.changes.contains_key(&ChangeKind::GrantAdmin)).count();
    if grants > 0 {
        lines.push(format!(
            "{} will wait for two people: an admin role comes with a group",
            count(grants, "person", "people")
        ));
    }
    for limit in used {
        let is_of_it = |person: &&Preview| {
            person.org == limit.org && person.tenant == limit.tenant && person.changes.contains_key(&limit.change)
        };
        let planned = people.iter().filter(is_of_it).count();
        let so_far = usize::try_from(limit.so_far).unwrap_or(usize::MAX);
        let allowed = usize::try_from(limit.allowed).unwrap_or(usize::MAX);
        if planned > 0 && so_far.saturating_add(planned) > allowed {
            lines.push(format!(
                "{} of {} will be held: {} is limited to {allowed} in {} ({} let through and {} held of it)",
                count(planned, "person", "people"),
                limit.tenant,
                limit.change.as_str(),
                match limit.per {
                    Span::Hour => "an hour",
                    Span::Day => "a day",
                    Span::Run => "a run of the service",
                },
                limit.so_far.saturating_sub(limit.held),
                limit.held,
            ));
        }
    }
    lines
}

/// How many windows of the busiest counter of an org are needed, if nobody else spends it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Windows {
    pub org: String,
    pub bucket: &'static str,
    pub calls: usize,
    /// Calls that this service may send in a minute.
    pub per_minute: usize,
    pub minutes: usize,
}

/// The busiest counter of each org for which something is planned, as far as its limit is known; `share` is what this service may
/// spend of it.
pub fn windows(people: &[Preview], share: impl Fn(&str) -> f64, running: &Running) -> Vec<Windows> {
    let mut needed: BTreeMap<(&str, &'static str), usize> = BTreeMap::new();
    for person in people.iter().filter(|person| person.obstacle.is_none()) {
        for (step, calls) in &person.steps {
            if let Some(bucket) = Bucket::of_step(step) {
                *needed.entry((&person.org, bucket.as_str())).or_default() += calls;
            }
        }
    }
    let mut busiest: BTreeMap<&str, Windows> = BTreeMap::new();
    for ((org, bucket), calls) in needed {
        let limit = running.limits(org).get(bucket).map_or(0.0, |limit| limit * share(org));
        if limit < 1.0 {
            continue;
        }
        let per_minute = limit as usize;
        let one = Windows { org: org.to_owned(), bucket, calls, per_minute, minutes: calls.div_ceil(per_minute) };
        let most = busiest.entry(org).or_insert_with(|| one.clone());
        if one.minutes > most.minutes || one.minutes == most.minutes && one.calls > most.calls {
            *most = one;
        }
    }
    busiest.into_values().collect()
}

/// What is not done because somebody has rejected it: a line for each decision.
pub fn by_decision(people: &[Preview]) -> Vec<String> {
    let mut by_why: BTreeMap<&str, usize> = BTreeMap::new();
    for why in people.iter().flat_map(|person| person.rejected.values()) {
        *by_why.entry(why).or_default() += 1;
    }
    let line = |(why, people): (&&str, &usize)| format!("by decision, {}: {why}", count(*people, "person", "people"));
    by_why.iter().map(line).collect()
}

/// Puts the names of managers in the place of their accounts' ids.
pub fn name_managers(c: &Tx, people: &mut [Preview]) -> Result<(), StoreError> {
    let mut known: BTreeMap<(String, String), Option<String>> = BTreeMap::new();
    for person in people {
        for word in person.changes.values_mut().flatten() {
            let Some(id) = word.strip_prefix(TO_MANAGER).map(str::to_owned) else { continue };
            let name = match known.entry((person.org.clone(), id)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(one) => {
                    let name = name_of_account(c, &one.key().0, &one.key().1)?;
                    one.insert(name)
                }
            };
            if let Some(name) = name {
                *word = format!("linked to the manager {name}");
            }
        }
    }
    Ok(())
}

fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::guard::outline::tests::person;

    #[test]
    fn a_plan_says_what_will_be_held_and_under_which_limit() {
        let people: Vec<Preview> = (0..102).map(|n| person(n, ChangeKind::RemoveGroup, &["x"])).collect();
        let used = |so_far, allowed| Used {
            org: "main".into(),
            tenant: "acme".into(),
            change: ChangeKind::RemoveGroup,
            per: Span::Hour,
            so_far,
            held: 0,
            allowed,
            ratio: 0.0,
        };
        let wait = |used: Used| will_wait(&people, Mode::Auto, &[used]);
        assert_eq!(
            wait(used(0, 100)),
            [
                "102 people of acme will be held: remove_group is limited to 100 in an hour (0 let through and 0 held of it)"
            ]
        );
        assert!(wait(used(0, 102)).is_empty() && !wait(used(1, 102)).is_empty());
        assert!(wait(Used { tenant: "other".into(), ..used(0, 0) }).is_empty());
        assert!(will_wait(&people, Mode::Observe, &[])[0].contains("only observes"));
        assert!(
            will_wait(&[person(1, ChangeKind::GrantAdmin, &["x"])], Mode::Auto, &[])[0]
                .starts_with("1 person will wait")
        );
    }
}
