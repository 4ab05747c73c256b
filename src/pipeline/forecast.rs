//! When will the backlog be done? Plans a sample of it with the same core that the runs use, and divides the calls by
//! what Okta permits.

use super::directory::SharedDirectory;
use super::traffic::Traffic;
use crate::clock::Clock;
use crate::domain::plan::planner::{Situation, plan};
use crate::domain::{Case, Directory};
use crate::metrics::Metrics;
use crate::okta::{Bucket, Request, forecast};
use crate::store::{LiveRules, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// People whose plans are made to know what all need.
const SAMPLE: usize = 200;

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

impl Forecaster {
    /// Writes the calls that the backlog needs, and how long that takes, into the metrics.
    pub async fn update(&self) -> Result<(), StoreError> {
        let (total, sample) = self.store.sample_backlog(&self.org, SAMPLE, self.clock.now()).await?;
        let calls = self.calls(total, &sample, &self.directory.load());
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

    #[expect(clippy::cast_precision_loss, reason = "a number of people fits")]
    fn calls(&self, total: usize, sample: &[Case], directory: &Directory) -> BTreeMap<Bucket, f64> {
        let mut calls: BTreeMap<Bucket, f64> = BTreeMap::new();
        let weight = total as f64 / sample.len().max(1) as f64;
        let (now, rulebook) = (self.clock.now(), &*self.rules.load());
        for case in sample {
            let lifecycle = rulebook.lifecycle(case, now);
            let verdict =
                plan(&Situation { case, lifecycle: &lifecycle, rulebook, directory, now, fresh: false, refused: &[] });
            for step in verdict.into_iter().flat_map(|plan| plan.steps) {
                *calls.entry(Request::of(&step, None).bucket()).or_default() += weight;
            }
        }
        calls
    }
}
