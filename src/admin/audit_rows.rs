//! The audit over the API: a search, and what each row says.

use super::decisions::{Decisions, Refusal};
use crate::audit::{Event, Row};
use crate::clock::Moment;
use crate::store::{AuditSearch, Tx, name_of, search_audit};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rows of an answer, and at most.
const SIZE: i64 = 100;
const LARGEST: i64 = 10_000;
/// What happens with every change: seldom what somebody asks about.
const ROUTINE: &[&str] = &["planned", "effect", "done", "walk", "correlated", "started", "searched"];

impl Decisions {
    /// Rows of the audit, the newest first.
    pub(super) fn audit(&self, c: &Tx, query: &Value) -> Result<Value, Refusal> {
        let time = |key: &str| -> Result<Option<Moment>, Refusal> {
            let Some(text) = query[key].as_str() else { return Ok(None) };
            let bad = |_| Refusal::Bad(format!("{key}: {text:?} is no time; write 2026-05-04T06:00:00Z"));
            text.parse::<jiff::Timestamp>().map(Moment::from).map(Some).map_err(bad)
        };
        let kinds: Vec<String> = match query["kind"].as_str() {
            Some(kind) if !Event::KINDS.contains(&kind) => {
                return Err(Refusal::Bad(format!("kind: {kind:?} is none; there are {}", Event::KINDS.join(", "))));
            }
            Some(kind) => vec![kind.to_owned()],
            None if query["routine"].as_bool().unwrap_or(false) => Vec::new(),
            None => Event::KINDS.iter().filter(|kind| !ROUTINE.contains(kind)).map(|kind| (*kind).to_owned()).collect(),
        };
        let kinds = kinds.iter().flat_map(|kind| Event::stored_words(kind)).map(str::to_owned).collect();
        let targets = match query["person"].as_str() {
            Some(person) => self.targets(c, person)?.into_iter().map(|(_, target)| target).collect(),
            None => Vec::new(),
        };
        let most = query["size"].as_i64().unwrap_or(SIZE).clamp(1, LARGEST);
        let search = AuditSearch {
            targets,
            kinds,
            since: time("from")?,
            until: time("to")?,
            text: query["text"].as_str().map(str::to_owned),
            before: query["before"].as_i64(),
            most: usize::try_from(most).unwrap_or(usize::MAX),
        };
        let page = search_audit(c, &search)?;
        let mut names: BTreeMap<i64, Option<String>> = BTreeMap::new();
        let mut rows = Vec::with_capacity(page.rows.len());
        for found in page.rows {
            let row: Value = serde_json::from_str(&found.text)?;
            let name = match row["target"].as_i64() {
                None => None,
                Some(target) => match names.get(&target) {
                    Some(known) => known.clone(),
                    None => names.entry(target).or_insert(name_of(c, target)?).clone(),
                },
            };
            rows.push(json!({
                "seq": found.seq, "at": row["at"], "kind": row["kind"], "org": row["org"], "target": row["target"], "name": name,
                "message": Row::of(&row).describe(), "text": found.text,
            }));
        }
        Ok(json!({ "rows": rows, "next": page.next }))
    }
}
