//! Filling a page from a template of ours.

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

/// Steps that a template may take: enough for a page of 100,000 rows, and an end for one that loops.
const FUEL: u64 = 50_000_000;

/// Fills a page of ours: everything that is put into it is escaped.
pub(super) fn page(template: &str, context: impl Serialize) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_fuel(Some(FUEL));
    environment
        .render_str(template, minijinja::Value::from(minijinja::value::Serde(context)))
        .map_err(|e| format!("{e:#}"))
}
