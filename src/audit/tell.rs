//! Audit rows in words, for people who read a timeline.

use crate::identity::change::tell as tell_step;
use crate::identity::step::Step;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a row says, in one line.
pub fn tell(row: &Value) -> String {
    let detail = &row["detail"];
    let text = |key: &str| detail[key].as_str().unwrap_or_default().to_owned();
    let why = |told: String| match detail["why"].as_str() {
        Some(why) if !why.is_empty() => format!("{told}: {why}"),
        _ => told,
    };
    match row["kind"].as_str().unwrap_or_default() {
        "observed" => observed(detail),
        "unreadable" => why("the profile cannot be read".into()),
        "planned" => format!("planned: {}{}", steps(&detail["steps"]), rules(&detail["rules"])),
        "effect" => effect(detail),
        "done" => {
            let took = detail["took_ms"].as_f64().unwrap_or(0.0) / 1000.0;
            let remark = detail["remark"].as_str().map(|r| format!("; {r}")).unwrap_or_default();
            format!("Okta holds what Namely says, {took:.1} s after it was seen{remark}")
        }
        "set_aside" => why("waits for somebody to change something".into()),
        "correlated" => match detail["account"].as_str() {
            Some(account) => format!("belongs to the account {account}, by the rule {}", text("rule")),
            None => format!("one person with target {}, by the rule {}", detail["joined"], text("rule")),
        },
        "split" => {
            format!("the match of profile {} was taken apart{}: {}", text("split"), by(&detail["by"]), text("why"))
        }
        "reviewed" => format!("review {} was decided: {} by {}", detail["review"], text("verdict"), text("by")),
        "adopted" => format!("the adopt report was accepted by {}", text("by")),
        "list_accepted" => {
            format!(
                "a list of Okta with fewer accounts than are known was accepted by {}: they are asked for one by one",
                text("by")
            )
        }
        "searched" => format!("no account was found in Okta, asked for by {}", text("by")),
        "held" => why(format!("held ({}, hold {})", text("change"), detail["hold"])),
        "hold_ended" => {
            let verdict = if text("verdict").is_empty() { text("said") } else { text("verdict") };
            format!("hold {} ({}): {verdict}{}", detail["hold"], text("change"), by(&detail["by"]))
        }
        "approved" => format!("{} was approved{}", text("change"), by(&detail["by"])),
        "approval_ended" => {
            why(format!("the approval of {} in plan {}{} is over", text("change"), text("plan"), by(&detail["by"])))
        }
        "approved_alone" => format!(
            "hold {} ({}) was approved{} alone: it is carried out at {} unless somebody says `holds cancel {0}`",
            detail["hold"],
            text("change"),
            by(&detail["by"]),
            text("until"),
        ),
        "rejection_ended" => {
            why(format!("what was rejected ({}, hold {}) may be asked for again", text("change"), detail["hold"]))
        }
        "reminded" => format!("hold {} still waits for a decision", detail["hold"]),
        "withheld" => format!("not done: {} ({})", steps(&detail["steps"]), text("why")),
        "paused" => format!("writes are paused{}: {}", by(&detail["by"]), text("why")),
        "resumed" => format!("writes go on{}", by(&detail["by"])),
        "drifted" => {
            let changes: Vec<String> = detail["changes"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|c| c["field"].as_str().unwrap_or_default().to_owned())
                .collect();
            let actor = detail["actor"].as_str().map(|who| format!(" ({who})")).unwrap_or_default();
            format!("somebody else has changed the account in Okta: {}{actor}", changes.join(", "))
        }
        "requested" => format!("asked for{}: {}", by(&detail["by"]), detail["what"]),
        "undone" => format!("{}{}: what was before is pinned", text("why"), by(&detail["by"])),
        "unpinned" => format!("what an undo had pinned follows Namely again: {}", text("because")),
        "walk" => format!("a walk over the company: {detail}"),
        "reconfigured" => {
            let keys = detail["changes"].as_array().into_iter().flatten().filter_map(|c| c["key"].as_str());
            format!("the configuration was exchanged{}: {}", by(&detail["by"]), keys.collect::<Vec<_>>().join(", "))
        }
        "started" => format!("the service started, run {}", detail["run"]),
        other => format!("{other}: {detail}"),
    }
}

fn by(who: &Value) -> String {
    match who {
        Value::String(name) => format!(" by {name}"),
        Value::Array(names) if !names.is_empty() => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            format!(" by {}", names.join(" and "))
        }
        _ => String::new(),
    }
}

fn observed(detail: &Value) -> String {
    let value = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    let all = detail["changes"].as_array().cloned().unwrap_or_default();
    // Whoever is seen for the first time differs in everything: what people would ask for is enough.
    let is_new = all.len() > 5 && all.iter().all(|change| change["before"].is_null());
    let telling = ["departure_date", "departments", "employee_type", "job_title", "start_date", "user_status"];
    let changes: Vec<String> = all
        .iter()
        .filter(|change| !is_new || telling.iter().any(|field| change["field"] == *field))
        .map(|change| {
            let field = change["field"].as_str().unwrap_or_default();
            if change["before"].is_null() {
                format!("{field} {}", value(&change["after"]))
            } else {
                format!("{field} {} → {}", value(&change["before"]), value(&change["after"]))
            }
        })
        .collect();
    let first = if is_new { "seen for the first time" } else { "Namely says" };
    let because = detail["because"].as_str().unwrap_or(first);
    let standing = detail["standing"]["is"].as_str().unwrap_or_default();
    format!(
        "{because}: {}; {standing}",
        if changes.is_empty() { "no field differs".to_owned() } else { changes.join(", ") }
    )
}

fn effect(detail: &Value) -> String {
    let step: Option<Step> = serde_json::from_value(detail["step"].clone()).ok();
    let told = match step {
        Some(Step::Look { .. }) => "account read".to_owned(),
        Some(step) => tell_step(&step).unwrap_or_else(|| step.name().replace('_', " ")),
        None => detail["step"]["step"].as_str().unwrap_or_default().replace('_', " "),
    };
    let outcome = detail["outcome"].as_str().unwrap_or_default();
    let why = detail["why"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
    let request = detail["request_id"].as_str().map(|id| format!(" (Okta's request {id})")).unwrap_or_default();
    format!("{told}: {outcome}{why}{request}")
}

fn steps(value: &Value) -> String {
    let steps: Vec<Step> = serde_json::from_value(value.clone()).unwrap_or_default();
    steps.iter().filter_map(tell_step).collect::<Vec<_>>().join("; ")
}

/// Which rule gives or takes what.
fn rules(value: &Value) -> String {
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (what, rule) in value.as_object().into_iter().flatten() {
        named.entry(rule.as_str().unwrap_or_default()).or_default().push(what);
    }
    let told: Vec<String> = named.iter().map(|(rule, what)| format!("{} by {rule}", what.join(", "))).collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_told_as_people_would() {
        let row = |kind: &str, detail: Value| tell(&json!({ "kind": kind, "detail": detail }));
        let observed = json!({
            "changes": [{ "field": "user_status", "before": "active", "after": "inactive" }],
            "standing": { "is": "ended", "why": "inactive" },
        });
        assert_eq!(row("observed", observed), "Namely says: user_status \"active\" → \"inactive\"; ended");
        let effect =
            json!({ "step": { "step": "deactivate", "id": "00u1" }, "outcome": "applied", "request_id": "req7" });
        assert_eq!(row("effect", effect), "deactivated: applied (Okta's request req7)");
        let ended = json!({ "hold": 3, "change": "deactivate", "verdict": "approved", "by": ["Ann", "Ben"] });
        assert_eq!(row("hold_ended", ended), "hold 3 (deactivate): approved by Ann and Ben");
        let planned = json!({
            "steps": [{ "step": "add_group", "id": "00u1", "group": "00g1", "name": "Tax" }],
            "rules": { "Tax": "mapping.groups[2] \"teams\"", "Old": "mapping.groups[2] \"teams\"" },
        });
        let told = "planned: into group \"Tax\" (Old, Tax by mapping.groups[2] \"teams\")";
        assert_eq!(row("planned", planned), told);
        let done = json!({ "took_ms": 1500, "remark": null });
        assert_eq!(row("done", done), "Okta holds what Namely says, 1.5 s after it was seen");
    }
}
