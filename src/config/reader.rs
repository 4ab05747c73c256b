//! Reads TOML key by key, collecting every problem with its place instead of stopping at the first.

use super::former::now_called;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Something wrong in a configuration file, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message)
    }
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

/// The text being read, and what was found wrong with it.
pub struct Reader<'t> {
    file: &'t Path,
    text: &'t str,
    problems: Vec<Problem>,
}

/// A table whose keys are taken one by one; what is left over at the end is unknown.
pub struct Section<'t> {
    /// Its path, for messages: `okta.budget`.
    pub path: String,
    pub span: Range<usize>,
    entries: BTreeMap<String, (Range<usize>, Spanned<DeValue<'t>>)>,
    asked: Vec<&'static str>,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct At<T> {
    pub value: T,
    pub span: Range<usize>,
}

impl<'t> Reader<'t> {
    /// Parses `text`; syntax errors are problems too, and what can be read is read.
    pub fn parse(file: &'t Path, text: &'t str) -> (Self, Section<'t>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reader = Self { file, text, problems: Vec::new() };
        for error in errors {
            reader.problem(error.span().unwrap_or(0..0), format!("not TOML: {}", error.message()));
        }
        let section = Section::new(String::new(), 0..0, table.into_inner());
        (reader, section)
    }

    /// Whether nothing was found wrong so far.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Notes a problem at `span`.
    pub fn problem(&mut self, span: Range<usize>, message: impl Into<String>) {
        let before = &self.text[..span.start.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.problems.push(Problem {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        });
    }

    /// All problems in the order of the file.
    pub fn finish(mut self) -> Vec<Problem> {
        self.problems.sort();
        self.problems.dedup();
        self.problems
    }
}

/// A text, or `false` in its place.
enum Switched {
    On(String),
    Off,
}

impl<'t> Section<'t> {
    /// A section of a table that stands at `span`.
    pub fn new(path: String, span: Range<usize>, table: DeTable<'t>) -> Self {
        let entries = table.into_iter().map(|(key, value)| (key.get_ref().to_string(), (key.span(), value))).collect();
        Self { path, span, entries, asked: Vec::new() }
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.asked.push(key);
        self.entries.remove(key).map(|(_, value)| value)
    }

    fn typed<T>(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        wanted: &str,
        read: impl FnOnce(&DeValue) -> Option<T>,
    ) -> Option<At<T>> {
        let value = self.take(key)?;
        let span = value.span();
        match read(value.get_ref()) {
            Some(value) => Some(At { value, span }),
            None => {
                reader.problem(
                    span,
                    format!("{}: {wanted} is needed, not {}", self.name(key), value.get_ref().type_str()),
                );
                None
            }
        }
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where this table stands.
    pub fn location(&self) -> Range<usize> {
        self.span.clone()
    }

    /// A text, if the key is there.
    pub fn text(&mut self, reader: &mut Reader, key: &'static str) -> Option<At<String>> {
        self.typed(reader, key, "a text in quotes", |v| v.as_str().map(str::to_owned))
    }

    /// A text that must be there.
    pub fn required_text(&mut self, reader: &mut Reader, key: &'static str, example: &str) -> Option<At<String>> {
        if !self.entries.contains_key(key) {
            self.asked.push(key);
            let name = self.name(key);
            reader.problem(self.span.clone(), format!("{name} is missing; add {key} = {example:?}"));
            return None;
        }
        self.text(reader, key)
    }

    /// `true` or `false`.
    pub fn flag(&mut self, reader: &mut Reader, key: &'static str) -> Option<bool> {
        self.typed(reader, key, "true or false", |v| v.as_bool()).map(|at| at.value)
    }

    /// A whole number within `range`, or else `default`.
    pub fn number(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
        default: i64,
    ) -> i64 {
        let read = |v: &DeValue| match v {
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok(),
            _ => None,
        };
        let found = self.typed(reader, key, "a whole number", read);
        self.ranged(reader, key, found, &range, default)
    }

    /// A part between 0 and 1, or else `default`.
    pub fn part(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        range: std::ops::RangeInclusive<f64>,
        default: f64,
    ) -> f64 {
        let read = |v: &DeValue| match v {
            DeValue::Float(n) => n.as_str().parse().ok(),
            DeValue::Integer(n) => n.as_str().parse().ok(),
            _ => None,
        };
        let found = self.typed(reader, key, "a number such as 0.5", read);
        self.ranged(reader, key, found, &range, default)
    }

    fn ranged<T: PartialOrd + std::fmt::Display>(
        &self,
        reader: &mut Reader,
        key: &'static str,
        found: Option<At<T>>,
        range: &std::ops::RangeInclusive<T>,
        default: T,
    ) -> T {
        match found {
            Some(at) if range.contains(&at.value) => at.value,
            Some(at) => {
                let (name, from, to) = (self.name(key), range.start(), range.end());
                reader.problem(at.span, format!("{name}: {} is outside {from} to {to}", at.value));
                default
            }
            None => default,
        }
    }

    /// A time such as `"5s"`, `"250ms"` or `"2m"`, or else `default`.
    pub fn duration(&mut self, reader: &mut Reader, key: &'static str, default: Duration) -> Duration {
        let Some(at) = self.text(reader, key) else { return default };
        let parsed = at.value.parse::<jiff::SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
        match parsed.filter(|d| !d.is_zero()) {
            Some(duration) => duration,
            None => {
                let name = self.name(key);
                reader.problem(
                    at.span,
                    format!("{name}: {:?} is not a time; write \"5s\", \"250ms\" or \"2m\"", at.value),
                );
                default
            }
        }
    }

    /// A time of whole days or less, such as `"7d"`, `"2w"` or `"12h"`, or else `default`; zero is allowed.
    pub fn days(&mut self, reader: &mut Reader, key: &'static str, default: Duration) -> Duration {
        let Some(at) = self.text(reader, key) else { return default };
        let span = at.value.parse::<jiff::Span>().ok();
        let seconds = span.and_then(|s| s.total((jiff::Unit::Second, jiff::SpanRelativeTo::days_are_24_hours())).ok());
        match seconds.filter(|s| (0.0..=315_360_000.0).contains(s)) {
            Some(seconds) => Duration::from_secs_f64(seconds),
            None => {
                let name = self.name(key);
                reader.problem(at.span, format!("{name}: {:?} is not a time; write \"7d\" or \"12h\"", at.value));
                default
            }
        }
    }

    /// One of some words, each with what it means; the first without it.
    pub fn choice<T: Copy>(&mut self, reader: &mut Reader, key: &'static str, words: &[(&str, T)]) -> T {
        let default = words[0].1;
        let Some(at) = self.text(reader, key) else { return default };
        match words.iter().find(|(word, _)| *word == at.value) {
            Some((_, meaning)) => *meaning,
            None => {
                let (name, words) = (self.name(key), words.iter().map(|(w, _)| format!("{w:?}")).collect::<Vec<_>>());
                let hint = now_called(&at.value).map(|now| format!("; it is called {now:?} now")).unwrap_or_default();
                reader.problem(at.span, format!("{name}: {:?} is not one of {}{hint}", at.value, words.join(", ")));
                default
            }
        }
    }

    /// A text, or `false` to switch off what `default` would switch on.
    pub fn text_or_off(&mut self, reader: &mut Reader, key: &'static str, default: &str) -> Option<String> {
        let read = self.typed(reader, key, "a text in quotes or false", |v| match (v.as_str(), v.as_bool()) {
            (Some(text), _) => Some(Switched::On(text.to_owned())),
            (None, Some(false)) => Some(Switched::Off),
            _ => None,
        });
        match read.map(|at| at.value) {
            None => Some(default.to_owned()),
            Some(Switched::On(text)) => Some(text),
            Some(Switched::Off) => None,
        }
    }

    /// A list of texts, or else `default`.
    pub fn texts(&mut self, reader: &mut Reader, key: &'static str) -> Option<At<Vec<String>>> {
        self.typed(reader, key, "a list of texts", |v| {
            v.as_array()?.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        })
    }

    /// A table below this one; an empty one if the key is not there.
    pub fn section(&mut self, reader: &mut Reader, key: &'static str) -> Section<'t> {
        let path = self.name(key);
        match self.take(key).map(|v| (v.span(), v.into_inner())) {
            Some((span, DeValue::Table(table))) => Section::new(path, span, table),
            Some((span, other)) => {
                reader.problem(span.clone(), format!("{path}: a table [{path}] is needed, not {}", other.type_str()));
                Section::new(path, span, DeTable::new())
            }
            None => Section::new(path, self.span.clone(), DeTable::new()),
        }
    }

    /// The tables of `[[key]]`.
    pub fn sections(&mut self, reader: &mut Reader, key: &'static str) -> Vec<Section<'t>> {
        let path = self.name(key);
        let array: DeArray = match self.take(key).map(|v| (v.span(), v.into_inner())) {
            Some((_, DeValue::Array(array))) => array,
            Some((span, _)) => {
                reader.problem(span, format!("{path}: write [[{path}]], once for each"));
                return Vec::new();
            }
            None => return Vec::new(),
        };
        let mut sections = Vec::new();
        for (n, item) in array.into_iter().enumerate() {
            let span = item.span();
            match item.into_inner() {
                DeValue::Table(table) => sections.push(Section::new(format!("{path}[{}]", n + 1), span, table)),
                _ => reader.problem(span, format!("{path}: write [[{path}]], once for each")),
            }
        }
        sections
    }

    /// Every remaining key with its value: for tables whose keys the user chooses.
    pub fn rest(&mut self) -> Vec<(At<String>, Spanned<DeValue<'t>>)> {
        std::mem::take(&mut self.entries)
            .into_iter()
            .map(|(key, (span, value))| (At { value: key, span }, value))
            .collect()
    }

    /// Ends the reading: whatever key is left is unknown.
    pub fn finish(self, reader: &mut Reader) {
        for (key, (span, _)) in &self.entries {
            let name = self.name(key);
            let near = self.asked.iter().map(|known| (distance(known, key), known)).min();
            let hint = match near {
                _ if let Some(now) = now_called(key).filter(|now| self.asked.contains(now)) => {
                    format!("it is called {now} now")
                }
                Some((distance, known)) if distance <= 2 => format!("did you mean {known}?"),
                _ => format!("known here: {}", self.asked.join(", ")),
            };
            reader.problem(span.clone(), format!("{name} is not a key; {hint}"));
        }
    }
}

/// That no two tables of this kind have one name.
pub fn unique_names<'a>(r: &mut Reader, table: &str, all: impl Iterator<Item = &'a str>) {
    let mut names = BTreeSet::new();
    for name in all {
        if !names.insert(name) {
            r.problem(0..0, format!("two [[{table}]] tables are called {name:?}; give each its own name"));
        }
    }
}

/// A number that was checked to be one of things.
pub fn size(n: i64) -> usize {
    usize::try_from(n).unwrap_or(1)
}

/// Edits between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let here = (diagonal + usize::from(from != *to)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], here);
        }
    }
    row[b.len()]
}
