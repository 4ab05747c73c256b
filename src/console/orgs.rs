//! Okta and Namely: what is left of each counter, what is kept for terminations, how far the walks are.

use super::access::millis;
use super::entry::{Screen, enter, show};
use super::shared::Console;
use crate::metrics::Metrics;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The screen.
pub async fn orgs(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let visitor = match enter(&console, &request) {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    show(&console, &visitor, Screen::new("orgs", "Okta and Namely", "orgs.html"), |served| {
        let seen = Seen { metrics: &served.metrics };
        let orgs: Vec<Value> = served.orgs.iter().map(|org| seen.org(org)).collect();
        Ok(json!({ "orgs": orgs, "tenants": seen.tenants() }))
    })
    .await
}

/// The metrics, by what they are about.
struct Seen<'m> {
    metrics: &'m Metrics,
}

type Samples = Vec<(BTreeMap<String, String>, f64)>;

impl Seen<'_> {
    fn of(&self, name: &str, label: &str, value: &str) -> Samples {
        let all = self.metrics.samples(name).into_iter();
        all.filter(|(labels, _)| labels.get(label).is_some_and(|given| given == value)).collect()
    }

    fn sum(&self, name: &str, label: &str, value: &str) -> f64 {
        self.of(name, label, value).iter().map(|(_, sample)| sample).sum()
    }

    fn newest(&self, name: &str, label: &str, value: &str) -> Option<i64> {
        let newest = self.of(name, label, value).into_iter().map(|(_, sample)| sample).fold(0.0, f64::max);
        (newest > 0.0).then(|| millis(newest))
    }

    fn org(&self, org: &str) -> Value {
        let by_bucket = |name: &str| -> BTreeMap<String, f64> {
            let samples = self.of(name, "org", org).into_iter();
            samples.filter_map(|(labels, sample)| Some((labels.get("bucket")?.clone(), sample))).collect()
        };
        let (limits, left, reserved) = (
            by_bucket("okta_rate_limit"),
            by_bucket("okta_rate_limit_remaining"),
            by_bucket("okta_rate_limit_reserved"),
        );
        let (in_flight, waiting) = (by_bucket("okta_in_flight"), by_bucket("okta_waiting"));
        let of = |samples: &BTreeMap<String, f64>, bucket: &str| samples.get(bucket).copied().unwrap_or(0.0);
        let used = limits.iter().filter(|(_, limit)| **limit > 0.0);
        let buckets: Vec<Value> = used
            .map(|(bucket, limit)| {
                json!({
                    "bucket": bucket, "limit": limit, "left": of(&left, bucket), "reserved": of(&reserved, bucket),
                    "in_flight": of(&in_flight, bucket), "waiting": of(&waiting, bucket),
                })
            })
            .collect();
        let refused = self.of("okta_429_total", "org", org).into_iter().filter(|(_, count)| *count > 0.0);
        let refused: Vec<Value> =
            refused.map(|(labels, count)| json!({ "cause": labels.get("cause"), "count": count })).collect();
        let paused: BTreeSet<String> = self
            .of("okta_paused", "org", org)
            .into_iter()
            .filter(|(_, paused)| *paused > 0.0)
            .filter_map(|(labels, _)| labels.get("scope").cloned())
            .collect();
        json!({
            "name": org, "buckets": buckets, "refused": refused, "paused": paused,
            "last_answer": self.newest("okta_last_answer_timestamp_seconds", "org", org),
        })
    }

    fn tenants(&self) -> Vec<Value> {
        let all = self.metrics.samples("namely_profiles").into_iter();
        let names: BTreeSet<String> = all.filter_map(|(labels, _)| labels.get("tenant").cloned()).collect();
        names
            .iter()
            .map(|name| {
                let sum = |metric: &str| self.sum(metric, "tenant", name);
                json!({
                    "name": name, "profiles": sum("namely_profiles"), "unreadable": sum("namely_unreadable_profiles"),
                    "throttled": sum("namely_throttled_total"), "skew": sum("namely_clock_skew_seconds"),
                    "walk": self.newest("namely_last_complete_walk_timestamp_seconds", "tenant", name),
                    "page": self.newest("namely_last_page_timestamp_seconds", "tenant", name),
                })
            })
            .collect()
    }
}
