//! What is written down about everything that mattered, and how rows hang together.

pub(crate) mod access;
pub(crate) mod alarm;
mod author;
pub(crate) mod checkpoint;
pub(crate) mod custody;
pub(crate) mod describe;
pub mod details;
pub(crate) mod event;
mod holds;
mod instant;
pub(crate) mod reach;
pub mod record;
pub mod restore;
pub(crate) mod row;
pub(crate) mod sign_in;
pub(crate) mod verify;
pub(crate) mod viewing;
pub(crate) mod words;

#[cfg(test)]
mod golden_tests;

pub(crate) use checkpoint::Checkpoint;
pub use checkpoint::SigningKey;
pub use details::{Author, Call, Effect, Outcome};
pub use event::Event;
pub use record::Record;
pub(crate) use row::Row;
pub(crate) use verify::{StoredRow, Verdict, Verifier};
