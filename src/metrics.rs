//! Everything that is counted, by the conventions of Prometheus: base units, `_total`, closed sets of labels, and never
//! a person as a label.

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

const PREFIX: &str = "namely_okta_sync";

/// Metrics of the store.
#[derive(Clone)]
pub struct StoreMetrics {
    pub commit_seconds: Histogram,
    pub jobs_per_commit: Histogram,
    pub trouble: IntGaugeVec,
}

/// All metrics of one service, in a registry of its own.
#[derive(Clone)]
pub struct Metrics {
    /// Everything of ours, under our name.
    pub registry: Registry,
    /// What every process has, under the names that every dashboard knows.
    process: Registry,
    pub store: StoreMetrics,
    pub profiles_changed: IntCounterVec,
    pub pages: IntCounterVec,
    pub namely_throttled: IntCounterVec,
    pub clock_skew_seconds: GaugeVec,
    pub walks: IntCounterVec,
    pub last_complete_walk: GaugeVec,
    pub profiles: IntGaugeVec,
    pub unreadable: IntGaugeVec,
    pub last_page: GaugeVec,
    pub source_lag_seconds: HistogramVec,
    pub backlog: IntGaugeVec,
    pub backlog_calls: GaugeVec,
    pub backlog_eta_seconds: GaugeVec,
    pub backlog_oldest_seconds: GaugeVec,
    pub leavers_with_access: IntGaugeVec,
    pub leaver_access_oldest_seconds: GaugeVec,
    pub quarantined: IntGaugeVec,
    pub held: IntGaugeVec,
    pub holds: IntGaugeVec,
    pub hold_oldest_seconds: GaugeVec,
    pub writes_paused: IntGaugeVec,
    pub safeguard_used: GaugeVec,
    pub runs: IntGaugeVec,
    pub okta_calls: IntCounterVec,
    pub okta_call_seconds: HistogramVec,
    pub okta_limit: IntGaugeVec,
    pub okta_remaining: IntGaugeVec,
    pub okta_reset: GaugeVec,
    pub okta_last_answer: GaugeVec,
    pub credential_expiry: GaugeVec,
    pub okta_in_flight: IntGaugeVec,
    pub okta_waiting: IntGaugeVec,
    pub okta_reserved: IntGaugeVec,
    pub okta_windows: IntGaugeVec,
    pub okta_paused: IntGaugeVec,
    pub okta_429: IntCounterVec,
    pub okta_anomalies: IntCounterVec,
    pub plans: IntCounterVec,
    pub plan_calls: Histogram,
    pub done: IntCounter,
    pub detect_to_done_seconds: Histogram,
    pub revoke_seconds: Histogram,
    pub mailbox_wait_seconds: HistogramVec,
    pub run_panics: IntCounter,
    pub runs_overdue: IntCounterVec,
    pub actor_failures: IntCounterVec,
    pub audit_rows_delivered: IntCounterVec,
    pub sink_failures: IntCounterVec,
    pub sink_lag_rows: IntGaugeVec,
    pub sink_lag_seconds: GaugeVec,
    pub audit_rows: IntGauge,
    pub audit_unsealed_rows: IntGauge,
    pub audit_chain_broken: IntGauge,
    pub audit_verified: Gauge,
    pub store_bytes: IntGaugeVec,
    pub notifications: IntCounterVec,
    pub notification_failures: IntCounterVec,
    pub config_reloads: IntCounterVec,
    pub ready: IntGauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics in a fresh registry.
    #[expect(clippy::too_many_lines, reason = "a list of metrics")]
    pub fn new() -> Self {
        let r = Registry::new_custom(Some(PREFIX.into()), None).expect("a valid prefix");
        // Okta's windows are a minute, a plan is seconds, a backlog may be an hour.
        let waits = vec![0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0];
        let quick = vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
        let metrics = Self {
            store: StoreMetrics {
                commit_seconds: histogram(&r, "store_commit_seconds", "Time of one group commit.", quick.clone()),
                jobs_per_commit: histogram(
                    &r,
                    "store_jobs_per_commit",
                    "Jobs committed together.",
                    vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0],
                ),
                trouble: gauges(
                    &r,
                    "store_trouble",
                    "1 while the store cannot be written: locked by another program, no room or a failing disk, damaged.",
                    &["kind"],
                ),
            },
            profiles_changed: counter_vec(
                &r,
                "profiles_changed_total",
                "Profiles that were seen to have changed.",
                &["tenant", "priority"],
            ),
            pages: counter_vec(
                &r,
                "namely_pages_total",
                "Pages asked for, by pass and result.",
                &["tenant", "pass", "result"],
            ),
            namely_throttled: counter_vec(&r, "namely_throttled_total", "Answers 406 or 429 of Namely.", &["tenant"]),
            clock_skew_seconds: floats(
                &r,
                "namely_clock_skew_seconds",
                "How far this machine's clock is ahead of a tenant's servers.",
                &["tenant"],
            ),
            walks: counter_vec(
                &r,
                "namely_walks_total",
                "Walks over a tenant, by completeness.",
                &["tenant", "complete"],
            ),
            last_complete_walk: floats(
                &r,
                "namely_last_complete_walk_timestamp_seconds",
                "End of the last complete walk.",
                &["tenant"],
            ),
            profiles: gauges(&r, "namely_profiles", "Profiles known.", &["tenant"]),
            unreadable: gauges(&r, "namely_unreadable_profiles", "Profiles that cannot be read.", &["tenant"]),
            last_page: floats(
                &r,
                "namely_last_page_timestamp_seconds",
                "When a page was last read and its changes were on disk.",
                &["tenant", "pass"],
            ),
            source_lag_seconds: add(
                &r,
                HistogramVec::new(
                    HistogramOpts::new(
                        "namely_source_lag_seconds",
                        "From Namely's updated_at to the answer that showed it, where updated_at moved.",
                    )
                    .buckets(waits.clone()),
                    &["tenant"],
                ),
            ),
            backlog: gauges(
                &r,
                "backlog",
                "People whose newest revision Okta does not hold yet.",
                &["org", "priority"],
            ),
            backlog_calls: floats(&r, "backlog_calls", "Calls to Okta that the backlog needs.", &["org", "bucket"]),
            backlog_eta_seconds: floats(
                &r,
                "backlog_eta_seconds",
                "Time until the backlog is done, as Okta's limits permit.",
                &["org"],
            ),
            backlog_oldest_seconds: floats(
                &r,
                "backlog_oldest_age_seconds",
                "Age of the oldest person in the backlog; 0 if there is nobody.",
                &["org", "priority"],
            ),
            leavers_with_access: gauges(
                &r,
                "leavers_with_access",
                "People who have left and still have access for longer than alerts.leaver_access, by the reason.",
                &["org", "why"],
            ),
            leaver_access_oldest_seconds: floats(
                &r,
                "leaver_access_oldest_seconds",
                "For how long the first of them has access, without those of whom somebody has decided so.",
                &["org"],
            ),
            quarantined: gauges(&r, "quarantined", "People who wait for somebody to change something.", &["org"]),
            held: gauges(&r, "held", "People of whose changes some wait for a decision.", &["org"]),
            holds: gauges(&r, "holds", "Holds that wait for a decision.", &["org", "change"]),
            hold_oldest_seconds: floats(
                &r,
                "hold_oldest_age_seconds",
                "Age of the oldest hold that waits for a decision.",
                &["org", "change"],
            ),
            writes_paused: gauges(&r, "writes_paused", "1 while somebody has paused writes.", &["org", "change"]),
            safeguard_used: floats(
                &r,
                "safeguard_used_ratio",
                "What part of a limit is used: at 1, whoever comes next is held.",
                &["org", "tenant", "change", "per"],
            ),
            runs: gauges(&r, "runs", "Runs running.", &["org"]),
            okta_calls: counter_vec(
                &r,
                "okta_calls_total",
                "Calls to Okta by bucket, step and outcome.",
                &["org", "bucket", "step", "outcome"],
            ),
            okta_call_seconds: add(
                &r,
                HistogramVec::new(
                    HistogramOpts::new("okta_call_seconds", "Time from sending a call to its answer.")
                        .buckets(quick.clone()),
                    &["org", "bucket"],
                ),
            ),
            okta_limit: gauges(
                &r,
                "okta_rate_limit",
                "Limit of the bucket, as Okta's headers say.",
                &["org", "bucket"],
            ),
            okta_remaining: gauges(&r, "okta_rate_limit_remaining", "What is left of the window.", &["org", "bucket"]),
            okta_reset: floats(
                &r,
                "okta_rate_limit_reset_timestamp_seconds",
                "When the open window ends.",
                &["org", "bucket"],
            ),
            okta_last_answer: floats(
                &r,
                "okta_last_answer_timestamp_seconds",
                "When Okta last answered: an API token dies after 30 idle days.",
                &["org"],
            ),
            credential_expiry: floats(
                &r,
                "credential_expiry_timestamp_seconds",
                "When a credential expires, as far as the configuration says.",
                &["side", "name"],
            ),
            okta_in_flight: gauges(&r, "okta_in_flight", "Calls whose answer is awaited.", &["org", "bucket"]),
            okta_waiting: gauges(&r, "okta_waiting", "Calls that wait for the bucket.", &["org", "bucket"]),
            okta_reserved: gauges(
                &r,
                "okta_rate_limit_reserved",
                "Kept of the window for terminations.",
                &["org", "bucket"],
            ),
            okta_windows: gauges(
                &r,
                "okta_rate_limit_windows",
                "Counters that the bucket was seen to have.",
                &["org", "bucket"],
            ),
            okta_paused: gauges(&r, "okta_paused", "1 while calls are held back.", &["org", "scope"]),
            okta_429: counter_vec(
                &r,
                "okta_429_total",
                "Answers 429, by cause: own (a defect), foreign (others spent the window of the org), concurrency.",
                &["org", "bucket", "cause"],
            ),
            okta_anomalies: counter_vec(
                &r,
                "okta_anomalies_total",
                "Answers of Okta about somebody else than asked.",
                &["org"],
            ),
            plans: counter_vec(&r, "plans_total", "Plans made, by verdict.", &["verdict"]),
            plan_calls: histogram(
                &r,
                "plan_calls",
                "Calls of the plans that were begun.",
                vec![1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0],
            ),
            done: add(&r, IntCounter::new("done_total", "Revisions that Okta was proved to hold.")),
            detect_to_done_seconds: histogram(
                &r,
                "detect_to_done_seconds",
                "From the commit of the page that showed a change to the proof that Okta holds it.",
                waits.clone(),
            ),
            revoke_seconds: histogram(
                &r,
                "revoke_seconds",
                "From the commit of the page that showed a termination to the answer of the deactivation.",
                waits,
            ),
            mailbox_wait_seconds: add(
                &r,
                HistogramVec::new(
                    HistogramOpts::new("mailbox_wait_seconds", "Wait for room in an actor's mailbox.").buckets(quick),
                    &["actor"],
                ),
            ),
            run_panics: add(
                &r,
                IntCounter::new("run_panics_total", "Runs that panicked; their person is quarantined."),
            ),
            runs_overdue: counter_vec(
                &r,
                "runs_overdue_total",
                "Runs that made no progress for longer than any call takes, and were released.",
                &["org"],
            ),
            actor_failures: counter_vec(
                &r,
                "actor_failures_total",
                "Times an actor or a task failed by a mistake of its own and was started again.",
                &["actor"],
            ),
            audit_rows_delivered: counter_vec(&r, "audit_rows_delivered_total", "Audit rows delivered.", &["sink"]),
            sink_lag_rows: gauges(&r, "audit_sink_lag_rows", "Audit rows that a sink has not delivered.", &["sink"]),
            sink_lag_seconds: floats(
                &r,
                "audit_sink_lag_seconds",
                "Age of the oldest audit row that a sink has not delivered.",
                &["sink"],
            ),
            audit_rows: gauge(&r, "audit_rows", "Height of the audit's chain: the number of the newest row."),
            audit_unsealed_rows: gauge(&r, "audit_unsealed_rows", "Audit rows since the last signed checkpoint."),
            audit_chain_broken: gauge(
                &r,
                "audit_chain_broken",
                "1 if the last verification found that the audit is not as it was written.",
            ),
            audit_verified: add(
                &r,
                Gauge::new("audit_verified_timestamp_seconds", "When the audit was last verified as a whole."),
            ),
            store_bytes: gauges(&r, "store_bytes", "Size of the store's files.", &["file"]),
            notifications: counter_vec(&r, "notifications_total", "Messages that people were sent.", &["channel"]),
            notification_failures: counter_vec(
                &r,
                "notification_failures_total",
                "Messages that could not be delivered and will be tried again.",
                &["channel"],
            ),
            sink_failures: counter_vec(
                &r,
                "audit_sink_failures_total",
                "Deliveries that failed and will be tried again.",
                &["sink"],
            ),
            config_reloads: counter_vec(
                &r,
                "config_reloads_total",
                "Exchanges of the configuration, by result.",
                &["result"],
            ),
            ready: gauge(&r, "ready", "1 once Okta is primed and every tenant was walked completely."),
            registry: r,
            process: Registry::new(),
        };
        for result in ["done", "refused"] {
            metrics.config_reloads.with_label_values(&[result]).inc_by(0);
        }
        let build =
            add(&metrics.registry, IntGaugeVec::new(Opts::new("build_info", "The running version."), &["version"]));
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        #[cfg(target_os = "linux")]
        let _ = metrics.process.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()));
        metrics
    }

    /// The text that Prometheus scrapes.
    pub fn text(&self) -> String {
        let families: Vec<_> = self.registry.gather().into_iter().chain(self.process.gather()).collect();
        prometheus::TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }
}

fn add<M: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<M>) -> M {
    let metric = metric.expect("a valid metric");
    registry.register(Box::new(metric.clone())).expect("each metric is registered once");
    metric
}

fn counter_vec(r: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    add(r, IntCounterVec::new(Opts::new(name, help), labels))
}

fn gauges(r: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    add(r, IntGaugeVec::new(Opts::new(name, help), labels))
}

fn floats(r: &Registry, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    add(r, GaugeVec::new(Opts::new(name, help), labels))
}

fn gauge(r: &Registry, name: &str, help: &str) -> IntGauge {
    add(r, IntGauge::new(name, help))
}

fn histogram(r: &Registry, name: &str, help: &str, buckets: Vec<f64>) -> Histogram {
    add(r, Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets)))
}
