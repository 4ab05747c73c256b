//! What all screens share.

use super::session::{Ends, Sessions};
use super::threads::Threads;
use crate::admin::Served;
use crate::config::ConsoleSettings;

/// The console of a running service.
pub struct Console {
    pub served: Served,
    pub settings: ConsoleSettings,
    pub sessions: Sessions,
    pub threads: Threads,
}

impl Console {
    /// The console of what is served; nobody is signed in.
    pub fn new(served: Served, settings: ConsoleSettings) -> std::io::Result<Self> {
        let ends = Ends { idle: settings.idle, longest: settings.longest };
        Ok(Self { served, settings, sessions: Sessions::new(ends), threads: Threads::start()? })
    }
}
