//! Users: state machine, partial and full update, uniqueness, lists that lag behind (`okta-api.md §2, §3.1, §3.2`).

use super::errors::{Problem, problem};
pub use super::objects::{Status, User, login_key};
use super::query::Query;

use super::super::http::{Request, Response};
use super::attributes::{BaseAttribute, REQUIRED};
use super::objects::{DEFAULT_TYPE, Stale, time};
use super::paging::{in_order, is_newest_first, page, projection};
use super::state::Okta;
use crate::clock::Moment;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

impl Okta {
    pub(super) fn users_route(&mut self, request: &Request, rest: &[&str], now: Moment) -> Result<Response, Problem> {
        match (request.method.as_str(), rest) {
            ("GET", []) => self.list_users(request, now),
            ("POST", []) => self.create_user(request, now),
            ("GET", ["me"]) => self.show_user(super::org::OWNER, request),
            (_, [id, "roles", rest @ ..]) => self.user_roles_route(request, id, rest, now),
            ("GET", [id]) => self.show_user(id, request),
            ("POST", [id]) => self.update_user(id, request, false, now),
            ("PUT", [id]) => self.update_user(id, request, true, now),
            ("DELETE", [id]) => self.delete_user(id, now),
            ("POST", [id, "lifecycle", operation]) => self.lifecycle(id, operation, request, now),
            ("POST", [id, "authenticator-enrollments", "tac"]) => self.make_code(id, request, now),
            ("DELETE", [id, "sessions"]) => self.revoke_sessions(id, request, now),
            ("GET", [id, "appLinks"]) => self.app_links(id, request),
            (_, [id, "linkedObjects", rest @ ..]) => self.links_route(request, id, rest),
            ("GET", [id, "groups"]) => self.list_groups_of(id, request),
            (_, [] | [_] | [_, "sessions" | "groups"] | [_, "lifecycle", _]) => Err(problem::wrong_method()),
            _ => Err(problem::no_such_path()),
        }
    }

    /// By id, by login, or by the part of a login before the `@` if only one user has it.
    pub(super) fn find_user(&self, key: &str) -> Result<String, Problem> {
        if self.users.contains_key(key) {
            return Ok(key.to_owned());
        }
        if let Some(id) = self.by_login.get(&login_key(key)) {
            return Ok(id.clone());
        }
        let short = format!("{}@", login_key(key));
        let mut matching = self.by_login.iter().filter(|(login, _)| !key.is_empty() && login.starts_with(&short));
        match (matching.next(), matching.next()) {
            (Some((_, id)), None) => Ok(id.clone()),
            _ => Err(problem::not_found(key, "User")),
        }
    }

    fn user_mut(&mut self, key: &str) -> Result<&mut User, Problem> {
        let id = self.find_user(key)?;
        self.users.get_mut(&id).ok_or_else(|| problem::not_found(key, "User"))
    }

    /// A user as answers about one user show them.
    fn user_json(&self, user: &User, base: &str) -> Value {
        let schema = self.types.get(&user.kind).map_or("default", |kind| kind.schema.as_str());
        user.json(user.status, &user.profile, Some(schema), base)
    }

    pub(super) fn show_user(&self, key: &str, request: &Request) -> Result<Response, Problem> {
        let user = &self.users[&self.find_user(key)?];
        let body = self.user_json(user, &request.base);
        Ok(Response::json(200, &body).with("etag", user.etag()))
    }

    fn list_users(&self, request: &Request, now: Moment) -> Result<Response, Problem> {
        let expression = request.param("search").or_else(|| request.param("filter"));
        let query = expression.map(|text| Query::parse(&text).ok_or_else(problem::bad_search)).transpose()?;
        let prefix = request.param("q").map(|q| q.to_lowercase());
        let projection = projection(request, self.options.fields_twice_fails)?;
        // Ids sort by age: `sortBy=created` is the order of ids.
        let mut users: Vec<&User> = self.users.values().collect();
        if is_newest_first(request) {
            users.reverse();
        }
        let listed = users.into_iter().filter_map(|user| {
            let (status, profile) = user.listed(now)?;
            let keep = match (&query, &prefix) {
                (Some(query), _) => query.matches(&|name| attribute(user, status, profile, name)),
                (None, Some(q)) => {
                    status != Status::Deprovisioned
                        && ["firstName", "lastName", "email"].iter().any(|name| {
                            profile.get(*name).and_then(Value::as_str).is_some_and(|v| v.to_lowercase().starts_with(q))
                        })
                }
                (None, None) => status != Status::Deprovisioned,
            };
            let shown = || user.json(status, profile, None, &request.base);
            keep.then(|| (user.id.clone(), projection.as_ref().map_or_else(shown, |only| only.of(&shown()))))
        });
        let default = if prefix.is_some() { 10 } else { 200 };
        match request.param("sortBy") {
            Some(_) => page(in_order(listed.collect(), request).into_iter(), request, default, 200),
            None => page(listed, request, default, 200),
        }
    }

    fn create_user(&mut self, request: &Request, now: Moment) -> Result<Response, Problem> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let kind = body["type"]["id"].as_str().unwrap_or(DEFAULT_TYPE).to_owned();
        if !self.types.contains_key(&kind) {
            return Err(problem::validation("type", &["type: The user type does not exist".to_owned()]));
        }
        let profile = self.checked_profile(&body["profile"], "newUser", &kind, true)?;
        let login = profile.get("login").and_then(Value::as_str).unwrap_or_default().to_owned();
        if self.by_login.contains_key(&login_key(&login)) {
            return Err(problem::taken("login"));
        }
        self.check_unique(&profile, &kind, None)?;
        let groups: Vec<String> =
            body["groupIds"].as_array().into_iter().flatten().filter_map(|g| g.as_str().map(str::to_owned)).collect();
        if groups.len() > 20 {
            return Err(problem::validation("groupIds", &["groupIds: The list may not be longer than 20".to_owned()]));
        }
        for group in &groups {
            self.writable_group(group)?;
        }
        let has_password = gives_password(&body["credentials"]);
        let federated = request.param("provider").as_deref() == Some("true");
        let change = request.param("nextLogin").as_deref() == Some("changePassword");
        let status = match (request.param("activate").as_deref(), has_password) {
            (Some("false"), _) => Status::Staged,
            (_, true) if change => Status::PasswordExpired,
            (_, true) => Status::Active,
            (_, false) if federated => Status::Active,
            (_, false) => Status::Provisioned,
        };
        let id = self.id("00u");
        let mut user = User::new(&id, profile, status, now);
        let lag = self.options.index_lag;
        let activates = (status != Status::Staged).then_some(status);
        // The index first knows nothing of a new user, and then how it began.
        user.shown = Some(Stale {
            hidden_until: Some(now + lag),
            until: if activates.is_some() { now + lag + lag } else { now + lag },
            status: Status::Staged,
            profile: user.profile.clone(),
            becomes: activates,
        });
        user.kind = kind;
        user.password_changed = has_password.then_some(now);
        let credentials = &body["credentials"];
        if credentials["provider"]["type"].is_string() {
            user.provider = credentials["provider"].clone();
        }
        user.recovery_question = credentials["recovery_question"]["question"].as_str().map(str::to_owned);
        user.realm = body["realmId"].as_str().map(str::to_owned);
        self.note(now, "user.lifecycle.create", &id);
        self.by_login.insert(login_key(&login), id.clone());
        self.users.insert(id.clone(), user);
        for group in groups {
            self.members.add(&group, &id);
        }
        self.join_everyone(&id);
        self.run_rules(&id);
        let user = &self.users[&id];
        Ok(Response::json(200, &self.user_json(user, &request.base)))
    }

    fn update_user(&mut self, key: &str, request: &Request, full: bool, now: Moment) -> Result<Response, Problem> {
        let id = self.find_user(key)?;
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        if self.users[&id].transition.is_some() {
            return Err(problem::still_activating());
        }
        if self.users[&id].status == Status::Deprovisioned && !self.options.edit_deactivated {
            return Err(problem::wrong_status());
        }
        let kind = body["type"]["id"].as_str().map(str::to_owned);
        if kind.as_ref().is_some_and(|kind| !self.types.contains_key(kind) || !full && *kind != self.users[&id].kind) {
            return Err(problem::validation(
                "type",
                &["type: The user type can be changed by a full update only".to_owned()],
            ));
        }
        if request.header("if-match").is_some_and(|tag| tag != self.users[&id].etag()) {
            return Err(problem::etag_mismatch());
        }
        if body["profile"].is_null() && body["credentials"].is_object() {
            return self.change_credentials(&id, &body["credentials"], request, now);
        }
        let becomes = kind.clone().unwrap_or_else(|| self.users[&id].kind.clone());
        let sent = self.checked_profile(&body["profile"], "user", &becomes, full)?;
        let cleared =
            body["profile"].as_object().into_iter().flatten().filter(|(_, v)| v.is_null()).map(|(k, _)| k.clone());
        let cleared: Vec<String> = cleared.collect();
        if let Some(required) = cleared.iter().find(|name| REQUIRED.contains(&name.as_str())) {
            return Err(problem::validation(required, &[format!("{required}: The field cannot be left blank")]));
        }
        self.check_unique(&sent, &becomes, Some(&id))?;
        if let Some(login) = sent.get("login").and_then(Value::as_str) {
            let (old, new) = (self.login_of(&id), login_key(login));
            if self.by_login.get(&new).is_some_and(|owner| *owner != id) {
                return Err(problem::taken("login"));
            }
            self.by_login.remove(&old);
            self.by_login.insert(new, id.clone());
        }
        let lag = now + self.options.index_lag;
        let user = self.user_mut(&id)?;
        user.lag(lag);
        if full {
            user.profile = sent;
        } else {
            user.profile.extend(sent);
            cleared.iter().for_each(|name| {
                user.profile.remove(name);
            });
        }
        user.updated = now;
        if gives_password(&body["credentials"]) {
            user.password_changed = Some(now);
        }
        if let Some(kind) = kind {
            user.kind = kind;
        }
        self.note(now, "user.account.update_profile", &id);
        self.run_rules(&id);
        let user = &self.users[&id];
        Ok(Response::json(200, &self.user_json(user, &request.base)))
    }

    /// A body without a profile leaves the profile as it is.
    fn change_credentials(
        &mut self,
        id: &str,
        credentials: &Value,
        request: &Request,
        now: Moment,
    ) -> Result<Response, Problem> {
        let user = self.user_mut(id)?;
        if gives_password(credentials) {
            user.password_changed = Some(now);
        }
        if let Some(question) = credentials["recovery_question"]["question"].as_str() {
            user.recovery_question = Some(question.to_owned());
        }
        user.updated = now;
        self.note(now, "user.account.update_password", id);
        self.show_user(id, request)
    }

    fn login_of(&self, id: &str) -> String {
        login_key(self.users[id].profile.get("login").and_then(Value::as_str).unwrap_or_default())
    }

    /// Checks the attributes of a create or an update; nulls are left out.
    fn checked_profile(
        &self,
        profile: &Value,
        object: &str,
        kind: &str,
        complete: bool,
    ) -> Result<BTreeMap<String, Value>, Problem> {
        let Some(fields) = profile.as_object() else {
            return Err(problem::validation(object, &["profile: The field cannot be left blank".to_owned()]));
        };
        let mut causes = Vec::new();
        for (name, value) in fields {
            let property = self.types.get(kind).and_then(|kind| kind.custom.get(name));
            let (shortest, longest, kind) = match (BaseAttribute::of(name), property) {
                (Some(base), _) => (base.shortest, base.longest, "string"),
                (None, Some(property)) => {
                    let (shortest, longest) = property.lengths();
                    (shortest, longest, property.kind())
                }
                (None, None) => {
                    causes.push(format!("Property name '{name}' is not defined in profile"));
                    continue;
                }
            };
            if !value.is_null() && property.is_some_and(|property| !property.lists(value)) {
                causes.push(format!("{name}: Value is not one of the list"));
                continue;
            }
            match value {
                Value::Null => {}
                Value::String(text) if text.chars().count() > longest => {
                    causes.push(format!("{name}: String is too long ({longest} at most)"));
                }
                Value::String(text) if matches!(name.as_str(), "login" | "email") && !text.contains('@') => {
                    causes.push(format!("{name}: Does not match required pattern"));
                }
                Value::String(text) if text.chars().count() < shortest => {
                    causes.push(format!("{name}: The field cannot be left blank"));
                }
                Value::String(text) if text.chars().any(|c| c.len_utf8() == 4) => {
                    causes.push(format!("{name}: Four-byte characters are not supported"));
                }
                Value::String(_) if kind == "string" => {}
                Value::Bool(_) if kind == "boolean" => {}
                Value::Number(n) if kind == "number" || kind == "integer" && n.is_i64() => {}
                Value::Array(_) if kind == "array" => {}
                _ => causes.push(format!("{name}: Incorrect type. Expecting {kind}")),
            }
        }
        if complete {
            for name in REQUIRED {
                if fields.get(name).is_none_or(|v| v.as_str().is_none_or(str::is_empty)) {
                    causes.push(format!("{name}: The field cannot be left blank"));
                }
            }
        }
        if causes.is_empty() {
            return Ok(fields.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect());
        }
        Err(problem::validation(object, &causes))
    }

    /// Attributes that the schema of the type declares unique are.
    fn check_unique(&self, profile: &BTreeMap<String, Value>, kind: &str, own: Option<&str>) -> Result<(), Problem> {
        let custom = self.types.get(kind).into_iter().flat_map(|kind| &kind.custom);
        for (name, _) in custom.filter(|(_, property)| property.is_unique()) {
            let Some(value) = profile.get(name) else { continue };
            if self.users.values().any(|u| Some(u.id.as_str()) != own && u.profile.get(name) == Some(value)) {
                return Err(problem::taken(name));
            }
        }
        Ok(())
    }

    fn delete_user(&mut self, key: &str, now: Moment) -> Result<Response, Problem> {
        let id = self.find_user(key)?;
        if self.users[&id].status == Status::Deprovisioned {
            let login = self.login_of(&id);
            self.by_login.remove(&login);
            self.users.remove(&id);
            self.note(now, "user.lifecycle.delete.completed", &id);
            self.members.drop_user(&id);
        } else {
            self.set_status(&id, Status::Deprovisioned, now);
        }
        Ok(Response::empty(204))
    }

    fn set_status(&mut self, id: &str, status: Status, now: Moment) {
        let lag = now + self.options.index_lag;
        if let Some(user) = self.users.get_mut(id) {
            user.lag(lag);
            user.status = status;
            user.status_changed = now;
            user.updated = now;
            if user.activated.is_none() && matches!(status, Status::Provisioned | Status::Active) {
                user.activated = Some(now);
            }
        }
        if status == Status::Deprovisioned {
            self.drop_apps(id);
        }
        self.run_rules(id);
    }

    /// Sets a status after `delay`: until then the user shows the old one, and where it goes.
    fn begin(&mut self, id: &str, status: Status, delay: Duration, now: Moment) {
        if delay.is_zero() {
            return self.set_status(id, status, now);
        }
        if let Some(user) = self.users.get_mut(id) {
            user.transition = Some((status, now + delay));
            self.transitions.insert((now + delay, id.to_owned()));
        }
    }

    /// Ends the asynchronous changes whose time has come.
    pub fn settle(&mut self, now: Moment) {
        while self.transitions.first().is_some_and(|(at, _)| *at <= now) {
            let Some((at, id)) = self.transitions.pop_first() else { return };
            let due = self.users.get_mut(&id).and_then(|user| user.transition.take());
            if let Some((status, _)) = due {
                self.set_status(&id, status, at);
            }
        }
    }

    fn lifecycle(&mut self, key: &str, operation: &str, request: &Request, now: Moment) -> Result<Response, Problem> {
        use Status::{Active, Deprovisioned, LockedOut, PasswordExpired, Provisioned, Recovery, Staged, Suspended};
        let id = self.find_user(key)?;
        let (status, had_password) = (self.users[&id].status, self.users[&id].has_password());
        let pending = matches!(status, Provisioned | PasswordExpired) && self.options.suspend_pending;
        let wrong = |what: &str, cause: &str| Err(problem::validation(what, &[cause.to_owned()]));
        if self.users[&id].transition.is_some() && operation != "deactivate" {
            return Err(problem::still_activating());
        }
        let (next, event) = match (operation, status) {
            ("activate", Deprovisioned) if had_password && self.options.rehire_active => {
                (Active, "user.lifecycle.activate")
            }
            ("activate", Staged) if had_password => (Active, "user.lifecycle.activate"),
            ("activate", Staged | Deprovisioned) => (Provisioned, "user.lifecycle.activate"),
            ("activate", Active) => return Err(problem::already_active()),
            ("reactivate", Provisioned | Recovery) => (status, "user.lifecycle.reactivate"),
            ("deactivate", Deprovisioned) if self.options.deactivated_again == 404 => {
                return Err(problem::not_found(&id, "User"));
            }
            ("deactivate", Deprovisioned) => return Err(problem::wrong_status()),
            ("deactivate", _) => (Deprovisioned, "user.lifecycle.deactivate"),
            ("suspend", Active) => (Suspended, "user.lifecycle.suspend"),
            ("suspend", _) if pending => (Suspended, "user.lifecycle.suspend"),
            ("suspend", _) => return wrong("suspendUser", "Cannot suspend a user that is not active"),
            ("unsuspend", Suspended) => (Active, "user.lifecycle.unsuspend"),
            ("unsuspend", _) => return wrong("unsuspendUser", "Cannot unsuspend a user that is not suspended"),
            ("unlock", LockedOut) => (Active, "user.account.unlock"),
            ("unlock", _) => return Err(problem::unlock_not_allowed()),
            ("expire_password", Active | PasswordExpired) => (PasswordExpired, "user.account.expire_password"),
            ("reset_password", Active | PasswordExpired | Recovery | Provisioned | LockedOut) => {
                (Recovery, "user.account.reset_password")
            }
            ("reset_factors", _) => (status, "user.mfa.factor.reset_all"),
            ("activate" | "reactivate" | "expire_password" | "reset_password", _) => {
                return Err(problem::wrong_status());
            }
            _ => return Err(problem::no_such_path()),
        };
        let deferred = request.header("prefer").is_some_and(|p| p.contains("respond-async"));
        let delay = match operation {
            "activate" => self.options.activation,
            "deactivate" if deferred => self.options.activation,
            _ => Duration::ZERO,
        };
        self.note(now, event, &id);
        self.begin(&id, next, delay, now);
        if operation == "suspend" {
            // A suspension ends the sessions by itself; a deactivation is not known to.
            self.user_mut(&id)?.sessions_revoked = Some((now, false));
        }
        let silent = request.param("sendEmail").as_deref() == Some("false");
        let body = match operation {
            "activate" | "reactivate" if silent => {
                let token = self.id("act");
                self.user_mut(&id)?.sign_in = Some(token.clone());
                json!({ "activationUrl": format!("{}/welcome/{token}", request.base), "activationToken": token })
            }
            "reset_password" if silent => {
                json!({ "resetPasswordUrl": format!("{}/reset_password/{id}", request.base) })
            }
            "expire_password" => {
                let user = &self.users[&id];
                self.user_json(user, &request.base)
            }
            _ => json!({}),
        };
        let status = if operation == "deactivate" && deferred { self.options.respond_async } else { 200 };
        Ok(Response::json(status, &body))
    }

    /// A temporary access code; the one before it is void.
    fn make_code(&mut self, key: &str, request: &Request, now: Moment) -> Result<Response, Problem> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let id = self.find_user(key)?;
        if body["authenticatorId"].as_str().is_none_or(str::is_empty) {
            let cause = "authenticatorId: The field cannot be left blank".to_owned();
            return Err(problem::validation("authenticatorId", &[cause]));
        }
        if !self.users[&id].is_live() {
            return Err(problem::wrong_status());
        }
        let (enrollment, code) = (self.id("tac"), self.id("tac"));
        let minutes = body["config"]["ttl"].as_u64().unwrap_or(120);
        let expires = super::objects::time(now + Duration::from_secs(minutes * 60));
        self.user_mut(&id)?.sign_in = Some(code.clone());
        self.note(now, "user.mfa.factor.activate", &id);
        let profile = json!({ "tac": code, "multiUse": body["config"]["multiUse"] == true, "expiresAt": expires });
        let shown = json!({
            "id": enrollment, "type": "tac", "key": "tac", "name": "Temporary Access Code", "status": "ACTIVE",
            "profile": profile, "created": super::objects::time(now), "lastUpdated": super::objects::time(now),
            "nickname": "", "_links": { "user": { "href": format!("{}/api/v1/users/{id}", request.base) } },
        });
        Ok(Response::json(200, &shown))
    }

    fn revoke_sessions(&mut self, key: &str, request: &Request, now: Moment) -> Result<Response, Problem> {
        let with_tokens = request.param("oauthTokens").as_deref() == Some("true");
        let id = self.find_user(key)?;
        if self.users[&id].status == Status::Deprovisioned {
            match self.options.sessions_of_deactivated {
                403 => return Err(problem::wrong_status()),
                404 => return Err(problem::not_found(key, "User")),
                _ => {}
            }
        }
        self.note(now, "user.session.clear", &id);
        self.user_mut(key)?.sessions_revoked = Some((now, with_tokens));
        Ok(Response::empty(204))
    }

    fn list_groups_of(&self, key: &str, request: &Request) -> Result<Response, Problem> {
        let id = self.find_user(key)?;
        let listed = self
            .groups
            .values()
            .filter(|g| self.members.has(&g.id, &id))
            .map(|g| (g.id.clone(), g.json(&request.base)));
        page(listed, request, 200, 200)
    }
}

/// Whether credentials have a password: an empty object is none.
fn gives_password(credentials: &Value) -> bool {
    credentials["password"]["value"].as_str().is_some_and(|password| !password.is_empty())
        || credentials["password"]["hash"].is_object()
}

pub(super) fn attribute(user: &User, status: Status, profile: &BTreeMap<String, Value>, name: &str) -> Option<Value> {
    match name {
        "id" => Some(json!(user.id)),
        "status" => Some(json!(status.as_str())),
        "type.id" => Some(json!(user.kind)),
        "activated" => user.activated.map(|at| json!(time(at))),
        "created" => Some(json!(time(user.created))),
        "lastUpdated" => Some(json!(time(user.updated))),
        "statusChanged" => Some(json!(time(user.status_changed))),
        name => profile.get(name.strip_prefix("profile.")?).cloned(),
    }
}
