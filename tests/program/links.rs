//! The documents as a reader follows them: links lead somewhere, the index has every page, and the front page stays short.

use crate::common::documents::{DOCUMENTS, read, root};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The front page is read in two minutes.
const WORDS_OF_THE_README: usize = 900;
/// Folders without documents of ours.
const OTHERS: [&str; 3] = ["target", ".git", "var"];

fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("lists") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !OTHERS.contains(&name) {
            documents(&path, found);
        } else if path.is_file() && path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The text of a document without blocks of code.
fn prose(text: &str) -> String {
    let mut in_block = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        !in_block && !is_fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the links of a document lead; what stands in spans of code is none.
fn links(text: &str) -> Vec<String> {
    let plain: String = prose(text).split('`').step_by(2).collect::<Vec<_>>().join("code");
    plain.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

/// What a heading can be linked by.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    let slug = |heading: String| -> String {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || ['-', '_', ' '].contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.into_iter().map(slug).collect()
}

#[test]
fn every_link_of_the_documents_leads_to_a_page_and_a_heading_that_are_there() {
    let mut all = Vec::new();
    documents(&root(), &mut all);
    let (mut wrong, mut followed) = (Vec::new(), 0);
    for document in all {
        let text = std::fs::read_to_string(&document).expect("reads");
        for link in links(&text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let to = if path.is_empty() { document.clone() } else { document.with_file_name("").join(path) };
            let is_there = to.exists()
                && (anchor.is_empty()
                    || to.extension().is_none_or(|extension| extension != "md")
                    || anchors(&std::fs::read_to_string(&to).expect("reads")).contains(anchor));
            if !is_there {
                wrong.push(format!("{}: {link}", document.strip_prefix(root()).unwrap_or(&document).display()));
            }
            followed += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(followed > 60, "only {followed} links were followed");
}

#[test]
fn the_index_leads_to_every_page_and_every_page_that_names_commands_is_carried_out() {
    let index: BTreeSet<String> = links(&read("docs/SUMMARY.md")).into_iter().collect();
    let (folder, mut pages) = (root().join("docs"), Vec::new());
    documents(&folder, &mut pages);
    for page in pages.iter().filter(|page| !page.ends_with("SUMMARY.md")) {
        let name = page.strip_prefix(&folder).expect("in docs").display().to_string();
        assert!(index.contains(&name), "docs/SUMMARY.md does not lead to {name}");
        let is_carried_out = DOCUMENTS.contains(&format!("docs/{name}").as_str());
        assert!(is_carried_out || !read(&format!("docs/{name}")).contains("--config"), "{name} is not in DOCUMENTS");
    }
}

#[test]
fn the_readme_is_read_in_two_minutes_and_names_the_test_command_that_ci_calls() {
    let readme = read("README.md");
    let words = prose(&readme).split_whitespace().count();
    assert!(words < WORDS_OF_THE_README, "{words} words: move what is not for everybody into docs/");
    let ci = read(".ci/run");
    let called = ci.trim_end().lines().last().expect("a command");
    assert!(called.starts_with("cargo test"), "{called}");
    assert!(readme.lines().any(|line| line == called), "the README does not name {called:?}");
}
