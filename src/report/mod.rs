//! Reports for people and auditors: what they say is decided here, without any I/O; how they look is in the templates.

pub(crate) mod decision;
pub(crate) mod evidence;
mod page;
pub(crate) mod reconciliation;
mod spreadsheet;

pub(crate) use reconciliation::Category;
pub use reconciliation::Reconciliation;
