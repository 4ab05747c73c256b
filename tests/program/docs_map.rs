//! The map of the code: which file imports which, as far as ARCHITECTURE.md promises something about it.

use crate::docs::{root, sources};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};

/// A module, and a path to anything: names from the root of the crate.
type Path = Vec<String>;

/// The paths in `tokens`, with `before` in front of each; the code of tests is left out.
fn paths(tokens: TokenStream, before: &[String], found: &mut Vec<Path>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: usize, what: char| matches!(tokens.get(at), Some(TokenTree::Punct(mark)) if mark.as_char() == what);
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => token.to_string() == ";",
    };
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => match at.checked_sub(1).map(|before| tokens[before].to_string()).as_deref() {
                Some("pub") => {}
                Some("#") if group.to_string().replace(' ', "") == "[cfg(test)]" => {
                    at += tokens[at..].iter().position(ends).expect("what is tested");
                }
                _ => paths(group.stream(), &[], found),
            },
            TokenTree::Ident(name) => {
                let mut path = before.to_vec();
                path.push(name.to_string());
                while is(at + 1, ':') && is(at + 2, ':') {
                    match tokens.get(at + 3) {
                        Some(TokenTree::Ident(name)) => path.push(name.to_string()),
                        Some(TokenTree::Group(group)) => paths(group.stream(), &path, found),
                        _ => break,
                    }
                    at += 3;
                }
                found.push(path);
            }
            _ => {}
        }
        at += 1;
    }
}

/// What `pub use` and `pub(crate) use` name in `tokens`.
fn reexports(tokens: TokenStream) -> Vec<Path> {
    let (mut found, mut statement) = (Vec::new(), Vec::new());
    for token in tokens {
        match token.to_string().as_str() {
            ";" => {
                let words: Vec<String> = statement.iter().take(3).map(TokenTree::to_string).collect();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let named = match words.as_slice() {
                    ["pub", "use", ..] => Some(2),
                    ["pub", "(crate)", "use"] => Some(3),
                    _ => None,
                };
                if let Some(named) = named {
                    paths(statement.drain(named..).collect(), &[], &mut found);
                }
                statement.clear();
            }
            "}" => statement.clear(),
            _ => statement.push(token),
        }
    }
    found
}

struct Map {
    /// By module, what its code names, from the root of the crate.
    named: BTreeMap<Path, Vec<Path>>,
    /// By the path under which something is exported again, where it is.
    again: BTreeMap<Path, Path>,
}

impl Map {
    fn read() -> Self {
        let (mut files, folder) = (Vec::new(), root().join("src"));
        sources(&folder, &mut files);
        let mut code = BTreeMap::new();
        for file in files {
            let inside = file.strip_prefix(&folder).expect("below src").with_extension("");
            let mut module: Path = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|name| ["mod", "lib"].contains(&name.as_str())) {
                module.pop();
            }
            if module.last().is_some_and(|name| name.ends_with("tests") || name == "main") {
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("reads");
            code.insert(module, text.parse::<TokenStream>().expect("tokens"));
        }
        let modules: BTreeSet<Path> = code.keys().cloned().collect();
        let absolute = |module: &Path, path: &Path| -> Option<Path> {
            let ups = path.iter().take_while(|name| *name == "super").count();
            let rest = path[ups..].iter().filter(|name| *name != "self").cloned();
            let from: &[String] = match path[0].as_str() {
                "crate" => return Some(path[1..].to_vec()),
                "super" => &module[..module.len().checked_sub(ups)?],
                "self" => module,
                child => modules.contains(&[&module[..], &[child.to_owned()]].concat()).then_some(module)?,
            };
            Some(from.iter().cloned().chain(rest).collect())
        };
        let (mut named, mut again) = (BTreeMap::new(), BTreeMap::new());
        for (module, tokens) in code {
            for path in reexports(tokens.clone()).iter().filter_map(|path| absolute(&module, path)) {
                let name = path.last().expect("a name").clone();
                again.insert([&module[..], &[name]].concat(), path);
            }
            let mut found = Vec::new();
            paths(tokens, &[], &mut found);
            found.retain(|path| path.len() > 1);
            named.insert(module.clone(), found.iter().filter_map(|path| absolute(&module, path)).collect());
        }
        Self { named, again }
    }

    /// The module that a path leads into; what is exported again is where it was.
    fn module_of(&self, path: &[String]) -> Option<&Path> {
        let (length, module) =
            (0..=path.len()).rev().find_map(|length| Some((length, self.named.get_key_value(&path[..length])?.0)))?;
        let again = path.get(..=length).and_then(|exported| self.again.get(exported));
        match again.filter(|there| path[..=length] != there[..]) {
            Some(there) => self.module_of(&[there, &path[length + 1..]].concat()),
            None => Some(module),
        }
    }

    /// Which module imports from which.
    fn imports(&self) -> BTreeSet<(&Path, &Path)> {
        let mut found = BTreeSet::new();
        for (module, named) in &self.named {
            let others = named.iter().filter_map(|path| self.module_of(path)).filter(|other| *other != module);
            found.extend(others.map(|other| (module, other)));
        }
        found
    }
}

#[test]
fn no_files_of_a_room_import_one_another_in_a_circle() {
    let map = Map::read();
    let imports = map.imports();
    assert!(imports.len() > 500, "{} imports were read", imports.len());
    let rooms: BTreeSet<&String> = map.named.keys().filter_map(|module| module.first()).collect();
    for room in rooms {
        let mut inside: Vec<_> =
            imports.iter().filter(|(a, b)| a.first() == Some(room) && b.first() == Some(room)).collect();
        // Whoever imports nobody that is left, or is imported by nobody, is in no circle.
        loop {
            let (from, to): (BTreeSet<_>, BTreeSet<_>) = inside.iter().map(|(a, b)| (*a, *b)).unzip();
            let before = inside.len();
            inside.retain(|(a, b)| from.contains(b) && to.contains(a));
            if inside.len() == before {
                break;
            }
        }
        let edges: Vec<String> = inside.iter().map(|(a, b)| format!("{} -> {}", a.join("::"), b.join("::"))).collect();
        assert!(edges.is_empty(), "files of {room} import one another:\n{}", edges.join("\n"));
    }
}

#[test]
fn wings_import_only_wings_before_them() {
    let document = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("reads");
    let after = document.split("The wings of `domain/`").nth(1).expect("the wings");
    let rows = after.lines().skip_while(|line| !line.starts_with("| ")).take_while(|line| line.starts_with('|'));
    let order: Vec<&str> = rows.skip(2).filter_map(|row| row.split('|').nth(1)).map(str::trim).collect();
    let map = Map::read();
    // What is below all wings has no place in the order, and comes first.
    let place = |module: &Path| order.iter().position(|wing| *wing == module[1]);
    let is_wing = |module: &Path| module.len() > 1 && module[0] == "domain";
    let wings: BTreeSet<&str> =
        map.named.keys().filter(|m| m.len() > 2 && is_wing(m)).map(|module| module[1].as_str()).collect();
    assert_eq!(
        wings,
        order.iter().copied().collect(),
        "the wings that ARCHITECTURE.md names, and those that are there"
    );
    for (from, to) in map.imports() {
        if is_wing(from) && to.first().is_some_and(|room| room == "domain") {
            let names = format!("{} -> {}", from.join("::"), to.join("::"));
            assert!(is_wing(to), "{names}: import from the file that has it");
            assert!(place(to) <= place(from), "{names}: the other way round in ARCHITECTURE.md");
        }
    }
}

#[test]
fn the_doors_of_the_domain_declare_and_decide_nothing() {
    let domain = root().join("src/domain");
    let mut files = Vec::new();
    sources(&domain, &mut files);
    let doors: Vec<_> = files.iter().filter(|file| file.ends_with("mod.rs")).collect();
    assert!(doors.len() > 7);
    for door in doors {
        let text = std::fs::read_to_string(door).expect("reads");
        for line in text.lines().filter(|line| !line.is_empty()) {
            let declares = ["//!", "pub mod ", "pub(crate) mod ", "mod ", "pub use ", "pub(crate) use "]
                .iter()
                .any(|start| line.starts_with(start));
            assert!(declares, "{}: {line}", door.display());
        }
    }
}
