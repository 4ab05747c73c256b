//! The actors, one file each, and how they hang together. Each is a shell of a page around a synchronous core or around the
//! store: `core/` decides without I/O, `org/` reads what an org holds, `wiring/` starts everything and looks after it.
//!
//! **Invariant:** messages say *that* something changed, never what; losing any of them loses no work, because the store
//! knows every dirty person.

mod audit_sink;
pub(crate) mod core;
pub(crate) mod dispatcher;
mod flight;
pub(crate) mod forecaster;
mod last_word;
pub(crate) mod notifier;
pub(crate) mod order;
pub(crate) mod org;
pub(crate) mod person_run;
pub(crate) mod poller;
pub(crate) mod prober;
mod progress;
pub(crate) mod reconciler;
pub(crate) mod runs;
pub(crate) mod sealer;
mod searcher;
mod sign_in;
pub(crate) mod slots;
pub(crate) mod timekeeper;
pub(crate) mod wiring;
pub(crate) mod writer;

pub(crate) use poller::{PollRefused, Pollers};
pub(crate) use wiring::readiness::{Readiness, Said};
pub use wiring::topology::Service;
