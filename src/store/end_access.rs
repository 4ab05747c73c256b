//! Ending somebody's access before HR has, and taking that back.
//!
//! **Invariant:** whoever is told that it is asked for is ended by the service in any mode that writes, in every org; what would
//! keep it from that is said at once.

use super::engine::Tx;
use super::orders::{begins, everywhere, open_of, person, record};
use super::relink::{Visit, What, relink_known, renew, spread};
use super::rows::end_access::Place;
use super::rows::{account, end_access as row, link, target};
use super::voices::{hearing, may_be_one};
use super::{StoreError, append, cases, directories, pause};
use crate::audit::access::AccessRestored;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::account::knowledge::Knowledge;
use crate::domain::account::user::Account;
use crate::domain::guard::decider::Decider;
use crate::domain::plan::case::Case;
use crate::domain::plan::end_now::{COUNTED_OVER, EndNow, needs_second};
use crate::domain::plan::kind::ChangeKind;
use crate::domain::plan::limits::Mode;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::work::cause::Cause;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndOrder {
    /// Whose access ends: targets of the org that the order is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<i64>,
    /// Accounts that are nobody's, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// Why, for the audit.
    pub why: String,
    /// When it was asked for, in milliseconds.
    pub at: i64,
    /// From when on access is over, in milliseconds.
    pub begins: i64,
    /// Only suspends the accounts: memberships and apps stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspends: bool,
    /// In this org only; otherwise it is of the person, in every org, also in those that come later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_here: bool,
}

/// The account of an org that has this login, and whose target it is, if anybody's.
pub fn account_of_login(c: &Tx, org: &str, login: &str) -> Result<Option<(String, Option<i64>)>, StoreError> {
    let Some(account) = account::by_login(c, org, login)? else { return Ok(None) };
    let owner = target::owner(c, org, &account.id)?;
    Ok(Some((account.id, owner)))
}

/// Why the access of somebody cannot be ended now, and what would let it; nothing if it can.
fn stopped(c: &Tx, rules: &Rulebook, org: &str) -> Result<Option<String>, StoreError> {
    if rules.safeguards.mode == Mode::Observe {
        return Ok(Some(
            "the service only observes (safeguards.mode = \"observe\", or `run --dry-run`): nothing was asked for. Set the mode to \
             \"approve\" or \"auto\" and reload it, or deactivate the account in Okta"
                .to_owned(),
        ));
    }
    for one in pause::pauses(c)? {
        let kinds = [None, Some(ChangeKind::Deactivate), Some(ChangeKind::Suspend)];
        let stops = kinds.into_iter().find_map(|kind| pause::why_paused(std::slice::from_ref(&one), org, kind));
        if let Some(why) = stops {
            return Ok(Some(format!(
                "{why}: nothing was asked for. Let it go on with `resume {}`, then ask again",
                one.id
            )));
        }
    }
    Ok(None)
}

/// Why an account is not written whoever asks, if it is not.
fn protected(c: &Tx, rules: &Rulebook, case: &Case) -> Result<Option<String>, StoreError> {
    let directory = directories::directory(c, &case.org)?.unwrap_or_default();
    let why = case.account.as_ref().and_then(|account| rules.safeguards.protected.why(account, &directory));
    Ok(why.map(|why| format!("{why} (by the configuration): take it out of [protected], or deactivate it in Okta")))
}

/// Whether a second person must agree before it is done: `people` more by this one.
fn waits(c: &Tx, rules: &Rulebook, by: &Decider, people: usize, now: Moment) -> Result<bool, StoreError> {
    let hearing = hearing(c, rules)?;
    let before = row::asked_since(c, now - COUNTED_OVER)?.into_iter();
    let before = before.filter(|(_, principal, name)| may_be_one(&hearing, (principal, name), said_by(by)));
    let before: BTreeSet<i64> = before.map(|(target, ..)| target).collect();
    Ok(needs_second(before.len(), people, rules.safeguards.end_access))
}

/// Principal and name of whoever decides.
fn said_by(by: &Decider) -> (&str, &str) {
    (by.principal(), &by.name)
}

/// Whether whoever asks may be who has asked for the end of somebody's access.
fn is_who_asked(c: &Tx, rules: &Rulebook, asked: &EndNow, by: &Decider) -> Result<bool, StoreError> {
    Ok(may_be_one(&hearing(c, rules)?, (&asked.principal, &asked.by), said_by(by)))
}

/// That an order can be carried out. Returns whether a second person must agree first. `by` is the principal who asks.
pub fn may_end(c: &Tx, rules: &Rulebook, org: &str, order: &EndOrder, by: &Decider) -> Result<bool, StoreError> {
    let now = Moment::from_millis(order.at);
    if let Some(why) = stopped(c, rules, org)? {
        return Err(StoreError::NotNow(why));
    }
    let mut new = order.accounts.len();
    for target in &order.targets {
        let Some(case) = cases::brief(c, rules, *target, now)? else {
            let why = format!("nothing is known of target {target} any more; name the account with `--account LOGIN`");
            return Err(StoreError::NotThere(why));
        };
        let name = case.person.display();
        if let Some(why) = protected(c, rules, &case)? {
            return Err(StoreError::NotNow(format!("{name}: {why}")));
        }
        match row::open(c, *target)? {
            Some(open) if open.waits && !is_who_asked(c, rules, &open.asked, by)? => {}
            Some(open) if open.waits => {
                let why = format!("{} has asked for {name} already: somebody else must", open.asked.by);
                return Err(StoreError::NotNow(why));
            }
            Some(open) if open.place.only_here && !order.only_here => new += 1,
            Some(open) => {
                let why = format!("the access of {name} was ended by {} on {}", open.asked.by, open.asked.at);
                return Err(StoreError::NotNow(format!("{why}; `timeline {name:?}` shows how far it is")));
            }
            None => new += 1,
        }
        let is_out = case.account.as_ref().is_some_and(|account| !account.is_live());
        if is_out && rules.lifecycle(&case, now).entitlement.is_over() {
            let why = format!("the access of {name} has ended already; `timeline {name:?}` shows when");
            return Err(StoreError::NotNow(why));
        }
    }
    for okta_id in &order.accounts {
        let known = account::by_id(c, org, okta_id)?;
        let directory = directories::directory(c, org)?.unwrap_or_default();
        if let Some(why) = known.and_then(|account| rules.safeguards.protected.why(&account, &directory)) {
            return Err(StoreError::NotNow(format!("{why} (by the configuration)")));
        }
    }
    waits(c, rules, by, new, now)
}

/// Writes down that access of these people is over; returns how many people may be worked on because of it. What was accepted binds: what
/// stops the service meanwhile lets it wait, and whoever waits is a leaver with access.
pub(super) fn end(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    order: &EndOrder,
    (by, principal): (&str, &str),
    now: Moment,
) -> Result<Result<usize, String>, StoreError> {
    let decider = Decider::known(by, principal);
    let mut targets = order.targets.clone();
    for okta_id in &order.accounts {
        targets.push(match target::owner(c, org, okta_id)? {
            Some(owner) => owner,
            None => target::of_account(c, org, okta_id)?,
        });
    }
    let mut new = Vec::new();
    for one in &targets {
        match row::open(c, *one)? {
            Some(open) if open.waits && !is_who_asked(c, rules, &open.asked, &decider)? => {
                row::agree(c, open.id, &decider)?;
                begin(c, rules, *one, &open.asked, Some(&decider), now)?;
            }
            Some(open) if open.place.only_here && !order.only_here => {
                row::widen(c, open.id)?;
                cover(c, rules, *one, now)?;
            }
            Some(_) => {}
            None => match same_order(c, *one, order, principal)? {
                // The same person in another org, by the same order.
                Some(first) => {
                    let place = Place { follows: Some(first.root()), only_here: false };
                    row::insert(c, *one, &first.asked, first.waits, place)?;
                    match first.waits {
                        true => drop(append(c, &record(c, *one, &first.asked, None, true, now)?)?),
                        false => begin(c, rules, *one, &first.asked, None, now)?,
                    }
                }
                None => new.push(*one),
            },
        }
    }
    let waits = waits(c, rules, &decider, new.len(), now)?;
    for one in new {
        let asked = EndNow {
            by: by.to_owned(),
            principal: principal.to_owned(),
            why: order.why.clone(),
            at: Moment::from_millis(order.at),
            begins: Moment::from_millis(order.begins),
            suspends: order.suspends,
        };
        row::insert(c, one, &asked, waits, Place { follows: None, only_here: order.only_here })?;
        if waits {
            append(c, &record(c, one, &asked, None, true, now)?)?;
        } else {
            begin(c, rules, one, &asked, None, now)?;
        }
    }
    Ok(Ok(targets.len()))
}

/// What the same order has brought to another target of the person.
fn same_order(c: &Tx, target: i64, order: &EndOrder, principal: &str) -> Result<Option<row::Open>, StoreError> {
    if order.only_here {
        return Ok(None);
    }
    let is_same = |open: &row::Open| {
        let asked = &open.asked;
        asked.at.millis() == order.at && asked.principal == principal && asked.why == order.why
    };
    Ok(open_of(c, &person(c, target)?)?.into_iter().find(is_same))
}

/// From now on it is so, for the whole person: no pin gives access, and they are as urgent as whoever has left.
fn begin(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    asked: &EndNow,
    agreed: Option<&Decider>,
    now: Moment,
) -> Result<(), StoreError> {
    begins(c, target, asked, agreed, now)?;
    renew(c, rules, target, now)?;
    cover(c, rules, target, now)
}

/// The person's other targets are covered too, and where they have none it is looked whether an account was left behind.
fn cover(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<(), StoreError> {
    if row::open(c, target)?.is_none_or(|open| open.waits || open.place.only_here) {
        return Ok(());
    }
    spread(c, rules, target, now)?;
    for position in link::profiles(c, target)?.all() {
        for org in rules.orgs_of(&position.tenant) {
            if link::find(c, &org.name, &position.tenant, &position.employee.id)?.is_none() {
                let what = What { before: Some(&position.employee), cause: Cause::Request };
                let visit = Visit { org: &org.name, position: &position, known: None, what };
                relink_known(c, rules, visit, now)?;
            }
        }
    }
    Ok(())
}

/// What stands for people stands for all their targets: also for those that an earlier version has not covered. Returns for how many
/// it is new.
pub(super) fn spread_all(c: &Tx, rules: &Rulebook, now: Moment) -> Result<usize, StoreError> {
    let mut new = 0;
    for open in row::all(c)?.into_iter().filter(|open| !open.waits && !open.place.only_here) {
        new += spread(c, rules, open.target, now)?;
    }
    Ok(new)
}

/// Which of these may be administrators of Okta, by name: their access is suspended, and two people decide about the rest.
pub fn may_be_administrators(c: &Tx, org: &str, targets: &[i64], now: Moment) -> Result<Vec<String>, StoreError> {
    let directory = directories::directory(c, org)?;
    // Of an org that was never read it is not known of anybody.
    let may_be = |account: &Account| {
        directory.as_ref().is_none_or(|directory| directory.administrator(account, now) != Knowledge::Nobody)
    };
    let mut found = Vec::new();
    for one in targets {
        let account = account::of_target(c, *one)?.filter(Account::is_live);
        if let Some(account) = account.filter(&may_be) {
            found.push(link::name_of(c, *one)?.unwrap_or(account.login));
        }
    }
    Ok(found)
}

/// That somebody may take back these ends of access, each in every org where it stands.
pub fn may_restore(c: &Tx, rules: &Rulebook, targets: &[i64], by: &Decider, now: Moment) -> Result<(), StoreError> {
    let open = everywhere(c, targets)?;
    let found = open.len();
    for one in &open {
        let is_own = is_who_asked(c, rules, &one.asked, by)?;
        if let Some(why) = one.asked.keeps_from(is_own, rules.safeguards.alone(), now) {
            return Err(StoreError::NotNow(why));
        }
    }
    if found == 0 {
        let why =
            "nobody has ended their access before HR: see `end-access --list`, and `explain` for why they have none";
        return Err(StoreError::NotThere(why.into()));
    }
    Ok(())
}

/// Takes back ends of access, each in every org where it stands; returns how many people may be worked on because of it.
pub(super) fn restore(
    c: &Tx,
    rules: &Rulebook,
    targets: &[i64],
    why: &str,
    (by, principal): (&str, &str),
    now: Moment,
) -> Result<Result<usize, String>, StoreError> {
    let open = everywhere(c, targets)?;
    for one in &open {
        let is_own = is_who_asked(c, rules, &one.asked, &Decider::known(by, principal))?;
        if let Some(why) = one.asked.keeps_from(is_own, rules.safeguards.alone(), now) {
            return Ok(Err(why));
        }
    }
    for one in &open {
        row::close(c, one.id, "restored", Some((by, principal)), now)?;
        let restored =
            AccessRestored { why: why.to_owned(), asked_by: one.asked.by.clone(), author: Author::new(by, principal) };
        let org = target::org(c, one.target)?;
        append(c, &Record::about(one.target, org, now, Event::AccessRestored(restored)))?;
        if link::profiles(c, one.target)?.here.is_empty() {
            target::let_go(c, one.target)?; // nobody's again: what Okta holds of it is somebody's decision there
        }
    }
    for one in &open {
        renew(c, rules, one.target, now)?;
    }
    let people = open.len();
    Ok(Ok(people))
}
