//! The `search` and `filter` expressions of Okta's lists, as far as clients use them (`okta-api.md §3.2`).

use serde_json::Value;

/// A parsed expression: a disjunction of conjunctions of comparisons.
#[derive(Clone, Debug, PartialEq)]
pub struct Query(Vec<Vec<Comparison>>);

#[derive(Clone, Debug, PartialEq)]
struct Comparison {
    attribute: String,
    operator: String,
    value: String,
}

impl Query {
    /// Parses `text`; `None` if it is not one of the expressions that are understood.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = words(text)?.into_iter().peekable();
        let mut any = vec![Vec::new()];
        loop {
            let attribute = words.next()?;
            let operator = words.next()?.to_ascii_lowercase();
            let value = match operator.as_str() {
                "pr" => String::new(),
                "eq" | "sw" | "co" | "gt" | "ge" | "lt" | "le" => words.next()?.trim_matches('"').to_owned(),
                _ => return None,
            };
            any.last_mut()?.push(Comparison { attribute, operator, value });
            match words.next().map(|w| w.to_ascii_lowercase()).as_deref() {
                None => return Some(Self(any)),
                Some("and") => {}
                Some("or") => any.push(Vec::new()),
                Some(_) => return None,
            }
        }
    }

    /// Whether an object matches; `attribute` looks up `profile.x`, `status` and the like.
    pub fn matches(&self, attribute: impl Fn(&str) -> Option<Value>) -> bool {
        self.0.iter().any(|all| all.iter().all(|c| c.holds(attribute(&c.attribute))))
    }
}

impl Comparison {
    fn holds(&self, found: Option<Value>) -> bool {
        let Some(found) = found.filter(|v| !v.is_null()) else { return false };
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
        let end = if let Some(inner) = rest.strip_prefix('"') {
            inner.find('"')? + 2
        } else {
            rest.find(' ').unwrap_or(rest.len())
        };
        words.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn expressions_compare_without_regard_to_case() {
        let matches = |text: &str| {
            let query = Query::parse(text).expect(text);
            query.matches(|name| match name {
                "status" => Some(json!("ACTIVE")),
                "profile.department" => Some(json!("Sales")),
                _ => None,
            })
        };
        assert!(matches("status eq \"active\""));
        assert!(matches("status eq \"STAGED\" or profile.department sw \"sa\""));
        assert!(!matches("status eq \"ACTIVE\" and profile.city pr"));
        assert_eq!(Query::parse("status ne \"ACTIVE\""), None);
        assert_eq!(Query::parse("status eq \"open"), None);
    }
}
