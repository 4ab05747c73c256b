//! Access that somebody has ended, and that HR's own record ends too by now.

use super::engine::Tx;
use super::rows::end_access as row;
use super::rows::link;
use super::{StoreError, append, cases, orders};
use crate::audit::access::AccessEndConfirmed;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::domain::plan::case::Case;
use crate::domain::plan::end_now::{Followed, has_stood};
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::person::Position;
use std::collections::BTreeSet;

/// A complete walk has shown `tenant` as it is: where the record of somebody has stood for long enough, it decides again. By the
/// calendar alone nothing stands: nobody may have looked.
pub(super) fn stood(c: &Tx, rules: &Rulebook, tenant: &str, now: Moment) -> Result<(), StoreError> {
    for open in row::all(c)? {
        let is_of_tenant =
            || Ok::<_, StoreError>(link::profiles(c, open.target)?.all().iter().any(|one| one.tenant == tenant));
        if !open.followed_at.is_some_and(|since| has_stood(since, now)) || !is_of_tenant()? {
            continue;
        }
        if let Some(case) = cases::brief(c, rules, open.target, now)? {
            follow(c, rules, open.target, &case, now)?;
        }
    }
    Ok(())
}

/// Follows what the record of every profile of the person says by itself of what somebody has asked for; whether it decides again, in
/// every org. That an org is not theirs any more is no such word, and one of several profiles is not either.
pub(super) fn follow(c: &Tx, rules: &Rulebook, target: i64, case: &Case, now: Moment) -> Result<bool, StoreError> {
    let Some(open) = row::open(c, target)? else { return Ok(false) };
    let of = match open.place.only_here {
        true => BTreeSet::from([target]),
        false => orders::person(c, target)?,
    };
    let mut all: Vec<Position> = Vec::new();
    for one in &of {
        all.extend(link::profiles(c, *one)?.all());
    }
    let Some(says) = rules.says(&all, case.ended_at, now) else { return Ok(false) };
    let mut decides = false;
    for open in orders::open_of(c, &of)? {
        match Followed::of(open.followed_at, open.asked.is_confirmed_by(&says), now) {
            Followed::AsBefore => {}
            Followed::Begins => {
                row::set_followed(c, open.id, Some(now))?;
                let confirmed = AccessEndConfirmed { asked_by: open.asked.by, says: says.clone() };
                let org = super::rows::target::org(c, open.target)?;
                append(c, &Record::about(open.target, org, now, Event::AccessEndConfirmed(confirmed)))?;
            }
            Followed::Breaks => row::set_followed(c, open.id, None)?,
            Followed::Decides => {
                row::close(c, open.id, "confirmed", None, now)?;
                decides |= open.target == target;
            }
        }
    }
    Ok(decides)
}
