//! The user schema, user types and linked objects (`okta-api.md §3.5, §3.6, §6`).

use super::super::http::{Request, Response};
use super::attributes::{BaseAttribute, Property, UserType};
use super::errors::{Problem, problem};
use super::objects::{DEFAULT_TYPE, LinkedObject, User};
use super::state::Okta;
use crate::clock::Moment;
use serde_json::{Value, json};
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

    /// Adds a user type without a call, with the attributes that the default type has; its id.
    pub fn seed_type(&mut self, name: &str) -> String {
        let custom = self.types[DEFAULT_TYPE].custom.clone();
        self.add_type(name, custom, self.seen)
    }

    fn add_type(&mut self, name: &str, custom: BTreeMap<String, Property>, now: Moment) -> String {
        let (id, schema) = (self.id("oty"), self.id("osc"));
        self.types.insert(id.clone(), UserType::new(name, schema, custom, now));
        id
    }

    /// Adds a custom attribute to the schema of the default type without a call.
    pub fn seed_attribute(&mut self, name: &str, kind: &str) {
        if let Some(default) = self.types.get_mut(DEFAULT_TYPE) {
            default.custom.insert(name.to_owned(), Property::new(name, kind));
        }
    }

    /// Adds what a value needs to the schema of the default type, if no attribute is called so.
    pub fn add_attribute_for(&mut self, name: &str, value: &Value) {
        if BaseAttribute::of(name).is_none() && !self.types[DEFAULT_TYPE].custom.contains_key(name) {
            let kind = match value {
                Value::Bool(_) => "boolean",
                Value::Number(_) => "number",
                Value::Array(_) => "array",
                _ => "string",
            };
            self.seed_attribute(name, kind);
        }
    }

    /// The type of this id, or what `default` means.
    fn user_type(&self, id: &str) -> Result<(&str, &UserType), Problem> {
        let id = if id == "default" { DEFAULT_TYPE } else { id };
        let found = self.types.get_key_value(id).ok_or_else(|| problem::not_found(id, "UserType"))?;
        Ok((found.0.as_str(), found.1))
    }

    /// The type whose schema has this id.
    fn type_of_schema(&self, schema: &str) -> Result<&str, Problem> {
        let of_default = (schema == "default").then_some(DEFAULT_TYPE);
        let found = || self.types.iter().find(|(_, kind)| kind.schema == schema).map(|(id, _)| id.as_str());
        of_default.or_else(found).ok_or_else(|| problem::not_found(schema, "Schema"))
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
            ("GET", ["schemas", "user", schema]) => {
                let kind = self.type_of_schema(schema)?;
                Ok(Response::json(200, &self.types[kind].schema_json(&request.base)))
            }
            ("POST", ["schemas", "user", schema]) => self.change_schema(schema, request, now),
            (_, ["types", "user", rest @ ..]) => self.types_route(request, rest, now),
            (_, ["schemas" | "types", ..]) => Err(problem::wrong_method()),
            _ => Err(problem::no_such_path()),
        }
    }

    fn types_route(&mut self, request: &Request, rest: &[&str], now: Moment) -> Result<Response, Problem> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let shown = |(id, kind): (&str, &UserType)| Response::json(200, &kind.json(id, &request.base));
        match (request.method.as_str(), rest) {
            ("GET", []) => {
                let types: Vec<Value> = self.types.iter().map(|(id, kind)| kind.json(id, &request.base)).collect();
                Ok(Response::json(200, &json!(types)))
            }
            ("POST", []) => {
                let name = body["name"].as_str().unwrap_or_default();
                if name.is_empty() || self.types.values().any(|known| known.name == name) {
                    return Err(problem::taken("name"));
                }
                let id = self.add_type(name, BTreeMap::new(), now);
                if let Some(kind) = self.types.get_mut(&id) {
                    kind.describe(&body, true, now);
                }
                self.user_type(&id).map(shown)
            }
            ("GET", [id]) => self.user_type(id).map(shown),
            // What it is called in attributes of apps cannot be changed.
            ("POST" | "PUT", [id]) => {
                let id = self.user_type(id)?.0.to_owned();
                let full = request.method == "PUT";
                let missing = ["name", "displayName"].into_iter().find(|key| full && body[*key].is_null());
                if let Some(missing) = missing {
                    return Err(problem::validation(missing, &[format!("{missing}: The field cannot be left blank")]));
                }
                if let Some(kind) = self.types.get_mut(&id) {
                    kind.describe(&body, full, now);
                }
                self.user_type(&id).map(shown)
            }
            ("DELETE", [id]) => {
                let id = self.user_type(id)?.0.to_owned();
                if id == DEFAULT_TYPE || self.users.values().any(|user| user.kind == id) {
                    return Err(problem::validation("type", &["type: the user type is in use".to_owned()]));
                }
                self.types.remove(&id);
                Ok(Response::empty(204))
            }
            _ => Err(problem::wrong_method()),
        }
    }

    fn change_schema(&mut self, schema: &str, request: &Request, now: Moment) -> Result<Response, Problem> {
        let id = self.type_of_schema(schema)?.to_owned();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(changes) = body["definitions"]["custom"]["properties"].as_object() else {
            return Err(problem::validation("properties", &["properties: The field cannot be left blank".to_owned()]));
        };
        if let Some(name) = changes.keys().find(|name| BaseAttribute::of(name).is_some()) {
            return Err(problem::validation(name, &[format!("{name}: is a base property")]));
        }
        let kind = self.types.get_mut(&id).ok_or_else(|| problem::not_found(&id, "UserType"))?;
        for (name, change) in changes {
            match change {
                Value::Null => {
                    kind.custom.remove(name);
                }
                sent => {
                    kind.custom.insert(name.clone(), Property::defined(name, sent));
                }
            }
        }
        kind.schema_updated = now;
        Ok(Response::json(200, &kind.schema_json(&request.base)))
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
