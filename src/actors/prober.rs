//! Asks an org whether it is there, with a call that is for nobody: when a pause of the whole org may be over, and when answers for
//! one person are odd.
//!
//! **Invariant:** only reads, one at a time. What one person's calls meet stops nobody else.

use super::org::shared::Org;
use super::wiring::supervisor::TaskError;
use crate::domain::Priority;
use crate::okta::Request;
use std::time::Duration;

/// How often it is looked whether there is a question.
const TICK: Duration = Duration::from_millis(500);
const SHORTEST_TICK: Duration = Duration::from_millis(50);
/// Every token that works here may read it.
const NEUTRAL: &str = "/api/v1/users?limit=1";

/// The prober of one org.
#[derive(Clone)]
pub struct Prober {
    pub org: Org,
}

impl Prober {
    /// Works until the task is dropped.
    pub async fn keep(self) -> Result<(), TaskError> {
        let clock = &self.org.shared.clock;
        loop {
            tokio::time::sleep(clock.real(TICK).max(SHORTEST_TICK)).await;
            if self.org.traffic.health(|health| health.is_in_question(clock.monotonic())) {
                // Whoever has left waits for what it says; the writer tells the pauses.
                self.org.writers.read(Request::get(NEUTRAL), Priority::Revoke).await;
            }
        }
    }
}
