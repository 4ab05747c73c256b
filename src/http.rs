//! What all clients share: how they are built, how a body is read, and how a failure is put into words.
//!
//! **Invariant:** no redirect is followed, no proxy is used but the one that the configuration names, no answer is kept beyond
//! its largest size, and no call lasts longer than its timeout.

pub(crate) mod address;
pub(crate) mod links;
pub mod live;

use reqwest::Url;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, DATE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A page or an object of Namely or Okta, at most, in bytes after decompression. The largest that are known are lists of 200
/// users or of all groups, with less than 2 MiB.
pub const LARGEST_PAGE: usize = 8 << 20;
/// The answer of a token endpoint, likewise.
pub const LARGEST_TOKEN: usize = 256 << 10;
/// What the admin API of this service answers to the command line, likewise.
pub const LARGEST_OWN_ANSWER: usize = 256 << 20;

/// How requests travel.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    /// The whole of one call, from the connection to the last byte of the answer, in real time.
    pub timeout: Duration,
    /// The proxy that the configuration names. Never used to this machine; the environment's are never used at all.
    pub proxy: Option<Url>,
}

impl From<Duration> for Transport {
    /// Without a proxy.
    fn from(timeout: Duration) -> Self {
        Self { timeout, proxy: None }
    }
}

/// A client that sends `headers` with every request, follows no redirects (a token must not travel to another host), and
/// gives up after the timeout.
pub fn client(headers: HeaderMap, transport: &Transport) -> Result<reqwest::Client, reqwest::Error> {
    builder(headers, transport).build()
}

/// The same, to be built upon.
pub fn builder(mut headers: HeaderMap, transport: &Transport) -> reqwest::ClientBuilder {
    // Always said: without it Namely could answer a negotiation 406, which looks like its throttle (namely-api.md §6.1).
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let builder = reqwest::Client::builder()
        .user_agent(concat!("namely-okta-sync/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(transport.timeout);
    match transport.proxy.clone() {
        None => builder,
        Some(proxy) => builder.proxy(through(proxy)),
    }
}

/// What is sent to this machine never leaves it.
fn through(proxy: Url) -> reqwest::Proxy {
    reqwest::Proxy::custom(move |url| (!address::is_loopback(url)).then(|| proxy.clone()))
}

/// The client of the exporter of traces, which wants to wait for its answers. To be called where nothing is asynchronous.
#[cfg(feature = "otel")]
pub fn blocking(transport: &Transport) -> Result<reqwest::blocking::Client, reqwest::Error> {
    let builder = reqwest::blocking::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(transport.timeout);
    match transport.proxy.clone() {
        None => builder.build(),
        Some(proxy) => builder.proxy(through(proxy)).build(),
    }
}

/// Variables by which other programs are told of proxies, as far as they are set: this one does not use them.
pub fn ignored_proxies(environment: impl Fn(&str) -> Option<String>) -> Vec<&'static str> {
    let names = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    names.into_iter().filter(|name| environment(name).is_some_and(|value| !value.trim().is_empty())).collect()
}

/// A call that failed, or a client that cannot be built. Its words have the causes and never the URL, in which a secret or a
/// login may stand.
#[derive(Debug, thiserror::Error)]
#[error("{}", describe(.0))]
pub struct CallError(#[from] reqwest::Error);

/// A token that no request can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token holds characters that no header can carry; was it copied whole?")]
pub struct UnsendableToken;

/// Why there is no client that carries a token.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Its token.
    #[error(transparent)]
    Token(#[from] UnsendableToken),
    /// The transport: TLS, or the proxy.
    #[error(transparent)]
    Build(#[from] CallError),
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The connection broke, or it took too long.
    #[error(transparent)]
    Broken(#[from] CallError),
    /// It is compressed in a way that nobody asked for.
    #[error("the answer is encoded as {0:?}, which was not asked for")]
    Encoded(String),
    /// It has more bytes than the largest answer of its kind.
    #[error(
        "the answer is larger than {}: no more of it was read; is the URL right, and does something stand in between?",
        in_words(*.0)
    )]
    TooLarge(usize),
}

/// The body of an answer, if it has not more than `largest` bytes after decompression. They are counted as they come: of
/// what is larger no more is read, whatever the headers say.
pub async fn read_body(mut answer: reqwest::Response, largest: usize) -> Result<Vec<u8>, Unread> {
    let encoding = answer.headers().get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").to_owned());
    if let Some(encoding) = encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(Unread::Encoded(encoding));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(CallError::from)? {
        if body.len() + chunk.len() > largest {
            return Err(Unread::TooLarge(largest));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn in_words(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

/// The header that authorises by `scheme` and `secret`.
pub fn authorization(scheme: &str, secret: &SecretString) -> Result<HeaderMap, UnsendableToken> {
    let mut value =
        HeaderValue::from_str(&format!("{scheme} {}", secret.expose_secret())).map_err(|_| UnsendableToken)?;
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
    explained(text)
}

/// What the word of a library means that nobody can do anything with.
fn explained(text: String) -> String {
    if !text.contains("CaUsedAsEndEntity") {
        return text;
    }
    format!(
        "{text}; the server shows the certificate of an authority as its own: give it one with basicConstraints CA:FALSE, signed by \
         itself or by that authority"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_an_authority_that_a_server_shows_as_its_own_is_explained() {
        let text = "could not connect: invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))".to_owned();
        assert!(explained(text).contains("CA:FALSE"));
        assert_eq!(explained("timed out".into()), "timed out");
    }
}
