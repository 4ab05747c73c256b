//! What the documents promise is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
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

/// The rooms that a room may use, as the map in ARCHITECTURE.md says.
fn may_use() -> BTreeMap<String, BTreeSet<String>> {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("reads");
    let rooms = map.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let room = cells.next()?.strip_suffix('`')?.trim_end_matches('/');
        let named = cells.last()?.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((room.trim_end_matches(".rs").to_owned(), named))
    });
    rooms.collect()
}

/// The rooms that the code of each room uses, with one file that does; tests may use anything.
fn uses() -> BTreeMap<String, BTreeMap<String, PathBuf>> {
    let (mut files, folder) = (Vec::new(), root().join("src"));
    sources(&folder, &mut files);
    let mut used: BTreeMap<String, BTreeMap<String, PathBuf>> = BTreeMap::new();
    for file in files {
        let inside = file.strip_prefix(&folder).expect("below src").to_owned();
        let first = inside.iter().next().and_then(|part| part.to_str()).expect("a name");
        let room = first.trim_end_matches(".rs").to_owned();
        if ["lib", "main"].contains(&room.as_str()) || inside.to_string_lossy().ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("reads");
        let code = text.split("mod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for after in lines.flat_map(|line| line.split("crate::").skip(1)) {
            let other: String = after.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if other != room {
                used.entry(room.clone()).or_default().entry(other).or_insert_with(|| inside.clone());
            }
        }
    }
    used
}

#[test]
fn the_map_says_which_room_uses_which_and_there_is_no_circle() {
    let (allowed, used) = (may_use(), uses());
    assert!(allowed.len() > 15, "{allowed:?}");
    for room in allowed.keys() {
        let is_there = [room.clone(), format!("{room}.rs")].iter().any(|name| root().join("src").join(name).exists());
        assert!(is_there, "ARCHITECTURE.md names the room {room}, which is not there");
    }
    for (room, others) in &used {
        let allowed = allowed.get(room).unwrap_or_else(|| panic!("ARCHITECTURE.md does not name the room {room}"));
        for (other, file) in others {
            assert!(allowed.contains(other), "{} uses {other}; {room} may use {allowed:?}", file.display());
        }
    }
    for (room, others) in &allowed {
        for other in others {
            let needed = used.get(room).is_some_and(|used| used.contains_key(other));
            assert!(needed, "{room} does not use {other}: take it out of its row in ARCHITECTURE.md");
        }
    }
    // Whoever uses nothing that is left goes first; what remains uses itself in the end.
    let mut rest = allowed;
    while let Some(room) = rest.iter().find(|(_, others)| others.is_empty()).map(|(room, _)| room.clone()) {
        rest.remove(&room);
        rest.values_mut().for_each(|others| {
            others.remove(&room);
        });
    }
    assert!(rest.is_empty(), "rooms that use one another in a circle, or one that the map does not name: {rest:?}");
}

#[test]
fn every_file_of_tests_is_part_of_a_test_program() {
    let entries = std::fs::read_dir(root().join("tests")).expect("lists").map(|entry| entry.expect("an entry").path());
    let folders: Vec<PathBuf> = entries.collect();
    let names = |folder: &Path| std::fs::read_to_string(folder.join("main.rs")).unwrap_or_default();
    let all: String = folders.iter().map(|folder| names(folder)).collect();
    let mut seen = 0;
    for folder in folders {
        assert!(folder.is_dir(), "{} would be a program of its own: put it into one of the folders", folder.display());
        let named = if folder.ends_with("common") { all.clone() } else { names(&folder) };
        let mut files = Vec::new();
        sources(&folder, &mut files);
        for file in files.iter().filter(|file| !file.ends_with("main.rs")) {
            let module = format!("mod {};", file.file_stem().expect("a name").display());
            let is_named = named.lines().any(|line| line.trim().trim_start_matches("pub ") == module);
            assert!(is_named, "{} is compiled by nobody: name it in a main.rs", file.display());
            seen += 1;
        }
    }
    assert!(seen > 50);
}

#[test]
fn the_simulators_never_use_what_they_judge() {
    let mut files = Vec::new();
    sources(&root().join("src/sandbox"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("reads");
        for room in ["actors", "domain", "namely", "okta", "store", "config"] {
            assert!(!text.contains(&format!("crate::{room}")), "{} uses crate::{room}", file.display());
        }
    }
}

#[test]
fn the_pure_core_uses_nothing_of_ours_but_moments() {
    let mut files = Vec::new();
    sources(&root().join("src/domain"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("reads");
        for line in text.lines().filter(|line| line.contains("crate::") && !line.contains("pub(crate)")) {
            let allowed = ["crate::clock::Moment", "crate::domain"].iter().any(|ours| line.contains(ours));
            assert!(allowed, "{}: {line}", file.display());
        }
    }
}

#[test]
fn the_cores_of_the_actors_know_no_store_and_no_actor() {
    let (mut files, folder) = (Vec::new(), root().join("src/actors/core"));
    sources(&folder, &mut files);
    assert!(files.iter().any(|file| file.ends_with("run/leaver.rs")), "{files:?}");
    for file in files {
        let is_of_run = file.ends_with("run.rs") || file.parent().is_some_and(|folder| folder.ends_with("run"));
        let allowed: &[&str] = match is_of_run {
            true => &["crate::audit::details", "crate::clock::Moment", "crate::domain", "crate::okta::outcome"],
            false => &["crate::clock", "crate::domain", "crate::okta"],
        };
        let text = std::fs::read_to_string(&file).expect("reads");
        for line in text.lines().filter(|line| line.contains("crate::")) {
            assert!(allowed.iter().any(|ours| line.contains(ours)), "{}: {line}", file.display());
        }
    }
}

#[test]
fn whatever_runs_for_the_service_is_started_by_the_supervisor() {
    let (mut files, folder) = (Vec::new(), root().join("src/actors"));
    sources(&folder, &mut files);
    let starts = |text: &str| ["tokio::spawn", "actix::spawn", "spawn_local"].iter().any(|call| text.contains(call));
    let found = files.iter().filter(|file| starts(&std::fs::read_to_string(file).expect("reads")));
    let found: Vec<_> = found.map(|file| file.strip_prefix(&folder).expect("below").display().to_string()).collect();
    assert_eq!(found, ["wiring/supervisor.rs"], "a task of its own can die and nobody learns of it");
}

#[test]
fn what_becomes_of_work_is_written_in_one_file() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let writes = ["UPDATE work ", "INSERT INTO work ", "DELETE FROM work "];
    let is_test = |file: &Path| file.to_string_lossy().contains("tests.rs");
    let found: Vec<String> = files
        .iter()
        .filter(|file| !is_test(file))
        .filter(|file| {
            let text = std::fs::read_to_string(file).expect("reads");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            writes.iter().any(|write| code.contains(write))
        })
        .map(|file| file.strip_prefix(root()).expect("of this repository").display().to_string())
        // Into a file of its own.
        .filter(|name| !OUTSIDERS.iter().any(|outside| name.ends_with(outside)))
        .collect();
    assert_eq!(found, ["src/store/rows/work.rs"], "load the row, ask `domain::work::machine`, save the row");
}

/// The code of each file of `src` without its tests, by its path below `src`.
fn code_without_tests() -> BTreeMap<String, String> {
    let (mut files, folder) = (Vec::new(), root().join("src"));
    sources(&folder, &mut files);
    let named = files.iter().map(|file| {
        let text = std::fs::read_to_string(file).expect("reads");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        (file.strip_prefix(&folder).expect("below src").display().to_string(), code)
    });
    named.filter(|(name, _)| !name.ends_with("tests.rs")).collect()
}

/// The oracle asks the store itself.
const OUTSIDERS: [&str; 2] = ["sandbox/oracle.rs", "sandbox/oracle/copy.rs"];

#[test]
fn what_the_store_is_made_of_is_named_in_one_folder() {
    let named: Vec<String> =
        code_without_tests().into_iter().filter(|(_, code)| code.contains("rusqlite")).map(|(name, _)| name).collect();
    let outside = named.iter().filter(|name| !name.starts_with("store/engine/"));
    // The oracle reads the file as an outsider: it judges what the store says, and must not believe it.
    assert_eq!(outside.collect::<Vec<_>>(), OUTSIDERS, "ask through a `Tx`");
}

#[test]
fn statements_stand_with_the_rows_of_the_tables() {
    let words = ["SELECT ", "INSERT INTO ", "INSERT OR ", "DELETE FROM ", "UPDATE "];
    let asks = |code: &str| {
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.into_iter().any(|line| words.iter().any(|word| line.contains(word)))
    };
    let found: Vec<String> = code_without_tests()
        .into_iter()
        .filter(|(_, code)| asks(code))
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with("store/rows/") && !name.starts_with("store/engine/"))
        .collect();
    // The oracle asks as an outsider.
    assert_eq!(found, OUTSIDERS, "put a statement into the file of its table in store/rows");
}

#[test]
fn statements_are_in_words_that_every_engine_understands() {
    let only_sqlite = [
        "json_each",
        "json_tree",
        "json_extract",
        "->>",
        "INDEXED BY",
        "OR IGNORE",
        "OR REPLACE",
        "OR ABORT",
        "last_insert_rowid",
        "rowid",
        "IS NOT ?",
        "IS ?",
        "PRAGMA",
        "sqlite_",
        "strftime",
        "ifnull(",
        "iif(",
        "AS INTEGER",
        "GLOB",
        "group_concat",
        "instr(",
        "REPLACE INTO",
        "VACUUM",
    ];
    for (name, code) in code_without_tests() {
        let found: Vec<_> = only_sqlite.iter().filter(|word| code.contains(**word)).collect();
        let is_own_business = !name.starts_with("store/") || name.starts_with("store/engine/");
        assert!(
            is_own_business || found.is_empty(),
            "{name}: {found:?}; store/engine/words.rs has words for every engine"
        );
    }
}

/// Functions that a line of the document names, with the file that it says they are in: `name`, `name` in `file.rs`, or a row of a
/// table whose last column is the file.
fn named_functions(line: &str) -> Vec<(String, String)> {
    let mut names = Vec::new();
    let mut found = Vec::new();
    for quoted in line.split('`').skip(1).step_by(2) {
        match quoted.strip_suffix(".rs") {
            Some(_) => found.extend(names.drain(..).map(|name: String| (name, quoted.to_owned()))),
            None if quoted.chars().all(|c| c.is_ascii_lowercase() || c == '_') => names.push(quoted.to_owned()),
            None => {}
        }
    }
    found
}

#[test]
fn the_functions_that_the_document_follows_are_where_it_says() {
    let document = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("reads");
    let part = |title: &str| {
        let rest = document.split(&format!("## {title}\n")).nth(1).expect(title);
        rest.split("\n## ").next().unwrap_or_default().to_owned()
    };
    let (decisions, path) = (part("When each decision is made"), part("A leaver, from the page to the audit row"));
    let rows = |text: &str| text.lines().filter(|l| l.starts_with("| ")).map(str::to_owned).collect::<Vec<_>>();
    let files: BTreeSet<String> =
        rows(&path).iter().flat_map(|row| named_functions(row)).map(|(_, file)| file).collect();
    assert!(files.len() <= 14, "a leaver is followed through too many files: {files:?}");
    assert!(files.iter().filter(|file| file.starts_with("store/")).count() <= 5, "and of the store: {files:?}");
    let named: Vec<_> = [rows(&decisions), rows(&path)].concat().iter().flat_map(|row| named_functions(row)).collect();
    assert!(named.len() > 30, "{named:?}");
    for (function, file) in named {
        let source = std::fs::read_to_string(root().join("src").join(&file)).expect(&file);
        assert!(
            source.contains(&format!("fn {function}(")) || source.contains(&format!("fn {function}<")),
            "{file}: {function}"
        );
    }
}
