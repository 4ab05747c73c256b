//! What `/readyz` counts and shows: who has access still, what waits for a person, and what they must mend.

use crate::clock::Moment;
use crate::domain::guard::alarm::{About, Alarm};
use crate::domain::plan::leaver::WhyAccess;
use crate::metrics::Metrics;
use prometheus::core::Collector;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// An alarm for whoever looks, with what it comes to; of a recipient of mail neither the address nor what was said of it.
pub(super) fn shown(alarm: &Alarm, now: Moment) -> Value {
    let mut alarm = alarm.clone();
    if let About::Channel { channel, recipient: recipient @ Some(_), .. } = &mut alarm.about {
        *recipient = None;
        alarm.place = format!("channel {channel}");
        "a recipient of its mail is not reached; `status` names them".clone_into(&mut alarm.said);
    }
    let mut value = json!(alarm);
    value["what"] = json!(alarm.kind().as_str());
    value["message"] = json!(alarm.message(now));
    value["since_at"] = json!(Moment::from_millis(alarm.since).to_string());
    value["who"] = json!(alarm.who());
    value["command"] = json!(alarm.command());
    value
}

/// What waits for a person besides leavers with access, of the metrics that alerts use too: how many.
pub(super) fn waits(metrics: &Metrics, orgs: &[String]) -> BTreeMap<&'static str, i64> {
    let work = &metrics.work;
    let held = orgs.iter().map(|org| work.held.with_label_values(&[org]).get()).sum();
    let families = work.writes_paused.collect();
    let gauges = families.iter().flat_map(|family| family.get_metric());
    let paused = gauges.filter(|metric| metric.get_gauge().get_value() > 0.0).count();
    let all = [("held", held), ("paused", i64::try_from(paused).unwrap_or(i64::MAX))];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// How many people have left and still have access, by org and reason.
pub(super) fn leavers_with_access(metrics: &Metrics) -> BTreeMap<String, i64> {
    let families = metrics.work.leavers_with_access.collect();
    let orgs: BTreeSet<String> = families
        .iter()
        .flat_map(|family| family.get_metric())
        .flat_map(|metric| metric.get_label())
        .filter(|label| label.name() == "org")
        .map(|label| label.value().to_owned())
        .collect();
    let all = orgs.iter().flat_map(|org| WhyAccess::ALL.map(|why| (org, why)));
    let counted = all.filter(|(_, why)| why.pages()).map(|(org, why)| {
        let count = metrics.work.leavers_with_access.with_label_values(&[org, why.as_str()]).get();
        (format!("{org}, {why}"), count)
    });
    counted.filter(|(_, count)| *count > 0).collect()
}
