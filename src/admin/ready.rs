//! `/readyz`: whether nothing is missing, whether somebody must act, and what they must mend.

use super::Served;
use super::state::{Overall, overall};
use crate::clock::Moment;
use crate::domain::guard::alarm::{About, Alarm};
use crate::domain::plan::leaver::WhyAccess;
use actix_web::{HttpResponse, web};
use prometheus::core::Collector;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Whether nothing is missing for keeping Okta true to Namely, and whether somebody must act. Another status than 200 says only that
/// this process can serve nobody: what a person must mend takes no process out of service.
pub(super) async fn readyz(served: web::Data<Served>) -> HttpResponse {
    let (reasons, leavers, waits) = (served.readiness.reasons(), leavers_with_access(&served), waits(&served));
    let mut attention = json!({});
    if !leavers.is_empty() {
        attention["leavers_with_access"] = json!(leavers);
    }
    for (what, count) in &waits {
        attention[*what] = json!(count);
    }
    let alarms: Vec<Alarm> = served.readiness.alarms().into_iter().chain(served.readiness.unreached()).collect();
    let trouble = match &served.keeper {
        Some(keeper) => keeper.trouble(),
        None => reasons.get("store").cloned(),
    };
    let state = match (&trouble, &served.keeper) {
        // Whether all is well is counted by the node that serves: another one has nothing of it, which is not "nobody".
        (Some(_), _) | (None, None) => Overall::CannotSay,
        (None, Some(_)) => {
            let must_mend = alarms.iter().any(Alarm::needs_a_person);
            overall(&reasons, must_mend || !leavers.is_empty() || !waits.is_empty())
        }
    };
    let mut answer = if trouble.is_some() { HttpResponse::ServiceUnavailable() } else { HttpResponse::Ok() };
    let status = if reasons.is_empty() && served.keeper.is_some() { "ready" } else { "not ready" };
    let role = if served.keeper.is_some() { "serves" } else { "standby" };
    let (notices, now) = (served.readiness.notices(), served.clock.now());
    answer.json(json!({
        "state": state, "role": role, "status": status, "mode": served.rules.load().safeguards.mode.as_str(), "missing": reasons,
        "attention": attention, "alarms": alarms.iter().map(|alarm| shown(alarm, now)).collect::<Vec<_>>(), "notices": notices,
        "store": served.store.mark(),
    }))
}

/// An alarm for whoever looks, with what it comes to; of a recipient of mail neither the address nor what was said of it.
fn shown(alarm: &Alarm, now: Moment) -> Value {
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
fn waits(served: &Served) -> BTreeMap<&'static str, i64> {
    let work = &served.metrics.work;
    let held = served.orgs.iter().map(|org| work.held.with_label_values(&[org]).get()).sum();
    let families = work.writes_paused.collect();
    let metrics = families.iter().flat_map(|family| family.get_metric());
    let paused = metrics.filter(|metric| metric.get_gauge().get_value() > 0.0).count();
    let all = [("held", held), ("paused", i64::try_from(paused).unwrap_or(i64::MAX))];
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// How many people have left and still have access, by org and reason.
fn leavers_with_access(served: &Served) -> BTreeMap<String, i64> {
    let families = served.metrics.work.leavers_with_access.collect();
    let orgs: BTreeSet<String> = families
        .iter()
        .flat_map(|family| family.get_metric())
        .flat_map(|metric| metric.get_label())
        .filter(|label| label.name() == "org")
        .map(|label| label.value().to_owned())
        .collect();
    let all = orgs.iter().flat_map(|org| WhyAccess::ALL.map(|why| (org, why)));
    let counted = all.filter(|(_, why)| why.pages()).map(|(org, why)| {
        let count = served.metrics.work.leavers_with_access.with_label_values(&[org, why.as_str()]).get();
        (format!("{org}, {why}"), count)
    });
    counted.filter(|(_, count)| *count > 0).collect()
}
