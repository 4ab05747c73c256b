//! The Okta simulator: the state of an org and what it answers.

pub mod apps;
mod distort;
pub mod errors;
pub mod groups;
pub mod limits;
mod oauth;
mod objects;
pub mod options;
pub mod org;
mod paging;
pub mod query;
pub mod roles;
pub mod schema;
mod serve;
mod state;
mod tokens;
pub mod users;

pub use objects::{Status, User};
pub use options::{Competition, HeaderView, Options, ScopeError, ServiceApp};
pub use state::Okta;
