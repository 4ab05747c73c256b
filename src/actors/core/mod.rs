//! What the actors decide, without I/O.

pub(crate) mod concurrency;
pub(crate) mod forecast;
pub(crate) mod queue;
pub(crate) mod run;
pub(crate) mod skew;
