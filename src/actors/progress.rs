//! When a run was last heard of, and for how long nothing can be heard of one.

use crate::clock::{Clock, Moment};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

/// Beyond what the calls of a step take: a start of the process that lasted, a machine that does something else.
const SLACK: Duration = Duration::from_secs(10);
/// HTTP requests that one call can be at most: a token twice, the call twice, and a proof that is asked for.
const REQUESTS_OF_A_CALL: u32 = 5;

/// How long a call can take whose requests end after `timeout` (real time).
pub fn longest_call(timeout: Duration) -> Duration {
    timeout * REQUESTS_OF_A_CALL
}

/// For how long nothing can be heard of a run whose requests end after `timeout` (real time).
pub fn longest_silence(timeout: Duration) -> Duration {
    longest_call(timeout) + SLACK
}

/// When a run was last heard of. Shared with whoever does something for it.
#[derive(Clone)]
pub struct Progress(Arc<Signs>);

struct Signs {
    last: AtomicI64,
    given_up: AtomicBool,
}

impl Progress {
    /// Of a run that begins.
    pub fn new(clock: &Clock) -> Self {
        let last = AtomicI64::new(clock.monotonic().micros());
        Self(Arc::new(Signs { last, given_up: AtomicBool::new(false) }))
    }

    /// A sign of life.
    pub fn heard(&self, clock: &Clock) {
        self.0.last.store(clock.monotonic().micros(), Ordering::Relaxed);
    }

    /// The run is let go of.
    pub fn give_up(&self) {
        self.0.given_up.store(true, Ordering::SeqCst);
    }

    /// Whether the run was let go of: nothing may be sent for it any more.
    pub fn is_given_up(&self) -> bool {
        self.0.given_up.load(Ordering::SeqCst)
    }

    /// For how long nothing was heard of it, in real time.
    pub fn since(&self, clock: &Clock) -> Duration {
        let last = Moment::from_micros(self.0.last.load(Ordering::Relaxed));
        clock.real(clock.monotonic().since(last))
    }
}
