//! What stands in the files that a configuration names: whether it has changed, and whether everybody on the machine can read it.

use aws_lc_rs::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Keys whose value is a path as it stands, and not a reference to a secret.
const PATHS: [&str; 3] = ["admin.certificate", "admin.key", ".template"];

/// What each file held when the configuration was read, as a checksum, by the key that names it.
pub type Contents = BTreeMap<String, Vec<u8>>;

fn files(document: &Table, folder: &Path) -> Vec<(String, PathBuf, bool)> {
    let text = |value: &str| value.trim_matches(['"', '\'']).to_owned();
    let named = flat(document).into_iter().filter_map(|(key, value)| {
        let value = text(&value);
        if let Some(file) = value.strip_prefix("file:") {
            return Some((key, folder.join(file), true));
        }
        let is_path = PATHS.iter().any(|path| key.ends_with(path));
        let is_secret = key == "admin.key";
        is_path.then(|| (key, folder.join(value), is_secret))
    });
    named.collect()
}

/// The checksums of all files that a document names; of what cannot be read there is none.
pub fn read(document: &Table, folder: &Path) -> Contents {
    let read = files(document, folder).into_iter();
    read.filter_map(|(key, file, _)| Some((key, digest(&SHA256, &std::fs::read(file).ok()?).as_ref().to_vec())))
        .collect()
}

/// Secret files that every user of the machine may read, each with what to do about it.
pub fn exposed(document: &Table, folder: &Path) -> Vec<String> {
    let secret = files(document, folder).into_iter().filter(|(_, _, is_secret)| *is_secret);
    let open = secret.filter_map(|(key, file, _)| {
        let mode = std::fs::metadata(&file).ok()?.permissions().mode();
        let file = file.display();
        (mode & 0o004 != 0).then(|| {
            format!(
                "{key}: every user of this machine can read the secret in {file} (mode {:04o}): chmod o= {file}",
                mode & 0o7777
            )
        })
    });
    open.collect()
}

/// Keys that name the same file as before, in which something else stands now.
pub fn differing(old: &Contents, new: &Contents) -> Vec<String> {
    let differs = new.iter().filter(|(key, sum)| old.get(*key).is_some_and(|before| before != *sum));
    differs.map(|(key, _)| key.clone()).collect()
}

/// Every value by its place; tables of a list are named by their `name`, where they have one.
pub(super) fn flat(table: &Table) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (key, value) in table {
        flatten(key, value, &mut all);
    }
    all
}

fn flatten(path: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| flatten(&format!("{path}.{key}"), value, all)),
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for (n, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(Value::as_str).map_or_else(|| (n + 1).to_string(), str::to_owned);
                flatten(&format!("{path}[{name}]"), item, all);
            }
        }
        other => {
            all.insert(path.to_owned(), other.to_string());
        }
    }
}
