//! Secrets are exchanged while the service runs, and what it writes is for its own user alone.

use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn a_new_token_under_the_same_path_is_taken_by_a_reload_and_named_without_its_value() {
    let workspace = Workspace::new(12);
    let folder = workspace.folder.path();
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let text = text.replace("env:NAMELY_TOKEN", "file:namely-token").replace("env:OKTA_TOKEN", "file:okta-token");
    std::fs::write(&workspace.config, text).expect("writes");
    std::fs::write(folder.join("namely-token"), "sandbox-namely-token").expect("writes");
    std::fs::write(folder.join("okta-token"), "00sandbox-token").expect("writes");
    let service = workspace.settled();
    // Both are rotated: only the new ones are accepted.
    workspace.world.namely.core().options.token = "rotated-namely-token".into();
    workspace.world.okta.core().options.token = "00rotated-okta-token".into();
    std::fs::write(folder.join("namely-token"), "rotated-namely-token").expect("writes");
    std::fs::write(folder.join("okta-token"), "00rotated-okta-token").expect("writes");
    assert!(Command::new("kill").args(["-HUP", &service.0.id().to_string()]).status().expect("kill").success());
    wait_until("it says what was exchanged", &workspace.log, || {
        let log = workspace.log();
        log.contains("namely[sandbox].token (contents)") && log.contains("okta[sandbox].token (contents)")
    });
    let person = workspace.world.namely.core().person(3).id.clone();
    workspace.world.namely.core().edit(3, workspace.world.clock.now(), |person| person.direct_dial = "+1 555 3".into());
    wait_until("a change arrives by the new tokens", &workspace.log, || {
        let okta = workspace.world.okta.core();
        okta.user_by_anchor(&person).and_then(|u| u.profile.get("primaryPhone").cloned()) == Some("+1 555 3".into())
    });
    assert!(!workspace.log().contains("rotated"), "the value is nowhere");
    assert_eq!(workspace.counted("SELECT count(*) FROM audit WHERE row LIKE '%rotated%'"), 0);
    assert_eq!(workspace.counted("SELECT count(*) FROM audit WHERE row LIKE '%token (contents)%'"), 1);
}

#[test]
fn whatever_the_umask_what_is_written_is_for_its_own_user_and_a_readable_secret_is_named() {
    let workspace = Workspace::new(12);
    let folder = workspace.folder.path();
    let _service = workspace.settled();
    wait_until("the audit is sealed", &workspace.log, || folder.join("audit-checkpoints.jsonl").exists());
    let copy = folder.join("copies/copy.db").display().to_string();
    assert!(workspace.cli(&["backup", "-o", &copy]).0);
    let plan = folder.join("plan.json").display().to_string();
    assert!(workspace.cli(&["plan", "-o", &plan]).0);
    let mode = |name: &str| {
        let found = std::fs::metadata(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        found.permissions().mode() & 0o777
    };
    let files = ["store.db", "store.db-wal", "audit.jsonl", "audit-checkpoints.jsonl", "copies/copy.db", "plan.json"];
    for file in files {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    assert_eq!(mode("copies"), 0o700);
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    std::fs::write(&workspace.config, text.replace("env:OKTA_TOKEN", "file:okta-token")).expect("writes");
    std::fs::write(folder.join("okta-token"), "00sandbox-token").expect("writes");
    let open = |mode| {
        let to = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.join("okta-token"), to).expect("changes");
        workspace.cli(&["check", "--offline"]).1.contains("every user of this machine can read the secret in")
    };
    assert!(open(0o644), "it is named");
    assert!(!open(0o640), "a group may");
}
