//! What all screens share.

use super::session::{Ends, PROVIDED, Sessions};
use super::threads::Threads;
use super::underway::{LONGEST, Underway};
use crate::admin::Served;
use crate::config::ConsoleSettings;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Pages that wait for news at the same time; more are renewed by hand.
const WATCHERS: usize = 100;

/// The console of a running service.
pub struct Console {
    pub served: Served,
    pub settings: ConsoleSettings,
    pub sessions: Sessions,
    /// Sign-ins over the identity provider that are under way.
    pub underway: Underway,
    pub threads: Threads,
    /// Places for pages that wait for news.
    pub watchers: Arc<Semaphore>,
}

impl Console {
    /// The console of what is served; nobody is signed in.
    pub fn new(served: Served, settings: ConsoleSettings) -> std::io::Result<Self> {
        // People are as slow as ever where a clock runs faster, as in a sandbox.
        let patience = |time: Duration| time.mul_f64(served.clock.scale().max(1.0));
        let ends =
            Ends { idle: patience(settings.idle), longest: patience(settings.longest), provided: patience(PROVIDED) };
        let underway = Underway::new(patience(LONGEST));
        Ok(Self {
            served,
            settings,
            sessions: Sessions::new(ends),
            underway,
            threads: Threads::start()?,
            watchers: Arc::new(Semaphore::new(WATCHERS)),
        })
    }
}
