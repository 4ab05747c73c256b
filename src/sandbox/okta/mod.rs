//! The Okta simulator: the state of an org and what it answers.

pub(crate) mod apps;
mod attributes;
mod distort;
pub(crate) mod errors;
mod expression;
pub(crate) mod groups;
mod iam;
mod language;
pub mod limits;
mod memberships;
mod oauth;
mod objects;
pub(crate) mod options;
pub(crate) mod org;
mod paging;
mod projection;
pub(crate) mod query;
pub(crate) mod roles;
mod rules;
pub(crate) mod schema;
mod serve;
mod sign_in;
mod state;
mod tokens;
mod ui;
pub mod users;

pub use objects::{Status, User};
pub use options::{Competition, HeaderView, Options, ScopeError, ServiceApp, WebApp};
pub use state::Okta;
