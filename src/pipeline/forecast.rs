//! When will the backlog be done? Plans a sample of it with the same core that the lanes use, and divides the calls by
//! what Okta permits.

use super::directory::SharedDirectory;
use super::traffic::Traffic;
use crate::clock::Clock;
use crate::config::Config;
use crate::identity::plan::{Plan, Situation, plan};
use crate::identity::{Directory, lifecycle};
use crate::metrics::Metrics;
use crate::okta::{Bucket, Request, forecast};
use crate::store::{Store, StoreError, Waiting};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// People whose plans are made to know what all need.
const SAMPLE: usize = 200;

/// What a forecast is made with.
#[derive(Clone)]
pub struct Forecaster {
    pub config: Config,
    pub clock: Clock,
    pub store: Store,
    pub directory: SharedDirectory,
    pub traffic: Traffic,
    pub metrics: Metrics,
}

impl Forecaster {
    /// Writes the calls that the backlog needs, and how long that takes, into the metrics.
    pub async fn look(&self) -> Result<(), StoreError> {
        let (total, sample) = self.store.sample_backlog(SAMPLE).await?;
        let calls = self.calls(total, &sample, &self.directory.load());
        let now = self.clock.monotonic();
        let mut longest = 0.0_f64;
        for bucket in Bucket::ALL {
            let calls = calls.get(&bucket).copied().unwrap_or(0.0);
            self.metrics.backlog_calls.with_label_values(&[bucket.label()]).set(calls);
            let seconds = self.traffic.status(bucket).and_then(|status| forecast::seconds(calls, &status, now));
            longest = longest.max(seconds.unwrap_or(0.0));
        }
        self.metrics.backlog_eta_seconds.set(longest);
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of people fits")]
    fn calls(&self, total: usize, sample: &[Waiting], directory: &Directory) -> BTreeMap<Bucket, f64> {
        let mut calls: BTreeMap<Bucket, f64> = BTreeMap::new();
        let weight = total as f64 / sample.len().max(1) as f64;
        for waiting in sample {
            let tenant = self.config.namely.iter().find(|tenant| tenant.name == waiting.tenant);
            let zone = tenant.map_or(TimeZone::UTC, |tenant| tenant.zone.clone());
            let standing = lifecycle::standing(&waiting.employee, &zone, self.clock.now());
            let verdict = plan(&Situation {
                employee: &waiting.employee,
                entitlement: &standing.entitlement,
                account: waiting.account.as_ref(),
                mapping: &self.config.mapping,
                directory,
            });
            let Plan::Steps(steps) = verdict else { continue };
            for step in &steps {
                *calls.entry(Request::of(step).bucket()).or_default() += weight;
            }
        }
        calls
    }
}
