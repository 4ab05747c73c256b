//! What an org holds: accounts, groups, and the rules of its own.

pub mod administrators;
pub mod directory;
pub mod group_rule;
pub mod knowledge;
pub mod list;
pub mod user;
