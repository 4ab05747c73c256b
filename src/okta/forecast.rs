//! How long a counter needs for calls that are planned.

use super::bucket::WINDOW;
use super::budget::Status;
use crate::clock::Moment;

/// Part of a window over which the calls of one are spread.
pub const SPREAD: f64 = 40.0 / 60.0;

/// Seconds until `calls` more have been made, if nobody else spends the counter; `None` while its limit is not known.
pub fn seconds(calls: f64, status: &Status, now: Moment) -> Option<f64> {
    let limit = f64::from(status.limit.filter(|limit| *limit > 0)?);
    let window = WINDOW.as_secs_f64();
    let over = calls - f64::from(status.remaining.saturating_sub(status.in_flight));
    if calls <= 0.0 {
        return Some(0.0);
    }
    let spread = |calls: f64| calls / limit * window * SPREAD;
    if over <= 0.0 {
        return Some(spread(calls));
    }
    let rest_of_this = status.ends.map_or(0.0, |ends| ends.since(now).as_secs_f64());
    let full = ((over / limit).ceil() - 1.0).max(0.0);
    Some(rest_of_this + full * window + spread(over - full * limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn windows_are_counted_and_the_rest_of_the_last_is_spread() {
        let now = Moment::from_secs(1000);
        let ends = Some(now + Duration::from_secs(30));
        let status = Status { limit: Some(600), remaining: 300, ends, ..Status::default() };
        let near = |calls: f64, seconds: f64| {
            let message = super::seconds(calls, &status, now).expect("known");
            assert!((message - seconds).abs() < 0.1, "{calls}: {message}");
        };
        near(0.0, 0.0);
        near(150.0, 10.0);
        near(300.0, 20.0);
        near(600.0, 30.0 + 20.0);
        near(300.0 + 600.0 * 3.0 + 300.0, 30.0 + 3.0 * 60.0 + 20.0);
        assert_eq!(super::seconds(5.0, &Status::default(), now), None);
    }
}
