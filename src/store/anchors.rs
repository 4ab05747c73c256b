//! Anchors of accounts: whose word they are, and what follows where several accounts carry the same one.
//!
//! **Invariant:** an anchor that several accounts carry gives none of them to anybody.

use super::engine::{Tx, params};
use super::links::{account_of, key_of, owner, rejected};
use super::{StoreError, accounts, cases, reviews};
use crate::clock::Moment;
use crate::domain::matching::correlation::{ANCHOR, Candidate, Counterpart};
use crate::domain::{Account, Case, Position, login_key};

/// Whether this service wrote the anchor of an account, or proved it while the account was linked.
pub(super) fn is_ours(c: &Tx, org: &str, anchor: &str, account: &Account) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT 1 FROM anchored WHERE org = ?1 AND anchor = ?2 AND (okta_id = ?3 OR (okta_id = '' AND login_key = ?4))",
    )?;
    Ok(select.exists([org, anchor, &account.id, &login_key(&account.login)])?)
}

/// A create is announced that carries an anchor: should its answer be lost, the account is known by it.
pub(super) fn announce(c: &Tx, org: &str, anchor: &str, login: &str, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT INTO anchored VALUES (?1, ?2, '', ?3, ?4)
         ON CONFLICT (org, anchor, okta_id) DO UPDATE SET login_key = excluded.login_key, at = excluded.at",
    )?
    .execute(params![org, anchor, login_key(login), now.millis()])?;
    Ok(())
}

/// Okta is proved to hold what Namely says of a target: the anchor of its account is ours from now on, and what was taken
/// over is theirs.
pub(super) fn proved(c: &Tx, target: i64, now: Moment) -> Result<(), StoreError> {
    c.prepare_cached(
        "INSERT OR IGNORE INTO anchored (org, anchor, okta_id, login_key, at)
         SELECT t.org, a.anchor, a.okta_id, '', ?2 FROM target t
         JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         JOIN link l ON l.target = t.id AND l.profile = a.anchor WHERE t.id = ?1",
    )?
    .execute(params![target, now.millis()])?;
    c.prepare_cached(
        "UPDATE matched SET pending = NULL WHERE pending IS NOT NULL
         AND (org, tenant, profile) IN (SELECT org, tenant, profile FROM link WHERE target = ?1)",
    )?
    .execute([target])?;
    Ok(())
}

/// Other accounts that carry the anchor of somebody who has theirs: whose they are is asked, and they are left alone.
pub(super) fn ask_about_doubles(
    c: &Tx,
    org: &str,
    position: &Position,
    target: i64,
    now: Moment,
) -> Result<(), StoreError> {
    let profile = &position.employee.id;
    let own = account_of(c, target)?;
    let mut candidates = Vec::new();
    for account in accounts::by_anchor(c, org, profile)? {
        let is_other = own.as_ref().is_some_and(|own| own.id != account.id) && account.is_live();
        if is_other && owner(c, org, &account.id)?.is_none() {
            let described = cases::describe(&account);
            let counterpart = Counterpart::Account(account.id);
            candidates.push(Candidate { rule: ANCHOR.into(), counterpart, described, ..Candidate::default() });
        }
    }
    let rejected = rejected(c, org, position)?;
    candidates.retain(|candidate| !rejected.contains(&key_of(&candidate.counterpart)));
    if candidates.is_empty() {
        c.prepare_cached(
            "DELETE FROM review WHERE org = ?1 AND tenant = ?2 AND profile = ?3 AND verdict IS NULL AND rule = ?4",
        )?
        .execute([org, &position.tenant, profile, ANCHOR])?;
        return Ok(());
    }
    let theirs = own.as_ref().map(cases::describe).unwrap_or_default();
    let why = format!(
        "several accounts carry the anchor of this profile: besides {theirs}, {}; clear it in Okta on those that are not \
         theirs. One that is theirs ends when they leave, if you accept it then",
        candidates.iter().map(|one| one.described.clone()).collect::<Vec<_>>().join(", ")
    );
    reviews::ask(c, org, position, &candidates, &why, now)?;
    Ok(())
}

/// Live accounts that carry an anchor of somebody who has none of them, because several do.
pub(super) fn doubtful(c: &Tx, case: &Case) -> Result<Vec<Account>, StoreError> {
    let mut found = Vec::new();
    for position in case.person.positions() {
        let accounts = accounts::by_anchor(c, &case.org, &position.employee.id)?;
        if accounts.len() > 1 {
            for account in accounts.into_iter().filter(Account::is_live) {
                if owner(c, &case.org, &account.id)?.is_none() {
                    found.push(account);
                }
            }
        }
    }
    Ok(found)
}

/// Several accounts with one anchor.
pub(super) struct Double {
    pub org: String,
    pub anchor: String,
    pub accounts: Vec<Account>,
}

/// Every anchor that several accounts carry.
pub(super) fn doubles(c: &Tx) -> Result<Vec<Double>, StoreError> {
    let mut select = c.prepare(
        "SELECT org, anchor FROM account WHERE anchor IS NOT NULL GROUP BY org, anchor HAVING count(*) > 1 ORDER BY 1, 2",
    )?;
    let rows: Vec<(String, String)> =
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let with = |(org, anchor): (String, String)| {
        let accounts = accounts::by_anchor(c, &org, &anchor)?;
        Ok(Double { org, anchor, accounts })
    };
    rows.into_iter().map(with).collect()
}

/// The anchors of an org that several accounts carry, in words.
pub fn ambiguous_anchors(c: &Tx) -> Result<Vec<String>, StoreError> {
    let message = |double: Double| {
        let who: Vec<String> = double.accounts.iter().map(cases::describe).collect();
        format!("{}: several accounts carry the anchor {}: {}", double.org, double.anchor, who.join(", "))
    };
    Ok(doubles(c)?.into_iter().map(message).collect())
}
