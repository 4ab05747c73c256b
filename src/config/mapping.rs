//! The `[mapping]` table: attributes, groups, apps and logins, compiled.

use super::expressions::{TEXT, compile_kind, optional};
use super::reader::{At, Reader, Section};
use crate::domain::Mapping;
use crate::domain::login_key;
use crate::domain::mapping::desired::{DEFAULT_ATTRIBUTES, DEFAULT_LOGIN, LOGIN, REQUIRED};
use crate::domain::mapping::expr::{Engine, Expr, Kind};
use crate::domain::mapping::login::{DeactivatedHolders, LoginRules};
use crate::domain::mapping::rules::{
    AppRule, AttributeRule, Grants, GroupRule, OnDrift, Positions, Template, WhenEmpty,
};
use crate::domain::pattern::Pattern;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::DeValue;

/// What an attribute may be.
const VALUES: &[Kind] = &[Kind::Text, Kind::Boolean, Kind::Number, Kind::List];
const NAMES: &[Kind] = &[Kind::Text, Kind::List];

/// The mapping, the login rules, and the expression of the time zone.
pub struct Read {
    pub mapping: Mapping,
    pub login: LoginRules,
    pub zone: Option<Expr>,
}

/// Reads and compiles the mapping.
pub fn read(r: &mut Reader, mut s: Section, engine: Engine) -> Option<Read> {
    let anchor = s.text(r, "anchor").map_or_else(|| "namelyId".to_owned(), |at| at.value);
    let zone = s.text(r, "time_zone").map(|at| compile_kind(r, &engine, "mapping.time_zone", &at, TEXT));
    let user_type = s.text(r, "user_type").map(|at| compile_kind(r, &engine, "mapping.user_type", &at, TEXT));
    let mut attributes = s.section(r, "attributes");
    let plain_login = attributes.text(r, LOGIN);
    let attributes = read_attributes(r, &engine, &anchor, &mut attributes);
    let has_login = s.has(LOGIN);
    let logins = s.section(r, LOGIN);
    let login = read_login(r, &engine, logins, has_login, plain_login);
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
    let (attributes, zone, user_type) = (attributes?, optional(zone).ok()?, optional(user_type).ok()?);
    let mapping = Mapping::new(engine, &anchor, attributes, groups).with_apps(apps).with_user_type(user_type);
    Some(Read { mapping, login: login?, zone })
}

/// How messages call a rule: its place, and its name if it has one.
fn label(r: &mut Reader, s: &mut Section, kind: &str, n: usize) -> String {
    match s.text(r, "name") {
        Some(name) => format!("{} {:?}", s.path, name.value),
        None => format!("mapping.{kind}[{}]", n + 1),
    }
}

fn read_login(
    r: &mut Reader,
    engine: &Engine,
    mut s: Section,
    has_login: bool,
    plain: Option<At<String>>,
) -> Option<LoginRules> {
    if let (true, Some(plain)) = (has_login, &plain) {
        r.problem(
            plain.span.clone(),
            "mapping.attributes.login: [mapping.login] gives the login already; keep one of the two",
        );
    }
    let candidates: Vec<At<String>> = match s.texts(r, "candidates") {
        Some(at) => at.value.iter().map(|value| At { value: value.clone(), span: at.span.clone() }).collect(),
        None => vec![plain.unwrap_or(At { value: DEFAULT_LOGIN.to_owned(), span: s.location() })],
    };
    let candidates: Vec<Option<Expr>> = candidates
        .iter()
        .map(|at| {
            let expr = compile_kind(r, engine, "mapping.login.candidates", at, TEXT)?;
            if expr.reads().fields.contains(LOGIN) {
                r.problem(at.span.clone(), "mapping.login.candidates: employee.login is not known before it is chosen");
                return None;
            }
            Some(expr)
        })
        .collect();
    let reserved = s.texts(r, "reserved").map(|at| at.value).unwrap_or_default();
    let rules = LoginRules {
        number: s.flag(r, "number").unwrap_or(false),
        keep: s.flag(r, "keep").unwrap_or(false),
        former: s.text(r, "former").map(|at| at.value),
        deactivated_holders: s.choice(
            r,
            "deactivated_holders",
            &[
                ("review", DeactivatedHolders::Review),
                ("avoid", DeactivatedHolders::Avoid),
                ("rename", DeactivatedHolders::Rename),
            ],
        ),
        reserved: reserved.iter().map(|name| login_key(name)).collect(),
        candidates: Vec::new(),
    };
    s.finish(r);
    let candidates: Vec<Expr> = candidates.into_iter().collect::<Option<_>>()?;
    Some(LoginRules { candidates, ..rules })
}

fn read_app_rule(r: &mut Reader, engine: &Engine, n: usize, mut s: Section) -> Option<AppRule> {
    let (path, label) = (s.path.clone(), label(r, &mut s, "apps", n));
    let app = s.required_text(r, "app", "Payroll");
    let when = s.text(r, "when").map(|at| compile_kind(r, engine, &format!("{path}.when"), &at, &[Kind::Boolean]));
    let user_name = s.text(r, "user_name").map(|at| compile_kind(r, engine, &format!("{path}.user_name"), &at, TEXT));
    s.finish(r);
    Some(AppRule { label, app: app?.value, when: optional(when).ok()?, user_name: optional(user_name).ok()? })
}

fn read_attributes(r: &mut Reader, engine: &Engine, anchor: &str, s: &mut Section) -> Option<Vec<AttributeRule>> {
    let mut rules: BTreeMap<String, Option<AttributeRule>> = BTreeMap::new();
    for (name, source) in DEFAULT_ATTRIBUTES {
        let value = engine.compile(source).ok();
        let rule = value.map(|value| AttributeRule {
            name: (*name).to_owned(),
            value,
            empty: WhenEmpty::default(),
            positions: Positions::default(),
            drift: OnDrift::default(),
        });
        rules.insert((*name).to_owned(), rule);
    }
    let mut sound = true;
    for (key, value) in s.rest() {
        let name = key.value.clone();
        if matches!(value.get_ref(), DeValue::Boolean(false)) && !REQUIRED.contains(&name.as_str()) {
            rules.remove(&name);
            continue;
        }
        let rule = read_attribute(r, engine, anchor, key, value);
        sound &= rule.is_some();
        rules.insert(name, rule);
    }
    sound.then(|| rules.into_values().flatten().collect())
}

/// An attribute: an expression in quotes, or a table with more to say.
fn read_attribute(
    r: &mut Reader,
    engine: &Engine,
    anchor: &str,
    key: At<String>,
    value: Spanned<DeValue>,
) -> Option<AttributeRule> {
    let (name, span) = (key.value, value.span());
    let path = format!("mapping.attributes.{name}");
    if name == anchor {
        r.problem(key.span, format!("{path}: the anchor always holds the profile's UUID; leave it out"));
        return None;
    }
    match value.into_inner() {
        DeValue::Boolean(false) => {
            r.problem(key.span, format!("{path}: Okta has no user without it"));
            None
        }
        DeValue::String(text) => {
            let value = compile_kind(r, engine, &path, &At { value: text.to_string(), span }, VALUES)?;
            let (empty, positions, drift) = Default::default();
            Some(AttributeRule { name, value, empty, positions, drift })
        }
        DeValue::Table(table) => {
            let mut s = Section::new(path.clone(), span, table);
            let value = s.required_text(r, "value", "employee.department");
            let value = value.and_then(|at| compile_kind(r, engine, &path, &at, VALUES));
            let empty = s.choice(
                r,
                "empty",
                &[("clear", WhenEmpty::Clear), ("keep", WhenEmpty::Keep), ("ignore", WhenEmpty::Ignore)],
            );
            let words = [("correct", OnDrift::Correct), ("alert", OnDrift::Alert), ("adopt", OnDrift::Adopt)];
            let drift = s.choice(r, "drift", &words);
            let tenants = s.texts(r, "tenants");
            let join = s.text(r, "join").map(|at| at.value);
            let all = s.choice(r, "positions", &[("primary", false), ("all", true)]);
            let positions = match (tenants, all) {
                (Some(tenants), _) => Positions::First { tenants: tenants.value },
                (None, true) => Positions::All { join },
                (None, false) => Positions::Primary,
            };
            s.finish(r);
            Some(AttributeRule { name, value: value?, empty, positions, drift })
        }
        other => {
            let found = other.type_str();
            r.problem(span, format!("{path}: an expression in quotes, a table or false is needed, not {found}"));
            None
        }
    }
}

fn read_group_rule(r: &mut Reader, engine: &Engine, n: usize, mut s: Section) -> Option<GroupRule> {
    let (path, label) = (s.path.clone(), label(r, &mut s, "groups", n));
    let when = s.text(r, "when").map(|at| compile_kind(r, engine, &format!("{path}.when"), &at, &[Kind::Boolean]));
    let create = s.flag(r, "create").unwrap_or(false);
    let required = s.flag(r, "required").unwrap_or(false);
    let primary_only = s.choice(r, "positions", &[("all", false), ("primary", true)]);
    let grants = read_grants(r, engine, &path, &mut s);
    s.finish(r);
    Some(GroupRule { label, when: optional(when).ok()?, grants: grants?, create, required, primary_only })
}

/// What a group rule gives: a list, an expression, a table, or a template.
fn read_grants(r: &mut Reader, engine: &Engine, path: &str, s: &mut Section) -> Option<Grants> {
    let (groups, names, owns) = (s.texts(r, "groups"), s.text(r, "names"), s.text(r, "owns"));
    let (table, key, template) = (s.text(r, "table"), s.text(r, "key"), s.text(r, "template"));
    let span = s.location();
    let owned = |r: &mut Reader, at: At<String>, pattern: Pattern| match pattern.is_specific() {
        true => Some(pattern),
        false => {
            let hint = "this would own every group of the org; write a pattern such as \"Department *\"";
            r.problem(at.span, format!("{path}.owns: {hint}"));
            None
        }
    };
    match (groups, names, owns, table, key, template) {
        (Some(groups), None, None, None, None, None) => Some(Grants::Listed(groups.value)),
        (None, Some(names), Some(owns), None, None, None) => {
            let names = compile_kind(r, engine, &format!("{path}.names"), &names, NAMES);
            let pattern = Pattern::new(&owns.value);
            let owns = owned(r, owns, pattern);
            Some(Grants::Computed { names: names?, owns: owns? })
        }
        (None, Some(_), None, None, None, None) => {
            let hint = "say which groups the names may be, such as owns = \"Department *\"";
            r.problem(span, format!("{path}.owns is missing: {hint}"));
            None
        }
        (None, None, None, Some(table), Some(key), None) => {
            let key = compile_kind(r, engine, &format!("{path}.key"), &key, NAMES);
            let Some(rows) = engine.tables().get(&table.value) else {
                let hint = "name its file under [mapping.tables]";
                r.problem(table.span, format!("{path}.table: there is no table {:?}; {hint}", table.value));
                return None;
            };
            Some(Grants::looked_up(&table.value, rows, key?))
        }
        (None, None, None, None, None, Some(template)) => {
            let read = Template::read(&template.value, |expr| engine.compile(expr));
            let read = read.map_err(|why| r.problem(template.span.clone(), format!("{path}.template: {why}"))).ok()?;
            let pattern = read.pattern();
            let owns = owned(r, template, pattern)?;
            Some(Grants::Templated { template: read, owns })
        }
        _ => {
            let choices = "groups = [\"A\", \"B\"], or names = \"expression\" with owns = \"pattern\", or table = \"name\" with \
                        key = \"expression\", or template = \"Team {employee.team}\"";
            r.problem(span, format!("{path}: write one of {choices}"));
            None
        }
    }
}
