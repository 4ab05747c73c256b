//! Everything that reads what others write, one function each: what the fuzz targets in `fuzz/` call, and what replays their
//! corpus among the ordinary tests.
//!
//! **Invariant:** whatever the bytes, a parser ends: with a value, or with an error for a person. What it keeps can be stored and
//! read again as it was, and leads to no other server.

use crate::admin::saved::SavedPlan;
use crate::audit::{Row, StoredRow, Verifier};
use crate::clock::Moment;
use crate::config::{Config, read_table};
use crate::domain::account::group_rule::{OktaRule, Prospect, RuledAccount, foretell};
use crate::domain::mapping::expr::Engine;
use crate::domain::mapping::view::Reads;
use crate::domain::{Account, Employee};
use crate::http::{address, links};
use crate::namely::catalogue::{Catalogue, GroupTypes};
use crate::namely::wire::{ProfilesPage, Reader};
use crate::okta::outcome::{Answered, Outcome, Reply, classify};
use crate::okta::wire::{AppObject, AppUser, GroupObject, GroupRule, LinkedObject, RoleObject, User};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// A parser under the name of its corpus.
pub type Parser = (&'static str, fn(&[u8]));

/// All of them.
pub const PARSERS: [Parser; 13] = [
    ("namely_page", namely_page),
    ("namely_catalogue", namely_catalogue),
    ("okta_users", okta_users),
    ("okta_objects", okta_objects),
    ("okta_answer", okta_answer),
    ("okta_headers", okta_headers),
    ("group_rule", group_rule),
    ("configuration", configuration),
    ("expression", expression),
    ("table", table),
    ("saved_plan", saved_plan),
    ("audit_row", audit_row),
    ("address", web_address),
];

/// Passes `bytes` to the parser of this name.
///
/// # Panics
/// If there is none, and where a parser does not hold what it promises.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, parser) = PARSERS.iter().find(|(known, _)| *known == name).expect("a parser of this name");
    parser(bytes);
}

/// What is kept in the store is read from it as it was.
fn is_kept<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let text = serde_json::to_string(value).expect("what was read can be stored");
    assert_eq!(&serde_json::from_str::<T>(&text).expect("what was stored can be read"), value);
}

fn namely_page(bytes: &[u8]) {
    let Ok(page) = ProfilesPage::read(bytes) else { return };
    let reads = Reads { custom: BTreeSet::from(["t_shirt".to_owned(), "level".to_owned()]), ..Reads::default() };
    let (reader, catalogue) = (Reader::new(&reads), Catalogue::default());
    for profile in &page.profiles {
        if let Ok(employee) = reader.read(profile, &catalogue) {
            is_kept::<Employee>(&employee);
        }
    }
}

fn namely_catalogue(bytes: &[u8]) {
    if let Ok(answer) = serde_json::from_slice::<Value>(bytes) {
        let _ = Catalogue::read(&answer, &answer, &answer, &GroupTypes::default());
    }
}

fn okta_users(bytes: &[u8]) {
    let mapped = BTreeSet::from(["firstName".to_owned(), "department".to_owned(), "level".to_owned()]);
    let users = serde_json::from_slice::<Vec<User>>(bytes);
    for user in users.unwrap_or_else(|_| serde_json::from_slice::<User>(bytes).into_iter().collect()) {
        is_kept::<Account>(&user.account("namelyId", &mapped));
    }
}

fn okta_objects(bytes: &[u8]) {
    let _ = serde_json::from_slice::<Vec<GroupObject>>(bytes).map(|groups| {
        groups.into_iter().for_each(|group| {
            let _ = crate::domain::Group::from(group);
        });
    });
    let _ = serde_json::from_slice::<Vec<AppObject>>(bytes);
    let _ = serde_json::from_slice::<Vec<AppUser>>(bytes);
    let _ = serde_json::from_slice::<Vec<RoleObject>>(bytes);
    let _ = serde_json::from_slice::<Vec<LinkedObject>>(bytes);
}

/// The first two bytes are the status.
fn okta_answer(bytes: &[u8]) {
    let Some((status, body)) = bytes.split_first_chunk::<2>() else { return };
    let status = u16::from_be_bytes(*status);
    let reply = Reply::Answered(Answered { status, body: body.to_vec(), ..Answered::default() });
    for write in [false, true] {
        match classify(&reply, write) {
            Outcome::Applied => assert!((200..300).contains(&status), "{status} is no success"),
            outcome => assert!(outcome.why().is_none_or(|why| why.len() < 4096), "a reason is a sentence"),
        }
    }
}

/// Lines of `name: value`, an empty line, a body.
fn okta_headers(bytes: &[u8]) {
    let asked = Url::parse("https://acme.okta.com/api/v1/users?limit=200").expect("a URL");
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = (&bytes[..end], bytes.get(end + 2..).unwrap_or_default());
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(50) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    for next in [links::next_target(&headers, &asked), links::next_in_body(body, &asked)] {
        if let Ok(Some(target)) = next {
            let url = asked.join(&target).expect("a target on the same server");
            assert!(address::is_same_origin(&url, &asked) && url.path() == asked.path(), "{target} leads elsewhere");
        }
    }
    let _ = crate::okta::client::rate_headers(&headers);
}

fn group_rule(bytes: &[u8]) {
    let rule = match serde_json::from_slice::<GroupRule>(bytes) {
        Ok(rule) => OktaRule::from(rule),
        // An expression alone.
        Err(_) => {
            OktaRule { active: true, expression: String::from_utf8_lossy(bytes).into_owned(), ..OktaRule::default() }
        }
    };
    let of = |department: &str| [("department".to_owned(), Value::from(department))].into();
    let (before, after, groups) = (of("Sales"), of("Legal"), BTreeSet::new());
    let account = |attributes| RuledAccount { attributes, groups: &groups, knows: &|name| name.len() % 2 == 0 };
    let (before, after) = (Some(account(&before)), account(&after));
    let prospect = Prospect { user: Some("00u1"), before, after, status_moves: true };
    let _ = foretell(std::slice::from_ref(&rule), &prospect);
    is_kept(&rule);
}

fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(problems) =
        Config::parse(Path::new("config.toml"), text, &|_| Some("a-secret-of-32-characters-at-least".into()))
    {
        let lines = text.split('\n').count();
        for problem in &problems.0 {
            assert!(
                (1..=lines).contains(&problem.line) && problem.column > 0,
                "{problem} stands in none of {lines} lines"
            );
        }
        assert!(!problems.0.is_empty(), "what is refused has a reason");
    }
}

fn expression(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    let engine = Engine::default();
    if let Ok(compiled) = engine.compile(source) {
        let _ = engine.kinds(&compiled);
    }
}

/// The first byte says in which notation.
fn table(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let _ = read_table(Path::new(if *first == b't' { "table.toml" } else { "table.csv" }), text);
}

fn saved_plan(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(plan) = SavedPlan::parse(Path::new("plan.json"), text) {
        let _ = plan.check(Moment::from_secs(0));
    }
}

/// A stored row: whatever it says, it can be described and is kept.
fn audit_row(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(row) = Row::read(text) {
        assert!(!row.describe().is_empty() || row.event.kind().is_empty(), "what happened is said");
    }
    let mut verifier = Verifier::new(None, &[]);
    verifier.row(&StoredRow { seq: 1, text, hash: bytes });
}

fn web_address(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for shape in [address::Shape::Origin, address::Shape::Base, address::Shape::Endpoint] {
        if let Ok(url) = address::read(text, shape) {
            assert!(url.scheme() == "https" || address::is_loopback(&url), "{url} can be listened to");
            assert!(!address::has_credentials(&url), "{url} carries a secret");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::path::PathBuf;

    fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
        files.sort();
        files.into_iter().map(|file| (file.clone(), std::fs::read(&file).expect("reads"))).collect()
    }

    /// Cut, repeated, overwritten or with a piece of another input in it.
    fn changed(random: &mut ChaCha8Rng, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        const TELLING: [&[u8]; 12] =
            [b"\"", b"{", b"}", b"[", b"]", b"\\", b"\0", b"\n", b"\xff", b"null", b"-1", b"99999999999999999999"];
        let mut bytes = bytes.to_vec();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..=bytes.len());
            let end = random.random_range(at..=bytes.len().min(at + 40));
            match random.random_range(0..5) {
                0 => bytes.truncate(at),
                1 => drop(bytes.splice(at..end, [])),
                2 => drop(bytes.splice(at..at, bytes[at..end].repeat(3))),
                3 => {
                    let from = random.random_range(0..=other.len());
                    let to = random.random_range(from..=other.len().min(from + 60));
                    drop(bytes.splice(at..end, other[from..to].to_vec()));
                }
                _ => drop(bytes.splice(at..end, TELLING[random.random_range(0..TELLING.len())].to_vec())),
            }
        }
        bytes
    }

    #[test]
    fn every_parser_ends_with_a_value_or_a_reason_on_its_corpus_and_on_what_is_near_it() {
        for (name, parser) in PARSERS {
            let corpus = corpus(name);
            assert!(!corpus.is_empty(), "{name} has no corpus");
            let mut random = ChaCha8Rng::seed_from_u64(1);
            for (file, bytes) in &corpus {
                let read = |bytes: &[u8]| {
                    let ended = std::panic::catch_unwind(|| parser(bytes));
                    assert!(ended.is_ok(), "{name}, from {}: {:?}", file.display(), String::from_utf8_lossy(bytes));
                };
                read(bytes);
                // The longer, the fewer: all of them together take as long as the short ones.
                for _ in 0..(20_000 / (bytes.len() + 1)).clamp(4, 200) {
                    let (_, other) = &corpus[random.random_range(0..corpus.len())];
                    read(&changed(&mut random, bytes, other));
                }
            }
        }
    }

    #[test]
    fn every_parser_has_a_fuzz_target() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("reads");
        for (name, _) in PARSERS {
            assert!(root.join(format!("fuzz_targets/{name}.rs")).exists(), "{name} has no target");
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        }
    }
}
