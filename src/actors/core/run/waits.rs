//! How long a run lets go of somebody at least.

use std::time::Duration;

/// Before somebody is looked at again of whom Okta will soon know more.
pub(super) const A_MOMENT: Duration = Duration::from_secs(2);
/// When somebody is tried again whom Okta refused because of its settings; longer each time, up to a day.
pub(super) const AGAIN: Duration = Duration::from_secs(15 * 60);
/// When they are tried the first time: what was missing for a moment has cost a moment.
pub(super) const SOON: Duration = Duration::from_secs(30);
