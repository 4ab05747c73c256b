//! What the clients of both sides share: how they are built, and how a failure is put into words.

use reqwest::header::{ACCEPT, AUTHORIZATION, DATE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client that sends `headers` with every request, follows no redirects (a token must not travel to another host), and
/// gives up after `timeout` of real time.
pub fn client(headers: HeaderMap, timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    builder(headers, timeout).build()
}

/// The same, to be built upon.
pub fn builder(mut headers: HeaderMap, timeout: Duration) -> reqwest::ClientBuilder {
    // Always said: without it Namely could answer a negotiation 406, which looks like its throttle (namely-api.md §6.1).
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    reqwest::Client::builder()
        .user_agent(concat!("namely-okta-sync/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
}

/// The header that authorises by `scheme` and `secret`.
pub fn authorization(scheme: &str, secret: &SecretString) -> Result<HeaderMap, String> {
    let mut value = HeaderValue::from_str(&format!("{scheme} {}", secret.expose_secret()))
        .map_err(|_| "the token holds characters that no header can carry; was it copied whole?".to_owned())?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

/// The server's clock when it answered, in seconds, rounded down.
pub fn date(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp().as_second())
}

/// The error with its causes, without the URL (a login may stand in it).
pub fn describe(error: &reqwest::Error) -> String {
    let mut text = match error {
        e if e.is_timeout() => "timed out".to_owned(),
        e if e.is_connect() => "could not connect".to_owned(),
        e if e.is_body() || e.is_decode() => "the answer broke off".to_owned(),
        _ => "the connection broke".to_owned(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
