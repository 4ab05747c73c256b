//! namely-okta-sync keeps Okta true to Namely. `ARCHITECTURE.md` is the map.

pub mod audit;
pub mod clock;
pub mod identity;
pub mod metrics;
pub mod namely;
pub mod okta;
pub mod store;
