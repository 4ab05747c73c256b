//! What contributors, reviewers and those who attack it in thought read is true: rows, names of tests, paths, versions.

use crate::common::documents::{read, root};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The cells of the rows of every table of a document, headings left out.
fn rows(document: &str) -> Vec<Vec<String>> {
    let text = read(document);
    let lines: Vec<&str> = text.lines().collect();
    let is_row = |line: &str| line.starts_with('|') && !line.starts_with("|--") && !line.starts_with("| --");
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    let heads = |n: usize| lines.get(n + 1).is_some_and(|next| next.starts_with("|--"));
    (0..lines.len()).filter(|n| is_row(lines[*n]) && !heads(*n)).map(|n| cells(lines[n])).collect()
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("lists") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
            false => {}
        }
    }
}

/// Everything that is marked as a test, by its name alone.
fn tests() -> BTreeSet<String> {
    let (mut files, mut names) = (Vec::new(), BTreeSet::new());
    sources(&root().join("src"), &mut files);
    sources(&root().join("tests"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("reads");
        let mut is_marked = false;
        for line in text.lines().map(str::trim_start) {
            let signature = line.trim_start_matches("pub ").trim_start_matches("async ");
            if line.starts_with("#[") && line.contains("test") && !line.contains("cfg") {
                is_marked = true;
            } else if let Some(rest) = signature.strip_prefix("fn ") {
                let name = rest.split(['(', '<']).next().unwrap_or_default().to_owned();
                if std::mem::take(&mut is_marked) {
                    names.insert(name);
                }
            }
        }
    }
    assert!(names.len() > 700, "{}", names.len());
    names
}

/// The packages that are named in Cargo.toml, with what their manifests say of the licence.
fn direct_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let args = ["metadata", "--format-version=1", "--locked", "--offline", "--all-features"];
    let filter = ["--filter-platform", "x86_64-unknown-linux-gnu"];
    let output = Command::new(env!("CARGO")).args(args).args(filter).current_dir(root()).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let own = packages.iter().find(|package| package["name"] == "namely-okta-sync").expect("this package");
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for dependency in own["dependencies"].as_array().expect("a list") {
        let name = dependency["name"].as_str().expect("a name");
        let licences = packages.iter().filter(|package| package["name"] == name);
        let licences = licences.filter_map(|package| package["license"].as_str()).map(|said| said.replace('/', " OR "));
        found.entry(name.to_owned()).or_default().extend(licences);
    }
    found
}

#[test]
fn every_direct_dependency_says_why_it_is_here_and_no_row_is_left_over() {
    let dependencies = direct_dependencies();
    let mut listed = BTreeSet::new();
    for row in rows("docs/dependencies.md") {
        for name in quoted(&row[0]) {
            let licences = dependencies.get(&name).unwrap_or_else(|| panic!("{name} is no dependency any more"));
            assert_eq!(row.len(), 5, "{name}: what for, who keeps it, the licence, and why nothing else");
            assert!(row.iter().all(|cell| !cell.is_empty()), "{name}: {row:?}");
            assert!(licences.contains(&row[3]), "{name} is under {licences:?}, not {:?}", row[3]);
            assert!(listed.insert(name.clone()), "{name} has two rows");
        }
    }
    let named: BTreeSet<String> = dependencies.keys().cloned().collect();
    let missing: Vec<_> = named.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/dependencies.md does not say why these are here: {missing:?}");
}

#[test]
fn every_control_of_the_threat_model_names_tests_that_exist() {
    let tests = tests();
    let mut checked = 0;
    let controls: Vec<_> = rows("SECURITY.md").into_iter().filter(|row| row.len() == 4).collect();
    for row in &controls {
        let named = quoted(&row[3]);
        assert!(!named.is_empty(), "no test shows this: {}", row[2]);
        for name in named {
            assert!(tests.contains(&name), "SECURITY.md: there is no test {name:?}");
            checked += 1;
        }
    }
    assert!(controls.len() > 20 && checked > 40, "{} controls, {checked} tests", controls.len());
}

/// The rows of the table of features in the comparison, and how many sources are numbered below it.
fn features() -> (Vec<Vec<String>>, usize) {
    let text = read("docs/comparison.md");
    let features = text.split("\n## Features\n").nth(1).expect("the section");
    let (table, sources) = features.split_once("\n### Sources\n").expect("its sources");
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2).map(cells).collect();
    let numbers: Vec<usize> = sources.lines().filter_map(|line| line.split_once(". ")?.0.parse().ok()).collect();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "sources are numbered in order");
    assert_eq!(sources.matches("<https://").count(), numbers.len(), "a source is a public address");
    assert!(sources.contains("Read on 20"), "it is not said when they were read");
    (rows, numbers.len())
}

#[test]
fn our_column_of_the_comparison_names_tests_that_exist_and_every_other_cell_a_source() {
    let (tests, (rows, sources)) = (tests(), features());
    assert!(rows.len() > 10, "{} rows", rows.len());
    for row in &rows {
        let [what, ours, others @ ..] = row.as_slice() else { panic!("{row:?}") };
        assert_eq!(others.len(), 4, "{what}: a cell for each column");
        assert!(!quoted(ours).is_empty(), "{what}: no test shows it");
        for name in quoted(ours) {
            assert!(tests.contains(&name), "docs/comparison.md: there is no test {name:?}");
        }
        for cell in others.iter().filter(|cell| !cell.is_empty()) {
            let said: Vec<usize> =
                cell.split('[').skip(1).filter_map(|rest| rest.split(']').next()?.parse().ok()).collect();
            assert!(!said.is_empty(), "{what}: no source says {cell:?}");
            assert!(said.iter().all(|number| (1..=sources).contains(number)), "{what}: no such source: {cell:?}");
        }
    }
}

#[test]
fn every_decision_is_in_the_index_and_says_what_was_rejected_and_measured() {
    let index = read("docs/adr/README.md");
    let files = std::fs::read_dir(root().join("docs/adr")).expect("lists").map(|entry| entry.expect("an entry"));
    let mut names: Vec<String> = files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "README.md");
    names.sort();
    assert!(names.len() >= 12, "{names:?}");
    let tests = tests();
    for (n, name) in names.iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}-", n + 1)), "{name} is not number {}", n + 1);
        let text = read(&format!("docs/adr/{name}"));
        let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
        assert!(index.contains(&format!("[{title}]({name})")), "docs/adr/README.md does not list {title:?} ({name})");
        for part in ["## Context", "## Decision", "## Rejected", "## Measured", "## Shown by"] {
            assert!(text.contains(part), "{name} has no part {part:?}");
        }
        let shown = text.split("## Shown by").nth(1).unwrap_or_default();
        assert!(!quoted(shown).is_empty(), "{name}: no test shows it");
        for test in quoted(shown) {
            assert!(tests.contains(&test), "{name}: there is no test {test:?}");
        }
    }
}

#[test]
fn the_image_is_built_by_a_compiler_that_is_new_enough() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let least = manifest["package"]["rust-version"].as_str().expect("a version");
    assert!(read("deploy/docker/Dockerfile").contains(&format!("FROM rust:{least}")), "it is not {least}");
    assert!(read("rust-toolchain.toml").contains("channel = \"stable\""), "a clone would fetch a compiler, or fail");
}

#[test]
fn what_contributors_are_told_to_open_and_to_run_is_there() {
    let mut checked = 0;
    for document in ["CONTRIBUTING.md", "STYLE.md", "SECURITY.md", "docs/dependencies.md", "justfile"] {
        let text = read(document);
        let words: Vec<String> = match document {
            "justfile" => text.split_whitespace().map(str::to_owned).collect(),
            _ => quoted(&text).iter().flat_map(|code| code.split_whitespace()).map(str::to_owned).collect(),
        };
        for word in words {
            let word = word.trim_end_matches([',', ';', '.', ':']).trim_end_matches('/');
            let is_path = ["src/", "tests/", "docs/", "config/", "deploy/", "grafana/", ".ci/", "benches/", ".github/"]
                .iter()
                .any(|folder| word.starts_with(folder));
            if is_path && !word.contains(['*', '…', '{', '<']) && !word.contains("NAME") {
                assert!(root().join(word).exists(), "{document} names {word}, which is not there");
                checked += 1;
            }
        }
    }
    assert!(checked > 30, "only {checked} paths were found");
    let recipes = read("justfile");
    let asked: BTreeSet<String> = ["CONTRIBUTING.md", ".github/pull_request_template.md"]
        .iter()
        .flat_map(|document| quoted(&read(document)))
        .filter_map(|code| code.strip_prefix("just ").and_then(|rest| rest.split(' ').next()).map(str::to_owned))
        .collect();
    for recipe in asked {
        let is_there = recipes.lines().any(|line| line.split([' ', ':']).next() == Some(&recipe));
        assert!(is_there, "there is no recipe {recipe:?} in the justfile");
    }
}
