//! What an org holds: accounts, groups, and the rules of its own.

pub(crate) mod administrators;
pub(crate) mod directory;
pub mod gone;
pub(crate) mod group_rule;
pub(crate) mod knowledge;
pub(crate) mod list;
pub mod taken_back;
pub mod user;
