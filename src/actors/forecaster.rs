//! When will the backlog be done? Has a sample of it planned with the same core that the runs use, and divides the calls by
//! what Okta permits.

use super::core::forecast::calls;
use super::org::directory::SharedDirectory;
use super::org::registry::OrgRegistry;
use super::wiring::traffic::Traffic;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::okta::{Bucket, forecast};
use crate::store::{LiveRules, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// People whose plans are made to know what all need.
const SAMPLE: usize = 200;
/// How old a forecast may be.
const TICK: Duration = Duration::from_secs(5);
/// Planning a sample costs some milliseconds.
const SHORTEST_TICK: Duration = Duration::from_secs(1);

/// What a forecast is made with.
#[derive(Clone)]
pub struct Forecaster {
    pub org: Arc<str>,
    pub rules: LiveRules,
    pub clock: Clock,
    pub store: Store,
    pub directory: SharedDirectory,
    pub traffic: Traffic,
    pub metrics: Metrics,
}

/// Keeps the forecasts of every org until the task is dropped.
pub async fn keep_forecasting(registry: OrgRegistry, clock: Clock) -> Result<(), String> {
    loop {
        for forecaster in registry.forecasters() {
            if let Err(e) = forecaster.update().await {
                tracing::warn!(error = %e, org = %forecaster.org, "the backlog could not be forecast");
            }
        }
        tokio::time::sleep(clock.real(TICK).max(SHORTEST_TICK)).await;
    }
}

impl Forecaster {
    /// Writes the calls that the backlog needs, and how long that takes, into the metrics.
    pub async fn update(&self) -> Result<(), StoreError> {
        let (total, sample) = self.store.sample_backlog(&self.org, SAMPLE, self.clock.now()).await?;
        let calls = calls(total, &sample, &self.rules.load(), &self.directory.load(), self.clock.now());
        let now = self.clock.monotonic();
        let mut longest = 0.0_f64;
        for bucket in Bucket::ALL {
            let calls = calls.get(&bucket).copied().unwrap_or(0.0);
            self.metrics.backlog_calls.with_label_values(&[&self.org, bucket.as_str()]).set(calls);
            let seconds = self.traffic.status(bucket).and_then(|status| forecast::seconds(calls, &status, now));
            longest = longest.max(seconds.unwrap_or(0.0));
        }
        self.metrics.backlog_eta_seconds.with_label_values(&[&self.org]).set(longest);
        Ok(())
    }
}
