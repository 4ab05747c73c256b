//! Signing in over an identity provider: OpenID Connect, authorization code with PKCE (RFC 7636).
//!
//! **Invariant:** what comes back counts once, for the browser that began it, within ten minutes; who somebody is, the token says
//! (`claims.rs`), and what they may do, their groups and the configuration.

use super::claims::{self, Discovery, Expected};
use super::entry::alone;
use super::form::Form;
use super::request::{bound, bound_cookie, cookie, host, onward, session};
use super::respond::redirect;
use super::session::{By, secret};
use super::shared::Console;
use super::sign_in::{address, begin_list, beginning, let_in, not_let_in, page};
use super::underway::Begun;
use crate::clock::Moment;
use crate::config::Provider;
use crate::domain::text::visible;
use crate::http::{self, CallError, LARGEST_TOKEN};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, SET_COOKIE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use reqwest::header::HeaderMap;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Where the provider sends browsers back to.
pub const BACK: &str = "/sign-in/back";

fn refused(console: &Console, to: &str, why: &str) -> HttpResponse {
    alone(console, StatusCode::FORBIDDEN, page(console, to, Some(why)))
}

/// Sends a browser to the provider.
pub async fn begin(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let Some(provider) = &console.settings.provider else {
        return refused(&console, "/", "no identity provider is configured; see [admin.oidc]");
    };
    let host = match host(&request, &console.settings) {
        Ok(host) => host,
        Err(why) => return refused(&console, "/", &why),
    };
    let form = Form::parse(request.query_string()).unwrap_or_default();
    let to = onward(form.text("to").unwrap_or("/")).to_owned();
    let scheme = if console.settings.encrypted { "https" } else { "http" };
    let back = format!("{scheme}://{host}{BACK}");
    let found = async {
        let discovery = discover(provider).await?;
        let (state, nonce, verifier) = (secret()?, secret()?, secret()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let mut url = Url::parse(&discovery.authorization_endpoint).map_err(|e| e.to_string())?;
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", provider.client_id.as_str()),
            ("redirect_uri", back.as_str()),
            ("scope", "openid profile email groups"),
            ("state", state.as_str()),
            ("nonce", nonce.as_str()),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ]);
        let begun = Begun { nonce, verifier, to: to.clone(), back: back.clone(), at: console.served.clock.now() };
        console.underway.put(state.clone(), begun);
        Ok::<_, String>((url, state))
    };
    match found.await {
        Ok((url, state)) => {
            let encrypted = console.settings.encrypted;
            redirect(encrypted, url.as_str(), Some(bound_cookie(encrypted, &state)))
        }
        Err(why) => {
            tracing::error!(provider = provider.name, why, "nobody can sign in over the identity provider");
            refused(&console, &to, &unreachable(provider, &why))
        }
    }
}

fn unreachable(provider: &Provider, why: &str) -> String {
    format!("{} cannot be asked who you are ({why}). Sign in with an admin token until it can.", provider.name)
}

/// The provider has sent a browser back.
pub async fn back(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let Some(provider) = &console.settings.provider else {
        return refused(&console, "/", "no identity provider is configured; see [admin.oidc]");
    };
    if let Err(why) = host(&request, &console.settings) {
        return refused(&console, "/", &why);
    }
    let form = Form::parse(request.query_string()).unwrap_or_default();
    let encrypted = console.settings.encrypted;
    let (from, now) = (address(&request), console.served.clock.now());
    let state = form.text("state").unwrap_or_default();
    let is_bound =
        bound(&request, encrypted).is_some_and(|own| verify_slices_are_equal(own.as_bytes(), state.as_bytes()).is_ok());
    let Some(begun) = is_bound.then(|| console.underway.take(state, now)).flatten() else {
        return refused(&console, "/", "this sign-in was begun elsewhere, is over or has taken too long: begin again");
    };
    if let Some(error) = form.text("error") {
        let said = visible(form.text("error_description").unwrap_or(error));
        return refused(&console, &begun.to, &format!("{} has let nobody in: {said}", provider.name));
    }
    let said = match exchange(provider, &begun, form.text("code").unwrap_or_default(), now).await {
        Ok(said) => said,
        Err(why) => {
            not_let_in(&console, from, now, "a sign-in over the identity provider was refused").await;
            return refused(&console, &begun.to, &unreachable(provider, &why));
        }
    };
    let Some(role) = provider.role(&said.groups) else {
        not_let_in(&console, from, now, "whoever signed in is in no group that may open the console").await;
        let name = visible(&said.name);
        let why = format!(
            "{name} is in none of the groups that may open the console; they stand in [admin.oidc.roles] of the configuration"
        );
        return refused(&console, &begun.to, &why);
    };
    if let Some(former) = session(&request, encrypted) {
        console.sessions.end(&former);
    }
    let who = provider.decider(&said.id, &said.name, &console.served.tokens.load());
    let secret = match let_in(&console, from, who, role, By::Provider, now).await {
        Ok(secret) => secret,
        Err(why) => return refused(&console, &begun.to, &why),
    };
    begin_list(&console);
    // The browser comes from another site: only a page of ours may send it on to one that wants the session's cookie.
    let mut answer =
        alone(&console, StatusCode::OK, json!({ "title": "Signed in", "onward": beginning(role, &begun.to) }));
    for cookie in [cookie(encrypted, &secret), bound_cookie(encrypted, "")] {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            answer.headers_mut().append(SET_COOKIE, value);
        }
    }
    answer
}

async fn read<T: DeserializeOwned>(call: reqwest::RequestBuilder, what: &str) -> Result<T, String> {
    let answer = call.send().await.map_err(|e| CallError::from(e).to_string())?;
    let status = answer.status().as_u16();
    let body = http::read_body(answer, LARGEST_TOKEN).await.map_err(|e| e.to_string())?;
    if status != 200 {
        let error: Option<Value> = serde_json::from_slice(&body).ok();
        let said = error.and_then(|error| error["error"].as_str().map(visible));
        return Err(format!("{what}: HTTP {status}{}", said.map(|said| format!(", {said}")).unwrap_or_default()));
    }
    serde_json::from_slice(&body).map_err(|_| format!("{what}: this is not what such an answer says"))
}

fn client(provider: &Provider) -> Result<reqwest::Client, String> {
    http::client(HeaderMap::new(), &provider.transport).map_err(|e| CallError::from(e).to_string())
}

/// Where the provider is asked for what. It must be the one that was named, and all of it as safe as its own address.
async fn discover(provider: &Provider) -> Result<Discovery, String> {
    let url = format!("{}/.well-known/openid-configuration", provider.issuer.trim_end_matches('/'));
    let found: Discovery = read(client(provider)?.get(url), "its configuration").await?;
    if found.issuer != provider.issuer {
        let said = visible(&found.issuer);
        return Err(format!("it calls itself {said}: write that as issuer of [admin.oidc]"));
    }
    for endpoint in [&found.authorization_endpoint, &found.token_endpoint, &found.jwks_uri] {
        http::address::read(endpoint, http::address::Shape::Endpoint).map_err(|e| e.to_string())?;
    }
    Ok(found)
}

/// Exchanges a code for who somebody is.
async fn exchange(provider: &Provider, begun: &Begun, code: &str, now: Moment) -> Result<claims::Claims, String> {
    let (discovery, client) = (discover(provider).await?, client(provider)?);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", begun.back.as_str()),
        ("code_verifier", begun.verifier.as_str()),
    ];
    let form = form.map(|(name, value)| format!("{name}={}", super::pages::encoded(value))).join("&");
    let call = client
        .post(&discovery.token_endpoint)
        .basic_auth(
            super::pages::encoded(&provider.client_id),
            Some(super::pages::encoded(provider.client_secret.expose_secret())),
        )
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let answer: Value = read(call, "its token endpoint").await?;
    let keys = read(client.get(&discovery.jwks_uri), "its keys").await?;
    let expected = Expected {
        issuer: &provider.issuer,
        client_id: &provider.client_id,
        nonce: &begun.nonce,
        groups: &provider.groups,
        now: now.secs(),
    };
    claims::read(answer["id_token"].as_str().unwrap_or_default(), &keys, &expected).map_err(|e| e.to_string())
}
