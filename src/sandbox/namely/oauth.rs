//! OAuth of Namely: the authorization code, short-lived access tokens and their refreshing (`namely-api.md §1.7`).

use super::super::http::{Request, Response};
use super::Namely;
use crate::clock::Moment;
use serde_json::json;
use std::time::Duration;

/// How long an access token lives: recorded as 899 seconds.
const LIFETIME: Duration = Duration::from_secs(899);

impl Namely {
    /// Whether a request carries a token that is accepted.
    pub(super) fn knows(&self, request: &Request, now: Moment) -> bool {
        let Some(token) = request.header("authorization").and_then(|header| header.strip_prefix("Bearer ")) else {
            return false;
        };
        token == self.options.token || self.tokens.access.get(token).is_some_and(|end| now < *end)
    }

    pub(super) fn oauth(&mut self, request: &Request, now: Moment) -> Response {
        let Some(client) = self.options.client.clone() else { return super::wire::not_a_route() };
        self.tokens.given += 1;
        let number = self.tokens.given;
        if request.path.ends_with("/authorize") {
            let code = format!("code-{number}");
            self.tokens.codes.push(code.clone());
            let back = request.param("redirect_uri").unwrap_or_default();
            let state = request.param("state").map(|state| format!("&state={state}")).unwrap_or_default();
            return Response::empty(302).with("location", format!("{back}?code={code}{state}"));
        }
        let form = Request { query: String::from_utf8_lossy(&request.body).into_owned(), ..request.clone() };
        let sent = |name: &str| form.param(name).unwrap_or_default();
        let is_client = sent("client_id") == client.id && sent("client_secret") == client.secret;
        let (granted, first) = match sent("grant_type").as_str() {
            "authorization_code" => {
                let at = self.tokens.codes.iter().position(|code| *code == sent("code"));
                (at.map(|at| self.tokens.codes.remove(at)).is_some(), true)
            }
            "refresh_token" => (self.tokens.refresh.contains(&sent("refresh_token")), false),
            _ => (false, false),
        };
        if !is_client || !granted {
            return Response::json(401, &json!({ "error": "invalid_grant" }));
        }
        let access = format!("access-{number}");
        self.tokens.access.insert(access.clone(), now + LIFETIME);
        let mut body = json!({ "access_token": access, "token_type": "bearer", "expires_in": LIFETIME.as_secs() });
        if first {
            let refresh = format!("refresh-{number}");
            self.tokens.refresh.push(refresh.clone());
            body["refresh_token"] = json!(refresh);
        } else if client.repeats_refresh_token {
            body["refresh_token"] = json!(sent("refresh_token"));
        }
        Response::json(200, &body).with("cache-control", "no-store").with("pragma", "no-cache")
    }
}
