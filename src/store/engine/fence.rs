//! Until when this process may act for the store: by its own clock, since a process that stood still, or was cut off from the
//! database, cannot ask.
//!
//! **Invariant:** on a store that several nodes can serve no call starts later than `STARTS` after the last renewal of the lease was
//! asked for, and none is waited for later than `ENDS`; nobody else serves before `LEASE` is over. All of it is counted from before
//! the renewal was sent, so what the way to the database takes counts against us.

use rustix::time::{ClockId, clock_gettime};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

/// For how long the right to serve lasts after each renewal, by the clock of the database.
pub(super) const LEASE: Duration = Duration::from_secs(12);
/// How often it is renewed.
pub(super) const RENEWED: Duration = Duration::from_secs(3);
/// For how long after a renewal calls may start.
pub(super) const STARTS: Duration = Duration::from_secs(6);
/// After how long the last of them is given up.
pub(super) const ENDS: Duration = Duration::from_secs(11);

/// Without an end: nobody else can serve.
const FOR_EVER: u64 = u64::MAX;
/// It is over, whatever is answered later.
const ENDED: u64 = u64::MAX - 1;

/// When the right to act was last renewed, in milliseconds of a clock that goes on while the machine sleeps. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Fence(Arc<AtomicU64>);

/// Goes on while the machine sleeps.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// Milliseconds since the machine was started.
pub(super) fn since_boot() -> u64 {
    let now = clock_gettime(CLOCK);
    let millis = now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000);
    u64::try_from(millis).unwrap_or(0)
}

const fn millis(of: Duration) -> u64 {
    of.as_millis() as u64
}

impl Default for Fence {
    /// Of a store that nobody else can serve.
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(FOR_EVER)))
    }
}

impl Fence {
    /// A right that was asked for at `at`.
    pub(super) fn since(at: u64) -> Self {
        Self(Arc::new(AtomicU64::new(at)))
    }

    /// It was renewed, by what was asked for at `at`.
    pub(super) fn renewed(&self, at: u64) {
        self.0.fetch_max(at, Ordering::SeqCst);
    }

    /// It has ended: it was given back, or somebody else has it.
    pub(in crate::store) fn end(&self) {
        self.0.store(ENDED, Ordering::SeqCst);
    }

    /// How long it is ago that it was renewed; nothing where it has no end.
    fn age(&self, now: u64) -> Option<u64> {
        match self.0.load(Ordering::SeqCst) {
            FOR_EVER => None,
            ENDED => Some(FOR_EVER),
            at => Some(now.saturating_sub(at)),
        }
    }

    fn lets_start(&self, now: u64) -> Result<(), String> {
        match self.age(now) {
            Some(age) if age >= millis(STARTS) => Err(format!(
                "the right to serve the store could not be renewed for {} s: another node may serve it by now",
                age / 1000
            )),
            _ => Ok(()),
        }
    }

    /// Whether a call may start; or why not.
    pub fn may_start(&self) -> Result<(), String> {
        self.lets_start(since_boot())
    }

    /// Waits until whatever is under way must be given up. The clock is asked each time this is polled: a timer stands still while
    /// the machine sleeps, and comes late after the process stood still.
    pub async fn over(&self) {
        loop {
            let left = match self.age(since_boot()) {
                None => std::future::pending().await,
                Some(age) => millis(ENDS).saturating_sub(age),
            };
            let mut timer = pin!(tokio::time::sleep(Duration::from_millis(left)));
            poll_fn(|context| match self.is_over() {
                true => Poll::Ready(()),
                false => timer.as_mut().poll(context),
            })
            .await;
            if self.is_over() {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.age(since_boot()).is_some_and(|age| age >= millis(ENDS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_starts_or_lasts_until_somebody_else_may_serve() {
        /// How long one call of a termination is waited for.
        const ONE_CALL: Duration = Duration::from_secs(5);
        assert!(RENEWED * 2 <= STARTS, "one renewal may fail");
        assert!(STARTS + ONE_CALL <= ENDS && ENDS < LEASE, "whatever has started is over before the lease");
        let fence = Fence::since(1000);
        assert!(fence.lets_start(6999).is_ok());
        assert!(fence.lets_start(7000).is_err_and(|why| why.contains("for 6 s")));
        fence.renewed(4000);
        assert!(fence.lets_start(9999).is_ok());
        fence.renewed(2000);
        assert!(fence.lets_start(9999).is_ok(), "an answer that comes late takes nothing back");
        fence.end();
        fence.renewed(50_000);
        assert!(fence.lets_start(50_001).is_err(), "what was given back is not ours again");
        assert!(Fence::default().may_start().is_ok(), "in a file there is nobody else");
    }

    #[tokio::test]
    async fn what_is_under_way_is_given_up_when_the_right_ends_and_not_before() {
        let lasting = Fence::default();
        assert!(tokio::time::timeout(Duration::from_millis(20), lasting.over()).await.is_err());
        let fence = Fence::since(since_boot());
        assert!(tokio::time::timeout(Duration::from_millis(20), fence.over()).await.is_err());
        Fence::since(since_boot().saturating_sub(millis(ENDS))).over().await;
    }

    #[tokio::test]
    async fn an_end_that_no_timer_has_said_is_seen_before_anything_else_goes_on() {
        let fence = Fence::since(since_boot());
        let mut over = pin!(fence.over());
        let mut polled = async || poll_fn(|context| Poll::Ready(over.as_mut().poll(context).is_ready())).await;
        assert!(!polled().await);
        fence.end();
        assert!(polled().await, "its timer has seconds to go");
    }
}
