//! One file per subcommand.

// A comment of an option is the help that people read: groups of options say what they are where they are declared.
#![allow(missing_docs)]

mod admin_roles;
pub mod adopt;
pub mod apply;
pub mod attention;
pub mod audit;
pub mod backend;
pub mod backup;
pub mod check;
pub mod config;
pub mod end_access;
pub mod evidence;
pub mod explain;
pub mod failure;
mod finding;
pub mod holds;
pub mod init;
pub mod links;
pub mod mapping;
pub mod missing;
pub mod org;
pub mod pause;
pub mod place;
pub mod plan;
pub mod quarantine;
pub mod reconcile;
pub mod review;
pub mod run;
pub mod sandbox;
pub(crate) mod saved;
pub mod simulate;
pub mod starters;
pub mod status;
mod store;
mod table;
pub mod timeline;
pub mod undo;
