//! The ways to people and programs: Slack, Microsoft Teams, mail, a signed webhook.
//!
//! **Invariant:** what a person reads was made visible, and no body is larger than its receiver takes.

use super::answer::{NotTaken, of_http, of_mail};
use super::size::{MAIL_ATTACHED, MAIL_TEXT, SLACK_TEXT, Share, TEAMS_BODY, WEBHOOK_BODY, cut, less};
use crate::domain::text::visible_lines;
use crate::http::live::Live;
use crate::http::{CallError, read_body};
use aws_lc_rs::hmac;
use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use reqwest::header::RETRY_AFTER;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The answer of a receiver has not more, as far as anybody reads it.
const LARGEST_ANSWER: usize = 64 << 10;

/// What kind of receiver it is. Secrets are exchanged while the service runs.
#[derive(Clone, Debug)]
pub enum Kind {
    /// An incoming webhook of Slack; its URL is the secret.
    Slack { url: Live<SecretString> },
    /// A workflow of Microsoft Teams that takes adaptive cards; its URL is the secret.
    Teams { url: Live<SecretString> },
    /// A program: gets the digest as JSON, signed with HMAC-SHA-256 where there is a secret.
    Webhook { url: Live<SecretString>, secret: Option<Live<SecretString>> },
    /// An SMTP server: `smtp://user:password@host:587?tls=required`; `readable`: mail can be read on its way there, and the
    /// configuration says that this is meant.
    Mail { server: Live<SecretString>, readable: bool, from: Mailbox, to: Vec<Mailbox> },
}

/// A message that is ready to go.
#[derive(Clone, Debug)]
pub struct Outgoing {
    subject: String,
    text: String,
    value: Value,
    /// Pages that mail brings along; in chat their place is told.
    files: Vec<PathBuf>,
    /// Of mail: the same whenever the same message is sent.
    id: String,
    /// Shows what does not fit.
    command: &'static str,
}

impl Outgoing {
    /// A message as people will read it: whatever somebody has typed into a name moves no cursor and turns no line around.
    pub fn new(
        subject: &str,
        text: &str,
        value: Value,
        files: Vec<PathBuf>,
        id: String,
        command: &'static str,
    ) -> Self {
        let subject = visible_lines(subject).replace('\n', " ");
        Self { subject, text: visible_lines(text), value, files, id, command }
    }

    /// So much of the text.
    fn text(&self, share: Share, largest: usize) -> String {
        match share {
            Share::Line => {
                format!("{}: see `{}`\n", cut(&self.subject, share.of(largest), self.command).trim_end(), self.command)
            }
            Share::Whole | Share::Half => cut(&self.text, share.of(largest), self.command),
        }
    }
}

impl Kind {
    /// Whom each message goes to by itself: the recipients of a mail, or the channel.
    pub fn recipients(&self) -> Vec<Option<String>> {
        let Kind::Mail { to, .. } = self else { return vec![None] };
        let mut all: Vec<Option<String>> = to.iter().map(|mailbox| Some(mailbox.email.to_string())).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Takes the secrets of `other` from here on, where it is the same kind.
    pub fn exchange(&self, other: &Self) {
        match (self, other) {
            (Kind::Slack { url }, Kind::Slack { url: new }) | (Kind::Teams { url }, Kind::Teams { url: new }) => {
                url.exchange(new);
            }
            (Kind::Webhook { url, secret }, Kind::Webhook { url: new, secret: new_secret }) => {
                url.exchange(new);
                if let (Some(secret), Some(new)) = (secret, new_secret) {
                    secret.exchange(new);
                }
            }
            (Kind::Mail { server, .. }, Kind::Mail { server: new, .. }) => server.exchange(new),
            _ => {}
        }
    }

    /// The secret that decides where messages go.
    pub fn address(&self) -> &Live<SecretString> {
        match self {
            Kind::Slack { url } | Kind::Teams { url } | Kind::Webhook { url, .. } => url,
            Kind::Mail { server, .. } => server,
        }
    }

    /// Delivers a message: of what is not taken less is sent, down to one line.
    pub async fn deliver(
        &self,
        client: &reqwest::Client,
        message: &Outgoing,
        recipient: Option<&str>,
        most: Share,
    ) -> Result<(), NotTaken> {
        let mut said = String::new();
        for share in Share::ALL.into_iter().filter(|share| *share >= most) {
            match self.send(client, message, recipient, share).await {
                Err(NotTaken::TooLong(why)) => said = why,
                other => return other,
            }
        }
        Err(NotTaken::Dead(format!("{said}, even to one line")))
    }

    /// Delivers a message as it is, or not: where a part of it would be of no use.
    pub async fn deliver_whole(
        &self,
        client: &reqwest::Client,
        message: &Outgoing,
        recipient: Option<&str>,
    ) -> Result<(), NotTaken> {
        self.send(client, message, recipient, Share::Whole).await
    }

    async fn send(
        &self,
        client: &reqwest::Client,
        message: &Outgoing,
        recipient: Option<&str>,
        share: Share,
    ) -> Result<(), NotTaken> {
        match self {
            Kind::Slack { url } => post(client, &url.current(), None, &slack(message, share)).await,
            Kind::Teams { url } => post(client, &url.current(), None, &teams(message, share)).await,
            Kind::Webhook { url, secret } => {
                let secret = secret.as_ref().map(Live::current);
                post(client, &url.current(), secret.as_deref(), &webhook(message, share)).await
            }
            Kind::Mail { server, from, to, .. } => {
                let one = to.iter().find(|mailbox| recipient.is_none_or(|one| mailbox.email.to_string() == one));
                let Some(one) = one else { return Ok(()) };
                mail(&server.current(), from, to, one, message, share).await
            }
        }
    }
}

fn slack(message: &Outgoing, share: Share) -> Value {
    let mut room = share.of(SLACK_TEXT);
    loop {
        let text = escape(&message.text(share, room));
        if text.chars().count() <= SLACK_TEXT || room < 100 {
            return json!({ "text": text });
        }
        room = room * 3 / 4;
    }
}

/// Slack's three control characters.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn teams(message: &Outgoing, share: Share) -> Value {
    let mut room = share.of(TEAMS_BODY);
    loop {
        let card = card(&message.subject, &message.text(share, room));
        if card.to_string().len() <= share.of(TEAMS_BODY).max(2000) || room < 100 {
            return card;
        }
        room = room * 3 / 4;
    }
}

fn card(subject: &str, text: &str) -> Value {
    // What is in brackets before something in parentheses would be a link.
    let plain = |text: &str| text.replace("](", "] (");
    let block =
        |text: &str, weight: &str| json!({ "type": "TextBlock", "text": plain(text), "weight": weight, "wrap": true });
    // A single line break is no line break in a text block.
    let subject = cut(subject, 500, "attention");
    let body = [block(subject.trim_end(), "bolder"), block(&text.trim_end().replace('\n', "\n\n"), "default")];
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
                "body": body,
            },
        }],
    })
}

fn webhook(message: &Outgoing, share: Share) -> Value {
    let cuts = Share::ALL.into_iter().filter(|cut| *cut >= share);
    let all = cuts.map(|share| match share {
        Share::Whole => message.value.clone(),
        Share::Half | Share::Line => less(&message.value, share, message.command),
    });
    let mut last = json!({});
    for value in all {
        last = value;
        if last.to_string().len() <= WEBHOOK_BODY {
            break;
        }
    }
    last
}

async fn post(
    client: &reqwest::Client,
    url: &SecretString,
    secret: Option<&SecretString>,
    body: &Value,
) -> Result<(), NotTaken> {
    let body = body.to_string();
    let mut request = client.post(url.expose_secret()).header("content-type", "application/json");
    if let Some(secret) = secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let signature = crate::domain::hex(hmac::sign(&key, body.as_bytes()).as_ref());
        request = request.header("x-signature-256", format!("sha256={signature}"));
    }
    let answer = request.body(body).send().await.map_err(|e| NotTaken::Failed(CallError::from(e).to_string()))?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let said = read_body(answer, LARGEST_ANSWER).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    // An answer that repeats where it was sent to would show the secret.
    let tail = url.expose_secret().rsplit('/').next().unwrap_or_default();
    let said = if tail.len() > 3 && said.contains(tail) { "" } else { &said };
    of_http(status, headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()), said)
}

async fn mail(
    server: &SecretString,
    from: &Mailbox,
    to: &[Mailbox],
    one: &Mailbox,
    message: &Outgoing,
    share: Share,
) -> Result<(), NotTaken> {
    let unwritten = |e: lettre::error::Error| NotTaken::Dead(format!("it cannot be written as a mail: {e}"));
    let mut mail = Message::builder().from(from.clone()).subject(&message.subject);
    mail = mail.message_id(Some(format!("<{}@{}>", message.id, from.email.domain())));
    for address in to {
        mail = mail.to(address.clone());
    }
    let mut parts = MultiPart::mixed().singlepart(SinglePart::plain(message.text(share, MAIL_TEXT)));
    let mut room = if share == Share::Whole { MAIL_ATTACHED } else { 0 };
    for file in &message.files {
        // A report that is not there any more, or too large for a mail, is told of all the same.
        let page = std::fs::read(file).ok().filter(|page| page.len() <= room);
        if let (Some(page), Some(name)) = (page, file.file_name()) {
            room -= page.len();
            let name = name.to_string_lossy().into_owned();
            parts = parts.singlepart(Attachment::new(name).body(page, ContentType::TEXT_HTML));
        }
    }
    let mail = mail.multipart(parts).map_err(unwritten)?.formatted();
    // One recipient at a time: what a server says to one is said of nobody else.
    let envelope = Envelope::new(Some(from.email.clone()), vec![one.email.clone()]).map_err(unwritten)?;
    let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(server.expose_secret());
    let transport =
        transport.map_err(|e| NotTaken::Dead(format!("the address of the mail server is wrong: {e}")))?.build();
    transport.send_raw(&envelope, &mail).await.map(drop).map_err(|e| of_mail(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(lines: usize) -> Outgoing {
        let text: String = (0..lines).map(|n| format!("hold {n}: <deactivate> \"of\" & somebody\n")).collect();
        let event = json!({ "event": "hold", "count": lines, "people": [], "more": 0, "message": ["x".repeat(9000)] });
        let value = json!({ "events": vec![event; 200], "rows": { "from": 1, "to": 2 } });
        Outgoing::new("waits for a decision: 9", &text, value, Vec::new(), "id".into(), "attention")
    }

    #[test]
    fn names_cannot_become_commands_of_slack() {
        assert_eq!(escape("<!channel> R&D"), "&lt;!channel&gt; R&amp;D");
        assert!(card("s", "[here](https://evil.example)").to_string().contains("[here] (https"));
    }

    #[test]
    fn no_body_is_larger_than_its_receiver_takes_and_the_first_lines_stay() {
        let message = long(5000);
        for share in Share::ALL {
            let text = slack(&message, share)["text"].as_str().expect("a text").to_owned();
            assert!(text.chars().count() <= share.of(SLACK_TEXT) && text.contains("see `attention`"), "{share:?}");
            assert!(share == Share::Line || text.starts_with("hold 0: "), "{share:?}");
            let card = teams(&message, share).to_string();
            assert!(
                card.len() <= share.of(TEAMS_BODY).max(2000) && card.contains("see `attention`"),
                "{share:?}: {}",
                card.len()
            );
            assert!(webhook(&message, share).to_string().len() <= WEBHOOK_BODY, "{share:?}");
            assert!(message.text(share, MAIL_TEXT).len() <= share.of(MAIL_TEXT), "{share:?}");
        }
        let line = slack(&message, Share::Line);
        assert_eq!(line["text"], "waits for a decision: 9: see `attention`\n");
    }

    #[test]
    fn what_somebody_has_typed_into_a_name_reaches_no_person_as_a_control_character() {
        let message =
            Outgoing::new("a\u{1b}b", "Ann\u{1b}[2J\n\u{202e}Ben", json!({}), Vec::new(), "id".into(), "attention");
        let text = format!("{}{}", slack(&message, Share::Whole), teams(&message, Share::Whole));
        assert!(
            !text.contains(['\u{1b}', '\u{202e}']) && !text.contains("\\u001b") && text.contains("u{1b}[2J"),
            "{text}"
        );
    }
}
