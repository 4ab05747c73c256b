//! Who we are to Okta: an SSWS token, or an OAuth service app with `private_key_jwt` and, if the org wants it, DPoP
//! (`okta-api.md §1`).
//!
//! A scope that the app was not granted costs what needs it, nothing else: the token is asked for with what was granted, and
//! the whole set is tried again at growing intervals.
//!
//! **Invariant:** one token call at a time; a token is fetched before the old one ends, and at most once more after a 401.
//! As long as an old token is good, nobody waits for a new one.

pub mod claims;
mod key;

pub use key::{Key, KeyError};

use crate::clock::{Clock, Moment};
use crate::http::live::Live;
use crate::http::{self, CallError, Transport, UnsendableToken};
use crate::okta::wire::OAuthError;
use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::Jwk;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// Where tokens are fetched.
const TOKEN_PATH: &str = "/oauth2/v1/token";
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// A failure is remembered this long: whoever waited for the same token does not try again at once.
const REMEMBERED: Duration = Duration::from_secs(1);
/// A token that is good for so long still is used while a new one is fetched.
const GOOD_FOR: i64 = 30;
/// After a failure to renew a token that is good still, the next try.
const RENEWED_AGAIN: Duration = Duration::from_secs(10);
/// How long a set of scopes that lacks some is lived with before the whole set is tried again; the last one repeats.
const WHOLE_AGAIN: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(2 * 60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
];
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
    /// Okta's id of the app: issuer and subject of its assertions.
    pub client_id: String,
    /// The private half of a key that the app has in Okta.
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
    /// Until when it is used at all.
    good_until: Moment,
    /// Scopes that were asked for and not given.
    lacks: Vec<&'static str>,
}

/// What one call is authorised by.
pub struct Authorization {
    /// `Authorization`, and `DPoP` where the app proves possession. Good for one call.
    pub headers: HeaderMap,
    /// The token, to say that it was refused.
    token: Option<Arc<Token>>,
}

/// Remembers the token of one org; shared by all who call it.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    credentials: Live<Credentials>,
    http: reqwest::Client,
    token_url: String,
    clock: Clock,
    proof: Option<(Key, Jwk)>,
    token: ArcSwapOption<Token>,
    fetching: Mutex<Fetching>,
    /// Somebody renews a token that is good still.
    renewing: AtomicBool,
    /// How far the server's clock is ahead, in seconds.
    ahead: AtomicI64,
}

#[derive(Default)]
struct Fetching {
    nonce: Option<String>,
    failed: Option<(Moment, NoToken)>,
    /// Scopes that the app was not granted when the whole set was tried last, and how often it was tried in vain.
    lacks: Vec<&'static str>,
    tried: usize,
}

#[derive(Deserialize)]
struct Granted {
    token_type: String,
    expires_in: i64,
    access_token: String,
    /// What was given, if that is said.
    scope: Option<String>,
}

/// One attempt of the token call.
enum Attempt {
    Granted(Token),
    /// Once more: something was learned. What Okta said is kept for the last attempt.
    Again(String),
}

/// Why nobody can be authorised at an org, whatever it answers.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The key that calls are to be proved with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The client for token calls.
    #[error(transparent)]
    Http(#[from] CallError),
}

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoToken {
    /// Some of the scopes were not granted to the app.
    #[error(
        "{refusal}; grant the app {} under Applications > API scopes (check names what is missing)",
        .scopes.join(", ")
    )]
    Scope {
        /// What Okta said.
        refusal: String,
        /// What was asked for.
        scopes: Vec<&'static str>,
    },
    /// The app wants calls that prove possession of a key; what Okta said.
    #[error("{0}; the app demands DPoP: set dpop = true")]
    NeedsProof(String),
    /// What Okta said.
    #[error("{0}")]
    Refused(String),
    /// Nothing that can be used came back, and why.
    #[error("no access token could be fetched: {0}")]
    NoAnswer(String),
    /// A 200 whose body has no token.
    #[error("the answer of {TOKEN_PATH} is no access token; is this an Okta org?")]
    NotAToken,
    /// The app's key does not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is one, and no header can carry it.
    #[error(transparent)]
    Unsendable(#[from] UnsendableToken),
}

/// Of a whole set of scopes those that `lacks` does not name.
fn without(whole: &[&'static str], lacks: &[&'static str]) -> Vec<&'static str> {
    whole.iter().copied().filter(|scope| !lacks.contains(scope)).collect()
}

impl Authenticator {
    /// For the org at `base`.
    pub fn new(
        base: &str,
        credentials: impl Into<Live<Credentials>>,
        clock: &Clock,
        transport: &Transport,
    ) -> Result<Self, AuthError> {
        let credentials = credentials.into();
        let proof = match &*credentials.current() {
            Credentials::ServiceApp(app) if app.dpop => {
                let key = Key::generate()?;
                let public = key.public()?;
                Some((key, public))
            }
            _ => None,
        };
        Ok(Self(Arc::new(Inner {
            credentials,
            http: http::client(HeaderMap::new(), transport).map_err(CallError::from)?,
            token_url: format!("{base}{TOKEN_PATH}"),
            clock: clock.clone(),
            proof,
            token: ArcSwapOption::empty(),
            fetching: Mutex::default(),
            renewing: AtomicBool::new(false),
            ahead: AtomicI64::new(0),
        })))
    }

    /// The headers for one call; a retry needs new ones.
    pub async fn authorize(&self, method: &str, url: &str) -> Result<Authorization, NoToken> {
        let credentials = self.0.credentials.current();
        let app = match &*credentials {
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
            headers.insert(DPOP, HeaderValue::from_str(&proof).map_err(|_| UnsendableToken)?);
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
    pub async fn try_scope(&self, scope: &'static str) -> Result<(), NoToken> {
        let credentials = self.0.credentials.current();
        let Credentials::ServiceApp(app) = &*credentials else { return Ok(()) };
        self.fetch(app, &[scope], &mut *self.0.fetching.lock().await).await.map(drop)
    }

    /// Scopes that are asked for and that the present token does not have.
    pub fn lacking(&self) -> Vec<&'static str> {
        self.0.token.load().as_ref().map(|token| token.lacks.clone()).unwrap_or_default()
    }

    /// A second early: an answer's date is rounded down, and nothing may be issued in the future.
    fn server_now(&self) -> i64 {
        self.0.clock.now().secs() + self.0.ahead.load(Ordering::Relaxed) - 1
    }

    fn current(&self) -> Option<Arc<Token>> {
        self.0.token.load_full().filter(|token| self.0.clock.now() < token.renew_at)
    }

    async fn token(&self, app: &ServiceApp) -> Result<Arc<Token>, NoToken> {
        if let Some(token) = self.current() {
            return Ok(token);
        }
        let good = self.0.token.load_full().filter(|token| self.0.clock.now() < token.good_until);
        let Some(good) = good else { return self.renewed(app).await };
        if !self.0.renewing.swap(true, Ordering::AcqRel) {
            let (renewer, app) = (self.clone(), app.clone());
            tokio::spawn(async move {
                if let Err(why) = renewer.renewed(&app).await {
                    tracing::warn!(%why, "the access token could not be renewed; the old one is good still");
                }
                renewer.0.renewing.store(false, Ordering::Release);
            });
        }
        Ok(good)
    }

    async fn renewed(&self, app: &ServiceApp) -> Result<Arc<Token>, NoToken> {
        let mut fetching = self.0.fetching.lock().await;
        if let Some(token) = self.current() {
            return Ok(token);
        }
        let now = self.0.clock.now();
        let is_good = self.0.token.load().as_ref().is_some_and(|token| now < token.good_until);
        let remembered = if is_good { RENEWED_AGAIN } else { REMEMBERED };
        if let Some((_, why)) = fetching.failed.as_ref().filter(|(at, _)| now.since(*at) < remembered) {
            return Err(why.clone());
        }
        match self.fetch_what_is_granted(app, &mut fetching).await {
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

    /// A token with all scopes, or else with those that were granted. The server does not say which these are, so each one
    /// that may be missing is tried alone.
    async fn fetch_what_is_granted(&self, app: &ServiceApp, fetching: &mut Fetching) -> Result<Token, NoToken> {
        let whole = app.scopes.as_slice();
        let refused = match self.fetch(app, whole, fetching).await {
            Ok(token) => {
                self.lacks(fetching, token.lacks.clone());
                return Ok(self.until_the_whole_is_tried(token, fetching));
            }
            Err(why @ NoToken::Scope { .. }) if whole.len() > 1 => why,
            Err(other) => return Err(other),
        };
        // Most often the same ones are missing as the last time; if that is not enough, each one is tried.
        let known = std::mem::take(&mut fetching.lacks);
        let rounds = if known.is_empty() { vec![whole.to_vec()] } else { vec![known, whole.to_vec()] };
        for suspects in rounds {
            let mut lacks = Vec::new();
            for scope in suspects {
                match self.fetch(app, &[scope], fetching).await {
                    Ok(_) => {}
                    Err(NoToken::Scope { .. }) => lacks.push(scope),
                    Err(other) => return Err(other),
                }
            }
            let granted = without(whole, &lacks);
            if granted.is_empty() || lacks.is_empty() {
                continue;
            }
            match self.fetch(app, &granted, fetching).await {
                Ok(mut token) => {
                    token.lacks.extend(lacks);
                    self.lacks(fetching, token.lacks.clone());
                    return Ok(self.until_the_whole_is_tried(token, fetching));
                }
                Err(NoToken::Scope { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Err(refused)
    }

    /// Remembers what is missing, and tells when that changes.
    fn lacks(&self, fetching: &mut Fetching, lacks: Vec<&'static str>) {
        let before = self.0.token.load().as_ref().map(|token| token.lacks.clone()).unwrap_or_default();
        if lacks.is_empty() {
            fetching.tried = 0;
            if !before.is_empty() {
                tracing::info!("every scope is granted again");
            }
        } else if lacks != before {
            fetching.tried = 0;
            let missing = lacks.join(", ");
            tracing::error!(
                missing,
                "the app was not granted every scope: what needs these waits, everything else goes on"
            );
        }
        fetching.lacks = lacks;
    }

    /// A token that lacks scopes is renewed when it is time to try the whole set.
    fn until_the_whole_is_tried(&self, token: Token, fetching: &mut Fetching) -> Token {
        if token.lacks.is_empty() {
            return token;
        }
        let wait = WHOLE_AGAIN[fetching.tried.min(WHOLE_AGAIN.len() - 1)];
        fetching.tried += 1;
        Token { renew_at: token.renew_at.min(self.0.clock.now() + wait), ..token }
    }

    async fn fetch(
        &self,
        app: &ServiceApp,
        scopes: &[&'static str],
        fetching: &mut Fetching,
    ) -> Result<Token, NoToken> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match self.attempt(app, scopes, fetching).await? {
                Attempt::Granted(token) => return Ok(token),
                Attempt::Again(why) => last = why,
            }
        }
        Err(NoToken::Refused(last))
    }

    async fn attempt(
        &self,
        app: &ServiceApp,
        scopes: &[&'static str],
        fetching: &mut Fetching,
    ) -> Result<Attempt, NoToken> {
        let (url, now, sent) = (&self.0.token_url, self.server_now(), self.0.clock.now());
        let assertion = app.key.sign("JWT", None, &claims::assertion(&app.client_id, url, now, &unique()))?;
        let mut request = self.0.http.post(url).form(&claims::token_form(scopes, &assertion));
        if let Some((key, public)) = &self.0.proof {
            let claims = claims::proof("POST", url, now, &unique(), fetching.nonce.as_deref(), None);
            request = request.header(DPOP, key.sign("dpop+jwt", Some(public.clone()), &claims)?);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(e) => return Err(NoToken::NoAnswer(CallError::from(e).to_string())),
        };
        let (status, ahead) = (answer.status().as_u16(), self.0.ahead.load(Ordering::Relaxed));
        if let Some(date) = http::date(answer.headers()) {
            self.saw_date(date);
        }
        if let Some(nonce) = answer.headers().get("dpop-nonce").and_then(|v| v.to_str().ok()) {
            fetching.nonce = Some(nonce.to_owned());
        }
        let body = match http::read_body(answer, http::LARGEST_TOKEN).await {
            Ok(body) => body,
            Err(why) => {
                return Err(NoToken::NoAnswer(format!("HTTP {status}, and {why}")));
            }
        };
        if status == 200 {
            let granted: Granted = serde_json::from_slice(&body).map_err(|_| NoToken::NotAToken)?;
            let given: Option<Vec<&str>> = granted.scope.as_deref().map(|text| text.split_ascii_whitespace().collect());
            let is_given = |scope: &&'static str| given.as_ref().is_none_or(|given| given.contains(scope));
            let lives = Duration::from_secs((granted.expires_in - GOOD_FOR).max(0).unsigned_abs());
            let renewed = Duration::from_secs(claims::renew_after(granted.expires_in).unsigned_abs());
            return Ok(Attempt::Granted(Token {
                lacks: scopes.iter().copied().filter(|scope| !is_given(scope)).collect(),
                kind: granted.token_type,
                value: granted.access_token.into(),
                renew_at: sent + renewed,
                good_until: sent + lives,
            }));
        }
        let error = OAuthError::read(&body);
        let why = format!("no access token: HTTP {status} {}", error.describe());
        let clock_was_wrong = (self.0.ahead.load(Ordering::Relaxed) - ahead).abs() > 30;
        match error.error.as_str() {
            "use_dpop_nonce" => Ok(Attempt::Again(why)),
            "invalid_client" | "invalid_dpop_proof" if clock_was_wrong => Ok(Attempt::Again(why)),
            "invalid_dpop_proof" if self.0.proof.is_none() => Err(NoToken::NeedsProof(why)),
            "invalid_scope" | "consent_required" | "access_denied" => {
                Err(NoToken::Scope { refusal: why, scopes: scopes.to_vec() })
            }
            _ => Err(NoToken::Refused(why)),
        }
    }
}

/// A value that is used once.
fn unique() -> String {
    let mut bytes = [0; 16];
    // Without randomness from the system nothing cryptographic works, TLS included.
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random numbers");
    crate::domain::hex(&bytes)
}
