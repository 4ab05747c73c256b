//! What state the store is in because of the errors that were met, for whoever says how the service is.

use super::error::StoreError;
use super::location::beside;
use super::trouble::{Failure, Trouble};
use prometheus::IntGaugeVec;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A lock that is held for longer is no ordinary write of somebody else.
const SHORT_LOCK: Duration = Duration::from_secs(2);

/// What keeps the store from being written right now. Shared with whoever says how the service is.
#[derive(Clone)]
pub struct Condition {
    now: Arc<Mutex<Now>>,
    shown: IntGaugeVec,
}

#[derive(Default)]
struct Now {
    /// For how long a lock has been waited for, and who holds it, as far as that can be seen.
    locked: Option<(Duration, Option<String>)>,
    unwritable: Option<Failure>,
    damaged: Option<Failure>,
}

impl Condition {
    /// A store that nothing is known against. `shown` has one gauge for each kind of trouble.
    pub fn new(shown: IntGaugeVec) -> Self {
        let condition = Self { now: Arc::default(), shown };
        condition.change(|_| ());
        condition
    }

    fn change<T>(&self, change: impl FnOnce(&mut Now) -> T) -> T {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut now);
        for (trouble, lasts) in [
            (Trouble::Damaged, now.damaged.is_some()),
            (Trouble::Unwritable, now.unwritable.is_some()),
            (Trouble::Locked, now.locked.as_ref().is_some_and(|(waited, _)| *waited >= SHORT_LOCK)),
        ] {
            self.shown.with_label_values(&[trouble.as_str()]).set(i64::from(lasts));
        }
        changed
    }

    /// Somebody met an error. Damage lasts until the service is started on another file; what cannot be written is over with
    /// the next write.
    pub fn saw(&self, failure: &Failure) {
        match failure.trouble {
            Trouble::Damaged => {
                let is_new = self.change(|now| now.damaged.replace(failure.clone()).is_none());
                if is_new {
                    tracing::error!(why = %failure, "the store is damaged: nothing is written to Okta any more");
                }
            }
            Trouble::Unwritable => {
                let is_new = self.change(|now| now.unwritable.replace(failure.clone()).is_none());
                if is_new {
                    tracing::error!(why = %failure, "the store cannot be written; it is tried again");
                }
            }
            Trouble::Refused | Trouble::Locked | Trouble::Stopped => {}
        }
    }

    /// Something was written.
    pub(super) fn written(&self) {
        if self.change(|now| now.unwritable.take()).is_some() {
            tracing::info!("the store can be written again");
        }
    }

    /// A lock was waited for once more; returns for how long by now.
    pub(super) fn waits(&self, more: Duration, holder: Option<String>) -> Duration {
        self.change(|now| {
            let waited = now.locked.take().map_or(more, |(waited, _)| waited + more);
            now.locked = Some((waited, holder));
            waited
        })
    }

    /// Nobody else holds a lock.
    pub(super) fn free(&self) {
        if self.now.lock().unwrap_or_else(PoisonError::into_inner).locked.is_some() {
            self.change(|now| now.locked = None);
            tracing::info!("the lock on the store is gone");
        }
    }

    /// Whether the file is not to be trusted any more.
    pub fn is_damaged(&self) -> bool {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).damaged.is_some()
    }

    /// What is wrong with the store at `path`, for people; nothing without it.
    pub fn message(&self, path: &Path) -> Option<String> {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let lasting = now.damaged.as_ref().or(now.unwritable.as_ref());
        if let Some(failure) = lasting {
            return Some(StoreError::Unusable { path: path.to_owned(), failure: failure.clone() }.to_string());
        }
        let (waited, holder) = now.locked.as_ref().filter(|(waited, _)| *waited >= SHORT_LOCK)?;
        Some(format!(
            "{} has held a lock on the store {} for {} s: nothing can be written down, so nothing is sent to Okta; end it (a \
             copy, a session of sqlite3), or wait for it",
            holder.as_deref().unwrap_or("another program"),
            path.display(),
            waited.as_secs()
        ))
    }
}

/// Which other process holds a write lock on the store at `path`, where the system tells.
pub(super) fn holder(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let files = [path.to_owned(), beside(path, "-shm")];
    let inodes: Vec<u64> = files.iter().filter_map(|file| Some(std::fs::metadata(file).ok()?.ino())).collect();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let process = writer_of(&locks, &inodes, std::process::id())?;
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Some(match name.trim() {
        "" => format!("process {process}"),
        name => format!("process {process} ({name})"),
    })
}

/// Whether some process holds the lock file at `path`, where the system tells. (A try to lock it would be in the way of a service that
/// starts.)
pub(super) fn is_held(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = std::fs::metadata(path).map(|file| file.ino());
    let locks = std::fs::read_to_string("/proc/locks");
    inode.ok().zip(locks.ok()).is_some_and(|(inode, locks)| is_locked_whole(&locks, inode))
}

/// Whether a file is locked as a whole, by the kernel's list of locks.
fn is_locked_whole(locks: &str, inode: u64) -> bool {
    locks.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words.as_slice(), [_, "FLOCK", _, "WRITE", _, file, ..]
            if file.rsplit(':').next().is_some_and(|found| found.parse() == Ok(inode)))
    })
}

/// The process other than `own` that holds a lock for writing on one of these inodes, by the kernel's list of locks.
fn writer_of(locks: &str, inodes: &[u64], own: u32) -> Option<u32> {
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "POSIX" | "OFDLCK", _, "WRITE", process, file, ..] = words.as_slice() else { return None };
        let inode: u64 = file.rsplit(':').next()?.parse().ok()?;
        let process: u32 = process.parse().ok()?;
        (inodes.contains(&inode) && process != own).then_some(process)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn a_lock_is_told_when_it_lasts_and_damage_for_good() {
        let metrics = crate::metrics::Metrics::new();
        let condition = Condition::new(metrics.store.trouble.clone());
        let path = Path::new("s.db");
        condition.waits(Duration::from_secs(1), None);
        assert_eq!(condition.message(path), None, "an ordinary write of somebody else");
        condition.waits(Duration::from_secs(1), Some("process 7 (sqlite3)".into()));
        let message = condition.message(path).expect("it lasts");
        assert!(message.starts_with("process 7 (sqlite3) has held a lock on the store s.db for 2 s"), "{message}");
        assert!(metrics.text().contains("store_trouble{kind=\"locked\"} 1"), "{}", metrics.text());
        condition.free();
        assert_eq!(condition.message(path), None);
        condition.saw(&Failure::of(&rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None).into()));
        assert!(condition.message(path).is_some_and(|message| message.contains("no room")));
        condition.written();
        assert_eq!(condition.message(path), None);
        condition.saw(&Failure::damaged("page 7"));
        condition.written();
        assert!(condition.is_damaged() && condition.message(path).is_some_and(|message| message.contains("restore")));
    }

    #[test]
    fn the_kernel_tells_who_holds_a_lock_for_writing() {
        let locks = "1: POSIX  ADVISORY  READ  41 fd:01:700 124 124\n\
                     2: POSIX  ADVISORY  WRITE 42 fd:01:700 120 120\n\
                     2: -> POSIX  ADVISORY  WRITE 43 fd:01:700 120 120\n\
                     3: FLOCK  ADVISORY  WRITE 44 fd:01:701 0 EOF\n\
                     4: POSIX  ADVISORY  WRITE 45 fd:01:900 0 EOF\n";
        assert_eq!(writer_of(locks, &[699, 700], 1), Some(42));
        assert_eq!(writer_of(locks, &[699, 700], 42), None, "we ourselves");
        assert_eq!(writer_of(locks, &[701], 1), None);
        assert!(is_locked_whole(locks, 701) && !is_locked_whole(locks, 700));
    }
}
