//! Anchors of accounts: whose word they are, and what follows where several accounts carry the same one.
//!
//! **Invariant:** an anchor that several accounts carry gives none of them to anybody.

use super::StoreError;
use super::engine::Tx;
use super::rows::{account, anchored, link, matched, org, review, source, target};
use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::matching::anchors::{self, Carrying};
use crate::domain::matching::correlation::ANCHOR;
use crate::domain::plan::case::Case;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::person::Position;

/// Okta is proved to hold what Namely says of a target: the anchor of its account is ours from now on, and what was taken
/// over is theirs.
pub(super) fn proved(c: &Tx, target: i64, now: Moment) -> Result<(), StoreError> {
    anchored::prove(c, target, now)?;
    matched::carried_out(c, target)
}

/// A list shows an account that was not known, or that carries another anchor than before: whoever the anchor means may be done, and
/// nobody would look at them. What an org shows first is asked of everybody.
pub(super) fn seen(c: &Tx, rules: &Rulebook, org: &str, account: &Account, now: Moment) -> Result<(), StoreError> {
    let Some(profile) = account.anchor.as_ref().filter(|_| account.is_live()) else { return Ok(()) };
    let Some(of_org) = rules.org(org) else { return Ok(()) };
    if !org::is_read(c, org)? {
        return Ok(());
    }
    for tenant in &of_org.tenants {
        let Some((target, _)) = link::find(c, org, tenant, profile)? else { continue };
        let has_another = account::of_target(c, target)?.is_some_and(|own| own.id != account.id);
        if let Some(position) = source::position(c, tenant, profile)?.filter(|_| has_another) {
            ask_about_doubles(c, org, &position, target, now)?;
        }
    }
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
    let own = account::of_target(c, target)?;
    let carrying = carrying(c, org, &position.employee.id, own.as_ref())?;
    let candidates = anchors::doubles(own.as_ref(), carrying, &review::rejected(c, org, position)?);
    if candidates.is_empty() {
        return review::close(c, org, position, ANCHOR);
    }
    let why = anchors::why_doubles(own.as_ref(), &candidates);
    review::ask_all(c, org, position, &candidates, &why, now).map(drop)
}

/// Live accounts that carry an anchor of somebody who has none of them, because several do.
pub(super) fn doubtful(c: &Tx, case: &Case) -> Result<Vec<Account>, StoreError> {
    let mut found = Vec::new();
    for position in case.person.positions() {
        let carrying = carrying(c, &case.org, &position.employee.id, case.account.as_ref())?;
        found.extend(anchors::doubtful(carrying));
    }
    Ok(found)
}

/// The accounts that carry an anchor, and whether somebody has them; `own` is one that the person has.
fn carrying(c: &Tx, org: &str, anchor: &str, own: Option<&Account>) -> Result<Vec<Carrying>, StoreError> {
    let carrying = |account: Account| {
        let is_owned = own.is_some_and(|own| own.id == account.id) || target::owner(c, org, &account.id)?.is_some();
        Ok(Carrying { account, is_owned })
    };
    account::by_anchor(c, org, anchor)?.into_iter().map(carrying).collect()
}

/// Several accounts with one anchor.
pub(super) struct Double {
    pub org: String,
    pub anchor: String,
    pub accounts: Vec<Account>,
}

/// Every anchor that several accounts carry.
pub(super) fn doubles(c: &Tx) -> Result<Vec<Double>, StoreError> {
    let with = |(org, anchor): (String, String)| {
        let accounts = account::by_anchor(c, &org, &anchor)?;
        Ok(Double { org, anchor, accounts })
    };
    account::doubled_anchors(c)?.into_iter().map(with).collect()
}

/// The anchors of an org that several accounts carry, in words.
pub fn ambiguous_anchors(c: &Tx) -> Result<Vec<String>, StoreError> {
    let message = |double: Double| {
        let who: Vec<String> = double.accounts.iter().map(Account::described).collect();
        format!("{}: several accounts carry the anchor {}: {}", double.org, double.anchor, who.join(", "))
    };
    Ok(doubles(c)?.into_iter().map(message).collect())
}
