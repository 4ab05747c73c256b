//! A profile that joins a person who is known already: it becomes an owner of their account, and is counted with the accounts
//! that rules take over, against the same limits.
//!
//! **Invariant:** whoever waits because of a limit has joined nobody yet: the person goes on, and leaves, without the profile.

use super::engine::{Tx, params};
use super::links::account_of;
use super::{StoreError, meta, pause};
use crate::clock::Moment;
use crate::domain::guard::rejection::ADOPTION;
use crate::domain::guard::safeguard::Count;
use crate::domain::matching::correlation::ANCHOR;
use crate::domain::plan::limits::{Mode, Scope};
use crate::domain::{ChangeKind, Rulebook};

/// Why no rule joins a profile of a tenant with a person for now, if none does.
pub(super) fn why_not(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    tenant: &str,
    person: i64,
    now: Moment,
) -> Result<Option<String>, StoreError> {
    if is_living(c, person)? {
        if rules.safeguards.mode == Mode::Approve {
            return Ok(Some("the service asks before it changes anything (mode = \"approve\")".into()));
        }
        let paused = pause::paused_changes(c, org)?.into_iter().find(|(change, _)| *change == ChangeKind::Adopt);
        if let Some((_, why)) = paused {
            return Ok(Some(why));
        }
    }
    for limit in rules.safeguards.limits_of(ChangeKind::Adopt, Scope::Tenant) {
        let since = limit.per.begin(now).map_or(i64::MIN, Moment::millis);
        let so_far: u32 = c
            .prepare_cached(
                "SELECT count(*) FROM matched m JOIN acceptance a ON a.org = m.org AND a.tenant = m.tenant
                 WHERE m.org = ?1 AND m.tenant = ?2 AND m.at > ?3 AND m.at > a.at AND m.by IS NULL AND m.rule <> ?4",
            )?
            .query_row(params![org, tenant, since, ANCHOR], |row| row.get(0))?;
        let count = Count { so_far, batch: 1, to_come: 0, population: 0 };
        if let Some(why) = limit.trips(count, tenant) {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

/// Whether a person has an account that is in use.
pub(super) fn is_living(c: &Tx, person: i64) -> Result<bool, StoreError> {
    Ok(account_of(c, person)?.is_some_and(|account| account.is_live()))
}

/// A rule has joined a profile of a tenant with a living person: what the safeguards judge next is counted with it.
pub(super) fn count(c: &Tx, org: &str, tenant: &str, person: i64, shown: &str, now: Moment) -> Result<(), StoreError> {
    let run: i64 = meta(c, "run")?.and_then(|run| run.parse().ok()).unwrap_or(0);
    c.prepare_cached(
        "INSERT INTO risk (target, change, org, tenant, department, rev, shown, at, run, hold, objects)
         VALUES (?1, ?2, ?3, ?4, '', 0, ?5, ?6, ?7, NULL, ?8)
         ON CONFLICT (target, change) DO UPDATE SET tenant = excluded.tenant, rev = 0, shown = excluded.shown,
           at = excluded.at, run = excluded.run, approved = 0 WHERE hold IS NULL",
    )?
    .execute(params![
        person,
        ChangeKind::Adopt.as_str(),
        org,
        tenant,
        shown,
        now.millis(),
        run,
        serde_json::to_string(&[ADOPTION])?
    ])?;
    Ok(())
}

/// Whether the account of a person was taken over by a match that is not carried out yet: nobody joins them before it is.
pub(super) fn is_being_adopted(c: &Tx, person: i64) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT 1 FROM link l JOIN matched m USING (org, tenant, profile) WHERE l.target = ?1 AND m.pending IS NOT NULL",
    )?;
    Ok(select.exists([person])?)
}

/// A profile was shown in a report that was accepted: its match is as old as that, and counts against no limit.
pub(super) fn was_shown(c: &Tx, org: &str, tenant: &str, profile: &str) -> Result<(), StoreError> {
    c.prepare_cached(
        "UPDATE matched SET at = (SELECT a.at FROM acceptance a WHERE a.org = ?1 AND a.tenant = ?2)
         WHERE org = ?1 AND tenant = ?2 AND profile = ?3",
    )?
    .execute([org, tenant, profile])?;
    Ok(())
}
