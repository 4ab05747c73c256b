//! The `search` and `filter` expressions of Okta's lists, as far as clients use them (`okta-api.md §3.2`).

use serde_json::Value;

/// How deeply brackets may stand within one another.
const DEEPEST: usize = 50;

/// A parsed expression: comparisons, joined by `and`, which binds tighter, and `or`; brackets as far as they go.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// One of them.
    Any(Vec<Query>),
    /// All of them.
    All(Vec<Query>),
    /// One comparison.
    One(Comparison),
}

/// What is asked of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    attribute: String,
    operator: String,
    value: String,
}

impl Query {
    /// Parses `text`; `None` if it is not one of the expressions that are understood.
    pub fn parse(text: &str) -> Option<Self> {
        let words = words(text)?;
        let mut rest = words.as_slice();
        let query = Self::any(&mut rest, 0)?;
        rest.is_empty().then_some(query)
    }

    fn any(words: &mut &[String], depth: usize) -> Option<Self> {
        let mut parts = vec![Self::all(words, depth)?];
        while take(words, "or") {
            parts.push(Self::all(words, depth)?);
        }
        Some(Self::Any(parts))
    }

    fn all(words: &mut &[String], depth: usize) -> Option<Self> {
        let mut parts = vec![Self::one(words, depth)?];
        while take(words, "and") {
            parts.push(Self::one(words, depth)?);
        }
        Some(Self::All(parts))
    }

    fn one(words: &mut &[String], depth: usize) -> Option<Self> {
        if take(words, "(") {
            let inner = if depth < DEEPEST { Self::any(words, depth + 1)? } else { return None };
            return take(words, ")").then_some(inner);
        }
        let (attribute, operator) = (next(words)?, next(words)?.to_ascii_lowercase());
        let value = match operator.as_str() {
            "pr" => String::new(),
            "eq" | "sw" | "co" | "gt" | "ge" | "lt" | "le" => unquoted(&next(words)?),
            _ => return None,
        };
        Some(Self::One(Comparison { attribute, operator, value }))
    }

    /// Whether an object matches; `attribute` looks up `profile.x`, `status` and the like.
    pub fn matches(&self, attribute: &dyn Fn(&str) -> Option<Value>) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.matches(attribute)),
            Self::All(parts) => parts.iter().all(|part| part.matches(attribute)),
            Self::One(comparison) => comparison.holds(attribute(&comparison.attribute)),
        }
    }

    /// Everything that is asked, whatever joins it.
    pub fn comparisons(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Any(parts) | Self::All(parts) => parts.iter().flat_map(Self::comparisons).collect(),
            Self::One(comparison) => vec![(&comparison.attribute, &comparison.value)],
        }
    }
}

/// A value without the quotes around it.
fn unquoted(word: &str) -> String {
    let inner = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
    inner.unwrap_or(word).replace("\\\"", "\"")
}

fn next(words: &mut &[String]) -> Option<String> {
    let (first, rest) = words.split_first()?;
    *words = rest;
    Some(first.clone())
}

fn take(words: &mut &[String], word: &str) -> bool {
    let found = words.first().is_some_and(|first| first.eq_ignore_ascii_case(word));
    if found {
        *words = &words[1..];
    }
    found
}

impl Comparison {
    fn holds(&self, found: Option<Value>) -> bool {
        let Some(found) = found.filter(|v| !v.is_null()) else { return false };
        if let Value::Array(items) = found {
            // Of a list one item is enough.
            return items.into_iter().any(|item| self.holds(Some(item)));
        }
        let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned).to_lowercase();
        let value = self.value.to_lowercase();
        match self.operator.as_str() {
            "pr" => true,
            "eq" => found == value,
            "sw" => found.starts_with(&value),
            "co" => found.contains(&value),
            "gt" => found > value,
            "ge" => found >= value,
            "lt" => found < value,
            "le" => found <= value,
            _ => false,
        }
    }
}

/// Words and quoted texts; `None` if a quote is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = match rest.strip_prefix('"') {
            Some(inner) => closing(inner)? + 2,
            None if rest.starts_with(['(', ')']) => 1,
            None => rest.find([' ', '(', ')']).unwrap_or(rest.len()),
        };
        words.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    Some(words)
}

/// Where a quoted text ends; a quote behind a backslash is one of its letters.
fn closing(text: &str) -> Option<usize> {
    text.match_indices('"').map(|(at, _)| at).find(|at| !text[..*at].ends_with('\\'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn expressions_compare_without_regard_to_case() {
        let matches = |text: &str| {
            let query = Query::parse(text).expect(text);
            query.matches(&|name| match name {
                "status" => Some(json!("ACTIVE")),
                "profile.department" => Some(json!("Sales \"EMEA\"")),
                "profile.skills" => Some(json!(["sql", "go"])),
                _ => None,
            })
        };
        assert!(matches("status eq \"active\""));
        assert!(matches("status eq \"STAGED\" or profile.department sw \"sa\""));
        assert!(!matches("status eq \"ACTIVE\" and profile.city pr"));
        assert!(matches("profile.department eq \"Sales \\\"EMEA\\\"\" and profile.skills eq \"go\""));
        assert!(!matches("status eq \"STAGED\" and (status eq \"ACTIVE\" or profile.department pr)"));
        assert!(matches("(status eq \"STAGED\" and status eq \"ACTIVE\") or (profile.department pr)"));
        for broken in ["(status pr", "status pr)", "()", "", "status pr status pr", "status eq", &"(".repeat(9_000)] {
            assert_eq!(Query::parse(broken), None, "{broken}");
        }
        assert_eq!(Query::parse("status ne \"ACTIVE\""), None);
        assert_eq!(Query::parse("status eq \"open"), None);
    }
}
