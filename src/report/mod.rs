//! Reports for people and auditors: what they say is decided here, without any I/O; how they look is in the templates.

pub mod evidence;
mod page;
pub mod reconciliation;
mod spreadsheet;

pub use page::ReportError;
pub use reconciliation::{Category, Reconciliation, Row};
