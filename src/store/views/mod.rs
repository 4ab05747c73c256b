//! What people are shown: read beside the writer, deciding nothing.

pub mod attention;
pub mod audit;
pub mod ended;
pub mod holds;
pub mod leavers;
pub mod missing;
pub mod people;
pub mod progress;
pub mod starters;
pub mod vitals;
