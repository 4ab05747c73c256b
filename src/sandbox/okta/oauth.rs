//! The token endpoint of the org authorization server, and what it takes to use its tokens: `private_key_jwt`, scopes,
//! DPoP (`okta-api.md §1.2` to §1.4). Written against the reference only; the service's own code is not used.

use super::super::http::{Request, Response};
use super::errors::problem;
use super::options::{ScopeError, ServiceApp};
use super::state::Okta;
use super::tokens::AccessToken;
use crate::clock::Moment;
use crate::privileges;
use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::jwk::{Jwk, JwkSet, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Access tokens live for an hour, always.
const LIFETIME_SECS: i64 = 3600;
/// An assertion may expire at most this far ahead.
const LONGEST_ASSERTION_SECS: i64 = 3600;
const OLDEST_PROOF_SECS: i64 = 300;
const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::ES256, Algorithm::ES384];

/// Who calls.
pub(super) enum Caller {
    Owner,
    Service { scopes: BTreeSet<String> },
}

/// The OAuth error envelope.
struct Refusal {
    status: u16,
    error: &'static str,
    description: String,
}

impl Refusal {
    fn client(description: &str) -> Self {
        Self { status: 401, error: "invalid_client", description: description.to_owned() }
    }

    fn request(error: &'static str, description: &str) -> Self {
        Self { status: 400, error, description: description.to_owned() }
    }

    fn response(&self) -> Response {
        Response::json(self.status, &json!({ "error": self.error, "error_description": self.description }))
    }
}

impl Okta {
    /// `POST /oauth2/v1/token`.
    pub(super) fn token(&mut self, request: &Request, now: Moment) -> Response {
        match self.try_token(request, now.secs() + self.options.skew) {
            Ok(body) => Response::json(200, &body),
            Err(refusal) => {
                let response = refusal.response();
                match refusal.error {
                    "use_dpop_nonce" => response.with("dpop-nonce", self.tokens.nonce.clone()),
                    _ => response,
                }
            }
        }
    }

    fn try_token(&mut self, request: &Request, now: i64) -> Result<Value, Refusal> {
        let form = super::super::http::form(&request.body);
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("grant_type") != "client_credentials" {
            return Err(Refusal::request("unsupported_grant_type", "The authorization grant type is not supported."));
        }
        if !field("client_secret").is_empty() || field("client_assertion").is_empty() {
            return Err(Refusal::client(
                "Client Credentials requests to the Org Authorization Server must use the private_key_jwt token_endpoint_auth_method.",
            ));
        }
        if field("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
            return Err(Refusal::request("invalid_request", "The client_assertion_type is not supported."));
        }
        let audience = format!("{}{}", request.base, request.path);
        let app = self.check_assertion(field("client_assertion"), &audience, now)?;
        let key = self.check_token_proof(&app, request, &audience, now)?;
        let asked: Vec<&str> = field("scope").split(' ').filter(|s| !s.is_empty()).collect();
        if asked.is_empty() || asked.iter().any(|s| !s.starts_with("okta.")) {
            return Err(Refusal::request("invalid_scope", "One or more scopes are not configured for the server."));
        }
        let granted: BTreeSet<String> =
            asked.iter().filter(|s| app.scopes.iter().any(|g| g == *s)).map(|s| (*s).to_owned()).collect();
        if granted.len() < asked.len() {
            let why = "You are not allowed any of the requested scopes.";
            return Err(Refusal::request("consent_required", why));
        }
        let token = format!("eyJ{}", self.id("tok"));
        let kind = if key.is_some() { "DPoP" } else { "Bearer" };
        let scope = granted.iter().cloned().collect::<Vec<_>>().join(" ");
        let given = AccessToken { client: app.client_id, scopes: granted, expires: now + LIFETIME_SECS, key };
        self.tokens.given.insert(token.clone(), given);
        Ok(json!({ "token_type": kind, "expires_in": LIFETIME_SECS, "access_token": token, "scope": scope }))
    }

    fn check_assertion(&mut self, assertion: &str, audience: &str, now: i64) -> Result<ServiceApp, Refusal> {
        let unknown = || Refusal::client("The client_assertion JWT is invalid.");
        let header = decode_header(assertion).map_err(|_| unknown())?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Refusal::client("The client_assertion JWT has an unsupported signing algorithm."));
        }
        let unchecked: Value = jsonwebtoken::dangerous::insecure_decode_claims(assertion).map_err(|_| unknown())?;
        let issuer = unchecked["iss"].as_str().unwrap_or_default();
        let app = self.options.service_apps.iter().find(|app| app.client_id == issuer).cloned();
        let app = app.ok_or_else(|| Refusal::client("Invalid value for 'client_id' parameter."))?;
        let keys: JwkSet = serde_json::from_str(&app.jwks).map_err(|_| unknown())?;
        let key = match (&header.kid, keys.keys.as_slice()) {
            (Some(kid), _) => keys.find(kid),
            (None, [only]) => Some(only),
            _ => return Err(Refusal::client("The client_assertion JWT kid is missing.")),
        };
        let key = key.ok_or_else(|| Refusal::client("The client_assertion JWT kid is invalid."))?;
        let claims = verified(assertion, key, header.alg)
            .ok_or_else(|| Refusal::client("The client_assertion signature is invalid."))?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| claims.get(name).and_then(Value::as_i64);
        if text("iss") != text("sub") {
            return Err(Refusal::client("The client_assertion issuer and subject must be the client_id."));
        }
        if text("aud") != audience {
            return Err(Refusal::client("The audience claim for client_assertion must be the endpoint invoked."));
        }
        match number("exp") {
            None => return Err(Refusal::client("The client_assertion must have an expiration.")),
            Some(exp) if exp <= now => return Err(Refusal::client("The client_assertion token has expired.")),
            Some(exp) if exp > now + LONGEST_ASSERTION_SECS => {
                return Err(Refusal::client("The client_assertion token has an expiration too far into the future."));
            }
            Some(_) => {}
        }
        if number("iat").is_some_and(|iat| iat > now) {
            return Err(Refusal::client("The client_assertion token was issued in the future."));
        }
        let jti = text("jti");
        if !jti.is_empty() && !self.tokens.seen.insert(format!("assertion {jti}")) {
            return Err(Refusal::client("The client_assertion token has already been used."));
        }
        Ok(app)
    }

    /// The thumbprint of the key that the token will be bound to, if the app wants that.
    fn check_token_proof(
        &mut self,
        app: &ServiceApp,
        request: &Request,
        url: &str,
        now: i64,
    ) -> Result<Option<String>, Refusal> {
        let Some(proof) = request.header("dpop") else {
            return match app.dpop {
                true => Err(Refusal::request("invalid_dpop_proof", "The DPoP proof JWT header is missing.")),
                false => Ok(None),
            };
        };
        let (claims, key) =
            self.proof(proof, "POST", url, now).map_err(|why| Refusal::request("invalid_dpop_proof", why))?;
        if self.tokens.nonce.is_empty() {
            self.tokens.nonce = self.id("non");
        }
        if claims.get("nonce").and_then(Value::as_str) != Some(&self.tokens.nonce) {
            let why = "Authorization server requires nonce in DPoP proof.";
            return Err(Refusal::request("use_dpop_nonce", why));
        }
        Ok(Some(key))
    }

    /// Checks a DPoP proof; returns its claims and the thumbprint of its key.
    fn proof(
        &mut self,
        proof: &str,
        method: &str,
        url: &str,
        now: i64,
    ) -> Result<(Map<String, Value>, String), &'static str> {
        let header = decode_header(proof).map_err(|_| "The DPoP proof JWT is invalid.")?;
        if header.typ.as_deref() != Some("dpop+jwt") {
            return Err("The DPoP proof JWT header 'typ' must be dpop+jwt.");
        }
        let key: Jwk = header.jwk.clone().ok_or("The DPoP proof JWT header 'jwk' is missing.")?;
        let claims = verified(proof, &key, header.alg).ok_or("The DPoP proof JWT signature is invalid.")?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let issued = claims.get("iat").and_then(Value::as_i64).unwrap_or_default();
        if text("htm") != method {
            return Err("The DPoP proof JWT htm does not match the HTTP method.");
        }
        if text("htu") != url {
            return Err("The DPoP proof JWT htu does not match the URL.");
        }
        if issued > now || issued < now - OLDEST_PROOF_SECS {
            return Err("The DPoP proof JWT iat is not within the allowed time.");
        }
        if text("jti").is_empty() || !self.tokens.seen.insert(format!("proof {}", text("jti"))) {
            return Err("The DPoP proof JWT has already been used.");
        }
        let thumbprint = key.thumbprint(ThumbprintHash::SHA256).map_err(|_| "The DPoP proof JWT key is invalid.")?;
        Ok((claims, thumbprint))
    }

    /// Who makes this request; the answer if nobody who may.
    pub(super) fn authenticate(&mut self, request: &Request, now: Moment) -> Result<Caller, Response> {
        let refused = || problem::invalid_token().response();
        let header = request.header("authorization").unwrap_or_default().to_owned();
        // Okta's SDK for Python (3.4) leaves the blank out after SSWS.
        let sdk = header.strip_prefix("SSWS").filter(|token| !token.starts_with(' ')).map(|token| ("SSWS", token));
        let (scheme, token) = sdk.or_else(|| header.split_once(' ')).unwrap_or_default();
        match scheme {
            "SSWS" if token == self.options.token && !self.revoked => Ok(Caller::Owner),
            "Bearer" | "DPoP" => {
                let at = now.secs() + self.options.skew;
                let given = self.tokens.given.get(token).filter(|t| at < t.expires).cloned().ok_or_else(refused)?;
                if (scheme == "DPoP") != given.key.is_some() || self.revoked {
                    return Err(refused());
                }
                if let Some(bound) = &given.key {
                    let url = format!("{}{}", request.base, request.path);
                    let proof = request.header("dpop").unwrap_or_default().to_owned();
                    let (claims, key) = self.proof(&proof, &request.method, &url, at).map_err(dpop_refusal)?;
                    let hash = base64url(digest(&SHA256, token.as_bytes()).as_ref());
                    if key != *bound || claims.get("ath").and_then(Value::as_str) != Some(&hash) {
                        return Err(dpop_refusal("The DPoP proof JWT does not belong to the access token."));
                    }
                }
                tracing::trace!(client = given.client, "a service app calls");
                Ok(Caller::Service { scopes: given.scopes })
            }
            _ => Err(refused()),
        }
    }

    /// Whether the caller may do this; the answer if not.
    pub(super) fn authorise(&self, caller: &Caller, request: &Request) -> Result<(), Response> {
        if let Caller::Service { scopes } = caller
            && let Some(wanted) = scope_of(&request.method, &request.path)
            && !scopes.iter().any(|scope| privileges::includes(scope, &wanted))
        {
            return Err(self.without_scope());
        }
        if self.permits(request) { Ok(()) } else { Err(problem::no_permission().response()) }
    }

    fn without_scope(&self) -> Response {
        let why = "The access token provided does not contain the required scopes.";
        match self.options.scope_error {
            ScopeError::Header => Response::empty(403).with(
                "www-authenticate",
                format!("Bearer realm=\"okta\", error=\"insufficient_scope\", error_description=\"{why}\""),
            ),
            ScopeError::Body => {
                Response::json(403, &json!({ "error": "insufficient_scope", "error_description": why }))
            }
        }
    }

    /// Every token, SSWS or OAuth, is refused from now on.
    pub fn revoke_tokens(&mut self) {
        self.revoked = true;
    }

    /// The SSWS token and the service apps are accepted again; OAuth tokens must be fetched anew.
    pub fn restore_tokens(&mut self) {
        self.revoked = false;
        self.tokens.given.clear();
    }

    /// All OAuth access tokens end now.
    pub fn expire_access_tokens(&mut self) {
        self.tokens.given.clear();
    }

    /// Access tokens that were given out have this scope instead of that one.
    pub fn narrow_access_tokens(&mut self, scope: &str, instead: &str) {
        for token in self.tokens.given.values_mut() {
            if token.scopes.remove(scope) {
                token.scopes.insert(instead.to_owned());
            }
        }
    }

    /// How many access tokens were given out.
    pub fn access_tokens_given(&self) -> usize {
        self.history().exchanges().iter().filter(|e| e.path == "/oauth2/v1/token" && e.status == 200).count()
    }
}

fn dpop_refusal(why: &str) -> Response {
    problem::invalid_token()
        .response()
        .with("www-authenticate", format!("DPoP error=\"invalid_dpop_proof\", error_description=\"{why}\""))
}

/// Claims of a JWT whose signature is right. Times are compared by the caller, on the org's clock.
fn verified(jwt: &str, key: &Jwk, algorithm: Algorithm) -> Option<Map<String, Value>> {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    decode(jwt, &DecodingKey::from_jwk(key).ok()?, &validation).ok().map(|data| data.claims)
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// The scope that a call needs (`okta-api.md §1.3`).
fn scope_of(method: &str, path: &str) -> Option<String> {
    if let Some(call) = privileges::kind(method, path) {
        return Some(call.scope.to_owned());
    }
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).skip(2).collect();
    let level = if method == "GET" { "read" } else { "manage" };
    let family = match parts.as_slice() {
        ["users" | "groups", _, "roles", ..] | ["iam", ..] => "roles",
        ["users", ..] => "users",
        ["groups", ..] => "groups",
        ["apps", ..] => "apps",
        ["meta", "schemas", "user", "linkedObjects", ..] => "linkedObjects",
        ["meta", "schemas", ..] => "schemas",
        ["meta", "types", ..] => "userTypes",
        ["logs", ..] => "logs",
        ["principal-rate-limits", ..] => "principalRateLimits",
        _ => return None,
    };
    Some(format!("okta.{family}.{level}"))
}
