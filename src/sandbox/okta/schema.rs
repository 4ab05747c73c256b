//! The user schema, user types and linked objects (`okta-api.md §3.5, §3.6, §6`).

use super::super::http::{Request, Response};
use super::errors::{Problem, problem};
use super::objects::{BASE_ATTRIBUTES, DEFAULT_TYPE, LinkedObject, Property, User, time};
use super::state::Okta;
use crate::clock::Moment;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

impl Okta {
    /// Links a user to their manager without a call.
    pub fn seed_manager(&mut self, user: &str, manager: &str) {
        if let Ok(at) = self.link("manager") {
            self.linked[at].links.insert(user.to_owned(), manager.to_owned());
        }
    }

    /// The manager that a user is linked to.
    pub fn manager_of(&self, user: &str) -> Option<&User> {
        let at = self.link("manager").ok()?;
        self.users.get(self.linked[at].links.get(user)?)
    }

    /// Adds a user type without a call; its id.
    pub fn seed_type(&mut self, name: &str) -> String {
        let id = self.id("oty");
        self.types.insert(id.clone(), name.to_owned());
        id
    }

    /// Adds a custom attribute to the user schema without a call.
    pub fn seed_attribute(&mut self, name: &str, kind: &str) {
        self.custom.insert(name.to_owned(), Property { kind: kind.to_owned(), ..Property::text(name) });
    }

    pub(super) fn meta_route(&mut self, request: &Request, rest: &[&str], now: Moment) -> Result<Response, Problem> {
        match (request.method.as_str(), rest) {
            ("GET", ["schemas", "user", "linkedObjects"]) => {
                let all: Vec<Value> = self.linked.iter().map(|l| l.json.clone()).collect();
                Ok(Response::json(200, &json!(all)))
            }
            ("POST", ["schemas", "user", "linkedObjects"]) => self.define_link(request),
            ("GET", ["schemas", "user", "linkedObjects", name]) => {
                Ok(Response::json(200, &self.linked[self.link(name)?].json))
            }
            ("DELETE", ["schemas", "user", "linkedObjects", name]) => {
                let at = self.link(name)?;
                self.linked.remove(at);
                Ok(Response::empty(204))
            }
            ("GET", ["schemas", "user", _]) => Ok(self.schema(&request.base)),
            ("POST", ["schemas", "user", _]) => self.change_schema(request),
            ("GET", ["types", "user"]) => {
                let types: Vec<Value> = self.types.iter().map(|(id, name)| type_json(id, name, now)).collect();
                Ok(Response::json(200, &json!(types)))
            }
            ("GET", ["types", "user", id]) => {
                let id = if *id == "default" { DEFAULT_TYPE } else { id };
                let name = self.types.get(id).ok_or_else(|| problem::not_found(id, "UserType"))?;
                Ok(Response::json(200, &type_json(id, name, now)))
            }
            ("POST", ["types", "user"]) => {
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                let name = body["name"].as_str().unwrap_or_default().to_owned();
                if name.is_empty() || self.types.values().any(|n| *n == name) {
                    return Err(problem::taken("name"));
                }
                let id = self.id("oty");
                self.types.insert(id.clone(), name.clone());
                Ok(Response::json(200, &type_json(&id, &name, now)))
            }
            (_, ["schemas" | "types", ..]) => Err(problem::wrong_method()),
            _ => Err(problem::no_such_path()),
        }
    }

    fn schema(&self, base: &str) -> Response {
        let property = |name: &str, title: &str, kind: &str, shortest: usize, longest: usize, unique: bool| {
            let mut p = json!({ "title": title, "type": kind, "mutability": "READ_WRITE", "scope": "NONE",
                "permissions": [{ "principal": "SELF", "action": "READ_ONLY" }], "master": { "type": "PROFILE_MASTER" } });
            if kind == "string" && longest != 255 {
                p["maxLength"] = json!(longest);
            }
            if shortest > 0 {
                p["minLength"] = json!(shortest);
                p["required"] = json!(matches!(name, "login" | "email" | "firstName" | "lastName"));
            }
            if unique {
                p["unique"] = json!("UNIQUE_VALIDATED");
            }
            (name.to_owned(), p)
        };
        let base_properties: Map<String, Value> =
            BASE_ATTRIBUTES.iter().map(|(n, least, most)| property(n, n, "string", *least, *most, false)).collect();
        let custom: Map<String, Value> =
            self.custom.iter().map(|(n, p)| property(n, &p.title, &p.kind, 0, p.longest, p.unique)).collect();
        Response::json(
            200,
            &json!({
                "id": format!("{base}/meta/schemas/user/osc1sandboxdefault00"), "$schema": "http://json-schema.org/draft-04/schema#",
                "name": "user", "title": "User", "type": "object", "created": null, "lastUpdated": null,
                "definitions": {
                    "base": { "id": "#base", "type": "object", "properties": base_properties, "required": ["login", "email", "firstName", "lastName"] },
                    "custom": { "id": "#custom", "type": "object", "properties": custom, "required": [] }
                },
                "properties": { "profile": { "allOf": [{ "$ref": "#/definitions/custom" }, { "$ref": "#/definitions/base" }] } },
                "_links": { "self": { "href": format!("{base}/api/v1/meta/schemas/user/default") } }
            }),
        )
    }

    fn change_schema(&mut self, request: &Request) -> Result<Response, Problem> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(changes) = body["definitions"]["custom"]["properties"].as_object() else {
            return Err(problem::validation("properties", &["properties: The field cannot be left blank".to_owned()]));
        };
        for (name, change) in changes {
            if change.is_null() {
                self.custom.remove(name);
                continue;
            }
            let kind = change["type"].as_str().unwrap_or("string").to_owned();
            if BASE_ATTRIBUTES.iter().any(|(base, ..)| base == name) {
                return Err(problem::validation(name, &[format!("{name}: is a base property")]));
            }
            let longest = change["maxLength"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(255);
            let unique = change["unique"].as_str().is_some_and(|u| u.ends_with("VALIDATED"));
            let title = change["title"].as_str().unwrap_or(name).to_owned();
            self.custom.insert(name.clone(), Property { title, kind, longest, unique });
        }
        Ok(self.schema(&request.base))
    }

    fn link(&self, name: &str) -> Result<usize, Problem> {
        let at = self.linked.iter().position(|l| l.primary == name || l.associated == name);
        at.ok_or_else(|| problem::not_found(name, "LinkedObject"))
    }

    fn define_link(&mut self, request: &Request) -> Result<Response, Problem> {
        let json: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let name = |side: &str| json[side]["name"].as_str().unwrap_or_default().to_owned();
        let (primary, associated) = (name("primary"), name("associated"));
        if primary.is_empty() || associated.is_empty() {
            return Err(problem::validation("linkedObject", &["name: The field cannot be left blank".to_owned()]));
        }
        if self.link(&primary).is_ok() || self.link(&associated).is_ok() {
            return Err(problem::duplicate_link());
        }
        self.linked.push(LinkedObject { primary, associated, json: json.clone(), links: BTreeMap::new() });
        Ok(Response::json(201, &json))
    }

    pub(super) fn links_route(&mut self, request: &Request, user: &str, rest: &[&str]) -> Result<Response, Problem> {
        let user = self.find_user(user)?;
        let href =
            |id: &str| json!({ "_links": { "self": { "href": format!("{}/api/v1/users/{id}", request.base) } } });
        match (request.method.as_str(), rest) {
            ("GET", [name]) => {
                let kind = &self.linked[self.link(name)?];
                let found: Vec<Value> = if kind.primary == *name {
                    kind.links.get(&user).map(|id| href(id)).into_iter().collect()
                } else {
                    kind.links.iter().filter(|(_, primary)| **primary == user).map(|(id, _)| href(id)).collect()
                };
                Ok(Response::json(200, &json!(found)))
            }
            ("PUT", [name, to]) => {
                let (at, to) = (self.link(name)?, self.find_user(to)?);
                self.linked[at].links.insert(user, to);
                Ok(Response::empty(204))
            }
            ("DELETE", [name]) => {
                let at = self.link(name)?;
                self.linked[at].links.remove(&user);
                Ok(Response::empty(204))
            }
            _ => Err(problem::wrong_method()),
        }
    }
}

fn type_json(id: &str, name: &str, now: Moment) -> Value {
    let at = time(now);
    json!({ "id": id, "name": name, "displayName": name, "description": name, "default": id == DEFAULT_TYPE,
            "created": at, "createdBy": "sprsandbox", "lastUpdated": at, "lastUpdatedBy": "sprsandbox",
            "_links": { "schema": { "href": "/api/v1/meta/schemas/user/default" } } })
}
