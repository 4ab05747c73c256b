//! CEL expressions over a documented `employee` value: the only place that compiles and runs them.
//!
//! CEL is total: an expression cannot loop for ever, read a file or call out. Length, depth and loops within loops are
//! limited besides, so that no profile makes one expensive.

use crate::domain::mapping::functions::{self, Tables};
use crate::domain::mapping::view::{FIELDS, MANAGER_FIELDS, Reads, Seen, samples, view};
use crate::domain::record::employee::Employee;
use cel::common::ast::{EntryExpr, Expr as Node, IdedExpr, LiteralValue};
use cel::{Context, Env, Program, Value as Cel, extensions};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Longest expression that is accepted, in bytes.
const MAX_LENGTH: usize = 2048;

/// Deepest nesting that is accepted: evaluation recurses, and runs on ordinary stacks.
const MAX_DEPTH: usize = 48;

/// Loops within loops that are accepted: each one multiplies the work by the length of a list.
const MAX_LOOPS: usize = 2;

/// Stack of the thread that parses, in bytes.
const PARSER_STACK: usize = 64 << 20;

/// Names of CEL's own types, for `type(x) == string`.
const TYPES: &[&str] = &["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];

/// What an expression gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Nothing,
    Text,
    Boolean,
    Number,
    List,
}

impl Kind {
    /// The kind of a result.
    pub const fn of(value: &Value) -> Self {
        match value {
            Value::Null | Value::Object(_) => Kind::Nothing,
            Value::String(_) => Kind::Text,
            Value::Bool(_) => Kind::Boolean,
            Value::Number(_) => Kind::Number,
            Value::Array(_) => Kind::List,
        }
    }
}

/// Compiles and evaluates expressions.
pub struct Engine {
    env: Arc<Env>,
    tables: Arc<Tables>,
    /// The functions, which every evaluation shares.
    functions: Context<'static, 'static>,
}

/// A compiled expression that still knows its source.
pub struct Expr {
    source: String,
    program: Program,
    reads: Reads,
}

/// An expression that could not be evaluated for one person: that person is quarantined, everybody else goes on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "{rule}: expression `{expression}` failed: {message}; correct it in the configuration, or the profile in Namely"
)]
pub struct MappingError {
    pub rule: String,
    pub expression: String,
    pub message: String,
}

impl MappingError {
    /// The failure of `expr` in the rule of this label.
    pub fn of(rule: &str, expr: &Expr, message: String) -> Self {
        Self { rule: rule.to_owned(), expression: expr.source().to_owned(), message }
    }
}

/// An employee bound to the name `employee`, ready for any number of expressions that read no more than was bound.
pub struct Bound<'e>(Context<'e, 'static>);

impl Default for Engine {
    fn default() -> Self {
        Self::new(Tables::default())
    }
}

impl Engine {
    /// An engine whose expressions may look things up in `tables`.
    pub fn new(tables: Tables) -> Self {
        let mut env = Env::stdlib();
        env.add_extension(extensions::strings).expect("the strings extension registers once");
        env.add_extension(extensions::lists).expect("the lists extension registers once");
        functions::declare(&mut env).expect("each function has a name of its own");
        let (env, tables) = (Arc::new(env), Arc::new(tables));
        let mut functions = Context::with_env(env.clone());
        functions::bind(&mut functions, &tables);
        Self { env, tables, functions }
    }

    /// The tables that expressions may look things up in.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

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
        if let Some(name) = names.unknown_functions.first() {
            let known: Vec<&str> = functions::OURS.iter().map(|(signature, _)| *signature).collect();
            return Err(format!("there is no function {name:?}; besides CEL's own there are {}", known.join(", ")));
        }
        if names.loops > MAX_LOOPS {
            return Err(format!("{} loops within one another; an expression may nest {MAX_LOOPS}", names.loops));
        }
        if let Some(table) = names.tables.iter().find(|table| !self.tables.has(table)) {
            return Err(format!("there is no table {table:?}; name its file under [mapping.tables]"));
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

    /// Binds what is seen of a person for the evaluation of expressions that read no more than `reads`: making every field
    /// costs more than most expressions.
    pub fn bind(&self, seen: &Seen, reads: &Reads) -> Bound<'_> {
        let mut context = self.functions.new_inner_scope();
        context.add_variable_from_value("employee", view(seen, reads));
        Bound(context)
    }

    /// Binds everything of an employee of whom nothing else is known.
    pub fn bind_employee(&self, employee: &Employee) -> Bound<'_> {
        self.bind(&Seen::of(employee), &Reads { whole: true, ..Reads::default() })
    }

    /// What `expr` gives for an ordinary and for an empty profile: a hint at its type, as CEL has no types before it runs.
    pub fn kinds(&self, expr: &Expr) -> BTreeSet<Kind> {
        samples(&expr.reads.custom)
            .iter()
            .filter_map(|employee| expr.evaluate(&self.bind_employee(employee)).ok())
            .map(|v| Kind::of(&v))
            .collect()
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

    /// Evaluates to yes or no.
    pub fn holds(&self, bound: &Bound) -> Result<bool, String> {
        match self.evaluate(bound)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(format!("gives {other}, not true or false")),
        }
    }

    /// Evaluates to text; numbers are written out, null is empty.
    pub fn text(&self, bound: &Bound) -> Result<String, String> {
        match self.evaluate(bound)? {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text),
            Value::Number(n) => Ok(n.to_string()),
            other => Err(format!("gives {other}, not a text")),
        }
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

/// Stands in the scope for a loop; no CEL name looks like it.
const LOOP: &str = "@loop";

/// The names an expression uses.
#[derive(Default)]
struct Names {
    reads: Reads,
    unknown_fields: BTreeSet<String>,
    unknown: BTreeSet<String>,
    unknown_functions: BTreeSet<String>,
    /// Tables that are named outright.
    tables: BTreeSet<String>,
    /// Most loops within one another.
    loops: usize,
}

impl Names {
    /// Walks the expression; `scope` holds the variables of the comprehensions around it.
    fn collect(&mut self, node: &IdedExpr, scope: &mut Vec<String>) {
        match &node.expr {
            // Whoever reads one known field of it says so below, and does not come here.
            Node::Ident(name) if name == "employee" => self.reads.whole = true,
            Node::Ident(name) if !scope.contains(name) && !TYPES.contains(&name.as_str()) => {
                self.unknown.insert(name.clone());
            }
            Node::Select(select) => {
                self.field(path(&select.operand.expr).as_deref(), &select.field);
                if is_employee(&select.operand.expr) {
                    return;
                }
            }
            Node::Call(call) => {
                if !functions::is_known(&call.func_name) {
                    self.unknown_functions.insert(call.func_name.clone());
                }
                if let (true, Some(table)) = (functions::has_table(&call.func_name), call.args.first())
                    && let Node::Literal(LiteralValue::String(name)) = &table.expr
                {
                    self.tables.insert(name.inner().to_owned());
                }
                if let ("_[_]", [of, key]) = (call.func_name.as_str(), call.args.as_slice())
                    && let Node::Literal(LiteralValue::String(name)) = &key.expr
                {
                    self.field(path(&of.expr).as_deref(), name.inner());
                    if is_employee(&of.expr) {
                        return;
                    }
                }
            }
            Node::Comprehension(c) => {
                self.collect(&c.iter_range, scope);
                self.collect(&c.accu_init, scope);
                self.loops = self.loops.max(scope.iter().filter(|name| *name == LOOP).count() + 1);
                let outside = scope.len();
                scope.push(LOOP.to_owned());
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

fn is_employee(node: &Node) -> bool {
    matches!(node, Node::Ident(name) if name == "employee")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::employee::tests::an_employee;

    fn evaluate(source: &str) -> Result<Value, String> {
        let engine = Engine::default();
        engine.compile(source)?.evaluate(&engine.bind_employee(&an_employee()))
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
    fn what_is_bound_is_what_an_expression_reads() {
        let engine = Engine::default();
        let read = |source: &str| engine.compile(source).expect("compiles").reads().clone();
        let one = read("employee.email + employee['first_name']");
        assert_eq!((one.fields.len(), one.whole), (2, false), "{one:?}");
        for whole in
            ["employee['e' + 'mail']", "[employee][0].email", "employee.map(key, key).size() > 3", "size(employee)"]
        {
            assert!(read(whole).whole, "{whole}");
        }
        let employee = an_employee();
        for source in ["employee.email", "employee['em' + 'ail']", "employee.manager.name", "employee.custom.x == null"]
        {
            let expr = engine.compile(source).expect("compiles");
            let narrow = expr.evaluate(&engine.bind(&Seen::of(&employee), expr.reads()));
            assert_eq!(narrow, expr.evaluate(&engine.bind_employee(&employee)), "{source}");
        }
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
        let nested = "[1,2].map(a, [1,2].map(b, [1,2].map(c, a)))";
        assert!(evaluate(nested).is_err_and(|e| e.contains("loops within one another")));
        assert!(evaluate("lists.range(1000000).size()").is_err_and(|e| e.contains("unknown name")));
        assert!(evaluate("readFile('/etc/passwd')").is_err_and(|e| e.contains("no function")));
        assert!(evaluate("lookup('nowhere', 'x')").is_err_and(|e| e.contains("no table")));
    }
}
