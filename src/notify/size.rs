//! How much of a message a receiver gets: its documented largest size, and less where it does not take that.

use serde_json::{Value, json};

/// Characters of a text that Slack shows: it cuts what has more
/// (<https://docs.slack.dev/changelog/2018-truncating-really-long-messages>).
pub const SLACK_TEXT: usize = 40_000;
/// Bytes of a whole card that Teams takes
/// (<https://learn.microsoft.com/microsoftteams/limits-specifications-teams#chat>: 28 KB for an incoming webhook).
pub const TEAMS_BODY: usize = 28_000;
/// Bytes that a web server takes of a body where nobody has said otherwise: nginx, as the most common one
/// (<https://nginx.org/en/docs/http/ngx_http_core_module.html#client_max_body_size>).
pub const WEBHOOK_BODY: usize = 1 << 20;
/// Bytes of a text that every mail server takes (<https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.7>).
pub const MAIL_TEXT: usize = 64 << 10;
/// Bytes of all that a mail brings along: with base64 it stays below the 10 MB that Exchange takes where nobody has said otherwise
/// (<https://learn.microsoft.com/exchange/mail-flow/message-size-limits>).
pub const MAIL_ATTACHED: usize = 7 << 20;

/// How much of a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Share {
    /// All that the receiver takes, as far as is documented.
    Whole,
    /// Half of it, and nothing attached.
    Half,
    /// One line: how much there is, and the command that shows it.
    Line,
}

impl Share {
    /// From the most to the least.
    pub const ALL: [Share; 3] = [Share::Whole, Share::Half, Share::Line];

    /// How many units of `largest` are sent.
    pub const fn of(self, largest: usize) -> usize {
        match self {
            Share::Whole => largest,
            Share::Half => largest / 2,
            Share::Line => LINE,
        }
    }
}

/// One line has not more.
const LINE: usize = 500;

/// As many lines of a text as fit into so many bytes, and how many are missing and where they can be read.
pub fn cut(text: &str, largest: usize, command: &str) -> String {
    if text.len() <= largest {
        return text.to_owned();
    }
    let lines = text.lines().count();
    let rest = |missing: usize| format!("… and {missing} more lines: see `{command}`\n");
    let room = largest.saturating_sub(rest(lines).len());
    let (mut kept, mut shown) = (String::new(), 0);
    for line in text.lines() {
        if kept.len() + line.len() + 1 > room {
            break;
        }
        kept.push_str(line);
        kept.push('\n');
        shown += 1;
    }
    if shown == 0 {
        let first: String = text.lines().next().unwrap_or_default().chars().take(room / 4).collect();
        return format!("{first}…\n{}", rest(lines.saturating_sub(1)));
    }
    format!("{kept}{}", rest(lines - shown))
}

/// The document for programs with so much less in it: the numbers stay.
pub fn less(value: &Value, share: Share, command: &str) -> Value {
    let mut less = value.clone();
    less["cut"] = json!({ "why": "the receiver takes no more", "command": command });
    for event in less["events"].as_array_mut().into_iter().flatten() {
        for list in ["people", "message"] {
            let Some(items) = event[list].as_array_mut() else { continue };
            let kept = if share == Share::Line { 0 } else { items.len() / 2 };
            let gone = items.len() - kept;
            items.truncate(kept);
            if list == "people" {
                event["more"] = json!(event["more"].as_u64().unwrap_or(0) + gone as u64);
            }
        }
    }
    less
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_at_the_end_of_a_line_and_says_how_to_read_on() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let cut = cut(&text, 100, "attention");
        assert!(cut.len() <= 100 && cut.starts_with("line 0\nline 1\n"), "{cut}");
        assert!(cut.ends_with("more lines: see `attention`\n"), "{cut}");
        assert_eq!(super::cut("short\n", 100, "attention"), "short\n");
        let long = super::cut(&"é".repeat(10_000), 200, "attention");
        assert!(long.len() <= 200 && long.contains("see `attention`"), "{long}");
    }

    #[test]
    fn a_program_that_takes_less_gets_every_number() {
        let event = json!({ "event": "hold", "count": 9, "people": ["a", "b", "c"], "more": 6, "message": ["m", "n"] });
        let value = json!({ "events": [event], "rows": { "from": 1, "to": 9 } });
        let half = less(&value, Share::Half, "attention");
        assert_eq!(half["events"][0]["people"], json!(["a"]));
        assert_eq!((&half["events"][0]["more"], &half["events"][0]["count"]), (&json!(8), &json!(9)));
        let line = less(&value, Share::Line, "attention");
        assert_eq!((&line["events"][0]["people"], &line["events"][0]["message"]), (&json!([]), &json!([])));
        assert_eq!(line["cut"]["command"], "attention");
    }
}
