//! Which account is whose.

pub mod adoption;
pub mod correlation;
