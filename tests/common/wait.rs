//! Waiting for the program, from outside of it.

use super::patience::PATIENCE;
use namely_okta_sync::clock::Clock;
use std::path::Path;
use std::time::Duration;

/// Waits until something holds, without an async runtime.
pub fn wait_until(what: &str, log: &Path, holds: impl FnMut() -> bool) {
    wait_or_report(what, log, holds, String::new);
}

/// The same; `message` says more if it is in vain.
pub fn wait_or_report(what: &str, log: &Path, mut holds: impl FnMut() -> bool, message: impl FnOnce() -> String) {
    let clock = Clock::system();
    let start = clock.monotonic();
    while !holds() {
        if clock.monotonic().since(start) > PATIENCE {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            panic!("waited in vain until {what}\n{log}\n{}", message());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
