//! Waking who waited for something that is there now, or free.
//!
//! **Invariant:** whoever waits for one thing is woken by that thing, in the transaction that makes it known, and by nothing else of
//! its kind.

use super::directories::directory_of;
use super::engine::Tx;
use super::rows::{account, awaited, org, work};
use super::{Store, StoreError, cases};
use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::mapping::login::{LONGEST_RING, before_temporary};
use crate::domain::plan::awaited::{Awaited, REFUSED_TO_MANY, Refused, probed};
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::work::machine::Work;
use std::collections::{BTreeMap, BTreeSet};

impl Store {
    /// What people of an org wait for that its directory can show.
    pub async fn awaited(&self, org: &str) -> Result<Vec<Awaited>, StoreError> {
        let org = org.to_owned();
        self.run(move |c| {
            let mut all = awaited::all(c, &org)?;
            all.retain(Awaited::is_of_directory);
            Ok(all)
        })
        .await
    }

    /// Of those who wait for one permission one is tried soon, whenever their own time is.
    pub async fn probe_permissions(&self, now: Moment) -> Result<(), StoreError> {
        self.run(move |c| {
            let mut waiting: BTreeMap<(String, String), Vec<Refused>> = BTreeMap::new();
            for (org, permission, one) in awaited::refused(c)? {
                waiting.entry((org, permission)).or_default().push(one);
            }
            for (target, at) in waiting.values().filter_map(|people| probed(people, now)) {
                work::change(c, target, |before: Work| before.sooner(at))?;
            }
            Ok(())
        })
        .await
    }
}

/// What an org has besides people was read: who waited for some of it is tried again. Returns how many they are.
pub(super) fn directory_read(c: &Tx, org: &str, directory: &Directory, now: Moment) -> Result<usize, StoreError> {
    let mut woken = 0;
    for one in awaited::all(c, org)? {
        if one.is_there(directory) {
            woken += wake(c, org, &one, now)?;
        }
    }
    Ok(woken)
}

/// A login has become free: who waited for it is tried again, also if it was to be their name in an app.
pub(super) fn login_freed(c: &Tx, org: &str, login: &str, now: Moment) -> Result<(), StoreError> {
    wake(c, org, &Awaited::Login(login.to_owned()), now)?;
    app_name_freed(c, org, login, now)
}

/// Somebody is not called so in an app any more: who waited for the name is tried again, also if it was to be their login.
pub(super) fn app_name_freed(c: &Tx, org: &str, name: &str, now: Moment) -> Result<(), StoreError> {
    wake(c, org, &Awaited::Login(name.to_owned()), now)?;
    wake(c, org, &Awaited::AppName(name.to_owned()), now).map(drop)
}

/// Somebody keeps their login, since another one waits for a decision: who waited for it is tried again, and gets back what they had.
pub(super) fn login_kept(c: &Tx, target: i64, now: Moment) -> Result<(), StoreError> {
    let Some(account) = account::of_target(c, target)? else { return Ok(()) };
    wake(c, &work::org(c, target)?, &Awaited::Login(account.login), now).map(drop)
}

/// Somebody waits, whose login others may want, and theirs others: whoever has a temporary one for its sake is tried again, and gets back
/// what they had. Nobody else is, or two who wait for one another would have each other tried without end.
pub(super) fn login_stays(c: &Tx, target: i64, now: Moment) -> Result<(), StoreError> {
    let org = work::org(c, target)?;
    let (mut seen, mut left) = (BTreeSet::from([target]), vec![target]);
    while let Some(one) = left.pop() {
        let Some(account) = account::of_target(c, one)? else { continue };
        for waiting in awaited::who(c, &org, &Awaited::Login(account.login))? {
            let theirs = account::of_target(c, waiting)?;
            if theirs.is_some_and(|own| before_temporary(&own.login, &own.id).is_some()) {
                try_again(c, &org, waiting, now)?;
            } else if seen.len() <= LONGEST_RING && seen.insert(waiting) {
                left.push(waiting);
            }
        }
    }
    Ok(())
}

/// Somebody waits for a login whose owner waits for another one, and so on back to them: whoever begins is tried again.
pub(super) fn ring_found(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<(), StoreError> {
    if !awaited::waits_for_login(c, target)? {
        return Ok(());
    }
    let Some(first) = cases::first_of_ring(c, rules, target, now)? else { return Ok(()) };
    if awaited::waits_for_login(c, first)? {
        try_again(c, &work::org(c, first)?, first, now)?;
    }
    Ok(())
}

/// Somebody waits for a name in an app whose owner waits for another one, and so on back to them: whoever gives way is tried again.
pub(super) fn ring_of_names_found(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<(), StoreError> {
    if !awaited::waits_for_app_name(c, target)? {
        return Ok(());
    }
    for first in cases::who_yields(c, rules, target, now)? {
        if first != target && awaited::waits_for_app_name(c, first)? {
            try_again(c, &work::org(c, first)?, first, now)?;
        }
    }
    Ok(())
}

/// Okta has done something for `target` that it has refused to several people, or to `target` before: whoever waits for it is tried
/// again. Otherwise whom alone it refuses it waits for their own time, or each call of anybody else would have it refused once more.
pub(super) fn permitted(c: &Tx, org: &str, target: i64, step: &'static str, now: Moment) -> Result<(), StoreError> {
    let permission = Awaited::Permission(step.to_owned());
    let waiting = awaited::who(c, org, &permission)?;
    let was_refused = waiting.contains(&target);
    if was_refused {
        awaited::set(c, org, target, &[])?;
    }
    if was_refused || waiting.len() >= REFUSED_TO_MANY {
        wake(c, org, &permission, now)?;
    }
    Ok(())
}

/// A tenant was read as a whole, for the first time since the start: who waited for that is tried again.
pub(super) fn tenant_walked(c: &Tx, rules: &Rulebook, tenant: &str, now: Moment) -> Result<(), StoreError> {
    for org in &rules.orgs {
        wake(c, &org.name, &Awaited::Walk(tenant.to_owned()), now)?;
    }
    Ok(())
}

/// Whether something that somebody is to wait for is there by now.
pub(super) fn has_come(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    awaits: &[Awaited],
    now: Moment,
) -> Result<bool, StoreError> {
    if awaits.is_empty() {
        return Ok(false);
    }
    let org = work::org(c, target)?;
    for one in awaits {
        let is_there = match one {
            Awaited::Walk(tenant) => org::is_walked_now(c, tenant)?,
            Awaited::Login(login) => cases::is_free(c, rules, target, login, now)?,
            Awaited::AppName(name) => cases::is_nobody_called(c, rules, target, name, now)?,
            // A call that goes through wakes them.
            Awaited::Permission(_) => false,
            Awaited::Group(_) | Awaited::App(_) | Awaited::UserType(_) => {
                directory_of(c, &org)?.is_some_and(|directory| one.is_there(&directory))
            }
        };
        if is_there {
            return Ok(true);
        }
    }
    Ok(false)
}

fn wake(c: &Tx, org: &str, one: &Awaited, now: Moment) -> Result<usize, StoreError> {
    let waiting = awaited::who(c, org, one)?;
    for target in &waiting {
        try_again(c, org, *target, now)?;
    }
    Ok(waiting.len())
}

pub(super) fn try_again(c: &Tx, org: &str, target: i64, now: Moment) -> Result<(), StoreError> {
    work::change(c, target, |before: Work| before.answered(now))?;
    awaited::set(c, org, target, &[])
}
