//! Accounts that people have said not to be somebody's although they carry what that person is known by: as long as they are
//! nobody's, they are told of.

use super::StoreError;
use super::engine::Tx;
use super::rows::review::{Refused, refused};
use super::rows::{account, link, target};
use crate::domain::matching::correlation::Counterpart;
use crate::domain::plan::left_alone::LeftAlone;
use crate::domain::record::person::Position;
use crate::domain::text::login_key;

/// Those of a person of these profiles that can be signed in with, or could be again: split from one of them, or rejected although
/// they carry its anchor or its address.
pub(super) fn of<'a>(
    c: &Tx,
    org: &str,
    positions: impl Iterator<Item = &'a Position>,
) -> Result<Vec<LeftAlone>, StoreError> {
    let mut found: Vec<LeftAlone> = Vec::new();
    for position in positions {
        let email = login_key(&position.employee.email);
        for Refused { review, key, is_split, by, at } in refused(c, org, position)? {
            let Some(Counterpart::Account(id)) = Counterpart::parse(&key) else { continue };
            let Some(account) = account::by_id(c, org, &id)?.filter(|account| account.is_live()) else { continue };
            let is_known_by = account.anchor.as_ref() == Some(&position.employee.id)
                || (!email.is_empty() && login_key(&account.login) == email);
            if !(is_split || is_known_by) || is_somebodys(c, org, &id)? || found.iter().any(|one| one.review == review)
            {
                continue;
            }
            found.push(LeftAlone {
                account: format!("{}, {}", account.described(), account.status.as_str()),
                is_suspended: account.status == crate::domain::AccountStatus::Suspended,
                login: account.login,
                by,
                at,
                review,
            });
        }
    }
    Ok(found)
}

/// Whether an account is a person's: what is ended by its login alone has a target, and is nobody's.
fn is_somebodys(c: &Tx, org: &str, okta_id: &str) -> Result<bool, StoreError> {
    let Some(owner) = target::owner(c, org, okta_id)? else { return Ok(false) };
    Ok(!link::profiles(c, owner)?.here.is_empty())
}

/// Whether a match that was rejected can be decided about again: it leaves the account of somebody who has left as it is.
pub(super) fn is_asked_again(
    c: &Tx,
    org: &str,
    (tenant, profile): (&str, &str),
    review: i64,
) -> Result<bool, StoreError> {
    let Some((target, _)) = link::find(c, org, tenant, profile)? else { return Ok(false) };
    if !target::has_left(c, target)? {
        return Ok(false);
    }
    Ok(of(c, org, link::profiles(c, target)?.all().iter())?.iter().any(|one| one.review == review))
}
