//! Evidence drawn from rows.

use super::*;
use serde_json::json;

fn collected(rows: &[Value]) -> Evidence {
    let mut collector = Collector::new("2026-05-04T00:00:00.000Z", "2026-05-05T00:00:00.000Z");
    rows.iter().for_each(|row| collector.row(row, |target| format!("Person {target}")));
    let evidence = collector.end();
    assert_eq!(evidence.unread, [], "every row fits its kind");
    evidence
}

fn observed(at: &str, is: &str) -> Value {
    let changes = json!([{ "field": "user_status", "before": "active", "after": "inactive" }]);
    let lifecycle = if is == "entitled" { json!({ "is": is }) } else { json!({ "is": is, "why": "inactive" }) };
    let detail = json!({ "entitlement": lifecycle, "changes": changes, "priority": "revoke" });
    json!({ "seq": 1, "at": at, "kind": "observed", "target": 7, "detail": detail })
}

fn effect(at: &str, step: &str, outcome: &str) -> Value {
    let step = json!({
        "step": step, "id": "00u1", "send_email": false, "status": "ACTIVE", "profile": {}, "groups": [], "activate": true,
        "group": "00g1", "name": "Tax",
    });
    json!({ "seq": 2, "at": at, "kind": "effect", "target": 7, "detail": {
        "step": step, "method": "POST", "path": "/api/v1/users/00u1", "body_hash": "", "attempt": 0, "outcome": outcome,
        "request_id": "req1",
    } })
}

#[test]
fn a_leaver_has_the_time_from_being_seen_to_the_deactivation_and_its_proof() {
    let rows = [
        observed("2026-05-04T10:00:00.000Z", "ended"),
        effect("2026-05-04T10:00:00.300Z", "revoke_sessions", "applied"),
        effect("2026-05-04T10:00:00.800Z", "deactivate", "applied"),
        effect("2026-05-04T10:00:01.200Z", "read_back", "applied"),
    ];
    assert_eq!(collected(&rows).leavers[0].state, "revoked", "memberships may be left");
    let done =
        json!({ "seq": 3, "at": "2026-05-04T10:00:02.000Z", "kind": "done", "target": 7, "detail": { "took_ms": 1 } });
    let rows: Vec<Value> = rows.into_iter().chain([done]).collect();
    let evidence = collected(&rows);
    let leaver = &evidence.leavers[0];
    assert_eq!((leaver.time_to_revoke_ms, leaver.state), (Some(800), "revoked and proved"));
    assert_eq!(evidence.time_to_revoke(), Some(Times { people: 1, p50: 800, p99: 800, max: 800 }));
    assert_eq!(evidence.changes.len(), 2, "reading is no change of access");
    assert!(evidence.changes[0].cause.contains("inactive"));
}

#[test]
fn what_was_taken_back_had_nothing_to_revoke_or_is_open_is_told_apart() {
    let back =
        collected(&[observed("2026-05-04T10:00:00.000Z", "ended"), observed("2026-05-04T11:00:00.000Z", "entitled")]);
    assert_eq!(back.leavers[0].state, "taken back");
    let done =
        json!({ "seq": 3, "at": "2026-05-04T10:00:01.000Z", "kind": "done", "target": 7, "detail": { "took_ms": 1 } });
    assert_eq!(collected(&[observed("2026-05-04T10:00:00.000Z", "ended"), done]).leavers[0].state, "nothing to revoke");
    assert_eq!(collected(&[observed("2026-05-04T10:00:00.000Z", "ended")]).leavers[0].state, "open");
}

fn decided(kind: &str, detail: Value) -> Value {
    let mut whole = json!({ "hold": 3, "shown": "deactivated", "why": "asked for", "took_ms": 1 });
    for (field, value) in detail.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    json!({ "seq": 3, "at": "2026-05-04T12:00:00.000Z", "kind": kind, "target": 7, "detail": whole })
}

#[test]
fn a_live_account_that_somebody_keeps_is_not_told_as_revoked_whatever_was_proved_before() {
    let done = || decided("done", json!({}));
    let revoked = [
        observed("2026-05-04T10:00:00.000Z", "ended"),
        effect("2026-05-04T10:00:00.800Z", "deactivate", "applied"),
        effect("2026-05-04T10:00:01.200Z", "read_back", "applied"),
        done(),
    ];
    let undone = || decided("undone", json!({ "pins": { "access": "given" }, "by": "Ann", "why": "undo" }));
    let activated = || effect("2026-05-04T12:00:01.000Z", "activate", "applied");
    let state = |more: &[Value]| {
        let rows: Vec<Value> = revoked.iter().chain(more).cloned().collect();
        let leavers = collected(&rows).leavers;
        assert_eq!(leavers.len(), 1, "one leaver, whatever was decided");
        (leavers[0].state, leavers[0].kept_by.clone())
    };
    assert_eq!(state(&[]), ("revoked and proved", None));
    let kept = ("kept by decision", Some("Ann".to_owned()));
    assert_eq!(state(&[undone(), activated()]), kept);
    assert_eq!(state(&[undone(), activated(), done()]), kept);
    let released = decided("unpinned", json!({ "because": "let go by Ben" }));
    let back = [undone(), activated(), done(), released];
    assert_eq!(state(&back).0, "open", "access is to end again");
    let again: Vec<Value> = back.into_iter().chain(revoked[1..].to_vec()).collect();
    assert_eq!(state(&again), ("revoked and proved", None));
}

#[test]
fn somebody_with_a_grace_is_one_leaver_whose_access_was_cut_by_the_suspension() {
    let mut rows = vec![
        observed("2026-05-04T10:00:00.000Z", "suspended"),
        effect("2026-05-04T10:00:00.700Z", "suspend", "applied"),
        decided("done", json!({})),
    ];
    let leaver = collected(&rows).leavers.remove(0);
    assert_eq!((leaver.state, leaver.time_to_revoke_ms, leaver.revoked_at), ("suspended", Some(700), None));
    let mut back = rows.clone();
    back.push(observed("2026-05-04T12:00:00.000Z", "entitled"));
    let leaver = collected(&back).leavers.remove(0);
    assert_eq!((leaver.state, leaver.time_to_revoke_ms), ("taken back", Some(700)), "back in time");
    rows.extend([
        observed("2026-05-04T18:00:00.000Z", "ended"),
        effect("2026-05-04T18:00:01.000Z", "deactivate", "applied"),
        effect("2026-05-04T18:00:02.000Z", "read_back", "applied"),
        decided("done", json!({})),
    ]);
    let leavers = collected(&rows).leavers;
    assert_eq!((leavers.len(), leavers[0].state, leavers[0].time_to_revoke_ms), (1, "revoked and proved", Some(700)));
}

#[test]
fn a_leaver_whose_end_was_rejected_is_kept_by_a_decision_until_that_is_taken_back() {
    let seen = || observed("2026-05-04T10:00:00.000Z", "ended");
    let rejected =
        || decided("hold_ended", json!({ "change": "deactivate", "verdict": "rejected", "by": ["Ann"], "hold": 3 }));
    let kept = &collected(&[seen(), rejected(), decided("done", json!({}))]).leavers[0];
    assert_eq!((kept.state, kept.kept_by.as_deref()), ("kept by decision", Some("Ann")));
    let reversed = decided("rejection_ended", json!({ "change": "deactivate", "hold": 3 }));
    assert_eq!(collected(&[seen(), rejected(), reversed]).leavers[0].state, "open");
    let other = decided("hold_ended", json!({ "change": "remove_group", "verdict": "rejected", "by": ["Ann"] }));
    assert_eq!(collected(&[seen(), other]).leavers[0].state, "open", "about something else");
    let back = collected(&[seen(), rejected(), observed("2026-05-04T13:00:00.000Z", "entitled")]);
    assert_eq!((back.leavers[0].state, back.leavers[0].kept_by.as_deref()), ("taken back", None));
}

#[test]
fn a_change_names_the_rule_of_the_configuration_behind_it() {
    let planned = |rules: Value| json!({ "seq": 1, "at": "2026-05-04T10:00:00.000Z", "kind": "planned", "target": 7, "detail": { "rules": rules, "steps": [] } });
    let add = effect("2026-05-04T10:00:01.000Z", "add_group", "applied");
    let rules = json!({ "Tax": "teams", "Staff": "everybody", "All": "everybody" });
    assert_eq!(collected(&[planned(rules.clone()), add]).changes[0].rule, "teams");
    let create = effect("2026-05-04T10:00:01.000Z", "create_user", "applied");
    assert_eq!(collected(&[planned(rules), create]).changes[0].rule, "everybody; teams");
}

#[test]
fn a_failure_has_its_end_and_what_happened_before_is_only_a_cause() {
    let done =
        json!({ "seq": 4, "at": "2026-05-04T10:00:09.000Z", "kind": "done", "target": 7, "detail": { "took_ms": 1 } });
    let evidence = collected(&[
        observed("2026-05-03T10:00:00.000Z", "entitled"),
        effect("2026-05-03T10:00:01.000Z", "unsuspend", "applied"),
        effect("2026-05-04T10:00:01.000Z", "activate", "retry"),
        effect("2026-05-04T10:00:02.000Z", "activate", "applied"),
        done,
    ]);
    assert_eq!((evidence.leavers.len(), evidence.changes.len(), evidence.rows), (0, 1, 3));
    assert_eq!(evidence.changes[0].cause_at, "2026-05-03T10:00:00.000Z");
    assert_eq!(evidence.failures[0].ended_at.as_deref(), Some("2026-05-04T10:00:09.000Z"));
}

#[test]
fn what_is_only_read_is_no_change_of_access() {
    let reads =
        ["read_account", "read_back", "list_groups", "read_profile", "read_groups", "read_roles", "read_group_roles"];
    let mut rows: Vec<Value> = reads.iter().map(|step| effect("2026-05-04T10:00:01.000Z", step, "applied")).collect();
    rows[0]["detail"]["step"]["id_or_login"] = "00u1".into();
    assert_eq!(collected(&rows).changes, []);
}

#[test]
fn evidence_of_rows_of_before_is_what_it_was() {
    let mut collector = Collector::new("2000-01-01", "2100-01-01");
    for row in include_str!("../audit/golden/rows.jsonl").lines() {
        collector.row(&serde_json::from_str(row).expect("a row"), |target| format!("P{target}"));
    }
    let before: Value = serde_json::from_str(include_str!("../audit/golden/evidence.json")).expect("JSON");
    assert_eq!(serde_json::to_value(collector.end()).expect("JSON"), before);
}

#[test]
fn what_cannot_be_read_is_listed_and_not_left_out() {
    let mut collector = Collector::new("2026-05-04T00:00:00.000Z", "2026-05-05T00:00:00.000Z");
    let row =
        json!({ "seq": 9, "at": "2026-05-04T10:00:00.000Z", "kind": "effect", "target": 7, "detail": { "step": 3 } });
    collector.row(&row, |_| String::new());
    let evidence = collector.end();
    assert_eq!((evidence.unread.len(), evidence.unread[0].seq), (1, 9));
    assert!(evidence.unread[0].what.contains(r#"{"step":3}"#), "{}", evidence.unread[0].what);
    let chain = json!({ "good": true, "result": "good", "why": null, "vouched_to": 9, "checkpoints": 1, "findings": 0, "checkpoints_from": "the store" });
    assert!(evidence.html(&chain).expect("renders").contains("Rows that cannot be read"));
}

#[test]
fn no_figure_is_told_where_nobody_was_revoked() {
    let leaver = |state| Leaver { state, ..Leaver::default() };
    let evidence = Evidence { leavers: vec![leaver("open"), leaver("open")], ..Evidence::default() };
    assert_eq!(evidence.time_to_revoke(), None);
    assert_eq!(evidence.summary(), "2 leavers: 2 open; 0 of 2 revoked");
    let took = |ms| Leaver { time_to_revoke_ms: Some(ms), ..leaver("revoked and proved") };
    let evidence = Evidence { leavers: vec![leaver("open"), took(800), took(61_000)], ..Evidence::default() };
    let wanted =
        "3 leavers: 1 open, 2 revoked and proved; 2 of 3 revoked, half of them within 0.8 s, all within 1 min 1 s";
    assert_eq!(evidence.summary(), wanted);
    assert_eq!(Evidence::default().summary(), "0 leavers");
}

#[test]
fn everybody_whom_a_decision_about_a_part_of_a_hold_was_about_is_named_in_it() {
    let row = |target: Option<i64>, detail: Value| {
        let mut row = decided("hold_ended", detail);
        row["detail"]["change"] = "remove_group".into();
        row["target"] = target.into();
        row
    };
    let ended = || json!({ "verdict": "approved", "by": ["Ann", "Ben"] });
    let evidence = collected(&[
        row(None, json!({ "said": "approved", "by": "Ben", "only": [7, 9] })),
        row(None, ended()),
        row(Some(7), ended()),
        row(Some(9), ended()),
        row(None, json!({ "said": "approved", "by": "Ann" })),
    ]);
    let found: Vec<(&str, &str)> = evidence.decisions.iter().map(|one| (one.name.as_str(), one.by.as_str())).collect();
    let both = "Person 7; Person 9";
    assert_eq!(found, [(both, "Ben"), (both, "Ann and Ben"), ("", "Ann")]);
    assert!(
        evidence.decisions[0].what.ends_with("approved by Ben, for 2 of its people"),
        "{:?}",
        evidence.decisions[0]
    );
}
