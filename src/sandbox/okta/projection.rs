//! `fields=` of lists: which parts of an object are shown (`okta-api.md §11`).

use serde_json::{Map, Value};

/// The parts that were asked for, each with the parts within it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Projection(Vec<(String, Option<Projection>)>);

impl Projection {
    /// Reads `id,status,profile:(login,email)`; `None` if it is nothing of the kind.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let found = Self::list(&mut rest)?;
        rest.is_empty().then_some(found)
    }

    fn list(rest: &mut &str) -> Option<Self> {
        let mut parts = Vec::new();
        loop {
            let end = rest.find([',', ':', ')']).unwrap_or(rest.len());
            let name = rest[..end].trim().to_owned();
            if name.is_empty() || name.contains('(') {
                return None;
            }
            *rest = &rest[end..];
            let mut within = None;
            if let Some(inner) = rest.strip_prefix(":(") {
                *rest = inner;
                // One level is all that there is.
                let end = inner.find([')', '('])?;
                let mut names = &inner[..end];
                within = Some(Self::list(&mut names).filter(|_| names.is_empty())?);
                *rest = inner[end..].strip_prefix(')')?;
            }
            parts.push((name, within));
            match rest.strip_prefix(',') {
                Some(more) => *rest = more,
                None => return Some(Self(parts)),
            }
        }
    }

    /// Whether a part is named twice.
    pub(super) fn names_one_twice(&self) -> bool {
        let twice = |at: usize| self.0[..at].iter().any(|(name, _)| *name == self.0[at].0);
        (0..self.0.len()).any(twice)
            || self.0.iter().filter_map(|(_, within)| within.as_ref()).any(Self::names_one_twice)
    }

    /// What is left of an object.
    pub(super) fn of(&self, object: &Value) -> Value {
        let mut kept = Map::new();
        for (name, within) in &self.0 {
            if let Some(value) = object.get(name) {
                let value = within.as_ref().map_or_else(|| value.clone(), |within| within.of(value));
                kept.insert(name.clone(), value);
            }
        }
        Value::Object(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_was_named_is_shown() {
        let object = json!({ "id": "00u1", "status": "ACTIVE", "profile": { "login": "a", "email": "b" } });
        let of = |text: &str| Projection::parse(text).expect(text).of(&object);
        assert_eq!(of("id,profile:(login,phone)"), json!({ "id": "00u1", "profile": { "login": "a" } }));
        assert_eq!(of("profile"), json!({ "profile": { "login": "a", "email": "b" } }));
        assert!(Projection::parse("id,profile:(login,login)").is_some_and(|found| found.names_one_twice()));
        for broken in ["", "id,", "profile:(login", "profile:()", "id)", "(id)"] {
            assert_eq!(Projection::parse(broken), None, "{broken}");
        }
    }
}
