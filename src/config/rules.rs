//! What decides about people besides the mapping: dates, leave, positions, correlation, tables.

use super::expressions;
use super::notify::Channel;
use super::reader::{At, Reader, Section};
use crate::domain::mapping::expr::Engine;
use crate::domain::mapping::functions::{Table, Tables};
use crate::domain::matching::correlation::{ANCHOR, Confidence, MatchRule};
use crate::domain::record::lifecycle::{
    LastDay, LeaverGroups, Means, NewProfile, Onboarding, Policies, Rehire, Termination,
};
use crate::notify::channel::Kind;
use jiff::civil::Time;
use std::path::Path;
use std::time::Duration;
use toml::de::DeValue;

const DAY: u64 = 86_400;

/// By what a joiner signs in for the first time.
#[derive(Clone, Copy, Default)]
enum FirstDay {
    #[default]
    OktaMail,
    Link,
    Code,
}

/// When and how: `[onboarding]`, `[termination]`, `[rehire]`.
pub fn policies(r: &mut Reader, root: &mut Section, channels: &[Channel]) -> Policies {
    let defaults = Onboarding::default();
    let mut s = root.section(r, "onboarding");
    let lead = s.days(r, "lead_time", Duration::from_secs(u64::from(defaults.lead_days) * DAY));
    let words = [("okta mail", FirstDay::OktaMail), ("manager", FirstDay::Link), ("tac", FirstDay::Code)];
    let authenticator = s.text(r, "tac_authenticator").map(|at| at.value);
    let means = match s.choice(r, "activation", &words) {
        FirstDay::OktaMail => None,
        FirstDay::Link => Some(Means::Link),
        FirstDay::Code => {
            if authenticator.is_none() {
                let message = "onboarding.tac_authenticator is missing; write for example \"aut1nd8PQhGcQtSxB0g4\"";
                r.problem(s.location(), message.to_owned());
            }
            authenticator.map(|authenticator| Means::Code { authenticator })
        }
    };
    let channel = s.text(r, "channel");
    let is_mail = |name: &str| channels.iter().any(|one| one.name == name && matches!(one.kind, Kind::Mail { .. }));
    match (&means, &channel) {
        (Some(_), None) => {
            let message = "onboarding.channel is missing; name the [[notify]] of kind \"mail\" by which managers, or IT, are sent what \
                           joiners sign in with";
            r.problem(s.location(), message.to_owned());
        }
        (_, Some(at)) if !is_mail(&at.value) => {
            let message = format!("onboarding.channel: {:?} is no [[notify]] of kind \"mail\"", at.value);
            r.problem(at.span.clone(), message);
        }
        _ => {}
    }
    let onboarding = Onboarding {
        means,
        channel: channel.map(|at| at.value).unwrap_or_default(),
        lead_days: u32::try_from(lead.as_secs().div_ceil(DAY)).unwrap_or(u32::MAX).min(3650),
        activate_at: s
            .text(r, "activate_at")
            .and_then(|at| time(r, "onboarding.activate_at", &at))
            .unwrap_or(defaults.activate_at),
        send_email: s.flag(r, "send_email").unwrap_or(defaults.send_email),
    };
    s.finish(r);
    let mut s = root.section(r, "termination");
    let last_day = s.text(r, "last_day").and_then(|at| match at.value.as_str() {
        "end of day" => Some(LastDay::EndOfDay),
        "start of day" => Some(LastDay::StartOfDay),
        _ => time(r, "termination.last_day", &at).map(LastDay::At),
    });
    let defaults = Termination::default();
    let termination = Termination {
        last_day: last_day.unwrap_or_default(),
        grace: s.days(r, "grace", defaults.grace),
        second_thoughts: s.days(r, "second_thoughts", defaults.second_thoughts),
        groups: s.choice(r, "groups", &[("all", LeaverGroups::All), ("managed", LeaverGroups::Managed)]),
    };
    s.finish(r);
    let mut s = root.section(r, "rehire");
    let rehire =
        s.choice(r, "access", &[("fresh start", Rehire::FreshStart), ("restore previous", Rehire::RestorePrevious)]);
    let new_profile = s.choice(r, "new_profile", &[("ask", NewProfile::Ask), ("match", NewProfile::Match)]);
    s.finish(r);
    Policies { onboarding, termination, rehire, new_profile }
}

fn time(r: &mut Reader, path: &str, at: &At<String>) -> Option<Time> {
    let time = at.value.parse().ok();
    if time.is_none() {
        let choices = if path.ends_with("last_day") { "\"end of day\", \"start of day\" or " } else { "" };
        r.problem(at.span.clone(), format!("{path}: {:?} is not a time; write {choices}\"07:30\"", at.value));
    }
    time
}

/// `[[correlation]]`, or the rules that hold without it.
pub fn correlation(r: &mut Reader, root: &mut Section, engine: &Engine) -> Option<Vec<MatchRule>> {
    if !root.has("correlation") {
        return Some(default_matching(engine));
    }
    let rules: Vec<Option<MatchRule>> =
        root.sections(r, "correlation").into_iter().map(|section| match_rule(r, engine, section)).collect();
    rules.into_iter().collect()
}

/// The login is certain, the address alone is not.
fn default_matching(engine: &Engine) -> Vec<MatchRule> {
    let rule = |attribute: &str, confidence| {
        let value = engine.compile("employee.email").ok()?;
        Some(MatchRule { name: attribute.to_owned(), attribute: attribute.to_owned(), value, confidence })
    };
    [rule("login", Confidence::Certain), rule("email", Confidence::Uncertain)].into_iter().flatten().collect()
}

fn match_rule(r: &mut Reader, engine: &Engine, mut s: Section) -> Option<MatchRule> {
    let path = s.path.clone();
    let attribute = s.required_text(r, "attribute", "employeeNumber");
    let name = s.text(r, "name").map(|at| at.value);
    let value = s.required_text(r, "value", "employee.employee_id");
    let value = value.and_then(|at| expressions::text(r, engine, &format!("{path}.value"), &at));
    let confidence =
        s.choice(r, "confidence", &[("uncertain", Confidence::Uncertain), ("certain", Confidence::Certain)]);
    let span = s.location();
    s.finish(r);
    let attribute = attribute?.value;
    let name = name.unwrap_or_else(|| attribute.clone());
    if name == ANCHOR {
        r.problem(span, format!("{path}: the rule {ANCHOR:?} always stands first; give this one another name"));
        return None;
    }
    Some(MatchRule { name, attribute, value: value?, confidence })
}

/// `[mapping.tables]` and `[mapping.spellings]`: files relative to the configuration.
pub fn tables(r: &mut Reader, s: &mut Section, folder: &Path) -> Tables {
    let mut tables = Tables::default();
    let mut files = s.section(r, "tables");
    for (key, value) in files.rest() {
        let span = value.span();
        let Some(file) = value.get_ref().as_str() else {
            r.problem(span, format!("mapping.tables.{}: the name of a CSV or TOML file is needed", key.value));
            continue;
        };
        match load_table(&folder.join(file)) {
            Ok(table) => tables.insert(&key.value, table),
            Err(why) => r.problem(span, format!("mapping.tables.{}: {file}: {why}", key.value)),
        }
    }
    let mut spellings = s.section(r, "spellings");
    for (locale, value) in spellings.rest() {
        let span = value.span();
        let DeValue::Table(pairs) = value.get_ref() else {
            r.problem(span, format!("mapping.spellings.{}: write {{ \"ü\" = \"ue\" }}", locale.value));
            continue;
        };
        for (from, to) in pairs {
            match (from.get_ref().chars().count(), to.get_ref().as_str()) {
                (1, Some(to)) => tables.spell(&locale.value, from.get_ref(), to),
                _ => r.problem(
                    from.span(),
                    format!("mapping.spellings.{}: one letter and the text for it are needed", locale.value),
                ),
            }
        }
    }
    tables
}

/// A table: CSV with a key and a value in each row, or TOML with texts or lists of texts.
fn load_table(path: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot be read ({e})"))?;
    read_table(path, &text)
}

/// Reads `text` as the contents of `path`.
pub fn read_table(path: &Path, text: &str) -> Result<Table, String> {
    let mut table = Table::default();
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        let read: toml::Table = text.parse().map_err(|e: toml::de::Error| e.message().to_owned())?;
        for (key, value) in &read {
            match value {
                toml::Value::String(value) => table.add(key, value),
                toml::Value::Array(values) if values.iter().all(toml::Value::is_str) => {
                    values.iter().filter_map(toml::Value::as_str).for_each(|value| table.add(key, value));
                }
                _ => return Err(format!("{key}: a text or a list of texts is needed")),
            }
        }
        return Ok(table);
    }
    let mut rows = csv::ReaderBuilder::new();
    rows.has_headers(false).flexible(true).trim(csv::Trim::All).comment(Some(b'#'));
    for row in rows.from_reader(text.as_bytes()).records() {
        let row = row.map_err(|e| e.to_string())?;
        let line = row.position().map_or(0, csv::Position::line);
        match (row.get(0), row.get(1), row.len()) {
            (Some(key), Some(value), 2) if !key.is_empty() && !value.is_empty() => table.add(key, value),
            _ => return Err(format!("line {line}: two columns are needed, a key and a value")),
        }
    }
    Ok(table)
}
