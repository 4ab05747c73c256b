//! One file per subcommand.

pub mod adopt;
pub mod attention;
pub mod check;
pub mod holds;
pub mod mapping;
pub mod merger;
pub mod pause;
pub mod readiness;
pub mod review;
pub mod run;
pub mod sandbox;
mod show;
pub mod simulate;
mod store;
mod table;
