//! What goes wrong on purpose: seeded, so that a run can be repeated.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::time::Duration;

/// Something that happens to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Answer with this status and body instead of doing anything.
    Answer { status: u16, body: String },
    /// Do it, then close the connection without an answer.
    LoseReply,
    /// Do nothing and close the connection.
    Reset,
    /// Answer later than usual by this much (of the clock's time).
    Slow(Duration),
    /// Namely: show the page without its profiles from this one on.
    CutPage(usize),
    /// Namely: break the JSON off in the middle.
    BrokenJson,
}

/// A fault and when it strikes.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Only this method; any if empty.
    pub method: String,
    /// Only paths (with query) that contain this.
    pub path: String,
    pub kind: Kind,
    /// Part of the matching requests that it strikes.
    pub chance: f64,
    /// How often it strikes at most.
    pub times: Option<u32>,
}

impl Fault {
    /// A fault that strikes the first `times` matching requests.
    pub fn first(times: u32, method: &str, path: &str, kind: Kind) -> Self {
        Self { method: method.into(), path: path.into(), kind, chance: 1.0, times: Some(times) }
    }

    /// A fault that strikes a part of all matching requests.
    pub fn some(chance: f64, method: &str, path: &str, kind: Kind) -> Self {
        Self { method: method.into(), path: path.into(), kind, chance, times: None }
    }
}

/// All faults of one simulator.
#[derive(Debug)]
pub struct Faults {
    plan: Vec<Fault>,
    random: ChaCha8Rng,
}

impl Faults {
    /// No faults; `seed` drives those that are added.
    pub fn new(seed: u64) -> Self {
        Self { plan: Vec::new(), random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Adds a fault.
    pub fn add(&mut self, fault: Fault) {
        self.plan.push(fault);
    }

    /// Removes all faults.
    pub fn clear(&mut self) {
        self.plan.clear();
    }

    /// Whether every fault has struck as often as it may.
    pub fn are_spent(&self) -> bool {
        self.plan.iter().all(|fault| fault.times == Some(0))
    }

    /// The fault that strikes this request, if any.
    pub fn strike(&mut self, method: &str, target: &str) -> Option<Kind> {
        for fault in &mut self.plan {
            let matches = (fault.method.is_empty() || fault.method == method) && target.contains(&fault.path);
            if matches && fault.times != Some(0) && self.random.random_bool(fault.chance.clamp(0.0, 1.0)) {
                fault.times = fault.times.map(|times| times - 1);
                return Some(fault.kind.clone());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_what_it_matches_as_often_as_it_may() {
        let mut faults = Faults::new(1);
        faults.add(Fault::first(2, "POST", "/users", Kind::LoseReply));
        assert_eq!(faults.strike("GET", "/api/v1/users"), None);
        assert_eq!(faults.strike("POST", "/api/v1/users"), Some(Kind::LoseReply));
        assert_eq!(faults.strike("POST", "/api/v1/users"), Some(Kind::LoseReply));
        assert!(faults.are_spent());
        assert_eq!(faults.strike("POST", "/api/v1/users"), None);
    }

    #[test]
    fn the_same_seed_strikes_the_same_requests() {
        let strikes = |seed| {
            let mut faults = Faults::new(seed);
            faults.add(Fault::some(0.3, "", "", Kind::Reset));
            (0..100).map(|_| faults.strike("GET", "/x").is_some()).collect::<Vec<_>>()
        };
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
    }
}
