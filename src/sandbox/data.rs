//! A company of one's own, from a file: profiles and accounts line by line as JSON, or an HR table as CSV.
//!
//! **Invariant:** nothing is guessed. What cannot be read is named with its line, all of it at once; what is sensitive is refused;
//! and a file that is too large is not read.

mod line;
mod twin;

pub use line::{ACCOUNT, Account, GROUP, PROFILE};
pub use twin::{RealAccount, RealProfile, Twin};

use super::population::{Person, Words};
use line::{Draft, Reports};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

/// Bytes of a file.
pub const LARGEST_FILE: u64 = 256 * 1024 * 1024;
/// Bytes of a line.
const LONGEST_LINE: usize = 64 * 1024;
/// People of a contents.
const MOST_PEOPLE: usize = 200_000;
/// Problems that are told; more are counted.
const MOST_PROBLEMS: usize = 50;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object on each line.
    Lines,
    /// A header, and one person on each line.
    Table,
}

impl Format {
    /// By the end of the name: `.csv` is a table.
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|end| end.to_str()) {
            Some(end) if end.eq_ignore_ascii_case("csv") => Format::Table,
            _ => Format::Lines,
        }
    }
}

/// A company and its org, as a file has them.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Everybody in Namely.
    pub people: Vec<Person>,
    /// Custom fields that profiles have.
    pub fields: BTreeSet<String>,
    /// Everybody in Okta, if the file says so.
    pub accounts: Vec<Account>,
    /// Names of Okta's groups, if the file says so.
    pub groups: BTreeSet<String>,
}

/// What is wrong with a line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// From 1 on; 0 is the file as a whole.
    pub line: u64,
    /// What is wrong, and what to do.
    pub why: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.why),
            line => write!(f, "line {line}: {}", self.why),
        }
    }
}

/// Everything that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile(pub Vec<BadLine>);

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, bad) in self.0.iter().take(MOST_PROBLEMS).enumerate() {
            write!(f, "{}{bad}", if n == 0 { "" } else { "\n" })?;
        }
        match self.0.len().saturating_sub(MOST_PROBLEMS) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for BadFile {}

impl Contents {
    /// Reads a company, or says everything that is wrong.
    pub fn read(text: &str, format: Format) -> Result<Self, BadFile> {
        if text.len() as u64 > LARGEST_FILE {
            let why = format!("the file is larger than {} MiB", LARGEST_FILE / 1024 / 1024);
            return Err(BadFile(vec![BadLine { line: 0, why }]));
        }
        let mut reading = Reading::default();
        match format {
            Format::Lines => reading.lines(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Format::Table => reading.table(text.strip_prefix('\u{feff}').unwrap_or(text)),
        }
        reading.finish()
    }

    /// Everybody who works there now, and nobody else: what a scenario begins with.
    pub fn at_work(&self, today: jiff::civil::Date) -> Vec<Person> {
        let is_there = |person: &Person| {
            person.status == super::population::Status::Active
                && person.departure_date.is_none()
                && person.start_date < today
        };
        let mut places: HashMap<usize, usize> = HashMap::new();
        let kept: Vec<(usize, &Person)> =
            self.people.iter().enumerate().filter(|(_, person)| is_there(person)).collect();
        for (new, (old, _)) in kept.iter().enumerate() {
            places.insert(*old, new);
        }
        kept.into_iter()
            .map(|(_, person)| Person {
                manager: person.manager.and_then(|manager| places.get(&manager).copied()),
                ..person.clone()
            })
            .collect()
    }
}

/// A file while it is read.
#[derive(Default)]
struct Reading {
    drafts: Vec<(u64, Draft)>,
    accounts: Vec<(u64, Account)>,
    groups: BTreeSet<String>,
    bad: Vec<BadLine>,
}

impl Reading {
    fn bad(&mut self, line: u64, why: impl Into<String>) {
        self.bad.push(BadLine { line, why: why.into() });
    }

    fn lines(&mut self, text: &str) {
        for (line, text) in (1u64..).zip(text.lines()) {
            if text.trim().is_empty() {
                continue;
            }
            if text.len() > LONGEST_LINE {
                self.bad(line, format!("is longer than {} KiB", LONGEST_LINE / 1024));
                continue;
            }
            match serde_json::from_str::<Value>(text) {
                Ok(Value::Object(fields)) => self.object(line, fields),
                Ok(_) => self.bad(line, "is no JSON object"),
                Err(why) => self.bad(line, format!("is no JSON: {why}")),
            }
        }
    }

    fn object(&mut self, line: u64, mut fields: Map<String, Value>) {
        let only = (fields.len() == 1).then(|| fields.keys().next().cloned()).flatten();
        match only.as_deref() {
            Some(kind @ (PROFILE | ACCOUNT | GROUP)) => match (kind, fields.remove(kind)) {
                (PROFILE, Some(Value::Object(profile))) => self.profile(line, &profile),
                (ACCOUNT, Some(Value::Object(account))) => match line::account(&account) {
                    Ok(account) => self.accounts.push((line, account)),
                    Err(problems) => problems.into_iter().for_each(|why| self.bad(line, why)),
                },
                (GROUP, Some(Value::String(name))) if !name.is_empty() => {
                    self.groups.insert(name);
                }
                (GROUP, _) => self.bad(line, "a group is the text that is its name"),
                (kind, _) => self.bad(line, format!("{kind} is an object")),
            },
            _ => self.profile(line, &fields),
        }
    }

    fn profile(&mut self, line: u64, fields: &Map<String, Value>) {
        match Draft::read(fields) {
            Ok(draft) => self.drafts.push((line, draft)),
            Err(problems) => problems.into_iter().for_each(|why| self.bad(line, why)),
        }
    }

    fn table(&mut self, text: &str) {
        let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let names: Vec<String> = match rows.headers() {
            Ok(header) => header.iter().map(line::column).collect(),
            Err(why) => return self.bad(1, format!("the header cannot be read: {why}")),
        };
        let twice = (0..names.len()).find(|n| names[..*n].contains(&names[*n]));
        if let Some(twice) = twice {
            return self.bad(1, format!("two columns are called {}", names[twice]));
        }
        for row in rows.into_records() {
            match row {
                Ok(row) => {
                    let line = row.position().map_or(0, csv::Position::line);
                    let cells = names.iter().zip(row.iter()).filter(|(_, cell)| !cell.is_empty());
                    let fields = cells.map(|(name, cell)| (name.clone(), Value::from(cell))).collect();
                    self.profile(line, &fields);
                }
                Err(why) => {
                    let line = why.position().map_or(0, csv::Position::line);
                    self.bad(line, format!("cannot be read: {why}"));
                }
            }
        }
    }

    fn finish(mut self) -> Result<Contents, BadFile> {
        if self.drafts.len() > MOST_PEOPLE || self.accounts.len() > MOST_PEOPLE {
            self.bad(0, format!("the file has more than {MOST_PEOPLE} people"));
            return Err(BadFile(self.bad));
        }
        self.refuse_doubles();
        let managers = self.managers();
        if self.drafts.is_empty() && self.accounts.is_empty() && self.bad.is_empty() {
            self.bad(0, "the file has nobody in it");
        }
        if !self.bad.is_empty() {
            self.bad.sort_by_key(|bad| bad.line);
            return Err(BadFile(self.bad));
        }
        let words = words(&self.drafts);
        let fields = self.drafts.iter().flat_map(|(_, draft)| draft.custom.keys().cloned()).collect();
        let people = self.drafts.into_iter().zip(managers);
        let people = people.map(|((_, draft), manager)| draft.person(words, manager)).collect();
        let accounts = self.accounts.into_iter().map(|(_, account)| account).collect();
        Ok(Contents { people, fields, accounts, groups: self.groups })
    }

    fn refuse_doubles(&mut self) {
        let mut seen: HashMap<(&str, String), u64> = HashMap::new();
        let mut twice = Vec::new();
        let mut note = |what: &'static str, value: &str, line: u64| {
            if let Some(first) = seen.insert((what, value.to_lowercase()), line) {
                twice.push((line, format!("{what} {value:?} is that of line {first} already")));
            }
        };
        for (line, draft) in &self.drafts {
            note("id", &draft.id, *line);
            note("email", &draft.email, *line);
        }
        for (line, account) in &self.accounts {
            note("login", account.profile.get("login").and_then(Value::as_str).unwrap_or_default(), *line);
        }
        twice.into_iter().for_each(|(line, why)| self.bad(line, why));
    }

    /// The place of everybody's manager, by whom `reports_to` names.
    fn managers(&mut self) -> Vec<Option<usize>> {
        let mut places: HashMap<String, usize> = HashMap::new();
        for (n, (_, draft)) in self.drafts.iter().enumerate() {
            places.insert(draft.id.to_lowercase(), n);
            places.insert(draft.email.to_lowercase(), n);
        }
        let mut managers = Vec::new();
        let mut unknown = Vec::new();
        for (n, (line, draft)) in self.drafts.iter().enumerate() {
            let Reports(reports) = &draft.reports_to;
            let found = reports.as_ref().map(|name| (name, places.get(&name.to_lowercase()).copied()));
            if let Some((name, None)) = found {
                unknown.push((*line, format!("reports_to names nobody of this file: {name:?} (an email, or an id)")));
            }
            if found.is_some_and(|(_, place)| place == Some(n)) {
                unknown.push((*line, "reports_to names the person themselves".to_owned()));
            }
            managers.push(found.and_then(|(_, place)| place));
        }
        unknown.into_iter().for_each(|(line, why)| self.bad(line, why));
        managers
    }
}

/// What a company calls its departments and the like, each once, in the order of the file. They are kept until the process ends,
/// as everything of a tenant is.
fn words(drafts: &[(u64, Draft)]) -> Words {
    let list = |of: &dyn Fn(&Draft) -> String| -> &'static [&'static str] {
        let mut found: Vec<&'static str> = Vec::new();
        let mut known: BTreeSet<String> = BTreeSet::new();
        for (_, draft) in drafts {
            let word = of(draft);
            if known.insert(word.clone()) {
                found.push(word.leak());
            }
        }
        found.leak()
    };
    let tiers: BTreeMap<&str, &str> =
        drafts.iter().rev().map(|(_, draft)| (draft.job_title.as_str(), draft.job_tier.as_str())).collect();
    let titles: Vec<(&'static str, &'static str)> = list(&|draft| draft.job_title.clone())
        .iter()
        .map(|title| {
            let tier: &'static str = tiers.get(title).copied().unwrap_or_default().to_owned().leak();
            (*title, tier)
        })
        .collect();
    Words {
        departments: list(&|draft| draft.department.clone()),
        offices: list(&|draft| draft.office.clone()),
        titles: titles.leak(),
        employee_types: list(&|draft| draft.employee_type.clone()),
    }
}

#[cfg(test)]
mod tests;
