//! After a restore nothing is told that may not be so: what this service has done itself is nobody else's doing for sure, and rows that are
//! missing are told as that, with who has restored, until whoever asks says that they know of it.

use super::stories::Night;

#[test]
fn after_a_restore_the_audit_tells_of_it_and_nobody_is_sent_to_give_back_what_this_service_has_ended() {
    let mut night = Night::begin(12, |text| text, |_| {});
    let who = night.workers();
    let stolen = night.people()[who[0]].email.clone();
    assert!(night.ok(&["audit", "verify"]).contains("good: "), "before it");
    let copy = night.folder().join("copy.db").display().to_string();
    night.ok(&["backup", "-o", &copy]);
    night.ok(&["end-access", &stolen, "--why", "a stolen laptop", "--by", "ann"]);
    night.until("their access has ended", || night.ended(&who[..1]) == 1);
    night.settle();
    night.stop();
    let rows = night.json(&["audit", "list"]).as_array().and_then(|all| all.last()?["seq"].as_i64());
    let said = night.ok(&["restore", &copy]);
    assert!(said.contains("--restored"), "{said}");
    night.start();
    night.until("they wait for a person", || {
        night.json(&["quarantine", "list"]).as_array().is_some_and(|people| people.len() == 1)
    });
    let why = night.json(&["quarantine", "list"])[0]["why"].to_string();
    assert!(why.contains("perhaps this service") && why.contains("`end-access`"), "{why}");
    assert!(!why.contains("somebody else") && !why.contains("if they should have it"), "{why}");
    let timeline = night.ok(&["timeline", &stolen]);
    assert!(!timeline.contains("somebody else has changed"), "{timeline}");

    // One verdict of its own, everywhere.
    let (exit, verdict) = night.cli(&["audit", "verify"]);
    assert!(exit == 3 && verdict.contains("restored: "), "{exit}: {verdict}");
    let said = night.json(&["audit", "list", "--kind", "restored"]);
    let row = said[0]["seq"].as_i64().expect("a row").to_string();
    assert!(
        verdict.contains(&format!("row {row} says")) && verdict.contains("of the store that was there"),
        "{verdict}"
    );
    if let Some(rows) = rows {
        assert!(verdict.contains(&rows.to_string()), "up to row {rows}: {verdict}");
    }
    let (exit, known) = night.cli(&["audit", "verify", "--restored", &row]);
    assert!(exit == 0 && known.contains("good: ") && known.contains("the store was restored by"), "{exit}: {known}");
    let json = night.json(&["audit", "verify"]);
    assert_eq!((&json["result"], &json["restores"][0]["seq"].to_string()), (&"restored".into(), &row));
    assert_eq!(night.json(&["status"])["audit"]["broken"], false, "lawful, so nothing is broken");
    let pack = night.folder().join("pack").display().to_string();
    let (exit, _) = night.cli(&["evidence", "--from", "1d", "-o", &pack, "--restored", &row]);
    assert_eq!(exit, 0);
}
