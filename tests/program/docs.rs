//! What the documents promise is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("lists") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_wire_fact_that_the_code_cites_has_a_public_source() {
    let facts = std::fs::read_to_string(root().join("docs/wire-facts.md")).expect("reads");
    let rows: Vec<&str> =
        facts.lines().filter(|line| line.starts_with("| okta-api") || line.starts_with("| namely-api")).collect();
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut cited = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("reads");
        for side in ["okta-api.md §", "namely-api.md §"] {
            for after in text.split(side).skip(1) {
                let number: String = after.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
                cited.insert((side.trim_end_matches(" §"), number.trim_end_matches('.').to_owned()));
            }
        }
    }
    assert!(cited.len() > 15);
    for (side, number) in cited {
        let has = |row: &&&str| {
            row.starts_with(&format!("| {side}")) && row.split(['§', ',', ' ', '|']).any(|part| part == number)
        };
        assert!(rows.iter().any(|row| has(&row)), "{side} §{number} has no row in docs/wire-facts.md");
    }
}

#[test]
fn the_map_names_only_rooms_that_exist() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("reads");
    let rooms =
        map.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("/`").map(|(room, _)| room.to_owned()));
    let rooms: Vec<String> = rooms.collect();
    assert!(rooms.len() > 8);
    for room in rooms {
        assert!(root().join("src").join(&room).is_dir(), "{room}");
    }
}

#[test]
fn the_simulators_never_use_what_they_judge() {
    let mut files = Vec::new();
    sources(&root().join("src/sandbox"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("reads");
        for room in ["pipeline", "identity", "namely", "okta", "store", "config"] {
            assert!(!text.contains(&format!("crate::{room}")), "{} uses crate::{room}", file.display());
        }
    }
}

#[test]
fn the_pure_core_uses_nothing_of_ours_but_moments() {
    let mut files = Vec::new();
    sources(&root().join("src/identity"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("reads");
        for line in text.lines().filter(|line| line.contains("crate::") && !line.contains("pub(crate)")) {
            let allowed = ["crate::clock::Moment", "crate::identity"].iter().any(|ours| line.contains(ours));
            assert!(allowed, "{}: {line}", file.display());
        }
    }
}
