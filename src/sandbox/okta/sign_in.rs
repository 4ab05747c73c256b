//! The org as an identity provider: OpenID Connect by the org authorization server, authorization code with PKCE.
//!
//! After Okta's documentation of the endpoints and of its ID tokens. Nobody has a password here: whoever types the login of somebody
//! active is them. Written against the documentation alone; the service's own code is not used.

use super::super::http::{Request, Response, form};
use super::objects::Status;
use super::options::WebApp;
use super::state::Okta;
use super::tokens::Code;
use crate::clock::Moment;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use minijinja::{AutoEscape, Environment, context};
use serde_json::{Value, json};
use std::collections::HashMap;

/// ID tokens live for an hour.
const LIFETIME_SECS: i64 = 3600;

const PAGE: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in · simulated Okta</title><link rel="icon" href="data:,"></head>
<body><main><h1>Simulated Okta</h1>
<p>Whoever types the login of an active user is them: there are no passwords here.</p>
{% if problem %}<p role="alert">{{ problem }}</p>{% endif %}
{% if asked %}<form method="post" action="/oauth2/v1/authorize">
{% for name, value in asked|items %}<input type="hidden" name="{{ name }}" value="{{ value }}">
{% endfor %}<p><label>Login <input name="login" required autofocus></label></p>
<p><button>Sign in</button></p></form>{% endif %}</main></body></html>"#;

fn page(status: u16, problem: Option<&str>, asked: Option<&HashMap<String, String>>) -> Response {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // Rendering a constant template of texts does not fail; if it did, the page would be empty.
    let text = environment.render_str(PAGE, context! { problem, asked }).unwrap_or_default();
    Response { status, body: text.into_bytes(), ..Response::default() }.with("content-type", "text/html; charset=utf-8")
}

fn refusal(status: u16, error: &str, description: &str) -> Response {
    Response::json(status, &json!({ "error": error, "error_description": description }))
}

fn key() -> Option<(EncodingKey, Value)> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let der = AsDer::<Pkcs8V1Der>::as_der(&pair).ok()?;
    let lines = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n");
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).ok()?;
    let mut public = serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::RS256).ok()?).ok()?;
    public["kid"] = json!("simulated-1");
    public["use"] = json!("sig");
    public["alg"] = json!("RS256");
    Some((key, public))
}

impl Okta {
    /// What the org answers as an identity provider; nothing if it is asked something else.
    pub(super) fn provider(&mut self, request: &Request, now: Moment) -> Option<Response> {
        let at = now.secs() + self.options.skew;
        let is_code = || form(&request.body).get("grant_type").is_some_and(|grant| grant == "authorization_code");
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/.well-known/openid-configuration") => Some(discovery(&request.base)),
            ("GET", "/oauth2/v1/keys") => Some(match self.signing() {
                Some((_, public)) => Response::json(200, &json!({ "keys": [public] })),
                None => refusal(500, "server_error", "There is no key."),
            }),
            ("GET", "/oauth2/v1/authorize") => Some(self.authorize(&asked(request), None, at)),
            ("POST", "/oauth2/v1/authorize") => {
                let mut asked = form(&request.body);
                let login = asked.remove("login").unwrap_or_default();
                Some(self.authorize(&asked, Some(&login), at))
            }
            ("POST", "/oauth2/v1/token") if is_code() => {
                Some(self.redeem(request, at).unwrap_or_else(|(status, error, why)| refusal(status, error, why)))
            }
            _ => None,
        }
    }

    fn signing(&mut self) -> Option<&(EncodingKey, Value)> {
        if self.sign_ins.key.is_none() {
            self.sign_ins.key = key();
        }
        self.sign_ins.key.as_ref()
    }

    fn authorize(&mut self, asked: &HashMap<String, String>, login: Option<&str>, at: i64) -> Response {
        let field = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
        let app = self.options.web_apps.iter().find(|app| app.client_id == field("client_id")).cloned();
        let Some(app) = app else { return page(400, Some("Invalid value for 'client_id' parameter."), None) };
        let redirect = field("redirect_uri");
        if !app.redirects.iter().any(|known| known == redirect) {
            let why = "The 'redirect_uri' parameter must be a Login redirect URI in the client app settings.";
            return page(400, Some(why), None);
        }
        if field("response_type") != "code"
            || field("code_challenge_method") != "S256"
            || field("code_challenge").len() < 43
        {
            return back(redirect, &[("error", "invalid_request"), ("state", field("state"))]);
        }
        let scopes: Vec<String> = field("scope").split(' ').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        if !scopes.iter().any(|scope| scope == "openid") {
            return back(redirect, &[("error", "invalid_scope"), ("state", field("state"))]);
        }
        let Some(login) = login else { return page(200, None, Some(asked)) };
        let user = self
            .find_user(login)
            .ok()
            .filter(|id| self.users.get(id).is_some_and(|user| user.status == Status::Active));
        let Some(user) = user else { return page(401, Some("Unable to sign in"), Some(asked)) };
        let code = self.id("code");
        let made = Code {
            expires: at + app.codes_live,
            client: app.client_id,
            redirect: redirect.to_owned(),
            challenge: field("code_challenge").to_owned(),
            nonce: asked.get("nonce").cloned(),
            scopes,
            user,
        };
        self.sign_ins.codes.insert(code.clone(), made);
        back(redirect, &[("code", &code), ("state", field("state"))])
    }

    fn redeem(&mut self, request: &Request, at: i64) -> Result<Response, (u16, &'static str, &'static str)> {
        let form = form(&request.body);
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let app = self.client(request).ok_or((401, "invalid_client", "The client secret supplied is invalid."))?;
        let invalid = (400, "invalid_grant", "The authorization code is invalid or has expired.");
        let code = self.sign_ins.codes.remove(field("code")).ok_or(invalid)?;
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, field("code_verifier").as_bytes()));
        if code.client != app.client_id || code.redirect != field("redirect_uri") || code.expires <= at {
            return Err(invalid);
        }
        if code.challenge != challenge {
            return Err((400, "invalid_grant", "PKCE verification failed."));
        }
        let user = self.users.get(&code.user).filter(|user| user.status == Status::Active).cloned().ok_or(invalid)?;
        let profile = |name: &str| user.profile.get(name).cloned().unwrap_or_default();
        let name =
            format!("{} {}", profile("firstName").as_str().unwrap_or(""), profile("lastName").as_str().unwrap_or(""));
        let access = format!("eyJ{}", self.id("tok"));
        let half = digest(&SHA256, access.as_bytes());
        let mut claims = json!({
            "sub": user.id, "ver": 1, "iss": request.base, "aud": app.client_id, "iat": at, "exp": at + LIFETIME_SECS,
            "jti": format!("ID.{}", self.id("jti")), "amr": ["pwd"], "idp": "00osandbox0000000000", "auth_time": at,
            "preferred_username": profile("login"), "at_hash": URL_SAFE_NO_PAD.encode(&half.as_ref()[..16]),
        });
        let has = |scope: &str| code.scopes.iter().any(|given| given == scope);
        if has("profile") {
            claims["name"] = json!(name);
        }
        if has("email") {
            claims["email"] = profile("email");
        }
        if has("groups") && app.groups_claim {
            let own = self.groups.values().filter(|group| self.members.has(&group.id, &user.id));
            claims["groups"] = own.map(|group| json!(group.name)).collect();
        }
        if let Some(nonce) = &code.nonce {
            claims["nonce"] = json!(nonce);
        }
        let failed = (500, "server_error", "The token could not be signed.");
        let (key, _) = self.signing().ok_or(failed)?;
        let header = Header { kid: Some("simulated-1".into()), ..Header::new(Algorithm::RS256) };
        let token = jsonwebtoken::encode(&header, &claims, key).map_err(|_| failed)?;
        let scope = code.scopes.join(" ");
        Ok(Response::json(
            200,
            &json!({ "token_type": "Bearer", "expires_in": LIFETIME_SECS, "access_token": access, "scope": scope, "id_token": token }),
        ))
    }

    /// The client that a token request proves to be: `client_secret_basic`.
    fn client(&self, request: &Request) -> Option<WebApp> {
        let given = request.header("authorization")?.strip_prefix("Basic ")?;
        let text = String::from_utf8(STANDARD.decode(given).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let plain = |text: &str| form(format!("x={text}").as_bytes()).remove("x");
        let (id, secret) = (plain(id)?, plain(secret)?);
        self.options.web_apps.iter().find(|app| app.client_id == id && app.client_secret == secret).cloned()
    }
}

fn asked(request: &Request) -> HashMap<String, String> {
    form(request.query.as_bytes())
}

/// The browser is sent back to the client.
fn back(redirect: &str, fields: &[(&str, &str)]) -> Response {
    let Ok(mut url) = reqwest::Url::parse(redirect) else { return Response::empty(400) };
    url.query_pairs_mut().extend_pairs(fields);
    Response::empty(302).with("location", url.as_str())
}

fn discovery(base: &str) -> Response {
    let at = |name: &str| format!("{base}/oauth2/v1/{name}");
    Response::json(
        200,
        &json!({
            "issuer": base, "authorization_endpoint": at("authorize"), "token_endpoint": at("token"), "jwks_uri": at("keys"),
            "response_types_supported": ["code"], "response_modes_supported": ["query"], "subject_types_supported": ["public"],
            "grant_types_supported": ["authorization_code", "client_credentials"], "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["RS256"], "scopes_supported": ["openid", "email", "profile", "groups"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        }),
    )
}
