//! What the actors decide, without I/O.

pub mod concurrency;
pub mod forecast;
pub mod queue;
pub mod run;
pub mod skew;
