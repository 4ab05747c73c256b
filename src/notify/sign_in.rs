//! What a joiner signs in with for the first time, as it goes to their manager or to IT.
//!
//! **Invariant:** what it says stands in the mail alone: in no store, log or audit, and in no error.

use super::answer::NotTaken;
use super::channel::{Kind, Outgoing};
use lettre::Address;
use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// Something to sign in with.
pub struct SignIn {
    secret: SecretString,
    /// What it is, for people.
    what: &'static str,
    /// Until when it is valid, if Okta says so.
    expires: Option<String>,
}

/// Whose it is, and who is to tell them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joiner {
    /// The person's name.
    pub name: String,
    /// Their login.
    pub login: String,
    /// The first day, where it is known.
    pub start: Option<String>,
    /// The manager's address, if there is one.
    pub manager: Option<String>,
}

impl SignIn {
    /// What an answer of Okta brings: a link, or a temporary access code.
    pub fn read(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let of = |text: &Value, what| {
            let secret = text.as_str().filter(|text| !text.is_empty()).map(SecretString::from)?;
            Some(Self { secret, what, expires: body["profile"]["expiresAt"].as_str().map(str::to_owned) })
        };
        of(&body["activationUrl"], "activation link").or_else(|| of(&body["profile"]["tac"], "temporary access code"))
    }

    /// Gives it to the manager, or to whom the channel is for: one of them is enough.
    pub async fn give(
        &self,
        channel: &Kind,
        client: &reqwest::Client,
        joiner: &Joiner,
        id: String,
    ) -> Result<(), NotTaken> {
        let address = joiner.manager.as_deref().and_then(|address| address.parse::<Address>().ok());
        let mut managers = channel.clone();
        if let (Kind::Mail { to, .. }, Some(address)) = (&mut managers, address) {
            *to = vec![Mailbox::new(None, address)];
            match self.give_all(&managers, client, joiner, id.clone(), "").await {
                // Their mailbox takes nothing, and will not: IT is there for that.
                Err(NotTaken::Dead(said) | NotTaken::TooLong(said)) => {
                    let more = format!("\n\nThe address of their manager does not take mail: {said}");
                    return self.give_all(channel, client, joiner, format!("{id}-it"), &more).await;
                }
                given => return given,
            }
        }
        self.give_all(channel, client, joiner, id, "").await
    }

    async fn give_all(
        &self,
        channel: &Kind,
        client: &reqwest::Client,
        joiner: &Joiner,
        id: String,
        more: &str,
    ) -> Result<(), NotTaken> {
        let text = format!("{}{more}", self.text(joiner));
        let subject = format!("First sign-in of {}", joiner.name);
        let message = Outgoing::new(&subject, &text, Value::Null, Vec::new(), id, "starters");
        let (mut is_given, mut refused) = (false, None);
        for recipient in channel.recipients() {
            match channel.deliver_whole(client, &message, recipient.as_deref()).await {
                Ok(()) => is_given = true,
                Err(why) => refused = Some(why),
            }
        }
        if is_given {
            Ok(())
        } else {
            Err(refused.unwrap_or_else(|| NotTaken::Failed("the channel is for nobody".into())))
        }
    }

    fn text(&self, joiner: &Joiner) -> String {
        let Joiner { name, login, start, .. } = joiner;
        let start = start.as_ref().map(|start| format!(", who starts on {start},")).unwrap_or_default();
        let until = self.expires.as_ref().map(|at| format!(" It is valid until {at}.")).unwrap_or_default();
        format!(
            "{name}{start} signs in to Okta for the first time with this {}. Give it to them in person, and to nobody else: \
             whoever has it can sign in as {login}.{until}\n\n{}\n\nOne that was sent before is void.\n",
            self.what,
            self.secret.expose_secret()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_and_a_code_are_read_and_nothing_of_another_answer() {
        let joiner = Joiner { name: "Ada".into(), login: "ada@example.com".into(), start: None, manager: None };
        let link = SignIn::read(br#"{"activationUrl":"https://acme.okta.com/welcome/x","activationToken":"x"}"#);
        assert!(link.expect("a link").text(&joiner).contains("activation link"));
        let code = SignIn::read(br#"{"id":"tac1","profile":{"tac":"4&^C","expiresAt":"2026-11-27T22:43:30"}}"#);
        let text = code.expect("a code").text(&joiner);
        assert!(text.contains("4&^C") && text.contains("valid until 2026-11-27"), "{text}");
        assert!(SignIn::read(b"{}").is_none() && SignIn::read(b"<html>").is_none());
    }
}
