//! Filling a page from a template of ours.

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

/// Why a report could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The page: a template of ours and what is put into it do not fit.
    #[error("{0:#}")]
    Page(#[from] minijinja::Error),
    /// A row of a table.
    #[error("{0}")]
    Row(#[from] csv::Error),
    /// The end of a table.
    #[error("{0}")]
    Table(#[from] std::io::Error),
}

/// Steps that a template may take: enough for a page of 100,000 rows, and an end for one that loops.
const FUEL: u64 = 50_000_000;

/// Fills a page of ours: everything that is put into it is escaped.
pub(super) fn page(template: &str, context: impl Serialize) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_fuel(Some(FUEL));
    Ok(environment.render_str(template, minijinja::Value::from(minijinja::value::Serde(context)))?)
}
