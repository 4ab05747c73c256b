//! Apps, and who has them: directly or through a group (`okta-api.md §3.4`).

use super::super::http::{Request, Response};
use super::errors::{Problem, problem};
use super::objects::{App, Direct, Status, time};
use super::paging::{check_expand, page};
use super::query::Query;
use super::state::Okta;
use crate::clock::Moment;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

impl Okta {
    /// Puts an app into the org without a call.
    pub fn seed_app(&mut self, label: &str, groups: &[String], now: Moment) -> String {
        let id = self.id("0oa");
        let app = App::new(&id, label, groups.iter().cloned(), now);
        self.apps.insert(id.clone(), app);
        id
    }

    /// Lets a group grant an app, without a call.
    pub fn grant_by_group(&mut self, label: &str, group: &str) {
        let group = self.groups.values().find(|g| g.name == group).map(|g| g.id.clone());
        let app = self.apps.values_mut().find(|app| app.label == label);
        if let (Some(app), Some(group)) = (app, group) {
            app.groups.entry(group).or_default();
        }
    }

    /// Labels of the apps that a user was assigned directly.
    pub fn direct_apps_of(&self, user: &str) -> BTreeSet<String> {
        self.apps.values().filter(|a| a.direct.contains_key(user)).map(|a| a.label.clone()).collect()
    }

    pub(super) fn apps_route(&mut self, request: &Request, rest: &[&str], now: Moment) -> Result<Response, Problem> {
        match (request.method.as_str(), rest) {
            ("GET", []) => self.list_apps(request),
            ("POST", []) => {
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                let label = body["label"].as_str().filter(|l| !l.is_empty()).ok_or_else(|| {
                    problem::validation("label", &["label: The field cannot be left blank".to_owned()])
                })?;
                let id = self.id("0oa");
                let mut app = App::new(&id, label, [], now);
                app.keep(&body, now);
                app.active = request.param("activate").as_deref() != Some("false");
                let shown = Response::json(200, &app.json(&request.base));
                self.apps.insert(id, app);
                Ok(shown)
            }
            ("PUT", [app]) => {
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                if body["label"].as_str().is_none_or(str::is_empty) {
                    return Err(problem::validation("label", &["label: The field cannot be left blank".to_owned()]));
                }
                self.app_mut(app)?.keep(&body, now);
                Ok(Response::json(200, &self.app(app)?.json(&request.base)))
            }
            ("GET", [app]) => Ok(Response::json(200, &self.app(app)?.json(&request.base))),
            ("DELETE", [app]) => {
                if self.app(app)?.active {
                    return Err(problem::active_app());
                }
                self.apps.remove(*app);
                Ok(Response::empty(204))
            }
            ("POST", [app, "lifecycle", word @ ("activate" | "deactivate")]) => {
                self.app_mut(app)?.active = *word == "activate";
                Ok(Response::json(200, &json!({})))
            }
            ("GET", [app, "users"]) => self.list_assignments(app, request),
            ("POST", [app, "users"]) => self.assign(app, request, now),
            ("GET", [app, "users", user]) => {
                let id = self.find_user(user)?;
                let shown = self.assignment(self.app(app)?, &id, &request.base);
                Ok(Response::json(200, &shown.ok_or_else(|| problem::not_found(user, "AppUser"))?))
            }
            ("POST", [app, "users", user]) => self.update_assignment(app, user, request, now),
            ("DELETE", [app, "users", user]) => self.unassign(app, user, now),
            ("GET", [app, "groups"]) => {
                let app = self.app(app)?;
                let shown = |(id, sent): (&String, _)| (id.clone(), app.group_json(id, sent, &request.base));
                let listed = app.groups.iter().map(shown);
                page(listed, request, 20, 200)
            }
            ("GET", [app, "groups", group]) => self.show_app_group(app, group, request),
            ("PUT", [app, "groups", group]) => {
                self.groups.get(*group).ok_or_else(|| problem::not_found(group, "UserGroup"))?;
                let sent = serde_json::from_slice(&request.body).unwrap_or_default();
                self.app_mut(app)?.groups.insert((*group).to_owned(), sent);
                self.show_app_group(app, group, request)
            }
            ("DELETE", [app, "groups", group]) => match self.app_mut(app)?.groups.remove(*group) {
                Some(_) => Ok(Response::empty(204)),
                None => Err(problem::not_found(group, "AppGroup")),
            },
            (_, [] | [_] | [_, "users" | "groups"] | [_, "users" | "groups", _]) => Err(problem::wrong_method()),
            _ => Err(problem::no_such_path()),
        }
    }

    fn app(&self, id: &str) -> Result<&App, Problem> {
        self.apps.get(id).ok_or_else(|| problem::not_found(id, "AppInstance"))
    }

    fn app_mut(&mut self, id: &str) -> Result<&mut App, Problem> {
        self.apps.get_mut(id).ok_or_else(|| problem::not_found(id, "AppInstance"))
    }

    fn show_app_group(&self, app: &str, group: &str, request: &Request) -> Result<Response, Problem> {
        let app = self.app(app)?;
        let sent = app.groups.get(group).ok_or_else(|| problem::not_found(group, "AppGroup"))?;
        Ok(Response::json(200, &app.group_json(group, sent, &request.base)))
    }

    fn by_group(&self, app: &App, user: &str) -> bool {
        app.groups.keys().any(|g| self.members.has(g, user))
    }

    fn assignment(&self, app: &App, user: &str, base: &str) -> Option<Value> {
        let (direct, by_group) = (app.direct.get(user), self.by_group(app, user));
        let account = self.users.get(user)?;
        if direct.is_none() && !(by_group && account.is_live()) {
            return None;
        }
        // A group that grants the app holds it, whatever was assigned besides.
        let scope = if by_group { "GROUP" } else { "USER" };
        let created = time(direct.map_or(account.created, |d| d.created));
        let updated = time(direct.map_or(account.created, |d| d.updated));
        let profile = direct.map(|direct| direct.profile.clone()).unwrap_or_default();
        let name = direct.map_or_else(
            || account.profile.get("login").cloned().unwrap_or_default(),
            |direct| json!(direct.user_name),
        );
        Some(json!({
            "id": user, "externalId": null, "created": created, "lastUpdated": updated, "scope": scope,
            "status": "ACTIVE", "statusChanged": created, "passwordChanged": null, "syncState": "DISABLED",
            "credentials": { "userName": name }, "profile": profile,
            "_links": { "user": { "href": format!("{base}/api/v1/users/{user}") }, "app": { "href": format!("{base}/api/v1/apps/{}", app.id) } }
        }))
    }

    fn list_apps(&self, request: &Request) -> Result<Response, Problem> {
        let filter = request.param("filter").map(|text| Query::parse(&text).ok_or_else(problem::bad_search));
        let filter = filter.transpose()?;
        let asked = filter.as_ref().map(Query::comparisons).unwrap_or_default();
        let known = ["user.id", "group.id", "status", "name", "id", "label"];
        if asked.iter().any(|(name, _)| !known.contains(name)) {
            return Err(problem::bad_search());
        }
        let user = asked.iter().find(|(name, _)| *name == "user.id").map(|(_, user)| *user);
        let of_group = asked.iter().find(|(name, _)| *name == "group.id").map(|(_, group)| *group);
        let prefix = request.param("q").map(|q| q.to_lowercase());
        let expand = !check_expand(request, &["user", "group"])?.is_empty();
        let listed = self.apps.values().filter_map(|app| {
            let mut shown = app.json(&request.base);
            let assignment = user.and_then(|user| self.assignment(app, user, &request.base));
            let matches = filter.as_ref().is_none_or(|filter| {
                filter.matches(&|name| match name {
                    "user.id" => assignment.as_ref().map(|assignment| assignment["id"].clone()),
                    "group.id" => of_group.filter(|group| app.groups.contains_key(*group)).map(|group| json!(group)),
                    name => shown.get(name).cloned(),
                })
            });
            if let Some(assignment) = assignment.filter(|_| expand) {
                shown["_embedded"] = json!({ "user": assignment });
            }
            let named = prefix.as_ref().is_none_or(|q| app.label.to_lowercase().starts_with(q));
            (matches && named).then(|| (app.id.clone(), shown))
        });
        page(listed, request, 20, 200)
    }

    fn list_assignments(&self, app: &str, request: &Request) -> Result<Response, Problem> {
        let app = self.app(app)?;
        let listed =
            self.users.keys().filter_map(|user| Some((user.clone(), self.assignment(app, user, &request.base)?)));
        page(listed, request, 50, 500)
    }

    fn assign(&mut self, app: &str, request: &Request, now: Moment) -> Result<Response, Problem> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let user = self.find_user(body["id"].as_str().unwrap_or_default())?;
        let status = self.users[&user].status;
        let refused = match status {
            Status::Deprovisioned => true,
            Status::Suspended => !self.options.assign_suspended,
            _ => false,
        };
        if refused {
            return Err(problem::inactive_user());
        }
        if self.app(app)?.direct.contains_key(&user) && self.options.assigned_again == 409 {
            return Err(problem::already_assigned());
        }
        let login = self.users[&user].profile.get("login").and_then(Value::as_str).unwrap_or_default().to_owned();
        let user_name = body["credentials"]["userName"].as_str().map_or(login, str::to_owned);
        let profile = body["profile"].as_object().cloned().unwrap_or_default();
        self.app_mut(app)?.direct.entry(user.clone()).or_insert_with(|| Direct {
            user_name,
            profile,
            created: now,
            updated: now,
        });
        self.note(now, "application.user_membership.add", &user);
        let shown = self.assignment(self.app(app)?, &user, &request.base).unwrap_or_default();
        Ok(Response::json(200, &shown))
    }

    /// What is assigned to somebody alone keeps what is written; what a group assigns keeps its name.
    fn update_assignment(
        &mut self,
        app: &str,
        user: &str,
        request: &Request,
        now: Moment,
    ) -> Result<Response, Problem> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let id = self.find_user(user)?;
        self.assignment(self.app(app)?, &id, &request.base).ok_or_else(|| problem::not_found(user, "AppUser"))?;
        if matches!(self.users[&id].status, Status::Deprovisioned | Status::Suspended) {
            return Err(problem::inactive_user());
        }
        let user_name = body["credentials"]["userName"].as_str();
        let mut renamed = false;
        if let Some(direct) = self.app_mut(app)?.direct.get_mut(&id) {
            if let Some(user_name) = user_name {
                user_name.clone_into(&mut direct.user_name);
                renamed = true;
            }
            direct.profile.extend(body["profile"].as_object().cloned().unwrap_or_default());
            direct.updated = now;
        }
        if renamed {
            self.note(now, "application.user_membership.change_username", &id);
        }
        let shown = self.assignment(self.app(app)?, &id, &request.base).unwrap_or_default();
        Ok(Response::json(200, &shown))
    }

    /// What a user is called in the apps that were assigned to them alone, by label.
    pub fn names_in_apps(&self, user: &str) -> BTreeMap<&str, &str> {
        let named = |app: &'_ App| app.direct.contains_key(user);
        let named = self.apps.values().filter(|app| named(app));
        named.map(|app| (app.label.as_str(), app.direct[user].user_name.as_str())).collect()
    }

    /// Somebody gives a user another name in an app by hand.
    pub fn rename_in_app(&mut self, label: &str, user: &str, user_name: &str) {
        let app = self.apps.values_mut().find(|app| app.label == label);
        if let Some(direct) = app.and_then(|app| app.direct.get_mut(user)) {
            direct.user_name = user_name.to_owned();
        }
    }

    fn unassign(&mut self, app: &str, user: &str, now: Moment) -> Result<Response, Problem> {
        let user = self.find_user(user)?;
        let found = self.app(app)?;
        if self.by_group(found, &user) {
            return Err(problem::held_by_group());
        }
        if self.app_mut(app)?.direct.remove(&user).is_none() {
            return Err(problem::not_found(&user, "AppUser"));
        }
        self.note(now, "application.user_membership.remove", &user);
        Ok(Response::empty(204))
    }

    /// Active apps lose somebody who was deactivated; inactive ones keep the assignment.
    pub(super) fn drop_apps(&mut self, user: &str) {
        for app in self.apps.values_mut().filter(|app| app.active) {
            app.direct.remove(user);
        }
    }

    pub(super) fn app_links(&self, key: &str, request: &Request) -> Result<Response, Problem> {
        let user = self.find_user(key)?;
        let links: Vec<Value> = self
            .apps
            .values()
            .filter(|app| app.active && self.assignment(app, &user, &request.base).is_some())
            .enumerate()
            .map(|(n, app)| {
                json!({ "id": format!("{user}{n}"), "label": app.label, "linkUrl": format!("{}/home/{}", request.base, app.id),
                        "appName": "bookmark", "appInstanceId": app.id, "appAssignmentId": user, "credentialsSetup": false,
                        "hidden": false, "sortOrder": n })
            })
            .collect();
        Ok(Response::json(200, &json!(links)))
    }
}
