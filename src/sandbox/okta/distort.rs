//! What only Okta can tell of a request that a fault strikes: whom it is about, and how an answer looks that is not true.

use super::super::http::{Request, Response};
use super::errors::Problem;
use super::objects::user_in_body;
use super::state::Okta;
use crate::sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

impl Okta {
    /// Names of the person a request is about: id, login, email and anchor, as far as they are known.
    pub(super) fn about(&self, request: &Request) -> Vec<String> {
        let segments = request.segments();
        let at = segments.iter().rposition(|part| part == "users");
        let in_path = at.and_then(|at| segments.get(at + 1)).cloned();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let in_body = ["login", "email", "namelyId"].map(|key| body["profile"][key].as_str().map(str::to_owned));
        let assigned = body["id"].as_str().map(str::to_owned);
        let sought = ["search", "filter", "q"].iter().filter_map(|name| request.param(name));
        let quoted: Vec<String> =
            sought.flat_map(|text| text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect();
        let mut names: Vec<String> =
            in_path.into_iter().chain(in_body.into_iter().flatten()).chain(assigned).chain(quoted).collect();
        for name in names.clone() {
            if let Some(user) = self.find_user(&name).ok().and_then(|id| self.users.get(&id)) {
                let known = ["login", "email", "namelyId"].iter().filter_map(|key| user.profile.get(*key)?.as_str());
                names.extend(known.map(str::to_owned).chain([user.id.clone()]));
            }
        }
        names
    }

    /// Success as the caller expects it, without any effect.
    pub(super) fn pretend(&mut self, request: &Request) -> Result<Response, Problem> {
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().skip(2).map(String::as_str).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("POST" | "PUT", ["users", key]) => self.show_user(key, request),
            ("POST", ["users"]) => {
                let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
                let id = self.id("00u");
                Ok(Response::json(200, &json!({ "id": id, "status": "PROVISIONED", "profile": body["profile"] })))
            }
            ("DELETE", _) | ("PUT", ["groups", ..]) => Ok(Response::empty(204)),
            _ => Ok(Response::json(200, &json!({}))),
        }
    }

    /// The answer of a fault that is about somebody else, and everything else that faults make of answers.
    pub(super) fn distorted(&self, fault: &Fault, request: &Request, response: Response) -> Response {
        let Kind::AboutAnother(other) = &fault.kind else {
            return crate::sandbox::distort::after(fault, request, response);
        };
        let is_user = user_in_body(&response.body).is_some();
        let other = self.user_by_anchor(other).map(|user| user.id.clone()).or_else(|| self.find_user(other).ok());
        match other.filter(|_| is_user).and_then(|id| self.show_user(&id, request).ok()) {
            Some(shown) => Response { body: shown.body, ..response },
            None => response,
        }
    }
}
