//! Who has left and still has access, for `status`, metrics, alerts and `attention` alike: found here, decided in
//! `domain/plan/leaver.rs`.

use crate::clock::Moment;
use crate::domain::matching::correlation::Counterpart;
use crate::domain::plan::leaver::{Decision, Known, Seconds, WhyAccess, Work, leaver_access};
use crate::domain::plan::left_alone::LeftAlone;
use crate::domain::work::machine::State;
use crate::domain::{Account, AccountStatus, Case, ChangeKind, Directory, Entitlement, Rulebook};
use crate::store::StoreError;
use crate::store::cases;
use crate::store::directories;
use crate::store::engine::Tx;
use crate::store::pause;
use crate::store::rejections;
use crate::store::rows::review::rejected;
use crate::store::rows::target::owner;
use crate::store::rows::{account, intent, people, pin, rejection, review};
use crate::store::unanswered::messages;
use crate::store::views::unconfigured::unconfigured_orgs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Somebody who has left and still has access.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaverWithAccess {
    /// The person in the org, by the store's id.
    pub target: i64,
    /// The org, by its name in the configuration.
    pub org: String,
    /// The tenant, by its name in the configuration.
    pub tenant: String,
    /// The UUID of the profile.
    pub profile: String,
    /// The person of the profile, as Namely has them.
    pub name: String,
    /// The login of the account, if one is known.
    pub login: Option<String>,
    /// The reason, as a closed set for filters.
    pub why: WhyAccess,
    /// Since when access should be over, in milliseconds.
    pub since: i64,
    /// The reason in words.
    pub message: String,
    /// The command that shows more.
    pub command: String,
}

impl LeaverWithAccess {
    /// Why, and what is so; a message that begins with the reason says it once.
    pub fn reason(&self) -> String {
        let why = self.why.to_string();
        if self.message.starts_with(&why) { self.message.clone() } else { format!("{why}: {}", self.message) }
    }
}

/// Everybody who has left and still has access for longer than the configuration allows, or by decision: the most urgent first.
pub fn leavers_with_access(c: &Tx, rules: &Rulebook, now: Moment) -> Result<Vec<LeaverWithAccess>, StoreError> {
    let after = rules.safeguards.leaver_access;
    let before = now.millis() - i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
    let doubles = doubles(c)?;
    let mut doubled: Vec<i64> = doubles.keys().copied().collect();
    doubled.extend(review::leavers_refused(c)?);
    let rows = people::leavers(c, &doubled, &rejection::of_ends(c)?, (Moment::from_millis(before), now))?;
    let (mut found, mut directories) = (Vec::new(), BTreeMap::new());
    let pauses = pause::pauses(c)?;
    for people::Leaver { target, conflict, state, reason, is_dirty, since } in rows {
        let Some(case) = cases::brief(c, rules, target, now)? else { continue };
        let lifecycle = rules.lifecycle(&case, now);
        if !lifecycle.entitlement.is_over() {
            continue;
        }
        if !directories.contains_key(&case.org) {
            let directory: Directory = directories::directory(c, &case.org)?.unwrap_or_default();
            directories.insert(case.org.clone(), directory);
        }
        let directory = &directories[&case.org];
        let protected = case.account.as_ref().and_then(|account| rules.safeguards.protected.why(account, directory));
        let work = match state {
            _ if !is_dirty => Work::Done,
            State::Held => Work::Held,
            State::Ready => Work::Ready,
            State::Quarantined => Work::Quarantined,
        };
        let withheld = matches!(lifecycle.entitlement, Entitlement::Suspended(_));
        let left = || case.left_alone.iter().filter(|one| !(withheld && one.is_suspended));
        let known = Known {
            entitlement: &lifecycle.entitlement,
            account: case.account.as_ref(),
            since,
            work,
            reason: reason.as_deref(),
            conflict: conflict.as_deref(),
            hold: people::hold_on_end(c, target)?,
            decision: decision(c, target, &case, &lifecycle.entitlement)?,
            seconds: seconds(c, target, &case, &lifecycle.entitlement, doubles.get(&target))?,
            left_alone: left().map(LeftAlone::decision).collect(),
            protected,
            paused: pause::why_paused(&pauses, &case.org, Some(ChangeKind::Deactivate)),
            doing: doing(c, target, &case.org)?,
        };
        let Some(said) = leaver_access(&known, after, now) else { continue };
        let position = case.person.primary();
        found.push(LeaverWithAccess {
            target,
            org: case.org.clone(),
            tenant: position.tenant.clone(),
            profile: position.employee.id.clone(),
            name: position.employee.display(),
            login: case.account.as_ref().map(|one| &one.login).or(left().next().map(|one| &one.login)).cloned(),
            why: said.why,
            since: since.millis(),
            message: said.message,
            command: said.command,
        });
    }
    found.extend(leavers_there(c, rules, now)?);
    found.sort_by_key(|leaver| (!leaver.why.pages(), leaver.since, leaver.target));
    Ok(found)
}

/// Whoever has left and had a live account in an org that the configuration does not have, for longer than it allows.
fn leavers_there(c: &Tx, rules: &Rulebook, now: Moment) -> Result<Vec<LeaverWithAccess>, StoreError> {
    let after = rules.safeguards.leaver_access;
    let mut found = Vec::new();
    for org in unconfigured_orgs(c, rules)? {
        for (target, ended_at) in people::may_have_left(c, &org)? {
            let Some(case) = cases::brief(c, rules, target, now)? else { continue };
            let Some(account) = &case.account else { continue };
            let entitlement = rules.lifecycle(&case, now).entitlement;
            let is_withheld =
                matches!(entitlement, Entitlement::Suspended(_)) && account.status == AccountStatus::Suspended;
            let since = ended_at.unwrap_or(now - after);
            if !entitlement.is_over() || is_withheld || now.since(since) < after {
                continue;
            }
            let seen =
                account::with_time(c, &org, &account.id)?.map(|(_, at)| format!(", at {at}")).unwrap_or_default();
            let position = case.person.primary();
            found.push(LeaverWithAccess {
                target,
                org: org.clone(),
                tenant: position.tenant.clone(),
                profile: position.employee.id.clone(),
                name: position.employee.display(),
                login: Some(account.login.clone()),
                why: WhyAccess::OrgNotConfigured,
                since: since.millis(),
                message: format!(
                    "{org} is not in the configuration any more, so nobody reads or ends {}, {} when it was last seen{seen}: put its \
                     section [[okta]] back and start again, then it ends by itself; until then deactivate it in Okta",
                    account.described(),
                    account.status.as_str()
                ),
                command: "check".into(),
            });
        }
    }
    Ok(found)
}

/// What is under way for somebody, or keeps it from being so.
fn doing(c: &Tx, target: i64, org: &str) -> Result<Option<String>, StoreError> {
    if let Some((step, at)) = intent::last_sent(c, target)? {
        return Ok(Some(format!("{} was sent at {at}, and Okta has not answered yet", step.name())));
    }
    if let Some(why) = pause::stopped_by_org(c, org)? {
        return Ok(Some(why));
    }
    Ok(messages(c, target)?.pop())
}

/// Who has decided that the access of a leaver stays: by an undo, or by the rejection of what would end it.
fn decision(c: &Tx, target: i64, case: &Case, says: &Entitlement) -> Result<Option<Decision>, StoreError> {
    if case.pins.is_decided() {
        let name = case.person.primary().employee.id.clone();
        let undone = |(by, at)| Decision {
            by,
            at,
            what: "an undo has given access back".into(),
            command: format!("undo --release --person {name}"),
        };
        return Ok(pin::pinned_by(c, target)?.map(undone));
    }
    let change = if matches!(says, Entitlement::Suspended(_)) { ChangeKind::Suspend } else { ChangeKind::Deactivate };
    let rejected = rejections::lifecycle(c, target, case, change)?;
    Ok(rejected.map(|(hold, by, at)| Decision {
        by,
        at,
        what: format!("hold {hold} was rejected"),
        command: format!("holds show {hold}"),
    }))
}

/// Live accounts that carry the anchor of a leaver besides theirs and are nobody's, by target. Only leavers are looked at: this
/// is asked every few seconds.
fn doubles(c: &Tx) -> Result<BTreeMap<i64, Vec<Account>>, StoreError> {
    let mut found: BTreeMap<i64, Vec<Account>> = BTreeMap::new();
    for (target, org, anchor) in people::leavers_with_doubles(c)? {
        for account in account::by_anchor(c, &org, &anchor)?.into_iter().filter(Account::is_live) {
            if owner(c, &org, &account.id)?.is_none() {
                found.entry(target).or_default().push(account);
            }
        }
    }
    Ok(found)
}

/// Those of them that may be theirs: a person has not said that they are somebody else's, and they can sign in.
fn seconds(
    c: &Tx,
    target: i64,
    case: &Case,
    says: &Entitlement,
    accounts: Option<&Vec<Account>>,
) -> Result<Option<Seconds>, StoreError> {
    let Some(accounts) = accounts else { return Ok(None) };
    let mut others = Vec::new();
    for position in case.person.positions().iter().chain(&case.elsewhere) {
        others.extend(rejected(c, &case.org, position)?);
    }
    let withheld = matches!(says, Entitlement::Suspended(_));
    let is_open = |account: &&Account| {
        let suspended = withheld && account.status == AccountStatus::Suspended;
        !suspended && !others.contains(&Counterpart::Account(account.id.clone()).key())
    };
    let accounts: Vec<String> = accounts.iter().filter(is_open).map(Account::described).collect();
    let review = if accounts.is_empty() { None } else { review::open_about(c, target)? };
    Ok((!accounts.is_empty()).then_some(Seconds { accounts, review }))
}
