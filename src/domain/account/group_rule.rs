//! Okta's own group rules: what they will do once attributes have changed. They are never written, only foretold, and what
//! cannot be foretold is said to be so (`okta-api.md §3.3, §11`).
//!
//! **Invariant:** nothing is foretold by what was not read. Whom a rule looks at by their status, or by a group that another rule
//! fills, is unknown as soon as that moves.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A group rule of the org.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OktaRule {
    pub name: String,
    pub active: bool,
    /// In Okta's expression language.
    pub expression: String,
    /// Ids of the groups that it fills.
    pub groups: Vec<String>,
    /// Ids of users whom it leaves out.
    #[serde(default)]
    pub excluded: BTreeSet<String>,
}

/// An account as rules see it.
#[derive(Clone, Copy)]
pub struct RuledAccount<'a> {
    pub attributes: &'a BTreeMap<String, Value>,
    /// Ids of the groups that it is in.
    pub groups: &'a BTreeSet<String>,
    /// Whether it is known of an attribute, by name, or of a group, by id, that is not above: what was not read is not empty.
    pub knows: &'a dyn Fn(&str) -> bool,
}

/// What a rule will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foretold {
    Joins,
    Leaves,
    /// The rule looks at what changes, and cannot be foretold.
    Unknown,
}

/// What is about to become of an account.
#[derive(Clone, Copy)]
pub struct Prospect<'a> {
    /// Its id, if it is there.
    pub user: Option<&'a str>,
    pub before: Option<RuledAccount<'a>>,
    pub after: RuledAccount<'a>,
    /// Whether it is activated, suspended or deactivated, or the reverse.
    pub status_moves: bool,
}

/// What each of the rules will do; those for which nothing changes are left out.
pub fn foretell<'r>(rules: &'r [OktaRule], prospect: &Prospect) -> Vec<(&'r OktaRule, Foretold)> {
    let mut found: Vec<Option<Foretold>> = rules.iter().map(|rule| rule.foretell(prospect)).collect();
    // What one rule does may be what another looks at: once more until nothing is added.
    loop {
        let moving = rules.iter().zip(&found).filter(|(_, foretold)| foretold.is_some());
        let moved: BTreeSet<&String> = moving.flat_map(|(rule, _)| &rule.groups).collect();
        let unknown = |(rule, foretold): &(&OktaRule, &mut Option<Foretold>)| {
            rule.is_about(prospect.user) && **foretold != Some(Foretold::Unknown) && rule.reads_any_of(&moved)
        };
        let mut added = false;
        for (_, foretold) in rules.iter().zip(&mut found).filter(unknown) {
            *foretold = Some(Foretold::Unknown);
            added = true;
        }
        if !added {
            break;
        }
    }
    rules.iter().zip(found).filter_map(|(rule, foretold)| Some((rule, foretold?))).collect()
}

impl OktaRule {
    /// What the rule will do; `None` if nothing changes for it.
    fn foretell(&self, prospect: &Prospect) -> Option<Foretold> {
        let Prospect { user, before, after, status_moves } = *prospect;
        if !self.is_about(user) {
            return None;
        }
        let holds = |account: RuledAccount| Parser::new(&self.expression).whole(&account);
        match (before.map_or(Some(false), holds), holds(after)) {
            (Some(false), Some(true)) => Some(Foretold::Joins),
            (Some(true), Some(false)) => Some(Foretold::Leaves),
            (Some(_), Some(_)) => None,
            _ => {
                let by_status = status_moves && self.expression.contains("getInternalProperty");
                (by_status || self.reads_a_change(before, after)).then_some(Foretold::Unknown)
            }
        }
    }

    fn is_about(&self, user: Option<&str>) -> bool {
        self.active && user.is_none_or(|id| !self.excluded.contains(id))
    }

    /// Whether the rule looks at one of these groups, or at groups in a way that does not say at which.
    fn reads_any_of(&self, groups: &BTreeSet<&String>) -> bool {
        if groups.is_empty() || self.groups.iter().all(|own| groups.contains(own)) && groups.len() == self.groups.len()
        {
            return false;
        }
        let by_name = self.expression.contains("isMemberOfGroupName");
        by_name
            || self.expression.contains("isMemberOf") && groups.iter().any(|id| self.expression.contains(id.as_str()))
    }

    fn reads_a_change(&self, before: Option<RuledAccount>, after: RuledAccount) -> bool {
        let Some(before) = before else { return true };
        let differs = |name: &String| before.attributes.get(name) != after.attributes.get(name);
        let mut names = before.attributes.keys().chain(after.attributes.keys());
        names.any(|name| differs(name) && self.reads(name)) || self.reads_groups() && before.groups != after.groups
    }

    /// Whether the rule looks at an attribute.
    pub fn reads(&self, attribute: &str) -> bool {
        self.expression.contains(&format!("user.{attribute}"))
    }

    /// Whether the rule looks at groups.
    pub fn reads_groups(&self) -> bool {
        self.expression.contains("isMemberOf")
    }
}

/// Reads the part of Okta's expression language that most rules are written in, and evaluates it as it goes. Whatever it does
/// not know makes what depends on it unknown.
struct Parser<'t> {
    tokens: Vec<&'t str>,
    at: usize,
    depth: usize,
}

/// How deeply brackets and negations may stand within one another; what goes deeper is unknown.
const DEEPEST: usize = 100;

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Self {
        Self { tokens: tokens(text), at: 0, depth: 0 }
    }

    fn whole(mut self, account: &RuledAccount) -> Option<bool> {
        let value = self.either(account);
        if self.at == self.tokens.len() { value } else { None }
    }

    fn peek(&self) -> &'t str {
        self.tokens.get(self.at).copied().unwrap_or_default()
    }

    fn take(&mut self, words: &[&str]) -> bool {
        let found = words.iter().any(|word| self.peek().eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn either(&mut self, account: &RuledAccount) -> Option<bool> {
        let mut value = self.both(account);
        while self.take(&["||", "or"]) {
            let other = self.both(account);
            value = match (value, other) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
        }
        value
    }

    fn both(&mut self, account: &RuledAccount) -> Option<bool> {
        let mut value = self.one(account);
        while self.take(&["&&", "and"]) {
            let other = self.one(account);
            value = match (value, other) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
        }
        value
    }

    fn one(&mut self, account: &RuledAccount) -> Option<bool> {
        if self.depth == DEEPEST {
            return None; // what is left over makes the whole unknown
        }
        self.depth += 1;
        let value = self.one_within(account);
        self.depth -= 1;
        value
    }

    fn one_within(&mut self, account: &RuledAccount) -> Option<bool> {
        if self.take(&["!", "not"]) {
            return self.one(account).map(|value| !value);
        }
        if self.take(&["("]) {
            let value = self.either(account);
            return if self.take(&[")"]) { value } else { None };
        }
        let word = self.peek();
        if self.tokens.get(self.at + 1) == Some(&"(") {
            self.at += 2;
            return self.call(word, account);
        }
        let left = self.operand(account);
        let equal = match self.peek() {
            "==" => true,
            "!=" => false,
            _ => return None,
        };
        self.at += 1;
        let right = self.operand(account);
        same(left?.as_deref(), right?.as_deref()).map(|same| same == equal)
    }

    fn call(&mut self, name: &str, account: &RuledAccount) -> Option<bool> {
        let mut texts: Option<Vec<String>> = Some(Vec::new());
        while !self.take(&[")"]) {
            if self.at >= self.tokens.len() {
                return None;
            }
            let argument = self.operand(account);
            texts = texts.zip(argument).map(|(mut texts, argument)| {
                texts.push(argument.unwrap_or_default());
                texts
            });
            self.take(&[","]);
        }
        match (name, texts?.as_slice()) {
            // Whether nothing contains nothing is not on record.
            ("String.stringContains" | "String.startsWith", [_, part]) if part.is_empty() => None,
            ("String.stringContains", [text, part]) => Some(text.contains(part.as_str())),
            ("String.startsWith", [text, part]) => Some(text.starts_with(part.as_str())),
            ("isMemberOfAnyGroup", ids) if ids.iter().any(|id| account.groups.contains(id)) => Some(true),
            ("isMemberOfAnyGroup", ids) => ids.iter().all(|id| (account.knows)(id)).then_some(false),
            _ => None,
        }
    }

    /// A value in an expression, `Some(None)` for null; `None` where it is not known what it is.
    fn operand(&mut self, account: &RuledAccount) -> Option<Option<String>> {
        let word = self.peek();
        self.at += 1;
        if let Some(text) = word.strip_prefix(['"', '\'']) {
            return Some(Some(text.get(..text.len().saturating_sub(1))?.to_owned()));
        }
        if word == "null" {
            return Some(None);
        }
        // Another call inside, or a number: not known.
        let name = word.strip_prefix("user.").filter(|_| self.peek() != "(")?;
        match account.attributes.get(name) {
            None | Some(Value::Null) => (account.knows)(name).then_some(None),
            Some(Value::String(text)) => Some(Some(text.clone())),
            Some(_) => None,
        }
    }
}

/// Whether two values are the same; unknown where only the case differs, or one is nothing and the other an empty text (it is
/// not on record whether that counts).
fn same(a: Option<&str>, b: Option<&str>) -> Option<bool> {
    let (a, b) = match (a, b) {
        (None, None) => return Some(true),
        (None, Some(text)) | (Some(text), None) => return if text.is_empty() { None } else { Some(false) },
        (Some(a), Some(b)) => (a, b),
    };
    match (a, b) {
        (a, b) if a == b => Some(true),
        (a, b) if a.to_lowercase() == b.to_lowercase() => None,
        _ => Some(false),
    }
}

fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            _ if ["==", "!=", "&&", "||"].iter().any(|sign| rest.starts_with(sign)) => 2,
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len())
            }
            other => other.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(expression: &str) -> Option<bool> {
        let attributes = BTreeMap::from([
            ("department".to_owned(), Value::from("Sales")),
            ("title".to_owned(), Value::from("Team \"A\" Manager")),
            ("level".to_owned(), Value::from(7)),
        ]);
        let groups = BTreeSet::from(["00g1".to_owned()]);
        Parser::new(expression).whole(&RuledAccount { attributes: &attributes, groups: &groups, knows: &|_| true })
    }

    #[test]
    fn what_most_rules_say_is_understood() {
        for (expression, value) in [
            ("user.department==\"Sales\"", Some(true)),
            ("user.department == 'Sales' AND user.city == \"Berlin\"", Some(false)),
            ("user.department != \"Sales\" || String.stringContains(user.title, \"Manager\")", Some(true)),
            ("!(user.department == \"Legal\") && user.city == null", Some(true)),
            ("isMemberOfAnyGroup(\"00g1\", \"00g2\")", Some(true)),
            ("String.startsWith(user.title, \"Team\") and not user.department == \"Legal\"", Some(true)),
        ] {
            assert_eq!(holds(expression), value, "{expression}");
        }
    }

    #[test]
    fn what_is_not_understood_is_unknown_unless_it_does_not_matter() {
        let (deep, negated) = ("(".repeat(100_000), "!".repeat(100_001) + "user.department == \"Sales\"");
        for expression in [
            deep.as_str(),
            negated.as_str(),
            "user.level > 5",
            "String.len(user.title) == 3",
            "user.department",
            "",
            "(user.department == \"Sales\"",
            "user.department == \"sales\"",
            "user.city == \"\"",
            "String.stringContains(user.city, \"\")",
            "user.getInternalProperty('status') == \"ACTIVE\"",
            "isMemberOfGroupName(\"Department Sales\")",
        ] {
            assert_eq!(holds(expression), None, "{expression}");
        }
        assert_eq!(holds("user.department == \"Sales\" || user.level == 7"), Some(true));
        assert_eq!(holds("user.department == \"Legal\" && user.level == 7"), Some(false));
    }

    #[test]
    fn a_rule_is_foretold_by_what_changes_and_leaves_out_whom_it_excludes() {
        let of = |department: &str| BTreeMap::from([("department".to_owned(), Value::from(department))]);
        let (groups, sales, legal) = (BTreeSet::new(), of("Sales"), of("Legal"));
        let account = |attributes| RuledAccount { attributes, groups: &groups, knows: &|name| name != "city" };
        let mut rule = OktaRule {
            active: true,
            expression: "user.department == \"Sales\"".into(),
            excluded: BTreeSet::from(["00u9".to_owned()]),
            ..OktaRule::default()
        };
        let foretell = |rule: &OktaRule, user, before, after| {
            let (user, before, after) = (Some(user), Some(account(before)), account(after));
            rule.foretell(&Prospect { user, before, after, status_moves: false })
        };
        assert_eq!(foretell(&rule, "00u1", &legal, &sales), Some(Foretold::Joins));
        assert_eq!(foretell(&rule, "00u1", &sales, &legal), Some(Foretold::Leaves));
        assert_eq!(foretell(&rule, "00u1", &sales, &sales), None);
        assert_eq!(foretell(&rule, "00u9", &legal, &sales), None);
        let new = Prospect { user: None, before: None, after: account(&sales), status_moves: true };
        assert_eq!(rule.foretell(&new), Some(Foretold::Joins));
        rule.expression = "String.len(user.department) == 5".into();
        assert_eq!(foretell(&rule, "00u1", &legal, &sales), Some(Foretold::Unknown));
        rule.expression = "String.len(user.city) == 5".into();
        assert_eq!(foretell(&rule, "00u1", &legal, &sales), None, "it does not look at what changes");
        rule.expression = "user.department == \"Sales\" && user.city != \"Berlin\"".into();
        assert_eq!(foretell(&rule, "00u1", &legal, &sales), Some(Foretold::Unknown), "nobody has read the city");
    }

    #[test]
    fn what_a_rule_sees_of_the_status_or_of_another_rules_group_is_unknown_once_that_moves() {
        let rule = |expression: &str, group: &str| OktaRule {
            name: group.to_owned(),
            active: true,
            expression: expression.to_owned(),
            groups: vec![group.to_owned()],
            ..OktaRule::default()
        };
        let rules = [
            rule("user.department == \"Sales\"", "00gsales"),
            rule("isMemberOfAnyGroup(\"00gsales\")", "00gstaff"),
            rule("isMemberOfAnyGroup(\"00gstaff\")", "00gall"),
            rule("isMemberOfAnyGroup(\"00gother\")", "00gapart"),
            rule("user.getInternalProperty('status') == \"ACTIVE\"", "00gpresent"),
        ];
        let of = |department: &str| BTreeMap::from([("department".to_owned(), Value::from(department))]);
        let (groups, sales, legal) = (BTreeSet::new(), of("Sales"), of("Legal"));
        let foretold = |before, after, status_moves| {
            let account = |attributes| RuledAccount { attributes, groups: &groups, knows: &|name| name != "city" };
            let prospect =
                Prospect { user: Some("00u1"), before: Some(account(before)), after: account(after), status_moves };
            let found = foretell(&rules, &prospect);
            found.into_iter().map(|(rule, what)| (rule.name.as_str(), what)).collect::<Vec<_>>()
        };
        let chain = [("00gsales", Foretold::Joins), ("00gstaff", Foretold::Unknown), ("00gall", Foretold::Unknown)];
        assert_eq!(foretold(&legal, &sales, false), chain);
        assert_eq!(foretold(&sales, &sales, true), [("00gpresent", Foretold::Unknown)]);
        assert_eq!(foretold(&sales, &sales, false), []);
    }
}
