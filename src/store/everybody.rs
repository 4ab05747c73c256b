//! Looking at everybody anew: under other rules, or because an org was read only now.
//!
//! **Invariant:** a service that is at work does it in parts: nobody's termination waits for a hundred thousand others.

use super::engine::Tx;
use super::relink::{Visit, What, relink_each};
use super::rows::meta::{meta, set_meta};
use super::rows::{link, org, source};
use super::{Store, StoreError, correlate, links, pins};
use crate::clock::Moment;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::person::Position;
use crate::domain::work::cause::Cause;

/// People of one part: their transaction takes about a tenth of a second.
const PART: i64 = 500;
/// The fingerprint of the rules that everybody is looked at under, in parts, right now.
const RELINKING: &str = "relinking";

/// The last profile that was looked at, with its tenant.
type ProfileKey = (String, String);

/// Shows `visit` the profiles after `after`, in order, as many as make a part; the last of them, or nothing if there are none.
fn part(
    c: &Tx,
    after: &ProfileKey,
    mut visit: impl FnMut(&[Position]) -> Result<(), StoreError>,
) -> Result<Option<ProfileKey>, StoreError> {
    let positions = source::after(c, after, PART)?;
    visit(&positions)?;
    Ok(positions.into_iter().last().map(|last| (last.tenant, last.employee.id)))
}

fn everybody(c: &Tx, mut visit: impl FnMut(&[Position]) -> Result<(), StoreError>) -> Result<(), StoreError> {
    let mut after = ProfileKey::default();
    while let Some(last) = part(c, &after, &mut visit)? {
        after = last;
    }
    Ok(())
}

/// Writes down what the rules look profiles up by.
fn put_keys(c: &Tx, rules: &Rulebook, positions: &[Position]) -> Result<(), StoreError> {
    let of_tenants = positions.chunk_by(|one, other| one.tenant == other.tenant);
    of_tenants.into_iter().try_for_each(|of| links::put_all_keys(c, rules, &of[0].tenant, of))
}

/// Routes and correlates profiles anew in every org that they concern.
fn relink(c: &Tx, rules: &Rulebook, positions: &[Position], now: Moment) -> Result<(), StoreError> {
    let mut visits = Vec::with_capacity(positions.len());
    for of_tenant in positions.chunk_by(|one, other| one.tenant == other.tenant) {
        let profiles: Vec<&str> = of_tenant.iter().map(|one| one.employee.id.as_str()).collect();
        let linked = link::of_profiles(c, &of_tenant[0].tenant, &profiles)?;
        for position in of_tenant {
            let linked = linked.get(&position.employee.id);
            for org in &rules.orgs {
                let known = linked.and_then(|linked| linked.get(&org.name)).copied();
                if known.is_some() || org.tenants.contains(&position.tenant) {
                    let what = What { before: Some(&position.employee), cause: Cause::Rules };
                    visits.push(Visit { org: &org.name, position, known, what });
                }
            }
        }
    }
    relink_each(c, rules, &visits, now).map(drop)
}

/// Everything anew under other rules, at once: keys, routes, correlation, standing. For a service that begins: nobody waits
/// for it yet.
pub(super) fn relink_all(c: &Tx, rules: &Rulebook, now: Moment) -> Result<(), StoreError> {
    link::unroute_all(c)?;
    pins::unpin_all(c, "the rules changed", now)?;
    everybody(c, |positions| put_keys(c, rules, positions))?;
    everybody(c, |positions| relink(c, rules, positions, now))
}

/// From this transaction on everybody must be looked at under the rules of `fingerprint`: `relink_everybody` does it, and the
/// next start if that does not come to its end.
pub(super) fn begin(c: &Tx, fingerprint: &str, now: Moment) -> Result<(), StoreError> {
    pins::unpin_all(c, "the rules changed", now)?;
    set_meta(c, "rules", "")?;
    set_meta(c, RELINKING, fingerprint)
}

/// Whether the rules of `fingerprint` are those that everybody is looked at under.
fn is_wanted(c: &Tx, fingerprint: &str) -> Result<bool, StoreError> {
    Ok(meta(c, RELINKING)?.is_some_and(|wanted| wanted == fingerprint))
}

impl Store {
    /// Looks at everybody under the rules that were exchanged, in parts, after `exchange_rules` has said that it is needed.
    /// Touches nobody any more when other rules have come meanwhile. After an error it can be begun anew.
    pub async fn relink_everybody(&self, fingerprint: &str, now: Moment) -> Result<(), StoreError> {
        let wanted = fingerprint.to_owned();
        self.in_parts(move |c, rules, positions| match is_wanted(c, &wanted)? {
            true => put_keys(c, rules, positions),
            false => Ok(()),
        })
        .await?;
        let wanted = fingerprint.to_owned();
        self.in_parts(move |c, rules, positions| match is_wanted(c, &wanted)? {
            true => relink(c, rules, positions, now),
            false => Ok(()),
        })
        .await?;
        let wanted = fingerprint.to_owned();
        self.run(move |c| {
            if is_wanted(c, &wanted)? {
                set_meta(c, "rules", &wanted)?;
                set_meta(c, RELINKING, "")?;
            }
            Ok(())
        })
        .await
    }

    /// Correlates everybody who has no account in an org whose accounts were read: those who were seen before the org was, and
    /// those whose account was not there, or not shown, until now. Nobody else is touched.
    pub async fn correlate_org(&self, org: &str, now: Moment) -> Result<(), StoreError> {
        let name = org.to_owned();
        let first = !self.run(move |c| org::is_compared(c, &name)).await?;
        let name = org.to_owned();
        self.in_parts(move |c, rules, positions| {
            positions.iter().try_for_each(|one| correlate::late(c, rules, &name, one, first, now).map(drop))
        })
        .await?;
        let org = org.to_owned();
        self.run(move |c| org::set_compared(c, &org, now)).await
    }

    /// Shows `visit` every profile, some hundred at once and in one transaction.
    pub(super) async fn in_parts<F>(&self, visit: F) -> Result<(), StoreError>
    where
        F: Fn(&Tx, &Rulebook, &[Position]) -> Result<(), StoreError> + Clone + Send + 'static,
    {
        let mut after = ProfileKey::default();
        loop {
            let (from, visit, rules) = (after, visit.clone(), self.rules());
            let last = self.run(move |c| part(c, &from, |positions| visit(c, &rules.load(), positions))).await?;
            match last {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }
}
