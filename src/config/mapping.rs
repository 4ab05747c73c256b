//! The `[mapping]` table: attributes and groups, compiled.

use super::reader::{At, Reader, Section};
use crate::identity::Mapping;
use crate::identity::expr::{Engine, Expr};
use crate::identity::mapping::{AppRule, DEFAULT_ATTRIBUTES, Grants, GroupRule, Pattern, REQUIRED};
use crate::namely::wire::is_sensitive;
use std::collections::BTreeMap;
use std::fmt::Write;
use toml::de::DeValue;

/// Reads and compiles the mapping; also returns its text in a fixed order, by which rules are told apart.
pub fn read(r: &mut Reader, mut s: Section) -> Option<(Mapping, String)> {
    let engine = Engine::default();
    let anchor = s.text(r, "anchor").map_or_else(|| "namelyId".to_owned(), |at| at.value);
    let mut attributes = s.section(r, "attributes");
    let attributes = read_attributes(r, &engine, &anchor, &mut attributes);
    let groups: Vec<Option<GroupRule>> = s
        .sections(r, "groups")
        .into_iter()
        .enumerate()
        .map(|(n, section)| read_group_rule(r, &engine, n, section))
        .collect();
    let apps: Vec<Option<AppRule>> = s
        .sections(r, "apps")
        .into_iter()
        .enumerate()
        .map(|(n, section)| read_app_rule(r, &engine, n, section))
        .collect();
    s.finish(r);
    let groups: Vec<GroupRule> = groups.into_iter().collect::<Option<_>>()?;
    let apps: Vec<AppRule> = apps.into_iter().collect::<Option<_>>()?;
    let attributes = attributes?;
    let source = canonical(&anchor, &attributes, &groups, &apps);
    Some((Mapping::new(engine, &anchor, attributes, groups).with_apps(apps), source))
}

/// How messages call a rule: its place, and its name if it has one.
fn label(r: &mut Reader, s: &mut Section, kind: &str, n: usize) -> String {
    match s.text(r, "name") {
        Some(name) => format!("{} {:?}", s.path, name.value),
        None => format!("mapping.{kind}[{}]", n + 1),
    }
}

fn read_app_rule(r: &mut Reader, engine: &Engine, n: usize, mut s: Section) -> Option<AppRule> {
    let (path, label) = (s.path.clone(), label(r, &mut s, "apps", n));
    let app = s.required_text(r, "app", "Payroll");
    let when = s.text(r, "when").map(|at| compile(r, engine, &format!("{path}.when"), &at));
    let user_name = s.text(r, "user_name").map(|at| compile(r, engine, &format!("{path}.user_name"), &at));
    s.finish(r);
    let when = when.map_or(Some(None), |w| w.map(Some))?;
    let user_name = user_name.map_or(Some(None), |n| n.map(Some))?;
    Some(AppRule { label, app: app?.value, when, user_name })
}

fn read_attributes(r: &mut Reader, engine: &Engine, anchor: &str, s: &mut Section) -> Option<Vec<(String, Expr)>> {
    let mut sources: BTreeMap<String, Option<Expr>> = BTreeMap::new();
    for (name, source) in DEFAULT_ATTRIBUTES {
        sources.insert((*name).to_owned(), engine.compile(source).ok());
    }
    let mut sound = true;
    for (key, value) in s.rest() {
        let span = value.span();
        match value.get_ref() {
            _ if key.value == anchor => {
                r.problem(
                    key.span,
                    format!("mapping.attributes.{anchor}: the anchor always holds the profile's UUID; leave it out"),
                );
                sound = false;
            }
            DeValue::Boolean(false) if REQUIRED.contains(&key.value.as_str()) => {
                r.problem(key.span, format!("mapping.attributes.{}: Okta has no user without it", key.value));
                sound = false;
            }
            DeValue::Boolean(false) => {
                sources.remove(&key.value);
            }
            DeValue::String(text) => {
                let expr = compile(
                    r,
                    engine,
                    &format!("mapping.attributes.{}", key.value),
                    &At { value: text.to_string(), span },
                );
                sound &= expr.is_some();
                sources.insert(key.value, expr);
            }
            other => {
                let message = format!(
                    "mapping.attributes.{}: an expression in quotes or false is needed, not {}",
                    key.value,
                    other.type_str()
                );
                r.problem(span, message);
                sound = false;
            }
        }
    }
    sound.then(|| sources.into_iter().filter_map(|(name, expr)| Some((name, expr?))).collect())
}

fn read_group_rule(r: &mut Reader, engine: &Engine, n: usize, mut s: Section) -> Option<GroupRule> {
    let (path, label) = (s.path.clone(), label(r, &mut s, "groups", n));
    let when = s.text(r, "when").map(|at| compile(r, engine, &format!("{path}.when"), &at));
    let groups = s.texts(r, "groups");
    let names = s.text(r, "names");
    let owns = s.text(r, "owns");
    let create = s.flag(r, "create").unwrap_or(false);
    let span = s.span.clone();
    s.finish(r);
    let grants = match (groups, names, owns) {
        (Some(groups), None, None) => Some(Grants::Listed(groups.value)),
        (None, Some(names), Some(owns)) if owns.value.chars().any(|c| c != '*' && !c.is_whitespace()) => {
            compile(r, engine, &format!("{path}.names"), &names)
                .map(|names| Grants::Computed { names, owns: Pattern::new(&owns.value) })
        }
        (None, Some(_), Some(owns)) => {
            r.problem(
                owns.span,
                format!("{path}.owns: this would own every group of the org; write a pattern such as \"Department *\""),
            );
            None
        }
        (None, Some(_), None) => {
            r.problem(
                span,
                format!("{path}.owns is missing: say which groups the names may be, such as owns = \"Department *\""),
            );
            None
        }
        _ => {
            r.problem(
                span,
                format!(
                    "{path}: write either groups = [\"A\", \"B\"], or names = \"expression\" with owns = \"pattern\""
                ),
            );
            None
        }
    };
    Some(GroupRule { label, when: when.map_or(Some(None), |w| w.map(Some))?, grants: grants?, create })
}

fn compile(r: &mut Reader, engine: &Engine, path: &str, source: &At<String>) -> Option<Expr> {
    let expr = match engine.compile(&source.value) {
        Ok(expr) => expr,
        Err(why) => {
            r.problem(source.span.clone(), format!("{path}: {why}"));
            return None;
        }
    };
    if let Some(key) = expr.reads().custom.iter().find(|key| is_sensitive(key)) {
        r.problem(source.span.clone(), format!("{path}: {key} is sensitive HR data, which this program never reads"));
        return None;
    }
    Some(expr)
}

fn canonical(anchor: &str, attributes: &[(String, Expr)], groups: &[GroupRule], apps: &[AppRule]) -> String {
    let mut text = format!("anchor {anchor}\n");
    for (name, expr) in attributes {
        let _ = writeln!(text, "{name} {}", expr.source());
    }
    for rule in groups {
        let when = rule.when.as_ref().map_or("", Expr::source);
        let _ = match &rule.grants {
            Grants::Listed(names) => writeln!(text, "groups {names:?} when {when} create {}", rule.create),
            Grants::Computed { names, owns } => {
                writeln!(text, "groups {} owns {owns} when {when} create {}", names.source(), rule.create)
            }
        };
    }
    for rule in apps {
        let part = |expr: &Option<Expr>| expr.as_ref().map_or("", Expr::source).to_owned();
        let _ = writeln!(text, "app {:?} when {} user_name {}", rule.app, part(&rule.when), part(&rule.user_name));
    }
    text
}
