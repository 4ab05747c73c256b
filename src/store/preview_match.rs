//! What a decision about who is whom would do: the people concerned, and their plans before and after it.

use super::cases::Profiles;
use super::engine::Tx;
use super::links::{account_of, owner};
use super::previews::{directory, preview_of};
use super::{StoreError, accounts, cases, twins};
use crate::clock::Moment;
use crate::domain::account::knowledge::Knowledge;
use crate::domain::guard::preview::{Preview, preview};
use crate::domain::matching::correlation::Counterpart;
use crate::domain::{Account, Directory, Position, Rulebook, hex};
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Somebody or something that a decision is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// For people.
    pub who: String,
    pub profiles: Vec<String>,
    pub login: Option<String>,
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
    /// A tenant in which both profiles are active: whoever agrees says that it is the same person, and why.
    pub twins_in: Option<String>,
    /// Why it cannot be done.
    pub refused: Option<String>,
    /// Names exactly what is shown: profiles, accounts and plans, each by a part of its own.
    pub code: String,
}

impl Outlook {
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
        let positions = cases::profiles(self.c, target)?.all();
        Ok(Some(side(&positions, account_of(self.c, target)?.as_ref(), &found)))
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
        let found = preview(target, &case, None, self.rules, &mut self.directory, self.now);
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
        who: cases::describe(account),
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

/// What joining a profile's target with a subject would do.
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
    let mut mine = cases::profiles(c, target)?;
    let own = account_of(c, target)?;
    let mut before: Vec<Side> = planning.present(target)?.into_iter().collect();
    let (other, theirs) = match counterpart {
        Counterpart::Account(id) => (owner(c, org, id)?, accounts::by_id(c, org, id)?),
        Counterpart::Target(other) => (Some(*other), account_of(c, *other)?),
    };
    let other = other.filter(|other| *other != target);
    let mut outlook =
        Outlook { before: Vec::new(), after: Vec::new(), needs: 1, twins_in: None, refused: None, code: String::new() };
    let is_over = |planning: &Planning, target| -> Result<bool, StoreError> {
        let case = cases::brief(planning.c, planning.rules, target, planning.now)?;
        Ok(case.is_some_and(|case| planning.rules.lifecycle(&case, planning.now).entitlement.is_over()))
    };
    let mut stays = target;
    if let Some(other) = other {
        before.extend(planning.present(other)?);
        let profiles = cases::profiles(c, other)?;
        outlook.twins_in = twins::twin(&mine.clone().all(), &profiles.clone().all()).map(|twin| twin.tenant.clone());
        mine = mine.joined(profiles);
        stays = other;
        if own.is_some() && theirs.is_some() {
            outlook.refused =
                Some("each of the two has an account of its own: split one first with `links split`".into());
        }
    } else if let Some(account) = &theirs {
        before.push(stranger(account));
        // A second account with the anchor of somebody who has left is theirs to end, after the first one.
        let may_follow = is_over(&planning, target)? && own.as_ref().is_some_and(|own| !own.is_live());
        if let Some(own) = own.as_ref().filter(|own| own.id != account.id && !may_follow) {
            outlook.refused = Some(format!(
                "the person has {} already; if that is the wrong one: `links split`",
                cases::describe(own)
            ));
        }
    } else {
        outlook.refused = Some("the account is not in Okta any more".into());
    }
    if let Some(account) = &theirs
        && planning.directory.administrator(account, now) != Knowledge::Nobody
    {
        outlook.needs = 2;
    }
    if outlook.twins_in.is_some() || rules.safeguards.four_eyes {
        outlook.needs = 2;
    }
    let account = theirs.clone().or_else(|| own.clone());
    outlook.after.extend(planning.supposed(stays, mine, account)?);
    outlook.code = code(&before, &outlook.after, &[own, theirs])?;
    outlook.before = before;
    Ok(outlook)
}

/// What confirming a link that is there would do: nothing, by itself.
fn of_link(planning: &mut Planning, target: i64) -> Result<Outlook, StoreError> {
    let before: Vec<Side> = planning.present(target)?.into_iter().collect();
    let account = account_of(planning.c, target)?;
    let needs = if planning.rules.safeguards.four_eyes { 2 } else { 1 };
    let code = code(&before, &before, &[account])?;
    Ok(Outlook { after: before.clone(), before, needs, twins_in: None, refused: None, code })
}
