//! What an answer means. The one place that maps status and error code to what happens next (`okta-api.md §5`).

use super::wire::ErrorBody;
use std::time::Duration;

/// An HTTP answer, or the lack of one.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Okta answered.
    Answered {
        status: u16,
        body: Vec<u8>,
        next: Option<String>,
        request_id: Option<String>,
        limit: Option<RateHeaders>,
    },
    /// The request did not reach Okta: nothing happened.
    NotSent(String),
    /// The request went out and no answer came back: it may have happened.
    Lost(String),
}

/// The three rate limit headers (`okta-api.md §4.3`), and `Date`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateHeaders {
    pub limit: u32,
    pub remaining: u32,
    /// End of the window, whole seconds of the server's clock, rounded down.
    pub reset: i64,
    /// The server's clock when it answered, rounded down.
    pub date: Option<i64>,
}

impl RateHeaders {
    /// The flavour of 429 that counts simultaneous requests: limit 0, remaining 0, and a reset that means nothing
    /// (`okta-api.md §4.5`).
    pub fn is_concurrency(&self) -> bool {
        self.limit == 0 && self.remaining == 0
    }
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is so now; the body is the proof.
    Applied,
    /// It was so already.
    AlreadySo,
    /// The object is not there (404).
    Missing,
    /// Not now; nothing happened. Try the same again after `after`.
    Retry { after: Duration, why: String },
    /// Okta's state is not what the plan took it for: read and plan anew.
    Replan { why: String },
    /// Okta will not do it, and trying again changes nothing.
    Refused { why: String },
    /// It may have happened or not: look before doing anything else.
    Unknown { why: String },
}

impl Outcome {
    /// The word for audit rows and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::AlreadySo => "already_so",
            Outcome::Missing => "missing",
            Outcome::Retry { .. } => "retry",
            Outcome::Replan { .. } => "replan",
            Outcome::Refused { .. } => "refused",
            Outcome::Unknown { .. } => "unknown",
        }
    }

    /// The reason, where there is one.
    pub fn why(&self) -> Option<&str> {
        match self {
            Outcome::Retry { why, .. }
            | Outcome::Replan { why }
            | Outcome::Refused { why }
            | Outcome::Unknown { why } => Some(why),
            _ => None,
        }
    }
}

const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(15);
const MUCH_LATER: Duration = Duration::from_secs(60);

/// Classifies the reply to a call; `write` says whether a repeat would have to be thought about first.
pub fn classify(reply: &Reply, write: bool) -> Outcome {
    let (status, body) = match reply {
        Reply::Answered { status, body, .. } => (*status, body),
        Reply::NotSent(why) => return Outcome::Retry { after: LATER, why: why.clone() },
        Reply::Lost(why) if write => return Outcome::Unknown { why: why.clone() },
        Reply::Lost(why) => return Outcome::Retry { after: SOON, why: why.clone() },
    };
    if (200..300).contains(&status) {
        return Outcome::Applied;
    }
    let error = ErrorBody::read(body);
    let why = format!("HTTP {status} {}", error.describe()).trim().to_owned();
    let retry = |after| Outcome::Retry { after, why: why.clone() };
    match (status, error.code.as_str()) {
        (429, _) => retry(SOON),
        // The token is refused: nobody's fault but the configuration's; the person waits, nothing is lost.
        (401, _) => retry(MUCH_LATER),
        (404, "E0000007") => Outcome::Missing,
        (403, "E0000016") => Outcome::AlreadySo,
        (403, "E0000032" | "E0000038" | "E0000107" | "E0000117") | (412, _) => Outcome::Replan { why },
        (400, "E0000001") if is_duplicate(&error) => Outcome::Replan { why },
        (409, "E0000062" | "E0000090" | "E0000127" | "E0000195" | "E0000263") => Outcome::Replan { why },
        (409 | 423, _) => retry(LATER),
        (503, "E0000010") => retry(MUCH_LATER),
        (408 | 502 | 503 | 504, _) | (500, _) if write => Outcome::Unknown { why },
        (408 | 500 | 502 | 503 | 504, _) => retry(SOON),
        (300..400, _) => Outcome::Refused { why: format!("{why}: a redirect; is the org's URL right?") },
        (403, _) => Outcome::Refused {
            why: format!("{why}; the token's admin role does not allow this, or the person is an Okta administrator"),
        },
        _ => Outcome::Refused { why },
    }
}

/// "An object with this field already exists in the current organization" (`okta-api.md §3.1`).
fn is_duplicate(error: &ErrorBody) -> bool {
    error.causes.iter().any(|c| c.summary.contains("already exists in the current organization"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Reply {
        Reply::Answered { status, body: body.as_bytes().to_vec(), next: None, request_id: None, limit: None }
    }

    fn error(status: u16, code: &str, cause: &str) -> Reply {
        let body =
            serde_json::json!({ "errorCode": code, "errorSummary": "s", "errorCauses": [{ "errorSummary": cause }] });
        answered(status, &body.to_string())
    }

    #[test]
    fn each_answer_has_one_meaning() {
        let word = |reply: Reply| classify(&reply, true).word();
        assert_eq!(word(answered(200, "{}")), "applied");
        assert_eq!(word(answered(204, "")), "applied");
        assert_eq!(word(error(404, "E0000007", "")), "missing");
        assert_eq!(word(error(403, "E0000016", "")), "already_so");
        assert_eq!(word(error(403, "E0000038", "")), "replan");
        assert_eq!(word(error(403, "E0000006", "")), "refused");
        assert_eq!(word(error(401, "E0000011", "")), "retry");
        assert_eq!(word(error(429, "E0000047", "")), "retry");
        assert_eq!(word(error(409, "E0000112", "")), "retry");
        assert_eq!(word(error(423, "E0000239", "")), "retry");
        assert_eq!(word(error(503, "E0000010", "")), "retry");
        assert_eq!(word(error(400, "E0000001", "Property name 'x' is not defined in profile")), "refused");
        assert_eq!(word(answered(418, "<html>")), "refused");
        assert_eq!(word(answered(302, "")), "refused");
    }

    #[test]
    fn a_taken_login_leads_back_to_correlation_and_never_to_another_create() {
        let taken = "login: An object with this field already exists in the current organization";
        assert_eq!(classify(&error(400, "E0000001", taken), true).word(), "replan");
    }

    #[test]
    fn a_write_whose_answer_is_lost_is_unknown_and_a_read_is_simply_repeated() {
        for reply in [Reply::Lost("connection reset".into()), answered(502, "<html>"), error(500, "E0000009", "")] {
            assert_eq!(classify(&reply, true).word(), "unknown");
            assert_eq!(classify(&reply, false).word(), "retry");
        }
        assert_eq!(classify(&Reply::NotSent("connection refused".into()), true).word(), "retry");
    }
}
