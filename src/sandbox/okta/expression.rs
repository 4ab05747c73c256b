//! Okta's expression language, as far as group rules use it: a parser that knows the type of every part, and evaluates what it
//! has accepted (`okta-api.md §3.3`). No kept crate reads this language, and it has no published grammar: what is here follows
//! Okta's page about it.
//!
//! **Invariant:** an expression that was accepted is a condition, and has a value for every account. What is not understood is
//! refused with what is wrong about it, as Okta refuses a rule that does not validate.

use super::language::{Candidate, Is, Kind, Signature, evaluate, function};
use serde_json::Value;

/// How deeply parts may stand within one another.
const DEEPEST: usize = 60;

/// A condition that was accepted.
#[derive(Clone, Debug)]
pub(super) struct Expression(Node);

#[derive(Clone, Debug)]
enum Node {
    Constant(Is),
    Attribute(String, Kind),
    Call(&'static Signature, Vec<Node>),
    Not(Box<Node>),
    Both(Box<Node>, Box<Node>),
    Either(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

impl Expression {
    /// Reads a condition; `kind_of` says what type an attribute of the user schema has. An error says what is wrong.
    pub(super) fn parse(text: &str, kind_of: &dyn Fn(&str) -> Option<Kind>) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, kind_of };
        let node = parser.either()?;
        if let Some(left_over) = parser.tokens.get(parser.at) {
            return Err(format!("{} is not expected here", left_over.shown()));
        }
        truth(&node, "the expression")?;
        Ok(Self(node))
    }

    /// Whether the condition is true of somebody.
    pub(super) fn holds(&self, candidate: &Candidate) -> bool {
        self.0.value(candidate) == Is::Truth(true)
    }

    /// Whether the condition looks at the status of the account.
    pub(super) fn reads_status(&self) -> bool {
        self.0.reads_status()
    }
}

impl Node {
    fn kind(&self) -> Kind {
        match self {
            Node::Constant(Is::Null) => Kind::Null,
            Node::Constant(Is::Text(_)) => Kind::Text,
            Node::Constant(Is::Number(_)) => Kind::Number,
            Node::Constant(Is::List(_)) => Kind::List,
            Node::Attribute(_, kind) => *kind,
            Node::Call(signature, _) => signature.gives,
            Node::Constant(Is::Truth(_)) | Node::Not(_) | Node::Both(..) | Node::Either(..) | Node::Compare(..) => {
                Kind::Truth
            }
        }
    }

    fn value(&self, candidate: &Candidate) -> Is {
        let holds = |node: &Node| node.value(candidate) == Is::Truth(true);
        match self {
            Node::Constant(value) => value.clone(),
            Node::Attribute(name, _) => read(candidate.profile.get(name)),
            Node::Call(signature, given) => {
                let given: Vec<Is> = given.iter().map(|node| node.value(candidate)).collect();
                evaluate(signature.name, &given, candidate)
            }
            Node::Not(inner) => Is::Truth(!holds(inner)),
            Node::Both(left, right) => Is::Truth(holds(left) && holds(right)),
            Node::Either(left, right) => Is::Truth(holds(left) || holds(right)),
            Node::Compare(comparison, left, right) => {
                Is::Truth(comparison.holds(&left.value(candidate), &right.value(candidate), candidate.ignores_case))
            }
        }
    }

    fn reads_status(&self) -> bool {
        match self {
            Node::Constant(_) | Node::Attribute(..) => false,
            Node::Call(signature, given) => {
                let status = Is::Text("status".to_owned());
                let asks = matches!(given.as_slice(), [Node::Constant(name)] if *name == status);
                signature.name == "user.getInternalProperty" && asks || given.iter().any(Node::reads_status)
            }
            Node::Not(inner) => inner.reads_status(),
            Node::Both(left, right) | Node::Either(left, right) | Node::Compare(_, left, right) => {
                left.reads_status() || right.reads_status()
            }
        }
    }
}

impl Comparison {
    fn holds(self, left: &Is, right: &Is, ignores_case: bool) -> bool {
        let same = match (left, right) {
            (Is::Text(left), Is::Text(right)) if ignores_case => left.to_lowercase() == right.to_lowercase(),
            _ => left == right,
        };
        let order = match (left, right) {
            (Is::Number(left), Is::Number(right)) => left.partial_cmp(right),
            (Is::Text(left), Is::Text(right)) => Some(left.cmp(right)),
            _ => None,
        };
        match self {
            Comparison::Equal => same,
            Comparison::Unequal => !same,
            Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
            Comparison::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
            Comparison::More => order.is_some_and(std::cmp::Ordering::is_gt),
            Comparison::MoreOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

/// An attribute of a profile.
fn read(value: Option<&Value>) -> Is {
    match value {
        None | Some(Value::Null | Value::Object(_)) => Is::Null,
        Some(Value::Bool(truth)) => Is::Truth(*truth),
        Some(Value::Number(number)) => number.as_f64().map_or(Is::Null, Is::Number),
        Some(Value::String(text)) => Is::Text(text.clone()),
        Some(Value::Array(items)) => {
            let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            Is::List(items.iter().map(text).collect())
        }
    }
}

fn truth(node: &Node, what: &str) -> Result<(), String> {
    match node.kind() {
        Kind::Truth => Ok(()),
        other => Err(format!("{what} is {}, and has to be true or false", other.as_str())),
    }
}

struct Parser<'t> {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    kind_of: &'t dyn Fn(&str) -> Option<Kind>,
}

impl Parser<'_> {
    fn take(&mut self, signs: &[&str]) -> bool {
        let found = match self.tokens.get(self.at) {
            Some(Token::Sign(sign)) => signs.contains(sign),
            Some(Token::Word(word)) => signs.iter().any(|sign| word.eq_ignore_ascii_case(sign)),
            _ => false,
        };
        self.at += usize::from(found);
        found
    }

    fn either(&mut self) -> Result<Node, String> {
        let mut node = self.both()?;
        while self.take(&["||", "or"]) {
            let other = self.both()?;
            truth(&node, "what stands before OR")?;
            truth(&other, "what stands behind OR")?;
            node = Node::Either(Box::new(node), Box::new(other));
        }
        Ok(node)
    }

    fn both(&mut self) -> Result<Node, String> {
        let mut node = self.one()?;
        while self.take(&["&&", "and"]) {
            let other = self.one()?;
            truth(&node, "what stands before AND")?;
            truth(&other, "what stands behind AND")?;
            node = Node::Both(Box::new(node), Box::new(other));
        }
        Ok(node)
    }

    fn one(&mut self) -> Result<Node, String> {
        if self.depth == DEEPEST {
            return Err("the expression is nested too deeply".to_owned());
        }
        self.depth += 1;
        let node = self.one_within();
        self.depth -= 1;
        node
    }

    fn one_within(&mut self) -> Result<Node, String> {
        if self.take(&["!", "not"]) {
            let inner = self.one()?;
            truth(&inner, "what is negated")?;
            return Ok(Node::Not(Box::new(inner)));
        }
        let left = self.operand()?;
        let comparisons = [
            ("==", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::MoreOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::More),
        ];
        let Some((sign, comparison)) = comparisons.into_iter().find(|(sign, _)| self.take(&[sign])) else {
            return Ok(left);
        };
        let right = self.operand()?;
        match (left.kind(), right.kind()) {
            (a, b) if a == b || a == Kind::Null || b == Kind::Null => {}
            (a, b) => return Err(format!("{sign} compares {} with {}", a.as_str(), b.as_str())),
        }
        Ok(Node::Compare(comparison, Box::new(left), Box::new(right)))
    }

    fn operand(&mut self) -> Result<Node, String> {
        if self.take(&["("]) {
            let inner = self.either()?;
            return if self.take(&[")"]) { Ok(inner) } else { Err("a bracket is not closed".to_owned()) };
        }
        let token = self.tokens.get(self.at).cloned().ok_or("the expression ends where a value is expected")?;
        self.at += 1;
        match token {
            Token::Text(text) => Ok(Node::Constant(Is::Text(text))),
            Token::Number(number) => Ok(Node::Constant(Is::Number(number))),
            Token::Word(word) if self.take(&["("]) => self.call(&word),
            Token::Word(word) => self.name(&word),
            Token::Sign(sign) => Err(format!("{sign} stands where a value is expected")),
        }
    }

    fn name(&self, word: &str) -> Result<Node, String> {
        match word {
            "true" | "false" => return Ok(Node::Constant(Is::Truth(word == "true"))),
            "null" => return Ok(Node::Constant(Is::Null)),
            _ => {}
        }
        let name = word.strip_prefix("user.").ok_or_else(|| format!("{word} is no attribute of a user"))?;
        let kind = (self.kind_of)(name).ok_or_else(|| format!("Invalid property {name} in expression {word}"))?;
        Ok(Node::Attribute(name.to_owned(), kind))
    }

    fn call(&mut self, name: &str) -> Result<Node, String> {
        let signature = function(name).ok_or_else(|| format!("{name} is no function that this org knows"))?;
        let mut given = Vec::new();
        while !self.take(&[")"]) {
            if !given.is_empty() && !self.take(&[","]) {
                return Err(format!("{name}: a comma or a bracket is missing"));
            }
            given.push(self.one()?);
        }
        let fits = given.len() == signature.takes.len() || signature.repeats && given.len() >= signature.takes.len();
        if !fits {
            return Err(format!("{name}: Parameter count is {}, and has to be {}", given.len(), signature.takes.len()));
        }
        let last = signature.takes.last().copied().unwrap_or(Kind::Null);
        for (n, node) in given.iter().enumerate() {
            let wanted = signature.takes.get(n).copied().unwrap_or(last);
            if node.kind() != wanted && node.kind() != Kind::Null {
                let (is, wanted) = (node.kind().as_str(), wanted.as_str());
                return Err(format!("{name}: Parameter {} is {is}, and has to be {wanted}", n + 1));
            }
        }
        Ok(Node::Call(signature, given))
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Text(String),
    Number(f64),
    Word(String),
    Sign(&'static str),
}

impl Token {
    fn shown(&self) -> String {
        match self {
            Token::Text(text) => format!("{text:?}"),
            Token::Number(number) => number.to_string(),
            Token::Word(word) => word.clone(),
            Token::Sign(sign) => (*sign).to_owned(),
        }
    }
}

/// Longer signs first.
const SIGNS: [&str; 12] = ["==", "!=", "<=", ">=", "&&", "||", "!", "<", ">", "(", ")", ","];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if matches!(first, '"' | '\'') {
            let end = rest[1..].find(first).ok_or("a text is not closed")?;
            tokens.push(Token::Text(rest[1..=end].to_owned()));
            end + 2
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push(Token::Sign(sign));
            sign.len()
        } else {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.' || c == '-' && first.is_ascii_digit();
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let word = &rest[..end];
            match word.parse() {
                Ok(number) if first.is_ascii_digit() => tokens.push(Token::Number(number)),
                _ if first.is_alphabetic() => tokens.push(Token::Word(word.to_owned())),
                _ => return Err(format!("{first} is not expected here")),
            }
            end
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn parse(text: &str) -> Result<Expression, String> {
        Expression::parse(text, &|name| match name {
            "department" | "title" | "city" | "email" => Some(Kind::Text),
            "level" => Some(Kind::Number),
            "remote" => Some(Kind::Truth),
            "skills" => Some(Kind::List),
            _ => None,
        })
    }

    #[test]
    fn conditions_are_evaluated_as_oktas_page_about_the_language_has_them() {
        let profile: BTreeMap<String, Value> = BTreeMap::from([
            ("department".to_owned(), json!("Sales")),
            ("title".to_owned(), json!("Senior Manager")),
            ("email".to_owned(), json!("ada@example.com")),
            ("level".to_owned(), json!(7)),
            ("remote".to_owned(), json!(true)),
            ("skills".to_owned(), json!(["sql", "go"])),
        ]);
        let groups = [("00g1", "Department Sales"), ("00g2", "Everyone")];
        let candidate =
            Candidate { id: "00u1", status: "ACTIVE", profile: &profile, groups: &groups, ignores_case: false };
        for (text, value) in [
            ("user.department==\"Sales\"", true),
            ("user.department == 'sales'", false),
            ("user.department != \"Sales\" or user.city == null", true),
            ("user.department==\"Sales\" AND !(user.title==\"Clerk\")", true),
            ("user.level > 5 && user.level <= 7 && user.remote", true),
            ("not user.remote || user.level < 7", false),
            ("String.stringContains(user.title, \"Manager\")", true),
            ("String.stringContains(user.city, \"B\")", false),
            ("String.startsWith(String.toLowerCase(user.title), \"senior\")", true),
            ("String.toUpperCase(user.department) == \"SALES\"", true),
            ("String.substringBefore(user.email, \"@\") == \"ada\"", true),
            ("String.substringAfter(user.email, \"@\") == \"example.com\"", true),
            ("String.substring(user.department, 0, 3) == \"Sal\"", true),
            ("String.len(user.department) == 5 and String.len(user.city) == 0", true),
            ("String.append(user.department, \"!\") == \"Sales!\"", true),
            ("String.removeSpaces(user.title) == \"SeniorManager\"", true),
            ("isMemberOfAnyGroup(\"00g9\", \"00g1\")", true),
            ("isMemberOfGroup('00g9')", false),
            ("isMemberOfGroupName(\"Department Sales\")", true),
            ("isMemberOfGroupNameStartsWith(\"Department\") and !isMemberOfGroupNameContains(\"Legal\")", true),
            ("user.getInternalProperty('status') == \"ACTIVE\"", true),
            ("Arrays.contains(user.skills, \"go\")", true),
        ] {
            let parsed = parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(parsed.holds(&candidate), value, "{text}");
        }
        let ignoring = Candidate { ignores_case: true, ..candidate };
        assert!(parse("user.department == 'sales'").is_ok_and(|parsed| parsed.holds(&ignoring)));
    }

    #[test]
    fn what_does_not_validate_is_refused_with_what_is_wrong() {
        let deep = "(".repeat(5_000);
        for (text, why) in [
            ("", "ends where a value"),
            ("user.department ==", "ends where a value"),
            ("user.title == AND user.city", "no attribute"),
            ("user.department == \"Sales", "not closed"),
            ("(user.department == \"Sales\"", "not closed"),
            ("user.department == \"Sales\")", "not expected"),
            ("user.department", "has to be true or false"),
            ("user.shoeSize == \"9\"", "Invalid property shoeSize"),
            ("department == \"Sales\"", "no attribute of a user"),
            ("user.level == \"7\"", "compares a number with a text"),
            ("String.startsWith(String.toLowerCase(user.title, \"x\"))", "Parameter count is 2"),
            ("String.stringContains(user.level, \"7\")", "Parameter 1 is a number"),
            ("findDirectoryUser()", "no function"),
            ("user.department = \"Sales\"", "="),
            (deep.as_str(), "too deeply"),
        ] {
            let refused = parse(text).expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn it_is_known_whether_a_condition_looks_at_the_status() {
        let reads = |text: &str| parse(text).expect(text).reads_status();
        assert!(reads("user.remote and !(user.getInternalProperty(\"status\") == \"SUSPENDED\")"));
        assert!(!reads("user.getInternalProperty(\"id\") == \"00u1\" or user.title == \"status\""));
    }
}
