//! A saved plan: what would be done, for whom, computed from what; sealed, so that an edited one is noticed.

use crate::clock::Moment;
use crate::domain::guard::preview::Preview;
use anyhow::{Context as _, bail};
use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

const FORMAT: u32 = 1;
/// Letters of the checksum that name a plan.
const CODE: usize = 12;

/// What is written to it is digested, and kept nowhere.
struct Digested(Context);

impl std::io::Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedPlan {
    pub format: u32,
    /// Which store it was made of.
    pub store: String,
    /// Which rules it was made by.
    pub rules: String,
    pub made_at: jiff::Timestamp,
    pub expires_at: jiff::Timestamp,
    pub people: Vec<Preview>,
    /// Over everything else.
    pub checksum: String,
}

impl SavedPlan {
    /// Seals what would be done.
    pub fn new(people: Vec<Preview>, store: String, rules: String, now: Moment, valid: Duration) -> Self {
        let mut plan = Self {
            format: FORMAT,
            store,
            rules,
            made_at: now.timestamp(),
            expires_at: (now + valid).timestamp(),
            people,
            checksum: String::new(),
        };
        plan.checksum = plan.sum();
        plan
    }

    fn sum(&self) -> String {
        let sealed = (!self.checksum.is_empty()).then(|| Self { checksum: String::new(), ..self.clone() });
        let mut text = Digested(Context::new(&SHA256));
        // What is written here cannot fail, and neither can the plan as JSON.
        drop(serde_json::to_writer(&mut text, sealed.as_ref().unwrap_or(self)));
        crate::domain::hex(text.0.finish().as_ref())
    }

    /// Writes it to a file.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text).with_context(|| format!("the plan cannot be written to {}", path.display()))
    }

    /// Reads it; says what is wrong with it, if it is not as it was saved.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let file = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("the plan {file} cannot be read"))?;
        Self::parse(path, &text)
    }

    /// Reads `text` as the contents of `path`.
    pub(crate) fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        let file = path.display();
        let plan: Self = serde_json::from_str(text)
            .with_context(|| format!("{file} is not a saved plan; make one with `plan -o FILE`"))?;
        if plan.format != FORMAT {
            bail!("{file} was saved by another version (format {}); make it anew with `plan -o FILE`", plan.format);
        }
        if plan.sum() != plan.checksum {
            bail!(
                "{file} was edited since it was saved: its checksum does not fit; make it anew with `plan -o FILE`, and \
                 leave people out with `apply --person`"
            );
        }
        Ok(plan)
    }

    /// What stands for it in the audit, and names what was shown to whoever decides.
    pub fn code(&self) -> &str {
        self.checksum.get(..CODE).unwrap_or_default()
    }

    /// Whether it may still be applied. Of which store and of which rules it is, the service knows.
    pub fn check(&self, now: Moment) -> anyhow::Result<()> {
        if now.timestamp() >= self.expires_at {
            bail!(
                "the plan has expired at {}; make it anew, or let it live longer with `plan --valid`",
                self.expires_at
            );
        }
        Ok(())
    }
}
