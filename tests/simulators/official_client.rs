//! The simulated org as Okta's own SDK for Python meets it: what the SDK accepts is what Okta would have answered.

use crate::common::keys::Key;
use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::http::Simulator;
use namely_okta_sync::sandbox::okta::{self, Okta};
use namely_okta_sync::sandbox::world::any_port;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python with the SDK, installed once under the target folder; `None` where there is no Python or no PyPI.
fn python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("okta-sdk");
    let python = folder.join("bin/python");
    let requirements = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/simulators/sdk/requirements.txt");
    let works = || Command::new(&python).args(["-c", "import okta.client"]).output().is_ok_and(|o| o.status.success());
    if !works() {
        let ran = |command: &mut Command| command.output().is_ok_and(|o| o.status.success());
        let made = ran(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            && ran(Command::new(folder.join("bin/pip")).args(["install", "--quiet", "--requirement", requirements]));
        if !made || !works() {
            return None;
        }
    }
    Some(python)
}

#[test]
fn oktas_own_sdk_can_use_the_simulated_org_with_every_kind_of_credentials() {
    let Some(python) = python() else {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: Okta's SDK cannot be installed here; it needs python3 with venv, and PyPI"
        );
        return;
    };
    let key = Key::rsa("k1");
    let scopes = ["okta.users.read", "okta.groups.read"];
    let options = okta::Options {
        limits: None,
        latency: 0.0,
        index_lag: std::time::Duration::ZERO,
        scope_error: okta::ScopeError::Body,
        service_apps: vec![key.app("0oaservice", &scopes, false), key.app("0oaservice-dpop", &scopes, true)],
        ..okta::Options::default()
    };
    let clock = Clock::system();
    let token = options.token.clone();
    let org = Simulator::start(Okta::new(options, clock.now()), any_port(), clock).expect("a port");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &key.pem).expect("writes");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/simulators/sdk/drive.py");
    let ran = Command::new(python)
        .args([script, &org.url(), &token, "0oaservice"])
        .arg(file.path())
        .arg("k1")
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let seen: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    let ssws = json!({
        "created": "PROVISIONED", "members": [true], "groups": ["Everyone", "Other"], "title": "Analyst", "read": "Analyst",
        "left": "DEPROVISIONED", "listed": ["mary@example.com"], "missing": "E0000007", "logged": true,
    });
    assert_eq!(seen["ssws"], ssws);
    assert_eq!(seen["bearer"], json!({ "users": 1, "groups": 3, "write_refused": true }));
    assert_eq!(seen["dpop"], json!({ "users": 1, "groups": 3, "write_refused": true }));
    let life = json!({
        "schema": 100, "types": ["user"], "hired": "STAGED", "link": true, "begins": "PROVISIONED", "link again": true,
        "manager": 1, "rules": [["Sales", "ACTIVE"]], "ruled": [true], "app": "life", "named": ["life2"], "roles": [],
        "administrators": 1, "share": 50, "moved": "Legal", "groups": ["Department Sales", "Everyone"],
        "found": ["life@example.com"], "left": "DEPROVISIONED", "back": "PROVISIONED", "away": "SUSPENDED",
        "returned": "ACTIVE", "deleted": "E0000007",
    });
    assert_eq!(seen["life"], life, "every step of a life that the service takes");
    assert_eq!(org.core().access_tokens_given(), 2, "each way of calling fetched one token");
}
