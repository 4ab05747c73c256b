//! The hook of the HR system: that somebody has changed there, signed with the secret of the configuration.
//!
//! **Invariant:** a hook is believed once and for some minutes only; whatever arrives, one profile is not read more often than once in
//! some seconds, and hooks take a part of Namely's calls at most (`namely::walk`).

use crate::clock::Moment;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How far its time may be from ours.
pub const STALE: Duration = Duration::from_secs(300);
/// A profile that was read so shortly before is not read again.
const JUST_READ: Duration = Duration::from_secs(5);
/// Hooks of some minutes that are remembered.
const MOST: usize = 50_000;

/// What was heard in the last minutes: signatures that were believed, and which profile was read when.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    signatures: HashMap<String, Moment>,
    profiles: HashMap<(String, String), Moment>,
}

/// What becomes of a hook.
#[derive(Debug, PartialEq, Eq)]
pub enum Becomes {
    Believed,
    /// It is too old, or of a clock that is wrong.
    Stale,
    /// It was believed before.
    Repeated,
    /// More arrive than are remembered.
    TooMany,
}

impl Heard {
    /// What becomes of a hook that is signed well and says that it was `sent` then, in seconds since 1970.
    pub fn hear(&self, signature: &str, sent: Option<i64>, now: Moment) -> Becomes {
        self.memory().hear(signature, sent, now)
    }

    /// Whether a profile is to be read: it was not just now.
    pub fn is_due(&self, tenant: &str, profile: &str, now: Moment) -> bool {
        self.memory().is_due(tenant, profile, now)
    }

    /// A profile was not read after all.
    pub fn forget(&self, tenant: &str, profile: &str) {
        self.memory().forget(tenant, profile);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn hear(&mut self, signature: &str, sent: Option<i64>, now: Moment) -> Becomes {
        let is_fresh = |sent: i64| (now.secs() - sent).unsigned_abs() <= STALE.as_secs();
        if !sent.is_some_and(is_fresh) {
            return Becomes::Stale;
        }
        // Whoever sends a hook again after this long is told that it is too old.
        self.signatures.retain(|_, at| now.since(*at) <= STALE * 2);
        if self.signatures.contains_key(signature) {
            return Becomes::Repeated;
        }
        if self.signatures.len() >= MOST {
            return Becomes::TooMany;
        }
        self.signatures.insert(signature.to_owned(), now);
        Becomes::Believed
    }

    fn is_due(&mut self, tenant: &str, profile: &str, now: Moment) -> bool {
        self.profiles.retain(|_, at| now.since(*at) < JUST_READ);
        let is_due = !self.profiles.contains_key(&(tenant.to_owned(), profile.to_owned()));
        if is_due && self.profiles.len() < MOST {
            self.profiles.insert((tenant.to_owned(), profile.to_owned()), now);
        }
        is_due
    }

    fn forget(&mut self, tenant: &str, profile: &str) {
        self.profiles.remove(&(tenant.to_owned(), profile.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_believed_once_and_while_it_is_fresh() {
        let mut memory = Memory::default();
        let now = Moment::from_secs(10_000);
        assert_eq!(memory.hear("a", None, now), Becomes::Stale, "without a time anybody could send it again for ever");
        assert_eq!(memory.hear("a", Some(9_699), now), Becomes::Stale);
        assert_eq!(memory.hear("a", Some(10_301), now), Becomes::Stale);
        assert_eq!(memory.hear("a", Some(9_700), now), Becomes::Believed);
        assert_eq!(memory.hear("a", Some(9_700), now), Becomes::Repeated);
        assert_eq!(memory.hear("b", Some(10_300), now), Becomes::Believed);
        let later = now + STALE * 2;
        assert_eq!(memory.hear("b", Some(10_300), later), Becomes::Repeated, "while its time is fresh it is known");
    }

    #[test]
    fn a_profile_is_not_read_twice_within_seconds_however_many_hooks_name_it() {
        let mut memory = Memory::default();
        let now = Moment::from_secs(10_000);
        assert!(memory.is_due("acme", "p1", now) && memory.is_due("acme", "p2", now));
        assert!(!memory.is_due("acme", "p1", now + Duration::from_secs(4)));
        assert!(memory.is_due("acme", "p1", now + JUST_READ));
    }
}
