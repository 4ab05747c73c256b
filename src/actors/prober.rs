//! Asks an org whether it is there, with a call that is for nobody: when a pause of the whole org may be over, when answers for one
//! person are odd, and when answers that were about somebody else may be right again.
//!
//! **Invariant:** only reads, one at a time. What one person's calls meet stops nobody else.

use super::org::shared::Org;
use super::wiring::supervisor::TaskError;
use crate::domain::Priority;
use crate::domain::text::is_user_id;
use crate::okta::Request;
use crate::okta::health::SOME_ACCOUNT;
use crate::okta::outcome::{Answered, Reply};
use serde::Deserialize;
use std::time::Duration;

/// How often it is looked whether there is a question.
const TICK: Duration = Duration::from_millis(500);
const SHORTEST_TICK: Duration = Duration::from_millis(50);
/// Every token that works here may read it.
const NEUTRAL: &str = "/api/v1/users?limit=1";

/// What is looked at of an account.
#[derive(Deserialize)]
struct Shown {
    id: String,
}

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
            if self.org.traffic.health(|health| health.are_answers_in_question(clock.monotonic())) {
                self.compare().await;
            }
        }
    }

    /// Reads one account by its id, whosever it is: whether the answer is about it shows whether answers are right again.
    async fn compare(&self) {
        let is_right = self.is_about_whom_it_was_asked().await;
        let now = self.org.shared.clock.monotonic();
        let changes = self.org.traffic.health(|health| match is_right {
            Some(is_right) => health.on_identity(SOME_ACCOUNT, is_right, now),
            None => {
                health.on_nobody_read(now);
                Vec::new()
            }
        });
        self.org.writers.describe(changes);
    }

    /// Nothing where no account can be read.
    async fn is_about_whom_it_was_asked(&self) -> Option<bool> {
        let listed = self.read(NEUTRAL.to_owned()).await?;
        let asked = serde_json::from_slice::<Vec<Shown>>(&listed).ok()?.pop()?.id;
        let answer = self.read(format!("/api/v1/users/{}", Some(&asked).filter(|id| is_user_id(id))?)).await?;
        Some(serde_json::from_slice::<Shown>(&answer).ok()?.id == asked)
    }

    async fn read(&self, path: String) -> Option<Vec<u8>> {
        match self.org.writers.read(Request::get(path), Priority::Inspect).await {
            Reply::Answered(Answered { status: 200, body, .. }) => Some(body),
            _ => None,
        }
    }
}
