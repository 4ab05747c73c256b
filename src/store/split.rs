//! Taking a match apart: which profile has which account, by which rule, and what it would be without.
//!
//! **Invariant:** a split ends nobody's access: an account that nobody has after it is kept as it is. No rule ever makes the
//! same match again.

use super::dirty;
use super::engine::Tx;
use super::parting::take_out;
use super::preview_match::{Outlook, Planning, Side, code, stranger};
use super::relink::{What, relink};
use super::rows::link::Linked;
use super::rows::review::Rejection;
use super::rows::{account, approval, end_access, link, pin, review, target, work};
use super::{StoreError, append, cases};
use crate::audit::{Author, Event, Record, details};
use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::matching::correlation::Counterpart;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::person::Position;
use crate::domain::record::profiles::Profiles;
use crate::domain::work::cause::Cause;
use crate::domain::work::machine::{Dirt, Work};

/// Links, in the order of orgs and people; of one person if `person` is given.
pub fn linked(c: &Tx, org: Option<&str>, person: Option<&str>) -> Result<Vec<Linked>, StoreError> {
    let found = link::linked(c, org)?;
    let Some(person) = person else { return Ok(found) };
    let mut targets = Vec::new();
    let orgs: std::collections::BTreeSet<&str> = found.iter().map(|link| link.org.as_str()).collect();
    for org in orgs {
        targets.extend(link::meant(c, org, person)?);
    }
    Ok(found.iter().filter(|link| targets.contains(&link.target)).cloned().collect())
}

/// What becomes of a split.
struct Parts {
    target: i64,
    /// The profile that goes.
    goes: Position,
    /// The profiles that stay together.
    stay: Profiles,
    account: Option<Account>,
    /// Whether those who stay keep the account.
    kept: bool,
    /// Who has ended access of the whole, if somebody has: it stays ended for each part.
    ended: Option<String>,
}

fn parts(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    tenant: &str,
    profile: &str,
    now: Moment,
) -> Result<Option<Parts>, StoreError> {
    let Some((target, _)) = link::find(c, org, tenant, profile)? else { return Ok(None) };
    let (stay, Some(goes)) = link::profiles(c, target)?.without(tenant, profile) else { return Ok(None) };
    let account = account::of_target(c, target)?;
    // An account stays with nobody whose access is over: it would end because of the split.
    let rest = cases::supposed(c, rules, target, stay.clone(), account.clone(), now)?;
    let kept = rest.is_some_and(|rest| !rules.lifecycle(&rest, now).entitlement.is_over());
    // What somebody has ended stays ended: with the account, and with the profile.
    let ended = end_access::of(c, target)?.filter(|_| account.is_some()).map(|asked| asked.by);
    Ok(Some(Parts { target, goes, stay, account, kept: kept || ended.is_some(), ended }))
}

/// What a split of a profile would do; `None` if it is not linked in the org.
pub fn split_outlook(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    profile: &str,
    now: Moment,
) -> Result<Option<(Linked, Outlook)>, StoreError> {
    let Some((tenant, _)) = link::of_any_tenant(c, org, profile)? else { return Ok(None) };
    let Some(parts) = parts(c, rules, org, &tenant, profile, now)? else { return Ok(None) };
    let mut planning = Planning::new(c, rules, org, now)?;
    let before: Vec<Side> = planning.present(parts.target)?.into_iter().collect();
    let mut after = Vec::new();
    if let (true, Some(account), Some(by)) = (parts.stay.here.is_empty(), &parts.account, &parts.ended) {
        let mut side = stranger(account);
        side.plan.push(format!("nobody has it: its access was ended by {by}, and stays ended"));
        after.push(side);
    }
    let account = parts.account.clone().filter(|_| parts.kept);
    after.extend(planning.supposed(parts.target, parts.stay.clone(), account)?);
    let alone = Profiles::of(parts.goes.clone());
    after.extend(planning.supposed(parts.target, alone, None)?);
    if let Some(account) = parts.account.as_ref().filter(|_| !parts.kept) {
        let mut side = stranger(account);
        let stay = parts.stay.clone().all();
        if account.is_live() && stay.iter().chain([&parts.goes]).all(|one| rules.is_over(one, now)) {
            side.plan.push(
                "whoever it was of has left: it stays as it is by this decision, is listed as access of a leaver, and is asked \
                 about again after 30 days"
                    .into(),
            );
        }
        side.plan
            .push("nobody has it: it is kept as it is, and listed as an account that no profile belongs to".into());
        after.push(side);
    }
    let is_whole = parts.stay.here.is_empty() && parts.account.is_none();
    let outlook = Outlook {
        code: code(&before, &after, std::slice::from_ref(&parts.account))?,
        before,
        after,
        needs: 1,
        beside_provider: false,
        twins_in: None,
        refused: is_whole.then(|| "there is nothing to split: the profile has no account and shares nobody".into()),
    };
    let link = linked(c, Some(org), None)?.into_iter().find(|link| link.profile == profile && link.tenant == tenant);
    Ok(link.map(|link| (link, outlook)))
}

/// A split that somebody has approved.
pub(super) struct Split<'a> {
    pub org: &'a str,
    pub tenant: &'a str,
    pub profile: &'a str,
    pub why: &'a str,
    pub by: &'a str,
    pub principal: &'a str,
}

/// Carries out a split; returns how many people are looked at anew because of it.
pub(super) fn split(c: &Tx, rules: &Rulebook, asked: &Split, now: Moment) -> Result<usize, StoreError> {
    let Some(parts) = parts(c, rules, asked.org, asked.tenant, asked.profile, now)? else { return Ok(0) };
    let (org, target) = (asked.org, parts.target);
    let account = parts.account.as_ref().map(|account| Counterpart::Account(account.id.clone()));
    // What was decided about the whole is over.
    let new = take_out(c, org, &parts.goes, target, parts.account.as_ref().map(|account| account.id.as_str()), now)?;
    // Access of whoever has left should be over since then, and not since the split.
    if rules.is_over(&parts.goes, now) {
        target::set_ended_at(c, new, target::load(c, target)?.and_then(|whole| whole.ended_at))?;
    }
    target::free_logins(c, target)?;
    approval::remove_all(c, target)?;
    pin::forget(c, target)?;
    super::holds::withdraw_all(c, org, target, now)?;
    let stay = parts.stay.clone().all();
    let mut apart = vec![(&parts.goes, Counterpart::Target(target))];
    apart.extend(account.clone().map(|account| (&parts.goes, account)));
    if !parts.kept {
        target::take_away(c, target)?;
        if stay.is_empty() {
            work::change(c, target, Work::absorbed)?; // nothing is left that could wait
        }
        apart.extend(stay.iter().filter_map(|one| Some((one, account.clone()?))));
    }
    apart.extend(stay.iter().map(|one| (one, Counterpart::Target(new))));
    let said = Rejection { why: asked.why, by: asked.by, principal: asked.principal };
    for (position, counterpart) in apart {
        review::reject(c, org, position, &counterpart, &said, now)?;
    }
    let event = Event::Split(details::Split {
        profile: asked.profile.to_owned(),
        from: target,
        account: parts.account.as_ref().map(|account| account.id.clone()),
        kept: parts.kept,
        why: asked.why.to_owned(),
        author: Author::new(asked.by, asked.principal),
    });
    append(
        c,
        &Record {
            tenant: Some(asked.tenant.to_owned()),
            profile: Some(asked.profile.to_owned()),
            ..Record::about(target, org.to_owned(), now, event)
        },
    )?;
    let what = What { before: Some(&parts.goes.employee), cause: Cause::Request };
    relink(c, rules, org, &parts.goes, &what, now)?;
    if !stay.is_empty() {
        dirty::mark_dirty(c, target, org, &Dirt::describe(Cause::Request), now)?;
    }
    Ok(1 + usize::from(!stay.is_empty()))
}
