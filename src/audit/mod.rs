//! What is written down about everything that mattered, and how rows hang together.

pub mod checkpoint;
pub mod record;
pub mod tell;
pub mod verify;

pub use checkpoint::{Checkpoint, SigningKey};
pub use record::{Call, Effect, Kind, Record};
pub use tell::tell;
pub use verify::{Finding, StoredRow, Verdict, Verifier};
