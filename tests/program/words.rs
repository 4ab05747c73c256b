//! One word for each idea: words that were given up come back nowhere where a program or an operator would meet them.

use proc_macro2::{TokenStream, TokenTree};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Words that were given up. What is called how instead is in CHANGELOG.md.
const DEAD: &[&str] = &[
    "aside",
    "board",
    "class",
    "classes",
    "companies",
    "company",
    "counter",
    "counters",
    "court",
    "desk",
    "ghost",
    "ghosts",
    "human",
    "humans",
    "judge",
    "judged",
    "judgement",
    "lane",
    "lanes",
    "look",
    "looked",
    "looks",
    "matter",
    "matters",
    "rank",
    "ranked",
    "ranks",
    "reread",
    "resident",
    "residents",
    "somebody",
    "standing",
    "subject",
    "subjects",
    "tale",
    "tell",
    "teller",
    "tells",
    "told",
    "way",
    "ways",
    "whoever",
    "wish",
    "wishes",
];

/// Words of the wires and of the tools that we speak to: Namely's fields, Okta's, Prometheus' types, a mail's header.
const OF_OTHERS: &[&str] = &[
    "office_company_mobile",
    "company_info",
    "IntCounter",
    "IntCounterVec",
    "counter_vec",
    "looked_up",
    "is_counter",
    "get_counter",
];

/// Where a file may say a dead word, and why.
fn may_say(file: &str, word: &str) -> bool {
    match file {
        // Words of rows and documents that were stored before, which are read for ever.
        "src/audit/words.rs"
        | "src/audit/event.rs"
        | "src/audit/details.rs"
        | "src/domain/plan/step.rs"
        | "src/domain/guard/preview.rs"
        | "src/store/requests.rs" => true,
        // What an old configuration says.
        "src/config/former.rs" => true,
        // The header of a mail.
        "src/notify/mod.rs" | "src/notify/channel.rs" | "src/notify/sign_in.rs" | "src/actors/notifier.rs" => {
            word == "subject"
        }
        _ => false,
    }
}

fn dead(word: &str) -> bool {
    !OF_OTHERS.contains(&word) && parts(word).iter().any(|part| DEAD.contains(&part.as_str()))
}

/// The words that an identifier is made of, in lower case.
fn parts(identifier: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut before = '_';
    for c in identifier.chars() {
        if c == '_' {
            before = c;
            continue;
        }
        if before == '_' || (c.is_uppercase() && !before.is_uppercase()) {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.extend(c.to_lowercase());
        }
        before = c;
    }
    parts
}

fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).expect("lists").map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("inside").to_string_lossy().replace('\\', "/");
            found.push((name, std::fs::read_to_string(&path).expect("reads")));
        }
    }
    found
}

/// Every identifier and every text of a source.
fn tokens(stream: TokenStream, identifiers: &mut BTreeSet<String>, texts: &mut BTreeSet<String>) {
    for token in stream {
        match token {
            TokenTree::Group(group) => tokens(group.stream(), identifiers, texts),
            TokenTree::Ident(identifier) => {
                identifiers.insert(identifier.to_string());
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if let Some(text) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                    texts.insert(text.to_owned());
                }
            }
            TokenTree::Punct(_) => {}
        }
    }
}

/// Names of tests are sentences: they are read, not typed.
fn is_sentence(identifier: &str) -> bool {
    identifier.matches('_').count() >= 4
}

/// Neither a simulator, which speaks as others do, nor a test.
fn is_of_the_program(file: &str) -> bool {
    !file.starts_with("src/sandbox/") && !file.ends_with("tests.rs")
}

#[test]
fn no_identifier_is_made_of_a_word_that_was_given_up() {
    let mut wrong = Vec::new();
    for (file, source) in sources(&["src", "tests", "benches"]) {
        let (mut identifiers, mut texts) = Default::default();
        tokens(TokenStream::from_str(&source).expect("Rust"), &mut identifiers, &mut texts);
        let bad = identifiers.into_iter().filter(|word| !is_sentence(word) && dead(word) && !may_say(&file, word));
        wrong.extend(bad.map(|word| format!("{file}: {word}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_key_value_label_or_column_of_output_is_a_word_that_was_given_up() {
    let mut wrong = Vec::new();
    for (file, source) in sources(&["src"]).into_iter().filter(|(file, _)| is_of_the_program(file)) {
        let (mut identifiers, mut texts) = Default::default();
        tokens(TokenStream::from_str(&source).expect("Rust"), &mut identifiers, &mut texts);
        // A single word of a message is prose.
        let is_word = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_') && text != "somebody";
        let bad = texts.into_iter().filter(|text| is_word(text) && dead(text) && !may_say(&file, text));
        wrong.extend(bad.map(|text| format!("{file}: {text:?}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_key_of_the_configuration_is_a_word_that_was_given_up() {
    fn keys(schema: &Value, found: &mut BTreeSet<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            found.extend(properties.keys().cloned());
        }
        match schema {
            Value::Object(fields) => fields.values().for_each(|value| keys(value, found)),
            Value::Array(items) => items.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }
    let schema: Value = serde_json::from_str(include_str!("../../config/schema.json")).expect("JSON");
    let mut found = BTreeSet::new();
    keys(&schema, &mut found);
    assert!(found.contains("runs") && found.len() > 50, "the keys were found: {found:?}");
    let wrong: Vec<&String> = found.iter().filter(|key| dead(key)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
