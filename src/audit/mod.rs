//! What is written down about everything that mattered, and how rows hang together.

pub mod access;
pub mod checkpoint;
pub mod describe;
pub mod details;
pub mod event;
pub mod record;
pub mod row;
pub mod sign_in;
pub mod verify;
pub mod words;

#[cfg(test)]
mod golden_tests;

pub use checkpoint::{Checkpoint, SigningKey, SigningKeyError};
pub use details::{Author, Call, Effect, Outcome};
pub use event::Event;
pub use record::Record;
pub use row::Row;
pub use verify::{Finding, StoredRow, Verdict, Verifier};
