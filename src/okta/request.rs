//! A call to Okta as a value: what is sent, what it is audited by.

use super::bucket::Bucket;
use crate::identity::Step;
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

/// One HTTP call, complete but for credentials and host.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub method: &'static str,
    /// Path with query, as it is sent.
    pub target: String,
    /// The exact bytes of the body; empty without one.
    pub body: Vec<u8>,
}

impl Request {
    /// A `GET`.
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: "GET", target: target.into(), body: Vec::new() }
    }

    fn bare(method: &'static str, target: String) -> Self {
        Self { method, target, body: Vec::new() }
    }

    fn with_json(method: &'static str, target: String, body: &Value) -> Self {
        Self { method, target, body: body.to_string().into_bytes() }
    }

    /// The call that carries out `step`.
    pub fn of(step: &Step) -> Self {
        match step {
            Step::Look { id_or_login } => Self::get(format!("/api/v1/users/{}", segment(id_or_login))),
            Step::ReadBack { id } => Self::get(format!("/api/v1/users/{id}")),
            Step::ListGroups { id } => Self::get(format!("/api/v1/users/{id}/groups?limit=200")),
            Step::CreateGroup { name } => {
                Self::with_json("POST", "/api/v1/groups".into(), &json!({ "profile": { "name": name } }))
            }
            Step::CreateUser { profile, groups } => {
                let mut body = json!({ "profile": profile });
                if !groups.is_empty() {
                    body["groupIds"] = json!(groups);
                }
                Self::with_json("POST", "/api/v1/users?activate=true".into(), &body)
            }
            Step::UpdateUser { id, changes } => {
                let profile: Map<String, Value> = changes.iter().map(|c| (c.field.clone(), c.after.clone())).collect();
                Self::with_json("POST", format!("/api/v1/users/{id}"), &json!({ "profile": profile }))
            }
            // oauthTokens defaults to false (okta-api.md §2.2): without it refresh tokens would survive.
            Step::RevokeSessions { id } | Step::RevokeSessionsAgain { id } => {
                Self::bare("DELETE", format!("/api/v1/users/{id}/sessions?oauthTokens=true&forgetDevices=true"))
            }
            Step::Deactivate { id } => {
                Self::bare("POST", format!("/api/v1/users/{id}/lifecycle/deactivate?sendEmail=false"))
            }
            Step::RemoveGroup { id, group, .. } => Self::bare("DELETE", format!("/api/v1/groups/{group}/users/{id}")),
            Step::AssignApp { id, app, user_name, .. } => {
                let mut body = json!({ "id": id, "scope": "USER" });
                if let Some(user_name) = user_name {
                    body["credentials"] = json!({ "userName": user_name });
                }
                Self::with_json("POST", format!("/api/v1/apps/{app}/users"), &body)
            }
            Step::UnassignApp { id, app, .. } => Self::bare("DELETE", format!("/api/v1/apps/{app}/users/{id}")),
            Step::AddGroup { id, group, .. } => Self::bare("PUT", format!("/api/v1/groups/{group}/users/{id}")),
        }
    }

    /// Path without query: what audit rows and rate limits go by.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The counter this call spends.
    pub fn bucket(&self) -> Bucket {
        Bucket::of(self.method, self.path())
    }

    /// The kind of call within its counter.
    pub fn kind(&self) -> &'static str {
        Bucket::kind_of(self.method, self.path())
    }

    /// SHA-256 of the body in hexadecimal; the body itself is never kept or logged.
    pub fn body_hash(&self) -> String {
        hex(digest(&SHA256, &self.body).as_ref())
    }

    /// Whether this call changes something.
    pub fn is_write(&self) -> bool {
        self.method != "GET"
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One path segment, percent-encoded.
pub fn segment(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, b| {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => out.push(char::from(b)),
            _ => {
                let _ = write!(out, "%{b:02X}");
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::FieldChange;

    #[test]
    fn an_update_sends_only_what_changed() {
        let changes = vec![FieldChange { field: "title".into(), before: "A".into(), after: Value::Null }];
        let request = Request::of(&Step::UpdateUser { id: "00u1".into(), changes });
        assert_eq!((request.method, request.target.as_str()), ("POST", "/api/v1/users/00u1"));
        assert_eq!(request.body, br#"{"profile":{"title":null}}"#);
        assert_eq!(request.bucket(), Bucket::UserWrite);
    }

    #[test]
    fn sessions_are_revoked_with_their_oauth_tokens() {
        let request = Request::of(&Step::RevokeSessions { id: "00u1".into() });
        assert!(request.target.contains("oauthTokens=true"));
        assert_eq!(request.path(), "/api/v1/users/00u1/sessions");
    }

    #[test]
    fn hostile_logins_stay_inside_their_path_segment() {
        let request = Request::of(&Step::Look { id_or_login: "../groups?x=1#/é".into() });
        assert_eq!(request.target, "/api/v1/users/..%2Fgroups%3Fx%3D1%23%2F%C3%A9");
    }
}
