//! Custom roles and resource sets of the org (`okta-api.md §11`). What the role of whoever calls permits is in `roles.rs`.

use super::super::http::{Request, Response};
use super::errors::{Problem, problem};
use super::objects::time;
use super::state::Okta;
use crate::clock::Moment;
use serde_json::{Value, json};

/// What is kept of a role or a set besides what was sent.
const KEPT: [&str; 3] = ["id", "created", "lastUpdated"];

impl Okta {
    pub(super) fn iam_route(&mut self, request: &Request, rest: &[&str], now: Moment) -> Result<Response, Problem> {
        match (request.method.as_str(), rest) {
            ("GET", ["assignees", "users"]) => self.assignees(request),
            ("GET", ["roles", role, "permissions"]) => match self.own_role(role) {
                Some(_) => {
                    let held = self.iam["roles"][*role]["permissions"].as_array().cloned().unwrap_or_default();
                    let held: Vec<Value> =
                        held.iter().map(|label| json!({ "label": label, "conditions": null })).collect();
                    Ok(Response::json(200, &json!({ "permissions": held })))
                }
                None => self.role_permissions(role),
            },
            (_, [kind @ ("roles" | "resource-sets")]) => self.iam_list(request, kind, now),
            (_, [kind @ ("roles" | "resource-sets"), id]) => self.iam_object(request, (kind, id), now),
            (_, ["assignees", "users"]) => Err(problem::wrong_method()),
            _ => Err(problem::no_such_path()),
        }
    }

    /// A role that somebody has made over the API.
    fn own_role(&self, id: &str) -> Option<&Value> {
        self.iam["roles"].get(id)
    }

    fn iam_list(&mut self, request: &Request, kind: &str, now: Moment) -> Result<Response, Problem> {
        match request.method.as_str() {
            "GET" => {
                let known = self.iam[kind].as_object().into_iter().flatten();
                let all: Vec<Value> = known.map(|(_, object)| shown(object, kind, &request.base)).collect();
                Ok(Response::json(200, &json!({ kind: all, "_links": { "next": null } })))
            }
            "POST" => {
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                let label = label(&body)?;
                let taken = self.iam[kind].as_object().into_iter().flatten().any(|(_, known)| known["label"] == label);
                if taken {
                    return Err(problem::taken("label"));
                }
                let id = self.id(if kind == "roles" { "cr0" } else { "iam" });
                let mut object = body;
                object["id"] = json!(id);
                object["created"] = json!(time(now));
                object["lastUpdated"] = json!(time(now));
                self.iam[kind][&id] = object;
                Ok(Response::json(200, &shown(&self.iam[kind][&id], kind, &request.base)))
            }
            _ => Err(problem::wrong_method()),
        }
    }

    fn iam_object(&mut self, request: &Request, (kind, id): (&str, &str), now: Moment) -> Result<Response, Problem> {
        let name = if kind == "roles" { "Role" } else { "ResourceSet" };
        if self.iam[kind].get(id).is_none() {
            return Err(problem::not_found(id, name));
        }
        match request.method.as_str() {
            "GET" => {}
            "PUT" => {
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                label(&body)?;
                let object = &mut self.iam[kind][id];
                for (key, value) in body.as_object().into_iter().flatten() {
                    if !KEPT.contains(&key.as_str()) {
                        object[key] = value.clone();
                    }
                }
                object["lastUpdated"] = json!(time(now));
            }
            "DELETE" => {
                if let Some(all) = self.iam[kind].as_object_mut() {
                    all.remove(id);
                }
                return Ok(Response::empty(204));
            }
            _ => return Err(problem::wrong_method()),
        }
        Ok(Response::json(200, &shown(&self.iam[kind][id], kind, &request.base)))
    }
}

fn label(body: &Value) -> Result<Value, Problem> {
    match body["label"].as_str() {
        Some(label) if !label.is_empty() => Ok(json!(label)),
        _ => Err(problem::validation("label", &["label: The field cannot be left blank".to_owned()])),
    }
}

/// An object as Okta shows it: what it consists of has an address of its own.
fn shown(object: &Value, kind: &str, base: &str) -> Value {
    let parts = if kind == "roles" { "permissions" } else { "resources" };
    let this = format!("{base}/api/v1/iam/{kind}/{}", object["id"].as_str().unwrap_or_default());
    let mut shown = object.clone();
    if let Some(fields) = shown.as_object_mut() {
        fields.remove(parts);
        let links = json!({ "self": { "href": this }, parts: { "href": format!("{this}/{parts}") } });
        fields.insert("_links".to_owned(), links);
    }
    shown
}
