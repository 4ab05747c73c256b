//! Sign-ins over an identity provider that are under way.
//!
//! **Invariant:** each comes back once, and not after its longest time; they are bounded.

use crate::clock::Moment;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Whoever takes longer begins again.
pub const LONGEST: Duration = Duration::from_secs(600);
/// At most: the one that was begun longest ago makes room.
const MOST: usize = 1_000;

/// A sign-in under way.
#[derive(Clone, Debug)]
pub struct Begun {
    pub nonce: String,
    /// Of PKCE: whoever reads the code on its way cannot use it.
    pub verifier: String,
    /// The page that was asked for.
    pub to: String,
    pub back: String,
    pub at: Moment,
}

/// Sign-ins under way, by what the provider gives back.
pub struct Underway {
    longest: Duration,
    begun: Mutex<HashMap<String, Begun>>,
}

impl Underway {
    /// None yet; each lasts so long at most.
    pub fn new(longest: Duration) -> Self {
        Self { longest, begun: Mutex::default() }
    }

    /// One has begun; `state` is what the provider gives back.
    pub fn put(&self, state: String, begun: Begun) {
        let mut all = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, other| begun.at.since(other.at) < self.longest);
        if all.len() >= MOST {
            let oldest = all.iter().min_by_key(|(_, other)| other.at).map(|(state, _)| state.clone());
            oldest.map(|state| all.remove(&state));
        }
        all.insert(state, begun);
    }

    /// Each is taken once.
    pub fn take(&self, state: &str, now: Moment) -> Option<Begun> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(state)?;
        (now.since(begun.at) < self.longest).then_some(begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(at: i64) -> Begun {
        let text = |text: &str| text.to_owned();
        let at = Moment::from_secs(at);
        Begun { nonce: text("n"), verifier: text("v"), to: text("/"), back: text("http://localhost/sign-in/back"), at }
    }

    #[test]
    fn each_comes_back_once_and_in_time_and_they_are_bounded() {
        let all = Underway::new(LONGEST);
        all.put("a".into(), begun(0));
        all.put("b".into(), begun(0));
        assert!(all.take("a", Moment::from_secs(599)).is_some() && all.take("a", Moment::from_secs(599)).is_none());
        assert!(all.take("b", Moment::from_secs(600)).is_none() && all.take("c", Moment::from_secs(0)).is_none());
        (0..=1_000).for_each(|n| all.put(format!("s{n}"), begun(i64::from(n > 0))));
        assert!(
            all.take("s0", Moment::from_secs(101)).is_none() && all.take("s1000", Moment::from_secs(101)).is_some()
        );
    }
}
