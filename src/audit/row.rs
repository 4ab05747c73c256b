//! Rows of the audit as they are read back.

use super::describe::describe;
use super::event::Event;
use serde_json::Value;

/// A row that was stored, whatever version has written it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub seq: i64,
    pub at: String,
    pub target: Option<i64>,
    pub org: Option<String>,
    pub tenant: Option<String>,
    pub profile: Option<String>,
    pub rev: Option<i64>,
    pub event: Event,
}

impl Row {
    /// The row of a stored text; an error where that is no JSON.
    pub fn read(text: &str) -> serde_json::Result<Self> {
        Ok(Self::of(&serde_json::from_str(text)?))
    }

    /// The row of a JSON object.
    pub fn of(row: &Value) -> Self {
        let text = |key: &str| row[key].as_str().map(str::to_owned);
        Self {
            seq: row["seq"].as_i64().unwrap_or(0),
            at: text("at").unwrap_or_default(),
            target: row["target"].as_i64(),
            org: text("org"),
            tenant: text("tenant"),
            profile: text("profile"),
            rev: row["rev"].as_i64(),
            event: Event::read(row["kind"].as_str().unwrap_or_default(), &row["detail"]),
        }
    }

    /// What it says, in one line.
    pub fn describe(&self) -> String {
        describe(&self.event)
    }
}
