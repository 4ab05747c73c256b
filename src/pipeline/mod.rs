//! The actors, and how they hang together. Each is a shell of a page around a synchronous core or around the store.
//!
//! **Invariant:** messages say *that* something changed, never what; losing any of them loses no work, because the store
//! knows every dirty person.

pub mod administrators;
mod audit_sink;
pub mod directory;
pub mod dispatcher;
pub mod forecast;
mod gauges;
mod links;
pub mod lists;
pub mod notifier;
pub mod order;
mod org;
pub mod person_run;
pub mod poller;
pub mod prime;
pub mod queue;
pub mod readiness;
pub mod reconciler;
mod registry;
pub mod reload;
pub mod run;
pub mod runs;
pub mod sealer;
mod searcher;
pub mod sinks;
pub mod skew;
pub mod supervisor;
pub mod timekeeper;
pub mod topology;
pub mod traffic;
pub mod writer;

pub use poller::{PollRefused, Pollers};
pub use readiness::Readiness;
pub use topology::Service;
