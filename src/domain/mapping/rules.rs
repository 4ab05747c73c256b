//! The rules of a mapping, already compiled: attributes, groups, apps.

use crate::domain::mapping::expr::MappingError;
use crate::domain::mapping::expr::{Bound, Expr};
use crate::domain::mapping::functions::Table;
use crate::domain::mapping::view::Reads;
use crate::domain::pattern::Pattern;
use serde_json::Value;
use std::collections::BTreeSet;

/// What happens to an attribute whose expression gives nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenEmpty {
    /// It is cleared in Okta.
    #[default]
    Clear,
    /// What Okta has stays, and still counts as ours.
    Keep,
    /// It is not ours while it is empty.
    Ignore,
}

/// What happens to an attribute that somebody else has changed in Okta.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDrift {
    /// It gets back what Namely says.
    #[default]
    Correct,
    /// It is reported, and left as it is until Namely says something else.
    Alert,
    /// It is left as it is until Namely says something else.
    Adopt,
}

/// Which of several positions a rule looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Positions {
    /// The primary one.
    #[default]
    Primary,
    /// Every one that counts: groups are united, attributes are listed (joined by a text, if there is one).
    All { join: Option<String> },
    /// The first that gives something, in this order of Namely tenants.
    First { tenants: Vec<String> },
}

/// An attribute of Okta.
pub struct AttributeRule {
    pub name: String,
    pub value: Expr,
    pub empty: WhenEmpty,
    pub positions: Positions,
    pub drift: OnDrift,
}

/// A group rule of the configuration.
pub struct GroupRule {
    /// How messages call it: its place and name in the configuration.
    pub label: String,
    /// Applies only where this is true; always without it.
    pub when: Option<Expr>,
    pub grants: Grants,
    /// Whether a group that does not exist in Okta may be created.
    pub create: bool,
    /// Whether nobody has an account without its groups.
    pub required: bool,
    /// Whether only the primary position counts.
    pub primary_only: bool,
}

/// A rule that assigns an app directly.
pub struct AppRule {
    /// How messages call it.
    pub label: String,
    /// The app, by label or id.
    pub app: String,
    /// Applies only where this is true; always without it.
    pub when: Option<Expr>,
    /// The user's name in the app.
    pub user_name: Option<Expr>,
}

/// What a group rule gives.
pub enum Grants {
    /// These groups, by name or id.
    Listed(Vec<String>),
    /// The groups whose names the expression gives (a text or a list); every name must match `owns`.
    Computed { names: Expr, owns: Pattern },
    /// The groups that a table lists under a key.
    Lookup { table: String, key: Expr, owned: BTreeSet<String> },
    /// The group whose name a template gives; no group while one of its parts is empty.
    Templated { template: Template, owns: Pattern },
}

/// A text with expressions in braces: `Team {employee.team}`. A part that is a list gives one text for each item.
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    Value(Expr),
}

impl Template {
    /// Reads a template; `compile` compiles the expressions in its braces. Two braces stand for one.
    pub fn read(source: &str, mut compile: impl FnMut(&str) -> Result<Expr, String>) -> Result<Self, String> {
        let mut parts = Vec::new();
        let (mut text, mut rest) = (String::new(), source);
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            rest = after;
            if let Some(after) = rest.strip_prefix(brace) {
                text.push_str(brace);
                rest = after;
                continue;
            }
            let end = rest.find('}').filter(|_| brace == "{");
            let Some(end) = end else {
                return Err(format!("{source:?} has a single {brace}; write expressions as {{employee.team}}"));
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Value(compile(&rest[..end])?));
            rest = &rest[end + 1..];
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { source: source.to_owned(), parts })
    }

    /// The text it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names that it can give, as a pattern.
    pub fn pattern(&self) -> Pattern {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Value(_) => "*",
        });
        Pattern::new(&parts.collect::<String>())
    }

    /// Its expressions.
    pub fn values(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(expr) => Some(expr),
        })
    }

    /// The texts that it gives; the error is of the expression with it.
    fn fill(&self, bound: &Bound, label: &str) -> Result<BTreeSet<String>, MappingError> {
        let mut texts = BTreeSet::from([String::new()]);
        for part in &self.parts {
            let items = match part {
                Part::Text(text) => BTreeSet::from([text.clone()]),
                Part::Value(expr) => {
                    let value = evaluate(expr, bound, label)?;
                    names(&value).ok_or_else(|| MappingError::of(label, expr, format!("gives {value}, not a text")))?
                }
            };
            texts = texts.iter().flat_map(|text| items.iter().map(move |item| format!("{text}{item}"))).collect();
        }
        Ok(texts)
    }
}

impl Grants {
    /// Looks up in `table`, which is called `name`: all its values are the rule's.
    pub fn looked_up(name: &str, table: &Table, key: Expr) -> Self {
        Self::Lookup { table: name.to_owned(), key, owned: table.values().map(str::to_owned).collect() }
    }

    /// What it gives, as it was written.
    pub fn shown(&self) -> String {
        match self {
            Grants::Listed(names) => names.join(", "),
            Grants::Computed { names, owns } => format!("{}, of {owns}", names.source()),
            Grants::Lookup { table, key, .. } => format!("table {table} at {}", key.source()),
            Grants::Templated { template, .. } => template.source().to_owned(),
        }
    }

    fn exprs(&self) -> Vec<&Expr> {
        match self {
            Grants::Listed(_) => Vec::new(),
            Grants::Computed { names, .. } => vec![names],
            Grants::Lookup { key, .. } => vec![key],
            Grants::Templated { template, .. } => template.values().collect(),
        }
    }
}

impl GroupRule {
    /// Whether memberships of a group with this id and name are governed by this rule.
    pub fn governs(&self, id: &str, name: &str) -> bool {
        match &self.grants {
            Grants::Listed(names) => names.iter().any(|n| n == name || n == id),
            Grants::Computed { owns, .. } | Grants::Templated { owns, .. } => owns.matches(name),
            Grants::Lookup { owned, .. } => owned.contains(name) || owned.contains(id),
        }
    }

    /// Groups that it names outright.
    pub fn named(&self) -> Vec<&str> {
        match &self.grants {
            Grants::Listed(names) => names.iter().map(String::as_str).collect(),
            Grants::Lookup { owned, .. } => owned.iter().map(String::as_str).collect(),
            Grants::Computed { .. } | Grants::Templated { .. } => Vec::new(),
        }
    }

    /// Everything it reads.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.when.iter().chain(self.grants.exprs())
    }

    /// The groups it gives to who is bound; `None` where it does not apply.
    pub fn give(
        &self,
        bound: &Bound,
        tables: &crate::domain::mapping::functions::Tables,
    ) -> Result<Option<BTreeSet<String>>, MappingError> {
        if !applies(self.when.as_ref(), bound, &self.label)? {
            return Ok(None);
        }
        Ok(Some(match &self.grants {
            Grants::Listed(names) => names.iter().cloned().collect(),
            Grants::Computed { names: expr, owns } => {
                let value = evaluate(expr, bound, &self.label)?;
                let given = names(&value)
                    .ok_or_else(|| self.error(expr, format!("gives {value}; a name or a list of names is needed")))?;
                if let Some(stray) = given.iter().find(|name| !owns.matches(name)) {
                    let message =
                        format!("gives the group {stray:?}, which does not match owns = {:?}", owns.to_string());
                    return Err(self.error(expr, message));
                }
                given
            }
            Grants::Lookup { table, key, .. } => {
                let value = evaluate(key, bound, &self.label)?;
                let keys = names(&value)
                    .ok_or_else(|| self.error(key, format!("gives {value}; a key or a list of keys is needed")))?;
                let table = tables.get(table);
                keys.iter().flat_map(|key| table.map(|t| t.get(key)).unwrap_or_default()).cloned().collect()
            }
            Grants::Templated { template, .. } => template.fill(bound, &self.label)?,
        }))
    }

    fn error(&self, expr: &Expr, message: String) -> MappingError {
        MappingError::of(&self.label, expr, message)
    }
}

/// An app that somebody is assigned to.
pub struct Assigned {
    /// What they are called in it; `None` leaves that to Okta.
    pub user_name: Option<String>,
}

impl AppRule {
    /// Everything it reads.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.when.iter().chain(&self.user_name)
    }

    /// What it assigns; nothing where it does not apply.
    pub fn give(&self, bound: &Bound) -> Result<Option<Assigned>, MappingError> {
        if !applies(self.when.as_ref(), bound, &self.label)? {
            return Ok(None);
        }
        let name = self.user_name.as_ref().map(|expr| {
            expr.text(bound).map_err(|message| MappingError::of(&self.label, expr, format!("`user_name` {message}")))
        });
        let user_name = name.transpose()?.filter(|name| !name.is_empty());
        Ok(Some(Assigned { user_name }))
    }
}

/// Whether a rule applies.
fn applies(when: Option<&Expr>, bound: &Bound, label: &str) -> Result<bool, MappingError> {
    let Some(when) = when else { return Ok(true) };
    when.holds(bound).map_err(|message| MappingError::of(label, when, format!("`when` {message}")))
}

/// Evaluates; the error names the rule.
pub(in crate::domain) fn evaluate(expr: &Expr, bound: &Bound, label: &str) -> Result<Value, MappingError> {
    expr.evaluate(bound).map_err(|message| MappingError::of(label, expr, message))
}

/// A text or a list of texts as a set, without empty ones.
fn names(value: &Value) -> Option<BTreeSet<String>> {
    match value {
        Value::Null => Some(BTreeSet::new()),
        Value::String(name) => Some(BTreeSet::from([name.clone()])),
        Value::Array(items) => {
            items.iter().filter(|item| !item.is_null()).map(|item| item.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    }
}

/// What all of `exprs` read.
pub(in crate::domain) fn reads<'a>(exprs: impl Iterator<Item = &'a Expr>) -> Reads {
    exprs.fold(Reads::default(), |mut all, expr| {
        all.add(expr.reads());
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mapping::expr::Engine;
    use crate::domain::record::employee::Employee;
    use crate::domain::record::employee::tests::an_employee;

    #[test]
    fn a_template_is_filled_for_each_item_and_not_at_all_while_a_part_is_empty() {
        let engine = Engine::default();
        let read = |source: &str| Template::read(source, |expr| engine.compile(expr)).expect("reads");
        let employee = Employee { departments: vec!["Finance".into(), "Tax".into()], ..an_employee() };
        let fill = |source: &str| read(source).fill(&engine.bind_employee(&employee), "groups[1]").expect("fills");
        let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(fill("{employee.office}: {employee.departments}"), texts(&["Lyon: Finance", "Lyon: Tax"]));
        assert_eq!(fill("Team {employee.team}"), texts(&[]));
        assert_eq!(fill("{{plain}}"), texts(&["{plain}"]));
        assert!(read("{employee.office}: {employee.departments}").pattern().matches("Lyon: Tax"));
        assert!(
            Template::read("Team {employee.team", |expr| engine.compile(expr)).is_err_and(|e| e.contains("single"))
        );
        assert!(
            Template::read("Team employee.team}", |expr| engine.compile(expr)).is_err_and(|e| e.contains("single"))
        );
        assert!(Template::read("{employee.tea}", |expr| engine.compile(expr)).is_err_and(|e| e.contains("no field")));
    }
}
