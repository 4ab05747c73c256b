//! Expressions of the configuration, compiled where they stand: a mistake is a problem with its place.

use super::reader::{At, Reader};
use crate::domain::mapping::expr::{Engine, Expr, Kind};
use crate::namely::wire::is_sensitive;

/// What counts as a text.
pub const TEXT: &[Kind] = &[Kind::Text, Kind::Number];

/// Compiles an expression; sensitive fields are refused.
pub fn compile(r: &mut Reader, engine: &Engine, path: &str, source: &At<String>) -> Option<Expr> {
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

/// Compiles an expression that must give one of these kinds.
pub fn compile_kind(
    r: &mut Reader,
    engine: &Engine,
    path: &str,
    source: &At<String>,
    allowed: &[Kind],
) -> Option<Expr> {
    let expr = compile(r, engine, path, source)?;
    check_kind(r, engine, path, source, &expr, allowed).then_some(expr)
}

/// Whether an expression gives one of these kinds, as far as that can be told from an ordinary and an empty profile.
pub fn check_kind(
    r: &mut Reader,
    engine: &Engine,
    path: &str,
    source: &At<String>,
    expr: &Expr,
    allowed: &[Kind],
) -> bool {
    let found = engine.kinds(expr);
    let Some(wrong) = found.iter().find(|kind| **kind != Kind::Nothing && !allowed.contains(kind)) else { return true };
    let word = |kind: &Kind| match kind {
        Kind::Nothing => "nothing",
        Kind::Text => "a text",
        Kind::Boolean => "true or false",
        Kind::Number => "a number",
        Kind::List => "a list",
    };
    let wanted: Vec<&str> = allowed.iter().map(word).collect();
    r.problem(source.span.clone(), format!("{path}: gives {}; {} is needed", word(wrong), wanted.join(" or ")));
    false
}

/// Compiles a condition.
pub fn condition(r: &mut Reader, engine: &Engine, path: &str, source: &At<String>) -> Option<Expr> {
    compile_kind(r, engine, path, source, &[Kind::Boolean])
}

/// Compiles a text.
pub fn text(r: &mut Reader, engine: &Engine, path: &str, source: &At<String>) -> Option<Expr> {
    let expr = compile(r, engine, path, source)?;
    check_kind(r, engine, path, source, &expr, TEXT).then_some(expr)
}

/// What is written is wrong, and its problem was reported.
pub struct Wrong;

/// The value of a key that may be left out: what was not written is nothing. `read` has nothing inside where what was
/// written is wrong.
pub fn optional<T>(read: Option<Option<T>>) -> Result<Option<T>, Wrong> {
    read.map(|value| value.ok_or(Wrong)).transpose()
}
