//! The command line asks the running service, with the token of whoever uses it; over TLS where a certificate is given.

mod common;

use common::place::Place;
use common::{Running, program, wait_until};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::process::Command;

const OPERATOR: &str = "an-operators-token-0123456789";
const APPROVER: &str = "an-approvers-token-0123456789";

/// A place whose service has a port that the command line knows, and two people with tokens.
fn place(employees: usize, admin: &str) -> Place {
    let place = Place::new(employees).with_a_port();
    std::fs::write(place.folder.path().join("operator"), OPERATOR).expect("writes");
    std::fs::write(place.folder.path().join("approver"), APPROVER).expect("writes");
    let text = std::fs::read_to_string(&place.config).expect("reads");
    let tokens = "[[admin.tokens]]\nname = \"Otto\"\nrole = \"operator\"\ntoken = \"file:operator\"\n\
                  [[admin.tokens]]\nname = \"Anna\"\nrole = \"approver\"\ntoken = \"file:approver\"\n";
    std::fs::write(&place.config, format!("{text}\n[admin]\n{admin}\n{tokens}")).expect("writes");
    place
}

fn cli(place: &Place, token: &str, args: &[&str]) -> (bool, String) {
    let mut command = program();
    command.args(args).arg("--config").arg(&place.config).env_remove("USER");
    let output = command.env("NAMELY_OKTA_SYNC_TOKEN", token).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

fn audited(place: &Place, kind: &str, by: &str) -> i64 {
    place.counted(&format!("SELECT count(*) FROM audit WHERE kind = '{kind}' AND row LIKE '%\"{by}\"%'"))
}

#[test]
fn while_it_runs_the_service_is_asked_and_knows_who_asks() {
    let place = place(12, "");
    let text = std::fs::read_to_string(&place.config).expect("reads");
    let limit = "[[safeguards.limits]]\nchange = \"deactivate\"\npeople = 0\nper = \"hour\"\n";
    std::fs::write(&place.config, text + limit).expect("writes");
    let mut service = place.settled();
    let pause = ["pause", "--why", "merger night", "--by", "Somebody"];
    for (token, told) in [("", "set NAMELY_OKTA_SYNC_TOKEN"), ("no-token-of-anybody-0123456789", "no such token")] {
        let (ok, said) = cli(&place, token, &pause);
        assert!(!ok && said.contains(told), "{said}");
    }
    let (ok, said) = cli(&place, OPERATOR, &pause);
    assert!(ok && said.contains("by Otto"), "the token says who it is, whatever --by says: {said}");
    wait_until("that is in the audit", &place.log, || audited(&place, "paused", "Otto") == 1);
    let (ok, said) = cli(&place, OPERATOR, &["resume", "--json"]);
    assert!(ok && said.contains("\"resumed\":1"), "{said}");
    let (ok, said) = cli(&place, OPERATOR, &["resume"]);
    assert!(!ok && said.contains("nothing to resume"), "{said}");
    let (ok, said) = cli(&place, OPERATOR, &["quarantine", "retry", "--all"]);
    assert!(!ok && said.contains("quarantine list"), "{said}");
    let (ok, said) = cli(&place, OPERATOR, &["reconcile", "--read", "--fix"]);
    assert!(ok, "{said}");

    let leaver = place.world.namely.core().person(3).clone();
    use namely_okta_sync::sandbox::company::Status;
    place.world.namely.core().edit(3, place.world.clock.now(), |person| person.status = Status::Inactive);
    wait_until("they are held", &place.log, || place.counted("SELECT count(*) FROM work WHERE state = 2") == 1);
    let (_, held) = cli(&place, "", &["holds", "list", "--json"]);
    let held: serde_json::Value = serde_json::from_str(&held).expect("reading needs no token");
    let (id, code) = (held[0]["id"].to_string(), held[0]["code"].as_str().expect("a code").to_owned());
    let approve = ["holds", "approve", &id, &code, "--person", &leaver.email];
    let (ok, said) = cli(&place, OPERATOR, &approve);
    assert!(!ok && said.contains("Otto is a operator") && said.contains("approver"), "{said}");
    let (ok, said) = cli(&place, APPROVER, &["holds", "approve", &id, "other"]);
    assert!(!ok && said.contains("look at it again"), "{said}");
    let (ok, said) = cli(&place, APPROVER, &approve);
    assert!(ok && said.contains("approved by Anna"), "{said}");
    wait_until("they have left", &place.log, || {
        audited(&place, "hold_ended", "Anna") >= 1
            && place.counted("SELECT count(*) FROM work WHERE dirty_rev > done_rev") == 0
    });
    let (ok, said) = cli(&place, APPROVER, &["undo", "--person", &leaver.email, "--apply"]);
    assert!(ok, "{said}");
    wait_until("that is asked for", &place.log, || {
        place.counted("SELECT count(*) FROM request WHERE by = 'Anna' AND done IS NOT NULL") >= 1
    });

    // Nobody answers any more: whoever can write the store may decide, and says who they are.
    service.kill();
    let (ok, said) = cli(&place, "", &["pause", "--why", "merger night"]);
    assert!(!ok && said.contains("--by NAME"), "{said}");
    let (ok, said) = cli(&place, "", &pause);
    assert!(ok && said.contains("by Somebody"), "{said}");
}

fn certify(place: &Place) -> reqwest::Certificate {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    std::fs::write(place.folder.path().join("sync.crt"), cert.pem()).expect("writes");
    std::fs::write(place.folder.path().join("sync.key"), signing_key.serialize_pem()).expect("writes");
    reqwest::Certificate::from_pem(cert.pem().as_bytes()).expect("a certificate")
}

#[test]
fn with_a_certificate_tokens_travel_encrypted_and_it_is_renewed_without_a_restart() {
    let place = place(5, "certificate = \"sync.crt\"\nkey = \"sync.key\"");
    let (ok, said) = place.cli(&["run"]);
    assert!(!ok && said.contains("sync.crt cannot be used"), "{said}");
    let first = certify(&place);
    let service = place.settled();
    let address = place.address();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let status = |scheme: &str, root: &reqwest::Certificate| {
        let client = reqwest::Client::builder().tls_certs_only([root.clone()]).build().expect("a client");
        let sent = client.get(format!("{scheme}://{address}/api/v1/holds")).bearer_auth(OPERATOR).send();
        runtime.block_on(async { sent.await.ok().map(|answer| answer.status().as_u16()) })
    };
    assert_eq!(status("https", &first), Some(200));
    assert_ne!(status("http", &first), Some(200));
    let (ok, said) = cli(&place, OPERATOR, &["pause", "--why", "merger night"]);
    assert!(ok && said.contains("by Otto"), "{said}");
    let (ok, said) = cli(&place, "", &["status"]);
    assert!(ok && said.contains("running"), "{said}");

    let hang_up = || {
        assert!(Command::new("kill").args(["-HUP", &service.0.id().to_string()]).status().expect("kill").success());
    };
    let second = certify(&place);
    assert_eq!((status("https", &first), status("https", &second)), (Some(200), None), "not yet");
    let (ok, said) = cli(&place, OPERATOR, &["resume", "--by", "Somebody"]);
    assert!(!ok && said.contains("does not answer"), "the command line trusts exactly what is in the file: {said}");
    hang_up();
    wait_until("the new one is shown", &place.log, || status("https", &second) == Some(200));
    assert_eq!(status("https", &first), None);
    let (ok, said) = cli(&place, OPERATOR, &["resume"]);
    assert!(ok, "{said}");

    std::fs::write(place.folder.path().join("sync.key"), "no key").expect("writes");
    hang_up();
    wait_until("the broken key is told", &place.log, || place.log().contains("sync.key cannot be used"));
    assert_eq!(status("https", &second), Some(200), "the one from before still holds");
}

#[test]
fn a_service_that_was_killed_holds_nobody_up_at_the_command_line() {
    let place = place(5, "");
    let mut service: Running = place.settled();
    service.kill();
    let (ok, said) = cli(&place, "", &["quarantine", "retry", "--all", "--by", "Somebody"]);
    assert!(!ok && said.contains("nobody of that name is set aside"), "the store is asked: {said}");
}
