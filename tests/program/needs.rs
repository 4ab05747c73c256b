//! Nothing needs what it does not need: looking, stopping, proving and bringing back work without secrets, beside a file with
//! mistakes, from any folder, and with nobody who reads to the end.

use crate::common::program::program;
use crate::common::workspace::Workspace;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// The program, without any secret.
fn without_secrets() -> Command {
    let mut command = program();
    command.env_remove("NAMELY_TOKEN").env_remove("OKTA_TOKEN");
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn ran(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("runs");
    (output.status.code(), said(&output))
}

fn mistake(path: &Path) {
    let text = std::fs::read_to_string(path).expect("reads") + "\n[mappings]\nnonsense = 1\n";
    std::fs::write(path, text).expect("writes");
}

#[test]
fn looking_deciding_proving_and_bringing_back_need_no_secret() {
    let workspace = Workspace::new(6);
    let service = workspace.settled();
    let file = |name: &str| workspace.folder.path().join(name).display().to_string();
    let (copy, pack) = (file("copy.db"), file("pack"));
    for args in [
        &["status"][..],
        &["attention"],
        &["starters"],
        &["plan", "--everybody"],
        &["holds", "list"],
        &["reconcile"],
        &["config", "explain", "okta.budget"],
        &["audit", "list"],
        &["audit", "verify"],
        &["evidence", "--from", "1d", "-o", &pack],
        &["pause", "--why", "night", "--by", "ann"],
        &["resume", "--by", "ann"],
        &["backup", "-o", &copy],
    ] {
        let (code, said) = ran(without_secrets().args(args).arg("--config").arg(&workspace.config));
        assert!(matches!(code, Some(0..=3)) && !said.contains("_TOKEN"), "{args:?} {code:?}: {said}");
    }
    drop(service);
    let restored = ran(without_secrets().args(["restore", &copy, "--config"]).arg(&workspace.config));
    assert!(restored.0 == Some(0) && restored.1.contains("is the copy now"), "{restored:?}");
}

#[test]
fn a_file_with_mistakes_keeps_nobody_from_stopping_the_service() {
    let workspace = Workspace::new(6);
    let _service = workspace.settled();
    mistake(&workspace.config);
    let cli = |args: &[&str]| ran(without_secrets().args(args).arg("--config").arg(&workspace.config));
    let (code, said) = cli(&["pause", "--why", "night", "--by", "ann"]);
    assert!(code == Some(0) && said.contains("pause 1") && said.contains("mappings"), "{said}");
    let (code, said) = cli(&["pause", "--list"]);
    assert!(code == Some(0) && said.contains("night"), "{said}");
    for args in [&["holds", "list"][..], &["quarantine", "list"], &["audit", "verify"], &["resume", "--by", "ann"]] {
        let (code, said) = cli(args);
        assert!(matches!(code, Some(0 | 3)) && said.contains("not sound"), "{args:?} {code:?}: {said}");
    }
    let (code, said) = cli(&["plan"]);
    assert!(code == Some(1) && said.contains("mappings is not a key"), "what decides needs the rules: {said}");
    let (code, said) = cli(&["status"]);
    assert!(code == Some(2) && said.contains("needs a sound configuration"), "{said}");
}

#[test]
fn paths_begin_at_the_file_and_a_store_where_they_began_before_is_not_overlooked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (here, there) = (folder.path().join("here"), folder.path().join("etc"));
    for folder in [&here, &there] {
        std::fs::create_dir(folder).expect("makes");
    }
    let config = there.join("acme.toml");
    let text = include_str!("../../config/examples/one-company.toml").replace("var/namely-okta-sync.db", "s.db");
    std::fs::write(&config, text).expect("writes");
    let status = || ran(without_secrets().current_dir(&here).args(["status", "--config"]).arg(&config));
    let (code, said) = status();
    assert!(code == Some(2) && said.contains(&format!("{}", there.join("s.db").display())), "{said}");
    std::fs::write(here.join("s.db"), "").expect("writes");
    let (code, said) = status();
    assert!(code == Some(2) && said.contains("relative to this file") && said.contains("move it"), "{said}");
}

#[test]
fn a_first_configuration_is_written_and_found_by_every_command_in_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = |args: &[&str]| ran(program().current_dir(folder.path()).args(args).env("HOME", folder.path()));
    let (code, said) = here(&["check", "--offline"]);
    assert!(code == Some(64) && said.contains("say which configuration") && said.contains("`init`"), "{said}");
    let (code, said) = here(&[
        "init",
        "--namely",
        "https://blue.namely.com/",
        "--okta",
        "https://blue.okta.com",
        "--time-zone",
        "Europe/Berlin",
    ]);
    assert!(code == Some(0) && said.contains("check ") && said.contains("adopt"), "{said}");
    let path = folder.path().join("namely-okta-sync.toml");
    let text = std::fs::read_to_string(&path).expect("reads");
    assert!(text.contains("https://blue.namely.com/api/v1") && text.contains("Europe/Berlin"), "{text}");
    assert_eq!(std::fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o600);
    assert!(!text.contains("one folder up"), "what it names is not beside it: {text}");
    let mut without_tokens = program();
    without_tokens.current_dir(folder.path()).args(["check", "--offline"]).env("HOME", folder.path());
    without_tokens.env_remove("NAMELY_TOKEN").env_remove("OKTA_TOKEN");
    let (code, said) = ran(&mut without_tokens);
    assert!(code == Some(0) && said.contains("namely-okta-sync.toml is sound"), "{said}");
    let (code, said) = here(&["init"]);
    assert!(code == Some(1) && said.contains("never written over"), "{said}");
    let (code, said) = here(&["init", "other.toml", "--okta", "http://okta.example.com"]);
    assert!(code == Some(64) && said.contains("--okta"), "{said}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("a mode");
    let (code, said) = here(&["status"]);
    assert!(code == Some(64) || said.contains("can be written by others"), "{said}");
}

#[test]
fn whoever_stops_reading_ends_a_command_quietly() {
    let shell = |script: &str| {
        let program = env!("CARGO_BIN_EXE_namely-okta-sync");
        let mut bash = Command::new("bash");
        bash.args(["-c", script, "bash", program]).output().expect("runs")
    };
    for command in ["config schema", "completions bash", "config explain okta", "--help"] {
        let output = shell(&format!("trap '' PIPE; \"$1\" {command} | true; echo ${{PIPESTATUS[0]}}"));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.is_empty(), "{command}: {text}");
    }
}

#[test]
fn the_help_lists_every_command_once_by_what_a_person_wants() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = ran(program().arg("man").arg(folder.path()));
    assert_eq!(made.0, Some(0), "{}", made.1);
    let files = std::fs::read_dir(folder.path()).expect("reads").map(|file| file.expect("a file").file_name());
    let whole: Vec<String> = files.map(|name| name.to_string_lossy().trim_end_matches(".1").to_owned()).collect();
    let is_below =
        |name: &String| whole.iter().any(|other| name.starts_with(&format!("{other}-")) && other != "namely-okta-sync");
    let commands = whole.iter().filter(|name| *name != "namely-okta-sync" && !is_below(name));
    let commands: Vec<&str> = commands.filter_map(|name| name.strip_prefix("namely-okta-sync-")).collect();
    let (_, help) = ran(program().arg("--help"));
    for command in commands.iter().filter(|command| **command != "help") {
        let lines = help.lines().filter(|line| line.starts_with(&format!("  {command} ")));
        assert_eq!(lines.count(), 1, "{command}: {help}");
    }
    assert!(commands.len() > 25 && help.contains("Exit codes") && help.contains("Examples"), "{commands:?}");
}
