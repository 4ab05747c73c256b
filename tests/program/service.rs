//! The service as operators meet it: start, health, metrics, check, a second start, an end.

use crate::common::keys::Key;
use crate::common::program::program;
use crate::common::running::Running;
use crate::common::store::dirty;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use namely_okta_sync::sandbox::faults::{Fault, Kind};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("writes");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("reads");
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    (status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

#[test]
fn health_readiness_and_metrics_answer_and_mean_it() {
    let workspace = Workspace::new(60);
    let down = Kind::Answer { status: 502, body: "<html>Bad Gateway</html>".into() };
    workspace.world.okta.core().faults.add(Fault::some(1.0, "GET", "/api/v1/", down));
    let _service = Running::service(&workspace.config, &workspace.log, None);
    let address = workspace.address();
    assert_eq!(get(address, "/healthz").0, 200);
    let (status, body) = get(address, "/readyz");
    assert_eq!(status, 200, "it serves people, whatever is missing");
    assert!(body.contains("okta") && body.contains("\"state\":\"cannot_say\""), "{body}");
    workspace.world.okta.core().faults.clear();
    workspace.world.okta.core().faults.add(Fault::first(1, "GET", "/api/v1/groups?", Kind::Reset));
    wait_until("it is ready", &workspace.log, || get(address, "/readyz").1.contains("\"status\":\"ready\""));
    wait_until("nothing is dirty", &workspace.log, || dirty(&workspace.store()) == Some((0, 0)));
    // The gauges of the store are looked at a few times a minute.
    let backlog = "namely_okta_sync_backlog{org=\"sandbox\",priority=\"revoke\"} 0";
    wait_until("the backlog is shown", &workspace.log, || get(address, "/metrics").1.contains(backlog));
    let (status, metrics) = get(address, "/metrics");
    assert_eq!(status, 200);
    for line in [
        "namely_okta_sync_audit_chain_broken 0",
        "namely_okta_sync_ready 1",
        "namely_okta_sync_done_total 60",
        "namely_okta_sync_namely_profiles{tenant=\"sandbox\"} 60",
        "namely_okta_sync_okta_rate_limit{bucket=\"users\",org=\"sandbox\"}",
        "namely_okta_sync_store_commit_seconds_bucket",
        "namely_okta_sync_mailbox_wait_seconds_count{actor=\"writer\"}",
        "namely_okta_sync_build_info{version=",
        "process_resident_memory_bytes",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    assert_eq!(get(address, "/nowhere").0, 404);
}

#[test]
fn a_second_start_on_the_same_store_says_so_and_harms_nothing() {
    let workspace = Workspace::new(5);
    let _service = Running::service(&workspace.config, &workspace.log, None);
    workspace.address();
    let second = program().args(["run", "--config"]).arg(&workspace.config).output().expect("runs");
    assert!(!second.status.success());
    let error = String::from_utf8_lossy(&second.stderr);
    assert!(error.contains("in use by process"), "{error}");
}

#[test]
fn a_terminated_service_ends_quietly_and_starts_again_where_it_was() {
    let workspace = Workspace::new(30);
    let mut service = Running::service(&workspace.config, &workspace.log, None);
    let address = workspace.address();
    wait_until("it is ready", &workspace.log, || get(address, "/readyz").1.contains("\"status\":\"ready\""));
    wait_until("everybody is compared", &workspace.log, || dirty(&workspace.store()) == Some((0, 0)));
    let terminated = std::process::Command::new("kill").arg(service.0.id().to_string()).status().expect("kill");
    assert!(terminated.success());
    assert!(service.0.wait().expect("ends").success(), "{}", workspace.log());
    let _again = Running::service(&workspace.config, &workspace.log, None);
    wait_until("it runs again", &workspace.log, || workspace.log().matches("the store is open").count() == 2);
    assert!(workspace.world.okta.core().history().exchanges().iter().all(|e| e.method == "GET"), "nothing was written");
}

#[test]
fn health_and_metrics_answer_while_the_pipeline_is_stuck_and_nothing_is_lost_by_it() {
    let workspace = Workspace::new(30);
    let _service = Running::service(&workspace.config, &workspace.log, None);
    let address = workspace.address();
    wait_until("it is ready", &workspace.log, || get(address, "/readyz").1.contains("\"status\":\"ready\""));
    wait_until("everybody is compared", &workspace.log, || dirty(&workspace.store()) == Some((0, 0)));
    // An operator's session holds a lock on the store: no page, no outcome can be written.
    let operator = rusqlite::Connection::open(workspace.store()).expect("opens");
    operator.busy_timeout(Duration::from_secs(30)).expect("a timeout");
    operator.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let writes = || workspace.world.okta.core().history().exchanges().iter().filter(|e| e.method != "GET").count();
    let before = writes();
    workspace.world.namely.core().edit(3, workspace.world.clock.now(), |person| person.direct_dial = "+1 555 3".into());
    wait_until("the store says that it waits", &workspace.log, || {
        workspace.log().contains("holds a lock on the store")
    });
    assert_eq!((get(address, "/healthz").0, get(address, "/metrics").0), (200, 200));
    assert_eq!(writes(), before, "nothing is written without its intent on disk");
    operator.execute_batch("ROLLBACK").expect("unlocks");
    let id = workspace.world.namely.core().person(3).id.clone();
    wait_until("the change arrives", &workspace.log, || {
        let okta = workspace.world.okta.core();
        okta.user_by_anchor(&id).is_some_and(|u| u.profile.get("primaryPhone") == Some(&serde_json::json!("+1 555 3")))
    });
}

fn check(config: &Path, more: &[&str]) -> (bool, String) {
    let output = program().args(["check", "--config"]).arg(config).args(more).output().expect("runs");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

#[test]
fn check_says_what_it_found_on_both_sides() {
    let workspace = Workspace::new(20);
    let (ok, said) = check(&workspace.config, &[]);
    assert!(ok, "{said}");
    for words in [
        "is sound",
        "20 profiles",
        "the token's owner is SUPER_ADMIN",
        "are visible",
        "8 departments, 4 offices",
        "mapped attributes exist",
        "\"All Employees\" exists",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let warned = said.lines().find(|line| line.contains("approvers")).expect("a line");
    assert!(warned.starts_with("WARN") && warned.contains("nobody can approve"), "{warned}");
    assert!(warned.contains("for ever"), "it says what waits: {warned}");
    let (ok, json) = check(&workspace.config, &["--json"]);
    assert!(ok && serde_json::from_str::<serde_json::Value>(&json).is_ok_and(|v| v["ok"] == true), "{json}");
}

#[test]
fn check_finds_hidden_fields_missing_groups_and_dead_tokens() {
    let workspace = Workspace::new(20);
    workspace.world.namely.core().options.hidden_keys = vec!["reports_to".into()];
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let changed = text.replace("\"All Employees\"", "\"All Staff\"")
        + "\n[mapping.attributes]\nshoeSize = \"employee.job_tier\"\n";
    std::fs::write(&workspace.config, changed).expect("writes");
    workspace.world.okta.core().options.roles = vec!["READ_ONLY_ADMIN"];
    let (ok, said) = check(&workspace.config, &[]);
    assert!(!ok);
    for words in [
        "owner is READ_ONLY_ADMIN",
        "does not see reports_to",
        "there is no group \"All Staff\"",
        "there is no attribute shoeSize",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    workspace.world.namely.core().options.token = "another".into();
    workspace.world.okta.core().options.token = "another".into();
    let (ok, said) = check(&workspace.config, &[]);
    assert!(!ok && said.contains("Namely refuses the token") && said.contains("E0000011"), "{said}");
}

#[test]
fn check_names_the_scopes_that_a_service_app_was_not_granted() {
    let workspace = Workspace::new(5);
    let key = Key::ec("k1");
    std::fs::write(workspace.config.with_file_name("okta-key.pem"), &key.pem).expect("writes");
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let app =
        "[okta.service_app]\nclient_id = \"0oaservice\"\nkey = \"file:okta-key.pem\"\nkey_id = \"k1\"\ndpop = true\n";
    let text = text.replace("token = \"env:OKTA_TOKEN\"\n", &format!("\n{app}"));
    std::fs::write(&workspace.config, text).expect("writes");
    let grant = |scopes: &[&str]| {
        workspace.world.okta.core().options.service_apps = vec![key.app("0oaservice", scopes, true)];
        check(&workspace.config, &[])
    };
    let (ok, said) = grant(&["okta.users.manage", "okta.schemas.read"]);
    assert!(!ok && said.contains("grant the app okta.roles.read, okta.groups.manage"), "{said}");
    let (ok, said) = grant(&[
        "okta.users.manage",
        "okta.groups.manage",
        "okta.roles.read",
        "okta.linkedObjects.read",
        "okta.schemas.read",
        "okta.logs.read",
    ]);
    assert!(ok && said.contains("every scope that is needed was granted"), "{said}");
}

#[test]
fn a_configuration_with_typos_is_refused_with_every_one_of_them() {
    let workspace = Workspace::new(1);
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let broken = text
        .replace("time_zone", "timezone")
        .replace("owns =", "owned =")
        .replace("employee.job_tier", "employee.job_teir");
    std::fs::write(&workspace.config, broken).expect("writes");
    let (ok, said) = check(&workspace.config, &["--offline"]);
    assert!(!ok);
    for words in ["did you mean time_zone?", "did you mean owns?", "no field \"job_teir\"", "config.toml:"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let run = program().args(["run", "--config"]).arg(&workspace.config).output().expect("runs");
    assert!(!run.status.success() && String::from_utf8_lossy(&run.stderr).contains("job_teir"));
}

#[test]
fn the_configurations_that_ship_are_sound() {
    for name in ["sandbox.toml", "merger.toml", "example.toml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
        let (ok, said) = check(&path, &["--offline"]);
        assert!(ok, "{name}: {said}");
    }
}

#[test]
fn every_key_that_the_example_shows_is_one_that_is_read() {
    let text = include_str!("../../config/example.toml");
    let shown = |line: &str| {
        let key = line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        key || line.starts_with('[')
    };
    // The token stands for the service app, which the example shows as the other way.
    let all: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("OKTA_TOKEN"))
        .map(|line| line.strip_prefix("# ").filter(|bare| shown(bare)).unwrap_or(line))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml");
    let tables = "\n[mapping.tables]\nentitlements = \"entitlements.csv\"\n";
    let mut whole = all.join("\n").replace("\n[mapping.tables]\n", tables);
    for variable in ["ADMIN_TOKEN", "HOOK_SECRET", "SIEM_TOKEN", "SOC_SECRET"] {
        whole = whole.replace(&format!("env:{variable}"), "file:secret");
    }
    for (variable, address) in [
        ("SLACK_URL", "https://chat.example.com/x"),
        ("SOC_URL", "https://soc.example.com"),
        ("SMTP_URL", "smtps://mail.example.com"),
    ] {
        std::fs::write(folder.path().join(variable), address).expect("writes");
        whole = whole.replace(&format!("env:{variable}"), &format!("file:{variable}"));
    }
    std::fs::write(&config, whole).expect("writes");
    std::fs::write(folder.path().join("secret"), "something that is long enough\n").expect("writes");
    std::fs::write(folder.path().join("slack.txt"), namely_okta_sync::notify::DEFAULT_TEMPLATE).expect("writes");
    let (_, pem) = namely_okta_sync::audit::SigningKey::generate().expect("a key");
    std::fs::write(folder.path().join("audit-key.pem"), pem).expect("writes");
    std::fs::write(folder.path().join("zones.csv"), "London,Europe/London\n").expect("writes");
    std::fs::write(folder.path().join("entitlements.csv"), "Engineer,VPN\n").expect("writes");
    std::fs::write(folder.path().join("okta-key.pem"), &Key::rsa("k1").pem).expect("writes");
    let (ok, said) = check(&config, &["--offline"]);
    assert!(ok, "{said}");
}

#[test]
fn the_audit_file_has_every_row_once_in_order() {
    let workspace = Workspace::new(30);
    let _service = Running::service(&workspace.config, &workspace.log, None);
    let file = workspace.folder.path().join("audit.jsonl");
    let rows = || -> Vec<i64> {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let rows =
            text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?["seq"].as_i64());
        rows.collect()
    };
    wait_until("thirty people are done", &workspace.log, || rows().len() > 60);
    let rows = rows();
    assert_eq!(rows, (1..=rows.len() as i64).collect::<Vec<_>>());
}
