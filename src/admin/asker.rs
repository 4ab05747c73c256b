//! Who asks: what their role lets them ask, and at whom they have looked. Permissions are looked up here and nowhere else.

use super::decisions::{Decisions, Refusal};
use super::routes::{Ask, route_of};
use crate::audit::viewing::Viewed;
use crate::audit::{Event, Record};
use crate::clock::Moment;
use crate::config::{Permission, Role, Token};
use crate::domain::Decider;
use crate::store::{Store, Tx, append};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Looks of one reader at one person within this time are one row: a page that renews itself is looked at once.
const ONE_VIEWING: Duration = Duration::from_secs(15 * 60);
/// Looks that are remembered at most; beyond that each is a row.
const MOST: usize = 100_000;

/// Somebody who asks.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Who it is, for votes and for the audit.
    pub who: Decider,
    /// What they may ask and see.
    pub role: Role,
    /// Whether they may end access before HR has, whatever their role.
    pub end_access: bool,
}

impl Asker {
    /// Whoever has a token.
    pub fn of(token: &Token) -> Self {
        Self { who: token.decider(), role: token.role, end_access: token.end_access }
    }

    /// That they may do this; otherwise who may.
    pub fn has(&self, permission: Permission) -> Result<(), Refusal> {
        if self.role.may(permission) {
            return Ok(());
        }
        Err(Refusal::Forbidden(format!(
            "{} has the role {}; this needs the role {}",
            self.who.name,
            self.role.as_str(),
            permission.holders()
        )))
    }

    /// That they may ask this; otherwise who may.
    pub fn may(&self, ask: Ask) -> Result<(), Refusal> {
        let route = route_of(ask).ok_or_else(|| Refusal::NotFound("there is no such thing to ask".into()))?;
        if self.end_access && ask == Ask::EndAccess {
            return Ok(());
        }
        self.has(route.needs)
    }
}

/// What is seen of one person by something that can be asked; nothing where it is about nobody alone.
fn seen_of_one(ask: Ask, parts: &[String], query: &Value) -> Option<&'static str> {
    let is_named = query["person"].is_string();
    match ask {
        Ask::Target => Some("all that is known"),
        Ask::PlannedPerson => Some("what a plan would do"),
        Ask::Person => Some("what happened"),
        Ask::Link if !parts.is_empty() => Some("the link to an account"),
        Ask::Links if is_named => Some("the link to an account"),
        Ask::MappingTest | Ask::TestMapping => Some("what the mapping says"),
        Ask::Audit if is_named => Some("rows of the audit"),
        Ask::UndoPreview if is_named => Some("what an undo would restore"),
        Ask::People if query["profile"].is_string() => Some("the line in the list of people"),
        _ => None,
    }
}

impl Decisions {
    /// Whom something that was asked is about, in each org.
    fn asked_about(&self, c: &Tx, ask: Ask, parts: &[String], query: &Value) -> Result<Vec<(String, i64)>, Refusal> {
        let named = match ask {
            Ask::Target | Ask::PlannedPerson => {
                let target = self.number("target", parts.last().map_or("", String::as_str))?;
                let org = crate::store::org_of(c, target)?;
                return Ok(org.map(|org| (org, target)).into_iter().collect());
            }
            Ask::Person | Ask::Link => parts[0].as_str(),
            Ask::People => query["profile"].as_str().unwrap_or_default(),
            _ => query["person"].as_str().unwrap_or_default(),
        };
        match self.targets_in(c, named, query["org"].as_str()) {
            // Who is nobody was not looked at, and the answer says so.
            Err(Refusal::NotFound(_)) => Ok(Vec::new()),
            found => found,
        }
    }
}

/// Who has seen what of whom.
type Viewing = (String, i64, &'static str);

/// The looks of the last minutes, each of which is a row already.
#[derive(Clone, Default)]
pub struct Viewings(Arc<Mutex<HashMap<Viewing, Moment>>>);

impl Viewings {
    fn is_known(&self, viewing: &Viewing, now: Moment) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(viewing).is_some_and(|at| *at <= now && now.since(*at) < ONE_VIEWING)
    }

    fn remember(&self, viewing: Viewing, now: Moment) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, at| *at <= now && now.since(*at) < ONE_VIEWING);
        }
        if known.len() < MOST {
            known.insert(viewing, now);
        }
    }

    /// Writes down at whom somebody looks whose role asks for it, before they see anything: what cannot be written is not shown.
    pub(super) fn written(
        &self,
        decisions: &Decisions,
        asker: &Asker,
        (ask, parts, query): (Ask, &[String], &Value),
        now: Moment,
    ) -> Result<(), Refusal> {
        let Some(what) = seen_of_one(ask, parts, query).filter(|_| asker.role.is_watched()) else { return Ok(()) };
        let people = decisions.asked_about(&*Store::reader(&decisions.store)?, ask, parts, query)?;
        let viewing = |target| (asker.who.principal().to_owned(), target, what);
        let new: Vec<(String, i64)> =
            people.into_iter().filter(|(_, target)| !self.is_known(&viewing(*target), now)).collect();
        if new.is_empty() {
            return Ok(());
        }
        Store::operator(&decisions.store)?.together(|c| {
            for (org, target) in &new {
                let viewed = Viewed {
                    by: asker.who.name.clone(),
                    principal: asker.who.voice(),
                    role: asker.role.as_str().to_owned(),
                    what: what.to_owned(),
                };
                append(c, &Record::about(*target, org.clone(), now, Event::Viewed(viewed)))?;
            }
            Ok::<(), Refusal>(())
        })?;
        new.into_iter().for_each(|(_, target)| self.remember(viewing(target), now));
        Ok(())
    }
}
