//! The actors, one file each, and how they hang together. Each is a shell of a page around a synchronous core or around the
//! store: `core/` decides without I/O, `org/` reads what an org holds, `wiring/` starts everything and looks after it.
//!
//! **Invariant:** messages say *that* something changed, never what; losing any of them loses no work, because the store
//! knows every dirty person.

mod audit_sink;
pub mod core;
pub mod dispatcher;
mod flight;
pub mod forecaster;
pub mod notifier;
pub mod order;
pub mod org;
pub mod person_run;
pub mod poller;
pub mod prober;
mod progress;
pub mod reconciler;
pub mod runs;
pub mod sealer;
mod searcher;
pub mod slots;
pub mod timekeeper;
pub mod wiring;
pub mod writer;

pub use poller::{PollRefused, Pollers};
pub use wiring::readiness::Readiness;
pub use wiring::topology::Service;
