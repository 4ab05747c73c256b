//! The ways to people and programs: Slack, Microsoft Teams, mail, a signed webhook.

use crate::http::CallError;
use aws_lc_rs::hmac;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Mail servers refuse more.
const LARGEST_ATTACHMENT: usize = 8 << 20;

/// What kind of receiver it is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// An incoming webhook of Slack; its URL is the secret.
    Slack { url: SecretString },
    /// A workflow of Microsoft Teams that takes adaptive cards; its URL is the secret.
    Teams { url: SecretString },
    /// A program: gets the digest as JSON, signed with HMAC-SHA-256 where there is a secret.
    Webhook { url: SecretString, secret: Option<SecretString> },
    /// An SMTP server: `smtp://user:password@host:587?tls=required`; `readable`: mail can be read on its way there, and the
    /// configuration says that this is meant.
    Mail { server: SecretString, readable: bool, from: Mailbox, to: Vec<Mailbox> },
}

/// A message that is ready to go.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub subject: String,
    pub text: String,
    pub value: Value,
    /// Pages that mail brings along; in chat their place is told.
    pub files: Vec<PathBuf>,
}

/// Why a message was not delivered: says what to do, and never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the receiver answered {0}; is its URL still the right one?")]
    Answered(reqwest::StatusCode),
    /// It cannot be written as a mail.
    #[error(transparent)]
    Mail(#[from] lettre::error::Error),
    #[error("the address of the mail server is wrong: {0}")]
    Address(smtp::Error),
    #[error("the mail server: {0}")]
    MailServer(smtp::Error),
}

impl Kind {
    /// Delivers a message.
    pub async fn deliver(&self, client: &reqwest::Client, message: &Outgoing) -> Result<(), DeliveryError> {
        match self {
            Kind::Slack { url } => post(client, url, None, &json!({ "text": escape(&message.text) })).await,
            Kind::Teams { url } => post(client, url, None, &card(message)).await,
            Kind::Webhook { url, secret } => post(client, url, secret.as_ref(), &message.value).await,
            Kind::Mail { server, from, to, .. } => mail(server, from, to, message).await,
        }
    }
}

/// Slack's three control characters.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn card(message: &Outgoing) -> Value {
    let block = |text: &str, weight: &str| json!({ "type": "TextBlock", "text": text, "weight": weight, "wrap": true });
    // A single line break is no line break in a text block.
    let body = [block(&message.subject, "bolder"), block(&message.text.trim_end().replace('\n', "\n\n"), "default")];
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

async fn post(
    client: &reqwest::Client,
    url: &SecretString,
    secret: Option<&SecretString>,
    body: &Value,
) -> Result<(), DeliveryError> {
    let body = body.to_string();
    let mut request = client.post(url.expose_secret()).header("content-type", "application/json");
    if let Some(secret) = secret {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let signature = crate::domain::hex(hmac::sign(&key, body.as_bytes()).as_ref());
        request = request.header("x-signature-256", format!("sha256={signature}"));
    }
    let answer = request.body(body).send().await.map_err(CallError::from)?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(DeliveryError::Answered(answer.status()))
}

async fn mail(server: &SecretString, from: &Mailbox, to: &[Mailbox], message: &Outgoing) -> Result<(), DeliveryError> {
    let mut mail = Message::builder().from(from.clone()).subject(&message.subject);
    for address in to {
        mail = mail.to(address.clone());
    }
    let mut parts = MultiPart::mixed().singlepart(SinglePart::plain(message.text.clone()));
    for file in &message.files {
        // A report that is not there any more, or too large for a mail, is told of all the same.
        let page = std::fs::read(file).ok().filter(|page| page.len() <= LARGEST_ATTACHMENT);
        if let (Some(page), Some(name)) = (page, file.file_name()) {
            let name = name.to_string_lossy().into_owned();
            parts = parts.singlepart(Attachment::new(name).body(page, ContentType::TEXT_HTML));
        }
    }
    let mail = mail.multipart(parts)?;
    let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(server.expose_secret());
    let transport = transport.map_err(DeliveryError::Address)?.build();
    transport.send(mail).await.map(drop).map_err(DeliveryError::MailServer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_commands_of_slack() {
        assert_eq!(escape("<!channel> R&D"), "&lt;!channel&gt; R&amp;D");
    }
}
