//! What an answer means. The one place that maps status and error code to what happens next (`okta-api.md §5`).

use super::wire::{ErrorBody, OAuthError};
use crate::domain::plan::doubt::Ending;
use std::fmt;
use std::time::Duration;

/// An HTTP answer, or the lack of one.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Somebody answered.
    Answered(Answered),
    /// There was no access token to send it with: nothing happened.
    Unauthorised(String),
    /// The request did not reach Okta: nothing happened.
    NotSent(String),
    /// The request went out and the connection broke before an answer: it may have happened.
    Lost(String),
    /// The request went out and we have stopped waiting: it may have happened, or be happening still.
    GivenUp(String),
}

/// An HTTP answer, as far as it matters.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// The HTTP status, as it came.
    pub status: u16,
    /// As it was read; empty where it was not (see `flaw`).
    pub body: Vec<u8>,
    /// Where a list goes on.
    pub next: Option<String>,
    /// What must be known of it beside its status.
    pub flaw: Option<Box<Flaw>>,
    /// Every answer of Okta has one.
    pub request_id: Option<String>,
    /// The version of the profile (`okta-api.md §2.4`).
    pub etag: Option<String>,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// `Retry-After`, if the server says so.
    pub retry_after: Option<Duration>,
    /// How far the counter is that the call was counted by, if Okta says so in all three headers.
    pub limit: Option<RateHeaders>,
}

/// What must be known of an answer beside its status.
#[derive(Clone, Debug, PartialEq)]
pub enum Flaw {
    /// What came cannot be believed, whatever the status says: it is too large, or the list leads to another server.
    Unusable(String),
    /// It was refused for want of a scope, and these were not granted to the app.
    NotGranted(Vec<&'static str>),
}

impl Answered {
    /// Why what came cannot be believed.
    pub fn unusable(&self) -> Option<&str> {
        match self.flaw.as_deref() {
            Some(Flaw::Unusable(why)) => Some(why),
            _ => None,
        }
    }

    /// Scopes that the app was not granted, where a call was refused for want of one.
    pub fn not_granted(&self) -> &[&'static str] {
        match self.flaw.as_deref() {
            Some(Flaw::NotGranted(scopes)) => scopes,
            _ => &[],
        }
    }
}

/// The three rate limit headers (`okta-api.md §4.3`), and `Date`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateHeaders {
    /// Calls in one window (`X-Rate-Limit-Limit`).
    pub limit: u32,
    /// Calls that are left in it, never more than `limit` (`X-Rate-Limit-Remaining`).
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

    /// Whether these can be the headers of a window of 60 seconds; others are as good as none.
    pub fn is_plausible(&self) -> bool {
        let soon = self.date.is_none_or(|date| (-5..=65).contains(&(self.reset - date)));
        self.is_concurrency() || self.limit > 0 && self.remaining <= self.limit && soon
    }
}

/// Who can do something about a refusal.
///
/// In the order of how much they can do: where several are needed, the last is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fixer {
    /// Somebody who edits profiles in Namely.
    Hr,
    /// An administrator of the Okta org.
    OktaAdmin,
    /// Whoever writes this product's configuration.
    Config,
    /// Whoever looks after the mailbox of the manager, of IT, or the mail server.
    Mailbox,
    /// Nobody but us: Okta did not understand what we sent.
    Maintainer,
}

impl fmt::Display for Fixer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fixer::Hr => "HR can fix it in Namely",
            Fixer::OktaAdmin => "an Okta administrator can fix it",
            Fixer::Config => "fix it in this product's configuration",
            Fixer::Mailbox => {
                "whoever looks after that mailbox can fix it, or name another one under onboarding.channel; it is tried again by itself"
            }
            Fixer::Maintainer => "this is a defect: please report it",
        })
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
    Retry {
        /// Not before this has passed; zero where Okta names no time.
        after: Duration,
        /// Okta's reason, or what went wrong on the way.
        why: String,
    },
    /// Okta's state is not what the plan took it for: read and plan anew.
    Replan {
        /// What is otherwise.
        why: String,
    },
    /// Okta will not do it, and trying again changes nothing until `who` has done something.
    Refused {
        /// Okta's reason.
        why: String,
        /// Who can mend it.
        who: Fixer,
    },
    /// It may have happened or not: look before doing anything else.
    Unknown {
        /// What went wrong on the way.
        why: String,
    },
    /// The answer is about somebody else: it says nothing, and what was sent may have happened or not.
    AnotherUser {
        /// Whom it was about.
        why: String,
    },
}

impl Outcome {
    /// The word for audit rows and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::AlreadySo => "already_so",
            Outcome::Missing => "missing",
            Outcome::Retry { .. } => "retry",
            Outcome::Replan { .. } => "replan",
            Outcome::Refused { .. } => "refused",
            Outcome::Unknown { .. } => "unknown",
            Outcome::AnotherUser { .. } => "another_user",
        }
    }

    /// Whether it is known what became of the call.
    pub const fn ending(&self) -> Ending {
        match self {
            Outcome::Unknown { .. } | Outcome::AnotherUser { .. } => Ending::Untold,
            Outcome::Applied
            | Outcome::AlreadySo
            | Outcome::Missing
            | Outcome::Retry { .. }
            | Outcome::Replan { .. }
            | Outcome::Refused { .. } => Ending::Remark,
        }
    }

    /// The reason, where there is one.
    pub fn why(&self) -> Option<&str> {
        match self {
            Outcome::Retry { why, .. }
            | Outcome::Replan { why }
            | Outcome::Refused { why, .. }
            | Outcome::Unknown { why }
            | Outcome::AnotherUser { why } => Some(why),
            _ => None,
        }
    }
}

/// What a refusal with E0000006 means, as far as the answer says.
pub const NOT_ALLOWED: &str = "the token's admin role does not allow this, or the person is an Okta administrator";

/// Where the whole org is at fault, its pause does the waiting (`health.rs`): the call itself may go again at once.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(15);
/// What the server itself asks for is honoured up to this.
const LONGEST_HINT: Duration = Duration::from_secs(300);

/// Classifies the reply to a call; `write` says whether a repeat would have to be thought about first.
pub fn classify(reply: &Reply, write: bool) -> Outcome {
    let answer = match reply {
        Reply::Answered(answer) => answer,
        Reply::NotSent(why) | Reply::Unauthorised(why) => return Outcome::Retry { after: SOON, why: why.clone() },
        Reply::Lost(why) | Reply::GivenUp(why) if write => return Outcome::Unknown { why: why.clone() },
        Reply::Lost(why) | Reply::GivenUp(why) => return Outcome::Retry { after: SOON, why: why.clone() },
    };
    let status = answer.status;
    if (200..300).contains(&status) && is_web_page(answer) {
        let why = format!("HTTP {status} with a web page, which is no answer of Okta's; is the org's URL right?");
        return if write { Outcome::Unknown { why } } else { Outcome::Retry { after: SOON, why } };
    }
    if let (200..300, Some(why)) = (status, answer.unusable()) {
        return unsaid(format!("HTTP {status}, and {why}"), write);
    }
    if (200..300).contains(&status) {
        return Outcome::Applied;
    }
    if let (400 | 403..=428 | 430..500, Some(why)) = (status, answer.unusable()) {
        return unsaid(format!("HTTP {status}, and {why}"), write);
    }
    let error = ErrorBody::read(&answer.body);
    let why = format!("HTTP {status} {}", error.describe()).trim().to_owned();
    let hint = answer.retry_after.unwrap_or_default().min(LONGEST_HINT);
    let retry = |after: Duration| Outcome::Retry { after: after.max(hint), why: why.clone() };
    let refused = |who| Outcome::Refused { why: why.clone(), who };
    match (status, error.code.as_str()) {
        (429 | 401, _) => retry(SOON),
        (300..400, _) => Outcome::Retry { after: SOON, why: format!("{why}: a redirect; is the org's URL right?") },
        (403, _) if lacks_scope(answer) => {
            Outcome::Retry { after: SOON, why: format!("HTTP {status} {}", scope_error(answer)) }
        }
        (404, "E0000007") => Outcome::Missing,
        (403, "E0000016" | "E0000032" | "E0000038" | "E0000107" | "E0000117") | (412, _) => Outcome::Replan { why },
        // The app is held by a group: the membership is what goes, by a step of its own (okta-api.md §3.4).
        (403, "E0000046") => Outcome::AlreadySo,
        (400, "E0000001") if error.is_login_taken() => Outcome::Replan { why },
        (400, "E0000001") if is_wrong_status(&error) => Outcome::Replan { why },
        (400, "E0000001") if is_undefined(&error) => refused(Fixer::OktaAdmin),
        (400, "E0000001") => refused(Fixer::Hr),
        (409, "E0000062") => Outcome::AlreadySo, // assigned already
        (409, "E0000090" | "E0000127" | "E0000195" | "E0000263") => Outcome::Replan { why },
        // Something else is changing the object: what was known of it is not so any more, or soon will not be.
        (409 | 423, _) if write => Outcome::Unknown { why },
        (409 | 423, _) => retry(LATER),
        (503, "E0000010") => retry(SOON),
        (408 | 500 | 502 | 503 | 504, _) if write => Outcome::Unknown { why },
        (408 | 500 | 502 | 503 | 504, _) => retry(SOON),
        (403, "E0000006") => Outcome::Refused { why: format!("{why}; {NOT_ALLOWED}"), who: Fixer::OktaAdmin },
        (403 | 405, "E0000005" | "E0000015" | "E0000023" | "E0000075" | "E0000076" | "E0000077" | "E0000078") => {
            refused(Fixer::OktaAdmin)
        }
        (400 | 403, "E0000142" | "E0000179" | "E0000193" | "E0000135") => refused(Fixer::OktaAdmin),
        (400..500, "") if !is_okta(answer) => {
            unsaid(format!("{why}: this answer is not Okta's; something stands in between"), write)
        }
        (403, _) => refused(Fixer::OktaAdmin),
        _ => refused(Fixer::Maintainer),
    }
}

/// What came says nothing of what became of the call: a write may have happened.
fn unsaid(why: String, write: bool) -> Outcome {
    if write { Outcome::Unknown { why } } else { Outcome::Retry { after: LATER, why } }
}

/// Whether the answer looks like Okta's: its request id, or its error envelope.
pub fn is_okta(answer: &Answered) -> bool {
    answer.request_id.is_some() || !ErrorBody::read(&answer.body).code.is_empty()
}

/// Okta's API answers with JSON or nothing; a portal or a proxy answers with a page.
pub fn is_web_page(answer: &Answered) -> bool {
    answer.body.trim_ascii_start().first() == Some(&b'<')
}

/// Whether the token has not the scope that the call needs. It is not known whether the body or `WWW-Authenticate` says
/// so (`okta-api.md §1.2`).
pub fn lacks_scope(answer: &Answered) -> bool {
    answer.status == 403
        && (answer.challenge.as_deref().is_some_and(|c| c.contains("insufficient_scope"))
            || OAuthError::read(&answer.body).error == "insufficient_scope")
}

/// Which scope is missing, as far as it is known.
pub fn scope_error(answer: &Answered) -> String {
    let body = OAuthError::read(&answer.body).describe();
    let said = if body.is_empty() { answer.challenge.clone().unwrap_or_default() } else { body };
    match answer.not_granted() {
        [] => format!("{said}; grant the app the scope under Applications > API scopes (check names what is missing)"),
        missing => format!("{said}; grant the app {} under Applications > API scopes", missing.join(", ")),
    }
}

/// Suspending what is not active, unsuspending what is not suspended (`okta-api.md §2.1`).
fn is_wrong_status(error: &ErrorBody) -> bool {
    let said = |words: &str| error.causes.iter().any(|c| c.summary.contains(words));
    said("that is not active") || said("that is not suspended") || said("deactivated user")
}

/// An attribute that the user schema does not have (`okta-api.md §3.1`).
fn is_undefined(error: &ErrorBody) -> bool {
    error.causes.iter().any(|c| c.summary.contains("is not defined in profile"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &str) -> Reply {
        let request_id = Some("req1".to_owned());
        Reply::Answered(Answered { status, body: body.as_bytes().to_vec(), request_id, ..Answered::default() })
    }

    fn unusable(status: u16) -> Reply {
        let flaw = Some(Box::new(Flaw::Unusable("the answer is larger than 8 MiB".to_owned())));
        Reply::Answered(Answered { status, request_id: Some("req1".to_owned()), flaw, ..Answered::default() })
    }

    fn error(status: u16, code: &str, cause: &str) -> Reply {
        let body =
            serde_json::json!({ "errorCode": code, "errorSummary": "s", "errorCauses": [{ "errorSummary": cause }] });
        answered(status, &body.to_string())
    }

    #[test]
    fn each_answer_has_one_meaning() {
        let table = [
            (answered(200, "{}"), "applied"),
            (answered(200, "<html>sign in to the hotel's network</html>"), "unknown"),
            (unusable(200), "unknown"),
            (unusable(404), "unknown"),
            (unusable(429), "retry"),
            (answered(202, ""), "applied"),
            (answered(204, ""), "applied"),
            (answered(302, ""), "retry"),
            (error(400, "E0000001", "Property name 'x' is not defined in profile"), "refused"),
            (error(400, "E0000001", "mobilePhone: String is too long"), "refused"),
            (error(400, "E0000001", "Cannot suspend a user that is not active"), "replan"),
            (error(400, "E0000003", ""), "refused"),
            (error(401, "E0000004", ""), "retry"),
            (error(401, "E0000011", ""), "retry"),
            (error(403, "E0000006", ""), "refused"),
            (error(403, "E0000016", ""), "replan"),
            (error(403, "E0000023", ""), "refused"),
            (error(403, "E0000032", ""), "replan"),
            (error(403, "E0000038", ""), "replan"),
            (error(403, "E0000046", ""), "already_so"),
            (error(403, "E0000107", ""), "replan"),
            (error(403, "E0000117", ""), "replan"),
            (error(404, "E0000007", ""), "missing"),
            (error(404, "E0000008", ""), "refused"),
            (error(405, "E0000022", ""), "refused"),
            (error(409, "E0000062", ""), "already_so"),
            (error(409, "E0000112", ""), "unknown"),
            (error(409, "E0000249", ""), "unknown"),
            (error(412, "E0000231", ""), "replan"),
            (error(423, "E0000239", ""), "unknown"),
            (error(429, "E0000047", ""), "retry"),
            (error(500, "E0000009", ""), "unknown"),
            (error(503, "E0000010", ""), "retry"),
            (error(503, "E0000100", ""), "unknown"),
            (answered(418, "<html>"), "refused"),
            (Reply::NotSent("connection refused".into()), "retry"),
            (Reply::Unauthorised("no token".into()), "retry"),
            (Reply::Lost("connection reset".into()), "unknown"),
            (Reply::GivenUp("timed out".into()), "unknown"),
        ];
        for (reply, word) in table {
            assert_eq!(classify(&reply, true).as_str(), word, "{reply:?}");
        }
    }

    #[test]
    fn every_refusal_names_who_can_fix_it() {
        let who = |reply: Reply| match classify(&reply, true) {
            Outcome::Refused { who, .. } => who,
            other => panic!("{reply:?}: {other:?}"),
        };
        assert_eq!(who(error(400, "E0000001", "email: Does not match required pattern")), Fixer::Hr);
        assert_eq!(who(error(400, "E0000001", "Property name 'x' is not defined in profile")), Fixer::OktaAdmin);
        assert_eq!(who(error(403, "E0000006", "")), Fixer::OktaAdmin);
        assert_eq!(who(error(403, "E0000023", "")), Fixer::OktaAdmin);
        assert_eq!(who(error(400, "E0000021", "")), Fixer::Maintainer);
    }

    #[test]
    fn a_taken_login_leads_back_to_correlation_and_never_to_another_create() {
        let taken = "login: An object with this field already exists in the current organization";
        assert_eq!(classify(&error(400, "E0000001", taken), true).as_str(), "replan");
    }

    #[test]
    fn a_write_whose_answer_is_lost_is_unknown_and_a_read_is_simply_repeated() {
        for reply in [
            Reply::Lost("connection reset".into()),
            Reply::GivenUp("timed out".into()),
            answered(502, "<html>"),
            error(500, "E0000009", ""),
            unusable(200),
            unusable(404),
            error(409, "E0000112", "they are still being activated"),
            Reply::Answered(Answered { status: 403, body: b"<html>".to_vec(), ..Answered::default() }),
        ] {
            assert_eq!(classify(&reply, true).as_str(), "unknown");
            assert_eq!(classify(&reply, false).as_str(), "retry");
        }
        assert_eq!(classify(&Reply::NotSent("connection refused".into()), true).as_str(), "retry");
    }

    #[test]
    fn a_missing_scope_is_told_by_body_or_header_and_an_answer_of_a_proxy_is_not_oktas() {
        let body = answered(403, r#"{"error":"insufficient_scope","error_description":"no"}"#);
        let challenge = Some("Bearer error=\"insufficient_scope\"".to_owned());
        let header = Reply::Answered(Answered { status: 403, challenge, ..Answered::default() });
        let proxy = Reply::Answered(Answered { status: 403, body: b"<html>".to_vec(), ..Answered::default() });
        for (reply, word, is) in
            [(body, "scope", "retry"), (header, "scope", "retry"), (proxy, "not Okta's", "unknown")]
        {
            let outcome = classify(&reply, true);
            assert_eq!(outcome.as_str(), is);
            assert!(outcome.why().is_some_and(|why| why.contains(word)), "{outcome:?}");
        }
    }

    #[test]
    fn headers_that_cannot_be_true_are_recognised() {
        let headers = RateHeaders { limit: 600, remaining: 599, reset: 1060, date: Some(1000) };
        assert!(headers.is_plausible());
        assert!(!RateHeaders { remaining: 601, ..headers }.is_plausible());
        assert!(!RateHeaders { reset: 999_999, ..headers }.is_plausible());
        assert!(!RateHeaders { limit: 0, remaining: 5, ..headers }.is_plausible());
        assert!(RateHeaders { limit: 0, remaining: 0, reset: 1110, date: Some(1000) }.is_plausible());
    }
}
