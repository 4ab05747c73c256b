//! Everybody who may be meant by a profile: what the store knows of them, put before the rules.

use super::directories::directory_of;
use super::engine::Tx;
use super::rows::meant::Traces;
use super::rows::{account, anchored, end_access, link, matched, missing, review, source, target};
use super::{StoreError, orders};
use crate::clock::Moment;
use crate::domain::account::directory::Directory;
use crate::domain::account::knowledge::Knowledge;
use crate::domain::account::user::Account;
use crate::domain::mapping::login::DeactivatedHolders;
use crate::domain::matching::correlation::{ANCHOR, BEFORE, Candidate, Confidence, Counterpart, MISSING, is_bygone};
use crate::domain::matching::linking::{Ties, bound, copied, distinct, left_while_asked, returns};
use crate::domain::matching::twins;
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::employee::Employee;
use crate::domain::record::person::Position;
use std::sync::Arc;

/// What is known of a profile before it is looked for whom it may mean: what there is none of is not asked for.
#[derive(Clone, Copy)]
pub(super) struct Before {
    pub traces: Traces,
    /// It is the only profile of its target.
    pub is_alone: bool,
}

impl Before {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        traces: Traces {
            is_anchor: true,
            was_asked: true,
            has_namesake: true,
            is_missed: true,
            had_addresses: true,
            finds_account: true,
            finds_profile: true,
        },
        is_alone: false,
    };
}

/// Everybody who may be meant by a profile of a target, in the order of the rules, without those whom a person has rejected.
pub(super) fn candidates(
    c: &Tx,
    rules: &Rulebook,
    org: &str,
    position: &Position,
    (target, before): (i64, Before),
    now: Moment,
) -> Result<Vec<Candidate>, StoreError> {
    let profile = &position.employee.id;
    let Before { traces, is_alone } = before;
    let mut found = Vec::new();
    let mut mine = if is_alone { Vec::new() } else { link::profiles(c, target)?.all() };
    mine.retain(|one| (&one.tenant, &one.employee.id) != (&position.tenant, profile));
    mine.push(position.clone());
    let seek = Seek { c, org, position, own: target, mine, directory: directory_of(c, org)?, rules, now };
    let parted = if traces.was_asked { review::parted_from(c, org, position)? } else { Vec::new() };
    for other in parted {
        found.extend(seek.target(BEFORE, Confidence::Certain, other)?);
    }
    let anchored = if traces.is_anchor { account::by_anchor(c, org, profile)? } else { Vec::new() };
    for account in anchored {
        found.push(seek.account(ANCHOR, Confidence::Certain, account)?);
    }
    for (rule, value) in rules.keys(position) {
        for account in account::by_attribute(c, org, &rule.attribute, &value)? {
            let candidate = seek.account(&rule.name, rule.confidence, account)?;
            let is_settled = rules.login.deactivated_holders != DeactivatedHolders::Review
                && is_bygone(&position.employee, &candidate);
            found.extend(Some(candidate).filter(|_| !is_settled));
        }
        if !traces.finds_profile {
            continue;
        }
        for other in source::targets_by_key(c, org, (&rule.name, &value), position)? {
            found.extend(seek.target(&rule.name, rule.confidence, other)?);
        }
    }
    // Who has left may have an account under an address of before: one that is nobody's by now.
    if traces.had_addresses && rules.is_over(position, now) {
        for email in source::former_emails(c, &position.tenant, profile)? {
            let employee = Employee { email, ..position.employee.clone() };
            let before = Position { tenant: position.tenant.clone(), employee };
            for (rule, value) in rules.keys(&before) {
                for account in account::by_attribute(c, org, &rule.attribute, &value)? {
                    let candidate = seek.account(&rule.name, rule.confidence, account)?;
                    found.extend(Some(candidate).filter(is_nobodys));
                }
            }
        }
    }
    let missed = if traces.is_missed { missing::namesakes(c, org, position)? } else { Vec::new() };
    for other in missed {
        found.extend(seek.target(MISSING, Confidence::Certain, other)?);
    }
    let rejected = if traces.was_asked { review::rejected(c, org, position)? } else { Vec::new() };
    Ok(distinct(found, target, &rejected))
}

fn is_nobodys(candidate: &Candidate) -> bool {
    matches!(candidate.counterpart, Counterpart::Account(_))
}

/// Who looks for whom.
struct Seek<'a> {
    c: &'a Tx,
    org: &'a str,
    position: &'a Position,
    /// All profiles of its target, which would come with it.
    mine: Vec<Position>,
    /// Its target.
    own: i64,
    /// What the org has besides people; not known before it was read.
    directory: Option<Arc<Directory>>,
    rules: &'a Rulebook,
    now: Moment,
}

impl Seek<'_> {
    fn account(&self, rule: &str, confidence: Confidence, account: Account) -> Result<Candidate, StoreError> {
        let (c, org) = (self.c, self.org);
        let profile = &self.position.employee.id;
        let anchor_is_ours = account.anchor.as_ref() == Some(profile) && anchored::is_ours(c, org, profile, &account)?;
        let owner = target::owner(c, org, &account.id)?;
        if let Some(owner) = owner
            && let Some(mut candidate) = self.target(rule, confidence, owner)?
        {
            candidate.described = account.described();
            candidate.anchor_is_ours = anchor_is_ours;
            return Ok(candidate);
        }
        // An account that is nobody's, and whose access somebody has ended.
        let bound = owner.map(|owner| self.ended_by_order(owner)).transpose()?.flatten();
        let name = |key: &str| account.profile.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        Ok(Candidate {
            rule: rule.to_owned(),
            confidence,
            first_name: name("firstName"),
            last_name: name("lastName"),
            anchored_to: account.anchor.clone().filter(|anchor| anchor != profile),
            anchor_is_ours,
            is_deactivated: !account.is_live(),
            reserved: self.reserved(&account),
            mastered_by: account.mastered_by().map(str::to_owned),
            bound,
            described: account.described(),
            counterpart: Counterpart::Account(account.id),
            ..Candidate::default()
        })
    }

    /// A person already known, by the profile that describes them.
    fn target(&self, rule: &str, confidence: Confidence, target: i64) -> Result<Option<Candidate>, StoreError> {
        let c = self.c;
        let positions = link::profiles(c, target)?.all();
        let Some(first) = positions.first() else { return Ok(None) };
        let account = account::of_target(c, target)?;
        let gone = self.gone(&positions)?;
        let bound = match self.bound(target, &positions)? {
            None => self.asked(target, account.as_ref())?,
            bound => bound,
        };
        let bound = bound.or(gone.clone()).or_else(|| copied(self.position, &positions));
        Ok(Some(Candidate {
            rule: rule.to_owned(),
            confidence,
            counterpart: Counterpart::Target(target),
            first_name: first.employee.first_name.clone(),
            last_name: first.employee.last_name.clone(),
            reserved: account.as_ref().and_then(|account| self.reserved(account)),
            returns: returns(self.rules.policies.new_profile, target::has_left(c, target)?, account.as_ref()),
            account: account.map(|account| account.id),
            twin: twins::twin(&self.mine, &positions).filter(|_| gone.is_none()).map(Position::described),
            bound,
            described: first.described(),
            ..Candidate::default()
        }))
    }

    /// Why no rule gives an account away.
    fn reserved(&self, account: &Account) -> Option<String> {
        let Some(directory) = &self.directory else {
            return Some("it is not known yet who is an Okta administrator".into());
        };
        match directory.administrator(account, self.now) {
            Knowledge::Nobody => {}
            Knowledge::Holder => return Some("it is the account of an Okta administrator".into()),
            Knowledge::Unknown { .. } => {
                return Some("it cannot be told whether it is the account of an Okta administrator".into());
            }
        }
        self.rules.safeguards.protected.why(account, directory)
    }

    /// That a person's profile of the same tenant is missing: whether this one is the same person, made anew, is asked.
    fn gone(&self, positions: &[Position]) -> Result<Option<String>, StoreError> {
        for one in positions.iter().filter(|one| one.tenant == self.position.tenant) {
            if let Some(since) = missing::since(self.c, &one.tenant, &one.employee.id)? {
                return Ok(Some(format!(
                    "Namely does not show {} since {since}: accept if the profile was made anew, reject if it is somebody else",
                    one.described()
                )));
            }
        }
        Ok(None)
    }

    /// That it is asked about somebody who has left whether another profile is them: their leaving is no answer.
    fn asked(&self, target: i64, account: Option<&Account>) -> Result<Option<String>, StoreError> {
        if !target::has_left(self.c, target)? {
            return Ok(None);
        }
        let account = account.map(|account| Counterpart::Account(account.id.clone()));
        let open = review::open_on(self.c, self.org, (&Counterpart::Target(target), account.as_ref()))?;
        let position = self.position;
        Ok(open.map(|(review, tenant, profile)| {
            let is_own =
                (tenant.as_str(), profile.as_str()) == (position.tenant.as_str(), position.employee.id.as_str());
            left_while_asked(review, is_own)
        }))
    }

    /// Who has ended the access of a target, if somebody has: no rule takes anybody in with them who is not them already.
    fn ended_by_order(&self, target: i64) -> Result<Option<String>, StoreError> {
        let Some(asked) = end_access::of(self.c, target)? else { return Ok(None) };
        let is_theirs = orders::person(self.c, self.own)?.contains(&target);
        Ok((!is_theirs).then(|| asked.binds()))
    }

    /// What must be decided before anybody joins a target.
    fn bound<'a>(&self, target: i64, positions: &'a [Position]) -> Result<Option<String>, StoreError> {
        let tenant = |position: &'a Position| -> Result<_, StoreError> {
            Ok((position.tenant.as_str(), matched::is_added(self.c, self.org, &position.tenant)?))
        };
        let ties = Ties {
            ended_by_order: self.ended_by_order(target)?,
            open_review: review::open_about(self.c, target)?,
            is_being_adopted: matched::is_pending(self.c, target)?,
            tenants: positions.iter().map(tenant).collect::<Result<_, _>>()?,
        };
        Ok(bound(&ties, &self.position.tenant, self.org))
    }
}
