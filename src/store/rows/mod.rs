//! The rows of the tables, typed: one file per table, with all SQL that writes it.

pub(super) mod work;
