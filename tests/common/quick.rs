//! Simulators that hold nothing up.

use namely_okta_sync::sandbox::{namely, okta};
use std::time::Duration;

/// Options under which a simulator is quick and unlimited.
pub fn quick_okta() -> okta::Options {
    okta::Options {
        limits: None,
        latency: 0.05,
        index_lag: Duration::ZERO,
        principal_share: 1.0,
        ..okta::Options::default()
    }
}

/// Options under which a simulator is quick and unlimited.
pub fn quick_namely() -> namely::Options {
    namely::Options { per_minute: None, latency: 0.02, ..namely::Options::default() }
}
