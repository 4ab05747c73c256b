//! What has made the people of a hold change, and how the sentence about it reads.

use super::engine::Tx;
use super::rows::{hold, population, work};
use super::{StoreError, rows};
use crate::clock::Moment;
use crate::domain::ChangeKind;
use crate::domain::work::waiting::{EARLIER_DAYS, HoldText, cause_of};
use std::collections::BTreeSet;

/// What has made these people change, if anything is known of it.
pub(super) fn cause(c: &Tx, people: &BTreeSet<i64>) -> Result<Option<String>, StoreError> {
    let shares = work::causes(c, people)?;
    Ok(cause_of(&shares, &configured(c)?))
}

/// How the configuration came to be what it is.
fn configured(c: &Tx) -> Result<String, StoreError> {
    Ok(match rows::audit::configured(c)? {
        Some((at, Some(by))) => format!("a reload by {by} at {at}"),
        Some((at, None)) => format!("a start with another configuration at {at}"),
        None => "another configuration".to_owned(),
    })
}

/// What a hold is about, for the sentence.
pub(super) struct About<'a> {
    pub org: &'a str,
    pub change: ChangeKind,
    pub scope: &'a str,
    pub rule: &'a str,
    pub cause: Option<&'a str>,
    pub people: u64,
    pub since: Moment,
}

/// The sentence about a hold.
pub(super) fn sentence(c: &Tx, about: &About) -> Result<String, StoreError> {
    let About { org, change, scope, rule, cause, people, since } = *about;
    let counted = population::counted(c)?;
    let population = counted.iter().find(|(key, _)| *key == format!("{org} {scope}"));
    let population = population.and_then(|(_, value)| value.split(' ').next()?.parse().ok());
    let earlier = hold::earlier(c, (org, change.as_str(), scope), since, EARLIER_DAYS)?;
    let earlier = u64::try_from(earlier).unwrap_or(0);
    Ok(HoldText { change, people, scope, rule, cause, population, earlier }.sentence())
}
