//! CEL expressions over a documented `employee` value: the only place that knows the `cel` crate.
//!
//! CEL is total: an expression cannot loop for ever, read a file or call out. Length is limited besides.

use super::employee::Employee;
use cel::common::ast::{EntryExpr, Expr as Node, IdedExpr, LiteralValue};
use cel::objects::Key;
use cel::{Context, Env, Program, Value as Cel, extensions};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Longest expression that is accepted, in bytes.
const MAX_LENGTH: usize = 2048;

/// Deepest nesting that is accepted: evaluation recurses, and runs on ordinary stacks.
const MAX_DEPTH: usize = 48;

/// Stack of the thread that parses, in bytes.
const PARSER_STACK: usize = 64 << 20;

/// The fields of `employee`, in the order of the documentation, each with what it holds.
pub const FIELDS: &[(&str, &str)] = &[
    ("id", "Namely's profile UUID"),
    ("email", "company email"),
    ("first_name", "first name"),
    ("last_name", "last name"),
    ("middle_name", "middle name"),
    ("preferred_name", "preferred first name"),
    ("full_name", "preferred or first name, and last name"),
    ("user_status", "active, inactive or pending"),
    ("start_date", "YYYY-MM-DD or empty"),
    ("departure_date", "YYYY-MM-DD or empty"),
    ("employee_id", "the company's own number; not unique"),
    ("employee_type", "Full Time, Part Time, Contractor, Intern, ..."),
    ("job_title", "job title"),
    ("job_tier", "tier of the job title"),
    ("department", "the first department, or empty"),
    ("departments", "list of departments"),
    ("office", "the first office location, or empty"),
    ("offices", "list of office locations"),
    ("groups", "map: title of a group type to the list of its groups"),
    ("manager", "id, name and email of the manager; all empty without one"),
    ("office_main_number", "office main number"),
    ("office_direct_dial", "office direct dial"),
    ("office_phone", "office phone"),
    ("office_company_mobile", "company mobile"),
    ("linkedin_url", "LinkedIn URL"),
    ("custom", "map of the custom fields that expressions name"),
];

const MANAGER_FIELDS: &[&str] = &["id", "name", "email"];

/// Names of CEL's own types, for `type(x) == string`.
const TYPES: &[&str] = &["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];

/// What an expression reads of the profile: the keys that must be visible to our token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Standard fields of `employee`.
    pub fields: BTreeSet<String>,
    /// Custom fields of Namely.
    pub custom: BTreeSet<String>,
}

/// Compiles and evaluates expressions.
pub struct Engine {
    env: Arc<Env>,
}

/// A compiled expression that still knows its source.
pub struct Expr {
    source: String,
    program: Program,
    reads: Reads,
}

/// An employee bound to the name `employee`, ready for any number of expressions.
pub struct Bound(Context<'static, 'static>);

impl Default for Engine {
    fn default() -> Self {
        let mut env = Env::stdlib();
        env.add_extension(extensions::strings).expect("the strings extension registers once");
        env.add_extension(extensions::lists).expect("the lists extension registers once");
        Self { env: Arc::new(env) }
    }
}

impl Engine {
    /// Compiles `source`; the error says what is wrong in words for the person who wrote it.
    pub fn compile(&self, source: &str) -> Result<Expr, String> {
        if source.len() > MAX_LENGTH {
            return Err(format!("an expression may be {MAX_LENGTH} bytes long, this one is {}", source.len()));
        }
        let program = self.parse(source)?;
        let mut names = Names::default();
        names.collect(program.expression(), &mut Vec::new());
        if let Some(name) = names.unknown_fields.first() {
            let known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
            return Err(format!("employee has no field {name:?}; it has {}", known.join(", ")));
        }
        if let Some(name) = names.unknown.first() {
            return Err(format!("unknown name {name:?}; expressions see only `employee`"));
        }
        Ok(Expr { source: source.to_owned(), program, reads: names.reads })
    }

    /// Parses on a stack of its own: deeply nested text overflows an ordinary thread's before the parser's depth limit.
    fn parse(&self, source: &str) -> Result<Program, String> {
        std::thread::scope(|scope| {
            let parser = std::thread::Builder::new().stack_size(PARSER_STACK);
            let thread = parser.spawn_scoped(scope, || {
                let program = self.env.compile(source).map_err(|errors| {
                    let lines: Vec<String> = errors.errors.iter().map(|e| e.to_string().replace('\n', " ")).collect();
                    format!("not a CEL expression: {}", lines.join("; "))
                })?;
                match depth(program.expression()) {
                    0..=MAX_DEPTH => Ok(program),
                    deeper => Err(format!("{deeper} levels deep; an expression may nest {MAX_DEPTH} levels")),
                }
            });
            thread.map_err(|e| e.to_string())?.join().map_err(|_| "the parser gave up on it".to_owned())?
        })
    }

    /// Binds `employee` for evaluation.
    pub fn bind(&self, employee: &Employee) -> Bound {
        let mut context = Context::with_env(self.env.clone());
        context.add_variable_from_value("employee", view(employee));
        Bound(context)
    }
}

impl Expr {
    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it reads of the profile.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Evaluates to text, a number, a boolean, a list of texts, or null (also for empty text).
    pub fn evaluate(&self, bound: &Bound) -> Result<Value, String> {
        let value = self.program.execute(&bound.0).map_err(|e| e.to_string())?;
        json(value)
    }
}

/// The parts of an expression.
fn parts(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Node::Select(select) => vec![&select.operand],
        Node::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Node::Comprehension(c) => vec![&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result],
        Node::List(list) => list.elements.iter().collect(),
        Node::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Node::Struct(of) => of.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Node::Ident(_) | Node::Literal(_) | Node::Unspecified => Vec::new(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}

fn depth(node: &IdedExpr) -> usize {
    1 + parts(node).into_iter().map(depth).max().unwrap_or(0)
}

/// The names an expression uses.
#[derive(Default)]
struct Names {
    reads: Reads,
    unknown_fields: BTreeSet<String>,
    unknown: BTreeSet<String>,
}

impl Names {
    /// Walks the expression; `scope` holds the variables of the comprehensions around it.
    fn collect(&mut self, node: &IdedExpr, scope: &mut Vec<String>) {
        match &node.expr {
            Node::Ident(name) if name != "employee" && !scope.contains(name) && !TYPES.contains(&name.as_str()) => {
                self.unknown.insert(name.clone());
            }
            Node::Select(select) => self.field(path(&select.operand.expr).as_deref(), &select.field),
            Node::Call(call) => {
                if let ("_[_]", [of, key]) = (call.func_name.as_str(), call.args.as_slice())
                    && let Node::Literal(LiteralValue::String(name)) = &key.expr
                {
                    self.field(path(&of.expr).as_deref(), name.inner());
                }
            }
            Node::Comprehension(c) => {
                self.collect(&c.iter_range, scope);
                self.collect(&c.accu_init, scope);
                let outside = scope.len();
                scope.extend([c.iter_var.clone(), c.accu_var.clone()]);
                scope.extend(c.iter_var2.clone());
                for part in [&c.loop_cond, &c.loop_step, &c.result] {
                    self.collect(part, scope);
                }
                scope.truncate(outside);
                return;
            }
            _ => {}
        }
        parts(node).into_iter().for_each(|part| self.collect(part, scope));
    }

    fn field(&mut self, of: Option<&[&str]>, field: &str) {
        match of {
            Some(["employee"]) if FIELDS.iter().any(|(name, _)| *name == field) => {
                self.reads.fields.insert(field.to_owned());
            }
            Some(["employee"]) => {
                self.unknown_fields.insert(field.to_owned());
            }
            Some(["employee", "custom"]) => {
                self.reads.custom.insert(field.to_owned());
            }
            Some(["employee", "manager"]) if !MANAGER_FIELDS.contains(&field) => {
                self.unknown_fields.insert(format!("manager.{field}"));
            }
            _ => {}
        }
    }
}

/// The names of a plain path such as `employee.manager`.
fn path(node: &Node) -> Option<Vec<&str>> {
    match node {
        Node::Ident(name) => Some(vec![name.as_str()]),
        Node::Select(select) => {
            let mut names = path(&select.operand.expr)?;
            names.push(&select.field);
            Some(names)
        }
        _ => None,
    }
}

fn json(value: Cel) -> Result<Value, String> {
    Ok(match value {
        Cel::Null => Value::Null,
        Cel::String(s) if s.is_empty() => Value::Null,
        Cel::String(s) => Value::String(s.to_string()),
        Cel::Bool(b) => Value::Bool(b),
        Cel::Int(i) => Value::from(i),
        Cel::UInt(u) => Value::from(u),
        Cel::Float(f) => Value::from(f),
        Cel::List(items) => {
            let items: Result<Vec<Value>, String> = items.iter().cloned().map(json).collect();
            Value::Array(items?)
        }
        other => {
            return Err(format!("gives a {}; text, a number, a boolean or a list of texts is needed", other.type_of()));
        }
    })
}

/// The `employee` value of the documentation.
fn view(e: &Employee) -> Cel {
    let mut map: HashMap<Key, Cel> = HashMap::with_capacity(FIELDS.len());
    let mut text = |name: &'static str, value: &str| {
        map.insert(name.into(), Cel::String(Arc::new(value.to_owned())));
    };
    text("id", &e.id);
    text("email", &e.email);
    text("first_name", &e.first_name);
    text("last_name", &e.last_name);
    text("middle_name", &e.middle_name);
    text("preferred_name", &e.preferred_name);
    text("full_name", &e.display());
    text("user_status", &e.user_status.to_string());
    text("start_date", &e.start_date.map(|d| d.to_string()).unwrap_or_default());
    text("departure_date", &e.departure_date.map(|d| d.to_string()).unwrap_or_default());
    text("employee_id", &e.employee_id);
    text("employee_type", &e.employee_type);
    text("job_title", &e.job_title);
    text("job_tier", &e.job_tier);
    text("department", e.departments.first().map_or("", String::as_str));
    text("office", e.offices.first().map_or("", String::as_str));
    text("office_main_number", &e.office_main_number);
    text("office_direct_dial", &e.office_direct_dial);
    text("office_phone", &e.office_phone);
    text("office_company_mobile", &e.office_company_mobile);
    text("linkedin_url", &e.linkedin_url);
    map.insert("departments".into(), texts(&e.departments));
    map.insert("offices".into(), texts(&e.offices));
    let groups: HashMap<Key, Cel> = e.groups.iter().map(|(k, v)| (k.clone().into(), texts(v))).collect();
    map.insert("groups".into(), Cel::Map(groups.into()));
    let manager = e.manager.clone().unwrap_or_default();
    let manager: HashMap<Key, Cel> =
        BTreeMap::from([("id", manager.id), ("name", manager.name), ("email", manager.email)])
            .into_iter()
            .map(|(k, v)| (k.into(), Cel::String(Arc::new(v))))
            .collect();
    map.insert("manager".into(), Cel::Map(manager.into()));
    let custom: HashMap<Key, Cel> = e.custom.iter().map(|(k, v)| (k.clone().into(), from_json(v))).collect();
    map.insert("custom".into(), Cel::Map(custom.into()));
    Cel::Map(map.into())
}

fn texts(items: &[String]) -> Cel {
    Cel::List(Arc::new(items.iter().map(|s| Cel::String(Arc::new(s.clone()))).collect()))
}

fn from_json(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(b) => Cel::Bool(*b),
        Value::Number(n) => n.as_i64().map_or_else(|| Cel::Float(n.as_f64().unwrap_or_default()), Cel::Int),
        Value::String(s) => Cel::String(Arc::new(s.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(from_json).collect())),
        Value::Object(fields) => {
            let fields: HashMap<Key, Cel> = fields.iter().map(|(k, v)| (k.clone().into(), from_json(v))).collect();
            Cel::Map(fields.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::employee::tests::somebody;
    use super::*;

    fn evaluate(source: &str) -> Result<Value, String> {
        let engine = Engine::default();
        engine.compile(source)?.evaluate(&engine.bind(&somebody()))
    }

    #[test]
    fn expressions_read_the_employee() {
        assert_eq!(evaluate("employee.first_name + ' ' + employee.last_name"), Ok("Ines Duval".into()));
        assert_eq!(evaluate("employee.departments"), Ok(serde_json::json!(["Finance"])));
        assert_eq!(evaluate("employee.groups['Office Location'][0]"), Ok("Lyon".into()));
        assert_eq!(evaluate("employee.email.lowerAscii().split('@')[0]"), Ok("ines.duval".into()));
        assert_eq!(evaluate("employee.employee_type == 'Contractor' ? 'ext' : ''"), Ok(Value::Null));
    }

    #[test]
    fn every_documented_field_can_be_read() {
        for (field, _) in FIELDS {
            assert!(evaluate(&format!("[employee.{field}].size() == 1")).is_ok(), "{field}");
        }
    }

    #[test]
    fn a_typo_is_found_when_the_expression_is_compiled() {
        assert!(evaluate("employee.departement").is_err_and(|e| e.contains("no field \"departement\"")));
        assert!(evaluate("employee.manager.mail").is_err_and(|e| e.contains("manager.mail")));
        assert!(evaluate("worker.email").is_err_and(|e| e.contains("only `employee`")));
        assert!(evaluate("employee.email +").is_err_and(|e| e.contains("not a CEL expression")));
    }

    #[test]
    fn expressions_say_which_custom_fields_they_read() {
        let engine = Engine::default();
        let expr = engine.compile("has(employee.custom.cost_center) ? employee.custom['2nd_office'] : employee.office");
        let reads = expr.expect("compiles").reads().clone();
        assert_eq!(reads.custom, BTreeSet::from(["cost_center".to_owned(), "2nd_office".to_owned()]));
        assert!(reads.fields.contains("office") && reads.fields.contains("custom"));
    }

    #[test]
    fn hostile_expressions_fail_without_harm() {
        assert!(evaluate(&format!("'{}'", "x".repeat(3000))).is_err_and(|e| e.contains("2048")));
        assert!(evaluate(&"(".repeat(500)).is_err());
        assert!(evaluate(&format!("{}1{}", "(".repeat(900), ")".repeat(900))).is_err());
        assert!(evaluate(&format!("{}true", "!".repeat(1500))).is_ok());
        assert!(evaluate(&format!("1{}", "+1".repeat(900))).is_err_and(|e| e.contains("levels")));
        assert!(evaluate(&format!("{}1{}", "[".repeat(20), "]".repeat(20))).is_ok());
        assert!(evaluate("1 / 0").is_err());
        assert!(evaluate("employee.departments[7]").is_err());
        assert!(evaluate("{'a': 1}").is_err_and(|e| e.contains("map")));
    }
}
