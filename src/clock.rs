//! The one place that knows what time it is.
//!
//! Everything else takes `now` as a parameter. The sandbox runs the same code on a clock that goes faster; HTTP
//! timeouts and fsync stay real (`Clock::real`).

#![expect(clippy::disallowed_methods, reason = "this is the home of ambient time")]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point on the product's time line: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// The moment `ms` milliseconds after the Unix epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms * 1000)
    }

    /// The moment `s` seconds after the Unix epoch.
    pub const fn from_secs(s: i64) -> Self {
        Self(s * 1_000_000)
    }

    /// The moment `us` microseconds after the Unix epoch.
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_micros(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// The same moment as a calendar timestamp.
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MIN)
    }
}

impl From<jiff::Timestamp> for Moment {
    fn from(t: jiff::Timestamp) -> Self {
        Self(t.as_microsecond())
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Moment;
    fn add(self, d: Duration) -> Moment {
        Moment(self.0 + i64::try_from(d.as_micros()).unwrap_or(i64::MAX / 4))
    }
}

impl std::ops::Sub<Duration> for Moment {
    type Output = Moment;
    fn sub(self, d: Duration) -> Moment {
        Moment(self.0 - i64::try_from(d.as_micros()).unwrap_or(i64::MAX / 4))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.timestamp())
    }
}

/// The product's clock. Cheap to clone; all clones agree.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    System { origin: Instant },
    Scaled { origin: Instant, epoch: Moment, scale: f64, jumped: AtomicI64 },
}

impl Clock {
    /// Real time.
    pub fn system() -> Self {
        Self(Arc::new(Kind::System { origin: Instant::now() }))
    }

    /// A clock that starts at `epoch` and runs `scale` times as fast as real time.
    pub fn scaled(epoch: Moment, scale: f64) -> Self {
        assert!(scale > 0.0, "a clock must move forward, not by a factor of {scale}");
        Self(Arc::new(Kind::Scaled { origin: Instant::now(), epoch, scale, jumped: AtomicI64::new(0) }))
    }

    /// A clock that starts at the present moment and runs `scale` times as fast.
    pub fn scaled_from_today(scale: f64) -> Self {
        Self::scaled(Self::system().now(), scale)
    }

    /// Calendar time: follows corrections of the system's clock.
    pub fn now(&self) -> Moment {
        match &*self.0 {
            Kind::System { .. } => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Moment(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
            Kind::Scaled { .. } => self.monotonic(),
        }
    }

    /// A time line that never jumps, for windows, pacing and ages. Its origin means nothing outside this process.
    pub fn monotonic(&self) -> Moment {
        match &*self.0 {
            Kind::System { origin } => Moment(1_000_000_000_000) + origin.elapsed(),
            Kind::Scaled { origin, epoch, scale, jumped } => {
                let jumped = Duration::from_micros(jumped.load(Ordering::Relaxed).unsigned_abs());
                *epoch + origin.elapsed().mul_f64(*scale) + jumped
            }
        }
    }

    /// Moves a clock that is not the system's forward by `d`, for all who share it. For moments in which nothing goes on:
    /// whoever sleeps sleeps on.
    pub fn jump(&self, d: Duration) {
        if let Kind::Scaled { jumped, .. } = &*self.0 {
            jumped.fetch_add(i64::try_from(d.as_micros()).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// How many product seconds pass in one real second.
    pub fn scale(&self) -> f64 {
        match &*self.0 {
            Kind::System { .. } => 1.0,
            Kind::Scaled { scale, .. } => *scale,
        }
    }

    /// The real time that `d` of product time takes.
    pub fn real(&self, d: Duration) -> Duration {
        d.div_f64(self.scale())
    }

    /// Sleeps for `d` of product time.
    pub async fn sleep(&self, d: Duration) {
        tokio::time::sleep(self.real(d)).await;
    }
}

/// governor asks this clock for the time, so that pacing follows the product's clock too.
#[derive(Clone, Debug)]
pub struct PacerClock(pub Clock);

impl governor::clock::Clock for PacerClock {
    type Instant = governor::nanos::Nanos;

    fn now(&self) -> Self::Instant {
        governor::nanos::Nanos::from(u64::try_from(self.0.monotonic().micros()).unwrap_or(0) * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_add_subtract_and_never_go_negative_in_a_difference() {
        let a = Moment::from_secs(100);
        assert_eq!((a + Duration::from_millis(1500)).millis(), 101_500);
        assert_eq!((a + Duration::from_secs(5)).since(a), Duration::from_secs(5));
        assert_eq!(a.since(a + Duration::from_secs(5)), Duration::ZERO);
    }

    #[test]
    fn a_scaled_clock_runs_faster_and_its_sleeps_are_shorter() {
        let clock = Clock::scaled(Moment::from_secs(0), 40.0);
        assert_eq!(clock.real(Duration::from_secs(40)), Duration::from_secs(1));
        let before = clock.now();
        clock.clone().jump(Duration::from_secs(86_400));
        assert!(clock.now().since(before) >= Duration::from_secs(86_400), "a jump is everybody's");
        let a = clock.now();
        while clock.now().since(a) < Duration::from_millis(40) {
            std::hint::spin_loop();
        }
    }
}
