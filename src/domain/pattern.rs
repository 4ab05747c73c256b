//! Names with `*` in them: which groups a rule owns, who is protected.

use std::fmt;

/// A name with `*` for any run of characters; case counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern from its text.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether it names anything besides `*`: one that does not would own every group of the org.
    pub fn is_specific(&self) -> bool {
        self.0.chars().any(|c| c != '*' && !c.is_whitespace())
    }

    /// Whether `name` matches as a whole.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        true
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let matches = |pattern: &str, name: &str| Pattern::new(pattern).matches(name);
        assert!(matches("Department *", "Department Finance"));
        assert!(matches("*-team-*", "x-team-y"));
        assert!(matches("Exact", "Exact") && !matches("Exact", "Exactly"));
        assert!(!matches("Department *", "department finance") && !matches("Department *", "My Department X"));
        assert!(!matches("a*b*c", "ac") && matches("a*b*c", "a-b-c"));
        assert!(!Pattern::new(" ** ").is_specific() && Pattern::new("a*").is_specific());
    }
}
