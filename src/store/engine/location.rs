//! What stands at the path of a store, looked at before anything is opened: a named pipe would be waited for without end, a device
//! read without end, and a link to what is not mounted replaced by a new store.

use super::error::StoreError;
use std::fs::{self, FileType};
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Files that SQLite keeps beside a store.
const KEPT_BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A file beside the store: its name and a suffix.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether there is a store at `path`, as far as can be seen from outside: a file that holds something, and beside it only files.
pub fn is_there(path: &Path) -> Result<bool, StoreError> {
    for suffix in KEPT_BESIDE {
        is_a_file_beside(&beside(path, suffix))?;
    }
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let Ok(target) = fs::read_link(path) else { return Ok(false) };
            return Err(StoreError::LinkToNowhere { path: path.to_owned(), target });
        }
        Err(error) => return Err(StoreError::Io { path: path.to_owned(), error }),
    };
    if let Some(what) = other_than_a_file(found.file_type()) {
        return Err(StoreError::NotAFile { path: path.to_owned(), what, to_do: "name a file as service.store" });
    }
    if found.len() == 0 {
        return Err(StoreError::Empty { path: path.to_owned() });
    }
    Ok(true)
}

/// That what the service keeps beside a store is a file, if it is there.
pub(super) fn is_a_file_beside(path: &Path) -> Result<(), StoreError> {
    match fs::metadata(path).ok().and_then(|found| other_than_a_file(found.file_type())) {
        Some(what) => Err(StoreError::NotAFile {
            path: path.to_owned(),
            what,
            to_do: "the service keeps a file there: remove it",
        }),
        None => Ok(()),
    }
}

fn other_than_a_file(found: FileType) -> Option<&'static str> {
    match found {
        found if found.is_file() => None,
        found if found.is_dir() => Some("a folder"),
        found if found.is_fifo() => Some("a named pipe"),
        found if found.is_socket() => Some("a socket"),
        _ => Some("a device"),
    }
}
