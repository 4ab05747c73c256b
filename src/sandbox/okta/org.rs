//! What is of the org as a whole: roles, principal rate limits, the system log (`okta-api.md §3.1, §3.7, §4.4`).

use super::errors::{Problem, problem};
pub use super::objects::OWNER;
use super::query::Query;

use super::super::http::{Request, Response};
use super::objects::{Event, time};
use super::state::Okta;
use crate::clock::Moment;
use serde_json::{Value, json};
use std::time::Duration;

/// Id of the SSWS token, as the system log shows it.
const TOKEN_ID: &str = "00Tsandboxtoken00000";
/// Id of what is allowed to that token.
const PRINCIPAL: &str = "prlsandboxprincipal0";
/// How far back the log goes by default.
const LOG_DEFAULT: Duration = Duration::from_secs(7 * 86_400);

/// Whoever does something by hand.
const ADMINISTRATOR: &str = "it.admin@example.com";

impl Okta {
    /// Notes something in the system log.
    pub(super) fn note(&mut self, at: Moment, kind: &'static str, target: &str) {
        self.log.push(Event { at, kind, target: target.to_owned(), by: None });
    }

    /// An administrator deletes a group by hand, in the console.
    pub fn delete_group_by_hand(&mut self, name: &str, at: Moment) {
        let Some(id) = self.groups.values().find(|group| group.name == name).map(|group| group.id.clone()) else {
            return;
        };
        self.forget_group(&id, at);
        self.log.push(Event { at, kind: "group.lifecycle.delete", target: id, by: Some(ADMINISTRATOR) });
    }

    /// An administrator changes an attribute of somebody by hand, in the console.
    pub fn edit_by_hand(&mut self, anchor: &str, field: &str, value: &str, at: Moment) {
        let Some(id) = self.user_by_anchor(anchor).map(|user| user.id.clone()) else { return };
        if let Some(user) = self.users.get_mut(&id) {
            user.profile.insert(field.to_owned(), value.into());
        }
        self.log.push(Event { at, kind: "user.account.update_profile", target: id, by: Some(ADMINISTRATOR) });
    }

    /// An administrator takes somebody out of a group by hand.
    pub fn remove_by_hand(&mut self, anchor: &str, group: &str, at: Moment) {
        let Some(id) = self.user_by_anchor(anchor).map(|user| user.id.clone()) else { return };
        let group = self.groups.values().find(|g| g.name == group).map(|g| g.id.clone()).unwrap_or_default();
        self.members.remove(&group, &id);
        self.log.push(Event { at, kind: "group.user_membership.remove", target: id, by: Some(ADMINISTRATOR) });
    }

    /// An administrator deletes somebody's account by hand.
    pub fn delete_by_hand(&mut self, anchor: &str) {
        let Some(id) = self.user_by_anchor(anchor).map(|user| user.id.clone()) else { return };
        if let Some(user) = self.users.remove(&id) {
            let login = user.profile.get("login").and_then(Value::as_str).unwrap_or_default().to_owned();
            self.by_login.remove(&super::users::login_key(&login));
        }
        self.members.drop_user(&id);
    }

    pub(super) fn logs(&self, request: &Request, now: Moment) -> Result<Response, Problem> {
        let instant = |name: &str| {
            let text = request.param(name)?;
            Some(text.parse::<jiff::Timestamp>().map(|t| Moment::from_millis(t.as_millisecond())))
        };
        let bad = |_| problem::bad_search();
        let since = instant("since").transpose().map_err(bad)?.unwrap_or(now - LOG_DEFAULT);
        let until = instant("until").transpose().map_err(bad)?;
        let query = request.param("filter").map(|f| Query::parse(&f).ok_or_else(problem::bad_search)).transpose()?;
        let descending = request.param("sortOrder").as_deref() == Some("DESCENDING");
        let limit = request.param("limit").and_then(|l| l.parse().ok()).unwrap_or(100).clamp(1, 1000);
        let after: usize = request.param("after").and_then(|a| a.parse().ok()).unwrap_or(0);
        // Every word of `q` stands somewhere in the event.
        let words: Vec<String> =
            request.param("q").unwrap_or_default().split_whitespace().map(str::to_lowercase).collect();
        let said = |(n, event): &(usize, &Event)| {
            let text =
                if words.is_empty() { String::new() } else { self.event_json(*n, event).to_string().to_lowercase() };
            words.iter().all(|word| text.contains(word))
        };
        let mut found: Vec<(usize, &Event)> = self
            .log
            .iter()
            .enumerate()
            .filter(said)
            .filter(|(_, e)| e.at >= since && until.is_none_or(|until| e.at < until))
            .filter(|(_, e)| query.as_ref().is_none_or(|q| q.matches(&|name| attribute(e, name))))
            .collect();
        if descending {
            found.reverse();
        }
        let items: Vec<Value> = found.iter().skip(after).take(limit).map(|(n, e)| self.event_json(*n, e)).collect();
        let this = format!("{}{}", request.base, request.target());
        let response = Response::json(200, &json!(items)).with("link", format!("<{this}>; rel=\"self\""));
        // A query that is open at its end can be polled for ever; one that is not ends (okta-api.md §3.7).
        let polled = until.is_none() && !descending;
        if polled || found.len() > after + limit {
            let kept = request.query.split('&').filter(|p| !p.is_empty() && !p.starts_with("after="));
            let pairs: Vec<String> =
                kept.map(str::to_owned).chain([format!("after={}", after + items.len())]).collect();
            let next = format!("{}{}?{}", request.base, request.path, pairs.join("&"));
            return Ok(response.with("link", format!("<{next}>; rel=\"next\"")));
        }
        Ok(response)
    }

    fn event_json(&self, number: usize, event: &Event) -> Value {
        let name = self.users.get(&event.target).and_then(|u| u.profile.get("login").cloned());
        let by = event.by.unwrap_or(OWNER);
        let actor = self.find_user(by).unwrap_or_else(|_| "00usandboxnobody0000".to_owned());
        json!({
            "uuid": format!("{number:08x}-0000-4000-8000-000000000000"), "published": time(event.at), "version": "0",
            "eventType": event.kind, "severity": "INFO", "displayMessage": event.kind,
            // What a token does, its owner has done.
            "actor": { "id": actor, "type": "User", "alternateId": by, "displayName": by },
            "client": { "userAgent": null, "zone": "null", "device": "Unknown", "ipAddress": "127.0.0.1" },
            "request": { "ipChain": [{ "ip": "127.0.0.1", "version": "V4", "source": null }] },
            "authenticationContext": { "authenticationStep": 0, "externalSessionId": "trssandboxsession000" },
            "outcome": { "result": "SUCCESS", "reason": null },
            "transaction": { "type": "WEB", "id": format!("req{number:08}"), "detail": { "requestApiTokenId": TOKEN_ID } },
            "target": [{ "id": event.target, "type": "User", "alternateId": name }]
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "a percentage")]
    fn principal_json(&self) -> Value {
        json!({
            "id": PRINCIPAL, "orgId": "00osandbox0000000000", "principalId": TOKEN_ID, "principalType": "SSWS_TOKEN",
            "defaultPercentage": (self.limits.share * 100.0).round() as i64,
            "defaultConcurrencyPercentage": (self.limits.concurrency_share * 100.0).round() as i64,
            "createdBy": OWNER, "createdDate": time(self.began), "lastUpdatedBy": OWNER, "lastUpdate": time(self.share_changed)
        })
    }

    pub(super) fn principal_limits(&mut self, request: &Request, rest: &[&str]) -> Result<Response, Problem> {
        match (request.method.as_str(), rest) {
            ("GET", []) => {
                let filter = request.param("filter").unwrap_or_default();
                let query = Query::parse(&filter).ok_or_else(|| {
                    problem::validation("filter", &["filter: The field cannot be left blank".to_owned()])
                })?;
                if !query.comparisons().iter().any(|(name, _)| *name == "principalType") {
                    let cause = "filter: principalType is missing".to_owned();
                    return Err(problem::validation("filter", &[cause]));
                }
                let shown = query.matches(&|name| (name == "principalType").then(|| json!("SSWS_TOKEN")));
                let list: Vec<Value> = shown.then(|| self.principal_json()).into_iter().collect();
                Ok(Response::json(200, &json!(list)))
            }
            ("GET" | "PUT", [id]) if *id != PRINCIPAL => Err(problem::not_found(id, "PrincipalRateLimitEntity")),
            ("GET", [_]) => Ok(Response::json(200, &self.principal_json())),
            ("PUT", [_]) => {
                self.share_changed = self.seen;
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                let part = |name: &str| body[name].as_f64().filter(|p| (5.0..=100.0).contains(p)).map(|p| p / 100.0);
                self.limits.share = part("defaultPercentage").unwrap_or(self.limits.share);
                self.limits.concurrency_share =
                    part("defaultConcurrencyPercentage").unwrap_or(self.limits.concurrency_share);
                Ok(Response::json(200, &self.principal_json()))
            }
            (_, [] | [_]) => Err(problem::wrong_method()),
            _ => Err(problem::no_such_path()),
        }
    }
}

fn attribute(event: &Event, name: &str) -> Option<Value> {
    match name {
        "eventType" => Some(json!(event.kind)),
        "target.id" => Some(json!(event.target)),
        "transaction.detail.requestApiTokenId" => Some(json!(TOKEN_ID)),
        _ => None,
    }
}
