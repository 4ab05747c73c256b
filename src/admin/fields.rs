//! What a request says, field by field: read, and refused where it says nothing.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What a field of a body or of a query holds. Whatever is given must say something: no text of blanks, no list of nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text with at least one letter or digit of any script.
    Text,
    /// The same of many lines: a part of a file.
    Document,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// A list of numbers.
    Numbers,
    /// A list of strings.
    Texts,
    /// A list of objects, one for each person.
    People,
}

/// Entries that a list has at most: everybody of a large tenant.
const LONGEST_LIST: usize = 100_000;
/// Characters that a text has at most.
const LONGEST_TEXT: usize = 10_000;
/// Characters that a part of a file has at most.
const LONGEST_DOCUMENT: usize = 500_000;

/// Bytes that a body has at most, unless it lists people.
const LARGEST_BODY: usize = 64 << 10;
/// Bytes of a body that holds a part of a file.
const LARGEST_DOCUMENT: usize = 4 << 20;
/// Bytes of a body that lists people: a plan for everybody.
const LARGEST_LIST: usize = 64 << 20;
/// Values that a body has at most: twenty of each of 100,000 people.
const MOST_VALUES: usize = 2_000_000;

impl Kind {
    /// What a value looks like, for the OpenAPI document.
    pub fn schema(self) -> Value {
        let text = json!({ "type": "string", "minLength": 1, "maxLength": LONGEST_TEXT });
        let list = |items: Value| json!({ "type": "array", "minItems": 1, "maxItems": LONGEST_LIST, "items": items });
        match self {
            Kind::Text => text,
            Kind::Document => json!({ "type": "string", "minLength": 1, "maxLength": LONGEST_DOCUMENT }),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Number => json!({ "type": "integer" }),
            Kind::Texts => list(text),
            Kind::Numbers => list(json!({ "type": "integer" })),
            Kind::People => list(json!({ "type": "object" })),
        }
    }

    const fn is_list(self) -> bool {
        matches!(self, Kind::Texts | Kind::Numbers | Kind::People)
    }

    const fn message(self) -> &'static str {
        match self {
            Kind::Text | Kind::Document => "a string",
            Kind::Flag => "true or false",
            Kind::Number => "an integer",
            Kind::Texts => "a list of strings",
            Kind::Numbers => "a list of integers",
            Kind::People => "a list of objects",
        }
    }

    /// What is wrong with a value, as it follows the name of the field; nothing if it says something.
    fn wrong(self, value: &Value) -> Option<String> {
        let no = || Some(format!("must be {}", self.message()));
        if self.is_list() {
            let Some(items) = value.as_array() else { return no() };
            return match items.len() {
                0 => Some("is an empty list: name at least one".into()),
                n if n > LONGEST_LIST => Some(format!("has more than {LONGEST_LIST} items: ask for fewer at a time")),
                _ => items.iter().find_map(|item| match (self, item) {
                    (Kind::Texts, Value::String(text)) => {
                        nothing_said(text, LONGEST_TEXT).map(|what| format!("has an entry that {what}"))
                    }
                    (Kind::Numbers, number) if number.is_i64() => None,
                    (Kind::People, Value::Object(_)) => None,
                    _ => no(),
                }),
            };
        }
        match (self, value) {
            (Kind::Text, Value::String(text)) => nothing_said(text, LONGEST_TEXT),
            (Kind::Document, Value::String(text)) => nothing_said(text, LONGEST_DOCUMENT),
            (Kind::Flag, Value::Bool(_)) => None,
            (Kind::Number, number) if number.is_i64() => None,
            _ => no(),
        }
    }
}

/// What is wrong with a text, if it is.
fn nothing_said(text: &str, longest: usize) -> Option<String> {
    if !text.chars().any(char::is_alphanumeric) {
        return Some("says nothing: it needs at least one letter or digit".into());
    }
    let long = text.chars().count() > longest;
    long.then(|| format!("has more than {longest} characters: say it in fewer"))
}

/// One field of a body or of a query.
pub struct Field {
    /// In a body the key, in a query what stands before the `=`.
    pub name: &'static str,
    /// What is refused if it is not this.
    pub kind: Kind,
    /// Whether a request without it is refused.
    pub required: bool,
    /// For OpenAPI and for messages.
    pub about: &'static str,
}

pub(super) const fn field(name: &'static str, kind: Kind, required: bool, about: &'static str) -> Field {
    Field { name, kind, required, about }
}

/// Bytes that a body with these fields has at most.
pub(super) fn largest(fields: &[Field]) -> usize {
    match fields {
        _ if fields.iter().any(|field| field.kind.is_list()) => LARGEST_LIST,
        _ if fields.iter().any(|field| field.kind == Kind::Document) => LARGEST_DOCUMENT,
        _ => LARGEST_BODY,
    }
}

/// Reads the body of a request: an object with these fields, of their types.
pub fn body(fields: &[Field], bytes: &[u8]) -> Result<Value, String> {
    let given = if bytes.is_empty() { b"{}" } else { bytes };
    // Counted before anything is built of them: each value in memory is many times as large as in the text.
    if given.iter().filter(|byte| **byte == b',').count() > MOST_VALUES {
        return Err(format!("the body has more than {MOST_VALUES} values: ask for fewer people at a time"));
    }
    let value: Value = serde_json::from_slice(given).map_err(|e| format!("the body is not JSON: {e}"))?;
    said(fields, &value)?;
    Ok(value)
}

/// That a body says nothing but what these fields may, whichever way it comes.
pub fn said(fields: &[Field], body: &Value) -> Result<(), String> {
    let Some(object) = body.as_object() else { return Err("the body must be a JSON object".into()) };
    check(fields, object)
}

/// Reads what stands behind the question mark, where these fields may.
pub fn query(fields: &[Field], given: &[(String, String)]) -> Result<Value, String> {
    let mut names = BTreeSet::new();
    if let Some((name, _)) = given.iter().find(|(name, _)| !names.insert(name)) {
        return Err(format!("{name} is given more than once: give it once"));
    }
    let read = |(name, text): &(String, String)| {
        let is_text = fields.iter().any(|field| field.name == name && field.kind == Kind::Text);
        let value = if is_text { None } else { serde_json::from_str(text).ok() };
        (name.clone(), value.unwrap_or_else(|| Value::from(text.as_str())))
    };
    let object: Map<String, Value> = given.iter().map(read).collect();
    check(fields, &object)?;
    Ok(Value::Object(object))
}

/// That a query says nothing but what these fields may, whichever way it comes.
pub fn sought(fields: &[Field], query: &Value) -> Result<(), String> {
    query.as_object().map_or(Ok(()), |object| check(fields, object))
}

fn check(fields: &[Field], given: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in given {
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!("there is no field {name:?} here; there are {known}"));
        };
        if let Some(wrong) = field.kind.wrong(value) {
            return Err(format!("{name} {wrong} ({})", field.about));
        }
    }
    match fields.iter().find(|field| field.required && !given.contains_key(field.name)) {
        Some(field) => Err(format!("{} is missing: {}", field.name, field.about)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::routes::find;
    use super::*;

    #[test]
    fn a_body_is_checked_field_by_field() {
        let (approve, _) = find("POST", "/holds/7/approve").expect("a route");
        let said = |text: &str| body(approve.body, text.as_bytes()).expect_err("refused");
        assert!(body(approve.body, br#"{"code":"abc","targets":[1,2]}"#).is_ok());
        assert!(said("{").contains("not JSON") && said("[]").contains("a JSON object"), "{}", said("[]"));
        assert!(said("").contains("code is missing") && said(r#"{"code":1}"#).contains("must be a string"));
        assert!(said(r#"{"code":"a","by":"me"}"#).contains("no field \"by\""));
        assert!(said(r#"{"code":"a","targets":["x"]}"#).contains("targets must be"));
        assert!(said(r#"{"code":"a","targets":[]}"#).starts_with("targets is an empty list: name at least one"));
        assert!(said(r#"{"code":" - "}"#).starts_with("code says nothing"));
        let many = |items: usize| format!("{{\"code\":\"a\",\"targets\":[{}]}}", vec!["1"; items].join(","));
        assert!(body(approve.body, many(LONGEST_LIST).as_bytes()).is_ok());
        assert!(said(&many(LONGEST_LIST + 1)).contains("more than 100000 items"));
        assert!(said(&many(MOST_VALUES + 2)).contains("more than 2000000 values"));
        let long = |n: usize| format!(r#"{{"code":"{}"}}"#, "ü".repeat(n));
        assert!(body(approve.body, long(LONGEST_TEXT).as_bytes()).is_ok(), "characters are counted, not bytes");
        assert!(said(&long(LONGEST_TEXT + 1)).contains("more than 10000 characters"));
    }

    #[test]
    fn a_query_is_checked_like_a_body() {
        let asked = |path: &str, name: &str, text: &str| {
            let (route, _) = find("GET", path).expect("a route");
            query(route.query, &[(name.to_owned(), text.to_owned())])
        };
        assert_eq!(asked("/starters", "days", "3"), Ok(json!({ "days": 3 })));
        assert_eq!(asked("/starters", "org", "3"), Ok(json!({ "org": "3" })), "a name that looks like a number");
        assert_eq!(asked("/holds", "all", "true"), Ok(json!({ "all": true })));
        assert!(asked("/holds", "all", "yes").expect_err("refused").contains("true or false"));
        assert!(asked("/starters", "days", "x").expect_err("refused").contains("an integer"));
        assert!(asked("/starters", "org", " ").expect_err("refused").contains("org says nothing"));
        assert!(asked("/status", "all", "true").expect_err("refused").contains("there are none"));
        let (holds, _) = find("GET", "/holds").expect("a route");
        let twice = [("all".to_owned(), "true".to_owned()), ("all".to_owned(), "false".to_owned())];
        assert!(query(holds.query, &twice).expect_err("refused").starts_with("all is given more than once"));
    }
}
