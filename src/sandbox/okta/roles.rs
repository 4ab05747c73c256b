//! Admin roles of users and of groups (`okta-api.md §3.1`): who holds one by themselves, and who by a group. And what the role
//! of whoever calls permits.

use super::super::http::{Request, Response};
use super::errors::{Problem, problem};
use super::objects::OWNER;
use super::paging::page;
use super::state::Okta;
use crate::clock::Moment;
use crate::privileges;
use serde_json::{Value, json};

/// Where whoever uses the org over HTTP reads and changes what the role of whoever calls permits.
const ROLE: &str = "/_role";
/// The id of the custom role.
const CUSTOM_ROLE: &str = "cr0sandboxcustomrole";

impl Okta {
    /// Whether the roles of whoever calls permit a call. A custom role permits what it has every permission for, and nothing that is
    /// not in the table.
    pub(super) fn permits(&self, request: &Request) -> bool {
        let has = |roles: &[&str]| self.options.roles.iter().any(|role| roles.contains(role));
        let reads = ["READ_ONLY_ADMIN", "GROUP_MEMBERSHIP_ADMIN", "HELP_DESK_ADMIN"];
        let by_custom_role = || match (&self.options.permissions, privileges::kind(&request.method, &request.path)) {
            (None, _) => true,
            (Some(held), Some(call)) => call.permissions.iter().all(|wanted| privileges::holds(held, wanted)),
            (Some(_), None) => false,
        };
        has(&["SUPER_ADMIN", "ORG_ADMIN"])
            || has(&["CUSTOM"]) && by_custom_role()
            || request.method == "GET" && has(&reads)
    }

    /// `GET /_role` shows the permissions of the custom role, `PUT` gives whoever calls a custom role with the permissions of its body,
    /// and `DELETE` makes them a super administrator again.
    pub(super) fn switch_role(&mut self, request: &Request) -> Option<Response> {
        if request.path != ROLE {
            return None;
        }
        match request.method.as_str() {
            "GET" => {}
            "PUT" => match serde_json::from_slice::<Vec<String>>(&request.body) {
                Ok(permissions) => self.options = self.options.clone().with_role(permissions),
                Err(why) => return Some(Response::json(400, &json!({ "error": why.to_string() }))),
            },
            "DELETE" => (self.options.roles, self.options.permissions) = (vec!["SUPER_ADMIN"], None),
            _ => return Some(Response::empty(405)),
        }
        let shown = json!({ "roles": self.options.roles, "permissions": self.options.permissions });
        Some(Response::json(200, &shown))
    }

    /// `iam/roles/{id}/permissions`: of the custom role, if its permissions are limited at all.
    pub(super) fn role_permissions(&self, role: &str) -> Result<Response, Problem> {
        match &self.options.permissions {
            Some(held) if role == CUSTOM_ROLE => {
                let held: Vec<Value> = held.iter().map(|label| json!({ "label": label, "conditions": null })).collect();
                Ok(Response::json(200, &json!({ "permissions": held })))
            }
            _ => Err(problem::not_found(role, "Role")),
        }
    }

    /// `oauth2/v1/clients/{id}/roles`: those of the options, for every service app.
    pub(super) fn client_roles(&self, client: &str) -> Result<Response, Problem> {
        if !self.options.service_apps.iter().any(|app| app.client_id == client) {
            return Err(problem::not_found(client, "PublicClientApp"));
        }
        let roles = self.options.roles.iter().enumerate();
        let roles: Vec<Value> = roles.map(|(n, role)| role_json(&format!("ra{n:018}"), role, "CLIENT")).collect();
        Ok(Response::json(200, &json!(roles)))
    }

    /// Makes somebody a super administrator without a call: by id, login or anchor.
    pub fn seed_administrator(&mut self, who: &str) {
        self.seed_role(who, "SUPER_ADMIN");
    }

    /// Gives a role to a user (by id, login or anchor) or to a group (by id or name) without a call.
    pub fn seed_role(&mut self, holder: &str, role: &str) {
        let by_anchor = self.user_by_anchor(holder).map(|user| user.id.clone());
        let group = self.groups.values().find(|g| g.id == holder || g.name == holder).map(|g| g.id.clone());
        if let Some(holder) = by_anchor.or(group).or_else(|| self.find_user(holder).ok()) {
            self.assign_role(&holder, role);
        }
    }

    fn assign_role(&mut self, holder: &str, role: &str) -> String {
        let known = self.roles.get(holder).and_then(|roles| roles.iter().find(|(_, known)| *known == role));
        if let Some((id, _)) = known {
            return id.clone();
        }
        let id = self.id("ra1");
        self.roles.entry(holder.to_owned()).or_default().insert(id.clone(), role.to_owned());
        id
    }

    /// Roles of a user: their own, those of the token's owner by the options, and those of groups.
    fn roles_of_user(&self, id: &str) -> Vec<Value> {
        let owner = self.find_user(OWNER).is_ok_and(|owner| owner == id);
        let owned = self.options.roles.iter().filter(|_| owner).enumerate();
        let owned = owned.map(|(n, role)| role_json(&format!("ra{n:018}"), role, "USER"));
        let assigned = |holder: &str, how| {
            self.roles.get(holder).into_iter().flatten().map(move |(id, role)| role_json(id, role, how))
        };
        let groups = self.roles.keys().filter(|group| self.members.has(group, id));
        owned.chain(assigned(id, "USER")).chain(groups.flat_map(|group| assigned(group, "GROUP"))).collect()
    }

    /// `users/{id}/roles`.
    pub(super) fn user_roles_route(
        &mut self,
        request: &Request,
        key: &str,
        rest: &[&str],
        now: Moment,
    ) -> Result<Response, Problem> {
        let id = self.find_user(key)?;
        if rest.is_empty() && request.method == "GET" {
            return Ok(Response::json(200, &json!(self.roles_of_user(&id))));
        }
        let response = self.change_roles(request, &id, rest, 201)?;
        let event =
            if request.method == "POST" { "user.account.privilege.grant" } else { "user.account.privilege.revoke" };
        self.note(now, event, &id);
        Ok(response)
    }

    /// `groups/{id}/roles`.
    pub(super) fn group_roles_route(
        &mut self,
        request: &Request,
        group: &str,
        rest: &[&str],
    ) -> Result<Response, Problem> {
        if !self.groups.contains_key(group) {
            return Err(problem::not_found(group, "UserGroup"));
        }
        if rest.is_empty() && request.method == "GET" {
            let roles = self.roles.get(group).into_iter().flatten().map(|(id, role)| role_json(id, role, "GROUP"));
            return Ok(Response::json(200, &json!(roles.collect::<Vec<_>>())));
        }
        self.change_roles(request, group, rest, 200)
    }

    fn change_roles(&mut self, request: &Request, holder: &str, rest: &[&str], made: u16) -> Result<Response, Problem> {
        match (request.method.as_str(), rest) {
            ("POST", []) => {
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                let role = body["type"]
                    .as_str()
                    .filter(|role| !role.is_empty())
                    .ok_or_else(|| problem::validation("type", &["type: The field cannot be left blank".to_owned()]))?;
                let id = self.assign_role(holder, role);
                let how = if self.groups.contains_key(holder) { "GROUP" } else { "USER" };
                Ok(Response::json(made, &role_json(&id, role, how)))
            }
            ("DELETE", [role]) => match self.roles.get_mut(holder).and_then(|roles| roles.remove(*role)) {
                Some(_) => Ok(Response::empty(204)),
                None => Err(problem::not_found(role, "RoleAssignment")),
            },
            _ => Err(problem::wrong_method()),
        }
    }

    /// Everybody with a role, a hundred at a time. Whether whoever holds one by a group only is listed is a switch.
    pub(super) fn assignees(&self, request: &Request) -> Result<Response, Problem> {
        let holds = |id: &&String| {
            let roles = self.roles_of_user(id);
            roles.iter().any(|role| self.options.assignees_by_group || role["assignmentType"] == "USER")
        };
        let listed = self.users.keys().filter(holds).map(|id| {
            let href = format!("{}/api/v1/users/{id}", request.base);
            let orn = format!("orn:okta:directory:sandbox:users:{id}");
            (id.clone(), json!({ "id": id, "orn": orn, "_links": { "assignee": { "href": href } } }))
        });
        let mut page = page(listed, request, 100, 100)?;
        let value: Value = serde_json::from_slice(&page.body).unwrap_or_default();
        let mut links = json!({ "self": { "href": format!("{}{}", request.base, request.target()) } });
        let next = page.headers.iter().find(|(_, link)| link.ends_with("rel=\"next\""));
        if let Some(href) = next.and_then(|(_, link)| link.split(['<', '>']).nth(1)) {
            links["next"] = json!({ "href": href });
        }
        if !self.options.assignees_link_header {
            page.headers.retain(|(name, _)| name != "link");
        }
        let body = json!({ "value": value, "_links": links });
        Ok(Response { body: body.to_string().into_bytes(), ..page })
    }
}

fn role_json(id: &str, role: &str, how: &str) -> Value {
    let mut shown = json!({ "id": id, "label": label(role), "type": role, "status": "ACTIVE", "assignmentType": how });
    if role == "CUSTOM" {
        (shown["role"], shown["label"]) = (json!(CUSTOM_ROLE), json!("Namely sync"));
        shown["resource-set"] = json!("iamsandboxeverything");
    }
    shown
}

/// A role as Okta's console calls it: `SUPER_ADMIN` is "Super Administrator".
fn label(role: &str) -> String {
    let words = role.split('_').map(|word| match word {
        "ADMIN" => "Administrator".to_owned(),
        word => word.chars().take(1).chain(word.chars().skip(1).flat_map(char::to_lowercase)).collect(),
    });
    words.collect::<Vec<_>>().join(" ")
}
