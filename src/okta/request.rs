//! A call to Okta as a value: what is sent, what it is audited by.

use super::bucket::Bucket;
use super::health::About;
use crate::domain::Step;
use crate::domain::plan::observe::FullProfile;
use crate::domain::record::lifecycle::Means;
use crate::domain::text::leads_to_one;
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

/// How long a temporary access code is valid: a first working day.
const CODE_MINUTES: u32 = 480;

/// One HTTP call, complete but for credentials and host.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Path with query, as it is sent.
    pub target: String,
    /// The exact bytes of the body; empty without one.
    pub body: Vec<u8>,
    /// `If-Match`: the profile must not have changed since it was read.
    pub if_match: Option<String>,
}

impl Request {
    /// A `GET`.
    pub fn get(target: impl Into<String>) -> Self {
        Self { method: "GET", target: target.into(), body: Vec::new(), if_match: None }
    }

    fn bare(method: &'static str, target: String) -> Self {
        Self { method, target, body: Vec::new(), if_match: None }
    }

    fn with_json(method: &'static str, target: String, body: &Value) -> Self {
        Self { method, target, body: body.to_string().into_bytes(), if_match: None }
    }

    /// The call that carries out `step`. Where the whole profile must be written back, it is merged with `full`.
    pub fn of(step: &Step, full: Option<&FullProfile>) -> Self {
        match step {
            Step::ReadAccount { id_or_login } => Self::get(account(id_or_login)),
            Step::ReadBack { id } | Step::ReadProfile { id } | Step::ReadHolder { id, .. } => {
                Self::get(format!("/api/v1/users/{id}"))
            }
            Step::ListGroups { page: Some(page), .. } | Step::ReadGroups { page: Some(page), .. } => {
                Self::get(page.clone())
            }
            Step::ListGroups { id, page: None } | Step::ReadGroups { id, page: None } => {
                Self::get(format!("/api/v1/users/{id}/groups?limit=200"))
            }
            Step::ReadRoles { id } => Self::get(format!("/api/v1/users/{id}/roles")),
            Step::ReadGroupRoles { group } => Self::get(format!("/api/v1/groups/{group}/roles")),
            Step::CreateGroup { name } => {
                Self::with_json("POST", "/api/v1/groups".into(), &json!({ "profile": { "name": name } }))
            }
            Step::CreateUser { profile, groups, activate, user_type } => {
                let mut body = json!({ "profile": profile });
                if !groups.is_empty() {
                    body["groupIds"] = json!(groups);
                }
                if let Some(user_type) = user_type {
                    body["type"] = json!({ "id": user_type });
                }
                Self::with_json("POST", format!("/api/v1/users?activate={activate}"), &body)
            }
            Step::FreeLogin { id, renamed, .. } => {
                Self::with_json("POST", format!("/api/v1/users/{id}"), &json!({ "profile": { "login": renamed } }))
            }
            Step::UpdateUser { id, changes } => {
                let profile: Map<String, Value> = changes.iter().map(|c| (c.field.clone(), c.after.clone())).collect();
                Self::with_json("POST", format!("/api/v1/users/{id}"), &json!({ "profile": profile }))
            }
            Step::ChangeType { id, user_type, changes, .. } => {
                let mut profile = full.map(|full| full.profile.clone()).unwrap_or_default();
                profile.extend(changes.iter().map(|c| (c.field.clone(), c.after.clone())));
                profile.retain(|_, value| !value.is_null());
                let body = json!({ "profile": profile, "type": { "id": user_type } });
                let if_match = full.and_then(|full| full.etag.clone());
                Self { if_match, ..Self::with_json("PUT", format!("/api/v1/users/{id}"), &body) }
            }
            Step::Activate { id, send_email } => {
                Self::bare("POST", format!("/api/v1/users/{id}/lifecycle/activate?sendEmail={send_email}"))
            }
            Step::MakeSignIn { id, means: Means::Link, .. } => {
                Self::bare("POST", format!("/api/v1/users/{id}/lifecycle/reactivate?sendEmail=false"))
            }
            Step::MakeSignIn { id, means: Means::Code { authenticator }, .. } => {
                let config = json!({ "ttl": CODE_MINUTES, "multiUse": true });
                let body = json!({ "authenticatorId": authenticator, "authenticatorType": "tac", "config": config });
                Self::with_json("POST", format!("/api/v1/users/{id}/authenticator-enrollments/tac"), &body)
            }
            Step::Suspend { id, .. } => Self::bare("POST", format!("/api/v1/users/{id}/lifecycle/suspend")),
            Step::Unsuspend { id } => Self::bare("POST", format!("/api/v1/users/{id}/lifecycle/unsuspend")),
            Step::Unlock { id } => Self::bare("POST", format!("/api/v1/users/{id}/lifecycle/unlock")),
            Step::SetManager { id, relation, manager } => {
                Self::bare("PUT", format!("/api/v1/users/{id}/linkedObjects/{}/{manager}", segment(relation)))
            }
            Step::ClearManager { id, relation } => {
                Self::bare("DELETE", format!("/api/v1/users/{id}/linkedObjects/{}", segment(relation)))
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
            Step::NameInApp { id, app, user_name, .. } => {
                let body = json!({ "credentials": { "userName": user_name } });
                Self::with_json("POST", format!("/api/v1/apps/{app}/users/{id}"), &body)
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

    /// What it is to the calls beside it.
    pub fn about(&self) -> About {
        let action = Bucket::action_of(self.method, self.path());
        About { bucket: self.bucket(), write: self.is_write(), action }
    }

    /// SHA-256 of the body in hexadecimal; the body itself is never kept or logged.
    pub fn body_hash(&self) -> String {
        crate::domain::hex(digest(&SHA256, &self.body).as_ref())
    }

    /// Whether it asks who is an administrator.
    pub fn is_about_roles(&self) -> bool {
        self.path().ends_with("/roles") || self.path().starts_with("/api/v1/iam/")
    }

    /// Whether this call changes something.
    pub fn is_write(&self) -> bool {
        self.method != "GET"
    }
}

/// Where the account of an id or a login is read: searched for by a login that leads to others as well.
pub fn account(id_or_login: &str) -> String {
    if leads_to_one(id_or_login) {
        return format!("/api/v1/users/{}", segment(id_or_login));
    }
    let login = format!("profile.login eq {}", quoted(id_or_login));
    format!("/api/v1/users?search={}&limit=2", segment(&login))
}

/// A value in an expression of a search (`okta-api.md §3.2`).
pub fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
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
    use crate::domain::FieldChange;

    #[test]
    fn an_update_sends_only_what_changed() {
        let changes = vec![FieldChange { field: "title".into(), before: "A".into(), after: Value::Null }];
        let request = Request::of(&Step::UpdateUser { id: "00u1".into(), changes }, None);
        assert_eq!((request.method, request.target.as_str()), ("POST", "/api/v1/users/00u1"));
        assert_eq!(request.body, br#"{"profile":{"title":null}}"#);
        assert_eq!(request.bucket(), Bucket::UserWrite);
    }

    #[test]
    fn a_change_of_type_writes_everything_back_that_was_read_with_its_tag() {
        let profile = json!({ "login": "a@x.com", "city": "Lyon", "title": "A", "nickName": null });
        let full = FullProfile { profile: profile.as_object().cloned().unwrap_or_default(), etag: Some("W/1".into()) };
        let changes = vec![FieldChange { field: "title".into(), before: "A".into(), after: "B".into() }];
        let step = Step::ChangeType { id: "00u1".into(), user_type: "oty2".into(), name: "contractor".into(), changes };
        let request = Request::of(&step, Some(&full));
        assert_eq!((request.method, request.if_match.as_deref()), ("PUT", Some("W/1")));
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let expected = json!({ "login": "a@x.com", "city": "Lyon", "title": "B" });
        assert_eq!(body, json!({ "profile": expected, "type": { "id": "oty2" } }));
    }

    #[test]
    fn the_counter_of_a_step_is_that_of_its_call() {
        let id = || "00u1".to_owned();
        let steps = [
            Step::ReadAccount { id_or_login: id() },
            Step::CreateGroup { name: "A".into() },
            Step::FreeLogin { id: id(), login: "a".into(), renamed: "b".into() },
            Step::CreateUser { profile: Default::default(), groups: Vec::new(), activate: true, user_type: None },
            Step::Activate { id: id(), send_email: false },
            Step::UpdateUser { id: id(), changes: Vec::new() },
            Step::SetManager { id: id(), relation: "manager".into(), manager: "00u2".into() },
            Step::RevokeSessions { id: id() },
            Step::Deactivate { id: id() },
            Step::ReadBack { id: id() },
            Step::ListGroups { id: id(), page: None },
            Step::ReadGroupRoles { group: "00g1".into() },
            Step::RemoveGroup { id: id(), group: "00g1".into(), name: "A".into() },
            Step::AddGroup { id: id(), group: "00g1".into(), name: "A".into() },
            Step::AssignApp { id: id(), app: "0oa1".into(), name: "A".into(), user_name: None },
            Step::UnassignApp { id: id(), app: "0oa1".into(), name: "A".into() },
            Step::MakeSignIn { id: id(), means: Means::Link, to: None },
            Step::Unsuspend { id: id() },
        ];
        for step in steps {
            assert_eq!(Bucket::of_step(step.name()), Some(Request::of(&step, None).bucket()), "{step:?}");
        }
    }

    #[test]
    fn sessions_are_revoked_with_their_oauth_tokens() {
        let request = Request::of(&Step::RevokeSessions { id: "00u1".into() }, None);
        assert!(request.target.contains("oauthTokens=true"));
        assert_eq!(request.path(), "/api/v1/users/00u1/sessions");
    }

    #[test]
    fn hostile_logins_stay_inside_their_path_segment() {
        let request = Request::of(&Step::ReadAccount { id_or_login: "../groups?x=1#/é".into() }, None);
        assert!(request.target.ends_with("search=profile.login%20eq%20%22..%2Fgroups%3Fx%3D1%23%2F%C3%A9%22&limit=2"));
        let request = Request::of(&Step::ReadAccount { id_or_login: "../é@x.com".into() }, None);
        assert_eq!(request.target, "/api/v1/users/..%2F%C3%A9@x.com");
    }

    #[test]
    fn a_login_that_okta_reads_as_something_else_is_searched_for() {
        for login in ["me", "..", ".", "ann.lee", "00u", "a\"b"] {
            let request = Request::of(&Step::ReadAccount { id_or_login: login.into() }, None);
            assert!(request.target.starts_with("/api/v1/users?search=profile.login%20eq%20%22"), "{}", request.target);
        }
        for plain in ["00u1abc", "ann@x.com"] {
            let request = Request::of(&Step::ReadAccount { id_or_login: plain.into() }, None);
            assert_eq!(request.target, format!("/api/v1/users/{plain}"));
        }
    }
}
