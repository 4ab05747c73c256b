//! The end of somebody's access before HR has said so, over the API and from the command line.

use super::decisions::{Decisions, Refusal, nobody};
use crate::clock::Moment;
use crate::domain::Decider;
use crate::store::{
    EndOrder, OperatorRequest, Tx, account_of_login, ended_access, may_be_administrators, may_end, may_restore,
    name_of, request,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn texts<'a>(body: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    body[key].as_array().into_iter().flatten().filter_map(Value::as_str)
}

impl Decisions {
    /// Asks the service to end access.
    pub(super) fn end_access(&self, c: &Tx, by: &Decider, body: &Value, now: Moment) -> Result<Value, Refusal> {
        let (rules, only) = (self.rules()?, body["org"].as_str().map(|name| self.org(name)).transpose()?);
        let begins = match body["at"].as_str() {
            None => now,
            Some(text) => {
                let no_time = |_| Refusal::Bad(format!("at: {text:?} is no time; write 2026-05-04T06:00:00Z"));
                let at: jiff::Timestamp = text.parse().map_err(no_time)?;
                Moment::from(at).max(now)
            }
        };
        let mut orders: BTreeMap<String, EndOrder> = BTreeMap::new();
        let empty = || EndOrder {
            targets: Vec::new(),
            accounts: Vec::new(),
            why: body["why"].as_str().unwrap_or_default().to_owned(),
            at: now.millis(),
            begins: begins.millis(),
            suspends: body["suspend"].as_bool().unwrap_or(false),
            only_here: only.is_some(),
        };
        let mut names = Vec::new();
        for word in texts(body, "people") {
            let found = self.targets_in(c, word, only)?;
            names.push(found.first().map(|(_, target)| name_of(c, *target)).transpose()?.flatten());
            for (org, target) in found {
                orders.entry(org).or_insert_with(empty).targets.push(target);
            }
        }
        for login in texts(body, "accounts") {
            let mut known = false;
            for org in self.orgs.iter().filter(|org| only.is_none_or(|only| only == org.as_str())) {
                let Some((okta_id, owner)) = account_of_login(c, org, login)? else { continue };
                known = true;
                let order = orders.entry(org.clone()).or_insert_with(empty);
                match owner {
                    Some(target) => order.targets.push(target),
                    None => order.accounts.push(okta_id),
                }
            }
            if !known {
                let message = format!("no account of the login {login:?} was seen in Okta; `check` asks it now");
                return Err(Refusal::NotFound(message));
            }
            names.push(Some(login.to_owned()));
        }
        if orders.is_empty() {
            return Err(Refusal::Bad("say whose access ends: people, or accounts".into()));
        }
        let (mut waits, mut administrators) = (false, BTreeSet::new());
        for (org, order) in &mut orders {
            order.targets.sort_unstable();
            order.targets.dedup();
            waits |= may_end(c, rules, org, order, by)?;
            administrators.extend(may_be_administrators(c, org, &order.targets, now)?);
        }
        let mut requests = BTreeMap::new();
        for (org, order) in orders {
            requests.insert(org.clone(), request(c, &org, &OperatorRequest::EndAccess { order }, by, now)?);
        }
        let names: Vec<String> = names.into_iter().flatten().collect();
        let at = (begins > now).then(|| begins.to_string());
        Ok(
            json!({ "requests": requests, "people": names, "administrators": administrators, "waits": waits, "at": at, "by": by.name }),
        )
    }

    /// Asks the service to take that back.
    pub(super) fn restore_access(&self, c: &Tx, by: &Decider, body: &Value, now: Moment) -> Result<Value, Refusal> {
        let (rules, only) = (self.rules()?, body["org"].as_str().map(|name| self.org(name)).transpose()?);
        let word = body["person"].as_str().unwrap_or_default();
        let open = ended_access(c)?;
        let is_meant = |login: &Option<String>| login.as_ref().is_some_and(|login| login.eq_ignore_ascii_case(word));
        // An account that is nobody's is known by its login alone.
        let mut meant: Vec<(String, i64)> =
            open.iter().filter(|one| is_meant(&one.login)).map(|one| (one.org.clone(), one.target)).collect();
        if meant.is_empty() {
            meant = self.targets_in(c, word, only)?;
        }
        meant.retain(|(org, target)| {
            only.is_none_or(|only| only == org) && open.iter().any(|one| one.target == *target)
        });
        let is_wider = |target: &i64| open.iter().any(|one| one.target == *target && !one.only_here);
        if let Some((org, _)) = meant.iter().find(|(_, target)| only.is_some() && is_wider(target)) {
            return Err(Refusal::Conflict(format!(
                "the access of {word:?} was ended in every org, and not in {org} alone: without an org it is given back in all of them"
            )));
        }
        let targets: Vec<i64> = meant.iter().map(|(_, target)| *target).collect();
        may_restore(c, rules, &targets, by, now)?;
        let mut by_org: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (org, target) in meant {
            by_org.entry(org).or_default().push(target);
        }
        if by_org.is_empty() {
            return Err(nobody(word));
        }
        // An account without a profile: nothing gives it back by itself.
        let mut nobody_is = false;
        for target in &targets {
            nobody_is |= name_of(c, *target)?.is_none();
        }
        let why = body["why"].as_str().unwrap_or_default();
        let mut requests = BTreeMap::new();
        for (org, targets) in by_org {
            let asked = OperatorRequest::RestoreAccess { targets, why: why.to_owned() };
            requests.insert(org.clone(), request(c, &org, &asked, by, now)?);
        }
        Ok(json!({ "requests": requests, "nobody": nobody_is, "by": by.name }))
    }
}
