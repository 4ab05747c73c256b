//! What people are shown: read beside the writer, deciding nothing.

pub mod holds;
pub mod progress;
