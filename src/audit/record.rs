//! Audit rows and their chain.
//!
//! **Invariant:** a row is written in the same transaction as the state it describes, and carries the hash of the row
//! before it. Rows are only ever appended.

use super::event::Event;
use super::words;
use crate::clock::Moment;
use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Value, json};

/// A row before it has its place in the chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When it was so, by the service's clock; stored in milliseconds.
    pub at: Moment,
    /// The person in an org, by the store's id.
    pub target: Option<i64>,
    /// The Okta org that it is about.
    pub org: Option<String>,
    /// The Namely tenant that it is about.
    pub tenant: Option<String>,
    /// The Namely profile that it is about, by its UUID.
    pub profile: Option<String>,
    /// The revision of the person that this is about.
    pub rev: Option<i64>,
    /// What was so.
    pub event: Event,
}

impl Record {
    /// A row about no particular person.
    pub const fn general(at: Moment, event: Event) -> Self {
        Self { at, target: None, org: None, tenant: None, profile: None, rev: None, event }
    }

    /// A row about a person in an org.
    pub fn about(target: i64, org: String, at: Moment, event: Event) -> Self {
        Self { target: Some(target), org: Some(org), ..Self::general(at, event) }
    }

    /// The text that is stored, delivered and hashed: one JSON object. `v` is the version of its words; rows without one are of
    /// the first, and are read for ever.
    pub fn text(&self, seq: i64) -> serde_json::Result<String> {
        let mut row = json!({ "v": words::NOW, "seq": seq, "at": self.at.to_string(), "kind": self.event.kind() });
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                row[key] = value;
            }
        };
        put("target", self.target.map(Value::from));
        put("org", self.org.clone().map(Value::from));
        put("tenant", self.tenant.clone().map(Value::from));
        put("profile", self.profile.clone().map(Value::from));
        put("rev", self.rev.map(Value::from));
        put("detail", Some(self.event.detail()?));
        Ok(row.to_string())
    }
}

/// Hash of a row, given the hash of the one before (empty for the first).
pub fn chain(previous: &[u8], text: &str) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    context.update(previous);
    context.update(text.as_bytes());
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::details::Started;
    use super::*;

    #[test]
    fn a_row_hangs_on_the_one_before_it() {
        let started = Started { run: 1, void_claims: 0, unknown_calls: 0, rules_changed: false, node: None };
        let record = Record::general(Moment::from_secs(0), Event::Started(started));
        let (first, second) = (record.text(1).expect("a row"), record.text(2).expect("a row"));
        let hash = chain(&[], &first);
        assert_ne!(chain(&hash, &second), chain(&[], &second));
        assert_eq!(hash.len(), 32);
    }
}
