//! How long to wait before trying again: exponential with jitter. The only place that knows the `backoff` crate, and
//! only its arithmetic: attempts are counted in the store, so a restart does not forget them.

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
const MULTIPLIER: f64 = 2.0;

/// The wait after the attempt with this number (counted from 0): doubling, give or take half, at most five minutes.
pub fn delay(attempt: i64) -> Duration {
    let doublings = i32::try_from(attempt.clamp(0, 20)).unwrap_or(20);
    let mut backoff = ExponentialBackoff {
        current_interval: FIRST.mul_f64(MULTIPLIER.powi(doublings)).min(LONGEST),
        initial_interval: FIRST,
        multiplier: MULTIPLIER,
        max_interval: LONGEST,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    backoff.next_backoff().unwrap_or(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_spread_and_end_at_five_minutes() {
        let near = |attempt, seconds: f64| {
            let wait = delay(attempt).as_secs_f64();
            assert!((seconds * 0.49..=seconds * 1.51).contains(&wait), "attempt {attempt}: {wait}");
        };
        near(0, 1.0);
        near(3, 8.0);
        near(50, 300.0);
        assert!((0..20).any(|_| delay(4) != delay(4)), "waits are spread");
    }
}
