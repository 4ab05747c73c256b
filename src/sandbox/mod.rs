//! Faithful simulators of Namely and Okta, scenarios that play on them, and an oracle that evaluates the outcome.
//!
//! **Invariant:** nothing here uses the service's own reading of either wire (`namely`, `okta`, `domain`): a mistake
//! made there must not cancel out here. The simulators are plain stateful cores behind thin HTTP shells.

pub mod data;
pub(crate) mod distort;
pub(crate) mod edit;
pub mod faults;
pub mod history;
pub mod http;
pub(crate) mod lives;
pub mod merger;
pub mod namely;
pub mod okta;
pub mod oracle;
pub mod population;
pub mod scenario;
pub(crate) mod ui;
pub mod world;
