//! One file per subcommand.

pub mod adopt;
pub mod apply;
pub mod attention;
pub mod audit;
pub mod backup;
pub mod check;
pub mod evidence;
pub mod explain;
pub mod holds;
pub mod mapping;
pub mod merger;
pub mod pause;
pub mod plan;
pub mod quarantine;
pub mod readiness;
pub mod reconcile;
pub mod review;
pub mod run;
pub mod sandbox;
mod saved;
mod show;
pub mod simulate;
pub mod status;
mod store;
mod table;
pub mod timeline;
pub mod undo;
