//! What those who watch see of the store: looked at beside the writer, a few times a minute, and verified now and then.

use super::alarms::due_news;
use super::shared::Shared;
use super::supervisor::TaskError;
use crate::audit::Checkpoint;
use crate::audit::checkpoint::read_checkpoints;
use crate::audit::custody::trusted;
use crate::audit::restore::without_replaced;
use crate::clock::Moment;
use crate::domain::plan::leaver::WhyAccess;
use crate::domain::{ChangeKind, Priority, Rulebook};
use crate::metrics::Metrics;
use crate::store::{
    Location, Reader, Store, StoreError, Vitals, beside, checkpoints, identity, key_exchanges, nodes, restores,
    verify_audit, vitals,
};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TICK: Duration = Duration::from_secs(5);
/// However fast the clock is: looking costs some milliseconds.
const SHORTEST_TICK: Duration = Duration::from_secs(1);
/// How often the audit is verified as a whole: some seconds for a million rows.
const VERIFIED_EVERY: Duration = Duration::from_secs(3600);
const SHORTEST_VERIFIED: Duration = Duration::from_secs(10);

/// Keeps the gauges until the task is dropped.
pub async fn keep_reading(Shared { store, clock, metrics, readiness, .. }: Shared) -> Result<(), TaskError> {
    loop {
        let (place, rules, now, kept) = (store.place().clone(), store.rules().load(), clock.now(), metrics.clone());
        let (known, said) = (rules.clone(), readiness.clone());
        let looked_up = tokio::task::spawn_blocking(move || {
            read(&place, &rules, now, &kept).map(|seen| due_news(&seen, &said, &known, now))
        });
        match looked_up.await {
            Ok(Ok(news)) if !news.is_empty() => {
                if let Err(e) = store.alarms_changed(news, now).await {
                    tracing::warn!(error = %e, "what keeps the service from its work could not be written down");
                }
            }
            Ok(Err(e)) => {
                store.note(&e);
                tracing::warn!(error = %e, "the gauges could not be read from the store");
            }
            Ok(Ok(_)) | Err(_) => {}
        }
        tokio::time::sleep(clock.real(TICK).max(SHORTEST_TICK)).await;
    }
}

/// Looks through the whole file and verifies the audit, also with the checkpoints that were written to a file, now and then until the
/// task is dropped.
pub async fn keep_verifying(Shared { store, clock, metrics, .. }: Shared, outside: PathBuf) -> Result<(), TaskError> {
    loop {
        let (place, outside) = (store.place().clone(), outside.clone());
        let verified = tokio::task::spawn_blocking(move || {
            let c = Store::reader(&place)?;
            c.verify_pages()?;
            // One view of both, so that a checkpoint that is written meanwhile is no finding.
            c.stand_still()?;
            verify_audit(&c, &sealed(&c, &outside)?, || ())
        });
        match verified.await {
            Ok(Ok(verdict)) => {
                metrics.audit.chain_broken.set(i64::from(!verdict.is_good()));
                metrics.audit.verified.set(seconds(clock.now()));
                for finding in &verdict.findings {
                    tracing::error!(what = finding.what, "the audit is not as it was written: {}", finding.message);
                }
            }
            Ok(Err(e)) => {
                store.note(&e);
                tracing::error!(error = %e, "the audit could not be verified");
            }
            Err(e) => tracing::error!(error = %e, "the audit could not be verified"),
        }
        tokio::time::sleep(clock.real(VERIFIED_EVERY).max(SHORTEST_VERIFIED)).await;
    }
}

/// The checkpoints that vouch for the audit: those of the store, and of those outside the ones that the same keys have signed. What is
/// missing of the end of a store shows in the latter alone.
fn sealed(c: &Reader, outside: &Path) -> Result<Vec<Checkpoint>, StoreError> {
    let (mut all, store) = (checkpoints(c)?, identity(c)?);
    // Before the first is written there is no file; one that cannot be read vouches for nothing, and nothing is said to be good.
    let text = match std::fs::read_to_string(outside) {
        Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
        read => read.map_err(|e| StoreError::NotNow(format!("{} cannot be read: {e}", outside.display())))?,
    };
    let mut of_file = read_checkpoints(&text, outside).map_err(StoreError::NotNow)?;
    of_file.retain(|one| one.store == store && one.is_genuine(None));
    if let Some(last) = all.last() {
        let keys = trusted(&last.key, &key_exchanges(c)?, &all);
        of_file.retain(|one| keys.contains(&one.key));
        all.extend(of_file);
    }
    without_replaced(&restores(c)?, &mut all);
    all.sort_by_key(|one| one.seq);
    all.dedup_by(|one, before| (one.seq, &one.hash) == (before.seq, &before.hash));
    Ok(all)
}

fn read(place: &Location, rules: &Rulebook, now: Moment, metrics: &Metrics) -> Result<Vitals, StoreError> {
    let reader = Store::reader(place)?;
    let seen = vitals(&reader, rules, now)?;
    show(&seen, now, metrics);
    let live = nodes(&reader)?.iter().filter(|node| node.lives).count();
    metrics.parts.nodes.set(i64::try_from(live.max(1)).unwrap_or(i64::MAX));
    let Some(path) = place.file() else { return Ok(seen) };
    for (file, suffix) in [("db", ""), ("wal", "-wal")] {
        let size = std::fs::metadata(beside(path, suffix)).map_or(0, |m| m.len());
        metrics.store.bytes.with_label_values(&[file]).set(i64::try_from(size).unwrap_or(i64::MAX));
    }
    Ok(seen)
}

fn show(vitals: &Vitals, now: Moment, metrics: &Metrics) {
    let age = |since: Moment| now.since(since).as_secs_f64();
    for (org, people) in &vitals.orgs {
        for priority in Priority::ALL {
            let (count, oldest) = people.backlog.get(priority.as_str()).copied().unwrap_or((0, now));
            metrics.work.backlog.with_label_values(&[org, priority.as_str()]).set(count);
            metrics.work.backlog_oldest_seconds.with_label_values(&[org, priority.as_str()]).set(age(oldest));
        }
        for why in WhyAccess::ALL {
            let count = vitals.leavers.iter().filter(|leaver| leaver.org == *org && leaver.why == why).count();
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            metrics.work.leavers_with_access.with_label_values(&[org, why.as_str()]).set(count);
        }
        let oldest =
            vitals.leavers.iter().filter(|leaver| leaver.org == *org && leaver.why.pages()).map(|leaver| leaver.since);
        let oldest = oldest.min().map_or(0.0, |since| age(Moment::from_millis(since)));
        metrics.work.leaver_access_oldest_seconds.with_label_values(&[org]).set(oldest);
        // There from the start, at 0.
        metrics.okta.repeated_refusals.with_label_values(&[org]);
        metrics.work.quarantined.with_label_values(&[org]).set(people.quarantined);
        metrics.work.held.with_label_values(&[org]).set(people.held);
        for change in ChangeKind::ALL {
            let key = (org.clone(), change.as_str().to_owned());
            let (count, oldest) = vitals.holds.get(&key).copied().unwrap_or((0, now));
            metrics.work.holds.with_label_values(&[org, change.as_str()]).set(count);
            metrics.work.hold_oldest_seconds.with_label_values(&[org, change.as_str()]).set(age(oldest));
        }
    }
    metrics.work.writes_paused.reset();
    metrics.work.writes_paused.with_label_values(&["all", "all"]).set(0);
    for (org, change) in &vitals.pauses {
        metrics.work.writes_paused.with_label_values(&[org, change]).set(1);
    }
    metrics.namely.unreadable.reset();
    for (tenant, count) in &vitals.unreadable {
        metrics.namely.unreadable.with_label_values(&[tenant]).set(*count);
    }
    metrics.namely.missing.reset();
    for (tenant, count) in &vitals.missing {
        metrics.namely.missing.with_label_values(&[tenant]).set(*count);
    }
    metrics.work.safeguard_used.reset();
    for used in &vitals.safeguards {
        let labels = [used.org.as_str(), &used.tenant, used.change.as_str(), used.per.as_str()];
        metrics.work.safeguard_used.with_label_values(&labels).set(used.ratio);
    }
    metrics.audit.rows.set(vitals.audit_rows);
    metrics.audit.unsealed_rows.set(vitals.audit_rows - vitals.sealed_rows);
    for (sink, (rows, oldest)) in &vitals.sinks {
        metrics.audit.sink_lag_rows.with_label_values(&[sink]).set(*rows);
        metrics.audit.sink_lag_seconds.with_label_values(&[sink]).set(oldest.map_or(0.0, age));
    }
}

/// A moment as Prometheus writes it.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit")]
pub fn seconds(at: Moment) -> f64 {
    at.millis() as f64 / 1000.0
}
