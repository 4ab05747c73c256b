//! `[[notify]]`: who is told of what, and how.

use super::expressions::optional;
use super::net;
use super::reader::{Reader, Section};
use super::secret::Secrets;
use crate::notify::channel::Kind;
use crate::notify::{Event, check};
use lettre::message::Mailbox;
use std::collections::BTreeSet;
use std::time::Duration;

/// A way to people or programs.
#[derive(Clone, Debug)]
pub struct Channel {
    pub name: String,
    pub kind: Kind,
    pub events: BTreeSet<Event>,
    /// What is not urgent is gathered for so long, and told at once.
    pub every: Duration,
    /// Stands before every subject.
    pub prefix: String,
    pub template: Option<String>,
}

pub(super) fn channel(r: &mut Reader, mut s: Section, secrets: &Secrets) -> Option<Channel> {
    let path = s.path.clone();
    let name = s.required_text(r, "name", "it");
    let word = s.required_text(r, "kind", "slack");
    let kind = word.and_then(|at| match at.value.as_str() {
        "slack" => Some(Kind::Slack { url: net::secret_url(r, &mut s, secrets, "env:SLACK_URL")?.into() }),
        "teams" => Some(Kind::Teams { url: net::secret_url(r, &mut s, secrets, "env:TEAMS_URL")?.into() }),
        "webhook" => {
            let url = net::secret_url(r, &mut s, secrets, "env:WEBHOOK_URL");
            let key = format!("{path}.secret");
            let secret = s.text(r, "secret").map(|at| secrets.resolve(r, &key, at));
            Some(Kind::Webhook { url: url?.into(), secret: optional(secret).ok()?.map(Into::into) })
        }
        "mail" => {
            let server = net::mail_server(r, &mut s, secrets);
            let from = s.required_text(r, "from", "okta-sync@acme.com");
            let from = from.and_then(|at| mailbox(r, &format!("{path}.from"), &at.value, at.span));
            let to = s.texts(r, "to");
            if to.is_none() {
                r.problem(s.location(), format!("{path}.to is missing; add to = [\"it@acme.com\"]"));
            }
            let to = to?;
            let read = to.value.iter().map(|text| mailbox(r, &format!("{path}.to"), text, to.span.clone()));
            let to: Vec<Option<Mailbox>> = read.collect();
            let (server, readable) = server?;
            let to = to.into_iter().collect::<Option<_>>()?;
            Some(Kind::Mail { server: server.into(), readable, from: from?, to })
        }
        other => {
            r.problem(at.span, format!("{path}.kind: {other:?} is not one of slack, teams, webhook, mail"));
            None
        }
    });
    let events = s.texts(r, "events").map_or_else(
        || Event::ALL.into_iter().filter(|event| *event != Event::AccessChange).collect(),
        |at| {
            let mut events = BTreeSet::new();
            for word in &at.value {
                match Event::parse(word) {
                    Some(event) => {
                        events.insert(event);
                    }
                    None => {
                        let words: Vec<&str> = Event::ALL.iter().map(|event| event.as_str()).collect();
                        let message = format!("{path}.events: {word:?} is not one of {}", words.join(", "));
                        r.problem(at.span.clone(), message);
                    }
                }
            }
            events
        },
    );
    let every = s.duration(r, "every", Duration::from_secs(60));
    let prefix = s.text(r, "prefix").map(|at| at.value).unwrap_or_default();
    let template = s.text(r, "template").map(|at| {
        let file = secrets.folder.join(&at.value);
        let read = std::fs::read_to_string(&file).map_err(|e| format!("cannot be read ({e})"));
        match read.and_then(|text| check(&text).map(|()| text).map_err(|e| e.to_string())) {
            Ok(text) => Some(text),
            Err(why) => {
                r.problem(at.span, format!("{path}.template: {}: {why}", at.value));
                None
            }
        }
    });
    s.finish(r);
    Some(Channel { name: name?.value, kind: kind?, events, every, prefix, template: optional(template).ok()? })
}

fn mailbox(r: &mut Reader, path: &str, text: &str, span: std::ops::Range<usize>) -> Option<Mailbox> {
    let read = text.parse();
    read.map_err(|_| r.problem(span, format!("{path}: {text:?} is not a mail address; write \"IT <it@acme.com>\"")))
        .ok()
}
