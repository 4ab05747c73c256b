//! Who we are to Okta: an SSWS token, or an OAuth service app with `private_key_jwt` and, if the org wants it, DPoP
//! (`okta-api.md §1`).
//!
//! **Invariant:** one token call at a time; a token is fetched before the old one ends, and at most once more after a 401.

pub mod claims;
mod key;

pub use key::Key;

use crate::clock::{Clock, Moment};
use crate::http::{self, describe};
use crate::okta::wire::OAuthError;
use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::Jwk;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// Where tokens are fetched.
const TOKEN_PATH: &str = "/oauth2/v1/token";
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// A failure is remembered this long: whoever waited for the same token does not try again at once.
const REMEMBERED: Duration = Duration::from_secs(1);
/// Attempts of one token call: the first, one with the server's nonce, one with the server's time.
const ATTEMPTS: u32 = 3;

/// What the configuration says about who we are.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// An API token.
    Token(SecretString),
    /// An OAuth service app.
    ServiceApp(ServiceApp),
}

/// An OAuth service app.
#[derive(Clone, Debug)]
pub struct ServiceApp {
    pub client_id: String,
    pub key: Key,
    /// Whether every call proves possession of a key.
    pub dpop: bool,
    /// Scopes to ask for.
    pub scopes: Vec<&'static str>,
}

/// A token that was fetched.
struct Token {
    /// `Bearer` or `DPoP`.
    kind: String,
    value: SecretString,
    renew_at: Moment,
}

/// What one call is authorised by.
pub struct Authorization {
    pub headers: HeaderMap,
    /// The token, to say that it was refused.
    token: Option<Arc<Token>>,
}

/// Remembers the token of one org; shared by all who call it.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    credentials: Credentials,
    http: reqwest::Client,
    token_url: String,
    clock: Clock,
    proof: Option<(Key, Jwk)>,
    token: ArcSwapOption<Token>,
    fetching: Mutex<Fetching>,
    /// How far the server's clock is ahead, in seconds.
    ahead: AtomicI64,
}

#[derive(Default)]
struct Fetching {
    nonce: Option<String>,
    failed: Option<(Moment, String)>,
}

#[derive(Deserialize)]
struct Granted {
    token_type: String,
    expires_in: i64,
    access_token: String,
}

/// One attempt of the token call.
enum Attempt {
    Granted(Token),
    /// Once more: something was learned.
    Again(String),
    Failed(String),
}

impl Authenticator {
    /// For the org at `base`.
    pub fn new(base: &str, credentials: Credentials, clock: &Clock, timeout: Duration) -> Result<Self, String> {
        let proof = match &credentials {
            Credentials::ServiceApp(app) if app.dpop => {
                let key = Key::generate()?;
                let public = key.public()?;
                Some((key, public))
            }
            _ => None,
        };
        Ok(Self(Arc::new(Inner {
            credentials,
            http: http::client(HeaderMap::new(), timeout).map_err(|e| describe(&e))?,
            token_url: format!("{base}{TOKEN_PATH}"),
            clock: clock.clone(),
            proof,
            token: ArcSwapOption::empty(),
            fetching: Mutex::default(),
            ahead: AtomicI64::new(0),
        })))
    }

    /// The headers for one call; a retry needs new ones. The error says why there is no token.
    pub async fn authorize(&self, method: &str, url: &str) -> Result<Authorization, String> {
        let app = match &self.0.credentials {
            Credentials::Token(token) => {
                return Ok(Authorization { headers: http::authorization("SSWS", token)?, token: None });
            }
            Credentials::ServiceApp(app) => app,
        };
        let token = self.token(app).await?;
        let mut headers = http::authorization(&token.kind, &token.value)?;
        if let Some((key, public)) = &self.0.proof {
            let now = self.server_now();
            let claims = claims::proof(method, url, now, &unique(), None, Some(token.value.expose_secret()));
            let proof = key.sign("dpop+jwt", Some(public.clone()), &claims)?;
            headers.insert(DPOP, HeaderValue::from_str(&proof).map_err(|e| e.to_string())?);
        }
        Ok(Authorization { headers, token: Some(token) })
    }

    /// Okta refused this authorization; true if another one can be had and the call may be sent once more.
    pub fn refused(&self, authorization: &Authorization) -> bool {
        let Some(refused) = &authorization.token else { return false };
        if self.0.token.load().as_ref().is_some_and(|current| Arc::ptr_eq(current, refused)) {
            self.0.token.store(None);
        }
        true
    }

    /// An answer showed the server's time.
    pub fn saw_date(&self, date: i64) {
        self.0.ahead.store(date - self.0.clock.now().secs(), Ordering::Relaxed);
    }

    /// Tries to get a token with these scopes only: what `check` tells missing grants by.
    pub async fn try_scope(&self, scope: &'static str) -> Result<(), String> {
        let Credentials::ServiceApp(app) = &self.0.credentials else { return Ok(()) };
        let app = ServiceApp { scopes: vec![scope], ..app.clone() };
        self.fetch(&app, &mut *self.0.fetching.lock().await).await.map(drop)
    }

    /// A second early: an answer's date is rounded down, and nothing may be issued in the future.
    fn server_now(&self) -> i64 {
        self.0.clock.now().secs() + self.0.ahead.load(Ordering::Relaxed) - 1
    }

    fn current(&self) -> Option<Arc<Token>> {
        self.0.token.load_full().filter(|token| self.0.clock.now() < token.renew_at)
    }

    async fn token(&self, app: &ServiceApp) -> Result<Arc<Token>, String> {
        if let Some(token) = self.current() {
            return Ok(token);
        }
        let mut fetching = self.0.fetching.lock().await;
        if let Some(token) = self.current() {
            return Ok(token);
        }
        let now = self.0.clock.now();
        if let Some((_, why)) = fetching.failed.as_ref().filter(|(at, _)| now.since(*at) < REMEMBERED) {
            return Err(why.clone());
        }
        match self.fetch(app, &mut fetching).await {
            Ok(token) => {
                let token = Arc::new(token);
                fetching.failed = None;
                self.0.token.store(Some(token.clone()));
                Ok(token)
            }
            Err(why) => {
                fetching.failed = Some((self.0.clock.now(), why.clone()));
                Err(why)
            }
        }
    }

    async fn fetch(&self, app: &ServiceApp, fetching: &mut Fetching) -> Result<Token, String> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match self.attempt(app, fetching).await? {
                Attempt::Granted(token) => return Ok(token),
                Attempt::Again(why) => last = why,
                Attempt::Failed(why) => return Err(why),
            }
        }
        Err(last)
    }

    async fn attempt(&self, app: &ServiceApp, fetching: &mut Fetching) -> Result<Attempt, String> {
        let (url, now, sent) = (&self.0.token_url, self.server_now(), self.0.clock.now());
        let assertion = app.key.sign("JWT", None, &claims::assertion(&app.client_id, url, now, &unique()))?;
        let mut request = self.0.http.post(url).form(&claims::token_form(&app.scopes, &assertion));
        if let Some((key, public)) = &self.0.proof {
            let claims = claims::proof("POST", url, now, &unique(), fetching.nonce.as_deref(), None);
            request = request.header(DPOP, key.sign("dpop+jwt", Some(public.clone()), &claims)?);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(e) => return Ok(Attempt::Failed(format!("no access token could be fetched: {}", describe(&e)))),
        };
        let (status, ahead) = (answer.status().as_u16(), self.0.ahead.load(Ordering::Relaxed));
        if let Some(date) = http::date(answer.headers()) {
            self.saw_date(date);
        }
        if let Some(nonce) = answer.headers().get("dpop-nonce").and_then(|v| v.to_str().ok()) {
            fetching.nonce = Some(nonce.to_owned());
        }
        let body = answer.bytes().await.unwrap_or_default();
        if status == 200 {
            return Ok(match serde_json::from_slice::<Granted>(&body) {
                Ok(granted) => Attempt::Granted(Token {
                    kind: granted.token_type,
                    value: granted.access_token.into(),
                    renew_at: sent + Duration::from_secs(claims::renew_after(granted.expires_in).unsigned_abs()),
                }),
                Err(_) => {
                    Attempt::Failed(format!("the answer of {TOKEN_PATH} is no access token; is this an Okta org?"))
                }
            });
        }
        let error = OAuthError::read(&body);
        let why = format!("no access token: HTTP {status} {}", error.describe());
        let clock_was_wrong = (self.0.ahead.load(Ordering::Relaxed) - ahead).abs() > 30;
        Ok(match error.error.as_str() {
            "use_dpop_nonce" => Attempt::Again(why),
            "invalid_client" | "invalid_dpop_proof" if clock_was_wrong => Attempt::Again(why),
            "invalid_dpop_proof" if self.0.proof.is_none() => {
                Attempt::Failed(format!("{why}; the app demands DPoP: set dpop = true"))
            }
            "invalid_scope" | "consent_required" => Attempt::Failed(format!(
                "{why}; grant the app {} under Applications > API scopes (check names what is missing)",
                app.scopes.join(", ")
            )),
            _ => Attempt::Failed(why),
        })
    }
}

/// A value that is used once.
fn unique() -> String {
    let mut bytes = [0; 16];
    // Without randomness from the system nothing cryptographic works, TLS included.
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random numbers");
    crate::identity::hex(&bytes)
}
