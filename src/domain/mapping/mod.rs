//! What somebody should have: expressions, attributes, logins, groups and apps.

pub(crate) mod desired;
pub(crate) mod explain;
pub(crate) mod expr;
pub(crate) mod functions;
pub(crate) mod login;
pub(crate) mod rules;
pub mod view;
