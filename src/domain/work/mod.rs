//! What becomes of the work on a person.

pub mod cause;
pub mod machine;
pub mod revision;
pub mod run;
