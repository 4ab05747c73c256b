//! What is written down about everything that mattered, and how rows hang together.

pub mod record;

pub use record::{Call, Effect, Kind, Record};
