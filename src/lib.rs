//! namely-okta-sync keeps Okta true to Namely. `ARCHITECTURE.md` is the map.

pub mod clock;
pub mod identity;
