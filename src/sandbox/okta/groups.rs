//! Groups and memberships (`okta-api.md §3.3`).

use super::super::http::{Request, Response};
use super::errors::{Problem, problem};
use super::memberships::Origin;
use super::objects::{Group, time};
use super::paging::{check_expand, in_order, is_newest_first, page, projection};
use super::query::Query;
use super::state::Okta;
use super::users;
use crate::clock::Moment;
use serde_json::{Value, json};
use std::ops::Bound;

impl Okta {
    pub(super) fn groups_route(&mut self, request: &Request, rest: &[&str], now: Moment) -> Result<Response, Problem> {
        match (request.method.as_str(), rest) {
            ("GET", []) => self.list_groups(request),
            ("POST", []) => self.create_group(request, now),
            ("GET", [id]) => Ok(Response::json(200, &self.group(id)?.json(&request.base))),
            ("PUT", [id]) => self.update_group(id, request, now),
            ("DELETE", [id]) => self.delete_group(id, now),
            ("GET", [id, "users"]) => self.list_members(id, request, now),
            ("PUT", [id, "users", user]) => self.add_member(id, user, now),
            ("DELETE", [id, "users", user]) => self.remove_member(id, user, now),
            ("GET", [id, "users", user, "group-rules"]) => self.rules_of_member(id, user),
            (_, [id, "roles", rest @ ..]) => self.group_roles_route(request, id, rest),
            ("GET", [id, "apps"]) => {
                self.group(id)?;
                let apps = self.apps.values().filter(|app| app.groups.contains_key(*id));
                let apps: Vec<Value> = apps.map(|app| app.json(&request.base)).collect();
                Ok(Response::json(200, &json!(apps)))
            }
            (_, [] | [_] | [_, "users"] | [_, "users", _]) => Err(problem::wrong_method()),
            _ => Err(problem::no_such_path()),
        }
    }

    fn group(&self, id: &str) -> Result<&Group, Problem> {
        self.groups.get(id).ok_or_else(|| problem::not_found(id, "UserGroup"))
    }

    pub(super) fn writable_group(&self, id: &str) -> Result<&Group, Problem> {
        match self.group(id)? {
            group if group.kind == "OKTA_GROUP" => Ok(group),
            _ => Err(problem::no_permission()),
        }
    }

    /// Everybody is in Everyone.
    pub(super) fn join_everyone(&mut self, user: &str) {
        let everyone = self.groups.values().find(|g| g.kind == "BUILT_IN").map(|g| g.id.clone());
        if let Some(everyone) = everyone {
            self.members.add(&everyone, user);
        }
    }

    fn list_groups(&self, request: &Request) -> Result<Response, Problem> {
        let expression = request.param("search").or_else(|| request.param("filter"));
        let query = expression.map(|text| Query::parse(&text).ok_or_else(problem::bad_search)).transpose()?;
        let prefix = request.param("q").map(|q| q.to_lowercase());
        let shows = check_expand(request, &["stats", "app"])?;
        let projection = projection(request, self.options.fields_twice_fails)?;
        let mut groups: Vec<&Group> = self.groups.values().collect();
        if is_newest_first(request) {
            groups.reverse();
        }
        let found = groups.into_iter().filter(|group| {
            let by_query = query.as_ref().is_none_or(|query| {
                query.matches(&|name| match name {
                    "id" => Some(json!(group.id)),
                    "type" => Some(json!(group.kind)),
                    "created" => Some(json!(time(group.created))),
                    "lastUpdated" => Some(json!(time(group.updated))),
                    "lastMembershipUpdated" => Some(json!(time(group.membership_updated))),
                    "profile.name" => Some(json!(group.name)),
                    "profile.description" => group.description.as_ref().map(|text| json!(text)),
                    _ => None,
                })
            });
            by_query && prefix.as_ref().is_none_or(|q| group.name.to_lowercase().starts_with(q))
        });
        let listed: Vec<(String, Value)> = found
            .map(|group| {
                let mut shown = group.json(&request.base);
                if shows.iter().any(|what| what == "stats") {
                    shown["_embedded"] = json!({ "stats": self.stats(group) });
                }
                (group.id.clone(), projection.as_ref().map_or(shown.clone(), |only| only.of(&shown)))
            })
            .collect();
        let mut answer = page(in_order(listed, request).into_iter(), request, 200, 10_000)?;
        if prefix.is_some() {
            // A search by the beginning of a name has no next page.
            answer.headers.retain(|(name, _)| name != "link");
        }
        Ok(answer)
    }

    fn stats(&self, group: &Group) -> Value {
        let apps = self.apps.values().filter(|app| app.groups.contains_key(&group.id)).count();
        json!({
            "usersCount": self.members.of(&group.id).map_or(0, std::collections::BTreeMap::len), "appsCount": apps,
            "groupPushMappingsCount": 0, "hasAdminPrivilege": self.roles.contains_key(&group.id)
        })
    }

    /// Somebody came or went.
    pub(super) fn touch_group(&mut self, id: &str) {
        if let Some(group) = self.groups.get_mut(id) {
            group.membership_updated = self.seen;
        }
    }

    fn create_group(&mut self, request: &Request, now: Moment) -> Result<Response, Problem> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let name = body["profile"]["name"].as_str().unwrap_or_default().to_owned();
        if name.is_empty() || name.chars().count() > 255 {
            return Err(problem::validation("name", &["name: The field cannot be left blank".to_owned()]));
        }
        if self.groups.values().any(|g| g.name == name) {
            return Err(problem::taken("name"));
        }
        let id = self.seed_group(&name, "OKTA_GROUP", now);
        let description = body["profile"]["description"].as_str().map(str::to_owned);
        if let Some(group) = self.groups.get_mut(&id) {
            group.description = description;
        }
        Ok(Response::json(200, &self.group(&id)?.json(&request.base)))
    }

    fn update_group(&mut self, id: &str, request: &Request, now: Moment) -> Result<Response, Problem> {
        self.writable_group(id)?;
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        if let (Some(group), Some(name)) = (self.groups.get_mut(id), body["profile"]["name"].as_str()) {
            group.updated = now;
            group.name = name.to_owned();
            group.description = body["profile"]["description"].as_str().map(str::to_owned);
        }
        Ok(Response::json(200, &self.group(id)?.json(&request.base)))
    }

    fn delete_group(&mut self, id: &str, now: Moment) -> Result<Response, Problem> {
        self.writable_group(id)?;
        self.forget_group(id, now);
        Ok(Response::empty(204))
    }

    fn list_members(&self, id: &str, request: &Request, now: Moment) -> Result<Response, Problem> {
        self.group(id)?;
        let query = request.param("search").map(|text| Query::parse(&text).ok_or_else(problem::bad_search));
        let query = query.transpose()?;
        let members = self.members.of(id).into_iter().flat_map(|members| members.range(following(request)));
        let listed = members.filter_map(|(user, _)| {
            let user = self.users.get(user)?;
            let found = query
                .as_ref()
                .is_none_or(|query| query.matches(&|name| users::attribute(user, user.status, &user.profile, name)));
            let (status, profile) = user.listed(now).unwrap_or((user.status, &user.profile));
            found.then(|| (user.id.clone(), user.json(status, profile, None, &request.base)))
        });
        page(listed, request, 1000, 1000)
    }

    /// 204 both times. A member that a rule added becomes a manual one.
    fn add_member(&mut self, group: &str, user: &str, now: Moment) -> Result<Response, Problem> {
        if self.group(group)?.kind != "OKTA_GROUP" && self.options.add_to_read_only == 501 {
            return Err(problem::not_implemented());
        }
        self.writable_group(group)?;
        let user = self.find_user(user)?;
        if !self.users[&user].is_live() {
            return Err(match self.options.add_deactivated {
                400 => problem::validation("groupMembership", &["user: Cannot add a deactivated user".to_owned()]),
                _ => problem::wrong_status(),
            });
        }
        self.note(now, "group.user_membership.add", &user);
        self.members.add(group, &user);
        self.touch_group(group);
        self.run_rules(&user);
        Ok(Response::empty(204))
    }

    /// 204 also if it was no member. A rule's member is put on the rule's exclusion list, silently.
    fn remove_member(&mut self, group: &str, user: &str, now: Moment) -> Result<Response, Problem> {
        self.writable_group(group)?;
        let user = self.find_user(user)?;
        let Some(origin) = self.members.remove(group, &user) else { return Ok(Response::empty(204)) };
        self.note(now, "group.user_membership.remove", &user);
        self.touch_group(group);
        if let Origin::Rules(rules) = origin {
            for rule in &rules {
                self.rules.get_mut(rule).map(|rule| rule.excluded.insert(user.clone()));
            }
            self.note(now, "group.user_membership.rule.add_exclusion", &user);
        }
        self.run_rules(&user);
        Ok(Response::empty(204))
    }
}

/// The ids that follow the cursor of a request.
fn following(request: &Request) -> (Bound<String>, Bound<String>) {
    (request.param("after").map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}
