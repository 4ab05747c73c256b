//! The command line asks the running service, with the token of whoever uses it; over TLS where a certificate is given.

use crate::common::documents::{DOCUMENTS, read};
use crate::common::program::program;
use crate::common::running::Running;
use crate::common::skipped::skipped;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use namely_okta_sync::sandbox::population::Status;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;
use std::process::Command;

const VIEWER: &str = "a-viewers-token-0123456789";
const HR: &str = "a-token-of-hr-0123456789abc";
const OPERATOR: &str = "an-operators-token-0123456789";
const APPROVER: &str = "an-approvers-token-0123456789";

/// A place whose service has a port that the command line knows, and people with a token for each role that decides, and for HR.
fn workspace(employees: usize, admin: &str) -> Workspace {
    let workspace = Workspace::new(employees).with_a_port();
    let people = [
        ("Hana", "hr", HR),
        ("Vera", "viewer", VIEWER),
        ("Otto", "operator", OPERATOR),
        ("Anna", "approver", APPROVER),
    ];
    let mut tokens = String::new();
    for (name, role, token) in people {
        std::fs::write(workspace.folder.path().join(role), token).expect("writes");
        tokens += &format!("[[admin.tokens]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken = \"file:{role}\"\n");
    }
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    std::fs::write(&workspace.config, format!("{text}\n[admin]\n{admin}\n{tokens}")).expect("writes");
    workspace
}

/// Everybody who leaves is held.
fn hold_leavers(workspace: &Workspace) {
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let limit = "[[safeguards.limits]]\nchange = \"deactivate\"\npeople = 0\nper = \"hour\"\n";
    std::fs::write(&workspace.config, text + limit).expect("writes");
}

fn cli(workspace: &Workspace, token: &str, args: &[&str]) -> (bool, String) {
    let mut command = program();
    command.args(args).arg("--config").arg(&workspace.config).env_remove("USER");
    let output = command.env("NAMELY_OKTA_SYNC_TOKEN", token).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// The same from a machine that has nothing of the service but its address: no configuration, no secrets, no store.
fn from_afar(service: &str, variables: &[(&str, &str)], args: &[&str]) -> (bool, String) {
    let nowhere = tempfile::tempdir().expect("a folder");
    let mut command = program();
    command.args(args).current_dir(nowhere.path()).env("NAMELY_OKTA_SYNC_SERVICE", service);
    for name in ["NAMELY_TOKEN", "OKTA_TOKEN", "USER"] {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

fn audited(workspace: &Workspace, kind: &str, by: &str) -> i64 {
    workspace.counted(&format!("SELECT count(*) FROM audit WHERE kind = '{kind}' AND row LIKE '%\"{by}\"%'"))
}

#[test]
fn while_it_runs_the_service_is_asked_and_knows_who_asks() {
    let workspace = workspace(12, "");
    hold_leavers(&workspace);
    let mut service = workspace.settled();
    let pause = ["pause", "--why", "merger night", "--by", "Somebody"];
    for (token, message) in [("", "set NAMELY_OKTA_SYNC_TOKEN"), ("no-token-of-anybody-0123456789", "no such token")] {
        let (ok, said) = cli(&workspace, token, &pause);
        assert!(!ok && said.contains(message), "{said}");
    }
    let (ok, said) = cli(&workspace, OPERATOR, &pause);
    assert!(ok && said.contains("by Otto"), "the token says who it is, whatever --by says: {said}");
    wait_until("that is in the audit", &workspace.log, || audited(&workspace, "paused", "Otto") == 1);
    let (ok, said) = cli(&workspace, OPERATOR, &["resume", "--json"]);
    assert!(ok && said.contains("\"resumed\":1"), "{said}");
    let (ok, said) = cli(&workspace, OPERATOR, &["resume"]);
    assert!(!ok && said.contains("nothing to resume"), "{said}");
    let (ok, said) = cli(&workspace, OPERATOR, &["quarantine", "retry", "--all"]);
    assert!(ok && said.contains("nobody is quarantined"), "{said}");
    let (ok, said) =
        cli(&workspace, OPERATOR, &["quarantine", "retry", &workspace.world.namely.core().person(4).email.clone()]);
    assert!(!ok && said.contains("quarantine list"), "{said}");
    let (ok, said) = cli(&workspace, OPERATOR, &["reconcile", "--read", "--fix"]);
    assert!(ok, "{said}");

    let leaver = workspace.world.namely.core().person(3).clone();
    workspace.world.namely.core().edit(3, workspace.world.clock.now(), |person| person.status = Status::Inactive);
    wait_until("they are held", &workspace.log, || workspace.counted("SELECT count(*) FROM work WHERE state = 2") == 1);
    let (_, held) = cli(&workspace, "", &["holds", "list", "--json"]);
    let held: Value = serde_json::from_str(&held).expect("reading needs no token");
    let (id, code) = (held[0]["id"].to_string(), held[0]["code"].as_str().expect("a code").to_owned());
    let approve = ["holds", "approve", &id, &code, "--person", &leaver.email];
    let (ok, said) = cli(&workspace, OPERATOR, &approve);
    assert!(!ok && said.contains("Otto has the role operator") && said.contains("approver"), "{said}");
    let (ok, said) = cli(&workspace, APPROVER, &["holds", "approve", &id, "other"]);
    assert!(!ok && said.contains("look at it again"), "{said}");
    let (ok, said) = cli(&workspace, APPROVER, &approve);
    assert!(ok && said.contains("approved by Anna"), "{said}");
    wait_until("they have left", &workspace.log, || {
        audited(&workspace, "hold_ended", "Anna") >= 1
            && workspace.counted("SELECT count(*) FROM work WHERE dirty_rev > done_rev") == 0
    });
    let (_, shown) = cli(&workspace, APPROVER, &["undo", "--person", &leaver.email, "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap_or_else(|e| panic!("{e}: {shown}"));
    let code = shown["code"].as_str().expect("a code");
    let (ok, said) = cli(&workspace, APPROVER, &["undo", "--person", &leaver.email, "--apply", code]);
    assert!(ok, "{said}");
    wait_until("that is asked for", &workspace.log, || {
        workspace.counted("SELECT count(*) FROM request WHERE by = 'Anna' AND done IS NOT NULL") >= 1
    });

    // Nobody answers any more: whoever can write the store may decide, and says who they are.
    service.kill();
    let (ok, said) = cli(&workspace, "", &["pause", "--why", "merger night"]);
    assert!(!ok && said.contains("--by NAME"), "{said}");
    let (ok, said) = cli(&workspace, "", &pause);
    assert!(ok && said.contains("by Somebody"), "{said}");
}

#[test]
fn whoever_has_only_a_token_asks_the_service_without_its_files() {
    let workspace = workspace(12, "");
    hold_leavers(&workspace);
    let mut service = workspace.settled();
    let now = workspace.world.clock.now();
    let leaver = workspace.world.namely.core().person(3).clone();
    workspace.world.namely.core().edit(3, now, |person| person.status = Status::Inactive);
    wait_until("they are held", &workspace.log, || workspace.counted("SELECT count(*) FROM work WHERE state = 2") == 1);
    let (ok, said) = cli(&workspace, OPERATOR, &["pause", "--change", "create", "--why", "merger night"]);
    assert!(ok, "{said}");

    let url = format!("http://{}", workspace.address());
    let token = |token| [("NAMELY_OKTA_SYNC_TOKEN", token)];
    let asked = |who, args: &[&str]| from_afar(&url, &token(who), args);
    let document = |said: &str| serde_json::from_str::<Value>(said).unwrap_or_else(|e| panic!("{e}: {said}"));
    let id = workspace.counted("SELECT min(id) FROM hold").to_string();
    let questions: [&[&str]; 10] = [
        &["holds", "list", "--all", "--json"],
        &["holds", "show", &id, "--json"],
        &["quarantine", "list", "--json"],
        &["pause", "--list", "--json"],
        &["review", "list", "--all", "--json"],
        &["attention", "--json"],
        &["starters", "--days", "30", "--json"],
        &["adopt", "--json"],
        &["timeline", &leaver.email, "--json"],
        &["timeline", &leaver.email, "--org", "sandbox"],
    ];
    for question in questions {
        let (_, here) = cli(&workspace, "", question);
        let (_, afar) = asked(VIEWER, question);
        match question.last() {
            Some(&"--json") => assert_eq!(document(&afar), document(&here), "{question:?}"),
            _ => assert_eq!(afar, here, "{question:?}"),
        }
        assert!(
            here.len() > 10 || matches!(question[0], "quarantine" | "review"),
            "{question:?} shows nothing: {here}"
        );
    }
    let states =
        [cli(&workspace, "", &["status", "--json"]).1, asked(VIEWER, &["status", "--json"]).1].map(|s| document(&s));
    for key in ["version", "running", "ready", "missing", "holds", "pauses", "safeguards"] {
        assert_eq!(states[0][key], states[1][key], "{key}");
    }
    let (held, budget) = (&states[1]["orgs"]["sandbox"]["held"], &states[1]["orgs"]["sandbox"]["budget"]);
    assert!(held == 1 && budget.as_array().is_some_and(|windows| !windows.is_empty()), "{:#}", states[1]);
    let (ok, said) = asked(VIEWER, &["status"]);
    assert!(!ok && !said.contains("nothing is missing") && said.contains("is paused by Otto"), "{said}");

    let (_, shown) = asked(VIEWER, &["holds", "show", &id]);
    let code = document(&asked(VIEWER, &["holds", "show", &id, "--json"]).1)["hold"]["code"].clone();
    let code = code.as_str().expect("a code");
    assert!(shown.contains(&format!("holds approve {id} {code} --by NAME\n")), "nothing more is needed: {shown}");
    let approve = ["holds", "approve", &id, code, "--person", &leaver.email];
    let (ok, said) = asked(VIEWER, &approve);
    assert!(!ok && said.contains("Vera has the role viewer"), "{said}");
    let (ok, said) = asked(HR, &["attention"]);
    assert!(
        ok && said.contains("waits for an approval of IT") && said.contains("hidden for your role: 1 item"),
        "{said}"
    );
    let (ok, said) = asked(HR, &["holds", "list"]);
    assert!(
        !ok && said.contains("Hana has the role hr; this needs the role auditor, viewer, operator or approver"),
        "{said}"
    );
    let (ok, said) = asked(APPROVER, &["holds", "approve", &id, code, "--person", "nobody@example.com"]);
    assert!(!ok && said.contains("is not in hold"), "{said}");
    let (ok, said) = asked(APPROVER, &approve);
    assert!(ok && said.contains("approved by Anna"), "{said}");
    wait_until("they have left", &workspace.log, || audited(&workspace, "hold_ended", "Anna") >= 1);
    let (ok, said) = asked(OPERATOR, &["resume"]);
    assert!(ok && said.contains("by Otto"), "{said}");

    for (who, args, message) in [
        ("", vec!["status"], "set NAMELY_OKTA_SYNC_TOKEN"),
        ("no-token-of-anybody-0123456789", vec!["status"], "no such token"),
        (VIEWER, vec!["timeline", "Nobody Atall"], "nobody is called"),
        (VIEWER, vec!["timeline", &leaver.email, "--org", "other"], "there is no org \"other\""),
        (VIEWER, vec!["starters", "--org", "other"], "there is no org \"other\""),
        (VIEWER, vec!["holds", "show", "99"], "there is no hold 99"),
        (VIEWER, vec!["status", "--service", "http://192.0.2.1:9464"], "would travel unencrypted"),
        (VIEWER, vec!["status", "--service", "ftp://127.0.0.1"], "https://HOST:PORT"),
        (VIEWER, vec!["status", "--service", "here"], "this is no URL"),
        (VIEWER, vec!["status", "--service", "http://127.0.0.1:1", "--config", "x.toml"], "cannot be used with"),
        (VIEWER, vec!["status", "--config", "x.toml"], "x.toml:1:1: cannot be read"),
        (VIEWER, vec!["explain", "Anna"], "--config FILE"),
    ] {
        let (ok, said) = asked(who, &args);
        assert!(!ok && said.contains(message), "{args:?}: {said}");
    }
    let (ok, said) = from_afar("", &token(VIEWER), &["status"]);
    assert!(!ok && said.contains("--config FILE, or --service URL"), "{said}");
    service.kill();
    let (ok, said) = asked(VIEWER, &["status"]);
    assert!(!ok && said.contains("does not answer"), "{said}");
}

fn certify(workspace: &Workspace) -> reqwest::Certificate {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    std::fs::write(workspace.folder.path().join("sync.crt"), cert.pem()).expect("writes");
    std::fs::write(workspace.folder.path().join("sync.key"), signing_key.serialize_pem()).expect("writes");
    reqwest::Certificate::from_pem(cert.pem().as_bytes()).expect("a certificate")
}

#[test]
fn what_the_documents_ask_with_curl_is_answered() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skipped("no curl here");
    }
    let workspace = workspace(5, "");
    let _service = workspace.settled();
    let address = workspace.address().to_string();
    let mut asked = 0;
    for document in DOCUMENTS {
        let text = read(document);
        let blocks = text.lines().map(str::trim).filter(|line| line.starts_with("curl "));
        let spans = text.split('`').skip(1).step_by(2).filter(|code| code.starts_with("curl ") && !code.contains('\n'));
        for line in blocks.chain(spans).filter(|line| line.contains(":9464")).collect::<std::collections::BTreeSet<_>>()
        {
            let line = line.replace("127.0.0.1:9464", &address);
            let output = Command::new("sh").args(["-c", &line]).env("ADMIN_TOKEN", APPROVER).output().expect("runs");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let answer: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{line}: {e}: {said}"));
            assert!(output.status.success() && answer.get("error").is_none(), "{line}: {said}");
            asked += 1;
        }
    }
    assert!(asked >= 3, "only {asked} lines were found");
    assert_eq!(workspace.counted("SELECT count(*) FROM pause WHERE by = 'Anna'"), 1);
}

#[test]
fn with_a_certificate_tokens_travel_encrypted_and_it_is_renewed_without_a_restart() {
    let workspace = workspace(5, "certificate = \"sync.crt\"\nkey = \"sync.key\"");
    let (ok, said) = workspace.cli(&["run"]);
    assert!(!ok && said.contains("sync.crt cannot be used"), "{said}");
    let first = certify(&workspace);
    let service = workspace.settled();
    let address = workspace.address();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let status = |scheme: &str, root: &reqwest::Certificate| {
        let client = reqwest::Client::builder().tls_certs_only([root.clone()]).build().expect("a client");
        let sent = client.get(format!("{scheme}://{address}/api/v1/holds")).bearer_auth(OPERATOR).send();
        runtime.block_on(async { sent.await.ok().map(|answer| answer.status().as_u16()) })
    };
    assert_eq!(status("https", &first), Some(200));
    assert_ne!(status("http", &first), Some(200));
    let (ok, said) = cli(&workspace, OPERATOR, &["pause", "--why", "merger night"]);
    assert!(ok && said.contains("by Otto"), "{said}");
    let (ok, said) = cli(&workspace, "", &["status"]);
    assert!(!ok && said.contains("running") && said.contains("is paused by Otto"), "{said}");

    let ca = workspace.folder.path().join("sync.crt").display().to_string();
    let url = format!("https://{address}");
    let afar = |ca: &str| {
        let variables = [("NAMELY_OKTA_SYNC_TOKEN", VIEWER), ("NAMELY_OKTA_SYNC_CA", ca)];
        from_afar(&url, if ca.is_empty() { &variables[..1] } else { &variables }, &["status"])
    };
    let (ok, said) = afar(&ca);
    assert!(!ok && said.contains("running") && said.contains("is paused by Otto"), "{said}");
    let (ok, said) = afar("");
    assert!(!ok && said.contains("does not answer"), "nobody here vouches for it: {said}");
    let (ok, said) = afar(&workspace.log.display().to_string());
    assert!(!ok && said.contains("NAMELY_OKTA_SYNC_CA"), "{said}");

    let hang_up = || {
        assert!(Command::new("kill").args(["-HUP", &service.0.id().to_string()]).status().expect("kill").success());
    };
    let second = certify(&workspace);
    assert_eq!((status("https", &first), status("https", &second)), (Some(200), None), "not yet");
    let (ok, said) = cli(&workspace, OPERATOR, &["resume", "--by", "Somebody"]);
    assert!(!ok && said.contains("does not answer"), "the command line trusts exactly what is in the file: {said}");
    hang_up();
    wait_until("the new one is shown", &workspace.log, || status("https", &second) == Some(200));
    assert_eq!(status("https", &first), None);
    let (ok, said) = cli(&workspace, OPERATOR, &["resume"]);
    assert!(ok, "{said}");

    std::fs::write(workspace.folder.path().join("sync.key"), "no key").expect("writes");
    hang_up();
    wait_until("the broken key is told", &workspace.log, || workspace.log().contains("sync.key cannot be used"));
    assert_eq!(status("https", &second), Some(200), "the one from before still holds");
}

#[test]
fn a_service_that_was_killed_holds_nobody_up_at_the_command_line() {
    let workspace = workspace(5, "");
    let mut service: Running = workspace.settled();
    service.kill();
    let (ok, said) = cli(&workspace, "", &["quarantine", "retry", "--all", "--by", "Somebody"]);
    assert!(ok && said.contains("nobody is quarantined"), "the store is asked: {said}");
}
