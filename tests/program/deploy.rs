//! What ships beside the program fits it: units, images, manifests, and every command that the documents name.

use crate::common::documents::{DOCUMENTS, commands, help, read, root};
use crate::common::skipped::skipped;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

#[test]
fn every_command_that_the_documents_name_exists_with_its_flags() {
    let mut known = BTreeMap::new();
    let whole = help(&[], &mut known).expect("help");
    let is_lower = |word: &str| word.starts_with(|c: char| c.is_ascii_lowercase());
    let is_command =
        |word: &str| is_lower(word) && whole.lines().any(|line| line.trim_start().split(' ').next() == Some(word));
    let mut checked = 0;
    for document in DOCUMENTS {
        for command in commands(&read(document)) {
            let words: Vec<&str> = command.split([' ', ';', '|', '&']).filter(|word| !word.is_empty()).collect();
            let Some(first) = words.first().filter(|word| is_command(word)) else { continue };
            let is_plain =
                |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
            let second = words.get(1).filter(|word| is_plain(word));
            let message =
                second.and_then(|second| help(&[first, second], &mut known)).or_else(|| help(&[first], &mut known));
            let message = message.unwrap_or_else(|| panic!("{document}: there is no command {command:?}"));
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                let flag = flag.trim_end_matches([',', ')', '.', ':', '…']);
                assert!(message.contains(flag), "{document}: {command:?} has no flag {flag}");
            }
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} commands were found");
}

#[test]
fn the_systemd_unit_is_one_that_systemd_takes() {
    let unit = read("deploy/systemd/namely-okta-sync.service");
    assert!(unit.contains("Type=notify") && unit.contains("WatchdogSec=") && unit.contains("ExecReload="));
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        skipped("no systemd-analyze here");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("namely-okta-sync.service");
    // The program is not installed here: the one that was built stands for it.
    std::fs::write(&path, unit.replace("/usr/local/bin/namely-okta-sync", env!("CARGO_BIN_EXE_namely-okta-sync")))
        .expect("writes");
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("namely-okta-sync")).collect();
    assert!(ours.is_empty(), "{said}");
}

#[test]
fn what_the_compose_file_mounts_and_builds_is_there() {
    let folder = root().join("deploy/docker");
    let text = read("deploy/docker/compose.yml");
    let mounts = text.lines().filter_map(|line| line.trim().strip_prefix("- ")?.split(':').next());
    let mut checked = 0;
    // The configuration is the operator's own.
    for path in mounts.filter(|path| path.starts_with('.') && *path != "./config.toml") {
        assert!(folder.join(path).exists(), "{path} is mounted and not there");
        checked += 1;
    }
    assert_eq!(checked, 4);
    assert!(text.contains("deploy/docker/Dockerfile") && Path::new(&root().join("deploy/docker/Dockerfile")).exists());
    for (file, rules) in [("deploy/docker/prometheus.yml", "/etc/prometheus/rules/")] {
        for rule in read(file).split([' ', ',', '[', ']', '\n']).filter_map(|word| word.strip_prefix(rules)) {
            assert!(root().join("grafana/rules").join(rule).exists(), "{file} names {rule}");
        }
    }
    let version = format!("namely-okta-sync:{}", env!("CARGO_PKG_VERSION"));
    for manifest in ["namely-okta-sync", "several-nodes"] {
        let text = read(&format!("deploy/kubernetes/{manifest}.yaml"));
        assert!(text.contains(&version), "{manifest} has another version");
    }
}

#[test]
fn examples_of_several_nodes_have_a_database_and_a_key_that_all_of_them_share() {
    let (kubernetes, compose) = (read("deploy/kubernetes/several-nodes.yaml"), read("deploy/docker/several-nodes.yml"));
    for text in [&kubernetes, &compose] {
        assert!(
            text.contains("service.store = \"env:STORE\"") && text.contains("audit.signing_key = \"env:AUDIT_KEY\"")
        );
        assert!(text.contains("STORE") && text.contains("AUDIT_KEY") && text.contains("postgres://"));
    }
    for part in ["replicas: 2", "kind: PodDisruptionBudget", "topologySpreadConstraints", "kind: Deployment"] {
        assert!(kubernetes.contains(part), "{part}");
    }
}
