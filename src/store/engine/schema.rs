//! The tables, and how those of each version become those of the next.

/// The newest version of the schema; `PRAGMA user_version` of the file.
pub(super) const VERSION: i64 = 7;
/// The earliest version that can be brought up to date.
pub(super) const FIRST: i64 = 3;
/// What leads to each version after the first, in order. `schema.sql` is what all of them come to.
pub(super) const STEPS: [&str; (VERSION - FIRST) as usize] = [
    include_str!("migrations/4.sql"),
    include_str!("migrations/5.sql"),
    include_str!("migrations/6.sql"),
    include_str!("migrations/7.sql"),
];

/// All tables of the newest version.
pub(super) const SCHEMA: &str = include_str!("schema.sql");
