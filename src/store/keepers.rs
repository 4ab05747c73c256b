//! Profiles that alone keep an account in use: everybody else whose account it is has left, and only a rule has joined them.
//!
//! **Invariant:** no leaver keeps access because of a rule's match that nobody is asked about. Nobody loses access by the question:
//! people do move between tenants.

use super::StoreError;
use super::engine::Tx;
use super::rows::{matched, review};
use crate::clock::Moment;
use crate::domain::matching::correlation::ONLY_LINK;
use crate::domain::matching::keepers;
use crate::domain::plan::case::Case;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::person::Position;

/// Asks about the profiles that keep the account of a target in use from now on, and asks no more when others do, or nobody does.
/// `was_over` says whether access by a profile was over before.
pub(super) fn follow(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    case: &Case,
    was_over: impl Fn(&Position) -> bool,
    now: Moment,
) -> Result<(), StoreError> {
    let all: Vec<&Position> = case.person.positions().iter().chain(&case.elsewhere).collect();
    let is_in_use = case.account.as_ref().is_some_and(|account| account.is_live());
    let mut kept = keepers::kept(&all, rules.over_beside(&all, case.ended_at, now)).filter(|_| is_in_use);
    for keeper in kept.iter().flat_map(|kept| kept.keepers.clone()) {
        if !matched::is_joined_by_rule(c, &case.org, target, keeper)? {
            kept = None;
            break;
        }
    }
    let Some(kept) = kept else {
        for one in all {
            review::close(c, &case.org, one, ONLY_LINK)?;
        }
        return Ok(());
    };
    let Some(left) = kept.newly_left(was_over) else { return Ok(()) };
    let login = case.account.as_ref().map(|account| account.login.as_str()).unwrap_or_default();
    for keeper in &kept.keepers {
        let (candidate, why) = keepers::question(target, keeper, left, login);
        review::ask(c, &case.org, keeper, &candidate, &why, now)?;
    }
    Ok(())
}
