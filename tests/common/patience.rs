//! How long tests wait.

use std::time::Duration;

/// How long a test waits for something that must happen, in real time: much longer than it takes on a machine that does
/// something else as well.
pub const PATIENCE: Duration = Duration::from_secs(180);
