//! What the documents say, for tests that hold them to it.

use super::program::program;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Those that name commands.
pub const DOCUMENTS: [&str; 15] = [
    "README.md",
    "docs/guide.md",
    "docs/first-fortnight.md",
    "docs/matching.md",
    "docs/mapping.md",
    "docs/safeguards.md",
    "docs/terminations.md",
    "docs/questions.md",
    "docs/commands.md",
    "docs/privacy.md",
    "docs/limits.md",
    "docs/simulators.md",
    "docs/operations.md",
    "docs/release.md",
    "docs/runbook.md",
];

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// What `--help` says of a command; `None` if there is no such command.
pub fn help(command: &[&str], known: &mut BTreeMap<String, Option<String>>) -> Option<String> {
    let key = command.join(" ");
    let asked = known.entry(key).or_insert_with(|| {
        let output = program().args(command).arg("--help").output().expect("runs");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    });
    asked.clone()
}

/// The commands in code of a document: in spans and in blocks, with or without the program's name.
pub fn commands(text: &str) -> Vec<String> {
    let (mut found, mut in_block) = (Vec::new(), false);
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.extend(line.split_once("namely-okta-sync ").map(|(_, command)| command.to_owned()));
        } else {
            found.extend(
                line.split('`').skip(1).step_by(2).map(|code| code.trim_start_matches("namely-okta-sync ").to_owned()),
            );
        }
    }
    found
}
