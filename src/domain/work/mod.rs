//! What becomes of the work on a person.

pub(crate) mod cause;
pub mod machine;
pub(crate) mod renewal;
pub(crate) mod revision;
pub(crate) mod run;
pub(crate) mod waiting;
