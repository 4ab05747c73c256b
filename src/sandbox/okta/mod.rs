//! The Okta simulator: the state of an org and what it answers.

pub(crate) mod apps;
mod distort;
pub(crate) mod errors;
pub(crate) mod groups;
pub mod limits;
mod oauth;
mod objects;
pub(crate) mod options;
pub(crate) mod org;
mod paging;
pub(crate) mod query;
pub(crate) mod roles;
pub(crate) mod schema;
mod serve;
mod sign_in;
mod state;
mod tokens;
pub mod users;

pub use objects::{Status, User};
pub use options::{Competition, HeaderView, Options, ScopeError, ServiceApp, WebApp};
pub use state::Okta;
