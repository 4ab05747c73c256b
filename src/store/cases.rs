//! Everything that is known of one person in one org, put together.

use super::engine::Tx;
use super::rows::link::StoredPerson;
use super::rows::link::name_of;
use super::rows::{account, anchored, awaited, end_access, intent, known, link, org, risk, source, target, work};
use super::{StoreError, circles, left_alone, rejections, second_thoughts};
use crate::clock::Moment;
use crate::domain::account::user::Account;
use crate::domain::guard::brief::{self, Known};
use crate::domain::mapping::login::{Chosen, Holder, LONGEST_RING, before_temporary, ring, temporary};
use crate::domain::plan::case::{Case, ManagerLink, NameOfAnother};
use crate::domain::plan::kind::ChangeKind;
use crate::domain::plan::manager::{self, Manager};
use crate::domain::plan::pins::Pins;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::employee::Employee;
use crate::domain::record::lifecycle::Entitlement;
use crate::domain::record::person::{Person, Position};
use crate::domain::record::profiles::Profiles;
use crate::domain::text::login_key;
use crate::domain::work::machine::State;
use std::collections::{BTreeMap, BTreeSet};

/// What is needed to know how urgent somebody is: no manager, no login.
pub fn brief(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<Option<Case>, StoreError> {
    Ok(briefs(c, rules, &[target], now)?.remove(&target))
}

/// The same of many, by a few statements for all of them.
pub(super) fn briefs(
    c: &Tx,
    rules: &Rulebook,
    targets: &[i64],
    now: Moment,
) -> Result<BTreeMap<i64, Case>, StoreError> {
    let mut profiles = known::profiles(c, targets)?;
    let mut adopted = known::newest_matches(c, targets)?;
    let mut rejections = known::rejections(c, targets)?;
    let rows = known::targets(c, targets)?;
    let leavers: Vec<i64> = rows.iter().filter(|(_, row)| row.ended_at.is_some()).map(|(id, _)| *id).collect();
    let refused = known::refused(c, &leavers)?;
    let mut found = BTreeMap::new();
    for (target, row) in rows {
        let known = Known {
            org: row.org,
            ended_at: row.ended_at,
            was: row.was,
            searched_at: row.searched_at,
            account: row.account,
            profiles: profiles.remove(&target).unwrap_or_default(),
            pins: row.pins,
            adopted: adopted.remove(&target),
            end_now: if row.is_ended_by_hand { end_access::of(c, target)? } else { None },
            rejections: rejections.remove(&target).unwrap_or_default(),
        };
        let Some(mut case) = brief::brief(rules, known, now) else { continue };
        second_thoughts::recall(c, rules, target, &mut case, now)?;
        if refused.contains(&target) {
            case.left_alone = left_alone::of(c, &case.org, case.person.positions().iter().chain(&case.elsewhere))?;
        }
        found.insert(target, case);
    }
    Ok(found)
}

/// What is needed to know what a plan would take from somebody: no manager, nobody who reports to them.
pub fn without_manager(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<Option<Case>, StoreError> {
    let Some(mut case) = brief(c, rules, target, now)? else { return Ok(None) };
    if !is_over(rules, &case, now) {
        case.login = login(c, rules, &case, target, now)?;
    }
    Ok(Some(case))
}

/// Everything that a plan is made from. The login is chosen here, but reserved only by `reserve`.
pub fn whole(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<Option<Case>, StoreError> {
    let case = brief(c, rules, target, now)?;
    case.map(|case| completed(c, rules, case, target, now)).transpose()
}

/// The same, as if this were pinned.
pub fn whole_with(c: &Tx, rules: &Rulebook, target: i64, pins: &Pins, now: Moment) -> Result<Option<Case>, StoreError> {
    let case = brief(c, rules, target, now)?.map(|case| Case { pins: pins.clone(), ..case });
    case.map(|case| completed(c, rules, case, target, now)).transpose()
}

/// A person as they would be with these profiles and this account.
pub(super) fn supposed(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    profiles: Profiles,
    account: Option<Account>,
    now: Moment,
) -> Result<Option<Case>, StoreError> {
    let Some(row) = target::load(c, target)? else { return Ok(None) };
    let mut end_now = end_access::of(c, target)?;
    for one in profiles.clone().all() {
        if let (None, Some((of, _))) = (&end_now, link::find(c, &row.org, &one.tenant, &one.employee.id)?) {
            end_now = end_access::of(c, of)?;
        }
    }
    let Profiles { here, elsewhere, routed } = profiles;
    let Some(person) = rules.person(here, row.ended_at, now) else { return Ok(None) };
    let is_same = account.as_ref().map(|account| &account.id) == row.okta_id.as_ref();
    let case = Case {
        routed,
        elsewhere,
        ended_at: row.ended_at,
        was: row.was.filter(|_| is_same),
        account,
        end_now,
        ..Case::new(&row.org, person)
    };
    Ok(Some(completed(c, rules, case, target, now)?))
}

fn completed(c: &Tx, rules: &Rulebook, mut case: Case, target: i64, now: Moment) -> Result<Case, StoreError> {
    if is_over(rules, &case, now) {
        case.subordinates = subordinates(c, &case.person)?;
        return Ok(case);
    }
    case.is_current = org::is_walked_now(c, &case.person.primary().tenant)?;
    case.manager = manager(c, rules, &case, (target, now))?;
    case.login = login(c, rules, &case, target, now)?;
    case.names_of_others = names_of_others(c, rules, &case, (target, now))?;
    Ok(case)
}

/// Of the names in apps that the mapping gives somebody, those that somebody else with a live account goes by.
fn names_of_others(
    c: &Tx,
    rules: &Rulebook,
    case: &Case,
    (target, now): (i64, Moment),
) -> Result<Vec<NameOfAnother>, StoreError> {
    if !rules.mapping.app_rules().iter().any(|rule| rule.user_name.is_some()) {
        return Ok(Vec::new());
    }
    // What cannot be mapped is told by the plan, which does nothing then.
    let Ok(desired) = rules.desired(case, now) else { return Ok(Vec::new()) };
    let names: BTreeSet<String> =
        desired.apps.values().filter_map(|app| app.user_name.as_deref().map(login_key)).collect();
    let own = case.account.as_ref().map(|account| account.id.as_str());
    let announced = if names.is_empty() { Vec::new() } else { intent::names_for_others(c, &case.org, target)? };
    let is_other = |other: &Account| Some(other.id.as_str()) != own && other.is_live();
    let mut found = Vec::new();
    for name in names {
        let by_login = account::by_login(c, &case.org, &name)?.filter(is_other);
        found.extend(by_login.map(|other| {
            let otherwise = other.app_names.iter().filter(|(_, called)| login_key(called) != name);
            let except = otherwise.map(|(app, _)| app.clone()).collect();
            NameOfAnother { except, id: other.id, ..NameOfAnother::of(&name, &other.login) }
        }));
        for other in account::by_attribute(c, &case.org, account::APP_NAME, &name)?.into_iter().filter(is_other) {
            let apps = other.app_names.iter().filter(|(_, called)| login_key(called) == name);
            for (app, _) in apps {
                let ring = match &case.account {
                    Some(own) => ring_of_names(c, rules, &case.org, app, (own, &other), now)?,
                    None => Vec::new(),
                };
                let (app, id) = (Some(app.clone()), other.id.clone());
                found.push(NameOfAnother { app, id, ring, ..NameOfAnother::of(&name, &other.login) });
            }
        }
        for (other, step) in &announced {
            if let Some((app, _)) = step.name_in_app().filter(|(_, called)| login_key(called) == name) {
                let whose = name_of(c, *other)?.unwrap_or_else(|| "somebody else".into());
                found.push(NameOfAnother { app: Some(app.to_owned()), ..NameOfAnother::of(&name, &whose) });
            }
        }
    }
    Ok(found)
}

/// The accounts whose owners are to have one another's names in an app, from somebody to who has the name that they are to have, and on
/// until it leads back; nothing where it does not.
fn ring_of_names(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    app: &str,
    (own, other): (&Account, &Account),
    now: Moment,
) -> Result<Vec<String>, StoreError> {
    let Some(name) = own.app_names.get(app).map(|name| login_key(name)) else { return Ok(Vec::new()) };
    let (mut found, mut at) = (vec![own.id.clone()], other.id.clone());
    while found.len() <= LONGEST_RING && !found.contains(&at) {
        let wants = wanted_name(c, rules, org, (&at, app), now)?;
        found.push(at);
        let Some(wants) = wants else { return Ok(Vec::new()) };
        if wants == name {
            return Ok(found);
        }
        let is_called = |one: &Account| one.app_names.get(app).is_some_and(|called| login_key(called) == wants);
        let mut all = account::by_attribute(c, org, account::APP_NAME, &wants)?.into_iter();
        let Some(next) = all.find(|one| one.is_live() && is_called(one)) else { return Ok(Vec::new()) };
        at = next.id;
    }
    Ok(Vec::new())
}

/// Who gives way in the rings of names in apps that somebody waits in.
pub(super) fn who_yields(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<BTreeSet<i64>, StoreError> {
    let Some(case) = brief(c, rules, target, now)? else { return Ok(BTreeSet::new()) };
    let mut found = BTreeSet::new();
    for other in names_of_others(c, rules, &case, (target, now))? {
        if let Some(account) = other.yields() {
            found.extend(target::owner(c, &case.org, account)?);
        }
    }
    Ok(found)
}

/// What the owner of an account is to be called in an app, as names are compared.
fn wanted_name(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    (okta_id, app): (&str, &str),
    now: Moment,
) -> Result<Option<String>, StoreError> {
    let Some(target) = target::owner(c, org, okta_id)? else { return Ok(None) };
    let Some(case) = brief(c, rules, target, now)? else { return Ok(None) };
    let Some(directory) = super::directories::directory_of(c, org)? else { return Ok(None) };
    // What cannot be mapped is told by their own plan.
    let Ok(desired) = rules.desired(&case, now) else { return Ok(None) };
    let named = desired.apps.iter().filter(|(name, _)| directory.find_app(name).is_some_and(|(id, _)| id == app));
    Ok(named.filter_map(|(_, wanted)| wanted.user_name.as_deref().map(login_key)).next())
}

/// Whether somebody else with a live account goes by this name in an app, or is being given it at this moment.
pub(super) fn is_called_so(c: &Tx, target: i64, app: &str, name: &str) -> Result<bool, StoreError> {
    let (org, key) = (work::org(c, target)?, login_key(name));
    let own = target::identity(c, target)?.account;
    let others = account::by_attribute(c, &org, account::APP_NAME, &key)?.into_iter();
    let mut others = others.filter(|other| Some(&other.id) != own.as_ref() && other.is_live());
    if others.any(|other| other.app_names.get(app).is_some_and(|called| login_key(called) == key)) {
        return Ok(true);
    }
    let announced = intent::names_for_others(c, &org, target)?;
    Ok(announced
        .iter()
        .any(|(_, step)| step.name_in_app().is_some_and(|(of, called)| of == app && login_key(called) == key)))
}

/// Whether access is over, and no undo gives it back.
fn is_over(rules: &Rulebook, case: &Case, now: Moment) -> bool {
    case.entitlement(&rules.lifecycle(case, now).entitlement).is_over()
}

impl StoredPerson {
    /// The case of this person: without manager and subordinates, under the login they have or would like first.
    pub fn case(&self, rules: &Rulebook, org: &str, now: Moment) -> Result<Option<Case>, StoreError> {
        let mut positions = Vec::with_capacity(self.documents.len());
        for (tenant, document) in &self.documents {
            positions.push(Position { tenant: tenant.clone(), employee: serde_json::from_str(document)? });
        }
        let Some(person) = rules.person(positions, None, now) else { return Ok(None) };
        let account: Option<Account> = self.account.as_deref().map(serde_json::from_str).transpose()?;
        let wanted = rules.wanted_logins(org, &person).map_err(|e| e.to_string());
        let login = wanted.and_then(|wanted| {
            let current = account.as_ref().map(|account| account.login.as_str());
            rules.login.choose(&wanted, current, |_| Holder::Nobody)
        });
        Ok(Some(Case { account, login, ..Case::new(org, person) }))
    }
}

/// Whom a person reports to, as seen from their org.
fn manager(c: &Tx, rules: &Rulebook, case: &Case, (target, now): (i64, Moment)) -> Result<ManagerLink, StoreError> {
    let Some((name, id)) = manager::named(case) else { return Ok(ManagerLink::Nobody) };
    let primary = case.person.primary();
    let Some(Position { employee: profile, .. }) = source::position(c, &primary.tenant, id)? else {
        return Ok(manager::link(name, None));
    };
    let mut found =
        Manager { profile: &profile, is_in_circle: false, is_themselves: true, account: None, is_entitled: true };
    if !case.person.has(id) {
        let linked = link::with_account(c, &case.org, &primary.tenant, id)?;
        found.is_in_circle = !circles::circle_of(c, &primary.tenant, &primary.employee.id)?.is_empty();
        found.is_themselves = linked.as_ref().is_some_and(|(id, _)| *id == target);
        if let Some((theirs, _)) = linked.as_ref().filter(|_| rules.policies.onboarding.means.is_some()) {
            found.is_entitled = is_entitled(c, rules, *theirs, now)?;
        }
        let okta_id = linked.and_then(|(_, okta_id)| okta_id);
        found.account = okta_id.map(|id| account::by_id(c, &case.org, &id)).transpose()?.flatten();
    }
    Ok(manager::link(name, Some(found)))
}

/// Whether somebody is to have access now, by the record and by what people have decided, whatever Okta holds.
pub fn is_entitled(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<bool, StoreError> {
    let Some(case) = brief(c, rules, target, now)? else { return Ok(false) };
    let says = rules.lifecycle(&case, now).entitlement;
    Ok(case.entitlement(&says) == Entitlement::Entitled && !case.ends_now(now))
}

/// Names of those who report to a person and have not left.
fn subordinates(c: &Tx, person: &Person) -> Result<Vec<String>, StoreError> {
    let mut reports: Vec<Employee> = Vec::new();
    for position in person.positions() {
        reports.extend(source::reports(c, &position.tenant, &position.employee.id)?);
    }
    Ok(manager::subordinates(reports))
}

/// The login of a person: the one they have while it fits, else the first that nobody else has.
fn login(
    c: &Tx,
    rules: &Rulebook,
    case: &Case,
    target: i64,
    now: Moment,
) -> Result<Result<Chosen, String>, StoreError> {
    let wanted = match rules.wanted_logins(&case.org, &case.person) {
        Ok(wanted) => wanted,
        Err(e) => return Ok(Err(e.to_string())),
    };
    let mut failed = None;
    let current = case.account.as_ref().map(|account| account.login.as_str());
    let held_by = |login: &str| match holder(c, rules, case, target, login)? {
        Holder::Nobody => Ok(called_so(c, rules, case, login, now)?.map_or(Holder::Nobody, Holder::Other)),
        holder => Ok(holder),
    };
    let chosen = rules.login.choose(&wanted, current, |login| match held_by(login) {
        Ok(holder) => holder,
        Err(e) => {
            failed.get_or_insert(e);
            Holder::Other("the store".into())
        }
    });
    if let Some(e) = failed {
        return Err(e);
    }
    let (Err(_), Some(account)) = (&chosen, &case.account) else { return Ok(chosen) };
    if first_of_ring(c, rules, target, now)? == Some(target) {
        return Ok(Ok(temporary(&account.login, &account.id, &wanted[0])));
    }
    Ok(former_login(c, rules, case, account, &wanted, (target, now))?.map_or(chosen, Ok))
}

/// The login that somebody had before a temporary one, where what they wait for does not come: whoever has it stays.
fn former_login(
    c: &Tx,
    rules: &Rulebook,
    case: &Case,
    account: &Account,
    wanted: &[String],
    (target, now): (i64, Moment),
) -> Result<Option<Chosen>, StoreError> {
    let (Some(former), Some(first)) = (before_temporary(&account.login, &account.id), wanted.first()) else {
        return Ok(None);
    };
    let owner = match account::by_login(c, &case.org, first)? {
        Some(other) => target::owner(c, &case.org, &other.id)?,
        None => None,
    };
    if owner.map(|owner| gives_up(c, rules, owner, target, now)).transpose()?.unwrap_or(false) {
        return Ok(None);
    }
    let is_free = match account::by_login(c, &case.org, &former)? {
        Some(_) => matches!(holder(c, rules, case, target, &former)?, Holder::Themselves),
        // Whoever would have got it in exchange does not, and keeps nobody from it.
        None => match target::reserved_login(c, &case.org, &former)? {
            Some(by) => by == target || Some(by) == owner || is_stuck(c, by)?,
            None => true,
        },
    };
    if !is_free {
        return Ok(None);
    }
    // They have not got what they should have: nobody is done with that.
    Ok(Some(Chosen { login: former, deactivated_holder: None, until: Some(first.clone()) }))
}

/// Whether somebody gives up their login: for one that is free, or will be, since whoever has it gives it up, and so on, to the end or back
/// to `target`.
fn gives_up(c: &Tx, rules: &Rulebook, owner: i64, target: i64, now: Moment) -> Result<bool, StoreError> {
    let mut at = owner;
    for _ in 0..LONGEST_RING {
        if is_stuck(c, at)? {
            return Ok(false);
        }
        let Some((org, login)) = wants(c, rules, at, now)? else { return Ok(false) };
        let Some(account) = account::by_login(c, &org, &login)? else { return Ok(true) };
        match target::owner(c, &org, &account.id)? {
            None => return Ok(false),
            Some(next) if next == target => return Ok(true),
            Some(next) => at = next,
        }
    }
    Ok(false)
}

/// Whether somebody cannot go on, for another reason than that a login is not free.
fn is_stuck(c: &Tx, target: i64) -> Result<bool, StoreError> {
    let is_quarantined = work::load(c, target)?.is_some_and(|work| work.state == State::Quarantined);
    Ok(is_quarantined && !awaited::waits_for_login(c, target)?)
}

/// Who takes a temporary login first of the people who wait for one another's: of those whose account is in use, if there are any.
pub(super) fn first_of_ring(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<Option<i64>, StoreError> {
    let Some(people) = ring(target, |one| waits_for(c, rules, one, now))? else { return Ok(None) };
    let mut in_use = Vec::new();
    for one in &people {
        if account::of_target(c, *one)?.is_some_and(|account| account.is_live()) {
            in_use.push(*one);
        }
    }
    Ok(if in_use.is_empty() { people } else { in_use }.into_iter().min())
}

/// Who has the login that somebody wants first and does not have. Who cannot go on for another reason gives up nothing for it.
fn waits_for(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<Option<i64>, StoreError> {
    if is_stuck(c, target)? {
        return Ok(None);
    }
    let Some((org, login)) = wants(c, rules, target, now)? else { return Ok(None) };
    let Some(other) = account::by_login(c, &org, &login)? else { return Ok(None) };
    target::owner(c, &org, &other.id)
}

/// The login that somebody gets in the place of their own as soon as it is free, and in which org. Nobody gets one whose login may not
/// be changed, or for whom nobody has decided yet that it may: others would give up theirs in vain.
fn wants(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<Option<(String, String)>, StoreError> {
    let Some(case) = brief(c, rules, target, now)? else { return Ok(None) };
    let Some(own) = case.account.as_ref().filter(|own| gets_another_login(rules, &case, own, now)) else {
        return Ok(None);
    };
    let Ok(wanted) = rules.wanted_logins(&case.org, &case.person) else { return Ok(None) };
    let is_kept = wanted.iter().any(|login| login_key(login) == login_key(&own.login));
    let Some(first) = wanted.first().filter(|_| !is_kept) else { return Ok(None) };
    Ok(may_be_renamed(c, rules, target, &case, own, now)?.then(|| (case.org.clone(), first.clone())))
}

/// Whether nothing stands against another login but that it is not free.
fn may_be_renamed(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    case: &Case,
    own: &Account,
    now: Moment,
) -> Result<bool, StoreError> {
    const CHANGE: ChangeKind = ChangeKind::ChangeLogin;
    if risk::held(c, target)?.contains(&CHANGE) || rejections::binding(c, target, case, now)?.of_kind(CHANGE).is_some()
    {
        return Ok(false);
    }
    // Before the org was read nobody is known to be protected, or to hold a role.
    let Some(directory) = super::directories::directory_of(c, &case.org)? else { return Ok(true) };
    if rules.safeguards.protected.why(own, &directory).is_some() {
        return Ok(false);
    }
    if !directory.administrator(own, now).needs_two(CHANGE) {
        return Ok(true);
    }
    let rev = work::load(c, target)?.map_or(0, |work| work.dirty_rev);
    Ok(risk::of_revision(c, target, rev)?.iter().any(|it| it.change == CHANGE && it.is_decided))
}

/// Whether an account is written to as soon as a login is free: it is in use, or its owner has it back.
fn gets_another_login(rules: &Rulebook, case: &Case, own: &Account, now: Moment) -> bool {
    case.is_kept_up(own, &case.entitlement(&rules.lifecycle(case, now).entitlement))
}

fn holder(c: &Tx, rules: &Rulebook, case: &Case, target: i64, login: &str) -> Result<Holder, StoreError> {
    if let Some(account) = account::by_login(c, &case.org, login)? {
        // An account that carries one of their profiles is theirs, also if it is not known yet who made it: we, in a call
        // whose answer was lost.
        let is_own = case.account.as_ref().is_some_and(|own| own.id == account.id)
            || match account.anchor.as_ref().filter(|anchor| case.person.has(anchor)) {
                Some(anchor) => anchored::is_ours(c, &case.org, anchor, &account)?,
                None => false,
            };
        let may_be_written_to = is_own || account.is_live();
        let directory = if may_be_written_to { None } else { super::directories::directory_of(c, &case.org)? };
        let protected = directory.and_then(|directory| rules.safeguards.protected.why(&account, &directory));
        return Ok(Holder::of_account(&account, is_own, protected));
    }
    let reserved = target::reserved_login(c, &case.org, login)?;
    Ok(Holder::of_reservation(reserved, target))
}

/// Whether somebody could have a login now.
pub(super) fn is_free(c: &Tx, rules: &Rulebook, target: i64, login: &str, now: Moment) -> Result<bool, StoreError> {
    let Some(case) = brief(c, rules, target, now)? else { return Ok(false) };
    let is_free = matches!(holder(c, rules, &case, target, login)?, Holder::Nobody | Holder::Themselves);
    Ok(is_free && called_so(c, rules, &case, login, now)?.is_none())
}

/// Whether nobody goes by a name in any app by now that somebody is to have there.
pub(super) fn is_nobody_called(
    c: &Tx,
    rules: &Rulebook,
    target: i64,
    name: &str,
    now: Moment,
) -> Result<bool, StoreError> {
    let Some(case) = brief(c, rules, target, now)? else { return Ok(false) };
    let key = login_key(name);
    Ok(names_of_others(c, rules, &case, (target, now))?.iter().all(|other| other.name != key))
}

/// Who else is called as this login is in an app, and is to be called so: where a group gives the app its members have their login there.
fn called_so(c: &Tx, rules: &Rulebook, case: &Case, login: &str, now: Moment) -> Result<Option<String>, StoreError> {
    if !rules.mapping.app_rules().iter().any(|rule| rule.user_name.is_some()) {
        return Ok(None);
    }
    let (key, own) = (login_key(login), case.account.as_ref().map(|own| own.id.as_str()));
    let all = account::by_attribute(c, &case.org, account::APP_NAME, &key)?.into_iter();
    for other in all.filter(|other| Some(other.id.as_str()) != own && other.is_live()) {
        for (app, _) in other.app_names.iter().filter(|(_, name)| login_key(name) == key) {
            // Who is to be called something else there gives it up by themselves.
            if wanted_name(c, rules, &case.org, (&other.id, app), now)?.as_ref() == Some(&key) {
                return Ok(Some(format!("{}, who goes by it in an app", other.described())));
            }
        }
    }
    Ok(None)
}

/// The login that was chosen is nobody else's from now on.
pub(super) fn reserve(c: &Tx, case: &Case, target: i64) -> Result<(), StoreError> {
    let Ok(chosen) = &case.login else { return Ok(()) };
    if chosen.login.is_empty() {
        return Ok(());
    }
    target::reserve_login(c, &case.org, &chosen.login, target)
}
