//! What can be configured, drawn from `config/example.toml`: one text for people, for `config explain` and for editors.

use super::reload::is_live;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const EXAMPLE: &str = include_str!("../../config/example.toml");
/// Tables whose keys are the operator's own.
const FREE: [&str; 3] = ["mapping.attributes", "mapping.tables", "mapping.spellings"];
/// Keys that are a text, or `false` to switch something off.
const OR_FALSE: [&str; 1] = ["okta.manager_link"];

/// One key, or one table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Its place; tables of a list like others: `okta.budget.share`.
    pub key: String,
    /// What it does; what stands above it in the example.
    pub about: String,
    /// The value in the example: the default, where there is one.
    pub example: Option<Value>,
    /// Whether it must be written.
    pub optional: bool,
    /// Whether a reload is enough for a change.
    pub live: bool,
    /// Whether the table may be written several times.
    pub list: bool,
}

/// A line of the example that says a key or begins a table, without the `#` that makes it optional.
fn said(line: &str) -> Option<(&str, bool)> {
    let (line, optional) = line.strip_prefix("# ").map_or((line, false), |bare| (bare, true));
    let key = line.split_once(" = ").is_some_and(|(key, _)| !key.is_empty() && !key.contains([' ', '"']));
    (key || (line.starts_with('[') && line.contains(']'))).then_some((line, optional))
}

/// Everything that can be configured, in the order of the example; each key once.
pub fn entries() -> Vec<Entry> {
    let (mut table, mut about) = (String::new(), Vec::new());
    let mut found: Vec<Entry> = Vec::new();
    let mut lists: Vec<String> = Vec::new();
    for line in EXAMPLE.lines() {
        let Some((said, optional)) = said(line) else {
            match line.strip_prefix('#') {
                Some(comment) => about.push(comment.trim()),
                None => about.clear(),
            }
            continue;
        };
        let message = std::mem::take(&mut about).join(" ");
        let (key, example) = if said.starts_with('[') {
            let list = said.starts_with("[[");
            table = said.trim_start_matches('[').split(']').next().unwrap_or_default().to_owned();
            if list {
                lists.push(table.clone());
            }
            (table.clone(), None)
        } else {
            let (key, _) = said.split_once(" = ").unwrap_or_default();
            let value = said.parse::<toml::Table>().ok().and_then(|mut t| serde_json::to_value(t.remove(key)?).ok());
            let Some(value) = value else { continue };
            (if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }, Some(value))
        };
        if FREE.iter().any(|free| key.starts_with(&format!("{free}."))) || found.iter().any(|entry| entry.key == key) {
            continue;
        }
        let list = example.is_none() && lists.contains(&key);
        // As if a table of a list had a name: that is how differences name it.
        let named = lists.iter().find(|list| key.starts_with(&format!("{list}.")));
        let location = named.map_or_else(|| key.clone(), |list| key.replacen(list, &format!("{list}[x]"), 1));
        found.push(Entry { live: is_live(&location), key, about: message, example, optional, list });
    }
    found
}

/// The entries that a word means: the key itself with what is in it, or all that contain the word.
pub fn find(word: &str) -> Vec<Entry> {
    let all = entries();
    let within = format!("{word}.");
    let exact: Vec<Entry> =
        all.iter().filter(|entry| entry.key == word || entry.key.starts_with(&within)).cloned().collect();
    if exact.is_empty() { all.into_iter().filter(|entry| entry.key.contains(word)).collect() } else { exact }
}

/// The JSON Schema that editors check a configuration with.
pub fn schema() -> Value {
    let mut tables: BTreeMap<String, Map<String, Value>> = BTreeMap::from([(String::new(), Map::new())]);
    let all = entries();
    for entry in &all {
        let (parent, name) = entry.key.rsplit_once('.').unwrap_or(("", &entry.key));
        let mut made = match &entry.example {
            None => continue,
            Some(_) if OR_FALSE.contains(&entry.key.as_str()) => json!({ "type": ["string", "boolean"] }),
            Some(value) => typed(value),
        };
        made["description"] = entry.about.clone().into();
        if entry.optional
            && let Some(value) = &entry.example
        {
            made["examples"] = json!([value]);
        }
        tables.entry(parent.to_owned()).or_default().insert(name.to_owned(), made);
    }
    // Tables within tables, the innermost first.
    let mut names: Vec<String> =
        tables.keys().cloned().chain(all.iter().filter(|e| e.example.is_none()).map(|e| e.key.clone())).collect();
    for name in names.clone() {
        let mut rest = name.as_str();
        while let Some((parent, _)) = rest.rsplit_once('.') {
            names.push(parent.to_owned());
            rest = parent;
        }
    }
    names.retain(|name| !name.is_empty());
    names.sort_by_key(|name| std::cmp::Reverse(name.matches('.').count()));
    names.dedup();
    for name in names {
        let Some(properties) = tables.remove(&name).or_else(|| FREE.contains(&name.as_str()).then(Map::new)) else {
            continue;
        };
        let free = FREE.contains(&name.as_str());
        let mut made = json!({ "type": "object", "properties": properties, "additionalProperties": free });
        let entry = all.iter().find(|entry| entry.key == name);
        if let Some(entry) = entry.filter(|entry| entry.list) {
            made = json!({ "type": "array", "items": made, "description": entry.about });
        } else if let Some(entry) = entry {
            made["description"] = entry.about.clone().into();
        }
        let (parent, key) = name.rsplit_once('.').unwrap_or(("", &name));
        tables.entry(parent.to_owned()).or_default().insert(key.to_owned(), made);
    }
    let properties = tables.remove("").unwrap_or_default();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of namely-okta-sync",
        "type": "object", "properties": properties, "additionalProperties": false,
    })
}

fn typed(value: &Value) -> Value {
    match value {
        Value::Bool(_) => json!({ "type": "boolean" }),
        Value::Number(n) if n.is_f64() => json!({ "type": "number" }),
        Value::Number(_) => json!({ "type": "integer" }),
        Value::Array(items) => json!({ "type": "array", "items": items.first().map(typed).unwrap_or_default() }),
        Value::Object(_) => json!({ "type": "object" }),
        Value::Null | Value::String(_) => json!({ "type": "string" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a value does not fit a schema, if it does not.
    fn misfit(schema: &Value, value: &Value, path: &str) -> Option<String> {
        let kinds: Vec<&str> = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect(),
        };
        let is = match value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            Value::Bool(_) => "boolean",
            Value::Number(n) if n.is_f64() => "number",
            Value::Number(_) if kinds.contains(&"number") => "number",
            Value::Number(_) => "integer",
            _ => "string",
        };
        if !kinds.contains(&is) {
            return Some(format!("{path} is {is}, not {kinds:?}"));
        }
        match value {
            Value::Array(items) => items.iter().find_map(|item| misfit(&schema["items"], item, path)),
            Value::Object(keys) if schema["additionalProperties"] != true => keys.iter().find_map(|(key, value)| {
                let path = format!("{path}.{key}");
                match schema["properties"].get(key) {
                    None => Some(format!("{path} is not in the schema")),
                    Some(schema) => misfit(schema, value, &path),
                }
            }),
            _ => None,
        }
    }

    #[test]
    fn the_schema_that_ships_is_what_config_schema_prints() {
        let path = format!("{}/config/schema.json", env!("CARGO_MANIFEST_DIR"));
        let shipped: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("reads")).expect("JSON");
        assert_eq!(shipped, schema(), "run `config schema > config/schema.json`");
    }

    #[test]
    fn every_configuration_that_ships_fits_the_schema_and_a_typo_does_not() {
        let schema = schema();
        for name in ["example", "sandbox", "merger"] {
            let path = format!("{}/config/{name}.toml", env!("CARGO_MANIFEST_DIR"));
            let table: toml::Table = std::fs::read_to_string(&path).expect("reads").parse().expect("TOML");
            let value = serde_json::to_value(table).expect("JSON");
            assert_eq!(misfit(&schema, &value, name), None);
        }
        let typo = json!({ "okta": [{ "name": "acme", "budget": { "shares": 1.0 } }] });
        assert_eq!(misfit(&schema, &typo, "it").as_deref(), Some("it.okta.budget.shares is not in the schema"));
        let wrong = json!({ "service": { "runs": "many" } });
        assert!(misfit(&schema, &wrong, "it").is_some_and(|why| why.contains("it.service.runs is string")));
    }

    #[test]
    fn a_key_is_told_with_what_it_does_its_default_and_whether_a_reload_is_enough() {
        let [share] = &find("okta.budget.share")[..] else { panic!("{:?}", find("okta.budget.share")) };
        assert!(share.about.contains("Part of every rate limit") && share.live && share.optional);
        assert_eq!(share.example, Some(json!(1.0)));
        let [url] = &find("namely.url")[..] else { panic!("{:?}", find("namely.url")) };
        assert!(!url.live && !url.optional);
        assert!(find("safeguards").iter().any(|entry| entry.key == "safeguards.limits.people" && entry.live));
        assert!(find("hot_interval").iter().all(|entry| entry.key == "namely.poll.hot_interval"));
        assert!(find("nonsense").is_empty());
    }

    #[test]
    fn every_key_of_the_example_says_what_it_does_or_stands_in_a_table_that_does() {
        let all = entries();
        assert!(all.len() > 100, "{}", all.len());
        let message = |key: &str| all.iter().any(|entry| entry.key == key && !entry.about.is_empty());
        let untold = all.iter().filter(|e| e.about.is_empty() && e.example.is_some());
        let untold: Vec<&str> = untold
            .filter(|entry| !entry.key.rsplit_once('.').is_some_and(|(table, _)| message(table)))
            .map(|entry| entry.key.as_str())
            .collect();
        assert!(untold.len() < 25, "{untold:?}");
    }
}
