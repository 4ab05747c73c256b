//! Everything that is known of one person in one org, put together.

use super::engine::{Optional, Tx, params};
use super::{StoreError, accounts, circles, pins, rejections};
use crate::clock::Moment;
use crate::domain::mapping::login::{Chosen, Holder};
use crate::domain::matching::adoption::Adopted;
use crate::domain::plan::pins::Pins;
use crate::domain::{Account, Case, ChangeKind, Employee, ManagerLink, Person, Position, Rulebook, login_key};

/// Subordinates of a leaver who are named.
const NAMED: usize = 20;
/// People who are read at a time.
const BATCH: usize = 4096;

/// A target as stored.
pub(super) struct Row {
    pub org: String,
    pub okta_id: Option<String>,
    pub ended_at: Option<Moment>,
    pub was: Option<String>,
    pub searched_at: Option<Moment>,
}

pub(super) fn row(c: &Tx, target: i64) -> Result<Option<Row>, StoreError> {
    let found = c
        .prepare_cached("SELECT org, okta_id, ended_at, was, searched_at FROM target WHERE id = ?1")?
        .query_row([target], |row| {
            let ended_at: Option<i64> = row.get(2)?;
            Ok(Row {
                org: row.get(0)?,
                okta_id: row.get(1)?,
                ended_at: ended_at.map(Moment::from_millis),
                was: row.get(3)?,
                searched_at: row.get::<Option<i64>>(4)?.map(Moment::from_millis),
            })
        })
        .optional()?;
    Ok(found)
}

/// The profiles of a target.
#[derive(Clone)]
pub(super) struct Profiles {
    /// Those that describe the person: those that are routed to the org; all of them while none is.
    pub here: Vec<Position>,
    /// The others.
    pub elsewhere: Vec<Position>,
    pub routed: bool,
}

impl Profiles {
    /// The profiles of both, as if they were of one target.
    pub fn joined(self, other: Profiles) -> Profiles {
        let parts = |routed: bool| -> Vec<Position> {
            let of = |one: &Profiles| if one.routed == routed { one.here.clone() } else { one.elsewhere.clone() };
            of(&self).into_iter().chain(of(&other)).collect()
        };
        let routed = self.routed || other.routed;
        let (here, elsewhere) = (parts(routed), parts(!routed));
        let elsewhere = if routed { elsewhere } else { Vec::new() };
        Profiles { here, elsewhere, routed }
    }

    /// The profiles without one, and that one.
    pub fn without(self, tenant: &str, profile: &str) -> (Profiles, Option<Position>) {
        let is_it = |one: &Position| one.tenant == tenant && one.employee.id == profile;
        let (mut it, here): (Vec<_>, Vec<_>) = self.here.into_iter().partition(&is_it);
        let (more, elsewhere): (Vec<_>, Vec<_>) = self.elsewhere.into_iter().partition(&is_it);
        it.extend(more);
        // Those that are not routed describe the person when no other does.
        let rest = match here.is_empty() {
            true => Profiles { here: elsewhere, elsewhere: Vec::new(), routed: false },
            false => Profiles { here, elsewhere, routed: self.routed },
        };
        (rest, it.into_iter().next())
    }

    /// All of them, those that describe the person first.
    pub fn all(self) -> Vec<Position> {
        self.here.into_iter().chain(self.elsewhere).collect()
    }
}

pub(super) fn profiles(c: &Tx, target: i64) -> Result<Profiles, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT l.tenant, s.doc, l.routed FROM link l JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         WHERE l.target = ?1 ORDER BY l.routed DESC, l.tenant, l.profile",
    )?;
    let rows: Vec<(String, String, bool)> =
        select.query_map([target], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let routed = rows.first().is_some_and(|(_, _, routed)| *routed);
    let mut profiles = Profiles { here: Vec::new(), elsewhere: Vec::new(), routed };
    for (tenant, doc, is_routed) in rows {
        let position = Position { tenant, employee: serde_json::from_str(&doc)? };
        let side = if is_routed == routed { &mut profiles.here } else { &mut profiles.elsewhere };
        side.push(position);
    }
    Ok(profiles)
}

/// What is needed to know how urgent somebody is: no manager, no login.
pub fn brief(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<Option<Case>, StoreError> {
    let Some(row) = row(c, target)? else { return Ok(None) };
    let Profiles { here, elsewhere, routed } = profiles(c, target)?;
    let Some(person) = rules.person(here, row.ended_at, now) else { return Ok(None) };
    let account = row.okta_id.map(|id| accounts::by_id(c, &row.org, &id)).transpose()?.flatten();
    let login = Ok(Chosen { login: String::new(), deactivated_holder: None });
    let mut case = Case {
        org: row.org,
        person,
        routed,
        elsewhere,
        ended_at: row.ended_at,
        was: row.was,
        account,
        manager: ManagerLink::Nobody,
        login,
        subordinates: Vec::new(),
        pins: pins::pins(c, target)?,
        adopted: adopted(c, target)?,
        end_rejected: false,
        searched_at: row.searched_at,
    };
    case.end_rejected = rejections::lifecycle(c, target, &case, ChangeKind::Deactivate)?.is_some();
    if case.adopted.as_ref().is_some_and(|adopted| adopted.pending.is_some()) {
        let rejected = rejections::lifecycle(c, target, &case, ChangeKind::Adopt)?;
        let why = rejected.map(|(hold, by, _)| rejections::message(ChangeKind::Adopt, hold, &by));
        case.adopted = case.adopted.map(|adopted| Adopted { rejected: why, ..adopted });
    }
    Ok(Some(case))
}

/// The newest match that has given somebody their account.
fn adopted(c: &Tx, target: i64) -> Result<Option<Adopted>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT m.rule, m.at, m.pending FROM link l JOIN matched m USING (org, tenant, profile) WHERE l.target = ?1
         ORDER BY m.pending IS NULL, m.at DESC LIMIT 1",
    )?;
    let found = select.query_row([target], |row| {
        let (at, pending) = (Moment::from_millis(row.get(1)?), row.get(2)?);
        Ok(Adopted { rule: row.get(0)?, at, pending, rejected: None })
    });
    Ok(found.optional()?)
}

/// What is needed to know what a plan would take from somebody: no manager, nobody who reports to them.
pub fn without_manager(c: &Tx, rules: &Rulebook, target: i64, now: Moment) -> Result<Option<Case>, StoreError> {
    let Some(mut case) = brief(c, rules, target, now)? else { return Ok(None) };
    if !is_over(rules, &case, now) {
        case.login = login(c, rules, &case, target)?;
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
    let Some(row) = row(c, target)? else { return Ok(None) };
    let Profiles { here, elsewhere, routed } = profiles;
    let Some(person) = rules.person(here, row.ended_at, now) else { return Ok(None) };
    let is_same = account.as_ref().map(|account| &account.id) == row.okta_id.as_ref();
    let case = Case {
        routed,
        elsewhere,
        ended_at: row.ended_at,
        was: row.was.filter(|_| is_same),
        account,
        ..Case::new(&row.org, person)
    };
    Ok(Some(completed(c, rules, case, target, now)?))
}

fn completed(c: &Tx, rules: &Rulebook, mut case: Case, target: i64, now: Moment) -> Result<Case, StoreError> {
    if is_over(rules, &case, now) {
        case.subordinates = subordinates(c, &case.person)?;
        return Ok(case);
    }
    case.manager = manager(c, &case, target)?;
    case.login = login(c, rules, &case, target)?;
    Ok(case)
}

/// Whether access is over, and no undo gives it back.
fn is_over(rules: &Rulebook, case: &Case, now: Moment) -> bool {
    case.pins.entitlement(&rules.lifecycle(case, now).entitlement).is_over()
}

/// Everybody of an org, as far as mappings need them: in one pass over the store, some thousand at a time.
pub fn population(
    c: &Tx,
    org: &str,
    mut each: impl FnMut(Vec<StoredPerson>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut select = c.prepare(
        "SELECT t.id, l.tenant, s.doc, a.doc FROM target t JOIN link l ON l.target = t.id AND l.routed = 1
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         WHERE t.org = ?1 ORDER BY t.id, l.tenant, l.profile",
    )?;
    let mut rows = select.query([org])?;
    let mut batch: Vec<StoredPerson> = Vec::with_capacity(BATCH);
    while let Some(row) = rows.next()? {
        let (target, tenant, document): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        match batch.last_mut().filter(|last| last.target == target) {
            Some(last) => last.documents.push((tenant, document)),
            None => {
                if batch.len() >= BATCH {
                    each(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))?;
                }
                batch.push(StoredPerson { target, documents: vec![(tenant, document)], account: row.get(3)? });
            }
        }
    }
    each(batch)
}

/// Somebody of an org as stored.
pub struct StoredPerson {
    pub target: i64,
    documents: Vec<(String, String)>,
    account: Option<String>,
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

/// The name of a target's person, for people.
pub fn name_of(c: &Tx, target: i64) -> Result<Option<String>, StoreError> {
    let doc: Option<String> = c
        .prepare_cached(
            "SELECT s.doc FROM link l JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
             WHERE l.target = ?1 ORDER BY l.routed DESC LIMIT 1",
        )?
        .query_row([target], |row| row.get(0))
        .optional()?;
    doc.map(|doc| Ok(serde_json::from_str::<Employee>(&doc)?.display())).transpose()
}

/// The target of an org that a word means: a profile, an email, a login, or a name if only one person has it.
pub fn find(c: &Tx, org: &str, word: &str) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare(
        "SELECT DISTINCT t.id FROM target t JOIN link l ON l.target = t.id
         JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id
         WHERE t.org = ?1 AND (s.profile = ?2 OR a.okta_id = ?2 OR a.login_key = lower(?2)
           OR lower(json_extract(s.doc, '$.email')) = lower(?2)
           OR lower(json_extract(s.doc, '$.first_name') || ' ' || json_extract(s.doc, '$.last_name')) = lower(?2))",
    )?;
    Ok(select.query_map([org, word], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Whom a person reports to, as seen from their org.
fn manager(c: &Tx, case: &Case, target: i64) -> Result<ManagerLink, StoreError> {
    let primary = case.person.primary();
    let Some(manager) = primary.employee.manager.as_ref() else { return Ok(ManagerLink::Nobody) };
    let name = if manager.name.is_empty() { manager.id.clone() } else { manager.name.clone() };
    let doc: Option<String> = c
        .prepare_cached("SELECT doc FROM source WHERE tenant = ?1 AND profile = ?2")?
        .query_row([&primary.tenant, &manager.id], |row| row.get(0))
        .optional()?;
    let Some(doc) = doc else {
        return Ok(ManagerLink::Broken(format!(
            "the manager {name} is no profile of this tenant; correct it in Namely"
        )));
    };
    if case.person.has(&manager.id) {
        return Ok(ManagerLink::Broken("reports to themselves; correct the manager in Namely".into()));
    }
    if !circles::circle_of(c, &primary.tenant, &primary.employee.id)?.is_empty() {
        return Ok(ManagerLink::Broken(format!(
            "reports to {name}, who reports to them in the end: no link is written; correct the manager in Namely"
        )));
    }
    let linked: Option<(i64, Option<String>)> = c
        .prepare_cached(
            "SELECT t.id, t.okta_id FROM link l JOIN target t ON t.id = l.target
             WHERE l.org = ?1 AND l.tenant = ?2 AND l.profile = ?3",
        )?
        .query_row([&case.org, &primary.tenant, &manager.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if linked.as_ref().is_some_and(|(id, _)| *id == target) {
        return Ok(ManagerLink::Broken("reports to themselves; correct the manager in Namely".into()));
    }
    let account = linked.and_then(|(_, okta_id)| okta_id);
    let account = account.map(|id| accounts::by_id(c, &case.org, &id)).transpose()?.flatten();
    let employee: Employee = serde_json::from_str(&doc)?;
    Ok(match account {
        Some(account) if account.is_live() => ManagerLink::Account { id: account.id, login: account.login },
        _ if employee.user_status == crate::domain::UserStatus::Inactive => {
            ManagerLink::Broken(format!("the manager {name} is inactive in Namely; name another one"))
        }
        Some(_) => ManagerLink::Broken(format!("the manager {name} has a deactivated account")),
        None => ManagerLink::Awaited(name),
    })
}

/// Names of those who report to a person and have not left.
fn subordinates(c: &Tx, person: &Person) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    let mut select = c.prepare_cached("SELECT doc FROM source WHERE tenant = ?1 AND manager = ?2")?;
    for position in person.positions() {
        let docs: Vec<String> =
            select.query_map([&position.tenant, &position.employee.id], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for doc in docs {
            let employee: Employee = serde_json::from_str(&doc)?;
            if employee.user_status != crate::domain::UserStatus::Inactive {
                names.push(employee.display());
            }
        }
    }
    names.sort();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    Ok(names)
}

/// The login of a person: the one they have while it fits, else the first that nobody else has.
fn login(c: &Tx, rules: &Rulebook, case: &Case, target: i64) -> Result<Result<Chosen, String>, StoreError> {
    let wanted = match rules.wanted_logins(&case.org, &case.person) {
        Ok(wanted) => wanted,
        Err(e) => return Ok(Err(e.to_string())),
    };
    let mut failed = None;
    let current = case.account.as_ref().map(|account| account.login.as_str());
    let chosen = rules.login.choose(&wanted, current, |login| match holder(c, case, target, login) {
        Ok(holder) => holder,
        Err(e) => {
            failed = Some(e);
            Holder::Other("the store".into())
        }
    });
    failed.map_or(Ok(chosen), Err)
}

fn holder(c: &Tx, case: &Case, target: i64, login: &str) -> Result<Holder, StoreError> {
    if let Some(account) = accounts::by_login(c, &case.org, login)? {
        // An account that carries one of their profiles is theirs, also if it is not known yet who made it: we, in a call
        // whose answer was lost.
        let is_own = case.account.as_ref().is_some_and(|own| own.id == account.id)
            || match account.anchor.as_ref().filter(|anchor| case.person.has(anchor)) {
                Some(anchor) => super::anchors::is_ours(c, &case.org, anchor, &account)?,
                None => false,
            };
        return Ok(match is_own {
            true => Holder::Themselves,
            false if account.is_live() => Holder::Other(describe(&account)),
            false => Holder::DeactivatedHolder(account.id),
        });
    }
    let reserved: Option<i64> = c
        .prepare_cached("SELECT target FROM login WHERE org = ?1 AND key = ?2")?
        .query_row(params![case.org, login_key(login)], |row| row.get(0))
        .optional()?;
    Ok(match reserved {
        Some(other) if other != target => Holder::Other("somebody whose account is about to be made".into()),
        _ => Holder::Nobody,
    })
}

/// An account, for people.
pub(super) fn describe(account: &Account) -> String {
    let name = |key: &str| account.profile.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let full = format!("{} {}", name("firstName"), name("lastName"));
    let anchor = account.anchor.as_deref().map(|a| format!(", of Namely profile {a}")).unwrap_or_default();
    format!(
        "the Okta account {} ({}{}{anchor})",
        account.id,
        account.login,
        match full.trim() {
            "" => String::new(),
            full => format!(", {full}"),
        }
    )
}

/// The login that was chosen is nobody else's from now on.
pub(super) fn reserve(c: &Tx, case: &Case, target: i64) -> Result<(), StoreError> {
    let Ok(chosen) = &case.login else { return Ok(()) };
    if chosen.login.is_empty() {
        return Ok(());
    }
    c.prepare_cached("DELETE FROM login WHERE org = ?1 AND target = ?2")?.execute(params![case.org, target])?;
    c.prepare_cached(
        "INSERT INTO login VALUES (?1, ?2, ?3) ON CONFLICT (org, key) DO UPDATE SET target = excluded.target",
    )?
    .execute(params![case.org, login_key(&chosen.login), target])?;
    Ok(())
}
