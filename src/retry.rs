//! How long to wait before trying again: exponential with jitter. The only place that knows the `backoff` crate, and
//! only its arithmetic: attempts are counted in the store, so a restart does not forget them.

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use std::time::Duration;

const MULTIPLIER: f64 = 2.0;

/// Between which waits a retry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The wait after the first attempt.
    pub first: Duration,
    pub longest: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(300) }
    }
}

impl Waits {
    /// The wait after the attempt with this number (counted from 0): doubling, give or take half.
    pub fn delay(&self, attempt: i64) -> Duration {
        let doublings = i32::try_from(attempt.clamp(0, 20)).unwrap_or(20);
        let mut backoff = ExponentialBackoff {
            current_interval: self.first.mul_f64(MULTIPLIER.powi(doublings)).min(self.longest),
            initial_interval: self.first,
            multiplier: MULTIPLIER,
            max_interval: self.longest,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        backoff.next_backoff().unwrap_or(self.longest)
    }
}

/// The same, where nobody has configured anything: from a second to five minutes.
pub fn delay(attempt: i64) -> Duration {
    Waits::default().delay(attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_spread_and_end_at_the_longest() {
        let near = |waits: Waits, attempt, seconds: f64| {
            let wait = waits.delay(attempt).as_secs_f64();
            assert!((seconds * 0.49..=seconds * 1.51).contains(&wait), "attempt {attempt}: {wait}");
        };
        near(Waits::default(), 0, 1.0);
        near(Waits::default(), 3, 8.0);
        near(Waits::default(), 50, 300.0);
        let patient = Waits { first: Duration::from_secs(10), longest: Duration::from_secs(60) };
        near(patient, 0, 10.0);
        near(patient, 4, 60.0);
        assert!((0..20).any(|_| delay(4) != delay(4)), "waits are spread");
    }
}
