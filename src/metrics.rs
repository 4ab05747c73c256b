//! Everything that is counted, by the conventions of Prometheus: base units, `_total`, closed sets of labels, and never
//! a person as a label.

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};
use std::collections::BTreeMap;

const PREFIX: &str = "namely_okta_sync";

/// Okta's windows are a minute, a plan is seconds, a backlog may be an hour.
const WAITS: &[f64] = &[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0];
const QUICK: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
const JOBS_PER_COMMIT: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
const PLAN_CALLS: &[f64] = &[1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0];

/// One metric, as it is registered.
struct Metric {
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    buckets: &'static [f64],
}

impl Metric {
    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }

    fn histogram(&self) -> HistogramOpts {
        HistogramOpts::from(self.opts()).buckets(self.buckets.to_vec())
    }
}

/// A kind of metric that is made from its name, help, labels and buckets.
trait Made: Collector + Clone + Sized + 'static {
    fn made(metric: &Metric) -> prometheus::Result<Self>;
}

macro_rules! made {
    ($($kind:ty: $metric:ident => $made:expr;)*) => {
        $(impl Made for $kind {
            fn made($metric: &Metric) -> prometheus::Result<Self> {
                $made
            }
        })*
    };
}

made! {
    IntGauge: metric => IntGauge::with_opts(metric.opts());
    IntGaugeVec: metric => IntGaugeVec::new(metric.opts(), metric.labels);
    Gauge: metric => Gauge::with_opts(metric.opts());
    GaugeVec: metric => GaugeVec::new(metric.opts(), metric.labels);
    IntCounter: metric => IntCounter::with_opts(metric.opts());
    IntCounterVec: metric => IntCounterVec::new(metric.opts(), metric.labels);
    Histogram: metric => Histogram::with_opts(metric.histogram());
    HistogramVec: metric => HistogramVec::new(metric.histogram(), metric.labels);
}

fn add<M: Made>(registry: &Registry, metric: &Metric) -> M {
    let metric = M::made(metric).expect("a valid metric");
    registry.register(Box::new(metric.clone())).expect("each metric is registered once");
    metric
}

/// The metrics of one room, each named once: its field, its kind, its name with the labels and the buckets, and its help.
macro_rules! room {
    (
        $(#[$about:meta])*
        $room:ident { $(
            $field:ident: $kind:ty = $name:literal $([$($label:literal),*])? $(in $buckets:ident)?, $help:literal;
        )* }
    ) => {
        $(#[$about])*
        #[derive(Clone)]
        pub struct $room {
            $(#[doc = $help] pub $field: $kind,)*
        }

        impl $room {
            fn register(registry: &Registry) -> Self {
                Self { $($field: add(registry, &Metric {
                    name: $name,
                    help: $help,
                    labels: &[$($($label),*)?],
                    buckets: room!(@buckets $($buckets)?),
                }),)* }
            }
        }
    };
    (@buckets $buckets:ident) => { $buckets };
    (@buckets) => { &[] };
}

room! {
    /// Of the file.
    StoreMetrics {
        commit_seconds: Histogram = "store_commit_seconds" in QUICK,
            "Time of one group commit.";
        jobs_per_commit: Histogram = "store_jobs_per_commit" in JOBS_PER_COMMIT,
            "Jobs committed together.";
        trouble: IntGaugeVec = "store_trouble"["kind"],
            "1 while the store cannot be written: locked by another program, no room or a failing disk, damaged.";
        bytes: IntGaugeVec = "store_bytes"["file"],
            "Size of the store's files.";
    }
}

room! {
    /// Of what Namely says.
    NamelyMetrics {
        profiles_changed: IntCounterVec = "profiles_changed_total"["tenant", "priority"],
            "Profiles that were seen to have changed.";
        pages: IntCounterVec = "namely_pages_total"["tenant", "pass", "result"],
            "Pages asked for, by pass and result.";
        throttled: IntCounterVec = "namely_throttled_total"["tenant"],
            "Answers 406 or 429 of Namely.";
        clock_skew_seconds: GaugeVec = "namely_clock_skew_seconds"["tenant"],
            "How far this machine's clock is ahead of a tenant's servers.";
        walks: IntCounterVec = "namely_walks_total"["tenant", "complete"],
            "Walks over a tenant, by completeness.";
        last_complete_walk: GaugeVec = "namely_last_complete_walk_timestamp_seconds"["tenant"],
            "End of the last complete walk.";
        profiles: IntGaugeVec = "namely_profiles"["tenant"],
            "Profiles known.";
        unreadable: IntGaugeVec = "namely_unreadable_profiles"["tenant"],
            "Profiles that cannot be read.";
        missing: IntGaugeVec = "missing_people"["tenant"],
            "People whom complete walks do not show any more, who have access, and about whom nobody has decided.";
        last_page: GaugeVec = "namely_last_page_timestamp_seconds"["tenant", "pass"],
            "When a page was last read and its changes were on disk.";
        source_lag_seconds: HistogramVec = "namely_source_lag_seconds"["tenant"] in WAITS,
            "From Namely's updated_at to the answer that showed it, where updated_at moved.";
    }
}

room! {
    /// Of people: who waits, who is held, what was done.
    WorkMetrics {
        backlog: IntGaugeVec = "backlog"["org", "priority"],
            "People whose newest revision Okta does not hold yet.";
        backlog_calls: GaugeVec = "backlog_calls"["org", "bucket"],
            "Calls to Okta that the backlog needs.";
        backlog_eta_seconds: GaugeVec = "backlog_eta_seconds"["org"],
            "Time until the backlog is done, as Okta's limits permit.";
        backlog_oldest_seconds: GaugeVec = "backlog_oldest_age_seconds"["org", "priority"],
            "Age of the oldest person in the backlog; 0 if there is nobody.";
        leavers_with_access: IntGaugeVec = "leavers_with_access"["org", "why"],
            "People who have left and still have access for longer than alerts.leaver_access, by the reason.";
        leaver_access_oldest_seconds: GaugeVec = "leaver_access_oldest_seconds"["org"],
            "For how long the first of them has access, without those of whom somebody has decided so.";
        quarantined: IntGaugeVec = "quarantined"["org"],
            "People who wait for somebody to change something.";
        held: IntGaugeVec = "held"["org"],
            "People of whose changes some wait for a decision.";
        holds: IntGaugeVec = "holds"["org", "change"],
            "Holds that wait for a decision.";
        hold_oldest_seconds: GaugeVec = "hold_oldest_age_seconds"["org", "change"],
            "Age of the oldest hold that waits for a decision.";
        writes_paused: IntGaugeVec = "writes_paused"["org", "change"],
            "1 while somebody has paused writes.";
        safeguard_used: GaugeVec = "safeguard_used_ratio"["org", "tenant", "change", "per"],
            "What part of a limit is used: at 1, whoever comes next is held.";
        runs: IntGaugeVec = "runs"["org"],
            "Runs running.";
        plans: IntCounterVec = "plans_total"["verdict"],
            "Plans made, by verdict.";
        plan_calls: Histogram = "plan_calls" in PLAN_CALLS,
            "Calls of the plans that were begun.";
        done: IntCounter = "done_total",
            "Revisions that Okta was proved to hold.";
        detect_to_done_seconds: Histogram = "detect_to_done_seconds" in WAITS,
            "From the commit of the page that showed a change to the proof that Okta holds it.";
        revoke_seconds: Histogram = "revoke_seconds" in WAITS,
            "From the commit of the page that showed a termination to the answer of the deactivation.";
    }
}

room! {
    /// Of calls to Okta, and of what they are allowed.
    OktaMetrics {
        calls: IntCounterVec = "okta_calls_total"["org", "bucket", "step", "outcome"],
            "Calls to Okta by bucket, step and outcome.";
        call_seconds: HistogramVec = "okta_call_seconds"["org", "bucket"] in QUICK,
            "Time from sending a call to its answer.";
        limit: IntGaugeVec = "okta_rate_limit"["org", "bucket"],
            "Limit of the bucket, as Okta's headers say.";
        remaining: IntGaugeVec = "okta_rate_limit_remaining"["org", "bucket"],
            "What is left of the window.";
        reset: GaugeVec = "okta_rate_limit_reset_timestamp_seconds"["org", "bucket"],
            "When the open window ends.";
        last_answer: GaugeVec = "okta_last_answer_timestamp_seconds"["org"],
            "When Okta last answered: an API token dies after 30 idle days.";
        in_flight: IntGaugeVec = "okta_in_flight"["org", "bucket"],
            "Calls whose answer is awaited.";
        waiting: IntGaugeVec = "okta_waiting"["org", "bucket"],
            "Calls that wait for the bucket.";
        reserved: IntGaugeVec = "okta_rate_limit_reserved"["org", "bucket"],
            "Kept of the window for terminations.";
        windows: IntGaugeVec = "okta_rate_limit_windows"["org", "bucket"],
            "Counters that the bucket was seen to have.";
        paused: IntGaugeVec = "okta_paused"["org", "scope"],
            "1 while calls are held back.";
        rejected: IntCounterVec = "okta_429_total"["org", "bucket", "cause"],
            "Answers 429, by cause: own (a defect), foreign (others spent the window of the org), concurrency.";
        repeated_refusals: IntCounterVec = "repeated_refusals_total"["org"],
            "Calls that Okta has refused for the same person in the same words more than twice in a row.";
        anomalies: IntCounterVec = "okta_anomalies_total"["org"],
            "Answers of Okta about somebody else than asked.";
    }
}

room! {
    /// Of the audit and where it goes.
    AuditMetrics {
        rows_delivered: IntCounterVec = "audit_rows_delivered_total"["sink"],
            "Audit rows delivered.";
        sink_lag_rows: IntGaugeVec = "audit_sink_lag_rows"["sink"],
            "Audit rows that a sink has not delivered.";
        sink_lag_seconds: GaugeVec = "audit_sink_lag_seconds"["sink"],
            "Age of the oldest audit row that a sink has not delivered.";
        rows: IntGauge = "audit_rows",
            "Height of the audit's chain: the number of the newest row.";
        unsealed_rows: IntGauge = "audit_unsealed_rows",
            "Audit rows since the last signed checkpoint.";
        chain_broken: IntGauge = "audit_chain_broken",
            "1 if the last verification found that the audit is not as it was written.";
        verified: Gauge = "audit_verified_timestamp_seconds",
            "When the audit was last verified as a whole.";
        sink_failures: IntCounterVec = "audit_sink_failures_total"["sink"],
            "Deliveries that failed and will be tried again.";
    }
}

room! {
    /// Of the parts of the service.
    PartsMetrics {
        credential_expiry: GaugeVec = "credential_expiry_timestamp_seconds"["side", "name"],
            "When a credential expires, as far as the configuration says.";
        mailbox_wait_seconds: HistogramVec = "mailbox_wait_seconds"["actor"] in QUICK,
            "Wait for room in an actor's mailbox.";
        run_panics: IntCounter = "run_panics_total",
            "Runs that panicked; their person is quarantined.";
        runs_overdue: IntCounterVec = "runs_overdue_total"["org"],
            "Runs that made no progress for longer than any call takes, and were released.";
        failures: IntCounterVec = "actor_failures_total"["actor"],
            "Times an actor or a task failed by a mistake of its own and was started again.";
        notifications: IntCounterVec = "notifications_total"["channel"],
            "Messages that people were sent.";
        notification_failures: IntCounterVec = "notification_failures_total"["channel"],
            "Messages that could not be delivered and will be tried again.";
        admin_refused: IntCounterVec = "admin_refused_total"["what"],
            "Requests with a wrong token or signature: to the admin API, the hook, the sign-in of the console.";
        config_reloads: IntCounterVec = "config_reloads_total"["result"],
            "Exchanges of the configuration, by result.";
        serves: IntGauge = "serves",
            "1 while this node serves its store; 0 while it waits until it may.";
        nodes: IntGauge = "nodes",
            "Nodes of the store that live, as the one that serves sees them.";
        ready: IntGauge = "ready",
            "1 once Okta is primed and every tenant was walked completely.";
    }
}

/// All metrics of one service, in a registry of its own.
#[derive(Clone)]
pub struct Metrics {
    /// Everything of ours, under our name.
    pub registry: Registry,
    /// What every process has, under the names that every dashboard knows.
    process: Registry,
    /// Of the store and its writer.
    pub store: StoreMetrics,
    /// Of what is read of tenants.
    pub namely: NamelyMetrics,
    /// Of people, their runs and what waits.
    pub work: WorkMetrics,
    /// Of calls to orgs and their counters.
    pub okta: OktaMetrics,
    /// Of the audit, its sinks and its proof.
    pub audit: AuditMetrics,
    /// Of the parts of the service and what looks after them.
    pub parts: PartsMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics in a fresh registry.
    pub fn new() -> Self {
        let registry = Registry::new_custom(Some(PREFIX.into()), None).expect("a valid prefix");
        let metrics = Self {
            store: StoreMetrics::register(&registry),
            namely: NamelyMetrics::register(&registry),
            work: WorkMetrics::register(&registry),
            okta: OktaMetrics::register(&registry),
            audit: AuditMetrics::register(&registry),
            parts: PartsMetrics::register(&registry),
            registry,
            process: Registry::new(),
        };
        for what in ["token", "hook", "sign_in"] {
            metrics.parts.admin_refused.with_label_values(&[what]).inc_by(0);
        }
        for result in ["done", "refused"] {
            metrics.parts.config_reloads.with_label_values(&[result]).inc_by(0);
        }
        let build = IntGaugeVec::new(Opts::new("build_info", "The running version."), &["version"]);
        let build = build.expect("a valid metric");
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        metrics.registry.register(Box::new(build)).expect("each metric is registered once");
        #[cfg(target_os = "linux")]
        let _ = metrics.process.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()));
        metrics
    }

    /// The values of a gauge or a counter by their labels; `name` without what all names begin with.
    pub fn samples(&self, name: &str) -> Vec<(BTreeMap<String, String>, f64)> {
        let full = format!("{PREFIX}_{name}");
        let families = self.registry.gather();
        let found = families.iter().filter(|family| family.name() == full).flat_map(|family| family.get_metric());
        found
            .map(|metric| {
                let labels = metric.get_label().iter().map(|label| (label.name().to_owned(), label.value().to_owned()));
                // One of the two; the other one is 0.
                (labels.collect(), metric.get_gauge().get_value() + metric.get_counter().get_value())
            })
            .collect()
    }

    /// The text of a node that waits until it may serve: of the process alone, since what is so of the store the other one says.
    pub fn text_of_waiting(&self) -> String {
        let own = [format!("{PREFIX}_serves"), format!("{PREFIX}_build_info")];
        let families = self.registry.gather().into_iter().filter(|family| own.iter().any(|name| name == family.name()));
        let families: Vec<_> = families.chain(self.process.gather()).collect();
        prometheus::TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }

    /// The text that Prometheus scrapes.
    pub fn text(&self) -> String {
        let families: Vec<_> = self.registry.gather().into_iter().chain(self.process.gather()).collect();
        prometheus::TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }
}
