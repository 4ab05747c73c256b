//! Audit events in words, for people who read a timeline.

use super::access::AccessEnded;
use super::details::{Effect, Held, HoldEnded, Missing, MissingNews, Observed, Owner, TakenBack, Verdict, Vote};
use super::event::Event;
use super::reach::who;
use crate::domain::guard::change::describe as describe_step;
use crate::domain::{FieldChange, Step};
use serde_json::Value;
use std::collections::BTreeMap;

/// Fields that say enough of a person who is seen for the first time.
const SHOWN: [&str; 6] = ["departure_date", "departments", "employee_type", "job_title", "start_date", "user_status"];
/// What was known was known from a copy of the store: what this service has done since it was made is not in it.
const SINCE_COPY: &str =
    "since the copy was made that the store was restored from, somebody (perhaps this service, before the restore) has";
/// A profile with more new fields than these is one that was never seen before.
const FEW: usize = 5;

/// What an event says, in one line.
pub fn describe(event: &Event) -> String {
    match event {
        Event::Observed(it) => observed(it),
        Event::Unreadable(it) => with("the profile cannot be read".into(), Some(&it.why)),
        Event::Missing(it) => missing(it),
        Event::Planned(it) => format!("planned: {}{}", planned(&it.steps), rules(&it.rules)),
        Event::Effect(it) => effect(it),
        Event::Done(it) => {
            let remark = it.remark.as_ref().map(|remark| format!("; {remark}")).unwrap_or_default();
            let seconds = it.took_ms as f64 / 1000.0;
            match &it.decided {
                None => format!("Okta holds what Namely says, {seconds:.1} s after it was seen{remark}"),
                Some(decided) => format!(
                    "Okta holds what was decided, which is not what Namely says ({decided}), {seconds:.1} s after it was seen{remark}"
                ),
            }
        }
        Event::Quarantined(it) => with("waits for somebody to change something".into(), Some(&it.why)),
        Event::Correlated(it) => match &it.owner {
            Owner::Account(account) => format!("belongs to the account {account}, by the rule {}", it.rule),
            Owner::Joined(target) => format!("one person with target {target}, by the rule {}", it.rule),
        },
        Event::Split(it) => {
            format!("the match of profile {} was taken apart by {}: {}", it.profile, it.author.by, it.why)
        }
        Event::Reviewed(it) => {
            let by = it.by.as_deref().unwrap_or_default();
            format!("review {} was decided: {} by {by}", it.review, it.verdict)
        }
        Event::Adopted(it) => format!("the adopt report was accepted by {}", it.author.by),
        Event::ListAccepted(it) => format!(
            "a list of Okta with fewer accounts than are known was accepted by {}: they are asked for one by one",
            it.author.by
        ),
        Event::Searched(it) if !it.left_alone.is_empty() => {
            format!("no other account was found in Okta, asked for by {}: {}", it.by, it.left_alone.join("; "))
        }
        Event::Searched(it) => format!("no account was found in Okta, asked for by {}", it.by),
        Event::Held(Held { hold, message: Some(message), .. }) => format!("hold {hold}: {message}"),
        Event::Held(it) => with(format!("held ({}, hold {})", it.change.as_str(), it.hold), Some(&it.why)),
        Event::HoldEnded(it) => hold_ended(it),
        Event::Approved(it) => format!("{} was approved by {}", it.change.as_str(), it.author.by),
        Event::ApprovalEnded(it) => {
            let (change, plan, by) = (it.change.as_str(), &it.plan, &it.author.by);
            with(format!("the approval of {change} in plan {plan} by {by} is over"), Some(&it.why))
        }
        Event::ApprovedAlone(it) => format!(
            "hold {} ({}) was {}{} alone: it is carried out at {} unless somebody says `holds cancel {0}`",
            it.hold,
            it.change.as_str(),
            if it.rejects { "rejected" } else { "approved" },
            by(&it.by.join(" and ")),
            it.until,
        ),
        Event::RejectionEnded(it) => {
            let rejected =
                format!("what was rejected ({}, hold {}) may be asked for again", it.change.as_str(), it.hold);
            with(rejected, Some(&it.why))
        }
        Event::Reminded(it) => format!("hold {} still waits for a decision", it.hold),
        Event::Withheld(it) => format!("not done: {} ({})", steps(&it.steps), it.why),
        Event::Paused(it) => format!("writes are paused by {}: {}", it.by, it.why),
        Event::Resumed(it) => format!("writes go on by {}", it.by),
        Event::Drifted(it) => {
            let fields: Vec<&str> = it.changes.iter().map(|change| change.field.as_str()).collect();
            let actor = it.actor.as_ref().map(|actor| format!(" ({actor})")).unwrap_or_default();
            if it.login.starts_with("group \"") {
                return format!("somebody else has deleted the {} in Okta{actor}", it.login);
            }
            let who = if it.since_copy { SINCE_COPY } else { "somebody else has" };
            format!("{who} changed the account in Okta: {}{actor}", fields.join(", "))
        }
        Event::Reconciled(it) => {
            let report = it.report.as_ref().map(|path| format!("; the report is {path}")).unwrap_or_default();
            let decided = match it.by_decision() {
                0 => String::new(),
                people => format!("{people} are as somebody has decided, "),
            };
            format!(
                "the org was compared with Namely: {} of {} people agree, {decided}{} accounts were changed by somebody else{report}",
                it.in_agreement, it.people, it.drifted
            )
        }
        Event::Requested(it) => format!("asked for by {}: {:?}", it.author.by, it.what),
        Event::Undone(it) => format!("{} by {}: what was before is pinned", it.why, it.author.by),
        Event::Unpinned(it) => format!("what an undo had pinned follows Namely again: {}", it.because),
        Event::TakenBack(it) => taken_back(it),
        Event::AccessEnded(it) => access_ended(it),
        Event::AccessRestored(it) => {
            format!("the end of access that {} asked for is taken back by {}: {}", it.asked_by, it.author.by, it.why)
        }
        Event::AccessEndConfirmed(it) => {
            format!("HR's record ends access too ({}), as {} has asked for", it.says.as_str(), it.asked_by)
        }
        Event::Pruned(it) => {
            let until = it.until.as_ref().map(|at| format!(", written up to {at},")).unwrap_or_default();
            let by = &it.author.by;
            format!("{} rows up to row {}{until} were removed by {by}: retention lets them go", it.rows, it.to)
        }
        Event::StoreMoved(it) => format!("the store was moved from {} to {} by {}", it.from, it.to, it.author.by),
        Event::Reconfigured(it) => {
            let keys: Vec<&str> = it.changes.iter().map(|change| change.key.as_str()).collect();
            format!("the configuration was exchanged by {}: {}", it.author.by, keys.join(", "))
        }
        Event::Drained(it) => format!("the node {} was asked by {} to hand over to another one", it.node, it.author.by),
        Event::Walk(it) => {
            let how = if it.complete { "complete" } else { "incomplete" };
            with(format!("a walk over the tenant: {} profiles, {how}", it.profiles), it.why.as_deref())
        }
        Event::Started(it) => {
            let node = it.node.as_ref().map(|node| format!(", on the node {node}")).unwrap_or_default();
            format!("the service started, run {}{node}", it.run)
        }
        Event::SignedIn(it) => {
            format!("{} has signed in to the console as {}, by {}, from {}", it.by, it.role, it.with, it.from)
        }
        Event::SignInRefused(it) => match it.times {
            1 => format!("a sign-in to the console from {} was refused", it.from),
            times => format!("a sign-in to the console from {} was refused, for the {times}. time in a row", it.from),
        },
        Event::Viewed(it) => format!("{} has looked at this person, as {}: {}", it.by, it.role, it.what),
        Event::Unreached(it) => with(format!("{} takes no messages", it.who()), Some(&it.said)),
        Event::Reached(it) => format!("{} takes messages again", who(&it.channel, it.recipient.as_deref())),
        Event::AlarmRaised(it) => it.raised(),
        Event::AlarmCleared(it) => it.message(),
        Event::Restored(it) => it.message(),
        Event::Unknown { kind, detail } => format!("{kind}: {detail}"),
        Event::Misfit { kind, detail, why } => format!("{kind}, which this version cannot read ({why}): {detail}"),
    }
}

fn with(text: String, why: Option<&str>) -> String {
    match why {
        Some(why) if !why.is_empty() => format!("{text}: {why}"),
        _ => text,
    }
}

fn by(names: &str) -> String {
    if names.is_empty() { String::new() } else { format!(" by {names}") }
}

fn missing(it: &Missing) -> String {
    let since = it.since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
    let author = it.author.as_ref().map(|author| by(&author.by)).unwrap_or_default();
    let message = match it.news {
        MissingNews::Gone => format!("Namely does not show the profile any more{since}: access stays as it is"),
        MissingNews::Back => "Namely shows the profile again".into(),
        MissingNews::Kept => {
            format!("stays as it is, although Namely does not show the profile{since}, decided{author}")
        }
        MissingNews::Ended => format!("access ends, because Namely does not show the profile{since}, decided{author}"),
    };
    with(message, it.why.as_deref())
}

fn hold_ended(it: &HoldEnded) -> String {
    let word = it.verdict.map(Verdict::as_str).or(it.said.map(Vote::as_str)).unwrap_or_default();
    let by = it.by.as_ref().map(|names| by(&names.joined())).unwrap_or_default();
    let of = it.only.as_ref().map(|only| format!(", for {} of its people", only.len())).unwrap_or_default();
    format!("hold {} ({}): {word}{by}{of}", it.hold, it.change.as_str())
}

fn taken_back(it: &TakenBack) -> String {
    let listed = |what: &[String]| if what.is_empty() { "nothing".to_owned() } else { what.join("; ") };
    let (restores, lost) = (listed(&it.restores), listed(&it.lost));
    format!("the end of access is taken back; besides what the mapping gives comes back: {restores}; does not: {lost}")
}

fn access_ended(it: &AccessEnded) -> String {
    let what = if it.suspends { "access is suspended" } else { "access is ended" };
    let from = it.begins.as_ref().map(|at| format!(" from {at} on")).unwrap_or_default();
    let agreed = match (&it.agreed_by, it.waits) {
        (Some(by), _) => format!("; {by} has agreed"),
        (None, true) => "; waits for a second person".to_owned(),
        (None, false) => String::new(),
    };
    format!("{what}{from} by {}, before HR has said so: {}{agreed}", it.author.by, it.why)
}

fn observed(it: &Observed) -> String {
    let is_new = it.changes.len() > FEW && it.changes.iter().all(|change| change.before.is_null());
    let fields: Vec<String> =
        it.changes.iter().filter(|change| !is_new || SHOWN.contains(&change.field.as_str())).map(field).collect();
    let first = if is_new { "seen for the first time" } else { "Namely says" };
    let because = it.because.as_deref().unwrap_or(first);
    let fields = if fields.is_empty() { "no field differs".to_owned() } else { fields.join(", ") };
    format!("{because}: {fields}; {}", it.entitlement.as_str())
}

fn field(change: &FieldChange) -> String {
    let value = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    let (field, after) = (&change.field, value(&change.after));
    if change.before.is_null() {
        format!("{field} {after}")
    } else {
        format!("{field} {} → {after}", value(&change.before))
    }
}

fn effect(it: &Effect) -> String {
    let step = match &it.call.step {
        Step::ReadAccount { .. } => "account read".to_owned(),
        Step::ReadHolder { id, login } => format!("deactivated account {id} read, which has the login {login}"),
        step => describe_step(step).unwrap_or_else(|| step.name().replace('_', " ")),
    };
    let why = it.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let request = it.request_id.as_ref().map(|id| format!(" (Okta's request {id})")).unwrap_or_default();
    format!("{step}: {}{why}{request}", it.outcome.as_str())
}

/// What is planned; where that is nothing but reading, that it is.
fn planned(all: &[Step]) -> String {
    match steps(all) {
        nothing if nothing.is_empty() && all.is_empty() => "nothing".to_owned(),
        nothing if nothing.is_empty() => "what Okta holds is read first".to_owned(),
        written => written,
    }
}

fn steps(steps: &[Step]) -> String {
    steps.iter().filter_map(describe_step).collect::<Vec<_>>().join("; ")
}

/// Which rule gives or takes what.
fn rules(rules: &BTreeMap<String, String>) -> String {
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (what, rule) in rules {
        named.entry(rule).or_default().push(what);
    }
    let named: Vec<String> = named.iter().map(|(rule, what)| format!("{} by {rule}", what.join(", "))).collect();
    if named.is_empty() { String::new() } else { format!(" ({})", named.join("; ")) }
}
