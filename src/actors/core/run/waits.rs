//! How long a run lets go of somebody at least.

use std::time::Duration;

/// Before somebody is looked at again of whom Okta will soon know more.
pub(super) const A_MOMENT: Duration = Duration::from_secs(2);
