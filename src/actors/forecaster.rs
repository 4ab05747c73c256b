//! When will the backlog be done? Has a sample of it planned with the same core that the runs use, and divides the calls by
//! what Okta permits.

use super::core::forecast::calls;
use super::org::directory::SharedDirectory;
use super::org::shared::Org;
use super::wiring::shared::Shared;
use super::wiring::supervisor::TaskError;
use crate::okta::{Bucket, forecast};
use crate::store::StoreError;
use std::time::Duration;

/// People whose plans are made to know what all need.
const SAMPLE: usize = 200;
/// How old a forecast may be.
const TICK: Duration = Duration::from_secs(5);
/// Planning a sample costs some milliseconds.
const SHORTEST_TICK: Duration = Duration::from_secs(1);

/// What forecasts the backlog of one org.
#[derive(Clone)]
pub struct Forecaster {
    pub org: Org,
    pub directory: SharedDirectory,
}

impl Forecaster {
    /// Keeps the forecast until the task is dropped.
    pub async fn keep(self) -> Result<(), TaskError> {
        loop {
            if let Err(e) = self.update().await {
                tracing::warn!(error = %e, org = %self.org.name, "the backlog could not be forecast");
            }
            tokio::time::sleep(self.org.shared.clock.real(TICK).max(SHORTEST_TICK)).await;
        }
    }

    /// Writes the calls that the backlog needs, and how long that takes, into the metrics.
    async fn update(&self) -> Result<(), StoreError> {
        let (Shared { clock, store, metrics, .. }, org) = (&self.org.shared, &self.org.name);
        let (total, sample) = store.sample_backlog(org, SAMPLE, clock.now()).await?;
        let calls = calls(total, &sample, &store.rules().load(), &self.directory.load(), clock.now());
        let now = clock.monotonic();
        let mut longest = 0.0_f64;
        for bucket in Bucket::ALL {
            let calls = calls.get(&bucket).copied().unwrap_or(0.0);
            metrics.work.backlog_calls.with_label_values(&[org, bucket.as_str()]).set(calls);
            let seconds = self.org.traffic.status(bucket).and_then(|status| forecast::seconds(calls, &status, now));
            longest = longest.max(seconds.unwrap_or(0.0));
        }
        metrics.work.backlog_eta_seconds.with_label_values(&[org]).set(longest);
        Ok(())
    }
}
