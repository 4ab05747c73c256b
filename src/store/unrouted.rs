//! Profiles that no rule routes to an org, and that were never linked there: looked at again when time alone changes what they
//! mean, because an account that was left behind there ends with the last day too.
//!
//! **Invariant:** whose last day passes is noticed on that day, not with the next edit. Each is one row of `meta`, and has no target.

use super::StoreError;
use super::engine::{Trouble, Tx, alone};
use super::relink::{Visit, What, relink_known};
use super::rows::org::Unrouted;
use super::rows::{link, org, source};
use crate::clock::Moment;
use crate::domain::plan::priority::Priority;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::work::cause::Cause;

/// Looks at those for whom the moment has come; returns the classes of those who became dirty.
pub(super) fn wake(c: &Tx, rules: &Rulebook, now: Moment) -> Result<Vec<Priority>, StoreError> {
    let mut priorities = Vec::new();
    for unrouted in org::due_unrouted(c, now)? {
        org::expect_no_more(c, &unrouted)?;
        match alone(c, |c| read(c, rules, &unrouted, now)) {
            // Whom the store cannot read holds up nobody else, and is looked at again when they are written anew.
            Err(e) if e.trouble() == Trouble::Refused => {
                tracing::error!(key = unrouted.as_str(), error = %e, "somebody whose day has come cannot be looked at");
            }
            woken => priorities.extend(woken?),
        }
    }
    Ok(priorities)
}

fn read(c: &Tx, rules: &Rulebook, unrouted: &Unrouted, now: Moment) -> Result<Option<Priority>, StoreError> {
    let [org, tenant, profile] = unrouted.read()?;
    let Some(position) = source::position(c, &tenant, &profile)? else { return Ok(None) };
    // Who is linked meanwhile has times of their own.
    if link::find(c, &org, &tenant, &profile)?.is_some() {
        return Ok(None);
    }
    let what = What { before: Some(&position.employee), cause: Cause::Date };
    relink_known(c, rules, Visit { org: &org, position: &position, known: None, what }, now)
}
