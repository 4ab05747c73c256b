//! What a decision about who is whom would do: the people concerned, and their plans before and after it.

use super::directories::directory;
use super::engine::Tx;
use super::previews::preview_of;
use super::rows::{account, link, target};
use super::{StoreError, cases};
use crate::clock::Moment;
use crate::domain::ChangeKind;
use crate::domain::account::directory::Directory;
use crate::domain::account::knowledge::Knowledge;
use crate::domain::account::user::Account;
use crate::domain::guard::joining::{self, Whom};
use crate::domain::guard::preview::{About, Preview, preview};
use crate::domain::guard::rejection::Rejected;
use crate::domain::matching::correlation::Counterpart;
use crate::domain::matching::twins;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::person::Position;
use crate::domain::record::profiles::Profiles;
use crate::domain::text::hex;
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Somebody or something that a decision is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// For people.
    pub who: String,
    /// The person's profiles, each with name, email, id, tenant and status; none for an account that is nobody's.
    pub profiles: Vec<String>,
    /// Login of the account; `None` without one.
    pub login: Option<String>,
    /// Its status, by Okta's word; `None` without an account.
    pub status: Option<String>,
    /// What would be done for them as it is.
    pub plan: Vec<String>,
}

/// What a decision would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outlook {
    /// Who it is about, as they are.
    pub before: Vec<Side>,
    /// Who they would be.
    pub after: Vec<Side>,
    /// How many people must agree.
    pub needs: i64,
    /// Whether one of them must not have come over an identity provider.
    pub beside_provider: bool,
    /// A tenant in which both profiles are active: whoever agrees says that it is the same person, and why.
    pub twins_in: Option<String>,
    /// Why it cannot be done.
    pub refused: Option<String>,
    /// Names exactly what is shown: profiles, accounts and plans, each by a part of its own.
    pub code: String,
}

impl Outlook {
    /// Whether profiles and accounts are as a code stands for, whatever the plans are by now: these wait for nobody any more once it is
    /// decided.
    pub fn is_of_the_same(&self, code: &str) -> bool {
        let who = |code: &str| code.rsplit_once('-').map(|(who, _)| who.to_owned());
        who(code).is_some() && who(code) == who(&self.code)
    }

    /// What differs from what a code stands for, for people.
    pub fn changed_since(&self, code: &str) -> String {
        let (old, new): (Vec<&str>, Vec<&str>) = (code.split('-').collect(), self.code.split('-').collect());
        let names = ["the profiles", "the accounts", "the plans"];
        let other: Vec<&str> =
            names.iter().enumerate().filter(|(n, _)| old.get(*n) != new.get(*n)).map(|(_, name)| *name).collect();
        if old.len() == new.len() {
            format!("{} have changed", other.join(" and "))
        } else {
            "it is no code of it".into()
        }
    }
}

/// Plans are made with this.
pub(super) struct Planning<'a> {
    pub c: &'a Tx,
    pub rules: &'a Rulebook,
    pub directory: Cow<'a, Directory>,
    pub now: Moment,
}

impl<'a> Planning<'a> {
    pub fn new(c: &'a Tx, rules: &'a Rulebook, org: &str, now: Moment) -> Result<Self, StoreError> {
        Ok(Self { c, rules, directory: Cow::Owned(directory(c, org)?.unwrap_or_default()), now })
    }

    /// A target as it is.
    pub fn present(&mut self, target: i64) -> Result<Option<Side>, StoreError> {
        let Some(found) = preview_of(self.c, self.rules, target, &mut self.directory, self.now)? else {
            return Ok(None);
        };
        let positions = link::profiles(self.c, target)?.all();
        Ok(Some(side(&positions, account::of_target(self.c, target)?.as_ref(), &found)))
    }

    /// A target as it would be with these profiles and this account.
    pub fn supposed(
        &mut self,
        target: i64,
        profiles: Profiles,
        account: Option<Account>,
    ) -> Result<Option<Side>, StoreError> {
        let all = profiles.clone().all();
        let case = cases::supposed(self.c, self.rules, target, profiles, account.clone(), self.now)?;
        let Some(case) = case else { return Ok(None) };
        let about = About { target, case: &case, conflict: None, rejected: &Rejected::default() };
        let found = preview(about, self.rules, &mut self.directory, self.now);
        Ok(Some(side(&all, account.as_ref(), &found)))
    }
}

fn side(positions: &[Position], account: Option<&Account>, found: &Preview) -> Side {
    let words = found
        .changes
        .iter()
        .flat_map(|(kind, words)| words.iter().map(move |word| format!("{}: {word}", kind.as_str())));
    let obstacle = found.obstacle.iter().map(|why| format!("waits: {why}"));
    let remarks = found.remarks.iter().map(|remark| format!("remark: {remark}"));
    Side {
        who: positions.first().map(|one| one.employee.display()).unwrap_or_default(),
        profiles: positions.iter().map(message).collect(),
        login: account.map(|account| account.login.clone()),
        status: account.map(|account| account.status.as_str().to_owned()),
        plan: words.chain(obstacle).chain(remarks).collect(),
    }
}

fn message(position: &Position) -> String {
    let employee = &position.employee;
    format!(
        "{}, {} (profile {} of {}, {:?})",
        employee.display(),
        if employee.email.is_empty() { "no email" } else { &employee.email },
        employee.id,
        position.tenant,
        employee.user_status
    )
}

/// An account that no person has, as a side.
pub(super) fn stranger(account: &Account) -> Side {
    Side {
        who: account.described(),
        profiles: Vec::new(),
        login: Some(account.login.clone()),
        status: Some(account.status.as_str().to_owned()),
        plan: Vec::new(),
    }
}

/// The code of sides before and after: what profiles, accounts and plans are, each by itself.
pub(super) fn code(before: &[Side], after: &[Side], accounts: &[Option<Account>]) -> Result<String, StoreError> {
    let part = |text: String| hex(&digest(&SHA256, text.as_bytes()).as_ref()[..3]);
    let profiles: Vec<&Vec<String>> = before.iter().map(|side| &side.profiles).collect();
    let plans: Vec<&Vec<String>> = before.iter().chain(after).map(|side| &side.plan).collect();
    // Without what says how far our own work has come.
    let bare: Vec<_> = accounts
        .iter()
        .flatten()
        .map(|account| {
            (&account.id, &account.login, &account.anchor, account.status, &account.profile, &account.groups)
        })
        .collect();
    Ok([
        part(serde_json::to_string(&profiles)?),
        part(serde_json::to_string(&bare)?),
        part(serde_json::to_string(&plans)?),
    ]
    .join("-"))
}

/// Who a stored key means; an account that somebody has by now is that somebody.
pub(super) fn counterpart_of(c: &Tx, org: &str, key: &str) -> Result<Option<Counterpart>, StoreError> {
    Ok(match Counterpart::parse(key) {
        Some(Counterpart::Account(id)) => {
            Some(target::owner(c, org, &id)?.map_or_else(|| Counterpart::Account(id), Counterpart::Target))
        }
        known => known,
    })
}

/// What joining a profile's target with somebody would do.
pub(super) fn of_join(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    target: i64,
    counterpart: &Counterpart,
    now: Moment,
) -> Result<Outlook, StoreError> {
    let mut planning = Planning::new(c, rules, org, now)?;
    if *counterpart == Counterpart::Target(target) {
        return of_link(&mut planning, target);
    }
    let mut mine = link::profiles(c, target)?;
    let own = account::of_target(c, target)?;
    let mut before: Vec<Side> = planning.present(target)?.into_iter().collect();
    let (other, theirs) = match counterpart {
        Counterpart::Account(id) => (target::owner(c, org, id)?, account::by_id(c, org, id)?),
        Counterpart::Target(other) => (Some(*other), account::of_target(c, *other)?),
    };
    let other = other.filter(|other| *other != target);
    let (mut stays, mut twins_in) = (target, None);
    let whom = if let Some(other) = other {
        before.extend(planning.present(other)?);
        let profiles = link::profiles(c, other)?;
        twins_in = twins::twin(&mine.clone().all(), &profiles.clone().all()).map(|twin| twin.tenant.clone());
        mine = mine.joined(profiles);
        stays = other;
        Whom::Person(theirs.as_ref())
    } else if let Some(account) = &theirs {
        before.push(stranger(account));
        let case = cases::brief(c, rules, target, now)?;
        let has_left = case.is_some_and(|case| rules.lifecycle(&case, now).entitlement.is_over());
        Whom::Account { account, may_follow: joining::may_follow(has_left, own.as_ref()) }
    } else {
        Whom::Gone
    };
    let refused = joining::refused(own.as_ref(), whom);
    let may_be_administrator =
        theirs.as_ref().is_some_and(|account| planning.directory.administrator(account, now) != Knowledge::Nobody);
    let needs = joining::needs(rules.safeguards.four_eyes, may_be_administrator, twins_in.is_some());
    let account = theirs.clone().or_else(|| own.clone());
    let after: Vec<Side> = planning.supposed(stays, mine, account)?.into_iter().collect();
    let code = code(&before, &after, &[own, theirs])?;
    let beside_provider = rules.safeguards.beside_provider(org, ChangeKind::Adopt, may_be_administrator);
    Ok(Outlook { before, after, needs, beside_provider, twins_in, refused, code })
}

/// What confirming a link that is there would do: nothing, by itself.
fn of_link(planning: &mut Planning, target: i64) -> Result<Outlook, StoreError> {
    let before: Vec<Side> = planning.present(target)?.into_iter().collect();
    let account = account::of_target(planning.c, target)?;
    let needs = joining::needs(planning.rules.safeguards.four_eyes, false, false);
    let code = code(&before, &before, &[account])?;
    Ok(Outlook { after: before.clone(), before, needs, beside_provider: false, twins_in: None, refused: None, code })
}
