//! What starts the actors, what they share, and what looks after them.

mod alarms;
pub(crate) mod gauges;
pub(crate) mod live;
pub(crate) mod readiness;
pub(crate) mod reload;
pub(crate) mod shared;
pub(crate) mod sinks;
pub(crate) mod supervisor;
pub(crate) mod topology;
pub(crate) mod traffic;
