//! What somebody should have: expressions, attributes, logins, groups and apps.

pub mod desired;
pub mod explain;
pub mod expr;
pub mod functions;
pub mod login;
pub mod rules;
pub mod view;
