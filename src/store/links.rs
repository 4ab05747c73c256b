//! Which person a profile belongs to, in each org it is routed to: correlation, and what follows from it.

use super::adopting::adopt;
use super::candidates::{Before, candidates};
use super::engine::Tx;
use super::rows::matched::Match;
use super::rows::{end_access, known, link, matched, org, review, source, target};
use super::{StoreError, anchors, joining};
use crate::clock::Moment;
use crate::domain::matching::correlation::{Candidate, Contact, Correlation, Counterpart, correlate};
use crate::domain::matching::linking::{self, Asks, Follows, Known, Whose, is_left_behind};
use crate::domain::plan::rulebook::Rulebook;
use crate::domain::record::person::Position;

/// Writes down what the rules look profiles of a tenant up by.
pub(super) fn put_all_keys<'a>(
    c: &Tx,
    rules: &Rulebook,
    tenant: &str,
    positions: impl IntoIterator<Item = &'a Position>,
) -> Result<(), StoreError> {
    let keys = |position: &'a Position| {
        let keys = rules.keys(position).into_iter().map(|(rule, value)| (rule.name.clone(), value));
        (position.employee.id.as_str(), keys.collect())
    };
    source::save_all_keys(c, tenant, &positions.into_iter().map(keys).collect())
}

/// A profile in an org, of which is asked whose it is.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub c: &'a Tx,
    pub rules: &'a Rulebook,
    pub org: &'a str,
    pub position: &'a Position,
    pub now: Moment,
}

impl Asked<'_> {
    /// Makes sure that it has a target, and that the target has its account if there is one. `known` is the target that it has. Returns
    /// the target, and why a person must decide, if one must.
    pub fn link(self, known: Option<i64>, routed: bool) -> Result<(i64, Option<String>), StoreError> {
        let Self { c, rules, org, position, now } = self;
        let target = match known {
            Some(target) => target,
            None => target::create(c, org)?,
        };
        link::save(c, org, position, target, routed)?;
        let is_read = org::is_read(c, org)?;
        match linking::whose(is_read, routed, || has_left(c, rules, position, now), || is_settled(c, target))? {
            Whose::Later => Ok((target, None)),
            Whose::Known => {
                anchors::ask_about_doubles(c, org, position, target, now)?;
                Ok((target, None))
            }
            Whose::Sought => {
                let candidates = self.sought((target, Before::UNKNOWN), routed)?;
                self.correlate((target, Before::UNKNOWN), &candidates)
            }
        }
    }

    /// Who may be meant by it; where the rules do not route it, what somebody who has left may have left behind.
    pub fn sought(self, target: (i64, Before), routed: bool) -> Result<Vec<Candidate>, StoreError> {
        let mut candidates = self.candidates(target)?;
        if !routed {
            candidates.retain(is_left_behind);
        }
        Ok(candidates)
    }

    fn candidates(self, target: (i64, Before)) -> Result<Vec<Candidate>, StoreError> {
        candidates(self.c, self.rules, self.org, self.position, target, self.now)
    }

    /// What follows for it with these candidates. Returns the target that stays, and why a person must decide.
    pub fn correlate(
        self,
        (target, before): (i64, Before),
        candidates: &[Candidate],
    ) -> Result<(i64, Option<String>), StoreError> {
        let Self { c, rules, org, position, now } = self;
        let contact = matched::contact(c, org, &position.tenant)?;
        let follows = self.follows(contact, candidates)?;
        match &follows {
            _ if !before.traces.was_asked => {}
            Follows::Report | Follows::Nobody | Follows::Match { .. } => review::close_others(c, org, position, &[])?,
            // What is no question any more keeps nobody: two of whom each waits for the other's would wait for ever.
            Follows::Unsure { .. } => review::close_others(c, org, position, candidates)?,
            Follows::Review { .. } => {}
        }
        match follows {
            Follows::Report => Ok((target, None)),
            Follows::Unsure { conflict } => wait(c, target, Some(conflict)),
            Follows::Nobody => wait(c, target, None),
            Follows::Match { counterpart, rule } => {
                let evidence = evidence(rules, position, &rule);
                let by_rule = linking::is_by_rule_alone(contact, &rule);
                let who = linking::described(candidates, &rule);
                let pending = (by_rule && matches!(counterpart, Counterpart::Account(_)))
                    .then(|| format!("{who} is taken over by rule {rule:?} ({evidence})"));
                let joins = match counterpart {
                    Counterpart::Target(other) if by_rule => joining::is_living(c, other)?,
                    _ => false,
                };
                let found = Match { rule: &rule, evidence: &evidence, pending, by: None };
                let target = adopt(c, org, position, (target, &counterpart), &found, now)?;
                if joins {
                    let shown = format!("{} joins {who} by rule {rule:?} ({evidence})", position.described());
                    joining::count(c, org, &position.tenant, target, &shown, now)?;
                }
                wait(c, target, None)
            }
            Follows::Review { candidates, why } => {
                let first = review::ask_all(c, org, position, &candidates, &why, now)?;
                let how = first
                    .map(|id| format!("; look at it with `review show {id}`, then `review accept` or `review reject`"));
                wait(c, target, Some(format!("{why}{}", how.unwrap_or_default())))
            }
        }
    }

    fn follows(self, contact: Contact, candidates: &[Candidate]) -> Result<Follows, StoreError> {
        let Self { c, rules, org, position, now } = self;
        let correlation = correlate(&position.employee, candidates.to_vec(), contact);
        let mut known = Known::default();
        match linking::asks(&correlation, contact) {
            Asks::Nothing => {}
            Asks::Joining(person) => {
                known.no_joining = joining::why_not(c, rules, org, &position.tenant, person, now)?;
            }
            Asks::Added => known.is_added = matched::is_added(c, org, &position.tenant)?,
            Asks::Others => {
                known.unkeyed = rules.unkeyed(position);
                known.namesake = review::namesake(c, org, position)?;
            }
        }
        Ok(linking::follows(correlation, candidates, known))
    }

    /// Whether it waits for a verdict and could be settled without one by now.
    pub fn would_settle(self) -> Result<bool, StoreError> {
        let Self { c, org, position, .. } = self;
        let Some((target, _)) = link::find(c, org, &position.tenant, &position.employee.id)? else { return Ok(false) };
        let candidates = self.candidates((target, Before::UNKNOWN))?;
        let contact = matched::contact(c, org, &position.tenant)?;
        Ok(match self.follows(contact, &candidates)? {
            Follows::Review { .. } | Follows::Unsure { .. } => false,
            Follows::Match { .. } | Follows::Report | Follows::Nobody => true,
        })
    }

    /// First contact of its tenant with the org was accepted: if it waited, it joins the person it was shown as. Returns the target that
    /// it has then, if another one.
    pub fn join_accepted(self) -> Result<Option<i64>, StoreError> {
        let Self { c, rules, org, position, now } = self;
        let known = link::find(c, org, &position.tenant, &position.employee.id)?;
        let Some((target, true)) = known else { return Ok(None) };
        if is_settled(c, target)? {
            return Ok(None);
        }
        let candidates = self.candidates((target, Before::UNKNOWN))?;
        let Correlation::Match { counterpart, rule } = correlate(&position.employee, candidates, Contact::First) else {
            return Ok(None);
        };
        let evidence = evidence(rules, position, &rule);
        let found = Match { rule: &rule, evidence: &evidence, pending: None, by: None };
        let stays = adopt(c, org, position, (target, &counterpart), &found, now)?;
        matched::was_shown(c, org, position)?;
        Ok(Some(stays))
    }

    /// What first contact would make of it while it waits for that, in the words of a rule; `None` if nothing is known.
    pub fn foretell(self, target: i64) -> Result<Option<(String, String)>, StoreError> {
        let candidates = self.candidates((target, Before::UNKNOWN))?;
        Ok(match correlate(&self.position.employee, candidates.clone(), Contact::First) {
            Correlation::Match { rule, .. } => Some((rule.clone(), linking::described(&candidates, &rule))),
            _ => None,
        })
    }
}

/// Whether access of a profile's person is over: by its record, or because somebody has ended it in every org.
fn has_left(c: &Tx, rules: &Rulebook, position: &Position, now: Moment) -> Result<bool, StoreError> {
    Ok(rules.is_over(position, now) || end_access::is_of(c, &position.tenant, &position.employee.id)?)
}

/// Whether the profiles of a target are not correlated.
fn is_settled(c: &Tx, target: i64) -> Result<bool, StoreError> {
    let found = known::settledness(c, &[target])?;
    Ok(found.get(&target).is_some_and(|of| linking::is_settled(of.has_account, of.has_left, of.shares)))
}

/// Why a person must decide about a profile by which nobody is meant, if one must.
pub(super) fn unmeant(rules: &Rulebook, position: &Position) -> Option<String> {
    let known = Known { unkeyed: rules.unkeyed(position), ..Known::default() };
    match linking::follows(Correlation::Nobody, &[], known) {
        Follows::Unsure { conflict } => Some(conflict),
        Follows::Report | Follows::Nobody | Follows::Match { .. } | Follows::Review { .. } => None,
    }
}

/// What keeps a target from being worked on, if anything does.
fn wait(c: &Tx, target: i64, conflict: Option<String>) -> Result<(i64, Option<String>), StoreError> {
    target::set_conflict(c, target, conflict.as_deref())?;
    Ok((target, conflict))
}

/// What has matched, in words.
fn evidence(rules: &Rulebook, position: &Position, rule: &str) -> String {
    linking::evidence(rules.mapping.anchor(), &position.employee.id, &rules.keys(position), rule)
}
