//! The rows of the tables, typed: one file per table, with all SQL that reads or writes it.

pub(super) mod target;
pub(super) mod work;
