//! What the answer of a receiver means.

use crate::domain::text::visible;
use lettre::transport::smtp;
use reqwest::StatusCode;
use std::time::Duration;

/// Characters of an answer that are kept.
const KEPT: usize = 160;
/// Nobody is waited for longer because they have asked for it.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// What receivers say where it is the length that they do not take. Slack: `invalid_blocks`, `msg_too_long`,
/// `msg_blocks_too_long` (<https://docs.slack.dev/reference/methods/chat.postMessage>).
const TOO_LONG: [&str; 6] = ["too long", "too_long", "too large", "toolarge", "invalid_blocks", "size limit"];

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Less would be taken, or it is not known what else.
    TooLong(String),
    /// Asked to come back, in so long if it has said so.
    Later(Option<Duration>, String),
    /// The receiver takes nothing before somebody mends it.
    Dead(String),
    /// Nobody knows why; it may pass.
    Failed(String),
}

impl NotTaken {
    /// What was said.
    pub fn said(&self) -> &str {
        match self {
            NotTaken::TooLong(said) | NotTaken::Later(_, said) | NotTaken::Dead(said) | NotTaken::Failed(said) => said,
        }
    }
}

/// The answer of a receiver over HTTP. `retry_after` is its header, `body` the beginning of what it has said.
pub fn of_http(status: StatusCode, retry_after: Option<&str>, body: &str) -> Result<(), NotTaken> {
    let loose = body.to_lowercase();
    // Connectors of Teams answer 200 with an error in words
    // (https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using#rate-limiting-for-connectors).
    let in_words = |code: &str| loose.contains("webhook message delivery failed") && loose.contains(code);
    let said = said(status, body);
    match status.as_u16() {
        200..=299 if in_words("error 413") => Err(NotTaken::TooLong(said)),
        200..=299 if in_words("error 429") => Err(NotTaken::Later(None, said)),
        200..=299 if in_words("error") => Err(NotTaken::Failed(said)),
        200..=299 => Ok(()),
        // A message that is not understood is not understood the next time either: less of it may be.
        400 | 413 | 422 => Err(NotTaken::TooLong(said)),
        429 => Err(NotTaken::Later(wait(retry_after), said)),
        503 if retry_after.is_some() => Err(NotTaken::Later(wait(retry_after), said)),
        408 | 425 => Err(NotTaken::Failed(said)),
        500..=599 if TOO_LONG.iter().any(|word| loose.contains(word)) => Err(NotTaken::TooLong(said)),
        // Another address, another secret, or nothing is there any more.
        300..=499 => Err(NotTaken::Dead(said)),
        _ => Err(NotTaken::Failed(said)),
    }
}

fn said(status: StatusCode, body: &str) -> String {
    let words = words(body);
    if words.is_empty() { format!("it answered {status}") } else { format!("it answered {status} ({words})") }
}

/// What was said, in one short line that can be shown to anybody.
fn words(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(KEPT).collect();
    visible(&cut)
}

/// The seconds of a header, or the time until the moment that it names; the clock is of no use here where it is not right.
fn wait(header: Option<&str>) -> Option<Duration> {
    let seconds = header?.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// What a mail server has said to one recipient, or why nothing was said.
pub fn of_mail(error: &smtp::Error) -> NotTaken {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if !text.contains(&cause.to_string()) {
            text = format!("{text}: {cause}");
        }
        source = cause.source();
    }
    let said = format!("the mail server: {}", words(&text));
    let code = error.status().map(u16::from);
    // 552 and the enhanced codes 5.2.3 and 5.3.4: too big for the mailbox, or for the system (RFC 3463).
    let too_long = code == Some(552) || ["5.2.3", "5.3.4"].iter().any(|word| text.contains(word));
    match () {
        () if error.is_permanent() && too_long => NotTaken::TooLong(said),
        () if error.is_permanent() => NotTaken::Dead(said),
        () => NotTaken::Failed(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Result<(), NotTaken> {
        of_http(StatusCode::from_u16(status).expect("a status"), None, body)
    }

    #[test]
    fn what_is_too_long_is_told_from_what_is_dead_and_what_passes() {
        for (status, body) in
            [(413, ""), (400, "invalid_blocks"), (400, "msg_too_long"), (400, "?"), (500, "too large")]
        {
            assert!(matches!(of(status, body), Err(NotTaken::TooLong(_))), "{status} {body}");
        }
        for status in [301, 401, 403, 404, 405, 410] {
            assert!(matches!(of(status, "no_service"), Err(NotTaken::Dead(said)) if said.contains("no_service")));
        }
        for status in [408, 500, 502, 503] {
            assert!(matches!(of(status, ""), Err(NotTaken::Failed(_))), "{status}");
        }
        assert_eq!(of(200, "ok"), Ok(()));
        let teams = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413";
        assert!(matches!(of(200, teams), Err(NotTaken::TooLong(_))));
        assert!(matches!(of(200, &teams.replace("413", "429")), Err(NotTaken::Later(None, _))));
    }

    #[test]
    fn who_asks_to_be_left_alone_for_a_while_is() {
        let busy = StatusCode::TOO_MANY_REQUESTS;
        let later = |header: &str| match of_http(busy, Some(header), "") {
            Err(NotTaken::Later(wait, _)) => wait.map(|wait| wait.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!((later("30"), later("999999"), later("soon")), (Some(30), Some(3600), None));
    }

    #[test]
    fn what_a_receiver_says_is_one_short_line_that_moves_no_cursor() {
        let Err(NotTaken::Dead(said)) = of(404, &format!("gone\n\u{1b}[2J{}", "x".repeat(9000))) else { panic!() };
        assert!(said.starts_with("it answered 404 Not Found (gone \\u{1b}[2Jxx") && said.len() < 250, "{said}");
    }
}
