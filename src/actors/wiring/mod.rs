//! What starts the actors, what they share, and what looks after them.

pub mod gauges;
pub mod live;
pub mod readiness;
pub mod reload;
pub mod shared;
pub mod sinks;
pub mod supervisor;
pub mod topology;
pub mod traffic;
