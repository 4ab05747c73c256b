//! One file per subcommand.

/// Prints a text to a person, as `println!` does, with whatever names and reasons stand in it made visible line by line: nothing that
/// somebody typed in Namely or Okta moves the cursor. A terminal gets lines that fit. Tables do the same for their cells, and documents for machines are printed as they are.
macro_rules! say {
    ($($text:tt)*) => {
        println!("{}", $crate::commands::table::fitted(&crate::domain::text::visible_lines(&format!($($text)*))))
    };
}

mod admin_roles;
pub mod adopt;
pub mod apply;
mod approvers;
mod assessment;
pub mod attention;
pub mod audit;
pub mod backend;
pub mod backup;
pub mod check;
pub mod config;
pub mod end_access;
pub mod evidence;
pub mod explain;
pub mod export_twin;
pub mod failure;
mod finding;
pub mod holds;
pub mod init;
pub mod links;
pub mod mapping;
pub mod migrate_store;
pub mod missing;
pub mod nodes;
pub mod org;
pub mod pause;
mod permissions;
pub mod place;
mod places;
pub mod plan;
mod process;
mod prune;
pub mod quarantine;
pub mod reconcile;
pub mod review;
pub mod run;
pub mod sandbox;
pub mod simulate;
mod standby;
pub mod starters;
pub mod status;
mod store;
pub(crate) mod table;
pub mod timeline;
pub mod undo;

pub use table::{columns, wrapped};
