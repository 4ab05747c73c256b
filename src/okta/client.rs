//! The HTTP shell: one request out, one reply back. No retries, no decisions.

use super::auth::{AuthError, Authenticator, Credentials};
use super::outcome::{Answered, Flaw, RateHeaders, Reply, lacks_scope};
use super::request::Request;
use crate::clock::Clock;
use crate::http::links::{next_in_body, next_target};
use crate::http::live::Live;
use crate::http::{self, CallError, Transport, Unread, describe};
use reqwest::Url;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, IF_MATCH};
use std::time::Duration;

/// Why an org cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{base:?} is no URL of an Okta org ({why})")]
    Url { base: String, why: String },
    #[error(transparent)]
    Http(#[from] CallError),
    #[error(transparent)]
    Auth(#[from] AuthError),
}

/// Sends requests to one Okta org.
#[derive(Clone)]
pub struct OktaClient {
    http: reqwest::Client,
    auth: Authenticator,
    base: String,
    timeout: Duration,
}

impl OktaClient {
    /// A client for the org at `base` (`https://example.okta.com`).
    pub fn new(
        base: &str,
        credentials: impl Into<Live<Credentials>>,
        clock: &Clock,
        transport: impl Into<Transport>,
    ) -> Result<Self, ClientError> {
        let url =
            Url::parse(base.trim()).map_err(|e| ClientError::Url { base: base.to_owned(), why: e.to_string() })?;
        let (base, transport) = (http::address::base(&url), transport.into());
        let http = http::client(HeaderMap::new(), &transport).map_err(CallError::from)?;
        let auth = Authenticator::new(&base, credentials, clock, &transport)?;
        Ok(Self { http, auth, base, timeout: transport.timeout })
    }

    /// The total of one call, in real time.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The address of the org.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Who we are to the org.
    pub fn auth(&self) -> &Authenticator {
        &self.auth
    }

    /// Sends one request and waits for the whole reply. A refused access token is replaced once: what Okta answers 401
    /// it has not carried out.
    pub async fn send(&self, request: &Request) -> Reply {
        self.send_within(request, self.timeout).await
    }

    /// The same, in at most this long a time for each of its requests, or in the timeout of the org if that is shorter.
    pub async fn send_within(&self, request: &Request, timeout: Duration) -> Reply {
        let url = format!("{}{}", self.base, request.target);
        let mut first = true;
        loop {
            let authorization = match self.auth.authorize(request.method, &url).await {
                Ok(authorization) => authorization,
                Err(why) => return Reply::Unauthorised(why.to_string()),
            };
            let headers = authorization.headers.clone();
            let mut reply = self.send_once(request, &url, headers, timeout.min(self.timeout)).await;
            if let Reply::Answered(answer) = &mut reply
                && lacks_scope(answer)
            {
                answer.flaw = Some(Box::new(Flaw::NotGranted(self.auth.lacking())));
            }
            let refused = matches!(&reply, Reply::Answered(answer) if answer.status == 401);
            if !(refused && std::mem::take(&mut first) && self.auth.refused(&authorization)) {
                return reply;
            }
        }
    }

    async fn send_once(&self, request: &Request, url: &str, headers: HeaderMap, timeout: Duration) -> Reply {
        let method = match request.method {
            "GET" => reqwest::Method::GET,
            "PUT" => reqwest::Method::PUT,
            "DELETE" => reqwest::Method::DELETE,
            _ => reqwest::Method::POST,
        };
        let mut out = self.http.request(method, url).headers(headers).timeout(timeout);
        out = out.header(CONTENT_TYPE, "application/json"); // else 400 E0000021
        if let Some(tag) = &request.if_match {
            out = out.header(IF_MATCH, tag);
        }
        if !request.body.is_empty() {
            out = out.body(request.body.clone());
        } else if matches!(request.method, "POST" | "PUT") {
            out = out.header(CONTENT_LENGTH, "0"); // Okta answers 411 without it; the client leaves it out by itself
        }
        match out.send().await {
            Ok(answer) => self.read(answer, request.is_write()).await,
            // Only what failed before the request was written is known not to have happened.
            Err(e) if e.is_connect() || e.is_builder() => Reply::NotSent(describe(&e)),
            Err(e) if e.is_timeout() => Reply::GivenUp(describe(&e)),
            Err(e) => Reply::Lost(describe(&e)),
        }
    }

    async fn read(&self, answer: reqwest::Response, write: bool) -> Reply {
        let status = answer.status().as_u16();
        let headers = answer.headers();
        let limit = rate_headers(headers);
        if let Some(date) = http::date(headers) {
            self.auth.saw_date(date);
        }
        // Only lists go on; no redirects are followed, so the answer is from where it was asked for.
        let goes_on = !write && answer.status().is_success();
        let next = if goes_on { next_target(headers, answer.url()) } else { Ok(None) };
        let request_id = text(headers, "x-okta-request-id").map(str::to_owned);
        let etag = text(headers, ETAG.as_str()).map(str::to_owned);
        let challenge = text(headers, "www-authenticate").map(str::to_owned);
        let retry_after = text(headers, "retry-after").and_then(|s| s.parse().ok()).map(Duration::from_secs);
        let asked = answer.url().clone();
        let (body, next, unusable) = match http::read_body(answer, http::LARGEST_PAGE).await {
            Ok(body) => {
                // Where both name one, the header is followed, and the body must not lead elsewhere.
                let in_body = if goes_on { next_in_body(&body, &asked) } else { Ok(None) };
                match next.and_then(|next| in_body.map(|in_body| next.or(in_body))) {
                    Ok(next) => (body, next, None),
                    Err(why) => (body, None, Some(why.to_string())),
                }
            }
            Err(Unread::Broken(why)) => return Reply::Lost(why.to_string()),
            Err(why @ (Unread::Encoded(_) | Unread::TooLarge(_))) => (Vec::new(), None, Some(why.to_string())),
        };
        Reply::Answered(Answered {
            status,
            body,
            next,
            flaw: unusable.map(|why| Box::new(Flaw::Unusable(why))),
            request_id,
            etag,
            challenge,
            retry_after,
            limit,
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The rate limit headers of an answer, if they can be those of a window.
pub(crate) fn rate_headers(headers: &HeaderMap) -> Option<RateHeaders> {
    let read = RateHeaders {
        limit: text(headers, "x-rate-limit-limit")?.parse().ok()?,
        remaining: text(headers, "x-rate-limit-remaining")?.parse().ok()?,
        reset: text(headers, "x-rate-limit-reset")?.parse().ok()?,
        date: http::date(headers),
    };
    read.is_plausible().then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn limits_are_read_from_the_headers_okta_sends() {
        let mut headers = HeaderMap::new();
        headers.insert("x-rate-limit-limit", HeaderValue::from_static("600"));
        headers.insert("x-rate-limit-remaining", HeaderValue::from_static("599"));
        headers.insert("x-rate-limit-reset", HeaderValue::from_static("1800000060"));
        headers.insert("date", HeaderValue::from_static("Fri, 15 Jan 2027 08:00:00 GMT"));
        let limits = rate_headers(&headers).expect("headers");
        assert_eq!(
            (limits.limit, limits.remaining, limits.reset, limits.date),
            (600, 599, 1_800_000_060, Some(1_800_000_000))
        );
        for (name, nonsense) in
            [("x-rate-limit-limit", "lots"), ("x-rate-limit-remaining", "601"), ("x-rate-limit-reset", "1800086400")]
        {
            let mut headers = headers.clone();
            headers.insert(name, HeaderValue::from_static(nonsense));
            assert_eq!(rate_headers(&headers), None, "{name}: {nonsense}");
        }
    }
}
